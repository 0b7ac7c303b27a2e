#include "core/issue.h"

#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "pki/digest.h"
#include "pki/oracle.h"
#include "wire/lint.h"
#include "wire/oid.h"
#include "wire/san.h"

#define CONSTRAINTS_MAX                                                        \
    (2 * PROFILE_LIST_MAX * (LIMIT_DEVICE_NAME * 2 + 8) + 16)

/* Everything the extensions and the lint both need to know. */
struct facts {
    struct alg_spki spki;
    uint8_t ski[ISSUE_KEY_ID_LEN];
    struct span eku[PROFILE_EKU_MAX];
    struct span aki; /* empty: none */
    uint8_t constraints_buf[CONSTRAINTS_MAX];
    struct span constraints; /* NameConstraints DER; empty: none */
    bool subject_empty;
};

void
issue_key_id(const struct alg_spki *spki, uint8_t ret_id[ISSUE_KEY_ID_LEN])
{
    uint8_t hash[DIGEST_SHA256_LEN];
    digest_sha256(spki->key, hash);
    memcpy(ret_id, hash, ISSUE_KEY_ID_LEN);
}

static int64_t
min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

enum bv_err
issue_validity(const struct profile *profile, const struct cert *issuer,
               int64_t now, int64_t *ret_not_before, int64_t *ret_not_after)
{
    int64_t from = now - profile->backdate;
    int64_t to =
        profile->no_expiry ? TIME_NO_EXPIRY : now + profile->lifetime - 1;
    if (issuer != NULL) {
        if (!cert_is_current(issuer, now))
            return BV_E_EXPIRED;
        if (from < issuer->not_before)
            from = issuer->not_before;
        if (!profile->no_expiry)
            to = min64(to, issuer->not_after);
    }
    *ret_not_before = from;
    *ret_not_after = min64(to, TIME_NO_EXPIRY);
    return BV_OK;
}

static struct span
eku_oid(enum profile_eku eku)
{
    switch (eku) {
    case PROFILE_EKU_SERVER_AUTH:
        return oid_server_auth;
    case PROFILE_EKU_CLIENT_AUTH:
        return oid_client_auth;
    case PROFILE_EKU_CODE_SIGNING:
        return oid_code_signing;
    case PROFILE_EKU_OCSP_SIGNING:
        return oid_ocsp_signing;
    case PROFILE_EKU_CMC_RA:
        return oid_cmc_ra;
    case PROFILE_EKU_NONE:
        break;
    }
    return SPAN_EMPTY;
}

unsigned
issue_barred(const struct cert *ca)
{
    static const enum profile_eku all[] = {
        PROFILE_EKU_SERVER_AUTH, PROFILE_EKU_CLIENT_AUTH,
        PROFILE_EKU_CODE_SIGNING, PROFILE_EKU_CMC_RA};
    unsigned barred = 0;
    if (ca->eku.len == 0 || ext_has_eku(ca->eku, oid_any_eku))
        return 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (!ext_has_eku(ca->eku, eku_oid(all[i])))
            barred |= 1u << all[i];
    }
    return barred;
}

bool
issue_is_barred(const struct profile *profile, unsigned barred)
{
    for (unsigned i = 0; i < profile->num_eku; i++) {
        if ((barred & 1u << profile->eku[i]) != 0)
            return true;
    }
    return false;
}

static struct span
build_constraints(const struct profile *p, struct sink *out)
{
    struct span in[PROFILE_LIST_MAX], not_in[PROFILE_LIST_MAX];
    for (unsigned i = 0; i < p->num_nc_dns; i++)
        in[i] = span_str(p->nc_dns[i]);
    for (unsigned i = 0; i < p->num_nc_not_dns; i++)
        not_in[i] = span_str(p->nc_not_dns[i]);
    if (p->num_nc_dns + p->num_nc_not_dns > 0)
        ext_build_name_constraints(out, in, p->num_nc_dns, not_in,
                                   p->num_nc_not_dns);
    return sink_view(out);
}

static enum bv_err
gather(const struct issue_spec *spec, struct facts *f)
{
    struct span spki = spec->spki;
    struct sink constraints = SINK_ARRAY(f->constraints_buf);
    BV_TRY(alg_spki_parse(&spki, &f->spki));
    BV_TRY(span_end(spki));
    issue_key_id(&f->spki, f->ski);
    for (unsigned i = 0; i < spec->profile->num_eku; i++)
        f->eku[i] = eku_oid(spec->profile->eku[i]);
    f->aki = spec->issuer != NULL ? spec->issuer->ski : SPAN_EMPTY;
    f->subject_empty = spec->subject.len <= 2; /* 30 00 */
    f->constraints = build_constraints(spec->profile, &constraints);
    return constraints.failed ? BV_E_NO_SPACE : BV_OK;
}

static void
put_pointers(struct sink *out, const struct issue_spec *spec)
{
    const struct profile *p = spec->profile;
    struct span ocsp = p->aia_ocsp ? spec->ocsp_url : SPAN_EMPTY;
    struct span issuers = p->aia_issuer ? spec->issuer_url : SPAN_EMPTY;
    if (p->crldp && spec->crl_url.len > 0)
        ext_put_crldp(out, spec->crl_url);
    if (ocsp.len + issuers.len > 0)
        ext_put_aia(out, ocsp, issuers);
    if (p->ocsp_nocheck)
        ext_put_ocsp_nocheck(out);
    if (p->no_rev_avail)
        ext_put_no_rev_avail(out);
}

