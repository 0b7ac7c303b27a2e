#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/names.h"
#include "wire/der.h"
#include "wire/name.h"
#include "wire/san.h"

static void
test_glob(void **state)
{
    assert_true(names_glob("*", SPAN_LIT("abc"), false));
    assert_true(names_glob("a*c", SPAN_LIT("abbbc"), false));
    assert_true(names_glob("*.example", SPAN_LIT("a.example"), true));
    assert_false(names_glob("*.example", SPAN_LIT("a.b.example"), true));
    assert_true(names_glob("*.example", SPAN_LIT("a.b.example"), false));
    assert_false(names_glob("*.example", SPAN_LIT("a.example.org"), true));
    assert_true(names_glob("*.*.x", SPAN_LIT("a.b.x"), true));
    assert_false(names_glob("a", SPAN_LIT("ab"), false));
    assert_false(names_glob("", SPAN_LIT("a"), false));
    assert_false(names_glob("*a*a*a*a*b", SPAN_LIT("aaaaaaaaaaaaaaa"), false));
}

static void
test_ids(void **state)
{
    static const struct {
        enum profile_id kind;
        const char *id;
        bool good;
    } rows[] = {
        {PROFILE_ID_ANY, "pump 7", true},
        {PROFILE_ID_ANY, "", false},
        {PROFILE_ID_ANY, " pump", false},
        {PROFILE_ID_ANY, "pump ", false},
        {PROFILE_ID_ANY, "p\nq", false},
        {PROFILE_ID_ANY, "p\xc3\xbc", false},
        {PROFILE_ID_EUI64, "00163effff123456", true},
        {PROFILE_ID_EUI64, "00163EFFFF123456", false},
        {PROFILE_ID_EUI64, "00163effff12345", false},
        {PROFILE_ID_EUI48, "00163e123456", true},
        {PROFILE_ID_EUI48, "00:16:3e:12:34", false},
        {PROFILE_ID_UUID, "9f3f2a1e-5b7c-4d0a-8e21-0123456789ab", true},
        {PROFILE_ID_UUID, "9F3F2A1E-5B7C-4D0A-8E21-0123456789AB", false},
        {PROFILE_ID_UUID, "9f3f2a1e05b7c04d0a08e2100123456789ab", false},
        {PROFILE_ID_DNS, "a.example", true},
        {PROFILE_ID_DNS, "*.example", false},
        {PROFILE_ID_DNS, "a_b.example", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct profile p = {.id = rows[i].kind};
        bool good = names_check_id(&p, span_str(rows[i].id)) == BV_OK;
        if (good != rows[i].good)
            fail_msg("%s", rows[i].id);
    }
    char longest[66];
    struct profile p = {0};
    memset(longest, 'a', 65);
    longest[65] = '\0';
    assert_int_equal(names_check_id(&p, span_str(longest)), BV_E_BAD_NAME);
    assert_int_equal(names_check_id(&p, span_str(longest + 1)), BV_OK);
}

static struct span
one_san(enum san_type type, struct span value, struct sink *out)
{
    size_t mark = der_open(out, DER_SEQUENCE);
    san_put(out, type, value);
    der_close(out, mark);
    return sink_view(out);
}

static enum bv_err
ask(const struct profile *p, const char *id, enum san_type type,
    struct span value, struct sink *out)
{
    uint8_t buf[300];
    char problem[200];
    struct sink wish = SINK_ARRAY(buf);
    return names_san(p, id, one_san(type, value, &wish), out, problem,
                     sizeof problem);
}

static void
test_san_rules(void **state)
{
    uint8_t buf[400];
    struct profile p = {.id = PROFILE_ID_DNS};
    struct sink out = SINK_ARRAY(buf);
    const struct span own = SPAN_LIT("a.example");
    /* nothing allowed: not even its own name, unless the profile adds it */
    assert_int_equal(ask(&p, "a.example", SAN_DNS, own, &out), BV_E_REFUSED);
    p.san_id_dns = true;
    out = SINK_ARRAY(buf);
    assert_int_equal(ask(&p, "a.example", SAN_DNS, own, &out), BV_OK);
    struct san_iter it;
    struct san_name name;
    assert_int_equal(san_open(sink_view(&out), &it), BV_OK);
    assert_int_equal(san_next(&it, &name), BV_OK);
    assert_int_equal(san_next(&it, &name), BV_E_NOT_FOUND); /* written once */
    /* kinds and patterns */
    p.san_allowed = PROFILE_SAN_DNS | PROFILE_SAN_IP;
    strcpy(p.san_patterns[0], "*.example");
    strcpy(p.san_patterns[1], "ip:192.0.2.*");
    p.num_san_patterns = 2;
    const uint8_t in[] = {192, 0, 2, 9}, other[] = {198, 51, 100, 9};
    out = SINK_ARRAY(buf);
    assert_int_equal(ask(&p, "a.example", SAN_DNS, SPAN_LIT("b.example"), &out),
                     BV_OK);
    assert_int_equal(
        ask(&p, "a.example", SAN_DNS, SPAN_LIT("b.example.org"), &out),
        BV_E_REFUSED);
    assert_int_equal(ask(&p, "a.example", SAN_DNS, SPAN_LIT("*.example"), &out),
                     BV_E_REFUSED);
    out = SINK_ARRAY(buf);
    assert_int_equal(ask(&p, "a.example", SAN_IP, SPAN_ARRAY(in), &out), BV_OK);
    assert_int_equal(ask(&p, "a.example", SAN_IP, SPAN_ARRAY(other), &out),
                     BV_E_REFUSED);
    assert_int_equal(
        ask(&p, "a.example", SAN_URI, SPAN_LIT("urn:x:y.example"), &out),
        BV_E_REFUSED);
    assert_int_equal(
        ask(&p, "a.example", SAN_DNS, SPAN_LIT("B.EXAMPLE\n"), &out),
        BV_E_BAD_NAME);
}

static unsigned
count(struct span san)
{
    struct san_iter it;
    struct san_name name;
    unsigned num = 0;
    assert_int_equal(san_open(san, &it), BV_OK);
    while (san_next(&it, &name) == BV_OK)
        num++;
    return num;
}

/* The host of a mailbox has no case: lint would find the two the same, and
 * call it a fault of ours. */
static void
test_mailbox_asked_twice(void **state)
{
    uint8_t wish_buf[200], buf[200];
    char problem[100];
    struct profile p = {.san_allowed = PROFILE_SAN_EMAIL,
                        .num_san_patterns = 1};
    strcpy(p.san_patterns[0], "*");
    struct sink wish = SINK_ARRAY(wish_buf), out = SINK_ARRAY(buf);
    size_t mark = der_open(&wish, DER_SEQUENCE);
    san_put(&wish, SAN_EMAIL, SPAN_LIT("a@x.example"));
    san_put(&wish, SAN_EMAIL, SPAN_LIT("a@X.example"));
    san_put(&wish, SAN_EMAIL, SPAN_LIT("A@x.example")); /* another one */
    der_close(&wish, mark);
    assert_int_equal(
        names_san(&p, "d1", sink_view(&wish), &out, problem, sizeof problem),
        BV_OK);
    assert_int_equal(count(sink_view(&out)), 2);
}

/* A pattern is for one kind of names: a star in a host name stops at a dot, in
 * a URI at nothing. */
static void
test_pattern_is_of_one_kind(void **state)
{
    uint8_t buf[400];
    const uint8_t ip[] = {10, 0, 0, 9};
    const struct span dns = SPAN_LIT("a.example"),
                      digits = SPAN_LIT("10.0.0.com"),
                      uri = SPAN_LIT("https://evil/x.example"),
                      mail = SPAN_LIT("a@example");
    const unsigned all =
        PROFILE_SAN_DNS | PROFILE_SAN_IP | PROFILE_SAN_URI | PROFILE_SAN_EMAIL;
    const struct {
        unsigned allowed;
        const char *pattern;
        enum san_type type;
        struct span name;
        enum bv_err want;
    } cases[] = {
        {all, "*.example", SAN_DNS, dns, BV_OK},
        {all, "*.example", SAN_URI, uri, BV_E_REFUSED},
        {all, "10.0.0.*", SAN_DNS, digits, BV_OK},
        {all, "10.0.0.*", SAN_IP, SPAN_ARRAY(ip), BV_E_REFUSED},
        {all, "ip:10.0.0.*", SAN_IP, SPAN_ARRAY(ip), BV_OK},
        {all, "ip:10.0.0.*", SAN_DNS, digits, BV_E_REFUSED},
        {all, "uri:https://*", SAN_URI, uri, BV_OK},
        {all, "dns:*.example", SAN_DNS, dns, BV_OK},
        {all, "dns:*.example", SAN_URI, uri, BV_E_REFUSED},
        {all, "email:*@example", SAN_EMAIL, mail, BV_OK},
        {all, "*@example", SAN_EMAIL, mail, BV_E_REFUSED},
        /* of one kind there is no doubt */
        {PROFILE_SAN_IP, "10.0.0.*", SAN_IP, SPAN_ARRAY(ip), BV_OK},
        {PROFILE_SAN_URI, "https://*", SAN_URI, uri, BV_OK},
        {PROFILE_SAN_URI, "dns:*", SAN_URI, uri, BV_E_REFUSED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct profile p = {.san_allowed = cases[i].allowed,
                            .num_san_patterns = 1};
        struct sink out = SINK_ARRAY(buf);
        strcpy(p.san_patterns[0], cases[i].pattern);
        if (ask(&p, "d1", cases[i].type, cases[i].name, &out) != cases[i].want)
            fail_msg("case %zu", i);
    }
}

static void
test_asked_twice_written_once(void **state)
{
    uint8_t wish_buf[200], buf[200];
    char problem[100];
    struct profile p = {.id = PROFILE_ID_DNS,
                        .san_allowed = PROFILE_SAN_DNS,
                        .num_san_patterns = 1};
    strcpy(p.san_patterns[0], "*.example");
    struct sink wish = SINK_ARRAY(wish_buf), out = SINK_ARRAY(buf);
    size_t mark = der_open(&wish, DER_SEQUENCE);
    san_put(&wish, SAN_DNS, SPAN_LIT("b.example"));
    san_put(&wish, SAN_DNS, SPAN_LIT("c.example"));
    san_put(&wish, SAN_DNS, SPAN_LIT("b.example"));
    der_close(&wish, mark);
    assert_int_equal(names_san(&p, "a.example", sink_view(&wish), &out, problem,
                               sizeof problem),
                     BV_OK);
    struct san_iter it;
    struct san_name name;
    unsigned num = 0;
    assert_int_equal(san_open(sink_view(&out), &it), BV_OK);
    while (san_next(&it, &name) == BV_OK)
        num++;
    assert_int_equal(num, 2);
}

/* RFC 9039 4.1: always 16 digits; 5 has the second one as its example. */
static void
test_urns(void **state)
{
    static const struct {
        enum profile_id kind;
        const char *id, *urn; /* NULL: none */
    } rows[] = {
        {PROFILE_ID_EUI64, "0024beffff804ff1", "urn:dev:mac:0024beffff804ff1"},
        {PROFILE_ID_EUI48, "0024be804ff1", "urn:dev:mac:0024befffe804ff1"},
        {PROFILE_ID_UUID, "9f3f2a1e-5b7c-4d0a-8e21-0123456789ab",
         "urn:uuid:9f3f2a1e-5b7c-4d0a-8e21-0123456789ab"},
        {PROFILE_ID_ANY, "d2", NULL},
        {PROFILE_ID_DNS, "a.example", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t buf[400];
        char problem[100], wrong[100];
        struct sink out = SINK_ARRAY(buf);
        struct profile p = {.id = rows[i].kind, .san_id_urn = true};
        assert_int_equal(names_san(&p, rows[i].id, SPAN_EMPTY, &out, problem,
                                   sizeof problem),
                         BV_OK);
        assert_int_equal(out.len > 0, rows[i].urn != NULL);
        if (rows[i].urn != NULL)
            assert_true(
                san_has(sink_view(&out), SAN_URI, span_str(rows[i].urn)));
        /* whoever may ask for URIs may ask for its own, and no other */
        p.san_id_urn = false;
        p.san_allowed = PROFILE_SAN_URI;
        (void)snprintf(wrong, sizeof wrong, "urn:dev:mac:%s", rows[i].id);
        const char *wish = rows[i].urn != NULL ? rows[i].urn : wrong;
        out = SINK_ARRAY(buf);
        assert_int_equal(ask(&p, rows[i].id, SAN_URI, span_str(wish), &out),
                         rows[i].urn != NULL ? BV_OK : BV_E_REFUSED);
        out = SINK_ARRAY(buf);
        if (rows[i].kind != PROFILE_ID_EUI64)
            assert_int_equal(
                ask(&p, rows[i].id, SAN_URI, span_str(wrong), &out),
                BV_E_REFUSED);
    }
}

static void
test_no_san(void **state)
{
    uint8_t buf[100];
    char problem[100];
    struct profile p = {0};
    struct sink out = SINK_ARRAY(buf);
    assert_int_equal(
        names_san(&p, "d1", SPAN_EMPTY, &out, problem, sizeof problem), BV_OK);
    assert_int_equal(out.len, 0);
}

static void
test_id_of_subject(void **state)
{
    uint8_t buf[200];
    char id[LIMIT_DEVICE_NAME + 1];
    struct sink out = SINK_ARRAY(buf);
    const struct name_part parts[] = {
        {NAME_SERIAL_NUMBER, SPAN_LIT("s1")},
        {NAME_CN, SPAN_LIT("c1")},
    };
    assert_int_equal(name_put(&out, parts, 2), BV_OK);
    assert_int_equal(names_of_subject(sink_view(&out), false, id), BV_OK);
    assert_string_equal(id, "c1");
    assert_int_equal(names_of_subject(sink_view(&out), true, id), BV_OK);
    assert_string_equal(id, "s1");
    out = SINK_ARRAY(buf);
    const struct name_part twice[] = {{NAME_CN, SPAN_LIT("c1")},
                                      {NAME_CN, SPAN_LIT("c2")}};
    assert_int_equal(name_put(&out, twice, 2), BV_OK);
    assert_int_equal(names_of_subject(sink_view(&out), false, id),
                     BV_E_BAD_NAME);
    const uint8_t empty[] = {0x30, 0};
    assert_int_equal(names_of_subject(SPAN_ARRAY(empty), false, id), BV_OK);
    assert_string_equal(id, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_glob),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_san_rules),
        cmocka_unit_test(test_urns),
        cmocka_unit_test(test_pattern_is_of_one_kind),
        cmocka_unit_test(test_no_san),
        cmocka_unit_test(test_id_of_subject),
        cmocka_unit_test(test_asked_twice_written_once),
        cmocka_unit_test(test_mailbox_asked_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
