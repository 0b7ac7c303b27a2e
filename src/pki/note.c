#include "pki/note.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/auto.h"
#include "pki/merkle.h"

BV_AUTO_DEFINE(EVP_PKEY, EVP_PKEY, EVP_PKEY_free)
BV_AUTO_DEFINE(EVP_MD_CTX, EVP_MD_CTX, EVP_MD_CTX_free)

static uint32_t
key_id(const char *name, const uint8_t key[32])
{
    uint8_t buf[TLOG_KEY_NAME_MAX + 40];
    struct sink out = SINK_ARRAY(buf);
    struct merkle_hash hash;

    tlog_key_id_input(&out, name, key);
    merkle_sha256(sink_view(&out), &hash);
    return (uint32_t)hash.octets[0] << 24 | (uint32_t)hash.octets[1] << 16 |
           (uint32_t)hash.octets[2] << 8 | hash.octets[3];
}

enum bv_err
note_vkey_of(const char *name, const uint8_t key[32],
             struct tlog_vkey *ret_vkey)
{
    struct tlog_vkey vkey = {0};

    BV_TRY(tlog_name_check(span_str(name)));
    memcpy(vkey.name, name, strlen(name) + 1);
    memcpy(vkey.key, key, sizeof(vkey.key));
    vkey.id = key_id(name, key);
    *ret_vkey = vkey;
    return BV_OK;
}

enum bv_err
note_vkey_parse(struct span text, struct tlog_vkey *ret_vkey)
{
    struct tlog_vkey vkey;

    BV_TRY(tlog_vkey_parse(text, &vkey));
    if (vkey.id != key_id(vkey.name, vkey.key))
        return BV_E_BAD_MESSAGE;
    *ret_vkey = vkey;
    return BV_OK;
}

enum bv_err
note_check_signature(const uint8_t key[32], struct span text,
                     struct span signature)
{
    bv_auto(EVP_PKEY) EVP_PKEY *pkey =
        EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, key, 32);
    bv_auto(EVP_MD_CTX) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (pkey == NULL || ctx == NULL ||
        EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL, pkey, NULL) != 1)
        return BV_E_CRYPTO;
    int good = EVP_DigestVerify(ctx, signature.data, signature.len, text.data,
                                text.len);
    return good == 1 ? BV_OK : BV_E_BAD_SIGNATURE;
}

enum bv_err
note_open(struct span note, const struct tlog_vkey *vkey, struct span *ret_text)
{
    struct tlog_note parts;
    bool signed_by_key = false;

    BV_TRY(tlog_note_parse(note, &parts));
    for (;;) {
        struct tlog_signature sig;
        enum bv_err err = tlog_signature_next(&parts.signatures, &sig);
        if (err == BV_E_NOT_FOUND)
            break;
        if (err != BV_OK)
            return err;
        if (sig.key_id != vkey->id || !span_eq_str(sig.name, vkey->name))
            continue;
        BV_TRY(note_check_signature(vkey->key, parts.text,
                                    span_of(sig.octets, sig.octets_len)));
        signed_by_key = true;
    }
    if (!signed_by_key)
        return BV_E_BAD_SIGNATURE;
    *ret_text = parts.text;
    return BV_OK;
}
