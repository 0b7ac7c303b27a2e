#include "wire/cms_enveloped.h"

#include "wire/der.h"
#include "wire/oid.h"

#define RECIPIENTS_MAX 8

static const struct {
    enum cms_cipher cipher;
    const struct span *oid;
    uint8_t key_len, block_len;
} CIPHERS[] = {
    {CMS_CIPHER_DES_EDE3_CBC, &oid_des_ede3_cbc, 24, 8},
    {CMS_CIPHER_AES128_CBC, &oid_aes128_cbc, 16, 16},
    {CMS_CIPHER_AES192_CBC, &oid_aes192_cbc, 24, 16},
    {CMS_CIPHER_AES256_CBC, &oid_aes256_cbc, 32, 16},
};

#define NUM_CIPHERS (sizeof(CIPHERS) / sizeof(CIPHERS[0]))

size_t
cms_cipher_key_len(enum cms_cipher cipher)
{
    for (size_t i = 0; i < NUM_CIPHERS; i++)
        if (CIPHERS[i].cipher == cipher)
            return CIPHERS[i].key_len;
    return 0;
}

size_t
cms_cipher_block_len(enum cms_cipher cipher)
{
    for (size_t i = 0; i < NUM_CIPHERS; i++)
        if (CIPHERS[i].cipher == cipher)
            return CIPHERS[i].block_len;
    return 0;
}

/* --- reading --- */

static enum bv_err
take_cipher(struct span *in, struct cms_enveloped *e)
{
    struct span algorithm, oid;
    BV_TRY(der_take(in, DER_SEQUENCE, &algorithm));
    BV_TRY(der_oid(&algorithm, &oid));
    for (size_t i = 0; i < NUM_CIPHERS; i++)
        if (span_eq(*CIPHERS[i].oid, oid))
            e->cipher = CIPHERS[i].cipher;
    if (e->cipher == CMS_CIPHER_OTHER)
        return BV_OK;
    BV_TRY(der_take(&algorithm, DER_OCTET_STRING, &e->iv));
    BV_TRY(span_end(algorithm));
    return e->iv.len == cms_cipher_block_len(e->cipher) ? BV_OK
                                                        : BV_E_BAD_MESSAGE;
}

static enum bv_err
read_encrypted(struct span in, struct cms_enveloped *e)
{
    struct span oid;
    BV_TRY(der_oid(&in, &oid));
    if (!span_eq(oid, oid_cms_data))
        return BV_E_UNSUPPORTED;
    BV_TRY(take_cipher(&in, e));
    e->in_pieces = der_next_is(in, DER_CONTEXT_CONS(0));
    BV_TRY(der_take(&in, e->in_pieces ? DER_CONTEXT_CONS(0) : DER_CONTEXT(0),
                    &e->encrypted));
    return span_end(in);
}

static enum bv_err
check_recipients(struct span recipients)
{
    struct span value;
    uint8_t tag;
    for (unsigned num = 0; recipients.len > 0; num++) {
        if (num == RECIPIENTS_MAX)
            return BV_E_TOO_MANY;
        BV_TRY(der_any(&recipients, &tag, &value, NULL));
    }
    return BV_OK;
}

static enum bv_err
read_enveloped(struct span in, struct cms_enveloped *e)
{
    struct span originator, encrypted, attrs;
    uint64_t version;
    bool present;
    BV_TRY(der_uint(&in, &version));
    if (version > 4)
        return BV_E_UNSUPPORTED;
    BV_TRY(der_take_opt(&in, DER_CONTEXT_CONS(0), &present, &originator));
    BV_TRY(der_take(&in, DER_SET, &e->recipients));
    BV_TRY(check_recipients(e->recipients));
    BV_TRY(der_take(&in, DER_SEQUENCE, &encrypted));
    BV_TRY(der_take_opt(&in, DER_CONTEXT_CONS(1), &present, &attrs));
    BV_TRY(span_end(in));
    return read_encrypted(encrypted, e);
}

enum bv_err
cms_enveloped_parse(struct span der, struct cms_enveloped *ret)
{
    struct cms_enveloped e = {0};
    struct span in;
    BV_TRY(cms_info_take(der, oid_cms_enveloped_data, &in));
    BV_TRY(read_enveloped(in, &e));
    *ret = e;
    return BV_OK;
}

/* What RSAES-OAEP-params says where it says nothing is SHA-1 (RFC 4055 4.1);
 * [0] names the hash. MGF1 of another hash than [0]'s shows when the key does
 * not open. */
