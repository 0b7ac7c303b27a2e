#include "front/est/est.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fake.h"
#include "front/est/offer.h"
#include "tests/unit/pki/certs.h"
#include "wire/base64.h"
#include "wire/cms.h"
#include "wire/est.h"

#define PATH  "/.well-known/est/"
#define LABEL "/.well-known/est/*/"

#define CA_CERT   "\x30\x03\x02\x01\x01"
#define ROOT_CERT "\x30\x03\x02\x01\x02"
#define NEW_CERT  "\x30\x03\x02\x01\x03"
#define CSR_B64   "MAMCAQc="

static struct profile profiles[2];
static struct core_ca cas[2];
static struct core_label labels[1];
static struct core_config config;
static struct core_manufacturer makers[2];
static struct front_est_settings settings;

static int
setup(void **state)
{
    struct front_env env = {.settings = &settings};

    memset(&fake_answer, 0, sizeof(fake_answer));
    memset(&fake_question, 0, sizeof(fake_question));
    memset(profiles, 0, sizeof(profiles));
    fake_tls = (struct exchange_tls){.active = true};
    (void)strcpy(profiles[0].name, "device");
    (void)strcpy(profiles[0].ca, "issuing");
    profiles[0].key_p256 = true;
    profiles[0].key_p384 = true;
    (void)strcpy(profiles[1].name, "gateway");
    (void)strcpy(profiles[1].ca, "issuing");
    profiles[1].rsa_min = 3072;
    profiles[1].rsa_max = 4096;
    profiles[1].binding = PROFILE_BINDING_REQUIRE;
    profiles[1].san_allowed = PROFILE_SAN_DNS;
    cas[0] = (struct core_ca){.name = "issuing",
                              .cert = (struct span)SPAN_LIT(CA_CERT),
                              .chain = {(struct span)SPAN_LIT(ROOT_CERT)},
                              .num_chain = 1};
    cas[1] = (struct core_ca){.name = "other",
                              .cert = (struct span)SPAN_LIT(ROOT_CERT)};
    labels[0] = (struct core_label){"gw", "gateway"};
    config = (struct core_config){.profiles = profiles,
                                  .num_profiles = 2,
                                  .cas = cas,
                                  .num_cas = 2,
                                  .labels = labels,
                                  .num_labels = 1,
                                  .manufacturers = makers,
                                  .num_manufacturers = 2};
    makers[0] = (struct core_manufacturer){.name = "plain"};
    makers[1] =
        (struct core_manufacturer){.name = "acme", .profile = "gateway"};
    settings = (struct front_est_settings){.config = &config};
    assert_int_equal(front_est.open(&env, state), BV_OK);
    return 0;
}

static int
teardown(void **state)
{
    front_est.close(*state);
    return 0;
}

static void
send_to(void **state, enum http_method method, const char *route,
        const char *label, const char *fields, const char *body)
{
    fake_send(&front_est, *state, method, route, label, fields, span_str(body));
}

/* decode_body: the last answer's body without its base64. */
static struct span
decode_body(void)
{
    static uint8_t buf[65536];
    struct sink out = SINK_ARRAY(buf);

    assert_int_equal(
        base64_decode(span_of(fake_answer.body, fake_answer.body_len), &out),
        BV_OK);
    return sink_view(&out);
}

static size_t
num_certs(void)
{
    struct cms_certs list;
    struct span cert;
    size_t num = 0;

    assert_int_equal(cms_certs_parse(decode_body(), &list), BV_OK);
    while (cms_certs_next(&list, &cert))
        num++;
    return num;
}

/* --- what the door answers itself --- */

static void
test_cacerts(void **state)
{
    char field[128];

    send_to(state, HTTP_GET, PATH "cacerts", "", "", "");
    assert_int_equal(fake_answer.status, 200);
    assert_string_equal(fake_answer.type, "application/pkcs7-mime");
    assert_int_equal(num_certs(), 2);
    assert_int_equal(fake_answer.body[fake_answer.body_len - 1], '\n');
    assert_non_null(fake_value("ETag"));

    (void)snprintf(field, sizeof(field), "If-None-Match: %s\r\n",
                   fake_value("ETag"));
    send_to(state, HTTP_GET, PATH "cacerts", "", field, "");
    assert_int_equal(fake_answer.status, 304);
    /* else the copy that was just found to be good is thrown away */
    assert_string_equal(fake_value("Cache-Control"), "max-age=300");
    assert_non_null(fake_value("ETag"));
    send_to(state, HTTP_GET, PATH "cacerts", "", "If-None-Match: \"abc\"\r\n",
            "");
    assert_int_equal(fake_answer.status, 200);
}

