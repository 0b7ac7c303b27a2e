#include "fuzz.h"
#include "wire/base64.h"
#include "wire/ocsp.h"

/* What decodes is what its plain base64 decodes to. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static uint8_t buf[LIMIT_OCSP_REQUEST], again_buf[LIMIT_OCSP_REQUEST];
    static uint8_t text[BASE64_LEN(LIMIT_OCSP_REQUEST)];
    struct sink out = SINK_ARRAY(text);
    struct span der, again;

    if (ocsp_get_decode(span_of(data, len), buf, &der) != BV_OK)
        return 0;
    fuzz_require(der.len >= 1 && der.len <= LIMIT_OCSP_REQUEST);
    base64_encode(&out, der);
    fuzz_require(!out.failed);
    /* a leading '/' of the base64 itself would be taken for the separator */
    fuzz_require(text[0] == '/' || (ocsp_get_decode(sink_view(&out), again_buf,
                                                    &again) == BV_OK &&
                                    span_eq(again, der)));
    return 0;
}
