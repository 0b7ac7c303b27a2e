/* The service: steps every identity when its time comes, its socket can go on,
 * the wall clock was set, the machine woke up, or SIGHUP asks. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>

#include "base/auto.h"
#include "base/log.h"
#include "prog/brevet-agent/agent.h"

/* The wall clock's timer never runs out; it only reports that the clock was
 * set (ECANCELED). */
#define FAR_AWAY (INT64_C(100) * 365 * 86400)

struct waits {
    int signals, steps, clock;
};

/* sd_notify(3): nothing happens outside systemd. */
static void
notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (path == NULL || (path[0] != '/' && path[0] != '@') ||
        strlen(path) >= sizeof(to.sun_path))
        return;
    memcpy(to.sun_path, path, strlen(path));
    if (path[0] == '@')
        to.sun_path[0] = '\0';
    bv_auto_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        (void)sendto(
            fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to,
            (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path)));
}

static void
arm_clock(int fd)
{
    struct itimerspec at = {.it_value = {.tv_sec = time(NULL) + FAR_AWAY}};
    (void)timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &at,
                          NULL);
}

static void
arm_steps(int fd, uint64_t at_ms)
{
    struct itimerspec at = {
        .it_value = {(time_t)(at_ms / 1000), (long)(at_ms % 1000) * 1000000}};
    if (at_ms == 0)
        at.it_value.tv_nsec = 1;
    (void)timerfd_settime(fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static bool
open_waits(struct waits *waits)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    waits->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    waits->steps = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    waits->clock = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (waits->signals < 0 || waits->steps < 0 || waits->clock < 0)
        return false;
    arm_clock(waits->clock);
    return true;
}

static bool
is_open(const struct identity *identity)
{
    return identity->shut == AGENT_OK;
}

static void
put_off(struct identity *identity)
{
    identity->next_ms = UINT64_MAX;
    identity_again(identity);
    log_error("cannot be opened, tried again later identity=%s retry_in=%us",
              identity->config->name, identity->again_pause);
}

/* What was installed may have been damaged or its write interrupted, and its
 * hook with it. Later when the work memory is in use. */
static void
mend(struct identity *identity)
{
    if (bv_device_waits_io(&identity->device))
        identity->again_ms = identity_now_ms() + 100;
    else
        (void)identity_repair(identity);
}

static void
begin(struct identity *identity)
{
    (void)identity_step(identity); /* reads what is there */
    mend(identity);
}

/* A disk, a lock or a list of users may be back. */
static void
reopen(struct identity *identity)
{
    uint32_t pause = identity->again_pause;
    if (identity_open(identity, identity->config, IDENTITY_ONCE)) {
        log_info("opened at last identity=%s", identity->config->name);
        begin(identity);
        return;
    }
    identity->again_pause = pause;
    put_off(identity);
}

static void
repair(struct identity *identity)
{
    if (is_open(identity))
        mend(identity);
    else
        reopen(identity);
}

/* SIGHUP: look again now, a pause after failures included. */
static bool
take_signals(const struct waits *waits, struct identity *identities, size_t num)
{
    struct signalfd_siginfo info;
    while (read(waits->signals, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo != SIGHUP)
            return false;
        log_info("checking all identities now");
        for (size_t i = 0; i < num; i++) {
            repair(&identities[i]);
            if (!is_open(&identities[i]))
                continue;
            bv_device_check(&identities[i].device);
            identities[i].next_ms = 0;
        }
    }
    return true;
}

static void
take_timers(const struct waits *waits, struct identity *identities, size_t num)
{
    uint64_t count;
    (void)!read(waits->steps, &count, sizeof(count));
    if (read(waits->clock, &count, sizeof(count)) >= 0 || errno != ECANCELED)
        return;
    log_info("the wall clock was set; planning again");
    arm_clock(waits->clock);
    for (size_t i = 0; i < num; i++)
        if (is_open(&identities[i]))
            identities[i].next_ms = 0;
}

static size_t
collect(struct identity *identities, size_t num, const struct waits *waits,
        struct pollfd *polls)
{
    uint64_t soonest = UINT64_MAX;
    polls[0] = (struct pollfd){.fd = waits->signals, .events = POLLIN};
    polls[1] = (struct pollfd){.fd = waits->steps, .events = POLLIN};
    polls[2] = (struct pollfd){.fd = waits->clock, .events = POLLIN};
    for (size_t i = 0; i < num; i++) {
        struct identity *identity = &identities[i];
        short events = 0;
        int fd =
            is_open(identity) ? bv_openssl_fd(identity->openssl, &events) : -1;
        bool on_socket = fd >= 0 && bv_device_waits_io(&identity->device);
        /* deadlines inside an exchange need a look now and then */
        uint64_t at = on_socket ? identity_now_ms() + 500 : identity->next_ms;
        soonest = at < soonest ? at : soonest;
        polls[3 + i] =
            (struct pollfd){.fd = on_socket ? fd : -1, .events = events};
        polls[3 + num + i] =
            (struct pollfd){.fd = hook_fd(identity), .events = POLLIN};
        if (identity->hook.pid != 0 && identity->hook.end_ms < soonest)
            soonest = identity->hook.end_ms;
        if (on_socket)
            identity->next_ms = at;
        if (identity->again_ms != 0 && identity->again_ms < soonest)
            soonest = identity->again_ms;
    }
    arm_steps(waits->steps, soonest);
    return 3 + 2 * num;
}

static bool
turn(struct identity *identities, size_t num, const struct waits *waits)
{
    struct pollfd polls[3 + 2 * AGENT_IDENTITIES_MAX];
    size_t num_polls = collect(identities, num, waits, polls);
    if (poll(polls, (nfds_t)num_polls, -1) < 0)
        return errno == EINTR;
    if (polls[0].revents != 0 && !take_signals(waits, identities, num))
        return false;
    take_timers(waits, identities, num);
    uint64_t now = identity_now_ms();
    for (size_t i = 0; i < num; i++) {
        if (polls[3 + i].revents != 0 || now >= identities[i].next_ms)
            (void)identity_step(&identities[i]);
        if (!hook_step(&identities[i]) && identities[i].again_ms != 0 &&
            now >= identities[i].again_ms)
            repair(&identities[i]);
    }
    return true;
}

enum agent_exit
run_service(struct identity *identities, size_t num)
{
    struct waits waits;
    if (!open_waits(&waits)) {
        log_error("cannot start reason=\"%s\"", strerror(errno));
        return AGENT_LOCAL;
    }
    log_info("started identities=%zu version=%s", num, BREVET_VERSION);
    for (size_t i = 0; i < num; i++) {
        if (is_open(&identities[i]))
            begin(&identities[i]);
        else
            put_off(&identities[i]);
    }
    notify("READY=1");
    while (turn(identities, num, &waits))
        continue;
    notify("STOPPING=1");
    for (size_t i = 0; i < num; i++)
        hook_hurry(&identities[i]);
    for (size_t i = 0; i < num; i++)
        hook_finish(&identities[i]);
    log_info("stopped");
    (void)close(waits.signals);
    (void)close(waits.steps);
    (void)close(waits.clock);
    return AGENT_OK;
}
