/* The power is cut at every storage write, key operation and transport call of
 * an enrolment and of a renewal; then the device starts again. A device that
 * had a working identity still has one, and it always gets there in the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/world.h"

#define DAY  INT64_C(86400)
#define LONG (400 * DAY)

static struct world world;
static struct bv_device device;

static int
setup(void **state)
{
    (void)state;
    world_init(&world);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    world_done(&world);
    return 0;
}

/* Runs with the power going out after so many calls. True: it went out. */
static bool
run_until_cut(long fuse, enum bv_event event, bool by_fingerprint)
{
    jmp_buf cut;
    world.cut = &cut;
    world.fuse = fuse;
    if (setjmp(cut) != 0) {
        world.fuse = -1;
        return true;
    }
    world_boot(&world, &device, by_fingerprint);
    bool came = world_run(&world, &device, event, LONG);
    world.fuse = -1;
    assert_true(came);
    return false;
}

static void
enrol(void)
{
    world_boot(&world, &device, false);
    assert_true(world_run(&world, &device, BV_EVENT_ENROLLED, DAY));
    assert_true(world_works(&world));
}

static void
cut_enrolment(bool by_fingerprint)
{
    long fuse = 0;
    for (;; fuse++) {
        bool cut;
        world_init(&world);
        cut = run_until_cut(fuse, BV_EVENT_ENROLLED, by_fingerprint);
        if (!cut)
            break;
        world_boot(&world, &device, by_fingerprint);
        if (!world_works(&world)) {
            world_boot(&world, &device, by_fingerprint);
            assert_true(world_run(&world, &device, BV_EVENT_ENROLLED, DAY));
        }
        assert_true(world_works(&world));
    }
    assert_true(fuse > 20); /* the cuts really happened */
}

static void
test_cut_enrolment(void **state)
{
    (void)state;
    cut_enrolment(false);
}

static void
test_cut_enrolment_by_fingerprint(void **state)
{
    (void)state;
    cut_enrolment(true);
}

static void
cut_renewal(bool reuse_key)
{
    long fuse = 0;
    for (;; fuse++) {
        world_init(&world);
        world.reuse_key = reuse_key;
        enrol();
        world_pass(&world, 80 * DAY * 1000); /* due, ten days left */
        if (!run_until_cut(fuse, BV_EVENT_RENEWED, false))
            break;
        assert_true(world_works(&world));
        /* whatever was reached: within the ten days it is renewed */
        world_boot(&world, &device, false);
        (void)world_run(&world, &device, BV_EVENT_RENEWED, 9 * DAY);
        struct bv_status status;
        bv_device_status(&device, &status);
        assert_true(status.not_after > world.true_time + 60 * DAY);
        assert_true(world_works(&world));
    }
    assert_true(fuse > 15);
}

/* Cut again and again at random; the identity never stops working. */
static void
test_cut_renewal(void **state)
{
    (void)state;
    cut_renewal(false);
}

static void
test_cut_renewal_same_key(void **state)
{
    (void)state;
    cut_renewal(true);
}

/* The key stays, the certificate does not: an older one whose key fits too is
 * never taken for a new one, and a failed attempt does not change that. */
static void
test_same_key(void **state)
{
    struct bv_status status;
    (void)state;
    world.reuse_key = true;
    enrol();
    for (unsigned n = 2; n < 6; n++) {
        bv_device_status(&device, &status);
        int64_t end = status.not_after;
        world.mood = MOOD_BROKEN;
        assert_true(world_run(&world, &device, BV_EVENT_FAILED, LONG));
        world.mood = MOOD_HONEST;
        assert_true(world_run(&world, &device, BV_EVENT_RENEWED, LONG));
        bv_device_status(&device, &status);
        assert_true(status.not_after > end);
        assert_int_equal(status.generation, n);
        assert_int_equal(world.issued, n);
    }
    assert_int_equal(world.generated, 1);
    assert_true(world_works(&world));
}

static void
test_cut_for_years(void **state)
{
    (void)state;
    enrol();
    unsigned seed = 7;
    for (int i = 0; i < 300; i++) {
        seed = seed * 1103515245u + 12345u;
        jmp_buf cut;
        world.cut = &cut;
        world.fuse = (long)(seed >> 16) % 60;
        if (setjmp(cut) == 0) {
            world_boot(&world, &device, false);
            (void)world_run(&world, &device, BV_EVENT_NONE,
                            (int64_t)((seed >> 8) % (20 * DAY)));
        }
        world.fuse = -1;
        assert_true(world_works(&world));
    }
    assert_true(world.issued > 10);
}

