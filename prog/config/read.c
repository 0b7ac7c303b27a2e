/* libconfuse does the syntax, the schema the rest. Every value is a string to
 * libconfuse. While it parses, each value is tried on a scratch object, so an
 * error carries the line it stands on; afterwards all is put in place. */
#include <confuse.h>

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "prog/config/check.h"
#include "prog/config/schema.h"
#include "prog/config/value.h"

#define SEEN_MAX  1024
#define WORDS_MAX 128

union scratch {
    struct schema_ca ca;
    struct schema_manufacturer manufacturer;
    struct profile profile;
    struct core_label label;
};

struct reader {
    const char *name;
    char *problem;
    size_t cap;
    bool failed;
    struct config *config;
    union scratch scratch;
    cfg_opt_t *opts[SCHEMA_COUNT];
    struct {
        const cfg_opt_t *opt;
        int line;
    } seen[SEEN_MAX];
    unsigned num_seen;
};

/* libconfuse's callbacks carry no pointer of ours. One thread, one parse. */
static struct reader *reading;

static void __attribute__((format(printf, 3, 0)))
say(const struct reader *r, int line, const char *format, va_list ap)
{
    int used = snprintf(r->problem, r->cap, "%s:%d: ", r->name, line);
    if (used > 0 && (size_t)used < r->cap)
        (void)vsnprintf(r->problem + used, r->cap - (size_t)used, format, ap);
}

