/* The store: everything Brevet must not forget, as a struct of functions over
 * any database. One writer (core). Synchronous; called from one thread.
 *
 * Transactions: begin .. commit bracket every change; what is written between
 * becomes durable together at commit (one fsync for the whole batch) and not
 * at all otherwise. Reads see the open transaction's own writes. Spans handed
 * to a row callback live only for the call. No function is O(rows) unless its
 * comment says so; listings page by key ("after"), never by offset.
 *
 * Errors: NOT_FOUND; CONFLICT (a unique rule); DISK_FULL, IO, BUSY (a lock of
 * another process), CORRUPT (the database is damaged: stop). After any SELF
 * error inside a transaction, rollback. */
#ifndef BV_STORE_STORE_H
#define BV_STORE_STORE_H

#include "base/limits.h"
#include "base/span.h"

/* What is kept of what would grow without end though nobody needs the old. An
 * auditor's evidence is the audit log, of which nothing is ever dropped: each
 * status change and each CRL is an entry there, and any checkpoint covers all
 * entries before it. */
#define STORE_CRLS_KEPT 1000 /* numbers of each CA */
/* the newest checkpoints, and of older ones the first in so many entries */
#define STORE_CHECKPOINTS_KEPT  1000
#define STORE_CHECKPOINTS_EVERY 4096

/* One certificate. seq is the number inside its serial (ARCHITECTURE,
 * "serial numbers") and the row's key; rows arrive in key order. */
struct store_cert {
    uint64_t seq;
    uint8_t issuer; /* store_issuer.id */
    int64_t device; /* store_device.id; 0: not a device's */
    char profile[LIMIT_SHORT_NAME];
    int64_t not_before, not_after;
    struct span serial;       /* content octets of the INTEGER */
    struct span key_hash;     /* SHA-256 of the SubjectPublicKeyInfo, 32 */
    struct span request_hash; /* idempotency key, 32; empty: none. For
                               * cert_put; rows read back carry none */
    struct span der;
    uint64_t replaces; /* seq of the certificate renewed; 0: none */
    /* status: -1 good, else RFC 5280 CRLReason (6 is hold) */
    int reason;
    int64_t revoked_at; /* 0 when good */
};

struct store_device {
    int64_t id;
    char name[LIMIT_DEVICE_NAME + 1];
    char group[LIMIT_SHORT_NAME];
    char profile[LIMIT_SHORT_NAME]; /* of its newest certificate */
    int64_t created_at, last_seen;
    bool blocked; /* may not enrol or renew */
};

enum store_token_kind { STORE_TOKEN_DEVICE = 1, STORE_TOKEN_GROUP };

struct store_token {
    int64_t id;
    enum store_token_kind kind;
    struct span hash;                   /* SHA-256 of the secret, 32 octets */
    char device[LIMIT_DEVICE_NAME + 1]; /* DEVICE: the only name it enrols */
    char group[LIMIT_SHORT_NAME];       /* GROUP: where its devices go */
    char profile[LIMIT_SHORT_NAME];     /* "" : the door's default */
    int64_t uses_left;                  /* 0: spent */
    int64_t expires_at, created_at;
    char created_by[LIMIT_SHORT_NAME];
    bool revoked;
};

enum store_pending_state {
    STORE_PENDING_WAITING = 1,
    STORE_PENDING_APPROVED,
    STORE_PENDING_DENIED
};

struct store_pending {
    int64_t id;
    struct span digest; /* of identity, key and names, 32 */
    enum store_pending_state state;
    char device[LIMIT_DEVICE_NAME + 1];
    char profile[LIMIT_SHORT_NAME];
    char peer[LIMIT_PEER];
    char net[LIMIT_PEER]; /* what peer counts as; see pending_count */
    struct span source;   /* digest of the credential, 32 */
    struct span csr;
    int64_t created_at;
    char decided_by[LIMIT_SHORT_NAME];
};

struct store_issuer {
    uint8_t id; /* 1..255, never reused */
    char name[LIMIT_SHORT_NAME];
    struct span key_hash; /* SHA-256 of its SPKI, 32 */
    struct span cert;     /* DER, the newest for this key */
};

