/* The far end of a door's channel (core or signer): ask, and get the answer
 * in a callback. What one turn of the loop asks leaves in one write.
 *
 * When the other process dies, every open question is answered UNAVAILABLE;
 * peer_attach then brings the channel to its successor. */
#ifndef BV_FRONT_PEER_H
#define BV_FRONT_PEER_H

#include "base/span.h"
#include "net/loop.h"
#include "proc/channel.h"

struct peer;

/* err other than BV_OK: there is no answer and body is empty. body is valid
 * during the call only. type is that of the answer. */
typedef void peer_fn(void *arg, enum bv_err err, enum msg_type type,
                     struct span body);

enum bv_err peer_new(struct loop *loop, enum proc_role role,
                     struct peer **ret_peer) BV_CHECKED;
/* peer_free answers what is open with UNAVAILABLE. */
void peer_free(struct peer *peer);
/* peer_attach takes over fd, a socket of channel_pair; a channel that
 * was there is closed first. */
enum bv_err peer_attach(struct peer *peer, int fd) BV_CHECKED;
/* peer_is_up: there is a channel. The process at its end may be dying. */
bool peer_is_up(const struct peer *peer);
/* peer_ask: UNAVAILABLE without a channel, BUSY with LIMIT_INFLIGHT
 * questions open or a full queue; fn is then not called. Else fn is called
 * exactly once, never before this returns. */
enum bv_err peer_ask(struct peer *peer, enum msg_type type, struct span body,
                     peer_fn *fn, void *arg) BV_CHECKED;

#endif
