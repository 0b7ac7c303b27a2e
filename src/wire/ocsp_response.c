#include "wire/der.h"
#include "wire/ocsp.h"
#include "wire/ocsp_internal.h"
#include "wire/oid.h"

/* --- writing --- */

static void
put_revoked(struct sink *out, const struct ocsp_single *single)
{
    size_t info = der_open(out, DER_CONTEXT_CONS(1));
    der_put_generalized_time(out, single->revoked_at);
    if (single->reason > 0) { /* unspecified is left out, RFC 5280 5.3.1 */
        size_t reason = der_open(out, DER_CONTEXT_CONS(0));
        der_put_enumerated(out, (uint8_t)single->reason);
        der_close(out, reason);
    }
    der_close(out, info);
}

static void
put_status(struct sink *out, const struct ocsp_single *single)
{
    switch (single->status) {
    case OCSP_STATUS_GOOD:
        der_put(out, DER_CONTEXT(0), SPAN_EMPTY);
        return;
    case OCSP_STATUS_REVOKED:
        put_revoked(out, single);
        return;
    case OCSP_STATUS_UNKNOWN:
        der_put(out, DER_CONTEXT(2), SPAN_EMPTY);
        return;
    }
}

static void
put_single(struct sink *out, const struct ocsp_single *single)
{
    size_t whole = der_open(out, DER_SEQUENCE);
    der_put_raw(out, single->cert_id);
    put_status(out, single);
    der_put_generalized_time(out, single->this_update);
    if (single->next_update != 0) {
        size_t next = der_open(out, DER_CONTEXT_CONS(0));
        der_put_generalized_time(out, single->next_update);
        der_close(out, next);
    }
    der_close(out, whole);
}

void
ocsp_data_put(struct sink *out, const struct ocsp_data *data)
{
    size_t whole = der_open(out, DER_SEQUENCE);
    size_t by_key = der_open(out, DER_CONTEXT_CONS(2));
    der_put(out, DER_OCTET_STRING, SPAN_ARRAY(data->key_hash));
    der_close(out, by_key);
    der_put_generalized_time(out, data->produced_at);
    size_t singles = der_open(out, DER_SEQUENCE);
    for (unsigned i = 0; i < data->num_singles; i++)
        put_single(out, &data->singles[i]);
    der_close(out, singles);
    if (data->nonce.len != 0) {
        size_t extensions = der_open(out, DER_CONTEXT_CONS(1));
        ocsp_nonce_put(out, data->nonce);
        der_close(out, extensions);
    }
    der_close(out, whole);
}

static void
put_basic(struct sink *out, struct span data, enum alg_sig alg,
          struct span signature, struct span cert)
{
    size_t basic = der_open(out, DER_SEQUENCE);
    der_put_raw(out, data);
    alg_sig_put(out, alg);
    der_put_bits(out, signature);
    if (cert.len != 0) {
        size_t certs = der_open(out, DER_CONTEXT_CONS(0));
        size_t list = der_open(out, DER_SEQUENCE);
        der_put_raw(out, cert);
        der_close(out, list);
        der_close(out, certs);
    }
    der_close(out, basic);
}

void
ocsp_response_put(struct sink *out, struct span data, enum alg_sig alg,
                  struct span signature, struct span cert)
{
    size_t whole = der_open(out, DER_SEQUENCE);
    der_put_enumerated(out, OCSP_ANSWER_OK);
    size_t bytes = der_open(out, DER_CONTEXT_CONS(0));
    size_t pair = der_open(out, DER_SEQUENCE);
    der_put_oid(out, oid_ocsp_basic);
    size_t octets = der_open(out, DER_OCTET_STRING);
    put_basic(out, data, alg, signature, cert);
    der_close(out, octets);
    der_close(out, pair);
    der_close(out, bytes);
    der_close(out, whole);
}

void
ocsp_error_put(struct sink *out, enum ocsp_answer status)
{
    size_t whole = der_open(out, DER_SEQUENCE);
    der_put_enumerated(out, (uint8_t)status);
    der_close(out, whole);
}

/* --- reading --- */

static enum bv_err
take_revoked(struct span info, struct ocsp_single *single)
{
    struct span reason;
    bool present;
    uint64_t n = 0;

    BV_TRY(der_generalized_time(&info, &single->revoked_at));
    BV_TRY(der_take_opt(&info, DER_CONTEXT_CONS(0), &present, &reason));
    if (present) {
        BV_TRY(der_enumerated(&reason, &n));
        BV_TRY(span_end(reason));
    }
    if (n > 10 || n == 7) /* RFC 5280 5.3.1: 7 is not used */
        return BV_E_BAD_MESSAGE;
    single->status = OCSP_STATUS_REVOKED;
    single->reason = (int)n;
    return span_end(info);
}

static enum bv_err
take_status(struct span *in, struct ocsp_single *single)
{
    struct span value;
    uint8_t tag;

    BV_TRY(der_any(in, &tag, &value, NULL));
    if (tag == DER_CONTEXT_CONS(1))
        return take_revoked(value, single);
    if (tag != DER_CONTEXT(0) && tag != DER_CONTEXT(2))
        return BV_E_BAD_MESSAGE;
    single->status =
        tag == DER_CONTEXT(0) ? OCSP_STATUS_GOOD : OCSP_STATUS_UNKNOWN;
    return span_end(value);
}

