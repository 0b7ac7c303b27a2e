/* Frames as another process may send them. The first octet chooses who speaks
 * to whom, the second how many octets arrive at once; the reading must not
 * depend on that. */
#include "fuzz.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "proc/channel.h"

struct reading {
    enum bv_err err;
    unsigned messages;
    uint64_t mark; /* of all that was read */
};

static const struct {
    enum proc_role self, peer;
} pairs[] = {
    {PROC_CORE, PROC_DOOR},    {PROC_DOOR, PROC_CORE},
    {PROC_SIGNER, PROC_CORE},  {PROC_SIGNER, PROC_DOOR},
    {PROC_DOOR, PROC_PARENT},  {PROC_PARENT, PROC_CORE},
    {PROC_CORE, PROC_CONTROL},
};

static void
note(struct reading *reading, const struct msg *msg)
{
    fuzz_require(msg->fd == -1); /* none was sent */
    fuzz_require(msg->body.len <= LIMIT_MESSAGE);
    reading->messages++;
    reading->mark = reading->mark * 31 + (uint64_t)msg->type + msg->id;
    for (size_t i = 0; i < msg->body.len; i++)
        reading->mark = reading->mark * 31 + msg->body.data[i];
}

static void
take_all(struct channel *channel, struct reading *reading)
{
    struct msg msg;
    bool got = true;

    while (reading->err == BV_OK && got) {
        reading->err = channel_next(channel, &got, &msg);
        if (reading->err == BV_OK && got)
            note(reading, &msg);
    }
}

static struct reading
read_frames(struct span in, size_t step, size_t pair)
{
    struct reading reading = {0};
    struct channel *channel;
    int fds[2];

    if (channel_pair(fds) != BV_OK)
        abort();
    if (channel_new(fds[0], pairs[pair].self, pairs[pair].peer, &channel) !=
        BV_OK)
        abort();
    while (in.len > 0 && reading.err == BV_OK) {
        size_t len = in.len < step ? in.len : step;
        ssize_t sent = send(fds[1], in.data, len, MSG_NOSIGNAL);
        fuzz_require(sent > 0);
        in = span_of(in.data + sent, in.len - (size_t)sent);
        reading.err = channel_fill(channel);
        take_all(channel, &reading);
    }
    channel_free(channel);
    (void)close(fds[1]);
    return reading;
}

/* 0x7fff in an input is the version of today, so that seeds do not grow stale:
 * bit 15 tells of a descriptor and stays. */
static void
set_versions(uint8_t *frames, size_t len)
{
    for (size_t at = 0; at + 16 <= len;) {
        struct span in = span_of(frames + at, 16);
        uint32_t body;
        if (span_u32(&in, &body) != BV_OK)
            abort();
        if ((frames[at + 6] & 0x7f) == 0x7f && frames[at + 7] == 0xff) {
            frames[at + 6] = (uint8_t)(frames[at + 6] & 0x80);
            frames[at + 7] = PROC_MSG_VERSION;
        }
        at += 16 + (size_t)body;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct span in = span_of(data, len);
    uint8_t which, step;

    if (span_u8(&in, &which) != BV_OK || span_u8(&in, &step) != BV_OK)
        return 0;
    size_t pair = which % (sizeof(pairs) / sizeof(pairs[0]));
    uint8_t *copy = malloc(in.len + 1);
    if (copy == NULL)
        return 0;
    memcpy(copy, in.data, in.len);
    set_versions(copy, in.len);
    in = span_of(copy, in.len);
    struct reading whole = read_frames(in, 4096, pair);
    struct reading split = read_frames(in, (size_t)step + 1, pair);
    free(copy);
    fuzz_require(whole.err == split.err && whole.messages == split.messages &&
                 whole.mark == split.mark);
    return 0;
}
