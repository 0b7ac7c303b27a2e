/* Who is asking, by which credential, and what that credential alone allows.
 * Reads the database, changes nothing. */
#ifndef BV_CORE_AUTHORIZE_H
#define BV_CORE_AUTHORIZE_H

#include "core/state.h"

struct identity {
    enum audit_auth auth;
    char device[LIMIT_DEVICE_NAME + 1]; /* "": the CSR names it (group) */
    char actor[LIMIT_DEVICE_NAME + 1];  /* an RA's own name, else "" */
    char group[LIMIT_SHORT_NAME];
    char profile[LIMIT_SHORT_NAME]; /* the credential's, of a certificate of
                                     * ours its own; "": any */
    bool known_only;                /* the device must exist already */
    bool may_replace; /* an existing device of the same group, whatever it has:
                       * the credential is the device's own */
    bool any_group;   /* the group of an existing device does not matter */
    /* token */
    bool has_token, token_spent, token_expired;
    uint8_t token_hash[32];
    char user[LIMIT_DEVICE_NAME + 1]; /* HTTP user: the device id, or "" */
    /* own certificate */
    bool is_limited; /* expired, or not for TLS clients */
    struct cert peer;
    uint64_t seq;
};

/* authorize finds the identity. Errors: UNAUTHENTICATED, REFUSED, REVOKED,
 * EXPIRED, RATE_LIMITED, with a sentence; or of the store. With an error ret
 * tells no more than whose the credential is (auth, device), for the log, if
 * it is known. A token that is
 * spent or has expired is not an error yet: the request may repeat one that was
 * answered, or (expired) be one that an operator was asked about in time. One
 * that was withdrawn is. */
enum bv_err authorize(struct core *core, const struct core_request *request,
                      int64_t now, struct identity *ret, char *ret_problem,
                      size_t cap) BV_CHECKED;

/* authorize_hash hashes a secret as the token table holds it. Codes are handed
 * over on paper: hyphens, spaces and letter case do not count, and, as in
 * Crockford's base32, O reads as 0, I and L as 1. */
void authorize_hash(struct span secret, uint8_t ret_hash[32]);

/* authorize_failed counts a failed secret against address and device. */
void authorize_failed(struct core *core, const struct core_request *request,
                      int64_t now);

#endif
