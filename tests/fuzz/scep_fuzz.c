/* A pkiMessage as a door reads it: BER, SignedData, attributes, the envelope
 * and its recipients. What was read, written again, reads as the same. */
#include "fuzz.h"

#include "wire/ber.h"
#include "wire/cms_enveloped.h"
#include "wire/scep.h"

#define MAX 65536

static uint8_t outer[MAX], inner[MAX], joined[MAX], again[MAX + 1024];

static void
read_envelope(struct span content)
{
    struct sink der = SINK_ARRAY(inner), pieces = SINK_ARRAY(joined);
    struct cms_recipient_info info;
    struct cms_enveloped e;
    unsigned num = 0;

    if (ber_to_der(content, &der) != BV_OK ||
        cms_enveloped_parse(sink_view(&der), &e) != BV_OK)
        return;
    fuzz_require(e.cipher == CMS_CIPHER_OTHER ||
                 e.iv.len == cms_cipher_block_len(e.cipher));
    while (cms_recipient_next(&e.recipients, &info) == BV_OK)
        fuzz_require(++num <= 8);
    fuzz_require(ber_join(e.in_pieces, e.encrypted, &pieces) != BV_E_NO_SPACE);
}

static void
write_again(const struct cms_signed *s)
{
    struct span certs[LIMIT_CMS_CERTS], der;
    struct cms_certs list = s->certs;
    struct cms_signed_spec spec = {.certs = certs,
                                   .has_content = s->has_content,
                                   .content = s->content,
                                   .issuer = s->signer.issuer,
                                   .serial = s->signer.serial,
                                   .digest = s->digest,
                                   .signature_alg = s->signature_alg,
                                   .attr_set = s->attr_set,
                                   .signature = s->signature};
    struct sink out = SINK_ARRAY(again);
    struct cms_signed back;

    if (s->signer.issuer.len == 0 || s->digest == CMS_DIGEST_OTHER ||
        s->signature_alg == CMS_SIGNATURE_OTHER)
        return;
    /* ECDSA has its digest in its name, and none for SHA-1 */
    if (s->signature_alg == CMS_SIGNATURE_ECDSA && s->digest == CMS_DIGEST_SHA1)
        return;
    while (cms_certs_next(&list, &certs[spec.num_certs]))
        spec.num_certs++;
    cms_put_signed(&out, &spec);
    fuzz_require(sink_done(&out, &der) == BV_OK);
    fuzz_require(cms_signed_parse(der, &back) == BV_OK);
    fuzz_require(span_eq(back.content, s->content) &&
                 span_eq(back.attr_set, s->attr_set) &&
                 span_eq(back.signature, s->signature) &&
                 back.digest == s->digest &&
                 back.signature_alg == s->signature_alg);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sink der = SINK_ARRAY(outer);
    struct cms_signed s;
    struct scep_attrs attrs;
    struct span a, b;

    if (len >= MAX || ber_to_der(span_of(data, len), &der) != BV_OK)
        return 0;
    (void)!scep_issuer_serial_parse(sink_view(&der), &a, &b);
    (void)!scep_issuer_subject_parse(sink_view(&der), &a, &b);
    read_envelope(sink_view(&der));
    if (cms_signed_parse(sink_view(&der), &s) != BV_OK)
        return 0;
    if (scep_attrs_parse(s.attr_set, &attrs) == BV_OK)
        fuzz_require(attrs.transaction_id.len > 0 &&
                     attrs.transaction_id.len <= SCEP_TRANSACTION_MAX &&
                     attrs.sender_nonce.len > 0 &&
                     attrs.sender_nonce.len <= SCEP_NONCE_MAX);
    write_again(&s);
    read_envelope(s.content);
    return 0;
}