static void
test_labels(void **state)
{
    send_to(state, HTTP_GET, LABEL "cacerts", "gw", "", "");
    assert_int_equal(fake_answer.status, 200);
    send_to(state, HTTP_GET, LABEL "cacerts", "nobody", "", "");
    assert_int_equal(fake_answer.err, BV_E_NOT_FOUND);
    send_to(state, HTTP_POST, LABEL "simpleenroll", "nobody", "", CSR_B64);
    assert_int_equal(fake_answer.err, BV_E_NOT_FOUND);
    assert_int_equal(fake_question.num, 0);
}

static void
test_reload_adds_cross_certificates(void **state)
{
    (void)strcpy(profiles[1].ca, "other");
    cas[0].cross[0] = (struct span)SPAN_LIT(NEW_CERT);
    cas[0].num_cross = 1;
    send_to(state, HTTP_GET, PATH "cacerts", "", "", "");
    assert_int_equal(num_certs(), 2);
    settings.generation++;
    send_to(state, HTTP_GET, PATH "cacerts", "", "", "");
    assert_int_equal(num_certs(), 3);
    /* told with the CA they were given to, and with no other */
    send_to(state, HTTP_GET, LABEL "cacerts", "gw", "", "");
    assert_int_equal(num_certs(), 1);
}

static void
test_csrattrs_follow_the_profile(void **state)
{
    struct est_csrattrs attrs;

    send_to(state, HTTP_GET, PATH "csrattrs", "", "", "");
    assert_string_equal(fake_answer.type, "application/csrattrs");
    assert_int_equal(est_csrattrs_decode(decode_body(), &attrs), BV_OK);
    assert_int_equal(attrs.key, ALG_KEY_P256);
    assert_int_equal(attrs.sig, ALG_SIG_ECDSA_SHA256);
    assert_false(attrs.challenge);
    assert_true(attrs.is_template);
    assert_int_equal(attrs.num_extensions, 0);

    send_to(state, HTTP_GET, LABEL "csrattrs", "gw", "", "");
    assert_int_equal(est_csrattrs_decode(decode_body(), &attrs), BV_OK);
    assert_int_equal(attrs.key, ALG_KEY_RSA);
    assert_int_equal(attrs.rsa_bits, 3072);
    assert_true(attrs.challenge);
    assert_false(attrs.is_template); /* it could not ask for that */
    profiles[1].binding = PROFILE_BINDING_VERIFY;
    settings.generation++;
    send_to(state, HTTP_GET, LABEL "csrattrs", "gw", "", "");
    assert_int_equal(est_csrattrs_decode(decode_body(), &attrs), BV_OK);
    assert_int_equal(attrs.num_extensions, 1); /* a SAN of its own choice */
}

/* Without a label the credential leads to a profile, and that is told. */
static void
test_csrattrs_of_a_manufacturers_device(void **state)
{
    struct est_csrattrs attrs;

    fake_tls.trust = NET_TRUST_MANUFACTURER;
    fake_tls.trust_name = "acme";
    send_to(state, HTTP_GET, PATH "csrattrs", "", "", "");
    assert_int_equal(est_csrattrs_decode(decode_body(), &attrs), BV_OK);
    assert_int_equal(attrs.key, ALG_KEY_RSA);
    assert_true(attrs.challenge);
    assert_string_equal(fake_value("Cache-Control"), "no-store");
    fake_tls.trust_name = "plain";
    send_to(state, HTTP_GET, PATH "csrattrs", "", "", "");
    assert_int_equal(est_csrattrs_decode(decode_body(), &attrs), BV_OK);
    assert_int_equal(attrs.key, ALG_KEY_P256);
    assert_int_equal(fake_question.num, 0);
}

static void
core_says(enum bv_err err, const char *profile)
{
    uint8_t buf[512];
    struct sink out = SINK_ARRAY(buf);
    struct core_reply reply = {.err = err};

    (void)strcpy(reply.profile, profile);
    core_reply_encode(&out, &reply);
    fake_question.fn(fake_question.arg, BV_OK, MSG_REPLY, sink_view(&out));
}

