#include "prog/brevetd/examine.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "prog/brevetd/holder.h"
#include "store/sqlite.h"

#define DAY INT64_C(86400)
/* 2026-01-01: no clock that is right says less. */
#define CLOCK_FLOOR INT64_C(1767225600)
/* Octets free where the database and the CRLs are. */
#define DISK_LEAST  (UINT64_C(16) << 20)
#define DISK_LITTLE (UINT64_C(512) << 20)

struct host {
    struct examine *e;
    const struct config *config;
    enum examine_serving serving;
};

/* --- addresses --- */

static bool
address_of(const char *text, struct sockaddr_storage *ret, socklen_t *ret_len)
{
    char host[CONFIG_ADDRESS_MAX];
    const char *colon = strrchr(text, ':');
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (colon == NULL)
        return false;
    in_port_t port = htons((in_port_t)strtoul(colon + 1, NULL, 10));
    bool six = text[0] == '[';
    (void)snprintf(host, sizeof(host), "%.*s",
                   (int)(colon - text) - (six ? 2 : 0), text + (six ? 1 : 0));
    v4.sin_port = v6.sin6_port = port;
    memset(ret, 0, sizeof(*ret));
    if (six) {
        memcpy(ret, &v6, sizeof(v6));
        *ret_len = sizeof(v6);
        return inet_pton(AF_INET6, host,
                         &((struct sockaddr_in6 *)ret)->sin6_addr) == 1;
    }
    memcpy(ret, &v4, sizeof(v4));
    *ret_len = sizeof(v4);
    return inet_pton(AF_INET, host, &((struct sockaddr_in *)ret)->sin_addr) ==
           1;
}

/* What is not known is no error: who asks may see neither the lock nor other
 * users' programs. */
static void
say_in_use(struct host *h, const char *text,
           const struct sockaddr_storage *address)
{
    struct holder holder;
    if (h->serving == EXAMINE_SERVING) /* by us */
        return;
    holder_find(address, &holder);
    bool unknown = h->serving == EXAMINE_UNKNOWN &&
                   (!holder.found || strncmp(holder.name, "brevetd", 7) == 0);
    if (unknown)
        examine_warn(h->e,
                     "%s is in use: whether by this installation's server "
                     "only root or who runs it can tell",
                     text);
    else if (!holder.found)
        examine_error(h->e,
                      "%s is in use by a program that cannot be seen from "
                      "here",
                      text);
    else if (strcmp(holder.name, "systemd") == 0)
        examine_warn(h->e,
                     "%s is held by systemd: as it should be if a socket unit "
                     "passes it to brevetd",
                     text);
    else
        examine_error(h->e, "%s is taken by %s (pid %ld)", text, holder.name,
                      (long)holder.pid);
}

/* Asked by taking it for a moment, as a start does. */
static void
check_address(struct host *h, const char *text)
{
    struct sockaddr_storage address;
    socklen_t len;
    const int on = 1;
    if (!address_of(text, &address, &len))
        return;
    bv_auto_close int fd =
        socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        examine_error(h->e, "%s: %s", text, strerror(errno));
        return;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, len) == 0)
        return;
    if (errno == EADDRINUSE)
        say_in_use(h, text, &address);
    else if (errno == EADDRNOTAVAIL)
        examine_error(h->e, "%s is no address of this machine", text);
    else if (errno == EACCES)
        examine_error(h->e, "%s: a port below 1024 needs root", text);
    else
        examine_error(h->e, "%s: %s", text, strerror(errno));
}

static void
check_addresses(struct host *h)
{
    for (unsigned i = 0; i < h->config->num_https; i++)
        check_address(h, h->config->https[i]);
    for (unsigned i = 0; i < h->config->num_http; i++)
        check_address(h, h->config->http[i]);
}

/* --- what certificates point to --- */

static bool
is_host_of_ours(const struct config *config, struct span host)
{
    for (size_t i = 0; i < config->core.num_hosts; i++)
        if (span_eq_str(host, config->core.hosts[i]))
            return true;
    return false;
}

static bool
is_port_of_ours(const struct config *config, const char *port, size_t len)
{
    for (unsigned i = 0; i < config->num_http; i++) {
        const char *colon = strrchr(config->http[i], ':');
        if (colon != NULL && strlen(colon + 1) == len &&
            strncmp(colon + 1, port, len) == 0)
            return true;
    }
    return false;
}

static void
check_url(struct host *h, const char *ca, const char *setting, const char *url)
{
    if (url[0] == '\0')
        return;
    if (strncmp(url, "http://", 7) != 0) {
        examine_warn(h->e,
                     "ca \"%s\": %s is not http: who checks a certificate by "
                     "it would have to check another one first",
                     ca, setting);
        return;
    }
    const char *host = url + 7;
    size_t len = strcspn(host, "/");
    const char *end = host + len, *port = NULL;
    if (host[0] == '[') {
        const char *close = memchr(host, ']', len);
        port = close != NULL && close[1] == ':' ? close + 2 : NULL;
        host++;
        len = close != NULL ? (size_t)(close - host) : len;
    } else if (memchr(host, ':', len) != NULL) {
        port = (const char *)memchr(host, ':', len) + 1;
        len = (size_t)(port - 1 - host);
    }
    if (!is_host_of_ours(h->config, span_of(host, len)))
        examine_warn(h->e,
                     "ca \"%s\": %s names the host %.*s, which is not among "
                     "hosts: is it served there?",
                     ca, setting, (int)len, host);
    else if (!is_port_of_ours(h->config, port != NULL ? port : "80",
                              port != NULL ? (size_t)(end - port) : 2))
        examine_warn(h->e,
                     "ca \"%s\": %s points to port %.*s, where no http address "
                     "listens",
                     ca, setting, port != NULL ? (int)(end - port) : 2,
                     port != NULL ? port : "80");
}

