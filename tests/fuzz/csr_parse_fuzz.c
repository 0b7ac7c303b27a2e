#include "fuzz.h"
#include "wire/csr.h"
#include "wire/name.h"
#include "wire/san.h"
#include "wire/smime.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct csr csr, keygen;
    struct smime_caps caps;
    enum bv_err err = csr_parse_keygen(span_of(data, len), &keygen);

    fuzz_require(err != BV_OK || keygen.spki.whole.len > 0);
    if (csr_parse(span_of(data, len), &csr) != BV_OK)
        return 0;
    fuzz_require(err == BV_OK && keygen.spki.alg == csr.spki.alg);
    fuzz_require(csr.info.data > data &&
                 csr.info.data + csr.info.len < data + len);
    fuzz_require(name_check(csr.subject) == BV_OK);
    fuzz_require(!csr.has_challenge || csr.challenge.len > 0);
    fuzz_require(san_eq(csr.san, csr.san));
    fuzz_require(san_eq(csr.change_san, csr.change_san));
    if (smime_caps_parse(csr.smime_capabilities, &caps) == BV_OK)
        fuzz_require(smime_caps_choose(&caps, len % 2) <= 256);
    return 0;
}