static void
check_own_attrs(enum alg_key key)
{
    struct est_csrattrs attrs;

    assert_int_equal(fake_answer.status, 200);
    assert_string_equal(fake_value("Cache-Control"), "no-store");
    assert_int_equal(est_csrattrs_decode(decode_body(), &attrs), BV_OK);
    assert_int_equal(attrs.key, key);
    assert_true(attrs.is_template);
    assert_int_equal(attrs.num_rdns, 1);
    assert_true(attrs.subject[0].value.len > 0); /* its own name */
}

/* Of our own certificates core knows the profile, also of those that are good
 * for nothing but their renewal. */
static void
test_csrattrs_of_a_renewal(void **state)
{
    static struct test_cert own;
    uint8_t buf[65536];
    struct core_request request;

    test_issue(&own, test_key(ALG_KEY_P256, 0), "d-1", TEST_DEVICE, NULL,
               (struct span)SPAN_LIT("\x42\x01"), 1795000000, 1796000000, NULL);
    profiles[1].binding = PROFILE_BINDING_VERIFY;
    settings.generation++;
    for (int only = 0; only < 2; only++) {
        fake_tls = (struct exchange_tls){.active = true};
        fake_tls.trust = only ? NET_TRUST_NONE : NET_TRUST_OWN;
        *(only ? &fake_tls.renewal_cert : &fake_tls.peer_cert) = own.der;
        send_to(state, HTTP_GET, PATH "csrattrs", "", "", "");
        memcpy(buf, fake_question.body, fake_question.body_len);
        assert_int_equal(
            core_request_decode(span_of(buf, fake_question.body_len), &request),
            BV_OK);
        assert_int_equal(request.op, CORE_ASK);
        assert_int_equal(request.trust, CORE_TRUST_OWN);
        assert_true(span_eq(request.peer_cert, own.der));
        core_says(BV_OK, "gateway");
        check_own_attrs(ALG_KEY_RSA);
        send_to(state, HTTP_GET, PATH "csrattrs", "", "", "");
        core_says(BV_E_REVOKED, "");
        check_own_attrs(ALG_KEY_P256);
        send_to(state, HTTP_GET, PATH "csrattrs", "", "", "");
        fake_settle();
        assert_int_equal(fake_answer.err, BV_E_UNAVAILABLE);
        /* a label has one profile */
        unsigned asked = fake_question.num;
        send_to(state, HTTP_GET, LABEL "csrattrs", "gw", "", "");
        check_own_attrs(ALG_KEY_RSA);
        assert_int_equal(fake_question.num, asked);
    }
    key_free(own.key);
}

static void
test_csrattrs_of_a_token(void **state)
{
    struct est_csrattrs attrs;

    send_to(state, HTTP_GET, PATH "csrattrs", "",
            "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n", "");
    assert_int_equal(fake_answer.num, 0);
    core_says(BV_OK, "gateway");
    assert_int_equal(est_csrattrs_decode(decode_body(), &attrs), BV_OK);
    assert_int_equal(attrs.key, ALG_KEY_RSA);
}

static void
test_fullcmc_is_not_offered(void **state)
{
    send_to(state, HTTP_POST, PATH "fullcmc", "", "", "MAA=");
    assert_int_equal(fake_answer.err, BV_E_UNSUPPORTED);
}

/* --- what it asks core --- */

static struct core_request
asked(void)
{
    struct core_request request;

    assert_int_equal(fake_question.type, MSG_REQUEST);
    assert_int_equal(
        core_request_decode(span_of(fake_question.body, fake_question.body_len),
                            &request),
        BV_OK);
    return request;
}

static void
test_enroll_asks_core(void **state)
{
    struct core_request request;

    send_to(state, HTTP_POST, LABEL "simpleenroll", "gw",
            "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n",
            "MAMC\r\nAQc=\r\n");
    assert_int_equal(fake_answer.num, 0);
    request = asked();
    assert_int_equal(request.door, CORE_DOOR_EST);
    assert_int_equal(request.op, CORE_ENROLL);
    assert_string_equal(request.label, "gw");
    assert_true(span_eq_str(request.user, "Aladdin"));
    assert_true(span_eq_str(request.secret, "open sesame"));
    assert_true(
        span_eq(request.csr, (struct span)SPAN_LIT("\x30\x03\x02\x01\x07")));
}

