#include "pki/rsa.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/rsa.h>

#include "pki/cipher.h"
#include "pki/evp.h"
#include "tests/unit/pki/certs.h"

static struct key *key;

static int
make_key(void **state)
{
    key = test_key(ALG_KEY_RSA, 2048);
    return 0;
}

static int
drop_key(void **state)
{
    key_free(key);
    return 0;
}

static struct key *
public_half(void)
{
    uint8_t buf[LIMIT_SPKI];
    struct alg_spki spki = test_spki(key, buf);
    struct key *half = NULL;
    assert_int_equal(key_of_spki(&spki, &half), BV_OK);
    return half;
}

#define CONTENT_KEY SPAN_LIT("0123456789abcdef")

static void
carries_a_key(void **state)
{
    static const enum cms_transport transports[] = {CMS_TRANSPORT_PKCS1,
                                                    CMS_TRANSPORT_OAEP_SHA1,
                                                    CMS_TRANSPORT_OAEP_SHA256};
    bv_auto(key) struct key *half = public_half();
    for (size_t i = 0; i < 3; i++) {
        uint8_t buf[256], got[16] = {0};
        struct sink out = SINK_ARRAY(buf);
        assert_int_equal(rsa_wrap(half, transports[i], CONTENT_KEY, &out),
                         BV_OK);
        assert_int_equal(
            rsa_unwrap(key, transports[i], sink_view(&out), got, sizeof(got)),
            BV_OK);
        assert_memory_equal(got, "0123456789abcdef", 16);
    }
}

/* The block as whoever attacks would choose it, encrypted without padding. */
static void
encrypt_raw(const uint8_t block[256], uint8_t ret[256])
{
    size_t len = 256;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    assert_true(EVP_PKEY_encrypt_init(ctx) == 1);
    assert_true(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) == 1);
    assert_true(EVP_PKEY_encrypt(ctx, ret, &len, block, 256) == 1);
    EVP_PKEY_CTX_free(ctx);
}

static void
good_block(uint8_t block[256])
{
    memset(block, 0x55, 256);
    block[0] = 0;
    block[1] = 2;
    block[256 - 17] = 0;
    memcpy(block + 240, "0123456789abcdef", 16);
}

static bool
opens(const uint8_t block[256], size_t len)
{
    uint8_t encrypted[256], got[32];
    encrypt_raw(block, encrypted);
    /* never an error, whatever the block is */
    assert_int_equal(
        rsa_unwrap(key, CMS_TRANSPORT_PKCS1, SPAN_ARRAY(encrypted), got, len),
        BV_OK);
    return memcmp(got, block + 256 - len, len) == 0;
}

static void
bad_padding_is_a_random_key(void **state)
{
    static const struct {
        size_t at;
        uint8_t octet;
    } changes[] = {{0, 1}, {1, 1}, {1, 3}, {2, 0}, {100, 0}, {239, 1}};
    uint8_t block[256];
    good_block(block);
    assert_true(opens(block, 16));
    assert_false(opens(block, 24)); /* a key of another length */
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        good_block(block);
        block[changes[i].at] = changes[i].octet;
        assert_false(opens(block, 16));
    }
}

/* The random key is another each time: one that stayed would tell. */
static void
random_keys_differ(void **state)
{
    uint8_t block[256], encrypted[256], one[16], two[16];
    good_block(block);
    block[1] = 1;
    encrypt_raw(block, encrypted);
    assert_int_equal(
        rsa_unwrap(key, CMS_TRANSPORT_PKCS1, SPAN_ARRAY(encrypted), one, 16),
        BV_OK);
    assert_int_equal(
        rsa_unwrap(key, CMS_TRANSPORT_PKCS1, SPAN_ARRAY(encrypted), two, 16),
        BV_OK);
    assert_memory_not_equal(one, two, 16);
}

static void
what_is_above_the_modulus_is_told_no_more(void **state)
{
    uint8_t encrypted[256], got[16];
    memset(encrypted, 0xff, sizeof(encrypted));
    assert_int_equal(
        rsa_unwrap(key, CMS_TRANSPORT_PKCS1, SPAN_ARRAY(encrypted), got, 16),
        BV_OK);
    assert_int_equal(rsa_unwrap(key, CMS_TRANSPORT_OAEP_SHA256,
                                SPAN_ARRAY(encrypted), got, 16),
                     BV_OK);
}

static void
refuses_what_it_is_not_for(void **state)
{
    bv_auto(key) struct key *half = public_half();
    bv_auto(key) struct key *ec = test_key(ALG_KEY_P256, 0);
    uint8_t encrypted[256] = {0}, got[64], buf[256];
    struct sink out = SINK_ARRAY(buf);
    struct span all = SPAN_ARRAY(encrypted), less = span_of(encrypted, 255);
    enum cms_transport v15 = CMS_TRANSPORT_PKCS1;
    assert_int_equal(rsa_unwrap(half, v15, all, got, 16), BV_E_WRONG_KEY);
    assert_int_equal(rsa_unwrap(ec, v15, all, got, 16), BV_E_UNSUPPORTED);
    assert_int_equal(rsa_unwrap(key, CMS_TRANSPORT_OTHER, all, got, 16),
                     BV_E_UNSUPPORTED);
    assert_int_equal(rsa_unwrap(key, v15, less, got, 16), BV_E_BAD_MESSAGE);
    assert_int_equal(rsa_unwrap(key, v15, all, got, 0), BV_E_USAGE);
    assert_int_equal(rsa_unwrap(key, v15, all, got, 33), BV_E_USAGE);
    assert_int_equal(rsa_wrap(ec, v15, CONTENT_KEY, &out), BV_E_UNSUPPORTED);
}