/* --- hostile servers --- */

static void
test_hostile(void **state)
{
    (void)state;
    for (int mood = MOOD_PENDING; mood < MOOD_COUNT; mood++) {
        world_init(&world);
        enrol();
        world_pass(&world, 62 * DAY * 1000); /* after percent and jitter soon */
        world.mood = (enum mood)mood;
        world.cut_at = 40;
        world.disowned_from = world.true_time - 100;
        world.contacts = 0;
        if (mood == MOOD_ROGUE_ROOT)
            continue; /* it renews; see test_trust */
        bool renewed = world_run(&world, &device, BV_EVENT_RENEWED, 20 * DAY);
        assert_false(renewed);
        assert_true(world_works(&world));
        /* slow enough: a handful a day at most, after the first climb */
        assert_true(world.contacts < 200);
        world.mood = MOOD_HONEST;
        assert_true(world_run(&world, &device, BV_EVENT_RENEWED, 5 * DAY));
        assert_true(world_works(&world));
    }
}

static void
test_truncation_at_each_octet(void **state)
{
    (void)state;
    enrol();
    world_pass(&world, 70 * DAY * 1000);
    size_t whole = 2000;
    for (size_t at = 0; at < whole; at += 1) {
        world.mood = MOOD_CUT;
        world.cut_at = at;
        world_boot(&world, &device, false);
        uint64_t wait;
        (void)bv_device_step(&device, &wait);
        bv_device_renew(&device);
        enum bv_event event = BV_EVENT_NONE;
        while (event == BV_EVENT_NONE) {
            event = bv_device_step(&device, &wait);
            world_pass(&world, wait > 20 ? 20 : wait);
        }
        if (event == BV_EVENT_RENEWED)
            break; /* longer than every answer */
        assert_int_equal(event, BV_EVENT_FAILED);
        if (at % 50 == 0)
            assert_true(world_works(&world));
    }
    assert_true(world_works(&world));
}

/* A first enrolment, trust included, cut at each octet of whatever the server
 * sends: nothing half is ever taken up, and the next try gets there. */
static void
truncate_enrolment(bool by_fingerprint)
{
    bool whole = false;
    for (size_t at = 0; !whole; at++) {
        assert_true(at < 3000);
        world_init(&world);
        world.mood = MOOD_CUT;
        world.cut_at = at;
        world_boot(&world, &device, by_fingerprint);
        whole = !world_run(&world, &device, BV_EVENT_FAILED, 10);
        assert_int_equal(world_works(&world), whole);
        world.mood = MOOD_HONEST;
        assert_true(whole ||
                    world_run(&world, &device, BV_EVENT_ENROLLED, DAY));
        assert_true(world_works(&world));
    }
}

static void
test_truncated_enrolment(void **state)
{
    (void)state;
    truncate_enrolment(false);
}

static void
test_truncated_enrolment_by_fingerprint(void **state)
{
    (void)state;
    truncate_enrolment(true);
}

static void
test_retry_after_is_kept(void **state)
{
    (void)state;
    world.mood = MOOD_PENDING;
    world.retry_after = 3600;
    world_boot(&world, &device, false);
    assert_true(world_run(&world, &device, BV_EVENT_PENDING, DAY));
    unsigned before = world.contacts;
    assert_false(world_run(&world, &device, BV_EVENT_PENDING, 3500));
    assert_int_equal(world.contacts, before);
    assert_true(world_run(&world, &device, BV_EVENT_PENDING, 600));
    world.mood = MOOD_HONEST;
    assert_true(world_run(&world, &device, BV_EVENT_ENROLLED, 4100));
}

static uint32_t
asked_to_wait(enum mood mood, uint32_t seconds, uint32_t seed)
{
    struct bv_status status;
    world_init(&world);
    if (mood == MOOD_BROKEN) {
        enrol();
        world_pass(&world, 80 * DAY * 1000); /* due; half of the rest is more */
    }
    world.random = seed;
    world.mood = mood;
    world.retry_after = seconds;
    world_boot(&world, &device, false);
    assert_true(world_run(
        &world, &device,
        mood == MOOD_PENDING ? BV_EVENT_PENDING : BV_EVENT_FAILED, DAY));
    bv_device_status(&device, &status);
    return status.retry_after;
}

