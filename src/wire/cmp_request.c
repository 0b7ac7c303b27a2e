/* Certificate requests in CRMF, RFC 4211, whose module has IMPLICIT tags. */
#include "wire/cmp_internal.h"
#include "wire/name.h"
#include "wire/oid.h"

/* --- CertTemplate, RFC 4211 5 --- */

static enum bv_err
take_version(struct span *in)
{
    struct span version;
    bool present;

    BV_TRY(der_take_opt(in, DER_CONTEXT(0), &present, &version));
    if (present && (version.len != 1 || version.data[0] != 2))
        return BV_E_BAD_MESSAGE; /* v3, or left out */
    return BV_OK;
}

static enum bv_err
take_serial(struct span *in, struct cmp_template *template)
{
    bool present;

    BV_TRY(der_take_opt(in, DER_CONTEXT(1), &present, &template->serial));
    return present ? cmp_serial_check(template->serial) : BV_OK;
}

/* Reads over a field that is wanted nowhere. */
static enum bv_err
take_other(struct span *in, uint8_t tag, struct cmp_template *template)
{
    struct span value;
    bool present;

    BV_TRY(der_take_opt(in, tag, &present, &value));
    template->has_others = template->has_others || present;
    return BV_OK;
}

static enum bv_err
take_time(struct span *in, unsigned n, bool *ret_present, int64_t *ret_time)
{
    struct span inner;

    /* Time is a CHOICE, so its tag is explicit (X.680 31.2.7) */
    BV_TRY(der_take_opt(in, DER_CONTEXT_CONS(n), ret_present, &inner));
    if (!*ret_present)
        return BV_OK;
    BV_TRY(der_time(&inner, ret_time));
    return inner.len == 0 ? BV_OK : BV_E_BAD_MESSAGE;
}

static enum bv_err
take_validity(struct span *in, struct cmp_template *template)
{
    struct span validity;
    bool present;

    BV_TRY(der_take_opt(in, DER_CONTEXT_CONS(4), &present, &validity));
    if (!present)
        return BV_OK;
    BV_TRY(take_time(&validity, 0, &template->has_not_before,
                     &template->not_before));
    BV_TRY(take_time(&validity, 1, &template->has_not_after,
                     &template->not_after));
    return validity.len == 0 ? BV_OK : BV_E_BAD_MESSAGE;
}

/* Checked for form; whether the key is any good says alg_spki_parse. */
static enum bv_err
take_public_key(struct span *in, struct cmp_template *template)
{
    struct span algorithm, key, seq;
    bool present;

    template->wants_key = true;
    BV_TRY(der_take_opt(in, DER_CONTEXT_CONS(6), &present, &seq));
    if (!present)
        return BV_OK;
    template->public_key = seq;
    BV_TRY(der_take(&seq, DER_SEQUENCE, &algorithm));
    BV_TRY(der_bits(&seq, &key));
    template->wants_key = key.len == 0;
    return seq.len == 0 ? BV_OK : BV_E_BAD_MESSAGE;
}

static enum bv_err
take_extensions(struct span *in, struct cmp_template *template)
{
    bool present;

    BV_TRY(
        der_take_opt(in, DER_CONTEXT_CONS(9), &present, &template->extensions));
    return present ? cmp_extensions_check(template->extensions) : BV_OK;
}

enum bv_err
cmp_template_parse(struct span content, struct cmp_template *ret_template)
{
    struct cmp_template template = {0};

    BV_TRY(take_version(&content));
    BV_TRY(take_serial(&content, &template));
    BV_TRY(take_other(&content, DER_CONTEXT_CONS(2), &template));
    BV_TRY(cmp_explicit_take(&content, 3, DER_SEQUENCE, &template.issuer));
    if (template.issuer.len > 0)
        BV_TRY(cmp_name_check(template.issuer));
    BV_TRY(take_validity(&content, &template));
    BV_TRY(cmp_explicit_take(&content, 5, DER_SEQUENCE, &template.subject));
    if (template.subject.len > 0)
        BV_TRY(name_check(template.subject));
    BV_TRY(take_public_key(&content, &template));
    BV_TRY(take_other(&content, DER_CONTEXT(7), &template));
    BV_TRY(take_other(&content, DER_CONTEXT(8), &template));
    BV_TRY(take_extensions(&content, &template));
    if (content.len != 0)
        return BV_E_BAD_MESSAGE;
    *ret_template = template;
    return BV_OK;
}

enum bv_err
cmp_template_spki(const struct cmp_template *template, struct sink *out,
                  struct alg_spki *ret_spki)
{
    struct span der;
    size_t start = out->len;

