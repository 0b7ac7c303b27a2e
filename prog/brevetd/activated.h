/* Socket activation, sd_listen_fds(3): what LISTEN_PID, LISTEN_FDS and
 * LISTEN_FDNAMES say. */
#ifndef BREVETD_ACTIVATED_H
#define BREVETD_ACTIVATED_H

#include "proc/table.h"

#define ACTIVATED_FIRST 3 /* the first descriptor */
#define ACTIVATED_MAX   64

struct activated {
    unsigned num; /* descriptors from ACTIVATED_FIRST on */
    struct {
        bool is_ours; /* named "https", "http" or "control" */
        enum proc_listen purpose;
    } fds[ACTIVATED_MAX];
};

/* activated_parse takes the three texts as they stand in the environment, each
 * NULL when it is not there. num is 0 unless they are for the process self and
 * both numbers are plain decimals, the second 1 to ACTIVATED_MAX. Names are
 * told apart by colons; one that is missing is not ours. */
void activated_parse(const char *pid, const char *fds, const char *names,
                     int64_t self, struct activated *ret);

#endif
