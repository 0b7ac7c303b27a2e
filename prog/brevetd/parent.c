#include "prog/brevetd/parent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "prog/brevetd/child.h"
#include "prog/brevetd/family_users.h"
#include "prog/brevetd/notify.h"
#include "prog/brevetd/program.h"
#include "prog/brevetd/restart.h"
#include "prog/config/rekey.h"

/* How long doors may finish their requests, then the others their work. */
#define DRAIN_DOORS_MS 20000
#define DRAIN_REST_MS  5000
/* How long a role may live on after it has closed its channel. */
#define EXIT_MS 1000

enum phase { SERVING, DRAINING_DOORS, DRAINING_REST, OVER };

/* A new configuration that core has been asked about (SIGHUP). */
struct offer {
    bool pending;
    bool again; /* SIGHUP came meanwhile */
    uint64_t id;
    struct files files;
    uint64_t rebundle; /* core asked meanwhile (MSG_REBUNDLE); 0: no */
};

struct parent {
    const char *config_path, *dir;
    struct files files;
    struct listen_set listen;
    struct family family;
    struct offer offer;
    int signals, lock;
    enum phase phase;
    int64_t phase_ends_ms, began_ms, watchdog_ms, watchdog_at_ms;
    int64_t answering_ms; /* since the start; 0: not yet */
    bool told_ready;
    const char *failed; /* NULL, or why there is no going on */
    bool alive;         /* not all roles are silent */
    char problem[FILES_PROBLEM_MAX];
};

/* --- start --- */

static enum bv_err
read_and_check(struct parent *p, struct files *ret)
{
    struct files files;
    BV_TRY(rekey_finish(p->dir, p->problem, sizeof(p->problem)));
    BV_TRY(files_read(p->config_path, p->dir, &files, p->problem));
    enum bv_err err = files_check_modes(&files, p->problem);
    if (err != BV_OK) {
        files_done(&files);
        return err;
    }
    *ret = files;
    return BV_OK;
}

static enum bv_err
say_who_holds(struct parent *p, const char *path)
{
    char pid[24] = "";
    ssize_t n = pread(p->lock, pid, sizeof(pid) - 1, 0);
    pid[n > 0 ? n : 0] = '\0';
    pid[strcspn(pid, "\n")] = '\0';
    (void)snprintf(p->problem, sizeof(p->problem),
                   "%s: another brevetd serves this installation (pid %s)",
                   path, pid[0] != '\0' ? pid : "unknown");
    return BV_E_BUSY;
}

/* Two daemons over one installation would take each other's socket away. The
 * pid in the file is for the message above; the lock is what counts. */
static enum bv_err
take_lock(struct parent *p)
{
    char path[CONFIG_PATH_MAX], pid[24];
    BV_TRY(config_path(p->files.config, "run/brevetd.lock", path));
    p->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool locked = p->lock >= 0 && flock(p->lock, LOCK_EX | LOCK_NB) == 0;
    if (!locked && p->lock >= 0 && errno == EWOULDBLOCK)
        return say_who_holds(p, path);
    if (!locked) {
        (void)snprintf(p->problem, sizeof(p->problem), "%s: %s", path,
                       strerror(errno));
        return BV_E_IO;
    }
    int len = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    if (ftruncate(p->lock, 0) < 0 || pwrite(p->lock, pid, (size_t)len, 0) < 0)
        log_warn("the pid was not noted path=%s reason=\"%s\"", path,
                 strerror(errno));
    return BV_OK;
}

static enum bv_err
open_signals(struct parent *p)
{
    static const int wanted[] = {SIGCHLD, SIGHUP, SIGTERM, SIGINT};
    sigset_t set;
    (void)sigemptyset(&set);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        (void)sigaddset(&set, wanted[i]);
    (void)signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return BV_E_IO;
    p->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return p->signals < 0 ? BV_E_IO : BV_OK;
}

