#include "net/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/listener.h"

/* Octets thrown away for politeness, after which patience ends. */
#define LINGER_OCTETS 262144
/* body_left of a body that tells its own end; no length is that large. */
#define CHUNKED UINT64_MAX

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

static void
drop_file(struct conn *conn)
{
    if (conn->file >= 0)
        (void)close(conn->file);
    conn->file = -1;
    conn->file_left = 0;
}

/* drop_exchange frees it when the door is done with it, else lets go: the
 * door's answer will free it. */
static void
drop_exchange(struct conn *conn, bool answered)
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
    drop_file(conn);
    drop_exchange(conn, ours);
    conn_buffer_drop(&conn->in);
    conn_buffer_drop(&conn->out);
    address_table_drop(conn->net->addresses, conn->address);
    if (!conn->busy)
        free_conn(conn);
}

/* So that unread octets do not turn our last answer into a reset: FIN first,
 * then read for a while what still comes (RFC 9112 9.6). */
static void
begin_linger(struct conn *conn)
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

static void
report(struct conn *conn, uint16_t status, enum bv_err err, const char *detail,
       uint64_t bytes)
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
    if (conn->open != NULL) {
        refusal.method = conn->open->pub.request.method_name;
        refusal.path = conn->open->pub.request.path;
    }
    service->refused(service->ctx, &refusal);
}

void
conn_refuse(struct conn *conn, uint16_t status, enum bv_err err,
            const char *detail)
{
    uint8_t raw[512];
    struct sink out = SINK_ARRAY(raw);
    size_t len = strlen(detail) + 1;
    http_put_status(&out, status);
    http_put_field_str(&out, "Server", "brevet");
    http_put_field_str(&out, "Content-Type", "text/plain; charset=utf-8");
    http_put_field_dec(&out, "Content-Length", len);
    if (status == 503)
        http_put_field_str(&out, "Retry-After", "1");
    http_put_field_str(&out, "Connection", "close");
    http_put_end(&out);
    sink_str(&out, detail);
    sink_str(&out, "\n");
    report(conn, status, err, detail, len);
    conn->close_after = true;
    drop_exchange(conn, conn->state != CONN_WAIT_REPLY);
    conn_send_answer(conn, sink_view(&out));
}

static uint16_t
status_of(enum bv_err err, enum conn_state state)
{
    if (err == BV_E_TOO_MANY || (err == BV_E_TOO_LARGE && state == CONN_HEAD))
        return 431;
    if (err == BV_E_TOO_LARGE)
        return 413;
    if (err == BV_E_NO_MEMORY)
        return 503;
    return err == BV_E_UNSUPPORTED ? 501 : 400;
}

static const char *
detail_of(enum bv_err err, enum conn_state state)
{
    if (err == BV_E_TOO_LARGE || err == BV_E_TOO_MANY)
        return state == CONN_HEAD ? "the header is too large"
                                  : "the body is too large";
    if (err == BV_E_NO_MEMORY)
        return "no memory";
    return state == CONN_HEAD ? "malformed request head"
                              : "malformed chunked body";
}

static void
refuse_error(struct conn *conn, enum bv_err err)
{
    conn_refuse(conn, status_of(err, conn->state), err,
                detail_of(err, conn->state));
}

/* --- the body --- */

static enum bv_err
keep_body(struct conn *conn, struct span data)
{
    struct open_exchange *open = conn->open;
    if (conn->state != CONN_BODY || data.len == 0)
        return BV_OK;
    if (data.len > open->pub.max_body - open->body.len)
        return BV_E_TOO_LARGE;
    return conn_buffer_add(&open->body, data);
}

static enum bv_err
take_body_piece(struct conn *conn, struct span *in)
{
    struct span data;
    if (conn->body_left == CHUNKED) {
        BV_TRY(http_chunked_next(&conn->chunked, in, &data, &conn->body_done));
        conn->lingered += conn->state == CONN_DISCARD ? data.len : 0;
    } else {
        size_t len =
            in->len < conn->body_left ? in->len : (size_t)conn->body_left;
        BV_TRY(span_take(in, len, &data));
        conn->body_left -= len;
        conn->body_done = conn->body_left == 0;
    }
    return keep_body(conn, data);
}

