/* The status door: what a relying party asks about certificates. All over
 * plain HTTP as well, since whoever asks cannot check TLS before.
 *
 *     /ocsp          POST, and GET with the request in the path (RFC 6960
 *                    appendix A, RFC 9919)
 *     /crl/NAME.crl  the CRL of a CA, DER, streamed from its file (RFC 2585)
 *     /ca/NAME.cer   the certificate of a CA, DER (RFC 5280 4.2.2.1)
 *     /health        200 "ok", or 503 and the reason, for load balancers
 *
 * OCSP answers are made and signed in the signer process; this door keeps them
 * and serves one again only while the status map still holds the word it was
 * made from, so a revocation shows at once. */
#ifndef BV_FRONT_STATUS_STATUS_H
#define BV_FRONT_STATUS_STATUS_H

#include "core/core.h"
#include "front/front.h"
#include "proc/statusmap.h"

/* A published CRL. The file is replaced by renaming a new one over it, never
 * written in place. */
struct front_status_crl {
    const char *name; /* of the CA */
    int fd;           /* open for reading; -1: none published yet */
};

/* front_env.settings. Borrowed, and alive as long as the door. To change it
 * (reload, a new CRL): between two requests, and count generation up. */
struct front_status_settings {
    unsigned generation;
    const struct core_config *config; /* its CAs */
    const struct front_status_crl *crls;
    size_t num_crls;
    struct statusmap *map; /* NULL: nothing is kept, everything is asked */
    unsigned signed_per_address; /* answers a second; 0: no bound */
};

/* One answer below this is kept; LIMIT_OCSP_CACHE of them at most. */
#define FRONT_STATUS_KEEP_MAX 2048

/* A CRL that cannot be read does not fail the opening: it is 404 and makes
 * /health tell. */
extern const struct front front_status_door;

#endif
