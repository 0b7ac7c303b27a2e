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
send_pulse(struct child *child)
{
    bv_auto_close int fd = -1;
    BV_TRY(pulse_new(&child->pulse, &fd));
    return send_file(child, PROC_LISTEN_PULSE, "", fd);
}

static enum bv_err
give(struct family *family, struct child *child, char *problem)
{
    child->given = true;
    BV_TRY(send_pulse(child));
    BV_TRY(send_sockets(family, child));
    BV_TRY(send_map(family, child, problem));
    BV_TRY(join_all(family, child));
    BV_TRY(send_bundle(family, child, problem));
    BV_TRY(channel_send(child->channel, MSG_START, 0, SPAN_EMPTY));
    return channel_flush(child->channel);
}

/* --- life --- */

static enum bv_err
spawn(const struct family *family, struct child *child, int64_t now)
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
    child->seen = family->rebundle; /* it is given what is there by then */
    watched_begin(&child->watched, &family->watch);
    return channel_new(fd, PROC_PARENT, child->row->role, &child->channel);
}

static bool
is_due(const struct child *child, int64_t now)
{
    return child->state == CHILD_WAITING && child->start_at_ms <= now;
}

/* put_off: not before some time, and longer each time. */
static void
put_off(struct child *child, int64_t now)
{
    int64_t next = child->backoff_ms * 2;
    if (child->backoff_ms == 0)
        next = LIMIT_BACKOFF_FIRST_MS;
    child->backoff_ms =
        next < LIMIT_BACKOFF_MOST_MS ? next : LIMIT_BACKOFF_MOST_MS;
    child->start_at_ms = now + child->backoff_ms;
    child->state = CHILD_WAITING;
}

static enum bv_err
try_spawn(struct family *family, struct child *child, int64_t now)
{
    enum bv_err err = spawn(family, child, now);
    if (err == BV_OK)
        return BV_OK;
    if (child->state == CHILD_STARTING) /* its end is seen like any other */
        (void)kill(child->pid, SIGKILL);
    else
        put_off(child, now);
    return err;
}

static enum bv_err
try_give(struct family *family, struct child *child, char *problem)
{
    char text[FILES_PROBLEM_MAX] = "";
    enum bv_err err = give(family, child, text);
    if (err == BV_OK || err == BV_E_CLOSED) /* its end will be seen */
        return BV_OK;
    (void)kill(child->pid, SIGKILL);
    if (problem[0] == '\0')
        memcpy(problem, text, sizeof(text));
    return err;
}

enum bv_err
family_start(struct family *family, int64_t now, char *ret_problem)
{
    bool fresh[PROC_ROWS_MAX] = {false};
    enum bv_err first = BV_OK;
    ret_problem[0] = '\0';
    for (unsigned i = 0; i < family->num; i++) {
        struct child *child = &family->children[i];
        if (!is_due(child, now))
            continue;
        enum bv_err err = try_spawn(family, child, now);
        fresh[i] = err == BV_OK;
        first = first == BV_OK ? err : first;
    }
    for (unsigned i = 0; i < family->num; i++) {
        if (!fresh[i])
            continue;
        enum bv_err err = try_give(family, &family->children[i], ret_problem);
        first = first == BV_OK ? err : first;
    }
    return first;
}

static struct child *
running_core(struct family *family)
{
    for (unsigned i = 0; i < family->num; i++) {
        struct child *child = &family->children[i];
        if (child->row->role == PROC_CORE && is_running(child))
            return child;
    }
    return NULL;
}

enum bv_err
family_offer(struct family *family, const struct files *files, uint64_t id,
             char *ret_problem)
{
    const struct child *core = running_core(family);
    bv_auto_close int fd = -1;
    BV_TRY(files_bundle(files, PROC_CORE, &fd, ret_problem));
    enum bv_err err = BV_E_CLOSED;
    if (core != NULL)
        err = channel_send_fd(core->channel, MSG_BUNDLE, id, SPAN_EMPTY, fd);
    if (err == BV_OK)
        err = channel_flush(core->channel);
    if (err != BV_OK)
        (void)snprintf(ret_problem, FILES_PROBLEM_MAX,
                       "core does not run: it is started anew; ask again then");
    return err;
}

enum bv_err
family_send(struct family *family, enum proc_role has, char *ret_problem)
{
    ret_problem[0] = '\0';
    for (unsigned i = 0; i < family->num; i++) {
        struct child *child = &family->children[i];
        if (!is_running(child) || child->row->role == has)
            continue;
        enum bv_err err = send_bundle(family, child, ret_problem);
        if (err != BV_OK && err != BV_E_CLOSED)
            return err;
    }
    return BV_OK;
}

