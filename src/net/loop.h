/* The event loop of a process: the only room that knows libuv offers it so.
 * One loop, one thread. Callbacks run from loop_run alone. */
#ifndef BV_NET_LOOP_H
#define BV_NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct loop;
struct loop_watch;
struct loop_timer;
struct loop_hook;

#define LOOP_READ  1u
#define LOOP_WRITE 2u

typedef void loop_fn(void *ctx);
/* events: those of LOOP_READ and LOOP_WRITE that are ready (an error on the
 * descriptor reports both: the next read or write tells). */
typedef void loop_watch_fn(void *ctx, unsigned events);

/* loop_new also makes the process ignore SIGPIPE. */
enum bv_err loop_new(struct loop **ret_loop) BV_CHECKED;
/* loop_free: all watches, timers and hooks must be freed before. */
void loop_free(struct loop *loop);
/* loop_run works until loop_stop; loop_turn works off what is ready, waiting
 * at most for the first event. Both may be called again. */
void loop_run(struct loop *loop);
void loop_turn(struct loop *loop);
void loop_stop(struct loop *loop);
/* loop_now_ms: monotonic, as of the start of this turn; costs nothing. */
int64_t loop_now_ms(const struct loop *loop);
/* loop_clock_us: monotonic, now; for durations in the log. */
int64_t loop_clock_us(void);

/* A descriptor, level-triggered. The watch does not own fd; free the watch
 * before closing it. events 0: nothing is watched. */
enum bv_err loop_watch_new(struct loop *loop, int fd, unsigned events,
                           loop_watch_fn *fn, void *ctx,
                           struct loop_watch **ret_watch) BV_CHECKED;
void loop_watch_set(struct loop_watch *watch, unsigned events);
void loop_watch_free(struct loop_watch *watch);

/* A timer fires once, ms after loop_timer_start; starting again moves it. */
enum bv_err loop_timer_new(struct loop *loop, loop_fn *fn, void *ctx,
                           struct loop_timer **ret_timer) BV_CHECKED;
void loop_timer_start(struct loop_timer *timer, int64_t ms);
void loop_timer_stop(struct loop_timer *timer);
void loop_timer_free(struct loop_timer *timer);

/* A hook runs once in every turn, after its callbacks and before the loop
 * sleeps: the place to flush what a turn has queued, in one write. */
enum bv_err loop_hook_new(struct loop *loop, loop_fn *fn, void *ctx,
                          struct loop_hook **ret_hook) BV_CHECKED;
void loop_hook_free(struct loop_hook *hook);

#endif
