#include "core/profile.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "wire/san.h"

/* RFC 5280 4.2.1.3 */
#define KU_SIGNATURE         (1u << 0)
#define KU_NON_REPUDIATION   (1u << 1)
#define KU_KEY_ENCIPHERMENT  (1u << 2)
#define KU_DATA_ENCIPHERMENT (1u << 3)
#define KU_KEY_AGREEMENT     (1u << 4)
#define KU_CERT_SIGN         (1u << 5)
#define KU_CRL_SIGN          (1u << 6)
#define KU_ENCIPHER_ONLY     (1u << 7)
#define KU_DECIPHER_ONLY     (1u << 8)
#define KU_KNOWN             ((1u << 9) - 1)

#define DAY INT64_C(86400)

/* What the kinds of end entity have in common. */
static struct profile
end_entity(const char *name)
{
    struct profile p = {0};
    (void)snprintf(p.name, sizeof p.name, "%s", name);
    p.key_p256 = p.key_p384 = p.key_ed25519 = true;
    p.rsa_min = 2048;
    p.rsa_max = 4096;
    p.reuse_key_on_renew = true;
    p.backdate = 300;
    p.renew_percent = 66;
    p.key_usage = KU_SIGNATURE;
    p.pathlen = -1;
    p.basic_constraints = true;
    p.ski = true;
    p.crldp = p.aia_ocsp = p.aia_issuer = true;
    p.binding = PROFILE_BINDING_VERIFY;
    p.allow_basic = p.allow_own = p.allow_manufacturer = true;
    return p;
}

static void
add_eku(struct profile *p, enum profile_eku eku)
{
    p->eku[p->num_eku++] = eku;
}

static struct profile
make_device(void)
{
    struct profile p = end_entity("device");
    p.lifetime = 90 * DAY;
    p.ski = false; /* 20 octets the constrained profile does without */
    add_eku(&p, PROFILE_EKU_CLIENT_AUTH);
    return p;
}

static struct profile
make_client(void)
{
    struct profile p = end_entity("client");
    p.lifetime = 365 * DAY;
    p.san_allowed = PROFILE_SAN_EMAIL | PROFILE_SAN_URI;
    add_eku(&p, PROFILE_EKU_CLIENT_AUTH);
    return p;
}

static struct profile
make_server(void)
{
    struct profile p = end_entity("server");
    p.lifetime = 90 * DAY;
    p.id = PROFILE_ID_DNS;
    p.san_id_dns = true;
    p.san_allowed = PROFILE_SAN_DNS | PROFILE_SAN_IP;
    p.allow_manufacturer = false;
    p.renew_without_client_auth = true; /* it has no other certificate */
    add_eku(&p, PROFILE_EKU_SERVER_AUTH);
    return p;
}

static struct profile
make_gateway(void)
{
    struct profile p = end_entity("gateway");
    p.lifetime = 90 * DAY;
    p.san_allowed = PROFILE_SAN_DNS | PROFILE_SAN_IP;
    add_eku(&p, PROFILE_EKU_SERVER_AUTH);
    add_eku(&p, PROFILE_EKU_CLIENT_AUTH);
    return p;
}

static struct profile
make_ca(const char *name, int pathlen, int64_t lifetime)
{
    struct profile p = end_entity(name);
    p.lifetime = lifetime;
    p.key_p521 = true; /* few keys, and none on a small device */
    p.is_ca = true;
    p.pathlen = pathlen;
    p.key_usage = KU_CERT_SIGN | KU_CRL_SIGN;
    p.aia_ocsp = false;
    p.allow_basic = p.allow_own = p.allow_manufacturer = false;
    return p;
}

static struct profile
make_root(void)
{
    struct profile p = make_ca("root", -1, 20 * 365 * DAY);
    p.crldp = p.aia_issuer = false;
    return p;
}

static struct profile
make_ocsp(void)
{
    struct profile p = end_entity("ocsp");
    p.lifetime = 14 * DAY;
    p.ocsp_nocheck = true;
    p.crldp = p.aia_ocsp = false;
    p.allow_basic = p.allow_own = p.allow_manufacturer = false;
    add_eku(&p, PROFILE_EKU_OCSP_SIGNING);
    return p;
}

/* Of a CA's registration authority. Clients choose whom they encrypt to by
 * these two usages (RFC 8894 2.1.2). */
