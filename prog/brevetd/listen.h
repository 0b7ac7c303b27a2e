/* The parent's sockets: opened here, or taken over from systemd. Roles get
 * duplicates, so a role's death never closes an address. */
#ifndef BREVETD_LISTEN_H
#define BREVETD_LISTEN_H

#include "proc/table.h"
#include "prog/config/config.h"

#define LISTEN_MAX (2 * CONFIG_LISTEN_MAX + 1)

struct listen_socket {
    enum proc_listen purpose; /* HTTPS, HTTP or CONTROL */
    char name[CONFIG_ADDRESS_MAX];
    int fd;
    bool is_given; /* by systemd, who holds it too */
};

struct listen_set {
    struct listen_socket sockets[LISTEN_MAX];
    unsigned num;
    char control_path[CONFIG_PATH_MAX]; /* "": the socket is not our own */
};

/* listen_open opens every address of the configuration and the control socket.
 * With socket activation (LISTEN_FDS, sd_listen_fds(3)) the descriptors named
 * "https", "http" and "control" take the place of those of their kind alone.
 * An address in use is waited for a moment (2 s): the doors of a daemon that
 * was just killed may hold it yet. On failure everything is closed and
 * ret_problem says which address and why. */
enum bv_err listen_open(const struct config *config, struct listen_set *ret,
                        char *ret_problem, size_t cap) BV_CHECKED;
/* listen_retire closes the addresses that were opened here: once the doors
 * have closed theirs, who connects is refused at once. What systemd gave stays:
 * who connects to that is served after a restart. */
void listen_retire(struct listen_set *set);
/* listen_close also removes the control socket's file if it was made here. */
void listen_close(struct listen_set *set);

#endif
