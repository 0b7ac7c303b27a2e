#include "wire/san.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/der.h"
#include "wire/oid.h"

static void
test_hosts(void **state)
{
    static const char *const good[] = {"a",       "a.b",      "x-1.example",
                                       "xn--a.b", "1.2.3.4x", "1a.2b"};
    static const char *const bad[] = {
        "",    ".",   "a.",  ".a", "a..b", "-a",        "a-",        "A.b",
        "a_b", "a b", "*.a", "*",  "1.2",  "192.0.2.1", "a\xc3\xa9", "a/b"};
    char label[70], host[300];

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(san_is_host(span_str(good[i]), false));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (san_is_host(span_str(bad[i]), false))
            fail_msg("accepted: %s", bad[i]);
    }
    assert_true(san_is_host(SPAN_LIT("*.a.b"), true));
    assert_false(san_is_host(SPAN_LIT("a.*.b"), true));
    assert_false(san_is_host(SPAN_LIT("*."), true));
    assert_false(san_is_host(SPAN_LIT("*a.b"), true));
    memset(label, 'a', sizeof(label));
    assert_true(san_is_host(span_of(label, 63), false));
    assert_false(san_is_host(span_of(label, 64), false));
    for (size_t i = 0; i < sizeof(host); i++)
        host[i] = i % 50 == 49 ? '.' : 'a';
    assert_true(san_is_host(span_of(host, 253), false));
    assert_false(san_is_host(span_of(host, 254), false));
}

static void
test_uris(void **state)
{
    static const char *const good[] = {
        "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "http://a.example/x?y#z",
        "https://192.0.2.1:8443/",
        "coaps://[2001:db8::1]:5684/est",
        "spiffe://trust.example/a",
        "http://user@Host.Example",
        "urn:dev:mac:0024befffe804ff1"};
    static const char *const bad[] = {"",
                                      "x",
                                      "http:",
                                      ":x",
                                      "1a:b",
                                      "http://",
                                      "http:///x",
                                      "http://a b/",
                                      "http://a_b/",
                                      "http://[2001:db8::1/",
                                      "http://:80/",
                                      "http://-a/",
                                      "urn:\xc3\xa9",
                                      "urn:a\"b",
                                      "http://[192.0.2.1]/"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (!san_is_uri(span_str(good[i])))
            fail_msg("refused: %s", good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (san_is_uri(span_str(bad[i])))
            fail_msg("accepted: %s", bad[i]);
    }
}

static void
test_emails(void **state)
{
    static const char *const bad[] = {"",      "a",     "@b",   "a@",
                                      "a@b@c", "a b@c", "a@b.", "\"a\"@b",
                                      "a\n@b", "a@1.2"};

    assert_true(san_is_email(SPAN_LIT("a.b+c@Host.example")));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (san_is_email(span_str(bad[i])))
            fail_msg("accepted: %s", bad[i]);
    }
}

/* SAN of every kind we write. */
static struct span
every_kind(uint8_t *memory, size_t cap)
{
    struct sink out = sink_of(memory, cap);
    size_t mark = der_open(&out, DER_SEQUENCE);

    san_put(&out, SAN_DNS, SPAN_LIT("d.x"));
    san_put(&out, SAN_IP, SPAN_LIT("\xc0\x00\x02\x01"));
    san_put(&out, SAN_URI, SPAN_LIT("urn:a:b"));
    san_put(&out, SAN_EMAIL, SPAN_LIT("a@x"));
    san_put(&out, SAN_DIR_NAME,
            SPAN_LIT("\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x13\x01"
                     "d"));
    san_put(&out, SAN_REGISTERED_ID, SPAN_LIT("\x2a\x03"));
    san_put_other(&out, oid_hardware_module, SPAN_LIT("\x30\x00"));
    der_close(&out, mark);
    assert_false(out.failed);
    return sink_view(&out);
}

static void
test_write_and_walk(void **state)
{
    uint8_t memory[200], text[300];
    struct span san = every_kind(memory, sizeof(memory));
    struct sink out = SINK_ARRAY(text);
    bool wildcard = true;

    assert_int_equal(san_check(san, &wildcard), BV_OK);
    assert_false(wildcard);
    assert_true(san_has(san, SAN_URI, SPAN_LIT("urn:a:b")));
    assert_false(san_has(san, SAN_DNS, SPAN_LIT("urn:a:b")));
    san_put_text(&out, san);
    assert_true(span_eq_str(sink_view(&out),
                            "dns:d.x,ip:192.0.2.1,uri:urn:a:b,email:a@x,"
                            "dir:CN=d,rid:1.2.3,other:hardwareModuleName="
                            "#3000"));
    for (size_t len = 0; len < san.len; len++)
        assert_int_not_equal(san_check(span_of(memory, len), NULL), BV_OK);
}

