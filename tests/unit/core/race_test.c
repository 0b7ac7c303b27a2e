/* What happens at the same time as something else: what was decided must still
 * hold when it is written. */
#include "fixture.h"

#include <stdio.h>

static struct fixture f;

static int
setup(void **state)
{
    fixture_open(&f);
    return 0;
}

static int
teardown(void **state)
{
    fixture_close(&f);
    return 0;
}

#define expect(err, r) fixture_expect(&f, err, r, __LINE__)

static struct core_request
with_secret(enum core_op op, struct key *key, const char *cn,
            const char *secret)
{
    static uint8_t buf[8192];
    struct core_request r = fixture_request(
        op, fixture_csr(key, cn, SPAN_EMPTY, SPAN_EMPTY, buf, sizeof buf));
    r.secret = span_str(secret);
    return r;
}

static unsigned
count_good(const char *device)
{
    char request[200];
    unsigned num = 0;
    (void)snprintf(request, sizeof request,
                   "{\"verb\":\"cert.list\",\"args\":{\"device\":\"%s\","
                   "\"status\":\"good\"}}",
                   device);
    const char *at = fixture_admin(&f, request);
    while ((at = strstr(at, "\"serial\":")) != NULL) {
        num++;
        at++;
    }
    return num;
}

/* --- approval --- */

static void
allow_plain_keys(const char *profile)
{
    fixture_profile(&f, profile)->server_keygen = true;
    fixture_profile(&f, profile)->server_keygen_plain = true;
}

/* With server-made keys no two requests are the same, so none waits for the
 * other; one approval is for one certificate all the same. */
static void
test_one_approval_one_certificate(void **state)
{
    char secret[64];
    bv_auto(key) struct key *key = fixture_key();
    allow_plain_keys("codesigning");
    fixture_token(&f, "signer", NULL, 9, secret);
    struct core_request r = with_secret(CORE_KEYGEN, key, "signer", secret);
    strcpy(r.label, "codesigning");
    expect(BV_E_PENDING, &r);
    (void)fixture_admin(
        &f, "{\"verb\":\"device.approve\",\"args\":{\"device\":\"signer\"}}");
    unsigned before = f.num_replies;
    for (int i = 0; i < 3; i++)
        core_submit(f.core, 1, (uint64_t)i + 90, &r);
    fixture_settle(&f);
    assert_int_equal(f.num_replies, before + 3);
    assert_int_equal(count_good("signer"), 1);
}

/* Who takes an approval back is heard until the certificate is written. */
static void
test_approval_taken_back(void **state)
{
    char secret[64];
    bv_auto(key) struct key *key = fixture_key();
    fixture_token(&f, "signer", NULL, 1, secret);
    struct core_request r = with_secret(CORE_ENROLL, key, "signer", secret);
    strcpy(r.label, "codesigning");
    expect(BV_E_PENDING, &r);
    (void)fixture_admin(
        &f, "{\"verb\":\"device.approve\",\"args\":{\"device\":\"signer\"}}");
    (void)fixture_admin(&f, "{\"verb\":\"device.pending\",\"args\":{}}");
    long long id = strtoll(strstr(f.json, "\"id\":") + 5, NULL, 10);
    char deny[100];
    (void)snprintf(deny, sizeof deny,
                   "{\"verb\":\"device.deny\",\"args\":{\"id\":%lld}}", id);
    core_submit(f.core, 1, 99, &r);
    (void)fixture_admin(&f, deny);
    assert_int_equal(f.reply.err, BV_E_REFUSED);
    assert_int_equal(count_good("signer"), 0);
}

/* Two wait under one name, by keys of whoever asked: a name alone does not say
 * which of them is meant. */
