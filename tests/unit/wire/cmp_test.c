#include "wire/cmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "samples.h"
#include "wire/csr.h"
#include "wire/der.h"
#include "wire/ext.h"
#include "wire/name.h"
#include "wire/oid.h"
#include "wire/san.h"

static uint8_t file[SAMPLE_MAX];
static uint8_t memory[8][SAMPLE_MAX];

static struct cmp_msg
read_msg(const char *name)
{
    struct cmp_msg msg;

    assert_int_equal(cmp_parse(sample_read("cmp", name, file), &msg), BV_OK);
    return msg;
}

static void
expect_cn(struct span name, const char *cn)
{
    struct name_ava ava;

    assert_int_equal(name_find(name, NAME_CN, &ava), BV_OK);
    assert_true(span_eq_str(ava.value, cn));
}

/* --- messages of openssl cmp --- */

static enum bv_err
read_body(const struct cmp_msg *msg, enum cmp_fail *ret_fail)
{
    struct cmp_request request;
    struct cmp_revocation revocation;
    struct cmp_confirm confirm;
    struct cmp_info info;
    struct csr csr;
    int64_t id;

    switch ((int)msg->body) {
    case CMP_IR:
    case CMP_CR:
    case CMP_KUR:
        return cmp_request_parse(msg, &request, ret_fail);
    case CMP_P10CR:
        return csr_parse(msg->content, &csr);
    case CMP_RR:
        return cmp_revocation_parse(msg, &revocation, ret_fail);
    case CMP_CERT_CONF:
        return cmp_confirm_parse(msg, &confirm, ret_fail);
    case CMP_POLL_REQ:
        return cmp_poll_parse(msg, &id, ret_fail);
    case CMP_GENM:
        return cmp_info_parse(msg, &info, ret_fail);
    default:
        return BV_E_UNSUPPORTED;
    }
}

static enum bv_err
read_whole(struct span der)
{
    struct cmp_protection how;
    struct cmp_msg msg;
    enum cmp_fail fail = CMP_FAIL_NONE;

    BV_TRY(cmp_parse(der, &msg));
    BV_TRY(cmp_check(&msg, &how, &fail));
    return read_body(&msg, &fail);
}

static void
expect_good(const char *name, struct span der)
{
    enum bv_err err = read_whole(der);

    if (err != BV_OK)
        fail_msg("%s: %s", name, err_name(err));
}

static void
expect_bad(const char *name, struct span der)
{
    if (read_whole(der) == BV_OK)
        fail_msg("%s was accepted", name);
}

static void
expect_no_prefix(const char *name, struct span der)
{
    for (size_t len = 0; len < der.len; len++) {
        uint8_t *copy = malloc(len + 1);
        struct cmp_msg msg;

        assert_non_null(copy);
        memcpy(copy + 1, der.data, len);
        if (cmp_parse(span_of(copy + 1, len), &msg) == BV_OK)
            fail_msg("%s: a prefix of %zu was accepted", name, len);
        free(copy);
    }
}

static void
expect_safe_mutants(const char *name, struct span der)
{
    uint8_t *copy = malloc(der.len);

    (void)name;
    assert_non_null(copy);
    for (size_t i = 0; i < der.len * 8; i++) {
        memcpy(copy, der.data, der.len);
        copy[i / 8] ^= (uint8_t)(1u << i % 8);
        (void)!read_whole(span_of(copy, der.len));
    }
    free(copy);
}

static void
test_samples(void **state)
{
    struct cmp_msg msg;
    struct span der;

    assert_int_equal(sample_each("cmp", "good-", expect_good), 13);
    assert_true(sample_each("cmp", "bad-", expect_bad) >= 1);
    assert_true(sample_each("cmp", "good-", expect_no_prefix) > 0);
    assert_true(sample_each("cmp", "good-", expect_safe_mutants) > 0);
    der = sample_read("cmp", "good-ir-mac.der", file);
    file[der.len] = 0;
    assert_int_equal(cmp_parse(span_of(file, der.len + 1), &msg),
                     BV_E_TRAILING_BYTES);
}

/* OpenSSL 3.0 by default: PasswordBasedMac, SHA-256, 500 rounds, HMAC-SHA1;
 * the sender is the subject that is wanted, the reference is senderKID. */
static void
test_ir_mac(void **state)
{
    struct cmp_msg msg = read_msg("good-ir-mac.der");
    struct cmp_request request;
    struct cmp_protection how;
    struct alg_spki spki;
    struct ext san;
    enum cmp_fail fail;
    uint8_t key[LIMIT_SPKI];
    struct sink out = SINK_ARRAY(key);

    assert_int_equal(msg.body, CMP_IR);
    assert_int_equal(msg.header.pvno, 2);
    assert_true(msg.header.sender_is_name && msg.header.has_time);
    expect_cn(msg.header.sender, "device-1");
    expect_cn(msg.header.recipient, "srv");
    assert_true(span_eq_str(msg.header.sender_kid, "3078"));
    assert_int_equal(msg.header.transaction_id.len, 16);
    assert_int_equal(msg.header.sender_nonce.len, 16);
    assert_int_equal(msg.header.recip_nonce.len, 0);
    assert_false(msg.header.implicit_confirm);
    assert_int_equal(msg.protection.len, 20);
    assert_int_equal(cmp_check(&msg, &how, &fail), BV_OK);
    assert_int_equal(how.kind, CMP_PROTECTION_PBM);
    assert_int_equal(how.salt.len, 16);
    assert_int_equal(how.iterations, 500);
    assert_int_equal(how.stretch, CMP_HASH_SHA256);
    assert_int_equal(how.mac, CMP_HASH_SHA1);

    assert_int_equal(cmp_request_parse(&msg, &request, &fail), BV_OK);
    assert_int_equal(request.cert_req_id, 0);
    expect_cn(request.template.subject, "device-1");
    assert_int_equal(request.popo, CMP_POPO_SIGNATURE);
    assert_int_equal(request.popo_alg, ALG_SIG_ECDSA_SHA256);
    assert_int_equal(request.popo_input.len, 0);
    assert_false(request.template.wants_key || request.has_old_cert);
    assert_int_equal(ext_find(request.template.extensions, oid_san, &san),
                     BV_OK);
    assert_true(san_has(san.value, SAN_DNS, SPAN_LIT("device-1.example")));
    assert_int_equal(cmp_template_spki(&request.template, &out, &spki), BV_OK);
    assert_int_equal(spki.alg, ALG_KEY_P256);
}

static void
test_ir_signature(void **state)
{
    struct cmp_msg msg = read_msg("good-ir-sig.der");
    struct cms_certs certs = msg.extra_certs;
    struct cmp_protection how;
    struct span cert;
    enum cmp_fail fail;

    assert_int_equal(cmp_check(&msg, &how, &fail), BV_OK);
    assert_int_equal(how.kind, CMP_PROTECTION_SIGNATURE);
    assert_int_equal(how.sig, ALG_SIG_ECDSA_SHA256);
    assert_true(msg.header.implicit_confirm);
    expect_cn(msg.header.sender, "ee");
    assert_int_equal(msg.header.sender_kid.len, 20);
    assert_true(cms_certs_next(&certs, &cert));
    assert_false(cms_certs_next(&certs, &cert));
}

static void
test_other_requests(void **state)
{
    struct cmp_msg msg = read_msg("good-cr-sig.der");
    struct cmp_request request;
    enum cmp_fail fail;
    struct csr csr;

    assert_int_equal(msg.body, CMP_CR);
    assert_int_equal(cmp_request_parse(&msg, &request, &fail), BV_OK);
    assert_true(request.template.has_not_before &&
                request.template.has_not_after);
    assert_int_equal(request.template.not_after - request.template.not_before,
                     30 * 86400);

    msg = read_msg("good-kur-sig.der");
    assert_int_equal(msg.body, CMP_KUR);
    assert_int_equal(cmp_request_parse(&msg, &request, &fail), BV_OK);
    assert_true(request.has_old_cert);
    expect_cn(request.old_cert.issuer, "Test CA");
    expect_cn(request.template.issuer, "Test CA");
    assert_int_equal(request.old_cert.serial.len, 20);

    msg = read_msg("good-ir-raverified.der");
    assert_int_equal(cmp_request_parse(&msg, &request, &fail), BV_OK);
    assert_int_equal(request.popo, CMP_POPO_RA_VERIFIED);
    msg = read_msg("good-ir-keyenc.der");
    assert_int_equal(cmp_request_parse(&msg, &request, &fail), BV_OK);
    assert_int_equal(request.popo, CMP_POPO_KEY_ENCIPHERMENT);
    msg = read_msg("bad-ir-no-popo.der");
    assert_int_equal(cmp_request_parse(&msg, &request, &fail), BV_E_REFUSED);
    assert_int_equal(fail, CMP_FAIL_BAD_POP);

    msg = read_msg("good-p10cr-mac.der");
    assert_int_equal(csr_parse(msg.content, &csr), BV_OK);
    expect_cn(csr.subject, "device-1");
}

