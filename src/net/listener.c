#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn.h"

/* Connections taken in one turn, so that those that are open get theirs. */
#define ACCEPTS_A_TURN 16
/* Wait when the kernel has no descriptor or memory for a connection (ms). */
#define PAUSE_MS 100

struct listener {
    struct listener *next;
    struct net *net;
    struct loop_watch *watch;
    struct loop_timer *timer;
    int fd;
    bool secure;
    bool full; /* paused until there is room */
};

static bool
has_room(const struct net *net)
{
    return net->counts.connections < net->limits.connections;
}

static void
take(struct listener *listener, int fd, const struct sockaddr_storage *from)
{
    struct net *net = listener->net;
    char peer[ADDRESS_TEXT_MAX] = "";
    struct address address = address_of(from, peer);
    if (address_table_add(net->addresses, address, net->limits.per_address) !=
        BV_OK) {
        net->counts.over_address++;
        (void)close(fd);
        return;
    }
    net->counts.accepted++;
    if (conn_open(net, fd, listener->secure, address, peer) != BV_OK) {
        address_table_drop(net->addresses, address);
        (void)close(fd);
    }
}

/* False: nothing more to take now. */
static bool
accept_one(struct listener *listener)
{
    struct sockaddr_storage from = {0};
    socklen_t len = sizeof(from);
    int fd = accept4(listener->fd, (struct sockaddr *)&from, &len,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        take(listener, fd, &from);
        return true;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
        errno == ENOMEM) {
        /* It stays ready, so waiting for it would spin. */
        loop_watch_set(listener->watch, 0);
        loop_timer_start(listener->timer, PAUSE_MS);
        return false;
    }
    return errno == ECONNABORTED || errno == EINTR || errno == EPROTO;
}

static void
on_ready(void *ctx, unsigned events)
{
    struct listener *listener = ctx;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        if (!has_room(listener->net)) {
            listener->full = true;
            loop_watch_set(listener->watch, 0);
            return;
        }
        if (!accept_one(listener))
            return;
    }
}

static void
on_pause_over(void *ctx)
{
    struct listener *listener = ctx;
    loop_watch_set(listener->watch, LOOP_READ);
}

static void
free_listener(struct listener *listener)
{
    loop_watch_free(listener->watch);
    loop_timer_free(listener->timer);
    (void)close(listener->fd);
    free(listener);
}

enum bv_err
listener_add(struct net *net, int fd, bool secure)
{
    struct listener *listener = calloc(1, sizeof(*listener));
    int on = 1;
    if (listener == NULL)
        return BV_E_NO_MEMORY;
    listener->net = net;
    listener->fd = fd;
    listener->secure = secure;
    /* Several processes wait on it: whoever comes late must not block. */
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    /* Linux hands this on to what is accepted; no effect on a Unix socket. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    enum bv_err err =
        loop_timer_new(net->loop, on_pause_over, listener, &listener->timer);
    if (err == BV_OK)
        err = loop_watch_new(net->loop, fd, LOOP_READ, on_ready, listener,
                             &listener->watch);
    if (err != BV_OK) {
        loop_timer_free(listener->timer);
        free(listener);
        return err;
    }
    listener->next = net->listeners;
    net->listeners = listener;
    return BV_OK;
}

void
listener_close_all(struct net *net)
{
    while (net->listeners != NULL) {
        struct listener *listener = net->listeners;
        net->listeners = listener->next;
        free_listener(listener);
    }
}

void
listener_room(struct net *net)
{
    if (!has_room(net))
        return;
    for (struct listener *l = net->listeners; l != NULL; l = l->next) {
        if (!l->full)
            continue;
        l->full = false;
        loop_watch_set(l->watch, LOOP_READ);
    }
}