/* take_body returns true when the body has been read. */
static bool
take_body(struct conn *conn, struct span *in)
{
    while (in->len > 0 && !conn->body_done) {
        enum bv_err err = take_body_piece(conn, in);
        if (err != BV_OK && conn->state == CONN_BODY) {
            refuse_error(conn, err);
            return false;
        }
        if (err != BV_OK || conn->lingered > LINGER_OCTETS) {
            conn_close(conn);
            return false;
        }
    }
    return conn->body_done;
}

static void
on_body(struct conn *conn, struct span *in)
{
    struct net *net = conn->net;
    if (!take_body(conn, in))
        return;
    struct open_exchange *open = conn->open;
    open->pub.body = span_of(open->body.data, open->body.len);
    net->counts.requests++;
    conn_change_state(conn, CONN_WAIT_REPLY);
    net->service.request(net->service.ctx, &open->pub);
}

static void
on_discard(struct conn *conn, struct span *in)
{
    if (take_body(conn, in))
        conn_change_state(conn, CONN_IDLE);
}

/* --- the head --- */

static const struct exchange_tls plain = {.trust_name = ""};

static enum bv_err
open_exchange(struct conn *conn, struct span head)
{
    struct net *net = conn->net;
    size_t user = (net->service.user_size + 15) & ~(size_t)15;
    size_t fixed = (sizeof(struct open_exchange) + 15) & ~(size_t)15;
    struct open_exchange *open = calloc(1, fixed + user + head.len);
    if (open == NULL)
        return BV_E_NO_MEMORY;
    open->conn = conn;
    open->head = (uint8_t *)open + fixed + user;
    memcpy(open->head, head.data, head.len);
    enum bv_err err =
        http_request_parse(span_of(open->head, head.len), &open->pub.request);
    if (err != BV_OK) {
        free(open);
        return err;
    }
    open->pub.user = (uint8_t *)open + fixed;
    memcpy(open->peer, conn->peer, sizeof(open->peer));
    open->pub.peer = open->peer;
    open->pub.tls = &plain;
    if (conn->tls != NULL) {
        open->tls = tls_conn_ref(conn->tls); /* the door may outlive conn */
        open->pub.tls = tls_facts(open->tls);
    }
    open->pub.max_body = net->limits.body;
    open->pub.started_ms = conn->started_ms;
    open->pub.started_us = conn->started_us;
    conn->open = open;
    return BV_OK;
}

static void
send_continue(struct conn *conn)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    enum tls_step step = conn_io_send(conn, span_of(line, sizeof(line) - 1));
    /* Not taken at once by an empty socket buffer: not worth waiting for. */
    if (step != TLS_OK)
        conn_close(conn);
}

static void
begin_body(struct conn *conn)
{
    struct open_exchange *open = conn->open;
    if (!open->pub.request.chunked &&
        open->pub.request.length > open->pub.max_body) {
        conn_change_state(conn, CONN_BODY);
        refuse_error(conn, BV_E_TOO_LARGE);
        return;
    }
    conn_change_state(conn, CONN_BODY);
    if (open->pub.request.expect_continue && conn->in.len == 0)
        send_continue(conn);
}

static void
admit(struct conn *conn)
{
    struct net *net = conn->net;
    struct open_exchange *open = conn->open;
    const struct http_request *request = &open->pub.request;
    conn->close_after = !request->keep_alive;
    conn->chunked = (struct http_chunked){0};
    conn->body_left = request->chunked ? CHUNKED : request->length;
    conn->body_done = conn->body_left == 0;
    conn->lingered = 0;
    /* From here the door has it, so that it may answer at once. */
    conn_change_state(conn, CONN_WAIT_REPLY);
    if (net->service.admit != NULL)
        net->service.admit(net->service.ctx, &open->pub);
    if (conn->state == CONN_WAIT_REPLY && conn->open == open)
        begin_body(conn);
}

