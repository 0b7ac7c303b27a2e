/* The roads: listeners, connections (plain or TLS), HTTP exchanges.
 *
 * A net belongs to one loop. It takes connections from inherited listening
 * descriptors (which other processes may share), reads requests and hands them
 * to one service. Every wait has a total deadline: a client that sends one
 * octet a second gains nothing by it. Memory for a connection is taken only
 * while it has something to hold. */
#ifndef BV_NET_NET_H
#define BV_NET_NET_H

#include "net/exchange.h"
#include "net/loop.h"

struct net;
struct tls; /* net/tls.h */

struct net_limits {
    int64_t handshake_ms; /* TLS, from accept */
    int64_t request_ms;   /* one request, first octet to last; also the wait
                           * for the first octet of a fresh connection */
    int64_t idle_ms;      /* between two requests */
    int64_t reply_ms;     /* a door's answer */
    int64_t write_ms;     /* writing an answer, plus its size / write_rate */
    uint64_t write_rate;  /* octets a second a client must manage */
    int64_t linger_ms;    /* reading on after the last answer before close */
    uint64_t body;        /* octets of one request body */
    size_t per_address;   /* connections of one IPv4 address or IPv6 /64 */
    size_t connections;   /* connections in all */
};

/* net_limits_default: the values of base/limits.h. */
struct net_limits net_limits_default(void);

/* Why net itself turned something away, for the one log line it deserves. */
struct net_refusal {
    /* The request in question, if its head could be read: admit has seen it,
     * and a door may hold it. NULL: there is none. Do not answer it. */
    const struct exchange *exchange;
    const char *peer;
    uint16_t status;    /* HTTP status that was sent; 0: none */
    enum bv_err err;    /* TIMEOUT, BAD_MESSAGE, TOO_LARGE, TOO_MANY ... */
    const char *detail; /* one short phrase; never holds peer's octets */
    int64_t duration_us;
    uint64_t bytes; /* sent */
};

struct net_service {
    /* The head has arrived, the body has not been read. May lower
     * exchange->max_body, may answer (the body is then thrown away). */
    void (*admit)(void *ctx, struct exchange *exchange);
    /* The whole request is there, unless admit has answered. */
    void (*request)(void *ctx, struct exchange *exchange);
    /* A failed handshake, a malformed request, a deadline. May be NULL. */
    void (*refused)(void *ctx, const struct net_refusal *refusal);
    void *ctx;
    size_t user_size; /* octets of exchange->user */
};

/* net_new keeps a copy of both structs. */
enum bv_err net_new(struct loop *loop, const struct net_limits *limits,
                    const struct net_service *service,
                    struct net **ret_net) BV_CHECKED;
/* net_free closes all; answers that still come are dropped. Exchanges that
 * were handed over must all have been answered by then or never be. */
void net_free(struct net *net);

/* net_listen takes over a listening socket. secure: TLS, and net_set_tls must
 * have been called. */
enum bv_err net_listen(struct net *net, int fd, bool secure) BV_CHECKED;
/* net_set_tls: the settings for connections from now on; those that are open
 * keep theirs. Takes its own reference. */
void net_set_tls(struct net *net, struct tls *tls);

/* net_drain stops accepting, closes idle connections, gives those that have not
 * asked anything yet a second for it, lets open exchanges finish (each says
 * "Connection: close") and calls done when none is left, perhaps before it
 * returns. The deadlines bound how long it can take. */
void net_drain(struct net *net, loop_fn *done, void *ctx);

struct net_counts {
    size_t connections; /* open now */
    uint64_t accepted, over_address, handshake_failed, requests;
};
struct net_counts net_counts(const struct net *net);

#endif
