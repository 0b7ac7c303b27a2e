/* What core does by the clock: CRLs, its own certificates, checkpoints; and
 * the verbs of operators. CRLs are read by OpenSSL's tools. */
#include "fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "pki/digest.h"
#include "proc/statusmap.h"
#include "store/sqlite.h"
#include "wire/cert.h"
#include "wire/pem.h"

static struct fixture f;

static int
setup(void **state)
{
    fixture_open(&f);
    fixture_write(&f, "root.crt", f.root, PEM_CERTIFICATE);
    fixture_write(&f, "ca.crt", f.ca, PEM_CERTIFICATE);
    return 0;
}

static int
teardown(void **state)
{
    fixture_close(&f);
    return 0;
}

#define SHELL(command)                                                         \
    assert_int_equal(fixture_shell(&f, "( " command " ) >%s/out 2>&1 || "      \
                                       "{ cat %s/out; false; }"),              \
                     0)

static void
enroll(const char *name, char serial[64])
{
    char secret[64];
    static uint8_t csr_buf[4096];
    bv_auto(key) struct key *key = fixture_key();
    fixture_token(&f, name, NULL, 1, secret);
    struct core_request r = fixture_request(
        CORE_ENROLL, fixture_csr(key, name, SPAN_EMPTY, SPAN_EMPTY, csr_buf,
                                 sizeof csr_buf));
    r.secret = span_str(secret);
    assert_int_equal(fixture_run(&f, &r), BV_OK);
    strcpy(serial, f.reply.serial);
    fixture_write(&f, name, f.reply.cert, PEM_CERTIFICATE);
}

static const char *
status(const char *verb, const char *serial, const char *reason)
{
    char request[300];
    (void)snprintf(request, sizeof request,
                   "{\"verb\":\"%s\",\"args\":{\"serial\":\"%s\","
                   "\"reason\":\"%s\"}}",
                   verb, serial, reason);
    return fixture_admin(&f, request);
}

static void
test_empty_crl(void **state)
{
    fixture_tick(&f);
    SHELL("openssl crl -inform DER -in %s/ca.crl -noout -CAfile %s/ca.crt "
          "2>&1 | grep -q 'verify OK'");
    SHELL("openssl crl -inform DER -in %s/ca.crl -noout -text | "
          "grep -q 'No Revoked Certificates'");
    SHELL("openssl crl -inform DER -in %s/ca.crl -noout -crlnumber | "
          "grep -qx 'crlNumber=0x01'");
    assert_int_not_equal(f.files_changed, 0);
}

static void
test_revoked_is_listed(void **state)
{
    char good[64], bad[64];
    enroll("good", good);
    enroll("bad", bad);
    fixture_tick(&f);
    assert_non_null(
        strstr(status("cert.revoke", bad, "keyCompromise"), "\"changed\":1"));
    fixture_time += 5; /* not yet: changes are gathered */
    fixture_tick(&f);
    SHELL("openssl crl -inform DER -in %s/ca.crl -noout -crlnumber | "
          "grep -qx 'crlNumber=0x01'");
    fixture_time += 6;
    fixture_tick(&f);
    SHELL("openssl crl -inform DER -in %s/ca.crl -noout -text | "
          "grep -q 'Key Compromise'");
    SHELL("openssl crl -inform DER -in %s/ca.crl -noout -crlnumber | "
          "grep -qx 'crlNumber=0x02'");
    SHELL("openssl crl -inform DER -in %s/ca.crl -out %s/crl.pem; "
          "openssl verify -attime 1795000100 -partial_chain -crl_check "
          "-trusted %s/ca.crt -CRLfile %s/crl.pem %s/good");
    SHELL("! openssl verify -attime 1795000100 -partial_chain -crl_check "
          "-trusted %s/ca.crt -CRLfile %s/crl.pem %s/bad");
}

