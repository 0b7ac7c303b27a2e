#include "prog/config/schema.h"

#include <string.h>

#include "proc/table.h"

#define DAY  INT64_C(86400)
#define YEAR (365 * DAY)

#define AT(object_, field)   offsetof(struct object_, field)
#define ROOM(object_, field) sizeof(((struct object_ *)0)->field)

#define TEXT(object_, key, field, least, d, h)                                 \
    {                                                                          \
        .name = (key), .type = SCHEMA_TEXT, .offset = AT(object_, field),      \
        .cap = ROOM(object_, field), .min = (least),                           \
        .max = ROOM(object_, field) - 1, .def = (d), .help = (h)               \
    }
#define NAME(object_, key, field, d, h)                                        \
    {                                                                          \
        .name = (key), .type = SCHEMA_NAME, .offset = AT(object_, field),      \
        .cap = ROOM(object_, field), .max = ROOM(object_, field) - 1,          \
        .def = (d), .help = (h)                                                \
    }
#define NUMBER(kind, object_, key, field, least, most, d, h)                   \
    {                                                                          \
        .name = (key), .type = SCHEMA_##kind, .offset = AT(object_, field),    \
        .cap = ROOM(object_, field), .min = (least), .max = (most),            \
        .def = (d), .help = (h)                                                \
    }
#define BOOL(object_, key, field, d, h)                                        \
    {                                                                          \
        .name = (key), .type = SCHEMA_BOOL, .offset = AT(object_, field),      \
        .cap = ROOM(object_, field), .max = 1, .def = (d), .help = (h)         \
    }
#define CHOICE(kind, object_, key, field, words, d, h)                         \
    {                                                                          \
        .name = (key), .type = SCHEMA_##kind, .offset = AT(object_, field),    \
        .cap = ROOM(object_, field), .choices = (words), .def = (d),           \
        .help = (h)                                                            \
    }
#define TEXTS(object_, key, field, num, d, h)                                  \
    {                                                                          \
        .name = (key), .type = SCHEMA_TEXTS, .offset = AT(object_, field),     \
        .cap = ROOM(object_, field[0]), .count_offset = AT(object_, num),      \
        .max = ROOM(object_, field) / ROOM(object_, field[0]), .def = (d),     \
        .help = (h)                                                            \
    }

/* --- global --- */

static const struct schema_choice log_levels[] = {
    {"error", LOG_LEVEL_ERROR},
    {"warn", LOG_LEVEL_WARN},
    {"info", LOG_LEVEL_INFO},
    {"debug", LOG_LEVEL_DEBUG},
    {NULL, 0},
};

static const struct schema_choice lint_kinds[] = {
    {"sample", 0},
    {"full", 1},
    {NULL, 0},
};

static bool
put_lint(void *object, unsigned index, const char *word)
{
    struct config *config = object;
    for (const struct schema_choice *c = lint_kinds; c->word != NULL; c++) {
        if (index > 0 || strcmp(c->word, word) != 0)
            continue;
        config->core.lint_full = c->value == 1;
        return true;
    }
    return false;
}

static bool
put_host(void *object, unsigned index, const char *word)
{
    struct core_config *core = &((struct config *)object)->core;
    size_t cap = sizeof(core->hosts[0]);
    if (index >= CORE_HOSTS_MAX || word[0] == '\0' || strlen(word) >= cap)
        return false;
    memcpy(core->hosts[index], word, strlen(word) + 1);
    core->num_hosts = index + 1;
    return true;
}