static void
on_head(struct conn *conn, struct span *in)
{
    bool done;
    size_t len = 0;
    struct span head = SPAN_EMPTY;
    enum bv_err err = http_scan_head(&conn->scan, *in, &done, &len);
    if (err == BV_OK && done) {
        err = span_take(in, len, &head);
        if (err == BV_OK)
            err = open_exchange(conn, head);
    }
    if (err != BV_OK)
        refuse_error(conn, err);
    else if (done)
        admit(conn);
}

static void
on_idle(struct conn *conn, struct span *in)
{
    http_skip_empty_lines(in);
    if (in->len == 0 || (in->len == 1 && in->data[0] == '\r'))
        return;
    conn->started_ms = loop_now_ms(conn->net->loop);
    conn->started_us = loop_clock_us();
    conn->scan = (struct http_scan){0};
    conn_change_state(conn, CONN_HEAD);
}

/* feed uses octets as far as the states allow. */
static void
feed(struct conn *conn, struct span *in)
{
    for (;;) {
        enum conn_state before = conn->state;
        size_t len = in->len;
        if (before == CONN_IDLE)
            on_idle(conn, in);
        else if (before == CONN_HEAD)
            on_head(conn, in);
        else if (before == CONN_BODY)
            on_body(conn, in);
        else if (before == CONN_DISCARD)
            on_discard(conn, in);
        else
            return;
        if (conn->state == before && in->len == len)
            return; /* nothing more can be made of what is here */
    }
}

static void
feed_buffer(struct conn *conn)
{
    struct span in = span_of(conn->in.data, conn->in.len);
    feed(conn, &in);
    if (conn->state == CONN_CLOSED || conn->in.data == NULL)
        return;
    if (in.len == 0) {
        conn_buffer_drop(&conn->in);
        return;
    }
    memmove(conn->in.data, in.data, in.len);
    conn->in.len = in.len;
}

static enum bv_err
feed_new(struct conn *conn, struct span in)
{
    if (conn->in.len > 0) {
        BV_TRY(conn_buffer_add(&conn->in, in));
        feed_buffer(conn);
        return BV_OK;
    }
    feed(conn, &in);
    if (conn->state == CONN_CLOSED || conn->state == CONN_LINGER || in.len == 0)
        return BV_OK;
    return conn_buffer_add(&conn->in, in);
}

static bool
is_reading(const struct conn *conn)
{
    return conn->state == CONN_IDLE || conn->state == CONN_HEAD ||
           conn->state == CONN_BODY || conn->state == CONN_DISCARD;
}

static void
on_eof(struct conn *conn)
{
    conn->peer_eof = true;
    if (conn->state == CONN_WAIT_REPLY) {
        loop_watch_set(conn->watch, 0); /* half-closed: still answer */
        return;
    }
    if (conn->state == CONN_HEAD || conn->state == CONN_BODY)
        report(conn, 0, BV_E_CLOSED, "the client went away", 0);
    conn_close(conn);
}

/* feed_read makes one read and uses it. False: nothing more to read now. */
static bool
feed_read(struct conn *conn)
{
    struct net *net = conn->net;
    size_t len;
    enum tls_step step = conn_io_read(conn, net->in, sizeof(net->in), &len);
    if (step == TLS_WANT_READ)
        return false;
    if (step != TLS_OK) {
        on_eof(conn);
        return false;
    }
    net->reading = true;
    enum bv_err err = feed_new(conn, span_of(net->in, len));
    net->reading = false;
    if (err != BV_OK)
        conn_close(conn);
    return conn->tls != NULL && is_reading(conn) && tls_pending(conn->tls);
}

static void
read_some(struct conn *conn)
{
    while (feed_read(conn))
        continue;
}

/* Octets while a door works: keep one read of them, then wait for the door. */
static void
read_ahead(struct conn *conn)
{
    if (conn->in.len < CONN_SCRATCH)
        read_some(conn);
    if (conn->state == CONN_WAIT_REPLY && conn->in.len > 0)
        loop_watch_set(conn->watch, 0);
}

