#include "prog/brevetd/role.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "pki/digest.h"
#include "pki/library.h"
#include "proc/identity.h"
#include "proc/pulse.h"
#include "proc/sandbox.h"
#include "prog/brevetd/child.h"

/* --- the wall --- */

static void
directory_of(const char *file, char dir[CONFIG_PATH_MAX])
{
    (void)snprintf(dir, CONFIG_PATH_MAX, "%s", file);
    char *slash = strrchr(dir, '/');
    if (slash != NULL && slash != dir)
        *slash = '\0';
}

struct paths {
    char text[SANDBOX_PATHS_MAX][CONFIG_PATH_MAX];
    const char *list[SANDBOX_PATHS_MAX];
    size_t num;
};

static void
add_path(struct paths *paths, const struct config *config, const char *file)
{
    char path[CONFIG_PATH_MAX], dir[CONFIG_PATH_MAX];
    if (paths->num == SANDBOX_PATHS_MAX || file[0] == '\0' ||
        config_path(config, file, path) != BV_OK)
        return;
    directory_of(path, dir);
    for (size_t i = 0; i < paths->num; i++)
        if (strcmp(paths->list[i], dir) == 0)
            return;
    memcpy(paths->text[paths->num], dir, sizeof(dir));
    paths->list[paths->num] = paths->text[paths->num];
    paths->num++;
}

/* Where core writes: the database, the CRLs, the TLS certificate. */
static struct paths *
paths_of(const struct role *role)
{
    struct paths *paths = calloc(1, sizeof(*paths));
    const struct config *config = role->material.config;
    if (paths == NULL || role->is != PROC_CORE)
        return paths;
    add_path(paths, config, "db/brevet.db");
    add_path(paths, config, config->core.tls_path);
    for (size_t i = 0; i < config->core.num_cas; i++)
        add_path(paths, config, config->cas[i].crl_path);
    return paths;
}

static enum bv_err
confine(const struct role *role)
{
    struct sandbox_state state;
    bv_auto_free struct paths *paths = paths_of(role);
    if (paths == NULL)
        return BV_E_NO_MEMORY;
    /* libcrypto looks for files of its own once; let it, before the wall. */
    uint8_t ignored[DIGEST_SHA256_LEN];
    digest_sha256(SPAN_EMPTY, ignored);
    BV_TRY(sandbox_enter(role->is, paths->list, paths->num, &state));
    if (!state.syscalls)
        log_warn("missing walls: system calls are not confined");
    /* Once is enough. */
    if (state.files == 0 && role->is == PROC_CORE)
        log_info("missing walls: this kernel has no Landlock");
    return BV_OK;
}

/* --- start --- */

static enum bv_err
parse_name(const char *text, struct role *ret)
{
    const char *slash = strchr(text, '/');
    if (slash == NULL)
        return BV_E_USAGE;
    ret->index = (unsigned)strtoul(slash + 1, NULL, 10);
    return table_role_of_name(span_of(text, (size_t)(slash - text)), &ret->is);
}

static enum bv_err
begin(struct role *role)
{
    const struct proc_row *row = table_row(role->is);
    (void)umask(077);
    if (sandbox_is_built())
        BV_TRY(identity_harden(row->data_mb, row->files));
    BV_TRY(role_begin(role->is, &role->parent, &role->gifts));
    struct bundle bundle = role->gifts.bundle;
    role->gifts.bundle = (struct bundle){0};
    role->gifts.has_bundle = false;
    BV_TRY(material_take(&bundle, &role->material));
    log_set_level(role->material.config->log_level);
    return confine(role);
}

void
role_settle_memory(void)
{
    (void)mallopt(M_ARENA_MAX, 1); /* one thread */
    /* What scrypt and bursts took goes back to the system when freed. */
    (void)mallopt(M_MMAP_THRESHOLD, 256 * 1024);
    (void)mallopt(M_TRIM_THRESHOLD, 512 * 1024);
}

int
role_main(int argc, char **argv, enum proc_role is, int run(struct role *role))
{
    struct role role = {0};
    if (argc != 3 || strcmp(argv[1], SPAWN_ROLE_OPTION) != 0) {
        (void)fprintf(stderr, "this is a part of brevetd, which starts it\n");
        return 2;
    }
    const char *text = argv[2];
    role_settle_memory();
    library_begin();
    /* A terminal's ^C goes to all: the parent decides what it means. */
    (void)prctl(PR_SET_NAME, "brevetd", 0, 0, 0); /* not its descriptor */
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGPIPE, SIG_IGN);
    log_open(text, LOG_LEVEL_INFO);
    enum bv_err err = parse_name(text, &role);
    if (err == BV_OK && role.is != is)
        err = BV_E_USAGE;
    if (err == BV_OK && !(table_row(role.is)->many))
        log_open(table_role_name(role.is), LOG_LEVEL_INFO);
    if (err == BV_OK)
        err = begin(&role);
    if (err == BV_E_CLOSED)
        return 0; /* the parent went away, or changed its mind */
    if (err != BV_OK) {
        log_error("cannot start error=%s", err_name(err));
        return err == BV_E_BAD_CONFIG ? CHILD_EXIT_HOPELESS : 1;
    }
    int status = run(&role);
    role_gifts_drop(&role.gifts);
    material_free(&role.material);
    channel_free(role.parent);
    return status;
}

enum bv_err
role_blame(struct role *role, unsigned door, enum bv_err why)
{
    uint8_t body[8];
    struct sink out = SINK_ARRAY(body);
    log_error("a door broke the protocol door=%u error=%s", door,
              err_name(why));
    table_peer_encode(&out, PROC_DOOR, door);
    BV_TRY(channel_send(role->parent, MSG_BLAME, 0, sink_view(&out)));
    return channel_flush(role->parent);
}

enum bv_err
role_ready(struct role *role)
{
    (void)pulse_set(PULSE_NONE);
    BV_TRY(channel_send(role->parent, MSG_READY, 0, SPAN_EMPTY));
    return channel_flush(role->parent);
}
