#include "tests/sim/world.h"

#include <stdio.h>
#include <string.h>

#include <openssl/x509.h>

#include "wire/base64.h"
#include "wire/cert.h"
#include "wire/cms.h"
#include "wire/csr.h"
#include "wire/der.h"
#include "wire/est.h"
#include "wire/ext.h"
#include "wire/http.h"
#include "wire/name.h"
#include "wire/oid.h"

#define START INT64_C(1800000000) /* 2027 */

static void
die(const char *what)
{
    fprintf(stderr, "sim: %s\n", what);
    abort();
}

/* --- the power --- */

static void
burn(struct world *world)
{
    if (world->fuse < 0)
        return;
    if (world->fuse-- == 0)
        longjmp(*world->cut, 1);
}

/* --- issuing, with wire/ and a key --- */

static struct span
spki_of(EVP_PKEY *key, uint8_t *out)
{
    uint8_t *p = out;
    return span_of(out, (size_t)i2d_PUBKEY(key, &p));
}

static size_t
sign_with(EVP_PKEY *key, struct span tbs, uint8_t *out, size_t cap)
{
    size_t len = cap;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    if (EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key) != 1 ||
        EVP_DigestSign(md, out, &len, tbs.data, tbs.len) != 1)
        die("sign");
    EVP_MD_CTX_free(md);
    return len;
}

static struct span
key_id(struct span spki, uint8_t out[20])
{
    uint8_t digest[32];
    (void)EVP_Digest(spki.data, spki.len, digest, NULL, EVP_sha256(), NULL);
    memcpy(out, digest, 20);
    return span_of(out, 20);
}

static struct span
name_of(const char *cn, uint8_t *out, size_t cap)
{
    struct sink sink = sink_of(out, cap);
    struct name_part part = {NAME_CN, span_str(cn)};
    if (name_put(&sink, &part, 1) != BV_OK)
        die("name");
    return sink_view(&sink);
}

struct wish {
    struct span subject, spki, san, issuer;
    EVP_PKEY *issuer_key;
    bool ca;
    int64_t from, to;
};

static size_t
issue(struct world *world, const struct wish *wish, uint8_t *out, size_t cap)
{
    uint8_t exts[512], tbs_buf[1500], sig[128], id[20], own[200];
    struct sink e = SINK_ARRAY(exts), t = SINK_ARRAY(tbs_buf),
                c = sink_of(out, cap);
    uint8_t serial[9] = {0x42};
    for (int i = 0; i < 8; i++)
        serial[1 + i] = (uint8_t)(world->serial >> (8 * i));
    world->serial++;
    ext_put_basic_constraints(&e, wish->ca, -1);
    ext_put_key_usage(
        &e, wish->ca ? (uint32_t)(EXT_KU_KEY_CERT_SIGN | EXT_KU_CRL_SIGN)
                     : (uint32_t)EXT_KU_DIGITAL_SIGNATURE);
    ext_put_ski(&e, key_id(wish->spki, id));
    ext_put_aki(&e, key_id(spki_of(wish->issuer_key, own), id));
    if (wish->san.len > 0)
        ext_put_san(&e, wish->san, false);
    struct cert_spec spec = {
        .serial = SPAN_ARRAY(serial),
        .sig_alg = ALG_SIG_ECDSA_SHA256,
        .issuer = wish->issuer,
        .not_before = wish->from,
        .not_after = wish->to,
        .subject = wish->subject,
        .spki = wish->spki,
        .extensions = sink_view(&e),
    };
    cert_build_tbs(&t, &spec);
    size_t sig_len =
        sign_with(wish->issuer_key, sink_view(&t), sig, sizeof(sig));
    cert_assemble(&c, sink_view(&t), ALG_SIG_ECDSA_SHA256,
                  span_of(sig, sig_len));
    if (e.failed || t.failed || c.failed)
        die("issue");
    return c.len;
}

static void
make_ca(struct world *world, struct authority *ca, const char *cn,
        const struct authority *issuer, const char *issuer_cn)
{
    uint8_t subject[100], by[100], spki[200];
    if (ca->key == NULL)
        ca->key = EVP_EC_gen("P-256");
    struct wish wish = {
        .subject = name_of(cn, subject, sizeof(subject)),
        .issuer = name_of(issuer_cn, by, sizeof(by)),
        .spki = spki_of(ca->key, spki),
        .issuer_key = issuer->key,
        .ca = true,
        .from = START - 86400,
        .to = START + INT64_C(20) * 365 * 86400,
    };
    ca->len = issue(world, &wish, ca->cert, sizeof(ca->cert));
}

