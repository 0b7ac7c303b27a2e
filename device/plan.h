/* When: renewal windows, retry pauses, and what the time is. Pure functions,
 * no state, no clock; 64-bit seconds throughout. Freestanding. */
#ifndef BV_DEVICE_PLAN_H
#define BV_DEVICE_PLAN_H

#include "base/span.h"
#include "brevet/port.h"

/* plan_renew_at: not_before + percent of the life, plus up to jitter percent
 * of it, fixed for this id, so that a fleet made in one minute does not come
 * back in one minute. Never later than 95 % of the life. */
int64_t plan_renew_at(int64_t not_before, int64_t not_after, unsigned percent,
                      unsigned jitter, struct span id);

/* plan_pause: seconds before attempt number failures + 1. Doubles from min to
 * max, spread over [half, whole] by random. life > 0: of the certificate to be
 * renewed; both bounds shrink to 1/100 and 1/20 of it, so that a short-lived
 * certificate is tried often enough. Never 0. */
uint32_t plan_pause(uint32_t failures, uint32_t min, uint32_t max, int64_t life,
                    uint32_t random);

/* plan_asked: seconds to wait when a server asked for so many: up to an eighth
 * more by random, for it may have asked a whole fleet. */
uint32_t plan_asked(uint32_t asked, uint32_t random);

/* plan_resume: seconds still to wait after a restart for an attempt that was
 * planned `pause` seconds after some moment and to be due at wall time `due`
 * (0: unknown). With a believable wall clock the rest of the pause, else as
 * much of it as PLAN_BLIND_MAX. A clock that stepped back never makes the wait
 * longer than the pause itself. */
#define PLAN_BLIND_MAX 300
uint32_t plan_resume(int64_t due, uint32_t pause, const struct bv_now *now);

/* plan_time says what the time is for judging certificates. floor: the present
 * is not before this. server: authenticated server time carried forward by the
 * monotonic clock, 0 if none. up: seconds since the first step. A wall clock
 * before the floor is not believed. prefer_server: when both clocks are there
 * but more than an hour apart, take the server's. */
struct bv_when plan_time(const struct bv_now *now, int64_t floor,
                         int64_t server, int64_t up, bool prefer_server);

#endif
