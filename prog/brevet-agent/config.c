#include <confuse.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "prog/brevet-agent/agent.h"

struct row {
    const char *option; /* of the command line and, without "install-", of the
                         * file */
    size_t offset;
};

#define ROW(name, field)                                                       \
    {                                                                          \
        name, offsetof(struct agent_config, field)                             \
    }

static const struct row rows[] = {
    ROW("url", url),
    ROW("id", id),
    ROW("dir", dir),
    ROW("claim-code-file", claim_file),
    ROW("ca-file", ca_file),
    ROW("ca-fingerprint", ca_fingerprint),
    ROW("factory-cert", factory_cert),
    ROW("factory-key", factory_key),
    ROW("key-type", key_type),
    ROW("renew-at", renew_at),
    ROW("binding", binding),
    ROW("hook", hook),
    ROW("pem", pem),
    ROW("reuse-key", reuse_key),
};

static const struct row install_rows[] = {
    ROW("dir", install_dir),   ROW("cert", install_cert),
    ROW("key", install_key),   ROW("chain", install_chain),
    ROW("ca", install_ca),     ROW("owner", install_owner),
    ROW("mode", install_mode),
};

#define NUM(a) (sizeof(a) / sizeof((a)[0]))

static char **
field(struct agent_config *config, const struct row *row)
{
    return (char **)(void *)((char *)config + row->offset);
}

static char *const *
field_const(const struct agent_config *config, const struct row *row)
{
    return (char *const *)(const void *)((const char *)config + row->offset);
}

static void
put(char **at, const char *value)
{
    free(*at);
    *at = value == NULL ? NULL : strdup(value);
}

static bool
add_san(struct agent_config *config, const char *value)
{
    if (config->num_sans == BV_SAN_COUNT_MAX)
        return false;
    config->sans[config->num_sans++] = strdup(value);
    return true;
}

static bool
set_from(struct agent_config *config, const struct row *table, size_t num,
         const char *option, const char *value)
{
    for (size_t i = 0; i < num; i++)
        if (strcmp(table[i].option, option) == 0) {
            put(field(config, &table[i]), value);
            return true;
        }
    return false;
}

bool
config_set(struct agent_config *config, const char *option, const char *value)
{
    static const char install[] = "install-";
    if (strcmp(option, "name") == 0) {
        put(&config->name, value);
        return true;
    }
    if (strcmp(option, "san") == 0)
        return add_san(config, value);
    if (strncmp(option, install, sizeof(install) - 1) == 0)
        return set_from(config, install_rows, NUM(install_rows),
                        option + sizeof(install) - 1, value);
    return set_from(config, rows, NUM(rows), option, value);
}

static void
merge_row(struct agent_config *config, const struct agent_config *from,
          const struct row *row)
{
    const char *value = *field_const(from, row);
    if (*field(config, row) == NULL && value != NULL)
        put(field(config, row), value);
}

void
config_merge(struct agent_config *config, const struct agent_config *from)
{
    if (config->name == NULL && from->name != NULL)
        put(&config->name, from->name);
    /* another pin takes the place of the old one, of either kind */
    bool pinned = config->ca_file != NULL || config->ca_fingerprint != NULL;
    for (size_t i = 0; i < NUM(rows); i++)
        if (!pinned || strncmp(rows[i].option, "ca-", 3) != 0)
            merge_row(config, from, &rows[i]);
    for (size_t i = 0; i < NUM(install_rows); i++)
        merge_row(config, from, &install_rows[i]);
    if (config->num_sans > 0)
        return;
    for (size_t i = 0; i < from->num_sans; i++)
        (void)add_san(config, from->sans[i]);
}

void
config_each(const struct agent_config *config, config_visit *visit, void *ctx)
{
    for (size_t i = 0; i < NUM(rows); i++) {
        const char *value = *field_const(config, &rows[i]);
        if (value != NULL)
            visit(ctx, "", rows[i].option, value);
    }
    for (size_t i = 0; i < NUM(install_rows); i++) {
        const char *value = *field_const(config, &install_rows[i]);
        if (value != NULL)
            visit(ctx, "install", install_rows[i].option, value);
    }
}

static bool
is_passing(const char *path)
{
    return strcmp(path, "-") == 0 || strncmp(path, "/dev/", 5) == 0 ||
           strncmp(path, "/proc/", 6) == 0;
}

static void
make_absolute(char **path)
{
    char here[4096];
    char *whole = NULL;
    if (*path == NULL || (*path)[0] == '/' || strcmp(*path, "-") == 0 ||
        getcwd(here, sizeof(here)) == NULL)
        return;
    if (asprintf(&whole, "%s/%s", here, *path) < 0)
        return;
    free(*path);
    *path = whole;
}

void
config_settle(struct agent_config *config)
{
    char **const paths[] = {&config->dir,           &config->claim_file,
                            &config->ca_file,       &config->factory_cert,
                            &config->factory_key,   &config->install_dir,
                            &config->install_cert,  &config->install_key,
                            &config->install_chain, &config->install_ca};
    for (size_t i = 0; i < NUM(paths); i++)
        make_absolute(paths[i]);
}

static bool
is_folder_name(const char *name)
{
    return strchr(name, '/') == NULL && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0 && name[0] != '\0';
}

