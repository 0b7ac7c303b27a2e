#include "wire/scep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "samples.h"
#include "wire/der.h"
#include "wire/oid.h"

#define SP(s) ((struct span)SPAN_LIT(s))

/* --- attributes --- */

static void
test_reads_the_attributes_of_a_message(void **state)
{
    static uint8_t memory[SAMPLE_MAX];
    struct cms_signed s;
    struct scep_attrs a;

    assert_int_equal(
        cms_signed_parse(sample_read("scep", "good-der.der", memory), &s),
        BV_OK);
    assert_int_equal(scep_attrs_parse(s.attr_set, &a), BV_OK);
    assert_int_equal(a.message_type, SCEP_PKCS_REQ);
    assert_true(span_eq(a.transaction_id, SP("0123ABCD")));
    assert_int_equal(a.sender_nonce.len, 16);
}

struct attrs {
    uint8_t tag_type, tag_id;
    struct span type, id, nonce;
};
static const struct attrs USUAL = {DER_PRINTABLE_STRING, DER_PRINTABLE_STRING,
                                   SPAN_LIT("19"), SPAN_LIT("id"),
                                   SPAN_LIT("0123456789abcdef")};

static void
put(struct sink *out, struct span oid, uint8_t tag, struct span value)
{
    uint8_t buf[512];
    struct sink der = SINK_ARRAY(buf);

    der_put(&der, tag, value);
    cms_put_attr(out, oid, sink_view(&der));
}

static enum bv_err
parse(const struct attrs *want, struct scep_attrs *ret)
{
    static uint8_t buf[1024];
    struct sink out = SINK_ARRAY(buf);

    if (want->type.data != NULL)
        put(&out, oid_scep_message_type, want->tag_type, want->type);
    if (want->id.data != NULL)
        put(&out, oid_scep_transaction_id, want->tag_id, want->id);
    if (want->nonce.data != NULL)
        put(&out, oid_scep_sender_nonce, DER_OCTET_STRING, want->nonce);
    return scep_attrs_parse(sink_view(&out), ret);
}

static void
test_takes_other_strings_and_nonces(void **state)
{
    struct attrs a = USUAL;
    struct scep_attrs got;

    a.tag_type = DER_UTF8_STRING;
    a.tag_id = DER_IA5_STRING;
    a.nonce = SP("n");
    assert_int_equal(parse(&a, &got), BV_OK);
    assert_true(span_eq(got.sender_nonce, SP("n")));
    a.type = SP("99"); /* of no type we know: for the reader to refuse */
    assert_int_equal(parse(&a, &got), BV_OK);
    assert_int_equal(got.message_type, 99);
}

static void
expect_bad(struct attrs a)
{
    struct scep_attrs got;

    assert_int_equal(parse(&a, &got), BV_E_BAD_MESSAGE);
}

static void
test_refuses_attributes_out_of_form(void **state)
{
    static const uint8_t longer[SCEP_TRANSACTION_MAX + 1] = {'x'};
    struct attrs a;

#define WITH(field, value) (a = USUAL, a.field = (value), a)
    expect_bad(WITH(type, SPAN_EMPTY));
    expect_bad(WITH(id, SPAN_EMPTY));
    expect_bad(WITH(nonce, SPAN_EMPTY));
    expect_bad(WITH(type, SP("1x")));
    expect_bad(WITH(type, SP("1900")));
    expect_bad(WITH(id, SP("")));
    expect_bad(WITH(id, SP("a\nb"))); /* it goes into the log */
    expect_bad(WITH(id, SPAN_ARRAY(longer)));
    expect_bad(WITH(nonce, SP("")));
    expect_bad(WITH(nonce, span_of(longer, SCEP_NONCE_MAX + 1)));
    expect_bad(WITH(tag_type, DER_INTEGER));
    expect_bad(WITH(tag_id, DER_OCTET_STRING));
}

static struct span
value_of(struct span attr_set, struct span oid, uint8_t tag)
{
    struct span der, value = SPAN_EMPTY;

    assert_int_equal(cms_attr_find(attr_set, oid, &der), BV_OK);
    assert_int_equal(der_only(der, tag, &value), BV_OK);
    return value;
}

