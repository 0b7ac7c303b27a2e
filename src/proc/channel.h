/* A channel joins two processes: framed messages over a non-blocking Unix
 * stream socket. What waits is read and written in batches, so a hop costs a
 * fraction of a system call under load. Not thread-safe; one owner.
 *
 * Frame: u32 body length, u16 number, u16 version, u64 id, body. The id ties a
 * reply to its request and means nothing to the channel.
 *
 * The table in msg.def is enforced on both sides: a number that this peer may
 * not send, or a body over its limit, makes channel_next return BAD_MESSAGE.
 * Nobody ends for what a less trusted peer says: a door and the control socket
 * are cut off, and the parent ends that door. For what a more trusted one says
 * the caller exits, and the parent starts it anew. */
#ifndef BV_PROC_CHANNEL_H
#define BV_PROC_CHANNEL_H

#include "base/span.h"

#define PROC_MSG_VERSION 8

enum proc_role {
    PROC_PARENT,
    PROC_CORE,
    PROC_SIGNER,
    PROC_DOOR,
    PROC_CONTROL, /* brevet(1), not one of our processes */
    PROC_ANY,
};

enum msg_type {
#define MSG(name, number, from, to, max) MSG_##name = (number),
#include "proc/msg.def"
#undef MSG
};

struct msg {
    enum msg_type type;
    uint64_t id;
    struct span body; /* valid until the next channel_fill */
    int fd;           /* -1, or a descriptor the receiver now owns */
};

struct channel;

/* channel_new takes over fd, also on failure; channel_free closes it. */
enum bv_err channel_new(int fd, enum proc_role self, enum proc_role peer,
                        struct channel **ret_channel) BV_CHECKED;
void channel_free(struct channel *channel);
/* channel_pair makes two connected close-on-exec descriptors. */
enum bv_err channel_pair(int ret_fds[2]) BV_CHECKED;
int channel_fd(const struct channel *channel);

/* channel_fill reads what has arrived. CLOSED at the end of the stream (what
 * came before can still be taken with channel_next). */
enum bv_err channel_fill(struct channel *channel) BV_CHECKED;
/* channel_next takes one whole message; *ret_got false when none is there. */
enum bv_err channel_next(struct channel *channel, bool *ret_got,
                         struct msg *ret_msg) BV_CHECKED;

/* channel_send queues a copy. NO_SPACE when LIMIT_CHANNEL_QUEUE is reached:
 * the peer does not keep up, shed load. */
enum bv_err channel_send(struct channel *channel, enum msg_type type,
                         uint64_t id, struct span body) BV_CHECKED;
/* channel_send_fd queues a message that carries a duplicate of fd. */
enum bv_err channel_send_fd(struct channel *channel, enum msg_type type,
                            uint64_t id, struct span body, int fd) BV_CHECKED;
/* channel_flush writes what the socket takes; BV_OK also when some remains. */
enum bv_err channel_flush(struct channel *channel) BV_CHECKED;
bool channel_has_output(const struct channel *channel);

#endif
