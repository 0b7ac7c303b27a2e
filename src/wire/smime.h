/* SMIMECapabilities (RFC 8551 2.5.2) as EST's serverkeygen uses them (RFC 7030
 * 4.4.1): by which algorithms a client can open what is wrapped for it.
 * Freestanding. */
#ifndef BV_WIRE_SMIME_H
#define BV_WIRE_SMIME_H

#include "base/span.h"

/* What is announced of what EnvelopedData can be made with here. */
struct smime_caps {
    bool cbc128, cbc256;   /* AES for the content */
    bool wrap128, wrap256; /* AES key wrap (key agreement) */
    bool oaep, pkcs1;      /* RSA key transport */
};

/* smime_caps_parse: BAD_MESSAGE unless der is SEQUENCE OF SMIMECapability.
 * Algorithms not known here are left out. */
enum bv_err smime_caps_parse(struct span der,
                             struct smime_caps *ret_caps) BV_CHECKED;

/* smime_caps_choose: 256 or 128, the AES key size for content and key wrap
 * that was announced, the larger first; 0 when there is none. A list that is
 * silent about one kind of algorithm leaves that one to the other kind; one
 * that is silent about key transport leaves it to OAEP. transport: the key is
 * RSA, else one of key agreement. */
unsigned smime_caps_choose(const struct smime_caps *caps, bool transport);

#endif
