#include "net/conn.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/listener.h"

/* Who has just come is waited for so long (ms) when the door closes. */
#define DRAIN_FIRST_MS 1000

/* --- states, deadlines, and what is waited for --- */

static int64_t
deadline_of(const struct conn *conn, enum conn_state state)
{
    const struct net_limits *limits = &conn->net->limits;
    int64_t now = loop_now_ms(conn->net->loop);
    switch (state) {
    case CONN_HANDSHAKE:
        return now + limits->handshake_ms;
    case CONN_IDLE:
        return now + limits->idle_ms;
    case CONN_HEAD:
    case CONN_BODY:
    case CONN_DISCARD:
        return conn->started_ms + limits->request_ms;
    case CONN_WAIT_REPLY:
        return now + limits->reply_ms;
    case CONN_WRITE:
        return now + limits->write_ms +
               (int64_t)(conn->to_write * 1000 / limits->write_rate);
    case CONN_LINGER:
    case CONN_CLOSED:
        break;
    }
    return now + limits->linger_ms;
}

static unsigned
events_of(enum conn_state state)
{
    switch (state) {
    case CONN_WRITE:
        return LOOP_WRITE;
    case CONN_CLOSED:
        return 0;
    case CONN_HANDSHAKE:
    case CONN_IDLE:
    case CONN_HEAD:
    case CONN_BODY:
    case CONN_WAIT_REPLY: /* to see a reset; paused once octets come */
    case CONN_DISCARD:
    case CONN_LINGER:
        break;
    }
    return LOOP_READ;
}

/* A timer is moved only when it would fire too late; when it fires too early
 * it is set again. So the common case, a deadline that moves away, is free. */
static void
set_deadline(struct conn *conn, int64_t deadline)
{
    conn->deadline = deadline;
    if (conn->timer_at != 0 && conn->timer_at <= deadline)
        return;
    conn->timer_at = deadline;
    loop_timer_start(conn->timer, deadline - loop_now_ms(conn->net->loop));
}

void
conn_change_state(struct conn *conn, enum conn_state state)
{
    conn->state = state;
    if (state == CONN_CLOSED)
        return;
    set_deadline(conn, deadline_of(conn, state));
    if (state != CONN_WRITE) /* the first write is tried without waiting */
        loop_watch_set(conn->watch, events_of(state));
}

bool
conn_is_reading(const struct conn *conn)
{
    return conn->state == CONN_IDLE || conn->state == CONN_HEAD ||
           conn->state == CONN_BODY || conn->state == CONN_DISCARD;
}

/* --- its end --- */

/* conn_drop_exchange frees it when the door is done with it, else lets go: the
 * door's answer will free it. */
void
conn_drop_exchange(struct conn *conn, bool answered)
{
    struct open_exchange *open = conn->open;
    conn->open = NULL;
    if (open == NULL)
        return;
    open->conn = NULL;
    if (answered)
        conn_free_exchange(open);
}

void
conn_free_exchange(struct open_exchange *open)
{
    tls_conn_free(open->tls);
    conn_buffer_drop(&open->body);
    explicit_bzero(open->head, open->head_len); /* Authorization was in it */
    free(open);
}

static void
free_conn(struct conn *conn)
{
    struct net *net = conn->net;
    *conn->prev = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    free(conn);
    net->counts.connections--;
    listener_room(net);
    if (net->draining && net->counts.connections == 0 && net->drained != NULL) {
        loop_fn *drained = net->drained;
        net->drained = NULL;
        drained(net->drained_ctx);
    }
}

void
conn_close(struct conn *conn)
{
    if (conn->state == CONN_CLOSED)
        return;
    /* A body that is still being received was never given to the door. */
    bool ours = conn->state != CONN_WAIT_REPLY;
    conn_change_state(conn, CONN_CLOSED);
    loop_watch_free(conn->watch);
    loop_timer_free(conn->timer);
    tls_conn_free(conn->tls);
    (void)close(conn->fd);
    conn_answer_drop_file(conn);
    conn_drop_exchange(conn, ours);
    conn_buffer_drop(&conn->in);
    conn_buffer_drop(&conn->out);
    address_table_drop(conn->net->addresses, conn->address);
    if (!conn->busy)
        free_conn(conn);
}

/* So that unread octets do not turn our last answer into a reset: FIN first,
 * then read for a while what still comes (RFC 9112 9.6). */
void
conn_linger(struct conn *conn)
{
    if (conn->peer_eof) {
        conn_close(conn);
        return;
    }
    if (conn->tls != NULL)
        tls_goodbye(conn->tls);
    (void)shutdown(conn->fd, SHUT_WR);
    conn_buffer_drop(&conn->in);
    conn_change_state(conn, CONN_LINGER);
}

/* Nobody reads what is in the socket's buffer: free it with a reset. */
static void
cut(struct conn *conn)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    conn_close(conn);
}

void
conn_report(struct conn *conn, uint16_t status, enum bv_err err,
            const char *detail, uint64_t bytes)
{
    const struct net_service *service = &conn->net->service;
    struct net_refusal refusal = {.peer = conn->peer,
                                  .status = status,
                                  .err = err,
                                  .detail = detail,
                                  .bytes = bytes};
    if (service->refused == NULL)
        return;
    if (conn->started_us != 0)
        refusal.duration_us = loop_clock_us() - conn->started_us;
    if (conn->open != NULL)
        refusal.exchange = &conn->open->pub;
    service->refused(service->ctx, &refusal);
}

/* --- what happens to it --- */

