/* brevet ca sign, renew, crl, ocsp: what needs a root's key for a moment. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/time.h"
#include "pki/weak.h"
#include "prog/brevet/ca_acts.h"
#include "signer/responder.h"
#include "wire/crl.h"
#include "wire/csr.h"
#include "wire/name.h"
#include "wire/pem.h"

#define YEAR    (INT64_C(365) * 86400)
#define TBS_MAX LIMIT_MESSAGE

/* The CA that signs: its certificate, its key, its entry in the configuration
 * (NULL on a machine without an installation). */
struct root {
    uint8_t memory[LIMIT_CERT];
    struct span der;
    struct cert cert;
    struct key *key;
    const struct core_ca *config;
};

static void
root_done(struct root *root)
{
    key_free(root->key);
    root->key = NULL;
}
#define auto_root __attribute__((cleanup(root_done))) struct root

/* --- the root --- */

/* Here, or brought back in a file. */
static enum bv_err
open_key(struct ca_files *files, const struct command_call *call, size_t ca,
         struct key **ret)
{
    const char *path = ca_act_text(call, "root-key", NULL);
    uint8_t buf[KEY_PEM_MAX];
    char secret[INSTALL_SECRET_MAX];
    struct span text = SPAN_EMPTY;
    if (path == NULL && files->config == NULL)
        return ca_files_bad(files, BV_E_REFUSED, "--root-key is missing");
    if (path == NULL)
        return ca_files_key(files, ca, ret);
    BV_TRY(ca_files_read(files, path, buf, sizeof(buf), &text));
    BV_TRY(ca_files_secret_at(files, command_text(call, "passphrase-file"),
                              "Passphrase of the root key: ", secret));
    enum bv_err err = key_open(text, span_str(secret), ret);
    explicit_bzero(secret, sizeof(secret));
    return err == BV_OK
               ? BV_OK
               : ca_files_bad(files, err, "%s: %s", path, key_open_text(err));
}

static enum bv_err
open_root(struct ca_files *files, const struct command_call *call,
          const char *name, struct root *ret)
{
    struct sink memory = SINK_ARRAY(ret->memory);
    const char *path = ca_act_text(call, "root-cert", NULL);
    size_t ca = 0, num;
    if (files->config != NULL) {
        BV_TRY(ca_files_find(files, name, &ca));
        path = files->config->ca_files[ca].certificate;
        ret->config = &files->config->cas[ca];
    }
    BV_TRY(ca_files_certs(files, path, &memory, &ret->der, 1, &num));
    BV_TRY(cert_parse(ret->der, &ret->cert));
    BV_TRY(open_key(files, call, ca, &ret->key));
    return key_match_spki(ret->key, ret->cert.spki.whole)
               ? BV_OK
               : ca_files_bad(files, BV_E_WRONG_KEY,
                              "the key is not that of %s", path);
}

/* --- certificates --- */

struct below {
    struct span subject, spki, ski;
    int pathlen; /* -2: as the profile says */
    bool is_new; /* its key is not one of our CAs' already */
};

static int64_t
lifetime(const struct command_call *call)
{
    json_int_t life =
        json_integer_value(json_object_get(call->args, "lifetime"));
    return life > 0 ? life : 8 * YEAR;
}

static const char *
url_of(const struct command_call *call, const struct root *root,
       const char *option)
{
    const char *given = ca_act_text(call, option, NULL);
    if (given != NULL || root->config == NULL)
        return given;
    const char *set = strcmp(option, "crl-url") == 0 ? root->config->crl_url
                                                     : root->config->issuer_url;
    return set[0] != '\0' ? set : NULL;
}

static enum bv_err
serial_for(struct ca_files *files, const struct command_call *call,
           struct ledger *ledger, uint8_t buf[LIMIT_SERIAL], size_t *ret_len)
{
    const char *hex = ca_act_text(call, "serial", NULL);
    if (hex == NULL)
        return ledger_serial(ledger, buf, ret_len);
    if (span_unhex(span_str(hex), buf, LIMIT_SERIAL, ret_len) == BV_OK)
        return BV_OK;
    return ca_files_bad(files, BV_E_USAGE,
                        "--serial: at most 20 octets of hexadecimal digits");
}

static enum bv_err
check_kind(struct ca_files *files, const struct profile *profile,
           struct span der)
{
    struct alg_spki spki;
    BV_TRY(alg_spki_parse(&der, &spki));
    return profile_allows_key(profile, spki.alg, spki.bits)
               ? BV_OK
               : ca_files_bad(files, BV_E_BAD_KEY,
                              "the profile \"intermediate\" does not allow %s "
                              "keys of %u bits",
                              alg_key_name(spki.alg), spki.bits);
}

