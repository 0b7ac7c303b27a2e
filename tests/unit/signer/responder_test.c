#include "signer/responder.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <openssl/ocsp.h>
#include <openssl/x509.h>

#include <cmocka.h>

#include "pki/random.h"
#include "pki/serial.h"
#include "tests/unit/pki/certs.h"
#include "wire/ocsp.h"
#include "wire/pem.h"

#define ISSUER 3
static const uint8_t serial_key[16] = "0123456789abcde";
static const uint8_t db_id[16] = "responder tests";

static struct test_cert ca, other, delegate;
static struct responder *responder;
static struct statusmap *map;
static struct serial *cipher;
static int64_t now;

static void
make_serial(uint64_t seq, uint8_t ret[SERIAL_LEN])
{
    serial_make(cipher, seq, 1, ret);
}

static void
install_delegate(int64_t not_after)
{
    uint8_t buf[LIMIT_SPKI];
    struct sink out = SINK_ARRAY(buf);
    struct span spki;

    /* the certificate is made from the SPKI alone; the key stays inside */
    assert_int_equal(responder_make_key(responder, "ca", &out), BV_OK);
    spki = sink_view(&out);
    uint8_t tbs_buf[1500], sig_buf[LIMIT_SIGNATURE], name[100], ext[400];
    struct sink tbs = SINK_ARRAY(tbs_buf), sig = SINK_ARRAY(sig_buf);
    struct sink name_out = SINK_ARRAY(name), ext_out = SINK_ARRAY(ext);
    struct name_part part = {.attr = NAME_CN, .text = SPAN_LIT("responder")};
    struct cert parsed;
    assert_int_equal(cert_parse(ca.der, &parsed), BV_OK);
    assert_int_equal(name_put(&name_out, &part, 1), BV_OK);
    ext_put_key_usage(&ext_out, EXT_KU_DIGITAL_SIGNATURE);
    ext_put_eku(&ext_out, &oid_ocsp_signing, 1);
    ext_put_aki(&ext_out, parsed.ski);
    ext_put_ocsp_nocheck(&ext_out);
    cert_build_tbs(&tbs, &(struct cert_spec){
                             .serial = SPAN_LIT("\x07"),
                             .sig_alg = ALG_SIG_ECDSA_SHA256,
                             .issuer = parsed.subject,
                             .subject = sink_view(&name_out),
                             .not_before = now - 1000,
                             .not_after = not_after,
                             .spki = spki,
                             .extensions = sink_view(&ext_out),
                         });
    assert_int_equal(key_sign(ca.key, sink_view(&tbs), &sig), BV_OK);
    struct sink der = SINK_ARRAY(delegate.buf);
    cert_assemble(&der, sink_view(&tbs), ALG_SIG_ECDSA_SHA256, sink_view(&sig));
    delegate.der = sink_view(&der);
    assert_int_equal(responder_set_cert(responder, "ca", delegate.der), BV_OK);
}

static int
setup(void **state)
{
    struct signer_issuer issuers[] = {{.ca = "ca", .id = ISSUER},
                                      {.ca = "nobody", .id = 9}};
    struct statusmap_mark mark;
    struct statusmap *reader = NULL;
    char path[64];
    int fd = memfd_create("map", MFD_CLOEXEC);

    now = (int64_t)time(NULL);
    test_issue(&ca, test_key(ALG_KEY_P256, 0), "CA", TEST_CA, NULL,
               SPAN_LIT("\x01"), now - 1000, now + 100000, NULL);
    test_issue(&other, test_key(ALG_KEY_P256, 0), "CA", TEST_CA, NULL,
               SPAN_LIT("\x02"), now - 1000, now + 100000, NULL);
    assert_int_equal(serial_new(serial_key, &cipher), BV_OK);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    assert_int_equal(statusmap_writer(open(path, O_RDWR), db_id, &map, &mark),
                     BV_OK);
    assert_int_equal(statusmap_reader(open(path, O_RDONLY), &reader), BV_OK);
    assert_int_equal(close(fd), 0);
    assert_int_equal(responder_new(&(struct responder_options){0}, &responder),
                     BV_OK);
    assert_int_equal(responder_add_ca(responder, "ca", ca.der), BV_OK);
    assert_int_equal(responder_add_ca(responder, "ca", ca.der), BV_OK);
    assert_int_equal(responder_add_ca(responder, "ca", other.der),
                     BV_E_CONFLICT);
    responder_set_map(responder, reader);
    assert_int_equal(responder_set_serial(responder, serial_key, issuers, 2),
                     BV_OK);
    install_delegate(now + 50000);
    return 0;
}

