/* Keys at rest: sealed with a passphrase, or plain where nobody is there to
 * type one. */
#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include "pki/evp.h"
#include "pki/key.h"
#include "wire/der.h"
#include "wire/pem.h"

#define SCRYPT_N   16384
#define SCRYPT_R   8
#define SCRYPT_P   1
#define SCRYPT_MAX (UINT64_C(32) << 20) /* octets OpenSSL will spend */
#define PBKDF2_MIN 600000
#define PBKDF2_MAX 10000000
#define SALT_LEN   16

BV_AUTO_DEFINE(X509_SIG, X509_SIG, X509_SIG_free)
BV_AUTO_DEFINE(P8, PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free)

/* A buffer for key material; wiped when it goes out of scope. */
struct secret {
    uint8_t data[KEY_PEM_MAX];
};
static void
secret_wipe(struct secret *secret)
{
    OPENSSL_cleanse(secret->data, sizeof secret->data);
}
#define SECRET __attribute__((cleanup(secret_wipe))) struct secret

/* --- reading the protection, RFC 8018 A.4 and RFC 7914 7 --- */

static const uint8_t oid_pbes2[] = {0x2a, 0x86, 0x48, 0x86, 0xf7,
                                    0x0d, 0x01, 0x05, 0x0d};
static const uint8_t oid_pbkdf2[] = {0x2a, 0x86, 0x48, 0x86, 0xf7,
                                     0x0d, 0x01, 0x05, 0x0c};
static const uint8_t oid_scrypt[] = {0x2b, 0x06, 0x01, 0x04, 0x01,
                                     0xda, 0x47, 0x04, 0x0b};
static const uint8_t oid_hmac[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02};
static const uint8_t oid_aes[] = {0x60, 0x86, 0x48, 0x01,
                                  0x65, 0x03, 0x04, 0x01};

static enum bv_err
check_scrypt(struct span in)
{
    struct span params, salt;
    uint64_t n, r, p;

    BV_TRY(der_only(in, DER_SEQUENCE, &params));
    BV_TRY(der_take(&params, DER_OCTET_STRING, &salt));
    BV_TRY(der_uint(&params, &n));
    BV_TRY(der_uint(&params, &r));
    BV_TRY(der_uint(&params, &p));
    if (n > SCRYPT_MAX || r > 1024 || p > 64 || n * r * 128 > SCRYPT_MAX)
        return BV_E_UNSUPPORTED;
    return n * r < SCRYPT_N * SCRYPT_R || p == 0 ? BV_E_REFUSED : BV_OK;
}

static bool
is_hmac_sha2(struct span oid)
{
    return oid.len == sizeof oid_hmac + 1 &&
           span_eq(span_of(oid.data, sizeof oid_hmac), SPAN_ARRAY(oid_hmac)) &&
           oid.data[sizeof oid_hmac] >= 9 && oid.data[sizeof oid_hmac] <= 11;
}

static enum bv_err
check_pbkdf2(struct span in)
{
    struct span params, salt, prf, oid;
    uint64_t rounds, len;

    BV_TRY(der_only(in, DER_SEQUENCE, &params));
    BV_TRY(der_take(&params, DER_OCTET_STRING, &salt));
    BV_TRY(der_uint(&params, &rounds));
    if (der_next_is(params, DER_INTEGER))
        BV_TRY(der_uint(&params, &len));
    if (params.len == 0) /* the default is HMAC with SHA-1 */
        return BV_E_REFUSED;
    BV_TRY(der_only(params, DER_SEQUENCE, &prf));
    BV_TRY(der_oid(&prf, &oid));
    if (rounds > PBKDF2_MAX)
        return BV_E_UNSUPPORTED;
    return !is_hmac_sha2(oid) || rounds < PBKDF2_MIN ? BV_E_REFUSED : BV_OK;
}

/* AES-128, -192 or -256 in CBC mode: arcs 2, 22 and 42 */
static bool
is_aes_cbc(struct span oid)
{
    if (oid.len != sizeof oid_aes + 1 ||
        !span_eq(span_of(oid.data, sizeof oid_aes), SPAN_ARRAY(oid_aes)))
        return false;
    uint8_t arc = oid.data[sizeof oid_aes];
    return arc == 2 || arc == 22 || arc == 42;
}

static enum bv_err
check_protection(struct span der)
{
    struct span info, alg, oid, params, kdf, enc;

    BV_TRY(der_only(der, DER_SEQUENCE, &info));
    BV_TRY(der_take(&info, DER_SEQUENCE, &alg));
    BV_TRY(der_oid(&alg, &oid));
    if (!span_eq(oid, SPAN_ARRAY(oid_pbes2)))
        return BV_E_UNSUPPORTED;
    BV_TRY(der_only(alg, DER_SEQUENCE, &params));
    BV_TRY(der_take(&params, DER_SEQUENCE, &kdf));
    BV_TRY(der_only(params, DER_SEQUENCE, &enc));
    BV_TRY(der_oid(&enc, &oid));
    if (!is_aes_cbc(oid))
        return BV_E_UNSUPPORTED;
    BV_TRY(der_oid(&kdf, &oid));
    if (span_eq(oid, SPAN_ARRAY(oid_scrypt)))
        return check_scrypt(kdf);
    if (span_eq(oid, SPAN_ARRAY(oid_pbkdf2)))
        return check_pbkdf2(kdf);
    return BV_E_UNSUPPORTED;
}

/* --- opening --- */

static enum bv_err
finish_open(EVP_PKEY *pkey, enum bv_err otherwise, struct key **ret_key)
{
    ERR_clear_error();
    if (pkey == NULL)
        return otherwise;
    return key_of_evp(pkey, true, ret_key);
}

