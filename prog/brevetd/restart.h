/* Settings that a reload leaves as they are: they need new sockets or new
 * processes, or are read once when a door starts. */
#ifndef BREVETD_RESTART_H
#define BREVETD_RESTART_H

#include "prog/config/config.h"

/* restart_warn logs one line for each such setting that differs, with what is
 * in force and what the file wants. */
void restart_warn(const struct config *running, const struct config *wanted);
/* restart_keep copies what is in force into the new configuration, so that
 * the next reload compares with the truth. */
void restart_keep(const struct config *running, struct config *ret);

#endif
