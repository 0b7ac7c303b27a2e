#include "front/scep/scep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fake.h"
#include "pki/cipher.h"
#include "pki/rsa.h"
#include "signer/ra.h"
#include "tests/unit/pki/certs.h"
#include "wire/base64.h"
#include "wire/ber.h"
#include "wire/csr.h"
#include "wire/der.h"
#include "wire/scep.h"

#define PATH "/scep/**"

static struct profile profiles[2];
static struct core_ca cas[1];
static struct core_label labels[1];
static struct core_config config;
static struct front_scep_settings settings;
static struct ra *ra;
static struct test_cert root, ca, ra_cert_, device, own;

/* --- what stands around the door --- */

static void
certify_ra(void)
{
    uint8_t spki[LIMIT_SPKI], tbs_buf[1500], sig_buf[LIMIT_SIGNATURE];
    struct sink key = SINK_ARRAY(spki), tbs = SINK_ARRAY(tbs_buf),
                sig = SINK_ARRAY(sig_buf), out = SINK_ARRAY(ra_cert_.buf);
    struct cert issuer;
    assert_int_equal(ra_new(0, &ra), BV_OK);
    assert_int_equal(ra_add_ca(ra, "issuing"), BV_OK);
    assert_int_equal(ra_make_key(ra, "issuing", &key), BV_OK);
    assert_int_equal(cert_parse(ca.der, &issuer), BV_OK);
    cert_build_tbs(&tbs, &(struct cert_spec){.serial = SPAN_LIT("\x05"),
                                             .sig_alg = ALG_SIG_ECDSA_SHA256,
                                             .issuer = issuer.subject,
                                             .subject = issuer.subject,
                                             .not_before = 1700000000,
                                             .not_after = 1900000000,
                                             .spki = sink_view(&key),
                                             .extensions = issuer.extensions});
    assert_int_equal(key_sign(ca.key, sink_view(&tbs), &sig), BV_OK);
    cert_assemble(&out, sink_view(&tbs), ALG_SIG_ECDSA_SHA256, sink_view(&sig));
    ra_cert_.der = sink_view(&out);
    assert_int_equal(ra_set_cert(ra, "issuing", ra_cert_.der), BV_OK);
}

static int
make_world(void **state)
{
    test_issue(&root, test_key(ALG_KEY_P256, 0), "Root", TEST_CA, NULL,
               SPAN_LIT("\x01"), 1700000000, 1900000000, NULL);
    test_issue(&ca, test_key(ALG_KEY_P256, 0), "Issuing", TEST_CA, &root,
               SPAN_LIT("\x02"), 1700000000, 1900000000, NULL);
    test_issue(&device, test_key(ALG_KEY_RSA, 2048), "pump", TEST_DEVICE, NULL,
               SPAN_LIT("\x03"), 1700000000, 1900000000, NULL);
    test_issue(&own, device.key, "pump", TEST_DEVICE, &ca, SPAN_LIT("\x04"),
               1700000000, 1900000000, NULL);
    certify_ra();
    return 0;
}

static int
drop_world(void **state)
{
    key_free(root.key);
    key_free(ca.key);
    key_free(device.key);
    ra_free(ra);
    return 0;
}

static int
setup(void **state)
{
    struct front_env env = {.settings = &settings};
    memset(&fake_answer, 0, sizeof(fake_answer));
    memset(&fake_question, 0, sizeof(fake_question));
    fake_query = SPAN_EMPTY;
    memset(profiles, 0, sizeof(profiles));
    (void)strcpy(profiles[0].name, "device");
    (void)strcpy(profiles[0].ca, "issuing");
    (void)strcpy(profiles[1].name, "old");
    (void)strcpy(profiles[1].ca, "issuing");
    profiles[1].scep_legacy = true;
    cas[0] = (struct core_ca){
        .name = "issuing", .cert = ca.der, .chain = {root.der}, .num_chain = 1};
    labels[0] = (struct core_label){"museum", "old"};
    config = (struct core_config){.profiles = profiles,
                                  .num_profiles = 2,
                                  .cas = cas,
                                  .num_cas = 1,
                                  .labels = labels,
                                  .num_labels = 1};
    settings = (struct front_scep_settings){true, &config};
    assert_int_equal(front_scep.open(&env, state), BV_OK);
    return 0;
}

