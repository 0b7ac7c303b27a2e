/* What a CSR may be made to say to look like another's: subjects, attributes,
 * bindings, spellings, and what a renewal may ask for. */
#include "asking.h"

#include <stdio.h>

#include "wire/cert.h"
#include "wire/csr.h"
#include "wire/der.h"
#include "wire/name.h"
#include "wire/oid.h"
#include "wire/san.h"

/* --- what a subject can be made to look like --- */

struct ava {
    int rdn; /* same number: one multi-valued RDN */
    struct span oid;
    uint8_t tag;
    struct span text;
};

static void
put_ava(struct sink *out, const struct ava *ava)
{
    size_t mark = der_open(out, DER_SEQUENCE);
    der_put_oid(out, ava->oid);
    der_put(out, ava->tag, ava->text);
    der_close(out, mark);
}

static struct span
csr_of_avas(struct key *key, const struct ava *avas, size_t num)
{
    static uint8_t buf[4096];
    uint8_t name_buf[512], spki_buf[LIMIT_SPKI], info_buf[2048], sig_buf[200];
    struct sink name = SINK_ARRAY(name_buf), spki = SINK_ARRAY(spki_buf),
                info = SINK_ARRAY(info_buf), sig = SINK_ARRAY(sig_buf),
                out = SINK_ARRAY(buf);
    size_t mark = der_open(&name, DER_SEQUENCE);
    for (size_t i = 0; i < num;) {
        size_t rdn = der_open(&name, DER_SET), first = i;
        for (; i < num && avas[i].rdn == avas[first].rdn; i++)
            put_ava(&name, &avas[i]);
        der_close(&name, rdn);
    }
    der_close(&name, mark);
    assert_int_equal(key_spki(key, &spki), BV_OK);
    struct csr_spec spec = {.subject = sink_view(&name),
                            .spki = sink_view(&spki)};
    csr_build_info(&info, &spec);
    assert_int_equal(key_sign(key, sink_view(&info), &sig), BV_OK);
    csr_assemble(&out, sink_view(&info), alg_sig_of_key(key_alg(key)),
                 sink_view(&sig));
    assert_false(out.failed);
    return sink_view(&out);
}

#define CN(rdn, tag, text)                                                     \
    {                                                                          \
        rdn, oid_cn, DER_##tag, SPAN_LIT(text)                                 \
    }

static void
test_subject_tricks(void **state)
{
    char secret[64];
    bv_auto(key) struct key *key = fixture_key();
    const struct {
        struct ava avas[3];
        size_t num;
    } tricks[] = {
        {{CN(0, UTF8_STRING, "d1"), CN(1, UTF8_STRING, "d2")}, 2},
        {{CN(0, UTF8_STRING, "d2"), CN(1, UTF8_STRING, "d1")}, 2},
        {{CN(0, UTF8_STRING, "d1"), CN(0, UTF8_STRING, "d2")}, 2},
        {{CN(0, UTF8_STRING, "d1\0d2")}, 1},
        {{CN(0, UTF8_STRING, "d1\0")}, 1},
        {{CN(0, UTF8_STRING, "d1 ")}, 1},
        {{CN(0, UTF8_STRING, " d1")}, 1},
        {{CN(0, UTF8_STRING, "D1")}, 1},
        {{CN(0, UTF8_STRING,
             "d\xc2\xad"
             "1")},
         1}, /* soft hyphen */
        {{CN(0, T61_STRING, "d1")}, 1},
        {{CN(0, BMP_STRING,
             "\0d\0"
             "1")},
         1},
        {{CN(0, OCTET_STRING, "d1")}, 1},
        {{CN(0, UTF8_STRING, "")}, 1},
    };
    fixture_token(&f, "d1", NULL, 5, secret);
    for (size_t i = 0; i < sizeof tricks / sizeof *tricks; i++) {
        struct core_request r = fixture_request(
            CORE_ENROLL, csr_of_avas(key, tricks[i].avas, tricks[i].num));
        r.secret = span_str(secret);
        if (fixture_run(&f, &r) == BV_OK)
            fail_msg("trick %zu passed", i);
        r.user = SPAN_LIT("d1");
        if (fixture_run(&f, &r) == BV_OK)
            fail_msg("trick %zu passed with a user", i);
    }
}