static struct profile
make_scep(void)
{
    struct profile p = end_entity("scep-ra");
    p.lifetime = 365 * DAY;
    p.key_p256 = p.key_p384 = p.key_ed25519 = false;
    p.key_usage = KU_SIGNATURE | KU_KEY_ENCIPHERMENT;
    p.allow_basic = p.allow_own = p.allow_manufacturer = false;
    return p;
}

static struct profile
make_codesigning(void)
{
    struct profile p = end_entity("codesigning");
    p.lifetime = 365 * DAY;
    p.approval = true;
    p.allow_manufacturer = false;
    add_eku(&p, PROFILE_EKU_CODE_SIGNING);
    return p;
}

enum bv_err
profile_default(const char *name, struct profile *ret)
{
    if (strcmp(name, "device") == 0)
        *ret = make_device();
    else if (strcmp(name, "client") == 0)
        *ret = make_client();
    else if (strcmp(name, "server") == 0)
        *ret = make_server();
    else if (strcmp(name, "gateway") == 0)
        *ret = make_gateway();
    else if (strcmp(name, "intermediate") == 0)
        *ret = make_ca("intermediate", 0, 10 * 365 * DAY);
    else if (strcmp(name, "root") == 0)
        *ret = make_root();
    else if (strcmp(name, "ocsp") == 0)
        *ret = make_ocsp();
    else if (strcmp(name, "scep-ra") == 0)
        *ret = make_scep();
    else if (strcmp(name, "codesigning") == 0)
        *ret = make_codesigning();
    else
        return BV_E_NOT_FOUND;
    return BV_OK;
}

bool
profile_allows_key(const struct profile *p, enum alg_key alg, unsigned bits)
{
    switch (alg) {
    case ALG_KEY_P256:
        return p->key_p256;
    case ALG_KEY_P384:
        return p->key_p384;
    case ALG_KEY_P521:
        return p->key_p521;
    case ALG_KEY_ED25519:
        return p->key_ed25519;
    case ALG_KEY_RSA:
        return p->rsa_min != 0 && bits >= p->rsa_min && bits <= p->rsa_max;
    case ALG_KEY_NONE:
        break;
    }
    return false;
}

/* One rule: what would be wrong, and the sentence for it. */
struct rule {
    bool broken;
    const char *sentence;
};

static const char *
first_broken(const struct rule *rules, size_t num)
{
    for (size_t i = 0; i < num; i++) {
        if (rules[i].broken)
            return rules[i].sentence;
    }
    return NULL;
}
#define FIRST_BROKEN(rules) first_broken(rules, sizeof rules / sizeof *rules)

static bool
has_eku(const struct profile *p, enum profile_eku eku)
{
    for (unsigned i = 0; i < p->num_eku; i++) {
        if (p->eku[i] == eku)
            return true;
    }
    return false;
}

static bool
is_upper_pair(const char country[3])
{
    return country[0] >= 'A' && country[0] <= 'Z' && country[1] >= 'A' &&
           country[1] <= 'Z' && country[2] == '\0';
}

static const char *
check_keys(const struct profile *p)
{
    bool ec = p->key_p256 || p->key_p384 || p->key_p521;
    bool ku_enc =
        (p->key_usage & (KU_KEY_ENCIPHERMENT | KU_DATA_ENCIPHERMENT)) != 0;
    bool ku_agree = (p->key_usage & KU_KEY_AGREEMENT) != 0;
    bool ku_halves =
        (p->key_usage & (KU_ENCIPHER_ONLY | KU_DECIPHER_ONLY)) != 0;
    const struct rule rules[] = {
        {!ec && !p->key_ed25519 && p->rsa_min == 0,
         "no key algorithm is allowed"},
        {p->rsa_min != 0 && p->rsa_min < 2048,
         "RSA keys below 2048 bits are not allowed"},
        {p->rsa_max > 8192, "RSA keys above 8192 bits are not allowed"},
        {p->rsa_min > p->rsa_max, "rsa_min is larger than rsa_max"},
        {ku_enc && (ec || p->key_ed25519),
         "keyEncipherment and dataEncipherment need a profile that allows RSA "
         "keys only"}, /* RFC 5480 3, 9295 3 */
        {ku_agree && (p->rsa_min != 0 || p->key_ed25519),
         "keyAgreement needs a profile that allows p256, p384 and p521 keys "
         "only"}, /* RFC 3279 2.3.1, 9295 3 */
        {ku_halves && !ku_agree,
         "encipherOnly and decipherOnly need keyAgreement"},
        {p->server_keygen_plain && !p->server_keygen,
         "server_keygen_plain without server_keygen"},
    };
    return FIRST_BROKEN(rules);
}