void
config_place(struct agent_config *config, const char *name)
{
    if (config->dir == NULL &&
        asprintf(&config->dir, AGENT_STATE_DIR "/%s",
                 is_folder_name(name) ? name : "default") < 0)
        config->dir = NULL;
}

bool
config_is_kept(const char *section, const char *option, const char *value)
{
    /* where it lies is known to whoever reads it, and a pipe is gone */
    return section[0] != '\0' ||
           (strcmp(option, "dir") != 0 &&
            !(strcmp(option, "claim-code-file") == 0 && is_passing(value)));
}

void
config_done(struct agent_config *config)
{
    put(&config->name, NULL);
    for (size_t i = 0; i < NUM(rows); i++)
        put(field(config, &rows[i]), NULL);
    for (size_t i = 0; i < NUM(install_rows); i++)
        put(field(config, &install_rows[i]), NULL);
    for (size_t i = 0; i < config->num_sans; i++)
        put(&config->sans[i], NULL);
    config->num_sans = 0;
}

static void complain(cfg_t *cfg, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void
complain(cfg_t *cfg, const char *format, va_list args)
{
    if (cfg != NULL && cfg->filename != NULL)
        fprintf(stderr, "brevet-agent: %s:%d: ", cfg->filename, cfg->line);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

static bool
take_section(cfg_t *section, struct agent_config *config)
{
    put(&config->name, cfg_title(section));
    for (size_t i = 0; i < NUM(rows); i++)
        put(field(config, &rows[i]), cfg_getstr(section, rows[i].option));
    for (unsigned i = 0; i < cfg_size(section, "san"); i++)
        if (!add_san(config, cfg_getnstr(section, "san", i)))
            return false;
    cfg_t *install = cfg_getsec(section, "install");
    for (size_t i = 0; install != NULL && i < NUM(install_rows); i++)
        put(field(config, &install_rows[i]),
            cfg_getstr(install, install_rows[i].option));
    return true;
}

static bool
take_all(cfg_t *cfg, struct agent_config *identities, size_t *num)
{
    for (unsigned i = 0; i < cfg_size(cfg, "identity"); i++) {
        if (*num == AGENT_IDENTITIES_MAX) {
            fprintf(stderr, "brevet-agent: more than %d identities\n",
                    AGENT_IDENTITIES_MAX);
            return false;
        }
        if (!take_section(cfg_getnsec(cfg, "identity", i), &identities[*num])) {
            fprintf(stderr, "brevet-agent: identity %s: more than %d san\n",
                    identities[*num].name, BV_SAN_COUNT_MAX);
            return false;
        }
        (*num)++;
    }
    return true;
}

/* Hooks run and files are written with our rights: whoever may write the file
 * has them. */
static bool
is_safe(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        fprintf(stderr, "brevet-agent: %s: %s\n", path, strerror(errno));
        return false;
    }
    if ((st.st_uid == 0 || st.st_uid == geteuid()) && (st.st_mode & 022) == 0)
        return true;
    fprintf(stderr,
            "brevet-agent: %s must belong to root or to the user that runs "
            "this, and nobody else may write it (chmod go-w)\n",
            path);
    return false;
}

bool
config_load(const char *path, struct agent_config *identities, size_t *num)
{
    static cfg_opt_t install[] = {
        CFG_STR("dir", NULL, CFGF_NONE),  CFG_STR("cert", NULL, CFGF_NONE),
        CFG_STR("key", NULL, CFGF_NONE),  CFG_STR("chain", NULL, CFGF_NONE),
        CFG_STR("ca", NULL, CFGF_NONE),   CFG_STR("owner", NULL, CFGF_NONE),
        CFG_STR("mode", NULL, CFGF_NONE), CFG_END(),
    };
    static cfg_opt_t identity[] = {
        CFG_STR("url", NULL, CFGF_NONE),
        CFG_STR("id", NULL, CFGF_NONE),
        CFG_STR("dir", NULL, CFGF_NONE),
        CFG_STR("claim-code-file", NULL, CFGF_NONE),
        CFG_STR("ca-file", NULL, CFGF_NONE),
        CFG_STR("ca-fingerprint", NULL, CFGF_NONE),
        CFG_STR("factory-cert", NULL, CFGF_NONE),
        CFG_STR("factory-key", NULL, CFGF_NONE),
        CFG_STR("key-type", NULL, CFGF_NONE),
        CFG_STR("renew-at", NULL, CFGF_NONE),
        CFG_STR("binding", NULL, CFGF_NONE),
        CFG_STR("hook", NULL, CFGF_NONE),
        CFG_STR("pem", NULL, CFGF_NONE),
        CFG_STR("reuse-key", NULL, CFGF_NONE),
        CFG_STR_LIST("san", NULL, CFGF_NONE),
        CFG_SEC("install", install, CFGF_NONE),
        CFG_END(),
    };
    static cfg_opt_t top[] = {
        CFG_SEC("identity", identity,
                CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
        CFG_END(),
    };
    if (!is_safe(path))
        return false;
    cfg_t *cfg = cfg_init(top, CFGF_NONE);
    (void)cfg_set_error_function(cfg, complain);
    int parsed = cfg_parse(cfg, path);
    if (parsed == CFG_FILE_ERROR)
        fprintf(stderr, "brevet-agent: %s cannot be read\n", path);
    bool good = parsed == CFG_SUCCESS && take_all(cfg, identities, num);
    (void)cfg_free(cfg);
    return good;
}
