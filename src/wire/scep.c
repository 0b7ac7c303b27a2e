#include "wire/scep.h"

#include "wire/base64.h"
#include "wire/der.h"
#include "wire/name.h"
#include "wire/oid.h"

/* --- attributes of a request --- */

static bool
is_text_tag(uint8_t tag)
{
    return tag == DER_PRINTABLE_STRING || tag == DER_UTF8_STRING ||
           tag == DER_IA5_STRING || tag == DER_T61_STRING;
}

static enum bv_err
find_value(struct span attr_set, struct span oid, uint8_t *ret_tag,
           struct span *ret_value)
{
    struct span value;
    enum bv_err err = cms_attr_find(attr_set, oid, &value);
    if (err == BV_E_NOT_FOUND)
        return BV_E_BAD_MESSAGE;
    BV_TRY(err);
    BV_TRY(der_any(&value, ret_tag, ret_value, NULL));
    return span_end(value);
}

/* Transaction ids go into the log. */
static bool
is_graphic(struct span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < 0x20 || text.data[i] > 0x7e)
            return false;
    return true;
}

static enum bv_err
find_text(struct span attr_set, struct span oid, size_t max,
          struct span *ret_text)
{
    uint8_t tag;
    BV_TRY(find_value(attr_set, oid, &tag, ret_text));
    return is_text_tag(tag) && ret_text->len > 0 && ret_text->len <= max &&
                   is_graphic(*ret_text)
               ? BV_OK
               : BV_E_BAD_MESSAGE;
}

static enum bv_err
find_nonce(struct span attr_set, struct span *ret_nonce)
{
    uint8_t tag;
    BV_TRY(find_value(attr_set, oid_scep_sender_nonce, &tag, ret_nonce));
    return tag == DER_OCTET_STRING && ret_nonce->len > 0 &&
                   ret_nonce->len <= SCEP_NONCE_MAX
               ? BV_OK
               : BV_E_BAD_MESSAGE;
}

enum bv_err
scep_attrs_parse(struct span attr_set, struct scep_attrs *ret)
{
    struct scep_attrs a = {0};
    struct span type;
    BV_TRY(find_text(attr_set, oid_scep_message_type, 3, &type));
    for (size_t i = 0; i < type.len; i++) {
        if (type.data[i] < '0' || type.data[i] > '9')
            return BV_E_BAD_MESSAGE;
        a.message_type = a.message_type * 10 + (type.data[i] - '0');
    }
    BV_TRY(find_text(attr_set, oid_scep_transaction_id, SCEP_TRANSACTION_MAX,
                     &a.transaction_id));
    BV_TRY(find_nonce(attr_set, &a.sender_nonce));
    *ret = a;
    return BV_OK;
}

/* --- attributes of an answer --- */

static void
put_value(struct sink *out, struct span oid, uint8_t tag, struct span value)
{
    size_t attr = der_open(out, DER_SEQUENCE);
    der_put_oid(out, oid);
    size_t set = der_open(out, DER_SET);
    der_put(out, tag, value);
    der_close(out, set);
    der_close(out, attr);
}

static void
put_number(struct sink *out, struct span oid, unsigned n)
{
    uint8_t digits[4];
    struct sink text = SINK_ARRAY(digits);
    sink_dec(&text, n);
    put_value(out, oid, DER_PRINTABLE_STRING, sink_view(&text));
}

static void
put_signing_time(struct sink *out, int64_t time)
{
    uint8_t buf[24];
    struct sink der = SINK_ARRAY(buf);
    der_put_time(&der, time);
    cms_put_attr(out, oid_signing_time, sink_view(&der));
}

enum bv_err
scep_put_reply_attrs(struct sink *out, const struct scep_reply *reply)
{
    uint8_t buf[SCEP_ATTRS_MAX];
    struct sink attrs = SINK_ARRAY(buf);
    struct span all;
    put_value(&attrs, oid_content_type, DER_OID, oid_cms_data);
    put_value(&attrs, oid_message_digest, DER_OCTET_STRING,
              reply->message_digest);
    put_signing_time(&attrs, reply->signing_time);
    put_value(&attrs, oid_scep_transaction_id, DER_PRINTABLE_STRING,
              reply->transaction_id);
    put_number(&attrs, oid_scep_message_type, SCEP_CERT_REP);
    put_number(&attrs, oid_scep_pki_status, (unsigned)reply->status);
    if (reply->status == SCEP_FAILURE)
        put_number(&attrs, oid_scep_fail_info, (unsigned)reply->fail);
    if (reply->status == SCEP_FAILURE && reply->fail_text.len > 0)
        put_value(&attrs, oid_scep_fail_info_text, DER_UTF8_STRING,
                  reply->fail_text);
    put_value(&attrs, oid_scep_recipient_nonce, DER_OCTET_STRING,
              reply->recipient_nonce);
    put_value(&attrs, oid_scep_sender_nonce, DER_OCTET_STRING,
              reply->sender_nonce);
    BV_TRY(sink_done(&attrs, &all));
    return cms_sort_attrs(all, out);
}

