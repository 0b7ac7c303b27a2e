/* Settings of profiles that few use, from the request to the certificate, which
 * is read back by our reader and by OpenSSL. Before the signature OpenSSL is
 * asked about the first alone (lint = sample): our own lint must do. */
#include "asking.h"

#include <stdio.h>

#include "base/time.h"
#include "core/ca.h"
#include "wire/cert.h"
#include "wire/name.h"
#include "wire/pem.h"
#include "wire/san.h"

/* --- one setting each --- */

static void
plain(struct profile *p)
{
    (void)p;
}
static void
no_expiry(struct profile *p)
{
    p->no_expiry = true;
}
static void
no_rev_avail(struct profile *p)
{
    p->no_rev_avail = true;
    p->crldp = p->aia_ocsp = false;
}
static void
eui48(struct profile *p)
{
    p->id = PROFILE_ID_EUI48;
    p->san_id_urn = true;
}
static void
uuid(struct profile *p)
{
    p->id = PROFILE_ID_UUID;
    p->san_id_urn = true;
}
static void
host(struct profile *p)
{
    p->id = PROFILE_ID_DNS;
    p->san_id_dns = true;
}
static void
serial_number(struct profile *p)
{
    p->serial_number = true;
}
static void
no_basic_constraints(struct profile *p)
{
    p->basic_constraints = false;
}
static void
key_id(struct profile *p)
{
    p->ski = true;
}
static void
no_pointers(struct profile *p)
{
    p->crldp = p->aia_ocsp = p->aia_issuer = false;
}

#define UUID "9f3f2a1e-5b7c-4d0a-8e21-0123456789ab"

/* text: a line (basic regular expression) of `openssl x509 -text`; not: one
 * that is not there. */
static const struct {
    void (*change)(struct profile *p);
    const char *id, *text, *not ;
} settings[] = {
    {plain, "d0", "CA:FALSE",
     "9999 GMT\\|NoRevAvail\\|2.5.29.56\\|serialNumber"},
    {no_expiry, "d1", "Not After : Dec 31 23:59:59 9999 GMT", NULL},
    {no_rev_avail, "d2", "2.5.29.56\\|No Revocation Available\\|noRevAvail",
     "CRL Distribution\\|OCSP - "},
    {eui48, "0024be804ff1", "URI:urn:dev:mac:0024befffe804ff1$", NULL},
    {uuid, UUID, "URI:urn:uuid:" UUID "$", NULL},
    {host, "d4.devices.example", "DNS:d4.devices.example$", NULL},
    {serial_number, "d5", "Subject:.*serialNumber *= *d5", NULL},
    {no_basic_constraints, "d6", "Key Usage", "Basic Constraints"},
    {key_id, "d7", "Subject Key Identifier", NULL},
    {no_pointers, "d8", "Key Usage",
     "CRL Distribution\\|Authority Information"},
};

static void
read_by_openssl(size_t i)
{
    char command[600];
    fixture_write(&f, "leaf.pem", f.reply.cert, PEM_CERTIFICATE);
    fixture_write(&f, "ca.pem", f.ca, PEM_CERTIFICATE);
    /* judged at the fixture's time; an end beyond the issuer's is for the
     * profile to allow */
    (void)snprintf(command, sizeof command,
                   "openssl verify -x509_strict -partial_chain -attime %lld "
                   "-CAfile %%s/ca.pem %%s/leaf.pem >/dev/null 2>&1 && "
                   "openssl x509 -in %%s/leaf.pem -noout -text >%%s/text",
                   (long long)fixture_time);
    if (fixture_shell(&f, command) != 0)
        fail_msg("%zu: OpenSSL refuses it", i);
    (void)snprintf(command, sizeof command, "grep -q '%s' %%s/text",
                   settings[i].text);
    if (fixture_shell(&f, command) != 0)
        fail_msg("%zu: no %s", i, settings[i].text);
    (void)snprintf(command, sizeof command, "grep -q '%s' %%s/text",
                   settings[i].not );
    if (settings[i].not != NULL && fixture_shell(&f, command) == 0)
        fail_msg("%zu: %s", i, settings[i].not );
}