static struct span
cert_span(const struct authority *ca)
{
    return span_of(ca->cert, ca->len);
}

/* --- the server --- */

static int64_t
server_time(const struct world *world)
{
    return world->true_time + world->ahead;
}

static void
answer(struct world *world, const char *status, const char *type,
       struct span body)
{
    struct sink out = SINK_ARRAY(world->answer);
    sink_str(&out, "HTTP/1.1 ");
    sink_str(&out, status);
    sink_str(&out, "\r\n");
    http_put_field_str(&out, "Content-Type", type);
    sink_str(&out, "Date: ");
    http_put_date(&out, server_time(world));
    sink_str(&out, "\r\n");
    if (world->retry_as_date) {
        sink_str(&out, "Retry-After: ");
        http_put_date(&out, server_time(world) + world->retry_after);
        sink_str(&out, "\r\n");
    } else if (world->retry_after > 0)
        http_put_field_dec(&out, "Retry-After", world->retry_after);
    http_put_field_dec(&out, "Content-Length", body.len);
    http_put_end(&out);
    sink_put(&out, body);
    world->answer_len = out.len;
}

static void
answer_certs(struct world *world, const struct span *certs, size_t num)
{
    static uint8_t cms[8192], text[12000];
    struct sink c = SINK_ARRAY(cms), t = SINK_ARRAY(text);
    cms_put_certs(&c, certs, num);
    base64_encode(&t, sink_view(&c));
    answer(world, "200 OK", EST_TYPE_CACERTS, sink_view(&t));
}

static void
serve_cacerts(struct world *world)
{
    struct span certs[6] = {cert_span(&world->root),
                            cert_span(&world->issuing)};
    size_t num = 2;
    if (world->mood == MOOD_ROGUE_ROOT)
        certs[num++] = cert_span(&world->foreign);
    if (world->rolled) {
        certs[num++] = cert_span(&world->new_root);
        certs[num++] = cert_span(&world->link);
        certs[num++] = cert_span(&world->new_issuing);
    }
    answer_certs(world, certs, num);
}

static void
serve_enrol(struct world *world, struct span der)
{
    static uint8_t out[2048];
    uint8_t issuer[100], other[100], spki[200];
    bool foreign = world->mood == MOOD_FOREIGN;
    struct csr csr;
    if (csr_parse(der, &csr) != BV_OK) {
        answer(world, "400 Bad Request", "text/plain", SPAN_LIT("csr"));
        return;
    }
    struct wish wish = {
        .subject = csr.subject,
        .spki = csr.spki.whole,
        .san = csr.san,
        .issuer = name_of(foreign        ? "Foreign"
                          : world->moved ? "Issuing G2"
                                         : "Issuing",
                          issuer, sizeof(issuer)),
        .issuer_key = foreign        ? world->foreign.key
                      : world->moved ? world->new_issuing.key
                                     : world->issuing.key,
        .from = server_time(world) - 60,
        .to = server_time(world) + world->lifetime,
    };
    if (world->mood == MOOD_OTHER_KEY)
        wish.spki = spki_of(world->foreign.key, spki);
    if (world->mood == MOOD_OTHER_NAME)
        wish.subject = name_of("somebody-else", other, sizeof(other));
    if (world->mood == MOOD_EXPIRED)
        wish.from -= 864000, wish.to = server_time(world) - 1;
    if (world->mood == MOOD_FUTURE)
        wish.from += 31536000, wish.to += 31536000;
    struct span cert = span_of(out, issue(world, &wish, out, sizeof(out)));
    world->issued++;
    answer_certs(world, &cert, 1);
}

static void
serve(struct world *world, const struct http_request *request, struct span body)
{
    static uint8_t der[8192];
    struct span csr;
    bool cacerts = span_eq_str(request->path, "/.well-known/est/cacerts");
    world->answered = true;
    world->contacts++;
    if (world->mood == MOOD_BROKEN)
        answer(world, "500 Internal Server Error", "text/plain", SPAN_EMPTY);
    else if (cacerts)
        serve_cacerts(world);
    else if (world->mood == MOOD_PENDING)
        answer(world, "202 Accepted", "text/plain", SPAN_EMPTY);
    else if (world->mood == MOOD_FORBIDDEN)
        answer(world, "403 Forbidden", "text/plain", SPAN_EMPTY);
    else if (est_body_decode(body, EST_BODY_BASE64, der, sizeof(der), &csr) !=
             BV_OK)
        die("request body");
    else
        serve_enrol(world, csr);
}

