/* A door's end of a channel against a real channel: the test is core. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "front/peer.h"

static struct loop *loop;
static struct loop_watch *tick_watch;
static int tick; /* always readable, so that a turn never waits */
static struct peer *peer;
static struct channel *core;

struct got {
    unsigned calls;
    enum bv_err err;
    enum msg_type type;
    char text[32];
};

static void
on_tick(void *ctx, unsigned events)
{
}

static void
note(void *arg, enum bv_err err, enum msg_type type, struct span body)
{
    struct got *got = arg;
    got->calls++;
    got->err = err;
    got->type = type;
    assert_int_equal(span_copy_str(body, got->text, sizeof(got->text)), BV_OK);
}

/* attach gives the peer a new channel; its far end is returned. */
static struct channel *
attach(void)
{
    struct channel *far;
    int fds[2];
    assert_int_equal(channel_pair(fds), BV_OK);
    assert_int_equal(peer_attach(peer, fds[0]), BV_OK);
    assert_int_equal(channel_new(fds[1], PROC_CORE, PROC_DOOR, &far), BV_OK);
    return far;
}

static int
start(void **state)
{
    tick = eventfd(1, EFD_CLOEXEC);
    assert_int_equal(loop_new(&loop), BV_OK);
    assert_int_equal(
        loop_watch_new(loop, tick, LOOP_READ, on_tick, NULL, &tick_watch),
        BV_OK);
    assert_int_equal(peer_new(loop, PROC_CORE, &peer), BV_OK);
    core = attach();
    return 0;
}

static int
stop(void **state)
{
    channel_free(core);
    core = NULL;
    peer_free(peer);
    loop_watch_free(tick_watch);
    loop_free(loop);
    close(tick);
    return 0;
}

static void
ask(const char *text, struct got *got)
{
    *got = (struct got){0};
    assert_int_equal(peer_ask(peer, MSG_REQUEST, span_str(text), note, got),
                     BV_OK);
    assert_int_equal(got->calls, 0);
}

/* take reads one question at core's end; its octets must be text. */
static uint64_t
take(const char *text)
{
    struct msg msg;
    bool got = false;
    loop_turn(loop);
    assert_int_equal(channel_fill(core), BV_OK);
    assert_int_equal(channel_next(core, &got, &msg), BV_OK);
    assert_true(got);
    assert_int_equal(msg.type, MSG_REQUEST);
    assert_true(span_eq_str(msg.body, text));
    return msg.id;
}

static void
answer(uint64_t id, const char *text)
{
    assert_int_equal(channel_send(core, MSG_REPLY, id, span_str(text)), BV_OK);
    assert_int_equal(channel_flush(core), BV_OK);
}

static void
expect(const struct got *got, enum bv_err err, const char *text)
{
    assert_int_equal(got->calls, 1);
    assert_int_equal(got->err, err);
    assert_string_equal(got->text, text);
    if (err == BV_OK)
        assert_int_equal(got->type, MSG_REPLY);
}

static void
test_answers_find_their_questions_in_any_order(void **state)
{
    struct got a, b, c;
    ask("a", &a);
    ask("b", &b);
    ask("c", &c);
    uint64_t id_a = take("a"), id_b = take("b"), id_c = take("c");
    answer(id_c, "for c");
    answer(id_a, "for a");
    loop_turn(loop);
    expect(&c, BV_OK, "for c");
    expect(&a, BV_OK, "for a");
    assert_int_equal(b.calls, 0);
    answer(id_b, "for b");
    loop_turn(loop);
    expect(&b, BV_OK, "for b");
    assert_int_equal(a.calls, 1);
    assert_int_equal(c.calls, 1);
}

