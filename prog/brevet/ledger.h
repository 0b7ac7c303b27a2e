/* Where the offline commands note what they do: the database with its audit
 * log, inventory and numbers. If a daemon runs, it owns the database and is
 * asked over the control socket; if none does, this program takes the
 * database's lock, verifies the whole log and decides by the same code. Before
 * there is a database (an external root is awaited, a machine that only keeps
 * a root's key) nothing is noted.
 *
 * Open the ledger first: a log that does not verify refuses the command before
 * anything was written. Then note the act, then do what cannot be undone. */
#ifndef BREVET_LEDGER_H
#define BREVET_LEDGER_H

#include <jansson.h>

#include "prog/brevet/ca_files.h"

struct ledger;
/* ledger_open: BUSY when somebody owns the database and does not answer,
 * CORRUPT when the log does not verify; a sentence in files->problem. */
enum bv_err ledger_open(struct ca_files *files,
                        struct ledger **ret_ledger) BV_CHECKED;
void ledger_close(struct ledger *ledger);
BV_AUTO_DEFINE(ledger, struct ledger, ledger_close)

/* ledger_is_there: false before there is a database. */
bool ledger_is_there(const struct ledger *ledger);
/* ledger_has_daemon: a daemon answers; it should reload what was changed. */
bool ledger_has_daemon(const struct ledger *ledger);
/* ledger_ask speaks one verb (core/admin.h). args is taken over; *ret_result
 * is the caller's, NULL without a database. */
enum bv_err ledger_ask(struct ledger *ledger, const char *verb, json_t *args,
                       json_t **ret_result) BV_CHECKED;
/* ledger_serial takes a serial number; none (*ret_len 0) without a database. */
enum bv_err ledger_serial(struct ledger *ledger, uint8_t buf[LIMIT_SERIAL],
                          size_t *ret_len) BV_CHECKED;
/* ledger_note notes an act ("ca.renew") on a CA (NULL: on the server), and
 * puts the certificate, unless it is empty, into the inventory. */
enum bv_err ledger_note(struct ledger *ledger, const char *act, const char *ca,
                        struct span cert, const char *detail) BV_CHECKED;

#endif
