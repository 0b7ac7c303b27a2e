/* The parent's watch over roles that run but do not get on: each is asked
 * (MSG_PING) every LIMIT_PING_MS, and one that neither answers nor gives
 * another sign of life (its pulse, proc/pulse.h) for as long as its work may
 * take is to be ended.
 *
 * Time is the parent's own: a machine that slept, or stopped all of us, counts
 * for one interval whatever the clock says. And when all roles are quiet at
 * once it is the machine that hangs, not they: they get LIMIT_SILENT_ALL_MS,
 * and new patience when one of them is heard again, while the service manager's
 * watchdog is left without a word. */
#ifndef BREVETD_WATCH_H
#define BREVETD_WATCH_H

#include <stdbool.h>
#include <stdint.h>

/* One role's part. Zeroed: nothing was asked. */
struct watched {
    bool asked;       /* a question is open */
    uint64_t word;    /* its pulse when last looked at */
    int64_t alive_ms; /* last sign of life, in time awake */
    int64_t limit_ms; /* how long it may be silent, over its present work */
};

/* Time awake. Zeroed: not begun. */
struct watch {
    int64_t awake_ms;
    int64_t seen_ms; /* the clock then; 0: never */
    bool stalled;    /* all roles are quiet */
};

/* watch_advance: now is clock_mono_ms(). Call before the others below. */
void watch_advance(struct watch *watch, int64_t now);
/* watched_begin: the role was started. */
void watched_begin(struct watched *role, const struct watch *watch);
/* watched_answer: it answered. */
void watched_answer(struct watched *role, const struct watch *watch);
/* watched_look takes the pulse's word. */
void watched_look(struct watched *role, const struct watch *watch,
                  uint64_t word);
/* watched_is_due: it is time for the next question. */
bool watched_is_due(const struct watched *role, const struct watch *watch);
/* watched_silence: since when there was no sign of life (ms). */
int64_t watched_silence(const struct watched *role, const struct watch *watch);
/* watched_is_quiet: a question is open for half of the time that would make it
 * silent; one that gets on is never quiet. */
bool watched_is_quiet(const struct watched *role, const struct watch *watch);
/* watched_excuse begins its time anew, though it has not answered. */
void watched_excuse(struct watched *role, const struct watch *watch);
/* watched_is_silent: a question is open for longer than its work may take. */
bool watched_is_silent(const struct watched *role, const struct watch *watch);
/* watched_is_over: the same when all roles are quiet. */
bool watched_is_over(const struct watched *role, const struct watch *watch);

#endif
