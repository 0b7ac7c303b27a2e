/* The processes of the table as the parent sees them: started, joined by
 * channels, restarted with back-off when they die. */
#ifndef BREVETD_CHILD_H
#define BREVETD_CHILD_H

#include <sys/types.h>

#include "proc/spawn.h"
#include "proc/table.h"
#include "prog/brevetd/files.h"
#include "prog/brevetd/listen.h"

/* Exit status of a role that must not be started again: what it was given
 * cannot work, and it has logged why. */
#define CHILD_EXIT_HOPELESS 78

enum child_state {
    CHILD_WAITING,  /* to be started at start_at */
    CHILD_STARTING, /* runs, has not said READY */
    CHILD_READY,
    CHILD_DRAINING, /* was told to finish */
    CHILD_GONE,     /* for good */
};

struct child {
    const struct proc_row *row;
    unsigned index;
    enum child_state state;
    bool given; /* has been sent its files; later ones join it */
    bool ever_ready;
    unsigned starts;
    pid_t pid;
    struct channel *channel; /* NULL unless it runs */
    int64_t started_ms, start_at_ms;
    int64_t backoff_ms;
    int64_t kill_at_ms; /* 0: it is not on its way out */
    int program;        /* descriptor of its executable */
    bool switch_user;
    struct identity user;
};

struct family {
    struct child children[PROC_ROWS_MAX];
    unsigned num;
    const struct files *files;
    const struct listen_set *listen;
};

/* family_init lays out the table for a configuration; nothing runs yet. */
void family_init(struct family *family, const struct files *files,
                 const struct listen_set *listen);
/* family_programs opens what the children will run, for as long as the family
 * lives. */
enum bv_err family_programs(struct family *family,
                            char *ret_problem) BV_CHECKED;
/* family_start starts every child that waits and whose time has come, and
 * gives it what it needs. */
enum bv_err family_start(struct family *family, int64_t now,
                         char *ret_problem) BV_CHECKED;
/* family_send sends everything from disk again: all (NULL), or one role. */
enum bv_err family_send(struct family *family, char *ret_problem) BV_CHECKED;

/* child_lost does what follows the end of a process: wait, then start again.
 */
void child_lost(struct child *child, int64_t now);
/* family_find: the child with this process id, or NULL. */
struct child *family_find(struct family *family, pid_t pid);
/* family_all_ready: every process has said READY. */
bool family_all_ready(const struct family *family);
/* family_drain tells every process of a role to finish. */
void family_drain(struct family *family, enum proc_role role);
/* family_has: a process of this role still runs. */
bool family_has(const struct family *family, enum proc_role role);
/* family_kill ends everything that runs. */
void family_kill(struct family *family);

#endif
