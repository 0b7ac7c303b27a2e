/* Long work is done between requests, not before them. The order of events
 * proves it: what is asked for in the middle is answered in the middle. */
#include "fixture.h"

#include <stdio.h>
#include <sys/stat.h>

#include "signer/soft.h"
#include "wire/crl.h"
#include "wire/pem.h"

#define MANY 12000 /* several pieces of entries */

static struct fixture f;

static int
setup(void **state)
{
    fixture_open(&f);
    fixture_write(&f, "ca.crt", f.ca, PEM_CERTIFICATE);
    fixture_tick(&f);
    fixture_time++; /* of one second there is one CRL */
    return 0;
}

static int
teardown(void **state)
{
    fixture_close(&f);
    return 0;
}

#define OK(expr) assert_int_equal(expr, BV_OK)

/* MANY revoked certificates under numbers nobody will issue. */
static void
fill(uint64_t first, int64_t not_after)
{
    uint8_t serial[17] = {0x42}, hash[32] = {0}, der[600] = {0};
    uint64_t change;
    OK(f.store.begin(f.store.ctx));
    for (uint64_t seq = first; seq < first + MANY; seq++) {
        for (unsigned i = 0; i < 8; i++)
            serial[1 + i] = hash[i] = (uint8_t)(seq >> 8 * (7 - i));
        const struct store_cert cert = {.seq = seq,
                                        .issuer = 1,
                                        .profile = "device",
                                        .not_before = FIXTURE_NOW,
                                        .not_after = not_after,
                                        .serial = SPAN_ARRAY(serial),
                                        .key_hash = SPAN_ARRAY(hash),
                                        .der = SPAN_ARRAY(der),
                                        .reason = -1};
        OK(f.store.cert_put(f.store.ctx, &cert));
        OK(f.store.cert_status(f.store.ctx, seq, 1, FIXTURE_NOW, &change));
    }
    OK(f.store.commit(f.store.ctx));
}

/* serve lets everything but long work come to rest. */
static void
serve(void)
{
    for (int i = 0; i < 8; i++) {
        signer_soft_run(&f.signer);
        OK(core_commit(f.core));
    }
}

/* enroll: the certificate's serial number, got without one piece done. */
static void
enroll(const char *name, char serial[64])
{
    uint8_t csr_buf[2048];
    char secret[64];
    const struct core_caller ada = {1000, "ada", CORE_ROLE_ADMIN};
    struct key *key = fixture_key();
    const char *created = "{\"verb\":\"token.create\",\"args\":{\"group\":"
                          "\"g\",\"uses\":1,\"expires\":3600}}";
    core_admin(f.core, &ada, 2, 1, span_str(created));
    serve();
    const char *at = strstr(f.json, "\"secret\":\"");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "\"secret\":\"%63[^\"]", secret), 1);
    struct core_request request = fixture_request(
        CORE_ENROLL, fixture_csr(key, name, SPAN_EMPTY, SPAN_EMPTY, csr_buf,
                                 sizeof csr_buf));
    request.secret = span_str(secret);
    unsigned before = f.num_replies;
    core_submit(f.core, 1, before + 1, &request);
    serve();
    assert_int_equal(f.num_replies, before + 1);
    OK(f.reply.err);
    strcpy(serial, f.reply.serial);
    key_free(key);
}

static const char *
admin(const char *request)
{
    const struct core_caller ada = {1000, "ada", CORE_ROLE_ADMIN};
    f.json[0] = '\0';
    core_admin(f.core, &ada, 2, 1, span_str(request));
    serve();
    return f.json;
}

static void
put_out(const char *serial)
{
    char request[200];
    (void)snprintf(request, sizeof request,
                   "{\"verb\":\"cert.revoke\",\"args\":{\"serial\":\"%s\","
                   "\"reason\":\"superseded\"}}",
                   serial);
    assert_non_null(strstr(admin(request), "\"changed\":1"));
}

