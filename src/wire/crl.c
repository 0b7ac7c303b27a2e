#include "wire/crl.h"

#include "base/time.h"
#include "wire/der.h"
#include "wire/ext.h"
#include "wire/oid.h"

/* --- lengths --- */

static size_t
header_len(uint64_t content_len)
{
    size_t len = 2;

    if (content_len < 0x80)
        return len;
    for (; content_len > 0; content_len >>= 8)
        len++;
    return len;
}

static uint64_t
element_len(uint64_t content_len)
{
    return header_len(content_len) + content_len;
}

/* put_header is der_open for a content that never passes through one sink. */
static void
put_header(struct sink *out, uint8_t tag, uint64_t content_len)
{
    size_t num = header_len(content_len) - 2;

    sink_u8(out, tag);
    if (num == 0) {
        sink_u8(out, (uint8_t)content_len);
        return;
    }
    sink_u8(out, (uint8_t)(0x80 | num));
    for (; num > 0; num--)
        sink_u8(out, (uint8_t)(content_len >> (8 * (num - 1))));
}

/* 1950-01-01 and 2050-01-01: between them stands a UTCTime (RFC 5280 4.1.2.5),
 * told apart without taking the time to pieces. */
#define UTC_FIRST INT64_C(-631152000)
#define UTC_END   INT64_C(2524608000)

static size_t
time_len(int64_t time)
{
    return time >= UTC_FIRST && time < UTC_END ? 15 : 17;
}

/* A reasonCode extension in its SEQUENCE OF: always the same 14 octets. */
#define REASON_EXTENSIONS_LEN 14

static size_t
entry_content_len(const struct crl_entry *entry)
{
    return (size_t)element_len(entry->serial.len) +
           time_len(entry->revoked_at) +
           (entry->reason == 0 ? 0 : REASON_EXTENSIONS_LEN);
}

bool
crl_reason_ok(int reason)
{
    return reason >= 0 && reason <= 10 && reason != 7 && reason != 8;
}

uint64_t
crl_entry_len(const struct crl_entry *entry)
{
    return element_len(entry_content_len(entry));
}

/* What stands around the entries is small: measure it by writing it. */
static void
put_fields(struct sink *out, const struct crl_head *head)
{
    der_put_uint(out, 1); /* v2 */
    alg_sig_put(out, head->sig);
    der_put_raw(out, head->issuer);
    der_put_time(out, head->this_update);
    der_put_time(out, head->next_update);
}

static uint64_t
tbs_content_len(const struct crl_head *head, uint64_t entries_len)
{
    uint8_t buf[CRL_START_MAX > CRL_END_MAX ? CRL_START_MAX : CRL_END_MAX];
    struct sink fields = SINK_ARRAY(buf);

    put_fields(&fields, head);
    struct sink end = SINK_ARRAY(buf);
    crl_put_end(&end, head);
    return fields.len + (entries_len == 0 ? 0 : element_len(entries_len)) +
           end.len;
}

uint64_t
crl_tbs_len(const struct crl_head *head, uint64_t entries_len)
{
    return element_len(tbs_content_len(head, entries_len));
}

/* --- writing --- */

void
crl_put_start(struct sink *out, const struct crl_head *head,
              uint64_t entries_len)
{
    put_header(out, DER_SEQUENCE, tbs_content_len(head, entries_len));
    put_fields(out, head);
    if (entries_len > 0)
        put_header(out, DER_SEQUENCE, entries_len);
}

/* This runs a million times for one list, so it writes headers of known
 * length instead of opening and closing. */
void
crl_put_entry(struct sink *out, const struct crl_entry *entry)
{
    static const uint8_t REASON[] = {0x30, 0x0c, 0x30, 0x0a, 0x06, 0x03, 0x55,
                                     0x1d, 0x15, 0x04, 0x03, 0x0a, 0x01};

    if (entry->serial.len == 0 || entry->serial.len > LIMIT_SERIAL ||
        !crl_reason_ok(entry->reason)) {
        out->failed = true;
        return;
    }
    put_header(out, DER_SEQUENCE, entry_content_len(entry));
    der_put(out, DER_INTEGER, entry->serial);
    der_put_time(out, entry->revoked_at);
    if (entry->reason == 0)
        return;
    sink_put(out, SPAN_ARRAY(REASON));
    sink_u8(out, (uint8_t)entry->reason);
}

