/* store/sqlite: every function, and what must survive. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/sqlite.h"
#include "store/sqlite_query.h"
#include "store/sqlite_schema.h"

static char dir[64], path[96];
static char problem[512];

#define OK(expr) assert_int_equal((expr), BV_OK)

static int
setup(void **state)
{
    (void)snprintf(dir, sizeof(dir), "/tmp/brevet-store-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    (void)snprintf(path, sizeof(path), "%s/brevet.db", dir);
    return 0;
}

static int
teardown(void **state)
{
    char cmd[128];
    (void)snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
    return system(cmd);
}

static struct store
open_store(void)
{
    struct store_sqlite_options options = {.create = true};
    struct store store;

    enum bv_err err =
        store_sqlite_open(path, &options, &store, problem, sizeof(problem));
    if (err != BV_OK)
        print_error("%s\n", problem);
    assert_int_equal(err, BV_OK);
    return store;
}

static void
hash_of(uint8_t hash[32], uint8_t kind, uint64_t n)
{
    uint64_t x = n * UINT64_C(0x9E3779B97F4A7C15) + kind;

    for (int i = 0; i < 32; i++) {
        x ^= x >> 31;
        x *= UINT64_C(0xBF58476D1CE4E5B9);
        hash[i] = (uint8_t)(x >> 56);
    }
}

/* Certificate n: seq n, device n % 10 + 1, expiry n * 100. */
static enum bv_err
put_cert(const struct store *store, uint64_t n, size_t der_len)
{
    static uint8_t der[2000];
    uint8_t serial[17] = {0x42}, key[32], request[32];

    hash_of(key, 'k', n);
    hash_of(request, 'r', n);
    memcpy(serial + 1, key, 16);
    struct store_cert row = {
        .seq = n,
        .issuer = 1,
        .device = (int64_t)(n % 10 + 1),
        .profile = "device",
        .not_before = 1700000000,
        .not_after = (int64_t)n * 100,
        .serial = SPAN_ARRAY(serial),
        .key_hash = SPAN_ARRAY(key),
        .request_hash = SPAN_ARRAY(request),
        .der = span_of(der, der_len),
        .replaces = n - 1,
    };
    return store->cert_put(store->ctx, &row);
}

static void
put_certs(const struct store *store, uint64_t from, uint64_t to)
{
    OK(store->begin(store->ctx));
    for (uint64_t n = from; n <= to; n++)
        OK(put_cert(store, n, 600));
    OK(store->commit(store->ctx));
}

struct seen {
    unsigned num;
    uint64_t seq[64];
    struct store_cert last;
};

static enum bv_err
see_cert(void *user, const struct store_cert *row)
{
    struct seen *seen = user;
    if (seen->num < 64)
        seen->seq[seen->num] = row->seq;
    seen->num++;
    seen->last = *row;
    return BV_OK;
}

static enum bv_err
check_cert_7(void *user, const struct store_cert *row)
{
    uint8_t key[32];

    hash_of(key, 'k', 7);
    assert_int_equal(row->seq, 7);
    assert_int_equal(row->issuer, 1);
    assert_int_equal(row->device, 8);
    assert_string_equal(row->profile, "device");
    assert_int_equal(row->not_before, 1700000000);
    assert_int_equal(row->not_after, 700);
    assert_int_equal(row->serial.len, 17);
    assert_true(span_eq(row->key_hash, SPAN_ARRAY(key)));
    assert_int_equal(row->der.len, 600);
    assert_int_equal(row->replaces, 6);
    assert_int_equal(row->reason, -1);
    assert_int_equal(row->revoked_at, 0);
    *(bool *)user = true;
    return BV_OK;
}

static void
test_cert(void **state)
{
    struct store s = open_store();
    uint8_t hash[32], key[32];
    bool found = false;
    struct seen seen = {0};

    put_certs(&s, 1, 20);
    OK(s.cert_find(s.ctx, 7, check_cert_7, &found));
    assert_true(found);
    assert_int_equal(s.cert_find(s.ctx, 21, see_cert, &seen), BV_E_NOT_FOUND);
    assert_int_equal(s.cert_find(s.ctx, UINT64_MAX, see_cert, &seen),
                     BV_E_NOT_FOUND);

    found = false;
    hash_of(key, 'k', 7);
    hash_of(hash, 'r', 7);
    OK(s.cert_of_request(s.ctx, SPAN_ARRAY(key), SPAN_ARRAY(hash), check_cert_7,
                         &found));
    assert_true(found);
    hash[31] ^= 1; /* same first octets, another hash */
    assert_int_equal(s.cert_of_request(s.ctx, SPAN_ARRAY(key), SPAN_ARRAY(hash),
                                       see_cert, &seen),
                     BV_E_NOT_FOUND);

    hash_of(hash, 'k', 7);
    OK(s.certs_of_key(s.ctx, SPAN_ARRAY(hash), see_cert, &seen));
    assert_int_equal(seen.num, 1);
    hash[20] ^= 1;
    seen.num = 0;
    OK(s.certs_of_key(s.ctx, SPAN_ARRAY(hash), see_cert, &seen));
    assert_int_equal(seen.num, 0);

    assert_int_equal(put_cert(&s, 30, 10), BV_E_USAGE); /* no transaction */
    OK(s.begin(s.ctx));
    assert_int_equal(put_cert(&s, 7, 10), BV_E_CONFLICT);
    assert_int_equal(put_cert(&s, 0, 10), BV_E_USAGE);
    s.rollback(s.ctx);
    s.close(s.ctx);
}

/* A callback may call the store again, the same function included. */
static enum bv_err
look_up_next(void *user, const struct store_cert *row)
{
    struct store *s = user;
    struct seen seen = {0};

    if (row->seq >= 5)
        return BV_OK;
    BV_TRY(s->cert_find(s->ctx, row->seq + 1, see_cert, &seen));
    assert_int_equal(seen.last.seq, row->seq + 1);
    return s->cert_find(s->ctx, row->seq + 1, look_up_next, s);
}

static void
test_recursion(void **state)
{
    struct store s = open_store();

    put_certs(&s, 1, 6);
    OK(s.cert_find(s.ctx, 1, look_up_next, &s));
    s.close(s.ctx);
}

static unsigned
live(const struct store *s, int64_t device, int64_t now, unsigned max)
{
    unsigned num = 99;
    OK(s->cert_count_live(s->ctx, device, now, max, &num));
    return num;
}

static void
test_count_live(void **state)
{
    struct store s = open_store();
    uint64_t change;

    put_certs(&s, 1, 40);
    OK(s.begin(s.ctx));
    OK(s.cert_status(s.ctx, 11, 1, 5, &change)); /* revoked */
    OK(s.cert_status(s.ctx, 21, 6, 5, &change)); /* on hold */
    OK(s.commit(s.ctx));
    assert_int_equal(live(&s, 2, 0, 8), 3); /* 1 21 31 */
    assert_int_equal(live(&s, 2, 0, 2), 2);
    assert_int_equal(live(&s, 2, 100, 8), 3);
    assert_int_equal(live(&s, 2, 101, 8), 2);
    assert_int_equal(live(&s, 2, 3101, 8), 0);
    assert_int_equal(live(&s, 77, 0, 8), 0);
    s.close(s.ctx);
}

static bool
has_newer(const struct store *s, uint64_t after, const char *profile,
          uint64_t key_of)
{
    uint8_t key[32];
    bool has = false;

    hash_of(key, 'k', key_of);
    OK(s->cert_has_newer(s->ctx, 2, after, profile, SPAN_ARRAY(key), &has));
    return has;
}

