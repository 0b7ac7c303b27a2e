/* What stands in a PKIBody besides requests for certificates. */
#include "wire/cmp_internal.h"
#include "wire/ext.h"
#include "wire/oid.h"

/* --- PKIStatusInfo, RFC 9810 5.2.3 --- */

static enum bv_err
take_status_info(struct span *in, struct cmp_status_info *ret_info)
{
    struct cmp_status_info info = {0};
    struct span seq;
    uint64_t status;

    BV_TRY(der_take(in, DER_SEQUENCE, &seq));
    BV_TRY(der_uint(&seq, &status));
    if (status > CMP_KEY_UPDATE_WARNING)
        return BV_E_BAD_MESSAGE;
    info.status = (enum cmp_status)status;
    if (der_next_is(seq, DER_SEQUENCE))
        BV_TRY(cmp_text_take(&seq, &info.text));
    if (der_next_is(seq, DER_BIT_STRING))
        BV_TRY(der_named_bits(&seq, &info.fail));
    if (seq.len != 0)
        return BV_E_BAD_MESSAGE;
    *ret_info = info;
    return BV_OK;
}

/* RFC 9810 5.3.21. */
enum bv_err
cmp_error_parse(const struct cmp_msg *msg, struct cmp_status_info *ret_status,
                enum cmp_fail *ret_fail)
{
    struct cmp_status_info status;
    struct span seq, text, code;

    *ret_fail = CMP_FAIL_BAD_DATA_FORMAT;
    BV_TRY(der_only(msg->content, DER_SEQUENCE, &seq));
    BV_TRY(take_status_info(&seq, &status));
    if (der_next_is(seq, DER_INTEGER))
        BV_TRY(der_integer(&seq, LIMIT_CMP_OCTETS, &code));
    if (der_next_is(seq, DER_SEQUENCE))
        BV_TRY(cmp_text_take(&seq, &text));
    if (seq.len != 0)
        return BV_E_BAD_MESSAGE;
    *ret_status = status;
    return BV_OK;
}

/* --- rr, RFC 9810 5.3.9, RFC 9483 4.2 --- */

static enum bv_err
take_reason(struct span extensions, struct cmp_revocation *revocation)
{
    struct ext ext;
    uint64_t reason;
    enum bv_err err = ext_find(extensions, oid_reason_code, &ext);

    if (err == BV_E_NOT_FOUND)
        return BV_OK;
    BV_TRY(err);
    BV_TRY(der_enumerated(&ext.value, &reason));
    /* RFC 5280 5.3.1: 7 is not used */
    if (ext.value.len != 0 || reason > 10 || reason == 7)
        return BV_E_BAD_MESSAGE;
    revocation->has_reason = true;
    revocation->reason = (uint8_t)reason;
    return BV_OK;
}

static enum bv_err
parse_details(struct span in, struct cmp_revocation *revocation,
              struct cmp_template *template)
{
    struct span content, extensions;
    bool present;

    BV_TRY(der_take(&in, DER_SEQUENCE, &content));
    BV_TRY(cmp_template_parse(content, template));
    BV_TRY(der_take_opt(&in, DER_SEQUENCE, &present, &extensions));
    if (present) {
        BV_TRY(cmp_extensions_check(extensions));
        BV_TRY(take_reason(extensions, revocation));
    }
    return in.len == 0 ? BV_OK : BV_E_BAD_MESSAGE;
}

enum bv_err
cmp_revocation_parse(const struct cmp_msg *msg,
                     struct cmp_revocation *ret_revocation,
                     enum cmp_fail *ret_fail)
{
    struct cmp_revocation revocation = {0};
    struct cmp_template template;
    struct span in;

    *ret_fail = CMP_FAIL_BAD_DATA_FORMAT;
    BV_TRY(cmp_one_take(msg->content, &in, ret_fail));
    BV_TRY(parse_details(in, &revocation, &template));
    if (template.issuer.len == 0 || template.serial.len == 0)
        return cmp_refuse(ret_fail, CMP_FAIL_ADD_INFO_NOT_AVAILABLE,
                          BV_E_NOT_FOUND);
    revocation.cert.issuer = template.issuer;
    revocation.cert.serial = template.serial;
    *ret_revocation = revocation;
    return BV_OK;
}

/* --- certConf, RFC 9810 5.3.18, RFC 9483 4.1.1 --- */

static enum bv_err
take_hash_alg(struct span *in, const struct cmp_msg *msg,
              struct cmp_confirm *confirm, enum cmp_fail *ret_fail)
{
    struct span algorithm;
    enum bv_err err;

    BV_TRY(cmp_explicit_take(in, 0, DER_SEQUENCE, &algorithm));
    if (algorithm.len == 0)
        return BV_OK;
    if (msg->header.pvno < CMP_VERSION_MAX) /* RFC 9810 7 */
        return cmp_refuse(ret_fail, CMP_FAIL_BAD_CERT_ID, BV_E_REFUSED);
    err = cmp_hash_take(&algorithm, &confirm->hash);
    /* SHA-1 must not stand for a certificate that somebody else may choose */
    if (err == BV_OK && confirm->hash == CMP_HASH_SHA1)
        err = BV_E_UNSUPPORTED;
    if (err == BV_E_UNSUPPORTED)
        *ret_fail = CMP_FAIL_BAD_ALG;
    return err;
}

static enum bv_err
check_verdict(const struct cmp_status_info *status)
{
    if (status->status == CMP_ACCEPTED)
        return status->fail == 0 ? BV_OK : BV_E_REFUSED;
    return status->status == CMP_REJECTION ? BV_OK : BV_E_REFUSED;
}

