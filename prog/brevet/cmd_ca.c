/* brevet ca csr, install, renew, sign, export-root: work on CA keys and
 * certificates in the files, without the daemon. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "command.h"
#include "prog/brevet/ca_files.h"
#include "wire/csr.h"
#include "wire/pem.h"

#define PEM_MAX (2 * LIMIT_CERT)
#define YEAR    (INT64_C(365) * 86400)

typedef enum bv_err act_fn(struct ca_files *files,
                           const struct command_call *call);

/* Every command here: open, act, say what went wrong. */
static int
with_files(const struct command_call *call, act_fn *act)
{
    struct ca_files files;
    enum bv_err err = ca_files_open(call->dir, &files);
    if (err == BV_OK)
        err = act(&files, call);
    if (err != BV_OK)
        (void)fprintf(stderr, "brevet ca %s: %s\n", call->command->action,
                      files.problem[0] != '\0' ? files.problem : err_text(err));
    ca_files_close(&files);
    if (err == BV_OK)
        return COMMAND_OK;
    return err == BV_E_REFUSED || err == BV_E_NOT_FOUND ? COMMAND_REFUSED
                                                        : COMMAND_FAILED;
}

static const char *
text_or(const struct command_call *call, const char *key, const char *fallback)
{
    const char *text = command_text(call, key);
    return text != NULL && text[0] != '\0' ? text : fallback;
}

