/* Calendar arithmetic on Unix seconds, years 0..9999, UTC only. Freestanding:
 * no clock is read here; the clock is base/clock.h on a host and a port on a
 * device. */
#ifndef BV_BASE_TIME_H
#define BV_BASE_TIME_H

#include <stdint.h>

#include "base/err.h"

/* 9999-12-31T23:59:59Z, which RFC 5280 4.1.2.5 reads as "no expiry". */
#define TIME_NO_EXPIRY INT64_C(253402300799)

struct time_civil {
    int year, month, day, hour, minute, second; /* month and day from 1 */
};

/* time_from_civil: BAD_MESSAGE when a field is out of range (leap seconds
 * included: second 60 is refused). */
enum bv_err time_from_civil(const struct time_civil *civil,
                            int64_t *ret_time) BV_CHECKED;
/* time_to_civil clamps to years 0..9999. */
void time_to_civil(int64_t time, struct time_civil *ret_civil);

/* time_format writes "2026-11-21T07:30:00Z" and a NUL: 21 octets. */
#define TIME_TEXT_MAX 21
void time_format(int64_t time, char text[TIME_TEXT_MAX]);

/* time_parse_duration reads "90d", "12h", "5m", "30s", "2w", "1y" (365 days)
 * or a bare number of seconds; BAD_MESSAGE on anything else or overflow. */
enum bv_err time_parse_duration(const char *text,
                                int64_t *ret_seconds) BV_CHECKED;

#endif
