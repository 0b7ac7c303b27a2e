/* A bundle is a sealed memfd: the input stands in one, then every blob is
 * walked and found again by its name. */
#include "fuzz.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "proc/bundle.h"

static void
check_each(const struct bundle *bundle)
{
    struct span name, blob, found;
    size_t at = 0, octets = 0;

    while (bundle_each(bundle, &at, &name, &blob)) {
        char text[BUNDLE_NAME_MAX + 1];
        octets += 8 + name.len + blob.len;
        if (name.len > BUNDLE_NAME_MAX ||
            memchr(name.data, '\0', name.len) != NULL)
            continue;
        fuzz_require(span_copy_str(name, text, sizeof(text)) == BV_OK);
        fuzz_require(bundle_find(bundle, text, &found) == BV_OK);
        fuzz_require(found.data <= blob.data); /* the first of its name */
    }
    fuzz_require(octets == bundle->len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bundle bundle;
    int fd;

    if (bundle_create(&fd) != BV_OK)
        return 0;
    fuzz_require(write(fd, data, len) == (ssize_t)len);
    fuzz_require(bundle_seal(fd) == BV_OK);
    if (bundle_open(fd, &bundle) == BV_OK) {
        check_each(&bundle);
        bundle_close(&bundle);
    }
    fuzz_require(fcntl(fd, F_GETFD) == -1); /* closed in every case */
    return 0;
}
