#include "wire/ocsp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "wire/der.h"
#include "wire/oid.h"

static const uint8_t hash[64] = {0xaa, 1, 2, 3};

struct options {
    const struct span *hash_oid;
    size_t hash_len;
    bool no_null, bad_params;
    struct span serial;
    int version; /* -1: left out */
    bool requestor, signature;
    unsigned num;
    struct span nonce; /* inner value */
    bool has_nonce, nonce_raw, nonce_twice;
    bool critical, single_critical;
};

static const struct options plain = {.hash_oid = &oid_sha1,
                                     .hash_len = 20,
                                     .serial = {(const uint8_t *)"\x05", 1},
                                     .version = -1,
                                     .num = 1};

static void
put_cert_id(struct sink *out, const struct options *o)
{
    size_t id = der_open(out, DER_SEQUENCE), alg = der_open(out, DER_SEQUENCE);
    der_put_oid(out, *o->hash_oid);
    if (!o->no_null)
        der_put_null(out);
    if (o->bad_params)
        der_put_uint(out, 1);
    der_close(out, alg);
    der_put(out, DER_OCTET_STRING, span_of(hash, o->hash_len));
    der_put(out, DER_OCTET_STRING, span_of(hash, o->hash_len));
    der_put(out, DER_INTEGER, o->serial);
    der_close(out, id);
}

static void
put_unknown(struct sink *out, bool critical)
{
    size_t ext = der_open(out, DER_SEQUENCE);
    der_put_oid(out, oid_ocsp_pref_sig_algs);
    if (critical)
        der_put_boolean(out, true);
    der_put(out, DER_OCTET_STRING, SPAN_LIT("\x30\x00"));
    der_close(out, ext);
}

static void
put_nonce(struct sink *out, const struct options *o)
{
    size_t ext = der_open(out, DER_SEQUENCE);
    der_put_oid(out, oid_ocsp_nonce);
    size_t value = der_open(out, DER_OCTET_STRING);
    if (o->nonce_raw)
        der_put_raw(out, o->nonce);
    else
        der_put(out, DER_OCTET_STRING, o->nonce);
    der_close(out, value);
    der_close(out, ext);
}

static void
put_list(struct sink *out, const struct options *o)
{
    size_t list = der_open(out, DER_SEQUENCE);
    for (unsigned i = 0; i < o->num; i++) {
        size_t single = der_open(out, DER_SEQUENCE);
        put_cert_id(out, o);
        size_t wrap = der_open(out, DER_CONTEXT_CONS(0));
        size_t exts = der_open(out, DER_SEQUENCE);
        put_unknown(out, o->single_critical);
        der_close(out, exts);
        der_close(out, wrap);
        der_close(out, single);
    }
    der_close(out, list);
}

static struct span
build(const struct options *o, uint8_t *buf, size_t cap)
{
    struct sink out = sink_of(buf, cap);
    size_t whole = der_open(&out, DER_SEQUENCE);
    size_t tbs = der_open(&out, DER_SEQUENCE);
    if (o->version >= 0) {
        size_t v = der_open(&out, DER_CONTEXT_CONS(0));
        der_put_uint(&out, (uint64_t)o->version);
        der_close(&out, v);
    }
    if (o->requestor) {
        size_t r = der_open(&out, DER_CONTEXT_CONS(1));
        der_put(&out, DER_CONTEXT(2), SPAN_LIT("host"));
        der_close(&out, r);
    }
    put_list(&out, o);
    size_t wrap = der_open(&out, DER_CONTEXT_CONS(2));
    size_t exts = der_open(&out, DER_SEQUENCE);
    put_unknown(&out, o->critical);
    for (int i = 0; o->has_nonce && i < 1 + o->nonce_twice; i++)
        put_nonce(&out, o);
    der_close(&out, exts);
    der_close(&out, wrap);
    der_close(&out, tbs);
    if (o->signature) {
        size_t s = der_open(&out, DER_CONTEXT_CONS(0));
        der_put(&out, DER_SEQUENCE, SPAN_LIT("whatever"));
        der_close(&out, s);
    }
    der_close(&out, whole);
    assert_false(out.failed);
    return sink_view(&out);
}