static void
test_writes_an_answer(void **state)
{
    uint8_t buf[SCEP_ATTRS_MAX];
    struct sink out = SINK_ARRAY(buf);
    struct scep_reply reply = {.status = SCEP_FAILURE,
                               .fail = SCEP_BAD_CERT_ID,
                               .fail_text = SPAN_LIT("n\xc3\xb6"),
                               .transaction_id = SPAN_LIT("id"),
                               .recipient_nonce = SPAN_LIT("theirs"),
                               .sender_nonce = SPAN_LIT("ours"),
                               .signing_time = 1700000000,
                               .message_digest = SPAN_LIT("digest")};

    assert_int_equal(scep_put_reply_attrs(&out, &reply), BV_OK);
    struct span set = sink_view(&out), none;
#define TEXT(oid) value_of(set, oid, DER_PRINTABLE_STRING)
    assert_true(span_eq(TEXT(oid_scep_message_type), SP("3")));
    assert_true(span_eq(TEXT(oid_scep_pki_status), SP("2")));
    assert_true(span_eq(TEXT(oid_scep_fail_info), SP("4")));
    assert_true(span_eq(TEXT(oid_scep_transaction_id), SP("id")));
    assert_true(span_eq(value_of(set, oid_scep_fail_info_text, DER_UTF8_STRING),
                        reply.fail_text));
    assert_true(
        span_eq(value_of(set, oid_scep_recipient_nonce, DER_OCTET_STRING),
                SP("theirs")));
    assert_true(span_eq(value_of(set, oid_scep_sender_nonce, DER_OCTET_STRING),
                        SP("ours")));
    reply.status = SCEP_PENDING;
    out = SINK_ARRAY(buf);
    assert_int_equal(scep_put_reply_attrs(&out, &reply), BV_OK);
    assert_int_equal(cms_attr_find(sink_view(&out), oid_scep_fail_info, &none),
                     BV_E_NOT_FOUND);
    assert_int_equal(
        cms_attr_find(sink_view(&out), oid_scep_fail_info_text, &none),
        BV_E_NOT_FOUND);
}

/* The longest an answer can be: what the room is for. */
static void
test_the_longest_answer_fits(void **state)
{
    static const uint8_t long_[256] = {0};
    uint8_t buf[SCEP_ATTRS_MAX];
    struct sink out = SINK_ARRAY(buf);
    const struct scep_reply reply = {
        .status = SCEP_FAILURE,
        .fail_text = span_of(long_, 200),
        .transaction_id = span_of(long_, SCEP_TRANSACTION_MAX),
        .recipient_nonce = span_of(long_, SCEP_NONCE_MAX),
        .sender_nonce = span_of(long_, 16),
        .message_digest = span_of(long_, 64)};

    assert_int_equal(scep_put_reply_attrs(&out, &reply), BV_OK);
}

/* --- what is inside --- */

#define NAME_X "\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01x"
#define NAME_Y "\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01y"

static void
test_issuer_and_serial_or_subject(void **state)
{
    struct span issuer, other;

    assert_int_equal(scep_issuer_serial_parse(
                         SP("\x30\x11" NAME_X "\x02\x01\x07"), &issuer, &other),
                     BV_OK);
    assert_true(span_eq(issuer, SP(NAME_X)));
    assert_true(span_eq(other, SP("\x07")));
    assert_int_equal(scep_issuer_subject_parse(SP("\x30\x1c" NAME_X NAME_Y),
                                               &issuer, &other),
                     BV_OK);
    assert_true(span_eq(other, SP(NAME_Y)));
    assert_int_equal(
        scep_issuer_serial_parse(SP("\x30\x1c" NAME_X NAME_Y), &issuer, &other),
        BV_E_BAD_MESSAGE);
    assert_int_equal(
        scep_issuer_subject_parse(SP("\x30\x1e" NAME_X NAME_Y "\x05\x00"),
                                  &issuer, &other),
        BV_E_TRAILING_BYTES);
}

/* --- the query --- */

