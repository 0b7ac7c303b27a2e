/* The last step of `brevet passphrase change`: many files get their successors
 * as one act. The successors lie beside them (PATH.rekey), then a list of the
 * paths is written and renamed to DIR/ca/passphrase.change: from there on the
 * change is decided. Whoever finds the list ends the change before reading a
 * key: the command itself, or after a power cut the next `brevetd` or `brevet
 * ca`. Without the list successors are waste. */
#ifndef BREVET_CONFIG_REKEY_H
#define BREVET_CONFIG_REKEY_H

#include "base/auto.h"
#include "base/span.h"

#define REKEY_SUFFIX ".rekey"
/* CA keys, responders, the log's key, the passphrase. */
#define REKEY_FILES_MAX 40

/* rekey_decide writes the list, durably. DISK_FULL, IO: nothing was decided. */
enum bv_err rekey_decide(const char *dir, const char *const *paths,
                         size_t num) BV_CHECKED;
/* rekey_finish ends a change that was decided; OK when there is none. IO with
 * a sentence: try again. */
enum bv_err rekey_finish(const char *dir, char *ret_problem,
                         size_t cap) BV_CHECKED;

#endif