static enum bv_err
ask_doors(struct family *family, uint64_t id)
{
    for (unsigned i = 0; i < family->num; i++) {
        struct child *child = &family->children[i];
        if (!is_running(child) || child->row->role != PROC_DOOR)
            continue;
        enum bv_err err =
            channel_send(child->channel, MSG_PING, id, SPAN_EMPTY);
        if (err == BV_OK)
            err = channel_flush(child->channel);
        if (err != BV_OK && err != BV_E_CLOSED)
            return err;
    }
    return BV_OK;
}

enum bv_err
family_rebundle(struct family *family, uint64_t id, char *ret_problem)
{
    family->rebundle = 0;
    for (unsigned i = 0; i < family->num; i++)
        family->children[i].seen = 0; /* a new core counts from one again */
    BV_TRY(family_send(family, PROC_PARENT, ret_problem));
    BV_TRY(ask_doors(family, id));
    family->rebundle = id;
    family_tell_served(family); /* there may be no door now */
    return BV_OK;
}

/* A door that starts gets the newest files, but none that runs may be left
 * out: its answer comes. */
void
family_tell_served(struct family *family)
{
    struct child *core = running_core(family);
    for (unsigned i = 0; i < family->num; i++) {
        const struct child *child = &family->children[i];
        if (child->row->role == PROC_DOOR && is_running(child) &&
            child->seen < family->rebundle)
            return;
    }
    if (core == NULL || family->rebundle == 0)
        return;
    enum bv_err err =
        channel_send(core->channel, MSG_SERVED, family->rebundle, SPAN_EMPTY);
    if (err == BV_OK)
        err = channel_flush(core->channel);
    if (err != BV_OK && err != BV_E_CLOSED)
        log_warn("core could not be told what is served error=%s",
                 err_name(err));
    family->rebundle = 0;
}

void
child_done(struct child *child)
{
    channel_free(child->channel);
    child->channel = NULL;
    pulse_free(child->pulse);
    child->pulse = NULL;
}

void
child_lost(struct child *child, int64_t now)
{
    child_done(child);
    child->pid = 0;
    if (child->ready_ms != 0 && now - child->ready_ms >= LIMIT_BACKOFF_LIFE_MS)
        child->backoff_ms = 0; /* it was well */
    child->ready_ms = 0;
    child->kill_at_ms = 0;
    if (child->state == CHILD_DRAINING)
        child->state = CHILD_GONE;
    else
        put_off(child, now);
}

/* --- the watch --- */

static bool
is_watched(const struct child *child)
{
    return is_running(child) && child->pulse != NULL;
}

/* A full queue is no answer either: the question counts as asked. */
static void
ask(struct child *child)
{
    child->watched.asked = true;
    enum bv_err err = channel_send(child->channel, MSG_PING, 0, SPAN_EMPTY);
    if (err == BV_OK)
        err = channel_flush(child->channel);
    if (err != BV_OK && err != BV_E_CLOSED)
        log_warn("role could not be asked role=%s/%u error=%s",
                 child->row->name, child->index, err_name(err));
}

static void
end_silent(const struct family *family, struct child *child)
{
    enum pulse_work work = pulse_work_of(child->watched.word);
    log_error(
        "role does not answer, ending it role=%s/%u pid=%d silent_ms=%lld "
        "work=%s",
        child->row->name, child->index, (int)child->pid,
        (long long)watched_silence(&child->watched, &family->watch),
        pulse_work_name(work));
    (void)kill(child->pid, SIGKILL);
    child->state = CHILD_ENDING;
}

/* all_quiet: one alone is no sign of what the machine does. */
static bool
all_quiet(const struct family *family)
{
    unsigned watched = 0, quiet = 0;
    for (unsigned i = 0; i < family->num; i++) {
        const struct child *child = &family->children[i];
        if (!is_watched(child))
            continue;
        watched++;
        quiet += watched_is_quiet(&child->watched, &family->watch);
    }
    return watched > 1 && quiet == watched;
}

static void
look(struct family *family, struct child *child, bool excuse)
{
    struct watched *w = &child->watched;
    watched_look(w, &family->watch, pulse_word(child->pulse));
    if (excuse)
        watched_excuse(w, &family->watch);
    if (watched_is_due(w, &family->watch))
        ask(child);
    bool over = family->watch.stalled ? watched_is_over(w, &family->watch)
                                      : watched_is_silent(w, &family->watch);
    if (over)
        end_silent(family, child);
}

bool
family_ask(struct family *family, int64_t now)
{
    watch_advance(&family->watch, now);
    bool stalled = all_quiet(family);
    bool excuse = family->watch.stalled && !stalled;
    family->watch.stalled = stalled;
    for (unsigned i = 0; i < family->num; i++)
        if (is_watched(&family->children[i]))
            look(family, &family->children[i], excuse);
    return !stalled;
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

bool
family_answers(const struct family *family)
{
    for (unsigned i = 0; i < family->num; i++)
        if (family->children[i].row->role != PROC_SIGNER &&
            family->children[i].state != CHILD_READY)
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
