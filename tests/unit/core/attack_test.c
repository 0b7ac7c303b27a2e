/* What somebody would try who has a little and wants more: a certificate of
 * one device, a token of one group, a manufacturer's good name. */
#include "asking.h"

#include <stdio.h>

#include "core/ca.h"
#include "core/state.h"
#include "pki/digest.h"
#include "wire/cert.h"
#include "wire/pem.h"

/* --- credentials that stopped being good --- */

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

/* Many addresses are no way to guess one device's code. */
static void
test_guesses_count_by_device(void **state)
{
    char secret[64], other[64];
    bv_auto(key) struct key *key = fixture_key();
    f.config.failures_per_minute = 3;
    fixture_token(&f, "d1", NULL, 1, secret);
    fixture_token(&f, "d2", NULL, 1, other);
    for (int i = 0; i < 3; i++) {
        struct core_request wrong = with_secret(key, "d1", "WRONG");
        wrong.user = SPAN_LIT("d1");
        (void)snprintf(wrong.peer, sizeof wrong.peer, "198.51.100.%d", i + 1);
        expect(BV_E_UNAUTHENTICATED, &wrong);
    }
    struct core_request r = with_secret(key, "d1", secret);
    r.user = SPAN_LIT("d1");
    strcpy(r.peer, "203.0.113.1"); /* where nobody has guessed */
    expect(BV_E_RATE_LIMITED, &r);
    assert_int_equal(f.reply.retry_after, 60);
    r = with_secret(key, "d2", other); /* another device is not shut out */
    r.user = SPAN_LIT("d2");
    expect(BV_OK, &r);
    bv_auto(key) struct key *own = fixture_key();
    fixture_time += 61;
    r = with_secret(own, "d1", secret);
    r.user = SPAN_LIT("d1");
    expect(BV_OK, &r);
}

/* A device's good certificate proves the old key, not the new one. */
static void
test_renewal_proves_the_new_key(void **state)
{
    uint8_t der[2048];
    bv_auto(key) struct key *key = fixture_key();
    bv_auto(key) struct key *next = fixture_key();
    struct span own = enrolled(key, "d1", der, sizeof der);
    struct core_request r = with_own(CORE_REENROLL, next, "d1", own);
    csr_buf[r.csr.len - 3] ^= 1; /* inside the signature */
    expect(BV_E_BAD_SIGNATURE, &r);
    r = with_own(CORE_REENROLL, next, "d1", own);
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

static void
expect_fault(const struct core_request *r, const char *sentence)
{
    expect(BV_E_UNAVAILABLE, r);
    assert_non_null(strstr(f.reply.detail, sentence));
    assert_true(f.reply.retry_after > 1);
    assert_false(f.reply.challenge);
    /* nobody has been refused */
    (void)fixture_admin(&f, "{\"verb\":\"audit.list\",\"args\":{\"last\":1}}");
    assert_null(strstr(f.json, "cert.refuse"));
}

/* expect_by_hand: the same by an operator, who can mend it. */
static void
expect_by_hand(struct key *key, const char *error)
{
    static char request[12000];
    char pem[8192], *to = request;
    struct sink out = sink_of(pem, sizeof pem - 1);
    pem_encode(&out, PEM_CSR,
               fixture_csr(key, "x1", SPAN_EMPTY, SPAN_EMPTY, csr_buf,
                           sizeof csr_buf));
    pem[out.len] = '\0';
    to += sprintf(to, "{\"verb\":\"cert.issue\",\"args\":{\"profile\":"
                      "\"client\",\"csr\":\"");
    for (const char *c = pem; *c != '\0'; c++)
        to += sprintf(to, *c == '\n' ? "\\n" : "%c", *c);
    strcpy(to, "\"}}");
    assert_non_null(strstr(fixture_admin(&f, request), error));
}

/* A device can do nothing about its CA. */
static void
test_ca_that_may_not_sign(void **state)
{
    char secret[64];
    bv_auto(key) struct key *key = fixture_key();
    struct issuer *issuer = &f.core->issuers[0];
    const struct cert good = issuer->cert;
    fixture_token(&f, "d1", NULL, 1, secret);
    struct core_request r = with_secret(key, "d1", secret);
    issuer->cert.not_after = fixture_time - 1;
    expect_fault(&r, "CA issuing has expired");
    expect_by_hand(key, "REFUSED");
    r = with_secret(key, "d1", secret);
    issuer->cert = good;
    issuer->cert.not_before = fixture_time + 1;
    expect_fault(&r, "CA issuing is not valid yet");
    issuer->cert = good;
    uint64_t word = statusmap_get(f.core->map, issuer->seq);
    assert_int_equal(statusmap_put(f.core->map, issuer->seq,
                                   statusmap_word(0, 2, fixture_time)),
                     BV_OK);
    expect_fault(&r, "CA issuing is revoked");
    assert_int_equal(statusmap_put(f.core->map, issuer->seq, word), BV_OK);
    expect(BV_OK, &r); /* and the code was not used up */
}

/* Nor about what was taken out of the configuration. */
static void
test_profile_that_is_gone(void **state)
{
    uint8_t der[2048];
    struct core_config without = f.config;
    bv_auto(key) struct key *key = fixture_key();
    bv_auto(key) struct key *next = fixture_key();
    struct span own = enrolled(key, "d1", der, sizeof der);
    struct core_request r = with_own(CORE_REENROLL, next, "d1", own);
    without.profiles = f.profiles + 1; /* "device" was the first */
    without.num_profiles--;
    without.labels = f.labels + 1;
    without.num_labels--;
    strcpy(without.default_profile, "client");
    assert_int_equal(core_reconfigure(f.core, &without), BV_OK);
    expect_fault(&r, "not configured any more");
    assert_int_equal(core_reconfigure(f.core, &f.config), BV_OK);
    expect(BV_OK, &r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_blocked_key_may_not_ask),
        T(test_own_certificate_keeps_its_profile),
        T(test_hold_keeps_the_name),
        T(test_race_for_a_name),
        T(test_doors_cannot_invent_devices),
        T(test_blocked_factory_key),
        T(test_manufacturers_keep_to_their_own),
        T(test_queue_is_not_one_clients),
        T(test_queue_has_shares),
        T(test_ipv6_counts_by_network),
        T(test_guesses_count_by_device),
        T(test_renewal_proves_the_new_key),
        T(test_approval_is_not_reusable),
        T(test_our_faults_do_not_count),
        T(test_ca_that_may_not_sign),
        T(test_profile_that_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
