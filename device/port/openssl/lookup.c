/* A thread of our own, since glibc's getaddrinfo_a ends its threads by
 * pthread_exit, which aborts the process where there is no libgcc_s. */
#include <signal.h>
#include <string.h>

#include "device/port/openssl/port.h"

static bool
is_same(const struct lookup *lookup, const char *host, uint16_t port)
{
    char service[8];
    (void)snprintf(service, sizeof(service), "%u", port);
    return strcmp(lookup->host, host) == 0 &&
           strcmp(lookup->service, service) == 0;
}

/* An address needs no resolver, and no thread for it. */
static struct addrinfo *
numeric(const struct lookup *lookup)
{
    struct addrinfo hints = lookup->hints, *found = NULL;
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    if (getaddrinfo(lookup->host, lookup->service, &hints, &found) != 0)
        return NULL;
    return found;
}

static void
prepare(struct lookup *lookup, const char *host, uint16_t port)
{
    memset(lookup, 0, sizeof(*lookup));
    (void)snprintf(lookup->host, sizeof(lookup->host), "%s", host);
    (void)snprintf(lookup->service, sizeof(lookup->service), "%u", port);
    lookup->hints.ai_socktype = SOCK_STREAM;
    lookup->hints.ai_family = AF_UNSPEC;
    lookup->hints.ai_flags = AI_NUMERICSERV;
}

static void *
work(void *arg)
{
    struct lookup *lookup = arg;
    lookup->status = getaddrinfo(lookup->host, lookup->service, &lookup->hints,
                                 &lookup->result);
    atomic_store(&lookup->done, true);
    return NULL;
}

/* Signals are for the other threads. */
static bool
start(struct lookup *lookup)
{
    sigset_t all, before;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
        return false;
    int failed = pthread_create(&lookup->thread, NULL, work, lookup);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed == 0;
}

/* What was found, or NULL. Waits for the thread. */
static struct addrinfo *
finish(struct lookup *lookup)
{
    (void)pthread_join(lookup->thread, NULL);
    lookup->running = false;
    return lookup->status == 0 ? lookup->result : NULL;
}

enum bv_port
lookup_host(struct lookup *lookup, const char *host, uint16_t port,
            struct addrinfo **ret_found)
{
    if (!lookup->running) {
        prepare(lookup, host, port);
        *ret_found = numeric(lookup);
        if (*ret_found != NULL)
            return BV_PORT_OK;
        lookup->running = start(lookup);
        if (!lookup->running)
            return BV_PORT_FAILED;
    }
    if (!atomic_load(&lookup->done))
        return BV_PORT_WANT;
    struct addrinfo *found = finish(lookup);
    if (is_same(lookup, host, port) && found != NULL) {
        *ret_found = found;
        return BV_PORT_OK;
    }
    if (found != NULL)
        freeaddrinfo(found);
    return BV_PORT_FAILED;
}

void
lookup_done(struct lookup *lookup)
{
    struct addrinfo *found = lookup->running ? finish(lookup) : NULL;
    if (found != NULL)
        freeaddrinfo(found);
}