/* However many there are between: here 1,500 for one key, then another's. */
static void
test_has_newer(void **state)
{
    struct store s = open_store();
    uint8_t serial[17] = {0x42}, key[32], request[32];
    struct store_cert row = {.issuer = 1,
                             .device = 2,
                             .profile = "device",
                             .serial = SPAN_ARRAY(serial),
                             .key_hash = SPAN_ARRAY(key),
                             .request_hash = SPAN_ARRAY(request),
                             .der = SPAN_ARRAY(serial)};

    put_certs(&s, 1, 1);
    hash_of(key, 'k', 2);
    OK(s.begin(s.ctx));
    for (row.seq = 2; row.seq <= 1501; row.seq++) {
        hash_of(request, 'r', row.seq);
        OK(s.cert_put(s.ctx, &row));
    }
    OK(s.commit(s.ctx));
    assert_true(has_newer(&s, 1, "device", 1));
    assert_false(has_newer(&s, 1, "device", 2));
    OK(s.begin(s.ctx));
    hash_of(key, 'k', 3);
    row.seq = 1502;
    OK(s.cert_put(s.ctx, &row));
    row.seq = 1503;
    row.device = 3;
    strcpy(row.profile, "server");
    OK(s.cert_put(s.ctx, &row));
    OK(s.commit(s.ctx));
    assert_true(has_newer(&s, 1, "device", 2));
    assert_false(has_newer(&s, 1, "server", 2)); /* another device's */
    assert_false(has_newer(&s, 1502, "device", 2));
    s.close(s.ctx);
}

static struct seen
list(const struct store *s, struct store_cert_filter filter)
{
    struct seen seen = {0};
    OK(s->cert_list(s->ctx, &filter, see_cert, &seen));
    return seen;
}

static void
test_cert_list(void **state)
{
    struct store s = open_store();
    uint64_t change;

    put_certs(&s, 1, 40);
    OK(s.begin(s.ctx));
    OK(s.cert_status(s.ctx, 11, 1, 5, &change));
    OK(s.cert_status(s.ctx, 12, 4, 5, &change));
    OK(s.commit(s.ctx));

    struct seen seen =
        list(&s, (struct store_cert_filter){.limit = 3, .status = -2});
    assert_int_equal(seen.num, 3);
    assert_int_equal(seen.seq[2], 3);
    seen = list(
        &s, (struct store_cert_filter){.limit = 30, .after = 30, .status = -2});
    assert_int_equal(seen.num, 10);
    seen = list(&s, (struct store_cert_filter){.limit = 64, .status = -1});
    assert_int_equal(seen.num, 38);
    seen = list(&s, (struct store_cert_filter){.limit = 64, .status = -3});
    assert_int_equal(seen.num, 2);
    assert_int_equal(seen.seq[1], 12);
    seen = list(
        &s, (struct store_cert_filter){.limit = 64, .device = 2, .status = -2});
    assert_int_equal(seen.num, 4); /* 1 11 21 31 */
    assert_int_equal(seen.seq[1], 11);
    seen = list(&s, (struct store_cert_filter){
                        .limit = 64, .device = 2, .status = -1, .after = 1});
    assert_int_equal(seen.num, 2);
    seen = list(&s, (struct store_cert_filter){.limit = 4,
                                               .expires_after = 500,
                                               .expires_before = 1100,
                                               .status = -2});
    assert_int_equal(seen.num, 4);
    assert_int_equal(seen.seq[0], 5);
    seen = list(&s, (struct store_cert_filter){.limit = 4,
                                               .expires_after = 500,
                                               .expires_before = 1100,
                                               .after = 8,
                                               .status = -2});
    assert_int_equal(seen.num, 2); /* 9 10 */
    assert_int_equal(seen.seq[1], 10);
    seen = list(&s, (struct store_cert_filter){.limit = 64,
                                               .device = 2,
                                               .expires_before = 3000,
                                               .after = 1,
                                               .status = -1});
    assert_int_equal(seen.num, 1);
    assert_int_equal(seen.seq[0], 21);
    s.close(s.ctx);
}

static enum bv_err
see_change(void *user, const struct store_change *row)
{
    struct store_change *last = user;
    assert_int_equal(row->change, last->change + 1);
    *last = *row;
    return BV_OK;
}

static enum bv_err
see_revoked(void *user, const struct store_revoked *row)
{
    *(uint64_t *)user = *(uint64_t *)user * 100 + row->seq;
    assert_int_equal(row->serial.len, 17);
    assert_int_equal(row->not_after, row->seq * 100);
    return BV_OK;
}

static void
walk_revoked(const struct store *s, uint8_t issuer, uint64_t *order)
{
    struct store_walk *walk;
    bool more = true;

    OK(s->revoked_open(s->ctx, issuer, &walk));
    while (more)
        OK(s->revoked_next(walk, 1, see_revoked, order, &more));
    s->revoked_close(walk);
}

static void
mend_revoked(const struct store *s, int64_t from, uint64_t *ret_order)
{
    OK(s->begin(s->ctx));
    OK(s->revoked_mend(s->ctx, 2, 0)); /* of none */
    OK(s->revoked_mend(s->ctx, 1, from));
    OK(s->commit(s->ctx));
    *ret_order = 0;
    walk_revoked(s, 1, ret_order);
}

static void
change_status(const struct store *s, uint64_t seq, int reason)
{
    uint64_t change;

    OK(s->begin(s->ctx));
    OK(s->cert_status(s->ctx, seq, reason, 1000, &change));
    OK(s->commit(s->ctx));
}

/* A walk sees one moment, whatever is committed before and behind it. */
static void
test_walk(void **state)
{
    struct store s = open_store();
    struct store_walk *walk, *other;
    uint64_t order = 0;
    bool more;

    put_certs(&s, 1, 9);
    for (uint64_t seq = 3; seq <= 5; seq++)
        change_status(&s, seq, 1);
    OK(s.begin(s.ctx));
    OK(s.cert_status(s.ctx, 6, 1, 1000, &(uint64_t){0})); /* not committed */
    OK(s.revoked_open(s.ctx, 1, &walk));
    OK(s.commit(s.ctx));
    OK(s.revoked_next(walk, 1, see_revoked, &order, &more));
    assert_int_equal(order, 3);
    assert_true(more);
    change_status(&s, 2, 1);
    change_status(&s, 7, 1);
    change_status(&s, 4, -1);
    OK(s.maintain(s.ctx));
    OK(s.revoked_next(walk, 100, see_revoked, &order, &more));
    assert_int_equal(order, 30405);
    assert_false(more);
    s.revoked_close(walk);
    s.revoked_close(NULL);
    order = 0;
    walk_revoked(&s, 1, &order);
    assert_int_equal(order, 203050607);
    OK(s.revoked_open(s.ctx, 1, &walk)); /* two at once; left half-way */
    OK(s.revoked_open(s.ctx, 1, &other));
    OK(s.revoked_next(other, 1, see_revoked, &order, &more));
    s.revoked_close(other);
    s.revoked_close(walk);
    s.close(s.ctx);
}

