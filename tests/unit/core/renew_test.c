/* Renewals that are not the ordinary one: by an RA for a device, after the end,
 * by a certificate that is not for TLS clients. */
#include "fixture.h"

#include <stdio.h>

#include "pki/digest.h"
#include "wire/cert.h"
#include "wire/der.h"
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
ask(enum core_op op, struct key *key, const char *cn, struct span san)
{
    return fixture_request(
        op, fixture_csr(key, cn, san, SPAN_EMPTY, csr_buf, sizeof csr_buf));
}

static struct core_request
with_own(enum core_op op, struct key *key, const char *cn, struct span peer)
{
    struct core_request r = ask(op, key, cn, SPAN_EMPTY);
    r.trust = CORE_TRUST_OWN;
    r.peer_cert = peer;
    return r;
}

/* enrolled: a certificate of profile (its label), by a claim code of group. */
static struct span
enrolled(struct key *key, const char *cn, const char *group,
         const char *profile, uint8_t buf[2048])
{
    char secret[64];
    fixture_token(&f, group == NULL ? cn : NULL, group, 1, secret);
    struct core_request r = ask(CORE_ENROLL, key, cn, SPAN_EMPTY);
    r.secret = span_str(secret);
    strcpy(r.label, profile);
    expect(BV_OK, &r);
    memcpy(buf, f.reply.cert.data, f.reply.cert.len);
    return span_of(buf, f.reply.cert.len);
}

/* An RA: gateway "ra1" of group "barn". */
static struct span
make_ra(struct key *key, uint8_t buf[2048])
{
    struct profile *p = fixture_profile(&f, "client");
    p->eku[p->num_eku++] = PROFILE_EKU_CMC_RA;
    fixture_profile(&f, "device")->allow_ra = true;
    return enrolled(key, "ra1", "barn", "client", buf);
}

static void
test_ra_enrols_devices(void **state)
{
    uint8_t ra_der[2048];
    struct cert cert;
    bv_auto(key) struct key *ra_key = fixture_key();
    bv_auto(key) struct key *key = fixture_key();
    struct span ra = make_ra(ra_key, ra_der);

    struct core_request r = with_own(CORE_ENROLL, key, "d1", ra);
    strcpy(r.label, "device");
    expect(BV_OK, &r);
    assert_string_equal(f.reply.device, "d1");
    assert_int_equal(cert_parse(f.reply.cert, &cert), BV_OK);
    assert_true(key_match_spki(key, cert.spki.whole));
    (void)fixture_admin(&f, "{\"verb\":\"device.show\",\"args\":{\"name\":"
                            "\"d1\"}}");
    assert_non_null(strstr(f.json, "\"group\":\"barn\""));
    (void)fixture_admin(&f, "{\"verb\":\"audit.list\",\"args\":{}}");
    assert_non_null(strstr(f.json, "\"auth\":\"ra-cert\""));
    assert_non_null(strstr(f.json, "\"actor_id\":\"ra1\""));
    expect(BV_OK, &r); /* the same again */
    assert_true(f.reply.repeated);
    /* and replaces what the device has */
    bv_auto(key) struct key *next = fixture_key();
    r = with_own(CORE_ENROLL, next, "d1", ra);
    expect(BV_OK, &r);
}

/* What the device signed was bound to its own connection, with the RA. */
static void
test_ra_binding_is_not_compared(void **state)
{
    uint8_t ra_der[2048];
    bv_auto(key) struct key *ra_key = fixture_key();
    bv_auto(key) struct key *key = fixture_key();
    struct span ra = make_ra(ra_key, ra_der);
    fixture_profile(&f, "device")->binding = PROFILE_BINDING_REQUIRE;
    struct core_request r = fixture_request(
        CORE_ENROLL, fixture_csr(key, "d1", SPAN_EMPTY, SPAN_LIT("b3RoZXI="),
                                 csr_buf, sizeof csr_buf));
    r.trust = CORE_TRUST_OWN;
    r.peer_cert = ra;
    r.binding = SPAN_LIT("this connection");
    expect(BV_OK, &r);
}