static void
test_what_follows(void **state)
{
    struct cmp_msg msg = read_msg("good-certconf-sig.der");
    struct cmp_confirm confirm;
    struct cmp_revocation revocation;
    struct cmp_info info;
    enum cmp_fail fail;
    int64_t id;

    assert_int_equal(msg.header.recip_nonce.len, 16);
    assert_int_equal(cmp_confirm_parse(&msg, &confirm, &fail), BV_OK);
    assert_int_equal(confirm.cert_hash.len, 32);
    assert_int_equal(confirm.cert_req_id, 0);
    assert_int_equal(confirm.status.status, CMP_ACCEPTED);
    assert_int_equal(confirm.hash, CMP_HASH_NONE);
    assert_false(confirm.is_empty);
    msg = read_msg("good-certconf-p10.der");
    assert_int_equal(cmp_confirm_parse(&msg, &confirm, &fail), BV_OK);
    assert_int_equal(confirm.cert_req_id, -1);

    msg = read_msg("good-pollreq-sig.der");
    assert_int_equal(cmp_poll_parse(&msg, &id, &fail), BV_OK);
    assert_int_equal(id, 0);

    msg = read_msg("good-rr-sig.der");
    assert_int_equal(cmp_revocation_parse(&msg, &revocation, &fail), BV_OK);
    expect_cn(revocation.cert.issuer, "Test CA");
    assert_int_equal(revocation.cert.serial.len, 20);
    assert_true(revocation.has_reason);
    assert_int_equal(revocation.reason, 1);

    msg = read_msg("good-genm-mac.der");
    assert_int_equal(cmp_info_parse(&msg, &info, &fail), BV_OK);
    assert_int_equal(info.type.len, 8);
    assert_int_equal(info.type.data[7], 2); /* signKeyPairTypes */
    assert_false(info.has_value);
}

/* --- what OpenSSL verifies --- */

static void
write_file(const char *dir, const char *name, struct span octets)
{
    char path[128];
    FILE *out;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(octets.data, 1, octets.len, out), octets.len);
    (void)fclose(out);
}

/* The protected part is what the sender signed, and so is cert_req. */
static void
test_openssl_verifies(void **state)
{
    static const char *const SCRIPT =
        "cd \"$BV_TMP\" && openssl x509 -inform DER -in cert -pubkey -noout "
        "-out pub && openssl dgst -sha256 -verify pub -signature sig part && "
        "openssl pkey -pubin -inform DER -in spki -out pub && openssl dgst "
        "-sha256 -verify pub -signature popo req";
    struct cmp_msg msg = read_msg("good-ir-sig.der");
    char dir[] = "/tmp/bv-cmp-XXXXXX";
    struct sink part = SINK_ARRAY(memory[0]);
    struct sink key = SINK_ARRAY(memory[1]);
    struct cmp_request request;
    struct alg_spki spki;
    struct span cert;
    enum cmp_fail fail;

    if (system("command -v openssl >/dev/null") != 0)
        skip();
    assert_non_null(mkdtemp(dir));
    setenv("BV_TMP", dir, 1);
    cmp_put_protected_part(&part, msg.header_der, msg.body_der);
    assert_true(cms_certs_next(&msg.extra_certs, &cert));
    assert_int_equal(cmp_request_parse(&msg, &request, &fail), BV_OK);
    assert_int_equal(cmp_template_spki(&request.template, &key, &spki), BV_OK);
    write_file(dir, "cert", cert);
    write_file(dir, "part", sink_view(&part));
    write_file(dir, "sig", msg.protection);
    write_file(dir, "spki", spki.whole);
    write_file(dir, "popo", request.popo_signature);
    write_file(dir, "req", request.cert_req);
    assert_int_equal(system(SCRIPT), 0);
    assert_int_equal(system("rm -rf \"$BV_TMP\""), 0);
}

/* --- answers: ours are OpenSSL's, octet by octet --- */

static size_t
collect(struct span list, struct span *ret_ders)
{
    size_t num = 0;

    while (list.len > 0)
        assert_int_equal(der_take_whole(&list, DER_SEQUENCE, &ret_ders[num++]),
                         BV_OK);
    return num;
}

static void
read_status(struct span *in, struct cmp_status_info *ret_info)
{
    struct span seq, text;
    uint64_t status;

    assert_int_equal(der_take(in, DER_SEQUENCE, &seq), BV_OK);
    assert_int_equal(der_uint(&seq, &status), BV_OK);
    *ret_info = (struct cmp_status_info){.status = (enum cmp_status)status};
    if (der_next_is(seq, DER_SEQUENCE)) {
        assert_int_equal(der_take(&seq, DER_SEQUENCE, &text), BV_OK);
        assert_int_equal(der_only(text, DER_UTF8_STRING, &ret_info->text),
                         BV_OK);
    }
    if (seq.len > 0)
        assert_int_equal(der_named_bits(&seq, &ret_info->fail), BV_OK);
}

static void
rebuild_cert_rep(struct sink *out, const struct cmp_msg *msg)
{
    struct cmp_cert_rep rep = {.body = msg->body};
    struct span ca_pubs[4], in, list, tagged, id;
    bool present;

    assert_int_equal(der_only(msg->content, DER_SEQUENCE, &in), BV_OK);
    assert_int_equal(der_take_opt(&in, DER_CONTEXT_CONS(1), &present, &tagged),
                     BV_OK);
    if (present) {
        assert_int_equal(der_only(tagged, DER_SEQUENCE, &list), BV_OK);
        rep.num_ca_pubs = collect(list, ca_pubs);
        rep.ca_pubs = ca_pubs;
    }
    assert_int_equal(der_only(in, DER_SEQUENCE, &list), BV_OK);
    assert_int_equal(der_only(list, DER_SEQUENCE, &in), BV_OK);
    assert_int_equal(der_integer(&in, 1, &id), BV_OK);
    rep.cert_req_id = (int8_t)id.data[0];
    read_status(&in, &rep.status);
    if (in.len > 0) {
        assert_int_equal(der_only(in, DER_SEQUENCE, &tagged), BV_OK);
        assert_int_equal(der_only(tagged, DER_CONTEXT_CONS(0), &rep.cert),
                         BV_OK);
    }
    cmp_put_cert_rep(out, &rep);
}

static void
rebuild_rev_rep(struct sink *out, const struct cmp_msg *msg)
{
    struct cmp_status_info status;
    struct cmp_cert_id id;
    struct span in, list, tagged;

    assert_int_equal(der_only(msg->content, DER_SEQUENCE, &in), BV_OK);
    assert_int_equal(der_take(&in, DER_SEQUENCE, &list), BV_OK);
    read_status(&list, &status);
    assert_int_equal(der_only(in, DER_CONTEXT_CONS(0), &tagged), BV_OK);
    assert_int_equal(der_only(tagged, DER_SEQUENCE, &list), BV_OK);
    assert_int_equal(der_only(list, DER_SEQUENCE, &in), BV_OK);
    assert_int_equal(der_take(&in, DER_CONTEXT_CONS(4), &id.issuer), BV_OK);
    assert_int_equal(der_only(in, DER_INTEGER, &id.serial), BV_OK);
    cmp_put_rev_rep(out, &status, &id);
}

static struct span
rebuild_body(struct sink *out, const struct cmp_msg *msg)
{
    if (msg->body == CMP_PKICONF)
        cmp_put_pki_conf(out);
    else if (msg->body == CMP_POLL_REP)
        cmp_put_poll_rep(out, 0, 1, SPAN_EMPTY);
    else if (msg->body == CMP_RP)
        rebuild_rev_rep(out, msg);
    else if (msg->body == CMP_GENP)
        cmp_put_info_absent(out, SPAN_LIT("\x2b\x06\x01\x05\x05\x07\x04\x02"));
    else if (msg->body == CMP_ERROR)
        return msg->body_der; /* it has an errorCode; ours have none */
    else
        rebuild_cert_rep(out, msg);
    return sink_view(out);
}

