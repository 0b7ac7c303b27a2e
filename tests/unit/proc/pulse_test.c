#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "proc/pulse.h"

#define OK(expr) assert_int_equal(expr, BV_OK)

static void
without_a_page_nothing_is_noted(void **state)
{
    assert_int_equal(pulse_set(PULSE_DISK), PULSE_NONE);
    assert_int_equal(pulse_set(PULSE_NONE), PULSE_NONE);
}

/* The role is a process of its own; it notes work within work. */
static _Noreturn void
as_role(int fd)
{
    if (pulse_open(fd) != BV_OK)
        _exit(1);
    if (pulse_set(PULSE_DISK) != PULSE_START)
        _exit(2);
    if (pulse_set(PULSE_KEY) != PULSE_DISK ||
        pulse_set(PULSE_DISK) != PULSE_KEY)
        _exit(3);
    _exit(0);
}

static void
the_parent_sees_what_a_role_notes(void **state)
{
    struct pulse *pulse;
    int fd, status;
    OK(pulse_new(&pulse, &fd));
    uint64_t before = pulse_word(pulse);
    assert_int_equal(pulse_work_of(before), PULSE_START);
    /* a role that shrinks its page would end the parent */
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(ftruncate(fd, 1 << 20), -1);
    pid_t pid = fork();
    if (pid == 0)
        as_role(fd);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    uint64_t after = pulse_word(pulse);
    assert_int_equal(pulse_work_of(after), PULSE_DISK);
    assert_int_not_equal(after, before);
    close(fd);
    pulse_free(pulse);
}

static void
the_same_work_again_is_another_word(void **state)
{
    struct pulse *pulse;
    int fd;
    OK(pulse_new(&pulse, &fd));
    OK(pulse_open(fd));
    (void)pulse_set(PULSE_NONE);
    uint64_t before = pulse_word(pulse);
    (void)pulse_set(PULSE_NONE);
    assert_int_not_equal(pulse_word(pulse), before);
    pulse_free(pulse);
}

static void
an_unknown_work_is_none(void **state)
{
    assert_int_equal(pulse_work_of(0xff), PULSE_NONE);
    assert_int_equal(pulse_work_of(UINT64_MAX), PULSE_NONE);
    assert_int_equal(pulse_work_of((UINT64_C(7) << 8) | PULSE_KEY), PULSE_KEY);
    assert_true(pulse_limit_ms(PULSE_NONE) == LIMIT_SILENT_MS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_page_nothing_is_noted),
        cmocka_unit_test(the_parent_sees_what_a_role_notes),
        cmocka_unit_test(the_same_work_again_is_another_word),
        cmocka_unit_test(an_unknown_work_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