static void
test_status(void **state)
{
    struct store s = open_store();
    struct seen seen = {0};
    uint64_t change, order = 0;
    struct store_change last = {0};
    struct store_counts counts;

    put_certs(&s, 1, 9);
    OK(s.begin(s.ctx));
    OK(s.cert_status(s.ctx, 5, 6, 1000, &change));
    assert_int_equal(change, 1);
    OK(s.cert_status(s.ctx, 3, 1, 1001, &change));
    OK(s.cert_status(s.ctx, 5, -1, 1002, &change));
    OK(s.cert_status(s.ctx, 4, 0, 1003, &change));
    assert_int_equal(change, 4);
    assert_int_equal(s.cert_status(s.ctx, 99, 0, 1, &change), BV_E_NOT_FOUND);
    OK(s.commit(s.ctx));

    OK(s.cert_find(s.ctx, 5, see_cert, &seen));
    assert_int_equal(seen.last.reason, -1);
    OK(s.cert_find(s.ctx, 4, see_cert, &seen));
    assert_int_equal(seen.last.reason, 0);
    assert_int_equal(seen.last.revoked_at, 1003);
    OK(s.changes_since(s.ctx, 0, see_change, &last));
    assert_int_equal(last.change, 4);
    last = (struct store_change){.change = 2};
    OK(s.changes_since(s.ctx, 2, see_change, &last));
    walk_revoked(&s, 1, &order);
    assert_int_equal(order, 304);
    order = 0;
    walk_revoked(&s, 2, &order);
    assert_int_equal(order, 0);
    seen.num = 0;
    OK(s.certs_since(s.ctx, 6, see_cert, &seen));
    assert_int_equal(seen.num, 3);
    OK(s.counts(s.ctx, &counts));
    assert_int_equal(counts.revoked, 2);
    assert_int_equal(counts.certs, 9);

    OK(s.begin(s.ctx));
    OK(s.revoked_prune(s.ctx, 1, 4, 9, 400)); /* 3 is not asked for */
    OK(s.revoked_prune(s.ctx, 2, 1, 9, 400));
    OK(s.commit(s.ctx));
    order = 0;
    walk_revoked(&s, 1, &order);
    assert_int_equal(order, 304);
    OK(s.begin(s.ctx));
    OK(s.revoked_prune(s.ctx, 1, 3, 3, 400));
    OK(s.commit(s.ctx));
    order = 0;
    walk_revoked(&s, 1, &order);
    assert_int_equal(order, 4);
    mend_revoked(&s, 301, &order);
    assert_int_equal(order, 4);
    mend_revoked(&s, 300, &order);
    assert_int_equal(order, 304);
    const struct store_revoked lost = {.seq = 7,
                                       .serial =
                                           SPAN_LIT("\x42sixteen octets.."),
                                       .reason = 1,
                                       .not_after = 700};
    OK(s.begin(s.ctx));
    OK(s.revoked_put(s.ctx, 1, &lost));
    assert_int_equal(s.revoked_put(s.ctx, 1, &lost), BV_E_CONFLICT);
    OK(s.commit(s.ctx));
    order = 0;
    walk_revoked(&s, 1, &order);
    assert_int_equal(order, 30407);
    s.close(s.ctx);
}

static void
test_meta_and_sequence(void **state)
{
    struct store s = open_store();
    uint8_t buf[8];
    size_t len;
    uint64_t first;

    assert_int_equal(s.meta_get(s.ctx, "a", buf, sizeof(buf), &len),
                     BV_E_NOT_FOUND);
    assert_int_equal(s.meta_put(s.ctx, "a", SPAN_LIT("x")), BV_E_USAGE);
    OK(s.begin(s.ctx));
    assert_int_equal(s.begin(s.ctx), BV_E_USAGE);
    OK(s.meta_put(s.ctx, "a", SPAN_LIT("12345678")));
    OK(s.meta_put(s.ctx, "empty", SPAN_EMPTY));
    OK(s.sequence_reserve(s.ctx, 1024, &first));
    assert_int_equal(first, 1);
    OK(s.sequence_reserve(s.ctx, 10, &first));
    assert_int_equal(first, 1025);
    assert_int_equal(s.sequence_reserve(s.ctx, UINT64_MAX, &first), BV_E_USAGE);
    OK(s.commit(s.ctx));
    OK(s.begin(s.ctx));
    OK(s.sequence_reserve(s.ctx, 1000, &first));
    s.rollback(s.ctx);
    assert_int_equal(s.sequence_reserve(s.ctx, 1, &first), BV_E_USAGE);
    OK(s.meta_get(s.ctx, "a", buf, sizeof(buf), &len));
    assert_int_equal(len, 8);
    assert_int_equal(s.meta_get(s.ctx, "a", buf, 7, &len), BV_E_NO_SPACE);
    OK(s.meta_get(s.ctx, "empty", buf, 0, &len));
    assert_int_equal(len, 0);
    s.close(s.ctx);

    s = open_store();
    OK(s.begin(s.ctx));
    OK(s.sequence_reserve(s.ctx, 1, &first));
    assert_int_equal(first, 1035);
    s.rollback(s.ctx);
    s.close(s.ctx);
}

static enum bv_err
see_device(void *user, const struct store_device *row)
{
    *(struct store_device *)user = *row;
    return BV_OK;
}

/* SQLite ends a transaction by itself after some errors, of reads too. What
 * was written before is gone; what comes after may not stand alone. */
static void
test_lost_transaction(void **state)
{
    struct store s = open_store();
    struct store_device row = {.name = "d1"};
    const struct sqlite *inside = s.ctx;
    int64_t id;

    OK(s.begin(s.ctx));
    OK(s.device_put(s.ctx, &row, &id));
    assert_int_equal(sqlite3_exec(inside->db, "ROLLBACK", NULL, NULL, NULL), 0);
    strcpy(row.name, "d2");
    assert_int_equal(s.device_put(s.ctx, &row, &id), BV_E_IO);
    assert_int_equal(s.commit(s.ctx), BV_E_IO);
    s.rollback(s.ctx);
    assert_int_equal(s.device_find(s.ctx, "d2", see_device, &row),
                     BV_E_NOT_FOUND);
    OK(s.begin(s.ctx));
    OK(s.device_put(s.ctx, &row, &id));
    OK(s.commit(s.ctx));
    s.close(s.ctx);
}

static void
test_device(void **state)
{
    struct store s = open_store();
    struct store_device row = {.name = "d1", .group = "g", .profile = "device"};
    struct store_device got = {0};
    int64_t id, other;

    OK(s.begin(s.ctx));
    OK(s.device_put(s.ctx, &row, &id));
    assert_int_equal(s.device_put(s.ctx, &row, &other), BV_E_CONFLICT);
    (void)snprintf(row.name, sizeof(row.name), "d2");
    row.group[0] = 'h';
    OK(s.device_put(s.ctx, &row, &other));
    row.id = other;
    row.blocked = true;
    row.last_seen = 77;
    OK(s.device_put(s.ctx, &row, &other));
    row.id = 999;
    assert_int_equal(s.device_put(s.ctx, &row, &other), BV_E_NOT_FOUND);
    OK(s.commit(s.ctx));

    OK(s.device_find(s.ctx, "d2", see_device, &got));
    assert_true(got.blocked);
    assert_int_equal(got.last_seen, 77);
    OK(s.device_get(s.ctx, id, see_device, &got));
    assert_string_equal(got.name, "d1");
    OK(s.device_find(s.ctx, "D1", see_device, &got)); /* one name, one row */
    assert_string_equal(got.name, "d1");
    got.id = 0;
    OK(s.device_list(s.ctx, 0, "h", 10, see_device, &got));
    assert_string_equal(got.name, "d2");
    got.id = 0;
    OK(s.device_list(s.ctx, id, NULL, 10, see_device, &got));
    assert_string_equal(got.name, "d2");
    got.id = 0;
    OK(s.device_list(s.ctx, 0, "", 1, see_device, &got));
    assert_string_equal(got.name, "d1");
    s.close(s.ctx);
}

static enum bv_err
see_token(void *user, const struct store_token *row)
{
    *(struct store_token *)user = *row;
    return BV_OK;
}