/* --- what is inside --- */

enum bv_err
scep_issuer_serial_parse(struct span der, struct span *ret_issuer,
                         struct span *ret_serial)
{
    struct span both;
    BV_TRY(der_only(der, DER_SEQUENCE, &both));
    BV_TRY(der_take_whole(&both, DER_SEQUENCE, ret_issuer));
    BV_TRY(der_integer(&both, LIMIT_SERIAL + 1, ret_serial));
    return span_end(both);
}

enum bv_err
scep_issuer_subject_parse(struct span der, struct span *ret_issuer,
                          struct span *ret_subject)
{
    struct span both;
    BV_TRY(der_only(der, DER_SEQUENCE, &both));
    BV_TRY(der_take_whole(&both, DER_SEQUENCE, ret_issuer));
    BV_TRY(der_take_whole(&both, DER_SEQUENCE, ret_subject));
    return span_end(both);
}

/* --- the query of a GET --- */

static struct span
take_until(struct span *in, char end)
{
    size_t len = 0;
    while (len < in->len && in->data[len] != (uint8_t)end)
        len++;
    struct span head = span_of(in->data, len);
    size_t cut = len < in->len ? len + 1 : len;
    *in = span_of(in->data + cut, in->len - cut);
    return head;
}

static enum scep_operation
operation_of(struct span word)
{
    static const struct {
        const char *word;
        enum scep_operation operation;
    } OPERATIONS[] = {
        {"GetCACaps", SCEP_OP_GET_CA_CAPS},
        {"GetCACert", SCEP_OP_GET_CA_CERT},
        {"GetNextCACert", SCEP_OP_GET_NEXT_CA_CERT},
        {"PKIOperation", SCEP_OP_PKI_OPERATION},
    };
    for (size_t i = 0; i < sizeof(OPERATIONS) / sizeof(OPERATIONS[0]); i++)
        if (span_eq_nocase(span_str(OPERATIONS[i].word), word))
            return OPERATIONS[i].operation;
    return SCEP_OP_UNKNOWN;
}

enum bv_err
scep_query_parse(struct span query, struct scep_query *ret)
{
    struct scep_query q = {0};
    bool has_operation = false;
    while (query.len > 0) {
        struct span pair = take_until(&query, '&');
        struct span key = take_until(&pair, '=');
        bool is_operation = span_eq_nocase(key, SPAN_LIT("operation"));
        bool is_message = span_eq_nocase(key, SPAN_LIT("message"));
        if ((is_operation && has_operation) || (is_message && q.has_message))
            return BV_E_BAD_MESSAGE;
        if (is_operation)
            q.operation = operation_of(pair);
        if (is_message)
            q.message = pair;
        has_operation |= is_operation;
        q.has_message |= is_message;
    }
    *ret = q;
    return BV_OK;
}

/* take_octet undoes one percent escape. */
static enum bv_err
take_octet(struct span *in, uint8_t *ret_octet)
{
    int high, low;
    BV_TRY(span_u8(in, ret_octet));
    if (*ret_octet != '%')
        return BV_OK;
    if (in->len < 2)
        return BV_E_BAD_MESSAGE;
    high = span_hex_digit(in->data[0]);
    low = span_hex_digit(in->data[1]);
    if (high < 0 || low < 0)
        return BV_E_BAD_MESSAGE;
    *ret_octet = (uint8_t)(high << 4 | low);
    *in = span_of(in->data + 2, in->len - 2);
    return BV_OK;
}

enum bv_err
scep_message_decode(struct span message, struct sink *out)
{
    uint32_t bits = 0;
    unsigned num_bits = 0, num_pads = 0;
    struct span whole;
    while (message.len > 0) {
        uint8_t octet;
        BV_TRY(take_octet(&message, &octet));
        if (octet == '\r' || octet == '\n')
            continue;
        num_pads += octet == '=';
        if (octet == '=')
            continue;
        int value = base64_url_digit(octet);
        if (value < 0 || num_pads > 0)
            return BV_E_BAD_MESSAGE;
        bits = bits << 6 | (uint32_t)value;
        num_bits += 6;
        if (num_bits < 8)
            continue;
        num_bits -= 8;
        sink_u8(out, (uint8_t)(bits >> num_bits));
    }
    if (num_pads > 2 || num_bits >= 6)
        return BV_E_BAD_MESSAGE; /* one letter too many is no octet */
    return sink_done(out, &whole);
}