/* A fresh connection is here to ask something. */
static void
await_first(struct conn *conn)
{
    int64_t wait = conn->net->limits.request_ms;
    if (conn->net->draining && wait > DRAIN_FIRST_MS)
        wait = DRAIN_FIRST_MS;
    conn_change_state(conn, CONN_IDLE);
    set_deadline(conn, loop_now_ms(conn->net->loop) + wait);
}

static void
shake_hands(struct conn *conn)
{
    enum tls_step step = tls_handshake(conn->tls);
    if (step == TLS_WANT_READ || step == TLS_WANT_WRITE) {
        loop_watch_set(conn->watch,
                       step == TLS_WANT_READ ? LOOP_READ : LOOP_WRITE);
        return;
    }
    if (step != TLS_OK) {
        enum bv_err why = tls_failure(conn->tls);
        conn->net->counts.handshake_failed++;
        if (why != BV_E_CLOSED)
            conn_report(conn, 0, why, "TLS handshake failed", 0);
        conn_linger(conn); /* so that the alert arrives */
        return;
    }
    /* A client that keeps Nagle's algorithm on holds its request back until
     * its last flight is acknowledged: do not delay that by 40 ms. */
    int on = 1;
    (void)setsockopt(conn->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
    await_first(conn);
    if (tls_pending(conn->tls))
        conn_request_read(conn);
}

void
conn_enter(struct conn *conn)
{
    conn->busy = true;
}

void
conn_leave(struct conn *conn)
{
    if (!conn->net->reading) {
        conn_request_go_on(conn);
    } else if (conn_is_reading(conn)) {
        /* Answered from inside another connection's request, whose octets
         * are still in net->in: go on in the next turn. */
        conn->timer_at = loop_now_ms(conn->net->loop);
        loop_timer_start(conn->timer, 0);
    }
    conn->busy = false;
    if (conn->state == CONN_CLOSED)
        free_conn(conn);
}

static void
on_ready(void *ctx, unsigned events)
{
    struct conn *conn = ctx;
    conn_enter(conn);
    switch (conn->state) {
    case CONN_HANDSHAKE:
        shake_hands(conn);
        break;
    case CONN_IDLE:
    case CONN_HEAD:
    case CONN_BODY:
    case CONN_DISCARD:
        conn_request_read(conn);
        break;
    case CONN_WAIT_REPLY:
        conn_request_read_ahead(conn);
        break;
    case CONN_WRITE:
        conn_answer_flush(conn);
        break;
    case CONN_LINGER:
        conn_request_read_away(conn);
        break;
    case CONN_CLOSED:
        break;
    }
    conn_leave(conn);
}

static void
on_deadline(struct conn *conn)
{
    switch (conn->state) {
    case CONN_HANDSHAKE:
        conn->net->counts.handshake_failed++;
        conn_report(conn, 0, BV_E_TIMEOUT, "TLS handshake too slow", 0);
        cut(conn);
        break;
    case CONN_HEAD:
    case CONN_BODY:
        conn_answer_refuse(conn, 408, BV_E_TIMEOUT,
                           "the request came too slowly");
        break;
    case CONN_WAIT_REPLY:
        conn_answer_refuse(conn, 503, BV_E_TIMEOUT, "no answer in time");
        break;
    case CONN_WRITE:
    case CONN_DISCARD:
        cut(conn);
        break;
    case CONN_IDLE:
        conn_request_read(conn); /* what has come by now counts */
        if (conn->state == CONN_IDLE)
            conn_linger(conn);
        break;
    case CONN_LINGER:
    case CONN_CLOSED:
        conn_close(conn);
        break;
    }
}

static void
on_timer(void *ctx)
{
    struct conn *conn = ctx;
    conn->timer_at = 0;
    conn_enter(conn);
    if (conn->deadline > loop_now_ms(conn->net->loop))
        set_deadline(conn, conn->deadline);
    else
        on_deadline(conn);
    conn_leave(conn);
}

/* --- its beginning --- */

static enum bv_err
set_up(struct conn *conn, bool secure)
{
    struct loop *loop = conn->net->loop;
    if (secure)
        BV_TRY(tls_accept(conn->net->tls, conn->fd, &conn->tls));
    BV_TRY(loop_timer_new(loop, on_timer, conn, &conn->timer));
    return loop_watch_new(loop, conn->fd, LOOP_READ, on_ready, conn,
                          &conn->watch);
}

enum bv_err
conn_open(struct net *net, int fd, bool secure, struct address address,
          const char *peer)
{
    struct conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL)
        return BV_E_NO_MEMORY;
    conn->net = net;
    conn->fd = fd;
    conn->file = -1;
    conn->address = address;
    (void)strncpy(conn->peer, peer, sizeof(conn->peer) - 1);
    enum bv_err err = set_up(conn, secure);
    if (err != BV_OK) {
        loop_timer_free(conn->timer);
        tls_conn_free(conn->tls);
        free(conn);
        return err;
    }
    conn->next = net->conns;
    conn->prev = &net->conns;
    if (conn->next != NULL)
        conn->next->prev = &conn->next;
    net->conns = conn;
    net->counts.connections++;
    if (secure)
        conn_change_state(conn, CONN_HANDSHAKE);
    else
        await_first(conn);
    return BV_OK;
}

void
conn_end_idle(struct conn *conn)
{
    bool fresh = conn->started_us == 0;
    int64_t end = loop_now_ms(conn->net->loop) + (fresh ? DRAIN_FIRST_MS : 0);
    if (conn->state == CONN_IDLE && end < conn->deadline)
        set_deadline(conn, end);
}