static void
test_each_operation(void **state)
{
    send_to(state, HTTP_POST, PATH "simplereenroll", "", "", CSR_B64);
    assert_int_equal(asked().op, CORE_REENROLL);
    send_to(state, HTTP_POST, PATH "serverkeygen", "", "", CSR_B64);
    assert_int_equal(asked().op, CORE_KEYGEN);
    /* a credential that cannot be read counts as none */
    send_to(state, HTTP_POST, PATH "simpleenroll", "",
            "Authorization: Basic !!\r\n", CSR_B64);
    assert_int_equal(asked().secret.len, 0);
}

static void
test_bodies_refused(void **state)
{
    static char large[LIMIT_CSR * 4 / 3 + 64];

    send_to(state, HTTP_POST, PATH "simpleenroll", "", "", "MAMCAQc");
    assert_int_equal(fake_answer.err, BV_E_BAD_MESSAGE);
    send_to(state, HTTP_POST, PATH "simpleenroll", "", "", "");
    assert_int_equal(fake_answer.err, BV_E_BAD_MESSAGE);
    send_to(state, HTTP_POST, PATH "simpleenroll", "", "", "0\x03\x02\x01\x07");
    assert_int_equal(fake_answer.err, BV_E_BAD_MESSAGE);
    memset(large, 'A', sizeof(large) - 1);
    large[(sizeof(large) - 1) & ~(size_t)3] = '\0';
    send_to(state, HTTP_POST, PATH "simpleenroll", "", "", large);
    assert_int_equal(fake_answer.err, BV_E_TOO_LARGE);
    assert_int_equal(fake_question.num, 0);

    settings.lenient = true;
    send_to(state, HTTP_POST, PATH "simpleenroll", "", "", "0\x03\x02\x01\x07");
    assert_int_equal(fake_question.num, 1);
}

static void
test_core_unavailable(void **state)
{
    fake_question.refuse = BV_E_UNAVAILABLE;
    send_to(state, HTTP_POST, PATH "simpleenroll", "", "", CSR_B64);
    assert_int_equal(fake_answer.err, BV_E_UNAVAILABLE);
    assert_int_equal(fake_answer.retry_after, 1);
    fake_question.refuse = BV_OK;
    send_to(state, HTTP_POST, PATH "simpleenroll", "", "", CSR_B64);
    fake_question.fn(fake_question.arg, BV_E_UNAVAILABLE, MSG_REPLY,
                     SPAN_EMPTY);
    assert_int_equal(fake_answer.num, 2);
    assert_int_equal(fake_answer.err, BV_E_UNAVAILABLE);
}

/* --- what core answers --- */

static void
answer_with(void **state, const char *fields, const struct core_reply *reply)
{
    static uint8_t buf[65536];
    struct sink out = SINK_ARRAY(buf);

    send_to(state, HTTP_POST, PATH "simpleenroll", "", fields, CSR_B64);
    core_reply_encode(&out, reply);
    assert_false(out.failed);
    fake_question.fn(fake_question.arg, BV_OK, MSG_REPLY, sink_view(&out));
    assert_int_equal(fake_answer.num, 1);
    fake_answer.num = 0;
}

static struct core_reply
issued(void)
{
    return (struct core_reply){.device = "d-1",
                               .profile = "device",
                               .serial = "4201",
                               .cert = (struct span)SPAN_LIT(NEW_CERT)};
}

static void
test_issued(void **state)
{
    struct core_reply reply = issued();

    answer_with(state, "", &reply);
    assert_int_equal(fake_answer.status, 200);
    assert_string_equal(fake_answer.type,
                        "application/pkcs7-mime; smime-type=certs-only");
    assert_string_equal(fake_value("Cache-Control"), "no-store");
    assert_int_equal(num_certs(), 1);
    assert_string_equal(fake_request.device, "d-1");
    assert_string_equal(fake_answer.detail,
                        "issued serial=4201 profile=device");

    settings.full_chain = true;
    reply.repeated = true;
    answer_with(state, "", &reply);
    assert_int_equal(num_certs(), 3);
    assert_string_equal(fake_answer.detail,
                        "repeated serial=4201 profile=device");
}

