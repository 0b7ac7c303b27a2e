#include "prog/brevetd/examine.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/time.h"
#include "core/ca.h"
#include "pki/note.h"
#include "prog/config/secret.h"
#include "signer/responder.h"
#include "wire/cert.h"
#include "wire/crl.h"
#include "wire/pem.h"
#include "wire/san.h"

#define DAY      INT64_C(86400)
#define TEXT_MAX 65536

/* One CA with what is above it and beside it. */
struct looked {
    uint8_t memory[(1 + LIMIT_CHAIN + LIMIT_CROSS) * LIMIT_CERT];
    struct sink sink;
    struct span der, chain[LIMIT_CHAIN], cross[LIMIT_CROSS];
    size_t num_chain, num_cross;
};

/* What a device takes in one answer (BV_TRUST_MAX of the device library). */
#define DEVICE_CERTS 8

struct look {
    struct examine *e;
    const struct files *files;
    const struct config *config;
    int64_t now;
    char secret[FILES_SECRET_MAX]; /* "": keys cannot be opened */
};

/* --- files --- */

static bool
read_text(struct look *l, const char *name, bool optional, uint8_t *buf,
          size_t cap, struct span *ret)
{
    char path[CONFIG_PATH_MAX];
    if (config_path(l->config, name, path) != BV_OK)
        return false;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        if (!optional)
            examine_error(l->e, "%s cannot be read", path);
        return false;
    }
    size_t len = fread(buf, 1, cap, file);
    (void)fclose(file);
    *ret = span_of(buf, len);
    return len > 0 && len < cap;
}

static bool
read_cert(struct look *l, const char *name, struct sink *memory,
          struct span *ret)
{
    uint8_t buf[TEXT_MAX];
    struct span text;
    struct cert cert;
    if (!read_text(l, name, false, buf, sizeof(buf), &text))
        return false;
    if (pem_find(&text, PEM_CERTIFICATE, memory, ret) == BV_OK &&
        cert_parse(*ret, &cert) == BV_OK)
        return true;
    examine_error(l->e, "%s holds no certificate that can be read", name);
    return false;
}

static void
check_dates(struct look *l, const char *what, const struct cert *cert)
{
    char when[TIME_TEXT_MAX];
    int64_t life = cert->not_after - cert->not_before;
    time_format(cert->not_after, when);
    if (l->now > cert->not_after)
        examine_error(l->e, "%s expired on %s", what, when);
    else if (l->now < cert->not_before)
        examine_error(l->e, "%s is not valid yet: is the clock right?", what);
    else if (cert->not_after - l->now < life / 10)
        examine_warn(l->e, "%s expires soon, on %s", what, when);
}

/* --- one CA --- */

static bool
load(struct look *l, size_t i, struct looked *ca)
{
    const struct config_ca *from = &l->config->ca_files[i];
    ca->sink = SINK_ARRAY(ca->memory);
    ca->num_chain = ca->num_cross = 0;
    bool good = read_cert(l, from->certificate, &ca->sink, &ca->der);
    for (unsigned j = 0; j < from->num_chain; j++)
        if (read_cert(l, from->chain[j], &ca->sink, &ca->chain[ca->num_chain]))
            ca->num_chain++;
        else
            good = false;
    for (unsigned j = 0; j < from->num_cross; j++)
        if (read_cert(l, from->cross[j], &ca->sink, &ca->cross[ca->num_cross]))
            ca->num_cross++;
    return good;
}

static void
check_chain(struct look *l, const char *name, const struct looked *ca,
            const struct cert *cert)
{
    char what[LIMIT_SHORT_NAME + 40], problem[300] = "";
    struct cert above;
    (void)snprintf(what, sizeof(what), "the certificate of ca \"%s\"", name);
    check_dates(l, what, cert);
    for (size_t i = 0; i < ca->num_chain; i++) {
        (void)snprintf(what, sizeof(what), "above ca \"%s\", certificate %zu",
                       name, i + 1);
        if (cert_parse(ca->chain[i], &above) == BV_OK)
            check_dates(l, what, &above);
    }
    /* Dates were told; the rest is judged at a time when all are valid. */
    int64_t when = l->now < cert->not_before  ? cert->not_before
                   : l->now > cert->not_after ? cert->not_after
                                              : l->now;
    if (ca_check(ca->der, SPAN_EMPTY, ca->chain, ca->num_chain, when, problem,
                 sizeof(problem)) != BV_OK)
        examine_error(l->e, "ca \"%s\": %s", name, problem);
}

