#include "core/cas.h"

#include <stdio.h>

#include "core/ca.h"
#include "pki/digest.h"
#include "tests/unit/core/fixture.h"
#include "wire/pem.h"

struct seen {
    unsigned num;
    uint64_t seq;
    uint8_t issuer;
    char profile[LIMIT_SHORT_NAME];
    uint8_t serial[LIMIT_SERIAL];
    size_t serial_len;
};

static enum bv_err
see(void *user, const struct store_cert *row)
{
    struct seen *seen = user;
    seen->num++;
    seen->seq = row->seq;
    seen->issuer = row->issuer;
    memcpy(seen->profile, row->profile, sizeof seen->profile);
    memcpy(seen->serial, row->serial.data, row->serial.len);
    seen->serial_len = row->serial.len;
    return BV_OK;
}

static struct seen
rows_of(struct fixture *f, struct span der)
{
    struct seen seen = {0};
    struct cert cert;
    uint8_t hash[32];
    assert_int_equal(cert_parse(der, &cert), BV_OK);
    digest_sha256(cert.spki.whole, hash);
    enum bv_err err =
        f->store.certs_of_key(f->store.ctx, SPAN_ARRAY(hash), see, &seen);
    assert_true(err == BV_OK || err == BV_E_NOT_FOUND);
    return seen;
}

/* The fixture's issuing CA is below a root that is none of ours. */
static void
test_foreign(void **state)
{
    struct fixture f;
    char request[200];
    fixture_open(&f);
    struct seen ca = rows_of(&f, f.ca);
    assert_int_equal(ca.num, 1);
    assert_int_equal(ca.issuer, 0);
    assert_string_equal(ca.profile, "intermediate");
    (void)snprintf(request, sizeof request,
                   "{\"verb\":\"cert.revoke\",\"args\":{\"seq\":%d,\"reason\":"
                   "\"superseded\"}}",
                   (int)ca.seq);
    const char *answer = fixture_admin(&f, request);
    assert_non_null(strstr(answer, "\"ok\":false"));
    assert_non_null(strstr(answer, "not revoked here"));
    fixture_reopen(&f);
    assert_int_equal(rows_of(&f, f.ca).num, 1); /* once is enough */
    fixture_close(&f);
}

static void
test_new_ca(void **state)
{
    struct fixture f;
    struct core_config more;
    struct core_ca cas[2];
    fixture_open(&f);
    assert_int_equal(rows_of(&f, f.root).num, 0);
    more = f.config;
    memcpy(cas, f.cas, sizeof cas);
    strcpy(cas[1].name, "root");
    cas[1].cert = f.root;
    cas[1].offline = true;
    more.cas = cas;
    more.num_cas = 2;
    assert_int_equal(core_reconfigure(f.core, &more), BV_OK);
    struct seen root = rows_of(&f, f.root);
    assert_int_equal(root.num, 1);
    assert_string_equal(root.profile, "root");
    assert_int_not_equal(root.issuer, 0); /* itself */
    assert_int_equal(core_reconfigure(f.core, &f.config), BV_OK);
    fixture_close(&f);
}

static const char *
note_of(struct fixture *f, struct span der)
{
    static char request[8192];
    char pem[4096], *to = request;
    struct sink out = sink_of(pem, sizeof pem - 1);
    pem_encode(&out, PEM_CERTIFICATE, der);
    pem[out.len] = '\0';
    to += sprintf(to, "{\"verb\":\"ca.note\",\"args\":{\"act\":\"ca.sign\","
                      "\"pem\":\"");
    for (const char *c = pem; *c != '\0'; c++)
        to += sprintf(to, *c == '\n' ? "\\n" : "%c", *c);
    strcpy(to, "\"}}");
    return fixture_admin(f, request);
}

static void
note(struct fixture *f, struct span der)
{
    assert_non_null(strstr(note_of(f, der), "\"ok\":true"));
}

/* A key that may not be certified is no CA's either, whoever has the root's
 * key in hand. */
