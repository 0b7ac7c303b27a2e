/* Who may do what: a public key is no credential, an operator is no
 * administrator, and what was taken back while the signer worked stays so. */
#include "fixture.h"

#include <stdio.h>

#include "wire/pem.h"

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
ask(enum core_op op, struct key *key, const char *cn)
{
    return fixture_request(op, fixture_csr(key, cn, SPAN_EMPTY, SPAN_EMPTY,
                                           csr_buf, sizeof csr_buf));
}

/* Everybody who has met a device knows its public key. With server-made keys
 * nothing is signed by it, so it must not open the door to the name. */
static void
test_public_key_is_no_proof(void **state)
{
    char secret[64];
    bv_auto(key) struct key *key = fixture_key();
    fixture_profile(&f, "device")->server_keygen = true;
    fixture_profile(&f, "device")->server_keygen_plain = true;
    fixture_token(&f, NULL, "barn", 9, secret);
    struct core_request r = ask(CORE_ENROLL, key, "d1");
    r.secret = span_str(secret);
    expect(BV_OK, &r);
    r.op = CORE_KEYGEN;
    expect(BV_E_REFUSED, &r);
    r.op = CORE_ENROLL; /* with proof it is the device itself */
    fixture_time += 700;
    expect(BV_OK, &r);
}

/* --- taken back while the signer works --- */

static uint8_t own_buf[4096];

static struct core_request
renewal(struct key *key, struct key *next)
{
    char secret[64];
    fixture_token(&f, "d1", NULL, 1, secret);
    struct core_request r = ask(CORE_ENROLL, key, "d1");
    r.secret = span_str(secret);
    expect(BV_OK, &r);
    memcpy(own_buf, f.reply.cert.data, f.reply.cert.len);
    struct span own = span_of(own_buf, f.reply.cert.len);
    r = ask(CORE_REENROLL, next, "d1");
    r.trust = CORE_TRUST_OWN;
    r.peer_cert = own;
    return r;
}

/* The revocation of a device covers its certificates of that moment, and one
 * more is on its way: it must not arrive. */
static void
test_revoked_while_renewing(void **state)
{
    static const char *const acts[] = {"cert.revoke", "cert.hold"};
    for (size_t i = 0; i < 2; i++) {
        char act[100];
        bv_auto(key) struct key *key = fixture_key();
        bv_auto(key) struct key *next = fixture_key();
        struct core_request r = renewal(key, next);
        core_submit(f.core, 1, 99, &r);
        (void)snprintf(act, sizeof act,
                       "{\"verb\":\"%s\",\"args\":{\"device\":\"d1\"}}",
                       acts[i]);
        assert_non_null(strstr(fixture_admin(&f, act), "\"changed\":"));
        assert_int_equal(f.reply.err, BV_E_REVOKED);
        assert_int_equal(f.reply.cert.len, 0);
        (void)fixture_admin(&f, "{\"verb\":\"cert.list\",\"args\":{\"device\":"
                                "\"d1\",\"status\":\"good\"}}");
        assert_null(strstr(f.json, "serial"));
    }
}

/* --- what the log says of it --- */

static void
expect_logged(const char *action, const char *name)
{
    char want[96];
    (void)fixture_admin(&f, "{\"verb\":\"audit.list\",\"args\":{\"last\":4}}");
    const char *at = f.json;
    for (unsigned i = 0; i < 4; i++)
        assert_non_null(at = strstr(at + 1, "\"index\""));
    const char *end = strstr(at + 1, "\"index\"");
    char entry[1000];
    (void)snprintf(entry, sizeof entry, "%.*s",
                   end == NULL ? 900 : (int)(end - at), at);
    (void)snprintf(want, sizeof want, "\"action\":\"%s\"", action);
    assert_non_null(strstr(entry, want));
    assert_non_null(strstr(entry, name));
}

