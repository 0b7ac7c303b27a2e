#include "fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/ca.h"
#include "signer/soft.h"
#include "store/sqlite.h"
#include "wire/csr.h"
#include "wire/name.h"
#include "wire/pem.h"

int64_t fixture_time = FIXTURE_NOW;

static int64_t
clock_now(void)
{
    return fixture_time;
}

/* --- a store whose n-th change fails --- */

static struct fixture *faulty;

static bool
fails(void)
{
    faulty->calls++;
    return faulty->fail_at != 0 && faulty->calls == faulty->fail_at;
}

#define FAULT_0(name)                                                          \
    static enum bv_err fault_##name(void *ctx)                                 \
    {                                                                          \
        return fails() ? faulty->fail_with : faulty->store.name(ctx);          \
    }
#define FAULT_1(name, t1)                                                      \
    static enum bv_err fault_##name(void *ctx, t1 a)                           \
    {                                                                          \
        return fails() ? faulty->fail_with : faulty->store.name(ctx, a);       \
    }
#define FAULT_2(name, t1, t2)                                                  \
    static enum bv_err fault_##name(void *ctx, t1 a, t2 b)                     \
    {                                                                          \
        return fails() ? faulty->fail_with : faulty->store.name(ctx, a, b);    \
    }
#define FAULT_3(name, t1, t2, t3)                                              \
    static enum bv_err fault_##name(void *ctx, t1 a, t2 b, t3 c)               \
    {                                                                          \
        return fails() ? faulty->fail_with : faulty->store.name(ctx, a, b, c); \
    }
#define FAULT_4(name, t1, t2, t3, t4)                                          \
    static enum bv_err fault_##name(void *ctx, t1 a, t2 b, t3 c, t4 d)         \
    {                                                                          \
        return fails() ? faulty->fail_with                                     \
                       : faulty->store.name(ctx, a, b, c, d);                  \
    }
FAULT_0(begin)
FAULT_0(commit)
FAULT_2(sequence_reserve, uint64_t, uint64_t *)
FAULT_2(device_put, const struct store_device *, int64_t *)
FAULT_3(device_find, const char *, store_device_fn *, void *)
FAULT_1(cert_put, const struct store_cert *)
FAULT_4(cert_of_request, struct span, struct span, store_cert_fn *, void *)
FAULT_3(certs_of_key, struct span, store_cert_fn *, void *)
FAULT_3(cert_find, uint64_t, store_cert_fn *, void *)
FAULT_3(cert_list, const struct store_cert_filter *, store_cert_fn *, void *)
FAULT_3(device_get, int64_t, store_device_fn *, void *)
FAULT_2(pending_put, const struct store_pending *, int64_t *)
FAULT_3(pending_find, struct span, store_pending_fn *, void *)
FAULT_4(pending_count, struct span, const char *, uint64_t *, uint64_t *)
FAULT_3(token_find, struct span, store_token_fn *, void *)
FAULT_2(token_put, const struct store_token *, int64_t *)
FAULT_2(key_blocked, struct span, bool *)
FAULT_2(audit_put, uint64_t, struct span)
FAULT_2(audit_tile_put, uint64_t, struct span)

static void
wrap_store(struct fixture *f)
{
    faulty = f;
    f->faulty = f->store;
    f->faulty.begin = fault_begin;
    f->faulty.commit = fault_commit;
    f->faulty.sequence_reserve = fault_sequence_reserve;
    f->faulty.device_put = fault_device_put;
    f->faulty.device_find = fault_device_find;
    f->faulty.cert_put = fault_cert_put;
    f->faulty.cert_of_request = fault_cert_of_request;
    f->faulty.certs_of_key = fault_certs_of_key;
    f->faulty.cert_find = fault_cert_find;
    f->faulty.cert_list = fault_cert_list;
    f->faulty.device_get = fault_device_get;
    f->faulty.pending_put = fault_pending_put;
    f->faulty.pending_find = fault_pending_find;
    f->faulty.pending_count = fault_pending_count;
    f->faulty.token_find = fault_token_find;
    f->faulty.token_put = fault_token_put;
    f->faulty.key_blocked = fault_key_blocked;
    f->faulty.audit_put = fault_audit_put;
    f->faulty.audit_tile_put = fault_audit_tile_put;
}