static void
expect_same_again(const char *name, struct span der)
{
    struct sink header = SINK_ARRAY(memory[0]);
    struct sink body = SINK_ARRAY(memory[1]);
    struct sink out = SINK_ARRAY(memory[2]);
    struct span certs[LIMIT_CMS_CERTS], body_der;
    struct cmp_msg msg;

    assert_int_equal(cmp_parse(der, &msg), BV_OK);
    cmp_put_header(&header, &msg.header);
    if (!span_eq(sink_view(&header), msg.header_der))
        fail_msg("%s: another header", name);
    body_der = rebuild_body(&body, &msg);
    if (!span_eq(body_der, msg.body_der))
        fail_msg("%s: another body", name);
    cmp_assemble(&out, sink_view(&header), body_der, msg.protection, certs,
                 collect(msg.extra_certs.certs, certs));
    if (!span_eq(sink_view(&out), der))
        fail_msg("%s: another message", name);
}

static void
test_answers(void **state)
{
    struct cmp_msg msg = read_msg("answer-error-sig.der");
    struct cmp_status_info status;
    enum cmp_fail fail;

    assert_int_equal(sample_each("cmp", "answer-", expect_same_again), 12);
    assert_int_equal(cmp_error_parse(&msg, &status, &fail), BV_OK);
    assert_int_equal(status.status, CMP_REJECTION);
    assert_int_equal(status.fail, CMP_FAIL_BAD_REQUEST);
    assert_true(span_eq_str(status.text, "error processing message"));
}

/* --- the rules for headers, one broken at a time --- */

static struct cmp_msg
with_raw_header(const struct cmp_msg *msg, struct span header)
{
    struct sink out = SINK_ARRAY(memory[2]);
    struct span certs[LIMIT_CMS_CERTS];
    struct cmp_msg changed;

    cmp_assemble(&out, header, msg->body_der, msg->protection, certs,
                 collect(msg->extra_certs.certs, certs));
    assert_int_equal(cmp_parse(sink_view(&out), &changed), BV_OK);
    return changed;
}

/* more: DER that follows what cmp_put_header writes. */
static struct cmp_msg
with_header(const struct cmp_msg *msg, const struct cmp_header *header,
            struct span more)
{
    struct sink plain = SINK_ARRAY(memory[0]);
    struct sink full = SINK_ARRAY(memory[1]);
    struct span content;
    size_t mark = der_open(&full, DER_SEQUENCE);

    cmp_put_header(&plain, header);
    assert_int_equal(der_only(sink_view(&plain), DER_SEQUENCE, &content),
                     BV_OK);
    der_put_raw(&full, content);
    der_put_raw(&full, more);
    der_close(&full, mark);
    return with_raw_header(msg, sink_view(&full));
}

static void
same(struct cmp_header *header)
{
    (void)header;
}

static void
pvno_1(struct cmp_header *header)
{
    header->pvno = 1;
}

static void
pvno_3(struct cmp_header *header)
{
    header->pvno = 3;
}

static void
pvno_4(struct cmp_header *header)
{
    header->pvno = 4;
}

static void
no_recipient(struct cmp_header *header)
{
    header->recipient = SPAN_EMPTY;
}

static void
no_transaction(struct cmp_header *header)
{
    header->transaction_id = SPAN_EMPTY;
}

static void
no_sender_nonce(struct cmp_header *header)
{
    header->sender_nonce = SPAN_EMPTY;
}

static void
short_sender_nonce(struct cmp_header *header)
{
    header->sender_nonce.len = CMP_NONCE_MIN - 1;
}

static void
add_recip_nonce(struct cmp_header *header)
{
    header->recip_nonce = header->sender_nonce;
}

static void
no_recip_nonce(struct cmp_header *header)
{
    header->recip_nonce = SPAN_EMPTY;
}

static void
no_time(struct cmp_header *header)
{
    header->has_time = false;
}

static void
no_protection_alg(struct cmp_header *header)
{
    header->protection_alg = SPAN_EMPTY;
}

static void
implicit(struct cmp_header *header)
{
    header->implicit_confirm = true;
}

static void
wait_long(struct cmp_header *header)
{
    header->has_confirm_wait = true;
    header->confirm_wait = 1800000000;
}

static void
implicit_and_wait(struct cmp_header *header)
{
    implicit(header);
    wait_long(header);
}

static void
profile(struct cmp_header *header)
{
    header->cert_profile = SPAN_LIT("client");
}

static void
by_password(struct cmp_header *header)
{
    static uint8_t octets[128];
    struct sink out = SINK_ARRAY(octets);
    struct cmp_protection how = {CMP_PROTECTION_PBM,
                                 ALG_SIG_NONE,
                                 SPAN_LIT("01234567"),
                                 100,
                                 CMP_HASH_SHA256,
                                 CMP_HASH_SHA256,
                                 0};

    cmp_put_protection(&out, &how);
    header->protection_alg = sink_view(&out);
}

static void
test_header_rules(void **state)
{
    static const struct {
        const char *name;
        void (*change)(struct cmp_header *header);
        enum bv_err err;
        enum cmp_fail fail;
    } rules[] = {
        {"good-ir-mac.der", same, BV_OK, 0},
        {"good-ir-mac.der", pvno_1, BV_E_UNSUPPORTED,
         CMP_FAIL_UNSUPPORTED_VERSION},
        {"good-ir-mac.der", pvno_3, BV_OK, 0},
        {"good-ir-mac.der", pvno_4, BV_E_UNSUPPORTED,
         CMP_FAIL_UNSUPPORTED_VERSION},
        {"good-ir-mac.der", no_recipient, BV_OK, 0},
        {"good-ir-mac.der", no_time, BV_OK, 0},
        {"good-ir-mac.der", no_transaction, BV_E_BAD_MESSAGE,
         CMP_FAIL_BAD_DATA_FORMAT},
        {"good-ir-mac.der", no_sender_nonce, BV_E_BAD_MESSAGE,
         CMP_FAIL_BAD_SENDER_NONCE},
        {"good-ir-mac.der", short_sender_nonce, BV_E_BAD_MESSAGE,
         CMP_FAIL_BAD_SENDER_NONCE},
        {"good-ir-mac.der", add_recip_nonce, BV_E_BAD_MESSAGE,
         CMP_FAIL_BAD_RECIPIENT_NONCE},
        {"good-certconf-sig.der", no_recip_nonce, BV_E_BAD_MESSAGE,
         CMP_FAIL_BAD_RECIPIENT_NONCE},
        {"good-pollreq-sig.der", no_recip_nonce, BV_E_BAD_MESSAGE,
         CMP_FAIL_BAD_RECIPIENT_NONCE},
        {"good-ir-mac.der", no_protection_alg, BV_E_REFUSED,
         CMP_FAIL_BAD_MESSAGE_CHECK},
        {"good-ir-mac.der", implicit, BV_OK, 0},
        {"good-ir-mac.der", wait_long, BV_OK, 0},
        {"good-ir-mac.der", implicit_and_wait, BV_E_REFUSED,
         CMP_FAIL_BAD_REQUEST},
        {"good-certconf-sig.der", implicit, BV_E_REFUSED, CMP_FAIL_BAD_REQUEST},
        {"good-rr-sig.der", implicit, BV_E_REFUSED, CMP_FAIL_BAD_REQUEST},
        {"good-genm-mac.der", implicit, BV_E_REFUSED, CMP_FAIL_BAD_REQUEST},
        {"good-kur-sig.der", profile, BV_OK, 0},
        {"good-genm-mac.der", profile, BV_OK, 0},
        {"good-rr-sig.der", profile, BV_E_REFUSED, CMP_FAIL_BAD_REQUEST},
        {"good-cr-sig.der", by_password, BV_OK, 0},
        {"good-kur-sig.der", by_password, BV_E_REFUSED,
         CMP_FAIL_WRONG_INTEGRITY},
        {"good-rr-sig.der", by_password, BV_E_REFUSED,
         CMP_FAIL_WRONG_INTEGRITY},
        {"answer-pkiconf-mac.der", same, BV_E_UNSUPPORTED,
         CMP_FAIL_BAD_REQUEST},
    };

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        struct cmp_msg msg = read_msg(rules[i].name);
        struct cmp_header header = msg.header;
        struct cmp_protection how;
        enum cmp_fail fail = CMP_FAIL_NONE;
        enum bv_err err;

        rules[i].change(&header);
        msg = with_header(&msg, &header, SPAN_EMPTY);
        err = cmp_check(&msg, &how, &fail);
        if (err != rules[i].err || (err != BV_OK && fail != rules[i].fail))
            fail_msg("row %zu: %s, %s", i, err_name(err), cmp_fail_name(fail));
        if (err == BV_OK)
            assert_true(span_eq(msg.header.cert_profile, header.cert_profile));
    }
}