static int
teardown(void **state)
{
    responder_free(responder);
    statusmap_free(map);
    serial_free(cipher);
    key_free(ca.key);
    key_free(other.key);
    return 0;
}

static struct ocsp_cert_id
id_of(const struct test_cert *issuer, enum ocsp_hash hash, struct span serial,
      uint8_t buf[2 * DIGEST_MAX])
{
    struct cert cert;
    size_t len = digest_len((enum digest_alg)hash);
    assert_int_equal(cert_parse(issuer->der, &cert), BV_OK);
    digest_of((enum digest_alg)hash, cert.subject, buf);
    digest_of((enum digest_alg)hash, cert.spki.key, buf + DIGEST_MAX);
    return (struct ocsp_cert_id){.hash = hash,
                                 .name_hash = span_of(buf, len),
                                 .key_hash = span_of(buf + DIGEST_MAX, len),
                                 .serial = serial};
}

static uint8_t answer_buf[RESPONDER_ANSWER_MAX];

static struct ocsp_reply
ask_request(const struct ocsp_request *request)
{
    uint8_t der[4096];
    struct sink out = SINK_ARRAY(der);
    struct ocsp_reply reply;

    ocsp_request_put(&out, request);
    assert_false(out.failed);
    responder_answer(responder, sink_view(&out), now, answer_buf, &reply);
    return reply;
}

static struct ocsp_reply
ask(const struct test_cert *issuer, enum ocsp_hash hash, struct span serial,
    struct span nonce)
{
    uint8_t buf[2 * DIGEST_MAX];
    struct ocsp_request request = {.num_certs = 1};
    request.certs[0] = id_of(issuer, hash, serial, buf);
    request.has_nonce = nonce.len != 0;
    request.nonce = nonce;
    return ask_request(&request);
}

static struct ocsp_response
parse(const struct ocsp_reply *reply)
{
    struct ocsp_response response;
    assert_int_equal(ocsp_response_parse(reply->response, &response), BV_OK);
    return response;
}

/* OpenSSL's responder checks: signature, delegation, EKU. */
static OCSP_BASICRESP *
openssl_accepts(const struct ocsp_reply *reply)
{
    const unsigned char *p = reply->response.data, *c = ca.der.data;
    OCSP_RESPONSE *resp =
        d2i_OCSP_RESPONSE(NULL, &p, (long)reply->response.len);
    assert_non_null(resp);
    OCSP_BASICRESP *basic = OCSP_response_get1_basic(resp);
    X509_STORE *store = X509_STORE_new();
    X509 *root = d2i_X509(NULL, &c, (long)ca.der.len);
    assert_int_equal(X509_STORE_add_cert(store, root), 1);
    assert_int_equal(OCSP_basic_verify(basic, NULL, store, 0), 1);
    OCSP_RESPONSE_free(resp);
    X509_STORE_free(store);
    X509_free(root);
    return basic;
}

