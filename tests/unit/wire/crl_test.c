#include "wire/crl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/time.h"
#include "wire/der.h"
#include "wire/ext.h"
#include "wire/oid.h"

/* CN=Test CA */
#define ISSUER                                                                 \
    "\x30\x12\x31\x10\x30\x0e\x06\x03\x55\x04\x03\x0c\x07"                     \
    "Test CA"

static const uint8_t KEY_ID[20] = {1, 2, 3};

static struct crl_head
head(void)
{
    return (struct crl_head){
        .issuer = (struct span)SPAN_LIT(ISSUER),
        .sig = ALG_SIG_ECDSA_SHA256,
        .this_update = 1795000000, /* 2026 */
        .next_update = 1795604800,
        .key_id = SPAN_ARRAY(KEY_ID),
        .number = 300,
    };
}

/* entry n: serials of 17 octets, every tenth without a reason, some of each
 * reason, some after 2049. */
static struct crl_entry
entry(uint32_t n, uint8_t serial[17])
{
    static const int REASONS[] = {0, 1, 2, 3, 4, 5, 6, 9, 10, 1};

    memset(serial, 0, 17);
    serial[0] = 0x42;
    for (int i = 0; i < 4; i++)
        serial[13 + i] = (uint8_t)(n >> (24 - 8 * i));
    return (struct crl_entry){
        .serial = span_of(serial, 17),
        .revoked_at = n % 7 == 3 ? 2600000000 : 1790000000 + n,
        .reason = REASONS[n % 10],
    };
}

/* --- the same list, written without any thrift --- */

static void
naive_entry(struct sink *out, const struct crl_entry *e)
{
    size_t seq = der_open(out, DER_SEQUENCE);

    der_put(out, DER_INTEGER, e->serial);
    der_put_time(out, e->revoked_at);
    if (e->reason != 0) {
        size_t list = der_open(out, DER_SEQUENCE);
        size_t mark[2];
        ext_open(out, oid_reason_code, false, mark);
        der_put_enumerated(out, (uint8_t)e->reason);
        ext_close(out, mark);
        der_close(out, list);
    }
    der_close(out, seq);
}

static void
naive(struct sink *out, const struct crl_head *h, uint32_t num)
{
    uint8_t serial[17];
    size_t mark[2];
    size_t tbs = der_open(out, DER_SEQUENCE);

    der_put_uint(out, 1);
    alg_sig_put(out, h->sig);
    der_put_raw(out, h->issuer);
    der_put_time(out, h->this_update);
    der_put_time(out, h->next_update);
    if (num > 0) {
        size_t entries = der_open(out, DER_SEQUENCE);
        for (uint32_t i = 0; i < num; i++) {
            struct crl_entry e = entry(i, serial);
            naive_entry(out, &e);
        }
        der_close(out, entries);
    }
    size_t outer = der_open(out, DER_CONTEXT_CONS(0));
    size_t list = der_open(out, DER_SEQUENCE);
    ext_put_aki(out, h->key_id);
    ext_open(out, oid_crl_number, false, mark);
    der_put_uint(out, h->number);
    ext_close(out, mark);
    if (h->idp.len > 0)
        ext_put(out, oid_idp, true, h->idp);
    der_close(out, list);
    der_close(out, outer);
    der_close(out, tbs);
}

/* --- written in pieces through one small buffer --- */

struct pieces {
    uint8_t buf[CRL_START_MAX];
    const uint8_t *want;
    size_t at;
};

static void
drain(struct pieces *pieces, const struct sink *out)
{
    assert_false(out->failed);
    assert_memory_equal(out->data, pieces->want + pieces->at, out->len);
    pieces->at += out->len;
}

