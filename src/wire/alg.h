/* Key and signature algorithms by name, with their AlgorithmIdentifiers.
 * Freestanding. Policy on what is acceptable lives in core/profile.h; what is
 * not in these lists (SHA-1, DSA, explicit curves) cannot be named at all. */
#ifndef BV_WIRE_ALG_H
#define BV_WIRE_ALG_H

#include "base/sink.h"
#include "base/span.h"

enum alg_key {
    ALG_KEY_NONE = 0,
    ALG_KEY_P256,
    ALG_KEY_P384,
    ALG_KEY_P521,
    ALG_KEY_RSA, /* any modulus size */
    ALG_KEY_ED25519,
};

enum alg_sig {
    ALG_SIG_NONE = 0,
    ALG_SIG_ECDSA_SHA256,
    ALG_SIG_ECDSA_SHA384,
    ALG_SIG_ECDSA_SHA512,
    ALG_SIG_RSA_SHA256, /* PKCS #1 v1.5 */
    ALG_SIG_RSA_SHA384,
    ALG_SIG_RSA_SHA512,
    ALG_SIG_ED25519,
};

/* A SubjectPublicKeyInfo taken apart (RFC 5280 4.1.2.7, 5480, 3279, 8410). */
struct alg_spki {
    enum alg_key alg;
    unsigned bits;     /* 256, 384, 521, 255, or the RSA modulus length */
    struct span whole; /* the SubjectPublicKeyInfo, tag and length included */
    struct span key;   /* the BIT STRING's octets: point, RSAPublicKey, raw */
    struct span n, e;  /* RSA: magnitudes without a leading zero */
};

/* alg_spki_parse takes an SPKI off *in. UNSUPPORTED for an algorithm or curve
 * not listed; BAD_KEY for compressed points, wrong lengths, explicit curves,
 * parameters where none belong. */
enum bv_err alg_spki_parse(struct span *in,
                           struct alg_spki *ret_spki) BV_CHECKED;
/* alg_spki_put writes an SPKI for an uncompressed EC point or Ed25519. */
void alg_spki_put(struct sink *out, enum alg_key alg, struct span key);

/* alg_sig_parse takes an AlgorithmIdentifier off *in and demands the parameters
 * the standards name (ECDSA, Ed25519: absent; RSA: NULL, which RFC 4055 5 has
 * readers take as absent too; alg_sig_put writes it). */
enum bv_err alg_sig_parse(struct span *in, enum alg_sig *ret_sig) BV_CHECKED;
void alg_sig_put(struct sink *out, enum alg_sig sig);
/* alg_sig_of_key: P-256 with SHA-256, P-384/384, P-521/512, RSA/SHA-256. */
enum alg_sig alg_sig_of_key(enum alg_key alg);
/* alg_sig_fits tells whether a key of this kind can make this signature. */
bool alg_sig_fits(enum alg_sig sig, enum alg_key alg);
/* "p256", "p384", "p521", "rsa", "ed25519"; NONE when unknown. */
const char *alg_key_name(enum alg_key alg);
enum alg_key alg_key_of_name(struct span name);
const char *alg_sig_name(enum alg_sig sig);

#endif
