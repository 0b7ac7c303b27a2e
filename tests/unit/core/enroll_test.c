#include "asking.h"

#include <stdio.h>

#include "core/ca.h"
#include "pki/digest.h"
#include "pki/weak.h"
#include "wire/base64.h"
#include "wire/cert.h"
#include "wire/crl.h"
#include "wire/der.h"
#include "wire/pem.h"
#include "wire/san.h"

static void
test_claim_code(void **state)
{
    char secret[64];
    struct cert cert;
    bv_auto(key) struct key *key = fixture_key();
    fixture_token(&f, "d1", NULL, 1, secret);
    struct core_request r = with_secret(key, "d1", secret);
    expect(BV_OK, &r);
    assert_string_equal(f.reply.device, "d1");
    assert_string_equal(f.reply.profile, "device");
    assert_int_equal(strlen(f.reply.serial), 34);
    assert_int_equal(cert_parse(f.reply.cert, &cert), BV_OK);
    assert_int_equal(cert.not_after, FIXTURE_NOW + 90 * 86400 - 1);
    assert_true(key_match_spki(key, cert.spki.whole));
    fixture_write(&f, "d1.crt", f.reply.cert, PEM_CERTIFICATE);
    fixture_write(&f, "root.crt", f.root, PEM_CERTIFICATE);
    fixture_write(&f, "ca.crt", f.ca, PEM_CERTIFICATE);
    assert_int_equal(
        fixture_shell(&f, "openssl verify -x509_strict -attime 1795000000 "
                          "-purpose sslclient -CAfile %s/root.crt -untrusted "
                          "%s/ca.crt %s/d1.crt >%s/out 2>&1 || "
                          "{ cat %s/out; false; }"),
        0);
}

static void
test_repeat_gets_the_same_certificate(void **state)
{
    char secret[64], serial[64];
    bv_auto(key) struct key *key = fixture_key();
    fixture_token(&f, "d1", NULL, 1, secret);
    struct core_request r = with_secret(key, "d1", secret);
    expect(BV_OK, &r);
    strcpy(serial, f.reply.serial);
    /* signed again: other octets, same request; the code's use is spent */
    fixture_time += 60;
    r = with_secret(key, "d1", secret);
    expect(BV_OK, &r);
    assert_true(f.reply.repeated);
    assert_string_equal(serial, f.reply.serial);
    fixture_reopen(&f);
    expect(BV_OK, &r);
    assert_string_equal(serial, f.reply.serial);
    /* another key is another request */
    bv_auto(key) struct key *other = fixture_key();
    r = with_secret(other, "d1", secret);
    expect(BV_E_UNAUTHENTICATED, &r);
    /* after the window it is a new request too */
    fixture_time += 601;
    r = with_secret(key, "d1", secret);
    expect(BV_E_UNAUTHENTICATED, &r);
}

/* The end of a code's time is for what begins after it. */
static void
test_expired_code_finishes_what_it_began(void **state)
{
    char secret[64], late[64];
    bv_auto(key) struct key *key = fixture_key();
    bv_auto(key) struct key *waits = fixture_key();
    bv_auto(key) struct key *other = fixture_key();
    fixture_token(&f, "d1", NULL, 5, secret);
    fixture_token(&f, "signer", NULL, 5, late);
    struct core_request r = with_secret(waits, "signer", late);
    strcpy(r.label, "codesigning");
    expect(BV_E_PENDING, &r);
    fixture_time += 3500;
    r = with_secret(key, "d1", secret);
    expect(BV_OK, &r);
    fixture_time += 200; /* an hour has passed */
    expect(BV_OK, &r);
    assert_true(f.reply.repeated);
    r = with_secret(other, "d1", secret); /* this begins now */
    expect(BV_E_UNAUTHENTICATED, &r);
    assert_non_null(strstr(f.reply.detail, "expired"));
    /* an operator takes his time */
    r = with_secret(waits, "signer", late);
    strcpy(r.label, "codesigning");
    expect(BV_E_PENDING, &r);
    struct core_request more = with_secret(other, "signer", late);
    strcpy(more.label, "codesigning");
    expect(BV_E_UNAUTHENTICATED, &more);
    (void)fixture_admin(
        &f, "{\"verb\":\"device.approve\",\"args\":{\"device\":\"signer\"}}");
    r = with_secret(waits, "signer", late);
    strcpy(r.label, "codesigning");
    expect(BV_OK, &r);
    (void)fixture_admin(&f, "{\"verb\":\"token.revoke\",\"args\":{\"id\":2}}");
    expect(BV_E_UNAUTHENTICATED, &r); /* withdrawn is at once */
}

static void
test_repeat_in_flight(void **state)
{
    char secret[64];
    bv_auto(key) struct key *key = fixture_key();
    struct core_stats stats;
    fixture_token(&f, "d1", NULL, 1, secret);
    struct core_request r = with_secret(key, "d1", secret);
    for (int i = 0; i < 3; i++)
        core_submit(f.core, 1, (uint64_t)i, &r);
    fixture_settle(&f);
    assert_int_equal(f.num_replies, 3);
    assert_int_equal(f.reply.err, BV_OK);
    core_stats(f.core, &stats);
    assert_int_equal(stats.issued, 1);
    assert_int_equal(stats.inflight, 0);
}

static void
test_one_use_two_keys_in_flight(void **state)
{
    char secret[64];
    static uint8_t other_buf[8192];
    struct core_stats stats;
    bv_auto(key) struct key *a = fixture_key();
    bv_auto(key) struct key *b = fixture_key();
    fixture_token(&f, "d1", NULL, 1, secret);
    struct core_request ra = with_secret(a, "d1", secret), rb = ra;
    rb.csr = fixture_csr(b, "d1", SPAN_EMPTY, SPAN_EMPTY, other_buf,
                         sizeof other_buf);
    core_submit(f.core, 1, 1, &ra);
    core_submit(f.core, 1, 2, &rb);
    fixture_settle(&f);
    assert_int_equal(f.num_replies, 2);
    core_stats(f.core, &stats);
    assert_int_equal(stats.issued, 1);
}