static void
compare(const struct crl_head *h, uint32_t num)
{
    size_t cap = 4096 + (size_t)num * CRL_ENTRY_MAX;
    uint8_t *buf = malloc(cap);
    struct sink all = sink_of(buf, cap);
    struct pieces pieces = {.want = buf};
    uint8_t serial[17];
    uint64_t len = 0;
    struct crl_entry e;
    struct sink out;

    naive(&all, h, num);
    assert_false(all.failed);
    for (uint32_t i = 0; i < num; i++) {
        e = entry(i, serial);
        len += crl_entry_len(&e);
    }
    assert_int_equal(crl_tbs_len(h, len), all.len);
    out = SINK_ARRAY(pieces.buf);
    crl_put_start(&out, h, len);
    drain(&pieces, &out);
    for (uint32_t i = 0; i < num; i++) {
        e = entry(i, serial);
        out = sink_of(pieces.buf, CRL_ENTRY_MAX);
        crl_put_entry(&out, &e);
        drain(&pieces, &out);
    }
    out = sink_of(pieces.buf, CRL_END_MAX);
    crl_put_end(&out, h);
    drain(&pieces, &out);
    assert_int_equal(pieces.at, all.len);
    free(buf);
}

static void
test_pieces_equal_the_whole(void **state)
{
    static const uint32_t NUMS[] = {0,   1,   2,    3,     4,
                                    127, 128, 1300, 10000, 1000000};
    struct crl_head h = head();

    for (size_t i = 0; i < sizeof(NUMS) / sizeof(NUMS[0]); i++)
        compare(&h, NUMS[i]);
    h.next_update = 2600000000; /* GeneralizedTime */
    h.number = UINT64_C(0x7fffffffffffffff);
    h.idp = (struct span)SPAN_LIT("\x30\x03\x81\x01\xff");
    compare(&h, 5);
}

static void
test_put_refuses(void **state)
{
    static const uint8_t LONG[21] = {1};
    static const struct crl_entry BAD[] = {
        {{0}, 1790000000, 1},        {{LONG, 21}, 1790000000, 1},
        {{LONG, 1}, 1790000000, 7},  {{LONG, 1}, 1790000000, 8},
        {{LONG, 1}, 1790000000, 11}, {{LONG, 1}, 1790000000, -1},
    };
    uint8_t buf[CRL_ENTRY_MAX];

    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        struct sink out = SINK_ARRAY(buf);
        crl_put_entry(&out, &BAD[i]);
        assert_true(out.failed);
    }
}

/* --- whole lists --- */

struct built {
    uint8_t buf[8192];
    struct span der;
};

static void
build(struct built *built, const struct crl_head *h, uint32_t num)
{
    uint8_t serials[64][17];
    struct crl_entry entries[64];
    uint8_t tbs_buf[6000];
    struct sink tbs = SINK_ARRAY(tbs_buf);
    struct sink out = SINK_ARRAY(built->buf);

    for (uint32_t i = 0; i < num; i++)
        entries[i] = entry(i, serials[i]);
    crl_put_tbs(&tbs, h, entries, num);
    crl_put_outer(&out, tbs.len, h->sig, 70);
    assert_int_equal(out.len, crl_outer_len(tbs.len, h->sig, 70));
    sink_put(&out, sink_view(&tbs));
    crl_put_signature(&out, h->sig, span_of(built->buf, 70));
    assert_int_equal(sink_done(&out, &built->der), BV_OK);
}

static void
test_read_back(void **state)
{
    struct crl_head h = head();
    static struct built built;
    struct crl crl;
    struct crl_entry e;
    uint8_t serial[17];
    bool got;

    h.idp = (struct span)SPAN_LIT("\x30\x03\x81\x01\xff");
    build(&built, &h, 64);
    assert_int_equal(crl_parse(built.der, &crl), BV_OK);
    assert_true(span_eq(crl.issuer, h.issuer));
    assert_int_equal(crl.sig, h.sig);
    assert_int_equal(crl.this_update, h.this_update);
    assert_int_equal(crl.next_update, h.next_update);
    assert_true(span_eq(crl.key_id, h.key_id));
    assert_true(span_eq(crl.number, (struct span)SPAN_LIT("\x01\x2c")));
    assert_true(span_eq(crl.idp, h.idp));
    assert_int_equal(crl.signature.len, 70);
    for (uint32_t i = 0; i < 64; i++) {
        struct crl_entry want = entry(i, serial);
        assert_int_equal(crl_next(&crl.entries, &got, &e), BV_OK);
        assert_true(got);
        assert_true(span_eq(e.serial, want.serial));
        assert_int_equal(e.revoked_at, want.revoked_at);
        assert_int_equal(e.reason, want.reason);
    }
    assert_int_equal(crl_next(&crl.entries, &got, &e), BV_OK);
    assert_false(got);
}