static void
test_token(void **state)
{
    struct store s = open_store();
    uint8_t hash[32];
    hash_of(hash, 't', 1);
    struct store_token got, row = {.kind = STORE_TOKEN_GROUP,
                                   .hash = SPAN_ARRAY(hash),
                                   .group = "g",
                                   .uses_left = 2};
    int64_t id, left;

    OK(s.begin(s.ctx));
    OK(s.token_put(s.ctx, &row, &id));
    assert_int_equal(s.token_put(s.ctx, &row, &left), BV_E_CONFLICT);
    OK(s.token_find(s.ctx, SPAN_ARRAY(hash), see_token, &got));
    assert_int_equal(got.kind, STORE_TOKEN_GROUP);
    assert_string_equal(got.group, "g");
    row.id = id;
    row.uses_left = 5;
    row.revoked = true;
    OK(s.token_put(s.ctx, &row, &id));
    row.hash.len = 31;
    assert_int_equal(s.token_put(s.ctx, &row, &id), BV_E_USAGE);
    OK(s.commit(s.ctx));
    got.id = 0;
    OK(s.token_list(s.ctx, 0, 10, see_token, &got));
    assert_int_equal(got.id, id);
    hash[0] ^= 1;
    assert_int_equal(s.token_find(s.ctx, SPAN_ARRAY(hash), see_token, &got),
                     BV_E_NOT_FOUND);
    s.close(s.ctx);
}

static enum bv_err
see_pending(void *user, const struct store_pending *row)
{
    *(struct store_pending *)user = *row;
    assert_int_equal(row->csr.len, 3);
    return BV_OK;
}

static void
test_pending(void **state)
{
    struct store s = open_store();
    uint8_t digest[32];
    hash_of(digest, 'p', 1);
    struct store_pending got, row = {.digest = SPAN_ARRAY(digest),
                                     .source = SPAN_LIT("token"),
                                     .net = "192.0.2.1",
                                     .state = STORE_PENDING_WAITING,
                                     .device = "d1",
                                     .csr = SPAN_LIT("csr"),
                                     .created_at = 100};
    struct store_counts counts;
    uint64_t mine, near;
    int64_t id;

    OK(s.begin(s.ctx));
    OK(s.pending_put(s.ctx, &row, &id));
    OK(s.pending_find(s.ctx, SPAN_ARRAY(digest), see_pending, &got));
    row.id = id;
    row.state = STORE_PENDING_APPROVED;
    OK(s.pending_put(s.ctx, &row, &id));
    OK(s.pending_get(s.ctx, id, see_pending, &got));
    assert_int_equal(got.state, STORE_PENDING_APPROVED);
    assert_string_equal(got.net, "192.0.2.1");
    OK(s.pending_count(s.ctx, SPAN_LIT("token"), "other", &mine, &near));
    assert_int_equal(mine, 1);
    assert_int_equal(near, 0);
    OK(s.pending_count(s.ctx, SPAN_LIT("other"), "192.0.2.1", &mine, &near));
    assert_int_equal(mine, 0);
    assert_int_equal(near, 1);
    OK(s.pending_list(s.ctx, 0, 1, see_pending, &got));
    OK(s.counts(s.ctx, &counts));
    assert_int_equal(counts.pending, 1);
    OK(s.pending_prune(s.ctx, 100));
    OK(s.pending_find(s.ctx, SPAN_ARRAY(digest), see_pending, &got));
    OK(s.pending_prune(s.ctx, 101));
    assert_int_equal(s.pending_get(s.ctx, id, see_pending, &got),
                     BV_E_NOT_FOUND);
    assert_int_equal(s.pending_drop(s.ctx, id), BV_E_NOT_FOUND);
    row.id = 0;
    OK(s.pending_put(s.ctx, &row, &id));
    OK(s.pending_drop(s.ctx, id));
    OK(s.commit(s.ctx));
    OK(s.counts(s.ctx, &counts));
    assert_int_equal(counts.pending, 0);
    s.close(s.ctx);
}

static enum bv_err
see_key(void *user, const struct store_key *row)
{
    bool *seen = user;
    assert_false(*seen);
    assert_int_equal(row->key_hash.len, 32);
    assert_true(span_eq(row->why, SPAN_LIT("compromised")));
    assert_int_equal(row->at, 5);
    *seen = true;
    return BV_OK;
}

static enum bv_err
see_issuer(void *user, const struct store_issuer *row)
{
    (void)snprintf(user, LIMIT_SHORT_NAME, "%s", row->name);
    return BV_OK;
}

static void
test_issuer_crl_key(void **state)
{
    struct store s = open_store();
    uint8_t hash[32], id;
    hash_of(hash, 'i', 1);
    struct store_issuer row = {
        .name = "issuing", .key_hash = SPAN_ARRAY(hash), .cert = SPAN_LIT("c")};
    struct store_crl crl = {.issuer = 1, .number = 9, .this_update = 5};
    char name[LIMIT_SHORT_NAME] = "";
    bool blocked;

    OK(s.begin(s.ctx));
    OK(s.issuer_put(s.ctx, &row, &id));
    assert_int_equal(id, 1);
    assert_int_equal(s.issuer_put(s.ctx, &row, &id), BV_E_CONFLICT);
    row.id = 1;
    (void)snprintf(row.name, sizeof(row.name), "renamed");
    OK(s.issuer_put(s.ctx, &row, &id));
    row.id = 9;
    assert_int_equal(s.issuer_put(s.ctx, &row, &id), BV_E_NOT_FOUND);
    OK(s.issuer_each(s.ctx, see_issuer, name));
    assert_string_equal(name, "renamed");

    assert_int_equal(s.crl_last(s.ctx, 1, &crl), BV_E_NOT_FOUND);
    OK(s.crl_put(s.ctx, &crl));
    assert_int_equal(s.crl_put(s.ctx, &crl), BV_E_CONFLICT);
    crl.number = 10;
    crl.sha256[31] = 7;
    OK(s.crl_put(s.ctx, &crl));
    crl = (struct store_crl){0};
    OK(s.crl_last(s.ctx, 1, &crl));
    assert_int_equal(crl.number, 10);
    assert_int_equal(crl.sha256[31], 7);
    assert_int_equal(s.crl_last(s.ctx, 2, &crl), BV_E_NOT_FOUND);

    OK(s.key_blocked(s.ctx, SPAN_ARRAY(hash), &blocked));
    assert_false(blocked);
    OK(s.key_block(s.ctx, SPAN_ARRAY(hash), "compromised", 5));
    OK(s.key_block(s.ctx, SPAN_ARRAY(hash), "again", 6));
    OK(s.key_blocked(s.ctx, SPAN_ARRAY(hash), &blocked));
    assert_true(blocked);
    blocked = false;
    OK(s.key_each(s.ctx, see_key, &blocked));
    assert_true(blocked);
    OK(s.commit(s.ctx));
    s.close(s.ctx);
}

static enum bv_err
see_bytes(void *user, uint64_t index, struct span bytes)
{
    *(uint64_t *)user += index * 1000 + bytes.len;
    return BV_OK;
}