/* Attributes beside the name are nobody's promise: they are not copied. */
static void
test_subject_is_written_anew(void **state)
{
    char secret[64];
    struct cert cert;
    uint8_t buf[256];
    struct sink text = SINK_ARRAY(buf);
    const struct ava avas[] = {
        {0, oid_o, DER_UTF8_STRING, SPAN_LIT("Somebody else")},
        {1, oid_serial_number, DER_PRINTABLE_STRING, SPAN_LIT("d2")},
        {2, oid_cn, DER_PRINTABLE_STRING, SPAN_LIT("d1")},
    };
    bv_auto(key) struct key *key = fixture_key();
    fixture_token(&f, "d1", NULL, 1, secret);
    struct core_request r =
        fixture_request(CORE_ENROLL, csr_of_avas(key, avas, 3));
    r.secret = span_str(secret);
    expect(BV_OK, &r);
    assert_int_equal(cert_parse(f.reply.cert, &cert), BV_OK);
    name_put_text(&text, cert.subject);
    assert_true(span_eq_str(sink_view(&text), "CN=d1"));
}

/* A CSR made by hand: fixture_csr's with one attribute more. */
static struct span
csr_with_attribute(struct key *key, const char *cn, struct span attribute)
{
    static uint8_t buf[4096];
    uint8_t info_buf[2048], sig_buf[200];
    struct sink info = SINK_ARRAY(info_buf), sig = SINK_ARRAY(sig_buf),
                out = SINK_ARRAY(buf);
    struct csr csr;
    struct span plain =
        fixture_csr(key, cn, SPAN_EMPTY, SPAN_EMPTY, csr_buf, sizeof csr_buf);
    assert_int_equal(csr_parse(plain, &csr), BV_OK);
    size_t mark = der_open(&info, DER_SEQUENCE);
    der_put_uint(&info, 0);
    der_put_raw(&info, csr.subject);
    der_put_raw(&info, csr.spki.whole);
    der_put(&info, DER_CONTEXT_CONS(0), attribute);
    der_close(&info, mark);
    assert_int_equal(key_sign(key, sink_view(&info), &sig), BV_OK);
    csr_assemble(&out, sink_view(&info), csr.sig_alg, sink_view(&sig));
    assert_false(out.failed);
    return sink_view(&out);
}

/* Attribute { type, SET { value } } */
static struct span
attribute_of(struct span oid, uint8_t tag, struct span content)
{
    static uint8_t buf[1024];
    struct sink out = SINK_ARRAY(buf);
    size_t all = der_open(&out, DER_SEQUENCE), set;
    der_put_oid(&out, oid);
    set = der_open(&out, DER_SET);
    der_put(&out, tag, content);
    der_close(&out, set);
    der_close(&out, all);
    assert_false(out.failed);
    return sink_view(&out);
}

/* RFC 6402 2.8 asks for another name; the old one is no answer to that. */
static void
test_change_of_subject_is_not_ignored(void **state)
{
    uint8_t der[2048], name_buf[64];
    struct sink name = SINK_ARRAY(name_buf);
    const struct name_part part = {NAME_CN, SPAN_LIT("d2")};
    bv_auto(key) struct key *key = fixture_key();
    struct span own = enrolled(key, "d1", der, sizeof der);
    assert_int_equal(name_put(&name, &part, 1), BV_OK);
    struct core_request r = with_own(CORE_REENROLL, key, "d1", own);
    r.csr = csr_with_attribute(
        key, "d1",
        attribute_of(oid_change_subject_name, DER_SEQUENCE, sink_view(&name)));
    expect(BV_E_REFUSED, &r);
    r.op = CORE_ENROLL;
    expect(BV_E_REFUSED, &r);
}

/* The binding as it may not look. */
static void
test_binding_tricks(void **state)
{
    char secret[64];
    static uint8_t zeros[300];
    bv_auto(key) struct key *key = fixture_key();
    memset(zeros, 'A', sizeof zeros);
    const struct {
        uint8_t tag;
        struct span text;
    } tricks[] = {
        {DER_UTF8_STRING, SPAN_LIT("")},
        {DER_UTF8_STRING, span_of(zeros, 256)},
        {DER_UTF8_STRING, span_of(zeros, 255)},
        {DER_OCTET_STRING, SPAN_LIT("Y2hhbm5lbCBh")},
        {DER_BMP_STRING, SPAN_LIT("Y2hhbm5lbCBh")},
        {DER_UTF8_STRING, SPAN_LIT("Y2hhbm5lbCBh\n")},
        {DER_UTF8_STRING, SPAN_LIT("channel a")}, /* not base64 */
        {DER_UTF8_STRING, SPAN_LIT("Y2hhbm5lbCB")},
    };
    fixture_token(&f, "d1", NULL, 20, secret);
    struct core_request r = with_secret(key, "d1", secret);
    for (size_t i = 0; i < sizeof tricks / sizeof *tricks; i++) {
        r.csr = csr_with_attribute(key, "d1",
                                   attribute_of(oid_challenge_password,
                                                tricks[i].tag, tricks[i].text));
        r.binding = SPAN_LIT("channel a");
        if (fixture_run(&f, &r) == BV_OK)
            fail_msg("trick %zu passed", i);
        r.binding = SPAN_EMPTY;
        if (fixture_run(&f, &r) == BV_OK)
            fail_msg("trick %zu passed without a binding", i);
    }
    r.csr =
        csr_with_attribute(key, "d1",
                           attribute_of(oid_challenge_password, DER_UTF8_STRING,
                                        SPAN_LIT("Y2hhbm5lbCBh")));
    r.binding = SPAN_LIT("channel a");
    expect(BV_OK, &r);
}

