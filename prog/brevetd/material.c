#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "pki/chain.h"
#include "pki/note.h"
#include "prog/brevetd/maker.h"
#include "prog/brevetd/role.h"
#include "wire/pem.h"

/* Nothing grows by decoding, so the bundle's size bounds what is decoded. */
struct decoder {
    const struct bundle *bundle;
    struct config *config;
    struct sink memory;
};

static enum bv_err
blob_of(const struct decoder *d, const char *kind, const char *name,
        struct span *ret)
{
    char label[BUNDLE_NAME_MAX];
    (void)snprintf(label, sizeof(label), "%s%s", kind, name);
    return bundle_find(d->bundle, label, ret);
}

static enum bv_err
certificate(struct decoder *d, const char *kind, const char *name,
            struct span *ret_der)
{
    struct span text;
    enum bv_err err = blob_of(d, kind, name, &text);
    if (err == BV_OK)
        err = pem_find(&text, PEM_CERTIFICATE, &d->memory, ret_der);
    if (err == BV_OK)
        return BV_OK;
    log_error("certificate does not decode which=%s%s error=%s", kind, name,
              err_name(err));
    return BV_E_BAD_CONFIG;
}

static enum bv_err
decode_ca(struct decoder *d, size_t i)
{
    struct core_ca *ca = &d->config->cas[i];
    BV_TRY(certificate(d, "ca:", ca->name, &ca->cert));
    ca->num_chain = 0;
    for (unsigned j = 0; j < d->config->ca_files[i].num_chain; j++) {
        char name[LIMIT_SHORT_NAME + 16];
        (void)snprintf(name, sizeof(name), "%s:%u", ca->name, j);
        BV_TRY(certificate(d, "chain:", name, &ca->chain[j]));
        ca->num_chain++;
    }
    ca->num_cross = 0;
    for (unsigned j = 0; j < d->config->ca_files[i].num_cross; j++) {
        char name[LIMIT_SHORT_NAME + 16];
        (void)snprintf(name, sizeof(name), "%s:%u", ca->name, j);
        BV_TRY(certificate(d, "cross:", name, &ca->cross[j]));
        ca->num_cross++;
    }
    return BV_OK;
}

/* core works with absolute paths. */
static enum bv_err
absolute(const struct config *config, char path[CORE_PATH_MAX])
{
    char text[CONFIG_PATH_MAX];
    if (path[0] == '\0')
        return BV_OK;
    BV_TRY(config_path(config, path, text));
    memcpy(path, text, sizeof(text));
    return BV_OK;
}

/* core checks its last checkpoint with it; only core's bundle has it. */
static enum bv_err
decode_log_key(struct decoder *d)
{
    struct span text;
    struct tlog_vkey vkey;
    if (bundle_find(d->bundle, "log.pub", &text) != BV_OK)
        return BV_OK;
    while (text.len > 0 && text.data[text.len - 1] == '\n')
        text.len--;
    if (note_vkey_parse(text, &vkey) != BV_OK) {
        log_error("ca/log.pub does not decode");
        return BV_E_BAD_CONFIG;
    }
    size_t at = d->memory.len;
    sink_put(&d->memory, SPAN_ARRAY(vkey.key));
    d->config->core.log_key = span_of(d->memory.data + at, sizeof(vkey.key));
    return d->memory.failed ? BV_E_NO_SPACE : BV_OK;
}

/* The manufacturer's CA certificates, one after another as core wants them;
 * doors read theirs as PEM. */
static enum bv_err
decode_anchors(struct decoder *d, struct core_manufacturer *m)
{
    struct span text, der;
    size_t start = d->memory.len;
    enum bv_err err = blob_of(d, "anchors:", m->name, &text);
    for (unsigned num = 0; err == BV_OK; num++) {
        err = num < CHAIN_LIST_MAX
                  ? pem_find(&text, PEM_CERTIFICATE, &d->memory, &der)
                  : BV_E_TOO_MANY;
        if (err == BV_E_NOT_FOUND && num > 0) {
            m->anchors = span_of(d->memory.data + start, d->memory.len - start);
            return BV_OK;
        }
    }
    log_error("the certificates of a manufacturer do not decode "
              "manufacturer=%s error=%s",
              m->name, err_name(err));
    return BV_E_BAD_CONFIG;
}