static enum cms_transport
oaep_of(struct span params)
{
    struct span fields, hash, algorithm, oid;
    if (params.len == 0 || der_only(params, DER_SEQUENCE, &fields) != BV_OK)
        return CMS_TRANSPORT_OTHER;
    if (fields.len == 0)
        return CMS_TRANSPORT_OAEP_SHA1;
    if (der_take(&fields, DER_CONTEXT_CONS(0), &hash) != BV_OK ||
        der_take(&hash, DER_SEQUENCE, &algorithm) != BV_OK ||
        der_oid(&algorithm, &oid) != BV_OK)
        return CMS_TRANSPORT_OTHER;
    if (span_eq(oid, oid_sha1)) /* said though it is the default */
        return CMS_TRANSPORT_OAEP_SHA1;
    return span_eq(oid, oid_sha256) ? CMS_TRANSPORT_OAEP_SHA256
                                    : CMS_TRANSPORT_OTHER;
}

static enum bv_err
read_transport(struct span *in, struct cms_recipient_info *info)
{
    struct span algorithm, oid;
    BV_TRY(der_take(in, DER_SEQUENCE, &algorithm));
    BV_TRY(der_oid(&algorithm, &oid));
    if (span_eq(oid, oid_rsa))
        info->transport = CMS_TRANSPORT_PKCS1;
    else if (span_eq(oid, oid_rsaes_oaep))
        info->transport = oaep_of(algorithm);
    return BV_OK;
}

static enum bv_err
read_recipient(struct span in, struct cms_recipient_info *info)
{
    uint64_t version;
    BV_TRY(der_uint(&in, &version));
    BV_TRY(cms_take_party(&in, &info->party));
    BV_TRY(read_transport(&in, info));
    BV_TRY(der_take(&in, DER_OCTET_STRING, &info->encrypted_key));
    return span_end(in);
}

enum bv_err
cms_recipient_next(struct span *recipients, struct cms_recipient_info *ret)
{
    while (recipients->len > 0) {
        struct cms_recipient_info info = {0};
        struct span value;
        uint8_t tag;
        BV_TRY(der_any(recipients, &tag, &value, NULL));
        if (tag != DER_SEQUENCE)
            continue; /* key agreement, passwords: [1]..[4] */
        BV_TRY(read_recipient(value, &info));
        *ret = info;
        return BV_OK;
    }
    return BV_E_NOT_FOUND;
}

/* --- writing --- */

static void
put_transport(struct sink *out, enum cms_transport transport)
{
    size_t algorithm = der_open(out, DER_SEQUENCE);
    if (transport == CMS_TRANSPORT_OAEP_SHA1) {
        der_put_oid(out, oid_rsaes_oaep);
        der_put(out, DER_SEQUENCE, SPAN_EMPTY);
    } else {
        der_put_oid(out, oid_rsa);
        der_put_null(out);
    }
    der_close(out, algorithm);
}

static void
put_recipient(struct sink *out, const struct cms_enveloped_spec *spec)
{
    const struct cms_party *party = spec->recipient;
    bool by_key = party->issuer.len == 0;
    size_t info = der_open(out, DER_SEQUENCE);
    der_put_uint(out, by_key ? 2 : 0);
    if (by_key)
        der_put(out, DER_CONTEXT(0), party->key_id);
    else
        cms_put_party(out, party->issuer, party->serial);
    put_transport(out, spec->transport);
    der_put(out, DER_OCTET_STRING, spec->encrypted_key);
    der_close(out, info);
}

static void
put_encrypted(struct sink *out, const struct cms_enveloped_spec *spec)
{
    size_t info = der_open(out, DER_SEQUENCE);
    der_put_oid(out, oid_cms_data);
    size_t algorithm = der_open(out, DER_SEQUENCE);
    for (size_t i = 0; i < NUM_CIPHERS; i++)
        if (CIPHERS[i].cipher == spec->cipher)
            der_put_oid(out, *CIPHERS[i].oid);
    der_put(out, DER_OCTET_STRING, spec->iv);
    der_close(out, algorithm);
    der_put(out, DER_CONTEXT(0), spec->encrypted);
    der_close(out, info);
}

void
cms_put_enveloped(struct sink *out, const struct cms_enveloped_spec *spec)
{
    struct cms_info marks = cms_info_open(out, oid_cms_enveloped_data);
    der_put_uint(out, spec->recipient->issuer.len == 0 ? 2 : 0);
    size_t recipients = der_open(out, DER_SET);
    put_recipient(out, spec);
    der_close(out, recipients);
    put_encrypted(out, spec);
    cms_info_close(out, marks);
}