enum bv_err
key_open(struct span pem, struct span passphrase, struct key **ret_key)
{
    uint8_t buf[KEY_PEM_MAX];
    struct sink out = SINK_ARRAY(buf);
    bv_auto(X509_SIG) X509_SIG *sig = NULL;
    bv_auto(P8) PKCS8_PRIV_KEY_INFO *p8 = NULL;
    struct span der;

    BV_TRY(pem_find(&pem, PEM_ENCRYPTED_PRIVATE_KEY, &out, &der));
    BV_TRY(check_protection(der));
    const unsigned char *p = der.data;
    sig = d2i_X509_SIG(NULL, &p, (long)der.len);
    if (sig == NULL)
        return finish_open(NULL, BV_E_BAD_MESSAGE, ret_key);
    p8 = PKCS8_decrypt(sig, (const char *)passphrase.data, (int)passphrase.len);
    if (p8 == NULL)
        return finish_open(NULL, BV_E_WRONG_KEY, ret_key);
    return finish_open(EVP_PKCS82PKEY(p8), BV_E_WRONG_KEY, ret_key);
}

const char *
key_open_text(enum bv_err err)
{
    if (err == BV_E_NOT_FOUND)
        return "the file holds no encrypted private key";
    if (err == BV_E_BAD_MESSAGE || err == BV_E_TRAILING_BYTES)
        return "the key file is damaged";
    if (err == BV_E_WRONG_KEY)
        return "the passphrase is wrong";
    if (err == BV_E_REFUSED)
        return "the key is protected too weakly: seal it again with scrypt "
               "(N=16384) or PBKDF2 with 600000 rounds of HMAC-SHA256";
    if (err == BV_E_UNSUPPORTED)
        return "the key's kind or protection is not supported: use PBES2 with "
               "scrypt or PBKDF2 and AES-CBC";
    return err_text(err);
}

enum bv_err
key_open_plain(struct span pem, struct key **ret_key)
{
    static const char *const labels[] = {PEM_PRIVATE_KEY, PEM_EC_PRIVATE_KEY,
                                         "RSA PRIVATE KEY"};
    SECRET secret;

    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        struct span text = pem, der;
        struct sink out = SINK_ARRAY(secret.data);
        enum bv_err err = pem_find(&text, labels[i], &out, &der);
        if (err == BV_E_NOT_FOUND)
            continue;
        BV_TRY(err);
        const unsigned char *p = der.data;
        EVP_PKEY *pkey = d2i_AutoPrivateKey(NULL, &p, (long)der.len);
        return finish_open(pkey, BV_E_BAD_MESSAGE, ret_key);
    }
    return BV_E_NOT_FOUND;
}

/* --- writing --- */

static enum bv_err
put_pem(struct sink *out, const char *label, struct span der)
{
    struct span all;
    pem_encode(out, label, der);
    return sink_done(out, &all);
}

static X509_SIG *
seal(const struct key *key, struct span passphrase)
{
    bv_auto(P8) PKCS8_PRIV_KEY_INFO *p8 = EVP_PKEY2PKCS8(key->pkey);
    X509_ALGOR *alg;
    X509_SIG *sig;

    if (p8 == NULL)
        return NULL;
    alg = PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), NULL, SALT_LEN, NULL,
                                SCRYPT_N, SCRYPT_R, SCRYPT_P);
    if (alg == NULL)
        return NULL;
    sig = PKCS8_set0_pbe((const char *)passphrase.data, (int)passphrase.len, p8,
                         alg);
    if (sig == NULL)
        X509_ALGOR_free(alg);
    return sig;
}

enum bv_err
key_seal(const struct key *key, struct span passphrase, struct sink *out)
{
    bv_auto(X509_SIG) X509_SIG *sig = NULL;
    uint8_t buf[KEY_PEM_MAX], *p = buf;

    if (!key->is_private)
        return BV_E_WRONG_KEY;
    sig = seal(key, passphrase);
    int len = sig == NULL ? -1 : i2d_X509_SIG(sig, NULL);
    if (len <= 0)
        return BV_E_CRYPTO;
    if (len > (int)sizeof buf)
        return BV_E_NO_SPACE;
    (void)i2d_X509_SIG(sig, &p);
    return put_pem(out, PEM_ENCRYPTED_PRIVATE_KEY, span_of(buf, (size_t)len));
}

enum bv_err
key_plain_der(const struct key *key, struct sink *out)
{
    bv_auto(P8) PKCS8_PRIV_KEY_INFO *p8 = NULL;
    struct span all;
    SECRET secret;
    uint8_t *p = secret.data;

    if (!key->is_private)
        return BV_E_WRONG_KEY;
    p8 = EVP_PKEY2PKCS8(key->pkey);
    int len = p8 == NULL ? -1 : i2d_PKCS8_PRIV_KEY_INFO(p8, NULL);
    if (len <= 0)
        return BV_E_CRYPTO;
    if (len > (int)sizeof secret.data)
        return BV_E_NO_SPACE;
    (void)i2d_PKCS8_PRIV_KEY_INFO(p8, &p);
    sink_put(out, span_of(secret.data, (size_t)len));
    return sink_done(out, &all);
}

enum bv_err
key_plain(const struct key *key, struct sink *out)
{
    SECRET secret;
    struct sink der = SINK_ARRAY(secret.data);

    BV_TRY(key_plain_der(key, &der));
    return put_pem(out, PEM_PRIVATE_KEY, sink_view(&der));
}
