/* What somebody would try who has a little and wants more: a certificate of
 * one device, a token of one group, a manufacturer's good name. */
#include "fixture.h"

#include <stdio.h>

#include "core/ca.h"
#include "pki/digest.h"
#include "wire/cert.h"
#include "wire/csr.h"
#include "wire/der.h"
#include "wire/name.h"
#include "wire/oid.h"
#include "wire/san.h"

static struct fixture f;
static uint8_t csr_buf[8192];

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
with_secret(struct key *key, const char *cn, const char *secret)
{
    struct core_request r = fixture_request(
        CORE_ENROLL,
        fixture_csr(key, cn, SPAN_EMPTY, SPAN_EMPTY, csr_buf, sizeof csr_buf));
    r.secret = span_str(secret);
    return r;
}

/* --- histories longer than a page --- */

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

/* --- credentials that stopped being good --- */

static struct core_request
with_own(enum core_op op, struct key *key, const char *cn, struct span peer)
{
    struct core_request r =
        fixture_request(op, fixture_csr(key, cn, SPAN_EMPTY, SPAN_EMPTY,
                                        csr_buf, sizeof csr_buf));
    r.trust = CORE_TRUST_OWN;
    r.peer_cert = peer;
    return r;
}

static struct span
enrolled(struct key *key, const char *cn, uint8_t *buf, size_t cap)
{
    char secret[64];
    fixture_token(&f, cn, NULL, 1, secret);
    struct core_request r = with_secret(key, cn, secret);
    expect(BV_OK, &r);
    assert_true(f.reply.cert.len <= cap);
    memcpy(buf, f.reply.cert.data, f.reply.cert.len);
    return span_of(buf, f.reply.cert.len);
}

/* A key an operator blocked proves nothing any more, although nobody has
 * revoked its certificate yet. */
static void
test_blocked_key_may_not_ask(void **state)
{
    uint8_t der[2048];
    char request[300];
    bv_auto(key) struct key *key = fixture_key();
    bv_auto(key) struct key *next = fixture_key();
    struct span own = enrolled(key, "d1", der, sizeof der);
    (void)fixture_admin(&f, "{\"verb\":\"cert.list\",\"args\":{\"device\":"
                            "\"d1\"}}");
    const char *serial = strstr(f.json, "\"serial\":\"");
    assert_non_null(serial);
    (void)snprintf(request, sizeof request,
                   "{\"verb\":\"cert.show\",\"args\":{\"serial\":\"%.34s\"}}",
                   serial + 10);
    (void)fixture_admin(&f, request);
    const char *hash = strstr(f.json, "\"key_sha256\":\"");
    assert_non_null(hash);
    (void)snprintf(request, sizeof request,
                   "{\"verb\":\"key.block\",\"args\":{\"key\":\"%.64s\"}}",
                   hash + 14);
    struct core_request r = with_own(CORE_REENROLL, next, "d1", own);
    expect(BV_OK, &r);
    assert_non_null(strstr(fixture_admin(&f, request), "\"ok\":true"));
    fixture_time += 700; /* not a repeat any more */
    r = with_own(CORE_REENROLL, next, "d1", own);
    expect(BV_E_REVOKED, &r);
    r = with_own(CORE_ENROLL, next, "d1", own);
    expect(BV_E_REVOKED, &r);
}

/* --- one profile is not another --- */

/* A device's certificate is no ticket to a gateway's: a credential that names
 * its profile is for that profile, and a certificate names one. */
static void
test_own_certificate_keeps_its_profile(void **state)
{
    uint8_t der[2048];
    bv_auto(key) struct key *key = fixture_key();
    bv_auto(key) struct key *next = fixture_key();
    struct span own = enrolled(key, "d1", der, sizeof der);
    static const enum core_op ops[] = {CORE_ENROLL, CORE_REENROLL, CORE_KEYGEN};
    fixture_profile(&f, "gateway")->server_keygen = true;
    fixture_profile(&f, "gateway")->server_keygen_plain = true;
    for (size_t i = 0; i < 3; i++) {
        struct core_request r = with_own(ops[i], next, "d1", own);
        strcpy(r.label, "gateway");
        expect(BV_E_REFUSED, &r);
    }
    struct core_request r = with_own(CORE_ENROLL, next, "d1", own);
    strcpy(r.label, "device");
    expect(BV_OK, &r);
    fixture_profile(&f, "device")->allow_own = false;
    fixture_time += 700;
    expect(BV_E_REFUSED, &r);
    r = with_own(CORE_REENROLL, next, "d1", own);
    expect(BV_E_REFUSED, &r);
}

/* --- a group's token and other devices of the group --- */