static const struct schema_key global_keys[] = {
    CHOICE(CHOICE, config, "log-level", log_level, log_levels, "info",
           "The most verbose kind of line that is logged."),
    NUMBER(UNSIGNED, config, "doors", doors, 1, PROC_DOORS_MAX,
           "half of the CPUs", "Processes that serve connections."),
    NAME(config, "user", user, "",
         "When started by root: run every role as this user instead of "
         "brevet-core, brevet-door and brevet-signer. Fewer walls: what one "
         "role may open, all may; root is the worst choice."),
    TEXT(config, "passphrase", passphrase, 1, "file:passphrase",
         "Where the passphrase of the CA keys comes from: file:PATH, "
         "credential:NAME (systemd) or prompt."),
    TEXTS(config, "https", https, num_https, "0.0.0.0:8443",
          "Addresses to serve EST and status on with TLS: ADDRESS:PORT, "
          "[ADDRESS]:PORT."),
    TEXTS(config, "http", http, num_http, "none",
          "Addresses to serve status (OCSP, CRLs, CA certificates) on without "
          "TLS, and SCEP where that is enabled."),
    {.name = "hosts",
     .type = SCHEMA_CUSTOM,
     .max = CORE_HOSTS_MAX,
     .put = put_host,
     .def = "localhost",
     .help = "DNS names and addresses of this server, for its certificate; "
             "the first becomes its common name."},
    TEXT(config, "tls-certificate", tls_own, 1, "",
         "PEM file with a TLS key and chain of the operator's own; otherwise "
         "the server issues and renews its own certificate."),
    NAME(config, "tls-profile", core.tls_profile, "server",
         "Profile of the server's own TLS certificate."),
    TEXT(config, "control", control, 1, "run/control.sock",
         "Socket that brevet(1) speaks to."),
    TEXTS(config, "admins", admins, num_admins, "root",
          "System users who may do everything with brevet(1)."),
    TEXTS(config, "operators", operators, num_operators, "none",
          "System users who may enrol, approve and revoke, and issue what is "
          "no CA's, OCSP responder's or registration authority's."),
    TEXTS(config, "readers", readers, num_readers, "none",
          "System users who may look."),
    NAME(config, "default-profile", core.default_profile, "device",
         "Profile of a request without a label."),
    TEXTS(config, "weak-keys", weak_keys, num_weak_keys,
          CONFIG_WEAK_DEFAULT ", if it exists",
          "Lists of RSA keys that are refused, in the format of Debian's "
          "openssl-blacklist; of a directory every file blacklist.RSA-* for "
          "2048 bits and more. Debian 12 has no such package: without a list, "
          "keys of CVE-2008-0166 are not recognised."),
    {.name = "lint",
     .type = SCHEMA_CUSTOM,
     .max = 1,
     .choices = lint_kinds,
     .put = put_lint,
     .def = "sample",
     .help = "How often OpenSSL reads a certificate as well before it is "
             "signed; the own reader always does."},
};

static const struct schema_key quota_keys[] = {
    NUMBER(UNSIGNED, config, "live-per-device", core.live_per_device, 1,
           1000000000, "8", "Unexpired certificates one device may hold."),
    NUMBER(UNSIGNED, config, "issues-per-hour", core.issues_per_hour, 1,
           1000000000, "60", "Certificates one device may get in an hour."),
    NUMBER(UNSIGNED, config, "failures-per-minute", core.failures_per_minute, 1,
           1000000, "20",
           "Wrong secrets one IPv4 address or IPv6 /64 may try in a minute."),
    NUMBER(UNSIGNED, config, "pending-per-credential",
           core.pending_per_credential, 1, LIMIT_PENDING, "1000",
           "Requests with one credential that may wait for an operator."),
    NUMBER(UNSIGNED, config, "pending-per-address", core.pending_per_address, 1,
           LIMIT_PENDING, "1000",
           "Requests from one IPv4 address or IPv6 /64 that may wait for an "
           "operator."),
    NUMBER(DURATION, config, "repeat-window", core.repeat_window, 1, DAY, "10m",
           "How long a repeated request gets the same certificate."),
    BOOL(config, "group-takeover", core.group_takeover, "false",
         "A group token may enrol a name that has a live certificate."),
};

static const struct schema_key approval_keys[] = {
    NUMBER(DURATION, config, "retry", core.pending_retry, 1, DAY, "60s",
           "Retry-After while a request waits for an operator."),
    NUMBER(DURATION, config, "life", core.pending_life, 60, YEAR, "30d",
           "An unanswered request is dropped after this."),
};

