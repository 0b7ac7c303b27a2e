/* What `brevetd --check` asks beyond a reload: do the keys open, and does each
 * belong to its certificate? Takes about 45 ms a key. */
#ifndef BREVETD_USABLE_H
#define BREVETD_USABLE_H

#include "proc/bundle.h"
#include "prog/brevetd/files.h"

/* With this brevetd-signer does it for the bundle it finds as SPAWN_FD, and
 * says on standard error what is wrong. */
#define USABLE_OPTION "--try-keys"

/* usable_keys looks at all keys of a signer's bundle: BAD_CONFIG with one
 * sentence about the first that cannot be used. */
enum bv_err usable_keys(const struct bundle *bundle,
                        char ret_problem[FILES_PROBLEM_MAX]) BV_CHECKED;

#endif
