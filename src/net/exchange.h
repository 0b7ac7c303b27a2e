/* One HTTP request and its answer, as a door sees it.
 *
 * net/ reads the request under a total deadline and hands over an exchange. It
 * stays valid until it is answered: answer it at once, or keep the pointer and
 * answer later from any callback of the same loop, exactly once. If the client
 * went away meanwhile the answer is dropped quietly; if the answer takes
 * longer than net_limits.reply_ms the client gets a 503 and the later answer
 * is dropped. Everything an exchange points to belongs to it, and stays while
 * the exchange does even if the connection has gone. */
#ifndef BV_NET_EXCHANGE_H
#define BV_NET_EXCHANGE_H

#include "base/span.h"
#include "wire/http.h"

/* Which of the two kept-apart trust stores vouched for the TLS client. The
 * numbers are those of enum core_trust. */
enum net_trust {
    NET_TRUST_NONE = 0,
    NET_TRUST_OWN,
    NET_TRUST_MANUFACTURER,
};

/* What is known of the TLS connection; the same for all its exchanges. */
struct exchange_tls {
    bool active; /* false: plain HTTP, and all else is empty */
    enum net_trust trust;
    const char *trust_name; /* which manufacturer, else "" */
    struct span peer_cert;  /* DER of the verified leaf; empty if none */
    struct span peer_chain; /* of a manufacturer: the certificates between the
                             * leaf and an anchor, DER, one after another */
    /* A certificate of ours that proves its key but not that its holder may
     * come in: past its end, or not for TLS clients (see tls_settings). All a
     * door may do with it is renew it; trust and peer_cert are as without. */
    struct span renewal_cert;
    struct span binding; /* TLS 1.2: tls-unique (RFC 5929 3), only with the
                          * extended master secret; 1.3: tls-exporter, 32
                          * octets (RFC 9266). Empty if there is none. */
    bool binding_is_exporter;
    uint16_t version;     /* 0x0303, 0x0304 */
    uint16_t cipher_bits; /* of the suite's encryption: 128, 256 */
};

struct exchange {
    struct http_request request;
    struct span body;               /* whole, transfer coding removed */
    const char *peer;               /* address as text, without port */
    const struct exchange_tls *tls; /* never NULL */
    uint64_t max_body;              /* octets; admit may lower it */
    int64_t started_ms;             /* loop_now_ms of its first octet */
    int64_t started_us;             /* the same clock in microseconds */
    void *user;                     /* net_service.user_size octets, zeroed */
};

struct exchange_field {
    const char *name; /* canonical case: some clients compare exactly */
    const char *value;
};

/* An answer. Content-Length, Date, Server and Connection are added by net.
 * For HEAD, 204 and 304 the body is not sent. All is copied before return. */
struct exchange_answer {
    uint16_t status;
    const char *content_type; /* NULL: none */
    const struct exchange_field *fields;
    size_t num_fields;
    struct span body;
    bool close; /* end the connection after this answer */
};

/* exchange_is_live: false when the client has gone and an answer would be
 * dropped. */
bool exchange_is_live(const struct exchange *exchange);

/* exchange_reply ends the exchange; do not touch it afterwards.
 * *ret_sent (may be NULL): false when the client had gone. */
void exchange_reply(struct exchange *exchange,
                    const struct exchange_answer *answer, bool *ret_sent);

/* exchange_reply_file is exchange_reply whose body is length octets of fd
 * from offset; they are read as the client takes them, and never held in
 * memory at once. fd is duplicated; the file must not shrink meanwhile (if it
 * does, the connection is cut). answer->body is ignored. */
void exchange_reply_file(struct exchange *exchange,
                         const struct exchange_answer *answer, int fd,
                         uint64_t offset, uint64_t length, bool *ret_sent);

#endif
