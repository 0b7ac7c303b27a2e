/* The audit log: what happened, who did it, in an append-only Merkle tree
 * (pki/merkle.h) kept in the store, in the layout of C2SP tlog-tiles.
 *
 * An act and its entry go into one transaction: open the store's transaction,
 * change what is to be changed, audit_append, commit. If the append fails the
 * act must not happen: roll back. After any rollback of the store call
 * audit_rollback, so that memory and disk agree again. Appending is O(1).
 *
 * A checkpoint (origin, size, root, signed by the log key) pins everything up
 * to its size. In a transaction, after its appends:
 *     audit_checkpoint_body(audit, &sink)     // also records what is signed
 *     commit; let the signer sign the text with key "log"
 * then in a later transaction audit_checkpoint_store(audit, body, signature).
 * So a text that may have been signed is on disk first, and the log never
 * signs two histories. At open the log refuses to run when it is behind what
 * it signed (a restored backup, a truncated table).
 *
 * Entries are bytes with a version in front, never re-encoded; the format is
 * in audit_entry.c. Core's one thread. */
#ifndef BV_CORE_AUDIT_H
#define BV_CORE_AUDIT_H

#include "pki/merkle.h"
#include "store/store.h"
#include "wire/tlog.h"

enum audit_action {
#define AUDIT(name, number, text) AUDIT_##name = (number),
#include "core/audit.def"
#undef AUDIT
};

enum audit_actor {
    AUDIT_ACTOR_SYSTEM = 1, /* Brevet itself: schedule, start, renewal */
    AUDIT_ACTOR_OPERATOR,   /* a person at the control socket */
    AUDIT_ACTOR_DEVICE,
    AUDIT_ACTOR_UNKNOWN, /* no credential, or none that held */
};

enum audit_auth {
    AUDIT_AUTH_NONE = 1,
    AUDIT_AUTH_LOCAL,        /* uid on the control socket */
    AUDIT_AUTH_OWN_CERT,     /* TLS, certificate of ours */
    AUDIT_AUTH_MANUFACTURER, /* TLS, manufacturer certificate */
    AUDIT_AUTH_TOKEN,        /* claim code or group token */
    AUDIT_AUTH_RA,           /* TLS, certificate of ours with id-kp-cmcRA */
};

enum audit_object {
    AUDIT_OBJECT_NONE = 1,
    AUDIT_OBJECT_CERT,
    AUDIT_OBJECT_DEVICE,
    AUDIT_OBJECT_TOKEN,
    AUDIT_OBJECT_CA,
    AUDIT_OBJECT_KEY,
    AUDIT_OBJECT_SERVER,
};

enum audit_outcome { AUDIT_OK = 1, AUDIT_REFUSED, AUDIT_FAILED };

/* What is logged. Spans are copied; empty ones cost one octet. Text is UTF-8
 * or ASCII, no secrets. Zero enum values are refused (USAGE). */
struct audit_event {
    enum audit_action action;
    enum audit_actor actor;
    enum audit_auth auth;
    enum audit_object object;
    enum audit_outcome outcome;
    struct span actor_id;    /* device name, "uid 1000 (ada)", "core" */
    struct span address;     /* where from, as text */
    struct span object_id;   /* device name, token id, CA name … */
    struct span serial;      /* certificate: INTEGER content octets, <= 20 */
    struct span cert_sha256; /* of its DER: 32 octets or empty */
    struct span reason;      /* err_name of a refusal, CRL reason name … */
    struct span request_id;
    struct span detail; /* one line for people; cut at 1,024 octets */
};

/* An entry read back: the event, and what the log added. Spans point into the
 * entry's bytes. */
struct audit_entry {
    uint64_t index;
    int64_t time_ms; /* never less than the entry's before */
    bool clock_back; /* the clock stood earlier; time_ms repeats the last */
    struct audit_event event;
};

struct audit;

