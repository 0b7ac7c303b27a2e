#include "front/status/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/clock.h"
#include "fake.h"
#include "front/status/cache.h"
#include "wire/base64.h"
#include "wire/crl.h"
#include "wire/ocsp.h"

static struct front_status_crl crls[2];
static struct core_ca cas[2];
static struct core_config config;
static struct front_status_settings settings;

#define CA_CERT "\x30\x03\x02\x01\x01"

/* --- a CRL and a status map, as the parent hands them over --- */

static int
make_crl(int64_t next_update)
{
    static const uint8_t ISSUER[] = {0x30, 0x00};
    struct crl_head head = {.issuer = SPAN_ARRAY(ISSUER),
                            .sig = ALG_SIG_ECDSA_SHA256,
                            .this_update = 1790000000,
                            .next_update = next_update,
                            .key_id = SPAN_ARRAY(ISSUER),
                            .number = 1};
    /* another for each list, as of a real CA */
    const struct span signature = {(const uint8_t *)&head.next_update, 8};
    uint8_t tbs_buf[256];
    uint8_t buf[512];
    struct sink tbs = SINK_ARRAY(tbs_buf);
    struct sink out = SINK_ARRAY(buf);
    int fd = memfd_create("crl", MFD_CLOEXEC);

    crl_put_tbs(&tbs, &head, NULL, 0);
    crl_put_outer(&out, tbs.len, head.sig, signature.len);
    sink_put(&out, sink_view(&tbs));
    crl_put_signature(&out, head.sig, signature);
    assert_int_equal(write(fd, buf, out.len), out.len);
    return fd;
}

static struct statusmap *map;

static void
make_map(void)
{
    static const uint8_t ID[STATUSMAP_ID_LEN] = {1};
    struct statusmap_mark mark;

    assert_int_equal(
        statusmap_writer(memfd_create("map", MFD_CLOEXEC), ID, &map, &mark),
        BV_OK);
    assert_int_equal(statusmap_put(map, 7, statusmap_word(1, -1, 0)), BV_OK);
}

static int
setup(void **state)
{
    struct front_env env = {.settings = &settings};

    memset(&fake_answer, 0, sizeof(fake_answer));
    memset(&fake_question, 0, sizeof(fake_question));
    make_map();
    crls[0] =
        (struct front_status_crl){"issuing", make_crl(clock_wall() + 86400)};
    crls[1] = (struct front_status_crl){"root", -1};
    cas[0] = (struct core_ca){.name = "issuing",
                              .cert = (struct span)SPAN_LIT(CA_CERT)};
    (void)strcpy(cas[0].crl_path, "issuing.crl");
    cas[1] = (struct core_ca){.name = "root", .offline = true};
    (void)strcpy(cas[1].crl_path, "root.crl");
    config = (struct core_config){.cas = cas, .num_cas = 2};
    settings = (struct front_status_settings){
        .config = &config, .crls = crls, .num_crls = 1, .map = map};
    assert_int_equal(front_status_door.open(&env, state), BV_OK);
    return 0;
}

static int
teardown(void **state)
{
    front_status_door.close(*state);
    statusmap_free(map);
    (void)close(crls[0].fd);
    return 0;
}

static void
get(void **state, const char *route, const char *rest, const char *fields)
{
    fake_send(&front_status_door, *state, HTTP_GET, route, rest, fields,
              SPAN_EMPTY);
}

/* --- OCSP --- */

static struct span
ocsp_request(uint8_t serial, bool nonce)
{
    static const uint8_t HASH[32] = {9};
    static uint8_t buf[512];
    struct sink out = SINK_ARRAY(buf);
    struct ocsp_request request = {
        .certs = {{.hash = OCSP_HASH_SHA256,
                   .name_hash = SPAN_ARRAY(HASH),
                   .key_hash = SPAN_ARRAY(HASH),
                   .serial = span_of(&serial, 1)}},
        .num_certs = 1,
        .has_nonce = nonce,
        .nonce = nonce ? SPAN_ARRAY(HASH) : SPAN_EMPTY,
    };

    ocsp_request_put(&out, &request);
    assert_false(out.failed);
    return sink_view(&out);
}