static void
test_an_answer_to_nothing_is_dropped(void **state)
{
    struct got a, b;
    ask("a", &a);
    uint64_t id = take("a");
    answer(id, "once");
    answer(id, "twice");
    answer(id + 1, "never asked");
    answer(LIMIT_INFLIGHT, "out of range");
    answer(UINT64_MAX, "far out of range");
    loop_turn(loop);
    expect(&a, BV_OK, "once");
    /* The place is used again; what was for its last guest is not for it. */
    ask("b", &b);
    uint64_t new_id = take("b");
    assert_int_not_equal(new_id, id);
    answer(id, "late");
    loop_turn(loop);
    assert_int_equal(b.calls, 0);
    answer(new_id, "in time");
    loop_turn(loop);
    expect(&b, BV_OK, "in time");
    assert_true(peer_is_up(peer));
}

static void
test_a_death_fails_all_that_is_open(void **state)
{
    struct got done, a, b;
    ask("done", &done);
    answer(take("done"), "x");
    ask("a", &a);
    (void)take("a");
    ask("b", &b); /* not even sent */
    channel_free(core);
    core = NULL;
    loop_turn(loop);
    loop_turn(loop);
    expect(&done, BV_OK, "x");
    expect(&a, BV_E_UNAVAILABLE, "");
    expect(&b, BV_E_UNAVAILABLE, "");
    assert_false(peer_is_up(peer));
    struct got c = {0};
    assert_int_equal(peer_ask(peer, MSG_REQUEST, SPAN_EMPTY, note, &c),
                     BV_E_UNAVAILABLE);
    loop_turn(loop);
    assert_int_equal(c.calls, 0);
}

static void
test_what_was_said_before_death_counts(void **state)
{
    struct got a, b;
    ask("a", &a);
    ask("b", &b);
    uint64_t id = take("a");
    answer(id, "last words");
    channel_free(core);
    core = NULL;
    loop_turn(loop);
    loop_turn(loop);
    expect(&a, BV_OK, "last words");
    expect(&b, BV_E_UNAVAILABLE, "");
}

static void
test_a_successor_takes_over(void **state)
{
    struct got old, new;
    ask("old", &old);
    uint64_t old_id = take("old");
    channel_free(core);
    core = attach(); /* before its death was even seen */
    expect(&old, BV_E_UNAVAILABLE, "");
    assert_true(peer_is_up(peer));
    ask("new", &new);
    uint64_t id = take("new");
    assert_int_not_equal(id, old_id);
    answer(old_id, "of another life");
    loop_turn(loop);
    assert_int_equal(new.calls, 0);
    answer(id, "yes");
    loop_turn(loop);
    expect(&new, BV_OK, "yes");
    assert_int_equal(old.calls, 1);
}

static struct channel *successor;

static void
note_and_attach(void *arg, enum bv_err err, enum msg_type type,
                struct span body)
{
    note(arg, err, type, SPAN_EMPTY);
    successor = attach();
}

static void
test_a_successor_outlives_the_end_of_the_first(void **state)
{
    struct got a = {0}, b;
    assert_int_equal(
        peer_ask(peer, MSG_REQUEST, span_str("a"), note_and_attach, &a), BV_OK);
    /* It fills the reader's buffer, so that one read after it the end of the
     * stream is seen together with the answer. */
    static const uint8_t full[16384 - 16];
    uint64_t id = take("a");
    assert_int_equal(channel_send(core, MSG_REPLY, id, SPAN_ARRAY(full)),
                     BV_OK);
    assert_int_equal(channel_flush(core), BV_OK);
    channel_free(core);
    loop_turn(loop);
    core = successor;
    expect(&a, BV_OK, "");
    assert_true(peer_is_up(peer));
    ask("b", &b);
    answer(take("b"), "hello");
    loop_turn(loop);
    expect(&b, BV_OK, "hello");
}

