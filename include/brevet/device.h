/* brevet/device.h: an identity for a device, obtained, kept and renewed.
 *
 * The application fills a struct bv_config (which server, which name) and a
 * struct bv_ports (brevet/port.h: clock, storage, keys, TLS), gives memory, and
 * calls bv_device_step() for ever. The library then speaks EST (RFC 7030, 8951)
 * to the server:
 *
 *   trust    the CA certificates are pinned, or fetched once and held against
 *            a pinned SHA-256 fingerprint; later ones are accepted only when
 *            they chain to those already trusted
 *   enrol    a key is made behind the key port, a CSR signed with it is sent
 *   check    what comes back must chain to the trusted CAs, carry our key and
 *            the name that was asked for, and be valid now
 *   prove    a real mutual-TLS exchange with the new identity must succeed
 *   promote  one atomic storage write makes the new slot the active one
 *   renew    in its window, into the other slot; the old identity stays
 *            active until the new one is proven, and is kept until the next
 *            renewal
 *
 * The promise: once the device had a working identity, no power cut, no server
 * answer and no clock takes it away. Failures cost an attempt: the pause before
 * the next grows (1 min to 24 h, spread at random; for a short-lived
 * certificate less) and survives a restart. A server's Retry-After (seconds,
 * or a date) is followed until the restart, with up to an eighth more so that a
 * fleet does not come back as one; but not for more than a week, nor for much
 * beyond half of what is left of the certificate.
 *
 * Clocks: the wall clock may be unknown, wrong, or jump. The present is never
 * believed to be before the build (config.not_before_build) or before the
 * active certificate began; without a wall clock the server's authenticated
 * Date is used. A jump re-plans the renewal at the next step: it is neither
 * skipped nor repeated without a pause. A certificate that begins in the future
 * of a believable wall clock, made by a server ahead of its time, is taken (who
 * is wrong cannot be known); the server is then asked for the time within the
 * hour and on, and when it agrees with the wall clock the identity before,
 * which was kept, is the active one again.
 *
 * One struct bv_device is one identity. No globals: many may live in one
 * process. Not re-entrant: one caller at a time per device. Nothing is ever
 * allocated. ISO C99, usable from C++. */
#ifndef BREVET_DEVICE_H
#define BREVET_DEVICE_H

#include "brevet/port.h"

BV_C_BEGIN

/* Work memory of one device, octets: holds one request, then one answer. An
 * answer that does not fit is refused (BV_WHY_TOO_LARGE). Several devices may
 * share one buffer only if just one of them is ever not idle. */
#define BV_WORK_SIZE 32768
/* The longest certificate taken from a server, octets. */
#define BV_CERT_MAX 4096
/* CA certificates taken from a server at once; intermediates that do not fit
 * BV_RECORD_MAX beside the anchors are left out. */
#define BV_TRUST_MAX 8
/* The longest device name (common name), octets. */
#define BV_ID_MAX 64
/* Of what a server says in its own words when it refuses, octets kept. */
#define BV_SAID_MAX 120
/* SANs asked for, and the longest of them. */
#define BV_SAN_COUNT_MAX 8
#define BV_SAN_MAX       253

enum bv_san_kind {
    BV_SAN_DNS = 0,
    BV_SAN_IP, /* value: 4 or 16 octets */
    BV_SAN_URI,
    BV_SAN_EMAIL
};

struct bv_san {
    enum bv_san_kind kind;
    struct bv_bytes value;
};

enum bv_binding {
    BV_BINDING_ALWAYS = 0, /* put the channel binding into every CSR */
    BV_BINDING_ASK,        /* only if the server's csrattrs ask for it */
    BV_BINDING_NEVER
};

/* All pointers must stay valid as long as the device is used. Zero means the
 * default wherever a default is named. */
struct bv_config {
    const char *host; /* EST server */
    uint16_t port;    /* 0: 443 */
    const char *path; /* NULL: "/.well-known/est"; with a label:
                       * "/.well-known/est/LABEL" */
    const char *id;   /* common name, 1..BV_ID_MAX printable ASCII */
    const struct bv_san *sans;
    size_t num_sans;
    enum bv_key_type key_type;
    enum bv_binding binding;
    bool reuse_key; /* renew with the same key instead of a new one: for keys
                     * that others have pinned. A new key is the better rule:
                     * it ends what a stolen one is good for */

    /* Credential for the first certificate, and for a device whose own one has
     * expired: a claim code (HTTP Basic, user name = claim_user, default the
     * id; never sent to an unverified server), or the factory identity, or
     * both. The claim code is not used while the own certificate is alive. */
    struct bv_bytes claim_user, claim;
    bool factory;

    /* First trust: certificates (DER), or the SHA-256 of one CA certificate
     * which the server's cacerts must contain. One of the two is needed. */
    const struct bv_bytes *anchors;
    size_t num_anchors;
    const uint8_t *fingerprint; /* 32 octets, or NULL */

    unsigned renew_percent;   /* window opens at this part of life; 0: 66 */
    unsigned jitter_percent;  /* … and later by up to this part of life, fixed
                               * per id; 0: 8. 255: none */
    uint32_t exchange_ms;     /* total time for one exchange; 0: 30000 */
    uint32_t retry_min;       /* seconds; first pause after a failure; 0: 60 */
    uint32_t retry_max;       /* seconds; longest pause of our own;
                               * 0: 86400 */
    uint32_t trust_every;     /* seconds between looks at cacerts besides those
                               * at each renewal; 0: 604800 (a week) */
    int64_t not_before_build; /* Unix seconds the present cannot precede: the
                               * time of the firmware's build; 0: none */

    uint8_t *work; /* BV_WORK_SIZE octets or more */
    size_t work_len;
};

