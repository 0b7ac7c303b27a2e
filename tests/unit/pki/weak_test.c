#include "pki/weak.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/bn.h>

#include <cmocka.h>

#include "pki/digest.h"
#include "tests/unit/pki/certs.h"

static const uint8_t e65537[] = {1, 0, 1};

static enum weak
check_n(const BIGNUM *n, struct span e, const struct weak_list *list)
{
    static uint8_t buf[1100];
    int len = BN_bn2bin(n, buf);
    struct alg_spki spki = {.alg = ALG_KEY_RSA,
                            .bits = (unsigned)BN_num_bits(n),
                            .n = span_of(buf, (size_t)len),
                            .e = e};
    return weak_check(&spki, list, 0);
}

static BIGNUM *
prime(int bits)
{
    BIGNUM *p = BN_new();
    assert_int_equal(BN_generate_prime_ex(p, bits, 0, NULL, NULL, NULL), 1);
    return p;
}

static BIGNUM *
product(const BIGNUM *a, const BIGNUM *b)
{
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *n = BN_new();
    assert_int_equal(BN_mul(n, a, b, ctx), 1);
    BN_CTX_free(ctx);
    return n;
}

static void
honest_keys(void **state)
{
    static const struct {
        enum alg_key alg;
        unsigned bits;
    } kinds[] = {{ALG_KEY_P256, 0},   {ALG_KEY_P384, 0},
                 {ALG_KEY_P521, 0},   {ALG_KEY_ED25519, 0},
                 {ALG_KEY_RSA, 2048}, {ALG_KEY_RSA, 3072}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        bv_auto(key) struct key *key = test_key(kinds[i].alg, kinds[i].bits);
        uint8_t buf[LIMIT_SPKI];
        struct alg_spki spki = test_spki(key, buf);
        assert_int_equal(weak_check(&spki, NULL, 0), WEAK_NONE);
        if (kinds[i].bits == 2048)
            assert_int_equal(weak_check(&spki, NULL, 3072), WEAK_RSA_SIZE);
    }
}

static void
shape_of_rsa(void **state)
{
    BIGNUM *p = prime(1024), *q = prime(1024), *s = prime(600);
    BIGNUM *n = product(p, q), *small = product(p, s);

    assert_int_equal(check_n(n, SPAN_ARRAY(e65537), NULL), WEAK_NONE);
    assert_int_equal(check_n(small, SPAN_ARRAY(e65537), NULL), WEAK_RSA_SIZE);
    BIGNUM *r = prime(1028), *odd = product(p, r); /* 2,052 or 2,051 bits */
    assert_int_equal(check_n(odd, SPAN_ARRAY(e65537), NULL), WEAK_RSA_SIZE);
    BN_free(r);
    BN_free(odd);
    assert_int_equal(check_n(n, SPAN_LIT("\x03"), NULL), WEAK_RSA_EXPONENT);
    assert_int_equal(check_n(n, SPAN_LIT("\x01"), NULL), WEAK_RSA_EXPONENT);
    assert_int_equal(check_n(n, SPAN_LIT("\x01\x00\x00"), NULL),
                     WEAK_RSA_EXPONENT);
    assert_int_equal(check_n(n, SPAN_LIT("\x01\x00\x02"), NULL),
                     WEAK_RSA_EXPONENT);
    assert_int_equal(check_n(n, SPAN_LIT("\xff\xff"), NULL), WEAK_RSA_EXPONENT);
    /* fine by FIPS 186-5, and another name for the same key */
    assert_int_equal(check_n(n, SPAN_LIT("\x01\x00\x03"), NULL),
                     WEAK_RSA_EXPONENT);
    assert_int_equal(
        check_n(n, SPAN_LIT("\xff\xff\xff\xff\xff\xff\xff\xff"), NULL),
        WEAK_RSA_EXPONENT);
    assert_int_equal(BN_sub_word(n, 1), 1);
    assert_int_equal(check_n(n, SPAN_ARRAY(e65537), NULL), WEAK_RSA_EVEN);
    BN_free(p);
    BN_free(q);
    BN_free(s);
    BN_free(n);
    BN_free(small);
}

static void
small_factors(void **state)
{
    static const BN_ULONG factors[] = {3, 5, 7, 751, 2039, 4093};
    BIGNUM *p = prime(2047);

    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
        BIGNUM *n = BN_dup(p);
        assert_int_equal(BN_mul_word(n, factors[i]), 1);
        assert_int_equal(check_n(n, SPAN_ARRAY(e65537), NULL),
                         WEAK_RSA_SMALL_FACTOR);
        BN_free(n);
    }
    BN_free(p);
}

static void
close_primes(void **state)
{
    BIGNUM *p = prime(1024), *q = BN_dup(p), *n;

    n = product(p, p);
    assert_int_equal(check_n(n, SPAN_ARRAY(e65537), NULL),
                     WEAK_RSA_CLOSE_PRIMES);
    BN_free(n);
    /* the next primes above p, as one broken printer library took them */
    for (int i = 0; i < 2; i++) {
        BN_CTX *ctx = BN_CTX_new();
        do
            assert_int_equal(BN_add_word(q, 2), 1);
        while (BN_check_prime(q, ctx, NULL) != 1);
        BN_CTX_free(ctx);
        n = product(p, q);
        assert_int_equal(check_n(n, SPAN_ARRAY(e65537), NULL),
                         WEAK_RSA_CLOSE_PRIMES);
        BN_free(n);
    }
    BN_free(p);
    BN_free(q);
}

