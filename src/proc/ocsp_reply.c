#include "proc/ocsp_reply.h"

void
ocsp_reply_encode(struct sink *out, const struct ocsp_reply *reply)
{
    sink_u8(out, reply->cacheable);
    sink_u64(out, reply->index);
    sink_u64(out, reply->word);
    sink_u64(out, (uint64_t)reply->this_update);
    sink_u64(out, (uint64_t)reply->next_update);
    sink_bytes(out, reply->response);
}

enum bv_err
ocsp_reply_decode(struct span in, struct ocsp_reply *ret_reply)
{
    struct ocsp_reply reply;
    uint8_t cacheable;
    uint64_t this_update, next_update;

    BV_TRY(span_u8(&in, &cacheable));
    BV_TRY(span_u64(&in, &reply.index));
    BV_TRY(span_u64(&in, &reply.word));
    BV_TRY(span_u64(&in, &this_update));
    BV_TRY(span_u64(&in, &next_update));
    BV_TRY(span_bytes(&in, &reply.response));
    BV_TRY(span_end(in));
    if (cacheable > 1)
        return BV_E_BAD_MESSAGE;
    reply.cacheable = cacheable == 1;
    reply.this_update = (int64_t)this_update;
    reply.next_update = (int64_t)next_update;
    *ret_reply = reply;
    return BV_OK;
}
