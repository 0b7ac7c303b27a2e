#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/sink.h"
#include "proc/channel.h"

#define OK(expr) assert_int_equal(expr, BV_OK)

/* frame writes a message by hand, so that the peer can be anything. */
static size_t
frame(uint8_t *out, size_t cap, uint32_t len, uint16_t number, uint16_t version,
      uint64_t id, size_t body)
{
    struct sink sink = sink_of(out, cap);
    sink_u32(&sink, len);
    sink_u16(&sink, number);
    sink_u16(&sink, version);
    sink_u64(&sink, id);
    for (size_t i = 0; i < body; i++)
        sink_u8(&sink, (uint8_t)i);
    struct span view;
    OK(sink_done(&sink, &view));
    return view.len;
}

static void
raw(enum proc_role self, enum proc_role peer, struct channel **ret, int *ret_fd)
{
    int fds[2];
    OK(channel_pair(fds));
    OK(channel_new(fds[0], self, peer, ret));
    *ret_fd = fds[1];
}

static void
both(enum proc_role a, enum proc_role b, struct channel **ret_a,
     struct channel **ret_b)
{
    int fds[2];
    OK(channel_pair(fds));
    OK(channel_new(fds[0], a, b, ret_a));
    OK(channel_new(fds[1], b, a, ret_b));
}

static void
a_message_arrives_whole(void **state)
{
    struct channel *door, *core;
    both(PROC_DOOR, PROC_CORE, &door, &core);
    OK(channel_send(door, MSG_REQUEST, 7, SPAN_LIT("hello")));
    assert_true(channel_has_output(door));
    OK(channel_flush(door));
    assert_false(channel_has_output(door));
    OK(channel_fill(core));
    struct msg msg;
    bool got;
    OK(channel_next(core, &got, &msg));
    assert_true(got);
    assert_int_equal(msg.type, MSG_REQUEST);
    assert_int_equal(msg.id, 7);
    assert_int_equal(msg.fd, -1);
    assert_true(span_eq_str(msg.body, "hello"));
    OK(channel_next(core, &got, &msg));
    assert_false(got);
    channel_free(door);
    channel_free(core);
}

static void
every_split_is_the_same_message(void **state)
{
    uint8_t wire[64];
    size_t len =
        frame(wire, sizeof(wire), 20, MSG_REQUEST, PROC_MSG_VERSION, 99, 20);
    for (size_t cut = 0; cut <= len; cut++) {
        struct channel *core;
        int peer;
        raw(PROC_CORE, PROC_DOOR, &core, &peer);
        struct msg msg;
        bool got;
        assert_int_equal(write(peer, wire, cut), (ssize_t)cut);
        OK(channel_fill(core));
        OK(channel_next(core, &got, &msg));
        assert_int_equal(got, cut == len);
        assert_int_equal(write(peer, wire + cut, len - cut),
                         (ssize_t)(len - cut));
        if (!got) { /* filling ends the life of the message before */
            OK(channel_fill(core));
            OK(channel_next(core, &got, &msg));
        }
        assert_true(got);
        assert_int_equal(msg.id, 99);
        assert_int_equal(msg.body.len, 20);
        assert_int_equal(msg.body.data[19], 19);
        channel_free(core);
        close(peer);
    }
}

static void
a_batch_arrives_in_order(void **state)
{
    struct channel *door, *core;
    both(PROC_DOOR, PROC_CORE, &door, &core);
    enum { BATCH = 3000 };
    uint8_t body[200] = {0};
    uint64_t next = 0;
    for (uint64_t i = 0; i < BATCH; i++)
        OK(channel_send(door, MSG_REQUEST, i,
                        span_of(body, (size_t)(i % sizeof(body)))));
    while (next < BATCH) {
        OK(channel_flush(door));
        OK(channel_fill(core));
        struct msg msg;
        bool got;
        OK(channel_next(core, &got, &msg));
        for (; got; next++) {
            assert_int_equal(msg.id, next);
            assert_int_equal(msg.body.len, next % sizeof(body));
            OK(channel_next(core, &got, &msg));
        }
    }
    assert_false(channel_has_output(door));
    channel_free(door);
    channel_free(core);
}

static void
the_largest_message_passes(void **state)
{
    struct channel *door, *core;
    both(PROC_DOOR, PROC_CORE, &door, &core);
    uint8_t *big = malloc(LIMIT_MESSAGE);
    memset(big, 0x5a, LIMIT_MESSAGE);
    OK(channel_send(door, MSG_REQUEST, 1, span_of(big, LIMIT_MESSAGE)));
    struct msg msg;
    bool got = false;
    while (!got) {
        OK(channel_flush(door));
        OK(channel_fill(core));
        OK(channel_next(core, &got, &msg));
    }
    assert_true(span_eq(msg.body, span_of(big, LIMIT_MESSAGE)));
    free(big);
    channel_free(door);
    channel_free(core);
}

static ino_t
inode(int fd)
{
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    return st.st_ino;
}

