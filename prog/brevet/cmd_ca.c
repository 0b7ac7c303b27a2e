/* brevet ca csr, install, renew, sign, export-root: work on CA keys and
 * certificates in the files, without the daemon. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "command.h"
#include "prog/brevet/ca_acts.h"
#include "wire/csr.h"
#include "wire/pem.h"

/* Every command here: open, act, say what went wrong. */
static int
end(struct ca_files *files, const struct command_call *call, enum bv_err err)
{
    if (err != BV_OK)
        (void)fprintf(stderr, "brevet %s %s: %s\n", call->command->group,
                      call->command->action,
                      files->problem[0] != '\0' ? files->problem
                                                : err_text(err));
    ca_files_close(files);
    if (err == BV_OK)
        return COMMAND_OK;
    return err == BV_E_REFUSED || err == BV_E_NOT_FOUND ? COMMAND_REFUSED
                                                        : COMMAND_FAILED;
}

static int
with_files(const struct command_call *call, ca_act_fn *act)
{
    struct ca_files files;
    enum bv_err err = ca_files_open(call->dir, &files);
    if (err == BV_OK)
        err = act(&files, call);
    return end(&files, call, err);
}

const char *
ca_act_text(const struct command_call *call, const char *key,
            const char *fallback)
{
    const char *text = command_text(call, key);
    return text != NULL && text[0] != '\0' ? text : fallback;
}

enum bv_err
ca_act_put(struct ca_files *files, const char *path, const char *label,
           struct span der)
{
    size_t cap = PEM_LEN(strlen(label), der.len) + 64;
    bv_auto_free uint8_t *buf = malloc(cap);
    if (buf == NULL)
        return BV_E_NO_MEMORY;
    struct sink text = sink_of(buf, cap);
    pem_encode(&text, label, der);
    if (path != NULL && path[0] != '\0')
        return ca_files_write(files, path, 0644, sink_view(&text));
    return fwrite(text.data, 1, text.len, stdout) == text.len ? BV_OK : BV_E_IO;
}

/* --- csr --- */

/* As in its certificate, or in the request that init made. */
static enum bv_err
subject_of(struct ca_files *files, size_t ca, struct sink *memory,
           struct span *ret)
{
    uint8_t buf[CA_FILES_TEXT];
    char path[CONFIG_PATH_MAX];
    struct span der, text;
    struct cert cert;
    struct csr csr;
    size_t num;
    if (ca_files_certs(files, files->config->ca_files[ca].certificate, memory,
                       &der, 1, &num) == BV_OK &&
        cert_parse(der, &cert) == BV_OK) {
        *ret = cert.subject;
        return BV_OK;
    }
    (void)snprintf(path, sizeof(path), "ca/%s.csr",
                   files->config->cas[ca].name);
    BV_TRY(ca_files_read(files, path, buf, sizeof(buf), &text));
    BV_TRY(pem_find(&text, PEM_CSR, memory, &der));
    BV_TRY(csr_parse(der, &csr));
    *ret = csr.subject;
    return BV_OK;
}

static bool
has_root_elsewhere(const struct config *config)
{
    for (size_t i = 0; i < config->core.num_cas; i++)
        if (config->cas[i].offline && config->ca_files[i].num_chain == 0)
            return true;
    return false;
}

/* Signed with this number by our own root, wherever its key is, the
 * certificate has a status here. */
static enum bv_err
tell_serial(struct ca_files *files)
{
    bv_auto(ledger) struct ledger *ledger = NULL;
    uint8_t serial[LIMIT_SERIAL];
    char hex[2 * LIMIT_SERIAL + 1];
    struct sink text = sink_of(hex, sizeof(hex) - 1);
    size_t len;
    if (!has_root_elsewhere(files->config))
        return BV_OK;
    BV_TRY(ledger_open(files, &ledger));
    BV_TRY(ledger_serial(ledger, serial, &len));
    sink_hex(&text, span_of(serial, len));
    hex[text.len] = '\0';
    if (len > 0)
        (void)fprintf(stderr,
                      "Where the root's key is, sign it with\n"
                      "  brevet ca sign FILE --serial %s\n",
                      hex);
    return BV_OK;
}