static enum bv_err
begin(struct parent *p)
{
    BV_TRY(read_and_check(p, &p->files));
    log_set_level(p->files.config->log_level);
    BV_TRY(take_lock(p));
    BV_TRY(files_prompt(&p->files, p->problem));
    BV_TRY(listen_open(p->files.config, &p->listen, p->problem,
                       sizeof(p->problem)));
    BV_TRY(open_signals(p));
    family_init(&p->family, &p->files, &p->listen);
    BV_TRY(family_programs(&p->family, p->problem));
    BV_TRY(family_users(&p->family, &p->files, p->problem));
    p->watchdog_ms = notify_watchdog_ms();
    p->watchdog_at_ms = p->began_ms;
    return family_start(&p->family, clock_mono_ms(), p->problem);
}

/* --- reload --- */

/* Every bundle must be complete before any role hears of it. */
static enum bv_err
try_bundles(struct parent *p, const struct files *files)
{
    static const enum proc_role roles[] = {PROC_CORE, PROC_SIGNER, PROC_DOOR};
    for (size_t i = 0; i < 3; i++) {
        int fd;
        BV_TRY(files_bundle(files, roles[i], &fd, p->problem));
        (void)close(fd);
    }
    return BV_OK;
}

static enum bv_err
offer(struct parent *p, struct files *files)
{
    memcpy(files->typed, p->files.typed, sizeof(files->typed));
    files->core = p->files.core;
    BV_TRY(try_bundles(p, files));
    return family_offer(&p->family, files, ++p->offer.id, p->problem);
}

static void
rebundle(struct parent *p, uint64_t id)
{
    if (family_rebundle(&p->family, id, p->problem) != BV_OK)
        log_error("files could not be sent again detail=\"%s\"", p->problem);
}

/* Once: systemd waits for the end of a reload, but not of one it was not told
 * of (a start is not over). */
static void
notify_reload_over(const struct parent *p)
{
    if (p->told_ready)
        notify_send("READY=1");
}

static void
refuse_reload(struct parent *p)
{
    log_error("not reloaded, nothing was changed detail=\"%s\"", p->problem);
    notify_reload_over(p);
}

static void
on_hangup(struct parent *p)
{
    struct files files;
    if (p->phase != SERVING)
        return;
    if (p->offer.pending) {
        p->offer.again = true;
        return;
    }
    if (p->told_ready)
        notify_reloading();
    if (read_and_check(p, &files) != BV_OK) {
        refuse_reload(p);
        return;
    }
    if (offer(p, &files) != BV_OK) {
        files_done(&files);
        refuse_reload(p);
        return;
    }
    p->offer.files = files;
    p->offer.pending = true;
}

static void
switch_over(struct parent *p)
{
    restart_warn(p->files.config, p->offer.files.config);
    restart_keep(p->files.config, p->offer.files.config);
    files_done(&p->files);
    p->files = p->offer.files;
    log_set_level(p->files.config->log_level);
    if (family_send(&p->family, PROC_CORE, p->problem) == BV_OK)
        log_info("reloaded");
    else
        log_error("reloaded, but not every role was told detail=\"%s\"",
                  p->problem);
    notify_reload_over(p);
}

/* What core refuses nobody hears of; why is in p->problem. What was put off
 * for it follows. */
static void
end_offer(struct parent *p, bool taken)
{
    if (!p->offer.pending)
        return;
    p->offer.pending = false;
    if (taken) {
        switch_over(p);
    } else {
        files_done(&p->offer.files);
        refuse_reload(p);
    }
    uint64_t id = p->offer.rebundle;
    p->offer.rebundle = 0;
    if (id != 0)
        rebundle(p, id);
    if (!p->offer.again)
        return;
    p->offer.again = false;
    on_hangup(p);
}

static enum bv_err
on_taken(struct parent *p, const struct msg *msg)
{
    struct span body = msg->body;
    uint8_t err;
    BV_TRY(span_u8(&body, &err));
    BV_TRY(span_end(body));
    if (msg->id != p->offer.id)
        return BV_OK;
    if (err != BV_OK)
        (void)snprintf(p->problem, sizeof(p->problem),
                       "core cannot work with it (%s): its line before this "
                       "one says why",
                       err_name((enum bv_err)err));
    end_offer(p, err == BV_OK);
    return BV_OK;
}

/* --- messages --- */