/* The published list: how many entries, and is this one among them? */
static unsigned
listed(const char *serial, bool *ret_found)
{
    static uint8_t buf[2000000];
    char path[128], hex[64];
    struct crl crl;
    struct crl_entry entry;
    unsigned num = 0;
    bool got = true;
    (void)snprintf(path, sizeof path, "%s/ca.crl", f.dir);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t len = fread(buf, 1, sizeof buf, file);
    assert_int_equal(fclose(file), 0);
    OK(crl_parse(span_of(buf, len), &crl));
    *ret_found = false;
    for (;; num++) {
        struct sink out = sink_of(hex, sizeof hex - 1);
        OK(crl_next(&crl.entries, &got, &entry));
        if (!got)
            return num;
        sink_hex(&out, entry.serial);
        hex[out.len] = '\0';
        *ret_found |= strcmp(hex, serial) == 0;
    }
}

static void
finish(void)
{
    while (core_has_pieces(f.core)) {
        core_piece(f.core);
        OK(core_commit(f.core));
    }
    serve();
}

static void
test_requests_during_a_crl(void **state)
{
    char early[64], late[64];
    bool found;
    enroll("early", early);
    fill(1000000, FIXTURE_NOW + 86400 * 90);
    /* now its length is no surprise any more, and it is not begun twice */
    (void)fixture_admin(&f, "{\"verb\":\"crl.publish\",\"args\":{}}");
    fixture_time++;
    assert_non_null(
        strstr(admin("{\"verb\":\"crl.publish\",\"args\":{}}"), "\"ok\":true"));
    core_piece(f.core);
    int published = f.files_changed;
    enroll("late", late);
    put_out(early); /* behind the place it has come to */
    assert_true(core_has_pieces(f.core));
    assert_int_equal(f.files_changed, published);
    core_piece(f.core);
    assert_true(core_has_pieces(f.core)); /* and goes on after that */
    finish();
    assert_int_equal(f.files_changed, published + 1);
    assert_int_equal(listed(early, &found), MANY); /* of its moment */
    assert_false(found);
    fixture_time += 10; /* crl_delay after the revocation, as always */
    fixture_tick(&f);
    assert_int_equal(listed(early, &found), MANY + 1);
    assert_true(found);
    assert_int_equal(fixture_shell(&f, "openssl crl -inform DER -in %s/ca.crl "
                                       "-noout -CAfile %s/ca.crt 2>&1 | "
                                       "grep -q 'verify OK'"),
                     0);
}

/* Revoked in the very batch in which it is asked for: not committed yet, so
 * it is on the next one, which is due. */
static void
test_uncommitted_is_not_forgotten(void **state)
{
    const struct core_caller ada = {1000, "ada", CORE_ROLE_ADMIN};
    char serial[64], request[200];
    bool found;
    enroll("d1", serial);
    (void)snprintf(request, sizeof request,
                   "{\"verb\":\"cert.revoke\",\"args\":{\"serial\":\"%s\","
                   "\"reason\":\"superseded\"}}",
                   serial);
    core_admin(f.core, &ada, 2, 1, span_str(request));
    core_admin(f.core, &ada, 2, 2,
               SPAN_LIT("{\"verb\":\"crl.publish\",\"args\":{}}"));
    serve();
    finish();
    fixture_time += 10;
    fixture_tick(&f);
    assert_int_equal(listed(serial, &found), 1);
    assert_true(found);
}

/* Given up half-way: the published one stays, nothing lies beside it, and the
 * next start makes it. */
static void
test_crl_given_up(void **state)
{
    char serial[64];
    bool found;
    fill(1000000, FIXTURE_NOW + 86400 * 90);
    (void)admin("{\"verb\":\"crl.publish\",\"args\":{}}");
    core_piece(f.core);
    assert_int_equal(fixture_shell(&f, "test -e %s/ca.crl.new"), 0);
    fixture_reopen(&f);
    assert_int_not_equal(fixture_shell(&f, "test -e %s/ca.crl.new"), 0);
    assert_int_equal(listed("", &found), 0);
    enroll("d1", serial);
    fixture_tick(&f);
    assert_int_equal(listed("", &found), MANY);
}

/* What was written is not what is in the file: it is not published. A long
 * one, which is not read as a whole once more. */
