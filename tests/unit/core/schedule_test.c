/* What the server keeps for itself by the clock, when the clock, the disk or
 * an operator does something unusual. */
#include "fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "signer/soft.h"
#include "wire/cert.h"

static struct fixture f;
static uint8_t csr_buf[8192];

static int
setup(void **state)
{
    fixture_open(&f);
    return 0;
}

static int
teardown(void **state)
{
    fixture_close(&f);
    return 0;
}

#define SHELL(command) assert_int_equal(fixture_shell(&f, command), 0)

static void
ticks(unsigned num)
{
    for (unsigned i = 0; i < num; i++)
        fixture_tick(&f);
}

static unsigned
count(const char *request, const char *what)
{
    unsigned num = 0;
    (void)fixture_admin(&f, request);
    for (const char *at = f.json; (at = strstr(at, what)) != NULL; at++)
        num++;
    return num;
}

#define PUBLISH "{\"verb\":\"crl.publish\",\"args\":{}}"
#define LIST    "{\"verb\":\"cert.list\",\"args\":{}}"

static struct core_request
enrolment(struct key *key, const char *cn)
{
    static char secret[64];
    fixture_token(&f, cn, NULL, 1, secret);
    struct core_request r = fixture_request(
        CORE_ENROLL,
        fixture_csr(key, cn, SPAN_EMPTY, SPAN_EMPTY, csr_buf, sizeof csr_buf));
    r.secret = span_str(secret);
    return r;
}

/* --- the server's own certificates --- */

static void
revoke_own(const char *profile)
{
    char request[200], want[60];
    (void)snprintf(want, sizeof want, "\"profile\":\"%s\"", profile);
    (void)fixture_admin(&f, LIST);
    const char *at = strstr(f.json, want);
    assert_non_null(at);
    while (strncmp(at, "{\"seq\":", 7) != 0)
        at--;
    (void)snprintf(request, sizeof request,
                   "{\"verb\":\"cert.revoke\",\"args\":{\"seq\":%ld}}",
                   strtol(at + 7, NULL, 10));
    assert_non_null(strstr(fixture_admin(&f, request), "\"changed\":1"));
}

/* A stolen listener key is answered with a revocation; then it must go. */
static void
test_revoked_own_is_replaced(void **state)
{
    static const char *const profiles[] = {"server", "ocsp"};
    ticks(4);
    for (size_t i = 0; i < 2; i++) {
        char want[60];
        (void)snprintf(want, sizeof want, "\"profile\":\"%s\"", profiles[i]);
        assert_int_equal(count(LIST, want), 1);
        revoke_own(profiles[i]);
        ticks(4);
        assert_int_equal(count(LIST, want), 2);
        ticks(4);
        fixture_reopen(&f);
        ticks(4);
        assert_int_equal(count(LIST, want), 2);
    }
}

/* --- SCEP --- */

#define RA "\"profile\":\"scep-ra\""

/* An RA certificate is made when SCEP is switched on, by a reload too, and
 * renewed within its year; not for who does without. */
static void
test_scep_has_an_ra(void **state)
{
    struct core_config with = f.config;
    ticks(4);
    assert_int_equal(count(LIST, RA), 0);
    with.scep = true;
    assert_int_equal(core_reconfigure(f.core, &with), BV_OK);
    ticks(4);
    assert_int_equal(count(LIST, RA), 1);
    ticks(4);
    assert_int_equal(count(LIST, RA), 1);
    fixture_time += INT64_C(250) * 86400;
    ticks(4);
    assert_int_equal(count(LIST, RA), 2);
    assert_int_equal(core_reconfigure(f.core, &f.config), BV_OK);
}

/* Clients choose whom they encrypt to by its usages (RFC 8894 2.1.2), and a
 * CA's key must do neither. */
