/* The status map is written after the commit and synced now and then: what a
 * power cut takes from it comes back from the database, and nobody who looks
 * on meanwhile sees a revoked certificate good. */
#include "fixture.h"

#include <fcntl.h>
#include <stdio.h>

#include "core/audit.h"
#include "pki/serial.h"
#include "proc/statusmap.h"
#include "wire/cert.h"

static struct fixture f;
static uint8_t csr_buf[8192];

static int
setup(void **state)
{
    fixture_open(&f);
    return 0;
}

static int
teardown(void **state)
{
    fixture_close(&f);
    return 0;
}

/* The number of the new certificate. */
static uint64_t
enrol(const char *cn)
{
    char secret[64];
    struct core_stats stats;
    bv_auto(key) struct key *key = fixture_key();
    fixture_token(&f, cn, NULL, 1, secret);
    struct core_request r = fixture_request(
        CORE_ENROLL,
        fixture_csr(key, cn, SPAN_EMPTY, SPAN_EMPTY, csr_buf, sizeof csr_buf));
    r.secret = span_str(secret);
    assert_int_equal(fixture_run(&f, &r), BV_OK);
    core_stats(f.core, &stats);
    return stats.next_seq - 1;
}

static void
change(const char *verb, const char *device)
{
    char text[200];
    (void)snprintf(text, sizeof text,
                   "{\"verb\":\"cert.%s\",\"args\":{\"device\":\"%s\"}}", verb,
                   device);
    assert_non_null(strstr(fixture_admin(&f, text), "\"changed\":1"));
}

static struct statusmap *
look(void)
{
    char path[128];
    struct statusmap *map = NULL;
    (void)snprintf(path, sizeof path, "%s/status.map", f.dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(statusmap_reader(fd, &map), BV_OK);
    return map;
}

static int
status_of(uint64_t seq)
{
    bv_auto(statusmap) struct statusmap *map = look();
    return statusmap_status(statusmap_get(map, seq));
}

#define HOLD (STATUSMAP_REVOKED + 6)

/* All that was written since the last sync is lost, the sync's mark is not. */
static void
test_power_cut(void **state)
{
    uint64_t old = enrol("old"), held = enrol("held"), freed = enrol("freed");
    change("hold", "freed");
    fixture_time += 61;
    fixture_tick(&f); /* syncs */
    assert_int_equal(fixture_shell(&f, "cp %s/status.map %s/synced"), 0);
    change("revoke", "old");
    change("hold", "held");
    change("release", "freed");
    uint64_t new = enrol("new"), gone = enrol("gone");
    change("revoke", "gone");
    f.between = "cp %s/synced %s/status.map";
    fixture_reopen(&f);
    assert_int_equal(status_of(old), STATUSMAP_REVOKED);
    assert_int_equal(status_of(held), HOLD);
    assert_int_equal(status_of(freed), STATUSMAP_GOOD);
    assert_int_equal(status_of(new), STATUSMAP_GOOD);
    assert_int_equal(status_of(gone), STATUSMAP_REVOKED);
}

/* A map from before changes that are no longer kept is made anew, whether it
 * has seen a change itself or not. */
static void
test_map_of_long_ago(void **state)
{
    uint64_t first = enrol("first"), second = enrol("second");
    fixture_time += 61;
    fixture_tick(&f);
    assert_int_equal(fixture_shell(&f, "cp %s/status.map %s/none"), 0);
    change("hold", "first");
    fixture_time += 61;
    fixture_tick(&f);
    assert_int_equal(fixture_shell(&f, "cp %s/status.map %s/one"), 0);
    change("revoke", "second");
    change("revoke", "first");
    fixture_time += 61;
    fixture_tick(&f); /* the first two are dropped */
    fixture_settle(&f);
    for (int i = 0; i < 2; i++) {
        f.between =
            i == 0 ? "cp %s/none %s/status.map" : "cp %s/one %s/status.map";
        fixture_reopen(&f);
        assert_int_equal(status_of(first), STATUSMAP_REVOKED);
        assert_int_equal(status_of(second), STATUSMAP_REVOKED);
    }
}

/* The same with no map at all, an empty one and another database's. */
static void
test_no_map(void **state)
{
    static const char *const ways[] = {
        "rm %s/status.map", "truncate -s 0 %s/status.map",
        "printf x | dd of=%s/status.map bs=1 seek=20 conv=notrunc status=none",
        "truncate -s 5000 %s/status.map"};
    uint64_t good = enrol("good"), bad = enrol("bad");
    change("revoke", "bad");
    for (size_t i = 0; i < 4; i++) {
        f.between = ways[i];
        fixture_reopen(&f);
        assert_int_equal(status_of(good), STATUSMAP_GOOD);
        assert_int_equal(status_of(bad), STATUSMAP_REVOKED);
    }
}

/* --- who looks on --- */

static struct {
    struct store store; /* what core sees */
    store_change_fn *fn;
    void *user;
    uint64_t seq;
    unsigned seen;
} spy;

static enum bv_err
spy_change(void *user, const struct store_change *row)
{
    enum bv_err err = spy.fn(spy.user, row);
    (void)user;
    spy.seen++;
    assert_int_not_equal(status_of(spy.seq), STATUSMAP_GOOD);
    return err;
}

static enum bv_err
spy_changes(void *ctx, uint64_t after, store_change_fn *fn, void *user)
{
    spy.fn = fn;
    spy.user = user;
    return f.store.changes_since(ctx, after, spy_change, NULL);
}

static void
never(void *user, unsigned tag, uint64_t id, const struct core_reply *reply)
{
    fail();
}

static int64_t
now(void)
{
    return fixture_time;
}

/* Core died and starts again; the signer has the map open all the while. */
static void
test_no_moment_of_good(void **state)
{
    char path[128], problem[300] = "";
    struct core *core = NULL;
    const struct core_calls calls = {.reply = never, .now = now};
    spy.seq = enrol("d1");
    fixture_time += 61;
    fixture_tick(&f);
    change("hold", "d1");
    change("release", "d1");
    change("revoke", "d1");
    spy.store = f.store;
    spy.store.changes_since = spy_changes;
    (void)snprintf(path, sizeof path, "%s/status.map", f.dir);
    /* as kill -9: the mark is the old one, the words are there */
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(core_new(&f.config, &spy.store, fd, &calls, &core, problem,
                              sizeof problem),
                     BV_OK);
    assert_int_equal(spy.seen, 1 + 3); /* can it go on from here? */
    core_free(core);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_power_cut),
        T(test_map_of_long_ago),
        T(test_no_map),
        T(test_no_moment_of_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