static void
test_changed_on_the_way(void **state)
{
    bool found, more = true;
    for (uint64_t i = 0; i < 3; i++)
        fill(1000000 + i * MANY, FIXTURE_NOW + 86400 * 90);
    (void)admin("{\"verb\":\"crl.publish\",\"args\":{}}");
    while (more) {
        core_piece(f.core);
        more = core_has_pieces(f.core);
    }
    /* the signer has the hash: now another number and date stand in it */
    assert_int_equal(fixture_shell(&f, "dd if=/dev/zero of=%s/ca.crl.new bs=1 "
                                       "seek=20 count=200 conv=notrunc "
                                       "2>/dev/null"),
                     0);
    serve();
    assert_int_equal(listed("", &found), 0);
    assert_int_not_equal(fixture_shell(&f, "test -e %s/ca.crl.new"), 0);
    fixture_time += 30;
    fixture_tick(&f);
    assert_int_equal(listed("", &found), 3 * MANY);
}

static enum bv_err
count(void *user, const struct store_revoked *row)
{
    ++*(uint64_t *)user;
    return BV_OK;
}

static uint64_t
num_revoked(void)
{
    struct store_walk *walk;
    uint64_t num = 0;
    bool more = true;
    OK(f.store.revoked_open(f.store.ctx, 1, &walk));
    while (more)
        OK(f.store.revoked_next(walk, 4096, count, &num, &more));
    f.store.revoked_close(walk);
    return num;
}

/* RFC 5280 3.3, many at once: gone from the list and from its table. */
static void
test_stale_entries_go(void **state)
{
    bool found;
    fill(1000000, FIXTURE_NOW + 100);
    fill(2000000, FIXTURE_NOW + 86400 * 90);
    (void)fixture_admin(&f, "{\"verb\":\"crl.publish\",\"args\":{}}");
    assert_int_equal(listed("", &found), 2 * MANY);
    fixture_time += 1000; /* expired: once more */
    (void)fixture_admin(&f, "{\"verb\":\"crl.publish\",\"args\":{}}");
    assert_int_equal(listed("", &found), 2 * MANY);
    assert_int_equal(num_revoked(), 2 * MANY);
    fixture_time++;
    (void)fixture_admin(&f, "{\"verb\":\"crl.publish\",\"args\":{}}");
    assert_int_equal(listed("", &found), MANY);
    assert_int_equal(num_revoked(), MANY);
}

static void
test_requests_during_a_backup(void **state)
{
    char serial[64];
    for (uint64_t i = 0; i < 3; i++)
        fill(1000000 + i * MANY, FIXTURE_NOW + 86400 * 90);
    assert_string_equal(admin("{\"verb\":\"backup\"}"), ""); /* later */
    core_piece(f.core);
    assert_true(core_has_pieces(f.core));
    enroll("late", serial);
    assert_non_null(strstr(admin("{\"verb\":\"backup\"}"), "\"BUSY\""));
    assert_true(core_has_pieces(f.core));
    assert_int_not_equal(fixture_shell(&f, "test -e %s/brevet.db.backup"), 0);
    finish();
    assert_non_null(strstr(f.json, "\"audit_size\""));
    /* it has what was committed on the way, and its audit log agrees */
    assert_int_equal(fixture_shell(&f, "test $(sqlite3 %s/brevet.db.backup "
                                       "'SELECT count(*) FROM device') = 1"),
                     0);
    assert_int_equal(fixture_shell(&f, "test $(sqlite3 %s/brevet.db.backup "
                                       "'PRAGMA integrity_check') = ok"),
                     0);
}

static void
test_backup_given_up(void **state)
{
    for (uint64_t i = 0; i < 3; i++)
        fill(1000000 + i * MANY, FIXTURE_NOW + 86400 * 90);
    (void)admin("{\"verb\":\"backup\"}");
    core_piece(f.core);
    fixture_reopen(&f); /* answers on the way out */
    assert_non_null(strstr(f.json, "\"ok\":false"));
    assert_int_not_equal(fixture_shell(&f, "ls %s | grep -q backup"), 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_requests_during_a_crl), T(test_uncommitted_is_not_forgotten),
        T(test_crl_given_up),          T(test_changed_on_the_way),
        T(test_stale_entries_go),      T(test_requests_during_a_backup),
        T(test_backup_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
