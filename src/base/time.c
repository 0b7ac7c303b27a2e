#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>

#define DAY_SECONDS 86400
/* 0000-01-01T00:00:00Z */
#define TIME_FIRST INT64_C(-62167219200)

/* Days are counted in eras of 400 years that begin on 1 March, so that the
 * leap day is the last of its year and months follow one linear formula. */
#define ERA_DAYS   146097
#define ERA_OFFSET 719468 /* days from 0000-03-01 to 1970-01-01 */

static bool
is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int
month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap(year));
}

static bool
is_within(int n, int low, int high)
{
    return low <= n && n <= high;
}

static bool
is_valid(const struct time_civil *c)
{
    return is_within(c->year, 0, 9999) && is_within(c->month, 1, 12) &&
           is_within(c->day, 1, month_days(c->year, c->month)) &&
           is_within(c->hour, 0, 23) && is_within(c->minute, 0, 59) &&
           is_within(c->second, 0, 59);
}

enum bv_err
time_from_civil(const struct time_civil *civil, int64_t *ret_time)
{
    if (!is_valid(civil))
        return BV_E_BAD_MESSAGE;

    int64_t year = civil->year - (civil->month <= 2);
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t month = (civil->month + 9) % 12; /* March is 0 */
    int64_t day_of_year = (153 * month + 2) / 5 + civil->day - 1;
    int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    int64_t days = era * ERA_DAYS + day_of_era - ERA_OFFSET;

    *ret_time = days * DAY_SECONDS + civil->hour * 3600 + civil->minute * 60 +
                civil->second;
    return BV_OK;
}

static void
civil_of_days(int64_t days, struct time_civil *ret)
{
    int64_t shifted = days + ERA_OFFSET;
    int64_t era = (shifted >= 0 ? shifted : shifted - ERA_DAYS + 1) / ERA_DAYS;
    int64_t doe = shifted - era * ERA_DAYS;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t month = (5 * doy + 2) / 153; /* March is 0 */

    ret->day = (int)(doy - (153 * month + 2) / 5 + 1);
    ret->month = (int)(month < 10 ? month + 3 : month - 9);
    ret->year = (int)(yoe + era * 400 + (ret->month <= 2));
}

void
time_to_civil(int64_t time, struct time_civil *ret_civil)
{
    if (time < TIME_FIRST)
        time = TIME_FIRST;
    if (time > TIME_NO_EXPIRY)
        time = TIME_NO_EXPIRY;

    int64_t days = time / DAY_SECONDS;
    int64_t rest = time % DAY_SECONDS;

    if (rest < 0) {
        rest += DAY_SECONDS;
        days--;
    }
    civil_of_days(days, ret_civil);
    ret_civil->hour = (int)(rest / 3600);
    ret_civil->minute = (int)(rest / 60 % 60);
    ret_civil->second = (int)(rest % 60);
}

static char *
put_digits(char *at, int n, int width)
{
    for (int i = width - 1; i >= 0; i--) {
        at[i] = (char)('0' + n % 10);
        n /= 10;
    }
    return at + width;
}

void
time_format(int64_t time, char text[TIME_TEXT_MAX])
{
    struct time_civil c;
    char *at = text;

    time_to_civil(time, &c);
    at = put_digits(at, c.year, 4);
    *at++ = '-';
    at = put_digits(at, c.month, 2);
    *at++ = '-';
    at = put_digits(at, c.day, 2);
    *at++ = 'T';
    at = put_digits(at, c.hour, 2);
    *at++ = ':';
    at = put_digits(at, c.minute, 2);
    *at++ = ':';
    at = put_digits(at, c.second, 2);
    *at++ = 'Z';
    *at = '\0';
}

static int64_t
unit_seconds(char unit)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'\0', 1},
                 {'s', 1},
                 {'m', 60},
                 {'h', 3600},
                 {'d', DAY_SECONDS},
                 {'w', 7 * DAY_SECONDS},
                 {'y', 365 * DAY_SECONDS}};

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (units[i].unit == unit)
            return units[i].seconds;
    }
    return 0;
}

enum bv_err
time_parse_duration(const char *text, int64_t *ret_seconds)
{
    const char *at = text;
    int64_t n = 0;

    for (; *at >= '0' && *at <= '9'; at++) {
        int digit = *at - '0';

        if (n > (INT64_MAX - digit) / 10)
            return BV_E_BAD_MESSAGE;
        n = n * 10 + digit;
    }

    int64_t unit = unit_seconds(*at);

    if (at == text || unit == 0 || (*at != '\0' && at[1] != '\0') ||
        n > INT64_MAX / unit)
        return BV_E_BAD_MESSAGE;
    *ret_seconds = n * unit;
    return BV_OK;
}
