/* The loop all doors share: routing, 404/405/413/415/401, request ids,
 * security headers, the one log line per request.
 *
 *     serve_new(loop, &limits, &serve);
 *     serve_add(serve, &front_est, &env);
 *     net_set_tls(serve_net(serve), tls);
 *     net_listen(serve_net(serve), fd, true);
 *     loop_run(loop);
 *     serve_free(serve);
 *
 * The line:  request method=POST path=/.well-known/est/simpleenroll status=200
 * bytes=912 duration_us=1432 peer=192.0.2.7 trust=own device="d1"
 * request_id=5b1e… detail="…"
 *
 * What net refuses itself (malformed, too large, too slow, no TLS) gets the
 * same line, an id of its own or the one its request had, and the same error
 * answer as front_fail's. */
#ifndef BV_FRONT_SERVE_H
#define BV_FRONT_SERVE_H

#include "front/front.h"
#include "net/net.h"

struct serve;

/* limits NULL: the defaults. */
enum bv_err serve_new(struct loop *loop, const struct net_limits *limits,
                      struct serve **ret_serve) BV_CHECKED;
/* serve_free closes all connections, then the doors. */
void serve_free(struct serve *serve);
/* serve_add opens a door; its routes are tried after those added before.
 * TOO_MANY over SERVE_FRONTS. */
#define SERVE_FRONTS 16
enum bv_err serve_add(struct serve *serve, const struct front *front,
                      const struct front_env *env) BV_CHECKED;
/* serve_net: for listening, TLS and draining. */
struct net *serve_net(struct serve *serve);

#endif