static void
test_group_token_enrols_new_names_only(void **state)
{
    char secret[64];
    bv_auto(key) struct key *a = fixture_key();
    bv_auto(key) struct key *b = fixture_key();
    fixture_token(&f, NULL, "barn", 2, secret);
    struct core_request r = with_secret(a, "d1", secret);
    expect(BV_OK, &r);
    /* another key may not take the name of a device with a live one */
    r = with_secret(b, "d1", secret);
    expect(BV_E_REFUSED, &r);
    /* the key of one device does not serve another */
    r = with_secret(a, "d2", secret);
    expect(BV_E_BAD_KEY, &r);
    r = with_secret(b, "d2", secret);
    expect(BV_OK, &r);
    bv_auto(key) struct key *c = fixture_key();
    r = with_secret(c, "d3", secret);
    expect(BV_E_UNAUTHENTICATED, &r); /* used up */
    /* a group may not reach into another group */
    fixture_token(&f, NULL, "house", 2, secret);
    fixture_time += 100 * 86400;
    fixture_token(&f, NULL, "house", 2, secret);
    r = with_secret(c, "d2", secret);
    expect(BV_E_REFUSED, &r);
    r = with_secret(c, NULL, secret);
    expect(BV_E_BAD_NAME, &r);
}

static void
test_bad_secrets(void **state)
{
    char secret[64];
    bv_auto(key) struct key *key = fixture_key();
    fixture_token(&f, "d1", NULL, 1, secret);
    struct core_request r = with_secret(key, "d1", "");
    expect(BV_E_UNAUTHENTICATED, &r);
    assert_true(f.reply.challenge);
    assert_int_equal(f.reply.cert.len, 0);
    r = with_secret(key, "d2", secret); /* another's name */
    expect(BV_E_REFUSED, &r);
    assert_false(f.reply.challenge);
    r = with_secret(key, "d1", secret);
    r.user = SPAN_LIT("d2");
    expect(BV_E_REFUSED, &r);
    r.user = SPAN_EMPTY;
    strcpy(r.label, "nonsense");
    expect(BV_E_NOT_FOUND, &r);
    r.label[0] = '\0';
    fixture_time += 3601;
    expect(BV_E_UNAUTHENTICATED, &r);
    assert_true(f.reply.challenge); /* another code would help */
    r.secret = SPAN_LIT("0000-0000");
    for (int i = 0; i < 20; i++)
        expect(BV_E_UNAUTHENTICATED, &r);
    expect(BV_E_RATE_LIMITED, &r);
    assert_true(f.reply.retry_after > 0);
    strcpy(r.peer, "192.0.2.99"); /* somebody else is not shut out */
    expect(BV_E_UNAUTHENTICATED, &r);
    assert_true(f.reply.challenge);
    strcpy(r.label, "codesigning");
    fixture_profile(&f, "codesigning")->allow_basic = false;
    expect(BV_E_UNAUTHENTICATED, &r);
    assert_false(f.reply.challenge); /* no code would do */
    r.label[0] = '\0';
    fixture_time += 61;
    strcpy(r.peer, "192.0.2.1");
    expect(BV_E_UNAUTHENTICATED, &r);
}

static void
test_csr_checks(void **state)
{
    char secret[64];
    bv_auto(key) struct key *key = fixture_key();
    fixture_token(&f, "d1", NULL, 9, secret);
    struct core_request r = with_secret(key, "d1", secret);
    csr_buf[r.csr.len - 5] ^= 1; /* inside the signature */
    expect(BV_E_BAD_SIGNATURE, &r);
    r.csr.len--;
    assert_int_not_equal(fixture_run(&f, &r), BV_OK);
    r = with_secret(key, "d1", secret);
    csr_buf[r.csr.len++] = 0;
    expect(BV_E_TRAILING_BYTES, &r);
    fixture_profile(&f, "device")->key_p256 = false;
    r = with_secret(key, "d1", secret);
    expect(BV_E_BAD_KEY, &r);
}

static struct core_request
bound(struct key *key, const char *secret, struct span sent, struct span here)
{
    static uint8_t text[200];
    struct sink out = SINK_ARRAY(text);
    base64_encode(&out, sent);
    struct core_request r = fixture_request(
        CORE_ENROLL, fixture_csr(key, "d1", SPAN_EMPTY, sink_view(&out),
                                 csr_buf, sizeof csr_buf));
    r.secret = span_str(secret);
    r.binding = here;
    return r;
}

static void
test_csr_bound_to_another_connection(void **state)
{
    char secret[64];
    bv_auto(key) struct key *key = fixture_key();
    fixture_token(&f, "d1", NULL, 9, secret);
    struct core_request r =
        bound(key, secret, SPAN_LIT("channel a"), SPAN_LIT("channel b"));
    expect(BV_E_BAD_BINDING, &r);
    r = bound(key, secret, SPAN_LIT("channel a"), SPAN_EMPTY);
    expect(BV_E_BAD_BINDING, &r);
    fixture_profile(&f, "device")->binding = PROFILE_BINDING_REQUIRE;
    r = with_secret(key, "d1", secret);
    r.binding = SPAN_LIT("channel a");
    expect(BV_E_BAD_BINDING, &r);
    r = bound(key, secret, SPAN_LIT("channel a"), SPAN_LIT("channel a"));
    expect(BV_OK, &r);
}