static void
test_status_steps(void **state)
{
    char serial[64];
    enroll("d1", serial);
    assert_non_null(strstr(status("cert.release", serial, ""), "\"ok\":true"));
    assert_non_null(strstr(status("cert.hold", serial, ""), "\"changed\":1"));
    assert_non_null(strstr(status("cert.show", serial, ""), "\"hold\""));
    fixture_time += 1000;
    /* a hold that becomes final keeps its date */
    assert_non_null(
        strstr(status("cert.revoke", serial, "superseded"), "\"changed\":1"));
    assert_non_null(
        strstr(status("cert.show", serial, ""), "\"revoked_at\":1795000000"));
    assert_non_null(strstr(status("cert.release", serial, ""), "CONFLICT"));
    assert_non_null(strstr(
        status("cert.revoke", serial, "cessationOfOperation"), "CONFLICT"));
    assert_non_null(
        strstr(status("cert.revoke", serial, "removeFromCRL"), "BAD_MESSAGE"));
    assert_non_null(
        strstr(status("cert.revoke", serial, "nonsense"), "BAD_MESSAGE"));
    assert_non_null(
        strstr(status("cert.revoke", "4200", "superseded"), "NOT_FOUND"));
}

/* The reason that was told stays; but the key is certified no more. */
static void
test_compromise_is_told_later(void **state)
{
    char serial[64], secret[64], request[300], hash[65] = {0};
    static uint8_t csr_buf[4096];
    bv_auto(key) struct key *key = fixture_key();
    fixture_token(&f, NULL, "g", 5, secret);
    struct core_request r = fixture_request(
        CORE_ENROLL, fixture_csr(key, "d1", SPAN_EMPTY, SPAN_EMPTY, csr_buf,
                                 sizeof csr_buf));
    r.secret = span_str(secret);
    assert_int_equal(fixture_run(&f, &r), BV_OK);
    strcpy(serial, f.reply.serial);
    assert_non_null(
        strstr(status("cert.revoke", serial, "superseded"), "\"changed\":1"));
    for (int i = 0; i < 2; i++) {
        assert_non_null(strstr(status("cert.revoke", serial, "keyCompromise"),
                               "\"changed\":0"));
        assert_non_null(strstr(f.json, "keeps its reason; the key is blocked"));
    }
    assert_non_null(strstr(status("cert.show", serial, ""), "\"superseded\""));
    (void)sscanf(strstr(f.json, "\"key_sha256\":"),
                 "\"key_sha256\":\"%64[0-9a-f]", hash);
    (void)fixture_admin(&f, "{\"verb\":\"audit.list\",\"args\":{\"last\":1}}");
    assert_non_null(strstr(f.json, "key.block"));
    assert_non_null(strstr(f.json, hash));
    assert_non_null(strstr(f.json, serial));
    r.csr =
        fixture_csr(key, "d2", SPAN_EMPTY, SPAN_EMPTY, csr_buf, sizeof csr_buf);
    assert_int_equal(fixture_run(&f, &r), BV_E_BAD_KEY);
    (void)snprintf(request, sizeof request,
                   "{\"verb\":\"cert.revoke\",\"args\":{\"key\":\"%s\","
                   "\"reason\":\"superseded\"}}",
                   hash);
    assert_non_null(strstr(fixture_admin(&f, request), "\"changed\":0"));
    assert_null(strstr(f.json, "note"));
}

/* RFC 9608: revoked for the record only, and the operator is told. */
static void
test_nobody_asks(void **state)
{
    char asked[64], unasked[64];
    struct profile *p = fixture_profile(&f, "device");
    enroll("d1", asked);
    p->no_rev_avail = true;
    p->crldp = p->aia_ocsp = false;
    enroll("d2", unasked);
    assert_non_null(
        strstr(status("cert.revoke", asked, "superseded"), "\"changed\":1"));
    assert_null(strstr(f.json, "note"));
    assert_non_null(strstr(status("cert.hold", unasked, ""), "\"changed\":1"));
    assert_non_null(strstr(f.json, "brevet device block"));
    assert_non_null(
        strstr(status("cert.release", unasked, ""), "\"changed\":1"));
    assert_null(strstr(f.json, "note"));
    assert_non_null(
        strstr(status("cert.revoke", unasked, "keyCompromise"), "noRevAvail"));
}