struct audit_options {
    const char *origin;      /* key name of the log, e.g. "brevet/ab12cd" */
    const uint8_t *log_key;  /* 32 octets Ed25519, to check the last checkpoint
                              * at open; NULL: not checked */
    struct span known;       /* a checkpoint kept outside the database that this
                              * log must contain; empty: none. Not checked for
                              * its signature: it comes from our own disk. */
    int64_t (*now_ms)(void); /* NULL: clock_wall_ms */
};

/* audit_open reads the log's right edge: at most 255 entries, one tile per
 * level. CORRUPT with a sentence when the log is behind, or contradicts, a
 * checkpoint it signed or the known one. The store outlives the audit. */
enum bv_err audit_open(const struct store *store,
                       const struct audit_options *options,
                       struct audit **ret_audit, char *ret_problem,
                       size_t cap) BV_CHECKED;
void audit_free(struct audit *audit);

/* audit_append writes one entry in the caller's open transaction. ret_index
 * may be NULL. */
enum bv_err audit_append(struct audit *audit, const struct audit_event *event,
                         uint64_t *ret_index) BV_CHECKED;
/* audit_rollback re-reads the edge after the store was rolled back. */
enum bv_err audit_rollback(struct audit *audit) BV_CHECKED;

uint64_t audit_size(const struct audit *audit);
void audit_root(const struct audit *audit, struct merkle_hash *ret_root);

/* audit_checkpoint_size: what the newest stored checkpoint covers; 0: none. */
uint64_t audit_checkpoint_size(const struct audit *audit);
/* audit_checkpoint_body writes the text to be signed for the present size and
 * remembers it in the open transaction as possibly signed. */
enum bv_err audit_checkpoint_body(struct audit *audit,
                                  struct sink *out) BV_CHECKED;
/* audit_checkpoint_store puts text and raw Ed25519 signature away as a note,
 * in the caller's transaction. With log_key known, BAD_SIGNATURE when it does
 * not verify. key: the log's public key (for the key id). */
enum bv_err audit_checkpoint_store(struct audit *audit, struct span body,
                                   const uint8_t key[32],
                                   struct span signature) BV_CHECKED;
/* audit_checkpoint_last copies the newest signed note; NOT_FOUND: none. */
enum bv_err audit_checkpoint_last(const struct audit *audit, struct sink *out,
                                  struct tlog_checkpoint *ret) BV_CHECKED;

/* audit_prove writes a tlog-proof text: entry index in the newest checkpoint.
 * NOT_FOUND when no checkpoint covers it yet. */
enum bv_err audit_prove(struct audit *audit, uint64_t index,
                        struct sink *out) BV_CHECKED;
/* audit_consistency proves that the tree of size `to` continues that of
 * `from`. */
enum bv_err audit_consistency(struct audit *audit, uint64_t from, uint64_t to,
                              struct merkle_proof *ret_proof) BV_CHECKED;

/* audit_each reads entries from..to (to not included) in order. An entry of a
 * newer version is CORRUPT. */
typedef enum bv_err audit_entry_fn(void *user, const struct audit_entry *entry,
                                   struct span bytes);
enum bv_err audit_each(const struct store *store, uint64_t from, uint64_t to,
                       audit_entry_fn *fn, void *user) BV_CHECKED;

void audit_entry_encode(struct sink *out, const struct audit_entry *entry);
/* audit_entry_decode: BAD_MESSAGE on anything but the exact canonical form. */
enum bv_err audit_entry_decode(struct span in,
                               struct audit_entry *ret_entry) BV_CHECKED;

/* Names for people and JSON: "cert.issue", "operator", "own-cert", "device",
 * "ok". NULL when the number is not known. */
const char *audit_action_name(enum audit_action action);
const char *audit_actor_name(enum audit_actor actor);
const char *audit_auth_name(enum audit_auth auth);
const char *audit_object_name(enum audit_object object);
const char *audit_outcome_name(enum audit_outcome outcome);
/* audit_action_of_name: NOT_FOUND when there is none. */
enum bv_err audit_action_of_name(const char *name,
                                 enum audit_action *ret_action) BV_CHECKED;
/* audit_outcome_of: OK, REFUSED for the peer's faults, FAILED for ours. */
enum audit_outcome audit_outcome_of(enum bv_err err);

#endif
