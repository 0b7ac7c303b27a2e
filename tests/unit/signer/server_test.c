/* The server and the client halves against each other, in one process. */
#include "signer/server.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "pki/digest.h"
#include "proc/channel.h"
#include "signer/client.h"
#include "signer/soft.h"
#include "tests/unit/pki/certs.h"
#include "wire/ocsp.h"
#include "wire/pem.h"

#define PASS SPAN_LIT("pass phrase")

static struct test_cert ca;
static uint8_t ca_pem_buf[KEY_PEM_MAX], ca_cert_buf[4096], log_buf[KEY_PEM_MAX];
static struct signer_server_key keys[3];

static struct {
    uint64_t ticket;
    enum bv_err err;
    uint8_t data[LIMIT_SPKI];
    size_t len;
} results[64];
static unsigned num_results;

static void
done(void *user, uint64_t ticket, enum bv_err err, struct span result)
{
    assert_true(num_results < 64);
    results[num_results].ticket = ticket;
    results[num_results].err = err;
    results[num_results].len = result.len;
    if (result.len != 0)
        memcpy(results[num_results].data, result.data, result.len);
    num_results++;
}

static int
make_ca(void **state)
{
    struct sink out = SINK_ARRAY(ca_pem_buf), cert = SINK_ARRAY(ca_cert_buf);
    struct sink log = SINK_ARRAY(log_buf);
    struct key *log_key = test_key(ALG_KEY_ED25519, 0);
    int64_t now = (int64_t)time(NULL);

    test_issue(&ca, test_key(ALG_KEY_P256, 0), "CA", TEST_CA, NULL,
               SPAN_LIT("\x01"), now - 1000, now + 100000, NULL);
    if (key_seal(ca.key, PASS, &out) != BV_OK ||
        key_seal(log_key, PASS, &log) != BV_OK)
        return -1;
    key_free(log_key);
    pem_encode(&cert, PEM_CERTIFICATE, ca.der);
    keys[0] = (struct signer_server_key){
        "ca", sink_view(&out), sink_view(&cert), SPAN_EMPTY, SPAN_EMPTY};
    keys[1] = (struct signer_server_key){"log", sink_view(&log), SPAN_EMPTY,
                                         SPAN_EMPTY, SPAN_EMPTY};
    keys[2] = (struct signer_server_key){"root", SPAN_EMPTY, SPAN_EMPTY,
                                         SPAN_EMPTY, SPAN_EMPTY};
    return 0;
}

static int
drop_ca(void **state)
{
    key_free(ca.key);
    return 0;
}

/* What the parent would write to disk. */
static uint8_t file[RESPONDER_FILE_MAX];
static size_t file_len;

static enum bv_err
save(void *user, enum signer_service service, const char *name,
     struct span text)
{
    assert_string_equal(name, "ca");
    memcpy(file, text.data, text.len);
    file_len = text.len;
    return BV_OK;
}

static struct signer_server *
new_server(void)
{
    struct signer_server *server = NULL;
    struct signer_server_config config = {
        .keys = keys,
        .num_keys = 3,
        .passphrase = PASS,
        .save = save,
    };
    assert_int_equal(signer_server_new(&config, &server), BV_OK);
    return server;
}

static void
join(struct signer_server *server, struct signer *client)
{
    struct channel *channel = NULL;
    int fds[2];
    assert_int_equal(channel_pair(fds), BV_OK);
    assert_int_equal(signer_server_core(server, fds[0]), BV_OK);
    assert_int_equal(channel_new(fds[1], PROC_CORE, PROC_SIGNER, &channel),
                     BV_OK);
    assert_int_equal(signer_client_attach(client, channel), BV_OK);
}

static enum bv_err
step(struct signer_server *server)
{
    struct pollfd fds[SIGNER_SERVER_CHANNELS];
    unsigned n = signer_server_pollfds(server, fds, SIGNER_SERVER_CHANNELS);
    assert_true(poll(fds, n, 0) >= 0);
    return signer_server_step(server, fds, n);
}