static enum bv_err
parse(const struct options *o, struct ocsp_request *ret)
{
    static uint8_t buf[LIMIT_OCSP_REQUEST + 1000];
    return ocsp_request_parse(build(o, buf, sizeof buf), ret);
}

static void
hashes_and_parameters(void **state)
{
    const struct {
        const struct span *oid;
        size_t len;
        enum ocsp_hash hash;
    } rows[] = {{&oid_sha1, 20, OCSP_HASH_SHA1},
                {&oid_sha256, 32, OCSP_HASH_SHA256},
                {&oid_sha384, 48, OCSP_HASH_SHA384},
                {&oid_sha512, 64, OCSP_HASH_SHA512}};
    struct ocsp_request r;

    for (size_t i = 0; i < 4; i++) {
        struct options o = plain;
        o.hash_oid = rows[i].oid;
        o.hash_len = rows[i].len;
        for (int absent = 0; absent < 2; absent++) {
            o.no_null = absent == 1;
            assert_int_equal(parse(&o, &r), BV_OK);
            assert_int_equal(r.certs[0].hash, rows[i].hash);
            assert_int_equal(r.certs[0].key_hash.len, rows[i].len);
            assert_false(r.has_nonce);
        }
        o.bad_params = true;
        assert_int_not_equal(parse(&o, &r), BV_OK);
        o.bad_params = false;
        o.hash_len--;
        assert_int_equal(parse(&o, &r), BV_E_BAD_MESSAGE);
    }
    struct options o = plain;
    o.hash_oid = &oid_p256;
    assert_int_equal(parse(&o, &r), BV_E_UNSUPPORTED);
}

static void
serials(void **state)
{
    struct ocsp_request r;
    struct options o = plain;
    uint8_t long_serial[22] = {1};

    o.serial = span_of(long_serial, 20);
    assert_int_equal(parse(&o, &r), BV_OK);
    o.serial = SPAN_LIT("\x00\xff");
    assert_int_equal(parse(&o, &r), BV_OK);
    assert_int_equal(r.certs[0].serial.len, 2);
    o.serial = span_of(long_serial, 22);
    assert_int_not_equal(parse(&o, &r), BV_OK);
    o.serial = SPAN_EMPTY;
    assert_int_not_equal(parse(&o, &r), BV_OK);
    o.serial = SPAN_LIT("\x00\x01"); /* not minimal */
    assert_int_not_equal(parse(&o, &r), BV_OK);
}

static void
nonces(void **state)
{
    static const uint8_t octets[200] = {9};
    static const struct {
        size_t len;
        bool ok;
    } rows[] = {{0, false}, {1, true},   {15, true},   {16, true},
                {32, true}, {128, true}, {129, false}, {200, false}};
    struct ocsp_request r;
    struct options o = plain;

    o.has_nonce = true;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        o.nonce = span_of(octets, rows[i].len);
        assert_int_equal(parse(&o, &r) == BV_OK, rows[i].ok);
        if (rows[i].ok) {
            assert_true(r.has_nonce);
            assert_int_equal(r.nonce.len, rows[i].len);
        }
    }
    o.nonce = span_of(octets, 16);
    o.nonce_twice = true;
    assert_int_equal(parse(&o, &r), BV_E_BAD_MESSAGE);
    o.nonce_twice = false;
    o.nonce_raw = true; /* octets without their OCTET STRING */
    assert_int_equal(parse(&o, &r), BV_E_BAD_MESSAGE);
}

static void
envelope(void **state)
{
    struct ocsp_request r;
    struct options o = plain;

    o.version = 0;
    o.requestor = o.signature = true;
    assert_int_equal(parse(&o, &r), BV_OK);
    o.version = 1;
    assert_int_equal(parse(&o, &r), BV_E_BAD_MESSAGE);
    o = plain;
    o.critical = true;
    assert_int_equal(parse(&o, &r), BV_E_UNSUPPORTED);
    o = plain;
    o.single_critical = true;
    assert_int_equal(parse(&o, &r), BV_E_UNSUPPORTED);
    o = plain;
    o.num = 0;
    assert_int_equal(parse(&o, &r), BV_E_BAD_MESSAGE);
    o.num = LIMIT_OCSP_CERTS;
    assert_int_equal(parse(&o, &r), BV_OK);
    assert_int_equal(r.num_certs, LIMIT_OCSP_CERTS);
    o.num++;
    assert_int_equal(parse(&o, &r), BV_E_TOO_MANY);
    o.num = 100;
    assert_int_equal(parse(&o, &r), BV_E_TOO_LARGE);
}

