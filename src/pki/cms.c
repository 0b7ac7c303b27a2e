#include "pki/cms.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "pki/evp.h"
#include "wire/der.h"
#include "wire/oid.h"

BV_AUTO_DEFINE(CMS, CMS_ContentInfo, CMS_ContentInfo_free)
BV_AUTO_DEFINE(BIO, BIO, BIO_free_all)
BV_AUTO_DEFINE(OBJECT, ASN1_OBJECT, ASN1_OBJECT_free)

struct plain {
    uint8_t data[KEY_PEM_MAX];
};
static void
plain_wipe(struct plain *plain)
{
    OPENSSL_cleanse(plain->data, sizeof plain->data);
}
#define PLAIN __attribute__((cleanup(plain_wipe))) struct plain

static bool
set_type(CMS_ContentInfo *cms, const char *oid)
{
    bv_auto(OBJECT) ASN1_OBJECT *type = OBJ_txt2obj(oid, 1);
    return type != NULL && CMS_set1_eContentType(cms, type) == 1;
}

/* AsymmetricKeyPackage is a SEQUENCE OF OneAsymmetricKey (RFC 5958 2). */
static enum bv_err
build_package(const struct key *key, struct sink *out)
{
    PLAIN one;
    struct sink der = SINK_ARRAY(one.data);
    struct span all;

    BV_TRY(key_plain_der(key, &der));
    size_t package = der_open(out, DER_SEQUENCE);
    der_put_raw(out, sink_view(&der));
    der_close(out, package);
    return sink_done(out, &all);
}

static CMS_ContentInfo *
sign_package(struct span package, const struct key *signer, X509 *cert)
{
    unsigned flags = CMS_BINARY | CMS_NOSMIMECAP | CMS_PARTIAL;
    bv_auto(BIO) BIO *in = BIO_new_mem_buf(package.data, (int)package.len);
    bv_auto(CMS) CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, flags);

    if (in == NULL || cms == NULL ||
        !set_type(cms, "2.16.840.1.101.2.1.2.78.5") ||
        CMS_add1_signer(cms, cert, signer->pkey, NULL, flags) == NULL ||
        CMS_final(cms, in, NULL, flags) != 1)
        return NULL;
    return BV_STEAL(cms);
}

/* RFC 5652 5.1: what is enveloped is the content of the ContentInfo, that is
 * SignedData itself, and the type says so. */
static enum bv_err
signed_data(CMS_ContentInfo *cms, uint8_t *buf, size_t cap,
            struct span *ret_signed)
{
    unsigned char *p = buf;
    int len = i2d_CMS_ContentInfo(cms, NULL);
    struct span info, oid, content;

    if (len <= 0 || (size_t)len > cap)
        return BV_E_NO_SPACE;
    (void)i2d_CMS_ContentInfo(cms, &p);
    BV_TRY(der_only(span_of(buf, (size_t)len), DER_SEQUENCE, &info));
    BV_TRY(der_oid(&info, &oid));
    BV_TRY(der_only(info, DER_CONTEXT_CONS(0), &content));
    *ret_signed = content;
    return BV_OK;
}

static bool
set_oaep(CMS_RecipientInfo *ri)
{
    EVP_PKEY_CTX *ctx = CMS_RecipientInfo_get0_pkey_ctx(ri);
    return ctx != NULL &&
           EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) == 1;
}

static enum bv_err
add_cert(CMS_ContentInfo *cms, struct span der)
{
    bv_auto(X509) X509 *cert = x509_of_der(der);
    CMS_RecipientInfo *ri;
    unsigned flags = CMS_KEY_PARAM;

    if (cert == NULL)
        return BV_E_BAD_KEY;
    if (X509_get0_subject_key_id(cert) != NULL)
        flags |= CMS_USE_KEYID;
    ri = CMS_add1_recipient_cert(cms, cert, flags);
    if (ri == NULL)
        return BV_E_BAD_KEY;
    if (CMS_RecipientInfo_type(ri) == CMS_RECIPINFO_TRANS && !set_oaep(ri))
        return BV_E_BAD_KEY;
    return BV_OK;
}

static enum bv_err
add_kek(CMS_ContentInfo *cms, struct span kek, struct span kek_id)
{
    int nid = kek.len == 16   ? NID_id_aes128_wrap
              : kek.len == 24 ? NID_id_aes192_wrap
                              : NID_id_aes256_wrap;
    unsigned char *key, *id;

    if (kek.len != 16 && kek.len != 24 && kek.len != 32)
        return BV_E_USAGE;
    key = OPENSSL_memdup(kek.data, kek.len); /* CMS takes both over */
    id = OPENSSL_memdup(kek_id.data, kek_id.len);
    if (key == NULL || id == NULL ||
        CMS_add0_recipient_key(cms, nid, key, kek.len, id, kek_id.len, NULL,
                               NULL, NULL) == NULL) {
        OPENSSL_clear_free(key, kek.len);
        OPENSSL_free(id);
        return BV_E_CRYPTO;
    }
    return BV_OK;
}

static enum bv_err
envelope(struct span content, const struct cms_recipient *recipient,
         struct sink *out)
{
    unsigned flags = CMS_BINARY | CMS_PARTIAL;
    bv_auto(BIO) BIO *in = BIO_new_mem_buf(content.data, (int)content.len);
    bv_auto(CMS) CMS_ContentInfo *cms = CMS_encrypt(
        NULL, NULL,
        recipient->bits == 128 ? EVP_aes_128_cbc() : EVP_aes_256_cbc(), flags);
    unsigned char *der = NULL;
    struct span all;
    int len;

    if (in == NULL || cms == NULL || !set_type(cms, "1.2.840.113549.1.7.2"))
        return BV_E_CRYPTO;
    BV_TRY(recipient->cert.len != 0
               ? add_cert(cms, recipient->cert)
               : add_kek(cms, recipient->kek, recipient->kek_id));
    if (CMS_final(cms, in, NULL, flags) != 1)
        return BV_E_CRYPTO;
    len = i2d_CMS_ContentInfo(cms, &der);
    if (len <= 0)
        return BV_E_CRYPTO;
    sink_put(out, span_of(der, (size_t)len));
    OPENSSL_free(der);
    return sink_done(out, &all);
}

enum bv_err
cms_wrap_key(const struct key *key, const struct key *signer,
             struct span signer_cert, const struct cms_recipient *recipient,
             struct sink *out)
{
    PLAIN package, inner;
    struct sink der = SINK_ARRAY(package.data);
    bv_auto(X509) X509 *cert = x509_of_der(signer_cert);
    bv_auto(CMS) CMS_ContentInfo *cms = NULL;
    struct span content;
    enum bv_err err;

    if ((recipient->cert.len == 0) == (recipient->kek.len == 0) ||
        (recipient->bits != 0 && recipient->bits != 128 &&
         recipient->bits != 256))
        return BV_E_USAGE;
    if (cert == NULL || !signer->is_private)
        return BV_E_WRONG_KEY;
    BV_TRY(build_package(key, &der));
    cms = sign_package(sink_view(&der), signer, cert);
    if (cms == NULL)
        return BV_E_CRYPTO;
    BV_TRY(signed_data(cms, inner.data, sizeof inner.data, &content));
    err = envelope(content, recipient, out);
    ERR_clear_error();
    return err;
}