static void
signs_with_each_hash(void **state)
{
    bv_auto(key) struct key *half = public_half();
    for (int hash = DIGEST_SHA1; hash <= DIGEST_SHA512; hash++) {
        uint8_t digest[DIGEST_MAX], buf[LIMIT_SIGNATURE];
        struct sink sig = SINK_ARRAY(buf);
        digest_of((enum digest_alg)hash, SPAN_LIT("text"), digest);
        struct span d = span_of(digest, digest_len((enum digest_alg)hash));
        assert_int_equal(rsa_sign(key, (enum digest_alg)hash, d, &sig), BV_OK);
        assert_int_equal(
            rsa_verify(half, (enum digest_alg)hash, d, sink_view(&sig)), BV_OK);
        digest[0] ^= 1;
        assert_int_equal(
            rsa_verify(half, (enum digest_alg)hash, d, sink_view(&sig)),
            BV_E_BAD_SIGNATURE);
        d.len--;
        assert_int_equal(rsa_sign(key, (enum digest_alg)hash, d, &sig),
                         BV_E_USAGE);
        assert_int_equal(
            rsa_verify(half, (enum digest_alg)hash, d, sink_view(&sig)),
            BV_E_USAGE);
    }
    struct sink none = {0};
    assert_int_equal(
        rsa_sign(half, DIGEST_SHA1, SPAN_LIT("01234567890123456789"), &none),
        BV_E_WRONG_KEY);
}

/* --- the content itself --- */

#define KEY_32 SPAN_LIT("0123456789abcdef0123456789abcdef")
#define IV_16  SPAN_LIT("fedcba9876543210")

static void
ciphers_there_and_back(void **state)
{
    for (int c = CMS_CIPHER_DES_EDE3_CBC; c <= CMS_CIPHER_AES256_CBC; c++) {
        enum cms_cipher cipher = (enum cms_cipher)c;
        struct span k = KEY_32, iv = IV_16;
        k.len = cms_cipher_key_len(cipher);
        iv.len = cms_cipher_block_len(cipher);
        for (size_t len = 0; len <= 32; len++) {
            uint8_t buf[64], back[80];
            struct sink out = SINK_ARRAY(buf), in = SINK_ARRAY(back);
            struct span text = KEY_32;
            text.len = len;
            assert_int_equal(cipher_encrypt(cipher, k, iv, text, &out), BV_OK);
            assert_int_equal(out.len, text.len - text.len % iv.len + iv.len);
            assert_int_equal(
                cipher_decrypt(cipher, k, iv, sink_view(&out), &in), BV_OK);
            assert_true(span_eq(sink_view(&in), text));
        }
    }
}

/* A known answer: AES-128-CBC of openssl enc. */
static void
cipher_is_what_others_mean_by_it(void **state)
{
    static const uint8_t want[] = {0x7b, 0xed, 0xce, 0xb0, 0x65, 0x5f,
                                   0x38, 0x94, 0x10, 0x69, 0x78, 0x9f,
                                   0x36, 0x46, 0x20, 0x91};
    uint8_t buf[32];
    struct sink out = SINK_ARRAY(buf);
    assert_int_equal(cipher_encrypt(CMS_CIPHER_AES128_CBC, CONTENT_KEY, IV_16,
                                    SPAN_LIT("hello"), &out),
                     BV_OK);
    assert_int_equal(out.len, sizeof(want));
    assert_memory_equal(buf, want, sizeof(want));
}

static void
cipher_refusals(void **state)
{
    uint8_t buf[32];
    struct sink out = SINK_ARRAY(buf), small = sink_of(buf, 20);
    struct span k = CONTENT_KEY, iv = IV_16;
    enum cms_cipher aes = CMS_CIPHER_AES128_CBC;
    assert_int_equal(cipher_encrypt(CMS_CIPHER_OTHER, k, iv, k, &out),
                     BV_E_USAGE);
    assert_int_equal(cipher_encrypt(CMS_CIPHER_AES256_CBC, k, iv, k, &out),
                     BV_E_USAGE);
    assert_int_equal(cipher_encrypt(aes, k, SPAN_LIT("iv"), k, &out),
                     BV_E_USAGE);
    assert_int_equal(cipher_encrypt(aes, k, iv, k, &small), BV_E_NO_SPACE);
    assert_int_equal(cipher_decrypt(aes, k, iv, SPAN_LIT("odd"), &out),
                     BV_E_BAD_MESSAGE);
    assert_int_equal(cipher_decrypt(aes, k, iv, SPAN_EMPTY, &out),
                     BV_E_BAD_MESSAGE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_a_key),
        cmocka_unit_test(bad_padding_is_a_random_key),
        cmocka_unit_test(random_keys_differ),
        cmocka_unit_test(what_is_above_the_modulus_is_told_no_more),
        cmocka_unit_test(refuses_what_it_is_not_for),
        cmocka_unit_test(signs_with_each_hash),
        cmocka_unit_test(ciphers_there_and_back),
        cmocka_unit_test(cipher_is_what_others_mean_by_it),
        cmocka_unit_test(cipher_refusals),
    };
    return cmocka_run_group_tests(tests, make_key, drop_key);
}