static void
on_ready(struct parent *p, struct child *child)
{
    if (child->state == CHILD_STARTING)
        child->state = CHILD_READY;
    child->ever_ready = true;
    child->ready_ms = clock_mono_ms();
    log_debug("role ready role=%s/%u pid=%d ms=%lld", child->row->name,
              child->index, (int)child->pid,
              (long long)(clock_mono_ms() - child->started_ms));
    int64_t took_ms = clock_mono_ms() - p->began_ms;
    if (p->answering_ms == 0 && family_answers(&p->family))
        p->answering_ms = took_ms;
    if (p->told_ready || !family_all_ready(&p->family))
        return;
    p->told_ready = true;
    notify_send("READY=1");
    log_info("ready version=%s doors=%u ms=%lld answering_ms=%lld",
             BREVET_VERSION, p->files.config->doors, (long long)took_ms,
             (long long)p->answering_ms);
}

static enum bv_err
on_keep(struct parent *p, struct span body)
{
    enum bv_err err = files_keep(&p->files, body, p->problem);
    if (err != BV_E_BAD_CONFIG)
        return err;
    log_error("a key was not kept detail=\"%s\"", p->problem);
    return BV_OK;
}

/* A door that is not what it was does not get to try again. */
static enum bv_err
on_blame(struct parent *p, const struct child *by, struct span body)
{
    enum proc_role role;
    unsigned index;
    BV_TRY(table_peer_decode(body, &role, &index));
    if (role != PROC_DOOR || by->row->role == PROC_DOOR)
        return BV_E_BAD_MESSAGE;
    for (unsigned i = 0; i < p->family.num; i++) {
        const struct child *child = &p->family.children[i];
        if (child->row->role == role && child->index == index && child->pid > 0)
            (void)kill(child->pid, SIGKILL);
    }
    return BV_OK;
}

/* Only a question behind files carries a number (family_rebundle). */
static void
on_pong(struct parent *p, struct child *child, uint64_t id)
{
    watched_answer(&child->watched, &p->family.watch);
    if (id == 0 || id != p->family.rebundle)
        return;
    child->seen = id;
    family_tell_served(&p->family);
}

static enum bv_err
on_message(struct parent *p, struct child *child, const struct msg *msg)
{
    if (msg->type == MSG_KEEP)
        return on_keep(p, msg->body);
    if (msg->type == MSG_BLAME)
        return on_blame(p, child, msg->body);
    if (msg->type == MSG_READY)
        on_ready(p, child);
    if (msg->type == MSG_PONG)
        on_pong(p, child, msg->id);
    if (msg->type == MSG_TAKEN)
        return on_taken(p, msg);
    if (msg->type == MSG_REBUNDLE && p->offer.pending)
        p->offer.rebundle = msg->id;
    else if (msg->type == MSG_REBUNDLE)
        rebundle(p, msg->id);
    return BV_OK;
}

static enum bv_err
take_messages(struct parent *p, struct child *child)
{
    enum bv_err end = channel_fill(child->channel);
    for (;;) {
        struct msg msg;
        bool got;
        BV_TRY(channel_next(child->channel, &got, &msg));
        if (!got)
            return end;
        BV_TRY(on_message(p, child, &msg));
    }
}

/* A role that broke the protocol is ended at once; one that closed its channel
 * is on its way out and gets a moment, so that its exit status is seen. */
static void
serve_child(struct parent *p, struct child *child, short events)
{
    enum bv_err err = BV_OK;
    if ((events & (POLLIN | POLLHUP | POLLERR)) != 0)
        err = take_messages(p, child);
    if (err == BV_OK && (events & POLLOUT) != 0)
        err = channel_flush(child->channel);
    if (err == BV_OK)
        return;
    if (err != BV_E_CLOSED) {
        log_error("role broke the protocol role=%s/%u error=%s",
                  child->row->name, child->index, err_name(err));
        (void)kill(child->pid, SIGKILL);
    }
    channel_free(child->channel);
    child->channel = NULL;
    child->kill_at_ms = clock_mono_ms() + EXIT_MS;
}

/* --- signals --- */

static void
set_phase(struct parent *p, enum phase phase, int64_t bound)
{
    p->phase = phase;
    p->phase_ends_ms = clock_mono_ms() + bound;
}

static void
lose_offer(struct parent *p, const char *why)
{
    (void)snprintf(p->problem, sizeof(p->problem), "%s", why);
    p->offer.rebundle = 0; /* it was that core's, or is nobody's soon */
    end_offer(p, false);
}

