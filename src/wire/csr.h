/* PKCS #10 certification requests (RFC 2986) with the attributes EST uses (RFC
 * 7030, 9908). A view into the caller's octets, as in cert.h; the signature is
 * not verified here. A CSR is a wish: nothing in it is granted by being there.
 * Freestanding. */
#ifndef BV_WIRE_CSR_H
#define BV_WIRE_CSR_H

#include "base/limits.h"
#include "base/sink.h"
#include "base/span.h"
#include "wire/alg.h"
#include "wire/ext.h"

struct csr {
    struct span whole;
    struct span info;    /* what the signature covers, tag included */
    struct span subject; /* whole Name DER, name_check'ed; may be empty Name */
    struct alg_spki spki;
    enum alg_sig sig_alg;
    struct span signature;

    /* Attributes; absent ones are empty or false. */
    bool has_challenge;
    struct span challenge;  /* challengePassword's octets, 1..255 */
    struct span extensions; /* extensionRequest: content of its Extensions */
    struct span san;        /* from there: GeneralNames DER */
    bool has_key_usage;
    uint32_t key_usage;
    struct span eku; /* ExtKeyUsageSyntax DER */
    bool has_basic_constraints, is_ca;
    /* server key generation, RFC 7030 4.4.1 */
    struct span decrypt_key_id;       /* OCTET STRING's octets */
    struct span asymm_decrypt_key_id; /* OCTET STRING's octets */
    struct span smime_capabilities;   /* SMIMECapabilities DER */
    /* RFC 6402 2.8: the names the requester wants instead */
    bool has_change_subject;
    struct span change_subject; /* Name DER; empty if not given */
    struct span change_san;     /* GeneralNames DER; empty if not given */
    bool unknown_attributes;    /* there were others, ignored */
};

/* csr_parse: in is exactly one CertificationRequest. BAD_MESSAGE: not DER,
 * version not 0, an attribute twice or with other than one value, duplicate
 * extensions; TRAILING_BYTES; TOO_LARGE beyond LIMIT_CSR; BAD_KEY, UNSUPPORTED,
 * BAD_NAME as in cert.h. The signature algorithm must suit the key. */
enum bv_err csr_parse(struct span in, struct csr *ret_csr) BV_CHECKED;

/* csr_parse_keygen: the same for server key generation, where key and signature
 * are ignored (RFC 7030 4.4.1): any SubjectPublicKeyInfo, any algorithm, any
 * signature, an empty one too. sig_alg and signature are left empty; spki.alg
 * is ALG_KEY_NONE for a key that csr_parse would not take. */
enum bv_err csr_parse_keygen(struct span in, struct csr *ret_csr) BV_CHECKED;

struct csr_spec {
    struct span subject;   /* whole Name DER */
    struct span spki;      /* whole DER */
    struct span san;       /* GeneralNames DER; empty: no extensionRequest */
    struct span challenge; /* empty: none. PrintableString if its alphabet
                            * permits, else UTF8String; 1..255 octets */
};

/* csr_build_info writes the CertificationRequestInfo to be signed. */
void csr_build_info(struct sink *out, const struct csr_spec *spec);
void csr_assemble(struct sink *out, struct span info, enum alg_sig sig_alg,
                  struct span signature);

#endif
