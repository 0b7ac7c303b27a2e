/* The inside of the device library: one struct and the stages that work on it.
 * Files: device.c (public functions and the stage table), plan.c (when),
 * record.c (the commit record), doubt.c (a server ahead of its time), trust.c
 * (CA certificates), exchange.c (one HTTP exchange), request.c (the CSR),
 * check.c (what came back), enrol.c (the stages). Freestanding ISO C17;
 * everything blocks nowhere. */
#ifndef BV_DEVICE_DEV_H
#define BV_DEVICE_DEV_H

#include "base/err.h"
#include "base/span.h"
#include "brevet/device.h"
#include "device/exchange.h"
#include "device/plan.h"
#include "device/record.h"

/* The work memory in regions. BODY: the request, then the answer. TRUST: the
 * trust set in use. SCRATCH: a certificate or a new trust set being built. */
#define DEV_BODY_SIZE    14336
#define DEV_TRUST_SIZE   BV_RECORD_MAX
#define DEV_SCRATCH_SIZE (BV_WORK_SIZE - DEV_BODY_SIZE - DEV_TRUST_SIZE)
#define DEV_SPKI_MAX     640 /* RSA-4096 is 550 */
/* What cannot be read is tried so often again before it counts as lost. */
#define DEV_TRIES 8
/* Seconds two clocks may be apart and both be right. */
#define DEV_SKEW 300

enum dev_stage {
    DEV_LOAD = 0,  /* read the record, the certificate, the trust set */
    DEV_REST,      /* wait; decide what is next */
    DEV_TRUST_GET, /* GET cacerts: first trust, or a refresh */
    DEV_KEY,       /* a key in the inactive slot; charge the attempt */
    DEV_CONNECT,   /* connection for the enrolment */
    DEV_ATTRS,     /* GET csrattrs on it */
    DEV_ENROL,     /* build the CSR, POST it, read the answer */
    DEV_STORE,     /* check the certificate, write it to the inactive slot */
    DEV_PROVE,     /* a mutual-TLS exchange with the new identity */
    DEV_COMMIT,    /* one record write; then follow cacerts */
    DEV_HALT,
    DEV_STAGE_COUNT
};

/* Whose credential an enrolment uses. */
enum dev_cred {
    DEV_CRED_NONE,
    DEV_CRED_ACTIVE,
    DEV_CRED_FACTORY,
    DEV_CRED_CLAIM
};

struct dev {
    struct bv_config config;
    struct bv_ports ports;
    enum dev_stage stage;
    struct record record;
    struct exchange exchange;

    /* the active certificate; zero without one */
    int64_t not_before, not_after;

    /* the authenticated server time, and when (monotonic) it was learnt */
    int64_t server_time;
    uint64_t server_mono;
    uint64_t boot_mono; /* at the first step */
    bool booted;

    /* waits, all monotonic: none of them trusts the wall clock */
    uint64_t retry_mono;  /* no enrolment before this; 0: none */
    uint64_t trust_mono;  /* next look at cacerts */
    uint64_t calm_mono;   /* no further renewal before this (clock gone mad) */
    uint32_t trust_fails; /* failed refreshes in a row */
    uint8_t doubts;       /* looks at the server's clock, see doubt.h */
    unsigned cred_turn;   /* which credential is next after a refusal */
    enum dev_cred cred;
    bool forced; /* bv_device_renew */
    bool waits_io;
    bool ask_binding; /* csrattrs of this connection asked for it */
    enum bv_why why;
    char said[BV_SAID_MAX + 1]; /* the server's words on it */
    enum bv_event event;        /* for the caller of this step */

    struct bv_connect to; /* what the transport is asked to open */
    bool attrs_done;      /* csrattrs were asked in this attempt */

    bool unread; /* a record or key that is there could not be read just now */
    uint8_t unread_tries, trust_tries; /* in a row */

    struct bv_now now; /* of this step */
    struct bv_when when;
    struct bv_bytes anchors[2 * BV_TRUST_MAX], helpers[BV_TRUST_MAX];
    size_t num_anchors, num_helpers;
};

/* A stage does what it can now: BV_OK to be called again at once (usually with
 * the next stage set), BUSY to wait for the transport. It fails through
 * dev_fail. */
enum bv_err dev_stage_trust(struct dev *dev);
enum bv_err dev_stage_key(struct dev *dev);
enum bv_err dev_stage_connect(struct dev *dev);
enum bv_err dev_stage_attrs(struct dev *dev);
enum bv_err dev_stage_enrol(struct dev *dev);
enum bv_err dev_stage_store(struct dev *dev);
enum bv_err dev_stage_prove(struct dev *dev);
enum bv_err dev_stage_commit(struct dev *dev);

/* dev_fail ends the attempt: closes the connection, notes why, plans the next
 * try, goes to rest. Always BV_OK, so that a stage can return it. */
enum bv_err dev_fail(struct dev *dev, enum bv_why why);
/* dev_yield feeds the watchdog; dev_say tells the observer. */
void dev_yield(struct dev *dev);
void dev_say(struct dev *dev, const char *text);
/* dev_settle takes up the identity that was just promoted; dev->unread when it
 * cannot be read now. */
void dev_settle(struct dev *dev);
/* dev_save writes the commit record. */
bool dev_save(struct dev *dev, const struct record *record);

uint8_t *dev_body(struct dev *dev);
uint8_t *dev_trust(struct dev *dev);
uint8_t *dev_scratch(struct dev *dev);
/* dev_inactive: the slot the next identity goes to. */
enum bv_slot dev_inactive(const struct dev *dev);
enum bv_record dev_cert_record(enum bv_slot slot);
/* dev_load_cert reads a slot's certificate; NONE when there is none. */
enum bv_port dev_load_cert(struct dev *dev, enum bv_slot slot, uint8_t *out,
                           size_t cap, struct span *ret_cert);
/* dev_spki reads a slot's public key to the end of SCRATCH. */
enum bv_port dev_spki(struct dev *dev, enum bv_slot slot,
                      struct span *ret_spki);
/* With the configuration's defaults: time for one exchange (ms), and the
 * pause after so many failures in a row (seconds). */
uint32_t dev_timeout(const struct dev *dev);
uint32_t dev_pause(struct dev *dev, uint32_t failures);
/* dev_learn_time notes the Date of an answer from a verified server. */
void dev_learn_time(struct dev *dev);
/* dev_random: 0 when the source fails; only spreads retries. */
uint32_t dev_random(struct dev *dev);
/* dev_mono_after: seconds from now on the monotonic clock. */
uint64_t dev_mono_after(const struct dev *dev, uint32_t seconds);

#endif
