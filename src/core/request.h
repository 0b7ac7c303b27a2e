/* What a door asks of core and what core answers: plain structs, and their
 * encoding for the channel. A door fills a core_request from whatever its
 * protocol carries; nothing in here is specific to one protocol. Spans point
 * into memory of the caller (or of the decoded message) and are not owned. */
#ifndef BV_CORE_REQUEST_H
#define BV_CORE_REQUEST_H

#include "base/limits.h"
#include "base/sink.h"
#include "base/span.h"

enum core_door {
    CORE_DOOR_EST = 1,
    CORE_DOOR_SCEP,
    CORE_DOOR_ACME,
    CORE_DOOR_CMP,
    CORE_DOOR_COAPS,
    CORE_DOOR_ADMIN
};

enum core_op {
    CORE_ENROLL = 1, /* a first certificate for this device */
    CORE_REENROLL,   /* renew or rekey: the peer certificate is replaced */
    CORE_KEYGEN,     /* enroll with a key pair made by the server */
    CORE_ASK,        /* nothing is made: which profile would it be */
};

/* Which of the two kept-apart trust stores vouched for the TLS client. */
enum core_trust {
    CORE_TRUST_NONE = 0,     /* no certificate was presented */
    CORE_TRUST_OWN,          /* issued by a CA of this installation */
    CORE_TRUST_MANUFACTURER, /* chains to a configured manufacturer CA */
};

#define CORE_REQUEST_ID_LEN 16 /* hex characters */

struct core_request {
    enum core_door door;
    enum core_op op;
    char request_id[CORE_REQUEST_ID_LEN + 1];
    char peer[LIMIT_PEER];        /* address as text, for rules and log */
    char label[LIMIT_SHORT_NAME]; /* EST path label; "" for none */
    enum core_trust trust;
    char trust_name[LIMIT_SHORT_NAME]; /* which manufacturer, else "" */
    struct span peer_cert;             /* DER, verified by TLS; empty if none */
    struct span peer_chain;   /* MANUFACTURER: what is between peer_cert and one
                               * of its CAs, DER, one after another; core
                               * verifies it again */
    struct span user, secret; /* HTTP Basic or its like; may be empty */
    struct span binding;      /* channel binding of this connection:
                               * tls-unique or tls-exporter octets */
    uint16_t cipher_bits;     /* how strong this connection encrypts */
    struct span csr;          /* DER PKCS#10, not yet looked at */
};

struct core_reply {
    enum bv_err err;
    char detail[200];     /* one line for the peer and the log; "" if OK */
    uint32_t retry_after; /* seconds; with PENDING, RATE_LIMITED, BUSY */
    bool challenge;       /* UNAUTHENTICATED: HTTP credentials could help, for
                           * the label's profile takes them */
    bool repeated;        /* the answer of an earlier identical request */
    char device[LIMIT_DEVICE_NAME + 1];
    char profile[LIMIT_SHORT_NAME];
    char serial[2 * LIMIT_SERIAL + 1]; /* hex */
    struct span cert;                  /* DER, the issued certificate */
    struct span key;  /* CORE_KEYGEN: PKCS#8 or CMS EnvelopedData DER */
    bool key_wrapped; /* key is the CMS form */
};

/* Encode for MSG_REQUEST / MSG_REPLY; the sink fails when cap is too small. */
void core_request_encode(struct sink *out, const struct core_request *request);
enum bv_err core_request_decode(struct span in,
                                struct core_request *ret_request) BV_CHECKED;
void core_reply_encode(struct sink *out, const struct core_reply *reply);
enum bv_err core_reply_decode(struct span in,
                              struct core_reply *ret_reply) BV_CHECKED;

#endif