/* Parts of generalInfo, as [8] { … }; the header around them is still read. */
static void
test_general_info(void **state)
{
#define IT(n)   "\x06\x08\x2b\x06\x01\x05\x05\x07\x04" n
#define INFO(s) SPAN_LIT("\xa8\x10\x30\x0e" s)
    static const struct {
        struct span info;
        enum cmp_fail fail;
    } rows[] = {
        {INFO("\x30\x0c" IT("\x0d") "\x05\x00"), CMP_FAIL_NONE},
        {INFO("\x30\x0c" IT("\x0d") "\x30\x00"), CMP_FAIL_BAD_DATA_FORMAT},
        {INFO("\x30\x0c" IT("\x0e") "\x05\x00"), CMP_FAIL_BAD_DATA_FORMAT},
        {INFO("\x30\x0c" IT("\x15") "\x30\x00"), CMP_FAIL_BAD_DATA_FORMAT},
        {INFO("\x30\x0c" IT("\x15") "\x0c\x00"), CMP_FAIL_BAD_DATA_FORMAT},
        {INFO("\x30\x0c" IT("\x55") "\x30\x00"), CMP_FAIL_NONE},
        {SPAN_LIT("\xa8\x0e\x30\x0c\x30\x0a" IT("\x0d")),
         CMP_FAIL_BAD_DATA_FORMAT}, /* no value */
        {SPAN_LIT("\xa8\x1e\x30\x1c\x30\x0c" IT("\x0d") "\x05\x00\x30\x0c" IT(
             "\x0d") "\x05\x00"),
         CMP_FAIL_BAD_DATA_FORMAT}, /* twice */
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cmp_msg msg = read_msg("good-ir-mac.der");
        struct span id = msg.header.transaction_id;
        struct cmp_protection how;
        enum cmp_fail fail = CMP_FAIL_NONE;

        msg = with_header(&msg, &msg.header, rows[i].info);
        assert_true(span_eq(msg.header.transaction_id, id));
        if (rows[i].fail == CMP_FAIL_NONE) {
            assert_int_equal(cmp_check(&msg, &how, &fail), BV_OK);
            continue;
        }
        assert_int_equal(cmp_check(&msg, &how, &fail), BV_E_BAD_MESSAGE);
        assert_int_equal(fail, rows[i].fail);
    }
}

/* Nobody signs an error to a stranger; everything else is protected. */
static void
test_unprotected(void **state)
{
    static const struct {
        const char *name;
        enum bv_err err;
    } rows[] = {
        {"answer-error-sig.der", BV_OK},
        {"good-ir-sig.der", BV_E_REFUSED},
        {"good-genm-mac.der", BV_E_REFUSED},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cmp_msg msg = read_msg(rows[i].name);
        struct cmp_protection how = {.kind = CMP_PROTECTION_PBM};
        enum cmp_fail fail;

        msg.header.protection_alg = SPAN_EMPTY;
        msg.protection = SPAN_EMPTY;
        msg = with_header(&msg, &msg.header, SPAN_EMPTY);
        assert_false(msg.has_protection);
        assert_int_equal(cmp_check(&msg, &how, &fail), rows[i].err);
        if (rows[i].err == BV_OK)
            assert_int_equal(how.kind, CMP_PROTECTION_NONE);
        else
            assert_int_equal(fail, CMP_FAIL_BAD_MESSAGE_CHECK);
    }
}

/* A dNSName for the sender is refused, for the recipient it does not matter;
 * in an answer either is the NULL-DN. */
static void
test_names_of_another_kind(void **state)
{
    static const struct {
        size_t which;
        enum bv_err err;
    } rows[] = {{0, BV_E_REFUSED}, {1, BV_OK}};

    for (size_t i = 0; i < 2; i++) {
        struct cmp_msg msg = read_msg("good-ir-mac.der");
        struct sink header = SINK_ARRAY(memory[1]);
        struct span in, pvno, name[2];
        struct cmp_protection how;
        enum cmp_fail fail;
        size_t mark = der_open(&header, DER_SEQUENCE);

        assert_int_equal(der_only(msg.header_der, DER_SEQUENCE, &in), BV_OK);
        assert_int_equal(der_take_whole(&in, DER_INTEGER, &pvno), BV_OK);
        for (size_t n = 0; n < 2; n++)
            assert_int_equal(der_take_whole(&in, DER_CONTEXT_CONS(4), &name[n]),
                             BV_OK);
        name[rows[i].which] = SPAN_LIT("\x82\x03"
                                       "srv");
        der_put_raw(&header, pvno);
        der_put_raw(&header, name[0]);
        der_put_raw(&header, name[1]);
        der_put_raw(&header, in);
        der_close(&header, mark);
        msg = with_raw_header(&msg, sink_view(&header));
        assert_int_equal(msg.header.sender_is_name, rows[i].which == 1);
        assert_true(name_is_empty(rows[i].which == 0 ? msg.header.sender
                                                     : msg.header.recipient));
        assert_int_equal(cmp_check(&msg, &how, &fail), rows[i].err);
        if (rows[i].err != BV_OK)
            assert_int_equal(fail, CMP_FAIL_BAD_MESSAGE_CHECK);
    }
}

/* What stands outside the frame, or more of it than there may be. */
static void
test_frame(void **state)
{
    struct cmp_msg msg = read_msg("good-ir-sig.der");
    struct span certs[LIMIT_CMS_CERTS + 1];
    struct sink out = SINK_ARRAY(memory[2]);
    struct cmp_msg again;

    for (size_t i = 0; i <= LIMIT_CMS_CERTS; i++)
        certs[i] = SPAN_LIT("\x30\x00");
    cmp_assemble(&out, msg.header_der, msg.body_der, msg.protection, certs,
                 LIMIT_CMS_CERTS);
    assert_int_equal(cmp_parse(sink_view(&out), &again), BV_OK);
    out = sink_of(memory[2], SAMPLE_MAX);
    cmp_assemble(&out, msg.header_der, msg.body_der, msg.protection, certs,
                 LIMIT_CMS_CERTS + 1);
    assert_true(out.failed);
    /* one more, past our own writer */
    out = sink_of(memory[2], SAMPLE_MAX);
    size_t seq = der_open(&out, DER_SEQUENCE);
    der_put_raw(&out, msg.header_der);
    der_put_raw(&out, msg.body_der);
    size_t tag = der_open(&out, DER_CONTEXT_CONS(1));
    size_t list = der_open(&out, DER_SEQUENCE);
    for (size_t i = 0; i <= LIMIT_CMS_CERTS; i++)
        der_put_raw(&out, certs[i]);
    der_close(&out, list);
    der_close(&out, tag);
    der_close(&out, seq);
    assert_int_equal(cmp_parse(sink_view(&out), &again), BV_E_TOO_MANY);
    /* a body that does not exist */
    out = sink_of(memory[2], SAMPLE_MAX);
    cmp_assemble(&out, msg.header_der, SPAN_LIT("\xbb\x02\x05\x00"),
                 msg.protection, NULL, 0);
    assert_int_equal(cmp_parse(sink_view(&out), &again), BV_E_BAD_MESSAGE);
}

/* --- how a password is stretched --- */

static void
expect_how(struct cmp_protection how, enum bv_err want, enum cmp_fail want_fail)
{
    struct sink out = SINK_ARRAY(memory[0]);
    struct cmp_protection again;
    enum cmp_fail fail = CMP_FAIL_NONE;

    cmp_put_protection(&out, &how);
    assert_int_equal(cmp_protection_parse(sink_view(&out), &again, &fail),
                     want);
    assert_int_equal(fail, want_fail);
    if (want != BV_OK)
        return;
    assert_int_equal(again.kind, how.kind);
    assert_true(span_eq(again.salt, how.salt));
    assert_int_equal(again.iterations, how.iterations);
    assert_int_equal(again.stretch, how.stretch);
    assert_int_equal(again.mac, how.mac);
    assert_int_equal(again.key_len, how.key_len);
}