static int
teardown(void **state)
{
    front_scep.close(*state);
    return 0;
}

/* serve_ra answers for the signer until core is asked or the client has its
 * answer. */
static void
serve_ra(void)
{
    unsigned answers = fake_answer.num;
    while (fake_answer.num == answers && fake_question.type != MSG_REQUEST) {
        static uint8_t buf[RA_ANSWER_MAX];
        struct sink out = SINK_ARRAY(buf);
        enum msg_type answer;
        peer_fn *fn = fake_question.fn;
        assert_int_equal(
            ra_answer(ra, fake_question.type,
                      span_of(fake_question.body, fake_question.body_len), &out,
                      &answer),
            BV_OK);
        fn(fake_question.arg, BV_OK, answer, sink_view(&out));
    }
}

static void
get(void **state, const char *rest, const char *query)
{
    fake_query = span_str(query);
    fake_send(&front_scep, *state, HTTP_GET, PATH, rest, "", SPAN_EMPTY);
}

/* --- a client --- */

struct client {
    const struct test_cert *signer;
    struct key *csr_key;
    unsigned type;
    enum cms_digest digest;
    enum cms_cipher cipher;
    struct span to;       /* certificate of the recipient */
    bool wrong_key;       /* what is encrypted is not the key of the content */
    bool wrong_signature; /* of other attributes */
};

static struct client
usual(void)
{
    return (struct client){.signer = &device,
                           .csr_key = device.key,
                           .type = SCEP_PKCS_REQ,
                           .digest = CMS_DIGEST_SHA256,
                           .cipher = CMS_CIPHER_AES128_CBC,
                           .to = ra_cert_.der};
}

static struct span
make_csr(struct key *key, struct sink *out)
{
    uint8_t spki[LIMIT_SPKI], name[100], info_buf[1000], sig_buf[1100];
    struct sink subject = SINK_ARRAY(name), info = SINK_ARRAY(info_buf),
                sig = SINK_ARRAY(sig_buf);
    struct name_part cn = {.attr = NAME_CN, .text = SPAN_LIT("pump")};
    assert_int_equal(name_put(&subject, &cn, 1), BV_OK);
    csr_build_info(&info,
                   &(struct csr_spec){.subject = sink_view(&subject),
                                      .spki = test_spki(key, spki).whole,
                                      .challenge = SPAN_LIT("claim-code")});
    assert_int_equal(key_sign(key, sink_view(&info), &sig), BV_OK);
    csr_assemble(out, sink_view(&info), alg_sig_of_key(key_alg(key)),
                 sink_view(&sig));
    return sink_view(out);
}

#define KEY_MATERIAL "0123456789abcdef0123456789abcdef"

static void
put_envelope(const struct client *c, struct sink *out)
{
    uint8_t csr[2000], buf[2100], wrapped_buf[300];
    struct sink csr_out = SINK_ARRAY(csr), encrypted = SINK_ARRAY(buf),
                wrapped = SINK_ARRAY(wrapped_buf);
    struct span key = span_of(KEY_MATERIAL, cms_cipher_key_len(c->cipher)),
                iv = span_of(KEY_MATERIAL, cms_cipher_block_len(c->cipher));
    bv_auto(key) struct key *to = NULL;
    struct cert cert;
    assert_int_equal(cert_parse(c->to, &cert), BV_OK);
    assert_int_equal(key_of_spki(&cert.spki, &to), BV_OK);
    assert_int_equal(cipher_encrypt(c->cipher, key, iv,
                                    make_csr(c->csr_key, &csr_out), &encrypted),
                     BV_OK);
    if (c->wrong_key)
        key = span_of("fedcba9876543210fedcba9876543210", key.len);
    assert_int_equal(rsa_wrap(to, CMS_TRANSPORT_PKCS1, key, &wrapped), BV_OK);
    const struct cms_party party = {.issuer = cert.issuer,
                                    .serial = cert.serial};
    cms_put_enveloped(
        out, &(struct cms_enveloped_spec){.recipient = &party,
                                          .transport = CMS_TRANSPORT_PKCS1,
                                          .encrypted_key = sink_view(&wrapped),
                                          .cipher = c->cipher,
                                          .iv = iv,
                                          .encrypted = sink_view(&encrypted)});
}