/* On hold is not gone: it may be released, and then two would be one. */
static void
test_hold_keeps_the_name(void **state)
{
    char secret[64];
    bv_auto(key) struct key *a = fixture_key();
    bv_auto(key) struct key *b = fixture_key();
    fixture_token(&f, NULL, "barn", 5, secret);
    struct core_request r = with_secret(a, "d1", secret);
    expect(BV_OK, &r);
    (void)fixture_admin(&f, "{\"verb\":\"cert.hold\",\"args\":{\"device\":"
                            "\"d1\"}}");
    assert_non_null(strstr(f.json, "\"changed\":1"));
    r = with_secret(b, "d1", secret);
    expect(BV_E_REFUSED, &r);
    (void)fixture_admin(&f, "{\"verb\":\"cert.revoke\",\"args\":{\"device\":"
                            "\"d1\"}}");
    expect(BV_OK, &r); /* a successor */
}

/* Two who ask for one free name at the same moment: one of them gets it. */
static void
test_race_for_a_name(void **state)
{
    char secret[64];
    struct core_stats before, after;
    static uint8_t other_buf[8192];
    bv_auto(key) struct key *a = fixture_key();
    bv_auto(key) struct key *b = fixture_key();
    fixture_token(&f, NULL, "barn", 9, secret);
    for (int round = 0; round < 2; round++) { /* a new name, then an old one */
        struct core_request ra = with_secret(a, "d1", secret), rb = ra;
        rb.csr = fixture_csr(b, "d1", SPAN_EMPTY, SPAN_EMPTY, other_buf,
                             sizeof other_buf);
        core_stats(f.core, &before);
        core_submit(f.core, 1, 1, &ra);
        core_submit(f.core, 1, 2, &rb);
        fixture_settle(&f);
        core_stats(f.core, &after);
        assert_int_equal(after.issued - before.issued, 1);
        (void)fixture_admin(&f, "{\"verb\":\"cert.revoke\",\"args\":{\"device\""
                                ":\"d1\"}}");
        assert_non_null(strstr(f.json, "\"changed\":1"));
        /* neither key has been the device's before */
        key_free(a);
        a = fixture_key();
        key_free(b);
        b = fixture_key();
    }
}

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

/* --- manufacturers --- */

static struct core_request
with_idevid(struct key *key, const char *cn, struct key *maker_key,
            struct span maker, const char *trust_name)
{
    static uint8_t der[2048];
    struct profile p;
    uint8_t spki_buf[LIMIT_SPKI];
    char problem[200];
    struct sink spki = SINK_ARRAY(spki_buf), out = SINK_ARRAY(der);
    bv_auto(key) struct key *own = fixture_key();
    assert_int_equal(profile_default("device", &p), BV_OK);
    assert_int_equal(key_spki(own, &spki), BV_OK);
    struct ca_spec spec = {.profile = &p,
                           .cn = cn,
                           .spki = sink_view(&spki),
                           .issuer_cert = maker,
                           .issuer_key = maker_key,
                           .now = FIXTURE_NOW};
    assert_int_equal(ca_issue(&spec, &out, problem, sizeof problem), BV_OK);
    struct core_request r = fixture_request(
        CORE_ENROLL,
        fixture_csr(key, cn, SPAN_EMPTY, SPAN_EMPTY, csr_buf, sizeof csr_buf));
    r.trust = CORE_TRUST_MANUFACTURER;
    r.peer_cert = sink_view(&out);
    strcpy(r.trust_name, trust_name);
    return r;
}

/* Whoever speaks for the doors may claim that TLS has verified anything. */
static void
test_doors_cannot_invent_devices(void **state)
{
    uint8_t root[2048], sub[2048];
    bv_auto(key) struct key *key = fixture_key();
    bv_auto(key) struct key *forger = fixture_key();
    bv_auto(key) struct key *sub_key = fixture_key();
    struct span forged = fixture_ca("root", "Maker root", forger, SPAN_EMPTY,
                                    forger, root, sizeof root);
    struct core_request r = with_idevid(key, "m9", forger, forged, "acme");
    expect(BV_E_REFUSED, &r);
    r.peer_chain = forged;
    expect(BV_E_REFUSED, &r);
    r.peer_chain = SPAN_LIT("not DER");
    expect(BV_E_REFUSED, &r);
    struct span between = fixture_ca("intermediate", "Maker sub", sub_key,
                                     f.maker, f.maker_key, sub, sizeof sub);
    r = with_idevid(key, "m9", sub_key, between, "acme");
    expect(BV_E_REFUSED, &r);
    r.peer_chain = between;
    expect(BV_OK, &r);
    f.manufacturers[0].anchors = SPAN_EMPTY;
    r = with_idevid(key, "m9", f.maker_key, f.maker, "acme");
    expect(BV_E_REFUSED, &r);
}

