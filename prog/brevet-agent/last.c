#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "prog/brevet-agent/agent.h"

void
last_write(const struct identity *identity, const char *outcome,
           const char *why)
{
    char text[sizeof(struct last) + 32];
    int n = snprintf(text, sizeof(text), "%lld\n%s\n%s\n",
                     (long long)time(NULL), outcome, why);
    if (n > 0 && (size_t)n < sizeof(text))
        (void)file_replace(bv_posix_dirfd(identity->posix), "last", text,
                           (size_t)n);
}

static void
take_line(char **at, char *out, size_t cap)
{
    size_t len = strcspn(*at, "\n");
    (void)snprintf(out, cap, "%.*s", (int)len, *at);
    *at += len + ((*at)[len] == '\n' ? 1 : 0);
}

void
last_read(const struct identity *identity, struct last *ret_last)
{
    char text[sizeof(struct last) + 32], number[24], *at = text;
    size_t len = 0;
    memset(ret_last, 0, sizeof(*ret_last));
    if (file_read(bv_posix_dirfd(identity->posix), "last", text,
                  sizeof(text) - 1, &len) != BV_PORT_OK)
        return;
    text[len] = '\0';
    take_line(&at, number, sizeof(number));
    ret_last->at = strtoll(number, NULL, 10);
    take_line(&at, ret_last->outcome, sizeof(ret_last->outcome));
    take_line(&at, ret_last->why, sizeof(ret_last->why));
}
