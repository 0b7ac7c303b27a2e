/* The watch with a clock of the test's own: nothing here takes time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include "base/limits.h"
#include "proc/pulse.h"
#include "prog/brevetd/watch.h"

static struct watch watch;
static struct watched role;
static int64_t now;
static uint64_t count;

/* The parent's loop comes round twice a second. */
static void
pass(int64_t ms)
{
    for (int64_t end = now + ms; now < end;) {
        now += 500;
        watch_advance(&watch, now);
        if (watched_is_due(&role, &watch))
            role.asked = true;
    }
}

static void
work(enum pulse_work what)
{
    watched_look(&role, &watch, ++count << 8 | (uint64_t)what);
}

static int
begin(void **state)
{
    watch = (struct watch){0};
    now = 1000000;
    count = 0;
    watch_advance(&watch, now);
    watched_begin(&role, &watch);
    work(PULSE_NONE); /* it is ready */
    return 0;
}

static void
who_answers_lives(void **state)
{
    for (int i = 0; i < 1000; i++) {
        pass(LIMIT_PING_MS);
        assert_true(role.asked);
        watched_answer(&role, &watch);
        assert_false(watched_is_silent(&role, &watch));
        assert_false(role.asked);
    }
}

static void
who_does_not_is_silent_in_the_end(void **state)
{
    pass(LIMIT_SILENT_MS - 500);
    assert_false(watched_is_silent(&role, &watch));
    pass(500);
    assert_true(watched_is_silent(&role, &watch));
    assert_false(watched_is_over(&role, &watch)); /* if all are */
    pass(LIMIT_SILENT_ALL_MS - LIMIT_SILENT_MS);
    assert_true(watched_is_over(&role, &watch));
    watched_answer(&role, &watch); /* even then */
    assert_false(watched_is_silent(&role, &watch));
}

static void
long_work_is_no_silence(void **state)
{
    static const enum pulse_work works[] = {PULSE_START, PULSE_DISK, PULSE_KEY};
    for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++) {
        work(works[i]);
        pass(pulse_limit_ms(works[i]) - 500);
        assert_true(role.asked);
        assert_false(watched_is_silent(&role, &watch));
        /* at its end it has the usual time to answer */
        work(PULSE_NONE);
        assert_false(watched_is_silent(&role, &watch));
        pass(LIMIT_SILENT_MS - 500);
        assert_false(watched_is_silent(&role, &watch));
        watched_answer(&role, &watch);
    }
    work(PULSE_DISK);
    pass(LIMIT_DISK_MS);
    assert_true(watched_is_silent(&role, &watch));
}

static void
a_pulse_that_moves_is_life(void **state)
{
    for (int i = 0; i < 100; i++) {
        pass(LIMIT_SILENT_MS / 2);
        work(i % 2 == 0 ? PULSE_DISK : PULSE_NONE);
        assert_false(watched_is_silent(&role, &watch));
    }
}

static void
nonsense_is_no_excuse(void **state)
{
    watched_look(&role, &watch, UINT64_MAX);
    pass(LIMIT_SILENT_MS);
    assert_true(watched_is_silent(&role, &watch));
}

static void
quiet_comes_before_silent(void **state)
{
    pass(LIMIT_PING_MS);
    assert_false(watched_is_quiet(&role, &watch));
    pass(LIMIT_SILENT_MS / 2 - LIMIT_PING_MS);
    assert_true(watched_is_quiet(&role, &watch));
    pass(LIMIT_SILENT_MS / 2);
    watched_excuse(&role, &watch);
    assert_false(watched_is_silent(&role, &watch));
    assert_true(role.asked); /* but it owes an answer still */
    pass(LIMIT_SILENT_MS);
    assert_true(watched_is_silent(&role, &watch));
    work(PULSE_DISK); /* long work is not quiet so soon */
    pass(LIMIT_SILENT_MS);
    assert_false(watched_is_quiet(&role, &watch));
}

static void
a_machine_that_slept_blames_nobody(void **state)
{
    pass(LIMIT_PING_MS);
    assert_true(role.asked);
    for (int i = 0; i < 3; i++) { /* hours, and a little awake between */
        now += INT64_C(7200000);
        watch_advance(&watch, now);
        assert_false(watched_is_silent(&role, &watch));
    }
    watched_answer(&role, &watch);
    pass(LIMIT_SILENT_MS - 500);
    assert_false(watched_is_silent(&role, &watch));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(who_answers_lives, begin),
        cmocka_unit_test_setup(who_does_not_is_silent_in_the_end, begin),
        cmocka_unit_test_setup(long_work_is_no_silence, begin),
        cmocka_unit_test_setup(a_pulse_that_moves_is_life, begin),
        cmocka_unit_test_setup(nonsense_is_no_excuse, begin),
        cmocka_unit_test_setup(quiet_comes_before_silent, begin),
        cmocka_unit_test_setup(a_machine_that_slept_blames_nobody, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
