/* brevet/port.h: what the device library needs from its platform.
 *
 * The library holds no operating system, no allocator and no cryptography. It
 * reaches all of them through the structs of functions below, which the
 * application fills once. A complete set for Linux is in brevet/posix.h and
 * brevet/openssl.h; a port to a microcontroller writes its own.
 *
 * Rules for every function here:
 * - ctx is the pointer stored beside the functions, passed back untouched.
 * - Results (ret_x) are written only with BV_PORT_OK.
 * - Pointers passed in are valid during the call only: copy what is needed
 *   longer. No function may call back into the library.
 * - BV_PORT_WANT may come from keys.generate and keys.copy and from the
 *   transport's open, send and recv. They are called again with the same
 *   arguments at a later step until they answer something else, and never
 *   block; open may be given up by close before. All others answer in one call:
 *   they take the time they need (observe.yield comes before the long ones).
 *
 * ISO C99, usable from C++. */
#ifndef BREVET_PORT_H
#define BREVET_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What lies between these has C linkage in C++ too. */
#ifdef __cplusplus
#define BV_C_BEGIN extern "C" {
#define BV_C_END   }
#else
#define BV_C_BEGIN
#define BV_C_END
#endif

BV_C_BEGIN

/* Octets owned by somebody else. data may be NULL when len is 0. */
struct bv_bytes {
    const uint8_t *data;
    size_t len;
};

enum bv_port {
    BV_PORT_OK = 0,
    BV_PORT_WANT, /* not finished; call again later */
    BV_PORT_NONE, /* there is nothing: no such record, no key, stream ended */
    BV_PORT_REFUSED, /* the peer or the certificate is not to be trusted, or
                      * the peer refused us; repeating at once cannot help */
    BV_PORT_FAILED   /* this machine or the network cannot do it now */
};

/* --- clock --- */

struct bv_now {
    int64_t wall;     /* Unix seconds, UTC; meaningless unless wall_known */
    bool wall_known;  /* false on a board without RTC before time was set */
    uint64_t mono_ms; /* milliseconds that never go back while powered; should
                       * count suspended time where the platform can tell */
};

struct bv_clock {
    void *ctx;
    void (*now)(void *ctx, struct bv_now *ret_now);
};

/* --- random --- */

/* Used to spread retries; keys are made behind struct bv_keys. Must be FAILED,
 * never predictable octets, when the source is not seeded. */
struct bv_random {
    void *ctx;
    enum bv_port (*fill)(void *ctx, uint8_t *out, size_t len);
};

/* --- storage --- */

/* Records under small integer keys, non-volatile. The contract on which "never
 * without a working identity" rests:
 * - set replaces a record as one atomic act: after a power cut during set, get
 *   finds the old content or the new content, complete, never a mixture, never
 *   nothing. When set answered OK, the new content survives a power cut.
 * - a set or erase of one key never touches another key's record.
 * - get is NONE only if the record was never set or was erased. A record that
 *   exists but does not fit cap, or cannot be read, is FAILED. */
enum bv_record {
    BV_RECORD_STATE = 1,   /* the commit record: which slot counts */
    BV_RECORD_CERT_A = 2,  /* certificate of identity slot A, DER */
    BV_RECORD_CERT_B = 3,  /* certificate of identity slot B, DER */
    BV_RECORD_TRUST_A = 4, /* trust anchors, one of two generations */
    BV_RECORD_TRUST_B = 5
};
#define BV_RECORD_COUNT 5
/* The longest record the library writes, octets (a trust set). */
#define BV_RECORD_MAX 8192

struct bv_storage {
    void *ctx;
    enum bv_port (*get)(void *ctx, enum bv_record key, uint8_t *out, size_t cap,
                        size_t *ret_len);
    enum bv_port (*set)(void *ctx, enum bv_record key, const uint8_t *data,
                        size_t len);
    enum bv_port (*erase)(void *ctx, enum bv_record key);
};

/* --- keys --- */

/* Identity slots. A and B take turns; FACTORY is the manufacturer's identity
 * (IDevID), which the library uses but never generates, changes or erases. */
enum bv_slot {
    BV_SLOT_NONE = -1,
    BV_SLOT_A = 0,
    BV_SLOT_B = 1,
    BV_SLOT_FACTORY = 2
};

enum bv_key_type {
    BV_KEY_P256 = 0,
    BV_KEY_P384,
    BV_KEY_ED25519,
    BV_KEY_RSA2048,
    BV_KEY_RSA3072,
    BV_KEY_RSA4096
};

