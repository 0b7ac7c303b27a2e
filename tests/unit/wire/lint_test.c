#include "wire/lint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/time.h"
#include "wire/cert.h"
#include "wire/der.h"
#include "wire/name.h"
#include "wire/oid.h"
#include "wire/san.h"

/* A TBSCertificate in pieces of ready DER: a good one, whose pieces a row of
 * the table replaces one at a time. */
enum piece {
    VERSION,
    SERIAL,
    SIG_ALG,
    ISSUER,
    VALIDITY,
    SUBJECT,
    SPKI,
    BC,
    KU,
    EKU,
    SAN,
    SKI,
    AKI,
    EXTRA, /* one more extension, or several */
    NUM_PIECES
};

#define DER(s) ((struct span){(const uint8_t *)(s), sizeof(s) - 1})
#define P(s)                                                                   \
    {                                                                          \
        (const uint8_t *)(s), sizeof(s) - 1                                    \
    }

#define NAME_A                                                                 \
    "\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x13\x01"                     \
    "A"
#define NAME_D                                                                 \
    "\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x13\x01"                     \
    "d"
#define POINT                                                                  \
    "\x04"                                                                     \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define P256_HEAD                                                              \
    "\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86"     \
    "\x48\xce\x3d\x03\x01\x07\x03\x42\x00"
#define ECDSA256  "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"
#define EXT_BC(v) "\x30\x0c\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x02" v
#define EXT_KU(v) "\x30\x0e\x06\x03\x55\x1d\x0f\x01\x01\xff\x04\x04" v
#define KP        "\x2b\x06\x01\x05\x05\x07\x03"
#define EXT_EKU(last)                                                          \
    "\x30\x13\x06\x03\x55\x1d\x25\x04\x0c\x30\x0a\x06\x08" KP last
#define EXT_SAN(v) "\x30\x0e\x06\x03\x55\x1d\x11\x04\x07\x30\x05\x82\x03" v
#define EXT_SKI                                                                \
    "\x30\x0b\x06\x03\x55\x1d\x0e\x04\x04\x04\x02"                             \
    "SK"
#define EXT_AKI                                                                \
    "\x30\x0d\x06\x03\x55\x1d\x23\x04\x06\x30\x04\x80\x02"                     \
    "AK"

static const struct span good[NUM_PIECES] = {
    [VERSION] = P("\xa0\x03\x02\x01\x02"),
    [SERIAL] = P("\x02\x02\x42\x01"),
    [SIG_ALG] = P(ECDSA256),
    [ISSUER] = P(NAME_A),
    [VALIDITY] = P("\x30\x1e\x17\x0d"
                   "250101000000Z\x17\x0d"
                   "250102000000Z"),
    [SUBJECT] = P(NAME_D),
    [SPKI] = P(P256_HEAD POINT),
    [BC] = P(EXT_BC("\x30\x00")),
    [KU] = P(EXT_KU("\x03\x02\x07\x80")),
    [EKU] = P(EXT_EKU("\x02")),
    [SAN] = P(EXT_SAN("d.x")),
    [SKI] = P(EXT_SKI),
    [AKI] = P(EXT_AKI),
};

#define DAY_1 INT64_C(1735689600) /* 2025-01-01 */
#define DAY_2 INT64_C(1735776000)

static const struct span eku[] = {P("\x2b\x06\x01\x05\x05\x07\x03\x02")};

static const struct lint_expect expected = {
    .sig_alg = ALG_SIG_ECDSA_SHA256,
    .issuer = P(NAME_A),
    .issuer_ski = P("AK"),
    .issuer_not_before = DAY_1,
    .issuer_not_after = DAY_2,
    .serial = P("\x42\x01"),
    .spki = P(P256_HEAD POINT),
    .subject = P(NAME_D),
    .not_before = DAY_1,
    .not_after = DAY_2,
    .max_lifetime = 86401,
    .pathlen = -1,
    .key_usage = EXT_KU_DIGITAL_SIGNATURE,
    .eku = eku,
    .num_eku = 1,
    .san = P("\x30\x05\x82\x03"
             "d.x"),
    .ski = P("SK"),
    .basic_constraints = true,
};