static void
put_number(struct sink *out, uint64_t number)
{
    uint8_t buf[16];
    struct sink value = SINK_ARRAY(buf);

    der_put_uint(&value, number);
    ext_put(out, oid_crl_number, false, sink_view(&value));
}

void
crl_put_end(struct sink *out, const struct crl_head *head)
{
    size_t outer = der_open(out, DER_CONTEXT_CONS(0));
    size_t extensions = der_open(out, DER_SEQUENCE);

    ext_put_aki(out, head->key_id);
    put_number(out, head->number);
    if (head->idp.len > 0)
        ext_put(out, oid_idp, true, head->idp);
    der_close(out, extensions);
    der_close(out, outer);
}

static size_t
sig_alg_len(enum alg_sig sig)
{
    uint8_t buf[32];
    struct sink out = SINK_ARRAY(buf);

    alg_sig_put(&out, sig);
    return out.len;
}

static uint64_t
outer_content_len(uint64_t tbs_len, enum alg_sig sig, size_t sig_len)
{
    return tbs_len + sig_alg_len(sig) + element_len(1 + (uint64_t)sig_len);
}

size_t
crl_outer_len(uint64_t tbs_len, enum alg_sig sig, size_t sig_len)
{
    return header_len(outer_content_len(tbs_len, sig, sig_len));
}

void
crl_put_outer(struct sink *out, uint64_t tbs_len, enum alg_sig sig,
              size_t sig_len)
{
    put_header(out, DER_SEQUENCE, outer_content_len(tbs_len, sig, sig_len));
}

void
crl_put_signature(struct sink *out, enum alg_sig sig, struct span signature)
{
    alg_sig_put(out, sig);
    der_put_bits(out, signature);
}

void
crl_put_tbs(struct sink *out, const struct crl_head *head,
            const struct crl_entry *entries, size_t num)
{
    uint64_t len = 0;

    for (size_t i = 0; i < num; i++)
        len += crl_entry_len(&entries[i]);
    crl_put_start(out, head, len);
    for (size_t i = 0; i < num; i++)
        crl_put_entry(out, &entries[i]);
    crl_put_end(out, head);
}

/* --- reading --- */

static enum bv_err
read_number(struct span value, struct span *ret_number)
{
    BV_TRY(der_integer(&value, LIMIT_SERIAL + 1, ret_number));
    return span_end(value);
}

static enum bv_err
read_extension(const struct ext *ext, struct crl *crl)
{
    if (span_eq(ext->oid, oid_aki))
        return ext_aki(ext->value, &crl->key_id);
    if (span_eq(ext->oid, oid_crl_number))
        return read_number(ext->value, &crl->number);
    if (span_eq(ext->oid, oid_idp)) {
        crl->idp = ext->value;
        return BV_OK;
    }
    /* deltaCRLIndicator is one of the critical ones we do not know */
    return ext->critical ? BV_E_UNSUPPORTED : BV_OK;
}

static enum bv_err
read_extensions(struct span wrapped, struct crl *crl)
{
    struct span list;
    struct ext_iter iter;
    struct ext ext;

    BV_TRY(der_only(wrapped, DER_SEQUENCE, &list));
    ext_first(list, &iter);
    for (;;) {
        enum bv_err err = ext_next(&iter, &ext);

        if (err == BV_E_NOT_FOUND)
            return BV_OK;
        BV_TRY(err);
        BV_TRY(read_extension(&ext, crl));
    }
}

/* RFC 5280 5.1.2: everything of TBSCertList before the entries. */
static enum bv_err
read_fields(struct span *in, struct crl *crl, enum alg_sig *ret_sig)
{
    uint64_t version = 1;

    /* RFC 5280 5.1.2.1: absent (v1) or v2; the 0 of v1 is never written */
    if (der_next_is(*in, DER_INTEGER))
        BV_TRY(der_uint(in, &version));
    if (version == 0)
        return BV_E_BAD_MESSAGE;
    if (version > 1)
        return BV_E_UNSUPPORTED;
    BV_TRY(alg_sig_parse(in, ret_sig));
    BV_TRY(der_take_whole(in, DER_SEQUENCE, &crl->issuer));
    BV_TRY(der_time(in, &crl->this_update));
    crl->next_update = TIME_NO_EXPIRY;
    if (der_next_is(*in, DER_UTC_TIME) ||
        der_next_is(*in, DER_GENERALIZED_TIME))
        BV_TRY(der_time(in, &crl->next_update));
    return BV_OK;
}