static void
test_mac_bounds(void **state)
{
    static const uint8_t salt[LIMIT_CMP_SALT_MAX + 1];
    static const uint32_t rounds[] = {0, 99, 100, 100000, 100001, 2147483648u};

    for (int kind = CMP_PROTECTION_PBM; kind <= CMP_PROTECTION_PBMAC1; kind++) {
        struct cmp_protection how = {(enum cmp_protection_kind)kind,
                                     ALG_SIG_NONE,
                                     span_of(salt, 16),
                                     1000,
                                     CMP_HASH_SHA256,
                                     CMP_HASH_SHA512,
                                     kind == CMP_PROTECTION_PBMAC1 ? 32 : 0};

        expect_how(how, BV_OK, CMP_FAIL_NONE);
        for (size_t i = 0; i < 6; i++) {
            bool fine = i == 2 || i == 3;

            how.iterations = rounds[i];
            expect_how(how, fine ? BV_OK : BV_E_REFUSED,
                       fine ? CMP_FAIL_NONE : CMP_FAIL_BAD_ALG);
        }
        how.iterations = 1000;
        how.salt.len = LIMIT_CMP_SALT_MIN - 1;
        expect_how(how, BV_E_REFUSED, CMP_FAIL_BAD_ALG);
        how.salt.len = LIMIT_CMP_SALT_MAX;
        expect_how(how, BV_OK, CMP_FAIL_NONE);
        how.salt.len = LIMIT_CMP_SALT_MAX + 1;
        expect_how(how, BV_E_REFUSED, CMP_FAIL_BAD_ALG);
        how.salt.len = 16;
        how.stretch = how.mac = CMP_HASH_SHA1; /* PBKDF2's default */
        expect_how(how, BV_OK, CMP_FAIL_NONE);
        how.key_len = 15;
        if (kind == CMP_PROTECTION_PBMAC1)
            expect_how(how, BV_E_REFUSED, CMP_FAIL_BAD_ALG);
    }
}

/* PBMAC1 with PBKDF2-params as RFC 8018 A.2 allows them, and as it does not. */
static void
put_pbmac1(struct sink *out, struct span kdf, struct span after_salt)
{
    size_t algorithm = der_open(out, DER_SEQUENCE);
    size_t params, inner;

    der_put_oid(out, oid_pbmac1);
    params = der_open(out, DER_SEQUENCE);
    size_t derivation = der_open(out, DER_SEQUENCE);
    der_put_oid(out, kdf);
    inner = der_open(out, DER_SEQUENCE);
    der_put(out, DER_OCTET_STRING, SPAN_LIT("saltsalt"));
    der_put_raw(out, after_salt);
    der_close(out, inner);
    der_close(out, derivation);
    der_put_raw(out, SPAN_LIT("\x30\x0a\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02"
                              "\x0b")); /* hmacWithSHA512, no NULL */
    der_close(out, params);
    der_close(out, algorithm);
}

static void
test_pbmac1_forms(void **state)
{
    struct sink out = SINK_ARRAY(memory[0]);
    struct cmp_protection how;
    enum cmp_fail fail;

    put_pbmac1(&out, oid_pbkdf2, SPAN_LIT("\x02\x02\x08\x00"));
    assert_int_equal(cmp_protection_parse(sink_view(&out), &how, &fail), BV_OK);
    assert_int_equal(how.kind, CMP_PROTECTION_PBMAC1);
    assert_int_equal(how.iterations, 2048);
    assert_int_equal(how.stretch, CMP_HASH_SHA1);
    assert_int_equal(how.mac, CMP_HASH_SHA512);
    assert_int_equal(how.key_len, 64); /* as the MAC wants it */

    out = sink_of(memory[0], SAMPLE_MAX);
    put_pbmac1(&out, oid_pbmac1, SPAN_LIT("\x02\x02\x08\x00"));
    assert_int_equal(cmp_protection_parse(sink_view(&out), &how, &fail),
                     BV_E_UNSUPPORTED);
    assert_int_equal(fail, CMP_FAIL_BAD_ALG);
    out = sink_of(memory[0], SAMPLE_MAX);
    put_pbmac1(&out, oid_pbkdf2, SPAN_LIT("\x02\x02\x08\x00\x05\x00"));
    assert_int_equal(cmp_protection_parse(sink_view(&out), &how, &fail),
                     BV_E_BAD_MESSAGE);
    assert_int_equal(fail, CMP_FAIL_BAD_DATA_FORMAT);
    /* 2^64 rounds */
    out = sink_of(memory[0], SAMPLE_MAX);
    put_pbmac1(&out, oid_pbkdf2,
               SPAN_LIT("\x02\x09\x01\x00\x00\x00\x00\x00\x00\x00\x00"));
    assert_int_equal(cmp_protection_parse(sink_view(&out), &how, &fail),
                     BV_E_REFUSED);
    assert_int_equal(fail, CMP_FAIL_BAD_ALG);

    assert_int_equal(
        cmp_protection_parse(SPAN_LIT("\x30\x06\x06\x04\x2a\x03\x04\x05"), &how,
                             &fail),
        BV_E_UNSUPPORTED);
    assert_int_equal(fail, CMP_FAIL_BAD_ALG);
}

/* --- requests made here --- */

#define KEY                                                                    \
    SPAN_LIT("\x04"                                                            \
             "0123456789abcdef0123456789abcdef"                                \
             "0123456789abcdef0123456789abcdef")
#define NAME                                                                   \
    SPAN_LIT("\x30\x0d\x31\x0b\x30\x09\x06\x03\x55\x04\x03\x0c\x02"            \
             "d1")

enum key { KEY_GOOD, KEY_NONE, KEY_EMPTY };
enum input { INPUT_NONE, INPUT_SENDER, INPUT_MAC, INPUT_OTHER_KEY };

struct want {
    enum cmp_body body;
    struct span front; /* of the template, before the subject */
    bool no_subject;
    struct span subject; /* another than NAME */
    enum key key;
    struct span back;     /* of the template, after the key */
    struct span controls; /* content */
    bool no_popo;
    enum input input;
    struct span popo_alg; /* another than ECDSA with SHA-256 */
    unsigned num_more;    /* further CertReqMsgs */
};

/* The content of a SubjectPublicKeyInfo. */
static void
put_key(struct sink *out, struct span octets)
{
    struct sink spki = SINK_ARRAY(memory[7]);
    struct span content;

    alg_spki_put(&spki, ALG_KEY_P256, octets);
    assert_int_equal(der_only(sink_view(&spki), DER_SEQUENCE, &content), BV_OK);
    der_put_raw(out, content);
}

static void
put_template(struct sink *out, const struct want *want)
{
    size_t template = der_open(out, DER_SEQUENCE);
    size_t mark;

    der_put_raw(out, want->front);
    if (!want->no_subject) {
        mark = der_open(out, DER_CONTEXT_CONS(5));
        der_put_raw(out, want->subject.len > 0 ? want->subject : NAME);
        der_close(out, mark);
    }
    if (want->key != KEY_NONE) {
        mark = der_open(out, DER_CONTEXT_CONS(6));
        put_key(out, want->key == KEY_EMPTY ? SPAN_EMPTY : KEY);
        der_close(out, mark);
    }
    der_put_raw(out, want->back);
    der_close(out, template);
}

static void
put_popo_input(struct sink *out, enum input input)
{
    size_t mark = der_open(out, DER_CONTEXT_CONS(0));
    size_t inner;

    if (input == INPUT_MAC) {
        inner = der_open(out, DER_SEQUENCE);
        alg_sig_put(out, ALG_SIG_ED25519); /* any AlgorithmIdentifier */
        der_put_bits(out, SPAN_LIT("mac"));
    } else {
        inner = der_open(out, DER_CONTEXT_CONS(0));
        der_put(out, DER_CONTEXT(2), SPAN_LIT("host"));
    }
    der_close(out, inner);
    inner = der_open(out, DER_SEQUENCE);
    put_key(out, input == INPUT_OTHER_KEY ? SPAN_LIT("other") : KEY);
    der_close(out, inner);
    der_close(out, mark);
}

static void
put_popo(struct sink *out, const struct want *want)
{
    size_t mark = der_open(out, DER_CONTEXT_CONS(1));

    if (want->input != INPUT_NONE)
        put_popo_input(out, want->input);
    if (want->popo_alg.len > 0)
        der_put_raw(out, want->popo_alg);
    else
        alg_sig_put(out, ALG_SIG_ECDSA_SHA256);
    der_put_bits(out, SPAN_LIT("signature"));
    der_close(out, mark);
}