static const struct schema_key limit_keys[] = {
    NUMBER(SIZE, config, "connections", net.connections, 10, LIMIT_CONNECTIONS,
           "12000", "Connections one door holds."),
    NUMBER(SIZE, config, "per-address", net.per_address, 1, LIMIT_CONNECTIONS,
           "6000", "Connections of one IPv4 address or IPv6 /64."),
    NUMBER(MILLIS, config, "handshake", net.handshake_ms, 1, 300, "10s",
           "Time for a TLS handshake, from accept."),
    NUMBER(MILLIS, config, "request", net.request_ms, 1, 300, "15s",
           "Time to receive one request, first octet to last."),
    NUMBER(MILLIS, config, "reply", net.reply_ms, 1, 300, "30s",
           "Time for an answer from core or the signer; then it is 503."),
    NUMBER(MILLIS, config, "idle", net.idle_ms, 1, 3600, "60s",
           "Time between two requests of a connection."),
    NUMBER(SIZE, config, "body", net.body, 4096, 16777216, "65536",
           "Octets of one request body."),
};

static const struct schema_key audit_keys[] = {
    NAME(config, "origin", core.log_origin, "brevet",
         "Name of the audit log in its checkpoints."),
    NUMBER(DURATION, config, "checkpoint-every", core.checkpoint_every, 1, DAY,
           "60s", "How often a checkpoint is signed when there is news."),
};

static const struct schema_key ocsp_keys[] = {
    NUMBER(DURATION, config, "validity", ocsp_validity, 60, 30 * DAY, "1h",
           "From now to nextUpdate of an answer. Below 10m clients that keep "
           "answers have none for a while: nginx asks for the next one five "
           "minutes after the last at the earliest."),
    NUMBER(DURATION, config, "backdate", ocsp_backdate, 0, DAY, "5m",
           "How far thisUpdate lies in the past, for slow clocks."),
    NUMBER(UNSIGNED, config, "signed-per-address", ocsp_signed, 0, 1000000,
           "1000",
           "Answers each door has signed for one address (IPv6: its /64) in a "
           "second, in the mean of ten: those with a nonce, or about what was "
           "never issued. Who asks for more is told to try later. 0: no bound, "
           "for a proxy in front, behind which all have one address."),
};

static const struct schema_key est_keys[] = {
    BOOL(config, "lenient", est_lenient, "false",
         "Also take raw DER and PEM bodies, which RFC 8951 forbids."),
    BOOL(config, "full-chain", est_full_chain, "false",
         "Enrolment answers carry the CA certificates too."),
};

static const struct schema_key scep_keys[] = {
    BOOL(config, "enabled", core.scep, "false",
         "Speak SCEP (RFC 8894) under /scep and /scep/LABEL, on every address "
         "of https and http."),
};

static const struct schema_key ca_keys[] = {
    TEXT(schema_ca, "certificate", files.certificate, 1, "ca/NAME.crt",
         "Its certificate (PEM)."),
    TEXTS(schema_ca, "chain", files.chain, files.num_chain, "none",
          "Certificates above it (PEM), its issuer first."),
    TEXTS(schema_ca, "cross", files.cross, files.num_cross, "none",
          "Certificates told to clients with these (PEM) while a root changes: "
          "the other root, and cross-certificates of roots of this file."),
    TEXT(schema_ca, "key", files.key, 1, "file:ca/NAME.key",
         "Its sealed key: file:PATH; none for one that is offline."),
    TEXT(schema_ca, "crl-file", core.crl_path, 1, "crl/NAME.crl",
         "Where its CRL is published (DER)."),
    TEXT(schema_ca, "crl-url", core.crl_url, 0, "",
         "Address of its CRL, written into certificates."),
    TEXT(schema_ca, "ocsp-url", core.ocsp_url, 0, "",
         "Address of its OCSP responder, written into certificates."),
    TEXT(schema_ca, "issuer-url", core.issuer_url, 0, "",
         "Address of its certificate, written into certificates."),
    NUMBER(DURATION, schema_ca, "crl-every", core.crl_every, 10, YEAR, "24h",
           "How often a CRL is published without a revocation."),
    NUMBER(DURATION, schema_ca, "crl-life", core.crl_life, 60, 2 * YEAR, "7d",
           "From thisUpdate to nextUpdate of a CRL."),
    NUMBER(DURATION, schema_ca, "crl-delay", core.crl_delay, 1, DAY, "10s",
           "From a revocation to the CRL that lists it."),
    NUMBER(DURATION, schema_ca, "ocsp-life", core.ocsp_life, 3600, YEAR, "14d",
           "Lifetime of its OCSP responder certificates."),
};