static void
post(void **state, struct span request)
{
    fake_send(&front_status_door, *state, HTTP_POST, "/ocsp", "", "", request);
}

/* the signer answers the open question from the map's present word */
static void
answer(bool cacheable, const char *response)
{
    uint8_t buf[256];
    struct sink out = SINK_ARRAY(buf);
    int64_t now = clock_wall();

    ocsp_reply_encode(&out,
                      &(struct ocsp_reply){.cacheable = cacheable,
                                           .index = 7,
                                           .word = statusmap_get(map, 7),
                                           .this_update = now - 300,
                                           .next_update = now + 3600,
                                           .response = span_str(response)});
    assert_false(out.failed);
    fake_question.fn(fake_question.arg, BV_OK, MSG_OCSP_REPLY, sink_view(&out));
}

static bool
body_is(const char *text)
{
    return span_eq_str(span_of(fake_answer.body, fake_answer.body_len), text);
}

static void
test_kept_until_the_word_changes(void **state)
{
    post(state, ocsp_request(1, false));
    assert_int_equal(fake_question.num, 1);
    assert_int_equal(fake_question.type, MSG_OCSP);
    answer(true, "good");
    assert_int_equal(fake_answer.status, 200);
    assert_string_equal(fake_answer.type, "application/ocsp-response");
    assert_true(body_is("good"));
    assert_string_equal(fake_value("Cache-Control"),
                        "max-age=1800, public, no-transform, must-revalidate");
    assert_non_null(fake_value("Expires"));
    assert_non_null(fake_value("Last-Modified"));

    post(state, ocsp_request(1, false));
    assert_int_equal(fake_question.num, 1); /* from the cache */
    assert_int_equal(fake_answer.num, 2);
    assert_true(body_is("good"));
    post(state, ocsp_request(2, false));
    assert_int_equal(fake_question.num, 2); /* another certificate */
    fake_settle();

    assert_int_equal(statusmap_put(map, 7, statusmap_word(1, 1, 1790000000)),
                     BV_OK);
    post(state, ocsp_request(1, false));
    assert_int_equal(fake_question.num, 3); /* revoked: asked anew */
    answer(true, "revoked");
    assert_true(body_is("revoked"));
    post(state, ocsp_request(1, false));
    assert_int_equal(fake_question.num, 3);
    assert_true(body_is("revoked"));
}

static void
test_nonce_and_errors_are_not_kept(void **state)
{
    for (unsigned i = 1; i <= 2; i++) {
        post(state, ocsp_request(1, true));
        assert_int_equal(fake_question.num, i);
        answer(false, "fresh");
        assert_string_equal(fake_value("Cache-Control"), "max-age=0, private");
    }
    /* a reply that calls itself cacheable is still the nonce's own */
    post(state, ocsp_request(1, true));
    answer(true, "fresh");
    post(state, ocsp_request(1, false));
    assert_int_equal(fake_question.num, 4);
    fake_settle();
}

static void
expect_status(uint8_t status)
{
    assert_int_equal(fake_answer.status, 200);
    assert_int_equal(fake_answer.body_len, 5);
    assert_int_equal(fake_answer.body[4], status);
    assert_string_equal(fake_value("Cache-Control"), "no-cache");
}

static void
test_malformed_and_try_later(void **state)
{
    post(state, (struct span)SPAN_LIT("garbage"));
    expect_status(OCSP_ANSWER_MALFORMED);
    assert_int_equal(fake_question.num, 0);
    post(state, ocsp_request(1, false));
    fake_question.fn(fake_question.arg, BV_E_UNAVAILABLE, MSG_OCSP_REPLY,
                     SPAN_EMPTY);
    expect_status(OCSP_ANSWER_TRY_LATER);
    fake_question.refuse = BV_E_BUSY;
    post(state, ocsp_request(1, false));
    expect_status(OCSP_ANSWER_TRY_LATER);
}

/* Ten seconds may end in the middle of it, so twice the share and one. */
static bool
is_told_to_try_later(void **state)
{
    for (unsigned i = 0; i < 21; i++) {
        unsigned before = fake_question.num;
        post(state, ocsp_request(1, true));
        if (fake_question.num == before)
            return true;
        answer(false, "fresh");
    }
    return false;
}

