/* The device library reads an answer from a server it may not trust: whole and
 * octet by octet give the same, and nothing beyond its buffer is touched. */
#include "fuzz.h"

#include <string.h>

#include "device/exchange.h"

#define ROOM 4096

struct server {
    struct span left;
    size_t step;
};

struct answer {
    enum bv_err err;
    enum bv_why why;
    unsigned status;
    uint32_t retry_after;
    int64_t date;
    size_t body_len;
    uint8_t body[ROOM];
};

static enum bv_port
take_request(void *ctx, const uint8_t *data, size_t len, size_t *ret_sent)
{
    *ret_sent = len;
    return BV_PORT_OK;
}

static enum bv_port
give_answer(void *ctx, uint8_t *out, size_t cap, size_t *ret_len)
{
    struct server *server = ctx;
    size_t len = server->left.len < cap ? server->left.len : cap;

    if (server->left.len == 0)
        return BV_PORT_NONE;
    len = len < server->step ? len : server->step;
    memcpy(out, server->left.data, len);
    server->left = span_of(server->left.data + len, server->left.len - len);
    *ret_len = len;
    return BV_PORT_OK;
}

static enum bv_port
open_at_once(void *ctx, const struct bv_connect *to)
{
    return BV_PORT_OK;
}

static void
close_it(void *ctx)
{
}

static void
read_answer(struct span in, size_t step, struct answer *ret)
{
    struct server server = {in, step};
    struct bv_transport transport = {.ctx = &server,
                                     .open = open_at_once,
                                     .send = take_request,
                                     .recv = give_answer,
                                     .close = close_it};
    struct bv_connect to = {0};
    struct exchange exchange = {0};
    uint8_t *buf = malloc(ROOM);

    *ret = (struct answer){0};
    if (buf == NULL || exchange_open(&exchange, &transport, &to, 0, 1) != BV_OK)
        abort();
    exchange_start(&exchange, buf, ROOM, 1, 0, 1);
    ret->err = exchange_run(&exchange, &transport, 0);
    ret->why = exchange.why;
    if (ret->err == BV_OK) {
        struct span body = exchange_body(&exchange);
        fuzz_require(body.len <= ROOM && exchange.status >= 200);
        ret->status = exchange.status;
        ret->retry_after = exchange.retry_after;
        ret->date = exchange.date;
        ret->body_len = body.len;
        if (body.len > 0)
            memcpy(ret->body, body.data, body.len);
    }
    free(buf);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct answer whole, split;

    /* More than the room: the two readings may see different walls first. */
    if (len > ROOM)
        return 0;
    read_answer(span_of(data, len), len + 1, &whole);
    read_answer(span_of(data, len), 1, &split);
    fuzz_require(whole.err != BV_E_BUSY && split.err != BV_E_BUSY);
    if (whole.err != BV_OK)
        return 0;
    fuzz_require(split.err == BV_OK && whole.status == split.status);
    fuzz_require(whole.retry_after == split.retry_after);
    fuzz_require(whole.date == split.date);
    fuzz_require(whole.body_len == split.body_len);
    fuzz_require(memcmp(whole.body, split.body, whole.body_len) == 0);
    return 0;
}
