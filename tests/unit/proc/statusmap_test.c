#include "proc/statusmap.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

static const uint8_t id_a[STATUSMAP_ID_LEN] = "database a 0001";
static const uint8_t id_b[STATUSMAP_ID_LEN] = "database b 0002";
static char path[64];

static int
open_file(int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    return fd;
}

static int
setup(void **state)
{
    (void)snprintf(path, sizeof path, "/tmp/statusmap-XXXXXX");
    return close(mkstemp(path));
}

static int
teardown(void **state)
{
    return unlink(path);
}

static struct statusmap *
writer(const uint8_t *id, struct statusmap_mark *mark)
{
    struct statusmap *map = NULL;
    assert_int_equal(
        statusmap_writer(open_file(O_RDWR | O_CREAT), id, &map, mark), BV_OK);
    return map;
}

static void
words(void **state)
{
    uint64_t hold = statusmap_word(9, 6, 1795000000);
    uint64_t good = statusmap_word(255, -1, 12345);

    assert_int_equal(statusmap_status(hold), 8);
    assert_int_equal(statusmap_reason(hold), 6);
    assert_int_equal(statusmap_issuer(hold), 9);
    assert_int_equal(statusmap_time(hold), 1795000000);
    assert_true(statusmap_is_revoked(hold));
    assert_int_equal(statusmap_status(good), STATUSMAP_GOOD);
    assert_int_equal(statusmap_reason(good), -1);
    assert_int_equal(statusmap_issuer(good), 255);
    assert_int_equal(statusmap_time(good), 0);
    assert_false(statusmap_is_revoked(good));
    assert_int_equal(statusmap_reason(0), -1);
    assert_false(statusmap_is_revoked(0));
    assert_true(statusmap_is_revoked(statusmap_word(1, 0, 1)));
}

static void
readers_see_what_is_written(void **state)
{
    struct statusmap_mark mark;
    bv_auto(statusmap) struct statusmap *w = writer(id_a, &mark);
    bv_auto(statusmap) struct statusmap *r = NULL;
    uint64_t before, good = statusmap_word(1, -1, 0);
    uint8_t id[STATUSMAP_ID_LEN];

    assert_int_equal(mark.seq, 0);
    assert_int_equal(statusmap_reader(open_file(O_RDONLY), &r), BV_OK);
    statusmap_id(r, id);
    assert_memory_equal(id, id_a, sizeof id);
    before = statusmap_generation(r);
    assert_int_equal(statusmap_put(w, 1, good), BV_OK);
    assert_true(statusmap_get(r, 1) == good);
    assert_true(statusmap_generation(r) > before);
    /* past the reader's view: it looks again */
    assert_int_equal(statusmap_put(w, 3000000, good), BV_OK);
    assert_true(statusmap_get(r, 3000000) == good);
    assert_true(statusmap_get(r, 2999999) == 0);
    assert_true(statusmap_get(r, UINT64_MAX) == 0);
    assert_true(statusmap_get(w, UINT64_MAX) == 0);
    assert_int_equal(statusmap_put(r, 1, 0), BV_E_USAGE);
    assert_int_equal(statusmap_put(w, UINT64_MAX, 0), BV_E_TOO_LARGE);
}

static void
mark_survives_and_foreign_files_are_emptied(void **state)
{
    struct statusmap_mark mark;
    struct statusmap *w = writer(id_a, &mark);
    assert_int_equal(statusmap_put(w, 5, 77), BV_OK);
    assert_int_equal(statusmap_sync(w, (struct statusmap_mark){5, 3}), BV_OK);
    statusmap_free(w);

    w = writer(id_a, &mark);
    assert_int_equal(mark.seq, 5);
    assert_int_equal(mark.change, 3);
    assert_true(statusmap_get(w, 5) == 77);
    assert_int_equal(statusmap_mark(w).seq, 5);
    statusmap_free(w);

    w = writer(id_b, &mark);
    assert_int_equal(mark.seq, 0);
    assert_int_equal(mark.change, 0);
    assert_true(statusmap_get(w, 5) == 0);
    assert_int_equal(statusmap_put(w, 5, 78), BV_OK);
    assert_int_equal(statusmap_sync(w, (struct statusmap_mark){5, 0}), BV_OK);
    assert_int_equal(statusmap_reset(w), BV_OK);
    assert_int_equal(statusmap_mark(w).seq, 0);
    assert_true(statusmap_get(w, 5) == 0);
    statusmap_free(w);
}

