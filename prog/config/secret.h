/* What makes a passphrase a bad one. Whoever copies a sealed key, from a backup
 * say, tries passphrases for as long as they like, each a fraction of a second
 * of scrypt: what people make up in a moment is found that way. */
#ifndef BREVET_CONFIG_SECRET_H
#define BREVET_CONFIG_SECRET_H

#include <stdbool.h>

#define SECRET_GOOD_LEN   15 /* characters; NIST SP 800-63B-4, 3.1.1.2 */
#define SECRET_GOOD_KINDS 6  /* different ones */

/* How to make a good one, a sentence. */
#define SECRET_ADVICE                                                          \
    "better six words drawn by dice, or what openssl rand -base64 18 prints"

/* secret_is_weak: it is shorter than SECRET_GOOD_LEN, or of few characters
 * repeated. That it is not does not make it good. */
bool secret_is_weak(const char *secret);

#endif