/* A status change, in the order it happened (for the status map and CRLs). */
struct store_change {
    uint64_t change; /* 1, 2, 3 … */
    uint64_t seq;
    uint8_t issuer;
    int reason; /* -1: released to good */
    int64_t at;
};

struct store_revoked {
    uint64_t seq;
    struct span serial;
    int reason;
    int64_t at, not_after;
};

struct store_crl {
    uint8_t issuer;
    uint64_t number;
    int64_t this_update, next_update;
    uint8_t sha256[32]; /* of the published file; core/crl.c */
};

struct store_key {
    struct span key_hash; /* 32 octets */
    struct span why;      /* text */
    int64_t at;
};

struct store_walk;

struct store_cert_filter {
    uint64_t after;         /* keyset: seq greater than this */
    int64_t device;         /* 0: any */
    int64_t expires_before; /* 0: any; else in order of expiry */
    int64_t expires_after;  /* with expires_before: not_after >= this */
    int status;             /* -2 any, -1 good, -3 revoked */
    unsigned limit;         /* at most LIMIT_PAGE */
};

/* Kept up to date with every change, never counted. */
struct store_counts {
    uint64_t certs;   /* issued ever */
    uint64_t revoked; /* of them not good now (holds included) */
    uint64_t devices, tokens;
    uint64_t pending;  /* rows of the pending table */
    uint64_t next_seq; /* first number not yet reserved */
};

typedef enum bv_err store_cert_fn(void *user, const struct store_cert *row);
typedef enum bv_err store_device_fn(void *user, const struct store_device *row);
typedef enum bv_err store_token_fn(void *user, const struct store_token *row);
typedef enum bv_err store_pending_fn(void *user,
                                     const struct store_pending *row);
typedef enum bv_err store_issuer_fn(void *user, const struct store_issuer *row);
typedef enum bv_err store_change_fn(void *user, const struct store_change *row);
typedef enum bv_err store_revoked_fn(void *user,
                                     const struct store_revoked *row);
typedef enum bv_err store_key_fn(void *user, const struct store_key *row);
typedef enum bv_err store_bytes_fn(void *user, uint64_t index,
                                   struct span bytes);

struct store {
    void *ctx;

    enum bv_err (*begin)(void *ctx);
    enum bv_err (*commit)(void *ctx);
    void (*rollback)(void *ctx);

    /* meta: small named values (schema-independent settings, keys) */
    enum bv_err (*meta_get)(void *ctx, const char *key, uint8_t *buf,
                            size_t cap, size_t *ret_len);
    enum bv_err (*meta_put)(void *ctx, const char *key, struct span value);

    /* sequence_reserve hands out count numbers starting at *ret_first (>= 1);
     * inside a transaction; they may be used only after it committed. */
    enum bv_err (*sequence_reserve)(void *ctx, uint64_t count,
                                    uint64_t *ret_first);

    /* issuer_put inserts (id 0: *ret_id gets the new one) or updates by id */
    enum bv_err (*issuer_put)(void *ctx, const struct store_issuer *row,
                              uint8_t *ret_id);
    enum bv_err (*issuer_each)(void *ctx, store_issuer_fn *fn, void *user);

    /* Names are unique, and found, without regard to ASCII letter case: the
     * row may be spelt otherwise than asked. */
    enum bv_err (*device_put)(void *ctx, const struct store_device *row,
                              int64_t *ret_id); /* id 0: insert */
    enum bv_err (*device_find)(void *ctx, const char *name, store_device_fn *fn,
                               void *user);
    enum bv_err (*device_get)(void *ctx, int64_t id, store_device_fn *fn,
                              void *user);
    enum bv_err (*device_list)(void *ctx, int64_t after, const char *group,
                               unsigned limit, store_device_fn *fn, void *user);

