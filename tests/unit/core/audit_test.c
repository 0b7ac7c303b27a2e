/* core/audit, audit_verify and audit_export over a real database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <sqlite3.h>

#include "core/audit.h"
#include "core/audit_verify.h"
#include "pki/note.h"
#include "store/sqlite.h"

#define OK(expr) assert_int_equal((expr), BV_OK)
#define ORIGIN   "brevet/test"

static char dir[64], path[96], problem[400];
static EVP_PKEY *log_pkey;
static uint8_t log_key[32];
static int64_t now = 1700000000000;

static int64_t
now_ms(void)
{
    return now++;
}

static const struct audit_options options = {
    .origin = ORIGIN, .log_key = log_key, .now_ms = now_ms};

static int
setup(void **state)
{
    size_t len = sizeof(log_key);

    log_pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    (void)EVP_PKEY_get_raw_public_key(log_pkey, log_key, &len);
    (void)snprintf(dir, sizeof(dir), "/tmp/brevet-audit-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    (void)snprintf(path, sizeof(path), "%s/brevet.db", dir);
    return 0;
}

static int
teardown(void **state)
{
    char cmd[128];

    EVP_PKEY_free(log_pkey);
    (void)snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
    return system(cmd);
}

static struct store
open_store(void)
{
    struct store_sqlite_options create = {.create = true};
    struct store store;

    OK(store_sqlite_open(path, &create, &store, problem, sizeof(problem)));
    return store;
}

static struct audit *
open_audit(const struct store *s)
{
    struct audit *audit;

    OK(audit_open(s, &options, &audit, problem, sizeof(problem)));
    return audit;
}

static void
append(const struct store *s, struct audit *audit, unsigned num)
{
    struct audit_event event = {
        .action = AUDIT_TOKEN_USE,
        .actor = AUDIT_ACTOR_DEVICE,
        .auth = AUDIT_AUTH_TOKEN,
        .object = AUDIT_OBJECT_TOKEN,
        .outcome = AUDIT_OK,
        .actor_id = SPAN_LIT("d1"),
        .address = SPAN_LIT("192.0.2.1"),
        .detail = SPAN_LIT("a line"),
    };

    OK(s->begin(s->ctx));
    for (unsigned i = 0; i < num; i++)
        OK(audit_append(audit, &event, NULL));
    OK(s->commit(s->ctx));
}

static void
sign(struct span text, uint8_t sig[64])
{
    size_t len = 64;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    assert_int_equal(EVP_DigestSignInit(ctx, NULL, NULL, NULL, log_pkey), 1);
    assert_int_equal(EVP_DigestSign(ctx, sig, &len, text.data, text.len), 1);
    EVP_MD_CTX_free(ctx);
}

static void
checkpoint(const struct store *s, struct audit *audit)
{
    uint8_t text[512], sig[64];
    struct sink out = SINK_ARRAY(text);

    OK(s->begin(s->ctx));
    OK(audit_checkpoint_body(audit, &out));
    OK(s->commit(s->ctx));
    sign(sink_view(&out), sig);
    OK(s->begin(s->ctx));
    OK(audit_checkpoint_store(audit, sink_view(&out), log_key,
                              SPAN_ARRAY(sig)));
    sig[5] ^= 1;
    assert_int_equal(audit_checkpoint_store(audit, sink_view(&out), log_key,
                                            SPAN_ARRAY(sig)),
                     BV_E_BAD_SIGNATURE);
    OK(s->commit(s->ctx));
}

static uint64_t
faults(const struct store *s)
{
    struct tlog_vkey vkey;
    struct audit_report report;

    OK(note_vkey_of(ORIGIN, log_key, &vkey));
    struct audit_verify_options verify = {.vkey = &vkey, .certs = true};
    OK(audit_verify(s, &verify, &report));
    return report.faults;
}

static void
sql(const char *text)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);
}

/* A log with several sizes of checkpoints, closed. */
static void
make_log(void)
{
    struct store s = open_store();
    struct audit *audit = open_audit(&s);

    checkpoint(&s, audit);
    append(&s, audit, 100);
    checkpoint(&s, audit);
    append(&s, audit, 156);
    checkpoint(&s, audit); /* 256 */
    append(&s, audit, 444);
    checkpoint(&s, audit); /* 700 */
    append(&s, audit, 10);
    assert_int_equal(faults(&s), 0);
    audit_free(audit);
    s.close(s.ctx);
}

