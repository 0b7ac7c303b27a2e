#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "device/plan.h"

#define DAY INT64_C(86400)
#define T0  INT64_C(1800000000)

static struct span
id_of(int i, char text[32])
{
    (void)snprintf(text, 32, "device-%05d", i);
    return span_str(text);
}

/* Ten thousand devices made in the same second: no hour of the spread takes
 * much more than its share, and the same id always gets the same moment. */
static void
test_jitter_spreads(void **state)
{
    (void)state;
    enum { HOURS = 173, N = 10000 }; /* 8 % of 90 days is 172.8 hours */
    unsigned count[HOURS] = {0};
    char text[32];
    for (int i = 0; i < N; i++) {
        int64_t at = plan_renew_at(T0, T0 + 90 * DAY, 66, 8, id_of(i, text));
        int64_t late = at - (T0 + 90 * DAY * 66 / 100);
        assert_true(late >= 0 && late < 90 * DAY * 8 / 100);
        assert_int_equal(
            at, plan_renew_at(T0, T0 + 90 * DAY, 66, 8, id_of(i, text)));
        count[late / 3600]++;
    }
    for (int h = 0; h < HOURS - 1; h++)
        assert_in_range(count[h], 20, 110); /* the mean is 58 */
}

static void
test_window_has_an_end(void **state)
{
    (void)state;
    struct span id = SPAN_LIT("x");
    assert_true(plan_renew_at(T0, T0 + 1000, 95, 100, id) <= T0 + 950);
    assert_int_equal(plan_renew_at(T0, T0 + 1000, 50, 0, id), T0 + 500);
    /* no expiry at all: year 9999 */
    assert_true(plan_renew_at(T0, INT64_C(253402300799), 66, 8, id) > T0);
}

static void
test_pause_climbs(void **state)
{
    (void)state;
    for (uint32_t n = 1; n < 40; n++)
        for (uint32_t r = 0; r < 5; r++) {
            uint32_t pause = plan_pause(n, 60, 86400, 0, r * UINT32_C(1000003));
            uint64_t whole = n > 11 ? 86400 : UINT64_C(60) << (n - 1);
            whole = whole > 86400 ? 86400 : whole;
            assert_in_range(pause, whole / 2, whole);
        }
    /* a certificate of two minutes cannot wait a minute for each try */
    assert_in_range(plan_pause(1, 60, 86400, 120, 12345), 1, 1);
    assert_in_range(plan_pause(9, 60, 86400, 120, 12345), 1, 6);
    assert_int_equal(plan_pause(1, 1, 1, 0, 0), 1);
}

static void
test_asked(void **state)
{
    uint32_t least = UINT32_MAX, most = 0;
    (void)state;
    for (uint32_t r = 0; r < 2000; r++) {
        uint32_t wait = plan_asked(800, r * UINT32_C(1000003));
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    assert_int_equal(least, 800);
    assert_int_equal(most, 900);
    assert_int_equal(plan_asked(5, UINT32_MAX), 5);
    assert_int_equal(plan_asked(UINT32_MAX, 77777), UINT32_MAX);
}

static void
test_resume(void **state)
{
    (void)state;
    struct bv_now now = {T0, true, 0};
    assert_int_equal(plan_resume(T0 + 500, 3600, &now), 500);
    assert_int_equal(plan_resume(T0 - 1, 3600, &now), 0);
    now.wall = T0 - 3650 * DAY; /* stepped back: not longer than the pause */
    assert_int_equal(plan_resume(T0, 3600, &now), 3600);
    now.wall_known = false;
    assert_int_equal(plan_resume(T0, 3600, &now), PLAN_BLIND_MAX);
    assert_int_equal(plan_resume(T0, 60, &now), 60);
}

static void
test_time(void **state)
{
    (void)state;
    struct bv_now now = {T0, true, 0};
    struct bv_when when = plan_time(&now, T0 - DAY, 0, 0, false);
    assert_true(when.exact && when.time == T0);
    now.wall = 0; /* 1970 */
    when = plan_time(&now, T0, 0, 77, false);
    assert_true(!when.exact && when.time == T0 + 77);
    when = plan_time(&now, T0, T0 + 5, 77, false);
    assert_true(when.exact && when.time == T0 + 5);
    now.wall = T0 + 3650 * DAY; /* ten years ahead: ask both in turn */
    when = plan_time(&now, T0, T0 + 5, 0, true);
    assert_true(when.time == T0 + 5);
    when = plan_time(&now, T0, T0 + 5, 0, false);
    assert_true(when.time == now.wall);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jitter_spreads),
        cmocka_unit_test(test_window_has_an_end),
        cmocka_unit_test(test_pause_climbs),
        cmocka_unit_test(test_asked),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
