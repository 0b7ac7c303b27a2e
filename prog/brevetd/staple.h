/* The OCSP answer a door staples to its own certificate (RFC 6066 8), so that
 * a device need not ask for it: fetched from the signer when a certificate
 * comes into use, again at half of its validity, and at the latest every
 * minute.
 *
 * Without an answer nothing is stapled and the signer is asked again, first
 * soon, then ever more rarely: a handshake never waits. Only "good" is
 * stapled. A certificate that none of our CAs has issued has no staple. */
#ifndef BREVETD_STAPLE_H
#define BREVETD_STAPLE_H

#include "front/peer.h"
#include "net/tls.h"
#include "prog/config/config.h"

struct staple;

/* staple_new: loop and signer outlive it; signer must be freed before, as its
 * last answers come here. */
enum bv_err staple_new(struct loop *loop, struct peer *signer,
                       struct staple **ret_staple) BV_CHECKED;
void staple_free(struct staple *staple); /* NULL is fine */

/* staple_use: from now on it is this tls that is stapled to; pem holds its
 * certificate, config the CAs. For the certificate of before, its answer goes
 * on. Takes its own reference to tls. */
void staple_use(struct staple *staple, struct tls *tls, struct span pem,
                const struct config *config);

#endif