/* Every prefix and every longer text of a good request is refused. */
static void
cut_and_extended(void **state)
{
    uint8_t buf[400];
    struct ocsp_request r;
    struct options o = plain;

    o.has_nonce = true;
    o.nonce = SPAN_LIT("0123456789abcdef");
    struct span der = build(&o, buf, sizeof buf);
    for (size_t len = 0; len < der.len; len++)
        assert_int_not_equal(ocsp_request_parse(span_of(buf, len), &r), BV_OK);
    buf[der.len] = 0;
    assert_int_equal(ocsp_request_parse(span_of(buf, der.len + 1), &r),
                     BV_E_TRAILING_BYTES);
}

static void
request_round_trip(void **state)
{
    struct ocsp_request in = {.num_certs = 2, .has_nonce = true}, back;
    uint8_t buf[400];
    struct sink out = SINK_ARRAY(buf);

    in.nonce = SPAN_LIT("nonce");
    for (unsigned i = 0; i < 2; i++)
        in.certs[i] = (struct ocsp_cert_id){
            .hash = i == 0 ? OCSP_HASH_SHA1 : OCSP_HASH_SHA256,
            .name_hash = span_of(hash, i == 0 ? 20 : 32),
            .key_hash = span_of(hash, i == 0 ? 20 : 32),
            .serial = SPAN_LIT("\x42\x01")};
    ocsp_request_put(&out, &in);
    assert_int_equal(ocsp_request_parse(sink_view(&out), &back), BV_OK);
    assert_int_equal(back.num_certs, 2);
    assert_int_equal(back.certs[1].hash, OCSP_HASH_SHA256);
    assert_true(span_eq(back.nonce, in.nonce));
    /* "whole" goes back octet for octet */
    uint8_t again_buf[400];
    struct sink again = SINK_ARRAY(again_buf);
    ocsp_request_put(&again, &back);
    assert_true(span_eq(sink_view(&out), sink_view(&again)));
}

/* --- GET --- */

static enum bv_err
get(const char *path, struct span *ret)
{
    static uint8_t buf[LIMIT_OCSP_REQUEST];
    return ocsp_get_decode(span_str(path), buf, ret);
}

static void
get_spellings(void **state)
{
    /* fb ff fe 3e 3f: standard "+//+Pj8=", URL-safe "-__-Pj8" */
    static const char *const same[] = {
        "+//+Pj8=",
        "/+//+Pj8=",
        "-__-Pj8",
        "+//+Pj8",
        " // Pj8=",
        "%2B%2F%2F%2BPj8%3D",
        "%2b%2f%2f%2bPj8%3d",
        "%252B%252F%252F%252BPj8%253D",
        "%20//%20Pj8=",
    };
    static const uint8_t want[] = {0xfb, 0xff, 0xfe, 0x3e, 0x3f};
    struct span der;

    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        assert_int_equal(get(same[i], &der), BV_OK);
        assert_true(span_eq(der, SPAN_ARRAY(want)));
    }
    assert_int_equal(get("AA==", &der), BV_OK);
    assert_int_equal(der.len, 1);
}

static void
get_garbage(void **state)
{
    static const char *const bad[] = {
        "",       "/",    "A",     "AAAAA",   "%",        "%4", "%zz",
        "AA%",    "AA=A", "AA===", "AB==",    "A*==",     "=",  "AAA=x",
        "AA\n==", "%25",  "%2525", "%252525", "AAAA?x=1",
    };
    struct span der;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(get(bad[i], &der), BV_E_BAD_MESSAGE);

    static char large[12000];
    memset(large, 'A', sizeof large - 1);
    assert_int_equal(get(large, &der), BV_E_TOO_LARGE);
}

/* --- responses --- */

