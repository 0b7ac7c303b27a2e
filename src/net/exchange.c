#include "net/exchange.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/conn.h"

/* Head fields take less than this; more is a mistake of a door. */
#define HEAD_MAX 4096

/* A door's head that cannot be written (a line break in a value, too much):
 * the client gets an error instead of nothing. */
static void
put_head_or_500(struct sink *out, struct conn *conn,
                const struct exchange_answer *answer, uint64_t length)
{
    static const struct exchange_answer broken = {.status = 500};
    struct sink start = *out;
    conn_answer_put_head(out, conn, answer, length);
    if (!out->failed)
        return;
    *out = start;
    conn->close_after = true;
    conn->file_left = 0;
    conn_answer_put_head(out, conn, &broken, 0);
}

static void
send_with_body(struct conn *conn, struct sink *head, struct span body)
{
    size_t total = head->len + body.len;
    if (total <= CONN_SCRATCH) { /* head lies in net->out: append there */
        struct sink all = sink_of(head->data, CONN_SCRATCH);
        all.len = head->len;
        sink_put(&all, body);
        conn_answer_send(conn, sink_view(&all));
        explicit_bzero(all.data, all.len); /* it may have held a key */
        return;
    }
    uint8_t *copy = malloc(total);
    if (copy == NULL) {
        conn_close(conn);
        return;
    }
    struct sink all = sink_of(copy, total);
    sink_put(&all, sink_view(head));
    sink_put(&all, body);
    conn_answer_send(conn, sink_view(&all));
    explicit_bzero(copy, total);
    free(copy);
}

/* The head and the start of a file leave in one write. */
static void
send_with_file(struct conn *conn, struct sink *head)
{
    struct span none = SPAN_EMPTY;
    size_t room = CONN_SCRATCH - head->len;
    size_t want = conn->file_left < room ? (size_t)conn->file_left : room;
    ssize_t got = 0;
    if (want > 0)
        got = pread(conn->file, head->data + head->len, want,
                    (off_t)conn->file_pos);
    if (got > 0) {
        head->len += (size_t)got;
        conn->file_pos += (uint64_t)got;
        conn->file_left -= (uint64_t)got;
    }
    head->cap = CONN_SCRATCH;
    send_with_body(conn, head, none);
}

static void
reply(struct conn *conn, const struct exchange_answer *answer, int fd,
      uint64_t offset, uint64_t length)
{
    bool send_body = conn_answer_has_body(answer->status) &&
                     conn->open->pub.request.method != HTTP_HEAD;
    conn->close_after =
        conn->close_after || answer->close || conn->net->draining ||
        (!conn->body_done && conn->open->pub.request.expect_continue);
    if (fd >= 0 && send_body) {
        conn->file = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        conn->file_pos = offset;
        conn->file_left = conn->file >= 0 ? length : 0;
        if (conn->file < 0) {
            conn_close(conn);
            return;
        }
    }
    struct sink head = sink_of(conn->net->out, HEAD_MAX);
    put_head_or_500(&head, conn, answer, length);
    if (conn->file_left > 0)
        send_with_file(conn, &head);
    else
        send_with_body(conn, &head,
                       send_body && fd < 0 ? answer->body : SPAN_EMPTY);
}

static void
reply_bracketed(struct exchange *exchange, const struct exchange_answer *answer,
                int fd, uint64_t offset, uint64_t length, bool *ret_sent)
{
    struct open_exchange *open = (struct open_exchange *)exchange;
    if (ret_sent != NULL)
        *ret_sent = open->conn != NULL;
    struct conn *conn = open->conn;
    if (conn == NULL) {
        conn_free_exchange(open);
        return;
    }
    bool nested = conn->busy; /* answered from within admit or request */
    if (!nested)
        conn_enter(conn);
    reply(conn, answer, fd, offset, length);
    if (!nested)
        conn_leave(conn);
}

void
exchange_reply(struct exchange *exchange, const struct exchange_answer *answer,
               bool *ret_sent)
{
    reply_bracketed(exchange, answer, -1, 0, answer->body.len, ret_sent);
}

void
exchange_reply_file(struct exchange *exchange,
                    const struct exchange_answer *answer, int fd,
                    uint64_t offset, uint64_t length, bool *ret_sent)
{
    reply_bracketed(exchange, answer, fd, offset, length, ret_sent);
}

bool
exchange_is_live(const struct exchange *exchange)
{
    return ((const struct open_exchange *)exchange)->conn != NULL;
}
