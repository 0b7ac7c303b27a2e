/* From a CSR to the names a certificate would carry: what core lets through
 * must pass the linter's idea of a SAN and of a subject. */
#include "fuzz.h"

#include <string.h>

#include "core/names.h"
#include "wire/name.h"
#include "wire/san.h"

static void
check_profile(const char *profile_name, const struct csr *csr, const char *id)
{
    struct profile profile;
    uint8_t subject_buf[LIMIT_NAME], san_buf[4096];
    struct sink subject = SINK_ARRAY(subject_buf), san = SINK_ARRAY(san_buf);
    char problem[200];

    if (profile_default(profile_name, &profile) != BV_OK)
        abort();
    profile.san_allowed = ~0u; /* whatever a profile may be told to allow */
    if (names_check_id(&profile, span_str(id)) != BV_OK)
        return;
    if (names_subject(&profile, id, &subject) == BV_OK && !subject.failed)
        fuzz_require(name_check(sink_view(&subject)) == BV_OK);
    if (names_san(&profile, id, csr->san, &san, problem, sizeof(problem)) ==
            BV_OK &&
        !san.failed && san.len > 0)
        fuzz_require(san_check(sink_view(&san), NULL) == BV_OK);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char id[LIMIT_DEVICE_NAME + 1];
    struct csr csr;

    if (csr_parse(span_of(data, len), &csr) != BV_OK ||
        names_of_subject(csr.subject, false, id) != BV_OK)
        return 0;
    fuzz_require(strlen(id) <= LIMIT_DEVICE_NAME);
    check_profile("device", &csr, id);
    check_profile("server", &csr, id);
    return 0;
}