static void
test_refused_and_pending(void **state)
{
    struct core_reply reply = {.err = BV_E_PENDING,
                               .retry_after = 60,
                               .device = "d-1",
                               .detail = "waits"};

    answer_with(state, "", &reply);
    assert_int_equal(fake_answer.err, BV_E_PENDING);
    assert_int_equal(fake_answer.retry_after, 60);
    assert_string_equal(fake_answer.detail, "waits");
    assert_string_equal(fake_request.device, "d-1");
}

/* What may be asked for over HTTP says the profile, and core in the end. */
static void
test_challenge(void **state)
{
    struct core_reply reply = {.err = BV_E_UNAUTHENTICATED,
                               .challenge = true,
                               .detail = "the claim code is not known"};
    answer_with(state, "", &reply);
    assert_int_equal(fake_answer.err, BV_E_UNAUTHENTICATED);
    assert_true(fake_request.challenge);
    reply.challenge = false;
    answer_with(state, "", &reply);
    assert_false(fake_request.challenge);

    profiles[0].allow_basic = true;
    fake_request.segment = SPAN_EMPTY;
    fake_request.challenge = true;
    assert_int_equal(front_est.auth(*state, &fake_request), FRONT_AUTH_ANY);
    assert_true(fake_request.challenge);
    fake_request.segment = span_str("gw"); /* takes certificates only */
    assert_int_equal(front_est.auth(*state, &fake_request), FRONT_AUTH_ANY);
    assert_false(fake_request.challenge);
}

static void
test_keygen(void **state)
{
    struct core_reply reply = issued();

    reply.key = (struct span)SPAN_LIT("\x30\x02\x05\x00");
    answer_with(state, "", &reply);
    assert_string_equal(fake_answer.type, EST_TYPE_KEYGEN);
    assert_non_null(memmem(fake_answer.body, fake_answer.body_len,
                           "Content-Type: application/pkcs8\r\n", 33));
    assert_non_null(memmem(fake_answer.body, fake_answer.body_len,
                           "\r\n\r\nMAIFAA==\r\n", 14));
}

static void
test_only_libest_gets_lines(void **state)
{
    static uint8_t cert[1200] = {0x30, 0x82, 0x04, 0xac};
    struct core_reply reply = issued();

    reply.cert = SPAN_ARRAY(cert);
    answer_with(state, "User-Agent: libest 3.2.0\r\n", &reply);
    assert_int_equal(fake_answer.body[64], '\n');
    answer_with(state, "", &reply);
    assert_null(memchr(fake_answer.body, '\n', fake_answer.body_len - 1));
}

static void
test_unreadable_reply(void **state)
{
    send_to(state, HTTP_POST, PATH "simpleenroll", "", "", CSR_B64);
    fake_question.fn(fake_question.arg, BV_OK, MSG_REPLY,
                     (struct span)SPAN_LIT("\x01"));
    assert_int_equal(fake_answer.err, BV_E_UNAVAILABLE);
}

/* --- opening --- */

static void
test_open_checks_labels(void **state)
{
    struct front_env env = {.settings = &settings};
    void *ctx;

    (void)strcpy(labels[0].label, "simpleenroll");
    assert_int_equal(front_est.open(&env, &ctx), BV_E_BAD_CONFIG);
    (void)strcpy(labels[0].label, "");
    assert_int_equal(front_est.open(&env, &ctx), BV_E_BAD_CONFIG);
    (void)strcpy(labels[0].label, "gw");
    (void)strcpy(labels[0].profile, "none");
    assert_int_equal(front_est.open(&env, &ctx), BV_E_BAD_CONFIG);
    (void)strcpy(labels[0].profile, "gateway");
    (void)strcpy(profiles[1].ca, "none");
    assert_int_equal(front_est.open(&env, &ctx), BV_E_BAD_CONFIG);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_cacerts),
        TEST(test_labels),
        TEST(test_reload_adds_cross_certificates),
        TEST(test_csrattrs_follow_the_profile),
        TEST(test_csrattrs_of_a_manufacturers_device),
        TEST(test_csrattrs_of_a_renewal),
        TEST(test_csrattrs_of_a_token),
        TEST(test_fullcmc_is_not_offered),
        TEST(test_enroll_asks_core),
        TEST(test_each_operation),
        TEST(test_bodies_refused),
        TEST(test_core_unavailable),
        TEST(test_issued),
        TEST(test_refused_and_pending),
        TEST(test_challenge),
        TEST(test_keygen),
        TEST(test_only_libest_gets_lines),
        TEST(test_unreadable_reply),
        TEST(test_open_checks_labels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