static const struct schema_choice id_sources[] = {
    {"serial", 0}, {"cn", 1}, {NULL, 0}};

static bool
put_id_source(void *object, unsigned index, const char *word)
{
    struct schema_manufacturer *m = object;
    for (const struct schema_choice *c = id_sources; c->word != NULL; c++) {
        if (index > 0 || strcmp(c->word, word) != 0)
            continue;
        m->core.id_from_cn = c->value == 1;
        return true;
    }
    return false;
}

static const struct schema_key manufacturer_keys[] = {
    TEXT(schema_manufacturer, "certificates", files.certificates, 1, "required",
         "Its CA certificates (PEM): whoever they vouch for may enrol."),
    TEXTS(
        schema_manufacturer, "crl", files.crl, files.num_crl, "none",
        "Its CRLs (DER or PEM), one for each of its CAs: what is listed there "
        "is refused, with all below. So are all whose CA's list is missing, "
        "expired or not signed by one of certificates."),
    NAME(schema_manufacturer, "profile", core.profile, "the label's",
         "Profile its devices get."),
    NAME(schema_manufacturer, "group", core.group, "",
         "Group its devices are put into, no other manufacturer's. Without one "
         "they do not replace a valid certificate."),
    {.name = "id",
     .type = SCHEMA_CUSTOM,
     .max = 1,
     .choices = id_sources,
     .put = put_id_source,
     .def = "serial",
     .help = "Which part of the subject names the device."},
    BOOL(schema_manufacturer, "known-only", core.known_only, "false",
         "Only devices already in the inventory may enrol."),
};

/* --- profiles --- */

static const struct schema_choice ids[] = {
    {"any", PROFILE_ID_ANY},     {"eui64", PROFILE_ID_EUI64},
    {"eui48", PROFILE_ID_EUI48}, {"uuid", PROFILE_ID_UUID},
    {"dns", PROFILE_ID_DNS},     {NULL, 0},
};

static const struct schema_choice san_kinds[] = {
    {"dns", PROFILE_SAN_DNS},
    {"ip", PROFILE_SAN_IP},
    {"uri", PROFILE_SAN_URI},
    {"email", PROFILE_SAN_EMAIL},
    {"none", 0},
    {NULL, 0},
};

static const struct schema_choice usages[] = {
    {"digitalSignature", 1 << 0}, {"nonRepudiation", 1 << 1},
    {"keyEncipherment", 1 << 2},  {"dataEncipherment", 1 << 3},
    {"keyAgreement", 1 << 4},     {"keyCertSign", 1 << 5},
    {"cRLSign", 1 << 6},          {NULL, 0},
};

static const struct schema_choice bindings[] = {
    {"ignore", PROFILE_BINDING_IGNORE},
    {"verify", PROFILE_BINDING_VERIFY},
    {"require", PROFILE_BINDING_REQUIRE},
    {"secret", PROFILE_BINDING_SECRET},
    {NULL, 0},
};