/* A whole fleet is told the same: it does not come back in the same second,
 * and nobody comes back before that. */
static void
test_retry_after_is_spread(void **state)
{
    static const enum mood moods[] = {MOOD_PENDING, MOOD_BROKEN};
    bool quarter[4];
    (void)state;
    for (size_t m = 0; m < 2; m++) {
        memset(quarter, 0, sizeof(quarter));
        for (uint32_t seed = 1; seed <= 40; seed++) {
            uint32_t wait = asked_to_wait(moods[m], 3 * DAY, seed * 7919);
            assert_in_range(wait, 3 * DAY, 3 * DAY + 3 * DAY / 8);
            quarter[(wait - 3 * DAY) * 4 / (3 * DAY / 8 + 1)] = true;
        }
        for (int i = 0; i < 4; i++)
            assert_true(quarter[i]);
    }
}

/* The date counts from the server's own, whatever our clock says. */
static void
test_retry_after_as_a_date(void **state)
{
    (void)state;
    for (int known = 0; known < 2; known++) {
        struct bv_status status;
        world_init(&world);
        world.mood = MOOD_PENDING;
        world.wall_unknown = !known;
        world.ahead = known ? 5 * DAY : 0;
        world.retry_as_date = true;
        world.retry_after = 7200;
        world_boot(&world, &device, false);
        assert_true(world_run(&world, &device, BV_EVENT_PENDING, DAY));
        bv_device_status(&device, &status);
        assert_in_range(status.retry_after, 7200, 8100);
    }
}

/* A renewal that was asked for too early and failed is tried again in the
 * window: that is what the status says. */
static void
test_early_renewal_fails(void **state)
{
    struct bv_status status;
    (void)state;
    enrol();
    world.mood = MOOD_BROKEN;
    bv_device_renew(&device);
    assert_true(world_run(&world, &device, BV_EVENT_FAILED, 100));
    bv_device_status(&device, &status);
    assert_in_range(status.retry_after, status.renew_at - world.true_time,
                    status.renew_at - world.true_time + 1);
    world.mood = MOOD_HONEST;
    assert_false(world_run(&world, &device, BV_EVENT_RENEWED,
                           (int64_t)status.retry_after - 10));
    assert_true(world_run(&world, &device, BV_EVENT_RENEWED, 100));
}

/* "Come back tomorrow" to an identity of an hour: asked again before its end,
 * but not more than a few times. */
static void
test_retry_after_is_not_the_end(void **state)
{
    static const enum mood moods[] = {MOOD_BROKEN, MOOD_PENDING};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        world_init(&world);
        world.lifetime = 3600;
        enrol();
        world.mood = moods[i];
        world.retry_after = UINT32_MAX;
        unsigned before = world.contacts;
        int64_t end = world.true_time + 3600;
        while (world.true_time < end - 300)
            (void)world_run(&world, &device, BV_EVENT_RENEWED, 60);
        assert_in_range(world.contacts - before, 2, 20);
        world.mood = MOOD_HONEST;
        assert_true(world_run(&world, &device, BV_EVENT_RENEWED, 290));
        assert_true(world.true_time < end);
        assert_true(world_works(&world));
    }
}

/* Days of polling: one key, so that the server sees one request, and the flash
 * is left alone. */
static void
test_approval_takes_days(void **state)
{
    (void)state;
    world.mood = MOOD_FORBIDDEN;
    world_boot(&world, &device, false);
    for (int i = 0; i < 3; i++)
        assert_true(world_run(&world, &device, BV_EVENT_FAILED, DAY));
    world.mood = MOOD_PENDING;
    world.retry_after = 60;
    assert_true(world_run(&world, &device, BV_EVENT_PENDING, DAY));
    unsigned writes = world.writes, generated = world.generated;
    (void)world_run(&world, &device, BV_EVENT_ENROLLED, 3 * DAY);
    assert_true(world.writes - writes < 5);
    assert_int_equal(world.generated, generated);
    world.mood = MOOD_HONEST;
    assert_true(world_run(&world, &device, BV_EVENT_ENROLLED, 300));
    assert_int_equal(world.generated, generated);
}

