#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/conn.h"

/* --- its head --- */

bool
conn_answer_has_body(uint16_t status)
{
    return status >= 200 && status != 204 && status != 304;
}

static struct span
date_of(struct net *net)
{
    int64_t now = clock_wall();
    if (now != net->date_time) {
        struct sink out = sink_of(net->date, HTTP_DATE_LEN);
        http_put_date(&out, now);
        net->date_time = now;
    }
    return span_of(net->date, HTTP_DATE_LEN);
}

void
conn_answer_put_head(struct sink *out, const struct conn *conn,
                     const struct exchange_answer *answer, uint64_t length)
{
    http_put_status(out, answer->status);
    http_put_field_str(out, "Server", "brevet");
    http_put_field(out, "Date", date_of(conn->net));
    if (answer->content_type != NULL)
        http_put_field_str(out, "Content-Type", answer->content_type);
    if (conn_answer_has_body(answer->status))
        http_put_field_dec(out, "Content-Length", length);
    for (size_t i = 0; i < answer->num_fields; i++)
        http_put_field_str(out, answer->fields[i].name,
                           answer->fields[i].value);
    if (conn->close_after)
        http_put_field_str(out, "Connection", "close");
    else if (conn->open != NULL && conn->open->pub.request.minor == 0)
        http_put_field_str(out, "Connection", "keep-alive");
    http_put_end(out);
}

/* --- its way out --- */

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

/* The form of front_fail. */
void
conn_answer_refuse(struct conn *conn, uint16_t status, enum bv_err err,
                   const char *detail)
{
    static const struct exchange_field fields[] = {
        {"Cache-Control", "no-store"},
        {"X-Content-Type-Options", "nosniff"},
        {"Retry-After", "1"},
    };
    struct exchange_answer answer = {.status = status,
                                     .content_type =
                                         "text/plain; charset=utf-8",
                                     .fields = fields,
                                     .num_fields = status == 503 ? 3 : 2};
    bool is_head =
        conn->open != NULL && conn->open->pub.request.method == HTTP_HEAD;
    uint8_t raw[1024];
    struct sink out = SINK_ARRAY(raw);
    size_t len = strlen(detail) + 1;
    conn->close_after = true;
    conn_answer_put_head(&out, conn, &answer, len);
    if (!is_head) {
        sink_str(&out, detail);
        sink_str(&out, "\n");
    }
    conn_report(conn, status, err, detail, is_head ? 0 : len);
    conn_drop_exchange(conn, conn->state != CONN_WAIT_REPLY);
    conn_answer_send(conn, sink_view(&out));
}