static const struct schema_choice ekus[] = {
    {"serverAuth", PROFILE_EKU_SERVER_AUTH},
    {"clientAuth", PROFILE_EKU_CLIENT_AUTH},
    {"codeSigning", PROFILE_EKU_CODE_SIGNING},
    {"ocspSigning", PROFILE_EKU_OCSP_SIGNING},
    {"cmcRA", PROFILE_EKU_CMC_RA},
    {"none", PROFILE_EKU_NONE},
    {NULL, 0},
};

static bool
put_eku(void *object, unsigned index, const char *word)
{
    struct profile *p = object;
    if (index == 0)
        p->num_eku = 0;
    for (const struct schema_choice *c = ekus; c->word != NULL; c++) {
        if (strcmp(c->word, word) != 0)
            continue;
        if (c->value == PROFILE_EKU_NONE)
            return index == 0;
        if (p->num_eku == PROFILE_EKU_MAX)
            return false;
        p->eku[p->num_eku++] = (enum profile_eku)c->value;
        return true;
    }
    return false;
}

enum { KEY_P256 = 1, KEY_P384, KEY_P521, KEY_ED25519, KEY_RSA };

static const struct schema_choice key_kinds[] = {
    {"p256", KEY_P256},       {"p384", KEY_P384}, {"p521", KEY_P521},
    {"ed25519", KEY_ED25519}, {"rsa", KEY_RSA},   {NULL, 0},
};

static bool
allow_key(struct profile *p, int kind)
{
    p->key_p256 |= kind == KEY_P256;
    p->key_p384 |= kind == KEY_P384;
    p->key_p521 |= kind == KEY_P521;
    p->key_ed25519 |= kind == KEY_ED25519;
    if (kind == KEY_RSA) {
        p->rsa_min = p->rsa_min == 0 ? 2048 : p->rsa_min;
        p->rsa_max = p->rsa_max == 0 ? 4096 : p->rsa_max;
    }
    return true;
}

/* "rsa" in the list keeps or sets the default sizes; its absence forbids RSA,
 * which is why rsa-min and rsa-max stand behind it in the table. */
static bool
put_key(void *object, unsigned index, const char *word)
{
    struct profile *p = object;
    if (index == 0) {
        p->key_p256 = p->key_p384 = p->key_p521 = p->key_ed25519 = false;
        p->rsa_min = p->rsa_max = 0;
    }
    for (const struct schema_choice *c = key_kinds; c->word != NULL; c++)
        if (strcmp(c->word, word) == 0)
            return allow_key(p, c->value);
    return false;
}

static bool
put_credential(void *object, unsigned index, const char *word)
{
    struct profile *p = object;
    if (index == 0)
        p->allow_basic = p->allow_own = p->allow_manufacturer = p->allow_ra =
            false;
    bool basic = strcmp(word, "token") == 0;
    bool own = strcmp(word, "own") == 0;
    bool manufacturer = strcmp(word, "manufacturer") == 0;
    bool ra = strcmp(word, "ra") == 0;
    p->allow_basic |= basic;
    p->allow_own |= own;
    p->allow_manufacturer |= manufacturer;
    p->allow_ra |= ra;
    return basic || own || manufacturer || ra ||
           (index == 0 && strcmp(word, "none") == 0);
}

static const struct schema_choice credentials[] = {
    {"token", 0}, {"own", 0},  {"manufacturer", 0},
    {"ra", 0},    {"none", 0}, {NULL, 0}};

