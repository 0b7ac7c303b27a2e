#include "prog/brevetd/restart.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/sink.h"

static void
warn_of(const char *setting, const char *now, const char *wanted)
{
    log_warn("a setting changed that needs a restart setting=%s now=\"%s\" "
             "wanted=\"%s\"",
             setting, now, wanted);
}

static void
join(const config_address *list, unsigned num,
     char ret[CONFIG_LISTEN_MAX * (CONFIG_ADDRESS_MAX + 1)])
{
    struct sink out =
        sink_of(ret, CONFIG_LISTEN_MAX * (CONFIG_ADDRESS_MAX + 1) - 1);
    for (unsigned i = 0; i < num; i++) {
        sink_str(&out, i > 0 ? " " : "");
        sink_str(&out, list[i]);
    }
    ret[out.len] = '\0';
}

static void
warn_of_addresses(const char *setting, const config_address *before,
                  unsigned num_before, const config_address *after,
                  unsigned num_after)
{
    char now[CONFIG_LISTEN_MAX * (CONFIG_ADDRESS_MAX + 1)],
        wanted[CONFIG_LISTEN_MAX * (CONFIG_ADDRESS_MAX + 1)];
    join(before, num_before, now);
    join(after, num_after, wanted);
    if (strcmp(now, wanted) != 0)
        warn_of(setting, now, wanted);
}

static void
warn_of_number(const char *setting, int64_t before, int64_t after)
{
    char now[24], wanted[24];
    (void)snprintf(now, sizeof(now), "%lld", (long long)before);
    (void)snprintf(wanted, sizeof(wanted), "%lld", (long long)after);
    if (before != after)
        warn_of(setting, now, wanted);
}

static void
warn_of_limits(const struct net_limits *is, const struct net_limits *wanted)
{
    const struct {
        const char *setting;
        int64_t is, wanted;
    } all[] = {
        {"limits.connections", (int64_t)is->connections,
         (int64_t)wanted->connections},
        {"limits.per-address", (int64_t)is->per_address,
         (int64_t)wanted->per_address},
        {"limits.handshake", is->handshake_ms, wanted->handshake_ms},
        {"limits.request", is->request_ms, wanted->request_ms},
        {"limits.reply", is->reply_ms, wanted->reply_ms},
        {"limits.idle", is->idle_ms, wanted->idle_ms},
        {"limits.body", (int64_t)is->body, (int64_t)wanted->body},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        warn_of_number(all[i].setting, all[i].is, all[i].wanted);
}

void
restart_warn(const struct config *before, const struct config *after)
{
    warn_of_number("doors", before->doors, after->doors);
    warn_of_addresses("https", before->https, before->num_https, after->https,
                      after->num_https);
    warn_of_addresses("http", before->http, before->num_http, after->http,
                      after->num_http);
    if (strcmp(before->control, after->control) != 0)
        warn_of("control", before->control, after->control);
    if (strcmp(before->user, after->user) != 0)
        warn_of("user", before->user, after->user);
    warn_of_limits(&before->net, &after->net);
}

void
restart_keep(const struct config *from, struct config *to)
{
    to->doors = from->doors;
    memcpy(to->https, from->https, sizeof(to->https));
    memcpy(to->http, from->http, sizeof(to->http));
    to->num_https = from->num_https;
    to->num_http = from->num_http;
    memcpy(to->control, from->control, sizeof(to->control));
    memcpy(to->user, from->user, sizeof(to->user));
    to->net = from->net;
}
