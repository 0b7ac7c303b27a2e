#include "prog/brevetd/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "prog/brevetd/activated.h"

#define BACKLOG         4096
#define CONTROL_BACKLOG 64
/* How long an address may still be held by the doors of a parent that was
 * killed a moment ago; they are on their way out. */
#define BUSY_MS  2000
#define AGAIN_MS 5

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* parse: the text has passed config_parse, so it has this form. */
static socklen_t
parse(const char *text, union address *ret)
{
    char host[CONFIG_ADDRESS_MAX];
    const char *colon = strrchr(text, ':');
    in_port_t port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    size_t len = (size_t)(colon - text);
    memset(ret, 0, sizeof(*ret));
    if (text[0] != '[') {
        (void)snprintf(host, sizeof(host), "%.*s", (int)len, text);
        ret->v4.sin_family = AF_INET;
        ret->v4.sin_port = port;
        (void)inet_pton(AF_INET, host, &ret->v4.sin_addr);
        return sizeof(ret->v4);
    }
    (void)snprintf(host, sizeof(host), "%.*s", (int)len - 2, text + 1);
    ret->v6.sin6_family = AF_INET6;
    ret->v6.sin6_port = port;
    (void)inet_pton(AF_INET6, host, &ret->v6.sin6_addr);
    return sizeof(ret->v6);
}

static enum bv_err
open_tcp(const char *text, int *ret_fd)
{
    union address address;
    socklen_t len = parse(text, &address);
    bv_auto_close int fd = socket(
        address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1;
    if (fd < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
        return BV_E_IO;
    if (address.any.sa_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
        return BV_E_IO;
    if (bind(fd, &address.any, len) < 0 || listen(fd, BACKLOG) < 0)
        return BV_E_IO;
    *ret_fd = fd;
    fd = -1;
    return BV_OK;
}

static enum bv_err
open_patiently(const char *text, int *ret_fd)
{
    const struct timespec pause = {0, AGAIN_MS * 1000000L};
    int64_t until = clock_mono_ms() + BUSY_MS;
    enum bv_err err = open_tcp(text, ret_fd);
    while (err != BV_OK && errno == EADDRINUSE && clock_mono_ms() < until) {
        (void)nanosleep(&pause, NULL);
        err = open_tcp(text, ret_fd);
    }
    return err;
}

/* The socket's own mode lets everybody knock: core looks at who it is. It is
 * born with it: its directory is core's, who could put a link in its place. */
static bool
bind_for_all(int fd, const struct sockaddr_un *address)
{
    mode_t before = umask(0111);
    int rc = bind(fd, (const struct sockaddr *)address, sizeof(*address));
    (void)umask(before);
    return rc == 0;
}

static enum bv_err
open_control(const char *path, int *ret_fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return BV_E_TOO_LARGE;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    bv_auto_close int fd =
        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return BV_E_IO;
    (void)unlink(path);
    if (!bind_for_all(fd, &address) || listen(fd, CONTROL_BACKLOG) < 0)
        return BV_E_IO;
    *ret_fd = fd;
    fd = -1;
    return BV_OK;
}

static struct listen_socket *
add(struct listen_set *set, enum proc_listen purpose, const char *name, int fd)
{
    struct listen_socket *s = &set->sockets[set->num++];
    s->purpose = purpose;
    s->fd = fd;
    (void)snprintf(s->name, sizeof(s->name), "%s", name);
    return s;
}

static enum bv_err
open_list(struct listen_set *set, enum proc_listen purpose,
          const config_address *list, unsigned num, char *problem, size_t cap)
{
    for (unsigned i = 0; i < num; i++) {
        int fd;
        enum bv_err err = open_patiently(list[i], &fd);
        if (err != BV_OK) {
            (void)snprintf(problem, cap, "%s cannot be listened on: %s",
                           list[i], strerror(errno));
            return err;
        }
        add(set, purpose, list[i], fd);
    }
    return BV_OK;
}

static bool
has(const struct listen_set *set, enum proc_listen purpose)
{
    for (unsigned i = 0; i < set->num; i++)
        if (set->sockets[i].purpose == purpose)
            return true;
    return false;
}

/* --- socket activation --- */

/* What is not ours is closed, as is what is too much. */
static void
take_one(struct listen_set *set, int fd, bool is_ours, enum proc_listen purpose)
{
    int flags = fcntl(fd, F_GETFL);
    const int on = 1;
    if (flags < 0 || set->num == LISTEN_MAX || !is_ours) {
        (void)close(fd);
        return;
    }
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    if (purpose != PROC_LISTEN_CONTROL)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    add(set, purpose, "systemd", fd)->is_given = true;
}

static void
take_activated(struct listen_set *set)
{
    struct activated given;
    activated_parse(getenv("LISTEN_PID"), getenv("LISTEN_FDS"),
                    getenv("LISTEN_FDNAMES"), getpid(), &given);
    if (given.num == 0)
        return;
    for (unsigned i = 0; i < given.num; i++)
        take_one(set, ACTIVATED_FIRST + (int)i, given.fds[i].is_ours,
                 given.fds[i].purpose);
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
}

static enum bv_err
open_missing(const struct config *config, struct listen_set *set, char *problem,
             size_t cap)
{
    if (!has(set, PROC_LISTEN_HTTPS))
        BV_TRY(open_list(set, PROC_LISTEN_HTTPS, config->https,
                         config->num_https, problem, cap));
    if (!has(set, PROC_LISTEN_HTTP))
        BV_TRY(open_list(set, PROC_LISTEN_HTTP, config->http, config->num_http,
                         problem, cap));
    if (has(set, PROC_LISTEN_CONTROL))
        return BV_OK;
    char path[CONFIG_PATH_MAX];
    int fd;
    BV_TRY(config_path(config, config->control, path));
    enum bv_err err = open_control(path, &fd);
    if (err != BV_OK) {
        (void)snprintf(problem, cap, "the control socket %s: %s", path,
                       strerror(errno));
        return err;
    }
    add(set, PROC_LISTEN_CONTROL, "control", fd);
    memcpy(set->control_path, path, sizeof(path));
    return BV_OK;
}

enum bv_err
listen_open(const struct config *config, struct listen_set *ret,
            char *ret_problem, size_t cap)
{
    struct listen_set set = {0};
    take_activated(&set);
    enum bv_err err = open_missing(config, &set, ret_problem, cap);
    if (err != BV_OK) {
        listen_close(&set);
        return err;
    }
    *ret = set;
    return BV_OK;
}

/* The control socket is core's, which drains after the doors. */
void
listen_retire(struct listen_set *set)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < set->num; i++) {
        const struct listen_socket *s = &set->sockets[i];
        if (s->is_given || s->purpose == PROC_LISTEN_CONTROL)
            set->sockets[kept++] = *s;
        else
            (void)close(s->fd);
    }
    set->num = kept;
}

void
listen_close(struct listen_set *set)
{
    for (unsigned i = 0; i < set->num; i++)
        (void)close(set->sockets[i].fd);
    set->num = 0;
    if (set->control_path[0] != '\0')
        (void)unlink(set->control_path);
    set->control_path[0] = '\0';
}