/* A factory key that got out is blocked here long before its manufacturer
 * publishes a list. */
static void
test_blocked_factory_key(void **state)
{
    char request[200];
    uint8_t hash[32];
    struct cert idevid;
    bv_auto(key) struct key *key = fixture_key();
    struct core_request r =
        with_idevid(key, "m7", f.maker_key, f.maker, "acme");
    assert_int_equal(cert_parse(r.peer_cert, &idevid), BV_OK);
    digest_sha256(idevid.spki.whole, hash);
    int len = snprintf(request, sizeof request,
                       "{\"verb\":\"key.block\",\"args\":{\"key\":\"");
    for (size_t i = 0; i < sizeof hash; i++)
        len += snprintf(request + len, sizeof request - (size_t)len, "%02x",
                        hash[i]);
    (void)snprintf(request + len, sizeof request - (size_t)len, "\"}}");
    expect(BV_OK, &r);
    (void)fixture_admin(&f, request);
    assert_non_null(strstr(f.json, "\"ok\":true"));
    expect(BV_E_REVOKED, &r);
}

/* What a manufacturer calls its devices says nothing about devices that came
 * in otherwise, and nothing about another manufacturer's. */
static void
test_manufacturers_keep_to_their_own(void **state)
{
    uint8_t der[2048];
    char problem[200];
    static struct core_manufacturer makers[2];
    bv_auto(key) struct key *a = fixture_key();
    bv_auto(key) struct key *b = fixture_key();
    (void)enrolled(a, "d1", der, sizeof der); /* in no group */
    struct core_request r = with_idevid(b, "d1", f.maker_key, f.maker, "acme");
    expect(BV_E_REFUSED, &r);
    f.manufacturers[0].group[0] = '\0';
    expect(BV_E_REFUSED, &r);
    strcpy(f.manufacturers[0].group, "acme-devices");
    r = with_idevid(b, "m1", f.maker_key, f.maker, "acme");
    expect(BV_OK, &r);
    bv_auto(key) struct key *c = fixture_key();
    r = with_idevid(c, "m1", f.maker_key, f.maker, "acme"); /* after a reset */
    expect(BV_OK, &r);
    makers[0] = makers[1] = f.manufacturers[0];
    strcpy(makers[1].name, "rival");
    f.config.manufacturers = makers;
    f.config.num_manufacturers = 2;
    assert_int_equal(core_config_check(&f.config, problem, sizeof problem),
                     BV_E_BAD_CONFIG);
    strcpy(makers[1].group, "rivals");
    assert_int_equal(core_config_check(&f.config, problem, sizeof problem),
                     BV_OK);
    bv_auto(key) struct key *d = fixture_key();
    r = with_idevid(d, "m1", f.maker_key, f.maker, "rival");
    expect(BV_E_REFUSED, &r);
}

/* --- waiting for an operator --- */

/* A client in a loop makes a new key each time; it may not fill the queue. */
static void
test_queue_is_not_one_clients(void **state)
{
    char secret[64];
    f.config.issues_per_hour = 5;
    fixture_token(&f, "signer", NULL, 1, secret);
    for (int i = 0; i < 5; i++) {
        bv_auto(key) struct key *key = fixture_key();
        struct core_request r = with_secret(key, "signer", secret);
        strcpy(r.label, "codesigning");
        expect(BV_E_PENDING, &r);
        expect(BV_E_PENDING, &r); /* the same again is no new entry */
    }
    bv_auto(key) struct key *key = fixture_key();
    struct core_request r = with_secret(key, "signer", secret);
    strcpy(r.label, "codesigning");
    expect(BV_E_RATE_LIMITED, &r);
}

/* A group token may make up names; it may not fill the queue with them, nor
 * may many tokens from one network. */
