#include "core/ca.h"

#include <stdio.h>
#include <string.h>

#include "core/issue.h"
#include "pki/chain.h"
#include "pki/oracle.h"
#include "pki/random.h"
#include "wire/csr.h"
#include "wire/der.h"
#include "wire/ip.h"
#include "wire/name.h"
#include "wire/san.h"

static enum bv_err
put_subject(const char *cn, const char *organization, const char *country,
            struct sink *out)
{
    const struct name_part parts[] = {
        {NAME_C, span_str(country)},
        {NAME_O, span_str(organization)},
        {NAME_CN, span_str(cn)},
    };
    return name_put(out, parts, sizeof parts / sizeof *parts);
}

static enum bv_err
parse_issuer(const struct ca_spec *spec, struct cert *ret_issuer,
             char *ret_problem, size_t cap)
{
    BV_TRY(cert_parse(spec->issuer_cert, ret_issuer));
    if (key_match_spki(spec->issuer_key, ret_issuer->spki.whole))
        return BV_OK;
    (void)snprintf(ret_problem, cap,
                   "the issuer's key does not match its certificate");
    return BV_E_WRONG_KEY;
}

static enum bv_err
sign_cert(const struct ca_spec *spec, struct span tbs, enum alg_sig alg,
          struct sink *out)
{
    uint8_t buf[LIMIT_SIGNATURE];
    struct sink signature = SINK_ARRAY(buf);
    struct span octets, whole;
    BV_TRY(key_sign(spec->issuer_key, tbs, &signature));
    BV_TRY(sink_done(&signature, &octets));
    cert_assemble(out, tbs, alg, octets);
    return sink_done(out, &whole);
}

static struct span
serial_of(const struct ca_spec *spec, uint8_t buf[17])
{
    if (spec->serial.len > 0)
        return spec->serial;
    random_bytes(buf, 17);
    buf[0] = 0x41;
    return span_of(buf, 17);
}

enum bv_err
ca_issue(const struct ca_spec *spec, struct sink *out, char *ret_problem,
         size_t cap)
{
    struct cert issuer;
    bool self_signed = spec->issuer_cert.len == 0;
    uint8_t serial[17], name_buf[LIMIT_NAME], tbs_buf[ISSUE_TBS_MAX];
    struct sink name = SINK_ARRAY(name_buf), tbs = SINK_ARRAY(tbs_buf);
    struct issue_result result;

    (void)snprintf(ret_problem, cap, "the subject name is not acceptable");
    if (spec->subject.len > 0)
        sink_put(&name, spec->subject);
    else
        BV_TRY(put_subject(spec->cn, spec->organization, spec->country, &name));
    (void)snprintf(ret_problem, cap, "the issuer's certificate is damaged");
    if (!self_signed)
        BV_TRY(parse_issuer(spec, &issuer, ret_problem, cap));
    const struct issue_spec is = {
        .profile = spec->profile,
        .issuer = self_signed ? NULL : &issuer,
        .crl_url = span_str(spec->crl_url),
        .ocsp_url = span_str(spec->ocsp_url),
        .issuer_url = span_str(spec->issuer_url),
        .serial = serial_of(spec, serial),
        .subject = sink_view(&name),
        .spki = spec->spki,
        .san = spec->san,
        .ski = spec->ski,
        .now = spec->now,
        .oracle = true,
    };
    BV_TRY(issue_build(&is, &tbs, &result, ret_problem, cap));
    (void)snprintf(ret_problem, cap, "signing failed");
    return sign_cert(spec, sink_view(&tbs), result.sig_alg, out);
}

enum bv_err
ca_csr(struct key *key, const char *cn, const char *organization,
       const char *country, struct sink *out)
{
    uint8_t buf[LIMIT_NAME];
    struct sink name = SINK_ARRAY(buf);
    BV_TRY(put_subject(cn, organization, country, &name));
    return ca_csr_of(key, sink_view(&name), out);
}