static void
put_attr(struct sink *out, struct span oid, uint8_t tag, struct span value)
{
    uint8_t buf[200];
    struct sink der = SINK_ARRAY(buf);
    der_put(&der, tag, value);
    cms_put_attr(out, oid, sink_view(&der));
}

static void
put_attributes(const struct client *c, struct span digest, struct sink *out)
{
    uint8_t buf[1000], type[8];
    struct sink attrs = SINK_ARRAY(buf), number = SINK_ARRAY(type);
    sink_dec(&number, c->type);
    put_attr(&attrs, oid_content_type, DER_OID, oid_cms_data);
    put_attr(&attrs, oid_message_digest, DER_OCTET_STRING, digest);
    put_attr(&attrs, oid_scep_message_type, DER_PRINTABLE_STRING,
             sink_view(&number));
    put_attr(&attrs, oid_scep_transaction_id, DER_PRINTABLE_STRING,
             SPAN_LIT("transaction"));
    put_attr(&attrs, oid_scep_sender_nonce, DER_OCTET_STRING,
             SPAN_LIT("their nonce"));
    assert_int_equal(cms_sort_attrs(sink_view(&attrs), out), BV_OK);
}

static enum digest_alg
hash_of(enum cms_digest digest)
{
    return digest == CMS_DIGEST_SHA1     ? DIGEST_SHA1
           : digest == CMS_DIGEST_SHA512 ? DIGEST_SHA512
                                         : DIGEST_SHA256;
}

static struct span
make_message(const struct client *c)
{
    static uint8_t message[8192];
    uint8_t content[4096], set[1000], tbs_buf[1100], sig_buf[1100],
        digest[DIGEST_MAX];
    struct sink out = SINK_ARRAY(message), envelope = SINK_ARRAY(content),
                attrs = SINK_ARRAY(set), tbs = SINK_ARRAY(tbs_buf),
                sig = SINK_ARRAY(sig_buf);
    enum digest_alg hash = hash_of(c->digest);
    struct cert cert;
    assert_int_equal(cert_parse(c->signer->der, &cert), BV_OK);
    put_envelope(c, &envelope);
    digest_of(hash, sink_view(&envelope), digest);
    put_attributes(c, span_of(digest, digest_len(hash)), &attrs);
    cms_put_attrs(&tbs, sink_view(&attrs));
    digest_of(hash, sink_view(&tbs), digest);
    digest[0] ^= c->wrong_signature;
    assert_int_equal(
        rsa_sign(c->signer->key, hash, span_of(digest, digest_len(hash)), &sig),
        BV_OK);
    cms_put_signed(&out,
                   &(struct cms_signed_spec){.certs = &c->signer->der,
                                             .num_certs = 1,
                                             .has_content = true,
                                             .content = sink_view(&envelope),
                                             .issuer = cert.issuer,
                                             .serial = cert.serial,
                                             .digest = c->digest,
                                             .signature_alg = CMS_SIGNATURE_RSA,
                                             .attr_set = sink_view(&attrs),
                                             .signature = sink_view(&sig)});
    assert_false(out.failed);
    return sink_view(&out);
}

