#include "pki/serial.h"

#include <stdlib.h>

#include <openssl/evp.h>

#include "base/sink.h"

#define SERIAL_PREFIX 0x42
#define BLOCK_LEN     16

struct serial {
    EVP_CIPHER_CTX *encrypt, *decrypt;
};

void
serial_free(struct serial *serial)
{
    if (serial == NULL)
        return;
    EVP_CIPHER_CTX_free(serial->encrypt); /* wipes the key schedule */
    EVP_CIPHER_CTX_free(serial->decrypt);
    free(serial);
}

/* One block, each exactly once per serial, so ECB is the block cipher itself.
 */
static enum bv_err
cipher_new(const uint8_t *key, int encrypt, EVP_CIPHER_CTX **ret_ctx)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    EVP_CIPHER *aes = EVP_CIPHER_fetch(NULL, "AES-128-ECB", NULL);
    bool ok = ctx != NULL && aes != NULL &&
              EVP_CipherInit_ex2(ctx, aes, key, NULL, encrypt, NULL) == 1 &&
              EVP_CIPHER_CTX_set_padding(ctx, 0) == 1;
    EVP_CIPHER_free(aes);
    *ret_ctx = ctx;
    return ok ? BV_OK : BV_E_CRYPTO;
}

enum bv_err
serial_new(const uint8_t key[SERIAL_KEY_LEN], struct serial **ret_serial)
{
    bv_auto(serial) struct serial *serial = calloc(1, sizeof *serial);

    if (serial == NULL)
        return BV_E_NO_MEMORY;
    BV_TRY(cipher_new(key, 1, &serial->encrypt));
    BV_TRY(cipher_new(key, 0, &serial->decrypt));
    *ret_serial = BV_STEAL(serial);
    return BV_OK;
}

static void
block(EVP_CIPHER_CTX *ctx, const uint8_t in[BLOCK_LEN], uint8_t out[BLOCK_LEN])
{
    int len = 0;
    if (EVP_CipherUpdate(ctx, out, &len, in, BLOCK_LEN) != 1 ||
        len != BLOCK_LEN)
        abort();
}

void
serial_make(struct serial *serial, uint64_t seq, uint64_t random,
            uint8_t ret_octets[SERIAL_LEN])
{
    uint8_t plain[BLOCK_LEN];
    struct sink out = SINK_ARRAY(plain);

    sink_u64(&out, seq);
    sink_u64(&out, random);
    ret_octets[0] = SERIAL_PREFIX;
    block(serial->encrypt, plain, ret_octets + 1);
}

enum bv_err
serial_open(struct serial *serial, struct span octets, uint64_t *ret_seq)
{
    uint8_t plain[BLOCK_LEN];
    struct span in = SPAN_ARRAY(plain);

    if (octets.len != SERIAL_LEN || octets.data[0] != SERIAL_PREFIX)
        return BV_E_NOT_FOUND;
    block(serial->decrypt, octets.data + 1, plain);
    return span_u64(&in, ret_seq);
}