static void
test_ra_has_bounds(void **state)
{
    uint8_t ra_der[2048], other_der[2048], plain_der[2048];
    bv_auto(key) struct key *ra_key = fixture_key();
    bv_auto(key) struct key *key = fixture_key();
    bv_auto(key) struct key *other_key = fixture_key();
    bv_auto(key) struct key *plain_key = fixture_key();
    struct span ra = make_ra(ra_key, ra_der);
    (void)enrolled(other_key, "cow", "shed", "device", other_der);
    struct span plain = enrolled(plain_key, "d9", "barn", "device", plain_der);

    /* a profile that takes no RAs, a label there is not */
    struct core_request r = with_own(CORE_ENROLL, key, "d1", ra);
    strcpy(r.label, "gateway");
    expect(BV_E_REFUSED, &r);
    strcpy(r.label, "nothing");
    expect(BV_E_NOT_FOUND, &r);
    /* a device of another group */
    r = with_own(CORE_ENROLL, key, "cow", ra);
    expect(BV_E_REFUSED, &r);
    assert_non_null(strstr(f.reply.detail, "group"));
    r = with_own(CORE_REENROLL, key, "cow", ra);
    expect(BV_E_REFUSED, &r);
    /* keys made here */
    fixture_profile(&f, "device")->server_keygen = true;
    fixture_profile(&f, "device")->server_keygen_plain = true;
    r = with_own(CORE_KEYGEN, key, "d1", ra);
    expect(BV_E_REFUSED, &r);
    /* without cmcRA nobody asks for others */
    r = with_own(CORE_ENROLL, key, "d1", plain);
    expect(BV_E_REFUSED, &r);
    /* a key that is another device's; a CSR without its key's signature */
    r = with_own(CORE_ENROLL, other_key, "d1", ra);
    expect(BV_E_BAD_KEY, &r);
    r = with_own(CORE_ENROLL, key, "d1", ra);
    csr_buf[r.csr.len - 3] ^= 1;
    expect(BV_E_BAD_SIGNATURE, &r);
    /* blocked, revoked */
    r = with_own(CORE_ENROLL, key, "d1", ra);
    (void)fixture_admin(
        &f, "{\"verb\":\"device.block\",\"args\":{\"name\":\"ra1\"}}");
    expect(BV_E_REFUSED, &r);
    (void)fixture_admin(
        &f, "{\"verb\":\"device.unblock\",\"args\":{\"name\":\"ra1\"}}");
    expect(BV_OK, &r);
    (void)fixture_admin(&f, "{\"verb\":\"cert.revoke\",\"args\":{\"device\":"
                            "\"ra1\",\"reason\":\"superseded\"}}");
    r = with_own(CORE_ENROLL, key, "d2", ra);
    expect(BV_E_REVOKED, &r);
}

static void
test_ra_makes_no_ras(void **state)
{
    char problem[200] = "";
    struct profile p;
    assert_int_equal(profile_default("device", &p), BV_OK);
    strcpy(p.ca, "issuing");
    p.allow_ra = true;
    assert_int_equal(profile_check(&p, problem, sizeof problem), BV_OK);
    p.eku[p.num_eku++] = PROFILE_EKU_CMC_RA;
    assert_int_equal(profile_check(&p, problem, sizeof problem),
                     BV_E_BAD_CONFIG);
    assert_non_null(strstr(problem, "RA"));
}

