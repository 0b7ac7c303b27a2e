/* Keys that no generator worth trusting makes: they are put together here. */
#include "asking.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include "core/ca.h"
#include "pki/evp.h"

static BIGNUM *
prime(int bits)
{
    BIGNUM *p = BN_new();
    assert_int_equal(BN_generate_prime_ex(p, bits, 0, NULL, NULL, NULL), 1);
    return p;
}

/* The exponent that undoes e. */
static BIGNUM *
inverse_of(const BIGNUM *e, const BIGNUM *p, const BIGNUM *q, BN_CTX *ctx)
{
    BIGNUM *p1 = BN_dup(p), *q1 = BN_dup(q), *phi = BN_new();
    assert_int_equal(BN_sub_word(p1, 1) & BN_sub_word(q1, 1), 1);
    assert_int_equal(BN_mul(phi, p1, q1, ctx), 1);
    BIGNUM *d = BN_mod_inverse(NULL, e, phi, ctx);
    assert_non_null(d);
    BN_free(p1);
    BN_free(q1);
    BN_free(phi);
    return d;
}

/* The pair of the modulus p q. */
static struct key *
rsa_key(const BIGNUM *p, const BIGNUM *q, BN_ULONG exponent)
{
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *n = BN_new(), *e = BN_new();
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *pkey = NULL;
    struct key *key = NULL;
    assert_int_equal(BN_mul(n, p, q, ctx) & BN_set_word(e, exponent), 1);
    BIGNUM *d = inverse_of(e, p, q, ctx);
    assert_int_equal(OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) &
                         OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) &
                         OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_D, d),
                     1);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    assert_int_equal(EVP_PKEY_fromdata_init(maker), 1);
    assert_int_equal(EVP_PKEY_fromdata(maker, &pkey, EVP_PKEY_KEYPAIR, params),
                     1);
    assert_int_equal(key_of_evp(pkey, true, &key), BV_OK);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(bld);
    EVP_PKEY_CTX_free(maker);
    BN_free(n);
    BN_free(e);
    BN_free(d);
    BN_CTX_free(ctx);
    return key;
}

/* Whoever has the factors has the key under each exponent: one that is another
 * device's, or blocked, does not come back under a second one. */
static void
test_exponent_is_no_disguise(void **state)
{
    char secret[64];
    uint8_t der[2048];
    BIGNUM *p = prime(1024), *q = prime(1024);
    bv_auto(key) struct key *key = rsa_key(p, q, 65537);
    bv_auto(key) struct key *again = rsa_key(p, q, 65539);
    (void)enrolled(key, "d1", der, sizeof der);
    fixture_token(&f, "d2", NULL, 1, secret);
    struct core_request r = with_secret(key, "d2", secret);
    expect(BV_E_BAD_KEY, &r);
    r = with_secret(again, "d2", secret);
    expect(BV_E_BAD_KEY, &r);
    assert_non_null(strstr(f.reply.detail, "exponent"));
    (void)fixture_admin(&f, "{\"verb\":\"cert.revoke\",\"args\":{\"device\":"
                            "\"d1\",\"reason\":\"keyCompromise\"}}");
    assert_non_null(strstr(f.json, "\"changed\":1"));
    r = with_secret(again, "d2", secret);
    expect(BV_E_BAD_KEY, &r);
    bv_auto(key) struct key *fresh = fixture_key();
    r = with_secret(fresh, "d2", secret); /* the claim code was not at fault */
    expect(BV_OK, &r);
    BN_free(p);
    BN_free(q);
}

/* --- birth certificates --- */

static struct core_request
with_idevid(struct key *birth, const char *cn, struct key *key)
{
    static uint8_t der[2048];
    struct profile p;
    uint8_t spki_buf[LIMIT_SPKI];
    char problem[200] = "";
    struct sink spki = SINK_ARRAY(spki_buf), out = SINK_ARRAY(der);
    assert_int_equal(profile_default("device", &p), BV_OK);
    assert_int_equal(key_spki(birth, &spki), BV_OK);
    const struct ca_spec spec = {.profile = &p,
                                 .cn = cn,
                                 .spki = sink_view(&spki),
                                 .issuer_cert = f.maker,
                                 .issuer_key = f.maker_key,
                                 .now = FIXTURE_NOW};
    if (ca_issue(&spec, &out, problem, sizeof problem) != BV_OK)
        fail_msg("%s", problem);
    struct core_request r = with_secret(key, cn, "");
    r.trust = CORE_TRUST_MANUFACTURER;
    r.peer_cert = sink_view(&out);
    strcpy(r.trust_name, "acme");
    return r;
}

/* The modulus of a birth certificate that anybody factors is anybody's. */
static void
test_weak_birth_key(void **state)
{
    BIGNUM *p = prime(1024), *q = BN_dup(p), *far = prime(1024);
    do
        assert_int_equal(BN_add_word(q, 2), 1);
    while (BN_check_prime(q, NULL, NULL) != 1);
    bv_auto(key) struct key *weak = rsa_key(p, q, 65537);
    bv_auto(key) struct key *sound = rsa_key(p, far, 65537);
    bv_auto(key) struct key *key = fixture_key();
    struct core_request r = with_idevid(weak, "m1", key);
    expect(BV_E_REFUSED, &r);
    assert_non_null(strstr(f.reply.detail, "close together"));
    r = with_idevid(sound, "m1", key);
    expect(BV_OK, &r);
    BN_free(p);
    BN_free(q);
    BN_free(far);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_exponent_is_no_disguise),
        T(test_weak_birth_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