/* openssl req and its like: the claim code where the binding would go. */
static void
test_code_in_the_csr(void **state)
{
    char secret[64];
    bv_auto(key) struct key *key = fixture_key();
    fixture_token(&f, "d1", NULL, 1, secret);
    struct core_request r = fixture_request(
        CORE_ENROLL, fixture_csr(key, "d1", SPAN_EMPTY, span_str(secret),
                                 csr_buf, sizeof csr_buf));
    r.binding = SPAN_LIT("channel a");
    expect(BV_E_UNAUTHENTICATED, &r); /* not where it is a binding */
    fixture_profile(&f, "device")->binding = PROFILE_BINDING_SECRET;
    expect(BV_OK, &r);
    expect(BV_OK, &r); /* the same again, though the code is spent */
    r.csr = fixture_csr(key, "d1", SPAN_EMPTY, SPAN_LIT("WRONG"), csr_buf,
                        sizeof csr_buf);
    expect(BV_E_UNAUTHENTICATED, &r);
    r.csr =
        fixture_csr(key, "d1", SPAN_EMPTY, SPAN_EMPTY, csr_buf, sizeof csr_buf);
    expect(BV_E_UNAUTHENTICATED, &r);
    /* guessing is counted as elsewhere */
    f.config.failures_per_minute = 2;
    r.csr = fixture_csr(key, "d1", SPAN_EMPTY, SPAN_LIT("GUESS"), csr_buf,
                        sizeof csr_buf);
    expect(BV_E_UNAUTHENTICATED, &r);
    expect(BV_E_RATE_LIMITED, &r);
}

/* A code for a profile that waits for an operator: only its hash is kept. */
static void
test_code_in_the_csr_is_not_kept(void **state)
{
    char secret[64], command[200];
    bv_auto(key) struct key *key = fixture_key();
    fixture_profile(&f, "device")->binding = PROFILE_BINDING_SECRET;
    fixture_profile(&f, "client")->binding = PROFILE_BINDING_IGNORE;
    fixture_profile(&f, "client")->approval = true;
    const char *at = strstr(
        fixture_admin(&f, "{\"verb\":\"token.create\",\"args\":{\"device\":"
                          "\"d1\",\"profile\":\"client\"}}"),
        "\"secret\":\"");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "\"secret\":\"%63[^\"]", secret), 1);
    struct core_request r = fixture_request(
        CORE_ENROLL, fixture_csr(key, "d1", SPAN_EMPTY, span_str(secret),
                                 csr_buf, sizeof csr_buf));
    expect(BV_E_PENDING, &r);
    (void)snprintf(command, sizeof command,
                   "test $(cat %%s/brevet.db* | grep -ac d1) -gt 0 && "
                   "! cat %%s/brevet.db* | grep -aq -- %s",
                   secret);
    assert_int_equal(fixture_shell(&f, command), 0);
}

static struct core_request
renewal(struct key *key, const char *cn, struct span old)
{
    struct core_request r = fixture_request(
        CORE_REENROLL,
        fixture_csr(key, cn, SPAN_EMPTY, SPAN_EMPTY, csr_buf, sizeof csr_buf));
    r.trust = CORE_TRUST_OWN;
    r.peer_cert = old;
    return r;
}

static void
test_renewal_is_for_the_device_presented(void **state)
{
    char secret[64], request[200];
    uint8_t old_der[2048];
    bv_auto(key) struct key *key = fixture_key();
    bv_auto(key) struct key *next = fixture_key();
    fixture_token(&f, "d1", NULL, 1, secret);
    struct core_request r = with_secret(key, "d1", secret);
    expect(BV_OK, &r);
    memcpy(old_der, f.reply.cert.data, f.reply.cert.len);
    struct span old = span_of(old_der, f.reply.cert.len);
    char old_serial[64];
    strcpy(old_serial, f.reply.serial);

    r = renewal(next, "d2", old);
    expect(BV_E_REFUSED, &r);
    r = renewal(next, "d1", old);
    expect(BV_OK, &r);
    r = renewal(key, "d1", old); /* same key: the profile permits it */
    expect(BV_OK, &r);
    fixture_profile(&f, "device")->reuse_key_on_renew = false;
    fixture_time += 700;
    expect(BV_E_BAD_KEY, &r);
    /* no certificate, or one that only looks like ours */
    r = renewal(next, "d1", old);
    r.trust = CORE_TRUST_NONE;
    r.peer_cert = SPAN_EMPTY;
    expect(BV_E_UNAUTHENTICATED, &r);
    assert_false(f.reply.challenge); /* no code renews anything */
    r = renewal(next, "d1", old);
    old_der[old.len - 3] ^= 1;
    expect(BV_E_UNAUTHENTICATED, &r);
    old_der[old.len - 3] ^= 1;
    /* on hold, released, revoked */
    (void)snprintf(request, sizeof request,
                   "{\"verb\":\"cert.hold\",\"args\":{\"serial\":\"%s\"}}",
                   old_serial);
    assert_non_null(strstr(fixture_admin(&f, request), "\"changed\":1"));
    expect(BV_E_REVOKED, &r);
    (void)snprintf(request, sizeof request,
                   "{\"verb\":\"cert.release\",\"args\":{\"serial\":\"%s\"}}",
                   old_serial);
    assert_non_null(strstr(fixture_admin(&f, request), "\"changed\":1"));
    expect(BV_OK, &r);
    (void)snprintf(request, sizeof request,
                   "{\"verb\":\"cert.revoke\",\"args\":{\"serial\":\"%s\","
                   "\"reason\":\"superseded\"}}",
                   old_serial);
    assert_non_null(strstr(fixture_admin(&f, request), "\"changed\":1"));
    assert_non_null(strstr(fixture_admin(&f, request), "\"changed\":0"));
    expect(BV_E_REVOKED, &r);
    fixture_reopen(&f);
    expect(BV_E_REVOKED, &r);
}

