#include "base/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void
test_known_instants(void **state)
{
    static const struct {
        struct time_civil civil;
        int64_t time;
        const char *text;
    } rows[] = {
        {{1970, 1, 1, 0, 0, 0}, 0, "1970-01-01T00:00:00Z"},
        {{1969, 12, 31, 23, 59, 59}, -1, "1969-12-31T23:59:59Z"},
        {{2000, 2, 29, 12, 0, 0}, 951825600, "2000-02-29T12:00:00Z"},
        {{2049, 12, 31, 23, 59, 59}, 2524607999, "2049-12-31T23:59:59Z"},
        {{2050, 1, 1, 0, 0, 0}, 2524608000, "2050-01-01T00:00:00Z"},
        {{9999, 12, 31, 23, 59, 59}, TIME_NO_EXPIRY, "9999-12-31T23:59:59Z"},
        {{0, 1, 1, 0, 0, 0}, -62167219200, "0000-01-01T00:00:00Z"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[TIME_TEXT_MAX];
        int64_t time;

        assert_int_equal(time_from_civil(&rows[i].civil, &time), BV_OK);
        assert_int_equal(time, rows[i].time);
        time_format(rows[i].time, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void
test_fields_out_of_range(void **state)
{
    static const struct time_civil bad[] = {
        {2023, 2, 29, 0, 0, 0},    {1900, 2, 29, 0, 0, 0},
        {2024, 2, 30, 0, 0, 0},    {2024, 4, 31, 0, 0, 0},
        {2024, 0, 1, 0, 0, 0},     {2024, 13, 1, 0, 0, 0},
        {2024, 1, 0, 0, 0, 0},     {2024, 1, 32, 0, 0, 0},
        {2024, 1, 1, 24, 0, 0},    {2024, 1, 1, 0, 60, 0},
        {2024, 6, 30, 23, 59, 60}, {-1, 1, 1, 0, 0, 0},
        {10000, 1, 1, 0, 0, 0},    {2024, 1, 1, -1, 0, 0},
    };
    int64_t time = 42;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(time_from_civil(&bad[i], &time), BV_E_BAD_MESSAGE);
    assert_int_equal(time, 42);
}

/* Every day of the 10,000 years there and back, and against the C library. */
static void
test_every_day(void **state)
{
    for (int64_t day = -719528; day <= 2932896; day++) {
        int64_t time = day * 86400 + 86399;
        time_t host = (time_t)time;
        struct time_civil civil;
        int64_t back;

        time_to_civil(time, &civil);
        assert_int_equal(time_from_civil(&civil, &back), BV_OK);
        assert_int_equal(back, time);
        if (day % 97 == 0) {
            struct tm tm;

            assert_non_null(gmtime_r(&host, &tm));
            assert_int_equal(civil.year, tm.tm_year + 1900);
            assert_int_equal(civil.month, tm.tm_mon + 1);
            assert_int_equal(civil.day, tm.tm_mday);
        }
    }
}

static void
test_clamped_to_four_digit_years(void **state)
{
    char text[TIME_TEXT_MAX];

    time_format(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59Z");
    time_format(INT64_MIN, text);
    assert_string_equal(text, "0000-01-01T00:00:00Z");
}

static void
test_durations(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } rows[] = {
        {"0", 0},        {"17", 17},       {"30s", 30},
        {"5m", 300},     {"12h", 43200},   {"90d", 7776000},
        {"2w", 1209600}, {"1y", 31536000}, {"9223372036854775807", INT64_MAX}};
    static const char *const bad[] = {"",
                                      "d",
                                      "-1d",
                                      "1.5h",
                                      "1dd",
                                      "1 d",
                                      " 1d",
                                      "1d ",
                                      "1D",
                                      "0x10",
                                      "9223372036854775808",
                                      "9223372036854775807m",
                                      "292471208678y1"};
    int64_t n;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(time_parse_duration(rows[i].text, &n), BV_OK);
        assert_int_equal(n, rows[i].seconds);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(time_parse_duration(bad[i], &n), BV_E_BAD_MESSAGE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_instants),
        cmocka_unit_test(test_fields_out_of_range),
        cmocka_unit_test(test_every_day),
        cmocka_unit_test(test_clamped_to_four_digit_years),
        cmocka_unit_test(test_durations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