/* As the configuration wants it; on a machine without one, the built-in. How
 * long is for the command to say. */
static enum bv_err
profile_for(const struct ca_files *files, const struct command_call *call,
            struct profile *ret)
{
    const struct config *config = files->config;
    size_t num = config != NULL ? config->core.num_profiles : 0;
    for (size_t i = 0; i < num; i++) {
        if (strcmp(config->profiles[i].name, "intermediate") != 0)
            continue;
        *ret = config->profiles[i];
        ret->lifetime = lifetime(call);
        return BV_OK;
    }
    return install_ca_profile("intermediate", lifetime(call), ret);
}

/* Signs a CA certificate below the root and checks it as install would. */
static enum bv_err
sign_below(struct ca_files *files, const struct command_call *call,
           struct ledger *ledger, const struct root *root,
           const struct below *what, struct sink *out)
{
    uint8_t serial[LIMIT_SERIAL];
    size_t serial_len = 0;
    struct profile profile;
    BV_TRY(profile_for(files, call, &profile));
    if (what->is_new)
        BV_TRY(check_kind(files, &profile, what->spki));
    if (what->pathlen != -2)
        profile.pathlen = what->pathlen;
    BV_TRY(serial_for(files, call, ledger, serial, &serial_len));
    const struct ca_spec spec = {
        .profile = &profile,
        .subject = what->subject,
        .spki = what->spki,
        .ski = what->ski,
        .serial = span_of(serial, serial_len),
        .issuer_cert = root->der,
        .issuer_key = root->key,
        .now = clock_wall(),
        .crl_url = url_of(call, root, "crl-url"),
        .issuer_url = url_of(call, root, "issuer-url"),
    };
    BV_TRY(ca_issue(&spec, out, files->problem, sizeof(files->problem)));
    return ca_check(sink_view(out), what->spki, &root->der, 1, clock_wall(),
                    files->problem, sizeof(files->problem));
}

static enum bv_err
bad_form(struct ca_files *files, const char *what)
{
    return ca_files_bad(files, BV_E_BAD_MESSAGE, "this is no %s (PEM)", what);
}

/* What the inventory knows of the key, ca.note says (core/admin_ca). */
static enum bv_err
check_strength(struct ca_files *files, const struct alg_spki *spki)
{
    enum weak why = weak_check(spki, NULL, 0);
    return why == WEAK_NONE
               ? BV_OK
               : ca_files_bad(files, BV_E_BAD_KEY, "%s", weak_text(why));
}

static enum bv_err
take_csr(struct ca_files *files, struct span text, struct sink *memory,
         struct below *ret)
{
    bv_auto(key) struct key *key = NULL;
    struct span der;
    struct csr csr;
    if (pem_find(&text, PEM_CSR, memory, &der) != BV_OK ||
        csr_parse(der, &csr) != BV_OK)
        return bad_form(files, "certificate request");
    if (key_of_spki(&csr.spki, &key) != BV_OK ||
        key_verify(key, csr.sig_alg, csr.info, csr.signature) != BV_OK)
        return ca_files_bad(files, BV_E_BAD_SIGNATURE,
                            "the request is not signed by its own key");
    BV_TRY(check_strength(files, &csr.spki));
    *ret = (struct below){.subject = csr.subject,
                          .spki = csr.spki.whole,
                          .pathlen = -2,
                          .is_new = true};
    return BV_OK;
}

/* Another root: with the certificate made for it, whoever trusts this root
 * trusts what is below that one. Its own depth is kept, and its identifier. */
static enum bv_err
take_root(struct ca_files *files, struct span text, struct sink *memory,
          struct below *ret)
{
    bv_auto(key) struct key *key = NULL;
    struct span der;
    struct cert cert;
    if (pem_find(&text, PEM_CERTIFICATE, memory, &der) != BV_OK ||
        cert_parse(der, &cert) != BV_OK)
        return bad_form(files, "certificate");
    if (!cert.is_ca || !span_eq(cert.subject, cert.issuer))
        return ca_files_bad(files, BV_E_REFUSED,
                            "only another root is signed from its certificate; "
                            "for any other CA bring a request");
    if (key_of_spki(&cert.spki, &key) != BV_OK ||
        key_verify(key, cert.sig_alg, cert.tbs, cert.signature) != BV_OK)
        return ca_files_bad(files, BV_E_BAD_SIGNATURE,
                            "the certificate is not signed by its own key");
    BV_TRY(check_strength(files, &cert.spki));
    *ret = (struct below){.subject = cert.subject,
                          .spki = cert.spki.whole,
                          .ski = cert.ski,
                          .pathlen = cert.pathlen,
                          .is_new = true};
    return BV_OK;
}