static void
test_renew_expired(void **state)
{
    char secret[64];
    uint8_t old[2048];
    bv_auto(key) struct key *key = fixture_key();
    fixture_token(&f, "d1", NULL, 1, secret);
    struct core_request r = with_secret(key, "d1", secret);
    expect(BV_OK, &r);
    memcpy(old, f.reply.cert.data, f.reply.cert.len);
    r = renewal(key, "d1", span_of(old, f.reply.cert.len));
    fixture_time += 90 * 86400 - 1; /* the last second is included */
    expect(BV_OK, &r);
    fixture_time += 1;
    expect(BV_E_EXPIRED, &r);
}

static struct span
device_by(struct span issuer, struct key *issuer_key, const char *cn,
          uint8_t *buf, size_t cap)
{
    struct profile p;
    uint8_t spki_buf[LIMIT_SPKI];
    char problem[200];
    struct sink spki = SINK_ARRAY(spki_buf), out = sink_of(buf, cap);
    bv_auto(key) struct key *key = fixture_key();
    assert_int_equal(profile_default("device", &p), BV_OK);
    assert_int_equal(key_spki(key, &spki), BV_OK);
    struct ca_spec spec = {.profile = &p,
                           .cn = cn,
                           .spki = sink_view(&spki),
                           .issuer_cert = issuer,
                           .issuer_key = issuer_key,
                           .now = FIXTURE_NOW};
    assert_int_equal(ca_issue(&spec, &out, problem, sizeof problem), BV_OK);
    return sink_view(&out);
}

static struct span
maker_device(const char *cn, uint8_t *buf, size_t cap)
{
    return device_by(f.maker, f.maker_key, cn, buf, cap);
}

static void
test_idevid_enrols_its_own_device(void **state)
{
    uint8_t idevid[2048];
    bv_auto(key) struct key *key = fixture_key();
    struct core_request r = with_secret(key, "m1", "");
    r.trust = CORE_TRUST_MANUFACTURER;
    strcpy(r.trust_name, "acme");
    r.peer_cert = maker_device("m1", idevid, sizeof idevid);
    expect(BV_OK, &r);
    assert_string_equal(f.reply.device, "m1");
    r = with_secret(key, "other", "");
    r.trust = CORE_TRUST_MANUFACTURER;
    strcpy(r.trust_name, "acme");
    r.peer_cert = maker_device("m1", idevid, sizeof idevid);
    expect(BV_E_REFUSED, &r);
    strcpy(r.trust_name, "unknown");
    expect(BV_E_REFUSED, &r);
    strcpy(r.trust_name, "acme");
    strcpy(r.label, "server"); /* takes no manufacturer certificates */
    expect(BV_E_REFUSED, &r);
    r.label[0] = '\0';
    f.manufacturers[0].known_only = true;
    r = with_secret(key, "m2", "");
    r.trust = CORE_TRUST_MANUFACTURER;
    strcpy(r.trust_name, "acme");
    r.peer_cert = maker_device("m2", idevid, sizeof idevid);
    assert_int_not_equal(fixture_run(&f, &r), BV_OK);
}

/* A list was asked for: without a usable one nobody comes in. */
static void
test_manufacturer_needs_its_crl(void **state)
{
    uint8_t idevid[2048], key_buf[LIMIT_SPKI];
    static uint8_t crl_buf[2048];
    struct cert maker;
    bv_auto(key) struct key *key = fixture_key();
    struct core_request r = with_secret(key, "m1", "");
    r.trust = CORE_TRUST_MANUFACTURER;
    strcpy(r.trust_name, "acme");
    r.peer_cert = maker_device("m1", idevid, sizeof idevid);
    f.manufacturers[0].crl_required = true;
    expect(BV_E_REFUSED, &r);
    assert_int_equal(cert_parse(f.maker, &maker), BV_OK);
    struct crl_head head = {.issuer = maker.subject,
                            .sig = ALG_SIG_ECDSA_SHA256,
                            .this_update = FIXTURE_NOW - 10,
                            .next_update = FIXTURE_NOW + 100,
                            .key_id = maker.ski,
                            .number = 1};
    struct sink tbs = SINK_ARRAY(key_buf), out = SINK_ARRAY(crl_buf);
    crl_put_tbs(&tbs, &head, NULL, 0);
    crl_put_outer(&out, tbs.len, head.sig, 70);
    sink_put(&out, sink_view(&tbs)); /* its signature is the loader's affair */
    crl_put_signature(&out, head.sig, span_of(crl_buf, 70));
    f.manufacturers[0].crls = sink_view(&out);
    expect(BV_OK, &r);
    fixture_time += 101;
    r = with_secret(key, "m1", "");
    r.trust = CORE_TRUST_MANUFACTURER;
    strcpy(r.trust_name, "acme");
    r.peer_cert = maker_device("m1", idevid, sizeof idevid);
    expect(BV_E_REFUSED, &r);
}

