/* How much of libcrypto a process of ours sets up. */
#ifndef BV_PKI_LIBRARY_H
#define BV_PKI_LIBRARY_H

/* library_begin: for a process that is started often and kept long, before
 * anything else of OpenSSL is called. OpenSSL would enter the names of every
 * cipher and digest of its old tables into each library context; 3.0 then
 * walks through all of them several times whenever a key is used. Here only
 * the digests that a signature may name and the ciphers of pki/cms are entered.
 * What our code fetches it gets from the providers, which is not affected; the
 * old ways to find an algorithm by its name (EVP_get_cipherbyname) find no
 * other afterwards.
 *
 * Once in a process; it cannot be taken back. */
void library_begin(void);

#endif
