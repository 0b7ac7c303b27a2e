/* The roles' mains, and what they have in common. */
#ifndef BREVETD_ROLE_H
#define BREVETD_ROLE_H

#include "pki/weak.h"
#include "proc/role.h"
#include "proc/spawn.h"
#include "prog/config/config.h"

/* What a role holds of the configuration: the settings and the decoded
 * certificates they point to. Replaced as a whole by a reload. */
struct material {
    struct config *config;
    struct bundle bundle;   /* stays mapped: settings point into it */
    uint8_t *memory;        /* of the decoded certificates */
    struct weak_list *weak; /* core only; NULL: none */
};

/* material_take makes it from a bundle, which it takes over in every case.
 * BAD_CONFIG (logged) when something does not decode. */
enum bv_err material_take(struct bundle *bundle,
                          struct material *ret) BV_CHECKED;
void material_free(struct material *material);

struct role {
    enum proc_role is;
    unsigned index;
    struct channel *parent;
    struct role_gifts gifts;
    struct material material;
};

/* role_main is the main of a role's program: "--role door/1" is its command
 * line. It calls run when the role is confined and START has come, and returns
 * the exit status. */
int role_main(int argc, char **argv, enum proc_role is,
              int run(struct role *role));

/* The three; each is linked into its own program only. */
int role_core_run(struct role *role);
int role_signer_run(struct role *role);
int role_door_run(struct role *role);

/* role_settle_memory makes malloc give back what a burst took; role_main has
 * called it. */
void role_settle_memory(void);
/* role_ready tells the parent. */
enum bv_err role_ready(struct role *role) BV_CHECKED;
/* role_blame logs that a door broke the protocol and has the parent end it.
 * For core and the signer. */
enum bv_err role_blame(struct role *role, unsigned door,
                       enum bv_err why) BV_CHECKED;

#endif