static struct span
assemble(const struct span pieces[NUM_PIECES], uint8_t *memory, size_t cap)
{
    struct sink out = sink_of(memory, cap);
    size_t tbs = der_open(&out, DER_SEQUENCE), wrapped, list, body_end;

    for (int i = VERSION; i <= SPKI; i++)
        der_put_raw(&out, pieces[i]);
    body_end = out.len;
    wrapped = der_open(&out, DER_CONTEXT_CONS(3));
    list = der_open(&out, DER_SEQUENCE);
    for (int i = BC; i < NUM_PIECES; i++)
        der_put_raw(&out, pieces[i]);
    der_close(&out, list);
    der_close(&out, wrapped);
    if (out.len == body_end + 4) /* no extension at all */
        out.len = body_end;
    der_close(&out, tbs);
    assert_false(out.failed);
    return sink_view(&out);
}

static char rule[LINT_RULE_MAX];

static enum bv_err
lint_pieces(const struct span pieces[NUM_PIECES],
            const struct lint_expect *expect)
{
    static uint8_t memory[20000];

    rule[0] = '\0';
    return lint_tbs(assemble(pieces, memory, sizeof(memory)), expect, rule,
                    sizeof(rule));
}

static void
test_good(void **state)
{
    assert_int_equal(lint_pieces(good, &expected), BV_OK);
    assert_string_equal(rule, "");
}

#define CRLDP(url)                                                             \
    "\x30\x19\x06\x03\x55\x1d\x1f\x04\x12\x30\x10\x30\x0e\xa0"                 \
    "\x0c\xa0\x0a\x86\x08" url
#define NOCHECK                                                                \
    "\x30\x0f\x06\x09\x2b\x06\x01\x05\x05\x07\x30\x01\x05\x04\x02\x05\x00"
#define NO_REV_AVAIL "\x30\x09\x06\x03\x55\x1d\x38\x04\x02\x05\x00"