static void on_error(cfg_t *cfg, const char *format, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* The first error is the one that helps. */
static void
on_error(cfg_t *cfg, const char *format, va_list ap)
{
    if (!reading->failed)
        say(reading, cfg->line, format, ap);
    reading->failed = true;
}

static const struct schema_section *
section_of(const cfg_t *cfg)
{
    for (size_t i = 1; i < SCHEMA_COUNT; i++)
        if (strcmp(schema_sections[i].name, cfg->name) == 0)
            return &schema_sections[i];
    return &schema_sections[SCHEMA_GLOBAL];
}

static const struct schema_key *
key_of(const struct schema_section *section, const char *name)
{
    for (size_t i = 0; i < section->num_keys; i++)
        if (strcmp(section->keys[i].name, name) == 0)
            return &section->keys[i];
    return NULL;
}

static unsigned
words_of(cfg_opt_t *opt, const char *words[WORDS_MAX])
{
    unsigned num = cfg_opt_size(opt);
    for (unsigned i = 0; i < num && i < WORDS_MAX; i++)
        words[i] = cfg_opt_getnstr(opt, i);
    return num;
}

/* A list comes here after each of its words, on from the first. */
static bool
is_set_twice(struct reader *r, const cfg_t *cfg, cfg_opt_t *opt)
{
    for (unsigned i = 0; i < r->num_seen; i++) {
        if (r->seen[i].opt != opt)
            continue;
        bool again = cfg_opt_size(opt) <= 1 && ((opt->flags & CFGF_LIST) == 0 ||
                                                r->seen[i].line != cfg->line);
        r->seen[i].line = cfg->line;
        return again;
    }
    if (r->num_seen < SEEN_MAX) {
        r->seen[r->num_seen].opt = opt;
        r->seen[r->num_seen++].line = cfg->line;
    }
    return false;
}

static int
on_value(cfg_t *cfg, cfg_opt_t *opt)
{
    const struct schema_section *section = section_of(cfg);
    const struct schema_key *key = key_of(section, opt->name);
    const char *words[WORDS_MAX];
    unsigned num = words_of(opt, words);
    char problem[400];
    if (is_set_twice(reading, cfg, opt)) {
        cfg_error(cfg, "%s is set twice", opt->name);
        return -1;
    }
    if (key == NULL || num > WORDS_MAX) {
        cfg_error(cfg, "%s has too many values", opt->name);
        return -1;
    }
    void *object = section->titled == SCHEMA_TITLED ? (void *)&reading->scratch
                                                    : (void *)reading->config;
    if (value_put(key, object, words, num, problem, sizeof(problem)) == BV_OK)
        return 0;
    cfg_error(cfg, "%s %s", opt->name, problem);
    return -1;
}

static bool
is_list(const struct schema_key *key)
{
    return key->type == SCHEMA_TEXTS || key->type == SCHEMA_FLAGS ||
           key->type == SCHEMA_CUSTOM;
}

static enum bv_err
make_opts(const struct schema_section *section, size_t extra, cfg_opt_t **ret)
{
    cfg_opt_t *opts = calloc(section->num_keys + extra + 1, sizeof(*opts));
    if (opts == NULL)
        return BV_E_NO_MEMORY;
    for (size_t i = 0; i < section->num_keys; i++) {
        const struct schema_key *key = &section->keys[i];
        opts[i].name = key->name;
        opts[i].type = CFGT_STR;
        opts[i].flags = CFGF_NODEFAULT | (is_list(key) ? CFGF_LIST : 0);
        opts[i].validcb = on_value;
    }
    *ret = opts;
    return BV_OK;
}

static enum bv_err
make_grammar(struct reader *r)
{
    for (size_t i = 0; i < SCHEMA_COUNT; i++)
        BV_TRY(make_opts(&schema_sections[i],
                         i == SCHEMA_GLOBAL ? SCHEMA_COUNT : 0, &r->opts[i]));
    cfg_opt_t *root = r->opts[SCHEMA_GLOBAL];
    size_t at = schema_sections[SCHEMA_GLOBAL].num_keys;
    for (size_t i = 1; i < SCHEMA_COUNT; i++, at++) {
        bool titled = schema_sections[i].titled == SCHEMA_TITLED;
        root[at].name = schema_sections[i].name;
        root[at].type = CFGT_SEC;
        root[at].subopts = r->opts[i];
        root[at].flags =
            titled ? CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES : CFGF_NONE;
    }
    return BV_OK;
}

/* --- putting in place --- */

static enum bv_err problem_at(const struct reader *r, int line,
                              const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum bv_err
problem_at(const struct reader *r, int line, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    say(r, line, format, ap);
    va_end(ap);
    return BV_E_BAD_CONFIG;
}

static enum bv_err
apply(struct reader *r, cfg_t *cfg, enum schema_index index, void *object)
{
    const struct schema_section *section = &schema_sections[index];
    for (size_t i = 0; i < section->num_keys; i++) {
        cfg_opt_t *opt = cfg_getopt(cfg, section->keys[i].name);
        const char *words[WORDS_MAX];
        unsigned num = words_of(opt, words);
        bool empty_list =
            (opt->flags & CFGF_LIST) != 0 && (opt->flags & CFGF_MODIFIED) != 0;
        if (num == 0 && !empty_list)
            continue;
        char problem[400];
        enum bv_err err = value_put(&section->keys[i], object, words, num,
                                    problem, sizeof(problem));
        if (err != BV_OK)
            return problem_at(r, cfg->line, "%s %s", section->keys[i].name,
                              problem);
    }
    return BV_OK;
}

static enum bv_err
take_title(const struct reader *r, cfg_t *cfg, char *name, size_t cap)
{
    const char *title = cfg_title(cfg);
    if (title == NULL || title[0] == '\0' || strlen(title) >= cap ||
        !value_name_is_ok(title))
        return problem_at(r, cfg->line, "%s \"%s\" is not a usable name",
                          cfg->name, title == NULL ? "" : title);
    memcpy(name, title, strlen(title) + 1);
    return BV_OK;
}

static enum bv_err
take_ca(struct reader *r, cfg_t *cfg, size_t i)
{
    struct schema_ca ca = {0};
    char *name = ca.core.name;
    BV_TRY(take_title(r, cfg, name, sizeof(ca.core.name)));
    (void)snprintf(ca.files.certificate, CONFIG_PATH_MAX, "ca/%s.crt", name);
    (void)snprintf(ca.files.key, CONFIG_PATH_MAX, "file:ca/%s.key", name);
    (void)snprintf(ca.core.crl_path, CORE_PATH_MAX, "crl/%s.crl", name);
    BV_TRY(apply(r, cfg, SCHEMA_CA, &ca));
    r->config->ca_files[i] = ca.files;
    r->config->cas[i] = ca.core;
    return BV_OK;
}

static enum bv_err
take_manufacturer(struct reader *r, cfg_t *cfg, size_t i)
{
    struct schema_manufacturer m = {0};
    BV_TRY(take_title(r, cfg, m.core.name, sizeof(m.core.name)));
    BV_TRY(apply(r, cfg, SCHEMA_MANUFACTURER, &m));
    r->config->manufacturer_files[i] = m.files;
    m.core.crl_required = m.files.num_crl > 0;
    r->config->manufacturers[i] = m.core;
    return BV_OK;
}

static enum bv_err
take_label(struct reader *r, cfg_t *cfg, size_t i)
{
    struct core_label *label = &r->config->labels[i];
    BV_TRY(take_title(r, cfg, label->label, sizeof(label->label)));
    return apply(r, cfg, SCHEMA_LABEL, label);
}

static struct profile *
profile_slot(struct config *config, const char *name)
{
    size_t i = 0;
    while (i < config->core.num_profiles &&
           strcmp(config->profiles[i].name, name) != 0)
        i++;
    if (i == CONFIG_PROFILES_MAX)
        return NULL;
    if (i < config->core.num_profiles)
        return &config->profiles[i];
    config->core.num_profiles++;
    if (profile_default(name, &config->profiles[i]) != BV_OK &&
        profile_default("device", &config->profiles[i]) != BV_OK)
        return NULL;
    (void)snprintf(config->profiles[i].name, LIMIT_SHORT_NAME, "%s", name);
    return &config->profiles[i];
}

static enum bv_err
take_profile(struct reader *r, cfg_t *cfg, size_t i)
{
    char name[LIMIT_SHORT_NAME];
    BV_TRY(take_title(r, cfg, name, sizeof(name)));
    struct profile *profile = profile_slot(r->config, name);
    if (profile == NULL)
        return problem_at(r, cfg->line, "there are too many profiles");
    return apply(r, cfg, SCHEMA_PROFILE, profile);
}

typedef enum bv_err take_fn(struct reader *r, cfg_t *cfg, size_t i);

static enum bv_err
take_all(struct reader *r, cfg_t *root, enum schema_index index, size_t most,
         take_fn *take, size_t *ret_num)
{
    const char *name = schema_sections[index].name;
    size_t num = cfg_size(root, name);
    if (num > most)
        return problem_at(r, root->line, "there are more than %zu %s sections",
                          most, name);
    for (size_t i = 0; i < num; i++)
        BV_TRY(take(r, cfg_getnsec(root, name, (unsigned)i), i));
    *ret_num = num;
    return BV_OK;
}

static enum bv_err
take_root(struct reader *r, cfg_t *root)
{
    static const enum schema_index once[] = {
        SCHEMA_QUOTA, SCHEMA_APPROVAL, SCHEMA_LIMITS, SCHEMA_AUDIT,
        SCHEMA_OCSP,  SCHEMA_EST,      SCHEMA_SCEP};
    struct config *config = r->config;
    size_t ignored;
    BV_TRY(apply(r, root, SCHEMA_GLOBAL, config));
    for (size_t i = 0; i < sizeof(once) / sizeof(once[0]); i++)
        BV_TRY(apply(r, cfg_getsec(root, schema_sections[once[i]].name),
                     once[i], config));
    BV_TRY(take_all(r, root, SCHEMA_CA, CONFIG_CAS_MAX, take_ca,
                    &config->core.num_cas));
    BV_TRY(take_all(r, root, SCHEMA_MANUFACTURER, CONFIG_MANUFACTURERS_MAX,
                    take_manufacturer, &config->core.num_manufacturers));
    BV_TRY(take_all(r, root, SCHEMA_PROFILE, CONFIG_PROFILES_MAX, take_profile,
                    &ignored));
    return take_all(r, root, SCHEMA_LABEL, CONFIG_LABELS_MAX, take_label,
                    &config->core.num_labels);
}

/* --- the text --- */

/* libconfuse would put environment variables in; the roles have none. */
static enum bv_err
check_text(const struct reader *r, struct span text)
{
    int line = 1;
    if (text.len > CONFIG_TEXT_MAX)
        return problem_at(r, 1, "the file is larger than %d octets",
                          CONFIG_TEXT_MAX);
    for (size_t i = 0; i < text.len; i++) {
        line += text.data[i] == '\n';
        if (text.data[i] == '\0')
            return problem_at(r, line, "the file holds a NUL octet");
        if (text.data[i] == '$' && i + 1 < text.len && text.data[i + 1] == '{')
            return problem_at(r, line, "${...} is not expanded here");
    }
    return BV_OK;
}

/* libconfuse counts the line of a comment more than once, and every error
 * after it would name a wrong line: it gets spaces instead. */
static void
blank_comments(char *text)
{
    char quote = '\0';
    for (char *at = text; *at != '\0'; at++) {
        if (quote != '\0') {
            if (*at == '\\' && at[1] != '\0')
                at++;
            else if (*at == quote)
                quote = '\0';
        } else if (*at == '"' || *at == '\'') {
            quote = *at;
        } else if (*at == '#' || (at[0] == '/' && at[1] == '/')) {
            size_t len = strcspn(at, "\n");
            memset(at, ' ', len);
            at += len - 1;
        }
    }
}

static enum bv_err
read_text(struct reader *r, struct span text)
{
    BV_TRY(check_text(r, text));
    bv_auto_free char *copy = calloc(1, text.len + 2);
    if (copy == NULL)
        return BV_E_NO_MEMORY;
    if (text.len > 0)
        memcpy(copy, text.data, text.len);
    copy[text.len] = '\n';
    blank_comments(copy);
    BV_TRY(make_grammar(r));
    cfg_t *root = cfg_init(r->opts[SCHEMA_GLOBAL], CFGF_NONE);
    if (root == NULL)
        return BV_E_NO_MEMORY;
    reading = r;
    (void)cfg_set_error_function(root, on_error);
    enum bv_err err = BV_OK;
    if (cfg_parse_buf(root, copy) != CFG_SUCCESS || r->failed) {
        if (!r->failed)
            err = problem_at(r, root->line, "the file could not be read");
        err = BV_E_BAD_CONFIG;
    }
    if (err == BV_OK)
        err = take_root(r, root);
    (void)cfg_free(root);
    reading = NULL;
    return err;
}

static void
reader_free(struct reader *r)
{
    for (size_t i = 0; i < SCHEMA_COUNT; i++)
        free(r->opts[i]);
    free(r);
}
BV_AUTO_DEFINE(reader, struct reader, reader_free)

enum bv_err
config_parse(struct span text, const char *name, const char *dir,
             struct config **ret_config, char *ret_problem, size_t cap)
{
    bv_auto(reader) struct reader *r = calloc(1, sizeof(*r));
    bv_auto(config) struct config *config = calloc(1, sizeof(*config));
    (void)snprintf(ret_problem, cap, "%s", err_text(BV_E_NO_MEMORY));
    if (r == NULL || config == NULL)
        return BV_E_NO_MEMORY;
    r->name = name;
    r->problem = ret_problem;
    r->cap = cap;
    r->config = config;
    if (strlen(dir) >= sizeof(config->dir))
        return BV_E_TOO_LARGE;
    check_defaults(config, dir);
    BV_TRY(read_text(r, text));
    BV_TRY(check_all(config, name, ret_problem, cap));
    ret_problem[0] = '\0';
    *ret_config = BV_STEAL(config);
    return BV_OK;
}

void
config_free(struct config *config)
{
    free(config);
}
