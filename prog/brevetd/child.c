#include "prog/brevetd/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "prog/brevetd/program.h"

#define BACKOFF_FIRST_MS 10
#define BACKOFF_MOST_MS  5000
#define LONG_LIFE_MS     10000

void
family_init(struct family *family, const struct files *files,
            const struct listen_set *listen)
{
    size_t num;
    const struct proc_row *rows = table_rows(&num);
    *family = (struct family){.files = files, .listen = listen};
    for (size_t i = 0; i < num; i++) {
        unsigned count = rows[i].many ? files->config->doors : 1;
        for (unsigned j = 0; j < count; j++)
            family->children[family->num++] =
                (struct child){.row = &rows[i], .index = j, .program = -1};
    }
}

enum bv_err
family_programs(struct family *family, char *ret_problem)
{
    for (unsigned i = 0; i < family->num; i++)
        BV_TRY(program_open(family->children[i].row->role,
                            &family->children[i].program, ret_problem));
    return BV_OK;
}

/* --- gifts --- */

static bool
is_running(const struct child *child)
{
    return child->channel != NULL && child->given &&
           (child->state == CHILD_STARTING || child->state == CHILD_READY);
}

static enum bv_err
send_file(struct child *child, enum proc_listen purpose, const char *name,
          int fd)
{
    uint8_t body[256];
    struct sink out = SINK_ARRAY(body);
    table_listen_encode(&out, purpose, span_str(name));
    return channel_send_fd(child->channel, MSG_LISTEN, 0, sink_view(&out), fd);
}

static bool
wants(const struct child *child, enum proc_listen purpose)
{
    bool control = purpose == PROC_LISTEN_CONTROL;
    return child->row->role == (control ? PROC_CORE : PROC_DOOR);
}

static enum bv_err
send_sockets(const struct family *family, struct child *child)
{
    for (unsigned i = 0; i < family->listen->num; i++) {
        const struct listen_socket *s = &family->listen->sockets[i];
        if (wants(child, s->purpose))
            BV_TRY(send_file(child, s->purpose, s->name, s->fd));
    }
    return BV_OK;
}

static enum bv_err
send_map(const struct family *family, struct child *child, char *problem)
{
    if (child->row->role == PROC_CORE)
        return BV_OK;
    bv_auto_close int fd = -1;
    BV_TRY(files_map(family->files, &fd, problem));
    return send_file(child, PROC_LISTEN_STATUS_MAP, "", fd);
}

static enum bv_err
send_crls(const struct family *family, struct child *child)
{
    const struct config *config = family->files->config;
    if (child->row->role != PROC_DOOR)
        return BV_OK;
    for (size_t i = 0; i < config->core.num_cas; i++) {
        char path[CONFIG_PATH_MAX];
        BV_TRY(config_path(config, config->cas[i].crl_path, path));
        bv_auto_close int fd = -1;
        char ignored[FILES_PROBLEM_MAX]; /* core makes it anew */
        if (files_open_cores(family->files, path, &fd, ignored) == BV_OK)
            BV_TRY(send_file(child, PROC_LISTEN_CRL, config->cas[i].name, fd));
    }
    return BV_OK;
}

/* Descriptors first: the bundle is the sign to switch (proc/role.h). */
static enum bv_err
send_bundle(const struct family *family, struct child *child, char *problem)
{
    bv_auto_close int fd = -1;
    BV_TRY(files_bundle(family->files, child->row->role, &fd, problem));
    BV_TRY(send_crls(family, child));
    BV_TRY(channel_send_fd(child->channel, MSG_BUNDLE, 0, SPAN_EMPTY, fd));
    return channel_flush(child->channel);
}

static enum bv_err
send_peer(struct child *to, const struct child *who, int fd)
{
    uint8_t body[8];
    struct sink out = SINK_ARRAY(body);
    table_peer_encode(&out, who->row->role, who->index);
    return channel_send_fd(to->channel, MSG_PEER, 0, sink_view(&out), fd);
}

/* join makes the channel between two children. A failure to reach one of them
 * shows as its end, so it is not an error here. */
static enum bv_err
join(struct child *a, struct child *b)
{
    int fds[2];
    BV_TRY(channel_pair(fds));
    bv_auto_close int left = fds[0];
    bv_auto_close int right = fds[1];
    BV_TRY(send_peer(a, b, left));
    BV_TRY(send_peer(b, a, right));
    return BV_OK;
}

