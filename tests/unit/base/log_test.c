#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

/* Standard error goes into a pipe; what one write(2) sent is read back. */
static int saved_stderr, pipe_read;

static int
set_up(void **state)
{
    int fds[2];

    saved_stderr = dup(STDERR_FILENO);
    if (saved_stderr < 0 || pipe(fds) != 0 || dup2(fds[1], STDERR_FILENO) < 0)
        return -1;
    (void)close(fds[1]);
    pipe_read = fds[0];
    return 0;
}

static int
tear_down(void **state)
{
    (void)dup2(saved_stderr, STDERR_FILENO);
    (void)close(saved_stderr);
    (void)close(pipe_read);
    return 0;
}

static void
read_line(char *line, size_t cap)
{
    ssize_t n = read(pipe_read, line, cap - 1);

    assert_true(n > 0);
    line[n] = '\0';
}

static void
test_line_has_time_process_and_level(void **state)
{
    char line[LOG_LINE_MAX + 1];

    unsetenv("JOURNAL_STREAM");
    log_open("door/0", LOG_LEVEL_INFO);
    log_info("issued serial=%s n=%d", "5b", 7);
    read_line(line, sizeof(line));
    assert_int_equal(line[4], '-');
    assert_int_equal(line[19], '.');
    assert_int_equal(line[23], 'Z');
    assert_string_equal(line + 24, " door/0 info issued serial=5b n=7\n");
}

static void
test_under_systemd(void **state)
{
    char line[LOG_LINE_MAX + 1];

    setenv("JOURNAL_STREAM", "8:1", 1);
    log_open("core", LOG_LEVEL_INFO);
    log_error("no disk");
    read_line(line, sizeof(line));
    assert_string_equal(line, "<3>core error no disk\n");
}

static void
test_a_peer_cannot_forge_a_line(void **state)
{
    char line[LOG_LINE_MAX + 1];

    log_warn("name=%s", "a\nb\x1b[31m\xc3\xa9\x7f");
    read_line(line, sizeof(line));
    assert_string_equal(line,
                        "<4>core warn name=a\\x0ab\\x1b[31m\\xc3\\xa9\\x7f\n");
}

static void
test_level_filters(void **state)
{
    char line[LOG_LINE_MAX + 1];

    log_debug("not written");
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("written");
    read_line(line, sizeof(line));
    assert_string_equal(line, "<7>core debug written\n");
}

static void
test_long_line_is_cut_and_ended(void **state)
{
    char line[2 * LOG_LINE_MAX];
    char text[2 * LOG_LINE_MAX];

    memset(text, '\n', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    log_error("%s", text);
    read_line(line, sizeof(line));
    assert_true(strlen(line) <= LOG_LINE_MAX);
    assert_string_equal(line + strlen(line) - 5, "\\x0a\n");
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

/* The last character that would need four octets is left out whole. */
static void
test_the_cut_is_clean(void **state)
{
    char line[2 * LOG_LINE_MAX];
    char text[2 * LOG_LINE_MAX];

    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    log_error("%s", text);
    read_line(line, sizeof(line));
    assert_int_equal(strlen(line), LOG_LINE_MAX);
    text[LOG_LINE_MAX - 1 - strlen("<3>core error ") - 3] = '\n';
    log_error("%s", text);
    read_line(line, sizeof(line));
    assert_int_equal(strlen(line), LOG_LINE_MAX - 3);
    assert_string_equal(line + strlen(line) - 2, "x\n");
}

static void
test_clocks_agree(void **state)
{
    int64_t before = clock_wall(), mono = clock_mono_ms();
    int64_t ms = clock_wall_ms();

    assert_true(before > 1600000000);
    assert_in_range(ms / 1000 - before, 0, 60);
    assert_true(clock_mono_ms() >= mono);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_has_time_process_and_level),
        cmocka_unit_test(test_under_systemd),
        cmocka_unit_test(test_a_peer_cannot_forge_a_line),
        cmocka_unit_test(test_level_filters),
        cmocka_unit_test(test_long_line_is_cut_and_ended),
        cmocka_unit_test(test_the_cut_is_clean),
        cmocka_unit_test(test_clocks_agree),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
