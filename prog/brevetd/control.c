#include "prog/brevetd/control.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "proc/channel.h"
#include "prog/brevetd/callers.h"

struct connection {
    struct channel *channel; /* NULL: free */
    unsigned tag;            /* never used twice */
    unsigned asked;          /* and not answered */
    uid_t uid;
};

/* Anybody may be refused as often as he likes; the log has a few lines of it.
 */
struct refusals {
    int64_t since_ms;
    unsigned lines; /* since then */
    unsigned times; /* since the last line */
};

struct control {
    int fd;
    struct span callers;
    unsigned last_tag;
    struct refusals connections_refused, requests_refused;
    struct connection connections[CONTROL_MAX];
};

enum bv_err
control_new(int fd, struct control **ret_control)
{
    struct control *control = calloc(1, sizeof(*control));
    if (control == NULL) {
        (void)close(fd);
        return BV_E_NO_MEMORY;
    }
    control->fd = fd;
    *ret_control = control;
    return BV_OK;
}

static void
drop(struct connection *c)
{
    channel_free(c->channel);
    c->channel = NULL;
}

void
control_free(struct control *control)
{
    if (control == NULL)
        return;
    for (unsigned i = 0; i < CONTROL_MAX; i++)
        drop(&control->connections[i]);
    (void)close(control->fd);
    free(control);
}

void
control_set_callers(struct control *control, struct span table)
{
    control->callers = table;
}

/* The listening socket comes first, then each connection in its place; a free
 * place is a descriptor poll(2) ignores. */
unsigned
control_pollfds(const struct control *control, struct pollfd *fds)
{
    fds[0] = (struct pollfd){control->fd, POLLIN, 0};
    for (unsigned i = 0; i < CONTROL_MAX; i++) {
        const struct channel *channel = control->connections[i].channel;
        fds[1 + i] = (struct pollfd){-1, 0, 0};
        if (channel == NULL)
            continue;
        /* who does not take an answer is not asked for more questions */
        fds[1 + i].fd = channel_fd(channel);
        fds[1 + i].events = channel_has_output(channel) ? POLLOUT : POLLIN;
    }
    return 1 + CONTROL_MAX;
}

static struct connection *
free_place(struct control *control)
{
    for (unsigned i = 0; i < CONTROL_MAX; i++)
        if (control->connections[i].channel == NULL)
            return &control->connections[i];
    return NULL;
}

/* Everybody may knock, and is told when it is not for them; but only so many at
 * once, or they would keep those out whom it is for. */
#define STRANGERS_MAX 4

static bool
is_stranger(const struct control *control, uid_t uid)
{
    struct core_caller ignored;
    return callers_find(control->callers, uid, &ignored) != BV_OK;
}

static bool
may_stay(const struct control *control, uid_t uid)
{
    unsigned strangers = 0;
    if (!is_stranger(control, uid))
        return true;
    for (unsigned i = 0; i < CONTROL_MAX; i++) {
        const struct connection *c = &control->connections[i];
        strangers += c->channel != NULL && is_stranger(control, c->uid);
    }
    return strangers < STRANGERS_MAX;
}

/* How many refusals a line now stands for; 0: there were enough lines in this
 * second. */
static unsigned
worth_a_line(struct refusals *refusals, unsigned lines_max)
{
    int64_t now = clock_mono_ms();
    refusals->times++;
    if (refusals->lines == 0 || now - refusals->since_ms >= 1000) {
        refusals->since_ms = now;
        refusals->lines = 0;
    }
    if (refusals->lines == lines_max)
        return 0;
    unsigned times = refusals->times;
    refusals->lines++;
    refusals->times = 0;
    return times;
}

static void
tell_refusal(struct control *control, const struct ucred *who,
             const char *reason)
{
    unsigned times = worth_a_line(&control->connections_refused, 1);
    if (times > 0)
        log_warn("control connection refused uid=%u reason=\"%s\" times=%u",
                 (unsigned)who->uid, reason, times);
}

static void
admit(struct control *control, int fd)
{
    bv_auto_close int owned = fd;
    struct connection *c = free_place(control);
    struct ucred who = {0};
    socklen_t len = sizeof(who);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
        return;
    if (c == NULL || !may_stay(control, who.uid)) {
        tell_refusal(control, &who,
                     c == NULL ? "there are too many"
                               : "too many of users who may not use it");
        return;
    }
    if (channel_new(fd, PROC_CORE, PROC_CONTROL, &c->channel) != BV_OK)
        return;
    owned = -1;
    c->uid = who.uid;
    c->asked = 0;
    c->tag = ++control->last_tag;
}

static void
refuse(struct control *control, struct connection *c, uint64_t id)
{
    unsigned times = worth_a_line(&control->requests_refused, 5);
    if (times > 0)
        log_warn("control request refused uid=%u times=%u", (unsigned)c->uid,
                 times);
    enum bv_err err = channel_send(
        c->channel, MSG_ADMIN_REPLY, id,
        SPAN_LIT("{\"ok\":false,\"error\":\"REFUSED\",\"detail\":\"this user "
                 "may not use brevet(1); see admins, operators and readers in "
                 "brevet.conf\"}"));
    if (err == BV_OK)
        err = channel_flush(c->channel);
    if (err != BV_OK)
        log_debug("a refusal was not told err=%s", err_name(err));
    drop(c); /* once, however much was asked */
}

static void
ask(struct control *control, struct connection *c, const struct msg *msg,
    struct core *core)
{
    struct core_caller caller;
    if (callers_find(control->callers, c->uid, &caller) != BV_OK) {
        refuse(control, c, msg->id);
        return;
    }
    if (c->asked == LIMIT_CONTROL_ASKED) {
        log_warn("control connection ended uid=%u reason=\"too many questions "
                 "at once\"",
                 (unsigned)c->uid);
        drop(c);
        return;
    }
    c->asked++;
    core_admin(core, &caller, c->tag, msg->id, msg->body);
}

static void
serve(struct control *control, struct connection *c, struct core *core)
{
    enum bv_err end = channel_fill(c->channel);
    bool got = true;
    while (got && c->channel != NULL) {
        struct msg msg;
        if (channel_next(c->channel, &got, &msg) != BV_OK) {
            drop(c);
            return;
        }
        if (got)
            ask(control, c, &msg, core);
    }
    if (end != BV_OK && c->channel != NULL)
        drop(c);
}

void
control_step(struct control *control, const struct pollfd *fds, unsigned num,
             struct core *core)
{
    for (unsigned i = 1; i < num; i++) {
        struct connection *c = &control->connections[i - 1];
        if (c->channel != NULL && (fds[i].revents & ~POLLOUT) != 0)
            serve(control, c, core);
    }
    if ((fds[0].revents & POLLIN) == 0)
        return;
    int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0)
        admit(control, fd);
}

void
control_reply(struct control *control, unsigned tag, uint64_t id,
              struct span json)
{
    for (unsigned i = 0; i < CONTROL_MAX; i++) {
        struct connection *c = &control->connections[i];
        if (c->channel == NULL || c->tag != tag)
            continue;
        c->asked--;
        if (channel_send(c->channel, MSG_ADMIN_REPLY, id, json) != BV_OK)
            drop(c);
        return;
    }
}

void
control_flush(struct control *control)
{
    for (unsigned i = 0; i < CONTROL_MAX; i++) {
        struct connection *c = &control->connections[i];
        if (c->channel != NULL && channel_flush(c->channel) != BV_OK)
            drop(c);
    }
}
