#include "prog/brevetd/examine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <jansson.h>

#include "prog/brevetd/family_users.h"
#include "prog/config/rekey.h"

#define TEXT_MAX 1000

struct examine {
    json_t *errors, *warnings;
};

/* --- findings --- */

__attribute__((format(printf, 2, 0))) static void
note(json_t *list, const char *format, va_list ap)
{
    char text[TEXT_MAX];
    (void)vsnprintf(text, sizeof(text), format, ap);
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(json_string_value(json_array_get(list, i)), text) == 0)
            return; /* two ways lead to it */
    (void)json_array_append_new(list, json_string(text));
}

void
examine_error(struct examine *e, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    note(e->errors, format, ap);
    va_end(ap);
}

void
examine_warn(struct examine *e, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    note(e->warnings, format, ap);
    va_end(ap);
}

static void
on_mode(void *user, const char *problem)
{
    examine_error(user, "%s", problem);
}

/* --- the parts --- */

static enum examine_serving
is_serving(const struct config *config)
{
    char path[CONFIG_PATH_MAX];
    if (config_path(config, "run/brevetd.lock", path) != BV_OK)
        return EXAMINE_IDLE;
    bv_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? EXAMINE_IDLE : EXAMINE_UNKNOWN;
    return flock(fd, LOCK_SH | LOCK_NB) != 0 ? EXAMINE_SERVING : EXAMINE_IDLE;
}

/* What a start does itself with the files, role for role. */
static void
examine_bundles(struct examine *e, const struct files *files)
{
    static const enum proc_role roles[] = {PROC_CORE, PROC_SIGNER, PROC_DOOR};
    char problem[FILES_PROBLEM_MAX] = "";
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        int fd;
        if (roles[i] == PROC_SIGNER &&
            (files->config->passphrase_from == CONFIG_SECRET_PROMPT ||
             files_is_services_credential(files)))
            continue;
        if (files_bundle(files, roles[i], &fd, problem) == BV_OK)
            (void)close(fd);
        else
            examine_error(e, "%s", problem);
    }
}

static void
examine_users(struct examine *e, struct files *files)
{
    static struct family family;
    static struct listen_set none;
    char problem[FILES_PROBLEM_MAX] = "";
    family_init(&family, files, &none);
    if (family_users(&family, files, problem) != BV_OK)
        examine_error(e, "%s", problem);
}

static void
examine_files(struct examine *e, struct files *files)
{
    char problem[FILES_PROBLEM_MAX] = "";
    (void)!files_each_mode(files, on_mode, e, problem);
    examine_users(e, files);
    examine_cas(e, files);
    examine_host(e, files, is_serving(files->config));
    examine_bundles(e, files);
}

/* --- the answer --- */

static void
print_list(const char *kind, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        (void)printf("%s: %s\n", kind,
                     json_string_value(json_array_get(list, i)));
}

static void
print(const struct examine *e, const char *config_path, bool as_json)
{
    size_t errors = json_array_size(e->errors),
           warnings = json_array_size(e->warnings);
    json_t *all = json_pack("{s:b, s:O, s:O}", "good", (int)(errors == 0),
                            "errors", e->errors, "warnings", e->warnings);
    if (as_json) {
        (void)json_dumpf(all, stdout, JSON_INDENT(2));
        (void)printf("\n");
    } else {
        print_list("error", e->errors);
        print_list("warning", e->warnings);
        (void)printf("%s is %s: %zu error%s, %zu warning%s\n", config_path,
                     errors == 0 ? "valid" : "NOT fit for a start", errors,
                     errors == 1 ? "" : "s", warnings,
                     warnings == 1 ? "" : "s");
    }
    json_decref(all);
}

int
examine_run(const char *config_path, const char *dir, bool as_json)
{
    struct examine e = {json_array(), json_array()};
    struct files files;
    char problem[FILES_PROBLEM_MAX] = "";
    log_open("brevetd", LOG_LEVEL_ERROR); /* one answer, on standard output */
    if (rekey_finish(dir, problem, sizeof(problem)) != BV_OK)
        examine_error(&e, "%s", problem);
    if (files_read(config_path, dir, &files, problem) == BV_OK) {
        examine_files(&e, &files);
        files_done(&files);
    } else {
        examine_error(&e, "%s", problem);
    }
    print(&e, config_path, as_json);
    int status = json_array_size(e.errors) == 0 ? 0 : 1;
    json_decref(e.errors);
    json_decref(e.warnings);
    return status;
}
