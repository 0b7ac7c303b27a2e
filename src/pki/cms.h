/* CMS encryption for EST serverkeygen (RFC 7030 4.4.2): the new private key as
 * AsymmetricKeyPackage (RFC 5958), inside SignedData by whoever made it,
 * inside EnvelopedData for the device. Content encryption AES-CBC. */
#ifndef BV_PKI_CMS_H
#define BV_PKI_CMS_H

#include "pki/key.h"

struct cms_recipient {
    /* Either a certificate (RSA: ktri with OAEP; EC: kari, RFC 5753), named
     * in the message by its subjectKeyIdentifier if it has one ... */
    struct span cert;
    /* ... or a key shared with the device: kekri, AES key wrap. 16, 24 or 32
     * octets, with the identifier the device gave for it. */
    struct span kek, kek_id;
    /* AES key size, 128 or 256, of the content and, for a certificate with a
     * key agreement key, of the key wrap; 0: 256. */
    unsigned bits;
};

/* An EnvelopedData of an RSA-4096 key and a signer certificate fits. */
#define CMS_KEY_MAX 16384

/* cms_wrap_key writes the EnvelopedData (ContentInfo, DER) that carries key.
 * signer and signer_cert sign the inside. USAGE when the recipient has neither
 * or both, BAD_KEY when its certificate cannot be encrypted to. */
enum bv_err cms_wrap_key(const struct key *key, const struct key *signer,
                         struct span signer_cert,
                         const struct cms_recipient *recipient,
                         struct sink *out) BV_CHECKED;

#endif