static void
read_away(struct conn *conn)
{
    ssize_t got = recv(conn->fd, conn->net->in, CONN_SCRATCH, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    conn->lingered += got > 0 ? (uint64_t)got : 0;
    if (got <= 0 || conn->lingered > LINGER_OCTETS)
        conn_close(conn);
}

/* --- the answer --- */

static void
answered(struct conn *conn)
{
    drop_exchange(conn, true);
    drop_file(conn);
    bool can_discard =
        conn->body_left == CHUNKED || conn->body_left <= conn->net->limits.body;
    if (conn->close_after || conn->net->draining ||
        (!conn->body_done && !can_discard)) {
        begin_linger(conn);
        return;
    }
    if (conn->peer_eof && conn->in.len == 0) {
        conn_close(conn);
        return;
    }
    conn_change_state(conn, conn->body_done ? CONN_IDLE : CONN_DISCARD);
}

static void
after_write(struct conn *conn, enum tls_step step)
{
    switch (step) {
    case TLS_OK:
        answered(conn);
        break;
    case TLS_WANT_READ:
        loop_watch_set(conn->watch, LOOP_READ);
        break;
    case TLS_WANT_WRITE:
        loop_watch_set(conn->watch, LOOP_WRITE);
        break;
    case TLS_CLOSED:
    case TLS_FAILED:
        conn_close(conn);
        break;
    }
}

void
conn_send_answer(struct conn *conn, struct span bytes)
{
    conn->to_write = bytes.len + conn->file_left;
    conn_change_state(conn, CONN_WRITE);
    after_write(conn, conn_io_send(conn, bytes));
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
            report(conn, 0, why, "TLS handshake failed", 0);
        begin_linger(conn); /* so that the alert arrives */
        return;
    }
    /* A client that keeps Nagle's algorithm on holds its request back until
     * its last flight is acknowledged: do not delay that by 40 ms. */
    int on = 1;
    (void)setsockopt(conn->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
    conn_change_state(conn, CONN_IDLE);
    set_deadline(conn,
                 loop_now_ms(conn->net->loop) + conn->net->limits.request_ms);
    if (conn->net->draining)
        begin_linger(conn);
    else if (tls_pending(conn->tls))
        read_some(conn);
}

void
conn_enter(struct conn *conn)
{
    conn->busy = true;
}

/* What was received while the door worked, or waits inside TLS. */
static void
go_on(struct conn *conn)
{
    if (!is_reading(conn))
        return;
    if (conn->in.len > 0)
        feed_buffer(conn);
    if (is_reading(conn) && conn->peer_eof)
        conn_close(conn);
    else if (is_reading(conn) && conn->tls != NULL && tls_pending(conn->tls))
        read_some(conn);
}

void
conn_leave(struct conn *conn)
{
    if (!conn->net->reading) {
        go_on(conn);
    } else if (is_reading(conn)) {
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
        read_some(conn);
        break;
    case CONN_WAIT_REPLY:
        read_ahead(conn);
        break;
    case CONN_WRITE:
        after_write(conn, conn_io_flush(conn));
        break;
    case CONN_LINGER:
        read_away(conn);
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
        report(conn, 0, BV_E_TIMEOUT, "TLS handshake too slow", 0);
        cut(conn);
        break;
    case CONN_HEAD:
    case CONN_BODY:
        conn_refuse(conn, 408, BV_E_TIMEOUT, "the request came too slowly");
        break;
    case CONN_WAIT_REPLY:
        conn_refuse(conn, 503, BV_E_TIMEOUT, "no answer in time");
        break;
    case CONN_WRITE:
    case CONN_DISCARD:
        cut(conn);
        break;
    case CONN_IDLE:
        begin_linger(conn);
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
    conn_change_state(conn, secure ? CONN_HANDSHAKE : CONN_IDLE);
    if (!secure) /* a fresh connection is here to ask something */
        set_deadline(conn, loop_now_ms(net->loop) + net->limits.request_ms);
    return BV_OK;
}

void
conn_end_idle(struct conn *conn)
{
    if (conn->state != CONN_IDLE)
        return;
    conn_enter(conn);
    begin_linger(conn);
    conn_leave(conn);
}