/* What costs a signature has a bound for each address; what is kept has none.
 */
static void
test_signed_per_address(void **state)
{
    post(state, ocsp_request(1, false));
    answer(true, "good");
    assert_false(is_told_to_try_later(state)); /* 0: no bound */
    settings.signed_per_address = 1;
    assert_true(is_told_to_try_later(state));
    expect_status(OCSP_ANSWER_TRY_LATER);
    post(state, ocsp_request(1, false));
    assert_true(body_is("good"));
}

static void
test_get(void **state)
{
    char field[128];

    /* 30 03 02 01 07 is base64 but no request; '!' is not base64 */
    get(state, "/ocsp/**", "MAMCAQc=", "");
    expect_status(OCSP_ANSWER_MALFORMED);
    get(state, "/ocsp/**", "!!", "");
    assert_int_equal(fake_answer.err, BV_E_BAD_MESSAGE);

    post(state, ocsp_request(1, false));
    answer(true, "good");
    /* the same octets by GET: 304 when the client has them */
    static uint8_t text[1024];
    struct sink out = SINK_ARRAY(text);
    base64_encode(&out, ocsp_request(1, false));
    sink_u8(&out, '\0');
    get(state, "/ocsp/**", (const char *)text, "");
    assert_true(body_is("good"));
    assert_int_equal(fake_question.num, 1);
    (void)snprintf(field, sizeof(field), "If-None-Match: %s\r\n",
                   fake_value("ETag"));
    get(state, "/ocsp/**", (const char *)text, field);
    assert_int_equal(fake_answer.status, 304);
    assert_non_null(fake_value("Cache-Control"));
}

/* A reload keeps what was learnt, unless the map is another one: then also an
 * answer that was under way is not kept. */
static void
test_reload(void **state)
{
    struct statusmap *first = map;

    post(state, ocsp_request(1, false));
    answer(true, "good");
    settings.generation++;
    post(state, ocsp_request(1, false));
    assert_int_equal(fake_question.num, 1);

    post(state, ocsp_request(2, false));
    assert_int_equal(fake_question.num, 2);
    make_map();
    settings.map = map;
    settings.generation++;
    get(state, "/health", "", "");
    answer(true, "good");
    post(state, ocsp_request(2, false));
    assert_int_equal(fake_question.num, 3);
    fake_settle();
    post(state, ocsp_request(1, false));
    assert_int_equal(fake_question.num, 4);
    fake_settle();
    statusmap_free(first);
}

/* --- files --- */

static void
test_crl(void **state)
{
    char field[128];

    get(state, "/crl/*", "issuing.crl", "");
    assert_int_equal(fake_answer.status, 200);
    assert_string_equal(fake_answer.type, "application/pkix-crl");
    assert_int_equal(fake_answer.fd, crls[0].fd);
    assert_int_equal(fake_answer.file_len, lseek(crls[0].fd, 0, SEEK_END));
    assert_string_equal(fake_value("Last-Modified"),
                        "Mon, 21 Sep 2026 14:13:20 GMT");
    assert_string_equal(fake_value("Cache-Control"),
                        "max-age=3600, public, no-transform, must-revalidate");
    (void)snprintf(field, sizeof(field), "If-None-Match: \"x\", %s\r\n",
                   fake_value("ETag"));
    get(state, "/crl/*", "issuing.crl", field);
    assert_int_equal(fake_answer.status, 304);
    get(state, "/crl/*", "issuing.crl",
        "If-Modified-Since: Mon, 21 Sep 2026 14:13:20 GMT\r\n");
    assert_int_equal(fake_answer.status, 304);
    get(state, "/crl/*", "issuing.crl",
        "If-Modified-Since: Mon, 21 Sep 2026 14:13:19 GMT\r\n");
    assert_int_equal(fake_answer.status, 200);
}