static void
check_key(struct look *l, const char *name, const char *file, struct span spki)
{
    uint8_t buf[KEY_PEM_MAX];
    struct span text;
    bv_auto(key) struct key *key = NULL;
    if (l->secret[0] == '\0' ||
        !read_text(l, file, false, buf, sizeof(buf), &text))
        return;
    enum bv_err err = key_open(text, span_str(l->secret), &key);
    if (err != BV_OK)
        examine_error(l->e, "the key \"%s\" (%s) is not usable: %s", name, file,
                      key_open_text(err));
    else if (spki.len > 0 && !key_match_spki(key, spki))
        examine_error(l->e,
                      "the key of ca \"%s\" is not that of its certificate: "
                      "put the matching pair back",
                      name);
}

static bool
is_signed_by(const struct cert *cert, const struct cert *issuer)
{
    bv_auto(key) struct key *key = NULL;
    return span_eq(cert->issuer, issuer->subject) &&
           key_of_spki(&issuer->spki, &key) == BV_OK &&
           key_verify(key, cert->sig_alg, cert->tbs, cert->signature) == BV_OK;
}

/* An online CA's is made anew when it will not do; an offline one's is not. */
static void
check_responder(struct look *l, size_t i, const struct cert *ca)
{
    uint8_t buf[RESPONDER_FILE_MAX], der_buf[LIMIT_CERT];
    char file[LIMIT_SHORT_NAME + 16], what[LIMIT_SHORT_NAME + 60];
    struct sink memory = SINK_ARRAY(der_buf);
    struct span text, der;
    struct cert cert;
    bv_auto(key) struct key *key = NULL;
    const char *name = l->config->cas[i].name;
    bool offline = l->config->cas[i].offline;
    (void)snprintf(file, sizeof(file), "ca/ocsp-%s.pem", name);
    if (!read_text(l, file, true, buf, sizeof(buf), &text))
        return;
    (void)snprintf(what, sizeof(what), "the OCSP responder of ca \"%s\" (%s)",
                   name, file);
    if (l->secret[0] != '\0' && responder_unseal(text, span_str(l->secret),
                                                 &memory, &key, &der) != BV_OK)
        examine_warn(l->e, "%s does not open; %s", what,
                     offline ? "do brevet ca ocsp" : "a new one is made");
    memory = SINK_ARRAY(der_buf);
    if (pem_find(&text, PEM_CERTIFICATE, &memory, &der) != BV_OK ||
        cert_parse(der, &cert) != BV_OK || !is_signed_by(&cert, ca))
        examine_warn(l->e, "%s is not of this CA", what);
    else if (offline && cert.not_after - l->now < 30 * DAY)
        examine_warn(l->e,
                     "%s ends within 30 days, and the CA's key is away: do "
                     "brevet ca ocsp",
                     what);
}

static void
check_crl(struct look *l, size_t i)
{
    static uint8_t buf[TEXT_MAX];
    const struct core_ca *ca = &l->config->cas[i];
    struct span der;
    struct crl crl;
    if (!ca->offline || ca->crl_path[0] == '\0')
        return;
    if (!read_text(l, ca->crl_path, true, buf, sizeof(buf), &der) ||
        crl_parse(der, &crl) != BV_OK)
        examine_warn(l->e, "there is no CRL of ca \"%s\", whose key is away",
                     ca->name);
    else if (crl.next_update - l->now < (crl.next_update - crl.this_update) / 3)
        examine_warn(l->e,
                     "the CRL of ca \"%s\" %s, and its key is away: do brevet "
                     "ca crl",
                     ca->name,
                     crl.next_update < l->now ? "has run out"
                                              : "runs out before long");
}