static void
spoil(struct world *world)
{
    struct sink out = SINK_ARRAY(world->answer);
    if (world->mood == MOOD_GARBAGE)
        answer(world, "200 OK", EST_TYPE_CERTS, SPAN_LIT("!!! noise !!!"));
    if (world->mood == MOOD_NO_HTTP) {
        sink_str(&out, "220 mail.example ESMTP\n");
        world->answer_len = out.len;
    }
    if (world->mood == MOOD_HUGE) {
        sink_str(&out, "HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\nx");
        world->answer_len = out.len;
    }
    if (world->mood == MOOD_ENDLESS) {
        sink_str(&out, "HTTP/1.1 200 OK\r\nContent-Type: "
                       "application/pkcs7-mime\r\n\r\n");
        while (!out.failed)
            sink_u8(&out, 'A');
        world->answer_len = out.len;
    }
    if (world->mood == MOOD_CUT && world->answer_len > world->cut_at)
        world->answer_len = world->cut_at;
    if (world->mood == MOOD_SILENT)
        world->answered = false;
}

static void
look_at_request(struct world *world)
{
    struct http_scan scan = {0};
    struct http_request request;
    bool done = false;
    size_t head = 0;
    if (http_scan_head(&scan, span_of(world->request, world->request_len),
                       &done, &head) != BV_OK)
        die("request head");
    if (!done)
        return;
    if (http_request_parse(span_of(world->request, head), &request) != BV_OK)
        die("request");
    if (world->request_len < head + request.length)
        return;
    serve(world, &request, span_of(world->request + head, request.length));
    spoil(world);
    world->request_len = 0;
}

/* --- ports --- */

static void
port_now(void *ctx, struct bv_now *ret)
{
    struct world *world = ctx;
    *ret = (struct bv_now){world->true_time + world->offset,
                           !world->wall_unknown, world->mono_ms};
}

static enum bv_port
port_random(void *ctx, uint8_t *out, size_t len)
{
    struct world *world = ctx;
    for (size_t i = 0; i < len; i++) {
        world->random = world->random * 1664525 + 1013904223;
        out[i] = (uint8_t)(world->random >> 24);
    }
    return BV_PORT_OK;
}

static bool
is_unreadable(struct world *world)
{
    unsigned at = world->reads++;
    return at >= world->unread_at && at < world->unread_at + world->unread_num;
}

static enum bv_port
port_get(void *ctx, enum bv_record key, uint8_t *out, size_t cap, size_t *len)
{
    struct world *world = ctx;
    if (!world->flash[key].present)
        return BV_PORT_NONE;
    if (is_unreadable(world) || world->flash[key].len > cap)
        return BV_PORT_FAILED;
    memcpy(out, world->flash[key].data, world->flash[key].len);
    *len = world->flash[key].len;
    return BV_PORT_OK;
}

static enum bv_port
port_set(void *ctx, enum bv_record key, const uint8_t *data, size_t len)
{
    struct world *world = ctx;
    burn(world); /* before the write */
    if (world->read_only) {
        world->refused_writes++;
        return BV_PORT_FAILED;
    }
    if (len > BV_RECORD_MAX)
        die("record too long");
    world->writes++;
    world->flash[key].present = true;
    world->flash[key].len = len;
    memcpy(world->flash[key].data, data, len);
    burn(world); /* written, but nobody was told */
    return BV_PORT_OK;
}

static enum bv_port
port_erase(void *ctx, enum bv_record key)
{
    struct world *world = ctx;
    burn(world);
    world->flash[key].present = false;
    return BV_PORT_OK;
}

static enum bv_port
port_generate(void *ctx, enum bv_slot slot, enum bv_key_type type)
{
    struct world *world = ctx;
    (void)type;
    burn(world);
    EVP_PKEY_free(world->keys[slot]);
    world->keys[slot] = NULL;
    burn(world); /* the worst a key store may do: the old one is gone */
    world->keys[slot] = EVP_EC_gen("P-256");
    world->generated++;
    burn(world);
    return BV_PORT_OK;
}

static enum bv_port
port_public(void *ctx, enum bv_slot slot, uint8_t *out, size_t cap, size_t *len)
{
    struct world *world = ctx;
    if (world->keys[slot] == NULL)
        return BV_PORT_NONE;
    if (is_unreadable(world) || cap < 100)
        return BV_PORT_FAILED;
    *len = spki_of(world->keys[slot], out).len;
    return BV_PORT_OK;
}

static enum bv_port
port_sign(void *ctx, enum bv_slot slot, const uint8_t *message, size_t len,
          uint8_t *out, size_t cap, size_t *ret_len)
{
    struct world *world = ctx;
    burn(world);
    *ret_len = sign_with(world->keys[slot], span_of(message, len), out, cap);
    return BV_PORT_OK;
}

