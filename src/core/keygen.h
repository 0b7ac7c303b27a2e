/* Server-side key generation, RFC 7030 4.4: a key pair is made here, handed
 * out once and forgotten. */
#ifndef BV_CORE_KEYGEN_H
#define BV_CORE_KEYGEN_H

#include "core/work.h"

/* keygen_start makes job->key of the CSR's kind, or the profile's own if it
 * does not have that one (BAD_KEY for RSA of other than 2048 or 3072 bits: it
 * would keep all others waiting) and decides how it will travel: in clear
 * within TLS if nothing else is asked for, the profile allows it and the suite
 * is as strong as the key (REFUSED if not), or wrapped for the certificate that
 * the CSR's AsymmetricDecryptKeyIdentifier names: the one of this connection,
 * or a good one of the same device, by its subjectKeyIdentifier or the first 20
 * octets of the SHA-256 of its key (RFC 7093 2 (1)). UNSUPPORTED when there is
 * none, when a symmetric key is named (none is ever shared), when the key to be
 * sent is Ed25519, or when the SMIMECapabilities leave no algorithm; BAD_KEY
 * when that certificate is not for encryption. Whatever was asked for, clear is
 * never the way out. */
enum bv_err keygen_start(struct work *w) BV_CHECKED;
/* keygen_finish puts the key into the reply once the certificate is there; a
 * job without a key is left alone. A wrapped key is signed by itself, with the
 * new certificate: RFC 7030 4.4.2 wants the signature of who made it, but core
 * has no key of its own (ARCHITECTURE.md, Processes). That signature binds key
 * and certificate; where they come from the TLS connection says. */
enum bv_err keygen_finish(struct job *job) BV_CHECKED;

#endif