/* --- answers --- */

static void
on_reply(void *user, unsigned tag, uint64_t id, const struct core_reply *reply)
{
    struct fixture *f = user;
    (void)tag;
    (void)id;
    f->reply = *reply;
    assert_true(reply->cert.len <= sizeof f->cert_buf);
    assert_true(reply->key.len <= sizeof f->key_buf);
    if (reply->cert.len > 0)
        memcpy(f->cert_buf, reply->cert.data, reply->cert.len);
    if (reply->key.len > 0)
        memcpy(f->key_buf, reply->key.data, reply->key.len);
    f->reply.cert = span_of(f->cert_buf, reply->cert.len);
    f->reply.key = span_of(f->key_buf, reply->key.len);
    f->num_replies++;
}

static void
on_admin(void *user, unsigned tag, uint64_t id, struct span json)
{
    struct fixture *f = user;
    (void)tag;
    (void)id;
    assert_int_equal(span_copy_str(json, f->json, sizeof f->json), BV_OK);
}

static void
on_files(void *user)
{
    ((struct fixture *)user)->files_changed++;
}

/* --- keys and CAs --- */

struct key *
fixture_key(void)
{
    struct key *key = NULL;
    assert_int_equal(key_generate(ALG_KEY_P256, 0, &key), BV_OK);
    return key;
}

struct span
fixture_ca(const char *profile, const char *cn, struct key *key,
           struct span issuer, struct key *issuer_key, uint8_t *buf, size_t cap)
{
    struct profile p;
    uint8_t spki_buf[LIMIT_SPKI];
    char problem[200] = "";
    struct sink spki = SINK_ARRAY(spki_buf), out = sink_of(buf, cap);
    assert_int_equal(profile_default(profile, &p), BV_OK);
    p.crldp = p.aia_issuer = p.aia_ocsp = false;
    assert_int_equal(key_spki(key, &spki), BV_OK);
    struct ca_spec spec = {.profile = &p,
                           .cn = cn,
                           .organization = "Test",
                           .spki = sink_view(&spki),
                           .issuer_cert = issuer,
                           .issuer_key = issuer_key,
                           .now = FIXTURE_NOW - 86400};
    enum bv_err err = ca_issue(&spec, &out, problem, sizeof problem);
    if (err != BV_OK)
        fail_msg("%s: %s", err_name(err), problem);
    return sink_view(&out);
}

static void
make_cas(struct fixture *f)
{
    struct key *root = fixture_key(), *ca = fixture_key(), *log = NULL;
    uint8_t buf[LIMIT_SPKI];
    struct sink spki = SINK_ARRAY(buf);
    f->root = fixture_ca("root", "Test root", root, SPAN_EMPTY, root,
                         f->root_der, sizeof f->root_der);
    f->ca = fixture_ca("intermediate", "Test issuing CA", ca, f->root, root,
                       f->ca_der, sizeof f->ca_der);
    f->maker_key = fixture_key();
    f->maker = fixture_ca("root", "Maker root", f->maker_key, SPAN_EMPTY,
                          f->maker_key, f->maker_der, sizeof f->maker_der);
    assert_int_equal(key_generate(ALG_KEY_ED25519, 0, &log), BV_OK);
    assert_int_equal(key_spki(log, &spki), BV_OK);
    memcpy(f->log_key, buf + spki.len - 32, 32);
    assert_int_equal(signer_soft_add(&f->signer, "issuing", ca), BV_OK);
    assert_int_equal(signer_soft_add(&f->signer, "log", log), BV_OK);
    key_free(root);
}