static void
test_audit(void **state)
{
    struct store s = open_store();
    uint64_t size, sum = 0;
    uint8_t buf[64];
    size_t len;

    OK(s.audit_size(s.ctx, &size));
    assert_int_equal(size, 0);
    assert_int_equal(s.checkpoint_last(s.ctx, see_bytes, &sum), BV_E_NOT_FOUND);
    OK(s.begin(s.ctx));
    OK(s.audit_put(s.ctx, 0, SPAN_LIT("a")));
    OK(s.audit_put(s.ctx, 1, SPAN_LIT("bb")));
    assert_int_equal(s.audit_put(s.ctx, 1, SPAN_LIT("x")), BV_E_CONFLICT);
    OK(s.audit_tile_put(s.ctx, UINT64_C(1) << 56 | 3, SPAN_LIT("tile")));
    OK(s.audit_tile_put(s.ctx, UINT64_C(1) << 56 | 3, SPAN_LIT("longer")));
    OK(s.checkpoint_put(s.ctx, 1, SPAN_LIT("n")));
    OK(s.checkpoint_put(s.ctx, 2, SPAN_LIT("note")));
    OK(s.commit(s.ctx));
    OK(s.audit_size(s.ctx, &size));
    assert_int_equal(size, 2);
    OK(s.audit_each(s.ctx, 0, 2, see_bytes, &sum));
    assert_int_equal(sum, 1003);
    sum = 0;
    OK(s.audit_each(s.ctx, 1, UINT64_MAX, see_bytes, &sum));
    assert_int_equal(sum, 1002);
    OK(s.audit_tile_get(s.ctx, UINT64_C(1) << 56 | 3, buf, sizeof(buf), &len));
    assert_int_equal(len, 6);
    assert_int_equal(s.audit_tile_get(s.ctx, 3, buf, sizeof(buf), &len),
                     BV_E_NOT_FOUND);
    sum = 0;
    OK(s.checkpoint_last(s.ctx, see_bytes, &sum));
    assert_int_equal(sum, 2004);
    sum = 0;
    OK(s.checkpoint_each(s.ctx, 1, see_bytes, &sum));
    assert_int_equal(sum, 3005);
    s.close(s.ctx);
}

static void
test_rollback(void **state)
{
    struct store s = open_store();
    struct seen seen = {0};
    struct store_counts counts;

    put_certs(&s, 1, 3);
    OK(s.begin(s.ctx));
    OK(put_cert(&s, 4, 600));
    OK(s.cert_find(s.ctx, 4, see_cert, &seen)); /* own writes are seen */
    s.rollback(s.ctx);
    assert_int_equal(s.cert_find(s.ctx, 4, see_cert, &seen), BV_E_NOT_FOUND);
    OK(s.counts(s.ctx, &counts));
    assert_int_equal(counts.certs, 3);
    assert_int_equal(s.commit(s.ctx), BV_E_USAGE);
    put_certs(&s, 4, 4);
    s.close(s.ctx);
    s = open_store();
    OK(s.counts(s.ctx, &counts));
    assert_int_equal(counts.certs, 4);
    s.close(s.ctx);
}

static void
test_kill(void **state)
{
    struct store s = open_store();
    struct seen seen = {0};
    struct store_counts counts;
    int status;

    s.close(s.ctx);
    pid_t pid = fork();
    if (pid == 0) {
        s = open_store();
        put_certs(&s, 1, 50);
        (void)s.begin(s.ctx);
        for (uint64_t n = 51; n < 2000; n++)
            (void)put_cert(&s, n, 1500); /* spills over the cache */
        (void)raise(SIGKILL);
    }
    assert_true(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
    s = open_store(); /* the lock died with its owner */
    OK(s.cert_find(s.ctx, 50, see_cert, &seen));
    assert_int_equal(s.cert_find(s.ctx, 51, see_cert, &seen), BV_E_NOT_FOUND);
    OK(s.counts(s.ctx, &counts));
    assert_int_equal(counts.certs, 50);
    OK(s.check(s.ctx, problem, sizeof(problem)));
    s.close(s.ctx);
}

static void
test_two_owners(void **state)
{
    struct store s = open_store(), other;
    struct store_sqlite_options reader = {.read_only = true};
    struct seen seen = {0};
    char pid[32];

    assert_int_equal(
        store_sqlite_open(path, NULL, &other, problem, sizeof(problem)),
        BV_E_BUSY);
    (void)snprintf(pid, sizeof(pid), "pid %ld", (long)getpid());
    assert_non_null(strstr(problem, pid));

    put_certs(&s, 1, 2);
    OK(store_sqlite_open(path, &reader, &other, problem, sizeof(problem)));
    OK(other.cert_find(other.ctx, 2, see_cert, &seen));
    assert_int_equal(other.begin(other.ctx), BV_E_IO);
    put_certs(&s, 3, 4); /* a reader blocks nobody */
    OK(other.cert_find(other.ctx, 4, see_cert, &seen));
    other.close(other.ctx);
    s.close(s.ctx);
    s = open_store();
    s.close(s.ctx);
}

/* As one that is too large to be checked at a start. */
static enum bv_err
open_large(struct store *ret)
{
    struct store_sqlite_options options = {.check_limit = 1};
    return store_sqlite_open(path, &options, ret, problem, sizeof(problem));
}

static enum bv_err
read_through(const struct store *s, unsigned *ret_steps)
{
    bool more = true;
    for (*ret_steps = 0; more; (*ret_steps)++)
        BV_TRY(s->check_step(s->ctx, &more));
    return BV_OK;
}

/* swap_page exchanges the first octets of the page that holds the serial of
 * certificate n with what is in buf. */
static void
swap_page(uint64_t n, uint8_t buf[64])
{
    static uint8_t file[4 << 20];
    uint8_t serial[17] = {0x42}, key[32];
    int fd = open(path, O_RDWR | O_CLOEXEC);
    ssize_t len = read(fd, file, sizeof(file));
    const uint8_t *at;
    uint8_t was[64];

    hash_of(key, 'k', n);
    memcpy(serial + 1, key, 16);
    assert_in_range(len, 4096, sizeof(file) - 1);
    at = memmem(file, (size_t)len, serial, sizeof(serial));
    assert_non_null(at);
    off_t page = (at - file) / 4096 * 4096;
    memcpy(was, file + page, sizeof(was));
    assert_int_equal(pwrite(fd, buf, sizeof(was), page), sizeof(was));
    memcpy(buf, was, sizeof(was));
    (void)close(fd);
}

static void
test_large_is_read_through(void **state)
{
    struct store s = open_store();
    char doubt[128];
    uint8_t buf[64] = {0xff};
    unsigned steps;
    bool more = true;

    put_certs(&s, 1, 2000);
    OK(s.check_step(s.ctx, &more)); /* a small one was checked */
    assert_false(more);
    s.close(s.ctx);
    OK(open_large(&s));
    OK(s.check_step(s.ctx, &more));
    assert_true(more);
    put_certs(&s, 2001, 2100); /* it blocks nobody */
    OK(read_through(&s, &steps));
    assert_in_range(steps, 8, 100);
    s.close(s.ctx);

    swap_page(1500, buf);
    OK(open_large(&s)); /* a start sees nothing of it */
    assert_int_equal(read_through(&s, &steps), BV_E_CORRUPT);
    OK(s.check_step(s.ctx, &more));
    assert_false(more);
    OK(s.doubt(s.ctx));
    s.close(s.ctx);
    assert_int_equal(open_large(&s), BV_E_CORRUPT);
    assert_non_null(strstr(problem, "brevet restore"));
    assert_int_equal(open_large(&s), BV_E_CORRUPT); /* again and again */
    swap_page(1500, buf);
    (void)snprintf(doubt, sizeof(doubt), "%s.doubt", path);
    assert_int_equal(access(doubt, F_OK), 0);
    OK(open_large(&s));
    assert_int_not_equal(access(doubt, F_OK), 0);
    OK(read_through(&s, &steps));
    assert_int_equal(steps, 1); /* it was checked whole */
    s.close(s.ctx);
}

static void
test_open_refusals(void **state)
{
    struct store s;
    sqlite3 *db;

    assert_int_equal(
        store_sqlite_open(path, NULL, &s, problem, sizeof(problem)),
        BV_E_NOT_FOUND);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    (void)sqlite3_exec(db, "CREATE TABLE t (x)", NULL, NULL, NULL);
    (void)sqlite3_close(db);
    assert_int_equal(
        store_sqlite_open(path, NULL, &s, problem, sizeof(problem)),
        BV_E_UNSUPPORTED);
    assert_non_null(strstr(problem, "another program"));
    (void)unlink(path);

    s = open_store();
    s.close(s.ctx);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    (void)sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL);
    (void)sqlite3_close(db);
    assert_int_equal(
        store_sqlite_open(path, NULL, &s, problem, sizeof(problem)),
        BV_E_UNSUPPORTED);
    assert_non_null(strstr(problem, "newer Brevet"));
}