static enum bv_err
take_single(struct span *in, struct ocsp_single *ret_single,
            struct ocsp_cert_id *ret_id)
{
    struct ocsp_single single = {0};
    struct span body, next, extensions;
    bool present;

    BV_TRY(der_take(in, DER_SEQUENCE, &body));
    BV_TRY(ocsp_cert_id_take(&body, ret_id));
    single.cert_id = ret_id->whole;
    BV_TRY(take_status(&body, &single));
    BV_TRY(der_generalized_time(&body, &single.this_update));
    BV_TRY(der_take_opt(&body, DER_CONTEXT_CONS(0), &present, &next));
    if (present) {
        BV_TRY(der_generalized_time(&next, &single.next_update));
        BV_TRY(span_end(next));
    }
    BV_TRY(der_take_opt(&body, DER_CONTEXT_CONS(1), &present, &extensions));
    if (present)
        BV_TRY(ocsp_extensions_check(extensions, NULL, NULL));
    *ret_single = single;
    return span_end(body);
}

static enum bv_err
take_responder(struct span *in, struct ocsp_response *ret)
{
    struct span value;

    BV_TRY(der_take_opt(in, DER_CONTEXT_CONS(2), &ret->by_key, &value));
    if (ret->by_key) {
        BV_TRY(der_only(value, DER_OCTET_STRING, &ret->responder));
        return ret->responder.len == OCSP_KEY_HASH_LEN ? BV_OK
                                                       : BV_E_BAD_MESSAGE;
    }
    BV_TRY(der_take(in, DER_CONTEXT_CONS(1), &value));
    BV_TRY(der_take_whole(&value, DER_SEQUENCE, &ret->responder));
    return span_end(value);
}

static enum bv_err
parse_data(struct span data, struct ocsp_response *ret)
{
    struct span body, version, list, extensions;
    bool present;
    uint64_t n;

    BV_TRY(der_only(data, DER_SEQUENCE, &body));
    BV_TRY(der_take_opt(&body, DER_CONTEXT_CONS(0), &present, &version));
    if (present) {
        BV_TRY(der_uint(&version, &n));
        BV_TRY(span_end(version));
        if (n != 0)
            return BV_E_BAD_MESSAGE;
    }
    BV_TRY(take_responder(&body, ret));
    BV_TRY(der_generalized_time(&body, &ret->produced_at));
    BV_TRY(der_take(&body, DER_SEQUENCE, &list));
    while (list.len != 0) {
        unsigned i = ret->num_singles;
        if (i == LIMIT_OCSP_CERTS)
            return BV_E_TOO_MANY;
        BV_TRY(take_single(&list, &ret->singles[i], &ret->ids[i]));
        ret->num_singles++;
    }
    BV_TRY(der_take_opt(&body, DER_CONTEXT_CONS(1), &present, &extensions));
    if (present)
        BV_TRY(ocsp_extensions_check(extensions, &ret->has_nonce, &ret->nonce));
    return span_end(body);
}

static enum bv_err
parse_certs(struct span certs, struct ocsp_response *ret)
{
    struct span list;

    BV_TRY(der_only(certs, DER_SEQUENCE, &list));
    while (list.len != 0) {
        if (ret->num_certs == OCSP_CERTS_MAX)
            return BV_E_TOO_MANY;
        BV_TRY(
            der_take_whole(&list, DER_SEQUENCE, &ret->certs[ret->num_certs]));
        ret->num_certs++;
    }
    return BV_OK;
}

static enum bv_err
parse_basic(struct span basic, struct ocsp_response *ret)
{
    struct span body, certs;
    bool present;

    BV_TRY(der_only(basic, DER_SEQUENCE, &body));
    BV_TRY(der_take_whole(&body, DER_SEQUENCE, &ret->data));
    BV_TRY(parse_data(ret->data, ret));
    BV_TRY(alg_sig_parse(&body, &ret->alg));
    BV_TRY(der_bits(&body, &ret->signature));
    BV_TRY(der_take_opt(&body, DER_CONTEXT_CONS(0), &present, &certs));
    if (present)
        BV_TRY(parse_certs(certs, ret));
    return span_end(body);
}

static enum bv_err
parse_bytes(struct span bytes, struct ocsp_response *ret)
{
    struct span body, oid, octets;

    BV_TRY(der_only(bytes, DER_SEQUENCE, &body));
    BV_TRY(der_oid(&body, &oid));
    if (!span_eq(oid, oid_ocsp_basic))
        return BV_E_UNSUPPORTED;
    BV_TRY(der_only(body, DER_OCTET_STRING, &octets));
    return parse_basic(octets, ret);
}

enum bv_err
ocsp_response_parse(struct span der, struct ocsp_response *ret)
{
    struct span body, bytes;
    bool present;
    uint64_t status;

    *ret = (struct ocsp_response){0};
    BV_TRY(der_only(der, DER_SEQUENCE, &body));
    BV_TRY(der_enumerated(&body, &status));
    if (status > OCSP_ANSWER_UNAUTHORIZED || status == 4)
        return BV_E_BAD_MESSAGE;
    ret->status = (enum ocsp_answer)status;
    BV_TRY(der_take_opt(&body, DER_CONTEXT_CONS(0), &present, &bytes));
    BV_TRY(span_end(body));
    /* an answer goes with "successful" and with nothing else */
    if (present != (ret->status == OCSP_ANSWER_OK))
        return BV_E_BAD_MESSAGE;
    return present ? parse_bytes(bytes, ret) : BV_OK;
}