static void
post(void **state, const char *rest, struct span message)
{
    fake_send(&front_scep, *state, HTTP_POST, PATH, rest, "", message);
}

static void
ask(void **state, const char *rest, const struct client *c)
{
    post(state, rest, make_message(c));
    serve_ra();
}

/* --- what comes back --- */

struct answered {
    struct cms_signed cms;
    char status[4], fail[4], text[200], id[40];
};

static void
copy_text(struct span attr_set, struct span oid, uint8_t tag, char *ret,
          size_t cap)
{
    struct span der, text = SPAN_EMPTY;
    if (cms_attr_find(attr_set, oid, &der) == BV_OK)
        assert_int_equal(der_only(der, tag, &text), BV_OK);
    assert_int_equal(span_copy_str(text, ret, cap), BV_OK);
}

static void
check_signature(const struct cms_signed *cms)
{
    uint8_t buf[2000], digest[DIGEST_MAX];
    struct sink tbs = SINK_ARRAY(buf);
    enum digest_alg hash = hash_of(cms->digest);
    bv_auto(key) struct key *key = NULL;
    struct cert cert;
    assert_int_equal(cert_parse(ra_cert_.der, &cert), BV_OK);
    assert_true(
        cms_party_is(&cms->signer, cert.issuer, cert.serial, SPAN_EMPTY));
    assert_int_equal(key_of_spki(&cert.spki, &key), BV_OK);
    digest_of(hash, cms->content, digest);
    assert_true(
        span_eq(cms->attrs.message_digest, span_of(digest, digest_len(hash))));
    cms_put_attrs(&tbs, cms->attr_set);
    digest_of(hash, sink_view(&tbs), digest);
    assert_int_equal(rsa_verify(key, hash, span_of(digest, digest_len(hash)),
                                cms->signature),
                     BV_OK);
}

/* The client's last answer: a CertRep, signed by the RA for this transaction.
 */
static struct answered
read_answer(void)
{
    struct answered a;
    struct span nonce;
    assert_int_equal(fake_answer.status, 200);
    assert_string_equal(fake_answer.type, "application/x-pki-message");
    assert_int_equal(
        cms_signed_parse(span_of(fake_answer.body, fake_answer.body_len),
                         &a.cms),
        BV_OK);
    check_signature(&a.cms);
    struct span set = a.cms.attr_set;
    char type[4];
#define TEXT(oid, field)                                                       \
    copy_text(set, oid, DER_PRINTABLE_STRING, field, sizeof(field))
    TEXT(oid_scep_message_type, type);
    TEXT(oid_scep_pki_status, a.status);
    TEXT(oid_scep_fail_info, a.fail);
    TEXT(oid_scep_transaction_id, a.id);
    copy_text(set, oid_scep_fail_info_text, DER_UTF8_STRING, a.text,
              sizeof(a.text));
    assert_string_equal(type, "3");
    assert_string_equal(a.id, "transaction");
    assert_int_equal(cms_attr_find(set, oid_scep_recipient_nonce, &nonce),
                     BV_OK);
    assert_true(span_eq(nonce, (struct span)SPAN_LIT("\x04\x0btheir nonce")));
    assert_int_equal(cms_attr_find(set, oid_scep_sender_nonce, &nonce), BV_OK);
    assert_int_equal(nonce.len, 18);
    return a;
}

static void
expect_failure(enum scep_fail fail, const char *text)
{
    struct answered a = read_answer();
    assert_string_equal(a.status, "2");
    assert_int_equal(a.fail[0], '0' + (int)fail);
    assert_string_equal(a.text, text);
    assert_false(a.cms.has_content);
}