/* A prime of the faulty chip's form: k M + (65537^a mod M). */
static BIGNUM *
roca_prime(BN_CTX *ctx)
{
    BIGNUM *m = BN_new(), *k = BN_new(), *r = BN_new(), *p = BN_new();
    assert_int_equal(BN_set_word(m, 2), 1);
    for (BN_ULONG d = 3; d <= 701; d += 2) {
        bool is = true;
        for (BN_ULONG f = 3; f * f <= d; f += 2)
            is = is && d % f != 0;
        if (is)
            assert_int_equal(BN_mul_word(m, d), 1);
    }
    do {
        BIGNUM *base = BN_new();
        assert_int_equal(BN_set_word(base, 65537), 1);
        assert_int_equal(BN_rand(k, 60, 0, 0), 1);
        assert_int_equal(BN_mod_exp(r, base, k, m, ctx), 1);
        assert_int_equal(
            BN_rand(k, 1024 - BN_num_bits(m) + 1, BN_RAND_TOP_ONE, 0), 1);
        assert_int_equal(BN_mul(p, k, m, ctx), 1);
        assert_int_equal(BN_add(p, p, r), 1);
        BN_free(base);
    } while (BN_check_prime(p, ctx, NULL) != 1);
    BN_free(m);
    BN_free(k);
    BN_free(r);
    return p;
}

static void
roca(void **state)
{
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *p = roca_prime(ctx), *q = roca_prime(ctx), *n = product(p, q);

    assert_true(BN_num_bits(n) >= 2048);
    assert_int_equal(check_n(n, SPAN_ARRAY(e65537), NULL), WEAK_RSA_ROCA);
    BN_free(p);
    BN_free(q);
    BN_free(n);
    BN_CTX_free(ctx);
}

/* The list entry is made by the openssl command, as Debian's were. */
static void
debian(void **state)
{
    bv_auto(key) struct key *key = test_key(ALG_KEY_RSA, 2048);
    bv_auto(weak_list) struct weak_list *list = NULL;
    char dir[] = "/tmp/weak-XXXXXX", file[100], command[400], text[200];
    uint8_t buf[LIMIT_SPKI], pem[KEY_PEM_MAX];
    struct alg_spki spki = test_spki(key, buf);
    struct sink out = SINK_ARRAY(pem);

    assert_non_null(mkdtemp(dir));
    (void)snprintf(file, sizeof file, "%s/key.pem", dir);
    FILE *f = fopen(file, "w");
    assert_int_equal(key_plain(key, &out), BV_OK);
    assert_int_equal(fwrite(pem, 1, out.len, f), out.len);
    assert_int_equal(fclose(f), 0);
    (void)snprintf(command, sizeof command,
                   "(echo '# test'; openssl rsa -noout -modulus -in %s | "
                   "sha1sum | cut -c21-40) | tee %s/blacklist.RSA-2048",
                   file, dir);
    f = popen(command, "r");
    size_t len = fread(text, 1, sizeof text, f);
    assert_int_equal(pclose(f), 0);

    assert_int_equal(weak_list_new(&list), BV_OK);
    assert_int_equal(weak_check(&spki, list, 0), WEAK_NONE);
    assert_int_equal(
        weak_list_add(list, SPAN_LIT("0123456789abcdef0123\n\n# x\n"
                                     "ffffffffffffffffffff\n")),
        BV_OK);
    assert_int_equal(weak_check(&spki, list, 0), WEAK_NONE);
    assert_int_equal(weak_list_add(list, span_of(text, len)), BV_OK);
    assert_int_equal(weak_list_count(list), 3);
    assert_int_equal(weak_check(&spki, list, 0), WEAK_DEBIAN);

    assert_int_equal(weak_list_add(list, SPAN_LIT("not hex\n")),
                     BV_E_BAD_MESSAGE);
    assert_int_equal(weak_list_count(list), 3);
    (void)snprintf(command, sizeof command, "rm -r %s", dir);
    assert_int_equal(system(command), 0);
}

static void
points(void **state)
{
    bv_auto(key) struct key *key = test_key(ALG_KEY_P256, 0);
    uint8_t buf[LIMIT_SPKI], ed[32] = {1};
    struct alg_spki spki = test_spki(key, buf);
    struct alg_spki small = {.alg = ALG_KEY_ED25519, .key = SPAN_ARRAY(ed)};

    buf[spki.whole.len - 1] ^= 1;
    assert_int_equal(weak_check(&spki, NULL, 0), WEAK_POINT);
    assert_int_equal(weak_check(&small, NULL, 0), WEAK_POINT);
    ed[31] = 0x80;
    assert_int_equal(weak_check(&small, NULL, 0), WEAK_POINT);
    memset(ed, 0xff, sizeof ed);
    ed[0] = 0xec;
    assert_int_equal(weak_check(&small, NULL, 0), WEAK_POINT);
}

static void
every_reason_has_a_sentence(void **state)
{
    for (int i = WEAK_NONE; i <= WEAK_UNDECIDED; i++)
        assert_true(strlen(weak_text((enum weak)i)) > 10);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(honest_keys),
        cmocka_unit_test(shape_of_rsa),
        cmocka_unit_test(small_factors),
        cmocka_unit_test(close_primes),
        cmocka_unit_test(roca),
        cmocka_unit_test(debian),
        cmocka_unit_test(points),
        cmocka_unit_test(every_reason_has_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
