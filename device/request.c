#include "device/request.h"

#include "base/mem.h"
#include "wire/base64.h"
#include "wire/cert.h"
#include "wire/csr.h"
#include "wire/der.h"
#include "wire/est.h"
#include "wire/name.h"
#include "wire/san.h"

#define BINDING_MAX 64 /* tls-unique is 12 or 36 octets, tls-exporter 32 */
#define NAMES_MAX   3072

/* TRUST while a CSR is built: the active certificate, then names. SCRATCH: the
 * CertificationRequestInfo and, behind it, the whole CSR; the public key stands
 * at its end (dev_spki). */
#define INFO_MAX 3584

static void
put_authority(struct dev *dev, struct sink *out)
{
    bool literal = memchr(dev->config.host, ':', strlen(dev->config.host)) !=
                   NULL; /* an IPv6 address */
    sink_str(out, literal ? "[" : "");
    sink_str(out, dev->config.host);
    sink_str(out, literal ? "]" : "");
    if (dev->config.port != 443) {
        sink_u8(out, ':');
        sink_dec(out, dev->config.port);
    }
}

static void
put_head(struct dev *dev, struct sink *out, const char *method,
         const char *operation)
{
    uint8_t target[512], host[300];
    struct sink t = SINK_ARRAY(target), h = SINK_ARRAY(host);
    sink_str(&t, dev->config.path);
    sink_u8(&t, '/');
    sink_str(&t, operation);
    put_authority(dev, &h);
    http_put_request(out, method, sink_view(&t), sink_view(&h));
    http_put_field_str(out, "User-Agent", "brevet-device");
    http_put_field_str(out, "Accept", "*/*");
    if (t.failed || h.failed)
        out->failed = true;
}

enum bv_why
request_get(struct dev *dev, const char *operation, bool last, size_t *ret_len)
{
    struct sink out = sink_of(dev_body(dev), DEV_BODY_SIZE);
    struct span bytes;
    put_head(dev, &out, "GET", operation);
    if (last)
        http_put_field_str(&out, "Connection", "close");
    http_put_end(&out);
    if (sink_done(&out, &bytes) != BV_OK)
        return BV_WHY_CONFIG;
    *ret_len = bytes.len;
    return BV_WHY_NONE;
}

/* --- the CSR --- */

static enum san_type
san_type_of(enum bv_san_kind kind)
{
    switch (kind) {
    case BV_SAN_DNS:
        return SAN_DNS;
    case BV_SAN_IP:
        return SAN_IP;
    case BV_SAN_URI:
        return SAN_URI;
    case BV_SAN_EMAIL:
        return SAN_EMAIL;
    }
    return SAN_DNS;
}

/* Names of the configuration, for a first certificate. */
static enum bv_why
names_asked(struct dev *dev, struct csr_spec *spec)
{
    struct sink out = sink_of(dev_trust(dev) + BV_CERT_MAX, NAMES_MAX);
    struct name_part cn = {NAME_CN, span_str(dev->config.id)};
    if (name_put(&out, &cn, 1) != BV_OK)
        return BV_WHY_CONFIG;
    size_t subject_len = out.len;
    if (dev->config.num_sans > 0) {
        size_t mark = der_open(&out, DER_SEQUENCE);
        for (size_t i = 0; i < dev->config.num_sans; i++) {
            const struct bv_san *san = &dev->config.sans[i];
            san_put(&out, san_type_of(san->kind),
                    span_of(san->value.data, san->value.len));
        }
        der_close(&out, mark);
    }
    if (out.failed)
        return BV_WHY_CONFIG;
    spec->subject = span_of(out.data, subject_len);
    if (out.len > subject_len)
        spec->san = span_of(out.data + subject_len, out.len - subject_len);
    return BV_WHY_NONE;
}

/* Names of the active certificate, for its renewal. */
static enum bv_why
names_kept(struct dev *dev, struct csr_spec *spec)
{
    struct span der;
    struct cert cert;
    if (dev_load_cert(dev, dev->record.active, dev_trust(dev), BV_CERT_MAX,
                      &der) != BV_PORT_OK ||
        cert_parse(der, &cert) != BV_OK)
        return BV_WHY_STORAGE;
    spec->subject = cert.subject;
    spec->san = cert.san;
    return BV_WHY_NONE;
}

static bool
wants_binding(const struct dev *dev)
{
    return dev->config.binding == BV_BINDING_ALWAYS ||
           (dev->config.binding == BV_BINDING_ASK && dev->ask_binding);
}