static int64_t
number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *stmt;
    int64_t n = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        n = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return n;
}

static void
test_migrate(void **state)
{
    static const char *const steps[] = {
        "CREATE TABLE a (x); INSERT INTO a VALUES (1)",
        "CREATE TABLE b (x); INSERT INTO b SELECT x + 1 FROM a",
        "CREATE TABLE c (x); THIS IS NOT SQL",
    };
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    OK(sqlite_open_migrate(db, steps, 1, problem, sizeof(problem)));
    assert_int_equal(number(db, "PRAGMA user_version"), 1);
    OK(sqlite_open_migrate(db, steps, 2, problem, sizeof(problem)));
    assert_int_equal(number(db, "SELECT x FROM b"), 2);
    assert_true(sqlite_open_migrate(db, steps, 3, problem, sizeof(problem)) !=
                BV_OK);
    /* all or nothing */
    assert_int_equal(number(db, "PRAGMA user_version"), 2);
    assert_int_equal(number(db, "SELECT count(*) FROM c"), -1);
    assert_int_equal(
        sqlite_open_migrate(db, steps, 1, problem, sizeof(problem)),
        BV_E_UNSUPPORTED);
    (void)sqlite3_close(db);
}

/* --- what makes room --- */

struct changes {
    unsigned num;
    uint64_t first, last;
};

static enum bv_err
count_change(void *user, const struct store_change *row)
{
    struct changes *c = user;
    if (c->num++ == 0)
        c->first = row->change;
    c->last = row->change;
    return BV_OK;
}

static struct changes
changes_of(const struct store *s)
{
    struct changes c = {0};
    OK(s->changes_since(s->ctx, 0, count_change, &c));
    return c;
}

static void
test_changes_make_room(void **state)
{
    struct store s = open_store();
    uint64_t change;
    bool more;

    put_certs(&s, 1, 1);
    OK(s.begin(s.ctx));
    OK(s.changes_prune(s.ctx, 5, &more)); /* of none */
    assert_false(more);
    for (int i = 0; i < 5000; i++)
        OK(s.cert_status(s.ctx, 1, i % 2 == 0 ? 6 : -1, i, &change));
    OK(s.changes_prune(s.ctx, 4990, &more));
    assert_true(more);
    assert_int_equal(changes_of(&s).num, 3000);
    do
        OK(s.changes_prune(s.ctx, 4990, &more));
    while (more);
    assert_int_equal(changes_of(&s).first, 4990);
    assert_int_equal(changes_of(&s).num, 11);
    OK(s.changes_prune(s.ctx, 9999, &more)); /* never the last */
    assert_int_equal(changes_of(&s).first, 5000);
    OK(s.cert_status(s.ctx, 1, 1, 1, &change));
    assert_int_equal(change, 5001); /* no number twice */
    OK(s.commit(s.ctx));
    s.close(s.ctx);
}

static void
test_crls_make_room(void **state)
{
    struct store s = open_store();
    struct store_crl row = {.issuer = 2, .number = 1}, last;
    sqlite3 *db;

    OK(s.begin(s.ctx));
    OK(s.crl_put(s.ctx, &row)); /* another CA's are its own */
    row.issuer = 1;
    for (row.number = 1; row.number <= 2500; row.number++)
        OK(s.crl_put(s.ctx, &row));
    OK(s.commit(s.ctx));
    OK(s.crl_last(s.ctx, 1, &last));
    assert_int_equal(last.number, 2500);
    OK(s.crl_last(s.ctx, 2, &last));
    s.close(s.ctx);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(number(db, "SELECT count(*) FROM crl WHERE issuer = 1"),
                     STORE_CRLS_KEPT);
    assert_int_equal(number(db, "SELECT min(number) FROM crl WHERE issuer = 1"),
                     2500 - STORE_CRLS_KEPT + 1);
    (void)sqlite3_close(db);
}

static void
test_checkpoints_make_room(void **state)
{
    enum { STEP = 100, NUM = 3000 };
    struct store s = open_store();
    sqlite3 *db;

    OK(s.begin(s.ctx));
    for (uint64_t i = 1; i <= NUM; i++)
        OK(s.checkpoint_put(s.ctx, i * STEP, SPAN_LIT("note")));
    OK(s.commit(s.ctx));
    s.close(s.ctx);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(number(db, "SELECT max(size) FROM checkpoint"),
                     NUM * STEP);
    assert_int_equal(number(db, "SELECT count(*) FROM checkpoint "
                                "WHERE size > 200000"),
                     STORE_CHECKPOINTS_KEPT);
    /* the first of each 4,096 up to there */
    assert_int_equal(number(db, "SELECT count(*) FROM checkpoint "
                                "WHERE size <= 200000"),
                     200000 / STORE_CHECKPOINTS_EVERY + 1);
    assert_int_equal(number(db, "SELECT min(size) FROM checkpoint"), STEP);
    assert_int_equal(number(db, "SELECT min(size) FROM checkpoint "
                                "WHERE size >= 4096"),
                     4100);
    (void)sqlite3_close(db);
}

/* --- what the status map is made from --- */

struct tally {
    unsigned num, revoked;
    uint64_t sum, last_revoked;
};

static enum bv_err
tally_cert(void *user, const struct store_cert *row)
{
    struct tally *t = user;
    t->num++;
    t->sum += row->seq;
    assert_int_equal(row->issuer, 1);
    if (row->reason >= 0) {
        t->revoked++;
        t->last_revoked = row->seq;
        assert_int_equal(row->revoked_at, 1000 + row->reason);
    }
    return BV_OK;
}

static struct tally
tally_since(const struct store *s, uint64_t after)
{
    struct tally t = {0};
    OK(s->certs_since(s->ctx, after, tally_cert, &t));
    return t;
}

/* Many or few, in a transaction or not: the same rows. */
static void
test_certs_since(void **state)
{
    enum { NUM = 5000 };
    struct store s = open_store();
    uint64_t change, first;

    OK(s.begin(s.ctx));
    OK(s.sequence_reserve(s.ctx, NUM, &first));
    OK(s.commit(s.ctx));
    put_certs(&s, 1, NUM);
    OK(s.begin(s.ctx));
    OK(s.cert_status(s.ctx, 7, 1, 1001, &change));
    OK(s.cert_status(s.ctx, 4990, 4, 1004, &change));
    OK(s.cert_status(s.ctx, 4991, 6, 1006, &change));
    OK(s.cert_status(s.ctx, 4991, -1, 1007, &change));
    OK(s.commit(s.ctx));
    struct tally all = tally_since(&s, 0);
    assert_int_equal(all.num, NUM);
    assert_int_equal(all.sum, (uint64_t)NUM * (NUM + 1) / 2);
    assert_int_equal(all.revoked, 2);
    struct tally most = tally_since(&s, 10);
    assert_int_equal(most.num, NUM - 10);
    assert_int_equal(most.revoked, 1);
    struct tally few = tally_since(&s, NUM - 100);
    assert_int_equal(few.num, 100);
    assert_int_equal(few.last_revoked, 4990);
    assert_int_equal(tally_since(&s, NUM).num, 0);
    s.close(s.ctx);
}

/* Each plan in which a listing of many would read whole rows or sort is a
 * mistake that only a large database shows. */