static void
stop(struct parent *p)
{
    if (p->phase != SERVING)
        return;
    p->offer.again = false;
    lose_offer(p, "the server is told to end");
    log_info("stopping");
    notify_send("STOPPING=1");
    set_phase(p, DRAINING_DOORS, DRAIN_DOORS_MS);
    listen_retire(&p->listen);
    family_drain(&p->family, PROC_DOOR);
}

/* After child_lost: the line says what follows, too. */
static void
say_end(const struct parent *p, const struct child *child, pid_t pid,
        int status)
{
    const char *how = WIFSIGNALED(status) ? "signal" : "status";
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    const char *why = WIFSIGNALED(status) && number == SIGSYS
                          ? " reason=\"a system call outside of its list\""
                          : "";
    char again[40] = "";
    if (p->phase != SERVING && status == 0)
        return;
    if (p->phase == SERVING && child->state == CHILD_WAITING)
        (void)snprintf(again, sizeof(again), " again_ms=%lld",
                       (long long)child->backoff_ms);
    log_error("role ended role=%s/%u pid=%d %s=%d%s%s", child->row->name,
              child->index, (int)pid, how, number, why, again);
}

/* One that served is started once, to look at the whole database. */
static bool
is_damaged(struct child *child, int status)
{
    if (!WIFEXITED(status) || WEXITSTATUS(status) != CHILD_EXIT_DAMAGED)
        return false;
    bool again = child->damaged;
    child->damaged = true;
    return again || child->ready_ms == 0;
}

/* Else only at a start: one that served before may do so again. */
static const char *
hopeless(struct child *child, int status)
{
    int number =
        WIFEXITED(status) && !child->ever_ready ? WEXITSTATUS(status) : 0;
    if (is_damaged(child, status))
        return "the database is damaged, or not the one that belongs here: the "
               "lines above tell; keep the file for study, and put back the "
               "last backup with brevet restore";
    if (number == CHILD_EXIT_KEYS)
        return "a key does not open: the passphrase is not the one it was "
               "sealed with, or its file is damaged; brevet check tells which";
    if (number == CHILD_EXIT_HOPELESS)
        return "a role cannot work with what it was given; the lines above "
               "and brevet check tell what is wrong";
    return NULL;
}

static void
reap(struct parent *p)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct child *child = family_find(&p->family, pid);
        if (child == NULL)
            continue;
        const char *why = hopeless(child, status);
        child_lost(child, clock_mono_ms());
        family_tell_served(&p->family); /* it may have waited for this one */
        if (why != NULL)
            child->state = CHILD_GONE;
        say_end(p, child, pid, status);
        if (child->row->role == PROC_CORE)
            lose_offer(p, "core ended before it had taken it over");
        if (why == NULL)
            continue;
        if (p->failed == NULL)
            p->failed = why;
        stop(p);
    }
}

static void
take_signals(struct parent *p)
{
    struct signalfd_siginfo info;
    while (read(p->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGCHLD)
            reap(p);
        if (info.ssi_signo == SIGHUP)
            on_hangup(p);
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
            stop(p);
    }
}

/* --- the loop --- */

static void
sooner(int64_t *wait, int64_t at, int64_t now)
{
    int64_t left = at > now ? at - now : 0;
    if (*wait < 0 || left < *wait)
        *wait = left;
}

static int
time_to_wait(const struct parent *p, int64_t now)
{
    int64_t wait = -1;
    for (unsigned i = 0; i < p->family.num && p->phase == SERVING; i++)
        if (p->family.children[i].state == CHILD_WAITING)
            sooner(&wait, p->family.children[i].start_at_ms, now);
    for (unsigned i = 0; i < p->family.num; i++)
        if (p->family.children[i].kill_at_ms > 0)
            sooner(&wait, p->family.children[i].kill_at_ms, now);
    if (p->phase != SERVING)
        sooner(&wait, p->phase_ends_ms, now);
    if (p->watchdog_ms > 0)
        sooner(&wait, p->watchdog_at_ms, now);
    if (p->phase == SERVING) /* and ask who is due */
        sooner(&wait, now + LIMIT_PING_MS / 2, now);
    return wait > 60000 ? 60000 : (int)wait;
}