/* The ladder is in flash: a device that restarts for ever is no faster. */
static void
test_pause_survives_restart(void **state)
{
    (void)state;
    world.mood = MOOD_FORBIDDEN;
    world_boot(&world, &device, false);
    for (int i = 0; i < 8; i++)
        assert_true(world_run(&world, &device, BV_EVENT_FAILED, 3 * DAY));
    unsigned before = world.contacts;
    for (int i = 0; i < 50; i++) {
        world_boot(&world, &device, false);
        (void)world_run(&world, &device, BV_EVENT_FAILED, 20);
    }
    assert_true(world.contacts - before <= 2);
}

/* A disk that cannot be written must not cost the server anything. */
static void
test_read_only(void **state)
{
    (void)state;
    enrol();
    world_pass(&world, 80 * DAY * 1000);
    unsigned issued = world.issued;
    world.read_only = true;
    (void)world_run(&world, &device, BV_EVENT_RENEWED, 2 * DAY);
    assert_int_equal(world.issued, issued);
    assert_true(world.refused_writes > 0);
    assert_true(world_works(&world));
    world.read_only = false;
    assert_true(world_run(&world, &device, BV_EVENT_RENEWED, 2 * DAY));
}

/* Shut out on purpose: a device whose living certificate is refused does not
 * come back in by its claim code. */
static void
test_revoked(void **state)
{
    (void)state;
    enrol();
    unsigned issued = world.issued;
    world.mood = MOOD_DISOWN;
    world.disowned_from = 0;
    assert_false(world_run(&world, &device, BV_EVENT_RENEWED, 85 * DAY));
    assert_int_equal(world.issued, issued);
}

/* Two minutes of life: renewed in time, again and again. */
static void
test_short_lived(void **state)
{
    (void)state;
    world.lifetime = 120;
    enrol();
    for (int i = 0; i < 50; i++) {
        assert_true(world_run(&world, &device, BV_EVENT_RENEWED, 110));
        assert_true(world_works(&world));
    }
    /* an outage of a few seconds does not cost the identity */
    world.mood = MOOD_BROKEN;
    assert_true(world_run(&world, &device, BV_EVENT_FAILED, 110));
    (void)world_run(&world, &device, BV_EVENT_NONE, 5);
    world.mood = MOOD_HONEST;
    assert_true(world_run(&world, &device, BV_EVENT_RENEWED, 10));
}

/* --- clocks --- */

/* Short pauses are for a certificate that runs out; a device that was shut out
 * slows down like any other, and comes back when it is let in again. */
static void
test_short_lived_refused(void **state)
{
    (void)state;
    world.lifetime = 20;
    enrol();
    world.mood = MOOD_DISOWN;
    world.disowned_from = 0;
    unsigned contacts = world.contacts;
    assert_false(world_run(&world, &device, BV_EVENT_RENEWED, DAY));
    assert_in_range(world.contacts - contacts, 5, 60);
    struct bv_status status;
    bv_device_status(&device, &status);
    world.mood = MOOD_HONEST;
    assert_true(
        world_run(&world, &device, BV_EVENT_RENEWED, status.retry_after + 1));
}

static void
test_clock_1970_at_boot(void **state)
{
    (void)state;
    world.offset = -world.true_time;
    world_boot(&world, &device, true);
    assert_true(world_run(&world, &device, BV_EVENT_ENROLLED, DAY));
    assert_true(world_works(&world));
    /* and it still renews in time, by the server's clock */
    assert_true(world_run(&world, &device, BV_EVENT_RENEWED, 89 * DAY));
    assert_true(world_works(&world));
}

static void
test_clock_unknown_after_long_sleep(void **state)
{
    (void)state;
    enrol();
    world_pass(&world, 85 * DAY * 1000);
    world.wall_unknown = true;
    world.mono_ms = 0; /* restarted */
    world_boot(&world, &device, false);
    assert_true(world_run(&world, &device, BV_EVENT_RENEWED, DAY));
}

static void
test_clock_ten_years_ahead(void **state)
{
    (void)state;
    enrol();
    world.offset = 3650 * DAY;
    unsigned before = world.contacts;
    (void)world_run(&world, &device, BV_EVENT_NONE, 10 * DAY);
    assert_true(world.contacts - before < 60); /* does not hammer */
    assert_true(world_works(&world));
    world.offset = 0;
    assert_true(world_run(&world, &device, BV_EVENT_RENEWED, 80 * DAY));
    assert_true(world_works(&world));
}

/* A server that is a month ahead for the hour in which a device renews gives
 * out a certificate that begins in a month. Once it is right again nobody takes
 * that one; the identity before it lives on, and is renewed in time. */
