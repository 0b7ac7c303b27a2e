#include "front/scep/answer.h"

#include <stdlib.h>
#include <string.h>

#include "pki/cipher.h"
#include "pki/random.h"
#include "pki/rsa.h"
#include "wire/cert.h"

#define IV_MAX 16
/* Around certificate, content, attributes and signature, the issuer's Name
 * included. */
#define OVERHEAD (LIMIT_NAME + 512)

void
answer_begin(struct answer *a, const struct message *to)
{
    *a = (struct answer){.to = to};
    a->hash = message_hash(to->cms.digest);
    a->digest =
        to->cms.digest != CMS_DIGEST_OTHER ? to->cms.digest : CMS_DIGEST_SHA256;
    a->reply.transaction_id = to->attrs.transaction_id;
    a->reply.recipient_nonce = to->attrs.sender_nonce;
    random_bytes(a->nonce, sizeof a->nonce);
    a->reply.sender_nonce = SPAN_ARRAY(a->nonce);
}

void
answer_done(struct answer *a)
{
    free(a->content);
    a->content = NULL;
}

/* --- content --- */

static enum bv_err
encrypt(const struct answer *a, struct span plain, struct span content_key,
        struct span iv, struct sink *out)
{
    const struct message *to = a->to;
    const struct cms_party recipient = {.issuer = to->signer.issuer,
                                        .serial = to->signer.serial};
    uint8_t buf[LIMIT_SIGNATURE];
    struct sink wrapped = SINK_ARRAY(buf);
    size_t cap = plain.len + 2 * IV_MAX;
    struct span all;
    bv_auto_free uint8_t *memory = malloc(cap);
    if (memory == NULL)
        return BV_E_NO_MEMORY;
    struct sink encrypted = sink_of(memory, cap);
    BV_TRY(rsa_wrap(to->key, CMS_TRANSPORT_PKCS1, content_key, &wrapped));
    BV_TRY(cipher_encrypt(to->envelope.cipher, content_key, iv, plain,
                          &encrypted));
    cms_put_enveloped(
        out, &(struct cms_enveloped_spec){.recipient = &recipient,
                                          .transport = CMS_TRANSPORT_PKCS1,
                                          .encrypted_key = sink_view(&wrapped),
                                          .cipher = to->envelope.cipher,
                                          .iv = iv,
                                          .encrypted = sink_view(&encrypted)});
    return sink_done(out, &all);
}

enum bv_err
answer_content(struct answer *a, struct span certs_only)
{
    uint8_t key[RSA_CONTENT_KEY_MAX], iv[IV_MAX];
    enum cms_cipher cipher = a->to->envelope.cipher;
    size_t cap = certs_only.len + 2 * IV_MAX + LIMIT_SIGNATURE +
                 a->to->signer.issuer.len + CMS_ENVELOPED_OVERHEAD;
    bv_auto_free uint8_t *memory = malloc(cap);
    if (memory == NULL)
        return BV_E_NO_MEMORY;
    struct sink out = sink_of(memory, cap);
    random_bytes(key, sizeof key);
    random_bytes(iv, sizeof iv);
    enum bv_err err =
        encrypt(a, certs_only, span_of(key, cms_cipher_key_len(cipher)),
                span_of(iv, cms_cipher_block_len(cipher)), &out);
    explicit_bzero(key, sizeof key);
    BV_TRY(err);
    a->content = BV_STEAL(memory);
    a->content_len = out.len;
    return BV_OK;
}

/* --- the message --- */

enum bv_err
answer_attrs(struct answer *a, int64_t now, struct sink *out,
             struct span *ret_tbs)
{
    struct sink set = SINK_ARRAY(a->attrs);
    digest_of(a->hash, span_of(a->content, a->content_len), a->message_digest);
    a->reply.signing_time = now;
    a->reply.message_digest = span_of(a->message_digest, digest_len(a->hash));
    BV_TRY(scep_put_reply_attrs(&set, &a->reply));
    a->attrs_len = set.len;
    cms_put_attrs(out, sink_view(&set));
    return sink_done(out, ret_tbs);
}

size_t
answer_size(const struct answer *a, struct span cert)
{
    return a->content_len + a->attrs_len + cert.len + LIMIT_SIGNATURE +
           OVERHEAD;
}

enum bv_err
answer_put(const struct answer *a, struct span signature, struct span cert_der,
           struct sink *out)
{
    struct cert cert;
    struct span all;
    BV_TRY(cert_parse(cert_der, &cert));
    cms_put_signed(out, &(struct cms_signed_spec){
                            .certs = &cert_der,
                            .num_certs = 1,
                            .has_content = a->content != NULL,
                            .content = span_of(a->content, a->content_len),
                            .issuer = cert.issuer,
                            .serial = cert.serial,
                            .digest = a->digest,
                            .signature_alg = CMS_SIGNATURE_RSA,
                            .attr_set = span_of(a->attrs, a->attrs_len),
                            .signature = signature});
    return sink_done(out, &all);
}