static void
test_find(void **state)
{
    struct crl_head h = head();
    static struct built built;
    struct crl crl;
    struct crl_entry e;
    uint8_t serial[17];
    bool found;

    build(&built, &h, 40);
    assert_int_equal(crl_parse(built.der, &crl), BV_OK);
    struct crl_entry want = entry(39, serial);
    assert_int_equal(crl_find(&crl, want.serial, &found, &e), BV_OK);
    assert_true(found);
    assert_int_equal(e.reason, want.reason);
    want = entry(40, serial);
    assert_int_equal(crl_find(&crl, want.serial, &found, &e), BV_OK);
    assert_false(found);
}

static void
test_cut_is_refused(void **state)
{
    struct crl_head h = head();
    static struct built built;
    struct crl crl;

    build(&built, &h, 3);
    for (size_t len = 0; len < built.der.len; len++)
        assert_int_not_equal(crl_parse(span_of(built.der.data, len), &crl),
                             BV_OK);
}

/* RFC 5280 5.1.2.1: v2 or nothing. */
static void
test_versions(void **state)
{
    struct crl_head h = head();
    static struct built built;
    static uint8_t copy[1024];
    struct crl crl;

    build(&built, &h, 3);
    assert_true(built.der.len <= sizeof copy);
    memcpy(copy, built.der.data, built.der.len);
    struct span list = span_of(copy, built.der.len);
    assert_int_equal(crl_parse(list, &crl), BV_OK);
    const uint8_t *version = memmem(copy, sizeof copy, "\x02\x01\x01\x30", 4);
    assert_non_null(version);
    copy[version - copy + 2] = 0;
    assert_int_equal(crl_parse(list, &crl), BV_E_BAD_MESSAGE);
    copy[version - copy + 2] = 2;
    assert_int_equal(crl_parse(list, &crl), BV_E_UNSUPPORTED);
}

/* with_extension makes a list with one more CRL or entry extension. */
static enum bv_err
with_extension(struct span oid, bool critical, bool in_entry)
{
    static uint8_t buf[1024];
    struct sink out = SINK_ARRAY(buf);
    struct crl_head h = head();
    struct crl crl;
    struct crl_entry e;
    bool found;

    size_t whole = der_open(&out, DER_SEQUENCE);
    size_t tbs = der_open(&out, DER_SEQUENCE);
    der_put_uint(&out, 1);
    alg_sig_put(&out, h.sig);
    der_put_raw(&out, h.issuer);
    der_put_time(&out, h.this_update);
    size_t entries = der_open(&out, DER_SEQUENCE);
    size_t one = der_open(&out, DER_SEQUENCE);
    der_put_uint(&out, 5);
    der_put_time(&out, h.this_update);
    size_t list = der_open(&out, DER_SEQUENCE);
    ext_put(&out, in_entry ? oid : oid_invalidity_date, in_entry && critical,
            (struct span)SPAN_LIT("\x05\x00"));
    der_close(&out, list);
    der_close(&out, one);
    der_close(&out, entries);
    size_t outer = der_open(&out, DER_CONTEXT_CONS(0));
    list = der_open(&out, DER_SEQUENCE);
    ext_put_aki(&out, h.key_id);
    if (!in_entry)
        ext_put(&out, oid, critical, (struct span)SPAN_LIT("\x02\x01\x01"));
    der_close(&out, list);
    der_close(&out, outer);
    der_close(&out, tbs);
    crl_put_signature(&out, h.sig, (struct span)SPAN_LIT("sig"));
    der_close(&out, whole);
    BV_TRY(crl_parse(sink_view(&out), &crl));
    assert_int_equal(crl.next_update, TIME_NO_EXPIRY); /* none was written */
    return crl_find(&crl, (struct span)SPAN_LIT("\x09"), &found, &e);
}

