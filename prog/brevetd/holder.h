/* Who listens on an address, as far as this process may see (proc(5)). */
#ifndef BREVETD_HOLDER_H
#define BREVETD_HOLDER_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

struct holder {
    bool found;
    pid_t pid;     /* one of them; 0: not found */
    char name[32]; /* of its program, at most 15 characters */
};

/* holder_find looks for the process that has a listening TCP socket in the way
 * of this address. Not found: it cannot be seen from here, as those of other
 * users unless root asks. */
void holder_find(const struct sockaddr_storage *address, struct holder *ret);

#endif