static void
test_server_ahead(void **state)
{
    struct bv_status status;
    (void)state;
    for (int64_t ahead = DAY; ahead <= 30 * DAY; ahead += 29 * DAY) {
        world_init(&world);
        enrol();
        bv_device_status(&device, &status);
        int64_t first_end = status.not_after;
        world_pass(&world, 20 * DAY * 1000);
        world.ahead = ahead;
        bv_device_renew(&device);
        assert_true(world_run(&world, &device, BV_EVENT_RENEWED, DAY));
        assert_true(world_works(&world));
        /* while it goes on, all stays as it is */
        assert_false(world_run(&world, &device, BV_EVENT_RENEWED, 7200));
        assert_true(world_works(&world));
        world.ahead = 0;
        assert_false(world_works(&world));
        assert_true(world_run(&world, &device, BV_EVENT_RENEWED, 3 * 3600));
        assert_true(world_works(&world));
        bv_device_status(&device, &status);
        assert_int_equal(status.not_after, first_end);
        assert_true(world_run(&world, &device, BV_EVENT_RENEWED, 65 * DAY));
        assert_true(world_works(&world));
        assert_true(world.true_time < first_end);
    }
}

/* The same with a restart, and one that is told to renew meanwhile: what is to
 * be fallen back to is not overwritten. */
static void
test_server_ahead_then_restart(void **state)
{
    struct bv_status status;
    (void)state;
    enrol();
    bv_device_status(&device, &status);
    int64_t first_end = status.not_after;
    world_pass(&world, 20 * DAY * 1000);
    world.ahead = 30 * DAY;
    bv_device_renew(&device);
    assert_true(world_run(&world, &device, BV_EVENT_RENEWED, DAY));
    world.ahead = 0;
    world_boot(&world, &device, false);
    bv_device_renew(&device);
    assert_true(world_run(&world, &device, BV_EVENT_RENEWED, 300));
    bv_device_status(&device, &status);
    assert_int_equal(status.not_after, first_end);
    assert_true(world_works(&world));
}

/* The device's own clock is behind, the server is right: it keeps what it was
 * given, does not ask for ever, and renews in time. */
static void
test_own_clock_behind(void **state)
{
    (void)state;
    enrol();
    world.offset = -40 * DAY;
    assert_true(world_run(&world, &device, BV_EVENT_RENEWED, 89 * DAY));
    assert_true(world_works(&world));
    unsigned before = world.contacts;
    assert_false(world_run(&world, &device, BV_EVENT_RENEWED, 30 * DAY));
    assert_in_range(world.contacts - before, 4, 40);
    assert_true(world_works(&world));
    assert_true(world_run(&world, &device, BV_EVENT_RENEWED, 59 * DAY));
    assert_true(world_works(&world));
}

static void
test_clock_jumps_over_the_window(void **state)
{
    (void)state;
    enrol();
    /* asleep from before the window to an hour before the end */
    world_pass(&world, (90 * DAY - 3600) * 1000);
    assert_true(world_run(&world, &device, BV_EVENT_RENEWED, 1800));
}

static void
test_expired_while_off(void **state)
{
    (void)state;
    enrol();
    world_pass(&world, 400 * DAY * 1000);
    world_boot(&world, &device, false);
    /* the certificate is dead: the claim code brings it back */
    assert_true(world_run(&world, &device, BV_EVENT_RENEWED, 5 * DAY));
    assert_true(world_works(&world));
}

/* --- trust --- */

static size_t
count_anchors(void)
{
    struct bv_bytes cert;
    bool anchor;
    size_t num = 0;
    for (size_t i = 0;
         bv_device_trust(&device, i, &cert, &anchor) == BV_PORT_OK; i++)
        num += anchor;
    return num;
}

static void
test_trust(void **state)
{
    (void)state;
    enrol();
    assert_int_equal(count_anchors(), 1);
    world.mood = MOOD_ROGUE_ROOT;
    assert_true(world_run(&world, &device, BV_EVENT_RENEWED, 80 * DAY));
    (void)world_run(&world, &device, BV_EVENT_NONE, 60);
    assert_int_equal(count_anchors(), 1); /* never silently */
    world.mood = MOOD_HONEST;
    world.rolled = true; /* a successor the old root vouches for */
    assert_true(world_run(&world, &device, BV_EVENT_TRUST, 10 * DAY));
    assert_int_equal(count_anchors(), 2);
}

