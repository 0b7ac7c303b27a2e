/* Core: where everything is decided. It owns the database, the audit log and
 * the writing side of the status map; it has no network and no CA keys.
 *
 * Core has no loop of its own. Whoever drives it (the core role, or a test)
 *   1. hands it requests (core_submit, core_admin) and the signer's answers
 *      (core_signed), as many as have arrived,
 *   2. then calls core_commit once: everything ready becomes durable together
 *      (one fsync), then the status map is written, then the replies leave
 *      through the callbacks; nothing leaves before it is committed,
 *   3. calls core_tick when the time it returned last has passed, and
 *      core_piece while there is long work to do.
 * Everything runs on one thread and nothing waits for another process.
 *
 * If a commit fails, every act in the batch is undone, in the database and in
 * memory, and each requester gets the error with a Retry-After: the request
 * may simply be repeated. */
#ifndef BV_CORE_CORE_H
#define BV_CORE_CORE_H

#include <sys/types.h>

#include "base/limits.h"
#include "base/span.h"
#include "core/profile.h"
#include "core/request.h"
#include "signer/signer.h"
#include "store/store.h"

struct cert;      /* wire/cert.h */
struct weak_list; /* pki/weak.h */

/* Longest path of a file, and longest URL in a certificate. */
#define CORE_PATH_MAX   512
#define CORE_URL_MAX    256
#define CORE_HOSTS_MAX  16
#define CORE_GROUPS_MAX 16

/* One CA of this installation. The certificates are DER. */
struct core_ca {
    char name[LIMIT_SHORT_NAME]; /* also the name of its key in the signer */
    struct span cert;
    struct span chain[LIMIT_CHAIN]; /* its issuer first, the root last; empty
                                     * for a self-signed CA */
    size_t num_chain;
    struct span cross[LIMIT_CROSS]; /* told to clients beside these while a root
                                     * changes (RFC 7030 4.1.3): vouched for by
                                     * nobody here, so never an anchor */
    size_t num_cross;
    bool offline;                 /* its key is not in the signer (a root): core
                                   * issues nothing and publishes nothing */
    char crl_path[CORE_PATH_MAX]; /* published file (DER); "": no CRL */
    char crl_url[CORE_URL_MAX];   /* written into certificates; "": left out */
    char ocsp_url[CORE_URL_MAX];
    char issuer_url[CORE_URL_MAX];
    int64_t crl_every; /* seconds between CRLs; 0: 24 hours */
    int64_t crl_life;  /* thisUpdate .. nextUpdate; 0: 7 days */
    int64_t crl_delay; /* revocation .. new CRL; 0: 10 seconds; < 0: none */
    int64_t ocsp_life; /* of a responder certificate; 0: 14 days; < 0: this
                        * CA has no OCSP responder here */
};

/* A manufacturer CA whose device certificates (IDevIDs) may enrol. */
struct core_manufacturer {
    char name[LIMIT_SHORT_NAME];    /* core_request.trust_name */
    char profile[LIMIT_SHORT_NAME]; /* "" : the label's profile */
    char group[LIMIT_SHORT_NAME];   /* where its devices go, no other
                                     * manufacturer's; "": in none, and then
                                     * they replace no valid certificate */
    bool id_from_cn;                /* else subject serialNumber, then CN */
    bool known_only;                /* only devices already in the inventory */
    bool crl_required;              /* whose issuer, or the issuer of a CA on
                                     * the way, has no list in crls: refused */
    struct span anchors;            /* its CA certificates, DER, one after
                                     * another; without any: all refused */
    struct span crls;               /* DER, one after another, may be empty:
                                     * its revoked devices and CAs; signatures
                                     * checked by the loader */
};

/* An EST path label (or its like at another door) and what it selects. */
struct core_label {
    char label[LIMIT_SHORT_NAME];
    char profile[LIMIT_SHORT_NAME];
};

/* What core works with. Everything is borrowed: it stays alive and unchanged
 * until core_free or until core_reconfigure with another one returned. */
struct core_config {
    const struct profile *profiles;
    size_t num_profiles;
    const struct core_ca *cas;
    size_t num_cas;
    const struct core_manufacturer *manufacturers;
    size_t num_manufacturers;
    const struct core_label *labels;
    size_t num_labels;
    char default_profile[LIMIT_SHORT_NAME]; /* without a label: "device" */
    bool scep; /* each CA that is here has an RA certificate for SCEP */

    /* The daemon's own TLS certificate, made and renewed by core. */
    char tls_path[CORE_PATH_MAX];       /* PEM: key, certificate, chain; "": the
                                         * operator provides one, core does not */
    char tls_profile[LIMIT_SHORT_NAME]; /* "" : "server" */
    char hosts[CORE_HOSTS_MAX]
              [LIMIT_DEVICE_NAME * 2]; /* DNS names and
                                        * addresses; the first is the CN */
    size_t num_hosts;

    /* Quotas; 0 means the default in parentheses. */
    unsigned live_per_device; /* unexpired certificates (8) */
    unsigned issues_per_hour; /* per device, and new requests for approval: a
                               * runaway client (60) */
    unsigned failures_per_minute;    /* failed secrets, per address (20) */
    unsigned pending_per_credential; /* waiting for approval (1000) */
    unsigned pending_per_address;    /* ... of an IPv4 address or IPv6 /64 */
    int64_t repeat_window;           /* a repeat gets the same answer (600 s) */
    int64_t pending_retry;           /* Retry-After while waiting (60 s) */
    int64_t pending_life;            /* an unanswered wait is dropped (30 d) */
    bool group_takeover;             /* a group token may enrol a name that
                                      * has a live certificate already */
    bool lint_full;                  /* OpenSSL reads every TBS, not a sample */

