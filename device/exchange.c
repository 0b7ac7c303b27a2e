#include "device/exchange.h"

#include "base/mem.h"

/* Retry-After: no wish of a server binds us for longer (seconds). */
#define RETRY_AFTER_MAX 604800

static enum bv_err
fail(struct exchange *exchange, enum bv_why why)
{
    exchange->why = why;
    return BV_E_IO;
}

/* What a port's answer means for the attempt; WANT is not a failure. */
static enum bv_err
port_result(struct exchange *exchange, enum bv_port answer)
{
    switch (answer) {
    case BV_PORT_OK:
        return BV_OK;
    case BV_PORT_WANT:
        return BV_E_BUSY;
    case BV_PORT_REFUSED:
        return fail(exchange, BV_WHY_SERVER_REFUSED);
    case BV_PORT_NONE:
        return fail(exchange, BV_WHY_CUT);
    case BV_PORT_FAILED:
        return fail(exchange, exchange->state == EXCHANGE_OPENING
                                  ? BV_WHY_CONNECT
                                  : BV_WHY_CUT);
    }
    return fail(exchange, BV_WHY_CONNECT);
}

enum bv_err
exchange_open(struct exchange *exchange, const struct bv_transport *transport,
              const struct bv_connect *to, uint64_t now_ms, uint32_t timeout_ms)
{
    if (exchange->state == EXCHANGE_CLOSED) {
        exchange->state = EXCHANGE_OPENING;
        exchange->deadline = now_ms + timeout_ms;
        exchange->status = 0;
        exchange->whole = false;
    }
    if (now_ms >= exchange->deadline)
        return fail(exchange, BV_WHY_TIMEOUT);
    BV_TRY(port_result(exchange, transport->open(transport->ctx, to)));
    exchange->state = EXCHANGE_OPEN;
    return BV_OK;
}

void
exchange_start(struct exchange *exchange, uint8_t *buf, size_t cap,
               size_t request_len, uint64_t now_ms, uint32_t timeout_ms)
{
    exchange->state = EXCHANGE_SENDING;
    exchange->deadline = now_ms + timeout_ms;
    exchange->buf = buf;
    exchange->cap = cap;
    exchange->len = request_len;
    exchange->sent = 0;
    exchange->whole = false;
    exchange->status = 0;
    exchange->retry_after = 0;
    exchange->date = 0;
}

static enum bv_err
send_request(struct exchange *exchange, const struct bv_transport *transport)
{
    while (exchange->sent < exchange->len) {
        size_t sent = 0;
        BV_TRY(port_result(
            exchange,
            transport->send(transport->ctx, exchange->buf + exchange->sent,
                            exchange->len - exchange->sent, &sent)));
        if (sent == 0 || sent > exchange->len - exchange->sent)
            return fail(exchange, BV_WHY_CUT);
        exchange->sent += sent;
    }
    exchange->len = 0;
    exchange->scan = (struct http_scan){0};
    exchange->state = EXCHANGE_HEAD;
    return BV_OK;
}

static int64_t
date(struct span fields, const char *name)
{
    struct span value;
    int64_t time = 0;
    if (!http_field_find(fields, name, &value) ||
        http_date_parse(value, &time) != BV_OK || time < 0)
        return 0;
    return time;
}

/* A date counts from the server's own Date: no clock of ours is needed. */
static uint32_t
retry_at(struct span fields)
{
    int64_t from = date(fields, "Date"), at = date(fields, "Retry-After");
    if (from == 0 || at <= from)
        return 0;
    return at - from < RETRY_AFTER_MAX ? (uint32_t)(at - from)
                                       : RETRY_AFTER_MAX;
}

/* RFC 9110 10.2.3 */
static uint32_t
retry_after(struct span fields)
{
    struct span value;
    uint32_t n = 0;
    if (!http_field_find(fields, "Retry-After", &value))
        return 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return retry_at(fields);
        n = n * 10 + (uint32_t)(value.data[i] - '0');
        if (n > RETRY_AFTER_MAX)
            return RETRY_AFTER_MAX;
    }
    return n;
}

static enum bv_err
start_body(struct exchange *exchange)
{
    const struct http_response *response = &exchange->response;
    exchange->status = response->status;
    exchange->retry_after = retry_after(response->fields);
    exchange->date = date(response->fields, "Date");
    exchange->body_len = 0;
    exchange->chunks = (struct http_chunked){0};
    exchange->state = EXCHANGE_BODY;
    if (!response->chunked && response->has_length &&
        response->length > exchange->cap - exchange->head_len)
        return fail(exchange, BV_WHY_TOO_LARGE);
    return BV_OK;
}

/* A 1xx is not the answer (RFC 9110 15.2): drop it, look for the next head. */
static void
drop_interim(struct exchange *exchange)
{
    exchange->len -= exchange->head_len;
    memmove(exchange->buf, exchange->buf + exchange->head_len, exchange->len);
    exchange->scan = (struct http_scan){0};
}

