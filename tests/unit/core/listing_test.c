/* Histories longer than a page, and listings page by page. */
#include "asking.h"

#include <stdio.h>

#define MANY 1500 /* more than LIMIT_PAGE */

static int64_t
device_id(const char *name)
{
    char request[200];
    (void)snprintf(request, sizeof request,
                   "{\"verb\":\"device.show\",\"args\":{\"name\":\"%s\"}}",
                   name);
    const char *at = strstr(fixture_admin(&f, request), "\"id\":");
    assert_non_null(at);
    return strtoll(at + 5, NULL, 10);
}

static void
fill(int64_t device, unsigned num)
{
    static const uint8_t der[4] = {0x30, 2, 5, 0};
    uint8_t key_hash[32] = {1};
    assert_int_equal(f.store.begin(f.store.ctx), BV_OK);
    for (unsigned i = 0; i < num; i++) {
        uint8_t serial[17] = {0x42, (uint8_t)(i >> 8), (uint8_t)i};
        struct store_cert row = {.seq = 2000 + i,
                                 .issuer = 1,
                                 .device = device,
                                 .not_before = FIXTURE_NOW,
                                 .not_after = FIXTURE_NOW + 86400 + i / 700,
                                 .serial = SPAN_ARRAY(serial),
                                 .key_hash = SPAN_ARRAY(key_hash),
                                 .der = SPAN_ARRAY(der),
                                 .reason = -1};
        memset(row.profile, 'p', sizeof row.profile - 1);
        assert_int_equal(f.store.cert_put(f.store.ctx, &row), BV_OK);
    }
    assert_int_equal(f.store.commit(f.store.ctx), BV_OK);
}

static void
test_revoke_more_than_a_page(void **state)
{
    char secret[64], expected[40];
    bv_auto(key) struct key *key = fixture_key();
    fixture_token(&f, "d1", NULL, 1, secret);
    struct core_request r = with_secret(key, "d1", secret);
    expect(BV_OK, &r);
    fill(device_id("d1"), MANY);
    (void)snprintf(expected, sizeof expected, "\"changed\":%d", MANY + 1);
    (void)fixture_admin(&f, "{\"verb\":\"cert.revoke\",\"args\":{\"device\":"
                            "\"d1\"}}");
    assert_non_null(strstr(f.json, expected));
}

/* --- one page after the other --- */

static unsigned
count_of(const char *text, const char *what)
{
    unsigned num = 0;
    while ((text = strstr(text, what)) != NULL) {
        num++;
        text++;
    }
    return num;
}

static unsigned
walk(const char *args)
{
    unsigned num = 0;
    long long after = 0;
    for (int pages = 0; pages < 20; pages++) {
        char request[300];
        (void)snprintf(request, sizeof request,
                       "{\"verb\":\"cert.list\",\"args\":{\"after\":%lld,%s}}",
                       after, args);
        (void)fixture_admin(&f, request);
        assert_non_null(strstr(f.json, "\"ok\":true"));
        num += count_of(f.json, "\"seq\":");
        const char *next = strstr(f.json, "\"next\":");
        assert_non_null(next);
        if (strncmp(next + 7, "null", 4) == 0)
            return num;
        after = strtoll(next + 7, NULL, 10);
    }
    fail_msg("the listing does not end");
    return 0;
}

/* The largest page an operator may ask for is larger than a message; by expiry
 * the rows do not come in the order of their keys. */
static void
test_listings_end(void **state)
{
    char secret[64];
    bv_auto(key) struct key *key = fixture_key();
    fixture_token(&f, "d1", NULL, 1, secret);
    struct core_request r = with_secret(key, "d1", secret);
    expect(BV_OK, &r);
    fill(device_id("d1"), MANY);
    unsigned all = walk("\"limit\":1000");
    assert_true(all >= MANY + 1);
    assert_int_equal(walk("\"limit\":100"), all);
    assert_int_equal(walk("\"limit\":200,\"expires_before\":1796000000"), MANY);
    assert_int_equal(walk("\"limit\":200,\"device\":\"d1\","
                          "\"expires_before\":9999999999"),
                     MANY + 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_revoke_more_than_a_page),
        T(test_listings_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
