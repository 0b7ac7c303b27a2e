/* What one certificate costs the store: time, CPU and octets on disk, with its
 * audit entry, for batches of 1, 16 and 64. Prints, asserts nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/audit.h"
#include "store/sqlite.h"

struct run {
    struct store store;
    struct audit *audit;
    unsigned batch, num;
};

static double
cpu_us(void)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static enum bv_err
put_one(struct run *run, uint64_t seq)
{
    static uint8_t der[620]; /* a P-256 device certificate */
    struct store *s = &run->store;
    struct merkle_hash key, request;
    char name[32];
    int len = snprintf(name, sizeof(name), "key %llu", (unsigned long long)seq);

    merkle_sha256(span_of(name, (size_t)len), &key);
    merkle_sha256(SPAN_ARRAY(key.octets), &request);
    struct store_cert row = {
        .seq = seq,
        .issuer = 1,
        .device = (int64_t)(seq % (run->num / 2) + 1),
        .profile = "device",
        .not_before = 1700000000,
        .not_after = 1800000000 + (int64_t)seq,
        .serial = span_of(key.octets, 17),
        .key_hash = SPAN_ARRAY(key.octets),
        .request_hash = SPAN_ARRAY(request.octets),
        .der = SPAN_ARRAY(der),
        .replaces = seq - 1,
    };
    struct audit_event event = {
        .action = AUDIT_CERT_ISSUE,
        .actor = AUDIT_ACTOR_DEVICE,
        .auth = AUDIT_AUTH_OWN_CERT,
        .object = AUDIT_OBJECT_CERT,
        .outcome = AUDIT_OK,
        .actor_id = SPAN_LIT("device-000123"),
        .address = SPAN_LIT("192.0.2.17"),
        .object_id = SPAN_LIT("device-000123"),
        .serial = row.serial,
        .cert_sha256 = row.key_hash,
        .request_id = SPAN_LIT("0123456789abcdef"),
        .detail = SPAN_LIT("device"),
    };
    BV_TRY(s->cert_put(s->ctx, &row));
    return audit_append(run->audit, &event, NULL);
}

static enum bv_err
fill(struct run *run)
{
    struct store *s = &run->store;

    for (uint64_t seq = 1; seq <= run->num;) {
        BV_TRY(s->begin(s->ctx));
        for (unsigned i = 0; i < run->batch; i++)
            BV_TRY(put_one(run, seq++));
        BV_TRY(s->commit(s->ctx));
        BV_TRY(s->maintain(s->ctx));
    }
    return BV_OK;
}

static enum bv_err
measure(const char *path, unsigned batch, unsigned num)
{
    struct store_sqlite_options options = {.create = true};
    struct audit_options log = {.origin = "brevet/bench"};
    struct run run = {.batch = batch, .num = num};
    char problem[300];
    struct stat st;

    BV_TRY(store_sqlite_open(path, &options, &run.store, problem,
                             sizeof(problem)));
    BV_TRY(audit_open(&run.store, &log, &run.audit, problem, sizeof(problem)));
    int64_t start = clock_mono_ms();
    double cpu = cpu_us();
    BV_TRY(fill(&run));
    cpu = (cpu_us() - cpu) / num;
    int64_t ms = clock_mono_ms() - start;
    audit_free(run.audit);
    run.store.close(run.store.ctx);
    if (stat(path, &st) != 0)
        return BV_E_IO;
    (void)printf("batch %2u: %6.0f rows/s, %5.1f us CPU a row, %4.0f octets a "
                 "row\n",
                 batch, num * 1000.0 / (double)(ms > 0 ? ms : 1), cpu,
                 (double)st.st_size / num);
    return BV_OK;
}

int
main(int argc, char **argv)
{
    static const unsigned batch[] = {1, 16, 64};
    unsigned num = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 100000;
    char dir[] = "/tmp/brevet-bench-XXXXXX", path[64], lock[72];

    if (num < 64 || mkdtemp(dir) == NULL)
        return 1;
    (void)snprintf(path, sizeof(path), "%s/bench.db", dir);
    (void)snprintf(lock, sizeof(lock), "%s.lock", path);
    for (size_t i = 0; i < sizeof(batch) / sizeof(batch[0]); i++) {
        unsigned rows = batch[i] == 1 ? num / 16 : num;
        enum bv_err err = measure(path, batch[i], rows - rows % batch[i]);
        (void)unlink(path);
        if (err != BV_OK)
            return printf("%s\n", err_text(err)), 1;
    }
    (void)unlink(lock);
    return rmdir(dir) == 0 ? 0 : 1;
}
