/* What an identity hands over: key, certificate, the way to the root, the
 * roots; all as PEM. */
#include <string.h>

#include "prog/brevet-agent/agent.h"
#include "wire/cert.h"
#include "wire/pem.h"

/* Anchors may be pinned and stored, helpers come beside them. */
#define CAS_MAX (3 * BV_TRUST_MAX)

bool
material_key(struct identity *identity, struct sink *out)
{
    struct bv_status status;
    size_t len = 0;
    bv_device_status(&identity->device, &status);
    if (out->failed ||
        bv_openssl_key_pem(identity->openssl, status.active,
                           (char *)out->data + out->len, out->cap - out->len,
                           &len) != BV_PORT_OK)
        return false;
    out->len += len;
    return true;
}

bool
material_leaf(struct identity *identity, struct sink *out)
{
    uint8_t der[BV_CERT_MAX];
    size_t len = 0;
    if (bv_device_cert(&identity->device, der, sizeof(der), &len) != BV_PORT_OK)
        return false;
    pem_encode(out, PEM_CERTIFICATE, span_of(der, len));
    return !out->failed;
}

void
material_roots(struct identity *identity, struct sink *out)
{
    struct bv_bytes cert;
    bool is_anchor;
    enum bv_port got = BV_PORT_OK;
    for (size_t i = 0; got == BV_PORT_OK; i++) {
        got = bv_device_trust(&identity->device, i, &cert, &is_anchor);
        if (got == BV_PORT_OK && is_anchor)
            pem_encode(out, PEM_CERTIFICATE, span_of(cert.data, cert.len));
    }
    out->failed |= got != BV_PORT_NONE; /* half a set would lock out */
}

/* Every CA certificate held that can be read; they stay in the library's work
 * memory until its next step. */
static size_t
all_cas(struct identity *identity, struct cert cas[CAS_MAX])
{
    struct bv_bytes bytes;
    bool is_anchor;
    size_t num = 0;
    for (size_t i = 0;
         num < CAS_MAX && bv_device_trust(&identity->device, i, &bytes,
                                          &is_anchor) == BV_PORT_OK;
         i++)
        if (cert_parse(span_of(bytes.data, bytes.len), &cas[num]) == BV_OK)
            num++;
    return num;
}

static const struct cert *
issuer_of(const struct cert *cert, const struct cert *cas, size_t num)
{
    const struct cert *found = NULL;
    for (size_t i = 0; i < num; i++)
        if (cert_names_issuer(cert, &cas[i]) &&
            (found == NULL || cas[i].not_after > found->not_after))
            found = &cas[i];
    return found;
}

void
material_path(struct identity *identity, struct sink *out)
{
    uint8_t der[BV_CERT_MAX];
    size_t len = 0;
    struct cert leaf, cas[CAS_MAX];
    if (bv_device_cert(&identity->device, der, sizeof(der), &len) !=
            BV_PORT_OK ||
        cert_parse(span_of(der, len), &leaf) != BV_OK)
        return;
    size_t num = all_cas(identity, cas);
    const struct cert *at = issuer_of(&leaf, cas, num);
    for (size_t i = 0; i < BV_TRUST_MAX && at != NULL; i++) {
        if (cert_is_self_issued(at))
            return;
        pem_encode(out, PEM_CERTIFICATE, at->whole);
        at = issuer_of(at, cas, num);
    }
}