static void
pump(struct signer_server *server, struct signer *client)
{
    assert_int_equal(signer_client_flush(client), BV_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(step(server), BV_OK);
    assert_int_equal(signer_client_step(client), BV_OK);
}

static void
signs_in_order(void **state)
{
    bv_auto(signer_server) struct signer_server *server = new_server();
    struct signer client;
    uint8_t digest[32] = {0};

    num_results = 0;
    assert_int_equal(signer_client_new(done, NULL, &client), BV_OK);
    assert_int_equal(client.sign(client.ctx, 1, "ca", SPAN_LIT("x")),
                     BV_E_UNAVAILABLE);
    join(server, &client);
    for (uint64_t i = 0; i < 20; i++)
        assert_int_equal(
            client.sign(client.ctx, 100 + i, "ca", SPAN_LIT("a certificate")),
            BV_OK);
    assert_int_equal(client.sign(client.ctx, 200, "nobody", SPAN_LIT("x")),
                     BV_OK);
    assert_int_equal(client.sign(client.ctx, 201, "root", SPAN_LIT("x")),
                     BV_OK);
    assert_int_equal(client.sign(client.ctx, 202, "log", SPAN_LIT("tree")),
                     BV_OK);
    assert_int_equal(
        client.sign_digest(client.ctx, 203, "ca", SPAN_ARRAY(digest)), BV_OK);
    assert_int_equal(
        client.sign_digest(client.ctx, 204, "log", SPAN_ARRAY(digest)), BV_OK);
    assert_int_equal(signer_client_outstanding(&client), 25);
    pump(server, &client);
    assert_int_equal(num_results, 25);
    for (uint64_t i = 0; i < 20; i++) {
        assert_int_equal(results[i].ticket, 100 + i);
        assert_int_equal(results[i].err, BV_OK);
        assert_int_equal(key_verify(ca.key, ALG_SIG_ECDSA_SHA256,
                                    SPAN_LIT("a certificate"),
                                    span_of(results[i].data, results[i].len)),
                         BV_OK);
    }
    assert_int_equal(results[20].err, BV_E_WRONG_KEY);
    assert_int_equal(results[21].err, BV_E_WRONG_KEY);
    assert_int_equal(results[22].err, BV_OK);
    assert_int_equal(results[22].len, 64);
    assert_int_equal(results[23].err, BV_OK);
    assert_int_equal(results[24].err, BV_E_UNSUPPORTED);
    client.close(client.ctx);
}

static void
signer_dies(void **state)
{
    struct signer_server *server = new_server();
    struct signer client;

    num_results = 0;
    assert_int_equal(signer_client_new(done, NULL, &client), BV_OK);
    join(server, &client);
    assert_int_equal(client.sign(client.ctx, 1, "ca", SPAN_LIT("x")), BV_OK);
    assert_int_equal(client.sign(client.ctx, 2, "ca", SPAN_LIT("x")), BV_OK);
    assert_int_equal(signer_client_flush(&client), BV_OK);
    signer_server_free(server);
    assert_int_equal(signer_client_step(&client), BV_E_CLOSED);
    assert_int_equal(num_results, 2);
    assert_int_equal(results[1].ticket, 2);
    assert_int_equal(results[1].err, BV_E_UNAVAILABLE);
    assert_int_equal(signer_client_fd(&client), -1);
    assert_int_equal(client.sign(client.ctx, 3, "ca", SPAN_LIT("x")),
                     BV_E_UNAVAILABLE);
    server = new_server(); /* its restart */
    join(server, &client);
    assert_int_equal(client.sign(client.ctx, 4, "ca", SPAN_LIT("x")), BV_OK);
    pump(server, &client);
    assert_int_equal(num_results, 3);
    assert_int_equal(results[2].err, BV_OK);
    signer_server_free(server);
    client.close(client.ctx);
}

static struct test_cert made;
static size_t made_len;

static void
install(struct signer_server *server, struct signer *client)
{
    struct key *pub = NULL;
    int64_t now = (int64_t)time(NULL);
    uint8_t tbs_buf[1500], sig_buf[LIMIT_SIGNATURE];
    struct sink tbs = SINK_ARRAY(tbs_buf), sig = SINK_ARRAY(sig_buf);
    struct cert parsed;

    num_results = 0;
    assert_int_equal(client->service_key(client->ctx, 7, SIGNER_OCSP, "ca"),
                     BV_OK);
    pump(server, client);
    assert_int_equal(num_results, 1);
    assert_int_equal(results[0].err, BV_OK);
    struct span spki = span_of(results[0].data, results[0].len);
    assert_int_equal(key_of_spki_der(spki, &pub), BV_OK);
    key_free(pub);
    assert_int_equal(cert_parse(ca.der, &parsed), BV_OK);
    cert_build_tbs(&tbs, &(struct cert_spec){
                             .serial = SPAN_LIT("\x07"),
                             .sig_alg = ALG_SIG_ECDSA_SHA256,
                             .issuer = parsed.subject,
                             .subject = parsed.subject,
                             .not_before = now - 1000,
                             .not_after = now + 9000,
                             .spki = spki,
                             .extensions = parsed.extensions,
                         });
    assert_int_equal(key_sign(ca.key, sink_view(&tbs), &sig), BV_OK);
    struct sink out = SINK_ARRAY(made.buf);
    cert_assemble(&out, sink_view(&tbs), ALG_SIG_ECDSA_SHA256, sink_view(&sig));
    made_len = out.len;
    num_results = 0;
    assert_int_equal(client->service_cert(client->ctx, 8, SIGNER_OCSP, "ca",
                                          sink_view(&out)),
                     BV_OK);
    assert_int_equal(
        client->service_cert(client->ctx, 9, SIGNER_OCSP, "ca", ca.der), BV_OK);
    pump(server, client);
    assert_int_equal(num_results, 2);
    assert_int_equal(results[0].err, BV_OK);
    assert_int_equal(results[1].err, BV_E_WRONG_KEY);
}

/* A responder key is made, certified, saved, and found again by the next
 * signer; a door asks it. */
static void
responder_key_lives_on(void **state)
{
    struct signer_server *server = new_server();
    struct signer_event event;
    struct signer client;
    bool saved = false;

    assert_int_equal(signer_client_new(done, NULL, &client), BV_OK);
    join(server, &client);
    install(server, &client);
    while (signer_server_next_event(server, &event))
        saved |= event.kind == SIGNER_EVENT_SERVICE_SAVED && event.err == BV_OK;
    assert_true(saved);
    signer_server_free(server);

    assert_null(memmem(file, file_len, "BEGIN PRIVATE", 13));
    keys[0].ocsp_pem = span_of(file, file_len);
    server = new_server();
    join(server, &client);
    num_results = 0;
    assert_int_equal(client.service_have(client.ctx, 10, SIGNER_OCSP, "ca"),
                     BV_OK);
    assert_int_equal(client.service_have(client.ctx, 11, SIGNER_OCSP, "log"),
                     BV_OK);
    pump(server, &client);
    assert_int_equal(num_results, 2);
    assert_int_equal(results[0].err, BV_OK);
    assert_true(span_eq(span_of(results[0].data, results[0].len),
                        span_of(made.buf, made_len)));
    assert_int_equal(results[1].err, BV_E_NOT_FOUND);
    while (signer_server_busy(server))
        assert_int_equal(step(server), BV_OK);
    bool ready = false;
    while (signer_server_next_event(server, &event)) {
        ready |= event.kind == SIGNER_EVENT_SERVICE_READY && event.err == BV_OK;
        assert_true(event.err == BV_OK);
    }
    assert_true(ready);
    keys[0].ocsp_pem = SPAN_EMPTY;
    signer_server_free(server);
    client.close(client.ctx);
}

static void
wrong_passphrase(void **state)
{
    struct signer_server *server = NULL;
    struct signer_server_config config = {
        .keys = keys, .num_keys = 1, .passphrase = SPAN_LIT("no")};
    struct signer_event event;
    struct signer client;

    num_results = 0;
    assert_int_equal(signer_server_new(&config, &server), BV_OK);
    assert_int_equal(signer_client_new(done, NULL, &client), BV_OK);
    join(server, &client);
    assert_int_equal(client.sign(client.ctx, 1, "ca", SPAN_LIT("x")), BV_OK);
    pump(server, &client);
    assert_int_equal(results[0].err, BV_E_WRONG_KEY);
    assert_true(signer_server_next_event(server, &event));
    assert_int_equal(event.kind, SIGNER_EVENT_OPENED);
    assert_int_equal(event.err, BV_E_WRONG_KEY);
    signer_server_free(server);
    client.close(client.ctx);
}

static void
doors_get_ocsp_and_nothing_else(void **state)
{
    bv_auto(signer_server) struct signer_server *server = new_server();
    struct channel *door = NULL;
    struct ocsp_reply reply;
    struct ocsp_response response;
    struct msg msg;
    bool got = false;
    int fds[2];

    assert_int_equal(channel_pair(fds), BV_OK);
    assert_int_equal(signer_server_door(server, 0, fds[0]), BV_OK);
    assert_int_equal(channel_new(fds[1], PROC_DOOR, PROC_SIGNER, &door), BV_OK);
    assert_int_equal(channel_send(door, MSG_OCSP, 77, SPAN_LIT("junk")), BV_OK);
    assert_int_equal(channel_flush(door), BV_OK);
    assert_int_equal(step(server), BV_OK);
    assert_int_equal(channel_fill(door), BV_OK);
    assert_int_equal(channel_next(door, &got, &msg), BV_OK);
    assert_true(got);
    assert_int_equal(msg.id, 77);
    assert_int_equal(ocsp_reply_decode(msg.body, &reply), BV_OK);
    assert_int_equal(ocsp_response_parse(reply.response, &response), BV_OK);
    assert_int_equal(response.status, OCSP_ANSWER_MALFORMED);

    channel_free(door);
}

/* After a reload either side may still have the CA of before under its name:
 * what was made for one key is not signed with another. */
static void
signs_for_the_key_that_is_meant(void **state)
{
    static const uint8_t serial[16] = {1};
    bv_auto(signer_server) struct signer_server *server = new_server();
    struct signer client;
    struct signer_issuer issuer = {.ca = "ca", .id = 1};

    num_results = 0;
    assert_int_equal(signer_client_new(done, NULL, &client), BV_OK);
    join(server, &client);
    memset(issuer.key_hash, 7, sizeof issuer.key_hash);
    assert_int_equal(client.serial_key(client.ctx, serial, &issuer, 1), BV_OK);
    assert_int_equal(client.sign(client.ctx, 1, "ca", SPAN_LIT("tbs")), BV_OK);
    assert_int_equal(client.sign(client.ctx, 2, "log", SPAN_LIT("x")), BV_OK);
    pump(server, &client);
    assert_int_equal(num_results, 2);
    assert_int_equal(results[0].err, BV_E_UNAVAILABLE);
    assert_int_equal(results[1].err, BV_OK);

    /* what was said holds for the keys of a reload, too */
    struct signer_server_config config = {
        .keys = keys, .num_keys = 3, .passphrase = PASS};
    assert_int_equal(signer_server_reload(server, &config), BV_OK);
    assert_int_equal(client.sign(client.ctx, 3, "ca", SPAN_LIT("tbs")), BV_OK);
    uint8_t spki_buf[LIMIT_SPKI];
    struct sink spki = SINK_ARRAY(spki_buf);
    assert_int_equal(key_spki(ca.key, &spki), BV_OK);
    digest_sha256(sink_view(&spki), issuer.key_hash);
    assert_int_equal(client.serial_key(client.ctx, serial, &issuer, 1), BV_OK);
    assert_int_equal(client.sign(client.ctx, 4, "ca", SPAN_LIT("tbs")), BV_OK);
    pump(server, &client);
    assert_int_equal(num_results, 4);
    assert_int_equal(results[2].err, BV_E_UNAVAILABLE);
    assert_int_equal(results[3].err, BV_OK);
    client.close(client.ctx);
}

static unsigned
answers_of(struct channel *channel)
{
    struct msg msg;
    bool got = true;
    unsigned num = 0;

    assert_int_equal(channel_fill(channel), BV_OK);
    for (;;) {
        assert_int_equal(channel_next(channel, &got, &msg), BV_OK);
        if (!got)
            return num;
        num++;
    }
}

/* One peer's thousand questions are no reason for the others, and the parent,
 * to wait; nor are they forgotten when nothing more comes. */
static void
a_flood_is_taken_in_shares(void **state)
{
    enum { FLOOD = 1000 };
    bv_auto(signer_server) struct signer_server *server = new_server();
    struct channel *doors[2];
    struct pollfd none[1] = {{-1, 0, 0}};
    int fds[2];

    while (signer_server_busy(server))
        assert_int_equal(step(server), BV_OK);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(channel_pair(fds), BV_OK);
        assert_int_equal(signer_server_door(server, i, fds[0]), BV_OK);
        assert_int_equal(channel_new(fds[1], PROC_DOOR, PROC_SIGNER, &doors[i]),
                         BV_OK);
    }
    for (uint64_t i = 0; i < FLOOD; i++)
        assert_int_equal(channel_send(doors[0], MSG_OCSP, i, SPAN_LIT("x")),
                         BV_OK);
    assert_int_equal(channel_send(doors[1], MSG_OCSP, 1, SPAN_LIT("x")), BV_OK);
    assert_int_equal(channel_flush(doors[0]), BV_OK);
    assert_int_equal(channel_flush(doors[1]), BV_OK);
    assert_int_equal(step(server), BV_OK);
    unsigned first = answers_of(doors[0]), all = first;
    assert_int_equal(answers_of(doors[1]), 1);
    assert_in_range(first, 1, 100);
    while (signer_server_busy(server)) {
        assert_int_equal(signer_server_step(server, none, 0), BV_OK);
        all += answers_of(doors[0]);
    }
    assert_int_equal(all, FLOOD);
    channel_free(doors[0]);
    channel_free(doors[1]);
}