static void
test_query(void **state)
{
    struct scep_query q;

    assert_int_equal(scep_query_parse(SP("operation=GetCACaps"), &q), BV_OK);
    assert_int_equal(q.operation, SCEP_OP_GET_CA_CAPS);
    assert_false(q.has_message);
    assert_int_equal(
        scep_query_parse(SP("Operation=getcacert&x=1&message=My%20CA"), &q),
        BV_OK);
    assert_int_equal(q.operation, SCEP_OP_GET_CA_CERT);
    assert_true(span_eq(q.message, SP("My%20CA")));
    assert_int_equal(
        scep_query_parse(SP("message=AA==&operation=PKIOperation"), &q), BV_OK);
    assert_true(span_eq(q.message, SP("AA==")));
    assert_int_equal(
        scep_query_parse(SP("operation=GetNextCACert&message="), &q), BV_OK);
    assert_int_equal(q.operation, SCEP_OP_GET_NEXT_CA_CERT);
    assert_true(q.has_message);
    assert_int_equal(scep_query_parse(SP(""), &q), BV_OK);
    assert_int_equal(q.operation, SCEP_OP_UNKNOWN);
    assert_int_equal(
        scep_query_parse(SP("operation=a&operation=GetCACert"), &q),
        BV_E_BAD_MESSAGE);
    assert_int_equal(scep_query_parse(SP("message=a&MESSAGE=b"), &q),
                     BV_E_BAD_MESSAGE);
}

static void
expect_decoded(struct span text, struct span want)
{
    uint8_t buf[64];
    struct sink out = SINK_ARRAY(buf);

    assert_int_equal(scep_message_decode(text, &out), BV_OK);
    assert_true(span_eq(sink_view(&out), want));
}

/* fb ff fe: "+//+" in base64, "-__-" in base64url */
static void
test_message_in_the_spellings_of_clients(void **state)
{
    expect_decoded(SP("%2B%2F%2f%2B"), SP("\xfb\xff\xfe"));
    expect_decoded(SP("+//+"), SP("\xfb\xff\xfe"));
    expect_decoded(SP("%20// "), SP("\xfb\xff\xfe"));
    expect_decoded(SP("-__-"), SP("\xfb\xff\xfe"));
    expect_decoded(SP("+/%0A/+%0D%0A"), SP("\xfb\xff\xfe"));
    expect_decoded(SP("YWI%3D"), SP("ab"));
    expect_decoded(SP("YWI="), SP("ab"));
    expect_decoded(SP("YWI"), SP("ab"));
    expect_decoded(SP("YQ%3d%3d%0a"), SP("a"));
    expect_decoded(SP(""), SP(""));
}

static void
expect_undecoded(struct span text, size_t cap, enum bv_err want)
{
    uint8_t buf[64];
    struct sink out = sink_of(buf, cap);

    assert_int_equal(scep_message_decode(text, &out), want);
}

static void
test_message_that_is_none(void **state)
{
    expect_undecoded(SP("Y"), 64, BV_E_BAD_MESSAGE);
    expect_undecoded(SP("YWJjZ"), 64, BV_E_BAD_MESSAGE);
    expect_undecoded(SP("YW*j"), 64, BV_E_BAD_MESSAGE);
    expect_undecoded(SP("YW=j"), 64, BV_E_BAD_MESSAGE);
    expect_undecoded(SP("YQ==="), 64, BV_E_BAD_MESSAGE);
    expect_undecoded(SP("YW%"), 64, BV_E_BAD_MESSAGE);
    expect_undecoded(SP("YW%4"), 64, BV_E_BAD_MESSAGE);
    expect_undecoded(SP("YW%zz"), 64, BV_E_BAD_MESSAGE);
    expect_undecoded(SP("YWJj"), 2, BV_E_NO_SPACE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_the_attributes_of_a_message),
        cmocka_unit_test(test_takes_other_strings_and_nonces),
        cmocka_unit_test(test_refuses_attributes_out_of_form),
        cmocka_unit_test(test_writes_an_answer),
        cmocka_unit_test(test_the_longest_answer_fits),
        cmocka_unit_test(test_issuer_and_serial_or_subject),
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_message_in_the_spellings_of_clients),
        cmocka_unit_test(test_message_that_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