static void
test_plans(void **state)
{
    static const char *const covered =
        "EXPLAIN QUERY PLAN SELECT seq, issuer, reason, revoked_at FROM cert "
        "INDEXED BY cert_expiry WHERE seq > 5";
    static const char *const ordered =
        "EXPLAIN QUERY PLAN SELECT der FROM cert INDEXED BY cert_expiry WHERE "
        "not_after >= 5 AND not_after < 6 AND (not_after > 5 OR seq > 1) "
        "ORDER BY not_after, seq LIMIT 3";
    struct store s = open_store();
    sqlite3_stmt *stmt;
    sqlite3 *db;

    s.close(s.ctx);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, covered, -1, &stmt, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_non_null(
        strstr((const char *)sqlite3_column_text(stmt, 3), "COVERING INDEX"));
    (void)sqlite3_finalize(stmt);
    assert_int_equal(sqlite3_prepare_v2(db, ordered, -1, &stmt, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_int_equal(sqlite3_step(stmt), SQLITE_DONE); /* no sorter */
    (void)sqlite3_finalize(stmt);
    (void)sqlite3_close(db);
}

/* A database of the first version is brought up with what it holds. */
static void
test_upgrade(void **state)
{
    struct store_pending got;
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    OK(sqlite_open_migrate(db, sqlite_schema_steps, 1, problem,
                           sizeof(problem)));
    assert_int_equal(
        sqlite3_exec(db,
                     "INSERT INTO pending (digest, state, device, profile, "
                     "peer, csr, created_at, decided_by) VALUES "
                     "(zeroblob(32), 1, 'd1', 'device', '192.0.2.1', 'csr', "
                     "100, '');"
                     "INSERT INTO cert VALUES (3, 1, NULL, 'device', 1, 2, "
                     "NULL, 4, 1004, x'42', zeroblob(32), x'30')",
                     NULL, NULL, NULL),
        SQLITE_OK);
    (void)sqlite3_close(db);
    struct store s = open_store();
    assert_int_equal(tally_since(&s, 0).last_revoked, 3);
    OK(s.pending_get(s.ctx, 1, see_pending, &got));
    assert_string_equal(got.device, "d1");
    assert_string_equal(got.net, "");
    s.close(s.ctx);
}

static enum bv_err
count_token(void *user, const struct store_token *row)
{
    ++*(unsigned *)user;
    return BV_OK;
}

static enum bv_err
count_bytes(void *user, uint64_t index, struct span bytes)
{
    assert_true(bytes.len > 0);
    ++*(unsigned *)user;
    return BV_OK;
}

/* What is read of a backup: to verify its log, and to carry over from it. */
static void
read_backup(void)
{
    const struct store_sqlite_options reader = {.read_only = true};
    const struct store_cert_filter expiry = {
        .status = -2, .expires_before = 1000000, .limit = 10};
    const struct store_cert_filter revoked = {.status = -3, .limit = 10};
    struct store_counts counts;
    struct seen seen = {0};
    struct store s;
    uint64_t size;
    uint8_t buf[8192];
    size_t len;
    unsigned num = 0;

    OK(store_sqlite_open(path, &reader, &s, problem, sizeof(problem)));
    OK(s.check(s.ctx, problem, sizeof(problem)));
    OK(s.counts(s.ctx, &counts));
    OK(s.audit_size(s.ctx, &size));
    assert_int_equal(size, 1);
    OK(s.audit_each(s.ctx, 0, size, count_bytes, &num));
    OK(s.audit_tile_get(s.ctx, 0, buf, sizeof(buf), &len));
    OK(s.checkpoint_last(s.ctx, count_bytes, &num));
    OK(s.checkpoint_each(s.ctx, 0, count_bytes, &num));
    OK(s.token_list(s.ctx, 0, 10, count_token, &num));
    assert_int_equal(num, 4);
    OK(s.cert_find(s.ctx, 3, see_cert, &seen));
    OK(s.cert_list(s.ctx, &expiry, see_cert, &seen));
    OK(s.cert_list(s.ctx, &revoked, see_cert, &seen));
    assert_int_equal(seen.num, 3);
    assert_int_equal(s.begin(s.ctx), BV_E_IO);
    s.close(s.ctx);
}

static void
make_schema(unsigned version)
{
    static const char rows[] =
        "INSERT INTO cert VALUES (3, 1, NULL, 'device', 1, 2, NULL, 4, 1004, "
        "x'42', zeroblob(32), x'30');"
        "INSERT INTO token VALUES (1, 1, zeroblob(32), 'd', 'g', '', 1, 2, 1, "
        "'me', 0);"
        "INSERT INTO audit VALUES (0, x'00');"
        "INSERT INTO tile VALUES (0, zeroblob(32));"
        "INSERT INTO checkpoint VALUES (1, 'note')";
    sqlite3 *db;

    (void)unlink(path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    OK(sqlite_open_migrate(db, sqlite_schema_steps, version, problem,
                           sizeof(problem)));
    assert_int_equal(sqlite3_exec(db, rows, NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);
}

static int64_t
version_there(void)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    int64_t version = number(db, "PRAGMA user_version");
    (void)sqlite3_close(db);
    return version;
}

/* A backup of any release that there was is read as it is. */
static void
test_older_is_read(void **state)
{
    for (unsigned version = 1; version <= sqlite_schema_version; version++) {
        make_schema(version);
        read_backup();
        assert_int_equal(version_there(), version);
    }
}

static void
test_other_is_not_read(void **state)
{
    const struct store_sqlite_options reader = {.read_only = true};
    struct store s;
    sqlite3 *db;
    char sql[64];

    make_schema(sqlite_schema_version);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    (void)snprintf(sql, sizeof(sql), "PRAGMA user_version = %u",
                   sqlite_schema_version + 1);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);
    assert_int_equal(
        store_sqlite_open(path, &reader, &s, problem, sizeof(problem)),
        BV_E_UNSUPPORTED);
    assert_non_null(strstr(problem, "newer Brevet"));
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(
        store_sqlite_open(path, &reader, &s, problem, sizeof(problem)),
        BV_E_UNSUPPORTED);
    assert_non_null(strstr(problem, "empty"));
}

/* A file size limit stands in for a full disk: the write fails the same way
 * and needs no privilege. */
static void
test_disk_full(void **state)
{
    struct store s = open_store();
    struct seen seen = {0};
    struct rlimit was, tight;
    enum bv_err err = BV_OK;
    uint64_t n;

    put_certs(&s, 1, 100);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    tight = was;
    tight.rlim_cur = 600000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    for (n = 101; n < 5000 && err == BV_OK; n++) {
        err = s.begin(s.ctx);
        if (err == BV_OK)
            err = put_cert(&s, n, 1500);
        if (err == BV_OK)
            err = s.commit(s.ctx);
    }
    assert_int_equal(err, BV_E_DISK_FULL);
    s.rollback(s.ctx);
    OK(s.cert_find(s.ctx, n - 2, see_cert, &seen));
    assert_int_equal(s.cert_find(s.ctx, n - 1, see_cert, &seen),
                     BV_E_NOT_FOUND);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    put_certs(&s, n - 1, n + 20); /* room again: it goes on */
    OK(s.check(s.ctx, problem, sizeof(problem)));
    s.close(s.ctx);
}

static void
test_corrupt(void **state)
{
    struct store s = open_store();
    uint8_t junk[4096];

    put_certs(&s, 1, 200);
    s.close(s.ctx);
    memset(junk, 0xA5, sizeof(junk));
    int fd = open(path, O_RDWR);
    for (off_t page = 30; page < 34; page++)
        assert_int_equal(pwrite(fd, junk, sizeof(junk), page * 4096), 4096);
    (void)close(fd);
    assert_int_equal(
        store_sqlite_open(path, NULL, &s, problem, sizeof(problem)),
        BV_E_CORRUPT);
    assert_non_null(strstr(problem, "brevet restore"));

    fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, junk, sizeof(junk), 0), 4096);
    (void)close(fd);
    assert_int_equal(
        store_sqlite_open(path, NULL, &s, problem, sizeof(problem)),
        BV_E_CORRUPT);
    assert_non_null(strstr(problem, "brevet restore"));
}