/* A key that was found before anybody enrolled with it. */
static void
test_compromised_key_alone(void **state)
{
    static const char compromised[] = "{\"verb\":\"cert.revoke\",\"args\":{"
                                      "\"reason\":\"%s\",\"key\":\"%s\"}}";
    char secret[64], request[300], hash[65] = {0};
    uint8_t spki_buf[LIMIT_SPKI], digest[32];
    static uint8_t csr_buf[4096];
    struct sink spki = SINK_ARRAY(spki_buf), hex = sink_of(hash, 64);
    bv_auto(key) struct key *key = fixture_key();
    assert_int_equal(key_spki(key, &spki), BV_OK);
    digest_sha256(sink_view(&spki), digest);
    sink_hex(&hex, SPAN_ARRAY(digest));
    (void)snprintf(request, sizeof request, compromised, "superseded", hash);
    assert_non_null(strstr(fixture_admin(&f, request), "NOT_FOUND"));
    (void)snprintf(request, sizeof request, compromised, "keyCompromise", hash);
    assert_non_null(strstr(fixture_admin(&f, request), "\"changed\":0"));
    assert_non_null(strstr(f.json, "it is blocked"));
    fixture_token(&f, "d1", NULL, 1, secret);
    struct core_request r = fixture_request(
        CORE_ENROLL, fixture_csr(key, "d1", SPAN_EMPTY, SPAN_EMPTY, csr_buf,
                                 sizeof csr_buf));
    r.secret = span_str(secret);
    assert_int_equal(fixture_run(&f, &r), BV_E_BAD_KEY);
}

static void
test_numbers_increase(void **state)
{
    char serial[64];
    enroll("d1", serial);
    fixture_tick(&f);
    for (int i = 0; i < 3; i++) { /* a start needs no new one */
        fixture_reopen(&f);
        fixture_tick(&f);
    }
    SHELL("openssl crl -inform DER -in %s/ca.crl -noout -crlnumber | "
          "grep -qx 'crlNumber=0x01'");
    /* unless something happened that is not on it */
    (void)status("cert.revoke", serial, "superseded");
    fixture_time++;
    fixture_reopen(&f);
    fixture_tick(&f);
    SHELL("openssl crl -inform DER -in %s/ca.crl -noout -text | "
          "grep -q 'Superseded'");
    SHELL("openssl crl -inform DER -in %s/ca.crl -noout -crlnumber | "
          "grep -qx 'crlNumber=0x02'");
    /* by schedule, with nothing changed */
    fixture_time += 86400;
    fixture_tick(&f);
    SHELL("openssl crl -inform DER -in %s/ca.crl -noout -crlnumber | "
          "grep -qx 'crlNumber=0x03'");
    /* the database lost its memory: the file still counts */
    SHELL("sqlite3 %s/brevet.db 'DELETE FROM crl' || true");
    fixture_time++;
    fixture_reopen(&f);
    fixture_tick(&f);
    SHELL("openssl crl -inform DER -in %s/ca.crl -noout -crlnumber | "
          "grep -qx 'crlNumber=0x04'");
}

/* The issuing CA plays the root whose key was away for a while. */
static void
test_key_comes_back(void **state)
{
    fixture_tick(&f);
    f.cas[0].offline = true;
    fixture_reopen(&f);
    fixture_tick(&f);
    struct core_config again = f.config;
    struct core_ca cas[1] = {f.cas[0]};
    cas[0].offline = false;
    again.cas = cas;
    fixture_time++;
    assert_int_equal(core_reconfigure(f.core, &again), BV_OK);
    assert_non_null(
        strstr(fixture_admin(&f, "{\"verb\":\"crl.publish\",\"args\":{}}"),
               "\"ok\":true"));
    fixture_settle(&f);
    SHELL("openssl crl -inform DER -in %s/ca.crl -noout -crlnumber | "
          "grep -qx 'crlNumber=0x02'");
    assert_int_equal(core_reconfigure(f.core, &f.config), BV_OK);
}

/* Long before nextUpdate, and of an offline CA too. */
static void
test_late_crl_is_told(void **state)
{
    static const char ask[] = "{\"verb\":\"status\",\"args\":{}}";
    fixture_tick(&f);
    assert_non_null(strstr(fixture_admin(&f, ask), "\"findings\":[]"));
    f.cas[0].offline = true;
    fixture_reopen(&f);
    fixture_time += 4 * 86400;
    assert_non_null(strstr(fixture_admin(&f, ask), "\"findings\":[]"));
    fixture_time += 86400; /* five of the seven days */
    fixture_tick(&f);
    assert_non_null(strstr(fixture_admin(&f, ask), "runs out on 2026-11-2"));
    assert_non_null(strstr(f.json, "its key is not here"));
    fixture_time += 3 * 86400;
    assert_non_null(strstr(fixture_admin(&f, ask), "ran out on"));
}