static void
test_reopen(void **state)
{
    static const unsigned step[] = {1, 1, 253, 1, 1, 300, 211, 700};
    struct store s = open_store();
    struct merkle_hash before, after;
    uint64_t size = 0;

    for (size_t i = 0; i < sizeof(step) / sizeof(step[0]); i++) {
        struct audit *audit = open_audit(&s);
        append(&s, audit, step[i]);
        size += step[i];
        checkpoint(&s, audit);
        audit_root(audit, &before);
        audit_free(audit);
        audit = open_audit(&s);
        audit_root(audit, &after);
        assert_true(merkle_equal(&before, &after));
        assert_int_equal(audit_size(audit), size);
        assert_int_equal(audit_checkpoint_size(audit), size);
        audit_free(audit);
    }
    assert_int_equal(faults(&s), 0);
    s.close(s.ctx);
}

static void
test_rollback(void **state)
{
    struct store s = open_store();
    struct audit *audit = open_audit(&s);
    struct merkle_hash before, after;
    struct audit_event event = {.action = AUDIT_BACKUP,
                                .actor = AUDIT_ACTOR_SYSTEM,
                                .auth = AUDIT_AUTH_NONE,
                                .object = AUDIT_OBJECT_NONE,
                                .outcome = AUDIT_OK};

    append(&s, audit, 250);
    audit_root(audit, &before);
    OK(s.begin(s.ctx));
    for (int i = 0; i < 300; i++) /* over a tile's edge */
        OK(audit_append(audit, &event, NULL));
    s.rollback(s.ctx);
    OK(audit_rollback(audit));
    audit_root(audit, &after);
    assert_true(merkle_equal(&before, &after));
    append(&s, audit, 300);
    event.actor = (enum audit_actor)0;
    OK(s.begin(s.ctx));
    assert_int_equal(audit_append(audit, &event, NULL), BV_E_USAGE);
    s.rollback(s.ctx);
    audit_free(audit);
    assert_int_equal(faults(&s), 0);
    s.close(s.ctx);
}

static enum bv_err
see_times(void *user, const struct audit_entry *entry, struct span bytes)
{
    assert_int_equal(entry->clock_back, entry->index == 5);
    assert_true(entry->time_ms >= *(int64_t *)user);
    *(int64_t *)user = entry->time_ms;
    return BV_OK;
}

static void
test_clock(void **state)
{
    struct store s = open_store();
    struct audit *audit = open_audit(&s);
    int64_t last = 0;

    append(&s, audit, 5);
    audit_free(audit);
    now -= 4;
    audit = open_audit(&s); /* remembers the last time across a restart */
    append(&s, audit, 1);
    now += 100;
    append(&s, audit, 3);
    OK(audit_each(&s, 0, UINT64_MAX, see_times, &last));
    audit_free(audit);
    assert_int_equal(faults(&s), 0);
    s.close(s.ctx);
}

static enum bv_err
take_leaf(void *user, uint64_t index, struct span bytes)
{
    merkle_leaf(bytes, user);
    return BV_OK;
}

