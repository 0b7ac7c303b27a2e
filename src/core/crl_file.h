/* A CRL on its way into a file, in pieces: neither memory nor the time of one
 * piece depends on how long it is. For core/crl only, which knows when and why.
 *
 *     f = (struct crl_file){.store = …, .path = …, …, .fd = -1};
 *     crl_file_begin(&f, ca, guess);          // what is revoked at this moment
 *     do crl_file_step(&f, ca, &more); while (more);
 *     … f.digest, or for Ed25519 the TBS itself, is signed …
 *     crl_file_complete(&f, signature);       // whole, on the disk
 *     crl_file_check(&f, ca);                 // then f.sha256 stands
 *     crl_file_close(&f);
 *
 * The headers in front of the entries state how long all of them are, which is
 * known only when they are written. But how much room headers take changes at
 * a few lengths only: the entries go to where they belong by a guess. When it
 * was the wrong one, crl_file_step ends with BUSY and entries_len is the next
 * guess: begin again.
 *
 * Each entry's octets are made, written, read back from the file and hashed
 * once; that hash is signed, and the signature is verified with the CA's own
 * certificate before anything is published. */
#ifndef BV_CORE_CRL_FILE_H
#define BV_CORE_CRL_FILE_H

#include "core/core.h"
#include "pki/digest.h"
#include "wire/cert.h"
#include "wire/crl.h"

#define CRL_FILE_BUF 65536

struct crl_file {
    /* the maker's; unchanged from begin to close */
    const struct store *store;
    uint8_t issuer;               /* store_issuer.id */
    char path[CORE_PATH_MAX + 8]; /* where it is written; made or emptied */
    uint64_t number;
    int64_t this_update, next_update;
    int64_t prune_before; /* entries of certificates that ended before are left
                           * out: they are stale */
    enum alg_sig sig;

    /* told by the pieces */
    uint64_t stale_first, stale_last; /* of the last one; 0: none */
    uint64_t num, entries_len;
    uint64_t tbs_len;
    uint8_t digest[DIGEST_MAX]; /* of the TBS */
    size_t digest_len;
    uint8_t sha256[DIGEST_SHA256_LEN]; /* see struct crl_file_facts */

    /* its own */
    int fd;
    struct store_walk *walk; /* NULL: all entries are written */
    size_t sig_len, outer_len, start_len;
    uint64_t hashed, flushed;
    struct digest *hash;
    struct sink out;
    enum bv_err err;
    uint8_t buf[CRL_FILE_BUF];
};

enum bv_err crl_file_begin(struct crl_file *f, const struct cert *ca,
                           uint64_t entries_len) BV_CHECKED;
/* crl_file_step does a few thousand entries, or a megabyte of the hash.
 * *ret_more false: digest and tbs_len stand. ca may be another view of the
 * same certificate each time. */
enum bv_err crl_file_step(struct crl_file *f, const struct cert *ca,
                          bool *ret_more) BV_CHECKED;
/* crl_file_tbs reads the TBS of a short one; TOO_LARGE. */
enum bv_err crl_file_tbs(const struct crl_file *f, struct sink *out) BV_CHECKED;
/* crl_file_complete: BUSY for a signature so short that the outer header has
 * another length (one in thousands): have it signed again. */
enum bv_err crl_file_complete(struct crl_file *f,
                              struct span signature) BV_CHECKED;
/* crl_file_check reads back: it is a CRL, this one, and signed by ca. */
enum bv_err crl_file_check(struct crl_file *f,
                           const struct cert *ca) BV_CHECKED;
void crl_file_close(struct crl_file *f); /* the file stays */

/* What a published file says about itself. sha256 tells it apart from every
 * other: the hash of the file, or of a long one the hash of its signature,
 * which stands for the rest without reading it. */
struct crl_file_facts {
    uint64_t number;
    int64_t this_update, next_update;
    uint8_t sha256[DIGEST_SHA256_LEN];
};
/* crl_file_look: NOT_FOUND, IO, or why it is no CRL. */
enum bv_err crl_file_look(const char *path,
                          struct crl_file_facts *ret) BV_CHECKED;

#endif
