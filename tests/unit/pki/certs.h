/* Certificates for tests: made with wire/cert, signed with pki/key. */
#ifndef BV_TESTS_PKI_CERTS_H
#define BV_TESTS_PKI_CERTS_H

#include <stdlib.h>
#include <string.h>

#include "pki/digest.h"
#include "pki/key.h"
#include "wire/cert.h"
#include "wire/name.h"
#include "wire/oid.h"

struct test_cert {
    uint8_t buf[2048];
    struct span der;
    struct key *key; /* its own */
};

enum test_kind { TEST_CA, TEST_DEVICE, TEST_OCSP };

static inline void
test_extensions(struct sink *out, enum test_kind kind, struct span spki_key,
                struct span issuer_key)
{
    uint8_t id[DIGEST_MAX];
    ext_put_basic_constraints(out, kind == TEST_CA, -1);
    ext_put_key_usage(out, kind == TEST_CA
                               ? EXT_KU_KEY_CERT_SIGN | EXT_KU_CRL_SIGN
                               : EXT_KU_DIGITAL_SIGNATURE);
    if (kind != TEST_CA)
        ext_put_eku(
            out, kind == TEST_OCSP ? &oid_ocsp_signing : &oid_client_auth, 1);
    digest_of(DIGEST_SHA1, spki_key, id);
    ext_put_ski(out, span_of(id, 20));
    digest_of(DIGEST_SHA1, issuer_key, id);
    ext_put_aki(out, span_of(id, 20));
    if (kind == TEST_OCSP)
        ext_put_ocsp_nocheck(out);
}

static inline struct alg_spki
test_spki(const struct key *key, uint8_t buf[LIMIT_SPKI])
{
    struct sink out = sink_of(buf, LIMIT_SPKI);
    struct alg_spki spki;
    if (key_spki(key, &out) != BV_OK)
        abort();
    struct span in = sink_view(&out);
    if (alg_spki_parse(&in, &spki) != BV_OK)
        abort();
    return spki;
}

/* test_issue makes a certificate for key (kept in ret->key) by issuer (itself
 * when NULL). tbs_out, if not NULL, gets a copy of the TBS. */
static inline void
test_issue(struct test_cert *ret, struct key *key, const char *cn,
           enum test_kind kind, struct test_cert *issuer, struct span serial,
           int64_t not_before, int64_t not_after, struct sink *tbs_out)
{
    uint8_t spki_buf[LIMIT_SPKI], issuer_buf[LIMIT_SPKI], name[200], ext[600];
    uint8_t tbs_buf[1500], sig_buf[LIMIT_SIGNATURE];
    struct sink name_out = SINK_ARRAY(name), ext_out = SINK_ARRAY(ext);
    struct sink tbs = SINK_ARRAY(tbs_buf), sig = SINK_ARRAY(sig_buf);
    struct key *signer = issuer == NULL ? key : issuer->key;
    struct alg_spki spki = test_spki(key, spki_buf);
    struct alg_spki issuer_spki = test_spki(signer, issuer_buf);
    struct name_part part = {.attr = NAME_CN, .text = span_str(cn)};
    struct cert issuer_cert;

    if (name_put(&name_out, &part, 1) != BV_OK)
        abort();
    test_extensions(&ext_out, kind, spki.key, issuer_spki.key);
    struct cert_spec spec = {
        .serial = serial,
        .sig_alg = alg_sig_of_key(key_alg(signer)),
        .issuer = sink_view(&name_out),
        .subject = sink_view(&name_out),
        .not_before = not_before,
        .not_after = not_after,
        .spki = spki.whole,
        .extensions = sink_view(&ext_out),
    };
    if (issuer != NULL) {
        if (cert_parse(issuer->der, &issuer_cert) != BV_OK)
            abort();
        spec.issuer = issuer_cert.subject;
    }
    cert_build_tbs(&tbs, &spec);
    if (key_sign(signer, sink_view(&tbs), &sig) != BV_OK)
        abort();
    struct sink out = SINK_ARRAY(ret->buf);
    cert_assemble(&out, sink_view(&tbs), spec.sig_alg, sink_view(&sig));
    if (sink_done(&out, &ret->der) != BV_OK)
        abort();
    if (tbs_out != NULL)
        sink_put(tbs_out, sink_view(&tbs));
    ret->key = key;
}

static inline struct key *
test_key(enum alg_key alg, unsigned bits)
{
    struct key *key = NULL;
    if (key_generate(alg, bits, &key) != BV_OK)
        abort();
    return key;
}

#endif