static void
test_prove(void **state)
{
    make_log();
    struct store s = open_store();
    struct audit *audit = open_audit(&s);
    char text[8192];

    for (uint64_t i = 0; i < 710; i += i < 690 ? 23 : 1) {
        static struct tlog_proof file;
        struct sink out = SINK_ARRAY(text);
        struct tlog_vkey vkey;
        struct tlog_checkpoint cp;
        struct merkle_proof proof;
        struct merkle_hash leaf, root;
        struct span body;
        enum bv_err err = audit_prove(audit, i, &out);
        assert_int_equal(err, i < 700 ? BV_OK : BV_E_NOT_FOUND);
        if (err != BV_OK)
            continue;
        OK(tlog_proof_parse(sink_view(&out), &file));
        OK(note_vkey_of(ORIGIN, log_key, &vkey));
        OK(note_open(file.checkpoint, &vkey, &body));
        OK(tlog_checkpoint_parse(body, &cp));
        OK(s.audit_each(s.ctx, i, i + 1, take_leaf, &leaf));
        proof.num = file.num;
        memcpy(proof.hash, file.hash, sizeof(proof.hash));
        memcpy(root.octets, cp.root, 32);
        OK(merkle_check_inclusion(i, cp.size, &leaf, &proof, &root));
    }
    audit_free(audit);
    s.close(s.ctx);
}

static void
test_tampering(void **state)
{
    static const char *const act[] = {
        /* one bit, a swap, a cut, a hole, and each artefact */
        "UPDATE audit SET entry = CAST(substr(entry, 1, 40) || 'X' || "
        "substr(entry, 42) AS BLOB) WHERE idx = 50",
        "UPDATE audit SET entry = (SELECT entry FROM audit WHERE idx = 61) "
        "WHERE idx = 60",
        "DELETE FROM audit WHERE idx >= 650",
        "DELETE FROM audit WHERE idx = 300",
        "UPDATE tile SET hashes = zeroblob(8192) WHERE key = 1",
        "DELETE FROM tile WHERE key = 0",
        "UPDATE tile SET hashes = substr(hashes, 1, 32) WHERE key >> 56 = 1",
        "UPDATE checkpoint SET note = (SELECT note FROM checkpoint WHERE "
        "size = 256) WHERE size = 700",
        "UPDATE checkpoint SET note = 'x' WHERE size = 100",
        "UPDATE checkpoint SET note = CAST(replace(CAST(note AS TEXT), "
        "'brevet/test', 'brevet/tesu') AS BLOB) WHERE size = 256",
        "INSERT INTO cert (seq, issuer, profile, not_before, not_after, "
        "serial, key_hash, der) VALUES (9, 1, 'x', 0, 0, x'01', x'02', x'03')",
    };

    for (size_t i = 0; i < sizeof(act) / sizeof(act[0]); i++) {
        struct store s;
        make_log();
        sql(act[i]);
        s = open_store();
        if (faults(&s) == 0)
            fail_msg("not noticed: %s", act[i]);
        s.close(s.ctx);
        char cmd[160];
        (void)snprintf(cmd, sizeof(cmd), "rm -f '%s'*", path);
        assert_int_equal(system(cmd), 0);
    }
}

static void
test_goes_back(void **state)
{
    struct store s;
    struct audit *audit;
    uint8_t note[2048];
    struct sink out = SINK_ARRAY(note);
    struct tlog_checkpoint cp;
    struct audit_options with = options;
    struct audit_report report;

    make_log();
    s = open_store();
    audit = open_audit(&s);
    OK(audit_checkpoint_last(audit, &out, &cp));
    assert_int_equal(cp.size, 700);
    audit_free(audit);
    with.known = sink_view(&out);
    OK(audit_open(&s, &with, &audit, problem, sizeof(problem)));
    audit_free(audit);
    s.close(s.ctx);

    /* an old database, whole in itself: only the outside copy tells */
    sql("DELETE FROM audit WHERE idx >= 256; DELETE FROM tile WHERE key & "
        "0xffffff >= 1; DELETE FROM checkpoint WHERE size > 256; "
        "DELETE FROM meta WHERE key = 'audit.signing'; "
        "UPDATE tile SET hashes = substr(hashes, 1, 32) WHERE key >> 56 = 1");
    s = open_store();
    assert_int_equal(faults(&s), 0);
    assert_int_equal(audit_open(&s, &with, &audit, problem, sizeof(problem)),
                     BV_E_CORRUPT);
    assert_non_null(strstr(problem, "old database"));
    struct audit_verify_options verify = {.known = sink_view(&out)};
    OK(audit_verify(&s, &verify, &report));
    assert_int_equal(report.faults, 1);
    s.close(s.ctx);

    /* behind its own last checkpoint */
    sql("DELETE FROM audit WHERE idx >= 200; DELETE FROM tile");
    s = open_store();
    assert_int_equal(audit_open(&s, &options, &audit, problem, sizeof(problem)),
                     BV_E_CORRUPT);
    s.close(s.ctx);
}

