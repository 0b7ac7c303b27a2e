/* One HTTP exchange over the transport port: connect, send a request, read its
 * answer into the same buffer. Under one total deadline, never blocking, never
 * keeping more than the buffer. Freestanding.
 *
 * Every call answers BV_OK when its part is done, BUSY to be called again, or
 * IO with exchange->why set; after IO only exchange_close makes sense. */
#ifndef BV_DEVICE_EXCHANGE_H
#define BV_DEVICE_EXCHANGE_H

#include "base/sink.h"
#include "brevet/device.h"
#include "wire/http.h"

enum exchange_state {
    EXCHANGE_CLOSED = 0,
    EXCHANGE_OPENING,
    EXCHANGE_OPEN, /* ready for a request */
    EXCHANGE_SENDING,
    EXCHANGE_HEAD,
    EXCHANGE_BODY,
};

struct exchange {
    enum exchange_state state;
    uint64_t deadline; /* monotonic ms */
    uint8_t *buf;      /* request, then answer; the caller's */
    size_t cap;
    size_t len; /* octets of the request, or received */
    size_t sent;
    struct http_scan scan;
    struct http_chunked chunks;
    struct http_response response; /* spans are valid while buf is untouched */
    size_t head_len;
    size_t body_len;

    /* the answer */
    bool whole; /* head and body are there */
    unsigned status;
    uint32_t retry_after; /* seconds; 0 none */
    int64_t date;         /* Unix seconds; 0 none */
    enum bv_why why;
};

/* exchange_open connects; to must be the same on every call until BV_OK. */
enum bv_err exchange_open(struct exchange *exchange,
                          const struct bv_transport *transport,
                          const struct bv_connect *to, uint64_t now_ms,
                          uint32_t timeout_ms) BV_CHECKED;

/* exchange_start hands over a request that was written to the front of buf;
 * the answer will overwrite it. */
void exchange_start(struct exchange *exchange, uint8_t *buf, size_t cap,
                    size_t request_len, uint64_t now_ms, uint32_t timeout_ms);

/* exchange_run sends and receives. After BV_OK status, retry_after, date and
 * exchange_body are there; the connection stays open if the server keeps it. */
enum bv_err exchange_run(struct exchange *exchange,
                         const struct bv_transport *transport,
                         uint64_t now_ms) BV_CHECKED;

/* exchange_body: the answer's body; it points into buf, and may be changed. */
struct span exchange_body(const struct exchange *exchange);
/* exchange_said writes the first line of a text/plain answer, and a NUL: "" if
 * the last exchange_run was not OK or the answer is of another type. */
void exchange_said(const struct exchange *exchange, char *out, size_t cap);
bool exchange_is_open(const struct exchange *exchange);
void exchange_close(struct exchange *exchange,
                    const struct bv_transport *transport);

#endif