/* The server moved below a new root since the last look at cacerts: the device
 * looks, follows and renews, and asks for few certificates meanwhile. */
static void
test_server_moved_below_a_new_root(void **state)
{
    (void)state;
    enrol();
    world_pass(&world, 80 * DAY * 1000);
    world_boot(&world, &device, false); /* so it looks again in a week */
    world.rolled = world.moved = true;
    unsigned issued = world.issued;
    assert_true(world_run(&world, &device, BV_EVENT_FAILED, 600));
    assert_true(world_run(&world, &device, BV_EVENT_TRUST, 10));
    assert_int_equal(count_anchors(), 2);
    assert_true(world_run(&world, &device, BV_EVENT_RENEWED, 3600));
    assert_int_equal(world.issued, issued + 2);
    assert_true(world_works(&world));
}

static void
test_wrong_fingerprint(void **state)
{
    (void)state;
    world.digest[3] ^= 1;
    world_boot(&world, &device, true);
    assert_true(world_run(&world, &device, BV_EVENT_FAILED, DAY));
    struct bv_status status;
    bv_device_status(&device, &status);
    assert_int_equal(status.why, BV_WHY_FINGERPRINT);
    assert_int_equal(world.issued, 0);
}

/* --- what cannot be read for a moment --- */

/* A busy bus, no memory, no descriptors: a read fails once or a few times.
 * Wherever that is, the working identity is neither given up nor overwritten,
 * and the CA certificates that came after the pinned one are not forgotten. */
static void
test_reads_fail_for_a_moment(void **state)
{
    unsigned reads = UINT32_MAX;
    (void)state;
    for (unsigned num = 1; num <= 5; num += 4)
        for (unsigned at = 0; at < reads; at += num) {
            struct bv_status status;
            world_init(&world);
            enrol();
            assert_true(world_run(&world, &device, BV_EVENT_RENEWED, 80 * DAY));
            world.rolled = true;
            assert_true(world_run(&world, &device, BV_EVENT_TRUST, 10 * DAY));
            world_pass(&world, 60 * DAY * 1000);
            world.reads = 0;
            world.unread_at = at;
            world.unread_num = num;
            world_boot(&world, &device, false);
            assert_true(world_run(&world, &device, BV_EVENT_RENEWED, 25 * DAY));
            (void)world_run(&world, &device, BV_EVENT_NONE, 60);
            reads = world.reads;
            world.unread_num = 0;
            bv_device_status(&device, &status);
            assert_int_equal(status.generation, 3);
            assert_int_equal(count_anchors(), 2);
            assert_true(world_works(&world));
        }
}

/* What stays unreadable is lost: the other identity takes over. */
static void
test_reads_fail_for_good(void **state)
{
    struct bv_status status;
    (void)state;
    enrol();
    assert_true(world_run(&world, &device, BV_EVENT_RENEWED, 80 * DAY));
    bv_device_status(&device, &status);
    enum bv_slot active = status.active;
    world.flash[active == BV_SLOT_B ? BV_RECORD_CERT_B : BV_RECORD_CERT_A].len =
        BV_RECORD_MAX; /* fits nowhere: FAILED for ever */
    world_boot(&world, &device, false);
    (void)world_run(&world, &device, BV_EVENT_NONE, 60);
    bv_device_status(&device, &status);
    assert_int_not_equal(status.active, BV_SLOT_NONE);
    assert_true(world_works(&world));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cut_enrolment, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut_enrolment_by_fingerprint,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut_renewal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut_renewal_same_key, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_same_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut_for_years, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_truncation_at_each_octet, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_truncated_enrolment, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_truncated_enrolment_by_fingerprint,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_early_renewal_fails, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_retry_after_is_not_the_end, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_retry_after_is_kept, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_retry_after_is_spread, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_retry_after_as_a_date, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_pause_survives_restart, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_approval_takes_days, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_read_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_revoked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_short_lived, setup, teardown),
        cmocka_unit_test_setup_teardown(test_short_lived_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_clock_1970_at_boot, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_clock_unknown_after_long_sleep,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_clock_ten_years_ahead, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_server_ahead, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server_ahead_then_restart, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_own_clock_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clock_jumps_over_the_window, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_expired_while_off, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_trust, setup, teardown),
        cmocka_unit_test_setup_teardown(test_server_moved_below_a_new_root,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_reads_fail_for_a_moment, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_reads_fail_for_good, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_wrong_fingerprint, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