static const char *
check_time(const struct profile *p)
{
    const struct rule rules[] = {
        {p->lifetime <= 0 && !p->no_expiry, "the lifetime is not positive"},
        {p->lifetime > 100 * 366 * DAY, "the lifetime exceeds 100 years"},
        {p->backdate < 0 || p->backdate > 7 * DAY,
         "the backdate is not within 0 .. 7 days"},
        {!p->no_expiry && p->backdate >= p->lifetime && p->backdate > 0 &&
             p->lifetime > 600,
         "the backdate is longer than the lifetime"},
        {p->renew_after_expiry < 0 || p->renew_after_expiry > 366 * DAY,
         "renew_after_expiry is not within 0 .. 366 days"},
        {p->renew_percent < 1 || p->renew_percent > 99,
         "renew_percent is not within 1 .. 99"},
    };
    return FIRST_BROKEN(rules);
}

static bool
has_odd_subtree(const char (*names)[LIMIT_DEVICE_NAME * 2], unsigned num)
{
    for (unsigned i = 0; i < num && i < PROFILE_LIST_MAX; i++) {
        if (!san_is_host(span_str(names[i]), false))
            return true;
    }
    return false;
}

static const char *
check_extensions(const struct profile *p)
{
    bool cert_sign = (p->key_usage & KU_CERT_SIGN) != 0;
    const struct rule rules[] = {
        {p->key_usage == 0, "key_usage is empty"},
        {(p->key_usage & ~KU_KNOWN) != 0, "key_usage has an unknown bit"},
        /* RFC 5280 4.2.1.9 */
        {cert_sign != p->is_ca, "keyCertSign and is_ca go together"},
        {(p->key_usage & KU_CRL_SIGN) != 0 && !p->is_ca,
         "cRLSign is for a CA only"},
        {p->pathlen >= 0 && !p->is_ca, "pathlen is for a CA only"},
        {p->pathlen < -1 || p->pathlen > 10, "pathlen is not within 0 .. 10"},
        {p->is_ca && !p->ski,
         "a CA certificate needs a subjectKeyIdentifier"}, /* 4.2.1.2 */
        {p->num_nc_dns + p->num_nc_not_dns > 0 && !p->is_ca,
         "name constraints are for a CA only"}, /* 4.2.1.10 */
        /* RFC 9608 4 */
        {p->no_rev_avail && p->is_ca, "no_rev_avail is not for a CA"},
        {p->no_rev_avail && (p->crldp || p->aia_ocsp),
         "no_rev_avail contradicts crldp and aia_ocsp"},
        {p->binding == PROFILE_BINDING_SECRET && p->approval,
         "a claim code in the CSR would be kept with it until approval"},
        {p->allow_ra && (p->is_ca || has_eku(p, PROFILE_EKU_CMC_RA)),
         "an RA makes neither RAs nor CAs"},
        {p->num_eku > PROFILE_EKU_MAX, "too many extended key usages"},
        {p->num_nc_dns > PROFILE_LIST_MAX ||
             p->num_nc_not_dns > PROFILE_LIST_MAX,
         "too many name constraints"},
        {has_odd_subtree(p->nc_dns, p->num_nc_dns) ||
             has_odd_subtree(p->nc_not_dns, p->num_nc_not_dns),
         "a name constraint is no host name: lower case, with neither a dot "
         "nor \"*.\" in front (what is below is meant, too)"}, /* 4.2.1.10 */
    };
    return FIRST_BROKEN(rules);
}

/* RFC 5280 4.2.1.12: what each use needs of keyUsage, any of these. */
static bool
has_useless_eku(const struct profile *p)
{
    static const uint32_t needs[] = {
        [PROFILE_EKU_SERVER_AUTH] =
            KU_SIGNATURE | KU_KEY_ENCIPHERMENT | KU_KEY_AGREEMENT,
        [PROFILE_EKU_CLIENT_AUTH] = KU_SIGNATURE | KU_KEY_AGREEMENT,
        [PROFILE_EKU_CODE_SIGNING] = KU_SIGNATURE,
        [PROFILE_EKU_OCSP_SIGNING] = KU_SIGNATURE,
        [PROFILE_EKU_CMC_RA] = KU_SIGNATURE,
    };
    for (unsigned i = 0; !p->is_ca && i < p->num_eku; i++) {
        if ((p->key_usage & needs[p->eku[i]]) == 0)
            return true;
    }
    return false;
}

