/* Reads one request from octets that arrive in pieces, as a server would. */
#ifndef TESTS_UNIT_WIRE_HTTP_READ_H
#define TESTS_UNIT_WIRE_HTTP_READ_H

#include <string.h>

#include "wire/http.h"

struct http_read {
    enum bv_err err;
    bool done;
    struct http_request request;
    uint8_t body[4096];
    size_t body_len;
    size_t used; /* octets of the message */
};

static inline void
http_read_body(struct http_read *read, struct http_chunked *chunked,
               struct span *in)
{
    struct span data;
    while (!read->done && in->len > 0 && read->err == BV_OK) {
        if (read->request.chunked) {
            read->err = http_chunked_next(chunked, in, &data, &read->done);
        } else {
            uint64_t left = read->request.length - read->body_len;
            size_t len = in->len < left ? in->len : (size_t)left;
            read->err = span_take(in, len, &data);
            read->done = len == left;
        }
        if (read->err != BV_OK)
            return;
        if (data.len > sizeof(read->body) - read->body_len) {
            read->err = BV_E_TOO_LARGE;
            return;
        }
        if (data.len > 0)
            memcpy(read->body + read->body_len, data.data, data.len);
        read->body_len += data.len;
    }
}

/* A new piece arrives every step octets. */
static inline void
http_read_request(struct span all, size_t step, struct http_read *read)
{
    struct http_scan scan = {0};
    struct http_chunked chunked = {0};
    bool head_done = false;
    size_t head_len = 0, pos = 0;
    memset(read, 0, sizeof(*read));
    for (size_t have = 0;
         have < all.len && read->err == BV_OK && !read->done;) {
        have = all.len - have < step ? all.len : have + step;
        if (!head_done) {
            read->err = http_scan_head(&scan, span_of(all.data, have),
                                       &head_done, &head_len);
            if (read->err != BV_OK || !head_done)
                continue;
            read->err =
                http_request_parse(span_of(all.data, head_len), &read->request);
            pos = head_len;
            read->done = !read->request.chunked && read->request.length == 0;
        }
        if (read->err != BV_OK)
            continue;
        struct span in = span_of(all.data + pos, have - pos);
        http_read_body(read, &chunked, &in);
        pos = have - in.len;
    }
    read->used = pos;
}

#endif
