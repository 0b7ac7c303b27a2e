/* The host's clocks. Host side only; the one home of clock_gettime. */
#ifndef BV_BASE_CLOCK_H
#define BV_BASE_CLOCK_H

#include <stdint.h>

/* clock_wall: Unix seconds, UTC. May jump; never use it to measure a wait. */
int64_t clock_wall(void);
/* clock_wall_ms: the same in milliseconds. */
int64_t clock_wall_ms(void);
/* clock_mono_ms: milliseconds that never go back (CLOCK_MONOTONIC). */
int64_t clock_mono_ms(void);

#endif