static bool
repeats_eku(const struct profile *p)
{
    unsigned seen = 0;
    for (unsigned i = 0; i < p->num_eku; i++) {
        if ((seen & 1u << p->eku[i]) != 0)
            return true;
        seen |= 1u << p->eku[i];
    }
    return false;
}

static const char *
check_usages(const struct profile *p)
{
    bool ocsp = has_eku(p, PROFILE_EKU_OCSP_SIGNING);
    const struct rule rules[] = {
        {repeats_eku(p), "an extended key usage stands twice"},
        {has_useless_eku(p), "key_usage lacks what an extended key usage "
                             "needs, digitalSignature most often"},
        {ocsp && p->num_eku > 1, "OCSPSigning stands alone"},
        {ocsp && p->is_ca, "OCSPSigning is not for a CA"},
        {ocsp && p->key_usage != KU_SIGNATURE,
         "OCSPSigning goes with digitalSignature alone"},
        /* RFC 6960 4.2.2.2.1 has other ways; here it is short-lived */
        {ocsp && !p->ocsp_nocheck, "OCSPSigning needs ocsp_nocheck"},
        {ocsp && (p->crldp || p->aia_ocsp),
         "OCSPSigning contradicts crldp and aia_ocsp"},
        {p->ocsp_nocheck && !ocsp, "ocsp_nocheck is for OCSP responders only"},
    };
    return FIRST_BROKEN(rules);
}

unsigned
profile_san_pattern(const struct profile *profile, unsigned i,
                    const char **ret_glob)
{
    static const struct {
        const char *prefix;
        enum profile_san kind;
    } kinds[] = {{"dns:", PROFILE_SAN_DNS},
                 {"ip:", PROFILE_SAN_IP},
                 {"uri:", PROFILE_SAN_URI},
                 {"email:", PROFILE_SAN_EMAIL}};
    const char *pattern = profile->san_patterns[i];
    unsigned allowed = profile->san_allowed;
    bool is_one = allowed != 0 && (allowed & (allowed - 1)) == 0;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        size_t len = strlen(kinds[k].prefix);
        if (strncmp(pattern, kinds[k].prefix, len) == 0) {
            *ret_glob = pattern + len;
            return kinds[k].kind;
        }
    }
    *ret_glob = pattern;
    return is_one ? allowed : PROFILE_SAN_DNS;
}

/* A pattern of no allowed kind would let nothing pass. */
static bool
has_idle_pattern(const struct profile *p)
{
    const char *glob;
    for (unsigned i = 0; p->san_allowed != 0 && i < p->num_san_patterns; i++) {
        if ((profile_san_pattern(p, i, &glob) & p->san_allowed) == 0)
            return true;
    }
    return false;
}

static const char *
check_names(const struct profile *p)
{
    const struct rule rules[] = {
        {p->name[0] == '\0', "the profile has no name"},
        {p->country[0] != '\0' && !is_upper_pair(p->country),
         "country is not two upper-case letters"},
        {p->san_id_dns && p->id == PROFILE_ID_ANY,
         "san_id_dns needs ids that are host names"},
        {p->san_id_urn && (p->id == PROFILE_ID_ANY || p->id == PROFILE_ID_DNS),
         "san_id_urn needs ids that are a UUID, EUI-48 or EUI-64"},
        {p->num_san_patterns > PROFILE_LIST_MAX, "too many SAN patterns"},
        {p->num_san_patterns <= PROFILE_LIST_MAX && has_idle_pattern(p),
         "a SAN pattern is for a kind of names that san does not allow"},
        {has_eku(p, PROFILE_EKU_SERVER_AUTH) && p->is_ca == false &&
             !p->san_id_dns &&
             (p->san_allowed & (PROFILE_SAN_DNS | PROFILE_SAN_IP)) == 0,
         "serverAuth without any way to a dNSName or iPAddress"}, /* 9525 */
    };
    return FIRST_BROKEN(rules);
}

enum bv_err
profile_check(const struct profile *profile, char *ret_problem, size_t cap)
{
    const char *problem = check_names(profile);
    if (problem == NULL)
        problem = check_keys(profile);
    if (problem == NULL)
        problem = check_time(profile);
    if (problem == NULL)
        problem = check_extensions(profile);
    if (problem == NULL)
        problem = check_usages(profile);
    if (problem == NULL)
        return BV_OK;
    (void)snprintf(ret_problem, cap, "%s", problem);
    return BV_E_BAD_CONFIG;
}