static void
test_ra_renews_for_devices(void **state)
{
    uint8_t ra_der[2048], old_der[2048];
    struct cert old, cert;
    bv_auto(key) struct key *ra_key = fixture_key();
    bv_auto(key) struct key *key = fixture_key();
    bv_auto(key) struct key *next = fixture_key();
    struct span ra = make_ra(ra_key, ra_der);
    struct core_request r = with_own(CORE_REENROLL, key, "d1", ra);
    expect(BV_E_REFUSED, &r); /* nothing to renew yet */
    struct span own = enrolled(key, "d1", "barn", "device", old_der);
    assert_int_equal(cert_parse(own, &old), BV_OK);
    r = with_own(CORE_REENROLL, next, "d1", ra);
    expect(BV_OK, &r);
    assert_string_equal(f.reply.device, "d1");
    assert_int_equal(cert_parse(f.reply.cert, &cert), BV_OK);
    assert_true(span_eq(cert.subject, old.subject));
    /* the RA's own goes on as a device's does */
    r = with_own(CORE_REENROLL, ra_key, "ra1", ra);
    expect(BV_OK, &r);
    assert_string_equal(f.reply.profile, "client");
    /* nothing good left to renew */
    (void)fixture_admin(&f, "{\"verb\":\"cert.revoke\",\"args\":{\"device\":"
                            "\"d1\",\"reason\":\"superseded\"}}");
    bv_auto(key) struct key *last = fixture_key();
    r = with_own(CORE_REENROLL, last, "d1", ra);
    expect(BV_E_REFUSED, &r);
}

/* The answer was lost: the device's newest certificate is then the one that the
 * repeat asks for, and no reason to issue another or to refuse its key. */
static void
test_ra_repeats_a_renewal(void **state)
{
    uint8_t ra_der[2048], old_der[2048];
    char serial[64];
    bv_auto(key) struct key *ra_key = fixture_key();
    bv_auto(key) struct key *key = fixture_key();
    bv_auto(key) struct key *next = fixture_key();
    struct span ra = make_ra(ra_key, ra_der);
    (void)enrolled(key, "d1", "barn", "device", old_der);
    fixture_profile(&f, "device")->reuse_key_on_renew = false;
    struct core_request r = with_own(CORE_REENROLL, next, "d1", ra);
    expect(BV_OK, &r);
    strcpy(serial, f.reply.serial);
    fixture_time += 60;
    r = with_own(CORE_REENROLL, next, "d1", ra); /* signed anew */
    expect(BV_OK, &r);
    assert_true(f.reply.repeated);
    assert_string_equal(f.reply.serial, serial);
    /* past the time of repeats it is a renewal that keeps its key */
    fixture_time += 700;
    expect(BV_E_BAD_KEY, &r);
    assert_non_null(strstr(f.reply.detail, "new key"));
}

static void
test_after_the_end(void **state)
{
    const int64_t life = INT64_C(90) * 86400;
    uint8_t der[2048];
    bv_auto(key) struct key *key = fixture_key();
    bv_auto(key) struct key *next = fixture_key();
    struct span own = enrolled(key, "d1", NULL, "device", der);
    struct core_request r = with_own(CORE_REENROLL, next, "d1", own);
    fixture_time += life;
    expect(BV_E_EXPIRED, &r); /* as it comes */
    fixture_profile(&f, "device")->renew_after_expiry = 3600;
    struct core_request first = with_own(CORE_ENROLL, next, "d1", own);
    expect(BV_E_EXPIRED, &first); /* for a renewal only */
    r = with_own(CORE_REENROLL, next, "d1", own);
    (void)fixture_admin(
        &f, "{\"verb\":\"device.block\",\"args\":{\"name\":\"d1\"}}");
    expect(BV_E_REFUSED, &r);
    (void)fixture_admin(
        &f, "{\"verb\":\"device.unblock\",\"args\":{\"name\":\"d1\"}}");
    fixture_time += 3599; /* the last second */
    expect(BV_OK, &r);
    fixture_time += 1;
    bv_auto(key) struct key *late = fixture_key();
    r = with_own(CORE_REENROLL, late, "d1", own);
    expect(BV_E_EXPIRED, &r);
}

