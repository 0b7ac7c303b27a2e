/* What core and doors may send the signer: frames of u8 sender (0 core, else
 * a door), u8 type, u16 length, body. No frame may end the signer but one of
 * core's, and none makes it sign: it holds no key but the one it made for OCSP
 * answers. */
#include "fuzz.h"

#include <poll.h>
#include <sys/socket.h>

#include "proc/channel.h"
#include "signer/server.h"
#include "tests/unit/pki/certs.h"
#include "wire/pem.h"

#define NUM_PEERS 3

static const char *
ca_pem(void)
{
    static struct test_cert ca;
    static uint8_t text[4096];
    struct sink out = SINK_ARRAY(text);

    if (ca.der.len == 0)
        test_issue(&ca, test_key(ALG_KEY_P256, 0), "CA", TEST_CA, NULL,
                   SPAN_LIT("\x01"), 1790000000, 1890000000, NULL);
    pem_encode(&out, PEM_CERTIFICATE, ca.der);
    sink_u8(&out, '\0');
    return (const char *)text;
}

static struct signer_server *
new_server(void)
{
    static const char *pem;
    struct signer_server *server = NULL;

    if (pem == NULL)
        pem = ca_pem();
    struct signer_server_key key = {.name = "ca", .cert_pem = span_str(pem)};
    struct signer_server_config config = {.keys = &key, .num_keys = 1};
    if (signer_server_new(&config, &server) != BV_OK)
        abort();
    return server;
}

struct peers {
    struct channel *channels[NUM_PEERS];
};

static void
attach(struct signer_server *server, struct peers *peers)
{
    for (unsigned i = 0; i < NUM_PEERS; i++) {
        enum proc_role self = i == 0 ? PROC_CORE : PROC_DOOR;
        int fds[2];
        if (channel_pair(fds) != BV_OK ||
            channel_new(fds[1], self, PROC_SIGNER, &peers->channels[i]) !=
                BV_OK ||
            (i == 0 ? signer_server_core(server, fds[0])
                    : signer_server_door(server, i - 1, fds[0])) != BV_OK)
            abort();
    }
}

/* The octets go past channel_send, which would refuse what is not allowed. */
static void
send_frame(const struct channel *channel, uint8_t type, struct span body)
{
    uint8_t head[16];
    struct sink out = SINK_ARRAY(head);

    sink_u32(&out, (uint32_t)body.len);
    sink_u16(&out, type);
    sink_u16(&out, PROC_MSG_VERSION);
    sink_u64(&out, 1);
    /* fails when the signer has cut this peer off */
    (void)!send(channel_fd(channel), head, sizeof(head), MSG_NOSIGNAL);
    if (body.len > 0)
        (void)!send(channel_fd(channel), body.data, body.len, MSG_NOSIGNAL);
}

static enum bv_err
step(struct signer_server *server)
{
    struct pollfd fds[NUM_PEERS];
    unsigned num = signer_server_pollfds(server, fds, NUM_PEERS);

    (void)poll(fds, num, 0);
    return signer_server_step(server, fds, num);
}

static void
read_answers(struct channel *channel)
{
    struct msg msg;
    bool got = true;

    if (channel_fill(channel) != BV_OK)
        return;
    while (channel_next(channel, &got, &msg) == BV_OK && got) {
        if (msg.type == MSG_SIGNED) /* u8 err: never a signature */
            fuzz_require(msg.body.len > 0 && msg.body.data[0] != BV_OK);
    }
}

static bool
one_frame(struct signer_server *server, const struct peers *peers,
          struct span *in)
{
    uint8_t sender, type;
    uint16_t len;
    struct span body;

    if (span_u8(in, &sender) != BV_OK || span_u8(in, &type) != BV_OK ||
        span_u16(in, &len) != BV_OK || span_take(in, len, &body) != BV_OK)
        return false;
    sender %= NUM_PEERS;
    send_frame(peers->channels[sender], type, body);
    enum bv_err err = step(server);
    fuzz_require(err == BV_OK || sender == 0);
    read_answers(peers->channels[sender]);
    return err == BV_OK;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct span in = span_of(data, len);
    struct signer_server *server = new_server();
    struct peers peers;

    attach(server, &peers);
    for (int i = 0; i < 16 && one_frame(server, &peers, &in); i++)
        continue;
    for (unsigned i = 0; i < NUM_PEERS; i++)
        channel_free(peers.channels[i]);
    signer_server_free(server);
    return 0;
}