    const struct weak_list *weak_keys; /* NULL: no blocklist */

    char log_origin[LIMIT_SHORT_NAME]; /* of the audit log's checkpoints */
    struct span log_key; /* its public key, 32 octets; empty: no checkpoints */
    struct span known_checkpoint; /* see audit_options.known; may be empty */
    char checkpoint_path[CORE_PATH_MAX]; /* the newest is also kept in this file
                                          * and must be in the log at start, so
                                          * an older database is noticed; "" */
    int64_t checkpoint_every;            /* seconds; 0: 60 */
};

/* core_config_barred: a profile in use (default, of a label, a manufacturer or
 * the own listener) with an extended key usage that its CA ca, or one above it,
 * is not for; NULL when there is none. */
const struct profile *core_config_barred(const struct core_config *config,
                                         const struct core_ca *ca);
/* core_config_check: BAD_CONFIG and a sentence when a name refers to nothing,
 * a profile contradicts itself, a CA certificate is not one, … */
enum bv_err core_config_check(const struct core_config *config,
                              char *ret_problem, size_t cap) BV_CHECKED;

/* core_config_is_ca: the certificate's subject and key are those of a CA of
 * this configuration, or of one above it. */
bool core_config_is_ca(const struct core_config *config,
                       const struct cert *cert);

/* Who speaks on the control socket (SO_PEERCRED and the configuration). */
enum core_role { CORE_ROLE_READ = 1, CORE_ROLE_OPERATE, CORE_ROLE_ADMIN };

struct core_caller {
    uid_t uid;
    char name[LIMIT_SHORT_NAME];
    enum core_role role;
};

/* Where answers go. Spans live for the call only. A callback may not call
 * back into core. NULL for what is never asked, or nobody wants to know. */
struct core_calls {
    void *user;
    /* the answer to core_submit(door_tag, id) */
    void (*reply)(void *user, unsigned door_tag, uint64_t id,
                  const struct core_reply *reply);
    /* the answer to core_admin: one JSON object */
    void (*admin_reply)(void *user, unsigned tag, uint64_t id,
                        struct span json);
    /* CRLs or the TLS certificate on disk were replaced (MSG_REBUNDLE) */
    void (*files_changed)(void *user);
    /* the wall clock, Unix seconds; NULL: the host's */
    int64_t (*now)(void);
    bool tool; /* no server: a program acts once, the log notes no start */
};

struct core;

/* core_new opens the audit log, registers the CAs, brings the status map up to
 * the database and reserves the first serial numbers. store and config are
 * borrowed. map_fd: DIR/db/status.map open for reading and writing, taken over
 * also on failure; -1: no status map (tests, brevet init). On error
 * ret_problem holds a sentence. CORRUPT: the audit log contradicts its last
 * checkpoint; refuse to start. */
enum bv_err core_new(const struct core_config *config, struct store *store,
                     int map_fd, const struct core_calls *calls,
                     struct core **ret_core, char *ret_problem,
                     size_t cap) BV_CHECKED;
void core_free(struct core *core);

/* core_set_signer gives core its signer (borrowed), or takes it away (NULL).
 * What waited for the earlier one is answered UNAVAILABLE with Retry-After 1.
 * Hands over the serial key and asks which OCSP responder certificates it
 * has; those that will not do are made anew. Call
 * core_tick soon after. The signer's callback is core_signed, user = core. */
void core_set_signer(struct core *core, const struct signer *signer);
/* core_signed takes the signer's answer; it is the signer_done_fn. */
void core_signed(void *core, uint64_t ticket, enum bv_err err,
                 struct span result);

/* core_submit takes a request of a door; the reply comes through calls.reply,
 * possibly before core_submit returns (only what changed nothing),
 * else at a later core_commit. The request is copied where needed. More than
 * LIMIT_INFLIGHT at once are answered BUSY. */
void core_submit(struct core *core, unsigned door_tag, uint64_t id,
                 const struct core_request *request);
/* core_admin takes a request of the control socket:
 *   {"verb":"cert.list","args":{…}}
 * and answers {"ok":true,"result":…} or {"ok":false,"error":"NAME","detail":
 * "sentence"} through calls.admin_reply. Verbs: the tables at the end of
 * core/admin_*.c. */
void core_admin(struct core *core, const struct core_caller *caller,
                unsigned tag, uint64_t id, struct span request);

/* core_commit makes everything ready durable and releases the answers. Cheap
 * when nothing is ready. CORRUPT: the database is damaged, end the process;
 * other errors were told to the requesters already. */
enum bv_err core_commit(struct core *core) BV_CHECKED;
/* core_has_work: something is ready for core_commit. */
bool core_has_work(const struct core *core);

/* core_tick does what the clock asks for: CRLs, OCSP and TLS certificates,
 * checkpoints, pruning. now is Unix seconds (base/clock.h). Returns in how
 * many milliseconds to call again; call core_commit after it. */
int64_t core_tick(struct core *core, int64_t now);

/* Long work is done in pieces of a few milliseconds: while core_has_pieces and
 * not core_has_work, call core_piece, and look at what has arrived in between.
 * core_commit after it. */
bool core_has_pieces(const struct core *core);
void core_piece(struct core *core);

/* core_files_served: what calls.files_changed told is now what clients get;
 * call core_commit after it. */
void core_files_served(struct core *core);

/* core_reconfigure switches to another valid configuration; requests already
 * decided finish under the rules they were decided by. */
enum bv_err core_reconfigure(struct core *core,
                             const struct core_config *config) BV_CHECKED;

/* Numbers for status pages and the log. */
struct core_stats {
    uint64_t issued, repeated, refused, failed, revoked, commits;
    size_t inflight;
    uint64_t next_seq;
};
void core_stats(const struct core *core, struct core_stats *ret_stats);

#endif