/* A CA profile went to the issuing CA because the root's key is away. */
static void
test_root_is_away(void **state)
{
    static uint8_t csr_buf[4096], pem_buf[4096], root_der[2048];
    static char request[6000];
    bv_auto(key) struct key *key = fixture_key();
    struct core_config with = f.config;
    struct core_ca cas[2] = {f.cas[0]};
    struct sink pem = SINK_ARRAY(pem_buf);
    memcpy(root_der, f.root.data, f.root.len);
    strcpy(cas[1].name, "root");
    cas[1].cert = span_of(root_der, f.root.len);
    cas[1].offline = true;
    with.cas = cas;
    with.num_cas = 2;
    assert_int_equal(profile_default("intermediate", &f.profiles[6]), BV_OK);
    strcpy(f.profiles[6].ca, "issuing");
    with.num_profiles = 7;
    assert_int_equal(core_reconfigure(f.core, &with), BV_OK);
    pem_encode(&pem, PEM_CSR,
               fixture_csr(key, "Sub CA", SPAN_EMPTY, SPAN_EMPTY, csr_buf,
                           sizeof csr_buf));
    size_t at = (size_t)snprintf(request, sizeof request,
                                 "{\"verb\":\"cert.issue\",\"args\":{"
                                 "\"profile\":\"intermediate\",\"csr\":\"");
    for (size_t i = 0; i < pem.len; i++)
        if (pem_buf[i] == '\n')
            at += (size_t)snprintf(request + at, sizeof request - at, "\\n");
        else
            request[at++] = (char)pem_buf[i];
    (void)snprintf(request + at, sizeof request - at, "\"}}");
    assert_non_null(strstr(fixture_admin(&f, request), "\"REFUSED\""));
    assert_non_null(strstr(f.json, "the key of CA root is not here"));
    assert_int_equal(core_reconfigure(f.core, &f.config), BV_OK);
}

/* A backup that fails is nobody else's: what waits is still committed. */
static void
test_failed_backup_undoes_nothing(void **state)
{
    const struct core_caller ada = {1000, "ada", CORE_ROLE_ADMIN};
    SHELL("mkdir %s/brevet.db.backup.new");
    core_admin(f.core, &ada, 2, 1,
               SPAN_LIT("{\"verb\":\"token.create\",\"args\":{\"device\":"
                        "\"d1\",\"expires\":3600}}"));
    core_admin(f.core, &ada, 2, 2, SPAN_LIT("{\"verb\":\"backup\"}"));
    fixture_settle(&f);
    assert_non_null(strstr(f.json, "beside the database"));
    assert_non_null(strstr(
        fixture_admin(&f, "{\"verb\":\"token.list\",\"args\":{}}"), "d1"));
    SHELL("rmdir %s/brevet.db.backup.new");
    assert_non_null(
        strstr(fixture_admin(&f, "{\"verb\":\"backup\"}"), "\"audit_size\""));
    SHELL("test $(stat -c %a %s/brevet.db.backup) = 600");
    assert_non_null(
        strstr(fixture_admin(&f, "{\"verb\":\"backup.done\"}"), "\"ok\":true"));
    SHELL("! test -e %s/brevet.db.backup");
}

static void
test_crl_is_public(void **state)
{
    mode_t old = umask(077);
    fixture_tick(&f);
    (void)umask(old);
    SHELL("test $(stat -c %a %s/ca.crl) = 644");
}

/* The room for its headers is guessed by the length of the last one. */
static void
test_crl_of_another_length(void **state)
{
    char serial[64];
    enroll("d1", serial);
    fixture_tick(&f);
    (void)status("cert.revoke", serial, "superseded");
    SHELL("truncate -s 20000000 %s/ca.crl");
    fixture_time += 11;
    fixture_tick(&f);
    SHELL("openssl crl -inform DER -in %s/ca.crl -noout -CAfile %s/ca.crt "
          "2>&1 | grep -q 'verify OK'");
    SHELL("openssl crl -inform DER -in %s/ca.crl -noout -text | "
          "test $(grep -c 'Serial Number:') = 1");
    SHELL("rm %s/ca.crl"); /* none: no entries */
    fixture_time += 86400;
    fixture_tick(&f);
    SHELL("openssl crl -inform DER -in %s/ca.crl -noout -CAfile %s/ca.crt "
          "2>&1 | grep -q 'verify OK'");
    SHELL("openssl crl -inform DER -in %s/ca.crl -noout -text | "
          "test $(grep -c 'Serial Number:') = 1");
    SHELL("openssl crl -inform DER -in %s/ca.crl -noout -crlnumber | "
          "grep -qx 'crlNumber=0x03'");
}