static enum bv_port
port_copy(void *ctx, enum bv_slot from, enum bv_slot to)
{
    struct world *world = ctx;
    burn(world);
    EVP_PKEY_free(world->keys[to]);
    world->keys[to] = NULL;
    burn(world); /* here too the old one may be gone already */
    if (world->keys[from] == NULL || EVP_PKEY_up_ref(world->keys[from]) != 1)
        return BV_PORT_FAILED;
    world->keys[to] = world->keys[from];
    burn(world);
    return BV_PORT_OK;
}

static enum bv_port
port_destroy(void *ctx, enum bv_slot slot)
{
    struct world *world = ctx;
    burn(world);
    EVP_PKEY_free(world->keys[slot]);
    world->keys[slot] = NULL;
    return BV_PORT_OK;
}

/* Would the server's TLS accept this identity? */
static bool
accepts(struct world *world, enum bv_slot slot, struct bv_bytes der)
{
    uint8_t spki[200];
    struct cert cert;
    const uint8_t *p = der.data;
    if (world->keys[slot] == NULL ||
        cert_parse(span_of(der.data, der.len), &cert) != BV_OK ||
        !span_eq(cert.spki.whole, spki_of(world->keys[slot], spki)) ||
        !cert_is_current(&cert, server_time(world)))
        return false;
    X509 *x = d2i_X509(NULL, &p, (long)der.len);
    bool good = x != NULL && (X509_verify(x, world->issuing.key) == 1 ||
                              X509_verify(x, world->new_issuing.key) == 1);
    X509_free(x);
    return good && !(world->mood == MOOD_DISOWN &&
                     cert.not_before >= world->disowned_from);
}

static bool
trusts_us(const struct world *world, const struct bv_connect *to)
{
    for (size_t i = 0; i < to->num_anchors; i++)
        if (span_eq(span_of(to->anchors[i].data, to->anchors[i].len),
                    cert_span(&world->root)))
            return true;
    return to->insecure_any_server;
}

/* The server's certificate is valid from START - 1 day for 20 years. */
static bool
in_time(const struct bv_connect *to)
{
    int64_t end = START + INT64_C(20) * 365 * 86400;
    return to->when.time <= end &&
           (!to->when.exact || to->when.time >= START - 86400);
}

static enum bv_port
port_open(void *ctx, const struct bv_connect *to)
{
    struct world *world = ctx;
    burn(world);
    if (!trusts_us(world, to) || (!in_time(to) && !to->insecure_any_server))
        return BV_PORT_REFUSED;
    if (to->identity != BV_SLOT_NONE && !accepts(world, to->identity, to->cert))
        return BV_PORT_REFUSED;
    world->open = true;
    world->request_len = 0;
    world->answer_len = world->answer_pos = 0;
    world->answered = false;
    return BV_PORT_OK;
}

static enum bv_port
port_send(void *ctx, const uint8_t *data, size_t len, size_t *ret_sent)
{
    struct world *world = ctx;
    burn(world);
    size_t part = len > 700 ? 700 : len;
    if (world->request_len + part > sizeof(world->request))
        die("request too long");
    memcpy(world->request + world->request_len, data, part);
    world->request_len += part;
    *ret_sent = part;
    look_at_request(world);
    return BV_PORT_OK;
}

static enum bv_port
port_recv(void *ctx, uint8_t *out, size_t cap, size_t *ret_len)
{
    struct world *world = ctx;
    burn(world);
    if (!world->answered)
        return BV_PORT_WANT;
    size_t part = world->answer_len - world->answer_pos;
    if (part == 0 && world->mood == MOOD_ENDLESS)
        world->answer_pos = part = 100;
    if (part == 0)
        return world->mood == MOOD_CUT ? BV_PORT_FAILED : BV_PORT_NONE;
    part = part > 333 ? 333 : part;
    part = part > cap ? cap : part;
    memcpy(out, world->answer + world->answer_pos, part);
    world->answer_pos += part;
    *ret_len = part;
    return BV_PORT_OK;
}

static enum bv_port
port_binding(void *ctx, uint8_t *out, size_t cap, size_t *ret_len)
{
    struct world *world = ctx;
    (void)world;
    if (cap < 32)
        return BV_PORT_FAILED;
    memset(out, 0x5a, 32);
    *ret_len = 32;
    return BV_PORT_OK;
}

static void
port_close(void *ctx)
{
    struct world *world = ctx;
    world->open = false;
}

