/* A real server on a loop of its own thread, and clients that speak to it with
 * blocking sockets from the test's. */
#ifndef TESTS_UNIT_NET_HARNESS_H
#define TESTS_UNIT_NET_HARNESS_H

#include <openssl/ssl.h>
#include <pthread.h>

#include "net/net.h"
#include "net/tls.h"

/* --- certificates, made once --- */

struct issued {
    X509 *cert;
    EVP_PKEY *key;
};

struct pki {
    struct issued root, issuing, vendor, stranger; /* CAs */
    struct issued server, own, idevid, foreign, expired, server_eku;
    struct issued by_root;     /* a client of the root, not the issuing CA */
    struct issued critical;    /* has a critical extension nobody knows */
    struct issued twin, twins; /* the vendor's CA has our issuing CA's name */
    struct issued deep[6];     /* CAs below the issuing CA */
    struct issued maker, born; /* a CA below the vendor's, and its device */
    struct issued bulky;       /* a vendor's device, over LIMIT_CERT octets */
};
extern struct pki pki;
void pki_make(void);
void pki_free(void);
/* issue_client: one more client certificate, for this key; the caller frees
 * both. */
struct issued issue_client(EVP_PKEY *key, const struct issued *by);
/* pem_of: malloc'ed, of cert and/or key (either may be NULL). */
char *pem_of(X509 *cert, EVP_PKEY *key);

/* --- the server --- */

struct server {
    struct loop *loop;
    struct net *net;
    struct net_limits limits;
    bool secure, anonymous; /* TLS; without client certificates */
    int64_t own_expired_s;  /* of tls_settings, as is own_any_usage */
    bool own_any_usage;
    const struct issued *shown; /* the server's; NULL: pki.server */
    struct tls *tls;
    int port;
    int orders[2];  /* a pipe: one octet is one order */
    int reports[2]; /* a pipe back: see server_await */
    struct loop_hook *hook;
    bool asked; /* an 's' waits for the end of the turn */
    pthread_t thread;
    struct loop_watch *watch;
    struct loop_timer *late_timer;
    struct exchange *late[64];
    size_t num_late;
    /* what happened; read after server_stop */
    unsigned refused;
    enum bv_err last_refusal;
    struct net_counts counts;
    bool drained;
};

/* limits: small ones to begin with; change them before server_start. A server
 * is static: a test that fails is left at once, and its thread goes on until
 * server_teardown (of every test) has stopped it. */
void server_init(struct server *server, bool secure);
void server_start(struct server *server);
void server_stop(struct server *server);
int server_teardown(void **state);
void server_order(struct server *server, char order); /* 'd'rain 'r'eload */
/* server_await blocks until the server has reported this: 'l' a /late or
 * /never request is with the door (one report each), 'd' it is drained. Fails
 * on another report, and after 10 s. */
void server_await(struct server *server, char report);
/* server_settle returns when all that was sent or closed before has been seen
 * by the loop. */
void server_settle(struct server *server);

/* --- clients --- */

int client_connect(const struct server *server);
void client_send(int fd, const char *text);
/* client_read_all: to the end of the stream, or until ms have passed without
 * anything (then *ret_ended is false). Returns octets; text is terminated. */
size_t client_read_all(int fd, char *text, size_t cap, int ms, bool *ret_ended);
/* client_expect reads until want has appeared count times; fails after 5 s. */
void client_expect(int fd, const char *want, int count);
int64_t now_ms(void);

struct tls_client {
    SSL_CTX *ctx;
    SSL *ssl;
    int fd;
    bool ok;
    char alert[64]; /* reason of the failure */
};
/* tls_client_init prepares; change ctx or ssl, then tls_client_shake.
 * tls_client_open does both. version 0: any. who NULL: no certificate. */
void tls_client_init(struct tls_client *client, const struct server *server,
                     int version, const struct issued *who, const char *suites);
void tls_client_shake(struct tls_client *client);
void tls_client_open(struct tls_client *client, const struct server *server,
                     int version, const struct issued *who, const char *suites);
/* tls_client_ask returns the whole answer in text; "" if none came. */
void tls_client_ask(struct tls_client *client, const char *request, char *text,
                    size_t cap);
void tls_client_close(struct tls_client *client);

#endif