static void
make_config(struct fixture *f)
{
    static const char *const names[] = {"device",  "client",      "server",
                                        "gateway", "codesigning", "ocsp"};
    struct core_config *c = &f->config;
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(profile_default(names[i], &f->profiles[i]), BV_OK);
        strcpy(f->profiles[i].ca, "issuing");
        strcpy(f->labels[i].label, names[i]);
        strcpy(f->labels[i].profile, names[i]);
    }
    c->profiles = f->profiles;
    c->num_profiles = 6;
    c->labels = f->labels;
    c->num_labels = 5;
    strcpy(f->cas[0].name, "issuing");
    f->cas[0].cert = f->ca;
    f->cas[0].chain[0] = f->root;
    f->cas[0].num_chain = 1;
    (void)snprintf(f->cas[0].crl_path, sizeof f->cas[0].crl_path, "%s/ca.crl",
                   f->dir);
    strcpy(f->cas[0].crl_url, "http://pki.example/ca.crl");
    strcpy(f->cas[0].ocsp_url, "http://pki.example/ocsp");
    c->cas = f->cas;
    c->num_cas = 1;
    strcpy(f->manufacturers[0].name, "acme");
    strcpy(f->manufacturers[0].group, "acme-devices");
    f->manufacturers[0].anchors = f->maker;
    c->manufacturers = f->manufacturers;
    c->num_manufacturers = 1;
    (void)snprintf(c->tls_path, sizeof c->tls_path, "%s/server.pem", f->dir);
    strcpy(c->hosts[0], "pki.example");
    strcpy(c->hosts[1], "192.0.2.7");
    c->num_hosts = 2;
    c->lint_full = true;
    strcpy(c->log_origin, "brevet/test");
    c->log_key = SPAN_ARRAY(f->log_key);
    (void)snprintf(c->checkpoint_path, sizeof c->checkpoint_path,
                   "%s/checkpoint", f->dir);
}

struct profile *
fixture_profile(struct fixture *f, const char *name)
{
    for (size_t i = 0; i < f->config.num_profiles; i++) {
        if (strcmp(f->profiles[i].name, name) == 0)
            return &f->profiles[i];
    }
    return NULL;
}

/* --- life --- */