/* The key that was on the board before is no way back in. */
static void
test_after_the_end_only_the_last(void **state)
{
    uint8_t der[2048], next_der[2048];
    bv_auto(key) struct key *key = fixture_key();
    bv_auto(key) struct key *next = fixture_key();
    bv_auto(key) struct key *thief = fixture_key();
    struct span own = enrolled(key, "d1", NULL, "device", der);
    fixture_profile(&f, "device")->renew_after_expiry = 86400;
    struct core_request r = with_own(CORE_REENROLL, next, "d1", own);
    expect(BV_OK, &r);
    memcpy(next_der, f.reply.cert.data, f.reply.cert.len);
    struct span last = span_of(next_der, f.reply.cert.len);
    fixture_time += INT64_C(90) * 86400 + 100;
    r = with_own(CORE_REENROLL, thief, "d1", own);
    expect(BV_E_REFUSED, &r);
    assert_non_null(strstr(f.reply.detail, "newer"));
    /* whoever has the newer one's key may never have seen the answer */
    r = with_own(CORE_REENROLL, next, "d1", own);
    expect(BV_OK, &r);
    r = with_own(CORE_REENROLL, next, "d1", last);
    expect(BV_OK, &r);
}

/* Most devices are in no group: who is in none either speaks for none. */
static void
test_ra_of_no_group_replaces_nothing(void **state)
{
    uint8_t ra_der[2048], der[2048];
    bv_auto(key) struct key *ra_key = fixture_key();
    bv_auto(key) struct key *key = fixture_key();
    bv_auto(key) struct key *other = fixture_key();
    struct profile *p = fixture_profile(&f, "client");
    p->eku[p->num_eku++] = PROFILE_EKU_CMC_RA;
    fixture_profile(&f, "device")->allow_ra = true;
    struct span ra = enrolled(ra_key, "ra1", NULL, "client", ra_der);
    (void)enrolled(key, "d1", NULL, "device", der);
    struct core_request r = with_own(CORE_ENROLL, other, "d1", ra);
    strcpy(r.label, "device");
    expect(BV_E_REFUSED, &r);
    r = with_own(CORE_REENROLL, other, "d1", ra);
    strcpy(r.label, "device");
    expect(BV_E_REFUSED, &r);
    r = with_own(CORE_ENROLL, other, "d2", ra);
    strcpy(r.label, "device");
    expect(BV_OK, &r);
}

static void
test_after_the_end_revoked_stays_revoked(void **state)
{
    uint8_t der[2048], held_der[2048];
    bv_auto(key) struct key *key = fixture_key();
    bv_auto(key) struct key *held_key = fixture_key();
    struct span own = enrolled(key, "d1", NULL, "device", der);
    struct span held = enrolled(held_key, "d2", NULL, "device", held_der);
    fixture_profile(&f, "device")->renew_after_expiry = 3600;
    (void)fixture_admin(&f, "{\"verb\":\"cert.revoke\",\"args\":{\"device\":"
                            "\"d1\",\"reason\":\"superseded\"}}");
    (void)fixture_admin(
        &f, "{\"verb\":\"cert.hold\",\"args\":{\"device\":\"d2\"}}");
    fixture_time += INT64_C(90) * 86400;
    fixture_tick(&f); /* a CRL forgets the expired */
    struct core_request r = with_own(CORE_REENROLL, key, "d1", own);
    expect(BV_E_REVOKED, &r);
    r = with_own(CORE_REENROLL, held_key, "d2", held);
    expect(BV_E_REVOKED, &r);
}

/* A device that was stolen after its certificate ended may still renew: whoever
 * revokes the device, or its key, means that one too. */
