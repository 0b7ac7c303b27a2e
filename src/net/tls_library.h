/* The OpenSSL library context of this room. Part of net/tls; only its files
 * include this.
 *
 * One for the process, apart from the default one; no configuration file
 * changes what it offers. It is never freed: OpenSSL
 * keeps references to it for every thread that used it.
 *
 * OpenSSL before 3.2 decodes the key of each presented certificate by asking
 * every decoder of every algorithm it has whether it fits, which costs more
 * than to verify a signature. There the context offers the key types that a
 * certificate here may have (EC, RSA, RSA-PSS, Ed25519, Ed448), the ciphers of
 * the suites and the digests and key schedules that go with them: 3.0 copies
 * the list of everything that is there for each key. All else comes from
 * OpenSSL's default provider as it is, and so does the code behind what is
 * offered. */
#ifndef BV_NET_TLS_LIBRARY_H
#define BV_NET_TLS_LIBRARY_H

#include <openssl/types.h>

/* tls_library makes it at the first call; NULL without memory. */
OSSL_LIB_CTX *tls_library(void);
/* tls_library_whole: where all of the default provider is, to read the
 * server's key, which may be stored in any form. Behind a small context that
 * is the process's own one: whatever is made in it, the random generator above
 * all, is there already. */
OSSL_LIB_CTX *tls_library_whole(void);

#endif