static enum bv_err
parse_cert_status(struct span in, const struct cmp_msg *msg,
                  struct cmp_confirm *confirm, enum cmp_fail *ret_fail)
{
    BV_TRY(der_take(&in, DER_OCTET_STRING, &confirm->cert_hash));
    BV_TRY(cmp_id_take(&in, &confirm->cert_req_id));
    if (der_next_is(in, DER_SEQUENCE))
        BV_TRY(take_status_info(&in, &confirm->status));
    BV_TRY(take_hash_alg(&in, msg, confirm, ret_fail));
    BV_TRY(span_end(in));
    *ret_fail = CMP_FAIL_BAD_REQUEST;
    return check_verdict(&confirm->status);
}

enum bv_err
cmp_confirm_parse(const struct cmp_msg *msg, struct cmp_confirm *ret_confirm,
                  enum cmp_fail *ret_fail)
{
    struct cmp_confirm confirm = {0};
    struct span in;

    *ret_fail = CMP_FAIL_BAD_DATA_FORMAT;
    BV_TRY(der_only(msg->content, DER_SEQUENCE, &in));
    if (in.len == 0) {
        confirm.is_empty = true;
        confirm.status.status = CMP_REJECTION;
        *ret_confirm = confirm;
        return BV_OK;
    }
    BV_TRY(cmp_one_take(msg->content, &in, ret_fail));
    BV_TRY(parse_cert_status(in, msg, &confirm, ret_fail));
    *ret_confirm = confirm;
    return BV_OK;
}

/* --- pollReq, RFC 9810 5.3.22 --- */

enum bv_err
cmp_poll_parse(const struct cmp_msg *msg, int64_t *ret_cert_req_id,
               enum cmp_fail *ret_fail)
{
    struct span in;
    int64_t id;

    *ret_fail = CMP_FAIL_BAD_DATA_FORMAT;
    BV_TRY(cmp_one_take(msg->content, &in, ret_fail));
    BV_TRY(cmp_id_take(&in, &id));
    BV_TRY(span_end(in));
    *ret_cert_req_id = id;
    return BV_OK;
}

/* --- genm, RFC 9810 5.3.19 --- */

enum bv_err
cmp_info_parse(const struct cmp_msg *msg, struct cmp_info *ret_info,
               enum cmp_fail *ret_fail)
{
    struct cmp_info info = {0};
    struct span in, value;
    uint8_t tag;

    *ret_fail = CMP_FAIL_BAD_DATA_FORMAT;
    BV_TRY(der_only(msg->content, DER_SEQUENCE, &in));
    if (in.len == 0) /* "send whatever you like": RFC 9483 4.3 has no such */
        return cmp_refuse(ret_fail, CMP_FAIL_BAD_REQUEST, BV_E_TOO_MANY);
    BV_TRY(cmp_one_take(msg->content, &in, ret_fail));
    BV_TRY(der_oid(&in, &info.type));
    info.has_value = in.len > 0;
    if (info.has_value)
        BV_TRY(der_any(&in, &tag, &value, &info.value));
    BV_TRY(span_end(in));
    *ret_info = info;
    return BV_OK;
}

/* RFC 9810 5.3.19.17. Both choices hold a CHOICE or stand in a module with
 * explicit tags. */
static enum bv_err
take_crl_source(struct span *in, struct cmp_crl_status *status)
{
    struct span source, inner;
    uint8_t tag;

    status->by_point = der_next_is(*in, DER_CONTEXT_CONS(0));
    tag = status->by_point ? DER_CONTEXT_CONS(0) : DER_CONTEXT_CONS(1);
    BV_TRY(der_take(in, tag, &source));
    BV_TRY(der_any(&source, &tag, &inner, &status->source));
    if (source.len != 0)
        return BV_E_BAD_MESSAGE;
    if (status->by_point)
        return tag == DER_CONTEXT_CONS(0) || tag == DER_CONTEXT_CONS(1)
                   ? BV_OK
                   : BV_E_BAD_MESSAGE;
    return tag == DER_SEQUENCE ? BV_OK : BV_E_BAD_MESSAGE;
}

enum bv_err
cmp_crl_status_parse(struct span value, struct cmp_crl_status *ret_status)
{
    struct cmp_crl_status status = {0};
    enum cmp_fail fail;
    struct span in;

    BV_TRY(cmp_one_take(value, &in, &fail));
    BV_TRY(take_crl_source(&in, &status));
    status.has_this_update = in.len > 0;
    if (status.has_this_update)
        BV_TRY(der_time(&in, &status.this_update));
    if (in.len != 0)
        return BV_E_BAD_MESSAGE;
    *ret_status = status;
    return BV_OK;
}

/* --- nested, RFC 9810 5.1.3.5 --- */

enum bv_err
cmp_nested_parse(const struct cmp_msg *msg, struct cmp_nested *ret_list,
                 enum cmp_fail *ret_fail)
{
    struct span list, rest, message;

    *ret_fail = CMP_FAIL_BAD_DATA_FORMAT;
    BV_TRY(der_only(msg->content, DER_SEQUENCE, &list));
    rest = list;
    if (rest.len == 0)
        return BV_E_BAD_MESSAGE;
    for (size_t num = 0; rest.len > 0; num++) {
        if (num == LIMIT_CMP_NESTED)
            return cmp_refuse(ret_fail, CMP_FAIL_BAD_REQUEST, BV_E_TOO_MANY);
        BV_TRY(der_take(&rest, DER_SEQUENCE, &message));
    }
    ret_list->rest = list;
    return BV_OK;
}

bool
cmp_nested_next(struct cmp_nested *list, struct span *ret_der)
{
    return der_take_whole(&list->rest, DER_SEQUENCE, ret_der) == BV_OK;
}
