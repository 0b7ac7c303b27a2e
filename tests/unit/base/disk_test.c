#include "base/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Every test has an empty folder and works in it. */
static char folder[] = "/tmp/disk-XXXXXX";

static int
enter(void **state)
{
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    return mkdtemp(folder) != NULL && chdir(folder) == 0 ? 0 : -1;
}

static int
leave(void **state)
{
    (void)unlink("a");
    (void)unlink("a.new");
    (void)rmdir("a.new");
    (void)unlink("victim");
    return chdir("/") == 0 ? rmdir(folder) : -1;
}

static void
expect_file(const char *path, const char *content, mode_t mode)
{
    char have[64] = "";
    struct stat st;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t len = fread(have, 1, sizeof have - 1, file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(len, strlen(content));
    assert_string_equal(have, content);
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, mode);
}

static void
test_created_file_has_exactly_the_mode(void **state)
{
    mode_t mask = umask(077);
    assert_int_equal(disk_create("a", 0644, SPAN_LIT("one")), BV_OK);
    (void)umask(mask);
    expect_file("a", "one", 0644);
}

static void
test_create_leaves_what_is_there(void **state)
{
    assert_int_equal(disk_create("a", 0600, SPAN_LIT("one")), BV_OK);
    assert_int_equal(disk_create("a", 0644, SPAN_LIT("two")), BV_E_IO);
    assert_int_equal(errno, EEXIST);
    expect_file("a", "one", 0600);
}

static void
test_replace_changes_content_and_mode(void **state)
{
    assert_int_equal(disk_replace("a", 0644, SPAN_LIT("longer")), BV_OK);
    assert_int_equal(disk_replace("a", 0600, SPAN_LIT("two")), BV_OK);
    expect_file("a", "two", 0600);
    assert_int_equal(access("a.new", F_OK), -1);
}

static void
test_replace_follows_no_link_left_aside(void **state)
{
    assert_int_equal(disk_create("victim", 0600, SPAN_LIT("mine")), BV_OK);
    assert_int_equal(symlink("victim", "a.new"), 0);
    assert_int_equal(disk_replace("a", 0600, SPAN_LIT("one")), BV_OK);
    expect_file("victim", "mine", 0600);
    expect_file("a", "one", 0600);
}

static void
test_failed_replace_keeps_the_old_file(void **state)
{
    assert_int_equal(disk_replace("a", 0600, SPAN_LIT("one")), BV_OK);
    assert_int_equal(mkdir("a.new", 0700), 0);
    assert_int_equal(disk_replace("a", 0600, SPAN_LIT("two")), BV_E_IO);
    assert_int_equal(errno, EEXIST);
    expect_file("a", "one", 0600);
}

static void
test_failed_rename_leaves_nothing_aside(void **state)
{
    assert_int_equal(mkdir("a", 0700), 0);
    assert_int_equal(disk_replace("a", 0600, SPAN_LIT("one")), BV_E_IO);
    assert_int_equal(errno, EISDIR);
    assert_int_equal(access("a.new", F_OK), -1);
    assert_int_equal(rmdir("a"), 0);
}

static void
test_full_disk_is_told_apart(void **state)
{
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(full >= 0);
    assert_int_equal(disk_write(full, SPAN_LIT("one")), BV_E_DISK_FULL);
    assert_int_equal(close(full), 0);
    errno = EDQUOT;
    assert_int_equal(disk_error(), BV_E_DISK_FULL);
    errno = EROFS;
    assert_int_equal(disk_error(), BV_E_IO);
}

static void
test_folder_of_a_path_is_synced(void **state)
{
    char path[64];
    (void)snprintf(path, sizeof path, "%s/a", folder);
    assert_int_equal(disk_sync_folder("a"), BV_OK);
    assert_int_equal(disk_sync_folder(path), BV_OK);
    assert_int_equal(disk_sync_folder("/a"), BV_OK);
    assert_int_equal(disk_sync_folder("nowhere/a"), BV_E_IO);
    assert_int_equal(errno, ENOENT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_created_file_has_exactly_the_mode,
                                        enter, leave),
        cmocka_unit_test_setup_teardown(test_create_leaves_what_is_there, enter,
                                        leave),
        cmocka_unit_test_setup_teardown(test_replace_changes_content_and_mode,
                                        enter, leave),
        cmocka_unit_test_setup_teardown(test_replace_follows_no_link_left_aside,
                                        enter, leave),
        cmocka_unit_test_setup_teardown(test_failed_replace_keeps_the_old_file,
                                        enter, leave),
        cmocka_unit_test_setup_teardown(test_failed_rename_leaves_nothing_aside,
                                        enter, leave),
        cmocka_unit_test_setup_teardown(test_full_disk_is_told_apart, enter,
                                        leave),
        cmocka_unit_test_setup_teardown(test_folder_of_a_path_is_synced, enter,
                                        leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