/* The same name in another string type is the same issuer, RFC 5280 7.1. */
static void
test_manufacturer_crl_by_another_spelling(void **state)
{
    uint8_t idevid[2048], name[256], tbs_buf[1024];
    static uint8_t crl_buf[2048];
    struct cert maker, device;
    bv_auto(key) struct key *key = fixture_key();
    struct core_request r = with_secret(key, "m1", "");
    r.trust = CORE_TRUST_MANUFACTURER;
    strcpy(r.trust_name, "acme");
    r.peer_cert = maker_device("m1", idevid, sizeof idevid);
    assert_int_equal(cert_parse(f.maker, &maker), BV_OK);
    assert_int_equal(cert_parse(r.peer_cert, &device), BV_OK);
    memcpy(name, maker.subject.data, maker.subject.len);
    for (size_t i = 3; i < maker.subject.len; i++) /* after 55 04 xx */
        if (name[i] == DER_PRINTABLE_STRING && name[i - 3] == 0x55)
            name[i] = DER_UTF8_STRING;
    struct crl_head head = {.issuer = span_of(name, maker.subject.len),
                            .sig = ALG_SIG_ECDSA_SHA256,
                            .this_update = FIXTURE_NOW - 10,
                            .next_update = FIXTURE_NOW + 100,
                            .key_id = maker.ski,
                            .number = 1};
    struct crl_entry revoked = {device.serial, FIXTURE_NOW - 20, 1};
    struct sink tbs = SINK_ARRAY(tbs_buf), out = SINK_ARRAY(crl_buf);
    crl_put_tbs(&tbs, &head, &revoked, 1);
    crl_put_outer(&out, tbs.len, head.sig, 70);
    sink_put(&out, sink_view(&tbs));
    crl_put_signature(&out, head.sig, span_of(crl_buf, 70));
    f.manufacturers[0].crls = sink_view(&out);
    expect(BV_E_REVOKED, &r);
}

/* put_list adds a CRL of issuer's; its signature is the loader's affair. */
static void
put_list(struct sink *out, struct span issuer, struct span key_id,
         struct span revoked)
{
    struct cert ca, cert = {0};
    uint8_t tbs_buf[1024], signature[70] = {0};
    struct sink tbs = SINK_ARRAY(tbs_buf);
    assert_int_equal(cert_parse(issuer, &ca), BV_OK);
    if (revoked.len > 0)
        assert_int_equal(cert_parse(revoked, &cert), BV_OK);
    struct crl_head head = {.issuer = ca.subject,
                            .sig = ALG_SIG_ECDSA_SHA256,
                            .this_update = FIXTURE_NOW - 10,
                            .next_update = FIXTURE_NOW + 100,
                            .key_id = key_id.len > 0 ? key_id : ca.ski,
                            .number = 1};
    struct crl_entry entry = {cert.serial, FIXTURE_NOW - 20, 1};
    crl_put_tbs(&tbs, &head, &entry, revoked.len > 0 ? 1 : 0);
    crl_put_outer(out, tbs.len, head.sig, sizeof signature);
    sink_put(out, sink_view(&tbs));
    crl_put_signature(out, head.sig, SPAN_ARRAY(signature));
    assert_false(out->failed);
}

struct listed {
    bool maker, plant;     /* there is a list of theirs */
    struct span by_maker;  /* what the maker's lists */
    struct span by_plant;  /* what the plant's lists */
    struct span plant_kid; /* another key of the plant's name */
};

static void
expect_listed(enum bv_err want, const struct core_request *r, struct span plant,
              const struct listed *listed)
{
    static uint8_t buf[4096];
    struct sink out = SINK_ARRAY(buf);
    if (listed->maker)
        put_list(&out, f.maker, SPAN_EMPTY, listed->by_maker);
    if (listed->plant)
        put_list(&out, plant, listed->plant_kid, listed->by_plant);
    f.manufacturers[0].crls = sink_view(&out);
    expect(want, r);
}

/* A plant below the manufacturer's root: every CA on the way counts. */
static void
test_manufacturer_revokes_its_own_ca(void **state)
{
    static uint8_t plant_der[2048], both[4096];
    uint8_t idevid[2048];
    struct sink anchors = SINK_ARRAY(both);
    bv_auto(key) struct key *plant_key = fixture_key();
    bv_auto(key) struct key *key = fixture_key();
    struct span plant =
        fixture_ca("intermediate", "Maker plant", plant_key, f.maker,
                   f.maker_key, plant_der, sizeof plant_der);
    struct core_request r = with_secret(key, "m1", "");
    r.trust = CORE_TRUST_MANUFACTURER;
    strcpy(r.trust_name, "acme");
    r.peer_cert = device_by(plant, plant_key, "m1", idevid, sizeof idevid);
    r.peer_chain = plant;
    f.manufacturers[0].crl_required = true;
    expect_listed(BV_E_REFUSED, &r, plant, &(struct listed){.maker = true});
    expect_listed(BV_E_REFUSED, &r, plant, &(struct listed){.plant = true});
    expect_listed(
        BV_E_REVOKED, &r, plant,
        &(struct listed){.maker = true, .plant = true, .by_maker = plant});
    expect_listed(BV_E_REVOKED, &r, plant,
                  &(struct listed){
                      .maker = true, .plant = true, .by_plant = r.peer_cert});
    expect_listed(BV_E_REFUSED, &r, plant,
                  &(struct listed){.maker = true,
                                   .plant = true,
                                   .plant_kid = SPAN_LIT("another key")});
    /* the plant is trusted as it is, until a list says otherwise */
    sink_put(&anchors, f.maker);
    sink_put(&anchors, plant);
    f.manufacturers[0].anchors = sink_view(&anchors);
    r.peer_chain = SPAN_EMPTY;
    expect_listed(
        BV_E_REVOKED, &r, plant,
        &(struct listed){.maker = true, .plant = true, .by_maker = plant});
    expect_listed(BV_OK, &r, plant, &(struct listed){.plant = true});
    /* another device, for the answer above is remembered */
    bv_auto(key) struct key *other = fixture_key();
    r = with_secret(other, "m2", "");
    r.trust = CORE_TRUST_MANUFACTURER;
    strcpy(r.trust_name, "acme");
    r.peer_cert = device_by(plant, plant_key, "m2", idevid, sizeof idevid);
    r.peer_chain = plant;
    f.manufacturers[0].anchors = f.maker;
    expect_listed(BV_OK, &r, plant,
                  &(struct listed){.maker = true, .plant = true});
}

