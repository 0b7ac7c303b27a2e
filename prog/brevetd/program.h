/* The roles' programs. Each role has one of its own, so that none holds a
 * library it does without: the parent, which is root, has neither OpenSSL nor
 * SQLite nor libuv, the signer no database, the doors no SQL. */
#ifndef BREVETD_PROGRAM_H
#define BREVETD_PROGRAM_H

#include "proc/table.h"
#include "prog/brevetd/files.h"

/* program_open finds "brevetd-core" and its like beside this program, else in
 * the directory it was built for. The caller owns the descriptor, which is good
 * for spawn_role. BAD_CONFIG and a sentence when it is not there. */
enum bv_err program_open(enum proc_role role, int *ret_fd,
                         char ret_problem[FILES_PROBLEM_MAX]) BV_CHECKED;

/* program_check becomes brevetd-check: returns with the exit status only when
 * that is not there. */
int program_check(const char *config_path, const char *dir, bool as_json);

#endif