/* challengePassword is the base64 of the binding (RFC 7030 3.5). A connection
 * without one goes on unless the server asked: then it could only refuse. */
static enum bv_why
put_binding(struct dev *dev, struct sink *out)
{
    uint8_t binding[BINDING_MAX];
    size_t len = 0;
    const struct bv_transport *transport = &dev->ports.transport;
    if (!wants_binding(dev))
        return BV_WHY_NONE;
    if (transport->binding(transport->ctx, binding, sizeof(binding), &len) !=
            BV_PORT_OK ||
        len > sizeof(binding))
        return dev->ask_binding ? BV_WHY_BINDING : BV_WHY_NONE;
    base64_encode(out, span_of(binding, len));
    return BV_WHY_NONE;
}

static enum bv_why
sign(struct dev *dev, struct span info, struct span spki_der, struct span *csr)
{
    uint8_t signature[LIMIT_SIGNATURE];
    size_t len = 0;
    struct alg_spki spki;
    const struct bv_keys *keys = &dev->ports.keys;
    dev_yield(dev);
    if (alg_spki_parse(&spki_der, &spki) != BV_OK ||
        keys->sign(keys->ctx, dev_inactive(dev), info.data, info.len, signature,
                   sizeof(signature), &len) != BV_PORT_OK ||
        len > sizeof(signature))
        return BV_WHY_KEY;
    struct sink out = sink_of(dev_trust(dev), DEV_TRUST_SIZE);
    csr_assemble(&out, info, alg_sig_of_key(spki.alg), span_of(signature, len));
    return sink_done(&out, csr) == BV_OK ? BV_WHY_NONE : BV_WHY_CONFIG;
}

static enum bv_why
make_csr(struct dev *dev, struct span *ret_csr)
{
    uint8_t challenge[BASE64_LEN(BINDING_MAX)];
    struct sink password = SINK_ARRAY(challenge);
    struct sink out = sink_of(dev_scratch(dev), INFO_MAX);
    struct csr_spec spec = {0};
    struct span info;
    enum bv_why why = dev->cred == DEV_CRED_ACTIVE ? names_kept(dev, &spec)
                                                   : names_asked(dev, &spec);
    if (why == BV_WHY_NONE)
        why = put_binding(dev, &password);
    if (why != BV_WHY_NONE)
        return why;
    if (dev_spki(dev, dev_inactive(dev), &spec.spki) != BV_PORT_OK)
        return BV_WHY_KEY;
    spec.challenge = sink_view(&password);
    csr_build_info(&out, &spec);
    if (sink_done(&out, &info) != BV_OK)
        return BV_WHY_CONFIG;
    return sign(dev, info, spec.spki, ret_csr);
}

static void
put_credential(struct dev *dev, struct sink *out)
{
    uint8_t basic[512];
    struct sink value = SINK_ARRAY(basic);
    struct span user =
        span_of(dev->config.claim_user.data, dev->config.claim_user.len);
    if (dev->cred != DEV_CRED_CLAIM)
        return;
    if (user.len == 0)
        user = span_str(dev->config.id);
    est_put_basic(&value, user,
                  span_of(dev->config.claim.data, dev->config.claim.len));
    http_put_field(out, "Authorization", sink_view(&value));
    if (value.failed)
        out->failed = true;
    memset(basic, 0, sizeof(basic));
}

enum bv_why
request_enrol(struct dev *dev, size_t *ret_len)
{
    struct span csr, bytes;
    struct sink out = sink_of(dev_body(dev), DEV_BODY_SIZE);
    enum bv_why why = make_csr(dev, &csr);
    if (why != BV_WHY_NONE)
        return why;
    put_head(dev, &out, "POST",
             dev->cred == DEV_CRED_ACTIVE ? "simplereenroll" : "simpleenroll");
    put_credential(dev, &out);
    http_put_field_str(&out, "Content-Type", EST_TYPE_PKCS10);
    http_put_field_str(&out, "Content-Transfer-Encoding", "base64");
    http_put_field_dec(&out, "Content-Length", BASE64_LEN(csr.len) + 1);
    http_put_field_str(&out, "Connection", "close");
    http_put_end(&out);
    base64_encode(&out, csr);
    sink_u8(&out, '\n');
    if (sink_done(&out, &bytes) != BV_OK)
        return BV_WHY_CONFIG;
    *ret_len = bytes.len;
    return BV_WHY_NONE;
}