static enum bv_err
decode_maker_crl(struct decoder *d, const char *name, unsigned index,
                 const char **ret_problem)
{
    char label[LIMIT_SHORT_NAME + 16];
    struct span file, anchors;
    *ret_problem = "there is no such file";
    (void)snprintf(label, sizeof(label), "%s:%u", name, index);
    BV_TRY(blob_of(d, "crl:", label, &file));
    BV_TRY(blob_of(d, "anchors:", name, &anchors));
    return maker_crl(file, anchors, clock_wall(), &d->memory, ret_problem);
}

/* A list that was asked for and cannot be used leaves nobody in whose issuer it
 * is (core refuses: crl_required): the manufacturer's fault does not end the
 * server. */
static void
decode_maker_crls(struct decoder *d, size_t i)
{
    struct core_manufacturer *m = &d->config->manufacturers[i];
    const struct config_manufacturer *files = &d->config->manufacturer_files[i];
    size_t start = d->memory.len;
    const char *problem;
    for (unsigned j = 0; j < files->num_crl; j++)
        if (decode_maker_crl(d, m->name, j, &problem) != BV_OK)
            log_warn("a manufacturer's CRL is unusable, its devices are "
                     "refused manufacturer=%s file=%s detail=\"%s\"",
                     m->name, files->crl[j], problem);
    m->crls = span_of(d->memory.data + start, d->memory.len - start);
}

/* Core alone judges credentials; only its bundle has callers. */
static enum bv_err
decode_makers(struct decoder *d)
{
    struct span callers;
    if (bundle_find(d->bundle, "callers", &callers) != BV_OK)
        return BV_OK;
    for (size_t i = 0; i < d->config->core.num_manufacturers; i++) {
        BV_TRY(decode_anchors(d, &d->config->manufacturers[i]));
        decode_maker_crls(d, i);
    }
    return BV_OK;
}

static enum bv_err
decode_all(struct decoder *d)
{
    struct config *config = d->config;
    BV_TRY(decode_log_key(d));
    for (size_t i = 0; i < config->core.num_cas; i++) {
        BV_TRY(decode_ca(d, i));
        BV_TRY(absolute(config, config->cas[i].crl_path));
    }
    BV_TRY(decode_makers(d));
    BV_TRY(absolute(config, config->core.tls_path));
    (void)snprintf(config->core.checkpoint_path, CORE_PATH_MAX,
                   "db/checkpoint");
    return absolute(config, config->core.checkpoint_path);
}

static enum bv_err
parse_config(const struct bundle *bundle, struct config **ret)
{
    struct span dir, text;
    char path[CONFIG_PATH_MAX], problem[800];
    BV_TRY(bundle_find(bundle, "dir", &dir));
    BV_TRY(bundle_find(bundle, "conf", &text));
    BV_TRY(span_copy_str(dir, path, sizeof(path)));
    enum bv_err err =
        config_parse(text, "brevet.conf", path, ret, problem, sizeof(problem));
    if (err != BV_OK)
        log_error("configuration detail=\"%s\"", problem);
    return err;
}

/* The parent read the lists; only core has them in its bundle. */
static enum bv_err
decode_weak_keys(struct material *m)
{
    struct span name, text;
    size_t at = 0;
    while (bundle_each(&m->bundle, &at, &name, &text)) {
        if (name.len < 5 || memcmp(name.data, "weak:", 5) != 0)
            continue;
        if (m->weak == NULL)
            BV_TRY(weak_list_new(&m->weak));
        enum bv_err err = weak_list_add(m->weak, text);
        if (err == BV_E_BAD_MESSAGE) {
            log_error("a list of weak-keys holds a line that is not 20 "
                      "hexadecimal digits");
            return BV_E_BAD_CONFIG;
        }
        BV_TRY(err);
    }
    m->config->core.weak_keys = m->weak;
    return BV_OK;
}

static enum bv_err
fill(struct material *m)
{
    BV_TRY(parse_config(&m->bundle, &m->config));
    m->memory = malloc(m->bundle.len);
    if (m->memory == NULL)
        return BV_E_NO_MEMORY;
    struct decoder d = {&m->bundle, m->config,
                        sink_of(m->memory, m->bundle.len)};
    BV_TRY(decode_weak_keys(m));
    return decode_all(&d);
}

enum bv_err
material_take(struct bundle *bundle, struct material *ret)
{
    struct material m = {.bundle = *bundle};
    *bundle = (struct bundle){0};
    enum bv_err err = fill(&m);
    if (err != BV_OK) {
        material_free(&m);
        return err;
    }
    *ret = m;
    return BV_OK;
}

void
material_free(struct material *material)
{
    config_free(material->config);
    free(material->memory);
    weak_list_free(material->weak);
    bundle_close(&material->bundle);
    *material = (struct material){0};
}