static void
snapshot_whole(const struct store *s)
{
    bool more = true;

    OK(s->snapshot_start(s->ctx));
    while (more)
        OK(s->snapshot_step(s->ctx, &more));
}

/* The log is carried over on the way, and what is written while it is copied
 * is in the copy, before and behind the place it has come to. */
static uint64_t
write_while_copying(const struct store *s, uint64_t next)
{
    unsigned steps = 0;
    bool more = true;

    OK(s->snapshot_start(s->ctx));
    assert_int_equal(s->snapshot_start(s->ctx), BV_E_BUSY);
    while (more) {
        put_certs(s, next, next + 9);
        next += 10;
        OK(s->maintain(s->ctx));
        OK(s->begin(s->ctx));
        assert_int_equal(s->snapshot_step(s->ctx, &more), BV_E_USAGE);
        if (steps == 2) /* the one thing after which it starts over */
            OK(put_cert(s, 1000000, 600));
        s->rollback(s->ctx);
        OK(s->snapshot_step(s->ctx, &more));
        steps++;
    }
    assert_true(steps > 6 && steps < 100);
    return next;
}

static void
check_copy(const char *file, uint64_t num)
{
    struct store copy;
    struct store_counts counts;
    struct seen seen = {0};

    OK(store_sqlite_open(file, NULL, &copy, problem, sizeof(problem)));
    OK(copy.counts(copy.ctx, &counts));
    assert_int_equal(counts.certs, num);
    OK(copy.check(copy.ctx, problem, sizeof(problem)));
    OK(copy.cert_find(copy.ctx, num, see_cert, &seen));
    assert_int_equal(copy.cert_find(copy.ctx, num + 1, see_cert, &seen),
                     BV_E_NOT_FOUND);
    copy.close(copy.ctx);
}

static void
test_backup(void **state)
{
    const struct store_sqlite_options options = {.create = true,
                                                 .wal_pages = 100};
    struct store s;
    struct stat st;
    char snap[160], temp[170];
    bool more;

    OK(store_sqlite_open(path, &options, &s, problem, sizeof(problem)));
    (void)snprintf(snap, sizeof(snap), "%s.backup", path);
    (void)snprintf(temp, sizeof(temp), "%s.new", snap);
    put_certs(&s, 1, 10000);
    assert_int_equal(s.snapshot_step(s.ctx, &more), BV_E_USAGE);
    OK(s.snapshot_start(s.ctx));
    OK(s.snapshot_step(s.ctx, &more));
    assert_true(more);
    s.snapshot_stop(s.ctx); /* nothing is left */
    assert_int_not_equal(access(temp, F_OK), 0);
    assert_int_not_equal(access(snap, F_OK), 0);
    snapshot_whole(&s);
    snapshot_whole(&s); /* in place of the earlier one */
    assert_int_equal(access(snap, F_OK), 0);
    OK(s.snapshot_drop(s.ctx));
    OK(s.snapshot_drop(s.ctx));
    assert_int_not_equal(access(snap, F_OK), 0);

    uint64_t next = write_while_copying(&s, 10001);
    assert_int_equal(stat(snap, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    check_copy(snap, next - 1);
    OK(s.snapshot_start(s.ctx));
    s.close(s.ctx); /* one under way ends with it */
    assert_int_not_equal(access(temp, F_OK), 0);
}

static void
test_backup_restarts_end(void **state)
{
    struct store s = open_store();
    enum bv_err err = BV_OK;
    bool more = true;

    put_certs(&s, 1, 10000);
    OK(s.snapshot_start(s.ctx));
    for (int i = 0; i < 100 && err == BV_OK; i++) {
        OK(s.begin(s.ctx));
        OK(put_cert(&s, 1000000, 600));
        s.rollback(s.ctx);
        err = s.snapshot_step(s.ctx, &more);
    }
    assert_int_equal(err, BV_E_BUSY);
    snapshot_whole(&s); /* it is over: another may begin */
    s.close(s.ctx);
}

/* Killed on the way: nothing under the final name, and the next owner removes
 * the rest. */
static void
test_backup_killed(void **state)
{
    struct store s = open_store();
    char snap[160], temp[170];
    int status;

    put_certs(&s, 1, 10000);
    s.close(s.ctx);
    (void)snprintf(snap, sizeof(snap), "%s.backup", path);
    (void)snprintf(temp, sizeof(temp), "%s.new", snap);
    pid_t pid = fork();
    if (pid == 0) {
        bool more;
        if (store_sqlite_open(path, NULL, &s, problem, sizeof(problem)) ==
                BV_OK &&
            s.snapshot_start(s.ctx) == BV_OK &&
            s.snapshot_step(s.ctx, &more) == BV_OK && more)
            (void)kill(getpid(), SIGKILL);
        _exit(1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(access(temp, F_OK), 0);
    assert_int_not_equal(access(snap, F_OK), 0);
    s = open_store();
    assert_int_not_equal(access(temp, F_OK), 0);
    snapshot_whole(&s);
    check_copy(snap, 10000);
    s.close(s.ctx);
}

static void
test_log_is_carried(void **state)
{
    struct store_sqlite_options options = {.create = true, .wal_pages = 50};
    struct store s;
    struct stat st;
    char wal[128];

    OK(store_sqlite_open(path, &options, &s, problem, sizeof(problem)));
    (void)snprintf(wal, sizeof(wal), "%s-wal", path);
    for (uint64_t n = 0; n < 100; n++) {
        put_certs(&s, n * 20 + 1, n * 20 + 20);
        OK(s.maintain(s.ctx));
    }
    assert_int_equal(stat(wal, &st), 0);
    assert_true(st.st_size < 200 * 4120); /* it started over, many times */
    s.close(s.ctx);
}

static void
test_requests_are_bounded(void **state)
{
    struct store s = open_store();
    struct seen seen = {0};
    uint8_t hash[32], key[32];

    OK(s.begin(s.ctx));
    OK(put_cert(&s, 1, 10));
    OK(put_cert(&s, 64, 10));
    OK(put_cert(&s, 65536 + 64, 10));
    hash_of(key, 'k', 64);
    hash_of(hash, 'r', 64);
    assert_int_equal(s.cert_of_request(s.ctx, SPAN_ARRAY(key), SPAN_ARRAY(hash),
                                       see_cert, &seen),
                     BV_E_NOT_FOUND);
    hash_of(key, 'k', 65536 + 64);
    hash_of(hash, 'r', 65536 + 64);
    OK(s.cert_of_request(s.ctx, SPAN_ARRAY(key), SPAN_ARRAY(hash), see_cert,
                         &seen));
    OK(s.commit(s.ctx));
    s.close(s.ctx);
}

int
main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_cert),
        T(test_recursion),
        T(test_cert_list),
        T(test_has_newer),
        T(test_count_live),
        T(test_status),
        T(test_walk),
        T(test_meta_and_sequence),
        T(test_lost_transaction),
        T(test_device),
        T(test_token),
        T(test_pending),
        T(test_issuer_crl_key),
        T(test_audit),
        T(test_rollback),
        T(test_kill),
        T(test_two_owners),
        T(test_large_is_read_through),
        T(test_open_refusals),
        T(test_migrate),
        T(test_changes_make_room),
        T(test_crls_make_room),
        T(test_checkpoints_make_room),
        T(test_certs_since),
        T(test_plans),
        T(test_upgrade),
        T(test_older_is_read),
        T(test_other_is_not_read),
        T(test_disk_full),
        T(test_corrupt),
        T(test_backup),
        T(test_backup_killed),
        T(test_backup_restarts_end),
        T(test_log_is_carried),
        T(test_requests_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
