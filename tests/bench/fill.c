/* Fills a stopped installation's database: fill DB COUNT ORIGIN [ROWS]
 *
 * First ROWS (20,000) certificates of ordinary size, each of a device of its
 * own, with their audit leaves, to learn how many octets one costs on disk
 * (last line of the output); then COUNT revoked ones, so that a CRL of that
 * size can be measured. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "core/audit.h"
#include "pki/digest.h"
#include "store/sqlite.h"

#define SAMPLE   "20000"
#define BATCH    500
#define DER_SIZE 600

static struct store store;
static struct audit *audit;
static uint8_t issuer_id;

static void
must(enum bv_err err, const char *what)
{
    if (err == BV_OK)
        return;
    fprintf(stderr, "fill: %s: %s\n", what, err_text(err));
    exit(1);
}

static enum bv_err
pick_issuer(void *user, const struct store_issuer *row)
{
    if (strcmp(row->name, "issuing") == 0)
        issuer_id = row->id;
    return BV_OK;
}

static off_t
size_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? st.st_size : 0;
}

static void
put_leaf(struct span serial, struct span sha256, const char *name)
{
    struct audit_event event = {
        .action = AUDIT_CERT_ISSUE,
        .actor = AUDIT_ACTOR_DEVICE,
        .auth = AUDIT_AUTH_TOKEN,
        .object = AUDIT_OBJECT_CERT,
        .outcome = AUDIT_OK,
        .actor_id = span_str(name),
        .address = SPAN_LIT("192.0.2.200"),
        .object_id = span_str(name),
        .serial = serial,
        .cert_sha256 = sha256,
        .request_id = SPAN_LIT("0123456789abcdef"),
        .detail = SPAN_LIT("device"),
    };

    must(audit_append(audit, &event, NULL), "audit_append");
}

static void
put_cert(uint64_t seq, size_t der_len, int64_t now, bool device)
{
    static uint8_t der[DER_SIZE];
    uint8_t serial[17] = {0x42}, hash[32];
    char name[32];
    int64_t device_id = 0;

    for (size_t i = 0; i < sizeof(der); i++)
        der[i] = (uint8_t)(seq * 31 + i * 7);
    snprintf(name, sizeof(name), "device-%010" PRIu64, seq);
    digest_sha256(span_str(name), hash);
    memcpy(serial + 1, hash, 16);
    if (device) {
        struct store_device row = {.created_at = now, .last_seen = now};
        memcpy(row.name, name, strlen(name) + 1);
        memcpy(row.group, "bench", 6);
        memcpy(row.profile, "device", 7);
        must(store.device_put(store.ctx, &row, &device_id), "device_put");
        put_leaf(SPAN_ARRAY(serial), SPAN_ARRAY(hash), name);
    }
    struct store_cert cert = {
        .seq = seq,
        .issuer = issuer_id,
        .device = device_id,
        .profile = "device",
        .not_before = now,
        .not_after = now + 30 * 86400,
        .serial = SPAN_ARRAY(serial),
        .key_hash = SPAN_ARRAY(hash),
        .request_hash = device ? SPAN_ARRAY(hash) : SPAN_EMPTY,
        .der = span_of(der, der_len),
        .reason = -1,
    };
    must(store.cert_put(store.ctx, &cert), "cert_put");
}

static void
fill(uint64_t count, size_t der_len, bool revoke, bool device)
{
    int64_t now = clock_wall();
    uint64_t seq = 0, change;

    for (uint64_t n = 0; n < count; n++) {
        if (n % BATCH == 0) {
            must(store.begin(store.ctx), "begin");
            must(store.sequence_reserve(store.ctx, BATCH, &seq), "sequence");
        }
        put_cert(seq, der_len, now, device);
        if (revoke)
            must(store.cert_status(store.ctx, seq, 1, now, &change), "status");
        seq++;
        if (n % BATCH == BATCH - 1 || n + 1 == count)
            must(store.commit(store.ctx), "commit");
    }
}

int
main(int argc, char **argv)
{
    char problem[256];
    off_t before, sample;
    struct audit_options options = {.origin = ""};
    uint64_t rows = strtoull(argc == 5 ? argv[4] : SAMPLE, NULL, 10);

    if (argc < 4 || argc > 5 || rows == 0) {
        fputs("usage: fill DB COUNT ORIGIN [ROWS]\n", stderr);
        return 2;
    }
    options.origin = argv[3]; /* of the audit log */
    if (store_sqlite_open(argv[1], NULL, &store, problem, sizeof(problem)) !=
        BV_OK) {
        fprintf(stderr, "fill: %s\n", problem);
        return 1;
    }
    must(store.issuer_each(store.ctx, pick_issuer, NULL), "issuer_each");
    must(audit_open(&store, &options, &audit, problem, sizeof(problem)),
         problem);
    must(store.maintain(store.ctx), "maintain");
    before = size_of(argv[1]);
    fill(rows, DER_SIZE, false, true);
    must(store.maintain(store.ctx), "maintain");
    sample = size_of(argv[1]) - before;
    fill(strtoull(argv[2], NULL, 10), 1, true, false);
    audit_free(audit);
    store.close(store.ctx);
    printf("%lld\n", (long long)sample / (long long)rows);
    return 0;
}
