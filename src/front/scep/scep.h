/* The SCEP door (RFC 8894): /scep[/LABEL][/…], and /cgi-bin/pkiclient.exe and
 * /certsrv/mscep/… for clients that know no other path; with TLS or without,
 * for its messages are signed and encrypted themselves.
 *
 * It takes messages apart and puts answers together; the RA's key, for which
 * clients encrypt and with which answers are signed, is the signer's, and who
 * gets what is core's to say. A request goes: verify and decrypt (message) ->
 * core -> encrypt and sign (answer). */
#ifndef BV_FRONT_SCEP_SCEP_H
#define BV_FRONT_SCEP_SCEP_H

#include "core/core.h"
#include "front/front.h"

/* The door's settings (front_env.settings). Borrowed, and alive as long as the
 * door; after a reload they may hold another configuration. */
struct front_scep_settings {
    bool enabled; /* else every path here is one that does not exist */
    const struct core_config *config;
};

extern const struct front front_scep;

#endif