static void
test_ra_can_sign_and_be_encrypted_to(void **state)
{
    char request[80], *at;
    f.config.scep = true;
    fixture_reopen(&f);
    ticks(4);
    at = strstr(fixture_admin(&f, LIST), RA);
    assert_non_null(at);
    while (strncmp(at, "\"seq\":", 6) != 0)
        at--;
    (void)snprintf(request, sizeof request,
                   "{\"verb\":\"cert.show\",\"args\":{\"seq\":%ld}}",
                   strtol(at + 6, NULL, 10));
    at = strstr(fixture_admin(&f, request), "-----BEGIN");
    assert_non_null(at);
    char *end = strstr(at, "-----END"), *to = at, *from = at;
    for (; from < end + 25; from++) /* JSON writes line ends as \n */
        if (from[0] == '\\' && from[1] == 'n')
            *to++ = '\n', from++;
        else
            *to++ = *from;
    *to++ = '\n';
    char path[160];
    (void)snprintf(path, sizeof path, "%s/ra.crt", f.dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fwrite(at, 1, (size_t)(to - at), file);
    (void)fclose(file);
    SHELL("openssl x509 -in %s/ra.crt -noout -ext keyUsage | grep -qx "
          "' *Digital Signature, Key Encipherment'");
    SHELL("openssl x509 -in %s/ra.crt -noout -text | "
          "grep -q 'Public-Key: (2048 bit)'");
    SHELL("openssl x509 -in %s/ra.crt -noout -text | grep -q 'CA:FALSE'");
    fixture_write(&f, "ca.crt", f.ca, "CERTIFICATE");
    SHELL("openssl verify -attime 1795000100 -partial_chain -x509_strict "
          "-trusted %s/ca.crt %s/ra.crt");
}

/* The number that follows a key in the row of this profile. */
static int64_t
own_number(const char *profile, const char *key)
{
    char want[60];
    (void)snprintf(want, sizeof want, "\"profile\":\"%s\"", profile);
    (void)fixture_admin(&f, LIST);
    const char *at = strstr(f.json, want);
    assert_non_null(at);
    while (strncmp(at, "{\"seq\":", 7) != 0)
        at--;
    at = strstr(at, key);
    assert_non_null(at);
    return strtoll(at + strlen(key), NULL, 10);
}

/* ocsp-life: of the responder's certificate; none below zero. */
static void
test_responder_lives_as_long(void **state)
{
    static const char ocsp[] = "\"profile\":\"ocsp\"";
    f.cas[0].ocsp_life = -1;
    ticks(4);
    assert_int_equal(count(LIST, ocsp), 0);
    f.cas[0].ocsp_life = INT64_C(3) * 86400;
    fixture_reopen(&f);
    ticks(4);
    assert_int_equal(count(LIST, ocsp), 1);
    assert_int_equal(own_number("ocsp", "\"not_after\":"),
                     FIXTURE_NOW + INT64_C(3) * 86400 - 1);
    fixture_time += 86400; /* its window opens at two thirds */
    ticks(4);
    assert_int_equal(count(LIST, ocsp), 1);
    fixture_time += 86400;
    ticks(4);
    assert_int_equal(count(LIST, ocsp), 2);
}

/* Of two minutes' life, seven are in the past at birth: still one is enough
 * until its window opens. */
static void
test_short_life_is_lived(void **state)
{
    struct profile *p = fixture_profile(&f, "server");
    p->lifetime = 120;
    p->backdate = 300;
    ticks(4);
    fixture_time += 70; /* the window opens at 79 s */
    ticks(4);
    assert_int_equal(count(LIST, "\"profile\":\"server\""), 1);
    fixture_time += 20;
    ticks(4);
    assert_int_equal(count(LIST, "\"profile\":\"server\""), 2);
}

/* --- clocks --- */

/* Ten hours ahead and back: nobody who has the right time believes a CRL of
 * the future, or the listener's certificate. */
static void
test_clock_put_back(void **state)
{
    fixture_time += 36000;
    ticks(4);
    fixture_time -= 36000;
    ticks(4);
    SHELL("openssl crl -inform DER -in %s/ca.crl -noout -lastupdate | "
          "grep -q \"$(date -u -d @1795000000 '+%b %e %H:%M:%S %Y')\"");
    SHELL("openssl x509 -in %s/server.pem -noout -startdate | "
          "grep -q \"$(date -u -d @1794999700 '+%b %e %H:%M:%S %Y')\"");
    SHELL("openssl crl -inform DER -in %s/ca.crl -noout -crlnumber | "
          "grep -qx 'crlNumber=0x02'");
    fixture_time -= 30; /* adjusted, not put back */
    ticks(4);
    SHELL("openssl crl -inform DER -in %s/ca.crl -noout -crlnumber | "
          "grep -qx 'crlNumber=0x02'");
}

/* A certificate of this life, enrolled and revoked. */
static void
revoked(int64_t lifetime)
{
    bv_auto(key) struct key *key = fixture_key();
    fixture_profile(&f, "device")->lifetime = lifetime;
    struct core_request r = enrolment(key, "d1");
    assert_int_equal(fixture_run(&f, &r), BV_OK);
    assert_non_null(strstr(
        fixture_admin(
            &f, "{\"verb\":\"cert.revoke\",\"args\":{\"device\":\"d1\"}}"),
        "\"changed\":1"));
}

/* The clock goes ahead for so many CRLs, a day apart. */
static void
ahead(int64_t by, unsigned num)
{
    fixture_time += by;
    for (unsigned i = 0; i < num; i++) {
        ticks(4);
        fixture_time += 86400;
    }
}

#define LISTED(num)                                                            \
    SHELL("openssl crl -inform DER -in %s/ca.crl -noout -text | "              \
          "test $(grep -c 'Serial Number:') = " num)

/* nextUpdate is in so many seconds. */
static void
next_update_in(int64_t seconds)
{
    char command[200];
    (void)snprintf(
        command, sizeof command,
        "test $(date +%%-s -d \"$(openssl crl -inform DER -in %%s/ca.crl "
        "-noout -nextupdate | cut -d= -f2)\") = %lld",
        (long long)(fixture_time + seconds));
    SHELL(command);
}

/* thisUpdate is in so many seconds. */
static void
this_update_in(int64_t seconds)
{
    char command[200];
    (void)snprintf(command, sizeof command,
                   "test $(date +%%-s -d \"$(openssl crl -inform DER -in "
                   "%%s/ca.crl -noout -lastupdate | cut -d= -f2)\") = %lld",
                   (long long)(fixture_time + seconds));
    SHELL(command);
}

/* Who asks by date (If-Modified-Since) knows seconds: no two CRLs have one. Nor
 * is one dated ahead, which nobody would believe yet. */
static void
test_no_two_of_one_second(void **state)
{
    ticks(4);
    this_update_in(0);
    revoked(90 * 86400);
    assert_non_null(strstr(fixture_admin(&f, PUBLISH), "\"ok\":true"));
    ticks(4);
    LISTED("0");
    fixture_time++;
    ticks(1); /* by itself */
    LISTED("1");
    this_update_in(0);
    fixture_time -= 30; /* adjusted: it waits until then */
    (void)fixture_admin(&f, PUBLISH);
    ticks(1);
    this_update_in(30);
    fixture_time += 31;
    ticks(1);
    this_update_in(0);
}

/* RFC 5280 3.3 reckons by CRLs that somebody believed. */
static void
test_clock_ahead_lets_nobody_go(void **state)
{
    revoked(90 * 86400);
    ticks(4);
    LISTED("1");
    ahead(100 * INT64_C(86400), 3); /* of these, the last lists none */
    LISTED("0");
    fixture_time = FIXTURE_NOW + 600;
    ticks(1);
    LISTED("0"); /* nothing is published until it is told which time is right */
    assert_non_null(
        strstr(fixture_admin(&f, "{\"verb\":\"clock.trust\"}"), "\"ok\":true"));
    (void)fixture_admin(&f, PUBLISH);
    LISTED("1");
    next_update_in(7 * 86400);
    for (int day = 0; day < 3; day++) {
        fixture_time += 86400;
        ticks(4);
        LISTED("1");
        next_update_in(7 * 86400);
    }
}

/* Hours are enough for a short life, and nobody is asked about them. The clock
 * is put back while it is off, in the second turn. */
static void
test_clock_hours_ahead(void **state)
{
    revoked(5 * 3600);
    ticks(4);
    for (int turn = 0; turn < 2; turn++) {
        fixture_time += 36000;
        ticks(1);
        (void)fixture_admin(&f, PUBLISH);
        LISTED("1");
        fixture_time += 60;
        (void)fixture_admin(&f, PUBLISH);
        LISTED("0");
        fixture_time = FIXTURE_NOW + 600 * (turn + 1);
        if (turn == 1)
            fixture_reopen(&f);
        ticks(4);
        LISTED("1");
        next_update_in(7 * 86400);
    }
}

/* RFC 5280 5.1.2.5: what an earlier CRL promised is kept when the setting
 * becomes shorter. */
static void
test_next_update_is_kept(void **state)
{
    ticks(4);
    next_update_in(7 * 86400);
    f.cas[0].crl_life = 2 * 86400;
    fixture_time += 86400;
    ticks(4);
    this_update_in(0);
    next_update_in(6 * 86400);
    fixture_time += 4 * 86400;
    ticks(4);
    next_update_in(2 * 86400); /* as long as the promise */
    fixture_time += 86400;
    ticks(4);
    next_update_in(2 * 86400);
}

/* A revocation does not wait for the clock, and is not dated 1970. */
static void
test_revoked_without_a_clock(void **state)
{
    bv_auto(key) struct key *key = fixture_key();
    struct core_request r = enrolment(key, "d1");
    assert_int_equal(fixture_run(&f, &r), BV_OK);
    fixture_time = 1000;
    assert_non_null(strstr(
        fixture_admin(
            &f, "{\"verb\":\"cert.revoke\",\"args\":{\"device\":\"d1\"}}"),
        "\"changed\":1"));
    assert_int_equal(count(LIST, "\"revoked_at\":1795000000"), 1);
    assert_non_null(
        strstr(fixture_admin(&f, "{\"verb\":\"crl.publish\",\"args\":{}}"),
               "brevet clock trust"));
    assert_int_not_equal(fixture_shell(&f, "test -e %s/ca.crl"), 0);
}

/* --- what fails alone --- */

/* A number that is recorded is used up, although its file never appeared. */
static void
test_crl_that_cannot_appear(void **state)
{
    static const char publish[] = "{\"verb\":\"crl.publish\",\"args\":{}}";
    ticks(4);
    SHELL("rm %s/ca.crl && mkdir %s/ca.crl && touch %s/ca.crl/x");
    fixture_time++;
    (void)fixture_admin(&f, publish);
    ticks(1);
    SHELL("rm -r %s/ca.crl");
    (void)fixture_admin(&f, publish);
    ticks(1);
    SHELL("openssl crl -inform DER -in %s/ca.crl -noout -crlnumber | "
          "grep -qx 'crlNumber=0x03'");
}

/* A reload that names another file: it is there within seconds, not with the
 * next schedule. */
static void
test_crl_moves(void **state)
{
    struct core_config moved = f.config;
    struct core_ca cas[1] = {f.cas[0]};
    ticks(4);
    moved.cas = cas;
    (void)snprintf(cas[0].crl_path, sizeof cas[0].crl_path, "%s/new.crl",
                   f.dir);
    int before = f.files_changed;
    assert_int_equal(core_reconfigure(f.core, &moved), BV_OK);
    fixture_time += 5;
    ticks(1);
    SHELL("openssl crl -inform DER -in %s/new.crl -noout -crlnumber | "
          "grep -qx 'crlNumber=0x02'");
    assert_int_not_equal(f.files_changed, before);
    fixture_time += 5;
    assert_int_equal(core_reconfigure(f.core, &moved), BV_OK);
    fixture_time += 5;
    ticks(4); /* the same again moves nothing */
    SHELL("openssl crl -inform DER -in %s/new.crl -noout -crlnumber | "
          "grep -qx 'crlNumber=0x02'");
    assert_int_equal(core_reconfigure(f.core, &f.config), BV_OK);
}

/* An operator's verb that fails takes nobody's certificate back. */
static void
test_failed_verb_fails_alone(void **state)
{
    static const char *const verbs[] = {
        "{\"verb\":\"crl.publish\",\"args\":{}}",
        "{\"verb\":\"tls.renew\",\"args\":{}}"};
    const struct core_caller caller = {1000, "ada", CORE_ROLE_ADMIN};
    for (size_t i = 0; i < 2; i++) {
        char name[8];
        bv_auto(key) struct key *key = fixture_key();
        (void)snprintf(name, sizeof name, "d%zu", i);
        struct core_request r = enrolment(key, name);
        core_submit(f.core, 1, 7, &r);
        signer_soft_run(&f.signer); /* its rows are written, not committed */
        f.num_replies = 0;
        core_set_signer(f.core, NULL);
        core_admin(f.core, &caller, 2, 1, span_str(verbs[i]));
        assert_int_equal(core_commit(f.core), BV_OK);
        assert_non_null(strstr(f.json, "UNAVAILABLE"));
        assert_int_equal(f.num_replies, 1);
        assert_int_equal(f.reply.err, BV_OK);
        core_set_signer(f.core, &f.signer);
        fixture_settle(&f);
    }
}

static enum bv_err
taken(void *ctx, const struct store_cert *row)
{
    return BV_E_CONFLICT;
}

/* What the database refuses of ours (a number twice, say) is not told to a
 * device as its own mistake: it would not come again. */
static void
test_our_conflict_is_ours(void **state)
{
    bv_auto(key) struct key *key = fixture_key();
    struct core_request r = enrolment(key, "d1");
    f.faulty.cert_put = taken;
    assert_int_equal(fixture_run(&f, &r), BV_E_UNAVAILABLE);
    assert_int_not_equal(f.reply.retry_after, 0);
}

static enum bv_err
no_entry(void *ctx, uint64_t index, struct span entry)
{
    return BV_E_CONFLICT;
}

/* A verb whose entry the database refuses has done nothing, and is not told as
 * the operator's mistake. */
static void
test_no_act_without_its_entry(void **state)
{
    static const char *const verbs[] = {
        "{\"verb\":\"cert.revoke\",\"args\":{\"device\":\"d1\"}}",
        "{\"verb\":\"cert.hold\",\"args\":{\"device\":\"d1\"}}",
        ("{\"verb\":\"token.create\",\"args\":{\"device\":\"d2\","
         "\"expires\":3600}}"),
        "{\"verb\":\"device.block\",\"args\":{\"name\":\"d1\"}}",
    };
    bv_auto(key) struct key *key = fixture_key();
    struct core_request r = enrolment(key, "d1");
    assert_int_equal(fixture_run(&f, &r), BV_OK);
    unsigned good = count(LIST, "\"good\"");
    f.faulty.audit_put = no_entry;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        assert_non_null(strstr(fixture_admin(&f, verbs[i]), "UNAVAILABLE"));
    f.faulty.audit_put = f.store.audit_put;
    assert_int_equal(count(LIST, "\"good\""), good);
    assert_int_equal(count("{\"verb\":\"token.list\",\"args\":{}}", "\"id\""),
                     1);
    assert_int_equal(
        count("{\"verb\":\"device.list\",\"args\":{}}", "\"blocked\":true"), 0);
    assert_non_null(strstr(fixture_admin(&f, verbs[0]), "\"changed\":1"));
}

static enum bv_err
damaged(void *ctx, const struct store_cert *row)
{
    return BV_E_CORRUPT;
}

/* Nothing more is written into a damaged database: the process ends, and the
 * next start checks it. */
static void
test_damage_ends_it(void **state)
{
    bv_auto(key) struct key *key = fixture_key();
    struct core_request r = enrolment(key, "d1");
    f.faulty.cert_put = damaged;
    core_submit(f.core, 1, 7, &r);
    signer_soft_run(&f.signer);
    assert_int_equal(core_commit(f.core), BV_E_CORRUPT);
    assert_int_equal(f.reply.err, BV_E_CORRUPT);
}

/* --- validity --- */

/* The lifetime is what is ahead, to the last second; the backdate comes on
 * top, and the whole stays within both together. */
static void
test_lifetime_is_ahead(void **state)
{
    struct cert cert;
    static const struct {
        int64_t lifetime, backdate;
    } all[] = {{90 * 86400, 300}, {120, 300}, {86400, 0}};
    for (size_t i = 0; i < 3; i++) {
        char name[8];
        bv_auto(key) struct key *key = fixture_key();
        fixture_profile(&f, "device")->lifetime = all[i].lifetime;
        fixture_profile(&f, "device")->backdate = all[i].backdate;
        (void)snprintf(name, sizeof name, "d%zu", i);
        struct core_request r = enrolment(key, name);
        assert_int_equal(fixture_run(&f, &r), BV_OK);
        assert_int_equal(cert_parse(f.reply.cert, &cert), BV_OK);
        assert_int_equal(cert.not_before, FIXTURE_NOW - all[i].backdate);
        assert_int_equal(cert.not_after, FIXTURE_NOW + all[i].lifetime - 1);
    }
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_revoked_own_is_replaced),
        T(test_scep_has_an_ra),
        T(test_ra_can_sign_and_be_encrypted_to),
        T(test_short_life_is_lived),
        T(test_responder_lives_as_long),
        T(test_next_update_is_kept),
        T(test_crl_moves),
        T(test_no_two_of_one_second),
        T(test_clock_put_back),
        T(test_clock_ahead_lets_nobody_go),
        T(test_clock_hours_ahead),
        T(test_revoked_without_a_clock),
        T(test_crl_that_cannot_appear),
        T(test_failed_verb_fails_alone),
        T(test_our_conflict_is_ours),
        T(test_no_act_without_its_entry),
        T(test_damage_ends_it),
        T(test_lifetime_is_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