    if (template->wants_key)
        return BV_E_NOT_FOUND;
    if (template->public_key.len > LIMIT_SPKI)
        return BV_E_BAD_KEY;
    der_put(out, DER_SEQUENCE, template->public_key);
    BV_TRY(sink_done(out, &der));
    der = span_of(der.data + start, der.len - start);
    return alg_spki_parse(&der, ret_spki);
}

/* --- proof of possession, RFC 4211 4 --- */

/* publicKeyMAC: PKMACValue, without its SEQUENCE. */
static enum bv_err
parse_public_key_mac(struct span mac, struct cmp_request *request)
{
    BV_TRY(der_take_whole(&mac, DER_SEQUENCE, &request->popo_mac_alg));
    BV_TRY(der_bits(&mac, &request->popo_mac));
    return mac.len == 0 ? BV_OK : BV_E_BAD_MESSAGE;
}

static enum bv_err
take_auth_info(struct span *in, struct cmp_request *request)
{
    struct span inner;
    bool present, is_name;

    BV_TRY(der_take_opt(in, DER_CONTEXT_CONS(0), &present, &inner));
    if (present) {
        BV_TRY(cmp_general_name_take(&inner, &request->popo_sender, &is_name));
        return inner.len == 0 ? BV_OK : BV_E_BAD_MESSAGE;
    }
    BV_TRY(der_take(in, DER_SEQUENCE, &inner));
    return parse_public_key_mac(inner, request);
}

/* POPOSigningKeyInput. RFC 4211 4.1: its key is exactly the template's. */
static enum bv_err
parse_popo_input(struct cmp_request *request, enum cmp_fail *ret_fail)
{
    struct span rest = request->popo_input;
    struct span key;

    BV_TRY(take_auth_info(&rest, request));
    BV_TRY(der_take(&rest, DER_SEQUENCE, &key));
    if (rest.len != 0)
        return BV_E_BAD_MESSAGE;
    if (!span_eq(key, request->template.public_key))
        return cmp_refuse(ret_fail, CMP_FAIL_BAD_POP, BV_E_REFUSED);
    return BV_OK;
}

static enum bv_err
parse_popo_signature(struct span popo, struct cmp_request *request,
                     enum cmp_fail *ret_fail)
{
    enum bv_err err;
    bool has_input;

    BV_TRY(der_take_opt(&popo, DER_CONTEXT_CONS(0), &has_input,
                        &request->popo_input));
    if (has_input)
        BV_TRY(parse_popo_input(request, ret_fail));
    err = alg_sig_parse(&popo, &request->popo_alg);
    if (err == BV_E_UNSUPPORTED)
        return cmp_refuse(ret_fail, CMP_FAIL_BAD_ALG, err);
    BV_TRY(err);
    BV_TRY(der_bits(&popo, &request->popo_signature));
    if (popo.len != 0 || request->popo_signature.len == 0 ||
        request->popo_signature.len > LIMIT_SIGNATURE)
        return BV_E_BAD_MESSAGE;
    return BV_OK;
}

static enum bv_err
take_popo(struct span *in, struct cmp_request *request, enum cmp_fail *ret_fail)
{
    struct span popo;
    uint8_t tag;

    if (in->len == 0 || der_next_is(*in, DER_SEQUENCE))
        return BV_OK; /* regInfo, or the end */
    BV_TRY(der_any(in, &tag, &popo, NULL));
    switch (tag) {
    case DER_CONTEXT(0):
        request->popo = CMP_POPO_RA_VERIFIED;
        return popo.len == 0 ? BV_OK : BV_E_BAD_MESSAGE;
    case DER_CONTEXT_CONS(1):
        request->popo = CMP_POPO_SIGNATURE;
        return parse_popo_signature(popo, request, ret_fail);
    case DER_CONTEXT_CONS(2):
        request->popo = CMP_POPO_KEY_ENCIPHERMENT;
        return BV_OK;
    case DER_CONTEXT_CONS(3):
        request->popo = CMP_POPO_KEY_AGREEMENT;
        return BV_OK;
    default:
        return BV_E_BAD_MESSAGE;
    }
}

/* RFC 4211 4.1: what is signed is poposkInput if, and only if, the template
 * lacks the subject or the key; RFC 9483 4.1.6: no key, no proof. */
static enum bv_err
check_popo(const struct cmp_request *request)
{
    const struct cmp_template *template = &request->template;
    bool has_both = template->subject.len > 0 && !template->wants_key;
    bool has_input = request->popo_input.len > 0;

    if (template->wants_key)
        return request->popo == CMP_POPO_NONE ? BV_OK : BV_E_REFUSED;
    if (request->popo == CMP_POPO_NONE)
        return BV_E_REFUSED;
    if (request->popo == CMP_POPO_SIGNATURE && has_both == has_input)
        return BV_E_REFUSED;
    return BV_OK;
}

