#include "prog/brevetd/callers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proc/identity.h"

static void
write_line(struct sink *out, uid_t uid, enum core_role role, const char *name)
{
    sink_dec(out, uid);
    sink_str(out, " ");
    sink_dec(out, (uint64_t)role);
    sink_str(out, " ");
    sink_str(out, name);
    sink_str(out, "\n");
}

static enum bv_err
write_users(const config_user *users, unsigned num, enum core_role role,
            struct sink *out, char *problem, size_t cap)
{
    for (unsigned i = 0; i < num; i++) {
        struct identity who;
        enum bv_err err = identity_find(users[i], &who);
        if (err != BV_OK) {
            (void)snprintf(problem, cap,
                           "there is no user \"%s\", who is to use brevet(1)",
                           users[i]);
            return BV_E_BAD_CONFIG;
        }
        write_line(out, who.uid, role, users[i]);
    }
    return BV_OK;
}

enum bv_err
callers_write(const struct config *config, struct sink *out, char *ret_problem,
              size_t cap)
{
    struct span ignored;
    /* The first line that fits counts: the highest role first. */
    write_line(out, geteuid(), CORE_ROLE_ADMIN,
               geteuid() == 0 ? "root" : "operator");
    BV_TRY(write_users(config->admins, config->num_admins, CORE_ROLE_ADMIN, out,
                       ret_problem, cap));
    BV_TRY(write_users(config->operators, config->num_operators,
                       CORE_ROLE_OPERATE, out, ret_problem, cap));
    BV_TRY(write_users(config->readers, config->num_readers, CORE_ROLE_READ,
                       out, ret_problem, cap));
    return sink_done(out, &ignored);
}

/* take_line: false at the end of the table. */
static bool
take_line(struct span *table, char *line, size_t cap)
{
    size_t len = 0;
    while (len < table->len && table->data[len] != '\n')
        len++;
    if (len == table->len || len >= cap)
        return false;
    memcpy(line, table->data, len);
    line[len] = '\0';
    table->data += len + 1;
    table->len -= len + 1;
    return true;
}

enum bv_err
callers_find(struct span table, uid_t uid, struct core_caller *ret_caller)
{
    char line[CONFIG_USER_MAX + 32];
    while (take_line(&table, line, sizeof(line))) {
        char *end;
        unsigned long id = strtoul(line, &end, 10);
        if (id != uid || *end != ' ')
            continue;
        struct core_caller caller = {.uid = uid};
        caller.role = (enum core_role)strtoul(end + 1, &end, 10);
        (void)snprintf(caller.name, sizeof(caller.name), "%.*s",
                       (int)sizeof(caller.name) - 1,
                       *end != '\0' ? end + 1 : "");
        *ret_caller = caller;
        return BV_OK;
    }
    return BV_E_NOT_FOUND;
}
