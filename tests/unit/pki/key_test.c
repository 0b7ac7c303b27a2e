#include "pki/key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cmocka.h>

#define PASS SPAN_LIT("correct horse")

static const struct {
    enum alg_key alg;
    unsigned bits;
} kinds[] = {{ALG_KEY_P256, 256},
             {ALG_KEY_P384, 384},
             {ALG_KEY_P521, 521},
             {ALG_KEY_RSA, 2048},
             {ALG_KEY_ED25519, 255}};
#define NUM_KINDS (sizeof kinds / sizeof *kinds)

static struct key *made[NUM_KINDS];

static int
make_keys(void **state)
{
    for (size_t i = 0; i < NUM_KINDS; i++)
        if (key_generate(kinds[i].alg, kinds[i].bits, &made[i]) != BV_OK)
            return -1;
    return 0;
}

static int
free_keys(void **state)
{
    for (size_t i = 0; i < NUM_KINDS; i++)
        key_free(made[i]);
    return 0;
}

static struct span
spki_of(const struct key *key, uint8_t *buf)
{
    struct sink out = sink_of(buf, LIMIT_SPKI);
    assert_int_equal(key_spki(key, &out), BV_OK);
    return sink_view(&out);
}

static const EVP_MD *
md_of(enum alg_key alg)
{
    return alg == ALG_KEY_ED25519 ? NULL
           : alg == ALG_KEY_P384  ? EVP_sha384()
           : alg == ALG_KEY_P521  ? EVP_sha512()
                                  : EVP_sha256();
}

/* Our import and verify, and OpenSSL's own decoder and verify, agree on
 * signatures of every kind of key. */
static void
sign_and_verify(void **state)
{
    struct span tbs = SPAN_LIT("to be signed");

    for (size_t i = 0; i < NUM_KINDS; i++) {
        uint8_t spki_buf[LIMIT_SPKI], sig_buf[LIMIT_SIGNATURE];
        struct sink out = SINK_ARRAY(sig_buf);
        struct span spki = spki_of(made[i], spki_buf);
        bv_auto(key) struct key *pub = NULL;

        assert_int_equal(key_alg(made[i]), kinds[i].alg);
        assert_int_equal(key_sign(made[i], tbs, &out), BV_OK);
        struct span sig = sink_view(&out);
        assert_int_equal(key_of_spki_der(spki, &pub), BV_OK);
        assert_int_equal(key_bits(pub), kinds[i].bits);
        assert_false(key_is_private(pub));
        assert_true(key_match(pub, made[i]));
        assert_true(key_match_spki(made[i], spki));
        assert_false(key_match(pub, made[(i + 1) % NUM_KINDS]));

        enum alg_sig alg = alg_sig_of_key(kinds[i].alg);
        assert_int_equal(key_verify(pub, alg, tbs, sig), BV_OK);
        assert_int_equal(key_verify(pub, alg, tbs, sig), BV_OK);
        assert_int_equal(key_verify(pub, alg, SPAN_LIT("other"), sig),
                         BV_E_BAD_SIGNATURE);
        sig_buf[sig.len / 2] ^= 1;
        assert_int_equal(key_verify(pub, alg, tbs, sig), BV_E_BAD_SIGNATURE);
        sig_buf[sig.len / 2] ^= 1;
        assert_int_equal(key_verify(pub, alg, tbs, span_of(sig.data, 3)),
                         BV_E_BAD_SIGNATURE);
        assert_int_equal(key_verify(pub, alg, tbs, SPAN_EMPTY),
                         BV_E_BAD_SIGNATURE);

        const unsigned char *p = spki.data;
        EVP_PKEY *theirs = d2i_PUBKEY(NULL, &p, (long)spki.len);
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        assert_non_null(theirs);
        assert_int_equal(
            EVP_DigestVerifyInit(ctx, NULL, md_of(kinds[i].alg), NULL, theirs),
            1);
        assert_int_equal(
            EVP_DigestVerify(ctx, sig.data, sig.len, tbs.data, tbs.len), 1);
        EVP_MD_CTX_free(ctx);
        EVP_PKEY_free(theirs);
        out = SINK_ARRAY(sig_buf);
        assert_int_equal(key_sign(pub, tbs, &out), BV_E_WRONG_KEY);
    }
}

/* A key of another owner, or none at all, between two uses of the kept one
 * changes nothing: each signature counts for its own key only. */
