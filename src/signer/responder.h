/* The OCSP responder: request octets in, a signed OCSPResponse out, from the
 * status map and nothing else (RFC 6960, 9919). Lives in the signer process so
 * that no door can obtain an answer the map does not give.
 *
 * Each CA has a delegated responder key and certificate. Rules:
 *   malformed request              -> malformedRequest
 *   an issuer that is not ours, or two issuers in one request (no delegate
 *   speaks for both, and clients refuse such answers whole) -> unauthorized
 *   no responder certificate, or one that has expired, or no map yet
 *                                  -> tryLater
 *   no responder certificate in force, and the CA's key is away: none will
 *   come by itself (RFC 5019 2.2.3)  -> unauthorized
 *   a serial that is not ours, a word of 0, a word of another issuer
 *                                  -> unknown
 *   word good / revoked            -> good / revoked with time and reason
 * thisUpdate is back-dated for slow clocks of devices; nextUpdate never passes
 * the responder certificate's notAfter.
 *
 * On disk (DIR/ca/ocsp-NAME.pem): the sealed key and its certificate as two
 * PEM blocks in one file. */
#ifndef BV_SIGNER_RESPONDER_H
#define BV_SIGNER_RESPONDER_H

#include "pki/key.h"
#include "proc/ocsp_reply.h"
#include "proc/statusmap.h"
#include "signer/signer.h"

struct responder_options {
    int64_t validity; /* seconds from now to nextUpdate; 0: 3,600 */
    int64_t backdate; /* seconds thisUpdate lies before now; 0: 300 */
};

struct responder;
enum bv_err responder_new(const struct responder_options *options,
                          struct responder **ret_responder) BV_CHECKED;
void responder_free(struct responder *responder);
BV_AUTO_DEFINE(responder, struct responder, responder_free)

/* responder_add_ca serves the CA of this certificate. BAD_MESSAGE when it does
 * not parse; CONFLICT when the name is served with another certificate's key.
 */
enum bv_err responder_add_ca(struct responder *responder, const char *ca,
                             struct span cert) BV_CHECKED;
/* responder_set_away: the CA's key is not on this machine. */
void responder_set_away(struct responder *responder, const char *ca);
/* responder_set_map takes the map over (frees the one before). */
void responder_set_map(struct responder *responder, struct statusmap *map);
/* responder_set_serial: key of pki/serial.h and issuer ids by CA name; names
 * not served are ignored. */
enum bv_err responder_set_serial(struct responder *responder,
                                 const uint8_t key[16],
                                 const struct signer_issuer *issuers,
                                 unsigned num_issuers) BV_CHECKED;

/* responder_make_key makes the CA's next key, kept aside, and writes its
 * SubjectPublicKeyInfo. WRONG_KEY when the CA is not served. */
enum bv_err responder_make_key(struct responder *responder, const char *ca,
                               struct sink *out) BV_CHECKED;
/* responder_set_cert starts using the key kept aside with its certificate.
 * WRONG_KEY when it is not that key's. */
enum bv_err responder_set_cert(struct responder *responder, const char *ca,
                               struct span cert) BV_CHECKED;
/* responder_set_key starts using a stored key (taken over, also on failure)
 * and its certificate. WRONG_KEY when they do not match. */
enum bv_err responder_set_key(struct responder *responder, const char *ca,
                              struct key *key, struct span cert) BV_CHECKED;
/* responder_current: what is in use; both stay the responder's. NOT_FOUND. */
enum bv_err responder_current(struct responder *responder, const char *ca,
                              struct key **ret_key,
                              struct span *ret_cert) BV_CHECKED;

/* responder_adopt moves the map, the serial key, issuer ids and the keys of
 * CAs that both serve out of another responder: a reload. */
void responder_adopt(struct responder *responder, struct responder *from);

/* responder_generate makes a responder key for a CA of this kind: RSA-2048 for
 * an RSA CA, whose clients may know nothing else, and P-256 for all others. */
enum bv_err responder_generate(enum alg_key ca,
                               struct key **ret_key) BV_CHECKED;

#define RESPONDER_FILE_MAX 16384
/* responder_seal writes the file text for a key and certificate; about 45 ms.
 * responder_unseal reads it; the certificate's DER lands in cert_buf. Errors
 * as key_open. */
enum bv_err responder_seal(const struct key *key, struct span cert,
                           struct span passphrase, struct sink *out) BV_CHECKED;
enum bv_err responder_unseal(struct span text, struct span passphrase,
                             struct sink *cert_buf, struct key **ret_key,
                             struct span *ret_cert) BV_CHECKED;

/* An OCSPResponse of ours, certificate included, is below this. */
#define RESPONDER_ANSWER_MAX 32768

/* responder_answer never fails: what goes wrong becomes an error answer.
 * ret_reply->response points into buf. now is Unix seconds. */
void responder_answer(struct responder *responder, struct span request,
                      int64_t now, uint8_t buf[RESPONDER_ANSWER_MAX],
                      struct ocsp_reply *ret_reply);

#endif
