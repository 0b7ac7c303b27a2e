/* The inside of the OpenSSL port. keys.c, verify.c, transport.c, lookup.c. */
#ifndef BV_DEVICE_PORT_OPENSSL_PORT_H
#define BV_DEVICE_PORT_OPENSSL_PORT_H

#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/auto.h"
#include "brevet/openssl.h"

BV_AUTO_DEFINE(BIO, BIO, BIO_free_all)
BV_AUTO_DEFINE(EVP_PKEY, EVP_PKEY, EVP_PKEY_free)
BV_AUTO_DEFINE(EVP_MD_CTX, EVP_MD_CTX, EVP_MD_CTX_free)
BV_AUTO_DEFINE(X509, X509, X509_free)
BV_AUTO_DEFINE(X509_STORE, X509_STORE, X509_STORE_free)
BV_AUTO_DEFINE(X509_STORE_CTX, X509_STORE_CTX, X509_STORE_CTX_free)

/* One name being resolved without blocking. Its memory must outlive the
 * resolver's work, so it belongs to the port, not to a connection. */
struct lookup {
    pthread_t thread; /* while running */
    bool running;
    atomic_bool done; /* status and result are the caller's again */
    int status;
    struct addrinfo hints, *result;
    char host[256], service[8];
};

struct bv_openssl {
    int dir;
    char *factory_key;  /* path, or NULL */
    X509 *factory_cert; /* or NULL */
    struct lookup lookup;

    /* the connection */
    int fd;
    short events; /* what a WANT waits for */
    struct addrinfo *found, *trying;
    uint64_t tried_ms; /* since when this address is tried */
    bool connected;
    SSL_CTX *tls_ctx;
    SSL *tls;
    bool inexact; /* notBefore is not looked at */
    STACK_OF(X509) *helpers;
    char error[200];
};

/* openssl_note remembers what failed and OpenSSL's own reason, and empties its
 * error queue. Returns answer. */
enum bv_port openssl_note(struct bv_openssl *openssl, enum bv_port answer,
                          const char *what);
/* openssl_note_errno: the same with errno's text. */
enum bv_port openssl_note_errno(struct bv_openssl *openssl, enum bv_port answer,
                                const char *what);

/* openssl_no_passphrase answers OpenSSL's question for one: without it, it
 * would be put to whoever sits at the terminal, and wait. */
int openssl_no_passphrase(char *buf, int size, int rwflag, void *arg);

/* keys.c; NULL when the slot is empty or cannot be read. */
EVP_PKEY *keys_load(struct bv_openssl *openssl, enum bv_slot slot);
struct bv_keys keys_port(struct bv_openssl *openssl);

/* verify.c */
struct bv_verify verify_port(struct bv_openssl *openssl);
X509 *verify_cert_of(struct bv_bytes der);
/* A store whose only trust are these anchors, judging at this time. */
X509_STORE *verify_store(const struct bv_bytes *anchors, size_t num,
                         const struct bv_when *when);
STACK_OF(X509) *verify_stack(const struct bv_bytes *certs, size_t num);
/* For a chain judged at an inexact time. */
int verify_ignore_begin(int ok, X509_STORE_CTX *ctx);

/* transport.c */
struct bv_transport transport_port(struct bv_openssl *openssl);
void transport_close(struct bv_openssl *openssl);

/* lookup.c; *ret_found is freed with freeaddrinfo. WANT: the resolver is at
 * work; done waits until it has ended. */
enum bv_port lookup_host(struct lookup *lookup, const char *host, uint16_t port,
                         struct addrinfo **ret_found);
void lookup_done(struct lookup *lookup);

#endif