static void
verify_by_spki(void **state)
{
    struct span tbs = SPAN_LIT("to be signed");

    for (size_t i = 0; i < NUM_KINDS; i++) {
        uint8_t bufs[2][LIMIT_SPKI], sigs[2][LIMIT_SIGNATURE];
        struct alg_spki spki[2], bad;
        struct span sig[2];
        bv_auto(key) struct key *other = NULL;
        enum alg_sig alg = alg_sig_of_key(kinds[i].alg);

        assert_int_equal(key_generate(kinds[i].alg, kinds[i].bits, &other),
                         BV_OK);
        for (size_t k = 0; k < 2; k++) {
            struct key *key = k == 0 ? made[i] : other;
            struct sink out = SINK_ARRAY(sigs[k]);
            struct span in = spki_of(key, bufs[k]);
            assert_int_equal(alg_spki_parse(&in, &spki[k]), BV_OK);
            assert_int_equal(key_sign(key, tbs, &out), BV_OK);
            sig[k] = sink_view(&out);
        }
        for (size_t n = 0; n < 6; n++) {
            size_t k = n % 2;
            assert_int_equal(key_check_spki(&spki[k]), BV_OK);
            assert_int_equal(key_verify_spki(&spki[k], alg, tbs, sig[k]),
                             BV_OK);
            assert_int_equal(key_verify_spki(&spki[k], alg, tbs, sig[!k]),
                             BV_E_BAD_SIGNATURE);
            bad = spki[k];
            bad.key.len--;
            if (kinds[i].alg != ALG_KEY_RSA)
                assert_int_equal(key_verify_spki(&bad, alg, tbs, sig[k]),
                                 BV_E_BAD_KEY);
        }
    }
}

static void
algorithms_do_not_mix(void **state)
{
    struct span tbs = SPAN_LIT("x");
    assert_int_equal(key_verify(made[0], ALG_SIG_RSA_SHA256, tbs, tbs),
                     BV_E_UNSUPPORTED);
    assert_int_equal(key_verify(made[3], ALG_SIG_ED25519, tbs, tbs),
                     BV_E_UNSUPPORTED);
    assert_int_equal(key_verify(made[0], ALG_SIG_NONE, tbs, tbs),
                     BV_E_UNSUPPORTED);
}

static void
digests(void **state)
{
    uint8_t buf[LIMIT_SIGNATURE], digest[32] = {1};
    struct sink out = SINK_ARRAY(buf);

    assert_int_equal(key_sign_digest(made[0], SPAN_ARRAY(digest), &out), BV_OK);
    out = SINK_ARRAY(buf);
    assert_int_equal(key_sign_digest(made[3], SPAN_ARRAY(digest), &out), BV_OK);
    assert_int_equal(out.len, 256);
    assert_int_equal(key_sign_digest(made[1], SPAN_ARRAY(digest), &out),
                     BV_E_USAGE);
    assert_int_equal(key_sign_digest(made[4], SPAN_ARRAY(digest), &out),
                     BV_E_UNSUPPORTED);
}

static void
bad_points(void **state)
{
    for (size_t i = 0; i < 3; i++) {
        uint8_t buf[LIMIT_SPKI];
        struct span spki = spki_of(made[i], buf);
        struct key *key = NULL;
        buf[spki.len - 1] ^= 1;
        assert_int_equal(key_of_spki_der(spki, &key), BV_E_BAD_KEY);
        assert_null(key);
        buf[spki.len - 1] ^= 1;
        assert_int_equal(key_of_spki_der(span_of(buf, spki.len - 1), &key),
                         BV_E_BAD_MESSAGE);
        assert_int_equal(key_of_spki_der(span_of(buf, spki.len + 1), &key),
                         BV_E_TRAILING_BYTES);
    }
}

static void
sizes_of_rsa(void **state)
{
    struct key *key = NULL;
    assert_int_equal(key_generate(ALG_KEY_RSA, 1024, &key), BV_E_USAGE);
    assert_int_equal(key_generate(ALG_KEY_RSA, 2049, &key), BV_E_USAGE);
    assert_int_equal(key_generate(ALG_KEY_NONE, 0, &key), BV_E_USAGE);
}

static void
sealed(void **state)
{
    for (size_t i = 0; i < NUM_KINDS; i++) {
        uint8_t buf[KEY_PEM_MAX];
        struct sink out = SINK_ARRAY(buf);
        bv_auto(key) struct key *back = NULL;
        struct key *none = NULL;

        assert_int_equal(key_seal(made[i], PASS, &out), BV_OK);
        assert_int_equal(key_open(sink_view(&out), PASS, &back), BV_OK);
        assert_true(key_is_private(back));
        assert_true(key_match(back, made[i]));
        if (i > 0)
            continue;
        assert_int_equal(
            key_open(sink_view(&out), SPAN_LIT("correct horsf"), &none),
            BV_E_WRONG_KEY);
        assert_int_equal(key_open(sink_view(&out), SPAN_EMPTY, &none),
                         BV_E_WRONG_KEY);
        assert_int_equal(key_open_plain(sink_view(&out), &none),
                         BV_E_NOT_FOUND);
        assert_non_null(strstr(key_open_text(BV_E_WRONG_KEY), "passphrase"));
    }
}

static void
plain(void **state)
{
    for (size_t i = 0; i < NUM_KINDS; i++) {
        uint8_t buf[KEY_PEM_MAX];
        struct sink out = SINK_ARRAY(buf);
        bv_auto(key) struct key *back = NULL;
        struct key *none = NULL;

        assert_int_equal(key_plain(made[i], &out), BV_OK);
        assert_int_equal(key_open_plain(sink_view(&out), &back), BV_OK);
        assert_true(key_match(back, made[i]));
        assert_int_equal(key_open(sink_view(&out), PASS, &none),
                         BV_E_NOT_FOUND);
    }
}