/* Who started the signer waits for its keys, whatever others want meanwhile. */
static void
keys_open_under_questions(void **state)
{
    bv_auto(signer_server) struct signer_server *server = new_server();
    struct channel *door;
    int fds[2];

    assert_int_equal(channel_pair(fds), BV_OK);
    assert_int_equal(signer_server_door(server, 0, fds[0]), BV_OK);
    assert_int_equal(channel_new(fds[1], PROC_DOOR, PROC_SIGNER, &door), BV_OK);
    assert_true(signer_server_sealed(server));
    for (uint64_t i = 0; i < 8 && signer_server_sealed(server); i++) {
        assert_int_equal(channel_send(door, MSG_OCSP, i, SPAN_LIT("x")), BV_OK);
        assert_int_equal(channel_flush(door), BV_OK);
        assert_int_equal(step(server), BV_OK);
        assert_int_equal(answers_of(door), 1);
    }
    assert_false(signer_server_sealed(server));
    channel_free(door);
}

/* A door that pretends to be core is not heard again; others are. */
static void
a_door_out_of_protocol_is_cut_off(void **state)
{
    static const uint8_t frame[] = {
        0, 0, 0, 0, 0, MSG_SIGN, 0, PROC_MSG_VERSION, 0, 0, 0, 0, 0, 0, 0, 1};
    bv_auto(signer_server) struct signer_server *server = new_server();
    struct channel *doors[2];
    struct signer_event event;
    struct msg msg;
    bool got = false, cut = false;
    int fds[2];

    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(channel_pair(fds), BV_OK);
        assert_int_equal(signer_server_door(server, i, fds[0]), BV_OK);
        assert_int_equal(channel_new(fds[1], PROC_DOOR, PROC_SIGNER, &doors[i]),
                         BV_OK);
    }
    assert_int_equal(write(channel_fd(doors[0]), frame, sizeof frame),
                     sizeof frame);
    assert_int_equal(channel_send(doors[1], MSG_OCSP, 5, SPAN_LIT("x")), BV_OK);
    assert_int_equal(channel_flush(doors[1]), BV_OK);
    assert_int_equal(step(server), BV_OK);
    while (signer_server_next_event(server, &event))
        if (event.kind == SIGNER_EVENT_DOOR_CUT) {
            assert_int_equal(event.door, 0);
            assert_int_equal(event.err, BV_E_BAD_MESSAGE);
            cut = true;
        }
    assert_true(cut);
    assert_int_equal(channel_fill(doors[0]), BV_E_CLOSED);
    assert_int_equal(channel_fill(doors[1]), BV_OK);
    assert_int_equal(channel_next(doors[1], &got, &msg), BV_OK);
    assert_true(got);
    assert_int_equal(msg.id, 5);
    channel_free(doors[0]);
    channel_free(doors[1]);
}