/* ARCHITECTURE, "Ed25519 CAs". */
static void
check_kind(struct look *l, size_t i, const struct cert *cert)
{
    if (cert->spki.alg == ALG_KEY_ED25519 && !l->config->cas[i].offline)
        examine_warn(l->e,
                     "ca \"%s\" has an Ed25519 key: its CRL may not be longer "
                     "than 64 kB, about 1,200 revoked certificates",
                     l->config->cas[i].name);
}

static void
check_usages(struct look *l, size_t i, const struct looked *ca)
{
    struct core_ca with = l->config->cas[i];
    with.cert = ca->der;
    with.num_chain = ca->num_chain;
    memcpy(with.chain, ca->chain, sizeof(with.chain));
    const struct profile *p = core_config_barred(&l->config->core, &with);
    if (p != NULL)
        examine_error(l->e,
                      "profile \"%s\": ca \"%s\", or one above, is not for "
                      "its extended key usages",
                      p->name, with.name);
}

static void
check_ca(struct look *l, size_t i, struct looked *ca)
{
    const char *name = l->config->cas[i].name;
    struct cert cert;
    if (!load(l, i, ca) || cert_parse(ca->der, &cert) != BV_OK)
        return;
    check_chain(l, name, ca, &cert);
    if (!l->config->cas[i].offline)
        check_key(l, name, l->config->ca_files[i].key + strlen("file:"),
                  cert.spki.whole);
    check_kind(l, i, &cert);
    check_usages(l, i, ca);
    check_responder(l, i, &cert);
    check_crl(l, i);
}

/* --- what is told beside the chains --- */

static bool
is_told_ca(const struct look *l, const struct looked *all,
           const struct cert *cert)
{
    static struct core_ca cas[CONFIG_CAS_MAX];
    const struct core_config known = {.cas = cas,
                                      .num_cas = l->config->core.num_cas};
    for (size_t i = 0; i < known.num_cas; i++) {
        cas[i] =
            (struct core_ca){.cert = all[i].der, .num_chain = all[i].num_chain};
        memcpy(cas[i].chain, all[i].chain, sizeof(cas[i].chain));
    }
    return core_config_is_ca(&known, cert);
}

static void
check_cross(struct look *l, size_t i, const struct looked *all)
{
    const struct looked *ca = &all[i];
    const char *name = l->config->cas[i].name;
    char what[LIMIT_SHORT_NAME + 40];
    struct cert cert;
    for (size_t j = 0; j < ca->num_cross; j++) {
        (void)snprintf(what, sizeof(what),
                       "cross of ca \"%s\", certificate %zu", name, j + 1);
        if (cert_parse(ca->cross[j], &cert) != BV_OK || !cert_may_sign(&cert)) {
            examine_error(l->e, "%s is not a CA's", what);
            continue;
        }
        check_dates(l, what, &cert);
        if (!is_told_ca(l, all, &cert))
            examine_error(l->e, "%s has the name or key of no CA here", what);
    }
    if (ca->num_cross > 0 && 1 + ca->num_chain + ca->num_cross > DEVICE_CERTS)
        examine_warn(l->e,
                     "ca \"%s\" with chain and cross is more than the %d "
                     "certificates a device takes",
                     name, DEVICE_CERTS);
}

/* --- the server's own certificate --- */

static bool
names_it(struct span san, struct span name)
{
    /* a certificate without a SAN has no octets to search */
    return san.len > 0 &&
           memmem(san.data, san.len, name.data, name.len) != NULL;
}

static void
check_hosts(struct look *l, const char *file, const struct cert *cert)
{
    uint8_t buf[4096];
    for (size_t i = 0; i < l->config->core.num_hosts; i++) {
        const char *host = l->config->core.hosts[i];
        struct sink san = SINK_ARRAY(buf);
        if (ca_host_san(&host, 1, &san) != BV_OK)
            continue;
        /* the GeneralName alone, without the SEQUENCE around it */
        struct span name = span_of(buf + 2, san.len - 2);
        if (san.len > 2 && san.len < 130 && !names_it(cert->san, name))
            examine_warn(l->e, "%s is not for the host %s", file, host);
    }
}