static void
test_revoked_after_the_end(void **state)
{
    uint8_t der[2048], key_der[2048], spki_buf[LIMIT_SPKI];
    char request[200];
    bv_auto(key) struct key *key = fixture_key();
    bv_auto(key) struct key *next = fixture_key();
    bv_auto(key) struct key *other = fixture_key();
    struct span own = enrolled(key, "d1", NULL, "device", der);
    struct span by_key = enrolled(other, "d2", NULL, "device", key_der);
    fixture_profile(&f, "device")->renew_after_expiry = 86400;
    fixture_time += INT64_C(90) * 86400 + 100;
    (void)fixture_admin(&f, "{\"verb\":\"cert.revoke\",\"args\":{\"device\":"
                            "\"d1\"}}");
    assert_non_null(strstr(f.json, "\"changed\":1"));
    struct core_request r = with_own(CORE_REENROLL, next, "d1", own);
    expect(BV_E_REVOKED, &r);

    uint8_t hash[32];
    struct sink spki = SINK_ARRAY(spki_buf);
    assert_int_equal(key_spki(other, &spki), BV_OK);
    digest_sha256(sink_view(&spki), hash);
    int at = snprintf(request, sizeof request,
                      "{\"verb\":\"cert.revoke\",\"args\":{\"key\":\"");
    for (int i = 0; i < 32; i++)
        at += snprintf(request + at, sizeof request - (size_t)at, "%02x",
                       hash[i]);
    (void)snprintf(request + at, sizeof request - (size_t)at, "\"}}");
    (void)fixture_admin(&f, request);
    assert_non_null(strstr(f.json, "\"changed\":1"));
    r = with_own(CORE_REENROLL, next, "d2", by_key);
    expect(BV_E_REVOKED, &r);
    /* what cannot renew any more is past */
    fixture_time += 86400;
    (void)fixture_admin(&f, "{\"verb\":\"cert.release\",\"args\":{\"device\":"
                            "\"d1\"}}");
    assert_non_null(strstr(f.json, "NOT_FOUND"));
}

static void
test_a_server_renews_itself(void **state)
{
    uint8_t der[2048];
    bv_auto(key) struct key *key = fixture_key();
    bv_auto(key) struct key *next = fixture_key();
    struct span own = enrolled(key, "www.example", NULL, "server", der);
    struct core_request r = with_own(CORE_REENROLL, next, "www.example", own);
    expect(BV_OK, &r);
    r = with_own(CORE_ENROLL, next, "www.example", own);
    strcpy(r.label, "server");
    expect(BV_E_REFUSED, &r);
    fixture_profile(&f, "server")->renew_without_client_auth = false;
    bv_auto(key) struct key *last = fixture_key();
    r = with_own(CORE_REENROLL, last, "www.example", own);
    expect(BV_E_REFUSED, &r);
    assert_non_null(strstr(f.reply.detail, "TLS clients"));
}

static void
test_san_may_have_to_be_repeated(void **state)
{
    uint8_t der[2048];
    struct cert old;
    bv_auto(key) struct key *key = fixture_key();
    struct span own = enrolled(key, "www.example", NULL, "server", der);
    assert_int_equal(cert_parse(own, &old), BV_OK);
    fixture_profile(&f, "server")->renew_needs_san = true;
    struct core_request r = with_own(CORE_REENROLL, key, "www.example", own);
    expect(BV_E_REFUSED, &r);
    r = ask(CORE_REENROLL, key, "www.example", old.san);
    r.trust = CORE_TRUST_OWN;
    r.peer_cert = own;
    expect(BV_OK, &r);
}

/* --- the store fails at each step --- */

/* want: how the request ends when the store does not fail. */
static bool
fails_at(unsigned at, const struct core_request *r, enum bv_err want)
{
    f.calls = 0;
    f.fail_at = at;
    f.fail_with = at % 2 ? BV_E_DISK_FULL : BV_E_IO;
    enum bv_err err = fixture_run(&f, r);
    bool hit = f.calls >= at;
    f.fail_at = 0;
    if (err != want) {
        assert_true(hit && err == (at % 2 ? BV_E_DISK_FULL : BV_E_IO));
        assert_true(f.reply.retry_after > 0);
        assert_int_equal(f.reply.cert.len, 0);
        expect(want, r);
    }
    return hit;
}