static void
test_keys_that_no_ca_may_have(void **state)
{
    struct fixture f;
    uint8_t root_buf[2048], below_buf[2048], csr_buf[2048], hash[32];
    char secret[64], request[200];
    struct cert cert;
    bv_auto(key) struct key *root_key = fixture_key();
    bv_auto(key) struct key *key = fixture_key();
    bv_auto(key) struct key *other = fixture_key();
    fixture_open(&f);
    struct span root = fixture_ca("root", "Our root", root_key, SPAN_EMPTY,
                                  root_key, root_buf, sizeof root_buf);
    struct span below = fixture_ca("intermediate", "Below", key, root, root_key,
                                   below_buf, sizeof below_buf);
    fixture_token(&f, "d1", NULL, 1, secret);
    struct core_request r = fixture_request(
        CORE_ENROLL, fixture_csr(key, "d1", SPAN_EMPTY, SPAN_EMPTY, csr_buf,
                                 sizeof csr_buf));
    r.secret = span_str(secret);
    fixture_expect(&f, BV_OK, &r, __LINE__);
    assert_non_null(strstr(note_of(&f, below), "the key is a device's"));
    below = fixture_ca("intermediate", "Below", other, root, root_key,
                       below_buf, sizeof below_buf);
    assert_int_equal(cert_parse(below, &cert), BV_OK);
    digest_sha256(cert.spki.whole, hash);
    note(&f, below);
    int at = sprintf(request, "{\"verb\":\"key.block\",\"args\":{\"key\":\"");
    for (int i = 0; i < 32; i++)
        at += sprintf(request + at, "%02x", hash[i]);
    strcpy(request + at, "\"}}");
    assert_non_null(strstr(fixture_admin(&f, request), "\"ok\":true"));
    assert_non_null(strstr(note_of(&f, below), "the key is blocked"));
    fixture_close(&f);
}

/* below is a CA certificate with this serial number. */
static struct span
below(struct span root, struct key *root_key, struct span serial, uint8_t *buf,
      size_t cap)
{
    struct profile p;
    uint8_t spki_buf[LIMIT_SPKI];
    char problem[200] = "";
    struct sink spki = SINK_ARRAY(spki_buf), out = sink_of(buf, cap);
    bv_auto(key) struct key *key = fixture_key();
    assert_int_equal(profile_default("intermediate", &p), BV_OK);
    p.crldp = p.aia_issuer = p.aia_ocsp = false;
    assert_int_equal(key_spki(key, &spki), BV_OK);
    const struct ca_spec spec = {.profile = &p,
                                 .cn = "Below",
                                 .spki = sink_view(&spki),
                                 .serial = serial,
                                 .issuer_cert = root,
                                 .issuer_key = root_key,
                                 .now = FIXTURE_NOW - 86400};
    enum bv_err err = ca_issue(&spec, &out, problem, sizeof problem);
    if (err != BV_OK)
        fail_msg("%s: %s", err_name(err), problem);
    return sink_view(&out);
}

static struct span
next_serial(struct fixture *f, uint8_t buf[SERIAL_LEN])
{
    size_t len;
    char hex[40] = "";
    (void)sscanf(fixture_admin(f, "{\"verb\":\"ca.number\"}"),
                 "{\"ok\":true,\"result\":{\"serial\":\"%39[0-9a-f]", hex);
    assert_int_equal(span_unhex(span_str(hex), buf, SERIAL_LEN, &len), BV_OK);
    return span_of(buf, len);
}

/* RFC 5280 4.1.2.2: a vault that was given one number twice. */
static void
test_serial_twice(void **state)
{
    struct fixture f;
    uint8_t root_buf[2048], one_buf[2048], two_buf[2048], made[SERIAL_LEN];
    struct core_config more;
    struct core_ca cas[3] = {0};
    bv_auto(key) struct key *root_key = fixture_key();
    fixture_open(&f);
    struct span root = fixture_ca("root", "Our root", root_key, SPAN_EMPTY,
                                  root_key, root_buf, sizeof root_buf);
    more = f.config;
    memcpy(cas, f.cas, sizeof f.cas);
    strcpy(cas[1].name, "root");
    cas[1].cert = root;
    cas[1].offline = true;
    more.cas = cas;
    more.num_cas = 2;
    assert_int_equal(core_reconfigure(f.core, &more), BV_OK);
    const struct span serials[] = {next_serial(&f, made), SPAN_LIT("\x07")};
    for (size_t i = 0; i < 2; i++) {
        struct span one =
            below(root, root_key, serials[i], one_buf, sizeof one_buf);
        struct span two =
            below(root, root_key, serials[i], two_buf, sizeof two_buf);
        note(&f, one);
        note(&f, one); /* the same once more is no other */
        assert_non_null(strstr(note_of(&f, two), "CONFLICT"));
        assert_non_null(strstr(f.json, "have it signed with a new one"));
        assert_int_equal(rows_of(&f, two).num, 0);
        assert_int_equal(rows_of(&f, one).num, 1);
        /* one that is in use already stops nothing */
        (void)snprintf(cas[2].name, sizeof cas[2].name, "below-%zu", i);
        cas[2].cert = two;
        cas[2].offline = true;
        more.num_cas = 3;
        assert_int_equal(core_reconfigure(f.core, &more), BV_OK);
        assert_int_equal(rows_of(&f, two).num, 0);
        more.num_cas = 2;
        assert_int_equal(core_reconfigure(f.core, &more), BV_OK);
    }
    assert_int_equal(core_reconfigure(f.core, &f.config), BV_OK);
    fixture_close(&f);
}