static enum bv_err
read_tbs(struct span tbs, struct crl *crl, enum alg_sig *ret_sig)
{
    struct span in;
    struct span extensions;
    bool present;

    BV_TRY(der_only(tbs, DER_SEQUENCE, &in));
    BV_TRY(read_fields(&in, crl, ret_sig));
    BV_TRY(der_take_opt(&in, DER_SEQUENCE, &present, &crl->entries));
    BV_TRY(der_take_opt(&in, DER_CONTEXT_CONS(0), &present, &extensions));
    if (present)
        BV_TRY(read_extensions(extensions, crl));
    return span_end(in);
}

enum bv_err
crl_parse(struct span der, struct crl *ret_crl)
{
    struct crl crl = {.whole = der};
    struct span in;
    enum alg_sig inner;

    BV_TRY(der_only(der, DER_SEQUENCE, &in));
    BV_TRY(der_take_whole(&in, DER_SEQUENCE, &crl.tbs));
    BV_TRY(alg_sig_parse(&in, &crl.sig));
    BV_TRY(der_bits(&in, &crl.signature));
    BV_TRY(span_end(in));
    BV_TRY(read_tbs(crl.tbs, &crl, &inner));
    if (inner != crl.sig) /* RFC 5280 5.1.1.2 */
        return BV_E_BAD_MESSAGE;
    *ret_crl = crl;
    return BV_OK;
}

static enum bv_err
read_reason(struct span value, int *ret_reason)
{
    uint64_t reason;

    BV_TRY(der_enumerated(&value, &reason));
    BV_TRY(span_end(value));
    if (reason > 10)
        return BV_E_BAD_MESSAGE;
    *ret_reason = (int)reason;
    return BV_OK;
}

static enum bv_err
read_entry_extensions(struct span list, struct crl_entry *entry)
{
    struct ext_iter iter;
    struct ext ext;

    ext_first(list, &iter);
    for (;;) {
        enum bv_err err = ext_next(&iter, &ext);

        if (err == BV_E_NOT_FOUND)
            return BV_OK;
        BV_TRY(err);
        if (span_eq(ext.oid, oid_reason_code))
            BV_TRY(read_reason(ext.value, &entry->reason));
        else if (ext.critical) /* certificateIssuer of an indirect CRL */
            return BV_E_UNSUPPORTED;
    }
}

enum bv_err
crl_next(struct span *entries, bool *ret_got, struct crl_entry *ret_entry)
{
    struct crl_entry entry = {0};
    struct span rest = *entries;
    struct span in;
    struct span extensions;
    bool present;

    if (rest.len == 0) {
        *ret_got = false;
        return BV_OK;
    }
    BV_TRY(der_take(&rest, DER_SEQUENCE, &in));
    BV_TRY(der_integer(&in, LIMIT_SERIAL + 1, &entry.serial));
    BV_TRY(der_time(&in, &entry.revoked_at));
    BV_TRY(der_take_opt(&in, DER_SEQUENCE, &present, &extensions));
    BV_TRY(span_end(in));
    if (present)
        BV_TRY(read_entry_extensions(extensions, &entry));
    *entries = rest;
    *ret_got = true;
    *ret_entry = entry;
    return BV_OK;
}

enum bv_err
crl_find(const struct crl *crl, struct span serial, bool *ret_found,
         struct crl_entry *ret_entry)
{
    struct span entries = crl->entries;
    struct crl_entry entry;
    struct crl_entry hit = {0};
    bool found = false;

    for (;;) {
        bool got;

        BV_TRY(crl_next(&entries, &got, &entry));
        if (!got)
            break;
        if (span_eq(entry.serial, serial)) {
            found = true;
            hit = entry;
        }
    }
    if (found)
        *ret_entry = hit;
    *ret_found = found;
    return BV_OK;
}
