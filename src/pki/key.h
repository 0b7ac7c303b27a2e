/* Asymmetric keys: make, import, sign, verify, seal. The home of EVP_PKEY.
 *
 * A struct key holds a public key or a key pair. key_free wipes what libcrypto
 * keeps of it. Not for use from several threads at once: a key keeps its
 * signing context between calls, which is what makes a P-256 signature cost
 * about 20 us.
 *
 *     struct alg_spki spki;
 *     BV_TRY(alg_spki_parse(&in, &spki));
 *     bv_auto(key) struct key *key = NULL;
 *     BV_TRY(key_of_spki(&spki, &key));            // 4 us for P-256
 *     BV_TRY(key_verify(key, sig_alg, tbs, signature));
 */
#ifndef BV_PKI_KEY_H
#define BV_PKI_KEY_H

#include "base/auto.h"
#include "base/limits.h"
#include "base/sink.h"
#include "wire/alg.h"

struct key;
void key_free(struct key *key);
BV_AUTO_DEFINE(key, struct key, key_free)

/* --- making and importing --- */

/* key_generate makes a key pair. bits counts for RSA only: 2048..8192, a
 * multiple of 8, else USAGE; e is 65537. CRYPTO when libcrypto fails. */
enum bv_err key_generate(enum alg_key alg, unsigned bits,
                         struct key **ret_key) BV_CHECKED;
/* key_of_spki imports a public key. BAD_KEY for a point that is not on its
 * curve or anything else libcrypto does not take. Weak keys are the business
 * of pki/weak.h. */
enum bv_err key_of_spki(const struct alg_spki *spki,
                        struct key **ret_key) BV_CHECKED;
/* key_of_spki_der parses (nothing may follow) and imports. */
enum bv_err key_of_spki_der(struct span der, struct key **ret_key) BV_CHECKED;

/* --- asking --- */

enum alg_key key_alg(const struct key *key);
unsigned key_bits(const struct key *key);
bool key_is_private(const struct key *key);
/* key_spki writes the SubjectPublicKeyInfo (at most LIMIT_SPKI octets). */
enum bv_err key_spki(const struct key *key, struct sink *out) BV_CHECKED;
/* key_match tells whether two keys have the same public half. */
bool key_match(const struct key *a, const struct key *b);
/* key_match_spki tells whether the SubjectPublicKeyInfo is this key's. */
bool key_match_spki(const struct key *key, struct span spki);

/* --- signing --- */

/* key_sign writes the signature over tbs in the form X.509 wants (DER
 * ECDSA-Sig-Value, raw RSA, raw Ed25519); the algorithm is
 * alg_sig_of_key(key_alg(key)). WRONG_KEY without a private half, CRYPTO,
 * NO_SPACE (LIMIT_SIGNATURE always suffices). */
enum bv_err key_sign(struct key *key, struct span tbs,
                     struct sink *out) BV_CHECKED;
/* key_sign_digest signs a digest made elsewhere with the hash of
 * alg_sig_of_key: for CRLs that are streamed. USAGE for a digest of another
 * length; UNSUPPORTED for Ed25519, which signs messages only (RFC 8032). */
enum bv_err key_sign_digest(struct key *key, struct span digest,
                            struct sink *out) BV_CHECKED;
/* key_verify: BAD_SIGNATURE unless signature is by this key, with this
 * algorithm, over tbs; UNSUPPORTED when the algorithm is not the key's kind.
 */
enum bv_err key_verify(struct key *key, enum alg_sig alg, struct span tbs,
                       struct span signature) BV_CHECKED;
/* key_verify_digest is key_verify for what was hashed elsewhere, as by
 * key_sign_digest; the same errors, and USAGE. */
enum bv_err key_verify_digest(struct key *key, enum alg_sig alg,
                              struct span digest,
                              struct span signature) BV_CHECKED;

/* For keys that are looked at once, as a CSR's is: without making a struct
 * key. key_check_spki: BAD_KEY as key_of_spki. key_verify_spki: as
 * key_of_spki and key_verify; 9 us less than these for P-256. */
enum bv_err key_check_spki(const struct alg_spki *spki) BV_CHECKED;
enum bv_err key_verify_spki(const struct alg_spki *spki, enum alg_sig alg,
                            struct span tbs, struct span signature) BV_CHECKED;

/* --- files --- */

/* Encoded keys (PEM or DER) stay below this: RSA-8192, PKCS #8, PEM. */
#define KEY_PEM_MAX 8192

/* key_seal writes PKCS #8 "ENCRYPTED PRIVATE KEY" PEM: PBES2 with scrypt
 * (N=16384, r=8, p=1; RFC 7914) and AES-256-CBC. About 45 ms. */
enum bv_err key_seal(const struct key *key, struct span passphrase,
                     struct sink *out) BV_CHECKED;
/* key_open reads the first "ENCRYPTED PRIVATE KEY" of a PEM text; what else
 * is in the text (a certificate) does not matter.
 *   NOT_FOUND    no such PEM block (a plain key is not taken here)
 *   BAD_MESSAGE  damaged
 *   WRONG_KEY    the passphrase is wrong
 *   REFUSED      protected by less than scrypt N=16384 r=8 or PBKDF2 with
 *                600,000 rounds of SHA-256 or better
 *   UNSUPPORTED  another scheme, or a cost beyond 32 MiB of memory or 10
 *                million rounds
 * key_open_text has a sentence for each, fit for the operator. */
enum bv_err key_open(struct span pem, struct span passphrase,
                     struct key **ret_key) BV_CHECKED;
const char *key_open_text(enum bv_err err);

/* Keys that rest unencrypted: TLS servers and devices, never a CA's.
 * key_open_plain takes "PRIVATE KEY", "EC PRIVATE KEY" or "RSA PRIVATE KEY";
 * key_plain writes "PRIVATE KEY" PEM and key_plain_der the PKCS #8 DER. */
enum bv_err key_open_plain(struct span pem, struct key **ret_key) BV_CHECKED;
enum bv_err key_plain(const struct key *key, struct sink *out) BV_CHECKED;
enum bv_err key_plain_der(const struct key *key, struct sink *out) BV_CHECKED;

#endif