static enum bv_err
make_csr(struct ca_files *files, const struct command_call *call)
{
    uint8_t der[LIMIT_CSR], memory[2 * LIMIT_CERT];
    struct sink out = SINK_ARRAY(der), scratch = SINK_ARRAY(memory);
    bv_auto(key) struct key *key = NULL;
    struct span subject;
    size_t ca;
    BV_TRY(ca_files_find(files, ca_act_text(call, "name", "issuing"), &ca));
    BV_TRY(ca_files_key(files, ca, &key));
    BV_TRY(subject_of(files, ca, &scratch, &subject));
    enum bv_err err = ca_csr_of(key, subject, &out);
    if (err != BV_OK)
        return ca_files_bad(files, err, "the request could not be made: %s",
                            err_text(err));
    BV_TRY(tell_serial(files));
    return ca_act_put(files, command_text(call, "out"), PEM_CSR,
                      sink_view(&out));
}

/* --- install --- */

struct coming {
    uint8_t memory[(2 + 2 * LIMIT_CHAIN) * LIMIT_CERT];
    struct sink sink;
    struct span certs[1 + 2 * LIMIT_CHAIN]; /* the CA's own first */
    size_t num;
};

static enum bv_err
read_coming(struct ca_files *files, const struct command_call *call,
            struct coming *c)
{
    const char *chain = command_text(call, "chain");
    size_t more = 0;
    c->sink = SINK_ARRAY(c->memory);
    BV_TRY(ca_files_certs(files, ca_act_text(call, "certificate", ""), &c->sink,
                          c->certs, 1 + LIMIT_CHAIN, &c->num));
    if (chain != NULL && chain[0] != '\0')
        BV_TRY(ca_files_certs(files, chain, &c->sink, c->certs + c->num,
                              LIMIT_CHAIN, &more));
    c->num += more;
    return BV_OK;
}

/* Without --chain, what the configuration names is the chain. */
static enum bv_err
read_own_chain(struct ca_files *files, size_t ca, struct coming *c)
{
    const struct config_ca *own = &files->config->ca_files[ca];
    for (unsigned i = 0; c->num == i + 1 && i < own->num_chain; i++) {
        size_t num;
        enum bv_err err = ca_files_certs(files, own->chain[i], &c->sink,
                                         &c->certs[c->num], 1, &num);
        if (err == BV_E_NOT_FOUND)
            return ca_files_bad(files, err,
                                "%s is not there yet: give what is above the "
                                "certificate with --chain FILE",
                                own->chain[i]);
        BV_TRY(err);
        c->num++;
    }
    return BV_OK;
}

static enum bv_err
check_coming(struct ca_files *files, size_t ca, const struct key *key,
             const struct coming *c)
{
    uint8_t buf[LIMIT_SPKI];
    struct sink spki = SINK_ARRAY(buf);
    const struct config_ca *own = &files->config->ca_files[ca];
    BV_TRY(key_spki(key, &spki));
    BV_TRY(ca_check(c->certs[0], sink_view(&spki), c->certs + 1, c->num - 1,
                    clock_wall(), files->problem, sizeof(files->problem)));
    if (c->num - 1 == own->num_chain)
        return BV_OK;
    return ca_files_bad(
        files, BV_E_BAD_CONFIG,
        "above it are %zu certificates, but ca \"%s\" in %s has a chain of %u: "
        "name as many files there, its issuer's first, and repeat this",
        c->num - 1, files->config->cas[ca].name, files->conf, own->num_chain);
}

static enum bv_err
write_coming(struct ca_files *files, size_t ca, const struct coming *c)
{
    const struct config_ca *own = &files->config->ca_files[ca];
    for (unsigned i = 0; i < own->num_chain; i++)
        BV_TRY(
            ca_act_put(files, own->chain[i], PEM_CERTIFICATE, c->certs[i + 1]));
    return ca_act_put(files, own->certificate, PEM_CERTIFICATE, c->certs[0]);
}

static enum bv_err
note_coming(struct ca_files *files, struct ledger *ledger, size_t ca,
            const struct coming *c)
{
    return ledger_note(ledger, "ca.install", files->config->cas[ca].name,
                       c->certs[0], files->config->ca_files[ca].certificate);
}

