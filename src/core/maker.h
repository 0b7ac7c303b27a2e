/* The CRLs of a manufacturer: who of its devices and CAs is shut out. */
#ifndef BV_CORE_MAKER_H
#define BV_CORE_MAKER_H

#include "core/core.h"
#include "wire/cert.h"

/* maker_split takes DER certificates or CRLs that stand one after another
 * apart, at most cap of them: TOO_MANY, BAD_MESSAGE. */
enum bv_err maker_split(struct span all, struct span *items, size_t cap,
                        size_t *ret_num) BV_CHECKED;

/* maker_check looks every certificate of a verified path up in its issuer's
 * lists: peer, and chain (DER, one after another) between it and the anchors.
 * An issuer is known by its name and, where both have one, its key identifier
 * (RFC 5280 6.3.3). With crl_required each needs a list in force. The anchors
 * are trusted as they are, unless a list at hand shuts one of them out.
 * REVOKED, or REFUSED for the want of a list; *ret_problem is a sentence. */
enum bv_err maker_check(const struct core_manufacturer *m,
                        const struct cert *peer, struct span chain, int64_t now,
                        const char **ret_problem) BV_CHECKED;

#endif