static enum bv_err
look_for_head(struct exchange *exchange)
{
    for (;;) {
        bool done = false;
        enum bv_err err = http_scan_head(&exchange->scan,
                                         span_of(exchange->buf, exchange->len),
                                         &done, &exchange->head_len);
        if (err != BV_OK)
            return fail(exchange, err == BV_E_BAD_MESSAGE ? BV_WHY_HTTP
                                                          : BV_WHY_TOO_LARGE);
        if (!done)
            return BV_OK;
        if (http_response_parse(span_of(exchange->buf, exchange->head_len),
                                false, &exchange->response) != BV_OK)
            return fail(exchange, BV_WHY_HTTP);
        if (exchange->response.status >= 200)
            return start_body(exchange);
        drop_interim(exchange);
    }
}

/* Decodes what stands behind the body so far; data moves only forward, so the
 * decoded body grows over the octets it came from. */
static enum bv_err
take_chunks(struct exchange *exchange, bool *ret_done)
{
    size_t at = exchange->head_len + exchange->body_len;
    struct span in = span_of(exchange->buf + at, exchange->len - at);
    *ret_done = false;
    while (in.len > 0 && !*ret_done) {
        struct span data;
        if (http_chunked_next(&exchange->chunks, &in, &data, ret_done) != BV_OK)
            return fail(exchange, BV_WHY_HTTP);
        if (data.len > 0)
            memmove(exchange->buf + at, data.data, data.len);
        at += data.len;
    }
    exchange->body_len = at - exchange->head_len;
    exchange->len = at;
    return BV_OK;
}

static enum bv_err
take_plain(struct exchange *exchange, bool *ret_done)
{
    uint64_t have = exchange->len - exchange->head_len;
    bool counted = !exchange->response.until_close;
    if (counted && have > exchange->response.length)
        return fail(exchange, BV_WHY_HTTP); /* more than was announced */
    exchange->body_len = (size_t)have;
    *ret_done = counted && have == exchange->response.length;
    return BV_OK;
}

static enum bv_err
take_body(struct exchange *exchange, bool *ret_done)
{
    return exchange->response.chunked ? take_chunks(exchange, ret_done)
                                      : take_plain(exchange, ret_done);
}

static enum bv_err
receive(struct exchange *exchange, const struct bv_transport *transport,
        bool *ret_ended)
{
    size_t got = 0, room = exchange->cap - exchange->len;
    if (room == 0)
        return fail(exchange, BV_WHY_TOO_LARGE);
    enum bv_port answer = transport->recv(
        transport->ctx, exchange->buf + exchange->len, room, &got);
    *ret_ended = answer == BV_PORT_NONE && exchange->state == EXCHANGE_BODY &&
                 exchange->response.until_close;
    if (*ret_ended)
        return BV_OK;
    BV_TRY(port_result(exchange, answer));
    if (got == 0 || got > room)
        return fail(exchange, BV_WHY_CUT);
    exchange->len += got;
    return BV_OK;
}

/* Looks at what has arrived; sets *ret_done when the answer is complete. */
static enum bv_err
progress(struct exchange *exchange, bool *ret_done)
{
    *ret_done = false;
    if (exchange->state == EXCHANGE_HEAD)
        BV_TRY(look_for_head(exchange));
    if (exchange->state == EXCHANGE_BODY)
        BV_TRY(take_body(exchange, ret_done));
    return BV_OK;
}

enum bv_err
exchange_run(struct exchange *exchange, const struct bv_transport *transport,
             uint64_t now_ms)
{
    bool done = false;
    if (now_ms >= exchange->deadline)
        return fail(exchange, BV_WHY_TIMEOUT);
    if (exchange->state == EXCHANGE_SENDING)
        BV_TRY(send_request(exchange, transport));
    while (!done) {
        bool ended = false;
        BV_TRY(receive(exchange, transport, &ended));
        if (ended)
            break;
        BV_TRY(progress(exchange, &done));
    }
    exchange->whole = true;
    exchange->state = EXCHANGE_OPEN;
    if (!exchange->response.keep_alive)
        exchange_close(exchange, transport);
    return BV_OK;
}

struct span
exchange_body(const struct exchange *exchange)
{
    return span_of(exchange->buf + exchange->head_len, exchange->body_len);
}

void
exchange_said(const struct exchange *exchange, char *out, size_t cap)
{
    struct span type, body = exchange_body(exchange);
    size_t n = 0;
    out[0] = '\0';
    if (!exchange->whole ||
        !http_field_find(exchange->response.fields, "Content-Type", &type) ||
        !http_media_type_is(type, "text/plain"))
        return;
    for (; n < body.len && n + 1 < cap && body.data[n] != '\n' &&
           body.data[n] != '\r';
         n++)
        out[n] =
            (char)(body.data[n] >= ' ' && body.data[n] <= '~' ? body.data[n]
                                                              : '?');
    out[n] = '\0';
}

bool
exchange_is_open(const struct exchange *exchange)
{
    return exchange->state == EXCHANGE_OPEN;
}

void
exchange_close(struct exchange *exchange, const struct bv_transport *transport)
{
    if (exchange->state != EXCHANGE_CLOSED)
        transport->close(transport->ctx);
    exchange->state = EXCHANGE_CLOSED;
}
