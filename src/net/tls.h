/* TLS for servers: the only home of OpenSSL in this room.
 *
 * A struct tls holds everything that does not depend on a connection: server
 * key and chain, and two kept-apart sets of trust anchors for clients. It never
 * changes; a reload makes a new one, and connections keep theirs alive. TLS 1.2
 * and 1.3 with the suites of BCP 195 (RFC 9325) and, for constrained devices,
 * those of RFC 7925. No renegotiation, no compression; where client
 * certificates are asked for, no session is ever resumed, since a resumed one
 * would skip the check of the certificate.
 *
 * A client certificate is asked for and not required. One that is presented
 * must verify, else the handshake fails with the alert that says why: against
 * our own CAs (the issuing CA is an anchor itself, so a leaf alone suffices),
 * then against each manufacturer's. Which one matched is recorded: an own
 * certificate and a manufacturer's are never worth the same. */
#ifndef BV_NET_TLS_H
#define BV_NET_TLS_H

#include "base/span.h"
#include "net/exchange.h"

struct tls;
struct tls_conn;

struct tls_anchors {
    const char *name; /* of the manufacturer, < LIMIT_SHORT_NAME */
    struct span pem;  /* its CA certificates */
};

struct tls_settings {
    struct span key_pem;   /* server's private key, not encrypted */
    struct span chain_pem; /* server's certificate, then its issuers */
    bool ask_client;       /* ask for a client certificate */
    struct span own_pem;   /* our issuing CAs and roots */
    const struct tls_anchors *manufacturers;
    size_t num_manufacturers;
    /* Own certificates that are let through as exchange_tls.renewal_cert:
     * those past their end by up to so many seconds (0: none), and those whose
     * usages do not have TLS clients among them. */
    int64_t own_expired_s;
    bool own_any_usage;
    struct span staple; /* OCSP answer for our certificate, DER; or empty */
};

/* tls_new copies all it needs. BAD_CONFIG: something does not parse;
 * WRONG_KEY: key and certificate do not belong together. */
enum bv_err tls_new(const struct tls_settings *settings,
                    struct tls **ret_tls) BV_CHECKED;
struct tls *tls_ref(struct tls *tls);
void tls_unref(struct tls *tls); /* NULL is fine */

/* tls_set_staple replaces the stapled OCSP answer for handshakes to come. */
enum bv_err tls_set_staple(struct tls *tls, struct span der) BV_CHECKED;
/* tls_share_staple: what is stapled by from, if anything, is by tls, too. */
enum bv_err tls_share_staple(struct tls *tls,
                             const struct tls *from) BV_CHECKED;

enum tls_step {
    TLS_OK,
    TLS_WANT_READ,
    TLS_WANT_WRITE,
    TLS_CLOSED, /* the peer said goodbye or went away */
    TLS_FAILED,
};

/* tls_accept wraps an accepted non-blocking socket; it stays the caller's. */
enum bv_err tls_accept(struct tls *tls, int fd,
                       struct tls_conn **ret_conn) BV_CHECKED;
struct tls_conn *tls_conn_ref(struct tls_conn *conn);
/* tls_conn_free drops one reference; the socket may be closed before. */
void tls_conn_free(struct tls_conn *conn);

enum tls_step tls_handshake(struct tls_conn *conn);
enum tls_step tls_read(struct tls_conn *conn, uint8_t *buffer, size_t cap,
                       size_t *ret_len);
enum tls_step tls_write(struct tls_conn *conn, struct span bytes,
                        size_t *ret_len);
/* tls_pending: octets were received that tls_read has not returned yet, so
 * waiting for the descriptor could wait for ever. */
bool tls_pending(const struct tls_conn *conn);
/* tls_goodbye sends close_notify if the socket takes it now. */
void tls_goodbye(struct tls_conn *conn);

/* tls_facts: valid after the handshake, for the life of conn. */
const struct exchange_tls *tls_facts(const struct tls_conn *conn);
/* tls_failure: why the handshake failed. EXPIRED: an own certificate past its
 * end; REFUSED: a certificate no anchor vouches for; TOO_LARGE: one over
 * LIMIT_CERT; CLOSED; BAD_MESSAGE. */
enum bv_err tls_failure(const struct tls_conn *conn);

#endif
