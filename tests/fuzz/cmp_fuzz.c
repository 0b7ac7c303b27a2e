/* PKIMessages: what is accepted lies inside the input, a header that was read
 * is written as it was understood, and every body is read as far as it goes. */
#include "fuzz.h"

#include "wire/cmp.h"
#include "wire/csr.h"
#include "wire/der.h"
#include "wire/ext.h"
#include "wire/name.h"

#define MOST 65536

static void
require_inside(struct span in, struct span part)
{
    fuzz_require(part.len == 0 || (part.data >= in.data &&
                                   part.data + part.len <= in.data + in.len));
}

/* Without what is ignored: freeText, other generalInfo. */
static void
check_header(const struct cmp_msg *msg)
{
    static uint8_t header[MOST], whole[MOST + 64];
    struct sink out = SINK_ARRAY(header), again = SINK_ARRAY(whole);
    struct cmp_msg read;

    cmp_put_header(&out, &msg->header);
    cmp_assemble(&again, sink_view(&out), msg->body_der, msg->protection, NULL,
                 0);
    fuzz_require(!again.failed);
    fuzz_require(cmp_parse(sink_view(&again), &read) == BV_OK);
    fuzz_require(read.header.pvno == msg->header.pvno);
    fuzz_require(span_eq(read.header.sender, msg->header.sender));
    fuzz_require(span_eq(read.header.recipient, msg->header.recipient));
    fuzz_require(
        span_eq(read.header.transaction_id, msg->header.transaction_id));
    fuzz_require(span_eq(read.header.sender_nonce, msg->header.sender_nonce));
    fuzz_require(span_eq(read.header.recip_nonce, msg->header.recip_nonce));
    fuzz_require(
        span_eq(read.header.protection_alg, msg->header.protection_alg));
    fuzz_require(read.header.has_time == msg->header.has_time &&
                 read.header.time == msg->header.time);
    fuzz_require(read.body == msg->body);
    fuzz_require(span_eq(read.content, msg->content));
}

/* What cmp_check lets pass keeps its promises, and is written as it is read. */
static void
check_protection(const struct cmp_msg *msg, const struct cmp_protection *how)
{
    uint8_t buf[512];
    struct sink out = SINK_ARRAY(buf);
    struct cmp_protection again;
    enum cmp_fail fail;

    fuzz_require(msg->header.pvno == 2 || msg->header.pvno == 3);
    fuzz_require(msg->header.transaction_id.len > 0);
    fuzz_require(msg->header.sender_nonce.len >= CMP_NONCE_MIN);
    fuzz_require(how->kind != CMP_PROTECTION_NONE || msg->body == CMP_ERROR);
    if (how->kind == CMP_PROTECTION_NONE)
        return;
    cmp_put_protection(&out, how);
    fuzz_require(!out.failed);
    fuzz_require(cmp_protection_parse(sink_view(&out), &again, &fail) == BV_OK);
    fuzz_require(again.kind == how->kind && again.sig == how->sig &&
                 again.mac == how->mac && again.stretch == how->stretch &&
                 again.iterations == how->iterations &&
                 again.key_len == how->key_len);
    fuzz_require(span_eq(again.salt, how->salt));
    if (how->kind == CMP_PROTECTION_SIGNATURE)
        return;
    fuzz_require(how->iterations >= LIMIT_CMP_ROUNDS_MIN &&
                 how->iterations <= LIMIT_CMP_ROUNDS_MAX);
    fuzz_require(cmp_hash_len(how->mac) > 0 && cmp_hash_len(how->stretch) > 0);
}

