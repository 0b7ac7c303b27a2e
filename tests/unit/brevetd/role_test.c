/* The roles of brevetd as their parent sees them: this test is the parent and
 * starts the program as one role. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proc/bundle.h"
#include "proc/spawn.h"
#include "proc/table.h"
#include "tests/unit/pki/certs.h"
#include "wire/pem.h"

#define OK(expr) assert_int_equal(expr, BV_OK)
/* What a loaded machine needs to start a process; it is far less. */
#define PATIENCE_MS 20000

static char *brevetd;

static pid_t
start(const char *role, int fd)
{
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s-%.*s", brevetd,
                   (int)strcspn(role, "/"), role);
    char *argv[] = {path, (char *)SPAWN_ROLE_OPTION, (char *)role, NULL};
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    if (fd == SPAWN_FD)
        (void)fcntl(fd, F_SETFD, 0);
    else if (dup2(fd, SPAWN_FD) < 0)
        _exit(126);
    (void)execv(path, argv);
    _exit(127);
}

/* One CA without a key: enough to start, and to refuse every question. */
static void
send_bundle(struct channel *role)
{
    static struct test_cert ca;
    uint8_t buf[4096];
    struct sink pem = SINK_ARRAY(buf);
    int64_t now = (int64_t)time(NULL);
    int fd;
    test_issue(&ca, test_key(ALG_KEY_P256, 0), "CA", TEST_CA, NULL,
               SPAN_LIT("\x01"), now - 1000, now + 100000, NULL);
    pem_encode(&pem, PEM_CERTIFICATE, ca.der);
    key_free(ca.key);
    OK(bundle_create(&fd));
    OK(bundle_add(fd, "dir", SPAN_LIT("/nonexistent")));
    OK(bundle_add(fd, "conf", SPAN_LIT("ca root { key = none }\n")));
    OK(bundle_add(fd, "ca:root", sink_view(&pem)));
    OK(bundle_seal(fd));
    OK(channel_send_fd(role, MSG_BUNDLE, 0, SPAN_EMPTY, fd));
    close(fd);
}

static void
send_peer(struct channel *role, enum proc_role peer, int fd)
{
    uint8_t body[16];
    struct sink out = SINK_ARRAY(body);
    table_peer_encode(&out, peer, 0);
    OK(channel_send_fd(role, MSG_PEER, 0, sink_view(&out), fd));
    close(fd);
}

/* wait_for: the next message of this channel; fails when none comes. */
static enum msg_type
wait_for(struct channel *channel)
{
    for (;;) {
        struct msg msg;
        bool got;
        OK(channel_next(channel, &got, &msg));
        if (got)
            return msg.type;
        struct pollfd wait = {channel_fd(channel), POLLIN, 0};
        if (poll(&wait, 1, PATIENCE_MS) != 1)
            fail_msg("nothing came");
        OK(channel_fill(channel));
    }
}

/* A door that comes in the same octets as START is a door: the parent may have
 * nothing more to say for hours. */
static void
a_peer_together_with_start_is_served(void **state)
{
    int parent[2], between[2];
    struct channel *role, *door;
    OK(channel_pair(parent));
    OK(channel_pair(between));
    OK(channel_new(parent[0], PROC_PARENT, PROC_SIGNER, &role));
    OK(channel_new(between[0], PROC_DOOR, PROC_SIGNER, &door));
    send_bundle(role);
    OK(channel_flush(role)); /* a read ends after octets with a descriptor */
    OK(channel_send(role, MSG_START, 0, SPAN_EMPTY));
    send_peer(role, PROC_DOOR, between[1]);
    OK(channel_flush(role)); /* all is there before the role first looks */
    assert_false(channel_has_output(role));
    pid_t pid = start("signer/0", parent[1]);
    close(parent[1]);
    assert_int_equal(wait_for(role), MSG_READY);
    OK(channel_send(door, MSG_OCSP, 7, SPAN_LIT("no request")));
    OK(channel_flush(door));
    assert_int_equal(wait_for(door), MSG_OCSP_REPLY);
    channel_free(door);
    channel_free(role); /* the parent goes: so does the role */
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* The same with the word that ends a role. */
static void
drain_together_with_start_ends(void **state)
{
    int parent[2], status;
    struct channel *role;
    OK(channel_pair(parent));
    OK(channel_new(parent[0], PROC_PARENT, PROC_SIGNER, &role));
    send_bundle(role);
    OK(channel_send(role, MSG_START, 0, SPAN_EMPTY));
    OK(channel_send(role, MSG_DRAIN, 0, SPAN_EMPTY));
    OK(channel_flush(role));
    pid_t pid = start("signer/0", parent[1]);
    close(parent[1]);
    for (int ms = 0; ms < PATIENCE_MS; ms += 10) {
        if (waitpid(pid, &status, WNOHANG) == pid) {
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
            channel_free(role);
            return;
        }
        (void)poll(NULL, 0, 10);
    }
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, &status, 0);
    fail_msg("DRAIN was not heard");
}

int
main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    brevetd = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_together_with_start_is_served),
        cmocka_unit_test(drain_together_with_start_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
