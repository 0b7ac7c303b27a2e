#include "proc/channel.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/limits.h"
#include "base/sink.h"

#define HEADER_LEN 16
/* Set in the version field of a message that carries a descriptor. */
#define VERSION_FD 0x8000u
/* Descriptors read ahead of their messages, and queued for sending. */
#define FD_QUEUE  64
#define BUF_START 16384
#define INPUT_MAX (HEADER_LEN + LIMIT_MESSAGE)
static_assert(LIMIT_CHANNEL_QUEUE > INPUT_MAX, "a message fits the queue");

/* Octets [head, tail) of data are in use. */
struct buffer {
    uint8_t *data;
    size_t cap, head, tail;
};

struct fd_mark {
    int fd;
    uint64_t at; /* stream offset of the first octet of its message */
};

struct channel {
    int fd;
    enum proc_role self, peer;
    bool broken; /* a bad message was seen; nothing after it is trusted */
    struct buffer in, out;
    uint64_t sent; /* stream offset of out.head */
    struct fd_mark out_fds[FD_QUEUE];
    unsigned num_out_fds;
    int in_fds[FD_QUEUE];
    unsigned num_in_fds;
};

struct rule {
    uint16_t number;
    enum proc_role from, to;
    uint32_t max;
};

static const struct rule rules[] = {
#define MSG(name, number, from, to, max)                                       \
    {(number), PROC_##from, PROC_##to, (max)},
#include "proc/msg.def"
#undef MSG
};

static bool
role_fits(enum proc_role rule, enum proc_role actual)
{
    return rule == actual || rule == PROC_ANY;
}

static const struct rule *
rule_find(unsigned number, enum proc_role from, enum proc_role to)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (rules[i].number == number && role_fits(rules[i].from, from) &&
            role_fits(rules[i].to, to))
            return &rules[i];
    return NULL;
}

/* --- buffers --- */

/* What is in use goes to the front; what it leaves behind is wiped: keys and
 * claim codes pass through here. */
static void
buffer_move(struct buffer *buf)
{
    size_t used = buf->tail - buf->head;
    if (used > 0 && buf->head > 0)
        memmove(buf->data, buf->data + buf->head, used);
    if (buf->data != NULL)
        explicit_bzero(buf->data + used, buf->tail - used);
    buf->head = 0;
    buf->tail = used;
}

static void
buffer_rewind(struct buffer *buf)
{
    if (buf->head == buf->tail || buf->head >= buf->cap / 2)
        buffer_move(buf);
}

/* buffer_room makes at least want octets free behind tail. */
static enum bv_err
buffer_room(struct buffer *buf, size_t want)
{
    if (buf->cap - buf->tail >= want)
        return BV_OK;
    buffer_move(buf);
    size_t used = buf->tail;
    size_t cap = buf->cap > 0 ? buf->cap : BUF_START;
    while (cap - used < want)
        cap *= 2;
    if (cap == buf->cap)
        return BV_OK;
    uint8_t *data = malloc(cap);
    if (data == NULL)
        return BV_E_NO_MEMORY;
    if (used > 0)
        memcpy(data, buf->data, used);
    if (buf->data != NULL)
        explicit_bzero(buf->data, buf->cap);
    free(buf->data);
    buf->data = data;
    buf->cap = cap;
    return BV_OK;
}

/* A burst must not keep its memory for ever. */
static void
buffer_shrink(struct buffer *buf)
{
    if (buf->head != buf->tail || buf->cap <= 4 * BUF_START)
        return;
    free(buf->data);
    *buf = (struct buffer){0};
}

static void
buffer_done(struct buffer *buf)
{
    if (buf->data != NULL)
        explicit_bzero(buf->data, buf->cap);
    free(buf->data);
}

/* --- life --- */

static enum bv_err
set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return BV_E_IO;
    return BV_OK;
}

enum bv_err
channel_new(int fd, enum proc_role self, enum proc_role peer,
            struct channel **ret_channel)
{
    bv_auto_close int own = fd;
    BV_TRY(set_nonblocking(fd));
    struct channel *channel = calloc(1, sizeof(*channel));
    if (channel == NULL)
        return BV_E_NO_MEMORY;
    channel->fd = own;
    own = -1;
    channel->self = self;
    channel->peer = peer;
    *ret_channel = channel;
    return BV_OK;
}

void
channel_free(struct channel *channel)
{
    if (channel == NULL)
        return;
    for (unsigned i = 0; i < channel->num_in_fds; i++)
        (void)close(channel->in_fds[i]);
    for (unsigned i = 0; i < channel->num_out_fds; i++)
        (void)close(channel->out_fds[i].fd);
    buffer_done(&channel->in);
    buffer_done(&channel->out);
    (void)close(channel->fd);
    free(channel);
}

