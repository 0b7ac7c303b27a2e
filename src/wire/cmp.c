#include "wire/cmp.h"

#include "wire/cmp_internal.h"
#include "wire/ext.h"
#include "wire/name.h"

#define TAG_CLASS   0xc0
#define TAG_CONTEXT 0x80
#define TAG_NUMBER  0x1f
#define TAG_CONS    0x20

static const uint8_t null_dn[] = {DER_SEQUENCE, 0};

/* --- what several bodies are made of --- */

enum bv_err
cmp_refuse(enum cmp_fail *ret_fail, enum cmp_fail fail, enum bv_err err)
{
    *ret_fail = fail;
    return err;
}

enum bv_err
cmp_name_check(struct span name)
{
    struct name_iter iter;
    struct name_ava ava;
    enum bv_err err;

    if (name.len > LIMIT_NAME)
        return BV_E_TOO_LARGE;
    BV_TRY(name_open(name, &iter));
    while ((err = name_next(&iter, &ava)) == BV_OK)
        continue;
    return err == BV_E_NOT_FOUND ? BV_OK : err;
}

enum bv_err
cmp_general_name_take(struct span *in, struct span *ret_name, bool *ret_is_name)
{
    struct span name = SPAN_ARRAY(null_dn);
    struct span value;
    uint8_t tag;

    BV_TRY(der_any(in, &tag, &value, NULL));
    if ((tag & TAG_CLASS) != TAG_CONTEXT || (tag & TAG_NUMBER) > 8)
        return BV_E_BAD_MESSAGE; /* RFC 5280 4.2.1.6 */
    if (tag == DER_CONTEXT_CONS(4)) {
        name = value;
        BV_TRY(cmp_name_check(name));
    }
    *ret_name = name;
    *ret_is_name = tag == DER_CONTEXT_CONS(4);
    return BV_OK;
}

enum bv_err
cmp_explicit_take(struct span *in, unsigned n, uint8_t tag,
                  struct span *ret_whole)
{
    struct span inner;
    bool present;

    *ret_whole = SPAN_EMPTY;
    BV_TRY(der_take_opt(in, DER_CONTEXT_CONS(n), &present, &inner));
    if (!present)
        return BV_OK;
    BV_TRY(der_take_whole(&inner, tag, ret_whole));
    return inner.len == 0 ? BV_OK : BV_E_BAD_MESSAGE;
}

enum bv_err
cmp_serial_check(struct span serial)
{
    if (serial.len == 0 || serial.len > LIMIT_SERIAL || serial.data[0] >= 0x80)
        return BV_E_BAD_MESSAGE;
    if (serial.data[0] == 0 && (serial.len == 1 || serial.data[1] < 0x80))
        return BV_E_BAD_MESSAGE; /* zero, or not minimal */
    return BV_OK;
}

enum bv_err
cmp_id_take(struct span *in, int64_t *ret_id)
{
    struct span rest = *in;
    struct span octets;
    uint64_t id;

    BV_TRY(der_integer(&rest, 8, &octets));
    if (octets.len == 1 && octets.data[0] == 0xff) {
        *in = rest;
        *ret_id = -1;
        return BV_OK;
    }
    BV_TRY(der_uint(in, &id));
    *ret_id = (int64_t)id;
    return BV_OK;
}

enum bv_err
cmp_text_take(struct span *in, struct span *ret_text)
{
    struct span list, text;
    struct span first = SPAN_EMPTY;

    BV_TRY(der_take(in, DER_SEQUENCE, &list));
    BV_TRY(der_take(&list, DER_UTF8_STRING, &first));
    while (list.len > 0)
        BV_TRY(der_take(&list, DER_UTF8_STRING, &text));
    *ret_text = first;
    return BV_OK;
}

enum bv_err
cmp_cert_id_take(struct span *in, struct cmp_cert_id *ret_id)
{
    struct cmp_cert_id id;
    struct span seq;
    bool is_name;

    BV_TRY(der_take(in, DER_SEQUENCE, &seq));
    BV_TRY(cmp_general_name_take(&seq, &id.issuer, &is_name));
    BV_TRY(der_integer(&seq, LIMIT_SERIAL, &id.serial));
    BV_TRY(cmp_serial_check(id.serial));
    if (seq.len != 0)
        return BV_E_BAD_MESSAGE;
    *ret_id = id;
    return BV_OK;
}

enum bv_err
cmp_extensions_check(struct span extensions)
{
    struct ext_iter iter;
    struct ext ext;
    enum bv_err err;

    ext_first(extensions, &iter);
    while ((err = ext_next(&iter, &ext)) == BV_OK)
        continue;
    return err == BV_E_NOT_FOUND ? BV_OK : err;
}

