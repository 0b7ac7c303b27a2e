/* A role's pulse: one word in a page it shares with the parent, where it notes
 * that it begins or ends something that may take long. So the parent, whose
 * questions are not answered meanwhile, knows a long job from a hang, and
 * noting costs the role no system call.
 *
 * The word's low octet is the kind of work, the rest counts the changes: a
 * word that moves is a sign of life. What a role writes there is not trusted:
 * an unknown kind is none, and each kind has its limit (base/limits.h). */
#ifndef BV_PROC_PULSE_H
#define BV_PROC_PULSE_H

#include "base/auto.h"
#include "base/span.h"

enum pulse_work {
    PULSE_NONE,
    PULSE_START, /* opening what it was given: the database is checked whole */
    PULSE_DISK,  /* waiting for storage: a commit, a piece of a CRL */
    PULSE_KEY,   /* making or unsealing a key */
};

/* pulse_limit_ms: how long a role may be silent over this work. */
int64_t pulse_limit_ms(enum pulse_work work);
/* pulse_work_name: "disk" …; static storage. */
const char *pulse_work_name(enum pulse_work work);

/* --- the parent --- */

struct pulse;
void pulse_free(struct pulse *pulse);
BV_AUTO_DEFINE(pulse, struct pulse, pulse_free)

/* pulse_new makes a page that says PULSE_START. *ret_fd is for the role (it
 * cannot change the file's size); the caller closes it. */
enum bv_err pulse_new(struct pulse **ret_pulse, int *ret_fd) BV_CHECKED;
uint64_t pulse_word(const struct pulse *pulse);
enum pulse_work pulse_work_of(uint64_t word);

/* --- a role: one page for the process --- */

/* pulse_open takes fd over and maps it. */
enum bv_err pulse_open(int fd) BV_CHECKED;
/* pulse_set notes the work and gives back what was noted before, to be set
 * again at its end. Without a page (tools, tests) it does nothing. */
enum pulse_work pulse_set(enum pulse_work work);

#endif