/* An installation that waited for its certificate has no database yet. */
static enum bv_err
first_run(struct ca_files *files, size_t ca, const struct coming *c,
          struct key *key)
{
    uint8_t buf[KEY_PEM_MAX];
    struct span text;
    struct install_keys keys = {.ca = key};
    bv_auto(ledger) struct ledger *ledger = NULL;
    const char *user = files->config->user;
    enum bv_err err =
        ca_files_read(files, "ca/log.key", buf, sizeof(buf), &text);
    if (err == BV_OK)
        err = key_open(text, span_str(files->secret), &keys.log);
    files->problem[0] = '\0';
    if (err == BV_OK)
        err = install_first_run(files->dir, &keys, span_str(files->secret),
                                files->problem);
    key_free(keys.ca);
    key_free(keys.log);
    BV_TRY(err);
    BV_TRY(ledger_open(files, &ledger)); /* now there is one */
    BV_TRY(note_coming(files, ledger, ca, c));
    return install_give_away(files->dir, user[0] != '\0' ? user : NULL,
                             files->problem);
}

static enum bv_err
install_cert(struct ca_files *files, const struct command_call *call)
{
    bv_auto_free struct coming *c = calloc(1, sizeof(*c));
    bv_auto(key) struct key *key = NULL;
    bv_auto(ledger) struct ledger *ledger = NULL;
    size_t ca;
    if (c == NULL)
        return BV_E_NO_MEMORY;
    BV_TRY(ca_files_find(files, ca_act_text(call, "name", "issuing"), &ca));
    BV_TRY(read_coming(files, call, c));
    if (c->num == 1)
        BV_TRY(read_own_chain(files, ca, c));
    BV_TRY(ca_files_key(files, ca, &key));
    BV_TRY(check_coming(files, ca, key, c));
    BV_TRY(ledger_open(files, &ledger));
    bool fresh = !ledger_is_there(ledger);
    BV_TRY(note_coming(files, ledger, ca, c));
    BV_TRY(write_coming(files, ca, c));
    if (fresh) {
        BV_TRY(first_run(files, ca, c, BV_STEAL(key)));
    }
    (void)printf("Installed %s\n%s\n", files->config->ca_files[ca].certificate,
                 ca_act_next(ledger));
    return BV_OK;
}

/* --- the table --- */

static int
csr_run(const struct command_call *call)
{
    return with_files(call, make_csr);
}
static int
install_run(const struct command_call *call)
{
    return with_files(call, install_cert);
}

/* Where only the root's key is kept there is no installation. */
static int
sign_run(const struct command_call *call)
{
    struct ca_files files;
    const char *root = command_text(call, "root-cert");
    enum bv_err err = BV_OK;
    if (root != NULL && root[0] != '\0')
        ca_files_none(call->dir, &files);
    else
        err = ca_files_open(call->dir, &files);
    if (err == BV_OK)
        err = ca_sign(&files, call);
    return end(&files, call, err);
}
static int
renew_run(const struct command_call *call)
{
    return with_files(call, ca_renew);
}
static int
crl_run(const struct command_call *call)
{
    return with_files(call, ca_crl);
}
static int
crl_install_run(const struct command_call *call)
{
    return with_files(call, ca_crl_install);
}
static int
ocsp_run(const struct command_call *call)
{
    return with_files(call, ca_ocsp);
}
static int
export_run(const struct command_call *call)
{
    return with_files(call, ca_export_root);
}

#define OUT                                                                    \
    {                                                                          \
        "out", NULL, COMMAND_PATH, "FILE", "write it here"                     \
    }
#define CA(which)                                                              \
    {                                                                          \
        "ca", "name", COMMAND_TEXT, "NAME", "which CA (" which ")"             \
    }
#define ROOT                                                                   \
    {                                                                          \
        "root", NULL, COMMAND_TEXT, "NAME", "the CA that signs (root)"         \
    }
#define ROOT_KEY                                                               \
    {"root-key", NULL, COMMAND_PATH, "FILE",                                   \
     "the root's sealed key, when it is not on this machine"},                 \
    {                                                                          \
        "passphrase-file", NULL, COMMAND_PATH, "FILE",                         \
            "its first line opens that key; else it is asked for"              \
    }