static void
bad_configurations(void **state)
{
    struct signer_server_key twice[2] = {keys[1], keys[1]};
    struct signer_server_key slash = keys[1], junk = keys[0];
    struct signer_server *server = NULL;
    struct signer_server_config config = {
        .keys = twice, .num_keys = 2, .passphrase = PASS};

    assert_int_equal(signer_server_new(&config, &server), BV_E_BAD_CONFIG);
    slash.name = "../x";
    config.keys = &slash;
    config.num_keys = 1;
    assert_int_equal(signer_server_new(&config, &server), BV_E_BAD_CONFIG);
    junk.cert_pem = SPAN_LIT("junk");
    config.keys = &junk;
    assert_int_equal(signer_server_new(&config, &server), BV_E_BAD_CONFIG);
    server = new_server();
    assert_int_equal(signer_server_reload(server, &config), BV_E_BAD_CONFIG);
    config.keys = keys;
    config.num_keys = 3;
    assert_int_equal(signer_server_reload(server, &config), BV_OK);
    signer_server_free(server);
}

static void
soft(void **state)
{
    struct signer signer;
    struct key *key = NULL;
    struct span cert;

    num_results = 0;
    assert_int_equal(signer_soft_new(done, NULL, &signer), BV_OK);
    assert_int_equal(signer_soft_add(&signer, "ca", test_key(ALG_KEY_P256, 0)),
                     BV_OK);
    assert_int_equal(signer_soft_add(&signer, "ca", test_key(ALG_KEY_P256, 0)),
                     BV_E_CONFLICT);
    assert_int_equal(signer.sign(signer.ctx, 5, "ca", SPAN_LIT("x")), BV_OK);
    assert_int_equal(signer.sign(signer.ctx, 6, "no", SPAN_LIT("x")), BV_OK);
    assert_int_equal(signer.service_key(signer.ctx, 7, SIGNER_OCSP, "ca"),
                     BV_OK);
    assert_int_equal(num_results, 0); /* never from inside the call */
    assert_int_equal(signer_soft_ocsp(&signer, "ca", &key, &cert),
                     BV_E_NOT_FOUND);
    signer_soft_run(&signer);
    assert_int_equal(num_results, 3);
    assert_int_equal(results[0].err, BV_OK);
    assert_int_equal(results[1].err, BV_E_WRONG_KEY);
    assert_int_equal(results[2].err, BV_OK);
    assert_int_equal(
        signer.service_cert(signer.ctx, 8, SIGNER_OCSP, "ca", SPAN_LIT("cert")),
        BV_OK);
    signer_soft_run(&signer);
    assert_int_equal(signer_soft_ocsp(&signer, "ca", &key, &cert), BV_OK);
    assert_true(key_match_spki(key, span_of(results[2].data, results[2].len)));
    assert_true(span_eq_str(cert, "cert"));
    signer.close(signer.ctx);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_in_order),
        cmocka_unit_test(signer_dies),
        cmocka_unit_test(responder_key_lives_on),
        cmocka_unit_test(wrong_passphrase),
        cmocka_unit_test(doors_get_ocsp_and_nothing_else),
        cmocka_unit_test(signs_for_the_key_that_is_meant),
        cmocka_unit_test(keys_open_under_questions),
        cmocka_unit_test(a_flood_is_taken_in_shares),
        cmocka_unit_test(a_door_out_of_protocol_is_cut_off),
        cmocka_unit_test(bad_configurations),
        cmocka_unit_test(soft),
    };
    return cmocka_run_group_tests(tests, make_ca, drop_ca);
}