static enum bv_err
sign_cert(struct ca_files *files, const struct command_call *call,
          struct span text, const struct root *root)
{
    uint8_t memory[LIMIT_CSR], der[LIMIT_CERT];
    struct sink scratch = SINK_ARRAY(memory), out = SINK_ARRAY(der);
    bv_auto(ledger) struct ledger *ledger = NULL;
    struct below what = {.pathlen = -2};
    BV_TRY(ledger_open(files, &ledger));
    BV_TRY(pem_is(text, PEM_CSR) ? take_csr(files, text, &scratch, &what)
                                 : take_root(files, text, &scratch, &what));
    BV_TRY(sign_below(files, call, ledger, root, &what, &out));
    BV_TRY(ledger_note(ledger, "ca.sign",
                       root->config != NULL ? root->config->name : NULL,
                       sink_view(&out), ca_act_text(call, "file", NULL)));
    return ca_act_put(files, command_text(call, "out"), PEM_CERTIFICATE,
                      sink_view(&out));
}

enum bv_err
ca_renew(struct ca_files *files, const struct command_call *call)
{
    uint8_t memory[LIMIT_CERT], der[LIMIT_CERT];
    struct sink scratch = SINK_ARRAY(memory), out = SINK_ARRAY(der);
    bv_auto(ledger) struct ledger *ledger = NULL;
    auto_root root = {.key = NULL};
    struct span old;
    struct cert cert;
    size_t ca, num;
    BV_TRY(ca_files_find(files, ca_act_text(call, "name", "issuing"), &ca));
    const char *path = files->config->ca_files[ca].certificate;
    BV_TRY(ca_files_certs(files, path, &scratch, &old, 1, &num));
    BV_TRY(cert_parse(old, &cert));
    if (span_eq(cert.subject, cert.issuer))
        return ca_files_bad(files, BV_E_REFUSED,
                            "\"%s\" is a root: devices trust this very "
                            "certificate, so it is not renewed",
                            files->config->cas[ca].name);
    BV_TRY(ledger_open(files, &ledger));
    BV_TRY(open_root(files, call, ca_act_text(call, "root", "root"), &root));
    /* with the identifier that what is below points to */
    const struct below what = {.subject = cert.subject,
                               .spki = cert.spki.whole,
                               .ski = cert.ski,
                               .pathlen = -2};
    BV_TRY(sign_below(files, call, ledger, &root, &what, &out));
    BV_TRY(ledger_note(ledger, "ca.renew", files->config->cas[ca].name,
                       sink_view(&out), path));
    BV_TRY(ca_act_put(files, path, PEM_CERTIFICATE, sink_view(&out)));
    (void)printf("Renewed %s\n%s\n", path, ca_act_next(ledger));
    return BV_OK;
}

/* --- CRLs --- */

static void
tell_crl(const struct crl *crl)
{
    char from[TIME_TEXT_MAX], to[TIME_TEXT_MAX], name[512];
    struct sink text = sink_of(name, sizeof(name));
    struct span entries = crl->entries;
    struct crl_entry entry;
    unsigned num = 0;
    bool got = true;
    while (crl_next(&entries, &got, &entry) == BV_OK && got)
        num++;
    time_format(crl->this_update, from);
    time_format(crl->next_update, to);
    name_put_text(&text, crl->issuer);
    (void)fprintf(stderr, "CRL of %.*s\n  from %s to %s, %u revoked\n",
                  (int)text.len, name, from, to, num);
}

/* der: where the CRL goes, with room for TBS_MAX and a signature. */
static enum bv_err
sign_tbs(struct ca_files *files, const struct root *root, struct span tbs,
         struct sink *der)
{
    uint8_t buf[LIMIT_SIGNATURE];
    struct sink signature = SINK_ARRAY(buf);
    enum alg_sig alg = alg_sig_of_key(key_alg(root->key));
    struct span whole;
    struct crl crl;
    BV_TRY(key_sign(root->key, tbs, &signature));
    crl_put_outer(der, tbs.len, alg, signature.len);
    sink_put(der, tbs);
    crl_put_signature(der, alg, sink_view(&signature));
    BV_TRY(sink_done(der, &whole));
    if (crl_parse(whole, &crl) != BV_OK ||
        !span_eq(crl.issuer, root->cert.subject))
        return ca_files_bad(files, BV_E_REFUSED,
                            "what is to be signed is no CRL of this CA");
    tell_crl(&crl);
    return BV_OK;
}