/* What a step had to tell. */
enum bv_event {
    BV_EVENT_NONE = 0, /* nothing yet; call again as ret_next says */
    BV_EVENT_TRUST,    /* the set of CA certificates changed */
    BV_EVENT_ENROLLED, /* the first identity is active */
    BV_EVENT_RENEWED,  /* another identity took the place of the old one: a new
                        * one, or after a clock was wrong the one before */
    BV_EVENT_PENDING,  /* the server wants an operator's approval first */
    BV_EVENT_FAILED    /* an attempt failed: see bv_device_status().why */
};

/* Why the last attempt failed. bv_why_text() gives the sentence. */
enum bv_why {
    BV_WHY_NONE = 0,
    BV_WHY_CONFIG,         /* the configuration cannot work */
    BV_WHY_STORAGE,        /* a record could not be read or written */
    BV_WHY_KEY,            /* the key could not be made or used */
    BV_WHY_CONNECT,        /* no connection */
    BV_WHY_SERVER_REFUSED, /* TLS: the server is not trusted, or refused us */
    BV_WHY_TIMEOUT,
    BV_WHY_CUT,          /* the connection ended inside an answer */
    BV_WHY_HTTP,         /* not HTTP, or not what EST allows */
    BV_WHY_TOO_LARGE,    /* the answer is larger than is accepted */
    BV_WHY_UNAUTHORIZED, /* 401, 403 */
    BV_WHY_REJECTED,     /* another 4xx: the request itself is refused */
    BV_WHY_SERVER_ERROR, /* 5xx, 429 */
    BV_WHY_BAD_ANSWER,   /* the body is not a certs-only message */
    BV_WHY_FINGERPRINT,  /* no CA certificate has the pinned fingerprint */
    BV_WHY_CHAIN,        /* the certificate does not chain to trusted CAs */
    BV_WHY_WRONG_KEY,    /* the certificate is for another key */
    BV_WHY_WRONG_NAME,   /* the certificate carries another name */
    BV_WHY_DATES,        /* the certificate is not valid now */
    BV_WHY_PROOF,        /* the new identity was not accepted; rolled back */
    BV_WHY_PENDING,      /* 202: waits for approval */
    BV_WHY_BINDING       /* no channel binding where one is needed */
};
const char *bv_why_text(enum bv_why why);

enum bv_phase {
    BV_PHASE_START = 0, /* nothing read yet */
    BV_PHASE_TRUST,     /* without trusted CA certificates */
    BV_PHASE_ENROL,     /* trusted, without an identity */
    BV_PHASE_IDLE,      /* identity active; renewal planned */
    BV_PHASE_RENEW,     /* identity active; renewal due or running */
    BV_PHASE_HALT       /* the configuration cannot work; steps do nothing */
};

struct bv_status {
    enum bv_phase phase;
    enum bv_slot active; /* A, B or NONE */
    int64_t not_before;  /* of the active certificate; 0 without one */
    int64_t not_after;
    int64_t renew_at;     /* planned wall time; 0 without an identity */
    uint32_t generation;  /* promotions so far */
    uint32_t attempts;    /* failures since the last success */
    uint32_t retry_after; /* after a failure: seconds until the next attempt;
                           * else 0 */
    enum bv_why why;      /* of the last failure */
    unsigned http_status; /* of the last answer, 0 if none */
    bool clock_known;     /* the wall clock is believed */
};

/* Private by rule: use the functions. */
struct bv_device {
    uint64_t private_[256];
};

/* bv_device_init prepares a device; nothing is read or sent. The configuration
 * is copied (what it points to is not), the ports likewise. Returns the first
 * thing wrong with them, BV_WHY_NONE when all is well. */
enum bv_why bv_device_init(struct bv_device *dev,
                           const struct bv_config *config,
                           const struct bv_ports *ports);

/* bv_device_step does the next piece of work without blocking. ret_wait_ms
 * says how long nothing needs doing: 0 call again at once; otherwise call when
 * that much monotonic time has passed, or the transport can make progress, or
 * the wall clock was set, whichever is first. Extra calls are harmless. */
enum bv_event bv_device_step(struct bv_device *dev, uint64_t *ret_wait_ms);

/* bv_device_waits_io tells whether the last step stopped because the transport
 * wanted: the caller may then wait on the socket too. */
bool bv_device_waits_io(const struct bv_device *dev);

/* bv_device_renew asks for a renewal now, whatever the window says. A pause
 * after failures is cut short too. */
void bv_device_renew(struct bv_device *dev);

/* bv_device_check cuts short a pause after failures and looks at everything
 * again at the next step, the CA certificates included. */
void bv_device_check(struct bv_device *dev);

/* bv_device_status reports; it reads nothing from storage. Before the first
 * step the phase is BV_PHASE_START. */
void bv_device_status(const struct bv_device *dev,
                      struct bv_status *ret_status);

/* bv_device_said: the server's own words beside the last failure (the first
 * line of a text/plain answer): printable ASCII, anything else as '?', at most
 * BV_SAID_MAX octets; "" when it said nothing. To be shown, never to be acted
 * upon. Valid until the next step. */
const char *bv_device_said(const struct bv_device *dev);

/* bv_device_cert reads the active certificate (DER). NONE without one. */
enum bv_port bv_device_cert(struct bv_device *dev, uint8_t *out, size_t cap,
                            size_t *ret_len);

/* bv_device_trust reads one of the CA certificates held (0, 1, …). ret_anchor:
 * true for a trust anchor, false for an intermediate. NONE past the last,
 * FAILED when they cannot be read just now.
 * Uses the work memory: only between steps while not bv_device_waits_io. The
 * result points into it. */
enum bv_port bv_device_trust(struct bv_device *dev, size_t index,
                             struct bv_bytes *ret_cert, bool *ret_anchor);

BV_C_END
#endif
