#include "front/scep/message.h"

#include <stdlib.h>
#include <string.h>

#include "pki/cipher.h"
#include "pki/rsa.h"
#include "wire/ber.h"
#include "wire/cert.h"
#include "wire/der.h"

/* The message as DER, the envelope in it, its content joined, the plain text
 * and that as DER: each at most as long as the message, and a block. */
#define ARENA_PARTS 5
#define ARENA_ROOM  256
/* A key below is no proof of anything. */
#define KEY_BITS_MIN 2048

/* The room left for one more part. */
static struct sink
part(struct message *m)
{
    return sink_of(m->arena.data + m->arena.len, m->arena.cap - m->arena.len);
}

static struct span
keep(struct message *m, const struct sink *written)
{
    m->arena.len += written->len;
    return sink_view(written);
}

static enum bv_err
read_message(struct message *m, struct span in)
{
    struct sink der = part(m);
    BV_TRY(ber_to_der(in, &der));
    BV_TRY(cms_signed_parse(keep(m, &der), &m->cms));
    return scep_attrs_parse(m->cms.attr_set, &m->attrs);
}

enum bv_err
message_new(struct span in, struct message **ret)
{
    bv_auto(message) struct message *m = calloc(1, sizeof *m);
    if (m == NULL)
        return BV_E_NO_MEMORY;
    m->cap = ARENA_PARTS * in.len + ARENA_ROOM;
    m->memory = malloc(m->cap);
    if (m->memory == NULL)
        return BV_E_NO_MEMORY;
    m->arena = sink_of(m->memory, m->cap);
    BV_TRY(read_message(m, in));
    *ret = BV_STEAL(m);
    return BV_OK;
}

void
message_free(struct message *m)
{
    if (m == NULL)
        return;
    if (m->memory != NULL)
        explicit_bzero(m->memory, m->cap);
    free(m->memory);
    key_free(m->key);
    free(m);
}

/* --- who signed --- */

enum digest_alg
message_hash(enum cms_digest digest)
{
    switch (digest) {
    case CMS_DIGEST_SHA1:
        return DIGEST_SHA1;
    case CMS_DIGEST_SHA384:
        return DIGEST_SHA384;
    case CMS_DIGEST_SHA512:
        return DIGEST_SHA512;
    case CMS_DIGEST_OTHER:
    case CMS_DIGEST_SHA256:
        break;
    }
    return DIGEST_SHA256;
}

static bool
is_signer(const struct message *m, struct span der, const struct cms_cert *c)
{
    struct cert cert;
    struct span ski = SPAN_EMPTY;
    if (m->cms.signer.issuer.len == 0 && cert_parse(der, &cert) == BV_OK)
        ski = cert.ski;
    return cms_party_is(&m->cms.signer, c->issuer, c->serial, ski);
}

static bool
find_signer(struct message *m)
{
    struct cms_certs certs = m->cms.certs;
    struct span der;
    while (cms_certs_next(&certs, &der)) {
        if (cms_cert_parse(der, &m->signer) != BV_OK ||
            !is_signer(m, der, &m->signer))
            continue;
        m->cert = der;
        return true;
    }
    return false;
}

/* Answers are encrypted to the signer, so its key is an RSA key. */
static bool
take_key(struct message *m)
{
    struct span in = m->signer.spki;
    struct alg_spki spki;
    return alg_spki_parse(&in, &spki) == BV_OK && spki.alg == ALG_KEY_RSA &&
           spki.bits >= KEY_BITS_MIN && key_of_spki(&spki, &m->key) == BV_OK;
}

static bool
verifies(const struct message *m, enum digest_alg hash, struct span attr_set)
{
    uint8_t buf[8192], digest[DIGEST_MAX];
    struct sink set = SINK_ARRAY(buf);
    struct span tbs;
    cms_put_attrs(&set, attr_set);
    if (sink_done(&set, &tbs) != BV_OK)
        return false;
    digest_of(hash, tbs, digest);
    return rsa_verify(m->key, hash, span_of(digest, digest_len(hash)),
                      m->cms.signature) == BV_OK;
}

/* What is signed is the DER of the attributes (RFC 5652 5.4), which sorts
 * them; some sign them in the order they are sent in. */
static bool
is_signed(const struct message *m, enum digest_alg hash)
{
    uint8_t buf[8192], digest[DIGEST_MAX];
    struct sink sorted = SINK_ARRAY(buf);
    digest_of(hash, m->cms.content, digest);
    if (!span_eq(m->cms.attrs.message_digest,
                 span_of(digest, digest_len(hash))))
        return false;
    if (verifies(m, hash, m->cms.attr_set))
        return true;
    return cms_sort_attrs(m->cms.attr_set, &sorted) == BV_OK &&
           verifies(m, hash, sink_view(&sorted));
}

const struct message_fault *
message_verify(struct message *m, bool legacy)
{
    static const struct message_fault
        no_signer = {SCEP_BAD_MESSAGE_CHECK,
                     "the signer's certificate is not in the message"},
        bad_hash = {SCEP_BAD_ALG, "the digest algorithm is not allowed"},
        bad_key = {SCEP_BAD_ALG,
                   "the signer's key is not an RSA key of 2048 bits or more"},
        bad_signature = {SCEP_BAD_MESSAGE_CHECK,
                         "the signature does not verify"};
    bool weak = m->cms.digest == CMS_DIGEST_SHA1 && !legacy;
    if (weak || m->cms.digest == CMS_DIGEST_OTHER)
        return &bad_hash;
    if (!find_signer(m))
        return &no_signer;
    if (m->cms.signature_alg != CMS_SIGNATURE_RSA || !take_key(m))
        return &bad_key;
    return is_signed(m, message_hash(m->cms.digest)) ? NULL : &bad_signature;
}

/* --- what is inside --- */

const struct message_fault *
message_open(struct message *m, bool legacy)
{
    static const struct message_fault
        no_envelope = {SCEP_BAD_MESSAGE_CHECK, "the envelope is not readable"},
        bad_cipher = {SCEP_BAD_ALG, "the cipher is not allowed"};
    struct sink der = part(m);
    if (!m->cms.has_content || ber_to_der(m->cms.content, &der) != BV_OK ||
        cms_enveloped_parse(keep(m, &der), &m->envelope) != BV_OK)
        return &no_envelope;
    bool weak = m->envelope.cipher == CMS_CIPHER_DES_EDE3_CBC && !legacy;
    return weak || m->envelope.cipher == CMS_CIPHER_OTHER ? &bad_cipher : NULL;
}

static enum bv_err
decrypt(struct message *m, struct span content_key, struct span *ret_content)
{
    struct sink out = part(m);
    BV_TRY(ber_join(m->envelope.in_pieces, m->envelope.encrypted, &out));
    struct span encrypted = keep(m, &out);
    out = part(m);
    BV_TRY(cipher_decrypt(m->envelope.cipher, content_key, m->envelope.iv,
                          encrypted, &out));
    struct span plain = keep(m, &out);
    out = part(m);
    BV_TRY(ber_to_der(plain, &out));
    *ret_content = keep(m, &out);
    return BV_OK;
}

const struct message_fault *
message_decrypt(struct message *m, struct span content_key,
                struct span *ret_content)
{
    static const struct message_fault bad = {SCEP_BAD_MESSAGE_CHECK,
                                             "the message does not decrypt"};
    return decrypt(m, content_key, ret_content) == BV_OK ? NULL : &bad;
}