static void
descriptors_stay_with_their_messages(void **state)
{
    struct channel *parent, *role;
    both(PROC_PARENT, PROC_DOOR, &parent, &role);
    int pipes[3][2];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pipe(pipes[i]), 0);
    OK(channel_send_fd(parent, MSG_BUNDLE, 0, SPAN_EMPTY, pipes[0][0]));
    OK(channel_send(parent, MSG_START, 1, SPAN_EMPTY));
    OK(channel_send_fd(parent, MSG_PEER, 2, SPAN_LIT("ab"), pipes[1][0]));
    OK(channel_send_fd(parent, MSG_LISTEN, 3, SPAN_LIT("c"), pipes[2][0]));
    OK(channel_send(parent, MSG_DRAIN, 4, SPAN_EMPTY));
    OK(channel_flush(parent));
    const int of[] = {0, -1, 1, 2, -1};
    for (uint64_t i = 0; i < 5;) {
        struct msg msg;
        bool got;
        OK(channel_fill(role));
        OK(channel_next(role, &got, &msg));
        for (; got; i++) {
            assert_int_equal(msg.id, i);
            if (of[i] < 0) {
                assert_int_equal(msg.fd, -1);
            } else {
                assert_int_equal(inode(msg.fd), inode(pipes[of[i]][0]));
                assert_int_equal(fcntl(msg.fd, F_GETFD), FD_CLOEXEC);
                close(msg.fd);
            }
            OK(channel_next(role, &got, &msg));
        }
    }
    for (int i = 0; i < 3; i++) {
        close(pipes[i][0]);
        close(pipes[i][1]);
    }
    channel_free(parent);
    channel_free(role);
}

static void
only_the_parent_sends_descriptors(void **state)
{
    struct channel *door;
    int core;
    raw(PROC_DOOR, PROC_CORE, &door, &core);
    assert_int_equal(channel_send_fd(door, MSG_REQUEST, 0, SPAN_EMPTY, 0),
                     BV_E_USAGE);
    char octet = 0;
    struct iovec iov = {&octet, 1};
    union {
        char octets[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.octets,
                         .msg_controllen = sizeof(control.octets)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &core, sizeof(int));
    assert_int_equal(sendmsg(core, &msg, 0), 1);
    assert_int_equal(channel_fill(door), BV_E_BAD_MESSAGE);
    channel_free(door);
    close(core);
}

static void
refused(enum proc_role self, enum proc_role peer, uint32_t len, uint16_t number,
        uint16_t version)
{
    struct channel *channel;
    int fd;
    raw(self, peer, &channel, &fd);
    uint8_t wire[32];
    size_t n = frame(wire, sizeof(wire), len, number, version, 0, 0);
    assert_int_equal(write(fd, wire, n), (ssize_t)n);
    OK(channel_fill(channel));
    struct msg msg;
    bool got;
    assert_int_equal(channel_next(channel, &got, &msg), BV_E_BAD_MESSAGE);
    /* and stays refused */
    assert_int_equal(channel_next(channel, &got, &msg), BV_E_BAD_MESSAGE);
    assert_int_equal(channel_fill(channel), BV_E_BAD_MESSAGE);
    channel_free(channel);
    close(fd);
}

static void
the_table_is_enforced(void **state)
{
    enum { NOW = PROC_MSG_VERSION };
    refused(PROC_CORE, PROC_DOOR, 0, 9999, NOW);       /* no such message */
    refused(PROC_CORE, PROC_DOOR, 0, MSG_REPLY, NOW);  /* wrong direction */
    refused(PROC_SIGNER, PROC_DOOR, 0, MSG_SIGN, NOW); /* a door may not */
    refused(PROC_CORE, PROC_CONTROL, 0, MSG_REQUEST, NOW);
    refused(PROC_CORE, PROC_DOOR, LIMIT_MESSAGE + 1, MSG_REQUEST, NOW);
    refused(PROC_DOOR, PROC_PARENT, 1, MSG_START, NOW);     /* START is empty */
    refused(PROC_CORE, PROC_DOOR, 0, MSG_REQUEST, NOW + 1); /* version */
    refused(PROC_CORE, PROC_DOOR, 0, MSG_REQUEST, NOW - 1);
    /* says it carries a descriptor, and does not */
    refused(PROC_DOOR, PROC_PARENT, 0, MSG_BUNDLE, 0x8000 | NOW);
}

static void
sending_is_checked_too(void **state)
{
    struct channel *door;
    int fd;
    raw(PROC_DOOR, PROC_SIGNER, &door, &fd);
    assert_int_equal(channel_send(door, MSG_SIGN, 0, SPAN_EMPTY), BV_E_USAGE);
    uint8_t big[8193] = {0};
    assert_int_equal(channel_send(door, MSG_OCSP, 0, SPAN_ARRAY(big)),
                     BV_E_TOO_LARGE);
    assert_false(channel_has_output(door));
    channel_free(door);
    close(fd);
}

static void
a_full_queue_refuses(void **state)
{
    struct channel *door, *core;
    both(PROC_DOOR, PROC_CORE, &door, &core);
    uint8_t *big = calloc(1, LIMIT_MESSAGE);
    enum bv_err err = BV_OK;
    uint64_t num = 0;
    for (; err == BV_OK; num += err == BV_OK)
        err = channel_send(door, MSG_REQUEST, num, span_of(big, LIMIT_MESSAGE));
    assert_int_equal(err, BV_E_NO_SPACE);
    assert_int_equal(num, LIMIT_CHANNEL_QUEUE / (LIMIT_MESSAGE + 16));
    /* what was accepted still arrives, in order */
    for (uint64_t i = 0; i < num;) {
        OK(channel_flush(door));
        OK(channel_fill(core));
        struct msg msg;
        bool got;
        OK(channel_next(core, &got, &msg));
        for (; got; i++) {
            assert_int_equal(msg.id, i);
            OK(channel_next(core, &got, &msg));
        }
    }
    OK(channel_send(door, MSG_REQUEST, 0, span_of(big, LIMIT_MESSAGE)));
    free(big);
    channel_free(door);
    channel_free(core);
}

static void
a_closed_peer_is_told(void **state)
{
    struct channel *door, *core;
    both(PROC_DOOR, PROC_CORE, &door, &core);
    OK(channel_send(door, MSG_REQUEST, 5, SPAN_LIT("last")));
    OK(channel_flush(door));
    channel_free(door);
    enum bv_err err = channel_fill(core);
    if (err == BV_OK)
        err = channel_fill(core);
    assert_int_equal(err, BV_E_CLOSED);
    struct msg msg;
    bool got;
    OK(channel_next(core, &got, &msg)); /* what came before still counts */
    assert_true(got);
    assert_true(span_eq_str(msg.body, "last"));
    OK(channel_send(core, MSG_REPLY, 5, SPAN_EMPTY));
    assert_int_equal(channel_flush(core), BV_E_CLOSED); /* and no SIGPIPE */
    channel_free(core);
}

/* seen_in_heap looks for the bitwise complement of what it is given, so that
 * what it looks for stands nowhere but where it was left behind. */
static bool
seen_in_heap(const uint8_t *inverse, size_t len)
{
    char line[256];
    bool seen = false;
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps) != NULL) {
        uintptr_t from, to;
        if (strstr(line, "[heap]") == NULL ||
            sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &from, &to) != 2)
            continue;
        for (; from + len <= to; from++) {
            size_t i = 0;
            while (i < len &&
                   (((const volatile uint8_t *)from)[i] ^ inverse[i]) == 0xff)
                i++;
            seen |= i == len;
        }
    }
    (void)fclose(maps);
    return seen;
}

