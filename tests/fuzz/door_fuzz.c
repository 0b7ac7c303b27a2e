/* What a client may send: u8 how it comes, u8 what core or signer answers, an
 * HTTP request, its body. Through the routes and all doors, with the network
 * and the other processes feigned. Whatever is asked has one answer, core is
 * never told more of the client than TLS knows, and nothing passes that
 * plain HTTP must not. */
#include "fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "front/est/est.h"
#include "front/peer.h"
#include "front/scep/scep.h"
#include "front/serve.h"
#include "front/status/status.h"
#include "tests/unit/pki/certs.h"
#include "wire/crl.h"

#define NOW INT64_C(1795000000)

static struct net_service service;
static struct {
    unsigned answers, questions;
    enum msg_type type;
    peer_fn *fn;
    void *arg;
} seen;
static const struct exchange_tls *tls_now;

/* --- the network, feigned --- */

struct net_limits
net_limits_default(void)
{
    return (struct net_limits){0};
}

enum bv_err
net_new(struct loop *loop, const struct net_limits *limits,
        const struct net_service *given, struct net **ret_net)
{
    (void)loop;
    (void)limits;
    service = *given;
    *ret_net = NULL;
    return BV_OK;
}

void
net_free(struct net *net)
{
    (void)net;
}

int64_t
loop_clock_us(void)
{
    return 0;
}

bool
exchange_is_live(const struct exchange *exchange)
{
    (void)exchange;
    return true;
}

/* An answer must not hold what would begin another field. */
static bool
is_field(const char *text)
{
    return text != NULL && strpbrk(text, "\r\n") == NULL;
}

void
exchange_reply(struct exchange *exchange, const struct exchange_answer *answer,
               bool *ret_sent)
{
    (void)exchange;
    (void)ret_sent;
    seen.answers++;
    fuzz_require(answer->status >= 200 && answer->status < 600);
    for (size_t i = 0; i < answer->num_fields; i++)
        fuzz_require(is_field(answer->fields[i].name) &&
                     is_field(answer->fields[i].value));
}

void
exchange_reply_file(struct exchange *exchange,
                    const struct exchange_answer *answer, int fd,
                    uint64_t offset, uint64_t length, bool *ret_sent)
{
    fuzz_require(fd >= 0 && offset + length >= length);
    exchange_reply(exchange, answer, ret_sent);
}

/* --- core and signer, feigned --- */

bool
peer_is_up(const struct peer *peer)
{
    (void)peer;
    return true;
}

static void
check_core_request(struct span body)
{
    struct core_request ask;
    const struct exchange_tls *tls = tls_now;
    fuzz_require(core_request_decode(body, &ask) == BV_OK);
    /* SCEP goes without TLS, and knows nothing of it */
    fuzz_require(ask.door == CORE_DOOR_SCEP || tls->active);
    if (ask.door == CORE_DOOR_SCEP) {
        fuzz_require(ask.trust == CORE_TRUST_NONE && ask.op == CORE_ENROLL);
        return;
    }
    fuzz_require(ask.door == CORE_DOOR_EST);
    if (ask.trust == CORE_TRUST_NONE) {
        fuzz_require(ask.peer_cert.len == 0 && ask.op != CORE_REENROLL);
    } else if ((int)ask.trust == (int)tls->trust) {
        fuzz_require(span_eq(ask.peer_cert, tls->peer_cert));
    } else { /* a certificate that is good for its renewal only */
        fuzz_require(ask.op == CORE_REENROLL && ask.trust == CORE_TRUST_OWN);
        fuzz_require(span_eq(ask.peer_cert, tls->renewal_cert));
    }
}

enum bv_err
peer_ask(struct peer *peer, enum msg_type type, struct span body, peer_fn *fn,
         void *arg)
{
    (void)peer;
    fuzz_require(type == MSG_REQUEST || type == MSG_OCSP ||
                 type == MSG_RA_CERT || type == MSG_RA_OPEN ||
                 type == MSG_RA_SIGN);
    if (type == MSG_REQUEST)
        check_core_request(body);
    seen.questions++;
    seen.type = type;
    seen.fn = fn;
    seen.arg = arg;
    return BV_OK;
}