/* A cross-certificate keeps the identifier that certificates below point to. */
static struct span
key_id(const struct issue_spec *spec, const struct facts *f)
{
    if (!spec->profile->ski)
        return SPAN_EMPTY;
    return spec->ski.len > 0 ? spec->ski : SPAN_ARRAY(f->ski);
}

static void
put_extensions(struct sink *out, const struct issue_spec *spec,
               const struct facts *f)
{
    const struct profile *p = spec->profile;
    if (p->is_ca || p->basic_constraints)
        ext_put_basic_constraints(out, p->is_ca, p->pathlen);
    ext_put_key_usage(out, p->key_usage);
    if (p->num_eku > 0)
        ext_put_eku(out, f->eku, p->num_eku);
    if (spec->san.len > 0)
        ext_put_san(out, spec->san, f->subject_empty);
    if (p->ski)
        ext_put_ski(out, key_id(spec, f));
    if (f->aki.len > 0)
        ext_put_aki(out, f->aki);
    if (f->constraints.len > 0)
        ext_put_name_constraints(out, f->constraints);
    put_pointers(out, spec);
}

static enum bv_err
lint(const struct issue_spec *spec, const struct facts *f,
     const struct issue_result *r, struct span tbs, char *ret_problem,
     size_t cap)
{
    const struct profile *p = spec->profile;
    struct lint_expect e = {
        .sig_alg = r->sig_alg,
        .self_signed = spec->issuer == NULL,
        .issuer = spec->issuer ? spec->issuer->subject : spec->subject,
        .issuer_ski = f->aki,
        .issuer_not_before =
            spec->issuer ? spec->issuer->not_before : r->not_before,
        .issuer_not_after =
            spec->issuer ? spec->issuer->not_after : r->not_after,
        .outlive_issuer = p->no_expiry,
        .serial = spec->serial,
        .spki = spec->spki,
        .subject = spec->subject,
        .not_before = r->not_before,
        .not_after = r->not_after,
        .max_lifetime = p->no_expiry ? 0 : p->lifetime + p->backdate,
        .is_ca = p->is_ca,
        .pathlen = p->is_ca ? p->pathlen : -1,
        .key_usage = p->key_usage,
        .eku = f->eku,
        .num_eku = p->num_eku,
        .san = spec->san,
        .ski = key_id(spec, f),
        .basic_constraints = p->is_ca || p->basic_constraints,
        .crl_url = p->crldp ? spec->crl_url : SPAN_EMPTY,
        .ocsp_url = p->aia_ocsp ? spec->ocsp_url : SPAN_EMPTY,
        .issuers_url = p->aia_issuer ? spec->issuer_url : SPAN_EMPTY,
        .name_constraints = f->constraints,
        .ocsp_nocheck = p->ocsp_nocheck,
        .no_rev_avail = p->no_rev_avail,
    };
    char rule[LINT_RULE_MAX];
    enum bv_err err = lint_tbs(tbs, &e, rule, sizeof rule);
    if (err != BV_OK)
        (void)snprintf(ret_problem, cap, "lint: %s", rule);
    return err;
}

static enum bv_err
second_opinion(const struct issue_spec *spec, const struct issue_result *r,
               struct span tbs, char *ret_problem, size_t cap)
{
    struct span issuer = spec->issuer ? spec->issuer->whole : SPAN_EMPTY;
    const char *problem;
    enum bv_err err = oracle_check_tbs(tbs, r->sig_alg, issuer, spec->above,
                                       spec->num_above, &problem);
    if (err != BV_OK)
        (void)snprintf(ret_problem, cap, "OpenSSL: %s", problem);
    return err;
}

enum bv_err
issue_build(const struct issue_spec *spec, struct sink *out,
            struct issue_result *ret, char *ret_problem, size_t cap)
{
    struct facts f = {0};
    struct issue_result r;
    uint8_t ext_buf[8192];
    struct sink ext = SINK_ARRAY(ext_buf);
    struct span extensions, tbs;

    if (spec->profile->is_ca && spec->issuer != NULL &&
        spec->issuer->pathlen == 0) {
        (void)snprintf(ret_problem, cap, "the issuer may have no CA below it");
        return BV_E_REFUSED; /* RFC 5280 4.2.1.9 */
    }
    (void)snprintf(ret_problem, cap, "the certificate cannot be built");
    BV_TRY(gather(spec, &f));
    BV_TRY(issue_validity(spec->profile, spec->issuer, spec->now, &r.not_before,
                          &r.not_after));
    r.sig_alg =
        alg_sig_of_key(spec->issuer ? spec->issuer->spki.alg : f.spki.alg);
    put_extensions(&ext, spec, &f);
    BV_TRY(sink_done(&ext, &extensions));
    struct cert_spec cert = {
        .serial = spec->serial,
        .sig_alg = r.sig_alg,
        .issuer = spec->issuer ? spec->issuer->subject : spec->subject,
        .not_before = r.not_before,
        .not_after = r.not_after,
        .subject = spec->subject,
        .spki = spec->spki,
        .extensions = extensions,
    };
    cert_build_tbs(out, &cert);
    BV_TRY(sink_done(out, &tbs));
    BV_TRY(lint(spec, &f, &r, tbs, ret_problem, cap));
    if (spec->oracle)
        BV_TRY(second_opinion(spec, &r, tbs, ret_problem, cap));
    *ret = r;
    return BV_OK;
}