/* One broken piece, and the rule that must notice it first. */
static const struct {
    const char *rule;
    enum piece piece;
    struct span der;
} broken[] = {
    {"version-v3", VERSION, P("")},
    {"version-v3", VERSION, P("\xa0\x03\x02\x01\x01")},
    {"tbs-structure", SERIAL, P("\x30\x00")},
    {"serial-length", SERIAL, P("\x02\x00")},
    {"serial-length", SERIAL,
     P("\x02\x15"
       "0123456789abcdefghijk")},
    {"serial-minimal", SERIAL, P("\x02\x03\x00\x42\x01")},
    {"serial-positive", SERIAL, P("\x02\x01\x00")},
    {"serial-positive", SERIAL, P("\x02\x01\x80")},
    {"serial-expected", SERIAL, P("\x02\x02\x42\x02")},
    {"signature-algorithm", SIG_ALG,
     P("\x30\x0c\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02\x05\x00")},
    {"signature-algorithm", SIG_ALG,
     P("\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03")},
    {"issuer-not-empty", ISSUER, P("\x30\x00")},
    {"issuer-form", ISSUER,
     P("\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x13\x01@")},
    {"issuer-expected", ISSUER, P(NAME_D)},
    {"validity-encoding", VALIDITY,
     P("\x30\x20\x18\x0f"
       "20250101000000Z\x17\x0d"
       "250102000000Z")},
    {"validity-encoding", VALIDITY,
     P("\x30\x1e\x17\x0d"
       "250101000060Z\x17\x0d"
       "250102000000Z")},
    {"validity-order", VALIDITY,
     P("\x30\x1e\x17\x0d"
       "250102000000Z\x17\x0d"
       "250101000000Z")},
    {"validity-nesting", VALIDITY,
     P("\x30\x1e\x17\x0d"
       "241231235959Z\x17\x0d"
       "250101000000Z")},
    {"validity-nesting", VALIDITY,
     P("\x30\x1e\x17\x0d"
       "250101000000Z\x17\x0d"
       "250102000001Z")},
    {"validity-nesting", VALIDITY,
     P("\x30\x20\x17\x0d"
       "250101000000Z\x18\x0f"
       "99991231235959Z")},
    {"validity-expected", VALIDITY,
     P("\x30\x1e\x17\x0d"
       "250101000000Z\x17\x0d"
       "250101235959Z")},
    {"subject-string-type", SUBJECT,
     P("\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x14\x01"
       "d")},
    {"subject-spaces", SUBJECT,
     P("\x30\x0d\x31\x0b\x30\x09\x06\x03\x55\x04\x03\x13\x02"
       "d ")},
    {"subject-single-valued", SUBJECT,
     P("\x30\x16\x31\x14\x30\x08\x06\x03\x55\x04\x03\x13\x01"
       "d"
       "\x30\x08\x06\x03\x55\x04\x0a\x13\x01"
       "d")},
    {"subject-form", SUBJECT,
     P("\x30\x0b\x31\x09\x30\x07\x06\x03\x55\x04\x03\x13\x00")},
    {"subject-form", SUBJECT,
     P("\x30\x0d\x31\x0b\x30\x09\x06\x03\x55\x04\x06\x0c\x02"
       "DE")},
    {"subject-one-cn", SUBJECT,
     P("\x30\x18\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x13\x01"
       "d"
       "\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x13\x01"
       "e")},
    {"subject-expected", SUBJECT, P(NAME_A)},
    {"spki-form", SPKI,
     P("\x30\x39\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86"
       "\x48\xce\x3d\x03\x01\x07\x03\x22\x00\x02"
       "0123456789abcdef0123456789abcdef")},
    {"spki-strength", SPKI,
     P("\x30\x1a\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00"
       "\x03\x09\x00\x30\x06\x02\x01\x7f\x02\x01\x03")},
    {"spki-expected", SPKI,
     P(P256_HEAD
       "\x04"
       "X123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")},
    {"extension-duplicate", EXTRA, P(EXT_SKI)},
    {"extension-default-written", SKI,
     P("\x30\x0e\x06\x03\x55\x1d\x0e\x01\x01\x00\x04\x04\x04\x02SK")},
    {"extension-unknown", EXTRA, P("\x30\x08\x06\x02\x2a\x03\x04\x02\x05\x00")},
    {"extension-criticality", SKI,
     P("\x30\x0e\x06\x03\x55\x1d\x0e\x01\x01\xff\x04\x04\x04\x02SK")},
    {"extension-criticality", KU,
     P("\x30\x0b\x06\x03\x55\x1d\x0f\x04\x04\x03\x02\x07\x80")},
    {"basic-constraints-encoding", BC,
     P("\x30\x0f\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x05\x30\x03\x01\x01\x00")},
    {"basic-constraints-encoding", BC,
     P("\x30\x0f\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x05\x30\x03\x02\x01\x00")},
    {"basic-constraints-expected", BC,
     P("\x30\x0f\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x05\x30\x03\x01\x01\xff")},
    {"key-usage-encoding", KU, P(EXT_KU("\x03\x02\x00\x80"))},
    {"key-usage-encoding", KU,
     P("\x30\x0d\x06\x03\x55\x1d\x0f\x01\x01\xff\x04\x03\x03\x01\x00")},
    {"key-usage-ca", KU, P(EXT_KU("\x03\x02\x02\x84"))},
    {"key-usage-ca", KU, P(EXT_KU("\x03\x02\x01\x82"))},
    {"key-usage-key", KU, P(EXT_KU("\x03\x02\x05\xa0"))},
    {"key-usage-key", KU, P(EXT_KU("\x03\x02\x00\x81"))},
    {"key-usage-eku", KU, P(EXT_KU("\x03\x02\x06\x40"))},
    {"key-usage-expected", KU, P(EXT_KU("\x03\x02\x06\xc0"))},
    {"eku-encoding", EKU, P("\x30\x09\x06\x03\x55\x1d\x25\x04\x02\x30\x00")},
    {"eku-encoding", EKU,
     P("\x30\x1d\x06\x03\x55\x1d\x25\x04\x16\x30\x14\x06\x08" KP
       "\x02\x06\x08" KP "\x02")},
    {"eku-any", EKU,
     P("\x30\x0f\x06\x03\x55\x1d\x25\x04\x08\x30\x06\x06\x04\x55\x1d\x25\x00")},
    {"eku-expected", EKU, P(EXT_EKU("\x01"))},
    {"eku-expected", EKU, P("")},
    {"san-encoding", SAN, P("\x30\x09\x06\x03\x55\x1d\x11\x04\x02\x30\x00")},
    {"san-syntax", SAN, P(EXT_SAN("D.x"))},
    {"san-syntax", SAN, P(EXT_SAN("dx."))},
    {"san-syntax", SAN, P(EXT_SAN("1.2"))},
    {"san-wildcard", SAN, P(EXT_SAN("*.x"))},
    {"san-duplicate", SAN,
     P("\x30\x13\x06\x03\x55\x1d\x11\x04\x0c\x30\x0a\x82\x03"
       "d.x\x82\x03"
       "d.x")},
    {"san-critical", SAN,
     P("\x30\x11\x06\x03\x55\x1d\x11\x01\x01\xff\x04\x07\x30\x05\x82\x03"
       "d.x")},
    {"san-expected", SAN, P(EXT_SAN("e.x"))},
    {"san-expected", SAN, P("")},
    {"ski-encoding", SKI, P("\x30\x09\x06\x03\x55\x1d\x0e\x04\x02\x04\x00")},
    {"ski-expected", SKI, P("\x30\x0b\x06\x03\x55\x1d\x0e\x04\x04\x04\x02XX")},
    {"ski-expected", SKI, P("")},
    {"aki-form", AKI,
     P("\x30\x12\x06\x03\x55\x1d\x23\x04\x0b\x30\x09\x80\x02"
       "AK\xa1\x00"
       "\x82\x01\x01")},
    {"aki-expected", AKI,
     P("\x30\x0d\x06\x03\x55\x1d\x23\x04\x06\x30\x04\x80\x02XX")},
    {"aki-expected", AKI, P("")},
    {"crldp-url", EXTRA, P(CRLDP("ldap://x"))},
    {"crldp-url", EXTRA, P(CRLDP("https://"))},
    {"aia-url", EXTRA,
     P("\x30\x1d\x06\x08\x2b\x06\x01\x05\x05\x07\x01\x01\x04\x11\x30\x0f\x30"
       "\x0d\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x01\x86\x01x")},
    {"null-extensions", EXTRA,
     P("\x30\x09\x06\x03\x55\x1d\x38\x04\x02\x04\x00")},
    {"no-rev-avail", EXTRA, P(NO_REV_AVAIL CRLDP("http://a"))},
    {"ocsp-signer", EXTRA, P(NOCHECK)},
    {"name-constraints", EXTRA,
     P("\x30\x14\x06\x03\x55\x1d\x1e\x01\x01\xff\x04\x0a\x30\x08\xa0\x06\x30"
       "\x04\x82\x02"
       "ab")},
};

