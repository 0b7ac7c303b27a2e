#include <string.h>
#include <unistd.h>

#include "net/conn.h"

void
conn_answer_drop_file(struct conn *conn)
{
    if (conn->file >= 0)
        (void)close(conn->file);
    conn->file = -1;
    conn->file_left = 0;
}

static void
answered(struct conn *conn)
{
    conn_drop_exchange(conn, true);
    conn_answer_drop_file(conn);
    bool can_discard = conn->body_left == CONN_CHUNKED ||
                       conn->body_left <= conn->net->limits.body;
    if (conn->close_after || conn->net->draining ||
        (!conn->body_done && !can_discard)) {
        conn_linger(conn);
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
conn_answer_flush(struct conn *conn)
{
    after_write(conn, conn_io_flush(conn));
}

void
conn_answer_send(struct conn *conn, struct span bytes)
{
    conn->to_write = bytes.len + conn->file_left;
    conn_change_state(conn, CONN_WRITE);
    after_write(conn, conn_io_send(conn, bytes));
}

void
conn_answer_refuse(struct conn *conn, uint16_t status, enum bv_err err,
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
    conn_report(conn, status, err, detail, len);
    conn->close_after = true;
    conn_drop_exchange(conn, conn->state != CONN_WAIT_REPLY);
    conn_answer_send(conn, sink_view(&out));
}