/* The certificates that came, decrypted with the device's key. */
static struct cms_certs
read_certs(const struct answered *a, enum cms_cipher want)
{
    static uint8_t plain[8192];
    struct sink out = SINK_ARRAY(plain);
    uint8_t key[32];
    struct cms_enveloped e;
    struct cms_recipient_info info;
    struct cms_certs list;
    assert_true(a->cms.has_content);
    assert_int_equal(cms_enveloped_parse(a->cms.content, &e), BV_OK);
    assert_int_equal(e.cipher, want);
    assert_int_equal(cms_recipient_next(&e.recipients, &info), BV_OK);
    assert_int_equal(rsa_unwrap(device.key, info.transport, info.encrypted_key,
                                key, cms_cipher_key_len(want)),
                     BV_OK);
    assert_int_equal(cipher_decrypt(want,
                                    span_of(key, cms_cipher_key_len(want)),
                                    e.iv, e.encrypted, &out),
                     BV_OK);
    assert_int_equal(cms_certs_parse(sink_view(&out), &list), BV_OK);
    return list;
}

static bool
holds(struct cms_certs list, struct span der)
{
    struct span cert;
    while (cms_certs_next(&list, &cert))
        if (span_eq(cert, der))
            return true;
    return false;
}

/* --- core --- */

static struct core_request
asked(void)
{
    struct core_request r;
    assert_int_equal(fake_question.type, MSG_REQUEST);
    assert_int_equal(
        core_request_decode(span_of(fake_question.body, fake_question.body_len),
                            &r),
        BV_OK);
    return r;
}

static void
core_says(const struct core_reply *reply)
{
    static uint8_t buf[20000];
    struct sink out = SINK_ARRAY(buf);
    peer_fn *fn = fake_question.fn;
    core_reply_encode(&out, reply);
    assert_false(out.failed);
    fake_question.type = MSG_REPLY;
    fn(fake_question.arg, BV_OK, MSG_REPLY, sink_view(&out));
    if (fake_question.type != MSG_REPLY)
        serve_ra();
}

/* --- tests --- */

static void
test_caps(void **state)
{
    get(state, "", "operation=GetCACaps");
    assert_string_equal(fake_answer.type, "text/plain");
    struct span body = span_of(fake_answer.body, fake_answer.body_len);
    fake_answer.body[body.len] = '\0';
    const char *text = (const char *)fake_answer.body;
    /* strongSwan 5.9.8 wants SHA-384, and counts an empty line as anything */
    assert_non_null(strstr(text, "SHA-384"));
    assert_non_null(strstr(text, "AES\n"));
    assert_non_null(strstr(text, "POSTPKIOperation\n"));
    assert_non_null(strstr(text, "Renewal\n"));
    assert_non_null(strstr(text, "SCEPStandard\n"));
    assert_null(strstr(text, "\n\n"));
    assert_int_not_equal(text[body.len - 1], '\n');
    assert_null(strstr(text, "SHA-1\n"));
    assert_null(strstr(text, "DES"));
    get(state, "museum", "operation=GetCACaps");
    fake_answer.body[fake_answer.body_len] = '\0';
    assert_non_null(strstr(text, "SHA-1\n"));
    assert_non_null(strstr(text, "DES3"));
}

static void
test_ca_certs(void **state)
{
    struct cms_certs list;
    get(state, "", "operation=GetCACert&message=any%20name");
    serve_ra();
    assert_string_equal(fake_answer.type, "application/x-x509-ca-ra-cert");
    assert_int_equal(
        cms_certs_parse(span_of(fake_answer.body, fake_answer.body_len), &list),
        BV_OK);
    assert_true(holds(list, ra_cert_.der));
    assert_true(holds(list, ca.der));
    assert_true(holds(list, root.der));
    get(state, "", "operation=GetCACert");
    fake_question.fn(fake_question.arg, BV_OK, MSG_RA_CERT_IS,
                     (struct span)SPAN_LIT("\x07\0\0\0\0"));
    assert_int_equal(fake_answer.err, BV_E_UNAVAILABLE);
    get(state, "", "operation=GetCACert");
    fake_settle();
    assert_int_equal(fake_answer.err, BV_E_UNAVAILABLE);
}