/* --- the world --- */

void
world_done(struct world *world)
{
    EVP_PKEY_free(world->keys[0]);
    EVP_PKEY_free(world->keys[1]);
    EVP_PKEY_free(world->root.key);
    EVP_PKEY_free(world->issuing.key);
    EVP_PKEY_free(world->foreign.key);
    EVP_PKEY_free(world->new_root.key);
    EVP_PKEY_free(world->new_issuing.key);
    memset(world, 0, sizeof(*world));
}

void
world_init(struct world *world)
{
    world_done(world);
    memset(world, 0, sizeof(*world));
    world->true_time = START;
    world->fuse = -1;
    world->lifetime = 90 * 86400;
    world->mono_ms = 5000;
    world->root.key = EVP_EC_gen("P-256");
    world->foreign.key = EVP_EC_gen("P-256");
    world->new_root.key = EVP_EC_gen("P-256");
    world->link.key = world->new_root.key;
    make_ca(world, &world->root, "Root", &world->root, "Root");
    make_ca(world, &world->issuing, "Issuing", &world->root, "Root");
    make_ca(world, &world->foreign, "Foreign", &world->foreign, "Foreign");
    make_ca(world, &world->new_root, "Root G2", &world->new_root, "Root G2");
    make_ca(world, &world->link, "Root G2", &world->root, "Root");
    make_ca(world, &world->new_issuing, "Issuing G2", &world->new_root,
            "Root G2");
    world->pinned = (struct bv_bytes){world->root.cert, world->root.len};
    (void)EVP_Digest(world->root.cert, world->root.len, world->digest, NULL,
                     EVP_sha256(), NULL);
}

void
world_boot(struct world *world, struct bv_device *device, bool by_fingerprint)
{
    static struct bv_openssl *verifier;
    struct bv_ports ports = {0};
    if (verifier == NULL)
        verifier = bv_openssl_open(-1, NULL, NULL);
    bv_openssl_ports(verifier, &ports); /* verify is the real one */
    ports.clock = (struct bv_clock){world, port_now};
    ports.random = (struct bv_random){world, port_random};
    ports.storage = (struct bv_storage){world, port_get, port_set, port_erase};
    ports.keys = (struct bv_keys){world,     port_generate, port_public,
                                  port_sign, port_copy,     port_destroy};
    ports.transport = (struct bv_transport){
        world, port_open, port_send, port_recv, port_binding, port_close};
    struct bv_config config = {
        .host = "est.example",
        .id = "device-1",
        .claim = {(const uint8_t *)"claim", 5},
        .anchors = by_fingerprint ? NULL : &world->pinned,
        .num_anchors = by_fingerprint ? 0 : 1,
        .fingerprint = by_fingerprint ? world->digest : NULL,
        .not_before_build = START - 86400,
        .reuse_key = world->reuse_key,
        .work = world->work,
        .work_len = sizeof(world->work),
    };
    world->open = false;
    memset(world->work, 0xa5, sizeof(world->work));
    if (bv_device_init(device, &config, &ports) != BV_WHY_NONE)
        die("init");
}

void
world_pass(struct world *world, uint64_t ms)
{
    uint64_t before = world->mono_ms / 1000;
    world->mono_ms += ms;
    world->true_time += (int64_t)(world->mono_ms / 1000 - before);
}

bool
world_run(struct world *world, struct bv_device *device, enum bv_event event,
          int64_t seconds)
{
    int64_t end = (int64_t)(world->mono_ms / 1000) + seconds;
    for (;;) {
        uint64_t wait = 0;
        if (bv_device_step(device, &wait) == event && event != BV_EVENT_NONE)
            return true;
        int64_t left = end * 1000 - (int64_t)world->mono_ms;
        if (left <= 0)
            return false;
        world_pass(world, (int64_t)wait < left ? wait : (uint64_t)left);
    }
}

bool
world_works(struct world *world)
{
    static struct bv_device probe;
    uint8_t cert[BV_CERT_MAX];
    size_t len = 0;
    uint64_t wait;
    struct bv_status status;
    enum mood mood = world->mood;
    long fuse = world->fuse;
    world->fuse = -1;
    world_boot(world, &probe, false);
    (void)bv_device_step(&probe, &wait); /* reads what is there */
    bv_device_status(&probe, &status);
    world->mood = MOOD_HONEST;
    bool works =
        bv_device_cert(&probe, cert, sizeof(cert), &len) == BV_PORT_OK &&
        accepts(world, status.active, (struct bv_bytes){cert, len});
    world->mood = mood;
    world->fuse = fuse;
    return works;
}