static void
test_approval_by_name_is_of_one(void **state)
{
    char secret[64];
    bv_auto(key) struct key *thief = fixture_key();
    bv_auto(key) struct key *key = fixture_key();
    fixture_token(&f, NULL, "barn", 9, secret);
    struct core_request r = with_secret(CORE_ENROLL, thief, "d1", secret);
    strcpy(r.label, "codesigning");
    expect(BV_E_PENDING, &r);
    struct core_request own = with_secret(CORE_ENROLL, key, "d1", secret);
    strcpy(own.label, "codesigning");
    expect(BV_E_PENDING, &own);
    (void)fixture_admin(
        &f, "{\"verb\":\"device.approve\",\"args\":{\"device\":\"d1\"}}");
    assert_non_null(strstr(f.json, "\"ok\":false"));
    assert_non_null(strstr(f.json, "number"));
    (void)fixture_admin(&f, "{\"verb\":\"device.pending\",\"args\":{}}");
    const char *one = strstr(f.json, "\"key_sha256\":\"");
    assert_non_null(one);
    const char *two = strstr(one + 1, "\"key_sha256\":\"");
    assert_non_null(two);
    assert_memory_not_equal(one, two, 80);
    expect(BV_E_PENDING, &own);
    (void)fixture_admin(&f, "{\"verb\":\"device.deny\",\"args\":{\"id\":1}}");
    assert_non_null(strstr(f.json, "denied"));
    (void)fixture_admin(
        &f, "{\"verb\":\"device.approve\",\"args\":{\"device\":\"d1\"}}");
    assert_non_null(strstr(f.json, "approved"));
    expect(BV_OK, &own);
}

/* --- quotas --- */

/* A burst is no way round the number of certificates a device may have. */
static void
test_quota_of_a_burst(void **state)
{
    char secret[64];
    bv_auto(key) struct key *first = fixture_key();
    f.config.live_per_device = 3;
    fixture_token(&f, "d1", NULL, 100, secret);
    struct core_request r = with_secret(CORE_ENROLL, first, "d1", secret);
    expect(BV_OK, &r);
    unsigned before = f.num_replies;
    for (int i = 0; i < 6; i++) {
        bv_auto(key) struct key *key = fixture_key();
        r = with_secret(CORE_ENROLL, key, "d1", secret);
        core_submit(f.core, 1, (uint64_t)i + 90, &r);
    }
    fixture_settle(&f);
    assert_int_equal(f.num_replies, before + 6);
    assert_int_equal(count_good("d1"), 3);
}

/* The device is new to all of them. */
static void
test_quota_of_a_first_burst(void **state)
{
    char secret[64];
    f.config.live_per_device = 3;
    fixture_token(&f, "d1", NULL, 100, secret);
    for (int i = 0; i < 6; i++) {
        bv_auto(key) struct key *key = fixture_key();
        struct core_request r = with_secret(CORE_ENROLL, key, "d1", secret);
        core_submit(f.core, 1, (uint64_t)i + 90, &r);
    }
    fixture_settle(&f);
    assert_int_equal(f.num_replies, 6);
    assert_int_equal(count_good("d1"), 3);
}

/* --- a reload --- */

/* Another CA took the name while the certificate was with the signer; it may,
 * when the one before has another. */
static void
test_another_ca_of_the_same_name(void **state)
{
    char secret[64];
    uint8_t buf[2048];
    struct core_config other = f.config;
    struct core_ca cas[2];
    bv_auto(key) struct key *key = fixture_key();
    bv_auto(key) struct key *ca_key = fixture_key();
    fixture_token(&f, "d1", NULL, 1, secret);
    struct core_request r = with_secret(CORE_ENROLL, key, "d1", secret);
    cas[0] = cas[1] = f.cas[0];
    cas[1].cert = fixture_ca("root", "Another CA", ca_key, SPAN_EMPTY, ca_key,
                             buf, sizeof buf);
    other.cas = cas + 1;
    assert_int_equal(core_reconfigure(f.core, &other), BV_E_BAD_CONFIG);
    strcpy(cas[0].name, "earlier");
    other.cas = cas;
    other.num_cas = 2;
    core_submit(f.core, 1, 90, &r);
    assert_int_equal(core_reconfigure(f.core, &other), BV_OK);
    fixture_settle(&f);
    assert_int_equal(f.num_replies, 1);
    assert_int_equal(f.reply.err, BV_E_UNAVAILABLE);
    assert_int_equal(f.reply.retry_after, 1);
    struct core_ca back[2] = {cas[1], cas[0]}; /* its name is free first */
    strcpy(back[0].name, "another");
    strcpy(back[1].name, "issuing");
    other.cas = back;
    assert_int_equal(core_reconfigure(f.core, &other), BV_OK);
    expect(BV_OK, &r);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_one_approval_one_certificate),
        T(test_approval_taken_back),
        T(test_approval_by_name_is_of_one),
        T(test_quota_of_a_burst),
        T(test_quota_of_a_first_burst),
        T(test_another_ca_of_the_same_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
