/* The EST door (RFC 7030, 8951, 9908): /.well-known/est[/LABEL]/…
 *
 * It turns HTTP into a core_request and a core_reply into HTTP; cacerts and
 * csrattrs it answers itself, from the configuration. TLS, client
 * certificates, time-outs and Connection are net's. */
#ifndef BV_FRONT_EST_EST_H
#define BV_FRONT_EST_EST_H

#include "core/core.h"
#include "front/front.h"

/* The door's settings (front_env.settings). Borrowed, and alive as long as the
 * door. After a reload change what it holds between two requests, and count
 * generation up: the door then makes its answers anew. */
struct front_est_settings {
    unsigned generation;
    const struct core_config *config;
    bool lenient;    /* also take raw DER and PEM bodies (RFC 8951 forbids) */
    bool full_chain; /* enrolment answers carry the CA certificates too */
};

/* Opening fails with BAD_CONFIG when a label is an operation's name, is there
 * twice, or leads to no profile or CA. */
extern const struct front front_est;

#endif