static const struct schema_key profile_keys[] = {
    NAME(profile, "ca", ca, "the first that can sign", "CA that signs."),
    CHOICE(CHOICE, profile, "id", id, ids, "any",
           "How the text that identifies a device must look."),
    TEXT(profile, "organization", organization, 0, "", "Subject O."),
    TEXT(profile, "unit", unit, 0, "", "Subject OU."),
    TEXT(profile, "country", country, 0, "", "Subject C, two letters."),
    BOOL(profile, "serial-number", serial_number, "false",
         "Put the id into subject serialNumber too."),
    BOOL(profile, "san-id-dns", san_id_dns, "false",
         "Add the id as a dNSName."),
    BOOL(profile, "san-id-urn", san_id_urn, "false",
         "Add the id as a URN (urn:uuid:, urn:dev:mac:)."),
    CHOICE(FLAGS, profile, "san", san_allowed, san_kinds, "none",
           "Kinds of alternative names a requester may ask for."),
    TEXTS(profile, "san-patterns", san_patterns, num_san_patterns,
          "the device's own id",
          "What a requested name must match (glob), beside the device's own "
          "id. \"dns:\", \"ip:\", \"uri:\" or \"email:\" before it says for "
          "which kind of names it is; without, it is for host names, or for "
          "the one kind that san allows. In a host name a star stops at a "
          "dot. The id of another device never passes."),
    {.name = "keys",
     .type = SCHEMA_CUSTOM,
     .max = 5,
     .choices = key_kinds,
     .put = put_key,
     .def = "p256 p384 ed25519 rsa",
     .help = "Kinds of keys that are certified; of RSA those with the "
             "exponent 65537."},
    NUMBER(UNSIGNED, profile, "rsa-min", rsa_min, 2048, 8192, "2048",
           "Smallest RSA key in bits."),
    NUMBER(UNSIGNED, profile, "rsa-max", rsa_max, 2048, 8192, "4096",
           "Largest RSA key in bits."),
    BOOL(profile, "reuse-key-on-renew", reuse_key_on_renew, "true",
         "A renewal may keep its key."),
    BOOL(profile, "server-keygen", server_keygen, "false",
         "The server may make the key; RSA of 2048 or 3072 bits only."),
    BOOL(profile, "server-keygen-plain", server_keygen_plain, "false",
         "… and send it protected by TLS alone."),
    NUMBER(DURATION, profile, "lifetime", lifetime, 10, 50 * YEAR, "90d",
           "How long a certificate is valid from the moment of issue; the last "
           "second is inclusive. The backdate comes on top: where somebody "
           "limits the whole validity, lifetime and backdate together must "
           "keep to it."),
    NUMBER(DURATION, profile, "backdate", backdate, 0, 7 * DAY, "5m",
           "How far notBefore lies in the past, for slow clocks."),
    BOOL(profile, "no-expiry", no_expiry, "false",
         "notAfter 99991231235959Z (RFC 5280 4.1.2.5)."),
    NUMBER(UNSIGNED, profile, "renew-percent", renew_percent, 1, 99, "66",
           "The server renews its own certificates at this part of the "
           "lifetime; a device has a setting of its own."),
    NUMBER(DURATION, profile, "renew-after-expiry", renew_after_expiry, 0,
           366 * DAY, "0s",
           "How long after its end a certificate may still renew itself, and "
           "nothing else."),
    BOOL(profile, "renew-without-clientauth", renew_without_client_auth,
         "false; true for server",
         "A certificate without clientAuth may renew itself, and nothing "
         "else."),
    BOOL(profile, "renew-needs-san", renew_needs_san, "false",
         "A renewal's request has to repeat the SAN; otherwise one without is "
         "given the old one."),
    BOOL(profile, "scep-legacy", scep_legacy, "false",
         "Also take SCEP messages with SHA-1 and 3DES, for clients that know "
         "nothing better. Both are broken or worn out."),
    CHOICE(FLAGS, profile, "key-usage", key_usage, usages, "digitalSignature",
           "keyUsage (RFC 5280 4.2.1.3)."),
    {.name = "extended-key-usage",
     .type = SCHEMA_CUSTOM,
     .max = PROFILE_EKU_MAX,
     .choices = ekus,
     .put = put_eku,
     .def = "clientAuth",
     .help = "extKeyUsage (RFC 5280 4.2.1.12)."},
    BOOL(profile, "is-ca", is_ca, "false", "A CA certificate."),
    NUMBER(INT, profile, "pathlen", pathlen, -1, 10, "-1",
           "pathLenConstraint; -1: absent."),
    BOOL(profile, "basic-constraints", basic_constraints, "true",
         "Write basicConstraints for end entities too."),
    BOOL(profile, "subject-key-id", ski, "false",
         "Write subjectKeyIdentifier."),
    BOOL(profile, "crl-url", crldp, "true", "Write the CA's CRL address."),
    BOOL(profile, "ocsp-url", aia_ocsp, "true", "Write the CA's OCSP address."),
    BOOL(profile, "issuer-url", aia_issuer, "true",
         "Write the address of the CA's certificate."),
    BOOL(profile, "ocsp-nocheck", ocsp_nocheck, "false",
         "Write id-pkix-ocsp-nocheck (RFC 6960 4.2.2.2.1)."),
    BOOL(profile, "no-rev-avail", no_rev_avail, "false",
         "Write noRevAvail (RFC 9608)."),
    TEXTS(
        profile, "permitted-dns", nc_dns, num_nc_dns, "none",
        "Name constraints: permitted dNSName subtrees; a host name stands for "
        "itself and all below it."),
    TEXTS(profile, "excluded-dns", nc_not_dns, num_nc_not_dns, "none",
          "Name constraints: excluded dNSName subtrees."),
    BOOL(profile, "approval", approval, "false",
         "An operator approves each device's first certificate."),
    CHOICE(CHOICE, profile, "channel-binding", binding, bindings, "verify",
           "Whether a request must be bound to its TLS connection. secret: the "
           "challengePassword is a claim code, for clients that can send one "
           "no other way."),
    {.name = "credentials",
     .type = SCHEMA_CUSTOM,
     .max = 4,
     .choices = credentials,
     .put = put_credential,
     .def = "token own manufacturer",
     .help = "What a requester may show to be let in. ra: a certificate of "
             "ours with cmcRA, for devices of its own group."},
};