    enum bv_err (*cert_put)(void *ctx, const struct store_cert *row);
    /* cert_find: by sequence; cert_of_request: newest with this key and
     * request_hash (known for the last 65,536 certificates that had one);
     * certs_of_key: every one with this key_hash, newest first */
    enum bv_err (*cert_find)(void *ctx, uint64_t seq, store_cert_fn *fn,
                             void *user);
    enum bv_err (*cert_of_request)(void *ctx, struct span key_hash,
                                   struct span request_hash, store_cert_fn *fn,
                                   void *user);
    enum bv_err (*certs_of_key)(void *ctx, struct span key_hash,
                                store_cert_fn *fn, void *user);
    /* cert_of_serial looks for a certificate of this issuer with this serial
     * number, of whatever seq; O(certificates) of an index, and O(those of the
     * issuer): not for every day */
    enum bv_err (*cert_of_serial)(void *ctx, uint8_t issuer, struct span serial,
                                  bool *ret_found);
    enum bv_err (*cert_list)(void *ctx, const struct store_cert_filter *filter,
                             store_cert_fn *fn, void *user);
    /* cert_count_live counts the device's certificates that are good or on
     * hold and end at or after now, newest first, and stops at max */
    enum bv_err (*cert_count_live)(void *ctx, int64_t device, int64_t now,
                                   unsigned max, unsigned *ret_num);
    /* cert_has_newer: the device has a certificate of this profile with
     * seq > after that is for another key; newest first, to the first one */
    enum bv_err (*cert_has_newer)(void *ctx, int64_t device, uint64_t after,
                                  const char *profile, struct span key_hash,
                                  bool *ret_has);
    /* cert_status records a change (reason -1: good again), appends it to the
     * change log and keeps the revoked table; *ret_change gets its number */
    enum bv_err (*cert_status)(void *ctx, uint64_t seq, int reason, int64_t at,
                               uint64_t *ret_change);
    /* certs_since: seq, issuer, reason, revoked_at of rows with seq > after,
     * in no certain order (der empty): rebuilding the status map; O(rows
     * after), or O(rows) of an index when those are many */
    enum bv_err (*certs_since)(void *ctx, uint64_t after, store_cert_fn *fn,
                               void *user);
    enum bv_err (*changes_since)(void *ctx, uint64_t after, store_change_fn *fn,
                                 void *user);
    /* changes_prune drops changes below this number, some thousand at a time,
     * but never the last one; *ret_more: there are some left to drop */
    enum bv_err (*changes_prune)(void *ctx, uint64_t before, bool *ret_more);
    /* A walk over an issuer's revoked, in seq order, as they were committed
     * when it was opened, in pieces between which anything may be written.
     * revoked_next hands at most max rows (> 0) to fn and tells whether there
     * may be more. While a walk is open the write-ahead log only grows: close
     * it within seconds (NULL is fine), and before the store. */
    enum bv_err (*revoked_open)(void *ctx, uint8_t issuer,
                                struct store_walk **ret_walk);
    enum bv_err (*revoked_next)(struct store_walk *walk, unsigned max,
                                store_revoked_fn *fn, void *user,
                                bool *ret_more);
    void (*revoked_close)(struct store_walk *walk);
    /* revoked_prune drops entries from seq first to last whose not_after is
     * before the time; O(revoked in between) */
    enum bv_err (*revoked_prune)(void *ctx, uint8_t issuer, uint64_t first,
                                 uint64_t last, int64_t before);

    /* revoked_put adds an entry to an issuer's CRLs alone, for a certificate
     * that has no row; CONFLICT when there is one */
    enum bv_err (*revoked_put)(void *ctx, uint8_t issuer,
                               const struct store_revoked *row);
    /* revoked_mend puts back the entries that are missing of the issuer's
     * certificates that end at or after the time; O(certificates that do) of an
     * index */
    enum bv_err (*revoked_mend)(void *ctx, uint8_t issuer, int64_t from);

    enum bv_err (*token_put)(void *ctx, const struct store_token *row,
                             int64_t *ret_id); /* id 0: insert, else update */
    enum bv_err (*token_find)(void *ctx, struct span hash, store_token_fn *fn,
                              void *user);
    enum bv_err (*token_get)(void *ctx, int64_t id, store_token_fn *fn,
                             void *user);
    enum bv_err (*token_list)(void *ctx, int64_t after, unsigned limit,
                              store_token_fn *fn, void *user);