static void
test_operator_approves_or_denies(void **state)
{
    char secret[64];
    bv_auto(key) struct key *key = fixture_key();
    fixture_token(&f, "signer", NULL, 1, secret);
    struct core_request r = with_secret(key, "signer", secret);
    strcpy(r.label, "codesigning");
    expect(BV_E_PENDING, &r);
    assert_true(f.reply.retry_after > 0);
    expect(BV_E_PENDING, &r);
    fixture_reopen(&f);
    (void)fixture_admin(
        &f, "{\"verb\":\"device.approve\",\"args\":{\"device\":\"signer\"}}");
    assert_non_null(strstr(f.json, "approved"));
    expect(BV_OK, &r);
    fixture_token(&f, "signer2", NULL, 1, secret);
    bv_auto(key) struct key *other = fixture_key();
    r = with_secret(other, "signer2", secret);
    strcpy(r.label, "codesigning");
    expect(BV_E_PENDING, &r);
    (void)fixture_admin(
        &f, "{\"verb\":\"device.deny\",\"args\":{\"device\":\"signer2\"}}");
    expect(BV_E_REFUSED, &r);
}

/* In SCEP the challengePassword is the claim code, and no connection's; and
 * nobody would come back for what waits for an operator. */
static void
test_scep(void **state)
{
    char secret[64];
    bv_auto(key) struct key *key = fixture_key();
    bv_auto(key) struct key *other = fixture_key();
    fixture_profile(&f, "device")->binding = PROFILE_BINDING_REQUIRE;
    fixture_token(&f, "d1", NULL, 1, secret);
    struct core_request r = fixture_request(
        CORE_ENROLL, fixture_csr(key, "d1", SPAN_EMPTY, span_str(secret),
                                 csr_buf, sizeof csr_buf));
    r.secret = span_str(secret);
    expect(BV_E_BAD_BINDING, &r);
    r.door = CORE_DOOR_SCEP;
    expect(BV_OK, &r);
    expect(BV_OK, &r); /* the answer was lost */
    assert_true(f.reply.repeated);
    fixture_token(&f, "signer", NULL, 1, secret);
    r = with_secret(other, "signer", secret);
    r.door = CORE_DOOR_SCEP;
    strcpy(r.label, "codesigning");
    expect(BV_E_REFUSED, &r);
    assert_null(
        strstr(fixture_admin(&f, "{\"verb\":\"device.pending\",\"args\":{}}"),
               "\"signer\""));
}

static void
test_keygen_only_where_the_profile_allows(void **state)
{
    char secret[64];
    struct cert cert;
    bv_auto(key) struct key *key = fixture_key();
    fixture_token(&f, "d1", NULL, 3, secret);
    struct core_request r = with_secret(key, "d1", secret);
    r.op = CORE_KEYGEN;
    expect(BV_E_REFUSED, &r);
    fixture_profile(&f, "device")->server_keygen = true;
    expect(BV_E_REFUSED, &r); /* not in clear */
    fixture_profile(&f, "device")->server_keygen_plain = true;
    expect(BV_OK, &r);
    assert_true(f.reply.key.len > 60 && !f.reply.key_wrapped);
    assert_int_equal(cert_parse(f.reply.cert, &cert), BV_OK);
    assert_false(key_match_spki(key, cert.spki.whole));
}

/* What the CSR's key is like is no reason to refuse it. */
static void
test_keygen_makes_what_the_profile_has(void **state)
{
    static const struct {
        bool p256, p384, ed25519;
        unsigned rsa_min, rsa_max;
        enum alg_key want;
        unsigned bits;
    } cases[] = {
        {true, true, true, 2048, 4096, ALG_KEY_P256, 256}, /* as asked */
        {false, true, true, 2048, 4096, ALG_KEY_P384, 384},
        {false, false, true, 2048, 4096, ALG_KEY_ED25519, 255},
        {false, false, false, 2048, 4096, ALG_KEY_RSA, 2048},
        {false, false, false, 2049, 4096, ALG_KEY_RSA, 3072},
        {false, false, false, 4096, 4096, ALG_KEY_NONE, 0},
    };
    char secret[64];
    struct cert cert;
    bv_auto(key) struct key *key = fixture_key();
    struct profile *p = fixture_profile(&f, "device");
    p->server_keygen = p->server_keygen_plain = true;
    fixture_token(&f, "d1", NULL, 9, secret);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        p->key_p256 = cases[i].p256;
        p->key_p384 = cases[i].p384;
        p->key_ed25519 = cases[i].ed25519;
        p->rsa_min = cases[i].rsa_min;
        p->rsa_max = cases[i].rsa_max;
        struct core_request r = with_secret(key, "d1", secret);
        r.op = CORE_KEYGEN;
        r.cipher_bits = 256;
        csr_buf[r.csr.len - 3] ^= 1; /* its signature */
        expect(cases[i].bits != 0 ? BV_OK : BV_E_BAD_KEY, &r);
        if (cases[i].bits == 0)
            continue;
        assert_int_equal(cert_parse(f.reply.cert, &cert), BV_OK);
        assert_int_equal(cert.spki.alg, cases[i].want);
        assert_int_equal(cert.spki.bits, cases[i].bits);
    }
}

