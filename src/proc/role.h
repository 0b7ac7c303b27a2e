/* How every role begins: on its channel to the parent it collects what it was
 * given until MSG_START, and later takes updates the same way. */
#ifndef BV_PROC_ROLE_H
#define BV_PROC_ROLE_H

#include "proc/bundle.h"
#include "proc/channel.h"
#include "proc/table.h"

/* A descriptor that came in MSG_LISTEN. */
struct role_file {
    enum proc_listen purpose;
    char name[LIMIT_SHORT_NAME];
    int fd;
};

struct role_peer {
    enum proc_role role;
    unsigned index;
    int fd;
};

#define ROLE_FILES_MAX 48

/* What has arrived and was not taken over yet. Whoever takes a descriptor sets
 * it to -1; whoever takes the bundle zeroes it. */
struct role_gifts {
    struct bundle bundle;
    bool has_bundle;
    uint64_t bundle_id; /* 0, or core says with it what became of it */
    struct role_file files[ROLE_FILES_MAX];
    unsigned num_files;
    struct role_peer peers[PROC_ROWS_MAX];
    unsigned num_peers;
    uint64_t served; /* core: the id of the last MSG_SERVED */
};

enum role_event {
    ROLE_MORE,
    ROLE_BUNDLE,
    ROLE_PEER,
    ROLE_START,
    ROLE_DRAIN,
    ROLE_SERVED
};

/* role_take takes one message of the parent into gifts, and answers a PING
 * itself. *ret_event ROLE_MORE and *ret_got false when none is there.
 * Descriptors come before the BUNDLE that goes with them, so ROLE_BUNDLE means:
 * everything is here, switch. */
enum bv_err role_take(struct channel *parent, struct role_gifts *gifts,
                      bool *ret_got, enum role_event *ret_event) BV_CHECKED;

/* role_begin opens the channel on SPAWN_FD and waits until MSG_START. The
 * pulse, if it came, is open then (pulse_set). */
enum bv_err role_begin(enum proc_role role, struct channel **ret_parent,
                       struct role_gifts *ret_gifts) BV_CHECKED;

/* role_file_take finds a descriptor by purpose and hands it over; -1: none. */
int role_file_take(struct role_gifts *gifts, enum proc_listen purpose,
                   char name[LIMIT_SHORT_NAME]);
/* role_gifts_drop closes everything not taken over. */
void role_gifts_drop(struct role_gifts *gifts);

#endif