static void
test_broken_pieces(void **state)
{
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct span pieces[NUM_PIECES];

        memcpy(pieces, good, sizeof(pieces));
        pieces[broken[i].piece] = broken[i].der;
        if (lint_pieces(pieces, &expected) != BV_E_LINT)
            fail_msg("row %zu: %s not noticed", i, broken[i].rule);
        if (strcmp(rule, broken[i].rule) != 0)
            fail_msg("row %zu: %s noticed instead of %s", i, rule,
                     broken[i].rule);
    }
}

static void
check_rule(const struct span pieces[NUM_PIECES],
           const struct lint_expect *expect, const char *name)
{
    assert_int_equal(lint_pieces(pieces, expect), BV_E_LINT);
    assert_string_equal(rule, name);
}

/* Rules that need another decision, not another piece. */
static void
test_broken_decisions(void **state)
{
    static uint8_t big[16000];
    struct lint_expect expect = expected;
    struct span pieces[NUM_PIECES];
    struct sink out = SINK_ARRAY(big);
    size_t mark[2];

    expect.max_lifetime = 86400;
    check_rule(good, &expect, "validity-lifetime");

    expect = expected;
    expect.is_ca = true;
    memcpy(pieces, good, sizeof(pieces));
    pieces[SUBJECT] = DER("\x30\x00");
    check_rule(pieces, &expect, "subject-of-ca");
    check_rule(good, &expect, "basic-constraints-expected");

    memcpy(pieces, good, sizeof(pieces));
    pieces[BC] = DER("\x30\x0f\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x05\x30"
                     "\x03\x01\x01\xff");
    check_rule(pieces, &expect, "key-usage-ca");
    pieces[KU] = DER(EXT_KU("\x03\x02\x02\x84"));
    pieces[SKI] = SPAN_EMPTY;
    expect.key_usage = EXT_KU_DIGITAL_SIGNATURE | EXT_KU_KEY_CERT_SIGN;
    check_rule(pieces, &expect, "ski-of-ca");

    expect = expected;
    expect.self_signed = true;
    check_rule(good, &expect, "self-signed-names");

    memcpy(pieces, good, sizeof(pieces));
    for (int i = BC; i < NUM_PIECES; i++)
        pieces[i] = SPAN_EMPTY;
    check_rule(pieces, &expected, "extensions-present");

    memcpy(pieces, good, sizeof(pieces));
    pieces[SUBJECT] = DER("\x30\x00");
    expect = expected;
    expect.subject = pieces[SUBJECT];
    check_rule(pieces, &expect, "san-critical");
    pieces[SAN] = SPAN_EMPTY;
    check_rule(pieces, &expect, "san-critical");

    ext_open(&out, oid_mud_url, false, mark);
    out.len += 15500;
    ext_close(&out, mark);
    memcpy(pieces, good, sizeof(pieces));
    pieces[EXTRA] = sink_view(&out);
    check_rule(pieces, &expected, "tbs-size");
}