static void
check_urls(struct host *h)
{
    for (size_t i = 0; i < h->config->core.num_cas; i++) {
        const struct core_ca *ca = &h->config->cas[i];
        check_url(h, ca->name, "crl-url", ca->crl_url);
        check_url(h, ca->name, "ocsp-url", ca->ocsp_url);
        check_url(h, ca->name, "issuer-url", ca->issuer_url);
    }
}

/* Half of it is left in an answer when a new one takes its place. */
#define OCSP_STAPLER_WAITS 300

static void
check_validity(struct host *h)
{
    long long validity = (long long)h->config->ocsp_validity;
    if (validity < 2 * OCSP_STAPLER_WAITS)
        examine_warn(h->e,
                     "ocsp: validity is %llds: servers that staple answers "
                     "may have none for a while, as nginx, which waits five "
                     "minutes between two; let it be 10m or longer",
                     validity);
}

/* Devices come to SCEP before they know whom to trust in TLS. */
static void
check_scep(struct host *h)
{
    const struct core_config *core = &h->config->core;
    if (core->scep && h->config->num_http == 0)
        examine_warn(h->e, "scep: there is no http address, and devices that "
                           "do not know our root yet come without TLS");
    for (size_t i = 0; core->scep && i < core->num_profiles; i++)
        if (core->profiles[i].scep_legacy)
            examine_warn(h->e,
                         "profile \"%s\": scep-legacy takes SHA-1, with which "
                         "signatures can be forged, and 3DES",
                         core->profiles[i].name);
}

/* --- disk and clock --- */

static void
check_disk(struct host *h, const char *folder)
{
    char path[CONFIG_PATH_MAX];
    struct statvfs st;
    if (config_path(h->config, folder, path) != BV_OK || statvfs(path, &st) < 0)
        return;
    uint64_t left = (uint64_t)st.f_bavail * st.f_frsize;
    unsigned long long mib = (unsigned long long)(left >> 20);
    if ((st.f_flag & ST_RDONLY) != 0)
        examine_error(h->e, "%s is on a file system that cannot be written",
                      path);
    else if (left < DISK_LEAST)
        examine_error(h->e, "%s has %llu MiB of room left", path, mib);
    else if (left < DISK_LITTLE)
        examine_warn(h->e, "%s has %llu MiB of room left", path, mib);
}

/* The database was written to by a clock that ran then. */
static void
check_clock(struct host *h)
{
    static const char *const written[] = {"db/brevet.db", "db/checkpoint"};
    char path[CONFIG_PATH_MAX];
    int64_t now = clock_wall();
    struct stat st;
    if (now < CLOCK_FLOOR)
        examine_error(h->e, "the clock is wrong: it stands before 2026");
    for (size_t i = 0; i < sizeof(written) / sizeof(written[0]); i++)
        if (config_path(h->config, written[i], path) == BV_OK &&
            stat(path, &st) == 0 && st.st_mtim.tv_sec > now + DAY)
            examine_error(h->e, "the clock is behind: %s is of a later day",
                          path);
}

/* --- the rest --- */

static void
check_callers(struct host *h, const char *setting, const config_user *users,
              unsigned num)
{
    for (unsigned i = 0; i < num; i++)
        if (users[i][0] != '\0' && getpwnam(users[i]) == NULL)
            examine_error(h->e, "%s: there is no user \"%s\"", setting,
                          users[i]);
}

/* Debian's lists are used where they are, which is nowhere of itself: their
 * package is no longer made. */
static void
check_weak_keys(struct host *h)
{
    char path[CONFIG_PATH_MAX];
    for (unsigned i = 0; i < h->config->num_weak_keys; i++) {
        if (config_path(h->config, h->config->weak_keys[i], path) == BV_OK &&
            strcmp(path, CONFIG_WEAK_DEFAULT) != 0 && access(path, R_OK) != 0)
            examine_error(h->e, "weak-keys: %s cannot be read", path);
    }
}

/* A large one was not, when it was opened. */
static void
check_whole(struct host *h, const struct store *store)
{
    char problem[400] = "";
    if (store->check(store->ctx, problem, sizeof(problem)) != BV_OK)
        examine_error(h->e, "the database cannot be used: %s", problem);
    store->close(store->ctx);
}

static void
check_database(struct host *h)
{
    char path[CONFIG_PATH_MAX], problem[400] = "";
    const struct store_sqlite_options options = {.read_only = true};
    struct store store;
    if (config_path(h->config, "db/brevet.db", path) != BV_OK)
        return;
    if (access(path, F_OK) != 0 && errno != ENOENT)
        examine_error(h->e, "%s: %s", path, strerror(errno));
    else if (access(path, F_OK) != 0)
        examine_error(h->e,
                      "%s is missing: has brevet init or brevet ca install "
                      "been done?",
                      path);
    else if (store_sqlite_open(path, &options, &store, problem,
                               sizeof(problem)) != BV_OK)
        examine_error(h->e, "the database cannot be used: %s", problem);
    else
        check_whole(h, &store);
}

void
examine_host(struct examine *e, const struct files *files,
             enum examine_serving serving)
{
    struct host h = {e, files->config, serving};
    const struct config *c = files->config;
    check_addresses(&h);
    check_urls(&h);
    check_validity(&h);
    check_scep(&h);
    check_disk(&h, "db");
    check_disk(&h, "crl");
    check_clock(&h);
    check_callers(&h, "admins", c->admins, c->num_admins);
    check_callers(&h, "operators", c->operators, c->num_operators);
    check_callers(&h, "readers", c->readers, c->num_readers);
    check_weak_keys(&h);
    check_database(&h);
}