/* --- the doors --- */

static struct test_cert device;
static struct exchange_tls ways[8];
static struct profile profiles[2];
static struct core_ca cas[2];
static struct core_label labels[1];
static struct core_config config;
static struct front_est_settings est[2]; /* strict, lenient */
static struct front_scep_settings scep;
static struct front_status_crl crls[1];
static struct front_status_settings status;
static struct serve *serves[2];

static int
make_crl(void)
{
    static const uint8_t issuer[] = {0x30, 0x00};
    struct crl_head head = {.issuer = SPAN_ARRAY(issuer),
                            .sig = ALG_SIG_ECDSA_SHA256,
                            .this_update = NOW,
                            .next_update = NOW + 864000,
                            .key_id = SPAN_ARRAY(issuer),
                            .number = 1};
    uint8_t tbs_buf[256], buf[512];
    struct sink tbs = SINK_ARRAY(tbs_buf), out = SINK_ARRAY(buf);
    int fd = memfd_create("crl", MFD_CLOEXEC);
    crl_put_tbs(&tbs, &head, NULL, 0);
    crl_put_outer(&out, tbs.len, head.sig, 3);
    sink_put(&out, sink_view(&tbs));
    crl_put_signature(&out, head.sig, (struct span)SPAN_LIT("sig"));
    if (fd < 0 || write(fd, buf, out.len) != (ssize_t)out.len)
        abort();
    return fd;
}

/* Plain, and TLS with no certificate, ours, a manufacturer's; the upper half
 * with a certificate that is good for its renewal only as well. */
static void
make_ways(void)
{
    test_issue(&device, test_key(ALG_KEY_P256, 0), "d1", TEST_DEVICE, NULL,
               SPAN_LIT("\x01"), NOW - 1000, NOW + 1000, NULL);
    for (unsigned i = 0; i < 8; i++) {
        struct exchange_tls *tls = &ways[i];
        tls->trust_name = "";
        if (i % 4 == 0)
            continue;
        tls->active = true;
        tls->trust = (enum net_trust)(i % 4 - 1);
        tls->binding = (struct span)SPAN_LIT("0123456789abcdef");
        if (tls->trust == NET_TRUST_MANUFACTURER)
            tls->trust_name = "acme";
        if (tls->trust != NET_TRUST_NONE)
            tls->peer_cert = device.der;
        else if (i >= 4)
            tls->renewal_cert = device.der;
    }
}

static void
make_config(void)
{
    cas[0] = (struct core_ca){
        .name = "issuing", .cert = device.der, .crl_path = "issuing.crl"};
    cas[1] =
        (struct core_ca){.name = "root", .cert = device.der, .offline = true};
    profiles[0] = (struct profile){
        .name = "device", .ca = "issuing", .key_p256 = true, .rsa_min = 2048};
    profiles[1] = profiles[0];
    (void)strcpy(profiles[1].name, "gateway");
    profiles[1].binding = PROFILE_BINDING_SECRET;
    labels[0] = (struct core_label){"gw", "gateway"};
    config = (struct core_config){.profiles = profiles,
                                  .num_profiles = 2,
                                  .cas = cas,
                                  .num_cas = 2,
                                  .labels = labels,
                                  .num_labels = 1};
    crls[0] = (struct front_status_crl){"issuing", make_crl()};
    status = (struct front_status_settings){
        .config = &config, .crls = crls, .num_crls = 1};
    scep = (struct front_scep_settings){true, &config};
}