static void
open_core(struct fixture *f)
{
    char problem[300] = "", map[128];
    const struct store_sqlite_options options = {.create = true};
    const struct core_calls calls = {.user = f,
                                     .reply = on_reply,
                                     .admin_reply = on_admin,
                                     .files_changed = on_files,
                                     .now = clock_now};
    enum bv_err err = store_sqlite_open(f->path, &options, &f->store, problem,
                                        sizeof problem);
    if (err != BV_OK)
        fail_msg("store: %s %s", err_name(err), problem);
    wrap_store(f);
    (void)snprintf(map, sizeof map, "%s/status.map", f->dir);
    int fd = open(map, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    err = core_new(&f->config, &f->faulty, fd, &calls, &f->core, problem,
                   sizeof problem);
    if (err != BV_OK)
        fail_msg("core: %s %s", err_name(err), problem);
}

/* The soft signer is made before core: it calls back through the fixture. */
static void
on_signed(void *user, uint64_t ticket, enum bv_err err, struct span result)
{
    core_signed(((struct fixture *)user)->core, ticket, err, result);
}

void
fixture_open(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    fixture_time = FIXTURE_NOW;
    const char *temp = getenv("TMPDIR");
    char dir[sizeof f->dir];
    (void)snprintf(dir, sizeof dir, "%s/brevet-core-XXXXXX",
                   temp != NULL && strlen(temp) < 32 ? temp : "/tmp");
    assert_non_null(mkdtemp(dir));
    memcpy(f->dir, dir, sizeof dir);
    (void)snprintf(f->path, sizeof f->path, "%s/brevet.db", f->dir);
    assert_int_equal(signer_soft_new(on_signed, f, &f->signer), BV_OK);
    make_cas(f);
    make_config(f);
    open_core(f);
    core_set_signer(f->core, &f->signer);
}

void
fixture_close(struct fixture *f)
{
    core_free(f->core);
    f->store.close(f->store.ctx);
    f->signer.close(f->signer.ctx);
    key_free(f->maker_key);
    (void)fixture_shell(f, "rm -rf %s");
}

void
fixture_reopen(struct fixture *f)
{
    core_free(f->core);
    f->store.close(f->store.ctx);
    if (f->between != NULL)
        assert_int_equal(fixture_shell(f, f->between), 0);
    open_core(f);
    core_set_signer(f->core, &f->signer);
}

void
fixture_settle(struct fixture *f)
{
    for (int i = 0; i < 8; i++) {
        signer_soft_run(&f->signer);
        assert_int_not_equal(core_commit(f->core), BV_E_CORRUPT);
        if (!core_has_pieces(f->core))
            continue;
        core_piece(f->core);
        i = -1; /* rest begins when they are done */
    }
}

void
fixture_tick(struct fixture *f)
{
    (void)core_tick(f->core, fixture_time);
    fixture_settle(f);
}

enum bv_err
fixture_run(struct fixture *f, const struct core_request *request)
{
    unsigned before = f->num_replies;
    core_submit(f->core, 1, before + 1, request);
    fixture_settle(f);
    assert_int_equal(f->num_replies, before + 1);
    return f->reply.err;
}

void
fixture_expect(struct fixture *f, enum bv_err want,
               const struct core_request *request, int line)
{
    enum bv_err got = fixture_run(f, request);
    if (got != want)
        fail_msg("%d: got %s (%s), want %s", line, err_name(got),
                 f->reply.detail, err_name(want));
}

const char *
fixture_admin(struct fixture *f, const char *request)
{
    const struct core_caller caller = {1000, "ada", CORE_ROLE_ADMIN};
    f->json[0] = '\0';
    core_admin(f->core, &caller, 2, 1, span_str(request));
    fixture_settle(f);
    assert_true(f->json[0] != '\0');
    return f->json;
}

void
fixture_token(struct fixture *f, const char *device, const char *group,
              int uses, char secret[64])
{
    char request[300];
    (void)snprintf(request, sizeof request,
                   "{\"verb\":\"token.create\",\"args\":{"
                   "\"%s\":\"%s\",\"uses\":%d,\"expires\":3600}}",
                   device ? "device" : "group", device ? device : group, uses);
    const char *at = strstr(fixture_admin(f, request), "\"secret\":\"");
    if (at == NULL)
        fail_msg("%s", f->json);
    (void)sscanf(at, "\"secret\":\"%63[^\"]", secret);
}

struct span
fixture_csr(struct key *key, const char *cn, struct span san,
            struct span challenge, uint8_t *buf, size_t cap)
{
    uint8_t name_buf[512], spki_buf[LIMIT_SPKI], info_buf[6000], sig_buf[1100];
    struct sink name = SINK_ARRAY(name_buf), spki = SINK_ARRAY(spki_buf),
                info = SINK_ARRAY(info_buf), sig = SINK_ARRAY(sig_buf),
                out = sink_of(buf, cap);
    struct name_part part = {NAME_CN, span_str(cn)};
    assert_int_equal(name_put(&name, &part, 1), BV_OK);
    assert_int_equal(key_spki(key, &spki), BV_OK);
    struct csr_spec spec = {.subject = sink_view(&name),
                            .spki = sink_view(&spki),
                            .san = san,
                            .challenge = challenge};
    csr_build_info(&info, &spec);
    assert_int_equal(key_sign(key, sink_view(&info), &sig), BV_OK);
    csr_assemble(&out, sink_view(&info), alg_sig_of_key(key_alg(key)),
                 sink_view(&sig));
    assert_false(out.failed);
    return sink_view(&out);
}

struct core_request
fixture_request(enum core_op op, struct span csr)
{
    return (struct core_request){.door = CORE_DOOR_EST,
                                 .op = op,
                                 .request_id = "0123456789abcdef",
                                 .peer = "192.0.2.1",
                                 .cipher_bits = 128,
                                 .csr = csr};
}

int
fixture_shell(const struct fixture *f, const char *command)
{
    char line[1024];
    size_t at = 0;
    for (const char *c = command; *c != '\0'; c++) {
        assert_true(at + 80 < sizeof line);
        if (c[0] == '%' && c[1] == 's') {
            at += (size_t)snprintf(line + at, sizeof line - at, "%s", f->dir);
            c++;
        } else {
            line[at++] = *c;
        }
    }
    line[at] = '\0';
    return system(line);
}

void
fixture_write(const struct fixture *f, const char *name, struct span der,
              const char *label)
{
    char path[128];
    static uint8_t buf[65536];
    struct sink pem = SINK_ARRAY(buf);
    pem_encode(&pem, label, der);
    (void)snprintf(path, sizeof path, "%s/%s", f->dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(buf, 1, pem.len, file), pem.len);
    assert_int_equal(fclose(file), 0);
}
