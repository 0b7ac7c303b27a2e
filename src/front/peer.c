#include "front/peer.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"

/* A question on its way. Its number and its round make the id, so that an
 * answer that comes twice or after its time finds nobody. */
struct question {
    peer_fn *fn; /* NULL: free */
    void *arg;
    uint32_t round;
    uint32_t next_free;
};

struct peer {
    struct loop *loop;
    struct loop_hook *hook;
    struct loop_watch *watch;
    struct channel *channel; /* NULL: the other process is away */
    enum proc_role role;
    uint64_t life;      /* which channel this is, the first or a successor */
    uint32_t free_head; /* LIMIT_INFLIGHT: none */
    struct question questions[LIMIT_INFLIGHT];
};

static uint64_t
id_of(const struct peer *peer, uint32_t number)
{
    return (uint64_t)peer->questions[number].round << 32 | number;
}

/* take_question frees the place before anything is called. */
static struct question
take_question(struct peer *peer, uint32_t number)
{
    struct question *place = &peer->questions[number];
    struct question taken = *place;
    place->fn = NULL;
    place->round++;
    place->next_free = peer->free_head;
    peer->free_head = number;
    return taken;
}

static void
lose(struct peer *peer)
{
    if (peer->channel == NULL)
        return;
    loop_watch_free(peer->watch);
    channel_free(peer->channel);
    peer->watch = NULL;
    peer->channel = NULL;
    peer->life++;
    for (uint32_t i = 0; i < LIMIT_INFLIGHT; i++) {
        if (peer->questions[i].fn == NULL)
            continue;
        struct question taken = take_question(peer, i);
        taken.fn(taken.arg, BV_E_UNAVAILABLE, (enum msg_type)0, SPAN_EMPTY);
    }
}

static void
on_answer(struct peer *peer, const struct msg *msg)
{
    uint32_t number = (uint32_t)msg->id;
    if (msg->fd >= 0)
        (void)close(msg->fd);
    if (number >= LIMIT_INFLIGHT || peer->questions[number].fn == NULL ||
        id_of(peer, number) != msg->id)
        return;
    struct question taken = take_question(peer, number);
    taken.fn(taken.arg, BV_OK, msg->type, msg->body);
}

/* A process that breaks the protocol is not to be believed in anything else;
 * the parent starts us anew (ARCHITECTURE, Processes). */
static void
give_up(const struct peer *peer)
{
    log_error("message out of protocol role=%d", (int)peer->role);
    _exit(1);
}

static void
on_ready(void *ctx, unsigned events)
{
    struct peer *peer = ctx;
    struct msg msg;
    bool got = true;
    uint64_t life = peer->life;
    enum bv_err filled = channel_fill(peer->channel);
    while (got) {
        if (channel_next(peer->channel, &got, &msg) != BV_OK)
            give_up(peer);
        if (got)
            on_answer(peer, &msg);
        if (peer->life != life)
            return; /* the answer led to peer_attach */
    }
    if (filled != BV_OK)
        lose(peer);
}

static void
on_turn(void *ctx)
{
    struct peer *peer = ctx;
    if (peer->channel == NULL)
        return;
    if (channel_has_output(peer->channel) &&
        channel_flush(peer->channel) != BV_OK) {
        lose(peer);
        return;
    }
    loop_watch_set(peer->watch, channel_has_output(peer->channel)
                                    ? LOOP_READ | LOOP_WRITE
                                    : LOOP_READ);
}

enum bv_err
peer_new(struct loop *loop, enum proc_role role, struct peer **ret_peer)
{
    struct peer *peer = calloc(1, sizeof(*peer));
    if (peer == NULL)
        return BV_E_NO_MEMORY;
    peer->loop = loop;
    peer->role = role;
    for (uint32_t i = 0; i < LIMIT_INFLIGHT; i++)
        peer->questions[i].next_free = i + 1;
    enum bv_err err = loop_hook_new(loop, on_turn, peer, &peer->hook);
    if (err != BV_OK) {
        free(peer);
        return err;
    }
    *ret_peer = peer;
    return BV_OK;
}

void
peer_free(struct peer *peer)
{
    if (peer == NULL)
        return;
    lose(peer);
    loop_hook_free(peer->hook);
    free(peer);
}

enum bv_err
peer_attach(struct peer *peer, int fd)
{
    struct channel *channel;
    lose(peer);
    BV_TRY(channel_new(fd, PROC_DOOR, peer->role, &channel));
    enum bv_err err = loop_watch_new(peer->loop, channel_fd(channel), LOOP_READ,
                                     on_ready, peer, &peer->watch);
    if (err != BV_OK) {
        channel_free(channel);
        return err;
    }
    peer->channel = channel;
    return BV_OK;
}

bool
peer_is_up(const struct peer *peer)
{
    return peer->channel != NULL;
}

enum bv_err
peer_ask(struct peer *peer, enum msg_type type, struct span body, peer_fn *fn,
         void *arg)
{
    uint32_t number = peer->free_head;
    if (peer->channel == NULL)
        return BV_E_UNAVAILABLE;
    if (number == LIMIT_INFLIGHT)
        return BV_E_BUSY;
    enum bv_err err =
        channel_send(peer->channel, type, id_of(peer, number), body);
    if (err != BV_OK)
        return err == BV_E_NO_SPACE ? BV_E_BUSY : err;
    struct question *place = &peer->questions[number];
    peer->free_head = place->next_free;
    place->fn = fn;
    place->arg = arg;
    return BV_OK;
}
