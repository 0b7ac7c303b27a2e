/* PKIHeader, RFC 9810 5.1.1, and what a request's must be like. */
#include "wire/cmp_internal.h"
#include "wire/oid.h"

/* --- generalInfo --- */

/* RFC 9810 5.1.1.1: the value is NULL. */
static enum bv_err
take_implicit_confirm(struct cmp_header *header, struct span value)
{
    header->implicit_confirm = true;
    BV_TRY(der_null(&value));
    return span_end(value);
}

/* RFC 9810 5.1.1.2. */
static enum bv_err
take_confirm_wait(struct cmp_header *header, struct span value)
{
    header->has_confirm_wait = true;
    BV_TRY(der_generalized_time(&value, &header->confirm_wait));
    return span_end(value);
}

/* RFC 9810 5.1.1.4: one name for each request, and here that is one. */
static enum bv_err
take_cert_profile(struct cmp_header *header, struct span value)
{
    struct span list;

    BV_TRY(der_only(value, DER_SEQUENCE, &list));
    BV_TRY(der_take(&list, DER_UTF8_STRING, &header->cert_profile));
    if (list.len != 0 || header->cert_profile.len == 0)
        return BV_E_BAD_MESSAGE;
    return BV_OK;
}

static const struct {
    const struct span *oid;
    enum bv_err (*take)(struct cmp_header *header, struct span value);
} known[] = {
    {&oid_it_implicit_confirm, take_implicit_confirm},
    {&oid_it_confirm_wait, take_confirm_wait},
    {&oid_it_cert_profile, take_cert_profile},
};

#define NUM_KNOWN (sizeof(known) / sizeof(known[0]))

/* One InfoTypeAndValue; what is not known is ignored. seen has a bit for each
 * row above. */
static enum bv_err
take_info(struct cmp_header *header, struct span info, unsigned *seen)
{
    struct span oid;

    BV_TRY(der_oid(&info, &oid));
    for (size_t i = 0; i < NUM_KNOWN; i++) {
        if (!span_eq(*known[i].oid, oid))
            continue;
        if ((*seen >> i & 1) != 0)
            return BV_E_BAD_MESSAGE;
        *seen |= 1u << i;
        return known[i].take(header, info);
    }
    return BV_OK;
}

static enum bv_err
check_infos(struct span list)
{
    struct span info, oid, value;
    uint8_t tag;

    for (size_t num = 0; list.len > 0; num++) {
        if (num == LIMIT_CMP_INFO)
            return BV_E_TOO_MANY;
        BV_TRY(der_take(&list, DER_SEQUENCE, &info));
        BV_TRY(der_oid(&info, &oid));
        if (info.len > 0)
            BV_TRY(der_any(&info, &tag, &value, NULL));
        if (info.len != 0)
            return BV_E_BAD_MESSAGE;
    }
    return BV_OK;
}

/* What is wrong with a known one is noted, not refused: the header around it
 * is needed for the answer. */
static enum bv_err
take_general_info(struct span *in, struct cmp_header *header,
                  enum cmp_fail *ret_fail)
{
    struct span list, info;
    unsigned seen = 0;

    BV_TRY(cmp_explicit_take(in, 8, DER_SEQUENCE, &list));
    if (list.len == 0)
        return BV_OK;
    BV_TRY(der_only(list, DER_SEQUENCE, &list));
    if (list.len == 0)
        return BV_E_BAD_MESSAGE; /* SIZE (1..MAX) */
    BV_TRY(check_infos(list));
    while (der_take(&list, DER_SEQUENCE, &info) == BV_OK) {
        if (take_info(header, info, &seen) != BV_OK)
            *ret_fail = CMP_FAIL_BAD_DATA_FORMAT;
    }
    return BV_OK;
}

/* --- the header --- */

static enum bv_err
take_octets(struct span *in, unsigned n, struct span *ret_octets)
{
    struct span whole;

    BV_TRY(cmp_explicit_take(in, n, DER_OCTET_STRING, &whole));
    *ret_octets = SPAN_EMPTY;
    if (whole.len == 0)
        return BV_OK;
    BV_TRY(der_take(&whole, DER_OCTET_STRING, ret_octets));
    return ret_octets->len <= LIMIT_CMP_OCTETS ? BV_OK : BV_E_TOO_LARGE;
}

static enum bv_err
take_time(struct span *in, struct cmp_header *header)
{
    struct span whole;

    BV_TRY(cmp_explicit_take(in, 0, DER_GENERALIZED_TIME, &whole));
    header->has_time = whole.len > 0;
    return header->has_time ? der_generalized_time(&whole, &header->time)
                            : BV_OK;
}

static enum bv_err
take_free_text(struct span *in)
{
    struct span whole, text;

    BV_TRY(cmp_explicit_take(in, 7, DER_SEQUENCE, &whole));
    return whole.len == 0 ? BV_OK : cmp_text_take(&whole, &text);
}

enum bv_err
cmp_header_parse(struct span in, struct cmp_header *ret_header,
                 enum cmp_fail *ret_info_fail)
{
    struct cmp_header header = {0};
    struct span seq;
    bool is_name;

