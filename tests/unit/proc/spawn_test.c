/* This test executes itself as a role, so it covers spawn, role and identity
 * the way the daemon uses them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sink.h"
#include "proc/identity.h"
#include "proc/role.h"
#include "proc/sandbox.h"
#include "proc/spawn.h"

#define OK(expr) assert_int_equal(expr, BV_OK)

/* --- the role's side: exit statuses say what was seen --- */

static int
count_open(void)
{
    int num = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir != NULL && readdir(dir) != NULL)
        num++;
    if (dir != NULL)
        closedir(dir);
    return num - 3; /* ".", ".." and the directory itself */
}

static int
as_role(const char *text)
{
    if (strcmp(text, "door/2") != 0)
        return 10;
    if (count_open() > 4)
        return 11;
    /* a sanitizer maps more than any limit on data allows */
    if (identity_harden(sandbox_is_built() ? 512 : 0, 64) != BV_OK)
        return 12;
    struct rlimit core, files;
    getrlimit(RLIMIT_CORE, &core);
    getrlimit(RLIMIT_NOFILE, &files);
    if (core.rlim_max != 0 || files.rlim_max > 64 ||
        prctl(PR_GET_DUMPABLE) != 0 ||
        prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return 13;
    struct channel *parent;
    struct role_gifts gifts;
    if (role_begin(PROC_DOOR, &parent, &gifts) != BV_OK)
        return 14;
    struct span blob;
    if (bundle_find(&gifts.bundle, "hello", &blob) != BV_OK ||
        !span_eq_str(blob, "world"))
        return 15;
    char name[LIMIT_SHORT_NAME];
    int fd = role_file_take(&gifts, PROC_LISTEN_HTTPS, name);
    if (fd < 0 || strcmp(name, "[::]:443") != 0 ||
        role_file_take(&gifts, PROC_LISTEN_HTTPS, NULL) != -1)
        return 16;
    close(fd);
    if (gifts.num_peers != 1 || gifts.peers[0].role != PROC_CORE)
        return 17;
    if (getenv("SECRET") != NULL)
        return 18;
    if (channel_send(parent, MSG_READY, 0, SPAN_EMPTY) != BV_OK ||
        channel_flush(parent) != BV_OK)
        return 19;
    role_gifts_drop(&gifts);
    channel_free(parent);
    return 0;
}

/* --- the parent's side --- */

static int
status_of(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void
send_gifts(struct channel *role)
{
    int memfd, fds[2];
    OK(bundle_create(&memfd));
    OK(bundle_add(memfd, "hello", SPAN_LIT("world")));
    OK(bundle_seal(memfd));
    OK(channel_pair(fds));
    uint8_t body[64];
    struct sink out = SINK_ARRAY(body);
    table_listen_encode(&out, PROC_LISTEN_HTTPS, SPAN_LIT("[::]:443"));
    OK(channel_send_fd(role, MSG_LISTEN, 0, sink_view(&out), fds[0]));
    out = SINK_ARRAY(body);
    table_peer_encode(&out, PROC_CORE, 0);
    OK(channel_send_fd(role, MSG_PEER, 0, sink_view(&out), fds[1]));
    OK(channel_send_fd(role, MSG_BUNDLE, 0, SPAN_EMPTY, memfd));
    OK(channel_send(role, MSG_START, 0, SPAN_EMPTY));
    OK(channel_flush(role));
    close(memfd);
    close(fds[0]);
    close(fds[1]);
}

static void
a_role_starts_with_what_it_was_given(void **state)
{
    setenv("SECRET", "from the shell", 1);
    int stray = open("/dev/null", O_RDONLY); /* not close-on-exec */
    assert_true(stray >= 0);
    pid_t pid;
    int fd;
    OK(spawn_role(-1, PROC_DOOR, 2, NULL, &pid, &fd));
    struct channel *role;
    OK(channel_new(fd, PROC_PARENT, PROC_DOOR, &role));
    OK(channel_send(role, MSG_PING, 77, SPAN_EMPTY));
    send_gifts(role);
    assert_int_equal(status_of(pid), 0);
    OK(channel_fill(role));
    struct msg msg;
    bool got;
    OK(channel_next(role, &got, &msg));
    assert_true(got);
    assert_int_equal(msg.type, MSG_PONG);
    assert_int_equal(msg.id, 77);
    OK(channel_next(role, &got, &msg));
    assert_true(got);
    assert_int_equal(msg.type, MSG_READY);
    channel_free(role);
    close(stray);
}

static void
a_role_without_a_bundle_does_not_start(void **state)
{
    pid_t pid;
    int fd;
    OK(spawn_role(-1, PROC_DOOR, 2, NULL, &pid, &fd));
    struct channel *role;
    OK(channel_new(fd, PROC_PARENT, PROC_DOOR, &role));
    OK(channel_send(role, MSG_START, 0, SPAN_EMPTY));
    OK(channel_flush(role));
    assert_int_equal(status_of(pid), 14);
    channel_free(role);
}

static void
a_role_ends_when_the_parent_goes(void **state)
{
    pid_t pid;
    int fd;
    OK(spawn_role(-1, PROC_DOOR, 2, NULL, &pid, &fd));
    close(fd);
    assert_int_equal(status_of(pid), 14);
}

static void
messages_of_the_parent_are_checked(void **state)
{
    enum proc_listen purpose;
    enum proc_role role;
    unsigned index;
    struct span name;
    uint8_t body[16];
    struct sink out = SINK_ARRAY(body);
    table_listen_encode(&out, (enum proc_listen)0, SPAN_LIT("x"));
    assert_int_equal(table_listen_decode(sink_view(&out), &purpose, &name),
                     BV_E_BAD_MESSAGE);
    assert_int_equal(table_peer_decode(SPAN_LIT("\x03\x10"), &role, &index),
                     BV_E_BAD_MESSAGE); /* door 16 */
    assert_int_equal(table_peer_decode(SPAN_LIT("\x01\x01"), &role, &index),
                     BV_E_BAD_MESSAGE); /* a second core */
    assert_int_equal(table_peer_decode(SPAN_LIT("\x00\x00"), &role, &index),
                     BV_E_BAD_MESSAGE); /* the parent is nobody's peer */
    OK(table_peer_decode(SPAN_LIT("\x03\x0f"), &role, &index));
    assert_int_equal(role, PROC_DOOR);
    assert_int_equal(index, 15);
}

static void
the_table_is_symmetric(void **state)
{
    size_t num;
    const struct proc_row *rows = table_rows(&num);
    for (size_t i = 0; i < num; i++)
        for (size_t j = 0; j < num; j++)
            assert_int_equal((rows[i].peers & PROC_MASK(rows[j].role)) != 0,
                             (rows[j].peers & PROC_MASK(rows[i].role)) != 0);
    enum proc_role role;
    OK(table_role_of_name(SPAN_LIT("signer"), &role));
    assert_int_equal(role, PROC_SIGNER);
    assert_int_equal(table_role_of_name(SPAN_LIT("parent"), &role),
                     BV_E_NOT_FOUND);
}

static void
dropping_is_for_good(void **state)
{
    struct identity nobody;
    assert_int_equal(identity_find("no-such-user-here", &nobody),
                     BV_E_NOT_FOUND);
    if (getuid() != 0 || identity_find("nobody", &nobody) != BV_OK)
        skip();
    pid_t pid = fork();
    if (pid == 0) {
        if (identity_drop(&nobody) != BV_OK)
            _exit(1);
        if (getuid() != nobody.uid || getgid() != nobody.gid ||
            getgroups(0, NULL) != 0 || setuid(0) == 0)
            _exit(2);
        /* and an ordinary user cannot become another */
        struct identity root = {0, 0};
        _exit(identity_drop(&root) == BV_E_REFUSED ? 0 : 3);
    }
    assert_int_equal(status_of(pid), 0);
}

static void
root_opens_as_the_role_would(void **state)
{
    struct identity nobody;
    char path[] = "/tmp/brevet-identity-XXXXXX", link[64];
    int fd = mkstemp(path); /* 0600 */
    assert_true(fd >= 0);
    close(fd);
    struct identity self = {geteuid(), getegid()};
    fd = identity_open(&self, path, O_RDONLY, 0);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    close(fd);
    (void)snprintf(link, sizeof(link), "%s.link", path);
    assert_int_equal(symlink(path, link), 0);
    assert_int_equal(identity_open(&self, link, O_RDONLY, 0), -1);
    assert_int_equal(errno, ELOOP);
    if (geteuid() == 0 && identity_find("nobody", &nobody) == BV_OK) {
        assert_int_equal(identity_open(&nobody, path, O_RDONLY, 0), -1);
        assert_int_equal(errno, EACCES);
        fd = open(path, O_RDONLY); /* and root is root again */
        assert_true(fd >= 0);
        close(fd);
    }
    unlink(link);
    unlink(path);
}

static void
capabilities_are_dropped(void **state)
{
    struct identity self = {0, 0};
    if (geteuid() != 0)
        skip();
    pid_t pid = fork();
    if (pid == 0) {
        if (identity_drop(&self) != BV_OK || identity_harden(0, 0) != BV_OK)
            _exit(1);
        /* root by name only */
        _exit(chroot("/") == 0 ? 2 : prctl(PR_CAPBSET_READ, 0, 0, 0, 0));
    }
    assert_int_equal(status_of(pid), 0);
}

int
main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], SPAWN_ROLE_OPTION) == 0)
        return as_role(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_role_starts_with_what_it_was_given),
        cmocka_unit_test(a_role_without_a_bundle_does_not_start),
        cmocka_unit_test(a_role_ends_when_the_parent_goes),
        cmocka_unit_test(messages_of_the_parent_are_checked),
        cmocka_unit_test(the_table_is_symmetric),
        cmocka_unit_test(dropping_is_for_good),
        cmocka_unit_test(root_opens_as_the_role_would),
        cmocka_unit_test(capabilities_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
