/* The body of MSG_OCSP_REPLY: an OCSP answer and what the door needs to keep
 * it: u8 cacheable, u64 map index, u64 word, u64 this_update, u64 next_update,
 * bytes response.
 *
 * A cacheable answer is successful, for one certificate of ours, without
 * nonce. It may be served again to a request with the same octets while
 * statusmap_get(map, index) == word and next_update is far enough. */
#ifndef BV_PROC_OCSP_REPLY_H
#define BV_PROC_OCSP_REPLY_H

#include "base/sink.h"

struct ocsp_reply {
    bool cacheable;
    uint64_t index, word;             /* where in the status map it came from */
    int64_t this_update, next_update; /* Unix seconds; 0 for an error answer */
    struct span response;             /* OCSPResponse, DER */
};

void ocsp_reply_encode(struct sink *out, const struct ocsp_reply *reply);
enum bv_err ocsp_reply_decode(struct span in,
                              struct ocsp_reply *ret_reply) BV_CHECKED;

#endif
