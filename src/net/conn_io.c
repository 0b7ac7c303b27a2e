#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn.h"

/* A fast reader of a large file gives way to others after so many pieces. */
#define PIECES_A_TURN 16

static void
wipe_and_free(struct conn_buffer *buffer)
{
    if (buffer->data != NULL)
        explicit_bzero(buffer->data, buffer->cap);
    free(buffer->data);
}

/* Not realloc(3), which leaves what it moves behind: credentials come and keys
 * go through these buffers. */
static enum bv_err
grow(struct conn_buffer *buffer, size_t need)
{
    size_t cap = need < 1024 ? 1024 : need + need / 2;
    uint8_t *data = malloc(cap);
    if (data == NULL)
        return BV_E_NO_MEMORY;
    if (buffer->len > 0)
        memcpy(data, buffer->data, buffer->len);
    wipe_and_free(buffer);
    buffer->data = data;
    buffer->cap = cap;
    return BV_OK;
}

enum bv_err
conn_buffer_add(struct conn_buffer *buffer, struct span bytes)
{
    size_t need = buffer->len + bytes.len;
    if (need > buffer->cap)
        BV_TRY(grow(buffer, need));
    if (bytes.len > 0)
        memcpy(buffer->data + buffer->len, bytes.data, bytes.len);
    buffer->len = need;
    return BV_OK;
}

void
conn_buffer_drop(struct conn_buffer *buffer)
{
    wipe_and_free(buffer);
    *buffer = (struct conn_buffer){0};
}

static enum tls_step
step_of_errno(enum tls_step wait)
{
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
        return wait;
    return TLS_CLOSED;
}

enum tls_step
conn_io_read(struct conn *conn, uint8_t *buffer, size_t cap, size_t *ret_len)
{
    if (conn->tls != NULL)
        return tls_read(conn->tls, buffer, cap, ret_len);
    ssize_t got = recv(conn->fd, buffer, cap, 0);
    *ret_len = got > 0 ? (size_t)got : 0;
    if (got < 0)
        return step_of_errno(TLS_WANT_READ);
    return got == 0 ? TLS_CLOSED : TLS_OK;
}

static enum tls_step
write_some(struct conn *conn, struct span bytes, size_t *ret_len)
{
    if (conn->tls != NULL)
        return tls_write(conn->tls, bytes, ret_len);
    ssize_t put = send(conn->fd, bytes.data, bytes.len, MSG_NOSIGNAL);
    *ret_len = put > 0 ? (size_t)put : 0;
    return put < 0 ? step_of_errno(TLS_WANT_WRITE) : TLS_OK;
}

/* write_all takes what was written off *bytes. */
static enum tls_step
write_all(struct conn *conn, struct span *bytes)
{
    while (bytes->len > 0) {
        size_t len;
        enum tls_step step = write_some(conn, *bytes, &len);
        if (step != TLS_OK)
            return step;
        bytes->data += len;
        bytes->len -= len;
    }
    return TLS_OK;
}

enum tls_step
conn_io_send(struct conn *conn, struct span bytes)
{
    enum tls_step step = write_all(conn, &bytes);
    if (step != TLS_WANT_WRITE && step != TLS_WANT_READ)
        return step == TLS_OK ? conn_io_flush(conn) : step;
    if (conn_buffer_add(&conn->out, bytes) != BV_OK)
        return TLS_FAILED;
    return step;
}

static enum tls_step
flush_buffer(struct conn *conn)
{
    struct span rest =
        span_of(conn->out.data + conn->out_pos, conn->out.len - conn->out_pos);
    enum tls_step step = write_all(conn, &rest);
    conn->out_pos = conn->out.len - rest.len;
    if (step != TLS_OK)
        return step;
    conn_buffer_drop(&conn->out);
    conn->out_pos = 0;
    return TLS_OK;
}

static enum tls_step
send_piece(struct conn *conn)
{
    uint8_t *piece = conn->net->out;
    size_t want =
        conn->file_left < CONN_SCRATCH ? (size_t)conn->file_left : CONN_SCRATCH;
    ssize_t got = pread(conn->file, piece, want, (off_t)conn->file_pos);
    if (got <= 0)
        return TLS_FAILED; /* it shrank: cut, the length was promised */
    conn->file_pos += (uint64_t)got;
    conn->file_left -= (uint64_t)got;
    struct span bytes = span_of(piece, (size_t)got);
    enum tls_step step = write_all(conn, &bytes);
    if (step == TLS_OK)
        return TLS_OK;
    return conn_buffer_add(&conn->out, bytes) == BV_OK ? step : TLS_FAILED;
}

enum tls_step
conn_io_flush(struct conn *conn)
{
    if (conn->out.len > 0) {
        enum tls_step step = flush_buffer(conn);
        if (step != TLS_OK)
            return step;
    }
    for (int i = 0; conn->file_left > 0; i++) {
        if (i == PIECES_A_TURN)
            return TLS_WANT_WRITE;
        enum tls_step step = send_piece(conn);
        if (step != TLS_OK)
            return step;
    }
    return TLS_OK;
}
