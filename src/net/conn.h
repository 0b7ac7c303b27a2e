/* One connection: a state machine over a non-blocking socket, plain or TLS.
 * For the files of this room only; doors see net/exchange.h. */
#ifndef BV_NET_CONN_H
#define BV_NET_CONN_H

#include "net/address.h"
#include "net/net.h"
#include "net/tls.h"

enum conn_state {
    CONN_HANDSHAKE,  /* TLS */
    CONN_IDLE,       /* no request has begun */
    CONN_HEAD,       /* a head has begun */
    CONN_BODY,       /* the body of an exchange */
    CONN_WAIT_REPLY, /* the door has it */
    CONN_WRITE,      /* the answer is being written */
    CONN_DISCARD,    /* answered early; the rest of the body is thrown away */
    CONN_LINGER,     /* all is said; reading on so that nothing is reset */
    CONN_CLOSED,
};

/* Octets in memory that is there only while there are some. */
struct conn_buffer {
    uint8_t *data;
    size_t len, cap;
};

/* What a net lends its connections while they work; nothing in here survives
 * a callback. */
#define CONN_SCRATCH 32768

struct net {
    struct loop *loop;
    struct net_limits limits;
    struct net_service service;
    struct tls *tls;
    struct listener *listeners;
    struct conn *conns;
    struct address_table *addresses;
    struct net_counts counts;
    bool draining;
    bool reading; /* in is in use */
    loop_fn *drained;
    void *drained_ctx;
    char date[HTTP_DATE_LEN + 1]; /* of date_time */
    int64_t date_time;
    uint8_t in[CONN_SCRATCH], out[CONN_SCRATCH];
};

/* body_left of a body that tells its own end; no length is that large. */
#define CONN_CHUNKED UINT64_MAX

/* The memory behind a struct exchange; its head and user octets follow. */
struct open_exchange {
    struct exchange pub;  /* first: a door's pointer is ours */
    struct conn *conn;    /* NULL: the client has gone */
    struct tls_conn *tls; /* a reference; NULL on plain HTTP */
    uint8_t *head;
    size_t head_len;
    struct conn_buffer body;
    char peer[ADDRESS_TEXT_MAX];
};

struct conn {
    struct net *net;
    struct conn *next, **prev;
    struct loop_watch *watch;
    struct loop_timer *timer;
    int64_t deadline, timer_at; /* loop time; see conn_deadline */
    int fd;
    enum conn_state state;
    bool busy;        /* inside conn code: free later, do not recurse */
    bool peer_eof;    /* the client will send no more */
    bool close_after; /* this answer is the last */
    bool body_done;   /* the body of the open exchange has been read */
    struct tls_conn *tls;
    struct address address;
    char peer[ADDRESS_TEXT_MAX];
    struct conn_buffer in;  /* received, not yet used */
    struct conn_buffer out; /* to be written */
    size_t out_pos;
    int file; /* -1, or more to write after out */
    uint64_t file_pos, file_left;
    uint64_t to_write; /* of this answer, when it began */
    struct open_exchange *open;
    struct http_scan scan;
    struct http_chunked chunked;
    uint64_t body_left;
    uint64_t lingered;
    int64_t started_ms, started_us; /* of the request being received */
};

/* --- conn.c: the machine --- */

/* conn_open takes over fd, already counted for its address. */
enum bv_err conn_open(struct net *net, int fd, bool secure,
                      struct address address, const char *peer) BV_CHECKED;
/* conn_close ends it now; the struct goes when nothing works on it. */
void conn_close(struct conn *conn);
/* conn_linger says goodbye and reads on for a while before it closes. */
void conn_linger(struct conn *conn);
/* conn_end_idle closes it soon if no request begins: at once after an answer,
 * in a second when it has not asked anything yet. */
void conn_end_idle(struct conn *conn);

/* Every transition: the state, its deadline and what the descriptor waits
 * for, in one place. */
void conn_change_state(struct conn *conn, enum conn_state state);
/* conn_is_reading: a state that makes use of received octets. */
bool conn_is_reading(const struct conn *conn);

/* conn_enter and conn_leave bracket work on a connection that begins outside
 * of its own callbacks (an answer that comes later). conn_leave goes on with
 * what was received meanwhile, and may free conn. */
void conn_enter(struct conn *conn);
void conn_leave(struct conn *conn);

/* conn_drop_exchange frees it when the door is done with it (answered), else
 * lets go: the door's answer will free it. */
void conn_drop_exchange(struct conn *conn, bool answered);
void conn_free_exchange(struct open_exchange *open);
/* conn_report tells the service what net itself turned away. */
void conn_report(struct conn *conn, uint16_t status, enum bv_err err,
                 const char *detail, uint64_t bytes);

/* --- conn_request.c: from octets to an exchange --- */

/* conn_request_read reads and uses what is there. */
void conn_request_read(struct conn *conn);
/* conn_request_read_ahead: octets while a door works: keeps one read of them,
 * then waits for the door. */
void conn_request_read_ahead(struct conn *conn);
/* conn_request_read_away throws away what comes after the last answer. */
void conn_request_read_away(struct conn *conn);
/* conn_request_go_on uses what was received while the door worked, or waits
 * inside TLS. */
void conn_request_go_on(struct conn *conn);

/* --- conn_answer.c: from an answer to octets --- */

bool conn_answer_has_body(uint16_t status);
/* conn_answer_put_head writes the head of an answer with length octets of
 * body: the status line, net's own fields, the answer's. */
void conn_answer_put_head(struct sink *out, const struct conn *conn,
                          const struct exchange_answer *answer,
                          uint64_t length);
/* conn_answer_send begins to write an answer: bytes, then the file if one is
 * set. */
void conn_answer_send(struct conn *conn, struct span bytes);
/* conn_answer_flush goes on with it when the socket takes more. */
void conn_answer_flush(struct conn *conn);
/* conn_answer_refuse answers what is not (yet) an exchange with an error of
 * net's own and closes. */
void conn_answer_refuse(struct conn *conn, uint16_t status, enum bv_err err,
                        const char *detail);
void conn_answer_drop_file(struct conn *conn);

/* --- conn_io.c: the socket --- */

enum bv_err conn_buffer_add(struct conn_buffer *buffer,
                            struct span bytes) BV_CHECKED;
void conn_buffer_drop(struct conn_buffer *buffer);
/* conn_io_read: TLS_OK with octets, TLS_CLOSED at the end. */
enum tls_step conn_io_read(struct conn *conn, uint8_t *buffer, size_t cap,
                           size_t *ret_len);
/* conn_io_send writes bytes and keeps a copy of what the socket does not take
 * now; then, turn by turn, the rest and the file. TLS_OK: all is out. */
enum tls_step conn_io_send(struct conn *conn, struct span bytes);
enum tls_step conn_io_flush(struct conn *conn);

#endif