static void
put_request(struct sink *out, const struct want *want)
{
    size_t msg = der_open(out, DER_SEQUENCE);
    size_t request = der_open(out, DER_SEQUENCE);
    size_t controls;

    der_put_uint(out, 7);
    put_template(out, want);
    if (want->controls.len > 0) {
        controls = der_open(out, DER_SEQUENCE);
        der_put_raw(out, want->controls);
        der_close(out, controls);
    }
    der_close(out, request);
    if (!want->no_popo)
        put_popo(out, want);
    der_close(out, msg);
}

static enum bv_err
parse_request(const struct want *want, struct cmp_request *ret_request,
              enum cmp_fail *ret_fail)
{
    struct sink out = SINK_ARRAY(memory[6]);
    struct cmp_msg msg = {.body = want->body};
    size_t list = der_open(&out, DER_SEQUENCE);

    for (unsigned i = 0; i <= want->num_more; i++)
        put_request(&out, want);
    der_close(&out, list);
    msg.content = sink_view(&out);
    return cmp_request_parse(&msg, ret_request, ret_fail);
}

#define REG_CTRL(n) "\x06\x09\x2b\x06\x01\x05\x05\x07\x05\x01" n
#define TOKEN       "\x30\x0f" REG_CTRL("\x01") "\x0c\x02to"
#define SECRET      "\x30\x0f" REG_CTRL("\x02") "\x0c\x02se"
#define OLD_CERT    "\x30\x12" REG_CTRL("\x05") "\x30\x05\x82\x00\x02\x01\x05"

static void
test_request_rules(void **state)
{
    static const struct {
        struct want want;
        enum bv_err err;
        enum cmp_fail fail;
    } rows[] = {
        {{.body = CMP_IR}, BV_OK, 0},
        {{.num_more = 1}, BV_E_TOO_MANY, CMP_FAIL_BAD_REQUEST},
        /* the template */
        {{.front = SPAN_LIT("\x80\x01\x02")}, BV_OK, 0},
        {{.front = SPAN_LIT("\x80\x01\x01")},
         BV_E_BAD_MESSAGE,
         CMP_FAIL_BAD_CERT_TEMPLATE},
        {{.front = SPAN_LIT("\x81\x01\x05")},
         BV_E_BAD_MESSAGE,
         CMP_FAIL_BAD_CERT_TEMPLATE},
        {{.front = SPAN_LIT("\xa2\x04\x06\x02\x2a\x03")},
         BV_E_BAD_MESSAGE,
         CMP_FAIL_BAD_CERT_TEMPLATE},
        {{.front = SPAN_LIT("\xa4\x11\xa1\x0f\x17\x0d"
                            "300101000000Z")},
         BV_OK,
         0},
        {{.front = SPAN_LIT("\xa4\x06\xa1\x04\x17\x02"
                            "30")},
         BV_E_BAD_MESSAGE,
         CMP_FAIL_BAD_CERT_TEMPLATE},
        {{.back = SPAN_LIT("\x87\x02\x00\x01")},
         BV_E_BAD_MESSAGE,
         CMP_FAIL_BAD_CERT_TEMPLATE},
        {{.back = SPAN_LIT("\xa9\x02\x30\x00")},
         BV_E_BAD_MESSAGE,
         CMP_FAIL_BAD_CERT_TEMPLATE},
        {{.subject = SPAN_LIT("\x30\x0d\x31\x0b\x30\x09\x06\x03\x55\x04\x03"
                              "\x1e\x02\x00\x64")}, /* BMPString */
         BV_E_UNSUPPORTED,
         CMP_FAIL_BAD_CERT_TEMPLATE},
        {{.subject = SPAN_LIT("\x30\x00")}, BV_OK, 0},
        {{.no_subject = true, .input = INPUT_SENDER},
         BV_E_BAD_MESSAGE,
         CMP_FAIL_BAD_CERT_TEMPLATE},
        {{.body = CMP_KUR, .no_subject = true, .input = INPUT_SENDER},
         BV_OK,
         0},
        /* the proof of possession */
        {{.no_popo = true}, BV_E_REFUSED, CMP_FAIL_BAD_POP},
        {{.input = INPUT_SENDER}, BV_E_REFUSED, CMP_FAIL_BAD_POP},
        {{.body = CMP_KUR, .no_subject = true}, BV_E_REFUSED, CMP_FAIL_BAD_POP},
        {{.body = CMP_KUR, .no_subject = true, .input = INPUT_OTHER_KEY},
         BV_E_REFUSED,
         CMP_FAIL_BAD_POP},
        {{.popo_alg = SPAN_LIT("\x30\x06\x06\x04\x2a\x03\x04\x05")},
         BV_E_UNSUPPORTED,
         CMP_FAIL_BAD_ALG},
        {{.key = KEY_NONE}, BV_E_REFUSED, CMP_FAIL_BAD_POP},
        {{.key = KEY_NONE, .no_popo = true}, BV_OK, 0},
        {{.key = KEY_EMPTY, .no_popo = true}, BV_OK, 0},
        /* the controls */
        {{.controls = SPAN_LIT(TOKEN)}, BV_OK, 0},
        {{.controls = SPAN_LIT(TOKEN TOKEN)},
         BV_E_BAD_MESSAGE,
         CMP_FAIL_BAD_DATA_FORMAT},
        {{.controls = SPAN_LIT(OLD_CERT OLD_CERT)},
         BV_E_BAD_MESSAGE,
         CMP_FAIL_BAD_DATA_FORMAT},
        {{.controls = SPAN_LIT("\x30\x0d" REG_CTRL("\x06") "\x30\x00")},
         BV_OK,
         0},
        {{.controls = SPAN_LIT("\x30\x0e" REG_CTRL("\x04") "\x82\x01\xff")},
         BV_E_REFUSED,
         CMP_FAIL_BAD_REQUEST}, /* pkiArchiveOptions */
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cmp_request request;
        enum cmp_fail fail = CMP_FAIL_NONE;
        enum bv_err err = parse_request(&rows[i].want, &request, &fail);

        if (err != rows[i].err || (err != BV_OK && fail != rows[i].fail))
            fail_msg("row %zu: %s, %s", i, err_name(err), cmp_fail_name(fail));
    }
}

static void
test_request_fields(void **state)
{
    struct want want = {.body = CMP_KUR,
                        .front = SPAN_LIT("\xa4\x11\xa1\x0f\x17\x0d"
                                          "300101000000Z"),
                        .no_subject = true,
                        .input = INPUT_MAC,
                        .controls = SPAN_LIT(TOKEN SECRET OLD_CERT)};
    struct sink out = SINK_ARRAY(memory[0]);
    struct cmp_request request;
    struct alg_spki spki;
    enum cmp_fail fail;

    assert_int_equal(parse_request(&want, &request, &fail), BV_OK);
    assert_int_equal(request.cert_req_id, 7);
    assert_false(request.template.has_not_before);
    assert_int_equal(request.template.not_after, 1893456000);
    assert_true(span_eq_str(request.popo_mac, "mac"));
    assert_true(request.popo_mac_alg.len > 0 && request.popo_sender.len == 0);
    assert_true(span_eq_str(request.popo_signature, "signature"));
    assert_true(span_eq_str(request.reg_token, "to"));
    assert_true(span_eq_str(request.authenticator, "se"));
    assert_true(request.has_old_cert);
    assert_true(name_is_empty(request.old_cert.issuer)); /* a dNSName */
    assert_int_equal(cmp_template_spki(&request.template, &out, &spki), BV_OK);
    assert_true(span_eq(spki.key, KEY));
    assert_int_equal(spki.whole.data[0], DER_SEQUENCE);

    want = (struct want){.key = KEY_EMPTY, .no_popo = true};
    assert_int_equal(parse_request(&want, &request, &fail), BV_OK);
    assert_true(request.template.wants_key);
    assert_int_equal(cmp_template_spki(&request.template, &out, &spki),
                     BV_E_NOT_FOUND);
}

/* --- the other bodies --- */