static void
test_ocsp_signer(void **state)
{
    static const struct span ocsp[] = {P(KP "\x09")};
    struct lint_expect expect = expected;
    struct span pieces[NUM_PIECES];

    expect.eku = ocsp;
    memcpy(pieces, good, sizeof(pieces));
    pieces[EKU] = DER(EXT_EKU("\x09"));
    check_rule(pieces, &expect, "ocsp-signer");
    pieces[EXTRA] = DER(NOCHECK);
    check_rule(pieces, &expect, "null-expected");
    expect.ocsp_nocheck = true;
    assert_int_equal(lint_pieces(pieces, &expect), BV_OK);
    pieces[EXTRA] = DER(NOCHECK CRLDP("http://a"));
    check_rule(pieces, &expect, "ocsp-signer");
}

static void
test_what_the_profile_may_allow(void **state)
{
    struct lint_expect expect = expected;
    struct span pieces[NUM_PIECES];

    memcpy(pieces, good, sizeof(pieces));
    pieces[SAN] = DER(EXT_SAN("*.x"));
    expect.san = DER("\x30\x05\x82\x03*.x");
    expect.wildcard = true;
    assert_int_equal(lint_pieces(pieces, &expect), BV_OK);

    expect = expected;
    memcpy(pieces, good, sizeof(pieces));
    pieces[VALIDITY] = DER("\x30\x20\x17\x0d"
                           "250101000000Z\x18\x0f"
                           "99991231235959Z");
    expect.not_after = TIME_NO_EXPIRY;
    expect.max_lifetime = 0;
    expect.outlive_issuer = true;
    assert_int_equal(lint_pieces(pieces, &expect), BV_OK);

    expect = expected;
    memcpy(pieces, good, sizeof(pieces));
    pieces[EXTRA] = DER(NO_REV_AVAIL);
    expect.no_rev_avail = true;
    assert_int_equal(lint_pieces(pieces, &expect), BV_OK);
    expect = expected;
    pieces[EXTRA] = DER(CRLDP("http://a"));
    expect.crl_url = SPAN_LIT("http://a");
    assert_int_equal(lint_pieces(pieces, &expect), BV_OK);
    pieces[BC] = SPAN_EMPTY;
    check_rule(pieces, &expect, "basic-constraints-present");
    expect.basic_constraints = false;
    assert_int_equal(lint_pieces(pieces, &expect), BV_OK);
}

/* What stands in the certificate is what was decided: no more, no less, no
 * other. */
static void
test_pointers_are_those_decided(void **state)
{
    uint8_t buf[400];
    struct sink aia = SINK_ARRAY(buf);
    struct lint_expect expect = expected;
    struct span pieces[NUM_PIECES];

    memcpy(pieces, good, sizeof(pieces));
    expect.crl_url = SPAN_LIT("http://a");
    check_rule(good, &expect, "crldp-expected");
    pieces[EXTRA] = DER(CRLDP("http://b"));
    check_rule(pieces, &expect, "crldp-expected");
    check_rule(pieces, &expected, "crldp-expected");
    /* the right one, and another beside it */
    pieces[EXTRA] = DER("\x30\x23\x06\x03\x55\x1d\x1f\x04\x1c\x30\x1a\x30\x18"
                        "\xa0\x16\xa0\x14\x86\x08http://a\x86\x08http://b");
    check_rule(pieces, &expect, "crldp-expected");

    expect = expected;
    expect.ocsp_url = SPAN_LIT("http://o");
    expect.issuers_url = SPAN_LIT("http://i");
    check_rule(good, &expect, "aia-expected");
    ext_put_aia(&aia, SPAN_LIT("http://o"), SPAN_LIT("http://i"));
    pieces[EXTRA] = sink_view(&aia);
    assert_int_equal(lint_pieces(pieces, &expect), BV_OK);
    check_rule(pieces, &expected, "aia-expected");
    expect.issuers_url = SPAN_LIT("http://j");
    check_rule(pieces, &expect, "aia-expected");
    expect.issuers_url = SPAN_EMPTY;
    check_rule(pieces, &expect, "aia-expected");

    pieces[EXTRA] = DER(NO_REV_AVAIL);
    check_rule(pieces, &expected, "null-expected");
    expect = expected;
    expect.no_rev_avail = true;
    check_rule(good, &expect, "null-expected");
    expect = expected;
    expect.name_constraints = DER("\x30\x08\xa0\x06\x30\x04\x82\x02"
                                  "ab");
    check_rule(good, &expect, "name-constraints-expected");
}