/* Any length a crash can leave, header and words cut anywhere. */
static void
torn_sizes(void **state)
{
    static const off_t sizes[] = {0,    1,    7,    100,          4095,
                                  4096, 4097, 4103, (1 << 20) - 3};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct statusmap_mark mark = {9, 9};
        struct statusmap *w = writer(id_a, &mark), *r = NULL;
        struct stat st;

        assert_int_equal(statusmap_put(w, 3, 33), BV_OK);
        assert_int_equal(statusmap_sync(w, (struct statusmap_mark){3, 1}),
                         BV_OK);
        statusmap_free(w);
        assert_int_equal(truncate(path, sizes[i]), 0);
        if (sizes[i] < STATUSMAP_HEADER)
            assert_int_equal(statusmap_reader(open_file(O_RDONLY), &r),
                             BV_E_CORRUPT);
        w = writer(id_a, &mark);
        /* word 3 was cut off: the mark that vouches for it is not believed */
        assert_int_equal(mark.seq, sizes[i] < STATUSMAP_HEADER + 32 ? 0 : 3);
        assert_true(statusmap_get(w, 3) == (mark.seq == 0 ? 0 : 33));
        assert_int_equal(statusmap_put(w, 4, 44), BV_OK);
        assert_int_equal(statusmap_reader(open_file(O_RDONLY), &r), BV_OK);
        assert_true(statusmap_get(r, 4) == 44);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_size % (1 << 20), 0);
        statusmap_free(r);
        statusmap_free(w);
    }
}

static void
garbage_is_no_map(void **state)
{
    struct statusmap *r = NULL;
    char junk[8192];
    int fd = open_file(O_RDWR);

    memset(junk, 'x', sizeof junk);
    assert_int_equal(write(fd, junk, sizeof junk), sizeof junk);
    assert_int_equal(statusmap_reader(fd, &r), BV_E_CORRUPT);
}

/* The writer is killed in the middle of its work, again and again. What its
 * mark vouches for is there, and replaying from the mark gives the truth. */
static void
killed_writer(void **state)
{
    for (int round = 0; round < 20; round++) {
        struct statusmap_mark mark;
        pid_t pid = fork();
        int status;

        assert_true(pid >= 0);
        if (pid == 0) {
            struct statusmap *w = writer(id_a, &mark);
            for (uint64_t i = mark.seq + 1;; i++) {
                if (statusmap_put(w, i, i + 1000) != BV_OK)
                    _exit(1);
                if (i % 64 == 0 &&
                    statusmap_sync(w, (struct statusmap_mark){i, i}) != BV_OK)
                    _exit(1);
            }
        }
        usleep(2000 + (unsigned)round * 700);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));

        bv_auto(statusmap) struct statusmap *w = writer(id_a, &mark);
        for (uint64_t i = 1; i <= mark.seq; i++)
            assert_true(statusmap_get(w, i) == i + 1000);
    }
}

/* Atomic words: a reader never sees half of one. */
static void
no_torn_words(void **state)
{
    struct statusmap_mark mark;
    uint64_t a = statusmap_word(0x11, -1, 0);
    uint64_t b = statusmap_word(0xee, 10, 0xeeeeeeee);
    struct statusmap *w = writer(id_a, &mark);
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        for (;;) {
            (void)!statusmap_put(w, 9, a);
            (void)!statusmap_put(w, 9, b);
        }
    }
    for (int i = 0; i < 200000; i++) {
        uint64_t word = statusmap_get(w, 9);
        assert_true(word == 0 || word == a || word == b);
    }
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    statusmap_free(w);
}

/* A file that cannot grow is an error, not a signal, and the map stays usable.
 */
static void
no_room_is_an_error(void **state)
{
    struct statusmap_mark mark;
    bv_auto(statusmap) struct statusmap *map = NULL;
    int fd = memfd_create("map", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_true(fd >= 0);
    assert_int_equal(statusmap_writer(dup(fd), id_a, &map, &mark), BV_OK);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(statusmap_reserve(map, 10000000), BV_E_IO);
    assert_int_equal(statusmap_put(map, 10000000, 1), BV_E_IO);
    assert_int_equal(statusmap_put(map, 2, 5), BV_OK);
    assert_true(statusmap_get(map, 2) == 5);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(words),
        CASE(readers_see_what_is_written),
        CASE(mark_survives_and_foreign_files_are_emptied),
        CASE(torn_sizes),
        CASE(garbage_is_no_map),
        CASE(killed_writer),
        CASE(no_torn_words),
        CASE(no_room_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