static void
test_damaged_crl_is_replaced(void **state)
{
    fixture_tick(&f);
    f.between = "printf x | dd of=%s/ca.crl bs=1 seek=300 conv=notrunc "
                "2>/dev/null";
    fixture_time++;
    fixture_reopen(&f);
    fixture_tick(&f);
    SHELL("openssl crl -inform DER -in %s/ca.crl -noout -CAfile %s/ca.crt "
          "2>&1 | grep -q 'verify OK'");
    SHELL("openssl crl -inform DER -in %s/ca.crl -noout -crlnumber | "
          "grep -qx 'crlNumber=0x02'");
}

static unsigned
count_certs(void)
{
    unsigned count = 0;
    (void)fixture_admin(&f, "{\"verb\":\"cert.list\",\"args\":{}}");
    for (const char *at = f.json; (at = strstr(at, "\"serial\"")) != NULL; at++)
        count++;
    return count;
}

/* Starting is not a reason for another responder or TLS certificate. */
static void
test_starts_leave_no_rows(void **state)
{
    fixture_tick(&f);
    unsigned before = count_certs();
    assert_int_not_equal(before, 0);
    for (int i = 0; i < 3; i++) {
        fixture_reopen(&f);
        fixture_tick(&f);
    }
    assert_int_equal(count_certs(), before);
    fixture_time += 10 * 86400; /* two thirds of the responder's 14 days */
    fixture_reopen(&f);
    fixture_tick(&f);
    assert_int_equal(count_certs(), before + 1);
}

