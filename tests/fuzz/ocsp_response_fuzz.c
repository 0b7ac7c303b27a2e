#include "fuzz.h"
#include "wire/ocsp.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct ocsp_response r;

    if (ocsp_response_parse(span_of(data, len), &r) != BV_OK)
        return 0;
    fuzz_require(r.num_singles <= LIMIT_OCSP_CERTS);
    fuzz_require(r.num_certs <= OCSP_CERTS_MAX);
    fuzz_require(r.status == OCSP_ANSWER_OK || r.data.len == 0);
    fuzz_require(r.status != OCSP_ANSWER_OK || r.alg != ALG_SIG_NONE);
    fuzz_require(!r.by_key || r.responder.len == OCSP_KEY_HASH_LEN);
    for (unsigned i = 0; i < r.num_singles; i++)
        fuzz_require(r.singles[i].cert_id.data >= data &&
                     r.ids[i].serial.len >= 1);
    return 0;
}