static void
test_paths(void **state)
{
    static const char *const ours[] = {"",
                                       "pkiclient.exe",
                                       "cgi-bin/pkiclient.exe",
                                       "museum",
                                       "museum/",
                                       "museum/pkiclient.exe",
                                       "museum/certsrv/mscep/mscep.dll"};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        get(state, ours[i], "operation=GetCACaps");
        assert_int_equal(fake_answer.err, BV_OK);
    }
    get(state, "nobody", "operation=GetCACaps");
    assert_int_equal(fake_answer.err, BV_E_NOT_FOUND);
    get(state, "", "operation=GetNextCACert");
    assert_int_equal(fake_answer.err, BV_E_NOT_FOUND);
    get(state, "", "operation=Hello");
    assert_int_equal(fake_answer.err, BV_E_BAD_MESSAGE);
    settings.enabled = false;
    get(state, "", "operation=GetCACaps");
    assert_int_equal(fake_answer.err, BV_E_NOT_FOUND);
    post(state, "", SPAN_LIT("x"));
    assert_int_equal(fake_answer.err, BV_E_NOT_FOUND);
    assert_int_equal(fake_question.num, 0);
}

static void
expect_issued(enum cms_cipher cipher, enum cms_digest digest)
{
    core_says(&(struct core_reply){.cert = own.der,
                                   .device = "pump",
                                   .profile = "device",
                                   .serial = "04"});
    struct answered a = read_answer();
    assert_string_equal(a.status, "0");
    assert_int_equal(a.cms.digest, digest);
    struct cms_certs list = read_certs(&a, cipher);
    assert_true(holds(list, own.der));
    assert_true(holds(list, ca.der));
    assert_false(holds(list, root.der));
    assert_string_equal(fake_request.device, "pump");
}

static void
test_enrol(void **state)
{
    struct client c = usual();
    ask(state, "", &c);
    struct core_request r = asked();
    assert_int_equal(r.door, CORE_DOOR_SCEP);
    assert_int_equal(r.op, CORE_ENROLL);
    assert_int_equal(r.trust, CORE_TRUST_NONE);
    assert_true(span_eq_str(r.secret, "claim-code"));
    assert_int_equal(r.user.len, 0);
    assert_string_equal(r.label, "");
    struct csr csr;
    assert_int_equal(csr_parse(r.csr, &csr), BV_OK);
    expect_issued(CMS_CIPHER_AES128_CBC, CMS_DIGEST_SHA256);
    assert_non_null(strstr(fake_answer.detail, "PKCSReq issued"));
    assert_non_null(strstr(fake_answer.detail, "transaction=transaction"));
    assert_null(strstr(fake_answer.detail, "claim-code"));
}

/* It is answered in what it speaks. */
static void
test_other_algorithms(void **state)
{
    struct client c = usual();
    c.cipher = CMS_CIPHER_AES256_CBC;
    c.digest = CMS_DIGEST_SHA512;
    ask(state, "", &c);
    expect_issued(CMS_CIPHER_AES256_CBC, CMS_DIGEST_SHA512);
    c.cipher = CMS_CIPHER_DES_EDE3_CBC;
    c.digest = CMS_DIGEST_SHA1;
    ask(state, "museum", &c);
    assert_string_equal(asked().label, "museum");
    expect_issued(CMS_CIPHER_DES_EDE3_CBC, CMS_DIGEST_SHA1);
}

static void
test_old_algorithms_are_refused(void **state)
{
    struct client c = usual();
    c.digest = CMS_DIGEST_SHA1;
    ask(state, "", &c);
    assert_int_equal(fake_question.type, MSG_RA_SIGN); /* core is not asked */
    struct answered a = read_answer();
    assert_string_equal(a.status, "2");
    assert_string_equal(a.fail, "0");
    c = usual();
    c.cipher = CMS_CIPHER_DES_EDE3_CBC;
    ask(state, "", &c);
    expect_failure(SCEP_BAD_ALG, "the cipher is not allowed");
}

