#include "fixture.h"

#include "core/ca.h"
#include "wire/cert.h"
#include "wire/csr.h"

static uint8_t spki_buf[LIMIT_SPKI], root_buf[2048], sub_buf[2048],
    leaf_buf[2048];
static char problem[300];
static enum bv_err last_err;

static struct span
make_named(const char *name, const char *cn, struct key *key,
           struct span issuer, struct key *issuer_key, int64_t now,
           uint8_t *buf)
{
    struct profile p;
    struct sink spki = SINK_ARRAY(spki_buf), out = sink_of(buf, 2048);
    assert_int_equal(profile_default(name, &p), BV_OK);
    assert_int_equal(key_spki(key, &spki), BV_OK);
    struct ca_spec spec = {.profile = &p,
                           .cn = cn,
                           .organization = "Test",
                           .country = "DE",
                           .spki = sink_view(&spki),
                           .issuer_cert = issuer,
                           .issuer_key = issuer_key,
                           .now = now};
    enum bv_err err = ca_issue(&spec, &out, problem, sizeof problem);
    last_err = err;
    if (err == BV_E_REFUSED)
        return SPAN_EMPTY;
    if (err != BV_OK)
        fail_msg("%s: %s: %s", name, err_name(err), problem);
    return sink_view(&out);
}

static struct span
make(const char *name, struct key *key, struct span issuer,
     struct key *issuer_key, int64_t now, uint8_t *buf)
{
    return make_named(name, name, key, issuer, issuer_key, now, buf);
}

static void
test_chain(enum alg_key alg, unsigned bits)
{
    struct key *raw[2] = {NULL, NULL};
    struct cert cert;
    assert_int_equal(key_generate(alg, bits, &raw[0]), BV_OK);
    assert_int_equal(key_generate(alg, bits, &raw[1]), BV_OK);
    bv_auto(key) struct key *root_key = raw[0], *sub_key = raw[1];
    struct span root =
        make("root", root_key, SPAN_EMPTY, root_key, FIXTURE_NOW, root_buf);
    struct span sub =
        make("intermediate", sub_key, root, root_key, FIXTURE_NOW, sub_buf);
    assert_int_equal(cert_parse(sub, &cert), BV_OK);
    assert_int_equal(cert.pathlen, 0);
    assert_int_equal(ca_check(sub, cert.spki.whole, &root, 1, FIXTURE_NOW,
                              problem, sizeof problem),
                     BV_OK);
    assert_int_equal(ca_check(root, SPAN_EMPTY, NULL, 0, FIXTURE_NOW, problem,
                              sizeof problem),
                     BV_OK);
    /* pathlen 0 forbids one more */
    struct key *deeper = fixture_key();
    struct span third = make_named("intermediate", "third", deeper, sub,
                                   sub_key, FIXTURE_NOW, leaf_buf);
    key_free(deeper);
    assert_int_equal(third.len, 0);
    assert_int_equal(last_err, BV_E_REFUSED);
    const struct span chain[] = {sub, root};
    assert_int_equal(ca_check(sub, SPAN_EMPTY, chain, 2, FIXTURE_NOW, problem,
                              sizeof problem),
                     BV_E_REFUSED);
}

static void
test_algorithms(void **state)
{
    test_chain(ALG_KEY_P256, 0);
    test_chain(ALG_KEY_P384, 0);
    test_chain(ALG_KEY_ED25519, 0);
    test_chain(ALG_KEY_RSA, 2048);
}

static void
test_refusals(void **state)
{
    bv_auto(key) struct key *root_key = fixture_key();
    bv_auto(key) struct key *sub_key = fixture_key();
    bv_auto(key) struct key *other = fixture_key();
    uint8_t other_spki[LIMIT_SPKI];
    struct sink spki = SINK_ARRAY(other_spki);
    assert_int_equal(key_spki(other, &spki), BV_OK);
    struct span root =
        make("root", root_key, SPAN_EMPTY, root_key, FIXTURE_NOW, root_buf);
    struct span sub =
        make("intermediate", sub_key, root, root_key, FIXTURE_NOW, sub_buf);
#define CHECK(err, ...)                                                        \
    assert_int_equal(ca_check(__VA_ARGS__, problem, sizeof problem), err)
    CHECK(BV_E_WRONG_KEY, sub, sink_view(&spki), &root, 1, FIXTURE_NOW);
    CHECK(BV_E_EXPIRED, sub, SPAN_EMPTY, &root, 1,
          FIXTURE_NOW + INT64_C(86400) * 366 * 11);
    struct span leaf =
        make("device", other, root, root_key, FIXTURE_NOW, leaf_buf);
    CHECK(BV_E_REFUSED, leaf, SPAN_EMPTY, &root, 1, FIXTURE_NOW);
    assert_true(strlen(problem) > 10);
    sub_buf[sub.len - 2] ^= 1;
    assert_int_not_equal(ca_check(sub, SPAN_EMPTY, &root, 1, FIXTURE_NOW,
                                  problem, sizeof problem),
                         BV_OK);
    sub.len--;
    CHECK(BV_E_BAD_MESSAGE, sub, SPAN_EMPTY, &root, 1, FIXTURE_NOW);
}

static void
test_wrong_issuer_key(void **state)
{
    struct profile p;
    uint8_t buf[2048];
    bv_auto(key) struct key *root_key = fixture_key();
    bv_auto(key) struct key *other = fixture_key();
    struct span root =
        make("root", root_key, SPAN_EMPTY, root_key, FIXTURE_NOW, root_buf);
    struct sink out = SINK_ARRAY(buf), spki = SINK_ARRAY(spki_buf);
    assert_int_equal(profile_default("intermediate", &p), BV_OK);
    assert_int_equal(key_spki(other, &spki), BV_OK);
    struct ca_spec spec = {.profile = &p,
                           .cn = "x",
                           .spki = sink_view(&spki),
                           .issuer_cert = root,
                           .issuer_key = other,
                           .now = FIXTURE_NOW};
    assert_int_equal(ca_issue(&spec, &out, problem, sizeof problem),
                     BV_E_WRONG_KEY);
    spec.issuer_key = root_key;
    spec.now = FIXTURE_NOW + INT64_C(86400) * 366 * 30;
    assert_int_equal(ca_issue(&spec, &out, problem, sizeof problem),
                     BV_E_EXPIRED);
}

static void
test_csr(void **state)
{
    uint8_t buf[2048];
    struct csr csr;
    struct sink out = SINK_ARRAY(buf);
    bv_auto(key) struct key *key = fixture_key();
    assert_int_equal(ca_csr(key, "Fleet CA", "Test", "DE", &out), BV_OK);
    assert_int_equal(csr_parse(sink_view(&out), &csr), BV_OK);
    assert_int_equal(key_verify(key, csr.sig_alg, csr.info, csr.signature),
                     BV_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_algorithms),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_wrong_issuer_key),
        cmocka_unit_test(test_csr),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