static void
check_request(const struct cmp_msg *msg)
{
    struct cmp_request request;
    struct alg_spki spki;
    struct ext ext;
    enum cmp_fail fail;
    uint8_t buf[LIMIT_SPKI + 8];
    struct sink out = SINK_ARRAY(buf);

    if (cmp_request_parse(msg, &request, &fail) != BV_OK)
        return;
    require_inside(msg->whole, request.cert_req);
    require_inside(request.cert_req, request.template.public_key);
    fuzz_require(request.template.subject.len == 0
                     ? msg->body == CMP_KUR
                     : name_check(request.template.subject) == BV_OK);
    fuzz_require((request.popo == CMP_POPO_NONE) == request.template.wants_key);
    fuzz_require(request.popo != CMP_POPO_SIGNATURE ||
                 request.popo_signature.len > 0);
    if (cmp_template_spki(&request.template, &out, &spki) == BV_OK)
        fuzz_require(spki.whole.len > request.template.public_key.len);
    fuzz_require(ext_find(request.template.extensions, SPAN_LIT("\x55\x1d\x11"),
                          &ext) != BV_E_BAD_MESSAGE);
}

static void
check_nested(const struct cmp_msg *msg)
{
    struct cmp_nested list;
    struct cmp_msg inner;
    struct span der;
    enum cmp_fail fail;

    if (cmp_nested_parse(msg, &list, &fail) != BV_OK)
        return;
    while (cmp_nested_next(&list, &der)) {
        require_inside(msg->whole, der);
        if (cmp_parse(der, &inner) == BV_OK)
            require_inside(der, inner.content);
    }
}

static void
check_info(const struct cmp_msg *msg)
{
    struct cmp_crl_status crl;
    struct cmp_info info;
    enum cmp_fail fail;

    if (cmp_info_parse(msg, &info, &fail) != BV_OK || !info.has_value)
        return;
    if (cmp_crl_status_parse(info.value, &crl) == BV_OK)
        require_inside(info.value, crl.source);
}

static void
check_small(const struct cmp_msg *msg)
{
    struct cmp_revocation revocation;
    struct cmp_status_info status;
    struct cmp_confirm confirm;
    enum cmp_fail fail;
    int64_t id;

    if (msg->body == CMP_RR &&
        cmp_revocation_parse(msg, &revocation, &fail) == BV_OK)
        fuzz_require(revocation.cert.serial.len > 0 && revocation.reason <= 10);
    if (msg->body == CMP_CERT_CONF &&
        cmp_confirm_parse(msg, &confirm, &fail) == BV_OK)
        fuzz_require(confirm.status.status == CMP_ACCEPTED ||
                     confirm.status.status == CMP_REJECTION);
    if (msg->body == CMP_POLL_REQ && cmp_poll_parse(msg, &id, &fail) == BV_OK)
        fuzz_require(id >= -1);
    if (msg->body == CMP_ERROR && cmp_error_parse(msg, &status, &fail) == BV_OK)
        fuzz_require(status.status <= CMP_KEY_UPDATE_WARNING);
}

static void
check_body(const struct cmp_msg *msg)
{
    struct csr csr;

    if (msg->body == CMP_IR || msg->body == CMP_CR || msg->body == CMP_KUR)
        check_request(msg);
    else if (msg->body == CMP_P10CR)
        (void)!csr_parse(msg->content, &csr);
    else if (msg->body == CMP_NESTED)
        check_nested(msg);
    else if (msg->body == CMP_GENM)
        check_info(msg);
    else
        check_small(msg);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct span in = span_of(data, len);
    struct cmp_protection how;
    enum cmp_fail fail = CMP_FAIL_NONE;
    struct cmp_msg msg;

    if (len > MOST / 2 || cmp_parse(in, &msg) != BV_OK)
        return 0;
    require_inside(in, msg.header_der);
    require_inside(in, msg.body_der);
    require_inside(in, msg.protection);
    require_inside(in, msg.extra_certs.certs);
    check_header(&msg);
    if (cmp_check(&msg, &how, &fail) == BV_OK)
        check_protection(&msg, &how);
    else
        fuzz_require(fail != CMP_FAIL_NONE);
    check_body(&msg);
    return 0;
}