static void
make_serves(void)
{
    log_set_level(LOG_LEVEL_ERROR);
    make_ways();
    make_config();
    for (unsigned i = 0; i < 2; i++) {
        est[i] = (struct front_est_settings){
            .config = &config, .lenient = i == 1, .full_chain = i == 1};
        struct front_env est_env = {.settings = &est[i]},
                         scep_env = {.settings = &scep},
                         status_env = {.settings = &status};
        if (serve_new(NULL, NULL, &serves[i]) != BV_OK ||
            serve_add(serves[i], &front_est, &est_env) != BV_OK ||
            serve_add(serves[i], &front_scep, &scep_env) != BV_OK ||
            serve_add(serves[i], &front_status_door, &status_env) != BV_OK)
            abort();
    }
}

/* --- one request --- */

/* Errors of every kind, an issued certificate, or octets that are no reply;
 * for the signer the input's own. */
static void
answer(uint8_t how, struct span in)
{
    static uint8_t buf[8192];
    struct sink out = SINK_ARRAY(buf);
    struct core_reply reply = {.err = how % BV_E_COUNT_, .profile = "device"};
    if (reply.err == BV_OK) {
        reply.cert = device.der;
        reply.key = how > 64 ? device.der : SPAN_EMPTY;
        reply.key_wrapped = how > 128;
    }
    core_reply_encode(&out, &reply);
    bool right = seen.type == MSG_REQUEST && how < 250;
    seen.fn(seen.arg, how == 255 ? BV_E_UNAVAILABLE : BV_OK,
            seen.type == MSG_REQUEST ? MSG_REPLY : MSG_OCSP_REPLY,
            right ? sink_view(&out) : in);
}

/* The signer about an RA: error or not, something, a certificate. */
static void
answer_ra(uint8_t how)
{
    static uint8_t buf[8192];
    struct sink out = SINK_ARRAY(buf);
    sink_u8(&out, how);
    sink_bytes(&out, seen.type == MSG_RA_CERT
                         ? device.der
                         : (struct span)SPAN_LIT("0123456789abcdef"));
    if (seen.type == MSG_RA_SIGN)
        sink_bytes(&out, device.der);
    seen.fn(seen.arg, how == 255 ? BV_E_UNAVAILABLE : BV_OK, seen.type + 1,
            sink_view(&out));
}

static bool
read_request(struct span *in, struct http_request *ret)
{
    struct http_scan scan = {0};
    size_t head_len = 0;
    bool done = false;
    struct span head;
    return http_scan_head(&scan, *in, &done, &head_len) == BV_OK && done &&
           span_take(in, head_len, &head) == BV_OK &&
           http_request_parse(head, ret) == BV_OK;
}

static void
drive(unsigned lenient, uint8_t how, struct exchange *exchange)
{
    service.ctx = serves[lenient];
    service.admit(service.ctx, exchange);
    if (seen.answers == 0 && exchange->body.len <= exchange->max_body)
        service.request(service.ctx, exchange);
    else if (seen.answers == 0) /* net turns it away */
        return;
    fuzz_require(seen.answers + seen.questions == 1);
    for (unsigned asked = 0; seen.answers == 0; asked++) {
        /* SCEP: a key for each of 8 recipients, core, a signature */
        fuzz_require(seen.questions == asked + 1 && asked < 10);
        if (seen.type == MSG_REQUEST || seen.type == MSG_OCSP)
            answer(how, exchange->body);
        else
            answer_ra(how);
    }
    fuzz_require(seen.answers == 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct span in = span_of(data, len);
    struct exchange exchange = {.peer = "192.0.2.7",
                                .max_body = LIMIT_HTTP_BODY};
    uint8_t way, how;

    if (serves[0] == NULL)
        make_serves();
    memset(&seen, 0, sizeof(seen));
    if (span_u8(&in, &way) != BV_OK || span_u8(&in, &how) != BV_OK ||
        !read_request(&in, &exchange.request))
        return 0;
    tls_now = exchange.tls = &ways[way % 8];
    exchange.body = in;
    exchange.user = calloc(1, service.user_size);
    if (exchange.user != NULL)
        drive(way / 8 % 2, how, &exchange);
    free(exchange.user);
    return 0;
}