/* --- controls, RFC 4211 6 --- */

static enum bv_err
take_text(struct span value, struct span *ret_text)
{
    if (ret_text->data != NULL)
        return BV_E_BAD_MESSAGE; /* came before */
    BV_TRY(der_only(value, DER_UTF8_STRING, ret_text));
    return BV_OK;
}

static enum bv_err
take_old_cert(struct span value, struct cmp_request *request)
{
    if (request->has_old_cert)
        return BV_E_BAD_MESSAGE;
    request->has_old_cert = true;
    BV_TRY(cmp_cert_id_take(&value, &request->old_cert));
    return span_end(value);
}

/* RFC 4211 6.4: nobody here keeps a private key for its owner. */
static enum bv_err
take_control(struct span control, struct cmp_request *request,
             enum cmp_fail *ret_fail)
{
    struct span oid, inner, value;
    uint8_t tag;

    BV_TRY(der_oid(&control, &oid));
    BV_TRY(der_any(&control, &tag, &inner, &value));
    if (control.len != 0)
        return BV_E_BAD_MESSAGE;
    if (span_eq(oid, oid_archive_options))
        return cmp_refuse(ret_fail, CMP_FAIL_BAD_REQUEST, BV_E_REFUSED);
    if (span_eq(oid, oid_reg_token))
        return take_text(value, &request->reg_token);
    if (span_eq(oid, oid_authenticator))
        return take_text(value, &request->authenticator);
    if (span_eq(oid, oid_old_cert_id))
        return take_old_cert(value, request);
    return BV_OK;
}

static enum bv_err
take_controls(struct span *in, struct cmp_request *request,
              enum cmp_fail *ret_fail)
{
    struct span list, control;

    if (in->len == 0)
        return BV_OK;
    BV_TRY(der_take(in, DER_SEQUENCE, &list));
    for (size_t num = 0; list.len > 0; num++) {
        if (num == LIMIT_EXTENSIONS)
            return BV_E_TOO_MANY;
        BV_TRY(der_take(&list, DER_SEQUENCE, &control));
        BV_TRY(take_control(control, request, ret_fail));
    }
    return BV_OK;
}

/* --- the request --- */

/* RFC 4211 5: what the CA decides is not asked for. RFC 9483 4.1.3: only who
 * renews may leave its name to the old certificate. */
static enum bv_err
check_template(const struct cmp_template *template, enum cmp_body body)
{
    if (template->serial.len > 0 || template->has_others)
        return BV_E_BAD_MESSAGE;
    if (template->subject.len == 0 && body != CMP_KUR)
        return BV_E_BAD_MESSAGE;
    return BV_OK;
}

static enum bv_err
parse_cert_request(enum cmp_body body, struct cmp_request *request,
                   enum cmp_fail *ret_fail)
{
    struct span seq, template;

    BV_TRY(der_only(request->cert_req, DER_SEQUENCE, &seq));
    BV_TRY(cmp_id_take(&seq, &request->cert_req_id));
    BV_TRY(der_take(&seq, DER_SEQUENCE, &template));
    *ret_fail = CMP_FAIL_BAD_CERT_TEMPLATE;
    BV_TRY(cmp_template_parse(template, &request->template));
    BV_TRY(check_template(&request->template, body));
    *ret_fail = CMP_FAIL_BAD_DATA_FORMAT;
    BV_TRY(take_controls(&seq, request, ret_fail));
    return span_end(seq);
}

static enum bv_err
skip_reg_info(struct span in)
{
    struct span skipped;

    return in.len == 0 ? BV_OK : der_only(in, DER_SEQUENCE, &skipped);
}

enum bv_err
cmp_request_parse(const struct cmp_msg *msg, struct cmp_request *ret_request,
                  enum cmp_fail *ret_fail)
{
    struct cmp_request request = {0};
    struct span in;

    *ret_fail = CMP_FAIL_BAD_DATA_FORMAT;
    BV_TRY(cmp_one_take(msg->content, &in, ret_fail));
    BV_TRY(der_take_whole(&in, DER_SEQUENCE, &request.cert_req));
    BV_TRY(parse_cert_request(msg->body, &request, ret_fail));
    BV_TRY(take_popo(&in, &request, ret_fail));
    BV_TRY(skip_reg_info(in));
    *ret_fail = CMP_FAIL_BAD_POP;
    BV_TRY(check_popo(&request));
    *ret_request = request;
    return BV_OK;
}
