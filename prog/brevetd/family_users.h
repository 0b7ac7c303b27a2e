/* As whom each role runs. */
#ifndef BREVETD_FAMILY_USERS_H
#define BREVETD_FAMILY_USERS_H

#include "prog/brevetd/child.h"

/* family_users fills in the users, in files (the family's) as well: started by
 * root, those of the table, or the one of the setting `user`. Says in one log
 * line which walls are missing. BAD_CONFIG with what to do when a user is
 * missing, or when core could not work on its files as its own: fewer walls
 * than were asked for is no start. */
enum bv_err family_users(struct family *family, struct files *files,
                         char *ret_problem) BV_CHECKED;

#endif