enum bv_err
ca_csr_of(struct key *key, struct span subject, struct sink *out)
{
    uint8_t spki_buf[LIMIT_SPKI], info_buf[LIMIT_CSR], sig_buf[LIMIT_SIGNATURE];
    struct sink spki = SINK_ARRAY(spki_buf), info = SINK_ARRAY(info_buf),
                signature = SINK_ARRAY(sig_buf);
    struct span octets;
    BV_TRY(key_spki(key, &spki));
    struct csr_spec spec = {.subject = subject, .spki = sink_view(&spki)};
    csr_build_info(&info, &spec);
    BV_TRY(sink_done(&info, &octets));
    BV_TRY(key_sign(key, octets, &signature));
    csr_assemble(out, octets, alg_sig_of_key(key_alg(key)),
                 sink_view(&signature));
    return sink_done(out, &octets);
}

static enum bv_err
complain(enum bv_err err, const char *sentence, char *ret_problem, size_t cap)
{
    (void)snprintf(ret_problem, cap, "%s", sentence);
    return err;
}

static enum bv_err
check_form(struct span der, struct span spki, char *ret_problem, size_t cap)
{
    struct cert cert;
    enum bv_err err = cert_parse(der, &cert);
    if (err != BV_OK)
        return complain(err, "the certificate cannot be read", ret_problem,
                        cap);
    if (spki.len > 0 && !span_eq(spki, cert.spki.whole))
        return complain(BV_E_WRONG_KEY, "the certificate is for another key",
                        ret_problem, cap);
    if (!cert.is_ca || !cert_may_sign(&cert))
        return complain(BV_E_REFUSED,
                        "the certificate is not a CA's (basicConstraints, "
                        "keyCertSign)",
                        ret_problem, cap);
    if (cert.has_key_usage && (cert.key_usage & EXT_KU_CRL_SIGN) == 0)
        return complain(BV_E_REFUSED, "the certificate may not sign CRLs",
                        ret_problem, cap);
    if (cert.ski.len == 0)
        return complain(BV_E_REFUSED,
                        "the certificate has no subjectKeyIdentifier",
                        ret_problem, cap);
    if (cert.unknown_critical)
        return complain(BV_E_UNSUPPORTED,
                        "the certificate has an unknown critical extension",
                        ret_problem, cap);
    return BV_OK;
}

/* RFC 5280 4.2.1.9: pathLenConstraint counts the CAs below, and this one will
 * have leaves below it. Path validation judges it as a leaf and cannot see. */
static enum bv_err
check_depth(const struct span *chain, size_t num_chain, char *ret_problem,
            size_t cap)
{
    for (size_t i = 0; i < num_chain; i++) {
        struct cert above;
        enum bv_err err = cert_parse(chain[i], &above);
        if (err != BV_OK)
            return complain(err, "a certificate of the chain cannot be read",
                            ret_problem, cap);
        if (above.pathlen >= 0 && (size_t)above.pathlen < i + 1)
            return complain(BV_E_REFUSED,
                            "the issuer's pathLenConstraint permits no CA "
                            "below it",
                            ret_problem, cap);
    }
    return BV_OK;
}

enum bv_err
ca_check(struct span cert, struct span spki, const struct span *chain,
         size_t num_chain, int64_t now, char *ret_problem, size_t cap)
{
    BV_TRY(check_form(cert, spki, ret_problem, cap));
    BV_TRY(check_depth(chain, num_chain, ret_problem, cap));
    const struct span *anchor = num_chain > 0 ? &chain[num_chain - 1] : &cert;
    struct chain_options options = {
        .anchors = anchor,
        .num_anchors = 1,
        .intermediates = chain,
        .num_intermediates = num_chain > 0 ? num_chain - 1 : 0,
        .time = now,
        .purpose = CHAIN_CA,
    };
    const char *problem;
    enum bv_err err = chain_verify(cert, &options, &problem);
    return err == BV_OK ? BV_OK : complain(err, problem, ret_problem, cap);
}

enum bv_err
ca_host_san(const char *const *hosts, size_t num_hosts, struct sink *out)
{
    size_t mark = der_open(out, DER_SEQUENCE);
    for (size_t i = 0; i < num_hosts; i++) {
        uint8_t ip[IP_LEN_MAX];
        size_t len;
        struct span host = span_str(hosts[i]);
        if (ip_parse(host, ip, &len) == BV_OK)
            san_put(out, SAN_IP, span_of(ip, len));
        else if (san_is_host(host, false))
            san_put(out, SAN_DNS, host);
        else
            return BV_E_BAD_NAME;
    }
    der_close(out, mark);
    struct span whole;
    return sink_done(out, &whole);
}
