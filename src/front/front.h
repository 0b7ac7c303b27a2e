/* A door: one protocol over HTTP. It is a table of routes and two functions;
 * the loop, routing, limits, ids and the log line are front/serve's.
 *
 * A handler gets its door's context and a request whose method, path, media
 * type, credentials-at-all and size have been checked. It answers with
 * front_reply or front_fail, now or later, exactly once; between, it may keep
 * the pointer. */
#ifndef BV_FRONT_FRONT_H
#define BV_FRONT_FRONT_H

#include "core/request.h"
#include "net/exchange.h"
#include "net/loop.h"

struct peer; /* front/peer.h: core or signer */
struct front_request;

enum front_auth {
    FRONT_AUTH_NONE,     /* whoever asks is answered */
    FRONT_AUTH_OPTIONAL, /* the handler looks itself */
    FRONT_AUTH_CERT,     /* a verified TLS client certificate, else 403 */
    FRONT_AUTH_RENEWAL,  /* the same, or one good for its own renewal only
                          * (exchange_tls.renewal_cert) */
    FRONT_AUTH_ANY,      /* a certificate, or an Authorization field, else 401
                          * with a challenge; only over TLS, else 403 */
};

struct front_route {
    enum http_method method; /* GET answers HEAD too */
    /* Compared with the raw path. '*' stands for one segment that is not
     * empty (at most once), a final "**" for any rest. */
    const char *path;
    const char *media_type; /* of the body, without parameters; NULL: any */
    bool media_optional;    /* a request without Content-Type passes too */
    enum front_auth auth;
    size_t max_body; /* octets; 0: a body is refused with 413 */
    void (*handle)(void *ctx, struct front_request *request);
    int tag; /* for the door's own use */
};

/* What a door gets when it is opened. It outlives the door. */
struct front_env {
    struct loop *loop;
    struct peer *core; /* NULL where there is none */
    struct peer *signer;
    const void *settings; /* the door's own struct, see its header */
};

struct front {
    const char *name; /* in the log: "est" */
    const struct front_route *routes;
    size_t num_routes;
    enum bv_err (*open)(const struct front_env *env, void **ret_ctx);
    void (*close)(void *ctx);
    /* what a request needs, where that is not its route's alone (which it may
     * return); it may take back request->challenge. NULL: the route's */
    enum front_auth (*auth)(void *ctx, struct front_request *request);
};

struct front_request {
    struct exchange *exchange;
    const struct http_request *http; /* = &exchange->request */
    const struct front_route *route;
    struct span segment; /* what '*' stood for; else empty */
    struct span rest;    /* what "**" stood for; else empty */
    /* HTTP credentials could help: at first, when the route is AUTH_ANY */
    bool challenge;
    char id[CORE_REQUEST_ID_LEN + 1]; /* 16 hex digits */
    /* For the log line; a handler may set them before it answers. */
    char device[LIMIT_DEVICE_NAME + 1];
    void *mine; /* the handler's own; not freed here */
    const struct front *front;
    const char *front_name;
    void *ctx; /* what open returned */
};

struct front_answer {
    struct exchange_answer http; /* status 0 means 200 */
    const char *detail;          /* for the log; NULL: nothing */
};

/* Both end the request and write its one log line. */
void front_reply(struct front_request *request,
                 const struct front_answer *answer);
/* front_reply_file: see exchange_reply_file. */
void front_reply_file(struct front_request *request,
                      const struct front_answer *answer, int fd,
                      uint64_t offset, uint64_t length);
/* front_fail answers with the status of err and one line of text/plain:
 * detail, or err_text(err) when detail is NULL or "". retry_after in seconds;
 * 0: none, but PENDING, RATE_LIMITED, BUSY and UNAVAILABLE always carry one.
 * UNAUTHENTICATED is 401 with a Basic challenge where request->challenge says
 * so, else 403: there is no 401 without one (RFC 9110 15.5.2). A challenge to a
 * request without a credential, and PENDING, have no body. */
void front_fail(struct front_request *request, enum bv_err err,
                const char *detail, uint32_t retry_after);

/* What a log line shows of a path (octets): the fields behind it, the address
 * among them, must not be pushed out of the line. */
#define FRONT_PATH_SHOWN 400
static inline int
front_path_shown(struct span path)
{
    return path.len < FRONT_PATH_SHOWN ? (int)path.len : FRONT_PATH_SHOWN;
}

/* front_status maps an error to an HTTP status: the one table of this. */
uint16_t front_status(enum bv_err err);

/* front_trust_name: for the log: "own", the manufacturer's name, "renewal" (a
 * certificate good for nothing else), "none", or "plain" without TLS. */
const char *front_trust_name(const struct exchange_tls *tls);

/* front_core_request fills door, request_id, peer, trust, trust_name,
 * peer_cert, peer_chain, binding and cipher_bits; everything else is zero. */
void front_core_request(const struct front_request *request,
                        enum core_door door, struct core_request *ret_core);

#endif
