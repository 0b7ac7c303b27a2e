/* Who has CRLs published is answered when they are what clients get. */
#include "fixture.h"

#include <stdio.h>

#define PUBLISH "{\"verb\":\"crl.publish\",\"args\":{\"wait\":true}}"

static struct fixture f;

static int
setup(void **state)
{
    fixture_open(&f);
    for (int i = 0; i < 4; i++)
        fixture_tick(&f);
    core_files_served(f.core);
    fixture_time++; /* of one second there is one CRL */
    return 0;
}

static int
teardown(void **state)
{
    fixture_close(&f);
    return 0;
}

static void
publish(void)
{
    const struct core_caller ada = {1000, "ada", CORE_ROLE_ADMIN};
    f.json[0] = '\0';
    core_admin(f.core, &ada, 2, 1, span_str(PUBLISH));
}

static bool
said(const char *what)
{
    assert_int_equal(core_commit(f.core), BV_OK);
    return strstr(f.json, what) != NULL;
}

static void
test_served(void **state)
{
    int before = f.files_changed;
    publish();
    core_files_served(f.core); /* the one before */
    assert_false(said("ok"));
    fixture_settle(&f);
    assert_int_equal(f.files_changed, before + 1);
    assert_false(said("ok")); /* it is there, but not served */
    core_files_served(f.core);
    assert_true(said("\"served\":true"));
    assert_true(said("\"crl_number\":2"));
}

/* One under way may lack what was revoked just now: the next one counts. */
static void
test_not_the_one_under_way(void **state)
{
    (void)fixture_admin(&f, "{\"verb\":\"profile.list\",\"args\":{}}");
    const struct core_caller ada = {1000, "ada", CORE_ROLE_ADMIN};
    core_admin(f.core, &ada, 2, 9,
               SPAN_LIT("{\"verb\":\"crl.publish\",\"args\":{}}"));
    publish();
    fixture_settle(&f);
    core_files_served(f.core);
    assert_false(said("served"));
    fixture_tick(&f); /* begins none: it would have the date of the last */
    core_files_served(f.core);
    assert_false(said("served"));
    fixture_time++;
    fixture_tick(&f); /* begins it */
    core_files_served(f.core);
    assert_true(said("\"served\":true"));
    assert_true(said("\"crl_number\":3"));
}

static void
test_failed(void **state)
{
    assert_int_equal(fixture_shell(&f, "rm %s/ca.crl && mkdir %s/ca.crl && "
                                       "touch %s/ca.crl/x"),
                     0);
    publish();
    fixture_settle(&f);
    assert_true(said("\"ok\":false"));
    assert_true(said("could not be published"));
}

static void
test_bound(void **state)
{
    publish();
    fixture_settle(&f);
    assert_false(said("ok"));
    fixture_time += 61;
    fixture_tick(&f);
    assert_true(said("\"served\":false"));
}

/* Core ends while somebody waits. */
static void
test_end(void **state)
{
    publish();
    fixture_settle(&f);
    fixture_reopen(&f);
    assert_non_null(strstr(f.json, "UNAVAILABLE"));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_served), T(test_not_the_one_under_way),
        T(test_failed), T(test_bound),
        T(test_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