static void
test_too_many_open_questions_are_shed(void **state)
{
    struct got *many = calloc(LIMIT_INFLIGHT, sizeof(*many));
    struct got more = {0};
    for (size_t i = 0; i < LIMIT_INFLIGHT; i++)
        ask("q", &many[i]);
    assert_int_equal(peer_ask(peer, MSG_REQUEST, SPAN_EMPTY, note, &more),
                     BV_E_BUSY);
    answer(take("q"), "one");
    loop_turn(loop);
    assert_int_equal(many[0].calls, 1);
    ask("more", &more);
    channel_free(core);
    core = NULL;
    loop_turn(loop);
    loop_turn(loop);
    expect(&more, BV_E_UNAVAILABLE, "");
    for (size_t i = 1; i < LIMIT_INFLIGHT; i++)
        expect(&many[i], BV_E_UNAVAILABLE, "");
    free(many);
}

static size_t
read_all_questions(void)
{
    struct msg msg;
    size_t count = 0;
    bool got = true;
    assert_int_equal(channel_fill(core), BV_OK);
    while (channel_next(core, &got, &msg) == BV_OK && got) {
        assert_int_equal(
            channel_send(core, MSG_REPLY, msg.id, SPAN_LIT("read")), BV_OK);
        count++;
    }
    assert_int_equal(channel_flush(core), BV_OK);
    return count;
}

static void
test_a_full_queue_is_shed_and_drains(void **state)
{
    struct got big[64] = {0}, more = {0};
    size_t asked = 0, read = 0;
    void *octets = calloc(1, LIMIT_MESSAGE);
    struct span body = span_of(octets, LIMIT_MESSAGE);
    enum bv_err err = BV_OK;
    while (asked < 64 && (err = peer_ask(peer, MSG_REQUEST, body, note,
                                         &big[asked])) == BV_OK)
        asked++;
    assert_int_equal(err, BV_E_BUSY);
    assert_int_equal(asked, LIMIT_CHANNEL_QUEUE / (LIMIT_MESSAGE + 16));
    for (int turns = 0; read < asked && turns < 10000; turns++) {
        loop_turn(loop);
        read += read_all_questions();
    }
    loop_turn(loop);
    assert_int_equal(read, asked);
    for (size_t i = 0; i < asked; i++)
        expect(&big[i], BV_OK, "read");
    assert_int_equal(big[asked].calls, 0);
    ask("small", &more);
    answer(take("small"), "again");
    loop_turn(loop);
    expect(&more, BV_OK, "again");
    free(octets);
}

static void
test_a_question_that_is_too_long_or_not_ours_is_refused(void **state)
{
    static const uint8_t octets[LIMIT_MESSAGE + 1];
    struct got got = {0};
    assert_int_equal(
        peer_ask(peer, MSG_REQUEST, SPAN_ARRAY(octets), note, &got),
        BV_E_TOO_LARGE);
    assert_int_equal(peer_ask(peer, MSG_OCSP, SPAN_EMPTY, note, &got),
                     BV_E_USAGE);
    loop_turn(loop);
    assert_int_equal(got.calls, 0);
}

static void
test_a_broken_protocol_ends_the_process(void **state)
{
    pid_t child = fork();
    if (child == 0) {
        static const uint8_t frame[16] = {0, 0, 0, 0, 0x77};
        close(STDERR_FILENO);
        (void)!write(channel_fd(core), frame, sizeof(frame));
        loop_turn(loop);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
}

static void
test_freeing_answers_what_is_open(void **state)
{
    struct got a;
    ask("a", &a);
    peer_free(peer);
    expect(&a, BV_E_UNAVAILABLE, "");
    assert_int_equal(peer_new(loop, PROC_CORE, &peer), BV_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_answers_find_their_questions_in_any_order),
        TEST(test_an_answer_to_nothing_is_dropped),
        TEST(test_a_death_fails_all_that_is_open),
        TEST(test_what_was_said_before_death_counts),
        TEST(test_a_successor_takes_over),
        TEST(test_a_successor_outlives_the_end_of_the_first),
        TEST(test_too_many_open_questions_are_shed),
        TEST(test_a_full_queue_is_shed_and_drains),
        TEST(test_a_question_that_is_too_long_or_not_ours_is_refused),
        TEST(test_a_broken_protocol_ends_the_process),
        TEST(test_freeing_answers_what_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
