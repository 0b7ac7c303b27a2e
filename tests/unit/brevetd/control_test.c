/* The control socket, at which every local user may knock: here this test's own
 * user, to whom nothing is granted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "proc/channel.h"
#include "prog/brevetd/control.h"

static struct sockaddr_un address;
static socklen_t address_len;
static struct control *control;
static int log_fd, kept_fd;

/* In the place of core: no stranger's question gets there. */
void
core_admin(struct core *core, const struct core_caller *caller,
           unsigned connection, uint64_t id, struct span body)
{
    (void)core, (void)caller, (void)connection, (void)id, (void)body;
    fail_msg("core was asked");
}

static int
setup(void **state)
{
    (void)state;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address = (struct sockaddr_un){.sun_family = AF_UNIX};
    address_len = sizeof(address);
    /* an address without a path is one the kernel chooses, unix(7) */
    if (fd < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &address_len) != 0 ||
        listen(fd, 64) != 0 || control_new(fd, &control) != BV_OK)
        return -1;
    control_set_callers(control, SPAN_LIT(""));
    log_fd = memfd_create("log", MFD_CLOEXEC);
    kept_fd = dup(STDERR_FILENO);
    (void)fflush(stderr);
    return log_fd >= 0 && dup2(log_fd, STDERR_FILENO) >= 0 ? 0 : -1;
}

static int
teardown(void **state)
{
    (void)state;
    (void)dup2(kept_fd, STDERR_FILENO);
    (void)close(kept_fd);
    (void)close(log_fd);
    control_free(control);
    return 0;
}

/* One turn of core's loop. */
static void
turn(void)
{
    struct pollfd fds[CONTROL_MAX + 1];
    unsigned num = control_pollfds(control, fds);
    assert_true(poll(fds, num, 5000) > 0);
    control_step(control, fds, num, NULL);
    control_flush(control);
}

static int
knock(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, address_len), 0);
    turn();
    return fd;
}

/* Lines of the log with this text, and how often it says it happened. */
static unsigned
lines_of(const char *text, unsigned *ret_times)
{
    static char log[1 << 20];
    unsigned lines = 0;
    ssize_t len = pread(log_fd, log, sizeof(log) - 1, 0);
    assert_in_range(len, 0, sizeof(log) - 2);
    log[len] = '\0';
    *ret_times = 0;
    for (const char *at = log; (at = strstr(at, text)) != NULL; at++) {
        const char *times = strstr(at, "times=");
        assert_non_null(times);
        *ret_times += (unsigned)strtoul(times + 6, NULL, 10);
        lines++;
    }
    return lines;
}

static void
a_crowd_is_a_line(void **state)
{
    static const char text[] = "control connection refused";
    int held[4];
    unsigned times, refused = 1;
    (void)state;
    for (size_t i = 0; i < 4; i++)
        held[i] = knock();
    assert_int_equal(lines_of(text, &times), 0);
    (void)close(knock());
    assert_int_equal(lines_of(text, &times), 1);
    assert_int_equal(times, 1);
    /* the next line, a second later, tells of all there were in between */
    while (lines_of(text, &times) < 2) {
        (void)close(knock());
        refused++;
        assert_true(refused < 10000000);
    }
    assert_true(refused > 10);
    assert_int_equal(times, refused);
    for (size_t i = 0; i < 4; i++)
        (void)close(held[i]);
}

static void
so_are_questions(void **state)
{
    static const char text[] = "control request refused";
    unsigned times;
    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        struct channel *channel;
        int fd = knock();
        assert_int_equal(channel_new(fd, PROC_CONTROL, PROC_CORE, &channel),
                         BV_OK);
        assert_int_equal(channel_send(channel, MSG_ADMIN, i, SPAN_LIT("{}")),
                         BV_OK);
        assert_int_equal(channel_flush(channel), BV_OK);
        turn();
        bool got = false;
        struct msg msg;
        enum bv_err end = channel_fill(channel);
        assert_true(end == BV_OK || end == BV_E_CLOSED);
        assert_int_equal(channel_next(channel, &got, &msg), BV_OK);
        assert_true(got); /* each is told */
        assert_int_equal(msg.id, i);
        channel_free(channel);
    }
    assert_in_range(lines_of(text, &times), 5, 100);
    assert_in_range(times, 5, 200);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_crowd_is_a_line, setup, teardown),
        cmocka_unit_test_setup_teardown(so_are_questions, setup, teardown),
    };
    log_open("test", LOG_LEVEL_WARN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