static void
check_tls(struct look *l)
{
    static uint8_t buf[TEXT_MAX];
    uint8_t der_buf[LIMIT_CERT];
    struct sink memory = SINK_ARRAY(der_buf);
    struct span text, der;
    struct cert cert;
    bv_auto(key) struct key *key = NULL;
    bool own = l->config->tls_own[0] != '\0';
    const char *file = own ? l->config->tls_own : l->config->core.tls_path;
    if (!read_text(l, file, !own, buf, sizeof(buf), &text)) {
        if (!own)
            examine_warn(l->e, "%s is not there yet; the server makes it",
                         file);
        return;
    }
    if (key_open_plain(text, &key) != BV_OK) {
        examine_error(l->e, "%s holds no private key that can be read", file);
        return;
    }
    if (pem_find(&text, PEM_CERTIFICATE, &memory, &der) != BV_OK ||
        cert_parse(der, &cert) != BV_OK) {
        examine_error(l->e, "%s holds no certificate that can be read", file);
        return;
    }
    if (!key_match_spki(key, cert.spki.whole))
        examine_error(l->e, "%s: the key is not the certificate's", file);
    if (own)
        check_dates(l, file, &cert);
    check_hosts(l, file, &cert);
}

static void
check_log_key(struct look *l)
{
    uint8_t pub_buf[512], buf[KEY_PEM_MAX], spki_buf[LIMIT_SPKI];
    struct sink spki = SINK_ARRAY(spki_buf);
    struct span pub, text;
    struct tlog_vkey vkey;
    bv_auto(key) struct key *key = NULL;
    check_key(l, "log", "ca/log.key", SPAN_EMPTY);
    if (!read_text(l, "ca/log.pub", false, pub_buf, sizeof(pub_buf), &pub))
        return;
    while (pub.len > 0 && pub.data[pub.len - 1] == '\n')
        pub.len--;
    if (note_vkey_parse(pub, &vkey) != BV_OK) {
        examine_error(l->e, "ca/log.pub does not decode");
        return;
    }
    if (l->secret[0] == '\0' ||
        !read_text(l, "ca/log.key", true, buf, sizeof(buf), &text) ||
        key_open(text, span_str(l->secret), &key) != BV_OK ||
        key_spki(key, &spki) != BV_OK || spki.len < sizeof(vkey.key))
        return;
    if (memcmp(spki_buf + spki.len - sizeof(vkey.key), vkey.key,
               sizeof(vkey.key)) != 0)
        examine_error(l->e, "ca/log.key and ca/log.pub are not a pair");
}

void
examine_cas(struct examine *e, const struct files *files)
{
    struct look l = {e, files, files->config, clock_wall(), ""};
    size_t num = files->config->core.num_cas;
    struct looked *cas = calloc(num, sizeof(*cas));
    char problem[FILES_PROBLEM_MAX] = "";
    if (cas == NULL)
        return;
    if (files->config->passphrase_from == CONFIG_SECRET_PROMPT)
        examine_warn(e, "the passphrase is typed in at the start: the keys "
                        "were not opened");
    else if (files_is_services_credential(files))
        examine_warn(e, "the passphrase is a credential that only the service "
                        "is given: the keys were not opened");
    else if (files_passphrase(files, l.secret, problem) != BV_OK)
        examine_error(e, "%s", problem);
    else if (secret_is_weak(l.secret))
        examine_warn(e, "the passphrase is easily found by whoever gets hold "
                        "of a sealed key; change it (brevet passphrase "
                        "change): " SECRET_ADVICE);
    for (size_t i = 0; i < num; i++)
        check_ca(&l, i, &cas[i]);
    for (size_t i = 0; i < num; i++)
        check_cross(&l, i, cas);
    check_log_key(&l);
    check_tls(&l);
    explicit_bzero(l.secret, sizeof(l.secret));
    free(cas);
}
