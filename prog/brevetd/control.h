/* The control socket: connections of brevet(1), each known by the user the
 * kernel names (SO_PEERCRED), each asking core with MSG_ADMIN. */
#ifndef BREVETD_CONTROL_H
#define BREVETD_CONTROL_H

#include <poll.h>

#include "core/core.h"

/* brevet(1) opens one and asks a question; a dashboard keeps a few. */
#define CONTROL_MAX 32

struct control;

/* control_new takes over the listening socket. */
enum bv_err control_new(int fd, struct control **ret_control) BV_CHECKED;
void control_free(struct control *control);
/* control_set_callers: the table of callers.h, borrowed. */
void control_set_callers(struct control *control, struct span table);

/* control_pollfds fills at most CONTROL_MAX + 1 and returns how many;
 * control_step then works off what is ready: questions go to core. */
unsigned control_pollfds(const struct control *control, struct pollfd *fds);
void control_step(struct control *control, const struct pollfd *fds,
                  unsigned num, struct core *core);
/* control_reply sends the answer to a question, if who asked is still there. */
void control_reply(struct control *control, unsigned tag, uint64_t id,
                   struct span json);
/* control_flush writes what is queued. */
void control_flush(struct control *control);

#endif