/* RFC 7030 4.4: a key in clear is hidden as well as it is strong. */
static void
test_keygen_needs_a_suite_as_strong(void **state)
{
    static const struct {
        enum alg_key alg;
        uint16_t bits;
        enum bv_err want;
    } cases[] = {
        {ALG_KEY_P256, 128, BV_OK},        {ALG_KEY_P256, 0, BV_E_REFUSED},
        {ALG_KEY_P384, 128, BV_E_REFUSED}, {ALG_KEY_P384, 256, BV_OK},
        {ALG_KEY_P521, 128, BV_E_REFUSED}, {ALG_KEY_P521, 256, BV_OK},
        {ALG_KEY_ED25519, 128, BV_OK},
    };
    char secret[64];
    struct profile *p = fixture_profile(&f, "device");
    p->server_keygen = p->server_keygen_plain = true;
    p->key_p384 = p->key_p521 = p->key_ed25519 = true;
    fixture_token(&f, "d1", NULL, 9, secret);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bv_auto(key) struct key *key = NULL;
        assert_int_equal(key_generate(cases[i].alg, 0, &key), BV_OK);
        struct core_request r = with_secret(key, "d1", secret);
        r.op = CORE_KEYGEN;
        r.cipher_bits = cases[i].bits;
        expect(cases[i].want, &r);
        if (cases[i].want != BV_OK)
            assert_non_null(strstr(f.reply.detail, "suite"));
    }
}

/* Core makes the key itself and does nothing else meanwhile. */
static void
test_keygen_keeps_nobody_waiting(void **state)
{
    static const unsigned sizes[] = {2056, 3080};
    char secret[64];
    struct cert cert;
    struct profile *p = fixture_profile(&f, "device");
    p->server_keygen = p->server_keygen_plain = true;
    fixture_token(&f, "d1", NULL, 9, secret);
    for (size_t i = 0; i < 2; i++) {
        bv_auto(key) struct key *key = NULL;
        assert_int_equal(key_generate(ALG_KEY_RSA, sizes[i], &key), BV_OK);
        struct core_request r = with_secret(key, "d1", secret);
        r.op = CORE_KEYGEN;
        expect(BV_E_BAD_KEY, &r);
        assert_non_null(strstr(f.reply.detail, "2048 or 3072"));
        r.op = CORE_ENROLL; /* its own is another matter */
        expect(BV_OK, &r);
    }
    bv_auto(key) struct key *key = NULL;
    assert_int_equal(key_generate(ALG_KEY_RSA, 2048, &key), BV_OK);
    struct core_request r = with_secret(key, "d1", secret);
    r.op = CORE_KEYGEN;
    expect(BV_OK, &r);
    assert_int_equal(cert_parse(f.reply.cert, &cert), BV_OK);
    assert_int_equal(cert.spki.bits, 2048);
}

static void
test_quota_and_block(void **state)
{
    char secret[64];
    fixture_token(&f, "d1", NULL, 100, secret);
    for (int i = 0; i < 8; i++) {
        bv_auto(key) struct key *key = fixture_key();
        struct core_request r = with_secret(key, "d1", secret);
        expect(BV_OK, &r);
    }
    bv_auto(key) struct key *key = fixture_key();
    struct core_request r = with_secret(key, "d1", secret);
    expect(BV_E_REFUSED, &r);
    (void)fixture_admin(&f, "{\"verb\":\"cert.revoke\",\"args\":{\"device\":"
                            "\"d1\",\"reason\":\"keyCompromise\"}}");
    assert_non_null(strstr(f.json, "\"changed\":8"));
    expect(BV_OK, &r);
    (void)fixture_admin(
        &f, "{\"verb\":\"device.block\",\"args\":{\"name\":\"d1\"}}");
    bv_auto(key) struct key *last = fixture_key();
    r = with_secret(last, "d1", secret);
    expect(BV_E_REFUSED, &r);
}

static void
test_compromised_key_stays_out(void **state)
{
    char secret[64];
    bv_auto(key) struct key *key = fixture_key();
    fixture_token(&f, "d1", NULL, 5, secret);
    struct core_request r = with_secret(key, "d1", secret);
    expect(BV_OK, &r);
    (void)fixture_admin(&f, "{\"verb\":\"cert.revoke\",\"args\":{\"device\":"
                            "\"d1\",\"reason\":\"keyCompromise\"}}");
    expect(BV_E_BAD_KEY, &r);
}

static void
test_only_the_devices_own_name_by_default(void **state)
{
    char secret[64];
    uint8_t san_buf[300];
    struct cert cert;
    bv_auto(key) struct key *key = fixture_key();
    fixture_token(&f, "www.example", NULL, 5, secret);
    struct sink san = SINK_ARRAY(san_buf);
    size_t mark = der_open(&san, DER_SEQUENCE);
    san_put(&san, SAN_DNS, SPAN_LIT("evil.example"));
    der_close(&san, mark);
    struct core_request r = fixture_request(
        CORE_ENROLL, fixture_csr(key, "www.example", sink_view(&san),
                                 SPAN_EMPTY, csr_buf, sizeof csr_buf));
    r.secret = span_str(secret);
    strcpy(r.label, "server");
    expect(BV_E_REFUSED, &r);
    r = with_secret(key, "www.example", secret);
    strcpy(r.label, "server");
    expect(BV_OK, &r);
    assert_int_equal(cert_parse(f.reply.cert, &cert), BV_OK);
    assert_true(san_has(cert.san, SAN_DNS, SPAN_LIT("www.example")));
}

static void
test_nothing_is_issued_by_a_wrong_clock(void **state)
{
    char secret[64];
    bv_auto(key) struct key *key = fixture_key();
    fixture_token(&f, "d1", NULL, 5, secret);
    struct core_request r = with_secret(key, "d1", secret);
    expect(BV_OK, &r);
    bv_auto(key) struct key *next = fixture_key();
    r = with_secret(next, "d1", secret);
    fixture_time = 0;
    expect(BV_E_BAD_CLOCK, &r);
    fixture_time = FIXTURE_NOW - 90000;
    expect(BV_E_BAD_CLOCK, &r);
    fixture_time = FIXTURE_NOW + INT64_C(315360000);
    expect(BV_E_BAD_CLOCK, &r);
    fixture_time = FIXTURE_NOW - 3600; /* a little is tolerated */
    expect(BV_OK, &r);
}