static void
test_refused(void **state)
{
    static const struct {
        struct span san;
        enum bv_err err;
    } rows[] = {
        {{(const uint8_t *)"\x30\x00", 2}, BV_E_BAD_MESSAGE},
        {{(const uint8_t *)"\x30\x03\xa2\x01x", 5}, BV_E_BAD_MESSAGE},
        {{(const uint8_t *)"\x30\x03\x89\x01x", 5}, BV_E_BAD_MESSAGE},
        {{(const uint8_t *)"\x30\x02\xa3\x00", 4}, BV_E_UNSUPPORTED},
        {{(const uint8_t *)"\x30\x02\xa5\x00", 4}, BV_E_UNSUPPORTED},
        {{(const uint8_t *)"\x30\x02\x82\x00", 4}, BV_E_BAD_NAME},
        {{(const uint8_t *)"\x30\x04\x82\x02"
                           "a\0",
          6},
         BV_E_BAD_NAME},
        {{(const uint8_t *)"\x30\x05\x87\x03"
                           "abc",
          7},
         BV_E_BAD_NAME},
        {{(const uint8_t *)"\x30\x04\xa4\x02\x30\x00", 6}, BV_E_BAD_NAME},
        {{(const uint8_t *)"\x30\x04\xa4\x02\x05\x00", 6}, BV_E_BAD_MESSAGE},
        {{(const uint8_t *)"\x30\x03\x88\x01\x80", 5}, BV_E_BAD_MESSAGE},
        {{(const uint8_t *)"\x30\x05\xa0\x03\x06\x01\x2a", 7},
         BV_E_BAD_MESSAGE},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (san_check(rows[i].san, NULL) != rows[i].err)
            fail_msg("row %zu: %s", i, err_name(san_check(rows[i].san, NULL)));
    }
}

static void
test_number_of_names(void **state)
{
    static uint8_t memory[2000];

    for (size_t num = LIMIT_SAN; num <= LIMIT_SAN + 1; num++) {
        struct sink out = SINK_ARRAY(memory);
        size_t mark = der_open(&out, DER_SEQUENCE);

        for (size_t i = 0; i < num; i++)
            san_put(&out, SAN_DNS, SPAN_LIT("a.example"));
        der_close(&out, mark);
        assert_int_equal(san_check(sink_view(&out), NULL),
                         num > LIMIT_SAN ? BV_E_TOO_MANY : BV_OK);
    }
}

#define AB                                                                     \
    SPAN_LIT("\x30\x0a\x82\x03"                                                \
             "a.x\x82\x03"                                                     \
             "b.x")
#define BA                                                                     \
    SPAN_LIT("\x30\x0a\x82\x03"                                                \
             "B.x\x82\x03"                                                     \
             "a.x")
#define A                                                                      \
    SPAN_LIT("\x30\x05\x82\x03"                                                \
             "a.x")
#define U                                                                      \
    SPAN_LIT("\x30\x05\x86\x03"                                                \
             "a.x")

static void
test_equal_as_sets(void **state)
{
    assert_true(san_eq(AB, BA));
    assert_false(san_eq(AB, A));
    assert_false(san_eq(A, AB));
    assert_false(san_eq(A, U));
    assert_true(san_eq(SPAN_EMPTY, SPAN_EMPTY));
    assert_false(san_eq(SPAN_EMPTY, A));
    assert_true(san_eq(SPAN_LIT("\x30\x05\x81\x03"
                                "a@x"),
                       SPAN_LIT("\x30\x05\x81\x03"
                                "a@X")));
    assert_false(san_eq(SPAN_LIT("\x30\x05\x81\x03"
                                 "a@x"),
                        SPAN_LIT("\x30\x05\x81\x03"
                                 "A@x")));
}

static void
test_text_is_safe(void **state)
{
    uint8_t text[50];
    struct sink out = SINK_ARRAY(text);

    san_put_text(&out, SPAN_LIT("\x30\x06\x82\x04"
                                "a\n,b"));
    assert_true(span_eq_str(sink_view(&out), "dns:a\\0a\\2cb"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_uris),
        cmocka_unit_test(test_emails),
        cmocka_unit_test(test_write_and_walk),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_number_of_names),
        cmocka_unit_test(test_equal_as_sets),
        cmocka_unit_test(test_text_is_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