static void
test_crl_replaced(void **state)
{
    char tag[FRESH_TAG_MAX];
    int fd = make_crl(clock_wall() + 50);

    get(state, "/crl/*", "issuing.crl", "");
    (void)strcpy(tag, fake_value("ETag"));
    settings.generation++; /* the same file again */
    get(state, "/crl/*", "issuing.crl", "");
    assert_string_equal(fake_value("ETag"), tag);
    (void)close(crls[0].fd);
    crls[0].fd = fd;
    settings.generation++;
    get(state, "/crl/*", "issuing.crl", "");
    assert_int_equal(fake_answer.fd, fd);
    assert_string_not_equal(fake_value("ETag"), tag);
    crls[0].fd = -1;
    settings.generation++;
    get(state, "/crl/*", "issuing.crl", "");
    assert_int_equal(fake_answer.err, BV_E_NOT_FOUND);
    crls[0].fd = fd;
}

static void
test_no_such_file(void **state)
{
    static const char *const BAD[] = {"issuing", "issuing.cer", ".crl",
                                      "other.crl", "Issuing.crl"};

    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        get(state, "/crl/*", BAD[i], "");
        assert_int_equal(fake_answer.err, BV_E_NOT_FOUND);
    }
}

static void
test_ca_certificate(void **state)
{
    get(state, "/ca/*", "issuing.cer", "");
    assert_int_equal(fake_answer.status, 200);
    assert_string_equal(fake_answer.type, "application/pkix-cert");
    assert_true(body_is(CA_CERT));
    get(state, "/ca/*", "issuing.crl", "");
    assert_int_equal(fake_answer.err, BV_E_NOT_FOUND);
}

static void
test_health(void **state)
{
    get(state, "/health", "", "");
    assert_int_equal(fake_answer.status, 200);
    assert_true(body_is("ok\n"));
    fake_is_away = true;
    get(state, "/health", "", "");
    assert_string_equal(fake_answer.detail, "core is away");
    fake_is_away = false;
    settings.num_crls = 2; /* an offline root's may be missing */
    settings.generation++;
    get(state, "/health", "", "");
    assert_int_equal(fake_answer.status, 200);
    cas[1].offline = false;
    get(state, "/health", "", "");
    assert_int_equal(fake_answer.err, BV_E_UNAVAILABLE);
    assert_string_equal(fake_answer.detail, "a CRL is missing");
    settings.num_crls = 1;
    settings.generation++;
    (void)close(crls[0].fd);
    crls[0].fd = make_crl(clock_wall() - 1);
    get(state, "/health", "", "");
    assert_string_equal(fake_answer.detail, "a CRL has expired");
}

/* --- the cache's bound --- */

static void
test_cache_is_bounded(void **state)
{
    struct cache *cache;
    struct cache_key key = {{0}};
    struct ocsp_reply reply = {.response = (struct span)SPAN_LIT("x")};
    unsigned found = 0;

    assert_int_equal(cache_new(&cache), BV_OK);
    for (uint8_t i = 0; i < 6; i++) { /* six keys of one set of four */
        key.hash[31] = i;
        cache_put(cache, &key, &reply, 0);
        key.hash[31] = 0;
        assert_non_null(cache_find(cache, &key)); /* used: it stays */
    }
    for (uint8_t i = 0; i < 6; i++) {
        key.hash[31] = i;
        found += cache_find(cache, &key) != NULL;
    }
    assert_int_equal(found, 4);
    key.hash[31] = 1;
    assert_null(cache_find(cache, &key)); /* the longest unused went first */
    static const uint8_t LARGE[FRONT_STATUS_KEEP_MAX + 1];
    reply.response = SPAN_ARRAY(LARGE);
    key.hash[31] = 77;
    cache_put(cache, &key, &reply, 0);
    assert_null(cache_find(cache, &key));
    cache_free(cache);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_kept_until_the_word_changes),
        TEST(test_nonce_and_errors_are_not_kept),
        TEST(test_signed_per_address),
        TEST(test_malformed_and_try_later),
        TEST(test_get),
        TEST(test_reload),
        TEST(test_crl),
        TEST(test_crl_replaced),
        TEST(test_no_such_file),
        TEST(test_ca_certificate),
        TEST(test_health),
        cmocka_unit_test(test_cache_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
