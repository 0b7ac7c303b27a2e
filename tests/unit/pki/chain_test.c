/* Chains and the oracle: both are OpenSSL's judgement of our certificates. */
#include "pki/chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "pki/oracle.h"
#include "tests/unit/pki/certs.h"
#include "wire/der.h"

#define NOW INT64_C(1795000000)

static struct test_cert root, ca, leaf, stranger;
static uint8_t tbs_buf[1500];
static struct sink leaf_tbs;

static int
setup(void **state)
{
    leaf_tbs = SINK_ARRAY(tbs_buf);
    test_issue(&root, test_key(ALG_KEY_P384, 0), "root", TEST_CA, NULL,
               SPAN_LIT("\x01"), NOW - 1000, NOW + 100000, NULL);
    test_issue(&ca, test_key(ALG_KEY_P256, 0), "ca", TEST_CA, &root,
               SPAN_LIT("\x02"), NOW - 1000, NOW + 10000, NULL);
    test_issue(&leaf, test_key(ALG_KEY_P256, 0), "leaf", TEST_DEVICE, &ca,
               SPAN_LIT("\x03"), NOW - 1000, NOW + 1000, &leaf_tbs);
    test_issue(&stranger, test_key(ALG_KEY_P256, 0), "ca", TEST_CA, NULL,
               SPAN_LIT("\x02"), NOW - 1000, NOW + 10000, NULL);
    return 0;
}

static int
teardown(void **state)
{
    key_free(root.key);
    key_free(ca.key);
    key_free(leaf.key);
    key_free(stranger.key);
    return 0;
}

static void
chains(void **state)
{
    struct chain_options o = {.anchors = &root.der,
                              .num_anchors = 1,
                              .intermediates = &ca.der,
                              .num_intermediates = 1,
                              .time = NOW,
                              .purpose = CHAIN_TLS_CLIENT};
    const char *problem = NULL;

    assert_int_equal(chain_verify(leaf.der, &o, &problem), BV_OK);
    assert_string_equal(problem, "ok");
    o.purpose = CHAIN_TLS_SERVER;
    assert_int_equal(chain_verify(leaf.der, &o, &problem), BV_E_REFUSED);
    o.purpose = CHAIN_CA;
    assert_int_equal(chain_verify(leaf.der, &o, &problem), BV_E_REFUSED);
    assert_int_equal(chain_verify(ca.der, &o, &problem), BV_OK);
    o.purpose = CHAIN_ANY;
    o.time = NOW + 1001;
    assert_int_equal(chain_verify(leaf.der, &o, &problem), BV_E_EXPIRED);
    o.time = NOW - 1001;
    assert_int_equal(chain_verify(leaf.der, &o, NULL), BV_E_EXPIRED);
    o.time = 0;
    assert_int_equal(chain_verify(leaf.der, &o, &problem), BV_OK);
    o.host = "example.org";
    assert_int_equal(chain_verify(leaf.der, &o, &problem), BV_E_BAD_NAME);
    o.host = NULL;
    o.num_intermediates = 0;
    assert_int_equal(chain_verify(leaf.der, &o, &problem), BV_E_REFUSED);
    o.anchors = &ca.der; /* not self-signed */
    assert_int_equal(chain_verify(leaf.der, &o, &problem), BV_E_REFUSED);
    o.partial = true;
    assert_int_equal(chain_verify(leaf.der, &o, &problem), BV_OK);
    o.anchors = &stranger.der;
    assert_int_not_equal(chain_verify(leaf.der, &o, &problem), BV_OK);
    assert_int_equal(chain_verify(SPAN_LIT("junk"), &o, &problem),
                     BV_E_BAD_MESSAGE);
}

static void
bad_signature(void **state)
{
    struct test_cert bent = leaf;
    struct chain_options o = {
        .anchors = &ca.der, .num_anchors = 1, .partial = true};

    bent.buf[leaf.der.len - 1] ^= 1;
    bent.der = span_of(bent.buf, leaf.der.len);
    assert_int_equal(chain_verify(bent.der, &o, NULL), BV_E_BAD_SIGNATURE);
    assert_int_equal(oracle_check_cert(bent.der, ca.der, NULL), BV_E_LINT);
}

static void
oracle(void **state)
{
    const char *problem = NULL;

    assert_int_equal(oracle_check_cert(leaf.der, ca.der, &problem), BV_OK);
    assert_string_equal(problem, "ok");
    assert_int_equal(oracle_check_cert(ca.der, root.der, &problem), BV_OK);
    assert_int_equal(oracle_check_cert(root.der, SPAN_EMPTY, &problem), BV_OK);
    assert_int_equal(oracle_check_cert(leaf.der, root.der, &problem),
                     BV_E_LINT);
    assert_int_equal(oracle_check_cert(leaf.der, stranger.der, &problem),
                     BV_E_LINT);
    assert_int_equal(oracle_check_cert(leaf.der, SPAN_EMPTY, &problem),
                     BV_E_LINT);
}

static void
oracle_before_signing(void **state)
{
    const char *problem = NULL;
    struct span tbs = sink_view(&leaf_tbs);

    assert_int_equal(
        oracle_check_tbs(tbs, ALG_SIG_ECDSA_SHA256, ca.der, NULL, 0, &problem),
        BV_OK);
    assert_int_equal(
        oracle_check_tbs(tbs, ALG_SIG_ECDSA_SHA384, ca.der, NULL, 0, &problem),
        BV_E_LINT); /* the two algorithms differ */
    assert_int_equal(oracle_check_tbs(tbs, ALG_SIG_ECDSA_SHA256, root.der, NULL,
                                      0, &problem),
                     BV_E_LINT);
    assert_int_equal(oracle_check_tbs(SPAN_LIT("\x30\x00"),
                                      ALG_SIG_ECDSA_SHA256, ca.der, NULL, 0,
                                      &problem),
                     BV_E_LINT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains),
        cmocka_unit_test(bad_signature),
        cmocka_unit_test(oracle),
        cmocka_unit_test(oracle_before_signing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