static void
test_extensions_that_matter(void **state)
{
    assert_int_equal(with_extension(oid_mud_url, false, false), BV_OK);
    assert_int_equal(with_extension(oid_mud_url, true, false),
                     BV_E_UNSUPPORTED);
    assert_int_equal(with_extension(oid_delta_crl, true, false),
                     BV_E_UNSUPPORTED);
    assert_int_equal(with_extension(oid_mud_url, false, true), BV_OK);
    assert_int_equal(with_extension(oid_certificate_issuer, true, true),
                     BV_E_UNSUPPORTED);
    /* a reasonCode that is not an ENUMERATED */
    assert_int_equal(with_extension(oid_reason_code, false, true),
                     BV_E_BAD_MESSAGE);
}

/* --- another implementation reads and verifies it --- */

static void
slurp(const char *dir, const char *name, uint8_t *buf, size_t cap,
      struct span *ret)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    *ret = span_of(buf, fread(buf, 1, cap, file));
    (void)fclose(file);
}

static void
spill(const char *dir, const char *name, struct span bytes)
{
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.data, 1, bytes.len, file), bytes.len);
    (void)fclose(file);
}

static void
test_openssl_verifies_it(void **state)
{
    static const char *const MAKE =
        "cd \"$BV_TMP\" && openssl req -x509 -newkey ec -pkeyopt "
        "ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -utf8 "
        "-subj '/CN=Test CA' -addext keyUsage=critical,cRLSign,keyCertSign "
        "2>/dev/null";
    static const char *const SIGN =
        "cd \"$BV_TMP\" && openssl dgst -sha256 -sign ca.key -out sig tbs";
    static const char *const CHECK =
        "cd \"$BV_TMP\" && openssl crl -inform DER -in list.crl -noout "
        "-CAfile ca.pem -verify 2>&1 | grep -q 'verify OK' && "
        "openssl crl -inform DER -in list.crl -noout -text >text && "
        "test $(grep -c 'Serial Number: 42' text) = 64 && "
        "grep -q 'Version 2' text && grep -q 'Key Compromise' text && "
        "grep -A1 'CRL Number' text | grep -q 300";
    char dir[] = "/tmp/bv-crl-XXXXXX";
    uint8_t serials[64][17];
    struct crl_entry entries[64];
    static uint8_t tbs_buf[6000];
    static uint8_t buf[8192];
    uint8_t sig_buf[128];
    struct sink tbs = SINK_ARRAY(tbs_buf);
    struct sink out = SINK_ARRAY(buf);
    struct crl_head h = head();
    struct span signature;

    if (system("command -v openssl >/dev/null") != 0)
        skip();
    assert_non_null(mkdtemp(dir));
    setenv("BV_TMP", dir, 1);
    assert_int_equal(system(MAKE), 0);
    for (uint32_t i = 0; i < 64; i++)
        entries[i] = entry(i, serials[i]);
    crl_put_tbs(&tbs, &h, entries, 64);
    spill(dir, "tbs", sink_view(&tbs));
    assert_int_equal(system(SIGN), 0);
    slurp(dir, "sig", sig_buf, sizeof(sig_buf), &signature);
    crl_put_outer(&out, tbs.len, h.sig, signature.len);
    sink_put(&out, sink_view(&tbs));
    crl_put_signature(&out, h.sig, signature);
    spill(dir, "list.crl", sink_view(&out));
    assert_int_equal(system(CHECK), 0);
    assert_int_equal(system("rm -rf \"$BV_TMP\""), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_equal_the_whole),
        cmocka_unit_test(test_put_refuses),
        cmocka_unit_test(test_read_back),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_cut_is_refused),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_extensions_that_matter),
        cmocka_unit_test(test_openssl_verifies_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