static void
test_get_is_the_same(void **state)
{
    static char query[12000];
    struct client c = usual();
    struct span message = make_message(&c);
    struct sink out = sink_of(query, sizeof(query) - 1);
    sink_str(&out, "operation=PKIOperation&message=");
    base64_encode(&out, message);
    assert_false(out.failed);
    query[out.len] = '\0';
    get(state, "", query);
    serve_ra();
    assert_true(span_eq_str(asked().secret, "claim-code"));
    expect_issued(CMS_CIPHER_AES128_CBC, CMS_DIGEST_SHA256);
    get(state, "", "operation=PKIOperation&message=%%%");
    assert_int_equal(fake_answer.err, BV_E_BAD_MESSAGE);
}

/* With a certificate of ours it renews, whatever the client calls it. */
static void
test_renew(void **state)
{
    static const unsigned types[] = {SCEP_PKCS_REQ, SCEP_RENEWAL_REQ,
                                     SCEP_UPDATE_REQ};
    bv_auto(key) struct key *fresh = test_key(ALG_KEY_P256, 0);
    for (size_t i = 0; i < 3; i++) {
        struct client c = usual();
        c.signer = &own;
        c.csr_key = fresh; /* of any kind: only the signer decrypts */
        c.type = types[i];
        ask(state, "", &c);
        struct core_request r = asked();
        assert_int_equal(r.op, CORE_REENROLL);
        assert_int_equal(r.trust, CORE_TRUST_OWN);
        assert_true(span_eq(r.peer_cert, own.der));
        assert_int_equal(r.secret.len, 0);
        expect_issued(CMS_CIPHER_AES128_CBC, CMS_DIGEST_SHA256);
    }
}

/* --- refusals --- */

static void
expect_no_core(void)
{
    assert_int_equal(fake_question.type, MSG_RA_SIGN);
}

static void
test_signature_is_verified(void **state)
{
    struct client c = usual();
    c.wrong_signature = true;
    ask(state, "", &c);
    expect_no_core();
    expect_failure(SCEP_BAD_MESSAGE_CHECK, "the signature does not verify");
}

static void
change_each(void **state, struct span message, struct span within)
{
    static uint8_t changed[8192];
    for (size_t at = 0; at < within.len; at += 13) {
        memcpy(changed, message.data, message.len);
        changed[(size_t)(within.data - message.data) + at] ^= 0x20;
        memset(&fake_question, 0, sizeof(fake_question));
        unsigned answers = fake_answer.num;
        post(state, "", span_of(changed, message.len));
        if (fake_answer.num == answers)
            serve_ra();
        assert_int_not_equal(fake_question.type, MSG_REQUEST);
        assert_int_equal(fake_answer.num, answers + 1);
    }
}

/* Whatever octet of what is signed changes on the way, or of the signature,
 * nothing comes of it. */
static void
test_a_changed_octet(void **state)
{
    struct client c = usual();
    struct span message = make_message(&c);
    struct cms_signed cms;
    assert_int_equal(cms_signed_parse(message, &cms), BV_OK);
    change_each(state, message, cms.content);
    change_each(state, message, cms.attr_set);
    change_each(state, message, cms.signature);
}

/* A certificate of one's own making proves its key, and no other. */
static void
test_signer_has_the_csrs_key(void **state)
{
    bv_auto(key) struct key *other = test_key(ALG_KEY_RSA, 2048);
    struct client c = usual();
    c.csr_key = other;
    ask(state, "", &c);
    expect_no_core();
    expect_failure(SCEP_BAD_REQUEST, "the signer's key is not the CSR's");
    c = usual();
    c.type = SCEP_RENEWAL_REQ;
    ask(state, "", &c);
    expect_no_core();
    expect_failure(SCEP_BAD_REQUEST, "a renewal is signed with what it renews");
}

