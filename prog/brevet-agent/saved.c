/* What an identity was told when it enrolled, in its own folder: a
 * configuration file as config.c reads it, of one identity, without secrets. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "prog/brevet-agent/agent.h"

#define SAVED_FILE "identity.conf"
#define SAVED_MAX  32768

/* In single quotes nothing but ' and \ means anything. */
static void
put_quoted(struct sink *out, const char *value)
{
    sink_u8(out, '\'');
    for (; *value != '\0'; value++) {
        if (*value == '\'' || *value == '\\')
            sink_u8(out, '\\');
        if (*value == '\n' || *value == '\r')
            out->failed = true;
        sink_u8(out, (uint8_t)*value);
    }
    sink_u8(out, '\'');
}

struct writing {
    struct sink *out;
    bool in_install;
};

static void
put_row(void *ctx, const char *section, const char *option, const char *value)
{
    struct writing *writing = ctx;
    bool install = section[0] != '\0';
    if (!config_is_kept(section, option, value))
        return;
    if (install && !writing->in_install)
        sink_str(writing->out, "  install {\n");
    writing->in_install = install;
    sink_str(writing->out, install ? "    " : "  ");
    sink_str(writing->out, option);
    sink_str(writing->out, " = ");
    put_quoted(writing->out, value);
    sink_u8(writing->out, '\n');
}

static void
put_sans(struct sink *out, const struct agent_config *config)
{
    if (config->num_sans == 0)
        return;
    sink_str(out, "  san = {");
    for (size_t i = 0; i < config->num_sans; i++) {
        sink_str(out, i == 0 ? "" : ", ");
        put_quoted(out, config->sans[i]);
    }
    sink_str(out, "}\n");
}

bool
saved_write(const struct identity *identity)
{
    const struct agent_config *config = identity->config;
    bv_auto_free char *text = malloc(SAVED_MAX);
    struct span bytes;
    if (text == NULL)
        return false;
    struct sink out = sink_of(text, SAVED_MAX);
    sink_str(&out, "# Written by brevet-agent enroll.\nidentity ");
    put_quoted(&out, config->name);
    sink_str(&out, " {\n");
    struct writing writing = {&out, false};
    put_sans(&out, config);
    config_each(config, put_row, &writing);
    sink_str(&out, writing.in_install ? "  }\n" : "");
    sink_str(&out, "}\n");
    int dir = bv_posix_dirfd(identity->posix);
    errno = EINVAL;
    if (sink_done(&out, &bytes) == BV_OK &&
        (install_is_right(dir, SAVED_FILE, NULL, bytes) ||
         file_replace(dir, SAVED_FILE, bytes.data, bytes.len) == BV_PORT_OK))
        return true;
    fprintf(stderr, "brevet-agent: identity %s: %s cannot be written: %s\n",
            config->name, SAVED_FILE, strerror(errno));
    return false;
}

/* Given twice, the command line's word counts. */
bool
saved_load(const char *dir, struct agent_config *config)
{
    char path[4096];
    struct stat st;
    struct agent_config saved[AGENT_IDENTITIES_MAX] = {0};
    size_t num = 0;
    int n = snprintf(path, sizeof(path), "%s/" SAVED_FILE, dir);
    if (n < 0 || (size_t)n >= sizeof(path) || lstat(path, &st) != 0)
        return true;
    bool good = config_load(path, saved, &num) && num == 1;
    if (good)
        config_merge(config, &saved[0]);
    for (size_t i = 0; i < num; i++)
        config_done(&saved[i]);
    return good;
}
