#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/conn.h"

/* Octets thrown away for politeness, after which patience ends. */
#define LINGER_OCTETS 262144

/* --- what is wrong with it --- */

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
    conn_answer_refuse(conn, status_of(err, conn->state), err,
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
    if (conn->body_left == CONN_CHUNKED) {
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
    open->head_len = head.len;
    memcpy(open->head, head.data, head.len);
    enum bv_err err =
        http_request_parse(span_of(open->head, head.len), &open->pub.request);
    if (err != BV_OK) {
        conn_free_exchange(open);
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
    conn->body_left = request->chunked ? CONN_CHUNKED : request->length;
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

/* --- octets --- */

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

static void
on_eof(struct conn *conn)
{
    conn->peer_eof = true;
    if (conn->state == CONN_WAIT_REPLY) {
        loop_watch_set(conn->watch, 0); /* half-closed: still answer */
        return;
    }
    if (conn->state == CONN_HEAD || conn->state == CONN_BODY)
        conn_report(conn, 0, BV_E_CLOSED, "the client went away", 0);
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
    explicit_bzero(net->in, len);
    net->reading = false;
    if (err != BV_OK)
        conn_close(conn);
    return conn->tls != NULL && conn_is_reading(conn) && tls_pending(conn->tls);
}

void
conn_request_read(struct conn *conn)
{
    while (feed_read(conn))
        continue;
}

/* Octets while a door works: keep one read of them, then wait for the door. */
void
conn_request_read_ahead(struct conn *conn)
{
    if (conn->in.len < CONN_SCRATCH)
        conn_request_read(conn);
    if (conn->state == CONN_WAIT_REPLY && conn->in.len > 0)
        loop_watch_set(conn->watch, 0);
}

void
conn_request_read_away(struct conn *conn)
{
    ssize_t got = recv(conn->fd, conn->net->in, CONN_SCRATCH, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    conn->lingered += got > 0 ? (uint64_t)got : 0;
    if (got <= 0 || conn->lingered > LINGER_OCTETS)
        conn_close(conn);
}

/* What was received while the door worked, or waits inside TLS. */
void
conn_request_go_on(struct conn *conn)
{
    if (!conn_is_reading(conn))
        return;
    if (conn->in.len > 0)
        feed_buffer(conn);
    if (conn_is_reading(conn) && conn->peer_eof)
        conn_close(conn);
    else if (conn_is_reading(conn) && conn->tls != NULL &&
             tls_pending(conn->tls))
        conn_request_read(conn);
}