static const struct schema_key label_keys[] = {
    NAME(core_label, "profile", profile, "required",
         "Profile of requests under this path label."),
};

#define KEYS(array) (array), sizeof(array) / sizeof((array)[0])

const struct schema_section schema_sections[SCHEMA_COUNT] = {
    [SCHEMA_GLOBAL] = {"", SCHEMA_ONCE, KEYS(global_keys),
                       "Settings outside of any section."},
    [SCHEMA_QUOTA] = {"quota", SCHEMA_ONCE, KEYS(quota_keys),
                      "How much one device or address may ask for."},
    [SCHEMA_APPROVAL] = {"approval", SCHEMA_ONCE, KEYS(approval_keys),
                         "Requests that wait for an operator."},
    [SCHEMA_LIMITS] = {"limits", SCHEMA_ONCE, KEYS(limit_keys),
                       "What a door takes from the network."},
    [SCHEMA_AUDIT] = {"audit", SCHEMA_ONCE, KEYS(audit_keys), "The audit log."},
    [SCHEMA_OCSP] = {"ocsp", SCHEMA_ONCE, KEYS(ocsp_keys), "OCSP answers."},
    [SCHEMA_EST] = {"est", SCHEMA_ONCE, KEYS(est_keys), "The EST door."},
    [SCHEMA_SCEP] = {"scep", SCHEMA_ONCE, KEYS(scep_keys), "The SCEP door."},
    [SCHEMA_CA] = {"ca", SCHEMA_TITLED, KEYS(ca_keys),
                   "A CA of this installation; the title is its name."},
    [SCHEMA_MANUFACTURER] = {"manufacturer", SCHEMA_TITLED,
                             KEYS(manufacturer_keys),
                             "A manufacturer whose devices may enrol with the "
                             "certificate they were made with."},
    [SCHEMA_PROFILE] = {"profile", SCHEMA_TITLED, KEYS(profile_keys),
                        "A kind of certificate. The built-in device, client, "
                        "server, gateway, intermediate, ocsp and codesigning "
                        "exist without a section; a section changes them, or "
                        "makes a new one like device."},
    [SCHEMA_LABEL] = {"label", SCHEMA_TITLED, KEYS(label_keys),
                      "A path label, as in /.well-known/est/LABEL/… and "
                      "/scep/LABEL."},
};