/* --- files the openssl command makes and reads --- */

static struct span
run(const char *command, uint8_t *buf, size_t cap)
{
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t len = fread(buf, 1, cap, pipe);
    assert_int_equal(pclose(pipe), 0);
    return span_of(buf, len);
}

#define PKCS8                                                                  \
    "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 "          \
    "2>/dev/null | openssl pkcs8 -topk8 -passout pass:'correct horse' "

static enum bv_err
open_theirs(const char *command)
{
    uint8_t buf[KEY_PEM_MAX];
    bv_auto(key) struct key *key = NULL;
    return key_open(run(command, buf, sizeof buf), PASS, &key);
}

static void
openssl_seals(void **state)
{
    assert_int_equal(open_theirs(PKCS8 "-scrypt"), BV_OK);
    assert_int_equal(
        open_theirs(PKCS8 "-v2 aes256 -v2prf hmacWithSHA256 -iter 600000"),
        BV_OK);
    assert_int_equal(
        open_theirs(PKCS8 "-v2 aes128 -v2prf hmacWithSHA512 -iter 600000"),
        BV_OK);
    /* the command's defaults: 2,048 rounds */
    assert_int_equal(open_theirs(PKCS8), BV_E_REFUSED);
    assert_int_equal(
        open_theirs(PKCS8 "-v2 aes256 -v2prf hmacWithSHA1 -iter 600000"),
        BV_E_REFUSED);
    assert_int_equal(open_theirs(PKCS8 "-scrypt -scrypt_N 4096"), BV_E_REFUSED);
    assert_int_equal(
        open_theirs(PKCS8 "-v2 des3 -v2prf hmacWithSHA256 -iter 600000"),
        BV_E_UNSUPPORTED);
    assert_int_equal(open_theirs(PKCS8 "-v1 PBE-SHA1-3DES"), BV_E_UNSUPPORTED);
}

static void
openssl_opens(void **state)
{
    char path[] = "/tmp/key-XXXXXX", command[200];
    uint8_t buf[KEY_PEM_MAX];
    struct sink out = SINK_ARRAY(buf);
    int fd = mkstemp(path);

    assert_int_equal(key_seal(made[3], PASS, &out), BV_OK);
    assert_int_equal(write(fd, buf, out.len), (ssize_t)out.len);
    assert_int_equal(close(fd), 0);
    (void)snprintf(command, sizeof command,
                   "openssl pkey -in %s -passin pass:'correct horse' -pubout "
                   "-outform DER",
                   path);
    assert_true(key_match_spki(made[3], run(command, buf, sizeof buf)));
    assert_int_equal(unlink(path), 0);
}

static void
openssl_plain_forms(void **state)
{
    static const char *const commands[] = {
        "openssl ecparam -name prime256v1 -genkey",
        "openssl genrsa -traditional 2048 2>/dev/null",
        "openssl genpkey -algorithm ed25519",
    };
    uint8_t buf[KEY_PEM_MAX];
    struct key *none = NULL;

    for (size_t i = 0; i < 3; i++) {
        bv_auto(key) struct key *key = NULL;
        assert_int_equal(
            key_open_plain(run(commands[i], buf, sizeof buf), &key), BV_OK);
    }
    assert_int_equal(
        key_open_plain(
            run("openssl ecparam -name secp256k1 -genkey", buf, sizeof buf),
            &none),
        BV_E_UNSUPPORTED);
    assert_int_equal(key_open_plain(run("openssl ecparam -name prime256v1 "
                                        "-genkey -param_enc explicit",
                                        buf, sizeof buf),
                                    &none),
                     BV_E_BAD_KEY);
}

static void
damaged_files(void **state)
{
    uint8_t buf[KEY_PEM_MAX], copy[KEY_PEM_MAX];
    struct sink out = SINK_ARRAY(buf);
    struct key *key = NULL;

    assert_int_equal(key_seal(made[0], PASS, &out), BV_OK);
    for (size_t at = 40; at < 200; at += 16) { /* in the parameters */
        memcpy(copy, buf, out.len);
        copy[at] = copy[at] == 'A' ? 'B' : 'A';
        assert_int_not_equal(key_open(span_of(copy, out.len), PASS, &key),
                             BV_OK);
    }
    assert_int_equal(key_open(span_of(buf, out.len / 2), PASS, &key),
                     BV_E_BAD_MESSAGE);
    assert_int_equal(key_open(SPAN_EMPTY, PASS, &key), BV_E_NOT_FOUND);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sign_and_verify),
        cmocka_unit_test(verify_by_spki),
        cmocka_unit_test(algorithms_do_not_mix),
        cmocka_unit_test(digests),
        cmocka_unit_test(bad_points),
        cmocka_unit_test(sizes_of_rsa),
        cmocka_unit_test(sealed),
        cmocka_unit_test(plain),
        cmocka_unit_test(openssl_seals),
        cmocka_unit_test(openssl_opens),
        cmocka_unit_test(openssl_plain_forms),
        cmocka_unit_test(damaged_files),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