enum bv_err
channel_pair(int ret_fds[2])
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                   fds) < 0)
        return BV_E_IO;
    ret_fds[0] = fds[0];
    ret_fds[1] = fds[1];
    return BV_OK;
}

int
channel_fd(const struct channel *channel)
{
    return channel->fd;
}

/* --- receiving --- */

static enum bv_err
take_one_fd(struct channel *channel, int fd)
{
    /* Only the parent hands out descriptors; nobody else may push any. */
    if (channel->peer != PROC_PARENT || channel->num_in_fds == FD_QUEUE) {
        (void)close(fd);
        return BV_E_BAD_MESSAGE;
    }
    channel->in_fds[channel->num_in_fds++] = fd;
    return BV_OK;
}

static enum bv_err
take_fds(struct channel *channel, struct msghdr *msg)
{
    enum bv_err err = BV_OK;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t num = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < num; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            enum bv_err one = take_one_fd(channel, fd);
            err = err == BV_OK ? one : err;
        }
    }
    if ((msg->msg_flags & MSG_CTRUNC) != 0)
        return BV_E_BAD_MESSAGE;
    return err;
}

/* read_some: *ret_len 0 when the socket has nothing more for now. */
static enum bv_err
read_some(struct channel *channel, size_t *ret_len)
{
    struct buffer *in = &channel->in;
    union {
        char octets[CMSG_SPACE(4 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {in->data + in->tail, in->cap - in->tail};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.octets,
                         .msg_controllen = sizeof(control.octets)};
    ssize_t n;
    do
        n = recvmsg(channel->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    *ret_len = 0;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return BV_OK;
    if (n < 0)
        return errno == ECONNRESET ? BV_E_CLOSED : BV_E_IO;
    if (n == 0)
        return BV_E_CLOSED;
    *ret_len = (size_t)n;
    in->tail += (size_t)n;
    return take_fds(channel, &msg);
}

enum bv_err
channel_fill(struct channel *channel)
{
    if (channel->broken)
        return BV_E_BAD_MESSAGE;
    struct buffer *in = &channel->in;
    buffer_rewind(in);
    buffer_shrink(in);
    while (in->tail - in->head < INPUT_MAX) {
        BV_TRY(buffer_room(in, BUF_START / 4));
        size_t room = in->cap - in->tail;
        size_t got;
        enum bv_err err = read_some(channel, &got);
        if (err == BV_E_BAD_MESSAGE)
            channel->broken = true;
        BV_TRY(err);
        /* A short read means the socket is empty, unless the kernel stopped
         * at a message with a descriptor; poll(2) then calls again. */
        if (got < room)
            break;
    }
    return BV_OK;
}

struct header {
    uint32_t len;
    uint16_t number, version;
    uint64_t id;
};

static void
header_decode(const uint8_t *octets, struct header *ret)
{
    struct span in = span_of(octets, HEADER_LEN);
    struct header head = {0};
    enum bv_err err = span_u32(&in, &head.len);
    err = err != BV_OK ? err : span_u16(&in, &head.number);
    err = err != BV_OK ? err : span_u16(&in, &head.version);
    err = err != BV_OK ? err : span_u64(&in, &head.id);
    assert(err == BV_OK); /* sixteen octets are there */
    *ret = head;
}

static enum bv_err
header_check(const struct channel *channel, const struct header *head)
{
    const struct rule *rule =
        rule_find(head->number, channel->peer, channel->self);
    if (rule == NULL || head->len > rule->max)
        return BV_E_BAD_MESSAGE;
    if ((head->version & ~VERSION_FD) != PROC_MSG_VERSION)
        return BV_E_BAD_MESSAGE;
    return BV_OK;
}

static enum bv_err
take_message_fd(struct channel *channel, const struct header *head, int *ret_fd)
{
    if ((head->version & VERSION_FD) == 0) {
        *ret_fd = -1;
        return BV_OK;
    }
    if (channel->num_in_fds == 0)
        return BV_E_BAD_MESSAGE;
    *ret_fd = channel->in_fds[0];
    channel->num_in_fds--;
    memmove(channel->in_fds, channel->in_fds + 1,
            channel->num_in_fds * sizeof(channel->in_fds[0]));
    return BV_OK;
}

static enum bv_err
next_message(struct channel *channel, bool *ret_got, struct msg *ret_msg)
{
    struct buffer *in = &channel->in;
    *ret_got = false;
    if (in->tail - in->head < HEADER_LEN)
        return BV_OK;
    struct header head;
    header_decode(in->data + in->head, &head);
    BV_TRY(header_check(channel, &head));
    if (in->tail - in->head - HEADER_LEN < head.len)
        return BV_OK;
    int fd;
    BV_TRY(take_message_fd(channel, &head, &fd));
    ret_msg->type = (enum msg_type)head.number;
    ret_msg->id = head.id;
    ret_msg->body = span_of(in->data + in->head + HEADER_LEN, head.len);
    ret_msg->fd = fd;
    in->head += HEADER_LEN + head.len;
    *ret_got = true;
    return BV_OK;
}

enum bv_err
channel_next(struct channel *channel, bool *ret_got, struct msg *ret_msg)
{
    if (channel->broken)
        return BV_E_BAD_MESSAGE;
    enum bv_err err = next_message(channel, ret_got, ret_msg);
    if (err != BV_OK)
        channel->broken = true;
    return err;
}

/* --- sending --- */

static enum bv_err
queue(struct channel *channel, enum msg_type type, uint64_t id,
      struct span body, unsigned version)
{
    struct buffer *out = &channel->out;
    const struct rule *rule =
        rule_find((unsigned)type, channel->self, channel->peer);
    if (rule == NULL)
        return BV_E_USAGE;
    if (body.len > rule->max)
        return BV_E_TOO_LARGE;
    size_t len = HEADER_LEN + body.len;
    if (out->tail - out->head + len > LIMIT_CHANNEL_QUEUE)
        return BV_E_NO_SPACE;
    BV_TRY(buffer_room(out, len));
    struct sink sink = sink_of(out->data + out->tail, len);
    sink_u32(&sink, (uint32_t)body.len);
    sink_u16(&sink, (uint16_t)type);
    sink_u16(&sink, (uint16_t)version);
    sink_u64(&sink, id);
    sink_put(&sink, body);
    out->tail += len;
    return BV_OK;
}

enum bv_err
channel_send(struct channel *channel, enum msg_type type, uint64_t id,
             struct span body)
{
    return queue(channel, type, id, body, PROC_MSG_VERSION);
}

enum bv_err
channel_send_fd(struct channel *channel, enum msg_type type, uint64_t id,
                struct span body, int fd)
{
    if (channel->self != PROC_PARENT)
        return BV_E_USAGE;
    if (channel->num_out_fds == FD_QUEUE)
        return BV_E_NO_SPACE;
    bv_auto_close int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0)
        return BV_E_IO;
    uint64_t at = channel->sent + (channel->out.tail - channel->out.head);
    BV_TRY(queue(channel, type, id, body, PROC_MSG_VERSION | VERSION_FD));
    channel->out_fds[channel->num_out_fds++] = (struct fd_mark){copy, at};
    copy = -1;
    return BV_OK;
}

static void
drop_sent_fd(struct channel *channel)
{
    (void)close(channel->out_fds[0].fd);
    channel->num_out_fds--;
    memmove(channel->out_fds, channel->out_fds + 1,
            channel->num_out_fds * sizeof(channel->out_fds[0]));
}

/* write_some sends one run: it starts with a descriptor when one is due and
 * ends where the next one begins. *ret_len 0: the socket is full. */
static enum bv_err
write_some(struct channel *channel, size_t *ret_len)
{
    struct buffer *out = &channel->out;
    union {
        char octets[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec iov = {out->data + out->head, out->tail - out->head};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    const struct fd_mark *marks = channel->out_fds;
    bool due = channel->num_out_fds > 0 && marks[0].at == channel->sent;
    unsigned next = due ? 1 : 0;
    if (channel->num_out_fds > next &&
        marks[next].at - channel->sent < iov.iov_len)
        iov.iov_len = (size_t)(marks[next].at - channel->sent);
    if (due) {
        msg.msg_control = control.octets;
        msg.msg_controllen = sizeof(control.octets);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &marks[0].fd, sizeof(int));
    }
    ssize_t n;
    do
        n = sendmsg(channel->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    *ret_len = 0;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return BV_OK;
    if (n < 0)
        return errno == EPIPE || errno == ECONNRESET ? BV_E_CLOSED : BV_E_IO;
    if (due && n > 0)
        drop_sent_fd(channel);
    *ret_len = (size_t)n;
    return BV_OK;
}

enum bv_err
channel_flush(struct channel *channel)
{
    struct buffer *out = &channel->out;
    while (out->head < out->tail) {
        size_t len;
        BV_TRY(write_some(channel, &len));
        if (len == 0)
            return BV_OK;
        out->head += len;
        channel->sent += len;
    }
    buffer_rewind(out);
    buffer_shrink(out);
    return BV_OK;
}

bool
channel_has_output(const struct channel *channel)
{
    return channel->out.head < channel->out.tail;
}