/* out: a file, or standard output. */
static enum bv_err
put_pem(struct ca_files *files, const char *path, const char *label,
        struct span der)
{
    uint8_t buf[PEM_MAX];
    struct sink text = SINK_ARRAY(buf);
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

static enum bv_err
make_csr(struct ca_files *files, const struct command_call *call)
{
    uint8_t der[LIMIT_CSR], memory[2 * LIMIT_CERT];
    struct sink out = SINK_ARRAY(der), scratch = SINK_ARRAY(memory);
    bv_auto(key) struct key *key = NULL;
    struct span subject;
    size_t ca;
    BV_TRY(ca_files_find(files, text_or(call, "name", "issuing"), &ca));
    BV_TRY(ca_files_key(files, ca, &key));
    BV_TRY(subject_of(files, ca, &scratch, &subject));
    enum bv_err err = ca_csr_of(key, subject, &out);
    if (err != BV_OK)
        return ca_files_bad(files, err, "the request could not be made: %s",
                            err_text(err));
    return put_pem(files, command_text(call, "out"), PEM_CSR, sink_view(&out));
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
    BV_TRY(ca_files_certs(files, text_or(call, "certificate", ""), &c->sink,
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
        BV_TRY(ca_files_certs(files, own->chain[i], &c->sink, &c->certs[c->num],
                              1, &num));
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
        BV_TRY(put_pem(files, own->chain[i], PEM_CERTIFICATE, c->certs[i + 1]));
    return put_pem(files, own->certificate, PEM_CERTIFICATE, c->certs[0]);
}

/* An installation that waited for its certificate has no database yet. */
static enum bv_err
first_run(struct ca_files *files, struct key *ca)
{
    uint8_t buf[KEY_PEM_MAX];
    struct span text;
    struct install_keys keys = {.ca = ca};
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
    return install_give_away(files->dir, user[0] != '\0' ? user : NULL,
                             files->problem);
}

static enum bv_err
install_cert(struct ca_files *files, const struct command_call *call)
{
    bv_auto_free struct coming *c = calloc(1, sizeof(*c));
    bv_auto(key) struct key *key = NULL;
    char path[CONFIG_PATH_MAX];
    size_t ca;
    if (c == NULL)
        return BV_E_NO_MEMORY;
    BV_TRY(ca_files_find(files, text_or(call, "name", "issuing"), &ca));
    BV_TRY(read_coming(files, call, c));
    if (c->num == 1)
        BV_TRY(read_own_chain(files, ca, c));
    BV_TRY(ca_files_key(files, ca, &key));
    BV_TRY(check_coming(files, ca, key, c));
    BV_TRY(write_coming(files, ca, c));
    BV_TRY(config_path(files->config, "db/brevet.db", path));
    bool fresh = access(path, F_OK) != 0;
    if (fresh)
        BV_TRY(first_run(files, BV_STEAL(key)));
    (void)printf("Installed %s\n%s\n", files->config->ca_files[ca].certificate,
                 fresh ? "Next: brevet serve"
                       : "Next: reload the server (SIGHUP)");
    return BV_OK;
}

/* --- signing with the root --- */

/* The root's key: on this machine, or brought back in a file. */
static enum bv_err
root_key(struct ca_files *files, const struct command_call *call,
         const char *root, struct key **ret)
{
    const char *path = command_text(call, "root-key");
    uint8_t buf[KEY_PEM_MAX];
    char secret[INSTALL_SECRET_MAX];
    struct span text;
    size_t ca;
    if (path == NULL || path[0] == '\0') {
        BV_TRY(ca_files_find(files, root, &ca));
        return ca_files_key(files, ca, ret);
    }
    BV_TRY(ca_files_read(files, path, buf, sizeof(buf), &text));
    BV_TRY(ca_files_secret_at(files, command_text(call, "passphrase-file"),
                              "Passphrase of the root key: ", secret));
    enum bv_err err = key_open(text, span_str(secret), ret);
    explicit_bzero(secret, sizeof(secret));
    return err == BV_OK
               ? BV_OK
               : ca_files_bad(files, err, "%s: %s", path, key_open_text(err));
}

static int64_t
lifetime(const struct command_call *call)
{
    json_int_t life =
        json_integer_value(json_object_get(call->args, "lifetime"));
    return life > 0 ? life : 8 * YEAR;
}

/* Signs a CA certificate below the root and checks it as install would. */
static enum bv_err
sign_below(struct ca_files *files, const struct command_call *call,
           struct span subject, struct span spki, struct sink *out)
{
    const char *name = text_or(call, "root", "root");
    uint8_t memory[LIMIT_CERT];
    struct sink scratch = SINK_ARRAY(memory);
    bv_auto(key) struct key *key = NULL;
    struct profile profile;
    struct span root;
    size_t ca, num;
    BV_TRY(ca_files_find(files, name, &ca));
    BV_TRY(ca_files_certs(files, files->config->ca_files[ca].certificate,
                          &scratch, &root, 1, &num));
    BV_TRY(root_key(files, call, name, &key));
    BV_TRY(install_ca_profile("intermediate", lifetime(call), &profile));
    const struct core_ca *config = &files->config->cas[ca];
    const struct ca_spec spec = {
        .profile = &profile,
        .subject = subject,
        .spki = spki,
        .issuer_cert = root,
        .issuer_key = key,
        .now = clock_wall(),
        .crl_url = config->crl_url[0] != '\0' ? config->crl_url : NULL,
        .issuer_url = config->issuer_url[0] != '\0' ? config->issuer_url : NULL,
    };
    BV_TRY(ca_issue(&spec, out, files->problem, sizeof(files->problem)));
    return ca_check(sink_view(out), spki, &root, 1, clock_wall(),
                    files->problem, sizeof(files->problem));
}

static enum bv_err
sign_csr(struct ca_files *files, const struct command_call *call)
{
    uint8_t buf[CA_FILES_TEXT], memory[LIMIT_CSR], der[LIMIT_CERT];
    struct sink scratch = SINK_ARRAY(memory), out = SINK_ARRAY(der);
    bv_auto(key) struct key *key = NULL;
    struct span text, request;
    struct csr csr;
    BV_TRY(ca_files_read(files, text_or(call, "csr", ""), buf, sizeof(buf),
                         &text));
    if (pem_find(&text, PEM_CSR, &scratch, &request) != BV_OK ||
        csr_parse(request, &csr) != BV_OK)
        return ca_files_bad(files, BV_E_BAD_MESSAGE,
                            "this is no certificate request (PEM)");
    if (key_of_spki(&csr.spki, &key) != BV_OK ||
        key_verify(key, csr.sig_alg, csr.info, csr.signature) != BV_OK)
        return ca_files_bad(files, BV_E_BAD_SIGNATURE,
                            "the request is not signed by its own key");
    BV_TRY(sign_below(files, call, csr.subject, csr.spki.whole, &out));
    return put_pem(files, command_text(call, "out"), PEM_CERTIFICATE,
                   sink_view(&out));
}

static enum bv_err
renew(struct ca_files *files, const struct command_call *call)
{
    uint8_t memory[LIMIT_CERT], der[LIMIT_CERT];
    struct sink scratch = SINK_ARRAY(memory), out = SINK_ARRAY(der);
    struct span old;
    struct cert cert;
    size_t ca, num;
    BV_TRY(ca_files_find(files, text_or(call, "name", "issuing"), &ca));
    const char *path = files->config->ca_files[ca].certificate;
    BV_TRY(ca_files_certs(files, path, &scratch, &old, 1, &num));
    BV_TRY(cert_parse(old, &cert));
    if (span_eq(cert.subject, cert.issuer))
        return ca_files_bad(files, BV_E_REFUSED,
                            "\"%s\" is a root: devices trust this very "
                            "certificate, so it is not renewed",
                            files->config->cas[ca].name);
    BV_TRY(sign_below(files, call, cert.subject, cert.spki.whole, &out));
    BV_TRY(put_pem(files, path, PEM_CERTIFICATE, sink_view(&out)));
    (void)printf("Renewed %s\nNext: reload the server (SIGHUP)\n", path);
    return BV_OK;
}

/* --- export-root --- */

static enum bv_err
seal_out(struct ca_files *files, const struct command_call *call,
         const struct key *key)
{
    uint8_t buf[KEY_PEM_MAX];
    char secret[INSTALL_SECRET_MAX];
    struct sink text = SINK_ARRAY(buf);
    bv_auto(key) struct key *again = NULL;
    const char *out = text_or(call, "out", "");
    if (access(out, F_OK) == 0)
        return ca_files_bad(files, BV_E_CONFLICT, "%s exists already", out);
    BV_TRY(ca_files_secret_at(files, command_text(call, "passphrase-file"),
                              "Passphrase for the exported key: ", secret));
    enum bv_err err = key_seal(key, span_str(secret), &text);
    /* The only copy is about to be removed: it opens, or nothing happens. */
    if (err == BV_OK)
        err = key_open(sink_view(&text), span_str(secret), &again);
    explicit_bzero(secret, sizeof(secret));
    if (err != BV_OK || !key_match(key, again))
        return ca_files_bad(files, err == BV_OK ? BV_E_CRYPTO : err,
                            "the key could not be sealed: %s", err_text(err));
    return ca_files_write(files, out, 0600, sink_view(&text));
}

/* key = "none" goes in after the section's opening line. */
static enum bv_err
set_offline(struct ca_files *files, const char *name)
{
    static uint8_t in[CONFIG_TEXT_MAX + 1], out_buf[CONFIG_TEXT_MAX + 64];
    struct sink out = SINK_ARRAY(out_buf);
    char opening[LIMIT_SHORT_NAME + 16];
    struct config *config = NULL;
    struct span text;
    BV_TRY(ca_files_read(files, files->conf, in, sizeof(in), &text));
    (void)snprintf(opening, sizeof(opening), "\nca \"%s\" {\n", name);
    const uint8_t *at = memmem(text.data, text.len, opening, strlen(opening));
    if (at == NULL)
        return ca_files_bad(files, BV_E_BAD_CONFIG,
                            "set key = \"none\" in the section ca \"%s\" of %s "
                            "yourself, reload the server, and remove its key",
                            name, files->conf);
    size_t head = (size_t)(at - text.data) + strlen(opening);
    sink_put(&out, span_of(text.data, head));
    sink_str(&out, "    key = \"none\"\n");
    sink_put(&out, span_of(text.data + head, text.len - head));
    BV_TRY(config_parse(sink_view(&out), files->conf, files->dir, &config,
                        files->problem, sizeof(files->problem)));
    config_free(config);
    return ca_files_write(files, files->conf, 0644, sink_view(&out));
}

static enum bv_err
export_root(struct ca_files *files, const struct command_call *call)
{
    const char *name = text_or(call, "name", "root");
    char path[CONFIG_PATH_MAX], ocsp[LIMIT_SHORT_NAME + 16];
    bv_auto(key) struct key *key = NULL;
    size_t ca;
    BV_TRY(ca_files_find(files, name, &ca));
    BV_TRY(ca_files_key(files, ca, &key));
    BV_TRY(seal_out(files, call, key));
    BV_TRY(set_offline(files, name));
    BV_TRY(config_path(files->config,
                       files->config->ca_files[ca].key + strlen("file:"),
                       path));
    if (unlink(path) < 0)
        return ca_files_bad(files, BV_E_IO, "%s could not be removed", path);
    (void)snprintf(ocsp, sizeof(ocsp), "ca/ocsp-%s.pem", name);
    if (config_path(files->config, ocsp, path) == BV_OK)
        (void)unlink(path);
    (void)printf("Exported to %s, and removed here.\n"
                 "Its passphrase and this file are all there is: keep two "
                 "copies.\nNext: reload the server (SIGHUP)\n",
                 text_or(call, "out", ""));
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
static int
sign_run(const struct command_call *call)
{
    return with_files(call, sign_csr);
}
static int
renew_run(const struct command_call *call)
{
    return with_files(call, renew);
}
static int
export_run(const struct command_call *call)
{
    return with_files(call, export_root);
}

#define OUT                                                                    \
    {                                                                          \
        "out", NULL, COMMAND_PATH, "FILE", "write it here"                     \
    }
#define CA                                                                     \
    {                                                                          \
        "ca", "name", COMMAND_TEXT, "NAME", "which CA (issuing)"               \
    }
#define ROOT_OPTIONS                                                           \
    {"root", NULL, COMMAND_TEXT, "NAME", "the CA that signs (root)"},          \
        {"root-key", NULL, COMMAND_PATH, "FILE",                               \
         "its sealed key, when it is not on this machine"},                    \
        {"passphrase-file", NULL, COMMAND_PATH, "FILE",                        \
         "its first line opens that key; else it is asked for"},               \
    {                                                                          \
        "lifetime", NULL, COMMAND_DURATION, "8y", "how long it is valid"       \
    }

static const struct command_option csr_options[] = {CA, OUT, {.name = NULL}};
static const struct command_option install_options[] = {
    CA,
    {"chain", NULL, COMMAND_PATH, "FILE",
     "what is above it (PEM), its issuer first, the root last"},
    {.name = NULL}};
static const struct command_option sign_options[] = {
    ROOT_OPTIONS, OUT, {.name = NULL}};
static const struct command_option renew_options[] = {
    CA, ROOT_OPTIONS, {.name = NULL}};
static const struct command_option export_options[] = {
    {"ca", "name", COMMAND_TEXT, "NAME", "which CA (root)"},
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
     .summary = "sign a request for a CA below the root (offline)",
     .run = sign_run,
     .example = "brevet ca sign other.csr --root-key /media/root.key "
                "--out other.crt\n",
     .options = sign_options,
     .positional = {"CSR", "csr", COMMAND_PATH, NULL, NULL}},
    {.group = "ca",
     .action = "renew",
     .summary = "give a CA's key a new certificate (offline)",
     .run = renew_run,
     .example = "brevet ca renew --root-key /media/root.key\n",
     .options = renew_options},
    {.group = "ca",
     .action = "export-root",
     .summary = "move the root's key off this machine (offline)",
     .run = export_run,
     .example = "brevet ca export-root --out /media/root.key\n",
     .options = export_options},
    {.group = NULL},
};