/* RFC 5280 7.1: names that differ in letter case only are equal, and 4.1.2.6
 * wants one subject for one name. */
static void
test_case_makes_no_other_device(void **state)
{
    char secret[64];
    uint8_t der[2048];
    bv_auto(key) struct key *a = fixture_key();
    bv_auto(key) struct key *b = fixture_key();
    (void)enrolled(a, "Pump-1", der, sizeof der);
    fixture_token(&f, NULL, "barn", 5, secret);
    struct core_request r = with_secret(b, "pump-1", secret);
    expect(BV_E_REFUSED, &r);
    fixture_token(&f, "PUMP-1", NULL, 5, secret);
    r = with_secret(b, "PUMP-1", secret);
    expect(BV_E_REFUSED, &r);
    r = with_secret(b, "Pump-2", secret);
    expect(BV_E_REFUSED, &r);
}

/* --- what a renewal may ask for (RFC 7030 4.2.2) --- */

static struct span
san_of(const char *a, const char *b)
{
    static uint8_t buf[256];
    struct sink out = SINK_ARRAY(buf);
    size_t mark = der_open(&out, DER_SEQUENCE);
    san_put(&out, SAN_DNS, span_str(a));
    if (b != NULL)
        san_put(&out, SAN_DNS, span_str(b));
    der_close(&out, mark);
    return sink_view(&out);
}