static void
nothing_stays_behind(void **state)
{
    uint8_t secret[64], inverse[64];
    struct channel *door, *core;
    struct msg msg;
    bool got;
    for (size_t i = 0; i < sizeof(secret); i++) {
        secret[i] = (uint8_t)(17 * i + 91);
        inverse[i] = (uint8_t)~secret[i];
    }
    both(PROC_DOOR, PROC_CORE, &door, &core);
    OK(channel_send(door, MSG_REQUEST, 1, SPAN_ARRAY(secret)));
    /* under a sanitizer the heap is elsewhere */
    bool visible = seen_in_heap(inverse, sizeof(inverse));
    OK(channel_flush(door));
    assert_false(seen_in_heap(inverse, sizeof(inverse)));
    OK(channel_fill(core));
    OK(channel_next(core, &got, &msg));
    assert_true(got);
    assert_int_equal(seen_in_heap(inverse, sizeof(inverse)), visible);
    OK(channel_fill(core));
    assert_false(seen_in_heap(inverse, sizeof(inverse)));
    channel_free(door);
    channel_free(core);
}

/* Two messages of one number do not compile. */
static bool
is_message(unsigned number)
{
    switch (number) {
#define MSG(name, number, from, to, max) case (number):
#include "proc/msg.def"
#undef MSG
        return true;
    default:
        return false;
    }
}

static void
each_message_has_a_number_of_its_own(void **state)
{
    assert_true(is_message(MSG_READY));
    assert_false(is_message(0));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_arrives_whole),
        cmocka_unit_test(every_split_is_the_same_message),
        cmocka_unit_test(a_batch_arrives_in_order),
        cmocka_unit_test(the_largest_message_passes),
        cmocka_unit_test(descriptors_stay_with_their_messages),
        cmocka_unit_test(only_the_parent_sends_descriptors),
        cmocka_unit_test(the_table_is_enforced),
        cmocka_unit_test(sending_is_checked_too),
        cmocka_unit_test(a_full_queue_refuses),
        cmocka_unit_test(a_closed_peer_is_told),
        cmocka_unit_test(nothing_stays_behind),
        cmocka_unit_test(each_message_has_a_number_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
