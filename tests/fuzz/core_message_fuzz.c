/* What doors and core say to each other; the first octet chooses which way.
 * The encoding is canonical: what is accepted is written back as it came. */
#include "fuzz.h"

#include <string.h>

#include "core/request.h"

static void
check_same(const struct sink *out, struct span in)
{
    fuzz_require(!out->failed && span_eq(sink_view(out), in));
}

static void
request(struct span in, struct sink *out)
{
    struct core_request request;

    if (core_request_decode(in, &request) != BV_OK)
        return;
    fuzz_require(strlen(request.request_id) <= CORE_REQUEST_ID_LEN);
    fuzz_require(request.csr.len <= LIMIT_CSR);
    fuzz_require(request.peer_cert.len <= LIMIT_CERT);
    core_request_encode(out, &request);
    check_same(out, in);
}

static void
reply(struct span in, struct sink *out)
{
    struct core_reply reply;

    if (core_reply_decode(in, &reply) != BV_OK)
        return;
    fuzz_require(reply.err < BV_E_COUNT_);
    fuzz_require(reply.cert.len <= LIMIT_CERT);
    core_reply_encode(out, &reply);
    check_same(out, in);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct span in = span_of(data, len);
    uint8_t which, *copy = malloc(len + 1);
    struct sink out = sink_of(copy, len + 1);

    if (copy != NULL && span_u8(&in, &which) == BV_OK) {
        if (which % 2 == 0)
            request(in, &out);
        else
            reply(in, &out);
    }
    free(copy);
    return 0;
}
