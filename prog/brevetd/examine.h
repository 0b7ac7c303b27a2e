/* `brevetd --check`: everything that would stop a start or hamper it, all of
 * it at once. Errors stop a start, or will soon break what is served; warnings
 * are what an operator should know. Reads everything, changes nothing (but for
 * ending a change of the passphrase that was decided). */
#ifndef BREVETD_EXAMINE_H
#define BREVETD_EXAMINE_H

#include "prog/brevetd/files.h"

struct examine; /* the findings so far */

/* examine_run checks and prints, for people or as JSON {"good", "errors",
 * "warnings"}. Exit status: 0 without errors, else 1. */
int examine_run(const char *config_path, const char *dir, bool as_json);

/* --- for the examiners --- */

void examine_error(struct examine *e, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void examine_warn(struct examine *e, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Chains, keys, dates, responders, the server's certificate. */
void examine_cas(struct examine *e, const struct files *files);
/* Addresses, URLs, disk, clock, administrators, lists of weak keys, database.
 * serving: a daemon runs, its addresses are its own. */
enum examine_serving {
    EXAMINE_IDLE,
    EXAMINE_SERVING,
    EXAMINE_UNKNOWN, /* its lock may not be looked at */
};
void examine_host(struct examine *e, const struct files *files,
                  enum examine_serving serving);

#endif