static void
test_queue_has_shares(void **state)
{
    char secret[64], other[64], cn[16];
    f.config.pending_per_credential = 3;
    f.config.pending_per_address = 5;
    fixture_token(&f, NULL, "barn", 100, secret);
    fixture_token(&f, NULL, "shed", 100, other);
    bv_auto(key) struct key *key = fixture_key();
    for (int i = 0; i < 7; i++) {
        (void)snprintf(cn, sizeof cn, "d%d", i);
        struct core_request r = with_secret(key, cn, i < 4 ? secret : other);
        (void)snprintf(r.peer, sizeof r.peer, "2001:db8::%d", i + 1);
        strcpy(r.label, "codesigning");
        if (i == 3 || i == 6) { /* the token's share, the network's */
            expect(BV_E_RATE_LIMITED, &r);
            assert_non_null(
                strstr(f.reply.detail, i == 3 ? "credential" : "address"));
            assert_int_equal(f.reply.retry_after, 60);
        } else {
            expect(BV_E_PENDING, &r);
        }
    }
    struct core_request r = with_secret(key, "d9", other);
    strcpy(r.peer, "2001:db8:0:1::1"); /* another network */
    strcpy(r.label, "codesigning");
    expect(BV_E_PENDING, &r);
    r = with_secret(key, "d0", secret); /* who waits already is not new */
    strcpy(r.label, "codesigning");
    expect(BV_E_PENDING, &r);
    (void)fixture_admin(
        &f, "{\"verb\":\"device.approve\",\"args\":{\"device\":\"d0\"}}");
    expect(BV_OK, &r); /* and makes room */
    r = with_secret(key, "d10", secret);
    strcpy(r.label, "codesigning");
    expect(BV_E_BAD_KEY, &r); /* d0's key now */
    bv_auto(key) struct key *next = fixture_key();
    r = with_secret(next, "d10", secret);
    strcpy(r.label, "codesigning");
    expect(BV_E_PENDING, &r);
}

static void
test_ipv6_counts_by_network(void **state)
{
    char secret[64];
    bv_auto(key) struct key *key = fixture_key();
    f.config.failures_per_minute = 3;
    fixture_token(&f, "d1", NULL, 1, secret);
    for (int i = 0; i < 3; i++) {
        struct core_request wrong = with_secret(key, "d1", "WRONG");
        (void)snprintf(wrong.peer, sizeof wrong.peer, "2001:db8::%d", i + 1);
        expect(BV_E_UNAUTHENTICATED, &wrong);
    }
    struct core_request r = with_secret(key, "d1", secret);
    strcpy(r.peer, "2001:db8::ffff");
    expect(BV_E_RATE_LIMITED, &r);
    strcpy(r.peer, "2001:db8:0:1::1");
    expect(BV_OK, &r);
}

/* An approval is for one key: another one waits for its own, and the same
 * request does not pass twice. */
static void
test_approval_is_not_reusable(void **state)
{
    char secret[64];
    static uint8_t other_buf[8192];
    bv_auto(key) struct key *a = fixture_key();
    bv_auto(key) struct key *b = fixture_key();
    fixture_token(&f, "signer", NULL, 5, secret);
    struct core_request r = with_secret(a, "signer", secret);
    strcpy(r.label, "codesigning");
    expect(BV_E_PENDING, &r);
    (void)fixture_admin(
        &f, "{\"verb\":\"device.approve\",\"args\":{\"device\":\"signer\"}}");
    struct core_request other = r;
    other.csr = fixture_csr(b, "signer", SPAN_EMPTY, SPAN_EMPTY, other_buf,
                            sizeof other_buf);
    expect(BV_E_PENDING, &other);
    expect(BV_OK, &r);
    fixture_time += 700; /* past the time of repeats */
    expect(BV_E_PENDING, &r);
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

/* --- faults that are ours --- */

/* An hour of full disk must not use up what a device may ask for in it. */
static void
test_our_faults_do_not_count(void **state)
{
    char secret[64];
    bv_auto(key) struct key *key = fixture_key();
    f.config.issues_per_hour = 3;
    fixture_token(&f, "d1", NULL, 1, secret);
    struct core_request r = with_secret(key, "d1", secret);
    for (int i = 0; i < 5; i++) {
        f.calls = 0;
        f.fail_at = 10 + (unsigned)i;
        f.fail_with = BV_E_DISK_FULL;
        expect(BV_E_DISK_FULL, &r);
        f.fail_at = 0;
    }
    expect(BV_OK, &r);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_revoke_more_than_a_page),
        T(test_listings_end),
        T(test_blocked_key_may_not_ask),
        T(test_hold_keeps_the_name),
        T(test_race_for_a_name),
        T(test_renewal_keeps_its_names),
        T(test_change_of_subject_is_not_ignored),
        T(test_binding_tricks),
        T(test_subject_tricks),
        T(test_subject_is_written_anew),
        T(test_case_makes_no_other_device),
        T(test_doors_cannot_invent_devices),
        T(test_manufacturers_keep_to_their_own),
        T(test_blocked_factory_key),
        T(test_queue_is_not_one_clients),
        T(test_queue_has_shares),
        T(test_ipv6_counts_by_network),
        T(test_approval_is_not_reusable),
        T(test_our_faults_do_not_count),
        T(test_own_certificate_keeps_its_profile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