static void
test_confirm_rules(void **state)
{
#define HASHED "\x04\x02hh\x02\x01\x00"
#define SHA(n) "\xa0\x0d\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02" n
    static const struct {
        struct span content;
        uint64_t pvno;
        enum bv_err err;
        enum cmp_fail fail;
    } rows[] = {
        {SPAN_LIT("\x30\x09\x30\x07" HASHED), 2, BV_OK, 0},
        {SPAN_LIT("\x30\x00"), 2, BV_OK, 0},
        {SPAN_LIT("\x30\x12\x30\x07" HASHED "\x30\x07" HASHED), 2,
         BV_E_TOO_MANY, CMP_FAIL_BAD_REQUEST},
        {SPAN_LIT("\x30\x0e\x30\x0c" HASHED "\x30\x03\x02\x01\x02"), 2, BV_OK,
         0},
        {SPAN_LIT("\x30\x0e\x30\x0c" HASHED "\x30\x03\x02\x01\x03"), 2,
         BV_E_REFUSED, CMP_FAIL_BAD_REQUEST},
        {SPAN_LIT("\x30\x0e\x30\x0c" HASHED "\x30\x03\x02\x01\x07"), 2,
         BV_E_BAD_MESSAGE, CMP_FAIL_BAD_DATA_FORMAT},
        {SPAN_LIT("\x30\x12\x30\x10" HASHED
                  "\x30\x07\x02\x01\x00\x03\x02\x05\x20"),
         2, BV_E_REFUSED, CMP_FAIL_BAD_REQUEST}, /* accepted, but */
        {SPAN_LIT("\x30\x12\x30\x10" HASHED
                  "\x30\x07\x02\x01\x02\x03\x02\x04\x20"),
         2, BV_E_BAD_MESSAGE, CMP_FAIL_BAD_DATA_FORMAT}, /* zeros trail */
        {SPAN_LIT("\x30\x18\x30\x16" HASHED SHA("\x01")), 3, BV_OK, 0},
        {SPAN_LIT("\x30\x18\x30\x16" HASHED SHA("\x01")), 2, BV_E_REFUSED,
         CMP_FAIL_BAD_CERT_ID},
        {SPAN_LIT("\x30\x18\x30\x16" HASHED SHA("\x04")), 3, BV_E_UNSUPPORTED,
         CMP_FAIL_BAD_ALG},
        {SPAN_LIT("\x30\x14\x30\x12" HASHED
                  "\xa0\x09\x30\x07\x06\x05\x2b\x0e\x03\x02\x1a"),
         3, BV_E_UNSUPPORTED, CMP_FAIL_BAD_ALG}, /* SHA-1 */
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cmp_msg msg = {.body = CMP_CERT_CONF,
                              .header.pvno = rows[i].pvno,
                              .content = rows[i].content};
        struct cmp_confirm confirm;
        enum cmp_fail fail = CMP_FAIL_NONE;
        enum bv_err err = cmp_confirm_parse(&msg, &confirm, &fail);

        if (err != rows[i].err || (err != BV_OK && fail != rows[i].fail))
            fail_msg("row %zu: %s, %s", i, err_name(err), cmp_fail_name(fail));
        if (err != BV_OK)
            continue;
        assert_int_equal(confirm.is_empty, i == 1);
        assert_int_equal(confirm.status.status,
                         i == 1 || i == 3 ? CMP_REJECTION : CMP_ACCEPTED);
        assert_int_equal(confirm.hash,
                         i == 8 ? CMP_HASH_SHA256 : CMP_HASH_NONE);
    }
}

static enum bv_err
revocation(struct span template, struct span extensions, unsigned num,
           struct cmp_revocation *ret_revocation, enum cmp_fail *ret_fail)
{
    struct sink out = SINK_ARRAY(memory[0]);
    struct cmp_msg msg = {.body = CMP_RR};
    size_t list = der_open(&out, DER_SEQUENCE);

    for (unsigned i = 0; i < num; i++) {
        size_t details = der_open(&out, DER_SEQUENCE);
        der_put(&out, DER_SEQUENCE, template);
        if (extensions.len > 0)
            der_put(&out, DER_SEQUENCE, extensions);
        der_close(&out, details);
    }
    der_close(&out, list);
    msg.content = sink_view(&out);
    return cmp_revocation_parse(&msg, ret_revocation, ret_fail);
}

#define RR_SERIAL "\x81\x01\x05"
#define RR_ISSUER                                                              \
    "\xa3\x0f\x30\x0d\x31\x0b\x30\x09\x06\x03\x55\x04\x03\x0c\x02"             \
    "ca"
#define REASON(n) "\x30\x0a\x06\x03\x55\x1d\x15\x04\x03\x0a\x01" n

static void
test_revocation_rules(void **state)
{
    static const struct {
        struct span template, extensions;
        unsigned num;
        enum bv_err err;
        enum cmp_fail fail;
    } rows[] = {
        {SPAN_LIT(RR_SERIAL RR_ISSUER), SPAN_LIT(REASON("\x01")), 1, BV_OK, 0},
        {SPAN_LIT(RR_SERIAL RR_ISSUER), SPAN_LIT(REASON("\x08")), 1, BV_OK, 0},
        {SPAN_LIT(RR_SERIAL RR_ISSUER), SPAN_EMPTY, 1, BV_OK, 0},
        {SPAN_LIT(RR_SERIAL RR_ISSUER), SPAN_LIT(REASON("\x01")), 2,
         BV_E_TOO_MANY, CMP_FAIL_BAD_REQUEST},
        {SPAN_LIT(RR_SERIAL), SPAN_EMPTY, 1, BV_E_NOT_FOUND,
         CMP_FAIL_ADD_INFO_NOT_AVAILABLE},
        {SPAN_LIT(RR_ISSUER), SPAN_EMPTY, 1, BV_E_NOT_FOUND,
         CMP_FAIL_ADD_INFO_NOT_AVAILABLE},
        {SPAN_LIT(RR_SERIAL RR_ISSUER), SPAN_LIT(REASON("\x07")), 1,
         BV_E_BAD_MESSAGE, CMP_FAIL_BAD_DATA_FORMAT},
        {SPAN_LIT(RR_SERIAL RR_ISSUER), SPAN_LIT(REASON("\x0b")), 1,
         BV_E_BAD_MESSAGE, CMP_FAIL_BAD_DATA_FORMAT},
        {SPAN_LIT(RR_SERIAL RR_ISSUER), SPAN_LIT(REASON("\x01") REASON("\x01")),
         1, BV_E_BAD_MESSAGE, CMP_FAIL_BAD_DATA_FORMAT},
        {SPAN_LIT("\x81\x01\x85" RR_ISSUER), SPAN_EMPTY, 1, BV_E_BAD_MESSAGE,
         CMP_FAIL_BAD_DATA_FORMAT}, /* a negative serial number */
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cmp_revocation found;
        enum cmp_fail fail = CMP_FAIL_NONE;
        enum bv_err err = revocation(rows[i].template, rows[i].extensions,
                                     rows[i].num, &found, &fail);

        if (err != rows[i].err || (err != BV_OK && fail != rows[i].fail))
            fail_msg("row %zu: %s, %s", i, err_name(err), cmp_fail_name(fail));
        if (err == BV_OK)
            assert_int_equal(found.has_reason, rows[i].extensions.len > 0);
    }
}

static void
test_poll_and_info_rules(void **state)
{
    struct cmp_msg msg = {.body = CMP_POLL_REQ};
    struct cmp_info info;
    enum cmp_fail fail;
    int64_t id = 0;

    msg.content = SPAN_LIT("\x30\x05\x30\x03\x02\x01\xff");
    assert_int_equal(cmp_poll_parse(&msg, &id, &fail), BV_OK);
    assert_int_equal(id, -1);
    msg.content = SPAN_LIT("\x30\x05\x30\x03\x02\x01\xfe");
    assert_int_equal(cmp_poll_parse(&msg, &id, &fail), BV_E_BAD_MESSAGE);
    assert_int_equal(fail, CMP_FAIL_BAD_DATA_FORMAT);
    msg.content = SPAN_LIT("\x30\x0a\x30\x03\x02\x01\x00\x30\x03\x02\x01\x00");
    assert_int_equal(cmp_poll_parse(&msg, &id, &fail), BV_E_TOO_MANY);
    assert_int_equal(fail, CMP_FAIL_BAD_REQUEST);

    msg.body = CMP_GENM;
    msg.content = SPAN_LIT("\x30\x00");
    assert_int_equal(cmp_info_parse(&msg, &info, &fail), BV_E_TOO_MANY);
    assert_int_equal(fail, CMP_FAIL_BAD_REQUEST);
    msg.content = SPAN_LIT("\x30\x08\x30\x06\x06\x02\x2a\x03\x05\x00");
    assert_int_equal(cmp_info_parse(&msg, &info, &fail), BV_OK);
    assert_true(info.has_value && info.value.len == 2);
    msg.content = SPAN_LIT("\x30\x0a\x30\x08\x06\x02\x2a\x03\x05\x00\x05\x00");
    assert_int_not_equal(cmp_info_parse(&msg, &info, &fail), BV_OK);
    assert_int_equal(fail, CMP_FAIL_BAD_DATA_FORMAT);
}

