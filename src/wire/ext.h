/* Certificate extensions (RFC 5280 4.2): a writer for each one we emit, with
 * the criticality its RFC demands, and a walk over a list of them. CRL and OCSP
 * extensions are with their messages; ext_put and ext_next serve them too.
 * Freestanding. */
#ifndef BV_WIRE_EXT_H
#define BV_WIRE_EXT_H

#include "base/limits.h"
#include "base/sink.h"
#include "base/span.h"

/* KeyUsage bits, RFC 5280 4.2.1.3, as der_named_bits returns them. */
enum ext_ku {
    EXT_KU_DIGITAL_SIGNATURE = 1 << 0,
    EXT_KU_NON_REPUDIATION = 1 << 1,
    EXT_KU_KEY_ENCIPHERMENT = 1 << 2,
    EXT_KU_DATA_ENCIPHERMENT = 1 << 3,
    EXT_KU_KEY_AGREEMENT = 1 << 4,
    EXT_KU_KEY_CERT_SIGN = 1 << 5,
    EXT_KU_CRL_SIGN = 1 << 6,
    EXT_KU_ENCIPHER_ONLY = 1 << 7,
    EXT_KU_DECIPHER_ONLY = 1 << 8,
};

/* --- writing: each call appends one Extension --- */

/* ext_put writes any extension; value is the DER inside the OCTET STRING. */
void ext_put(struct sink *out, struct span oid, bool critical,
             struct span value);
/* ext_open and ext_close bracket a value that is written in place:
 *     size_t mark[2];
 *     ext_open(out, oid_san, false, mark); … ext_close(out, mark); */
void ext_open(struct sink *out, struct span oid, bool critical, size_t mark[2]);
void ext_close(struct sink *out, const size_t mark[2]);

/* Critical. pathlen < 0: absent; ignored unless is_ca. */
void ext_put_basic_constraints(struct sink *out, bool is_ca, int pathlen);
/* Critical. */
void ext_put_key_usage(struct sink *out, uint32_t mask);
/* Not critical. oids: content octets (oid_client_auth, …). */
void ext_put_eku(struct sink *out, const struct span *oids, size_t num_oids);
/* san is GeneralNames DER. critical exactly when the subject is empty. */
void ext_put_san(struct sink *out, struct span san, bool critical);
void ext_put_ski(struct sink *out, struct span key_id);
/* keyIdentifier only. */
void ext_put_aki(struct sink *out, struct span key_id);
/* One DistributionPoint with one http URL as fullName. */
void ext_put_crldp(struct sink *out, struct span url);
/* An empty URL is left out; at least one must be given. */
void ext_put_aia(struct sink *out, struct span ocsp_url,
                 struct span issuers_url);
void ext_put_ocsp_nocheck(struct sink *out); /* RFC 6960 4.2.2.2.1 */
void ext_put_no_rev_avail(struct sink *out); /* RFC 9608 */
/* Critical. value is NameConstraints DER. */
void ext_put_name_constraints(struct sink *out, struct span value);
/* ext_build_name_constraints writes such a value: dNSName subtrees, at least
 * one of either kind. */
void ext_build_name_constraints(struct sink *out, const struct span *permitted,
                                size_t num_permitted,
                                const struct span *excluded,
                                size_t num_excluded);

/* --- reading --- */

struct ext {
    struct span oid;
    bool critical;
    struct span value; /* the octets inside the OCTET STRING */
};

struct ext_iter {
    struct span all, rest;
    size_t num;
};

/* ext_first starts a walk over the content of a SEQUENCE OF Extension. */
void ext_first(struct span extensions, struct ext_iter *ret_iter);
/* ext_next: NOT_FOUND after the last; BAD_MESSAGE for bad DER, for critical
 * FALSE written out, and for an extension that came before (RFC 5280 4.2);
 * TOO_MANY beyond LIMIT_EXTENSIONS. */
enum bv_err ext_next(struct ext_iter *iter, struct ext *ret_ext) BV_CHECKED;
/* ext_find: the extension with this OID; NOT_FOUND. */
enum bv_err ext_find(struct span extensions, struct span oid,
                     struct ext *ret_ext) BV_CHECKED;

/* Values, each exactly one DER element. */
enum bv_err ext_basic_constraints(struct span value, bool *ret_is_ca,
                                  int *ret_pathlen) BV_CHECKED;
enum bv_err ext_key_usage(struct span value, uint32_t *ret_mask) BV_CHECKED;
/* ext_check_eku: a non-empty SEQUENCE OF OID without repeats. */
enum bv_err ext_check_eku(struct span value) BV_CHECKED;
/* ext_has_eku: value is ExtKeyUsageSyntax DER and lists this OID itself
 * (anyExtendedKeyUsage matches only itself). */
bool ext_has_eku(struct span value, struct span oid);
enum bv_err ext_ski(struct span value, struct span *ret_key_id) BV_CHECKED;
/* ext_aki: keyIdentifier, empty when only issuer and serial are given. */
enum bv_err ext_aki(struct span value, struct span *ret_key_id) BV_CHECKED;
/* ext_crldp: the first http or https URL of the first point; empty if none. */
enum bv_err ext_crldp(struct span value, struct span *ret_url) BV_CHECKED;
/* ext_aia: the first URL of each access method; empty if none. */
enum bv_err ext_aia(struct span value, struct span *ret_ocsp,
                    struct span *ret_issuers) BV_CHECKED;
/* ext_null: the value is exactly NULL (nocheck, noRevAvail). */
enum bv_err ext_null(struct span value) BV_CHECKED;

#endif