static struct span
response(uint8_t *buf, size_t cap, bool with_cert)
{
    static uint8_t data_buf[2000], id_buf[200];
    struct sink id = SINK_ARRAY(id_buf), data = SINK_ARRAY(data_buf);
    struct sink out = sink_of(buf, cap);
    struct ocsp_data d = {.produced_at = 1795000000, .num_singles = 3};

    put_cert_id(&id, &plain);
    memset(d.key_hash, 7, sizeof d.key_hash);
    for (int i = 0; i < 3; i++)
        d.singles[i] = (struct ocsp_single){
            .cert_id = sink_view(&id),
            .status = (enum ocsp_status)i,
            .revoked_at = 1794000000,
            .reason = 1,
            .this_update = 1794999700,
            .next_update = i == 2 ? 0 : 1795003600,
        };
    d.nonce = SPAN_LIT("0123456789abcdef");
    ocsp_data_put(&data, &d);
    ocsp_response_put(&out, sink_view(&data), ALG_SIG_ECDSA_SHA256,
                      SPAN_LIT("signature"),
                      with_cert ? SPAN_LIT("\x30\x00") : SPAN_EMPTY);
    assert_false(out.failed);
    return sink_view(&out);
}

static void
response_round_trip(void **state)
{
    uint8_t buf[2500];
    struct ocsp_response r;

    assert_int_equal(ocsp_response_parse(response(buf, sizeof buf, true), &r),
                     BV_OK);
    assert_int_equal(r.status, OCSP_ANSWER_OK);
    assert_int_equal(r.alg, ALG_SIG_ECDSA_SHA256);
    assert_true(span_eq_str(r.signature, "signature"));
    assert_true(r.by_key);
    assert_int_equal(r.responder.data[0], 7);
    assert_int_equal(r.produced_at, 1795000000);
    assert_int_equal(r.num_singles, 3);
    assert_int_equal(r.singles[0].status, OCSP_STATUS_GOOD);
    assert_int_equal(r.singles[1].status, OCSP_STATUS_REVOKED);
    assert_int_equal(r.singles[1].reason, 1);
    assert_int_equal(r.singles[1].revoked_at, 1794000000);
    assert_int_equal(r.singles[2].status, OCSP_STATUS_UNKNOWN);
    assert_int_equal(r.singles[2].next_update, 0);
    assert_int_equal(r.ids[0].hash, OCSP_HASH_SHA1);
    assert_true(r.has_nonce);
    assert_int_equal(r.num_certs, 1);
    assert_int_equal(ocsp_response_parse(response(buf, sizeof buf, false), &r),
                     BV_OK);
    assert_int_equal(r.num_certs, 0);
}

static void
response_cut(void **state)
{
    uint8_t buf[2500];
    struct ocsp_response r;
    struct span der = response(buf, sizeof buf, true);

    for (size_t len = 0; len < der.len; len++)
        assert_int_not_equal(ocsp_response_parse(span_of(buf, len), &r), BV_OK);
    assert_int_not_equal(ocsp_response_parse(span_of(buf, der.len + 1), &r),
                         BV_OK);
}

static void
error_answers(void **state)
{
    static const int statuses[] = {1, 2, 3, 5, 6};
    struct ocsp_response r;

    for (size_t i = 0; i < 5; i++) {
        uint8_t buf[8];
        struct sink out = SINK_ARRAY(buf);
        ocsp_error_put(&out, (enum ocsp_answer)statuses[i]);
        assert_int_equal(out.len, 5);
        assert_int_equal(ocsp_response_parse(sink_view(&out), &r), BV_OK);
        assert_int_equal(r.status, statuses[i]);
    }
    /* successful without an answer, 4, and 7 */
    assert_int_equal(ocsp_response_parse(SPAN_LIT("\x30\x03\x0a\x01\x00"), &r),
                     BV_E_BAD_MESSAGE);
    assert_int_equal(ocsp_response_parse(SPAN_LIT("\x30\x03\x0a\x01\x04"), &r),
                     BV_E_BAD_MESSAGE);
    assert_int_equal(ocsp_response_parse(SPAN_LIT("\x30\x03\x0a\x01\x07"), &r),
                     BV_E_BAD_MESSAGE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_and_parameters),
        cmocka_unit_test(serials),
        cmocka_unit_test(nonces),
        cmocka_unit_test(envelope),
        cmocka_unit_test(cut_and_extended),
        cmocka_unit_test(request_round_trip),
        cmocka_unit_test(get_spellings),
        cmocka_unit_test(get_garbage),
        cmocka_unit_test(response_round_trip),
        cmocka_unit_test(response_cut),
        cmocka_unit_test(error_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
