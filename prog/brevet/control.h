/* The client of the control socket (MSG_ADMIN, JSON both ways). */
#ifndef BV_PROG_BREVET_CONTROL_H
#define BV_PROG_BREVET_CONTROL_H

#include <jansson.h>

#include "base/err.h"

/* control_call sends {"verb":…,"args":…} to DIR/run/control.sock and waits for
 * the answer, which the caller owns. UNAVAILABLE: nobody listens there;
 * UNAUTHENTICATED: the socket may not be opened; TIMEOUT after ten minutes (a
 * backup may take so long); BAD_MESSAGE. */
enum bv_err control_call(const char *dir, const char *verb, json_t *args,
                         json_t **ret_answer) BV_CHECKED;

#endif
