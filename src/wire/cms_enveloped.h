/* CMS EnvelopedData for recipients with RSA keys (RFC 5652 6): the inside of
 * SCEP's messages. Reading needs DER: see ber.h. Views into the caller's
 * octets; what is encrypted stays so here. Freestanding. */
#ifndef BV_WIRE_CMS_ENVELOPED_H
#define BV_WIRE_CMS_ENVELOPED_H

#include "wire/cms_signed.h"

enum cms_cipher {
    CMS_CIPHER_OTHER = 0, /* DES, RC2 and whatever nobody should use */
    CMS_CIPHER_DES_EDE3_CBC,
    CMS_CIPHER_AES128_CBC,
    CMS_CIPHER_AES192_CBC,
    CMS_CIPHER_AES256_CBC,
};
/* cms_cipher_key_len: octets of its key; 0 for OTHER. */
size_t cms_cipher_key_len(enum cms_cipher cipher);
/* cms_cipher_block_len: octets of its block and its IV; 0 for OTHER. */
size_t cms_cipher_block_len(enum cms_cipher cipher);

enum cms_transport {
    CMS_TRANSPORT_OTHER = 0,
    CMS_TRANSPORT_PKCS1,
    CMS_TRANSPORT_OAEP_SHA1,
    CMS_TRANSPORT_OAEP_SHA256, /* with MGF1 of the same hash, empty label */
};

/* One KeyTransRecipientInfo. */
struct cms_recipient_info {
    struct cms_party party;
    enum cms_transport transport;
    struct span encrypted_key;
};

struct cms_enveloped {
    struct span recipients; /* see cms_recipient_next */
    enum cms_cipher cipher;
    struct span iv; /* as long as a block, unless cipher is OTHER */
    bool in_pieces; /* encrypted goes through ber_join */
    struct span encrypted;
};

/* cms_enveloped_parse reads one ContentInfo in DER. BAD_MESSAGE,
 * TRAILING_BYTES; UNSUPPORTED: another content type, or encrypted content that
 * is not id-data; TOO_MANY beyond 8 recipients. */
enum bv_err cms_enveloped_parse(struct span der,
                                struct cms_enveloped *ret) BV_CHECKED;
/* cms_recipient_next takes the next recipient with an RSA key; others are
 * passed over. NOT_FOUND after the last. */
enum bv_err cms_recipient_next(struct span *recipients,
                               struct cms_recipient_info *ret) BV_CHECKED;

struct cms_enveloped_spec {
    const struct cms_party *recipient; /* by issuer and serial, or by key_id */
    enum cms_transport transport;      /* PKCS1 or OAEP_SHA1 */
    struct span encrypted_key;
    enum cms_cipher cipher;
    struct span iv, encrypted;
};
void cms_put_enveloped(struct sink *out, const struct cms_enveloped_spec *spec);

/* Octets around encrypted and encrypted_key at most, the issuer's Name apart.
 */
#define CMS_ENVELOPED_OVERHEAD 256

#endif
