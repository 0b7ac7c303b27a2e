#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "base/sink.h"
#include "proc/bundle.h"

#define OK(expr) assert_int_equal(expr, BV_OK)

static void
what_was_put_in_comes_out(void **state)
{
    int fd;
    OK(bundle_create(&fd));
    OK(bundle_add(fd, "brevet.conf", SPAN_LIT("log_level = info\n")));
    OK(bundle_add(fd, "empty", SPAN_EMPTY));
    OK(bundle_add(fd, "ca/root.crt", SPAN_LIT("PEM")));
    OK(bundle_seal(fd));
    struct bundle bundle;
    OK(bundle_open(fd, &bundle));
    struct span blob;
    OK(bundle_find(&bundle, "ca/root.crt", &blob));
    assert_true(span_eq_str(blob, "PEM"));
    OK(bundle_find(&bundle, "empty", &blob));
    assert_int_equal(blob.len, 0);
    assert_int_equal(bundle_find(&bundle, "ca/root", &blob), BV_E_NOT_FOUND);
    size_t at = 0, num = 0;
    struct span name;
    while (bundle_each(&bundle, &at, &name, &blob))
        num++;
    assert_int_equal(num, 3);
    bundle_close(&bundle);
    bundle_close(&bundle);
}

static void
a_sealed_bundle_cannot_change(void **state)
{
    int fd;
    OK(bundle_create(&fd));
    OK(bundle_add(fd, "a", SPAN_LIT("b")));
    OK(bundle_seal(fd));
    assert_int_equal(bundle_add(fd, "c", SPAN_LIT("d")), BV_E_IO);
    assert_int_equal(ftruncate(fd, 0), -1);
    close(fd);
}

static void
an_unsealed_one_is_refused(void **state)
{
    int fd;
    OK(bundle_create(&fd));
    OK(bundle_add(fd, "a", SPAN_LIT("b")));
    struct bundle bundle;
    assert_int_equal(bundle_open(fd, &bundle), BV_E_BAD_MESSAGE);
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(bundle_open(fds[0], &bundle), BV_E_BAD_MESSAGE);
    close(fds[1]);
}

static void
a_damaged_one_is_refused(void **state)
{
    const uint8_t forms[][6] = {{0, 0, 0, 9, 'x', 'y'}, {0, 0, 0, 1, 'x', 0}};
    for (size_t i = 0; i < 2; i++) {
        int fd;
        OK(bundle_create(&fd));
        assert_int_equal(write(fd, forms[i], 6), 6);
        OK(bundle_seal(fd));
        struct bundle bundle;
        assert_int_equal(bundle_open(fd, &bundle), BV_E_BAD_MESSAGE);
    }
}

static void
its_size_is_bounded(void **state)
{
    int fd;
    OK(bundle_create(&fd));
    uint8_t *big = calloc(1, BUNDLE_MAX);
    OK(bundle_add(fd, "half", span_of(big, BUNDLE_MAX / 2)));
    assert_int_equal(bundle_add(fd, "more", span_of(big, BUNDLE_MAX / 2)),
                     BV_E_TOO_LARGE);
    OK(bundle_add(fd, "small", SPAN_LIT("still fits")));
    free(big);
    close(fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_in_comes_out),
        cmocka_unit_test(a_sealed_bundle_cannot_change),
        cmocka_unit_test(an_unsealed_one_is_refused),
        cmocka_unit_test(a_damaged_one_is_refused),
        cmocka_unit_test(its_size_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