/* Private keys stay behind this port: no function returns one. */
struct bv_keys {
    void *ctx;
    /* generate makes a new key in a slot (A or B), durable before OK, in place
     * of whatever was there. The other slots are untouched, whatever happens.
     * After a power cut the slot holds the old key, the new one or none. */
    enum bv_port (*generate)(void *ctx, enum bv_slot slot,
                             enum bv_key_type type);
    /* public_key writes the SubjectPublicKeyInfo (DER). NONE: empty slot;
     * FAILED: it cannot be read just now. */
    enum bv_port (*public_key)(void *ctx, enum bv_slot slot, uint8_t *out,
                               size_t cap, size_t *ret_len);
    /* sign signs a message (not a digest) as X.509 wants it for this kind of
     * key: P-256 ECDSA with SHA-256 and P-384 ECDSA with SHA-384 as DER
     * ECDSA-Sig-Value, RSA PKCS #1 v1.5 with SHA-256, Ed25519. */
    enum bv_port (*sign)(void *ctx, enum bv_slot slot, const uint8_t *message,
                         size_t len, uint8_t *out, size_t cap, size_t *ret_len);
    /* copy makes the key of slot to (A or B) the same as that of slot from,
     * durable before OK, for a renewal with the same key. NULL where keys
     * cannot be copied: then bv_config.reuse_key is not possible. */
    enum bv_port (*copy)(void *ctx, enum bv_slot from, enum bv_slot to);
    /* destroy erases the key of a slot (A or B). An empty slot is OK. */
    enum bv_port (*destroy)(void *ctx, enum bv_slot slot);
};

/* --- verification --- */

/* The time at which certificates are judged. */
struct bv_when {
    int64_t time; /* Unix seconds */
    bool exact;   /* false: the clock is unknown and time is only the earliest
                   * the present can be. Then a certificate that ended before
                   * time is expired, and notBefore is not looked at. */
};

enum bv_purpose {
    BV_PURPOSE_DEVICE = 0, /* an end-entity certificate of a device */
    BV_PURPOSE_CA /* a CA certificate (basicConstraints, keyCertSign) */
};

struct bv_chain {
    struct bv_bytes cert;           /* DER, the one to judge */
    const struct bv_bytes *helpers; /* intermediates; not trusted themselves */
    size_t num_helpers;
    const struct bv_bytes *anchors; /* trusted; need not be self-signed */
    size_t num_anchors;
    struct bv_when when;
    enum bv_purpose purpose;
};

struct bv_verify {
    void *ctx;
    /* chain: OK when cert is one of the anchors' own or has a valid path to
     * one (RFC 5280 6.1, signatures, dates, constraints); a self-signed cert
     * must verify under its own key. Else REFUSED. */
    enum bv_port (*chain)(void *ctx, const struct bv_chain *chain);
    enum bv_port (*sha256)(void *ctx, const uint8_t *data, size_t len,
                           uint8_t ret_digest[32]);
};

/* --- transport --- */

struct bv_connect {
    const char *host; /* name or address; also checked in the server's
                       * certificate (RFC 6125 / RFC 9525) and sent as SNI */
    uint16_t port;
    enum bv_slot identity; /* whose key and certificate authenticate us, or
                            * BV_SLOT_NONE */
    struct bv_bytes cert;  /* DER of that identity; empty for FACTORY, whose
                            * certificate the port knows itself */
    const struct bv_bytes *anchors; /* as in struct bv_chain */
    size_t num_anchors;
    /* Intermediates: they help to verify the server, and those that lead from
     * cert towards an anchor are sent behind it, so that a server which knows
     * the root alone can verify us. */
    const struct bv_bytes *helpers;
    size_t num_helpers;
    struct bv_when when;
    /* true: accept any server. Used only to fetch CA certificates that are
     * then held against a pinned fingerprint; nothing secret is sent. */
    bool insecure_any_server;
};

/* TLS 1.2 or 1.3 to one server at a time; no resumption, no early data. */
struct bv_transport {
    void *ctx;
    /* open connects, shakes hands and verifies the server. REFUSED when the
     * server is not trusted or answered with an alert about our identity. */
    enum bv_port (*open)(void *ctx, const struct bv_connect *to);
    enum bv_port (*send)(void *ctx, const uint8_t *data, size_t len,
                         size_t *ret_sent);
    /* recv: NONE when the peer closed in good order (close_notify or, after a
     * complete HTTP answer, plain end of stream). A server that rejects our
     * certificate under TLS 1.3 shows only here: REFUSED. */
    enum bv_port (*recv)(void *ctx, uint8_t *out, size_t cap, size_t *ret_len);
    /* binding writes the channel binding: tls-unique (RFC 5929) under TLS 1.2
     * with extended master secret, tls-exporter (RFC 9266) under TLS 1.3.
     * NONE when this connection has none that is safe. */
    enum bv_port (*binding)(void *ctx, uint8_t *out, size_t cap,
                            size_t *ret_len);
    void (*close)(void *ctx); /* fine when nothing is open */
};

/* --- optional --- */

struct bv_observe {
    void *ctx;
    /* line gets one sentence for people, no secrets, no line end. */
    void (*line)(void *ctx, const char *text);
    /* yield is called before every long computation: feed the watchdog. */
    void (*yield)(void *ctx);
};

/* Everything together. observe's functions may be NULL; all others are
 * needed. */
struct bv_ports {
    struct bv_clock clock;
    struct bv_random random;
    struct bv_storage storage;
    struct bv_keys keys;
    struct bv_verify verify;
    struct bv_transport transport;
    struct bv_observe observe;
};

BV_C_END
#endif