    enum bv_err (*pending_put)(void *ctx, const struct store_pending *row,
                               int64_t *ret_id); /* id 0: insert, else update */
    enum bv_err (*pending_find)(void *ctx, struct span digest,
                                store_pending_fn *fn, void *user);
    enum bv_err (*pending_get)(void *ctx, int64_t id, store_pending_fn *fn,
                               void *user);
    enum bv_err (*pending_list)(void *ctx, int64_t after, unsigned limit,
                                store_pending_fn *fn, void *user);
    /* pending_count: rows of this credential and rows of this net;
     * O(their number) */
    enum bv_err (*pending_count)(void *ctx, struct span source, const char *net,
                                 uint64_t *ret_source, uint64_t *ret_net);
    enum bv_err (*pending_drop)(void *ctx, int64_t id);
    enum bv_err (*pending_prune)(void *ctx, int64_t created_before);

    /* keys that may never be certified: key_hash of 32 octets */
    enum bv_err (*key_block)(void *ctx, struct span key_hash, const char *why,
                             int64_t at);
    enum bv_err (*key_blocked)(void *ctx, struct span key_hash,
                               bool *ret_blocked);
    /* key_each: every blocked one; O(rows) */
    enum bv_err (*key_each)(void *ctx, store_key_fn *fn, void *user);

    /* the newest CRL of an issuer; NOT_FOUND when none was published. crl_put
     * drops what is STORE_CRLS_KEPT numbers older */
    enum bv_err (*crl_last)(void *ctx, uint8_t issuer,
                            struct store_crl *ret_row);
    enum bv_err (*crl_put)(void *ctx, const struct store_crl *row);

    /* audit log: entries by index 0.., tiles of up to 256 hashes (8,192
     * octets, key level << 56 | number; put replaces), signed checkpoints by
     * tree size (checkpoint_put thins them: STORE_CHECKPOINTS_). audit_size:
     * the entries there are (last index + 1). */
    enum bv_err (*audit_size)(void *ctx, uint64_t *ret_size);
    enum bv_err (*audit_put)(void *ctx, uint64_t index, struct span entry);
    enum bv_err (*audit_each)(void *ctx, uint64_t from, uint64_t to,
                              store_bytes_fn *fn, void *user);
    enum bv_err (*audit_tile_put)(void *ctx, uint64_t key, struct span hashes);
    enum bv_err (*audit_tile_get)(void *ctx, uint64_t key, uint8_t *buf,
                                  size_t cap, size_t *ret_len);
    enum bv_err (*checkpoint_put)(void *ctx, uint64_t size, struct span note);
    /* checkpoint_last: the one of the largest size; NOT_FOUND: none */
    enum bv_err (*checkpoint_last)(void *ctx, store_bytes_fn *fn, void *user);
    enum bv_err (*checkpoint_each)(void *ctx, uint64_t from_size,
                                   store_bytes_fn *fn, void *user);

    enum bv_err (*counts)(void *ctx, struct store_counts *ret_counts);

    /* maintain does what commit must not wait for (SQLite: carries the
     * write-ahead log into the file). Call it between two batches, after the
     * replies have left; it does nothing unless there is enough to do, and then
     * takes a few milliseconds. */
    enum bv_err (*maintain)(void *ctx);

    /* A snapshot is a copy of the live database under a name of the store's
     * own, "<path>.backup" (0600), whole and durable when it appears and in
     * place of an earlier one. snapshot_start begins one (BUSY: there is one
     * under way); snapshot_step copies about a megabyte and tells whether there
     * is more. Between two steps anything may be committed; the copy has
     * everything that was committed before the last one. An error, or
     * snapshot_stop, leaves nothing behind. Not inside a transaction (USAGE).
     * snapshot_drop removes the file, OK when there is none. */
    enum bv_err (*snapshot_start)(void *ctx);
    enum bv_err (*snapshot_step)(void *ctx, bool *ret_more);
    void (*snapshot_stop)(void *ctx);
    enum bv_err (*snapshot_drop)(void *ctx);
    /* check is the quick integrity check done at start; O(pages) */
    enum bv_err (*check)(void *ctx, char *ret_problem, size_t cap);
    /* check_step makes up for a check that opening left out because the
     * database is large: it reads the next rows, for a millisecond or two, and
     * tells whether there are more. CORRUPT: damage was found, it is over.
     * Between two steps anything may be written. */
    enum bv_err (*check_step)(void *ctx, bool *ret_more);
    /* doubt: damage was met, so the next opening checks the whole database,
     * however large it is */
    enum bv_err (*doubt)(void *ctx);
    void (*close)(void *ctx);
};

#endif
