/* Checking an audit log from the outside: `brevet audit verify` and export.
 * A second implementation on purpose: it trusts no tile, no cached edge and no
 * code of audit.c; it reads entries, hashes them, and compares. Read-only. */
#ifndef BV_CORE_AUDIT_VERIFY_H
#define BV_CORE_AUDIT_VERIFY_H

#include "pki/merkle.h"
#include "store/store.h"
#include "wire/tlog.h"

struct audit_verify_options {
    const struct tlog_vkey *vkey; /* the log's key; NULL: signatures are not
                                   * checked, and the report says so */
    struct span known;            /* a checkpoint from outside (a witness, a
                                   * print-out): must be signed by vkey when
                                   * that is given, and be part of this log */
    bool certs;                   /* certificates and cert.issue entries must
                                   * match one to one */
    /* called for each fault; line without LF. NULL: only counted. */
    void (*fault)(void *user, const char *line);
    void (*progress)(void *user, uint64_t done, uint64_t total);
    void *user;
};

struct audit_report {
    uint64_t entries, tiles, checkpoints, certs;
    uint64_t faults;
    uint64_t clock_back;     /* entries that say so: no fault */
    uint64_t signed_size;    /* covered by the newest good checkpoint */
    struct merkle_hash root; /* of all entries */
    int64_t first_ms, last_ms;
};

/* audit_verify reads everything once. BV_OK: the report was filled, look at
 * faults; else the store could not be read. */
enum bv_err audit_verify(const struct store *store,
                         const struct audit_verify_options *options,
                         struct audit_report *ret_report) BV_CHECKED;

/* audit_export writes the log below an existing directory in the tlog-tiles
 * layout: checkpoint, tile/L/N, tile/entries/N, for the newest checkpoint's
 * size. NOT_FOUND when there is no checkpoint. */
enum bv_err audit_export(const struct store *store, const char *dir,
                         uint64_t *ret_entries) BV_CHECKED;

#endif