static void
statuses(void **state)
{
    uint8_t serial[SERIAL_LEN];

    for (int reason = -1; reason <= 10; reason++) {
        uint64_t seq = (uint64_t)(20 + reason);
        if (reason == 7)
            continue;
        assert_int_equal(
            statusmap_put(map, seq, statusmap_word(ISSUER, reason, now - 60)),
            BV_OK);
        make_serial(seq, serial);
        for (int hash = OCSP_HASH_SHA1; hash <= OCSP_HASH_SHA512; hash++) {
            struct ocsp_reply reply =
                ask(&ca, (enum ocsp_hash)hash, SPAN_ARRAY(serial), SPAN_EMPTY);
            struct ocsp_response r = parse(&reply);
            assert_int_equal(r.status, OCSP_ANSWER_OK);
            assert_int_equal(r.num_singles, 1);
            assert_int_equal(r.singles[0].status, reason < 0
                                                      ? OCSP_STATUS_GOOD
                                                      : OCSP_STATUS_REVOKED);
            if (reason >= 0) {
                assert_int_equal(r.singles[0].reason, reason);
                assert_int_equal(r.singles[0].revoked_at, now - 60);
            }
            assert_true(r.by_key);
            assert_int_equal(r.produced_at, now);
            assert_int_equal(r.singles[0].this_update, now - 300);
            assert_int_equal(r.singles[0].next_update, now + 3600);
            assert_true(reply.cacheable);
            assert_true(reply.index == seq);
            assert_true(reply.word == statusmap_get(map, seq));
            assert_int_equal(reply.next_update, now + 3600);
            OCSP_BASICRESP_free(openssl_accepts(&reply));
        }
    }
}

static void
hold_and_release(void **state)
{
    uint8_t serial[SERIAL_LEN];
    struct ocsp_reply reply;

    make_serial(40, serial);
    assert_int_equal(statusmap_put(map, 40, statusmap_word(ISSUER, 6, now)),
                     BV_OK);
    reply = ask(&ca, OCSP_HASH_SHA256, SPAN_ARRAY(serial), SPAN_EMPTY);
    assert_int_equal(parse(&reply).singles[0].reason, 6);
    assert_int_equal(statusmap_put(map, 40, statusmap_word(ISSUER, -1, 0)),
                     BV_OK);
    reply = ask(&ca, OCSP_HASH_SHA256, SPAN_ARRAY(serial), SPAN_EMPTY);
    assert_int_equal(parse(&reply).singles[0].status, OCSP_STATUS_GOOD);
}

static void
never_good_for_strangers(void **state)
{
    uint8_t serial[SERIAL_LEN];
    struct ocsp_reply reply;

    make_serial(50, serial); /* well formed, never issued */
    reply = ask(&ca, OCSP_HASH_SHA1, SPAN_ARRAY(serial), SPAN_EMPTY);
    assert_int_equal(parse(&reply).singles[0].status, OCSP_STATUS_UNKNOWN);
    assert_false(reply.cacheable);
    /* a serial that cannot be ours */
    reply = ask(&ca, OCSP_HASH_SHA1, SPAN_LIT("\x01\x02"), SPAN_EMPTY);
    assert_int_equal(parse(&reply).singles[0].status, OCSP_STATUS_UNKNOWN);
    OCSP_BASICRESP_free(openssl_accepts(&reply));
    /* issued, but by another of our CAs */
    assert_int_equal(statusmap_put(map, 50, statusmap_word(ISSUER + 1, -1, 0)),
                     BV_OK);
    reply = ask(&ca, OCSP_HASH_SHA1, SPAN_ARRAY(serial), SPAN_EMPTY);
    assert_int_equal(parse(&reply).singles[0].status, OCSP_STATUS_UNKNOWN);
    assert_false(reply.cacheable);
}

static void
foreign_issuer(void **state)
{
    /* same name, another key: a CA that we are not */
    struct ocsp_reply reply =
        ask(&other, OCSP_HASH_SHA1, SPAN_LIT("\x01"), SPAN_EMPTY);
    assert_int_equal(parse(&reply).status, OCSP_ANSWER_UNAUTHORIZED);
    assert_int_equal(reply.response.len, 5);
    assert_false(reply.cacheable);
}

static void
nonces(void **state)
{
    static uint8_t nonce[128];
    static const size_t lens[] = {1, 15, 16, 32, 128};
    uint8_t serial[SERIAL_LEN];

    random_bytes(nonce, sizeof nonce);
    make_serial(60, serial);
    assert_int_equal(statusmap_put(map, 60, statusmap_word(ISSUER, -1, 0)),
                     BV_OK);
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        struct ocsp_reply reply = ask(&ca, OCSP_HASH_SHA256, SPAN_ARRAY(serial),
                                      span_of(nonce, lens[i]));
        struct ocsp_response r = parse(&reply);
        assert_true(r.has_nonce);
        assert_true(span_eq(r.nonce, span_of(nonce, lens[i])));
        assert_false(reply.cacheable);
        OCSP_BASICRESP_free(openssl_accepts(&reply));
    }
}