static void
test_renewal_keeps_its_names(void **state)
{
    static uint8_t der[2048];
    char secret[64];
    struct cert old, new;
    bv_auto(key) struct key *key = fixture_key();
    struct profile *p = fixture_profile(&f, "gateway");
    strcpy(p->san_patterns[0], "*.gw.example");
    p->num_san_patterns = 1;
    fixture_token(&f, "gw1", NULL, 1, secret);
    struct core_request r = with_secret(key, "gw1", secret);
    strcpy(r.label, "gateway");
    r.csr = fixture_csr(key, "gw1", san_of("a.gw.example", "b.gw.example"),
                        SPAN_EMPTY, csr_buf, sizeof csr_buf);
    expect(BV_OK, &r);
    memcpy(der, f.reply.cert.data, f.reply.cert.len);
    r = with_own(CORE_REENROLL, key, "gw1", span_of(der, f.reply.cert.len));
    assert_int_equal(cert_parse(r.peer_cert, &old), BV_OK);
    const struct {
        const char *a, *b;
        enum bv_err want;
    } cases[] = {
        {NULL, NULL, BV_OK}, /* none: the same again */
        {"b.gw.example", "a.gw.example", BV_OK},
        {"a.gw.example", NULL, BV_E_REFUSED},
        {"a.gw.example", "c.gw.example", BV_E_REFUSED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        r.csr = fixture_csr(key, "gw1",
                            cases[i].a ? san_of(cases[i].a, cases[i].b)
                                       : SPAN_EMPTY,
                            SPAN_EMPTY, csr_buf, sizeof csr_buf);
        expect(cases[i].want, &r);
        if (cases[i].want != BV_OK)
            continue;
        assert_int_equal(cert_parse(f.reply.cert, &new), BV_OK);
        assert_true(span_eq(old.san, new.san));
    }
    /* another string type is the same name; the certificate keeps its own */
    const struct ava utf8 = CN(0, UTF8_STRING, "gw1");
    r.csr = csr_of_avas(key, &utf8, 1);
    expect(BV_OK, &r);
    assert_int_equal(cert_parse(f.reply.cert, &new), BV_OK);
    assert_true(span_eq(old.subject, new.subject));
    const struct ava more[] = {CN(0, UTF8_STRING, "gw1"),
                               {1, oid_ou, DER_UTF8_STRING, SPAN_LIT("x")}};
    r.csr = csr_of_avas(key, more, 2);
    expect(BV_E_REFUSED, &r);
}

/* A pattern covers many names; those of other devices are theirs. */
static void
test_san_of_another_device(void **state)
{
    static const char uuid[] = "8d2f6c1a-0b3e-4a57-9c44-1f0e6b7a2d90";
    char secret[64], urn[64];
    uint8_t der[2048], uri_buf[100];
    bv_auto(key) struct key *other = fixture_key();
    bv_auto(key) struct key *second = fixture_key();
    bv_auto(key) struct key *third = fixture_key();
    bv_auto(key) struct key *key = fixture_key();
    struct profile *p = fixture_profile(&f, "gateway");
    p->san_allowed = PROFILE_SAN_DNS | PROFILE_SAN_URI;
    strcpy(p->san_patterns[0], "*.gw.example");
    strcpy(p->san_patterns[1], "uri:urn:*");
    p->num_san_patterns = 2;
    (void)enrolled(other, "b.gw.example", der, sizeof der);
    (void)enrolled(second, uuid, der, sizeof der);
    (void)enrolled(third, "0a1b2c3d4e5f", der, sizeof der);
    fixture_token(&f, "a.gw.example", NULL, 5, secret);
    struct core_request r = with_secret(key, "a.gw.example", secret);
    strcpy(r.label, "gateway");
    const struct {
        const char *a, *b;
        enum bv_err want;
    } cases[] = {
        {"c.gw.example", "b.gw.example", BV_E_REFUSED},
        {"b.gw.example", NULL, BV_E_REFUSED},
        {"a.gw.example", "c.gw.example", BV_OK}, /* its own, nobody's */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        r.csr = fixture_csr(key, "a.gw.example", san_of(cases[i].a, cases[i].b),
                            SPAN_EMPTY, csr_buf, sizeof csr_buf);
        expect(cases[i].want, &r);
        if (cases[i].want != BV_OK)
            assert_non_null(strstr(f.reply.detail, "b.gw.example"));
    }
    static const struct {
        const char *prefix, *id;
    } urns[] = {{"urn:uuid:", uuid},
                {"URN:UUID:", uuid},
                /* RFC 9039 4.1: the EUI-48 widened */
                {"urn:dev:mac:", "0a1b2cfffe3d4e5f"}};
    for (size_t i = 0; i < sizeof urns / sizeof *urns; i++) {
        struct sink uri = SINK_ARRAY(uri_buf);
        (void)snprintf(urn, sizeof urn, "%s%s", urns[i].prefix, urns[i].id);
        strcpy(p->san_patterns[1], i == 1 ? "uri:URN:*" : "uri:urn:*");
        size_t mark = der_open(&uri, DER_SEQUENCE);
        san_put(&uri, SAN_URI, span_str(urn));
        der_close(&uri, mark);
        r.csr = fixture_csr(key, "a.gw.example", sink_view(&uri), SPAN_EMPTY,
                            csr_buf, sizeof csr_buf);
        expect(BV_E_REFUSED, &r);
    }
}

/* Names that are allowed one by one may be too much together. */
static void
test_san_that_is_too_long(void **state)
{
    static uint8_t san_buf[6000];
    char secret[64], host[120];
    bv_auto(key) struct key *key = fixture_key();
    struct profile *p = fixture_profile(&f, "gateway");
    p->san_allowed = PROFILE_SAN_DNS;
    strcpy(p->san_patterns[0], "*.gw.example");
    p->num_san_patterns = 1;
    fixture_token(&f, "gw1", NULL, 5, secret);
    for (unsigned num = 60; num > 0; num -= 20) {
        struct sink san = SINK_ARRAY(san_buf);
        size_t mark = der_open(&san, DER_SEQUENCE);
        for (unsigned i = 0; i < num; i++) {
            (void)snprintf(host, sizeof host, "n%062u.gw.example", i);
            san_put(&san, SAN_DNS, span_str(host));
        }
        der_close(&san, mark);
        struct core_request r = with_secret(key, "gw1", secret);
        strcpy(r.label, "gateway");
        r.csr = fixture_csr(key, "gw1", sink_view(&san), SPAN_EMPTY, csr_buf,
                            sizeof csr_buf);
        expect(num == 60 ? BV_E_TOO_LARGE : BV_OK, &r);
        assert_int_equal(f.reply.retry_after, 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_subject_tricks),
        T(test_subject_is_written_anew),
        T(test_change_of_subject_is_not_ignored),
        T(test_binding_tricks),
        T(test_case_makes_no_other_device),
        T(test_renewal_keeps_its_names),
        T(test_san_of_another_device),
        T(test_san_that_is_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
