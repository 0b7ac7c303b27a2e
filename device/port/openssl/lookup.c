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
    lookup->request.ar_name = lookup->host;
    lookup->request.ar_service = lookup->service;
    lookup->request.ar_request = &lookup->hints;
}

enum bv_port
lookup_host(struct lookup *lookup, const char *host, uint16_t port,
            struct addrinfo **ret_found)
{
    if (!lookup->running) {
        struct gaicb *list = &lookup->request;
        prepare(lookup, host, port);
        *ret_found = numeric(lookup);
        if (*ret_found != NULL)
            return BV_PORT_OK;
        if (getaddrinfo_a(GAI_NOWAIT, &list, 1, NULL) != 0)
            return BV_PORT_FAILED;
        lookup->running = true;
    }
    int state = gai_error(&lookup->request);
    if (state == EAI_INPROGRESS)
        return BV_PORT_WANT;
    lookup->running = false;
    struct addrinfo *found = state == 0 ? lookup->request.ar_result : NULL;
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
    const struct gaicb *list = &lookup->request;
    if (!lookup->running)
        return;
    (void)gai_cancel(&lookup->request);
    while (gai_error(&lookup->request) == EAI_INPROGRESS)
        (void)gai_suspend(&list, 1, NULL);
    if (gai_error(&lookup->request) == 0)
        freeaddrinfo(lookup->request.ar_result);
    lookup->running = false;
}