static void
several_certificates(void **state)
{
    uint8_t good[SERIAL_LEN], bad[SERIAL_LEN], none[SERIAL_LEN];
    uint8_t hashes[3][2 * DIGEST_MAX];
    struct ocsp_request request = {.num_certs = 3};
    struct ocsp_reply reply;
    struct ocsp_response r;

    make_serial(70, good);
    make_serial(71, bad);
    assert_int_equal(statusmap_put(map, 70, statusmap_word(ISSUER, -1, 0)),
                     BV_OK);
    assert_int_equal(statusmap_put(map, 71, statusmap_word(ISSUER, 1, now)),
                     BV_OK);
    request.certs[0] = id_of(&ca, OCSP_HASH_SHA1, SPAN_ARRAY(good), hashes[0]);
    request.certs[1] = id_of(&ca, OCSP_HASH_SHA256, SPAN_ARRAY(bad), hashes[1]);
    make_serial(72, none);
    request.certs[2] = id_of(&ca, OCSP_HASH_SHA1, SPAN_ARRAY(none), hashes[2]);
    reply = ask_request(&request);
    r = parse(&reply);
    assert_int_equal(r.num_singles, 3);
    assert_int_equal(r.singles[0].status, OCSP_STATUS_GOOD);
    assert_int_equal(r.singles[1].status, OCSP_STATUS_REVOKED);
    assert_int_equal(r.singles[2].status, OCSP_STATUS_UNKNOWN);
    for (unsigned i = 0; i < 3; i++) { /* the CertIDs octet for octet */
        uint8_t buf[256];
        struct sink out = SINK_ARRAY(buf);
        ocsp_cert_id_put(&out, &request.certs[i]);
        assert_true(span_eq(r.singles[i].cert_id, sink_view(&out)));
    }
    assert_false(reply.cacheable);
    OCSP_BASICRESP_free(openssl_accepts(&reply));
    /* two issuers */
    request.certs[2] =
        id_of(&other, OCSP_HASH_SHA256, SPAN_ARRAY(good), hashes[2]);
    reply = ask_request(&request);
    assert_int_equal(parse(&reply).status, OCSP_ANSWER_UNAUTHORIZED);
}

static void
errors(void **state)
{
    struct ocsp_reply reply;
    bv_auto(responder) struct responder *fresh = NULL;
    uint8_t serial[SERIAL_LEN];

    responder_answer(responder, SPAN_LIT("junk"), now, answer_buf, &reply);
    assert_int_equal(parse(&reply).status, OCSP_ANSWER_MALFORMED);
    make_serial(80, serial);
    now += 50001; /* the responder's certificate is over */
    reply = ask(&ca, OCSP_HASH_SHA1, SPAN_ARRAY(serial), SPAN_EMPTY);
    now -= 50001;
    assert_int_equal(parse(&reply).status, OCSP_ANSWER_TRY_LATER);
    /* an answer does not outlive that certificate */
    now += 49000;
    reply = ask(&ca, OCSP_HASH_SHA1, SPAN_ARRAY(serial), SPAN_EMPTY);
    now -= 49000;
    assert_int_equal(reply.next_update, now + 50000);
    /* nothing set up yet */
    assert_int_equal(responder_new(&(struct responder_options){0}, &fresh),
                     BV_OK);
    assert_int_equal(responder_add_ca(fresh, "ca", ca.der), BV_OK);
    struct responder *kept = responder;
    responder = fresh;
    reply = ask(&ca, OCSP_HASH_SHA1, SPAN_ARRAY(serial), SPAN_EMPTY);
    responder = kept;
    assert_int_equal(parse(&reply).status, OCSP_ANSWER_TRY_LATER);
}