static unsigned
good_words(void)
{
    char path[128];
    struct statusmap *map;
    unsigned count = 0;
    (void)snprintf(path, sizeof path, "%s/status.map", f.dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(statusmap_reader(fd, &map), BV_OK);
    for (uint64_t i = 0; i < 5000; i++)
        count += statusmap_status(statusmap_get(map, i)) == STATUSMAP_GOOD;
    statusmap_free(map);
    return count;
}

/* A backup came back: what it does not know has no status. */
static void
test_map_ahead_of_database(void **state)
{
    char serial[64];
    fixture_tick(&f);
    enroll("d1", serial);
    SHELL("sqlite3 %s/brevet.db \".backup '%s/old.db'\"");
    unsigned before = good_words();
    enroll("d2", serial);
    assert_int_equal(good_words(), before + 1);
    f.between = "rm -f %s/checkpoint %s/brevet.db*; mv %s/old.db %s/brevet.db";
    fixture_reopen(&f);
    assert_int_equal(good_words(), before);
}

/* The same with the checkpoint kept beside it: not even a start. */
static void
test_old_database_is_refused(void **state)
{
    char serial[64], path[128], problem[300] = "";
    const struct core_calls calls = {0};
    struct store old;
    struct core *core = NULL;
    fixture_tick(&f);
    SHELL("sqlite3 %s/brevet.db \".backup '%s/old.db'\"");
    (void)snprintf(path, sizeof path, "%s/old.db", f.dir);
    enroll("d1", serial);
    (void)fixture_admin(
        &f, "{\"verb\":\"audit.checkpoint\",\"args\":{\"make\":true}}");
    SHELL("grep -q brevet/test %s/checkpoint && "
          "test $(stat -c %a %s/checkpoint) = 600");
    assert_int_equal(
        store_sqlite_open(path, NULL, &old, problem, sizeof problem), BV_OK);
    assert_int_equal(
        core_new(&f.config, &old, -1, &calls, &core, problem, sizeof problem),
        BV_E_CORRUPT);
    assert_non_null(strstr(problem, "old database was put back"));
    old.close(old.ctx);
    fixture_reopen(&f); /* its own goes on */
}

/* RFC 5280 3.3 */
static void
test_expired_shown_once_more(void **state)
{
    char serial[64];
    enroll("d1", serial);
    (void)status("cert.revoke", serial, "superseded");
    fixture_time += 89 * 86400;
    fixture_tick(&f);
    SHELL("openssl crl -inform DER -in %s/ca.crl -noout -text | "
          "grep -q 'Superseded'");
    fixture_time += 2 * 86400; /* expired now: once more */
    fixture_tick(&f);
    SHELL("openssl crl -inform DER -in %s/ca.crl -noout -text | "
          "grep -q 'Superseded'");
    fixture_time += 86400;
    fixture_tick(&f);
    SHELL("openssl crl -inform DER -in %s/ca.crl -noout -text | "
          "grep -q 'No Revoked Certificates'");
}

static void
test_tls_certificate(void **state)
{
    fixture_tick(&f);
    SHELL("openssl verify -x509_strict -attime 1795000001 -purpose sslserver "
          "-verify_hostname pki.example -CAfile %s/root.crt "
          "-untrusted %s/server.pem %s/server.pem");
    SHELL("openssl x509 -in %s/server.pem -noout -checkip 192.0.2.7 | "
          "grep -q 'does match'");
    SHELL("test $(stat -c %a %s/server.pem) = 600 && cp %s/server.pem "
          "%s/first.pem");
    fixture_reopen(&f); /* kept over a restart */
    fixture_tick(&f);
    SHELL("cmp %s/server.pem %s/first.pem");
    fixture_time += 60 * 86400; /* two thirds of 90 days */
    fixture_tick(&f);
    SHELL("! cmp -s %s/server.pem %s/first.pem");
}

/* Whose server is below a new root tells those who know only the old one. */
static void
test_tls_chain_leads_to_the_old_root(void **state)
{
    static uint8_t old_der[2048], cross_der[2048];
    bv_auto(key) struct key *old_key = fixture_key();
    bv_auto(key) struct key *root_key = NULL;
    struct cert root;
    struct span old = fixture_ca("root", "Old root", old_key, SPAN_EMPTY,
                                 old_key, old_der, sizeof old_der);
    fixture_tick(&f);
    SHELL("cp %s/server.pem %s/first.pem");
    assert_int_equal(cert_parse(f.root, &root), BV_OK);
    assert_int_equal(key_of_spki(&root.spki, &root_key), BV_OK);
    f.cas[0].cross[0] = old;
    f.cas[0].num_cross = 1;
    char problem[200];
    assert_int_equal(core_config_check(&f.config, problem, sizeof problem),
                     BV_E_BAD_CONFIG); /* of no CA here */
    f.cas[0].cross[0] = fixture_ca("root", "Test root", root_key, old, old_key,
                                   cross_der, sizeof cross_der);
    assert_int_equal(core_config_check(&f.config, problem, sizeof problem),
                     BV_OK);
    assert_int_equal(core_reconfigure(f.core, &f.config), BV_OK);
    fixture_tick(&f); /* made anew: the one on disk leads nowhere else */
    fixture_write(&f, "old.crt", old, PEM_CERTIFICATE);
    SHELL("! openssl verify -attime 1795000001 -CAfile %s/old.crt "
          "-untrusted %s/first.pem %s/first.pem");
    SHELL("openssl verify -x509_strict -attime 1795000001 -CAfile %s/old.crt "
          "-untrusted %s/server.pem %s/server.pem");
    SHELL("openssl verify -x509_strict -attime 1795000001 -CAfile "
          "%s/root.crt -untrusted %s/server.pem %s/server.pem");
    SHELL("cp %s/server.pem %s/first.pem");
    fixture_reopen(&f);
    fixture_tick(&f);
    SHELL("cmp %s/server.pem %s/first.pem"); /* and is kept */
}

static void
test_checkpoint_and_proof(void **state)
{
    char serial[64];
    enroll("d1", serial);
    fixture_tick(&f);
    assert_non_null(
        strstr(fixture_admin(&f, "{\"verb\":\"audit.checkpoint\",\"args\":{}}"),
               "brevet/test"));
    assert_non_null(strstr(
        fixture_admin(&f, "{\"verb\":\"audit.prove\",\"args\":{\"index\":1}}"),
        "tlog-proof"));
    assert_non_null(strstr(
        fixture_admin(&f, "{\"verb\":\"audit.list\",\"args\":{\"last\":50}}"),
        "cert.issue"));
    assert_non_null(strstr(f.json, "uid 1000 (ada)"));
    assert_non_null(
        strstr(fixture_admin(
                   &f, "{\"verb\":\"audit.show\",\"args\":{\"index\":99999}}"),
               "NOT_FOUND"));
}

static void
test_no_signer(void **state)
{
    static uint8_t csr_buf[4096];
    char secret[64];
    bv_auto(key) struct key *key = fixture_key();
    fixture_token(&f, "d1", NULL, 1, secret);
    struct core_request r = fixture_request(
        CORE_ENROLL, fixture_csr(key, "d1", SPAN_EMPTY, SPAN_EMPTY, csr_buf,
                                 sizeof csr_buf));
    r.secret = span_str(secret);
    core_submit(f.core, 1, 1, &r);
    core_set_signer(f.core, NULL); /* it dies with the job in hand */
    assert_int_equal(core_commit(f.core), BV_OK);
    assert_int_equal(f.reply.err, BV_E_UNAVAILABLE);
    assert_int_equal(f.reply.retry_after, 1);
    assert_int_equal(fixture_run(&f, &r), BV_E_UNAVAILABLE);
    core_set_signer(f.core, &f.signer);
    assert_int_equal(fixture_run(&f, &r), BV_OK);
}

static const char *
as_role(enum core_role role, const char *request)
{
    const struct core_caller caller = {1001, "bob", role};
    f.json[0] = '\0';
    core_admin(f.core, &caller, 2, 1, span_str(request));
    fixture_settle(&f);
    return f.json;
}

static void
test_roles_and_nonsense(void **state)
{
    const char *revoke = "{\"verb\":\"cert.revoke\",\"args\":{\"seq\":1}}";
    const char *backup = "{\"verb\":\"backup\",\"args\":{\"path\":\"/x\"}}";
    assert_non_null(strstr(as_role(CORE_ROLE_READ, revoke), "REFUSED"));
    assert_non_null(strstr(as_role(CORE_ROLE_OPERATE, backup), "REFUSED"));
    assert_non_null(strstr(as_role(CORE_ROLE_READ, "{\"verb\":\"status\"}"),
                           "\"ok\":true"));
    assert_non_null(
        strstr(as_role(CORE_ROLE_ADMIN, "{\"verb\":\"x\"}"), "NOT_FOUND"));
    assert_non_null(strstr(as_role(CORE_ROLE_ADMIN, "["), "BAD_MESSAGE"));
    assert_non_null(strstr(as_role(CORE_ROLE_ADMIN, "7"), "BAD_MESSAGE"));
    assert_non_null(
        strstr(as_role(CORE_ROLE_ADMIN, "{\"verb\":7}"), "NOT_FOUND"));
}

static void
test_listings(void **state)
{
    char serial[64];
    enroll("d1", serial);
    enroll("d2", serial);
    enroll("d3", serial);
    assert_non_null(
        strstr(fixture_admin(&f, "{\"verb\":\"device.show\",\"args\":{"
                                 "\"name\":\"d3\"}}"),
               serial));
    assert_non_null(strstr(f.json, "\"certificates\":[{"));
    assert_non_null(strstr(
        fixture_admin(&f, "{\"verb\":\"device.list\",\"args\":{\"limit\":2}}"),
        "\"next\":2"));
    assert_null(strstr(f.json, "d3"));
    assert_non_null(
        strstr(fixture_admin(&f, "{\"verb\":\"device.list\",\"args\":{"
                                 "\"limit\":2,\"after\":2}}"),
               "\"next\":null"));
    assert_non_null(strstr(f.json, "d3"));
    assert_non_null(strstr(
        fixture_admin(&f, "{\"verb\":\"token.list\",\"args\":{}}"), "d2"));
    assert_null(strstr(f.json, "secret"));
    assert_non_null(
        strstr(fixture_admin(&f, "{\"verb\":\"ca.show\",\"args\":{\"name\":"
                                 "\"issuing\"}}"),
               "BEGIN CERTIFICATE"));
    assert_non_null(
        strstr(fixture_admin(&f, "{\"verb\":\"profile.list\",\"args\":{}}"),
               "codesigning"));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_empty_crl),
        T(test_revoked_is_listed),
        T(test_status_steps),
        T(test_compromise_is_told_later),
        T(test_compromised_key_alone),
        T(test_nobody_asks),
        T(test_numbers_increase),
        T(test_key_comes_back),
        T(test_late_crl_is_told),
        T(test_root_is_away),
        T(test_failed_backup_undoes_nothing),
        T(test_crl_is_public),
        T(test_crl_of_another_length),
        T(test_damaged_crl_is_replaced),
        T(test_starts_leave_no_rows),
        T(test_map_ahead_of_database),
        T(test_old_database_is_refused),
        T(test_expired_shown_once_more),
        T(test_tls_certificate),
        T(test_tls_chain_leads_to_the_old_root),
        T(test_checkpoint_and_proof),
        T(test_no_signer),
        T(test_roles_and_nonsense),
        T(test_listings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