#define LIFETIME                                                               \
    {                                                                          \
        "lifetime", NULL, COMMAND_DURATION, "8y", "how long it is valid"       \
    }

static const struct command_option csr_options[] = {
    CA("issuing"), OUT, {.name = NULL}};
static const struct command_option install_options[] = {
    CA("issuing"),
    {"chain", NULL, COMMAND_PATH, "FILE",
     "what is above it (PEM), its issuer first, the root last"},
    {.name = NULL}};
static const struct command_option sign_options[] = {
    ROOT,
    {"root-cert", NULL, COMMAND_PATH, "FILE",
     "the root's certificate, on a machine without an installation"},
    ROOT_KEY,
    LIFETIME,
    {"serial", NULL, COMMAND_TEXT, "HEX",
     "its serial number, as brevet ca csr told it"},
    {"crl-url", NULL, COMMAND_TEXT, "URL",
     "where the root's CRL is (with --root-cert)"},
    {"issuer-url", NULL, COMMAND_TEXT, "URL",
     "where the root's certificate is (with --root-cert)"},
    OUT,
    {.name = NULL}};
static const struct command_option renew_options[] = {
    CA("issuing"), ROOT, ROOT_KEY, LIFETIME, {.name = NULL}};
static const struct command_option crl_options[] = {
    CA("root"),
    ROOT_KEY,
    {"request", NULL, COMMAND_PATH, "FILE",
     "only write what is to be signed, for brevet ca sign elsewhere"},
    {.name = NULL}};
static const struct command_option ocsp_options[] = {
    CA("root"), ROOT_KEY, {.name = NULL}};
static const struct command_option export_options[] = {
    CA("root"),
    OUT,
    {"passphrase-file", NULL, COMMAND_PATH, "FILE",
     "its first line protects the exported key; else it is asked for"},
    {.name = NULL}};

const struct command cmd_ca[] = {
    {.group = "ca",
     .action = "csr",
     .summary = "make a request for a CA's key (offline)",
     .run = csr_run,
     .example = "brevet ca csr --out issuing.csr\n",
     .options = csr_options},
    {.group = "ca",
     .action = "install",
     .summary = "take a CA certificate in that somebody else signed (offline)",
     .run = install_run,
     .example = "brevet ca install issuing.crt --chain root.crt\n",
     .options = install_options,
     .positional = {"CERTIFICATE", "certificate", COMMAND_PATH, NULL, NULL}},
    {.group = "ca",
     .action = "sign",
     .summary = "sign with the root: a CA's request, another root, a CRL "
                "(offline)",
     .run = sign_run,
     .example = "brevet ca sign other.csr --root-key /media/root.key "
                "--out other.crt\n"
                "brevet ca sign root.crl-request --root-cert root.crt "
                "--root-key root.key --out root.crl.pem\n",
     .options = sign_options,
     .positional = {"FILE", "file", COMMAND_PATH, NULL, NULL}},
    {.group = "ca",
     .action = "renew",
     .summary = "give a CA's key a new certificate (offline)",
     .run = renew_run,
     .example = "brevet ca renew --root-key /media/root.key\n",
     .options = renew_options},
    {.group = "ca",
     .action = "crl",
     .summary = "sign and publish the CRL of a CA whose key is elsewhere",
     .run = crl_run,
     .example = "brevet ca crl --root-key /media/root.key\n"
                "brevet ca crl --request root.crl-request\n",
     .options = crl_options},
    {.group = "ca",
     .action = "ocsp",
     .summary = "sign an OCSP responder for a CA whose key is elsewhere",
     .run = ocsp_run,
     .example = "brevet ca ocsp --root-key /media/root.key\n",
     .options = ocsp_options},
    {.group = "ca",
     .action = "export-root",
     .needs = "out",
     .summary = "move the root's key off this machine (offline)",
     .run = export_run,
     .example = "brevet ca export-root --out /media/root.key\n",
     .options = export_options},
    {.group = "crl",
     .action = "install",
     .summary = "publish a CRL that was signed elsewhere",
     .run = crl_install_run,
     .example = "brevet crl install root.crl\n",
     .positional = {"FILE", "file", COMMAND_PATH, NULL, NULL}},
    {.group = NULL},
};
