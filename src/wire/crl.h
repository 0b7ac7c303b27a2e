/* Certificate revocation lists (RFC 5280 section 5), version 2, complete,
 * direct. Written in pieces, so that a list of any length passes through a
 * small buffer; read in place. Freestanding.
 *
 * Writing takes two passes over the same entries:
 *
 *     uint64_t entries = 0;                           // pass 1: lengths only
 *     for each e: entries += crl_entry_len(&e);
 *     crl_put_start(out, &head, entries);             // pass 2: octets
 *     for each e: crl_put_entry(out, &e);             // drain out as it fills
 *     crl_put_end(out, &head);
 *
 * which are the octets of TBSCertList, crl_tbs_len of them, to be hashed and
 * signed on the way. In the file crl_put_outer goes before them and
 * crl_put_signature after. The outer header depends on the signature's length
 * (ECDSA's varies): leave crl_outer_len octets for the longest signature and,
 * in the one case in thousands where the real one needs a shorter header,
 * sign again or write again.
 *
 * crl_put_tbs does it all for a short list in memory. */
#ifndef BV_WIRE_CRL_H
#define BV_WIRE_CRL_H

#include "base/limits.h"
#include "base/sink.h"
#include "base/span.h"
#include "wire/alg.h"

/* Enough for any one piece: start (with an issuer of LIMIT_NAME), entry, end,
 * outer, signature. */
#define CRL_START_MAX     (LIMIT_NAME + 128)
#define CRL_ENTRY_MAX     128
#define CRL_END_MAX       1024
#define CRL_OUTER_MAX     12
#define CRL_SIGNATURE_MAX (LIMIT_SIGNATURE + 64)

struct crl_head {
    struct span issuer; /* Name, DER, copied from the CA certificate */
    enum alg_sig sig;
    int64_t this_update, next_update;
    struct span key_id; /* the CA's subjectKeyIdentifier octets */
    uint64_t number;    /* cRLNumber, from 1 */
    struct span idp;    /* issuingDistributionPoint value (DER); empty:
                         * none. Written critical. At most 512 octets. */
};

struct crl_entry {
    struct span serial; /* content octets of the INTEGER */
    int64_t revoked_at;
    int reason; /* CRLReason; 0 writes no extension */
};

/* crl_reason_ok: a code that may stand in a complete CRL (not 7, not 8). */
bool crl_reason_ok(int reason);

uint64_t crl_entry_len(const struct crl_entry *entry);
/* crl_tbs_len: octets of the whole TBSCertList, header included. */
uint64_t crl_tbs_len(const struct crl_head *head, uint64_t entries_len);
/* entries_len 0 leaves revokedCertificates out (RFC 5280 5.1.2.6). */
void crl_put_start(struct sink *out, const struct crl_head *head,
                   uint64_t entries_len);
void crl_put_entry(struct sink *out, const struct crl_entry *entry);
void crl_put_end(struct sink *out, const struct crl_head *head);

/* The frame around a TBS. sig_len is the signature's octets. */
size_t crl_outer_len(uint64_t tbs_len, enum alg_sig sig, size_t sig_len);
void crl_put_outer(struct sink *out, uint64_t tbs_len, enum alg_sig sig,
                   size_t sig_len);
void crl_put_signature(struct sink *out, enum alg_sig sig,
                       struct span signature);

/* crl_put_tbs writes a whole TBSCertList of num entries into out. */
void crl_put_tbs(struct sink *out, const struct crl_head *head,
                 const struct crl_entry *entries, size_t num);

/* --- reading --- */

struct crl {
    struct span whole, tbs; /* tbs with its header: what is signed */
    struct span issuer;     /* Name, whole */
    enum alg_sig sig;
    struct span signature;
    int64_t this_update;
    int64_t next_update; /* TIME_NO_EXPIRY when absent */
    struct span entries; /* content of revokedCertificates */
    struct span key_id;  /* AKI keyIdentifier; empty: absent */
    struct span number;  /* content octets; empty: absent */
    struct span idp;     /* issuingDistributionPoint value; empty */
};

/* crl_parse reads a CertificateList without looking at its entries (they are
 * read one by one below, so cost and memory do not depend on the length).
 * BAD_MESSAGE, TRAILING_BYTES; UNSUPPORTED for an unknown critical extension,
 * a delta CRL, or a signature algorithm that cannot be named. The signature is
 * not verified here (pki). The caller checks idp for scope. */
enum bv_err crl_parse(struct span der, struct crl *ret_crl) BV_CHECKED;

/* crl_next takes the next entry off *entries; *ret_got false at the end.
 * UNSUPPORTED for a critical entry extension: the list is then unusable as a
 * whole (RFC 5280 5.3). */
enum bv_err crl_next(struct span *entries, bool *ret_got,
                     struct crl_entry *ret_entry) BV_CHECKED;

/* crl_find looks a serial up; O(entries), every entry is read, so an unusable
 * list is always told. *ret_entry is written only when found. */
enum bv_err crl_find(const struct crl *crl, struct span serial, bool *ret_found,
                     struct crl_entry *ret_entry) BV_CHECKED;

#endif