/* One key, certified by a CA of ours and by another's: what is ours is revoked,
 * in whichever order they came. */
static void
test_revoke_a_key_that_others_certified(void **state)
{
    struct fixture f;
    uint8_t root_buf[2048], old_buf[2048], new_buf[2048], hash[32];
    struct core_config more;
    struct core_ca cas[2];
    struct cert cert;
    char request[200];
    bv_auto(key) struct key *root_key = fixture_key();
    bv_auto(key) struct key *key = fixture_key();
    fixture_open(&f);
    struct span root = fixture_ca("root", "Our root", root_key, SPAN_EMPTY,
                                  root_key, root_buf, sizeof root_buf);
    note(&f, fixture_ca("intermediate", "Below", key, root, root_key, old_buf,
                        sizeof old_buf)); /* the root is not known yet */
    more = f.config;
    memcpy(cas, f.cas, sizeof cas);
    strcpy(cas[1].name, "root");
    cas[1].cert = root;
    cas[1].offline = true;
    more.cas = cas;
    more.num_cas = 2;
    assert_int_equal(core_reconfigure(f.core, &more), BV_OK);
    struct span ours = fixture_ca("intermediate", "Below", key, root, root_key,
                                  new_buf, sizeof new_buf);
    note(&f, ours);
    assert_int_equal(rows_of(&f, ours).num, 2);
    assert_int_equal(cert_parse(ours, &cert), BV_OK);
    digest_sha256(cert.spki.whole, hash);
    int at = sprintf(request, "{\"verb\":\"cert.revoke\",\"args\":{\"key\":\"");
    for (int i = 0; i < 32; i++)
        at += sprintf(request + at, "%02x", hash[i]);
    strcpy(request + at, "\"}}");
    assert_non_null(strstr(fixture_admin(&f, request), "\"changed\":1"));
    assert_int_equal(core_reconfigure(f.core, &f.config), BV_OK);
    fixture_close(&f);
}

/* Numbers given before there was a core lead to their rows. */
static void
test_serials(void **state)
{
    struct fixture f;
    uint8_t two[2][SERIAL_LEN], key[SERIAL_KEY_LEN];
    size_t len;
    uint64_t first, second;
    struct store_counts counts;
    bv_auto(serial) struct serial *serial = NULL;
    fixture_open(&f);
    assert_int_equal(cas_serials(&f.store, two, 2), BV_OK);
    assert_int_equal(
        f.store.meta_get(f.store.ctx, "serial.key", key, sizeof key, &len),
        BV_OK);
    assert_int_equal(serial_new(key, &serial), BV_OK);
    assert_int_equal(serial_open(serial, SPAN_ARRAY(two[0]), &first), BV_OK);
    assert_int_equal(serial_open(serial, SPAN_ARRAY(two[1]), &second), BV_OK);
    assert_int_equal(second, first + 1);
    assert_int_equal(f.store.counts(f.store.ctx, &counts), BV_OK);
    assert_int_equal(counts.next_seq, second + 1);
    fixture_close(&f);
}

static void
test_store_fails(void **state)
{
    struct fixture f;
    struct core_config more;
    struct core_ca cas[2];
    fixture_open(&f);
    more = f.config;
    memcpy(cas, f.cas, sizeof cas);
    strcpy(cas[1].name, "root");
    cas[1].cert = f.root;
    cas[1].offline = true;
    more.cas = cas;
    more.num_cas = 2;
    f.calls = 0;
    f.fail_at = 6; /* among the rows */
    f.fail_with = BV_E_DISK_FULL;
    enum bv_err err = core_reconfigure(f.core, &more);
    f.fail_at = 0;
    assert_true(err == BV_OK || err == BV_E_DISK_FULL);
    assert_int_equal(core_reconfigure(f.core, &more), BV_OK);
    assert_int_equal(rows_of(&f, f.root).num, 1);
    assert_int_equal(core_reconfigure(f.core, &f.config), BV_OK);
    fixture_close(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_new_ca),
        cmocka_unit_test(test_keys_that_no_ca_may_have),
        cmocka_unit_test(test_revoke_a_key_that_others_certified),
        cmocka_unit_test(test_serial_twice),
        cmocka_unit_test(test_serials),
        cmocka_unit_test(test_store_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