static enum bv_err
sign_request(struct ca_files *files, struct span text, const struct root *root,
             struct sink *out)
{
    bv_auto_free uint8_t *buf = malloc(TBS_MAX);
    struct span tbs;
    if (buf == NULL)
        return BV_E_NO_MEMORY;
    struct sink memory = sink_of(buf, TBS_MAX);
    if (pem_find(&text, PEM_CRL_REQUEST, &memory, &tbs) != BV_OK)
        return bad_form(files, "CRL request");
    return sign_tbs(files, root, tbs, out);
}

static enum bv_err
sign_crl(struct ca_files *files, const struct command_call *call,
         struct span text, const struct root *root)
{
    bv_auto_free uint8_t *buf = malloc(TBS_MAX + CRL_SIGNATURE_MAX);
    if (buf == NULL)
        return BV_E_NO_MEMORY;
    struct sink out = sink_of(buf, TBS_MAX + CRL_SIGNATURE_MAX);
    BV_TRY(sign_request(files, text, root, &out));
    return ca_act_put(files, command_text(call, "out"), PEM_CRL,
                      sink_view(&out));
}

enum bv_err
ca_sign(struct ca_files *files, const struct command_call *call)
{
    bv_auto_free uint8_t *buf = malloc(TBS_MAX);
    auto_root root = {.key = NULL};
    struct span text = SPAN_EMPTY;
    if (buf == NULL)
        return BV_E_NO_MEMORY;
    BV_TRY(ca_files_read(files, ca_act_text(call, "file", ""), buf, TBS_MAX,
                         &text));
    BV_TRY(open_root(files, call, ca_act_text(call, "root", "root"), &root));
    return pem_is(text, PEM_CRL_REQUEST) ? sign_crl(files, call, text, &root)
                                         : sign_cert(files, call, text, &root);
}

static enum bv_err
put_in_force(struct ca_files *files, struct ledger *ledger, struct span der)
{
    bv_auto_free char *pem = malloc(2 * TBS_MAX);
    char until[TIME_TEXT_MAX];
    json_t *result = NULL;
    if (pem == NULL)
        return BV_E_NO_MEMORY;
    struct sink text = sink_of(pem, 2 * TBS_MAX);
    pem_encode(&text, PEM_CRL, der);
    BV_TRY(ledger_ask(ledger, "crl.install",
                      json_pack("{s:s%}", "crl", pem, text.len), &result));
    if (result == NULL)
        return ca_files_bad(files, BV_E_NOT_FOUND,
                            "there is no database here to publish it from");
    json_int_t missing =
        json_integer_value(json_object_get(result, "not_listed"));
    time_format(json_integer_value(json_object_get(result, "crl_next_update")),
                until);
    (void)printf("Published the CRL of \"%s\", number %" JSON_INTEGER_FORMAT
                 ", in force until %s\n",
                 json_string_value(json_object_get(result, "ca")),
                 json_integer_value(json_object_get(result, "crl_number")),
                 until);
    if (missing > 0)
        (void)printf(
            "Revoked since it was written and not on it: %" JSON_INTEGER_FORMAT
            "; sign another one\n",
            missing);
    json_decref(result);
    return BV_OK;
}

static enum bv_err
publish(struct ca_files *files, struct ledger *ledger, const struct root *root,
        struct span request)
{
    bv_auto_free uint8_t *buf = malloc(TBS_MAX + CRL_SIGNATURE_MAX);
    if (buf == NULL)
        return BV_E_NO_MEMORY;
    struct sink out = sink_of(buf, TBS_MAX + CRL_SIGNATURE_MAX);
    BV_TRY(sign_request(files, request, root, &out));
    return put_in_force(files, ledger, sink_view(&out));
}

