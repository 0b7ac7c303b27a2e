/* The processes of the table as the parent sees them: started, joined by
 * channels, restarted with back-off when they die. */
#ifndef BREVETD_CHILD_H
#define BREVETD_CHILD_H

#include <sys/types.h>

#include "proc/pulse.h"
#include "proc/spawn.h"
#include "proc/table.h"
#include "prog/brevetd/files.h"
#include "prog/brevetd/listen.h"
#include "prog/brevetd/watch.h"

/* Exit status of a role that must not be started again: what it was given
 * cannot work, and it has logged why. */
#define CHILD_EXIT_HOPELESS 78
/* The same of the signer: a sealed key does not open. */
#define CHILD_EXIT_KEYS 79
/* The same of core, at any time: its database is damaged. One that served is
 * started once more, to check the whole of it. */
#define CHILD_EXIT_DAMAGED 80

enum child_state {
    CHILD_WAITING,  /* to be started at start_at */
    CHILD_STARTING, /* runs, has not said READY */
    CHILD_READY,
    CHILD_ENDING,   /* was killed; its end has not been seen */
    CHILD_DRAINING, /* was told to finish */
    CHILD_GONE,     /* for good */
};

struct child {
    const struct proc_row *row;
    unsigned index;
    enum child_state state;
    bool given; /* has been sent its files; later ones join it */
    bool ever_ready;
    bool damaged; /* ended by CHILD_EXIT_DAMAGED before */
    unsigned starts;
    pid_t pid;
    struct channel *channel; /* NULL unless it runs */
    struct pulse *pulse;     /* the same */
    struct watched watched;
    uint64_t seen; /* door: the last REBUNDLE whose files it took over */
    int64_t started_ms, start_at_ms;
    int64_t ready_ms;   /* since when it has been well; 0: is not yet */
    int64_t backoff_ms; /* the last one */
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
    struct watch watch;
    uint64_t rebundle; /* core waits to hear that this one is served; 0: none */
};

/* family_init lays out the table for a configuration; nothing runs yet. */
void family_init(struct family *family, const struct files *files,
                 const struct listen_set *listen);
/* family_programs opens what the children will run, for as long as the family
 * lives. */
enum bv_err family_programs(struct family *family,
                            char *ret_problem) BV_CHECKED;
/* family_start starts every child that waits and whose time has come, and
 * gives it what it needs. One that cannot be started, for a reason outside of
 * it, is put off or ended, as if it had died; the first such error is
 * returned when all have been tried. */
enum bv_err family_start(struct family *family, int64_t now,
                         char *ret_problem) BV_CHECKED;
/* family_offer gives core alone what these files say; it answers TAKEN with
 * this id. CLOSED while there is no core. */
enum bv_err family_offer(struct family *family, const struct files *files,
                         uint64_t id, char *ret_problem) BV_CHECKED;
/* family_send sends everything from disk again, to all but the role that has
 * it (PROC_PARENT: to all). */
enum bv_err family_send(struct family *family, enum proc_role has,
                        char *ret_problem) BV_CHECKED;
/* family_rebundle does so because core asked (MSG_REBUNDLE). Each door answers
 * a question that comes behind its files when it has taken them over;
 * family_tell_served sees whether all that run have, and tells core once. */
enum bv_err family_rebundle(struct family *family, uint64_t id,
                            char *ret_problem) BV_CHECKED;
void family_tell_served(struct family *family);

/* family_ask asks who is due whether it is there, and ends who has been silent
 * for too long (one log line). False while all roles are quiet. */
bool family_ask(struct family *family, int64_t now);

/* child_lost does what follows the end of a process: wait, then start again
 * (LIMIT_BACKOFF_*). */
void child_lost(struct child *child, int64_t now);
/* child_done frees what is held for a process that is gone. */
void child_done(struct child *child);
/* family_find: the child with this process id, or NULL. */
struct child *family_find(struct family *family, pid_t pid);
/* family_all_ready: every process has said READY; family_answers: all but the
 * signer have, so clients are answered what needs no key. */
bool family_all_ready(const struct family *family);
bool family_answers(const struct family *family);
/* family_drain tells every process of a role to finish. */
void family_drain(struct family *family, enum proc_role role);
/* family_has: a process of this role still runs. */
bool family_has(const struct family *family, enum proc_role role);
/* family_kill ends everything that runs. */
void family_kill(struct family *family);

#endif
