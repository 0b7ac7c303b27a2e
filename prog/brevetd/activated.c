#include "prog/brevetd/activated.h"

#include <string.h>

/* No sign, no space, nothing behind; 0 for all that is none of ours. */
static int64_t
number_of(const char *text)
{
    int64_t n = 0;
    size_t len = text != NULL ? strlen(text) : 0;
    if (len == 0 || len > 18)
        return 0;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return 0;
        n = n * 10 + (*text - '0');
    }
    return n;
}

static bool
purpose_of(const char *name, size_t len, enum proc_listen *ret)
{
    static const struct {
        const char *name;
        enum proc_listen purpose;
    } known[] = {{"https", PROC_LISTEN_HTTPS},
                 {"http", PROC_LISTEN_HTTP},
                 {"control", PROC_LISTEN_CONTROL}};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strlen(known[i].name) != len ||
            memcmp(known[i].name, name, len) != 0)
            continue;
        *ret = known[i].purpose;
        return true;
    }
    return false;
}

void
activated_parse(const char *pid, const char *fds, const char *names,
                int64_t self, struct activated *ret)
{
    int64_t num = number_of(fds);
    const char *at = names != NULL ? names : "";
    memset(ret, 0, sizeof(*ret));
    if (number_of(pid) != self || num < 1 || num > ACTIVATED_MAX)
        return;
    ret->num = (unsigned)num;
    for (unsigned i = 0; i < ret->num; i++) {
        size_t len = strcspn(at, ":");
        ret->fds[i].is_ours = purpose_of(at, len, &ret->fds[i].purpose);
        at += len;
        at += *at == ':';
    }
}