static void
test_constraints_of_a_ca(void **state)
{
    static const struct {
        const char *permitted, *excluded;
        bool good;
    } rows[] = {
        {"x.example", "y.x.example", true}, {NULL, "x.example", true},
        {".x.example", NULL, false},        {"*.x.example", NULL, false},
        {NULL, "X.example", false},         {NULL, NULL, false}};
    struct lint_expect expect = expected;
    struct span pieces[NUM_PIECES];

    memcpy(pieces, good, sizeof(pieces));
    pieces[BC] = DER("\x30\x0f\x06\x03\x55\x1d\x13\x01\x01\xff\x04\x05\x30"
                     "\x03\x01\x01\xff");
    pieces[KU] = DER(EXT_KU("\x03\x02\x02\x04"));
    expect.is_ca = true;
    expect.key_usage = EXT_KU_KEY_CERT_SIGN;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t value[100], whole[140];
        struct sink der = SINK_ARRAY(value), ext = SINK_ARRAY(whole);
        struct span in = span_str(rows[i].permitted);
        struct span not_in = span_str(rows[i].excluded);

        ext_build_name_constraints(&der, &in, in.len > 0, &not_in,
                                   not_in.len > 0);
        ext_put_name_constraints(&ext, sink_view(&der));
        pieces[EXTRA] = sink_view(&ext);
        expect.name_constraints = sink_view(&der);
        if (rows[i].good)
            assert_int_equal(lint_pieces(pieces, &expect), BV_OK);
        else
            check_rule(pieces, &expect, "name-constraints");
    }
}

/* Known to us, decided by nobody. */
static void
test_undecided(void **state)
{
    uint8_t buf[100];
    size_t mark[2];
    struct sink out = SINK_ARRAY(buf);
    struct span pieces[NUM_PIECES];

    memcpy(pieces, good, sizeof(pieces));
    ext_open(&out, oid_mud_url, false, mark);
    sink_str(&out, "\x16\x01x");
    ext_close(&out, mark);
    pieces[EXTRA] = sink_view(&out);
    check_rule(pieces, &expected, "extension-undecided");
}

/* Every prefix, every flipped bit: always a finding, never a read outside. */
static void
test_any_change_is_noticed(void **state)
{
    uint8_t memory[1000];
    struct span tbs = assemble(good, memory, sizeof(memory));

    assert_int_equal(lint_tbs(tbs, &expected, rule, sizeof(rule)), BV_OK);
    for (size_t len = 0; len < tbs.len; len++)
        assert_int_equal(
            lint_tbs(span_of(memory, len), &expected, rule, sizeof(rule)),
            BV_E_LINT);
    for (size_t i = 0; i < tbs.len * 8; i++) {
        memory[i / 8] ^= (uint8_t)(1u << i % 8);
        if (lint_tbs(tbs, &expected, rule, sizeof(rule)) != BV_E_LINT)
            fail_msg("bit %zu of octet %zu", i % 8, i / 8);
        memory[i / 8] ^= (uint8_t)(1u << i % 8);
    }
}

static void
test_rule_text_is_cut(void **state)
{
    char small[4];

    assert_int_equal(lint_tbs(SPAN_EMPTY, &expected, small, sizeof(small)),
                     BV_E_LINT);
    assert_string_equal(small, "tbs");
    assert_int_equal(lint_tbs(SPAN_EMPTY, &expected, NULL, 0), BV_E_LINT);
    for (size_t i = 0; lint_rule_name(i) != NULL; i++) {
        assert_true(strlen(lint_rule_name(i)) < LINT_RULE_MAX);
        assert_non_null(lint_rule_text(i));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(lint_rule_name(i), lint_rule_name(j));
    }
    assert_null(lint_rule_text(1000));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_broken_pieces),
        cmocka_unit_test(test_broken_decisions),
        cmocka_unit_test(test_ocsp_signer),
        cmocka_unit_test(test_what_the_profile_may_allow),
        cmocka_unit_test(test_pointers_are_those_decided),
        cmocka_unit_test(test_constraints_of_a_ca),
        cmocka_unit_test(test_undecided),
        cmocka_unit_test(test_any_change_is_noticed),
        cmocka_unit_test(test_rule_text_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
