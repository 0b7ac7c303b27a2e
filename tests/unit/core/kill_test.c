/* kill -9 with a batch half written: what was answered is there, what was not
 * left no trace, no number comes twice, the audit log opens. */
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/audit.h"
#include "signer/soft.h"
#include "store/sqlite.h"

#define NUM 5

struct told {
    char dir[64];
    char serials[NUM][64];
};

static void
child(int fd)
{
    static struct fixture f;
    static uint8_t csr_buf[4096];
    struct told told = {0};
    char secret[64];
    fixture_open(&f);
    strcpy(told.dir, f.dir);
    fixture_token(&f, NULL, "barn", 100, secret);
    for (int i = 0; i <= NUM; i++) {
        char cn[16];
        struct key *key = fixture_key();
        (void)snprintf(cn, sizeof cn, "d%d", i);
        struct core_request r = fixture_request(
            CORE_ENROLL, fixture_csr(key, cn, SPAN_EMPTY, SPAN_EMPTY, csr_buf,
                                     sizeof csr_buf));
        r.secret = span_str(secret);
        if (i < NUM) {
            if (fixture_run(&f, &r) != BV_OK)
                _exit(1);
            strcpy(told.serials[i], f.reply.serial);
            continue;
        }
        core_submit(f.core, 1, 1, &r);
        signer_soft_run(&f.signer); /* its rows are in the open transaction */
    }
    if (!core_has_work(f.core) ||
        write(fd, &told, sizeof told) != (ssize_t)sizeof told)
        _exit(2);
    (void)raise(SIGKILL);
}

static enum bv_err
copy_device(void *user, const struct store_device *row)
{
    *(int64_t *)user = row->id;
    return BV_OK;
}

struct listed {
    const struct told *told;
    unsigned num;
    uint64_t last_seq;
};

static enum bv_err
check_row(void *user, const struct store_cert *row)
{
    struct listed *listed = user;
    char hex[64] = "";
    struct sink out = sink_of(hex, sizeof hex - 1);
    if (row->device == 0) /* a CA's own */
        return BV_OK;
    sink_hex(&out, row->serial);
    assert_true(listed->num < NUM);
    assert_string_equal(hex, listed->told->serials[listed->num]);
    assert_true(row->seq > listed->last_seq);
    listed->last_seq = row->seq;
    listed->num++;
    return BV_OK;
}

static void
check_after(const struct told *told)
{
    struct store store;
    struct audit *audit = NULL;
    char path[128], problem[300] = "", name[16];
    int64_t id;
    uint64_t next;
    struct listed listed = {.told = told};
    const struct store_cert_filter all = {.status = -2, .limit = 100};
    (void)snprintf(path, sizeof path, "%s/brevet.db", told->dir);
    assert_int_equal(
        store_sqlite_open(path, NULL, &store, problem, sizeof problem), BV_OK);
    assert_int_equal(store.cert_list(store.ctx, &all, check_row, &listed),
                     BV_OK);
    assert_int_equal(listed.num, NUM);
    (void)snprintf(name, sizeof name, "d%d", NUM);
    assert_int_equal(store.device_find(store.ctx, name, copy_device, &id),
                     BV_E_NOT_FOUND);
    const struct audit_options options = {.origin = "brevet/test"};
    assert_int_equal(
        audit_open(&store, &options, &audit, problem, sizeof problem), BV_OK);
    audit_free(audit);
    /* the number that was under way when it died is not given out again */
    assert_int_equal(store.begin(store.ctx), BV_OK);
    assert_int_equal(store.sequence_reserve(store.ctx, 1, &next), BV_OK);
    assert_true(next > listed.last_seq + 1);
    store.rollback(store.ctx);
    store.close(store.ctx);
}

static void
test_killed(void **state)
{
    int fds[2], status;
    struct told told;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        child(fds[1]);
        _exit(3);
    }
    (void)close(fds[1]);
    assert_int_equal(read(fds[0], &told, sizeof told), sizeof told);
    (void)close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    check_after(&told);
    struct fixture f;
    strcpy(f.dir, told.dir);
    (void)fixture_shell(&f, "rm -rf %s");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_killed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
