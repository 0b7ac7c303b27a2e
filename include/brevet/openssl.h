/* brevet/openssl.h: the device library's keys, verification and transport
 * ports on OpenSSL 3 and POSIX sockets.
 *
 * Keys are PEM files (PKCS#8) "key-a.pem" and "key-b.pem" in the identity's
 * directory, created 0600, replaced by rename, never written elsewhere. The
 * factory identity is a certificate and a key file given by name. The process
 * must ignore SIGPIPE. */
#ifndef BREVET_OPENSSL_H
#define BREVET_OPENSSL_H

#include "brevet/port.h"

BV_C_BEGIN

struct bv_openssl;

/* bv_openssl_open works in the directory dirfd (not owned, must outlive the
 * result). factory_cert and factory_key: PEM files, or NULL. NULL when memory
 * is exhausted, a factory file cannot be read (nobody is asked for the
 * passphrase of an encrypted one), or they do not belong together. */
struct bv_openssl *bv_openssl_open(int dirfd, const char *factory_cert,
                                   const char *factory_key);
void bv_openssl_close(struct bv_openssl *openssl); /* NULL is fine */

/* bv_openssl_ports fills keys, verify and transport. */
void bv_openssl_ports(struct bv_openssl *openssl, struct bv_ports *ret_ports);

/* bv_openssl_fd: the socket to wait on after a WANT, or -1; ret_events gets
 * POLLIN or POLLOUT. */
int bv_openssl_fd(const struct bv_openssl *openssl, short *ret_events);

/* bv_openssl_error: one sentence about the last failure, for logs. */
const char *bv_openssl_error(const struct bv_openssl *openssl);

/* bv_openssl_key_pem writes the private key of a slot as PEM: the one way out,
 * for an install target the operator named. The caller wipes the buffer. */
enum bv_port bv_openssl_key_pem(struct bv_openssl *openssl, enum bv_slot slot,
                                char *out, size_t cap, size_t *ret_len);

BV_C_END
#endif