static void
test_crl_status(void **state)
{
    struct cmp_crl_status status;

    /* dpn [0] { fullName [0] { dNSName "h" } }, thisUpdate */
    assert_int_equal(
        cmp_crl_status_parse(SPAN_LIT("\x30\x18\x30\x16\xa0\x05\xa0\x03\x82"
                                      "\x01h\x17\x0d"
                                      "300101000000Z"),
                             &status),
        BV_OK);
    assert_true(status.by_point && status.has_this_update);
    assert_int_equal(status.this_update, 1893456000);
    assert_int_equal(status.source.len, 5);
    /* issuer [1] { GeneralNames } */
    assert_int_equal(
        cmp_crl_status_parse(
            SPAN_LIT("\x30\x09\x30\x07\xa1\x05\x30\x03\x82\x01h"), &status),
        BV_OK);
    assert_false(status.by_point || status.has_this_update);
    assert_int_not_equal(
        cmp_crl_status_parse(SPAN_LIT("\x30\x09\x30\x07\xa2\x05\x30\x03\x82"
                                      "\x01h"),
                             &status),
        BV_OK);
}

/* An RA's batch: in order, and not without end. */
static void
test_nested(void **state)
{
    struct span inner[] = {SPAN_LIT("\x30\x02\x05\x00"), SPAN_LIT("\x30\x00")};
    struct cmp_msg msg = {.body = CMP_NESTED};
    struct sink out = SINK_ARRAY(memory[0]);
    struct cmp_nested nested;
    enum cmp_fail fail;
    struct span der;
    size_t list = der_open(&out, DER_SEQUENCE);

    der_put_raw(&out, inner[0]);
    der_put_raw(&out, inner[1]);
    der_close(&out, list);
    msg.content = sink_view(&out);
    assert_int_equal(cmp_nested_parse(&msg, &nested, &fail), BV_OK);
    for (size_t i = 0; i < 2; i++) {
        assert_true(cmp_nested_next(&nested, &der));
        assert_true(span_eq(der, inner[i]));
    }
    assert_false(cmp_nested_next(&nested, &der));

    out = sink_of(memory[0], SAMPLE_MAX);
    list = der_open(&out, DER_SEQUENCE);
    for (size_t i = 0; i <= LIMIT_CMP_NESTED; i++)
        der_put_raw(&out, inner[1]);
    der_close(&out, list);
    msg.content = sink_view(&out);
    assert_int_equal(cmp_nested_parse(&msg, &nested, &fail), BV_E_TOO_MANY);
    assert_int_equal(fail, CMP_FAIL_BAD_REQUEST);
    msg.content = SPAN_LIT("\x30\x00");
    assert_int_equal(cmp_nested_parse(&msg, &nested, &fail), BV_E_BAD_MESSAGE);
}

/* --- bodies OpenSSL's mock server does not write --- */

static void
expect_octets(const struct sink *out, struct span want)
{
    assert_false(out->failed);
    assert_true(span_eq(sink_view(out), want));
}

#define CERT SPAN_LIT("\x30\x01\x41")

static void
test_info_answers(void **state)
{
    struct span certs[] = {CERT, SPAN_LIT("\x30\x01\x42")};
    struct sink out = SINK_ARRAY(memory[0]);

    cmp_put_info_ca_certs(&out, certs, 2);
    expect_octets(&out, SPAN_LIT("\xb6\x16\x30\x14\x30\x12" IT(
                            "\x11") "\x30\x06\x30\x01\x41\x30\x01\x42"));
    out = sink_of(memory[0], SAMPLE_MAX);
    cmp_put_info_ca_certs(&out, NULL, 0);
    expect_octets(&out, SPAN_LIT("\xb6\x0e\x30\x0c\x30\x0a" IT("\x11")));
    out = sink_of(memory[0], SAMPLE_MAX);
    cmp_put_info_crls(&out, certs, 1);
    expect_octets(&out, SPAN_LIT("\xb6\x13\x30\x11\x30\x0f" IT(
                            "\x17") "\x30\x03\x30\x01\x41"));
    out = sink_of(memory[0], SAMPLE_MAX);
    cmp_put_info_root_update(&out, CERT, certs[1], SPAN_EMPTY);
    expect_octets(&out,
                  SPAN_LIT("\xb6\x18\x30\x16\x30\x14" IT(
                      "\x12") "\x30\x08\x30\x01\x41\xa0\x03\x30\x01\x42"));
    out = sink_of(memory[0], SAMPLE_MAX);
    cmp_put_info_root_update(&out, SPAN_EMPTY, SPAN_EMPTY, SPAN_EMPTY);
    expect_octets(&out, SPAN_LIT("\xb6\x0e\x30\x0c\x30\x0a" IT("\x12")));
}

static void
test_refusals(void **state)
{
    struct cmp_status_info status = {CMP_REJECTION, SPAN_LIT("no"),
                                     CMP_FAIL_BAD_ALG |
                                         CMP_FAIL_DUPLICATE_CERT_REQ};
    struct sink out = SINK_ARRAY(memory[0]);
    struct cmp_msg msg = {.body = CMP_ERROR};
    struct cmp_status_info again;
    enum cmp_fail fail;

    cmp_put_error(&out, &status);
    assert_int_equal(
        der_only(sink_view(&out), DER_CONTEXT_CONS(CMP_ERROR), &msg.content),
        BV_OK);
    assert_int_equal(cmp_error_parse(&msg, &again, &fail), BV_OK);
    assert_int_equal(again.status, CMP_REJECTION);
    assert_true(span_eq_str(again.text, "no"));
    assert_int_equal(again.fail, status.fail);

    out = sink_of(memory[0], SAMPLE_MAX);
    status = (struct cmp_status_info){CMP_REJECTION, SPAN_EMPTY,
                                      CMP_FAIL_BAD_CERT_ID};
    cmp_put_rev_rep(&out, &status, NULL);
    expect_octets(&out, SPAN_LIT("\xac\x0d\x30\x0b\x30\x09\x30\x07\x02\x01\x02"
                                 "\x03\x02\x03\x08"));
    out = sink_of(memory[0], SAMPLE_MAX);
    cmp_put_poll_rep(&out, -1, 300, SPAN_LIT("w"));
    expect_octets(&out, SPAN_LIT("\xba\x10\x30\x0e\x30\x0c\x02\x01\xff\x02\x02"
                                 "\x01\x2c\x30\x03\x0c\x01w"));
}

static void
test_names(void **state)
{
    assert_string_equal(cmp_body_name(CMP_IR), "ir");
    assert_string_equal(cmp_body_name(CMP_KUR), "kur");
    assert_string_equal(cmp_body_name(CMP_NESTED), "nested");
    assert_string_equal(cmp_body_name(CMP_POLL_REP), "pollRep");
    assert_string_equal(cmp_fail_name(CMP_FAIL_NONE), "none");
    assert_string_equal(cmp_fail_name(CMP_FAIL_BAD_POP), "badPOP");
    assert_string_equal(cmp_fail_name(CMP_FAIL_UNSUPPORTED_VERSION),
                        "unsupportedVersion");
    assert_string_equal(cmp_fail_name(CMP_FAIL_DUPLICATE_CERT_REQ),
                        "duplicateCertReq");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_ir_mac),
        cmocka_unit_test(test_ir_signature),
        cmocka_unit_test(test_other_requests),
        cmocka_unit_test(test_what_follows),
        cmocka_unit_test(test_openssl_verifies),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_header_rules),
        cmocka_unit_test(test_general_info),
        cmocka_unit_test(test_unprotected),
        cmocka_unit_test(test_names_of_another_kind),
        cmocka_unit_test(test_frame),
        cmocka_unit_test(test_mac_bounds),
        cmocka_unit_test(test_pbmac1_forms),
        cmocka_unit_test(test_request_rules),
        cmocka_unit_test(test_request_fields),
        cmocka_unit_test(test_confirm_rules),
        cmocka_unit_test(test_revocation_rules),
        cmocka_unit_test(test_poll_and_info_rules),
        cmocka_unit_test(test_crl_status),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_info_answers),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
