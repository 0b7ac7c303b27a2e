#include "control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/auto.h"
#include "base/limits.h"
#include "proc/channel.h"

#define WAIT_MS 600000

BV_AUTO_DEFINE(channel, struct channel, channel_free)

static enum bv_err
connect_to(const char *dir, struct channel **ret_channel)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int len = snprintf(name.sun_path, sizeof(name.sun_path),
                       "%s/run/control.sock", dir);

    if (len < 0 || (size_t)len >= sizeof(name.sun_path))
        return BV_E_TOO_LARGE;
    bv_auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return BV_E_IO;
    if (connect(fd, (const struct sockaddr *)&name, sizeof(name)) != 0)
        return errno == EACCES ? BV_E_UNAUTHENTICATED : BV_E_UNAVAILABLE;
    int owned = fd;
    fd = -1;
    return channel_new(owned, PROC_CONTROL, PROC_CORE, ret_channel);
}

static enum bv_err
wait_for(struct channel *channel)
{
    bool output = channel_has_output(channel);
    struct pollfd p = {.fd = channel_fd(channel),
                       .events = (short)(POLLIN | (output ? POLLOUT : 0))};
    int n = poll(&p, 1, WAIT_MS);

    if (n == 0)
        return BV_E_TIMEOUT;
    if (n < 0)
        return errno == EINTR ? BV_OK : BV_E_IO;
    return output ? channel_flush(channel) : BV_OK;
}

static enum bv_err
receive(struct channel *channel, json_t **ret_answer)
{
    for (;;) {
        struct msg msg;
        bool got = false;
        BV_TRY(wait_for(channel));
        enum bv_err filled = channel_fill(channel);
        BV_TRY(channel_next(channel, &got, &msg));
        if (got) {
            json_t *answer =
                json_loadb((const char *)msg.body.data, msg.body.len, 0, NULL);
            if (answer == NULL)
                return BV_E_BAD_MESSAGE;
            *ret_answer = answer;
            return BV_OK;
        }
        BV_TRY(filled);
    }
}

enum bv_err
control_call(const char *dir, const char *verb, json_t *args,
             json_t **ret_answer)
{
    bv_auto(channel) struct channel *channel = NULL;
    json_t *request = json_pack("{s:s, s:O}", "verb", verb, "args", args);
    bv_auto_free char *text =
        request == NULL ? NULL : json_dumps(request, JSON_COMPACT);

    json_decref(request);
    if (text == NULL)
        return BV_E_NO_MEMORY;
    BV_TRY(connect_to(dir, &channel));
    BV_TRY(channel_send(channel, MSG_ADMIN, 1, span_str(text)));
    BV_TRY(channel_flush(channel));
    return receive(channel, ret_answer);
}
