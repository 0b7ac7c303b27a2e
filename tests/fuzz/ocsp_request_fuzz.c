#include "fuzz.h"
#include "wire/ocsp.h"

/* What parses can be written again, and reads back the same. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct ocsp_request request, again;
    uint8_t buf[2 * LIMIT_OCSP_REQUEST];
    struct sink out = SINK_ARRAY(buf);

    if (ocsp_request_parse(span_of(data, len), &request) != BV_OK)
        return 0;
    fuzz_require(request.num_certs >= 1 &&
                 request.num_certs <= LIMIT_OCSP_CERTS);
    fuzz_require(!request.has_nonce || (request.nonce.len >= 1 &&
                                        request.nonce.len <= OCSP_NONCE_MAX));
    ocsp_request_put(&out, &request);
    fuzz_require(!out.failed);
    fuzz_require(ocsp_request_parse(sink_view(&out), &again) == BV_OK);
    fuzz_require(again.num_certs == request.num_certs);
    for (unsigned i = 0; i < again.num_certs; i++)
        fuzz_require(span_eq(again.certs[i].whole, request.certs[i].whole));
    fuzz_require(span_eq(again.nonce, request.nonce));
    return 0;
}
