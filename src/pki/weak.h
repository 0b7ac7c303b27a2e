/* Public keys that must not be certified although they parse: too short, made
 * by a broken generator, factored with a pencil, or another's in disguise (with
 * alg_spki_parse, which takes one encoding of each, what passes here is the
 * same key exactly when the octets are). Costs: EC about 5 us,
 * Ed25519 nothing, RSA-2048 about 100 us.
 *
 * Not decided here: which algorithms and sizes a profile likes, keys seen
 * before, keys known compromised (core). */
#ifndef BV_PKI_WEAK_H
#define BV_PKI_WEAK_H

#include "base/auto.h"
#include "wire/alg.h"

enum weak {
    WEAK_NONE = 0,
    WEAK_RSA_SIZE,         /* below the minimum, above 8192, or no multiple
                            * of 8 bits: no generator worth trusting */
    WEAK_RSA_EVEN,         /* even modulus */
    WEAK_RSA_EXPONENT,     /* not 65537: a modulus is one key, whatever e */
    WEAK_RSA_SMALL_FACTOR, /* a prime below 4096 divides n */
    WEAK_RSA_CLOSE_PRIMES, /* Fermat's method finds p, q in 100 rounds */
    WEAK_RSA_ROCA,         /* CVE-2017-15361: Infineon's generator */
    WEAK_DEBIAN,           /* CVE-2008-0166: on the blocklist */
    WEAK_POINT,            /* not a point of its curve, or of small order */
    WEAK_UNDECIDED,        /* libcrypto could not tell: treat as weak */
};

/* weak_text: a sentence for the requester and the log; static storage. */
const char *weak_text(enum weak why);

/* A blocklist in memory: the last 20 hex digits of SHA-1("Modulus=<hex>\n"),
 * as in Debian's openssl-blacklist (/usr/share/openssl-blacklist). Sorted, 10
 * octets an entry. */
struct weak_list;
enum bv_err weak_list_new(struct weak_list **ret_list) BV_CHECKED;
void weak_list_free(struct weak_list *list);
BV_AUTO_DEFINE(weak_list, struct weak_list, weak_list_free)
/* weak_list_add takes the text of one blocklist file: a line of 20 hex digits
 * each, '#' comments and empty lines. BAD_MESSAGE on anything else; the list
 * is then unchanged. Sort happens here: add few large texts, not many small.
 */
enum bv_err weak_list_add(struct weak_list *list, struct span text) BV_CHECKED;
size_t weak_list_count(const struct weak_list *list);

/* weak_check says what is wrong with a parsed public key, or WEAK_NONE. list
 * may be NULL. rsa_min is in bits; 0 means 2048. */
enum weak weak_check(const struct alg_spki *spki, const struct weak_list *list,
                     unsigned rsa_min);

#endif