enum bv_err
ca_crl_install(struct ca_files *files, const struct command_call *call)
{
    bv_auto_free uint8_t *buf = malloc(TBS_MAX), *der_buf = malloc(TBS_MAX);
    bv_auto(ledger) struct ledger *ledger = NULL;
    struct span text = SPAN_EMPTY, der;
    if (buf == NULL || der_buf == NULL)
        return BV_E_NO_MEMORY;
    struct sink memory = sink_of(der_buf, TBS_MAX);
    BV_TRY(ca_files_read(files, ca_act_text(call, "file", ""), buf, TBS_MAX,
                         &text));
    der = text;
    if (pem_is(text, PEM_CRL) &&
        pem_find(&text, PEM_CRL, &memory, &der) != BV_OK)
        return bad_form(files, "CRL");
    BV_TRY(ledger_open(files, &ledger));
    return put_in_force(files, ledger, der);
}

enum bv_err
ca_crl(struct ca_files *files, const struct command_call *call)
{
    const char *name = ca_act_text(call, "name", "root");
    const char *path = ca_act_text(call, "request", NULL);
    bv_auto(ledger) struct ledger *ledger = NULL;
    auto_root root = {.key = NULL};
    json_t *result = NULL;
    size_t ca;
    BV_TRY(ca_files_find(files, name, &ca));
    if (!files->config->cas[ca].offline && path == NULL)
        return ca_files_bad(files, BV_E_REFUSED,
                            "the key of \"%s\" is here: the server signs its "
                            "CRL, at once with brevet crl publish %s",
                            name, name);
    BV_TRY(ledger_open(files, &ledger));
    if (path == NULL)
        BV_TRY(open_root(files, call, name, &root));
    BV_TRY(ledger_ask(ledger, "crl.request", json_pack("{s:s}", "name", name),
                      &result));
    struct span request =
        span_str(json_string_value(json_object_get(result, "request")));
    enum bv_err err = path != NULL ? ca_files_write(files, path, 0644, request)
                                   : publish(files, ledger, &root, request);
    json_decref(result);
    return err;
}

/* --- the responder of an offline CA --- */

static enum bv_err
make_responder(struct ca_files *files, struct ledger *ledger,
               const struct root *root, struct key *key, struct sink *out)
{
    uint8_t spki_buf[LIMIT_SPKI], serial[LIMIT_SERIAL];
    struct sink spki = SINK_ARRAY(spki_buf);
    size_t serial_len = 0;
    struct profile profile;
    char cn[LIMIT_DEVICE_NAME + 1];
    int64_t life = root->config->ocsp_life;
    BV_TRY(install_ca_profile("ocsp", life > 0 ? life : YEAR, &profile));
    BV_TRY(key_spki(key, &spki));
    BV_TRY(ledger_serial(ledger, serial, &serial_len));
    (void)snprintf(cn, sizeof(cn), "%.40s OCSP responder", root->config->name);
    const struct ca_spec spec = {
        .profile = &profile,
        .cn = cn,
        .spki = sink_view(&spki),
        .serial = span_of(serial, serial_len),
        .issuer_cert = root->der,
        .issuer_key = root->key,
        .now = clock_wall(),
    };
    return ca_issue(&spec, out, files->problem, sizeof(files->problem));
}

enum bv_err
ca_ocsp(struct ca_files *files, const struct command_call *call)
{
    const char *name = ca_act_text(call, "name", "root");
    uint8_t der[LIMIT_CERT], buf[RESPONDER_FILE_MAX];
    struct sink out = SINK_ARRAY(der), text = SINK_ARRAY(buf);
    bv_auto(ledger) struct ledger *ledger = NULL;
    bv_auto(key) struct key *key = NULL;
    auto_root root = {.key = NULL};
    char path[LIMIT_SHORT_NAME + 16];
    size_t ca;
    BV_TRY(ca_files_find(files, name, &ca));
    if (!files->config->cas[ca].offline)
        return ca_files_bad(files, BV_E_REFUSED,
                            "the key of \"%s\" is here: the server renews its "
                            "responder by itself",
                            name);
    BV_TRY(ledger_open(files, &ledger));
    BV_TRY(open_root(files, call, name, &root));
    BV_TRY(ca_files_secret(files));
    BV_TRY(responder_generate(key_alg(root.key), &key));
    BV_TRY(make_responder(files, ledger, &root, key, &out));
    BV_TRY(
        responder_seal(key, sink_view(&out), span_str(files->secret), &text));
    BV_TRY(ledger_note(ledger, "ca.ocsp", name, sink_view(&out), NULL));
    (void)snprintf(path, sizeof(path), "ca/ocsp-%s.pem", name);
    BV_TRY(ca_files_write(files, path, 0600, sink_view(&text)));
    (void)printf("Made %s\n%s\n", path, ca_act_next(ledger));
    return BV_OK;
}