static void
sealed_and_adopted(void **state)
{
    uint8_t text[RESPONDER_FILE_MAX], cert_buf[LIMIT_CERT];
    struct sink out = SINK_ARRAY(text), cert_out = SINK_ARRAY(cert_buf);
    bv_auto(responder) struct responder *next = NULL;
    struct key *key = NULL, *wrong = test_key(ALG_KEY_P256, 0);
    struct span cert;

    assert_int_equal(responder_current(responder, "ca", &key, &cert), BV_OK);
    assert_int_equal(responder_seal(key, cert, SPAN_LIT("pass"), &out), BV_OK);
    assert_int_equal(responder_unseal(sink_view(&out), SPAN_LIT("pass"),
                                      &cert_out, &key, &cert),
                     BV_OK);
    assert_true(span_eq(cert, delegate.der));
    assert_int_equal(responder_set_key(responder, "nobody", key, cert),
                     BV_E_WRONG_KEY); /* and key is freed */
    assert_int_equal(responder_set_key(responder, "ca", wrong, cert),
                     BV_E_WRONG_KEY);
    assert_int_equal(responder_new(&(struct responder_options){0}, &next),
                     BV_OK);
    assert_int_equal(responder_add_ca(next, "ca", ca.der), BV_OK);
    responder_adopt(next, responder);
    assert_int_equal(responder_current(next, "ca", &key, &cert), BV_OK);
    responder_adopt(responder, next);
    assert_int_equal(responder_current(responder, "ca", &key, &cert), BV_OK);
}

static void
save(const char *dir, const char *name, struct span bytes)
{
    char path[100];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes.data, 1, bytes.len, f), bytes.len);
    assert_int_equal(fclose(f), 0);
}

static void
run(const char *dir, const char *what)
{
    char command[600];
    (void)snprintf(command, sizeof command, "cd %s && %s", dir, what);
    assert_int_equal(system(command), 0);
}

/* The commands that operators reach for. */
static void
tools_accept(void **state)
{
    char command[400], dir[] = "/tmp/ocsp-XXXXXX", hex[2 * SERIAL_LEN + 1] = "";
    uint8_t serial[SERIAL_LEN], pem[4096], hex_buf[2 * SERIAL_LEN];
    struct sink out = SINK_ARRAY(pem), hex_out = SINK_ARRAY(hex_buf);

    assert_non_null(mkdtemp(dir));
    make_serial(90, serial);
    sink_hex(&hex_out, SPAN_ARRAY(serial));
    memcpy(hex, hex_buf, sizeof hex_buf);
    assert_int_equal(
        statusmap_put(map, 90, statusmap_word(ISSUER, 1, now - 60)), BV_OK);
    struct ocsp_reply reply =
        ask(&ca, OCSP_HASH_SHA1, SPAN_ARRAY(serial), SPAN_EMPTY);
    save(dir, "answer", reply.response);
    pem_encode(&out, PEM_CERTIFICATE, ca.der);
    save(dir, "ca.pem", sink_view(&out));
    (void)snprintf(
        command, sizeof command,
        "openssl ocsp -respin answer -issuer ca.pem -serial 0x%s -no_nonce "
        "-CAfile ca.pem >log 2>&1 && grep -q 'Response verify OK' log && "
        "grep -q 'revoked' log && grep -q 'keyCompromise' log",
        hex);
    run(dir, command);
    if (system("command -v ocsptool >/dev/null") == 0)
        run(dir, "ocsptool --verify-response --load-trust ca.pem --infile "
                 "answer >log 2>&1 && grep -q 'Success' log");
    (void)snprintf(command, sizeof command, "rm -r %s", dir);
    run("/", command);
}

static double
microseconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void
cost(void **state)
{
    uint8_t serial[SERIAL_LEN];
    double start;

    make_serial(60, serial);
    start = microseconds();
    for (int i = 0; i < 2000; i++)
        (void)ask(&ca, OCSP_HASH_SHA1, SPAN_ARRAY(serial),
                  SPAN_LIT("0123456789abcdef"));
    print_message("# OCSP answer: %.1f us\n", (microseconds() - start) / 2000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses),
        cmocka_unit_test(hold_and_release),
        cmocka_unit_test(never_good_for_strangers),
        cmocka_unit_test(foreign_issuer),
        cmocka_unit_test(nonces),
        cmocka_unit_test(several_certificates),
        cmocka_unit_test(errors),
        cmocka_unit_test(sealed_and_adopted),
        cmocka_unit_test(tools_accept),
        cmocka_unit_test(cost),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
