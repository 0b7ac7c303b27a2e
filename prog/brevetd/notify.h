/* What systemd wants to hear (sd_notify(3)), without its library. Everything
 * is a no-op when NOTIFY_SOCKET is not set. */
#ifndef BREVETD_NOTIFY_H
#define BREVETD_NOTIFY_H

#include <stdint.h>

/* notify_send sends one datagram, "READY=1" for example. It does not wait: a
 * manager that does not read must not stop who supervises. */
void notify_send(const char *state);
/* notify_reloading sends RELOADING=1 with the clock it wants beside it. */
void notify_reloading(void);
/* notify_watchdog_ms: how often WATCHDOG=1 is due; 0: not wanted. */
int64_t notify_watchdog_ms(void);

#endif
