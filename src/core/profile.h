/* A profile says what a certificate of one kind looks like and who may have
 * it. Filled from the configuration (prog/config) over built-in defaults
 * (profile_default); read-only afterwards. */
#ifndef BV_CORE_PROFILE_H
#define BV_CORE_PROFILE_H

#include "base/limits.h"
#include "base/span.h"
#include "wire/alg.h"

#define PROFILE_EKU_MAX  4
#define PROFILE_LIST_MAX 16 /* entries in any list of a profile */

/* Extended key usages by name, RFC 5280 4.2.1.12 and friends. */
enum profile_eku {
    PROFILE_EKU_NONE = 0,
    PROFILE_EKU_SERVER_AUTH,
    PROFILE_EKU_CLIENT_AUTH,
    PROFILE_EKU_CODE_SIGNING,
    PROFILE_EKU_OCSP_SIGNING,
    PROFILE_EKU_CMC_RA,
};

/* How the text that identifies a device must look. */
enum profile_id {
    PROFILE_ID_ANY = 0, /* printable, 1..64 */
    PROFILE_ID_EUI64,   /* 16 lower-case hex digits */
    PROFILE_ID_EUI48,   /* 12 lower-case hex digits */
    PROFILE_ID_UUID,    /* lower-case, with hyphens */
    PROFILE_ID_DNS,     /* a host name (A-labels, lower case) */
};

enum profile_san { /* bits: which kinds of SAN a requester may ask for */
                   PROFILE_SAN_DNS = 1,
                   PROFILE_SAN_IP = 2,
                   PROFILE_SAN_URI = 4,
                   PROFILE_SAN_EMAIL = 8,
};

enum profile_binding {
    PROFILE_BINDING_IGNORE,
    PROFILE_BINDING_VERIFY,
    PROFILE_BINDING_REQUIRE,
    PROFILE_BINDING_SECRET, /* challengePassword is a claim code instead */
};

struct profile {
    char name[LIMIT_SHORT_NAME];
    char ca[LIMIT_SHORT_NAME]; /* which CA signs */

    /* names */
    enum profile_id id;
    char organization[LIMIT_DEVICE_NAME + 1]; /* "" : no O attribute */
    char unit[LIMIT_DEVICE_NAME + 1];
    char country[3];
    bool serial_number;   /* also put the id in subject serialNumber */
    bool san_id_dns;      /* add the id as SAN dNSName */
    bool san_id_urn;      /* UUID ids: urn:uuid:…, EUI: urn:dev:mac: */
    unsigned san_allowed; /* enum profile_san bits, from the CSR */
    char san_patterns[PROFILE_LIST_MAX]
                     [LIMIT_DEVICE_NAME *
                      2]; /* glob; what
                           * a requested SAN must match; none: the
                           * SAN must equal the device's own id; see
                           * profile_san_pattern */
    unsigned num_san_patterns;

    /* keys */
    bool key_p256, key_p384, key_p521, key_ed25519;
    unsigned rsa_min, rsa_max; /* bits; 0: no RSA */
    bool reuse_key_on_renew;
    bool server_keygen;       /* serverkeygen allowed at all */
    bool server_keygen_plain; /* … also without encryption */

    /* time, in seconds */
    int64_t lifetime; /* from now, inclusive: notAfter = now + lifetime - 1 */
    int64_t backdate; /* on top of it: notBefore = now - backdate */
    bool no_expiry;   /* 99991231235959Z */
    /* so much later a certificate may still renew itself */
    int64_t renew_after_expiry;
    unsigned renew_percent; /* window opens at this part of life */

    /* extensions */
    uint32_t key_usage; /* bits as in RFC 5280 4.2.1.3, 1u<<n */
    enum profile_eku eku[PROFILE_EKU_MAX];
    unsigned num_eku;
    bool is_ca;
    int pathlen;                      /* -1: absent */
    bool basic_constraints;           /* write the extension for end entities */
    bool ski;                         /* write subjectKeyIdentifier */
    bool crldp, aia_ocsp, aia_issuer; /* URLs come from the CA */
    bool ocsp_nocheck, no_rev_avail;
    char nc_dns[PROFILE_LIST_MAX]
               [LIMIT_DEVICE_NAME * 2]; /* permitted dNSName */
    unsigned num_nc_dns;
    char nc_not_dns[PROFILE_LIST_MAX]
                   [LIMIT_DEVICE_NAME * 2]; /* excluded dNSName */
    unsigned num_nc_not_dns;

    /* policy */
    bool approval; /* an operator approves each first one */
    enum profile_binding binding;
    bool allow_basic, allow_own, allow_manufacturer; /* credentials accepted */
    bool allow_ra;                  /* an RA (cmcRA) for devices of its group */
    bool renew_without_client_auth; /* a certificate that is not for TLS clients
                                     * may still renew itself */
    bool renew_needs_san;           /* a renewal's CSR repeats the SAN */
    bool scep_legacy;               /* SCEP with SHA-1 and 3DES too */
};

/* profile_default fills the built-in of this name: "device", "client",
 * "server", "gateway", "intermediate", "ocsp", "codesigning" and, which no
 * configuration changes, "scep-ra". NOT_FOUND. */
enum bv_err profile_default(const char *name, struct profile *ret) BV_CHECKED;
/* profile_allows_key: may a key of this kind and length be certified? bits
 * counts for RSA only. */
bool profile_allows_key(const struct profile *profile, enum alg_key alg,
                        unsigned bits);
/* profile_check: BAD_CONFIG and a sentence when the settings contradict each
 * other or RFC 5280 (keyCertSign without is_ca, no keys allowed, …). */
enum bv_err profile_check(const struct profile *profile, char *ret_problem,
                          size_t cap) BV_CHECKED;
/* profile_san_pattern: of which kind (a bit of enum profile_san) the names are
 * that san_patterns[i] is for, and what they match. "dns:", "ip:", "uri:" and
 * "email:" before it say so; without, it is the one kind that san_allowed has,
 * or of several dNSName: a glob meant for one kind is no bound for another. */
unsigned profile_san_pattern(const struct profile *profile, unsigned i,
                             const char **ret_glob);

#endif