/* Who reads the log knows devices by their names. */
static void
test_log_names_the_device(void **state)
{
    bv_auto(key) struct key *key = fixture_key();
    bv_auto(key) struct key *next = fixture_key();
    char secret[64];
    struct core_request r = renewal(key, next);
    (void)fixture_admin(
        &f, "{\"verb\":\"cert.revoke\",\"args\":{\"device\":\"d1\"}}");
    expect_logged("cert.revoke", "\"object_id\":\"d1\"");
    expect(BV_E_REVOKED, &r);
    expect_logged("cert.refuse", "\"object_id\":\"d1\"");
    expect_logged("cert.refuse", "\"actor\":\"device\"");
    fixture_token(&f, "d2", NULL, 1, secret);
    expect_logged("token.create", "\"detail\":\"device d2\"");
    fixture_time += INT64_C(366) * 86400;
    r = ask(CORE_ENROLL, next, "d2");
    r.secret = span_str(secret);
    expect(BV_E_UNAUTHENTICATED, &r);
    expect_logged("cert.refuse", "\"object_id\":\"d2\"");
    fixture_token(&f, NULL, "barn", 1, secret);
    expect_logged("token.create", "\"detail\":\"group barn\"");
    (void)fixture_admin(&f, "{\"verb\":\"token.revoke\",\"args\":{\"id\":2}}");
    expect_logged("token.revoke", "\"detail\":\"device d2\"");
}

/* What proves nothing is not believed either. */
static void
test_log_names_nobody_unproven(void **state)
{
    bv_auto(key) struct key *key = fixture_key();
    bv_auto(key) struct key *next = fixture_key();
    struct core_request r = renewal(key, next);
    own_buf[r.peer_cert.len - 1] ^= 1; /* its signature */
    expect(BV_E_UNAUTHENTICATED, &r);
    expect_logged("token.refuse", "\"actor\":\"unknown\"");
    assert_null(strstr(strstr(f.json, "token.refuse"), "object_id"));
}

/* --- roles --- */

static const char *
issue_as(enum core_role role, const char *profile, struct key *key)
{
    const struct core_caller caller = {1001, "oskar", role};
    static char request[12000];
    char pem[8192], *to = request;
    struct sink out = sink_of(pem, sizeof pem - 1);
    pem_encode(&out, PEM_CSR,
               fixture_csr(key, "x1", SPAN_EMPTY, SPAN_EMPTY, csr_buf,
                           sizeof csr_buf));
    pem[out.len] = '\0';
    to += sprintf(to,
                  "{\"verb\":\"cert.issue\",\"args\":{\"profile\":\"%s\","
                  "\"csr\":\"",
                  profile);
    for (const char *c = pem; *c != '\0'; c++)
        to += sprintf(to, *c == '\n' ? "\\n" : "%c", *c);
    strcpy(to, "\"}}");
    f.json[0] = '\0';
    core_admin(f.core, &caller, 2, 1, span_str(request));
    fixture_settle(&f);
    return f.json;
}

/* An OCSP responder's certificate says of any other that it is good: an
 * operator, who may only enrol and revoke, must not make one. */
static void
test_operator_makes_no_authority(void **state)
{
    bv_auto(key) struct key *key = fixture_key();
    bv_auto(key) struct key *other = fixture_key();
    struct profile *client = fixture_profile(&f, "client");
    assert_non_null(
        strstr(issue_as(CORE_ROLE_OPERATE, "ocsp", key), "only an admin"));
    (void)fixture_admin(&f, "{\"verb\":\"audit.list\",\"args\":{\"last\":1}}");
    assert_non_null(strstr(f.json, "admin.refuse"));
    assert_non_null(
        strstr(issue_as(CORE_ROLE_OPERATE, "client", key), "\"ok\":true"));
    client->eku[client->num_eku++] = PROFILE_EKU_CMC_RA;
    assert_non_null(
        strstr(issue_as(CORE_ROLE_OPERATE, "client", key), "only an admin"));
    assert_non_null(
        strstr(issue_as(CORE_ROLE_ADMIN, "ocsp", other), "\"ok\":true"));
}

static void
test_blocked_device_gets_none_by_hand(void **state)
{
    bv_auto(key) struct key *key = fixture_key();
    assert_non_null(
        strstr(issue_as(CORE_ROLE_OPERATE, "client", key), "\"ok\":true"));
    (void)fixture_admin(
        &f, "{\"verb\":\"device.block\",\"args\":{\"name\":\"x1\"}}");
    assert_non_null(
        strstr(issue_as(CORE_ROLE_ADMIN, "client", key), "is blocked"));
    (void)fixture_admin(
        &f, "{\"verb\":\"device.unblock\",\"args\":{\"name\":\"x1\"}}");
    assert_non_null(
        strstr(issue_as(CORE_ROLE_ADMIN, "client", key), "\"ok\":true"));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_public_key_is_no_proof),
        T(test_revoked_while_renewing),
        T(test_log_names_the_device),
        T(test_log_names_nobody_unproven),
        T(test_operator_makes_no_authority),
        T(test_blocked_device_gets_none_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