static void
read_by_us(const struct profile *p)
{
    struct cert cert;
    struct name_ava ava;
    assert_int_equal(cert_parse(f.reply.cert, &cert), BV_OK);
    assert_int_equal(cert.not_before, FIXTURE_NOW - p->backdate);
    assert_int_equal(cert.not_after, p->no_expiry
                                         ? TIME_NO_EXPIRY
                                         : FIXTURE_NOW + p->lifetime - 1);
    assert_int_equal(cert.has_basic_constraints, p->basic_constraints);
    assert_int_equal(cert.no_rev_avail, p->no_rev_avail);
    assert_int_equal(cert.crldp_url.len > 0, p->crldp);
    assert_int_equal(cert.ocsp_url.len > 0, p->aia_ocsp);
    assert_int_equal(cert.ski.len > 0, p->ski);
    assert_int_equal(cert.san.len > 0, p->san_id_urn || p->san_id_dns);
    assert_int_equal(name_find(cert.subject, NAME_SERIAL_NUMBER, &ava),
                     p->serial_number ? BV_OK : BV_E_NOT_FOUND);
}

static void
test_settings(void **state)
{
    f.config.lint_full = false;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        struct profile *p = fixture_profile(&f, "device");
        char problem[200];
        uint8_t der[2048];
        bv_auto(key) struct key *key = fixture_key();
        assert_int_equal(profile_default("device", p), BV_OK);
        strcpy(p->ca, "issuing");
        settings[i].change(p);
        if (profile_check(p, problem, sizeof problem) != BV_OK)
            fail_msg("%zu: %s", i, problem);
        (void)enrolled(key, settings[i].id, der, sizeof der);
        read_by_us(p);
        read_by_openssl(i);
    }
}

/* Without lint = full, OpenSSL sees the first of a profile and one in 256; all
 * the others are good without it. */
static void
test_sample(void **state)
{
    uint8_t der[2048];
    char id[16], command[300];
    f.config.lint_full = false;
    fixture_write(&f, "ca.pem", f.ca, PEM_CERTIFICATE);
    (void)snprintf(command, sizeof command,
                   "openssl verify -x509_strict -partial_chain -attime %lld "
                   "-CAfile %%s/ca.pem %%s/leaf.pem >/dev/null 2>&1",
                   (long long)fixture_time);
    for (int i = 0; i < 4; i++) {
        bv_auto(key) struct key *key = fixture_key();
        (void)snprintf(id, sizeof id, "s%d", i);
        (void)enrolled(key, id, der, sizeof der);
        fixture_write(&f, "leaf.pem", f.reply.cert, PEM_CERTIFICATE);
        assert_int_equal(fixture_shell(&f, command), 0);
    }
}

/* --- 2049 and 2050 --- */

#define END_OF_2049 INT64_C(2524607999)

static bool
holds(struct span der, const char *octets, size_t len)
{
    return memmem(der.data, der.len, octets, len) != NULL;
}

/* RFC 5280 4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050. */
static void
test_turn_of_2050(void **state)
{
    static const struct {
        int64_t now, lifetime;
        const char *from, *to;
    } rows[] = {
        {END_OF_2049 - 86399, 86400,
         "\x17\x0d"
         "491231000000Z",
         "\x17\x0d"
         "491231235959Z"},
        {END_OF_2049 - 86399, 86401,
         "\x17\x0d"
         "491231000000Z",
         "\x18\x0f"
         "20500101000000Z"},
        {END_OF_2049, 86400,
         "\x17\x0d"
         "491231235959Z",
         "\x18\x0f"
         "20500101235958Z"},
        {END_OF_2049 + 1, 86400,
         "\x18\x0f"
         "20500101000000Z",
         "\x18\x0f"
         "20500101235959Z"},
    };
    bv_auto(key) struct key *key = fixture_key();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct profile p;
        struct cert cert;
        uint8_t buf[2048], spki_buf[LIMIT_SPKI];
        char problem[200] = "";
        struct sink out = SINK_ARRAY(buf), spki = SINK_ARRAY(spki_buf);
        assert_int_equal(key_spki(key, &spki), BV_OK);
        assert_int_equal(profile_default("root", &p), BV_OK);
        p.lifetime = rows[i].lifetime;
        p.backdate = 0;
        const struct ca_spec spec = {.profile = &p,
                                     .cn = "Turn",
                                     .spki = sink_view(&spki),
                                     .issuer_key = key,
                                     .now = rows[i].now};
        if (ca_issue(&spec, &out, problem, sizeof problem) != BV_OK)
            fail_msg("%zu: %s", i, problem);
        assert_int_equal(cert_parse(sink_view(&out), &cert), BV_OK);
        assert_int_equal(cert.not_before, rows[i].now);
        assert_int_equal(cert.not_after, rows[i].now + rows[i].lifetime - 1);
        assert_true(holds(cert.tbs, rows[i].from, strlen(rows[i].from)));
        assert_true(holds(cert.tbs, rows[i].to, strlen(rows[i].to)));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_settings),
        T(test_sample),
        T(test_turn_of_2050),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