/* What does not decrypt has one sentence, whatever the reason. */
static void
test_what_does_not_decrypt(void **state)
{
    struct client c = usual();
    c.wrong_key = true;
    ask(state, "", &c);
    expect_no_core();
    expect_failure(SCEP_BAD_MESSAGE_CHECK, "the message does not decrypt");
    c = usual();
    c.to = device.der;
    ask(state, "", &c);
    expect_no_core();
    expect_failure(SCEP_BAD_MESSAGE_CHECK,
                   "the message is not encrypted to this RA");
}

static void
test_types_that_are_not_taken(void **state)
{
    static const unsigned types[] = {0, SCEP_CERT_REP, 99};
    for (size_t i = 0; i < 3; i++) {
        struct client c = usual();
        c.type = types[i];
        ask(state, "", &c);
        expect_no_core();
        expect_failure(SCEP_BAD_REQUEST, "messages of this type are not taken");
    }
}

static void
test_what_core_says(void **state)
{
    struct client c = usual();
    ask(state, "", &c);
    core_says(&(struct core_reply){.err = BV_E_UNAUTHENTICATED,
                                   .detail = "the claim code is not known"});
    expect_failure(SCEP_BAD_REQUEST, "the claim code is not known");
    ask(state, "", &c);
    core_says(&(struct core_reply){.err = BV_E_BAD_KEY, .detail = "too weak"});
    expect_failure(SCEP_BAD_ALG, "too weak");
    ask(state, "", &c);
    core_says(&(struct core_reply){.err = BV_E_PENDING, .retry_after = 60});
    struct answered a = read_answer();
    assert_string_equal(a.status, "3");
    assert_string_equal(a.fail, "");
    assert_false(a.cms.has_content);
    ask(state, "", &c);
    core_says(&(struct core_reply){.err = BV_E_DISK_FULL, .retry_after = 10});
    assert_int_equal(fake_answer.err, BV_E_DISK_FULL);
    assert_int_equal(fake_answer.retry_after, 10);
    ask(state, "", &c);
    core_says(
        &(struct core_reply){.err = BV_E_RATE_LIMITED, .retry_after = 60});
    assert_int_equal(fake_answer.err, BV_E_RATE_LIMITED);
}

static void
test_others_die(void **state)
{
    struct client c = usual();
    post(state, "", make_message(&c));
    fake_settle();
    assert_int_equal(fake_answer.err, BV_E_UNAVAILABLE);
    ask(state, "", &c);
    fake_settle();
    assert_int_equal(fake_answer.err, BV_E_UNAVAILABLE);
    fake_question.refuse = BV_E_UNAVAILABLE;
    post(state, "", make_message(&c));
    assert_int_equal(fake_answer.err, BV_E_UNAVAILABLE);
    fake_question.refuse = BV_OK;
}

static void
test_garbage(void **state)
{
    struct client c = usual();
    struct span message = make_message(&c);
    post(state, "", SPAN_LIT("hello"));
    assert_int_equal(fake_answer.err, BV_E_BAD_MESSAGE);
    post(state, "", SPAN_EMPTY);
    assert_int_equal(fake_answer.err, BV_E_BAD_MESSAGE);
    post(state, "", span_of(message.data, message.len - 1));
    assert_int_equal(fake_answer.err, BV_E_BAD_MESSAGE);
    assert_int_equal(fake_question.num, 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_caps),
        T(test_ca_certs),
        T(test_paths),
        T(test_enrol),
        T(test_other_algorithms),
        T(test_old_algorithms_are_refused),
        T(test_get_is_the_same),
        T(test_renew),
        T(test_signature_is_verified),
        T(test_a_changed_octet),
        T(test_signer_has_the_csrs_key),
        T(test_what_does_not_decrypt),
        T(test_types_that_are_not_taken),
        T(test_what_core_says),
        T(test_others_die),
        T(test_garbage),
    };
    return cmocka_run_group_tests(tests, make_world, drop_world);
}
