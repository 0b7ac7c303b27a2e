/* The signer's OCSP answer as a door reads it: canonical. */
#include "fuzz.h"

#include "proc/ocsp_reply.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct ocsp_reply reply;
    struct span in = span_of(data, len);

    if (ocsp_reply_decode(in, &reply) != BV_OK)
        return 0;
    uint8_t *copy = malloc(len);
    struct sink out = sink_of(copy, len);
    ocsp_reply_encode(&out, &reply);
    fuzz_require(!out.failed && span_eq(sink_view(&out), in));
    free(copy);
    return 0;
}
