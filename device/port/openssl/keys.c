#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "device/port/openssl/port.h"
#include "device/port/posix/file.h"

#define KEY_FILE_MAX 8192 /* RSA-4096 as PKCS#8 PEM is 3.3 kB */

static const char *
file_of(enum bv_slot slot)
{
    return slot == BV_SLOT_B ? "key-b.pem" : "key-a.pem";
}

static EVP_PKEY *
parse_pem(const void *pem, size_t len)
{
    bv_auto(BIO) BIO *memory = BIO_new_mem_buf(pem, (int)len);
    return memory == NULL ? NULL
                          : PEM_read_bio_PrivateKey(
                                memory, NULL, openssl_no_passphrase, NULL);
}

static EVP_PKEY *
load_factory(const struct bv_openssl *openssl)
{
    if (openssl->factory_key == NULL)
        return NULL;
    bv_auto(BIO) BIO *file = BIO_new_file(openssl->factory_key, "r");
    return file == NULL ? NULL
                        : PEM_read_bio_PrivateKey(file, NULL,
                                                  openssl_no_passphrase, NULL);
}

/* NONE: there is no key, or what there is is none; FAILED: it cannot be read.
 */
static enum bv_port
load(struct bv_openssl *openssl, enum bv_slot slot, EVP_PKEY **ret_key)
{
    char pem[KEY_FILE_MAX];
    size_t len = 0;
    *ret_key = NULL;
    if (slot == BV_SLOT_FACTORY) {
        *ret_key = load_factory(openssl);
        return *ret_key != NULL ? BV_PORT_OK : BV_PORT_NONE;
    }
    enum bv_port got =
        file_read(openssl->dir, file_of(slot), pem, sizeof(pem), &len);
    if (got != BV_PORT_OK)
        return got;
    *ret_key = parse_pem(pem, len);
    OPENSSL_cleanse(pem, sizeof(pem));
    ERR_clear_error();
    return *ret_key != NULL ? BV_PORT_OK : BV_PORT_NONE;
}

EVP_PKEY *
keys_load(struct bv_openssl *openssl, enum bv_slot slot)
{
    EVP_PKEY *key;
    return load(openssl, slot, &key) == BV_PORT_OK ? key : NULL;
}

static EVP_PKEY *
make(enum bv_key_type type)
{
    switch (type) {
    case BV_KEY_P256:
        return EVP_EC_gen("P-256");
    case BV_KEY_P384:
        return EVP_EC_gen("P-384");
    case BV_KEY_ED25519:
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    case BV_KEY_RSA2048:
        return EVP_RSA_gen(2048);
    case BV_KEY_RSA3072:
        return EVP_RSA_gen(3072);
    case BV_KEY_RSA4096:
        return EVP_RSA_gen(4096);
    }
    return NULL;
}

/* PEM text of a key in memory that is wiped when it is freed. */
static BIO *
to_pem(const EVP_PKEY *key)
{
    BIO *memory = BIO_new(BIO_s_secmem());
    if (memory != NULL && PEM_write_bio_PKCS8PrivateKey(memory, key, NULL, NULL,
                                                        0, NULL, NULL) == 1)
        return memory;
    BIO_free_all(memory);
    return NULL;
}

static enum bv_port
generate(void *ctx, enum bv_slot slot, enum bv_key_type type)
{
    struct bv_openssl *openssl = ctx;
    char *text = NULL;
    if (slot != BV_SLOT_A && slot != BV_SLOT_B)
        return BV_PORT_FAILED;
    bv_auto(EVP_PKEY) EVP_PKEY *key = make(type);
    bv_auto(BIO) BIO *pem = key == NULL ? NULL : to_pem(key);
    if (pem == NULL)
        return openssl_note(openssl, BV_PORT_FAILED, "making a key");
    long len = BIO_get_mem_data(pem, &text);
    if (file_replace(openssl->dir, file_of(slot), text, (size_t)len) !=
        BV_PORT_OK)
        return openssl_note_errno(openssl, BV_PORT_FAILED, "storing a key");
    return BV_PORT_OK;
}

static enum bv_port
public_key(void *ctx, enum bv_slot slot, uint8_t *out, size_t cap,
           size_t *ret_len)
{
    struct bv_openssl *openssl = ctx;
    bv_auto(EVP_PKEY) EVP_PKEY *key = NULL;
    enum bv_port got = load(openssl, slot, &key);
    if (got != BV_PORT_OK)
        return got;
    int len = i2d_PUBKEY(key, NULL);
    if (len <= 0 || (size_t)len > cap)
        return openssl_note(openssl, BV_PORT_FAILED, "reading a key");
    *ret_len = (size_t)i2d_PUBKEY(key, &out);
    return BV_PORT_OK;
}

static const EVP_MD *
digest_for(const EVP_PKEY *key)
{
    if (EVP_PKEY_is_a(key, "ED25519"))
        return NULL;
    return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_bits(key) > 256
               ? EVP_sha384()
               : EVP_sha256();
}

static enum bv_port
sign(void *ctx, enum bv_slot slot, const uint8_t *message, size_t len,
     uint8_t *out, size_t cap, size_t *ret_len)
{
    struct bv_openssl *openssl = ctx;
    size_t made = cap;
    bv_auto(EVP_PKEY) EVP_PKEY *key = keys_load(openssl, slot);
    bv_auto(EVP_MD_CTX) EVP_MD_CTX *md = EVP_MD_CTX_new();
    if (key == NULL)
        return BV_PORT_NONE;
    if (md == NULL ||
        EVP_DigestSignInit(md, NULL, digest_for(key), NULL, key) != 1 ||
        EVP_DigestSign(md, out, &made, message, len) != 1)
        return openssl_note(openssl, BV_PORT_FAILED, "signing");
    *ret_len = made;
    return BV_PORT_OK;
}

static enum bv_port
copy(void *ctx, enum bv_slot from, enum bv_slot to)
{
    char pem[KEY_FILE_MAX];
    size_t len = 0;
    struct bv_openssl *openssl = ctx;
    enum bv_port got =
        bv_openssl_key_pem(openssl, from, pem, sizeof(pem), &len);
    if (got == BV_PORT_OK)
        got = to == BV_SLOT_A || to == BV_SLOT_B
                  ? file_replace(openssl->dir, file_of(to), pem, len)
                  : BV_PORT_FAILED;
    OPENSSL_cleanse(pem, sizeof(pem));
    return got == BV_PORT_OK
               ? BV_PORT_OK
               : openssl_note_errno(openssl, BV_PORT_FAILED, "copying a key");
}

static enum bv_port
destroy(void *ctx, enum bv_slot slot)
{
    struct bv_openssl *openssl = ctx;
    if (slot != BV_SLOT_A && slot != BV_SLOT_B)
        return BV_PORT_FAILED;
    return file_erase(openssl->dir, file_of(slot));
}

struct bv_keys
keys_port(struct bv_openssl *openssl)
{
    return (struct bv_keys){openssl, generate, public_key, sign, copy, destroy};
}

enum bv_port
bv_openssl_key_pem(struct bv_openssl *openssl, enum bv_slot slot, char *out,
                   size_t cap, size_t *ret_len)
{
    if (slot != BV_SLOT_A && slot != BV_SLOT_B)
        return BV_PORT_FAILED;
    return file_read(openssl->dir, file_of(slot), out, cap, ret_len);
}