static enum bv_err
join_all(struct family *family, struct child *child)
{
    for (unsigned i = 0; i < family->num; i++) {
        struct child *peer = &family->children[i];
        if (peer == child || !is_running(peer) ||
            (child->row->peers & PROC_MASK(peer->row->role)) == 0)
            continue;
        BV_TRY(join(child, peer));
        enum bv_err err = channel_flush(peer->channel);
        if (err != BV_OK && err != BV_E_CLOSED)
            return err;
    }
    return BV_OK;
}

static enum bv_err
give(struct family *family, struct child *child, char *problem)
{
    child->given = true;
    BV_TRY(send_sockets(family, child));
    BV_TRY(send_map(family, child, problem));
    BV_TRY(join_all(family, child));
    BV_TRY(send_bundle(family, child, problem));
    BV_TRY(channel_send(child->channel, MSG_START, 0, SPAN_EMPTY));
    return channel_flush(child->channel);
}

/* --- life --- */

static enum bv_err
spawn(struct child *child, int64_t now)
{
    pid_t pid;
    int fd;
    BV_TRY(spawn_role(child->program, child->row->role, child->index,
                      child->switch_user ? &child->user : NULL, &pid, &fd));
    child->pid = pid;
    child->started_ms = now;
    child->starts++;
    child->state = CHILD_STARTING;
    child->given = false;
    return channel_new(fd, PROC_PARENT, child->row->role, &child->channel);
}

static bool
is_due(const struct child *child, int64_t now)
{
    return child->state == CHILD_WAITING && child->start_at_ms <= now;
}

enum bv_err
family_start(struct family *family, int64_t now, char *ret_problem)
{
    bool fresh[PROC_ROWS_MAX] = {false};
    ret_problem[0] = '\0';
    for (unsigned i = 0; i < family->num; i++) {
        fresh[i] = is_due(&family->children[i], now);
        if (fresh[i])
            BV_TRY(spawn(&family->children[i], now));
    }
    for (unsigned i = 0; i < family->num; i++) {
        if (!fresh[i])
            continue;
        enum bv_err err = give(family, &family->children[i], ret_problem);
        if (err != BV_OK && err != BV_E_CLOSED)
            return err;
    }
    return BV_OK;
}

enum bv_err
family_send(struct family *family, char *ret_problem)
{
    ret_problem[0] = '\0';
    for (unsigned i = 0; i < family->num; i++) {
        struct child *child = &family->children[i];
        if (!is_running(child))
            continue;
        enum bv_err err = send_bundle(family, child, ret_problem);
        if (err != BV_OK && err != BV_E_CLOSED)
            return err;
    }
    return BV_OK;
}

void
child_lost(struct child *child, int64_t now)
{
    channel_free(child->channel);
    child->channel = NULL;
    child->pid = 0;
    child->kill_at_ms = 0;
    if (child->state == CHILD_DRAINING) {
        child->state = CHILD_GONE;
        return;
    }
    if (child->backoff_ms == 0 || now - child->started_ms >= LONG_LIFE_MS)
        child->backoff_ms = BACKOFF_FIRST_MS;
    child->start_at_ms = now + child->backoff_ms;
    child->backoff_ms = child->backoff_ms * 2 < BACKOFF_MOST_MS
                            ? child->backoff_ms * 2
                            : BACKOFF_MOST_MS;
    child->state = CHILD_WAITING;
}

struct child *
family_find(struct family *family, pid_t pid)
{
    for (unsigned i = 0; i < family->num; i++)
        if (family->children[i].pid == pid)
            return &family->children[i];
    return NULL;
}

bool
family_all_ready(const struct family *family)
{
    for (unsigned i = 0; i < family->num; i++)
        if (family->children[i].state != CHILD_READY)
            return false;
    return true;
}

void
family_drain(struct family *family, enum proc_role role)
{
    for (unsigned i = 0; i < family->num; i++) {
        struct child *child = &family->children[i];
        if (child->row->role != role)
            continue;
        bool runs = is_running(child);
        child->state = runs ? CHILD_DRAINING : CHILD_GONE;
        if (runs &&
            (channel_send(child->channel, MSG_DRAIN, 0, SPAN_EMPTY) != BV_OK ||
             channel_flush(child->channel) != BV_OK))
            (void)kill(child->pid, SIGKILL);
    }
}

bool
family_has(const struct family *family, enum proc_role role)
{
    for (unsigned i = 0; i < family->num; i++)
        if (family->children[i].row->role == role &&
            family->children[i].pid > 0)
            return true;
    return false;
}

void
family_kill(struct family *family)
{
    for (unsigned i = 0; i < family->num; i++)
        if (family->children[i].pid > 0)
            (void)kill(family->children[i].pid, SIGKILL);
}
