/* With library_begin before everything else: what signatures need is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "pki/digest.h"
#include "pki/key.h"
#include "pki/library.h"

struct kind {
    const char *type, *curve, *digest;
};

/* RFC 5758, RFC 4055, RFC 8410 */
static const struct kind kinds[] = {
    {"EC", "P-256", "SHA224"}, {"EC", "P-256", "SHA256"},
    {"EC", "P-384", "SHA384"}, {"EC", "P-521", "SHA512"},
    {"RSA", NULL, "SHA256"},   {"RSA", NULL, "SHA384"},
    {"RSA", NULL, "SHA512"},   {"ED25519", NULL, NULL},
};

static EVP_PKEY *
make_key(const struct kind *kind)
{
    if (kind->curve != NULL)
        return EVP_PKEY_Q_keygen(NULL, NULL, "EC", kind->curve);
    if (kind->type[0] == 'R')
        return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    return EVP_PKEY_Q_keygen(NULL, NULL, kind->type);
}

static void
signed_certificates_verify(void **state)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        EVP_PKEY *key = make_key(&kinds[i]);
        EVP_MD *md = kinds[i].digest == NULL
                         ? NULL
                         : EVP_MD_fetch(NULL, kinds[i].digest, NULL);
        X509 *cert = X509_new(), *read = NULL;
        unsigned char *der = NULL;
        assert_non_null(key);
        assert_non_null(X509_gmtime_adj(X509_getm_notBefore(cert), 0));
        assert_non_null(X509_gmtime_adj(X509_getm_notAfter(cert), 60));
        assert_int_equal(X509_set_pubkey(cert, key), 1);
        assert_true(X509_sign(cert, key, md) > 0);
        int len = i2d_X509(cert, &der);
        assert_true(len > 0);
        const unsigned char *p = der;
        read = d2i_X509(NULL, &p, len);
        assert_non_null(read);
        if (X509_verify(read, X509_get0_pubkey(read)) != 1)
            fail_msg("%s %s", kinds[i].type, kinds[i].digest);
        der[len - 1] ^= 1; /* in the signature */
        p = der;
        X509_free(read);
        read = d2i_X509(NULL, &p, len);
        assert_true(read == NULL ||
                    X509_verify(read, X509_get0_pubkey(read)) != 1);
        X509_free(read);
        X509_free(cert);
        EVP_MD_free(md);
        EVP_PKEY_free(key);
        OPENSSL_free(der);
    }
}

static void
the_rest_of_the_old_tables_is_empty(void **state)
{
    assert_non_null(EVP_get_digestbyname("SHA256"));
    assert_null(EVP_get_digestbyname("MD5"));
    assert_null(EVP_get_cipherbyname("CAMELLIA-256-CBC"));
}

/* sealing and opening goes by PBES2 with scrypt and a cipher by its OID */
static void
sealed_keys_open(void **state)
{
    struct key *key = NULL, *again = NULL;
    uint8_t buf[KEY_PEM_MAX];
    struct sink out = SINK_ARRAY(buf);
    assert_int_equal(key_generate(ALG_KEY_P256, 0, &key), BV_OK);
    assert_int_equal(key_seal(key, span_str("a passphrase"), &out), BV_OK);
    assert_int_equal(
        key_open(sink_view(&out), span_str("a passphrasE"), &again),
        BV_E_WRONG_KEY);
    assert_int_equal(
        key_open(sink_view(&out), span_str("a passphrase"), &again), BV_OK);
    key_free(key);
    key_free(again);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rest_of_the_old_tables_is_empty),
        cmocka_unit_test(signed_certificates_verify),
        cmocka_unit_test(sealed_keys_open),
    };
    library_begin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