enum bv_err
cmp_one_take(struct span list, struct span *ret_content,
             enum cmp_fail *ret_fail)
{
    BV_TRY(der_only(list, DER_SEQUENCE, &list));
    BV_TRY(der_take(&list, DER_SEQUENCE, ret_content));
    if (list.len != 0) /* RFC 9483 4: one each */
        return cmp_refuse(ret_fail, CMP_FAIL_BAD_REQUEST, BV_E_TOO_MANY);
    return BV_OK;
}

/* --- the message --- */

static enum bv_err
take_body(struct span *in, struct cmp_msg *msg)
{
    struct span inside, content;
    uint8_t tag;

    BV_TRY(der_any(in, &tag, &inside, &msg->body_der));
    if ((tag & (TAG_CLASS | TAG_CONS)) != (TAG_CONTEXT | TAG_CONS) ||
        (tag & TAG_NUMBER) > CMP_POLL_REP)
        return BV_E_BAD_MESSAGE;
    msg->body = (enum cmp_body)(tag & TAG_NUMBER);
    BV_TRY(der_any(&inside, &tag, &content, &msg->content));
    return inside.len == 0 ? BV_OK : BV_E_BAD_MESSAGE;
}

static enum bv_err
take_protection(struct span *in, struct cmp_msg *msg)
{
    struct span bits;

    BV_TRY(cmp_explicit_take(in, 0, DER_BIT_STRING, &bits));
    msg->has_protection = bits.len > 0;
    if (!msg->has_protection)
        return BV_OK;
    BV_TRY(der_bits(&bits, &msg->protection));
    return msg->protection.len <= LIMIT_SIGNATURE ? BV_OK : BV_E_TOO_LARGE;
}

static enum bv_err
take_extra_certs(struct span *in, struct cmp_msg *msg)
{
    struct span list, rest, cert;

    BV_TRY(cmp_explicit_take(in, 1, DER_SEQUENCE, &list));
    if (list.len == 0)
        return BV_OK;
    BV_TRY(der_only(list, DER_SEQUENCE, &rest));
    if (rest.len == 0)
        return BV_E_BAD_MESSAGE; /* SIZE (1..MAX) */
    msg->extra_certs.certs = rest;
    for (size_t num = 0; rest.len > 0; num++) {
        if (num == LIMIT_CMS_CERTS)
            return BV_E_TOO_MANY;
        BV_TRY(der_take(&rest, DER_SEQUENCE, &cert));
    }
    return BV_OK;
}

enum bv_err
cmp_parse(struct span in, struct cmp_msg *ret_msg)
{
    struct cmp_msg msg = {.whole = in};
    struct span seq;

    if (in.len > LIMIT_CMP_MESSAGE)
        return BV_E_TOO_LARGE;
    BV_TRY(der_only(in, DER_SEQUENCE, &seq));
    BV_TRY(der_take_whole(&seq, DER_SEQUENCE, &msg.header_der));
    BV_TRY(cmp_header_parse(msg.header_der, &msg.header, &msg.info_fail));
    BV_TRY(take_body(&seq, &msg));
    BV_TRY(take_protection(&seq, &msg));
    BV_TRY(take_extra_certs(&seq, &msg));
    if (seq.len != 0)
        return BV_E_BAD_MESSAGE;
    *ret_msg = msg;
    return BV_OK;
}

/* --- names for logs --- */

const char *
cmp_body_name(enum cmp_body body)
{
    static const char *const names[] = {
        "ir",   "ip",     "cr",    "cp",       "p10cr",   "popdecc", "popdecr",
        "kur",  "kup",    "krr",   "krp",      "rr",      "rp",      "ccr",
        "ccp",  "ckuann", "cann",  "rann",     "crlann",  "pkiconf", "nested",
        "genm", "genp",   "error", "certConf", "pollReq", "pollRep",
    };

    return (unsigned)body <= CMP_POLL_REP ? names[body] : "none";
}

const char *
cmp_fail_name(uint32_t fail)
{
    static const char *const names[] = {
        "badAlg",
        "badMessageCheck",
        "badRequest",
        "badTime",
        "badCertId",
        "badDataFormat",
        "wrongAuthority",
        "incorrectData",
        "missingTimeStamp",
        "badPOP",
        "certRevoked",
        "certConfirmed",
        "wrongIntegrity",
        "badRecipientNonce",
        "timeNotAvailable",
        "unacceptedPolicy",
        "unacceptedExtension",
        "addInfoNotAvailable",
        "badSenderNonce",
        "badCertTemplate",
        "signerNotTrusted",
        "transactionIdInUse",
        "unsupportedVersion",
        "notAuthorized",
        "systemUnavail",
        "systemFailure",
        "duplicateCertReq",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((fail >> i & 1) != 0)
            return names[i];
    }
    return "none";
}