    *ret_info_fail = CMP_FAIL_NONE;
    BV_TRY(der_only(in, DER_SEQUENCE, &seq));
    BV_TRY(der_uint(&seq, &header.pvno));
    BV_TRY(cmp_general_name_take(&seq, &header.sender, &header.sender_is_name));
    BV_TRY(cmp_general_name_take(&seq, &header.recipient, &is_name));
    BV_TRY(take_time(&seq, &header));
    BV_TRY(cmp_explicit_take(&seq, 1, DER_SEQUENCE, &header.protection_alg));
    BV_TRY(take_octets(&seq, 2, &header.sender_kid));
    BV_TRY(take_octets(&seq, 3, &header.recip_kid));
    BV_TRY(take_octets(&seq, 4, &header.transaction_id));
    BV_TRY(take_octets(&seq, 5, &header.sender_nonce));
    BV_TRY(take_octets(&seq, 6, &header.recip_nonce));
    BV_TRY(take_free_text(&seq));
    BV_TRY(take_general_info(&seq, &header, ret_info_fail));
    if (seq.len != 0)
        return BV_E_BAD_MESSAGE;
    *ret_header = header;
    return BV_OK;
}

/* --- the rules --- */

static bool
is_enrolment(enum cmp_body body)
{
    return body == CMP_IR || body == CMP_CR || body == CMP_KUR ||
           body == CMP_P10CR;
}

/* The second message of a transaction, or a later one. */
static bool
is_later(enum cmp_body body)
{
    return body == CMP_CERT_CONF || body == CMP_POLL_REQ;
}

/* An error ends a transaction at any point. */
static bool
is_first(enum cmp_body body)
{
    return is_enrolment(body) || body == CMP_RR || body == CMP_GENM ||
           body == CMP_NESTED;
}

static enum bv_err
check_identity(const struct cmp_msg *msg, enum cmp_fail *ret_fail)
{
    const struct cmp_header *header = &msg->header;

    *ret_fail = CMP_FAIL_UNSUPPORTED_VERSION;
    if (header->pvno < CMP_VERSION_MIN || header->pvno > CMP_VERSION_MAX)
        return BV_E_UNSUPPORTED;
    *ret_fail = CMP_FAIL_BAD_REQUEST;
    if (!is_first(msg->body) && !is_later(msg->body) && msg->body != CMP_ERROR)
        return BV_E_UNSUPPORTED;
    *ret_fail = CMP_FAIL_BAD_DATA_FORMAT;
    if (header->transaction_id.len == 0)
        return BV_E_BAD_MESSAGE;
    *ret_fail = CMP_FAIL_BAD_SENDER_NONCE;
    if (header->sender_nonce.len < CMP_NONCE_MIN)
        return BV_E_BAD_MESSAGE;
    *ret_fail = CMP_FAIL_BAD_RECIPIENT_NONCE;
    if ((is_first(msg->body) && header->recip_nonce.len > 0) ||
        (is_later(msg->body) && header->recip_nonce.len == 0))
        return BV_E_BAD_MESSAGE;
    return BV_OK;
}

/* RFC 9483 3.1: what may stand where. */
static enum bv_err
check_info(const struct cmp_msg *msg, enum cmp_fail *ret_fail)
{
    const struct cmp_header *header = &msg->header;

    if (msg->info_fail != CMP_FAIL_NONE)
        return cmp_refuse(ret_fail, msg->info_fail, BV_E_BAD_MESSAGE);
    *ret_fail = CMP_FAIL_BAD_REQUEST;
    if (header->implicit_confirm &&
        (header->has_confirm_wait || !is_enrolment(msg->body)))
        return BV_E_REFUSED;
    if (header->cert_profile.len > 0 && !is_enrolment(msg->body) &&
        msg->body != CMP_GENM)
        return BV_E_REFUSED;
    return BV_OK;
}

/* RFC 9483 4.1.3, 4.2, 5.2.2: who has a certificate uses it. */
static bool
wants_signature(enum cmp_body body)
{
    return body == CMP_KUR || body == CMP_RR || body == CMP_NESTED;
}

static enum bv_err
check_protection(const struct cmp_msg *msg,
                 struct cmp_protection *ret_protection, enum cmp_fail *ret_fail)
{
    bool has_alg = msg->header.protection_alg.len > 0;

    *ret_fail = CMP_FAIL_BAD_MESSAGE_CHECK;
    if (has_alg != msg->has_protection || !msg->header.sender_is_name)
        return BV_E_REFUSED;
    if (!has_alg && msg->body != CMP_ERROR)
        return BV_E_REFUSED; /* RFC 9483 3.2 */
    *ret_protection = (struct cmp_protection){0};
    if (!has_alg)
        return BV_OK;
    BV_TRY(cmp_protection_parse(msg->header.protection_alg, ret_protection,
                                ret_fail));
    *ret_fail = CMP_FAIL_WRONG_INTEGRITY;
    if (ret_protection->kind != CMP_PROTECTION_SIGNATURE &&
        wants_signature(msg->body))
        return BV_E_REFUSED;
    return BV_OK;
}

enum bv_err
cmp_check(const struct cmp_msg *msg, struct cmp_protection *ret_protection,
          enum cmp_fail *ret_fail)
{
    struct cmp_protection protection;

    BV_TRY(check_identity(msg, ret_fail));
    BV_TRY(check_protection(msg, &protection, ret_fail));
    BV_TRY(check_info(msg, ret_fail));
    *ret_protection = protection;
    return BV_OK;
}