static void
test_group_commit(void **state)
{
    enum { NUM = 300 };
    char secret[64];
    struct core_stats before, after;
    fixture_token(&f, NULL, "barn", NUM, secret);
    core_stats(f.core, &before);
    for (int i = 0; i < NUM; i++) {
        char cn[16];
        bv_auto(key) struct key *key = fixture_key();
        (void)snprintf(cn, sizeof cn, "d%d", i);
        struct core_request r = with_secret(key, cn, secret);
        core_submit(f.core, 1, (uint64_t)i, &r);
    }
    fixture_settle(&f);
    assert_int_equal(f.num_replies, NUM);
    core_stats(f.core, &after);
    assert_int_equal(after.issued - before.issued, NUM);
    assert_true(after.commits - before.commits <= 3);
}

static unsigned
count_certs(void)
{
    unsigned num = 0;
    const char *at = fixture_admin(&f, "{\"verb\":\"cert.list\",\"args\":{"
                                       "\"device\":\"d1\"}}");
    while ((at = strstr(at, "\"serial\"")) != NULL) {
        num++;
        at++;
    }
    return num;
}

/* Each call of the store fails once, wherever it is: the requester gets an
 * error, and afterwards everything is as if it had never asked. */
static void
test_every_store_call_fails(void **state)
{
    unsigned at = 1;
    for (;; at++) {
        char secret[64];
        bv_auto(key) struct key *key = fixture_key();
        fixture_token(&f, "d1", NULL, 1, secret);
        struct core_request r = with_secret(key, "d1", secret);
        unsigned certs = count_certs();
        f.calls = 0;
        f.fail_at = at;
        f.fail_with = at % 2 ? BV_E_DISK_FULL : BV_E_IO;
        enum bv_err err = fixture_run(&f, &r);
        bool hit = f.calls >= at;
        f.fail_at = 0;
        if (!hit) {
            assert_int_equal(err, BV_OK);
            break;
        }
        if (err != BV_OK) {
            assert_true(f.reply.retry_after > 0);
            assert_int_equal(f.reply.cert.len, 0);
            assert_int_equal(count_certs(), certs);
            expect(BV_OK, &r); /* the use of the code was not lost */
        }
        assert_int_equal(count_certs(), certs + 1);
        fixture_time += 3700;
        (void)fixture_admin(&f, "{\"verb\":\"cert.revoke\",\"args\":{"
                                "\"device\":\"d1\"}}");
    }
    assert_true(at > 8);
    fixture_reopen(&f); /* the audit log opens: nothing is out of step */
}

/* The blocklist's entry for a key is the end of SHA-1("Modulus=<HEX>\n"). */
static void
list_key(struct weak_list *list, const struct key *key)
{
    uint8_t buf[LIMIT_SPKI], digest[DIGEST_MAX];
    char text[2100] = "Modulus=", line[21];
    struct sink out = SINK_ARRAY(buf);
    struct alg_spki spki;
    size_t len = strlen(text);
    assert_int_equal(key_spki(key, &out), BV_OK);
    struct span in = sink_view(&out);
    assert_int_equal(alg_spki_parse(&in, &spki), BV_OK);
    for (size_t i = 0; i < spki.n.len; i++, len += 2)
        (void)snprintf(text + len, 3, "%02X", spki.n.data[i]);
    text[len++] = '\n';
    digest_of(DIGEST_SHA1, span_of(text, len), digest);
    for (size_t i = 0; i < 10; i++)
        (void)snprintf(line + 2 * i, 3, "%02x", digest[10 + i]);
    assert_int_equal(weak_list_add(list, span_str(line)), BV_OK);
}

static void
test_listed_key(void **state)
{
    char secret[64];
    bv_auto(weak_list) struct weak_list *list = NULL;
    bv_auto(key) struct key *key = NULL;
    bv_auto(key) struct key *other = NULL;
    assert_int_equal(key_generate(ALG_KEY_RSA, 2048, &key), BV_OK);
    assert_int_equal(key_generate(ALG_KEY_RSA, 2048, &other), BV_OK);
    assert_int_equal(weak_list_new(&list), BV_OK);
    list_key(list, key);
    f.config.weak_keys = list;
    fixture_token(&f, "d1", NULL, 1, secret);
    struct core_request r = with_secret(key, "d1", secret);
    expect(BV_E_BAD_KEY, &r);
    assert_non_null(strstr(f.reply.detail, "CVE-2008-0166"));
    r = with_secret(other, "d1", secret);
    expect(BV_OK, &r);
    f.config.weak_keys = NULL;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_claim_code),
        T(test_repeat_gets_the_same_certificate),
        T(test_expired_code_finishes_what_it_began),
        T(test_repeat_in_flight),
        T(test_one_use_two_keys_in_flight),
        T(test_group_token_enrols_new_names_only),
        T(test_bad_secrets),
        T(test_csr_checks),
        T(test_listed_key),
        T(test_csr_bound_to_another_connection),
        T(test_code_in_the_csr),
        T(test_code_in_the_csr_is_not_kept),
        T(test_renewal_is_for_the_device_presented),
        T(test_renew_expired),
        T(test_idevid_enrols_its_own_device),
        T(test_manufacturer_needs_its_crl),
        T(test_manufacturer_crl_by_another_spelling),
        T(test_manufacturer_revokes_its_own_ca),
        T(test_operator_approves_or_denies),
        T(test_scep),
        T(test_keygen_only_where_the_profile_allows),
        T(test_keygen_needs_a_suite_as_strong),
        T(test_keygen_keeps_nobody_waiting),
        T(test_keygen_makes_what_the_profile_has),
        T(test_quota_and_block),
        T(test_compromised_key_stays_out),
        T(test_only_the_devices_own_name_by_default),
        T(test_nothing_is_issued_by_a_wrong_clock),
        T(test_group_commit),
        T(test_every_store_call_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