static void
poll_once(struct parent *p)
{
    struct pollfd fds[PROC_ROWS_MAX + 1] = {{p->signals, POLLIN, 0}};
    struct child *of[PROC_ROWS_MAX + 1] = {NULL};
    nfds_t num = 1;
    for (unsigned i = 0; i < p->family.num; i++) {
        struct child *child = &p->family.children[i];
        if (child->channel == NULL)
            continue;
        bool output = channel_has_output(child->channel);
        of[num] = child;
        fds[num++] =
            (struct pollfd){channel_fd(child->channel),
                            (short)(POLLIN | (output ? POLLOUT : 0)), 0};
    }
    if (poll(fds, num, time_to_wait(p, clock_mono_ms())) < 0)
        return;
    for (nfds_t i = 1; i < num; i++)
        if (fds[i].revents != 0 && of[i]->channel != NULL)
            serve_child(p, of[i], fds[i].revents);
    if (fds[0].revents != 0)
        take_signals(p);
}

static void
advance(struct parent *p, int64_t now)
{
    bool late = now >= p->phase_ends_ms;
    if (p->phase == DRAINING_DOORS &&
        (late || !family_has(&p->family, PROC_DOOR))) {
        set_phase(p, DRAINING_REST, DRAIN_REST_MS);
        family_drain(&p->family, PROC_CORE);
    } else if (p->phase == DRAINING_REST &&
               (late || !family_has(&p->family, PROC_CORE))) {
        p->phase = OVER;
    }
}

static void
end_the_silent(struct parent *p, int64_t now)
{
    for (unsigned i = 0; i < p->family.num; i++) {
        struct child *child = &p->family.children[i];
        if (child->kill_at_ms == 0 || child->kill_at_ms > now)
            continue;
        child->kill_at_ms = 0;
        if (child->pid > 0)
            (void)kill(child->pid, SIGKILL);
    }
}

static void
say_alive(struct parent *p, bool alive)
{
    p->alive = alive;
    if (alive)
        log_info("roles answer again");
    else
        log_error("no role answers: the machine may hang; waiting");
}

static void
do_what_is_due(struct parent *p)
{
    int64_t now = clock_mono_ms();
    bool alive = p->phase != SERVING || family_ask(&p->family, now);
    if (alive != p->alive)
        say_alive(p, alive);
    if (p->watchdog_ms > 0 && now >= p->watchdog_at_ms) {
        if (alive)
            notify_send("WATCHDOG=1");
        p->watchdog_at_ms = now + p->watchdog_ms;
    }
    end_the_silent(p, now);
    advance(p, now);
    if (p->phase != SERVING)
        return;
    enum bv_err err = family_start(&p->family, now, p->problem);
    if (err != BV_OK)
        log_error("a role could not be started error=%s detail=\"%s\"",
                  err_name(err), p->problem);
}

static void
end(struct parent *p)
{
    family_kill(&p->family);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
    for (unsigned i = 0; i < p->family.num; i++) {
        child_done(&p->family.children[i]);
        if (p->family.children[i].program >= 0)
            (void)close(p->family.children[i].program);
    }
    listen_close(&p->listen);
    if (p->files.config != NULL)
        files_done(&p->files);
    if (p->signals >= 0)
        (void)close(p->signals);
    if (p->lock >= 0)
        (void)close(p->lock);
}

int
parent_run(const char *config_path, const char *dir)
{
    struct parent p = {.config_path = config_path,
                       .dir = dir,
                       .signals = -1,
                       .lock = -1,
                       .alive = true,
                       .began_ms = clock_mono_ms()};
    log_open("parent", LOG_LEVEL_INFO);
    enum bv_err err = begin(&p);
    if (err != BV_OK) {
        log_error("cannot start: %s",
                  p.problem[0] != '\0' ? p.problem : err_text(err));
        end(&p);
        return 1;
    }
    while (p.phase != OVER) {
        poll_once(&p);
        do_what_is_due(&p);
    }
    end(&p);
    if (p.failed != NULL)
        log_error("%s: %s", p.told_ready ? "stopped" : "cannot start",
                  p.failed);
    else
        log_info("stopped");
    return p.failed != NULL ? 1 : 0;
}
