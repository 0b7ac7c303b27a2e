/* Signing as the rest of the house sees it: submit a job, be called back.
 * Two makers: signer_client_new (client.c, over a channel to the signer
 * process) and signer_soft_new (soft.c, keys in this process: brevet init and
 * tests). Jobs of one signer finish in the order of submission. A job lives in
 * the callback's tbs/signature spans only for the call. */
#ifndef BV_SIGNER_SIGNER_H
#define BV_SIGNER_SIGNER_H

#include "base/limits.h"
#include "base/span.h"

/* What a CA has a key for besides its own: made in the signer, certified by
 * core, sealed and kept by the parent. The numbers are those of the messages.
 */
enum signer_service {
    SIGNER_OCSP = 1, /* the responder's (signer/responder.h) */
    SIGNER_SCEP,     /* the registration authority's (signer/ra.h) */
};
#define SIGNER_SERVICES (SIGNER_SCEP + 1)

/* Which number stands for a CA in the status map (store_issuer.id). */
struct signer_issuer {
    char ca[LIMIT_SHORT_NAME];
    uint8_t id;
    uint8_t key_hash[32]; /* SHA-256 of its SPKI */
};

/* err is BV_OK with the result (a signature in the form X.509 wants: DER
 * ECDSA-Sig-Value, raw RSA, raw Ed25519; or a SubjectPublicKeyInfo), or
 * UNAVAILABLE (signer gone: ask again), WRONG_KEY (no such key), CRYPTO. */
typedef void signer_done_fn(void *user, uint64_t ticket, enum bv_err err,
                            struct span result);

struct signer {
    void *ctx;
    /* sign signs tbs with the named CA or log key; the algorithm is the
     * key's own (alg_sig_of_key). Names: "<ca name>", "log". */
    enum bv_err (*sign)(void *ctx, uint64_t ticket, const char *key,
                        struct span tbs) BV_CHECKED;
    /* sign_digest signs a digest of a TBS too large for one message (a CRL),
     * made with the hash of alg_sig_of_key. An Ed25519 key cannot: the answer
     * is UNSUPPORTED. */
    enum bv_err (*sign_digest)(void *ctx, uint64_t ticket, const char *key,
                               struct span digest) BV_CHECKED;
    /* service_key makes a fresh key of this kind for the CA, kept aside until
     * service_cert; the result is its SubjectPublicKeyInfo. */
    enum bv_err (*service_key)(void *ctx, uint64_t ticket,
                               enum signer_service service,
                               const char *ca) BV_CHECKED;
    /* service_cert installs the certificate for that key and starts using it.
     */
    enum bv_err (*service_cert)(void *ctx, uint64_t ticket,
                                enum signer_service service, const char *ca,
                                struct span cert) BV_CHECKED;
    /* service_have asks which certificate of this kind the CA has in use; the
     * result is its DER, NOT_FOUND when it has none. */
    enum bv_err (*service_have)(void *ctx, uint64_t ticket,
                                enum signer_service service,
                                const char *ca) BV_CHECKED;
    /* serial_key hands over what the responder needs to map a serial to the
     * status map: the key of pki/serial.h, and each CA's issuer id; and which
     * key each name means: with another one what follows is not signed
     * (UNAVAILABLE). No callback; remembered and sent again when the signer
     * restarts. */
    enum bv_err (*serial_key)(void *ctx, const uint8_t key[16],
                              const struct signer_issuer *issuers,
                              unsigned num_issuers) BV_CHECKED;
    void (*close)(void *ctx);
};

#endif