static void
test_a_failing_store_and_an_ra(void **state)
{
    uint8_t ra_der[2048], old_der[2048];
    bv_auto(key) struct key *ra_key = fixture_key();
    bv_auto(key) struct key *key = fixture_key();
    struct span ra = make_ra(ra_key, ra_der);
    f.config.issues_per_hour = 1000;
    (void)enrolled(key, "d1", "barn", "device", old_der);
    unsigned at = 1;
    for (bool hit = true; hit; at++) {
        bv_auto(key) struct key *next = fixture_key();
        struct core_request r = with_own(CORE_REENROLL, next, "d1", ra);
        hit = fails_at(at, &r, BV_OK);
    }
    assert_true(at > 12);
    fixture_reopen(&f); /* the audit log opens: nothing is out of step */
}

static unsigned
num_waiting(void)
{
    unsigned num = 0;
    const char *text =
        fixture_admin(&f, "{\"verb\":\"device.pending\",\"args\":{}}");
    while ((text = strstr(text, "\"waiting\"")) != NULL) {
        num++;
        text++;
    }
    return num;
}

static void
test_a_failing_store_and_the_queue(void **state)
{
    char secret[64], cn[16];
    fixture_token(&f, NULL, "barn", 1000, secret);
    unsigned at = 1;
    for (bool hit = true; hit; at++) {
        bv_auto(key) struct key *key = fixture_key();
        (void)snprintf(cn, sizeof cn, "d%u", at);
        struct core_request r = ask(CORE_ENROLL, key, cn, SPAN_EMPTY);
        r.secret = span_str(secret);
        strcpy(r.label, "codesigning");
        hit = fails_at(at, &r, BV_E_PENDING);
        assert_int_equal(num_waiting(), at);
    }
    assert_true(at > 6);
    fixture_reopen(&f);
}

/* A door asks what a credential leads to: told, and nothing is done. */
static void
test_ask_for_the_profile(void **state)
{
    uint8_t der[2048];
    char secret[64];
    bv_auto(key) struct key *key = fixture_key();
    struct span own = enrolled(key, "d1", NULL, "client", der);
    struct core_request r = fixture_request(CORE_ASK, SPAN_EMPTY);
    unsigned replies = f.num_replies;
    r.trust = CORE_TRUST_OWN;
    r.peer_cert = own;
    r.secret = SPAN_LIT("of no interest to a renewal");
    expect(BV_OK, &r);
    assert_string_equal(f.reply.profile, "client");
    assert_int_equal(f.reply.cert.len, 0);
    assert_int_equal(f.num_replies, replies + 1);
    assert_false(core_has_work(f.core));
    strcpy(r.label, "gateway");
    expect(BV_E_REFUSED, &r);
    r.label[0] = '\0';
    /* past its end, where it may still renew itself */
    fixture_profile(&f, "client")->renew_after_expiry = 86400;
    fixture_time += 400 * 86400;
    expect(BV_E_EXPIRED, &r);
    fixture_time -= 400 * 86400;
    fixture_time += 365 * 86400 + 3600;
    expect(BV_OK, &r);
    fixture_token(&f, "d2", NULL, 1, secret);
    r = fixture_request(CORE_ASK, SPAN_EMPTY);
    r.secret = span_str(secret);
    for (int i = 0; i < 3; i++) {
        expect(BV_OK, &r); /* no use is spent */
        assert_string_equal(f.reply.profile, "device");
    }
    r.secret = SPAN_LIT("wrong");
    expect(BV_E_UNAUTHENTICATED, &r);
    assert_false(core_has_work(f.core));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_ra_enrols_devices),
        T(test_ra_binding_is_not_compared),
        T(test_ra_has_bounds),
        cmocka_unit_test(test_ra_makes_no_ras),
        T(test_ra_renews_for_devices),
        T(test_ra_repeats_a_renewal),
        T(test_after_the_end),
        T(test_after_the_end_revoked_stays_revoked),
        T(test_revoked_after_the_end),
        T(test_after_the_end_only_the_last),
        T(test_ra_of_no_group_replaces_nothing),
        T(test_a_server_renews_itself),
        T(test_san_may_have_to_be_repeated),
        T(test_ask_for_the_profile),
        T(test_a_failing_store_and_an_ra),
        T(test_a_failing_store_and_the_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
