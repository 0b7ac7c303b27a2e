/* What core keeps in memory, for the files of this room only. The database is
 * the truth; everything here can be thrown away and made again from it. */
#ifndef BV_CORE_STATE_H
#define BV_CORE_STATE_H

#include "core/audit.h"
#include "core/core.h"
#include "core/rates.h"
#include "pki/key.h"
#include "pki/serial.h"
#include "proc/statusmap.h"
#include "wire/cert.h"

#define STEP_BACK 60 /* seconds; less is a clock being adjusted */

/* infra_service.c: the certificate of a CA's service. */
struct issuer_service {
    int64_t due;      /* 0: none */
    bool busy, asked; /* asked: what the signer has is known */
};

/* One CA at run time. */
struct issuer {
    const struct core_ca *config;
    struct cert cert; /* view into config->cert */
    uint8_t id;       /* store_issuer.id */
    uint64_t seq;     /* row of its certificate; 0: not known (cas.h) */
    uint8_t key_hash[32];
    uint64_t oracle_seen; /* bit per profile: OpenSSL has seen one of these */
    bool constrained;     /* name constraints, here or in a CA above */
    unsigned barred;      /* usages it may not give, see issue_barred */
    bool proven;          /* the signer's signature verified once */

    /* crl.c */
    uint64_t crl_number; /* the last published */
    int64_t crl_this, crl_next;
    int64_t crl_prune_before; /* see crl.c: entries that were shown expired */
    int64_t crl_due;          /* 0: none */
    int64_t crl_warned;       /* the watchdog spoke last; 0: not yet */
    bool crl_busy;
    /* counts of CRLs begun: this many; the last shown, served, given up */
    uint64_t crl_begun, crl_shown, crl_served, crl_failed;
    bool crl_known; /* crl_open read what was published */
    struct issuer_service services[SIGNER_SERVICES];
};

struct job;
/* The signer's answer for a job; runs outside any commit. */
typedef void job_signed_fn(struct core *core, struct job *job, enum bv_err err,
                           struct span result);
/* The end of a job: err is BV_OK when what it wrote is durable, else why it
 * is not (job->err first). Frees the job. */
typedef void job_done_fn(struct core *core, struct job *job, enum bv_err err);
/* The next piece of long work (core/piece.h). */
typedef void job_piece_fn(struct core *core, struct job *job);

/* What was decided about a certificate, kept until it is stored. Copies only:
 * the configuration may change in between. */
struct decision {
    char device[LIMIT_DEVICE_NAME + 1]; /* "": not a device's */
    char actor[LIMIT_DEVICE_NAME + 1]; /* who asked, if not the device: an RA */
    char group[LIMIT_SHORT_NAME];
    char profile[LIMIT_SHORT_NAME];
    char ca[LIMIT_SHORT_NAME];
    enum audit_auth auth;
    bool strict_group; /* an existing device must be of this group */
    bool new_device;
    bool free_name; /* an existing device must have no live certificate */
    uint8_t token_hash[32];
    bool has_token;
    uint64_t replaces;
    uint64_t credential; /* number of our certificate that asks; 0: none */
    uint8_t key_hash[32];
    uint8_t request_hash[32];
    bool has_request_hash;
    uint8_t pending_digest[32];
    bool was_pending;
    int64_t counted_at; /* among the device's issues of that hour; 0: not */
    /* the certificate */
    uint64_t seq;
    uint8_t serial[SERIAL_LEN];
    uint8_t issuer;
    enum alg_sig sig_alg;
    int64_t not_before, not_after;
};

struct job {
    struct job *next;      /* ready list, pieces, or followers of another job */
    struct job *hash_next; /* in flight with a request hash */
    struct job *followers; /* the same request again: same answer */
    uint64_t ticket;       /* with the signer under this number; 0: not */
    job_signed_fn *on_signed;
    job_done_fn *on_done;
    job_piece_fn *on_piece;
    enum bv_err err; /* what was decided; the batch may still fail */
    bool counted;    /* among core->inflight */
    bool hashed;     /* among core->hash */

    unsigned tag; /* the requester */
    uint64_t id;
    enum core_op op;
    char request_id[CORE_REQUEST_ID_LEN + 1];
    char peer[LIMIT_PEER];
    struct decision d;
    struct core_reply reply; /* spans point into the buffers below */

    uint8_t *tbs;
    size_t tbs_len;
    uint8_t *cert;
    size_t cert_len;
    struct key *key; /* CORE_KEYGEN: made here */
    uint8_t *key_der;
    size_t key_der_len;
    enum signer_service service; /* whose certificate it is: infra_service.c */
    struct span recipient; /* certificate to wrap for; points into peer_cert */
    uint8_t *peer_cert;
    unsigned wrap_bits; /* AES key size for that */
    void *extra;        /* of the kind of job */
};

#define JOB_BUCKETS 1024

struct map_put {
    uint64_t seq, word;
};

/* Everything that becomes durable together. */
struct batch {
    bool open;        /* a store transaction is open */
    bool dirty;       /* something is written in it */
    bool touched;     /* by who is at it now: see admin.c */
    bool own_changed; /* the status of a certificate of the server's own */
    struct job *head, **tail;
    struct map_put *puts;
    size_t num_puts, cap_puts;
    struct statusmap_mark mark; /* highest written in this batch */
};

/* Reserved numbers: [next, end) durable, spare likewise, pending not yet. */
struct sequence {
    uint64_t next, end;
    uint64_t spare_next, spare_end;
    uint64_t pending_next, pending_end;
};

struct core {
    const struct core_config *config;
    struct store *store;
    const struct signer *signer;
    struct core_calls calls;

    struct audit *audit;
    struct statusmap *map;
    struct statusmap_mark mark; /* committed and in the map */
    struct statusmap_mark synced;
    bool old_changes; /* there are more to drop */
    struct serial *serial;
    uint8_t serial_key[SERIAL_KEY_LEN];
    struct issuer *issuers;
    size_t num_issuers;

    struct sequence sequence;
    struct batch batch;
    struct job *slots[LIMIT_INFLIGHT + 64]; /* by ticket */
    uint64_t tickets;
    size_t inflight;
    struct job *hash[JOB_BUCKETS];
    struct job *pieces;    /* queue of long work */
    struct job *crl_waits; /* crl_wait.h */
    struct rates *rates;

    int64_t newest;   /* newest time among committed facts */
    int64_t ticked;   /* the last tick's time */
    bool clock_bad;   /* then; see sign_clock */
    bool own_changed; /* committed; infra_tick looks at what it has */
    int64_t checkpoint_due, prune_due, sync_due, tls_due;
    bool checkpoint_busy, tls_busy;
    bool broken; /* memory and disk disagree: end the process */
    struct core_stats stats;
};

/* The time of the wall clock, Unix seconds. */
int64_t core_now(const struct core *core);
/* The searches by name or number: NULL when there is none. */
const struct profile *core_profile(const struct core *core, const char *name);
struct issuer *core_issuer(struct core *core, const char *name);
struct issuer *core_issuer_of_id(struct core *core, uint8_t id);

#endif
