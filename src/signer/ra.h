/* The keys with which SCEP (RFC 8894) is spoken: for each CA an RSA key of its
 * registration authority, which decrypts what clients send and signs what they
 * get; a CA's own key does neither. Lives in the signer process: doors ask.
 *
 * What doors may have (the bodies stand in proc/msg.def):
 *   RA_CERT   the certificate in use
 *   RA_OPEN   the content key out of a KeyTransRecipientInfo. Whoever sent it
 *             learns nothing from a key that does not open: see pki/rsa.h
 *   RA_SIGN   a signature over the signed attributes of a CertRep, and over
 *             nothing else: a door that runs an attacker's code must not be
 *             able to shake hands as the RA, or sign a certificate request
 *
 * Clients keep an RA's certificate for long (RFC 8894 2.3), so the key before
 * goes on decrypting until the next one takes its place; it signs no more.
 *
 * On disk (DIR/ca/scep-NAME.pem): sealed key and certificate, and behind them
 * those before. */
#ifndef BV_SIGNER_RA_H
#define BV_SIGNER_RA_H

#include "base/auto.h"
#include "pki/key.h"
#include "proc/channel.h"

struct ra;
/* bits: of the keys made; 0: 2048. */
enum bv_err ra_new(unsigned bits, struct ra **ret_ra) BV_CHECKED;
void ra_free(struct ra *ra);
BV_AUTO_DEFINE(ra, struct ra, ra_free)

/* ra_add_ca makes room for a CA of this name; CONFLICT when it is there. */
enum bv_err ra_add_ca(struct ra *ra, const char *ca) BV_CHECKED;

/* The same as of a responder (responder.h): a key is made and kept aside until
 * its certificate comes. WRONG_KEY: there is no such CA, or the certificate is
 * not that key's. */
enum bv_err ra_make_key(struct ra *ra, const char *ca,
                        struct sink *out) BV_CHECKED;
enum bv_err ra_set_cert(struct ra *ra, const char *ca,
                        struct span cert) BV_CHECKED;
/* ra_cert: the certificate in use; it stays the ra's. NOT_FOUND. */
enum bv_err ra_cert(const struct ra *ra, const char *ca,
                    struct span *ret_cert) BV_CHECKED;

#define RA_FILE_MAX 20000
/* ra_seal writes the file's text; about 45 ms for each key. ra_unseal takes it
 * into use; a second pair that does not open is left out. Errors as key_open,
 * WRONG_KEY as above. */
enum bv_err ra_seal(const struct ra *ra, const char *ca, struct span passphrase,
                    struct sink *out) BV_CHECKED;
enum bv_err ra_unseal(struct ra *ra, const char *ca, struct span text,
                      struct span passphrase) BV_CHECKED;

/* ra_adopt moves the keys of CAs that both have out of another: a reload. */
void ra_adopt(struct ra *ra, struct ra *from);

/* Longest body of an answer. */
#define RA_ANSWER_MAX (LIMIT_CERT + LIMIT_SIGNATURE + 32)
/* ra_answer writes the answer to a door's question. BAD_MESSAGE: it was none,
 * and the door broke the protocol. */
enum bv_err ra_answer(struct ra *ra, enum msg_type question, struct span body,
                      struct sink *out, enum msg_type *ret_answer) BV_CHECKED;

#endif