static void
test_may_be_signed(void **state)
{
    struct store s = open_store();
    struct audit *audit = open_audit(&s);
    uint8_t text[512];
    struct sink out = SINK_ARRAY(text);

    append(&s, audit, 5);
    OK(s.begin(s.ctx));
    OK(audit_checkpoint_body(audit, &out));
    OK(s.commit(s.ctx));
    audit_free(audit);
    s.close(s.ctx);
    sql("DELETE FROM audit WHERE idx = 4");
    s = open_store();
    assert_int_equal(audit_open(&s, &options, &audit, problem, sizeof(problem)),
                     BV_E_CORRUPT);
    s.close(s.ctx);
}

static void
test_export(void **state)
{
    static const char *const name[] = {
        "checkpoint",       "tile/0/000",
        "tile/0/001",       "tile/0/002.p/188",
        "tile/1/000.p/2",   "tile/entries/000",
        "tile/entries/001", "tile/entries/002.p/188"};
    struct store s;
    uint64_t num;
    char file[200];

    make_log();
    s = open_store();
    OK(audit_export(&s, dir, &num));
    assert_int_equal(num, 700);
    for (size_t i = 0; i < sizeof(name) / sizeof(name[0]); i++) {
        (void)snprintf(file, sizeof(file), "%s/%s", dir, name[i]);
        if (access(file, R_OK) != 0)
            fail_msg("missing: %s", name[i]);
    }
    s.close(s.ctx);
}

static void
test_entry(void **state)
{
    uint8_t buf[LIMIT_AUDIT_ENTRY], hash[32] = {0};
    struct sink out = SINK_ARRAY(buf);
    struct audit_entry back, entry = {.index = 7,
                                      .time_ms = 99,
                                      .event = {.action = AUDIT_CERT_ISSUE,
                                                .actor = AUDIT_ACTOR_DEVICE,
                                                .auth = AUDIT_AUTH_OWN_CERT,
                                                .object = AUDIT_OBJECT_CERT,
                                                .outcome = AUDIT_OK,
                                                .serial = SPAN_LIT("\x42\x01"),
                                                .cert_sha256 = SPAN_ARRAY(hash),
                                                .reason = SPAN_LIT("why"),
                                                .detail = SPAN_LIT("detail")}};

    audit_entry_encode(&out, &entry);
    OK(audit_entry_decode(sink_view(&out), &back));
    assert_int_equal(back.index, 7);
    assert_true(span_eq_str(back.event.reason, "why"));
    assert_true(span_eq_str(back.event.detail, "detail"));
    for (size_t len = 0; len < out.len; len++)
        assert_int_not_equal(audit_entry_decode(span_of(buf, len), &back),
                             BV_OK);
    assert_int_not_equal(audit_entry_decode(span_of(buf, out.len + 1), &back),
                         BV_OK);
    buf[0] = 2;
    assert_int_not_equal(audit_entry_decode(sink_view(&out), &back), BV_OK);
    assert_string_equal(audit_action_name(AUDIT_CERT_ISSUE), "cert.issue");
    assert_null(audit_actor_name((enum audit_actor)9));
    assert_int_equal(audit_outcome_of(BV_E_REFUSED), AUDIT_REFUSED);
    assert_int_equal(audit_outcome_of(BV_E_IO), AUDIT_FAILED);
}

int
main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_reopen),        T(test_rollback),  T(test_clock),
        T(test_prove),         T(test_tampering), T(test_goes_back),
        T(test_may_be_signed), T(test_export),    T(test_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
