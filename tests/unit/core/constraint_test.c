/* What the CAs above a certificate permit, without anybody asking OpenSSL for
 * each (lint = sample): an issuing CA of its own, "narrow". */
#include "asking.h"

#include <stdio.h>

#include "core/ca.h"
#include "signer/soft.h"
#include "wire/der.h"
#include "wire/san.h"

static uint8_t root_der[2048], ca_der[2048];

struct limits {
    const char *root_dns, *ca_dns; /* NULL: no constraints */
    enum profile_eku eku;          /* of the CA; NONE: none */
};

static struct span
make_ca(const char *name, const char *dns, enum profile_eku eku,
        struct key *key, struct span issuer, struct key *issuer_key,
        struct sink *out)
{
    struct profile p;
    uint8_t spki_buf[LIMIT_SPKI];
    char problem[200] = "";
    struct sink spki = SINK_ARRAY(spki_buf);
    assert_int_equal(profile_default(name, &p), BV_OK);
    assert_int_equal(key_spki(key, &spki), BV_OK);
    if (dns != NULL)
        strcpy(p.nc_dns[p.num_nc_dns++], dns);
    if (eku != PROFILE_EKU_NONE)
        p.eku[p.num_eku++] = eku;
    const struct ca_spec spec = {.profile = &p,
                                 .cn = name,
                                 .organization = "Narrow",
                                 .spki = sink_view(&spki),
                                 .issuer_cert = issuer,
                                 .issuer_key = issuer_key,
                                 .now = FIXTURE_NOW - 86400};
    if (ca_issue(&spec, out, problem, sizeof problem) != BV_OK)
        fail_msg("%s", problem);
    return sink_view(out);
}

/* Gateways may ask for any name; their CA decides. Its key is the signer's. */
static struct key *
open_narrow(struct limits limits)
{
    bv_auto(key) struct key *root_key = fixture_key();
    struct key *key = fixture_key();
    struct sink root = SINK_ARRAY(root_der), ca = SINK_ARRAY(ca_der);
    struct profile *gateway = fixture_profile(&f, "gateway");
    (void)make_ca("root", limits.root_dns, PROFILE_EKU_NONE, root_key,
                  SPAN_EMPTY, root_key, &root);
    strcpy(f.cas[1].name, "narrow");
    f.cas[1].cert = make_ca("intermediate", limits.ca_dns, limits.eku, key,
                            sink_view(&root), root_key, &ca);
    f.cas[1].chain[0] = sink_view(&root);
    f.cas[1].num_chain = 1;
    f.cas[1].ocsp_life = -1;
    f.config.num_cas = 2;
    f.config.lint_full = false;
    strcpy(gateway->ca, "narrow");
    strcpy(gateway->san_patterns[0], "*.*.*");
    gateway->num_san_patterns = 1;
    assert_int_equal(signer_soft_add(&f.signer, "narrow", key), BV_OK);
    return key;
}

static enum bv_err
ask_for(const char *dns)
{
    static unsigned number;
    char secret[64], name[16];
    uint8_t san_buf[200];
    struct sink san = SINK_ARRAY(san_buf);
    bv_auto(key) struct key *key = fixture_key();
    size_t mark = der_open(&san, DER_SEQUENCE);
    san_put(&san, SAN_DNS, span_str(dns));
    der_close(&san, mark);
    (void)snprintf(name, sizeof name, "g%u", number++);
    fixture_token(&f, name, NULL, 1, secret);
    struct core_request r = with_secret(key, name, secret);
    r.csr = fixture_csr(key, name, sink_view(&san), SPAN_EMPTY, csr_buf,
                        sizeof csr_buf);
    strcpy(r.label, "gateway");
    return fixture_run(&f, &r);
}

static void
check_names(void)
{
    fixture_reopen(&f);
    assert_int_equal(ask_for("evil.example.org"), BV_E_REFUSED);
    assert_non_null(strstr(f.reply.detail, "subtree"));
    for (int i = 0; i < 5; i++) {
        assert_int_equal(ask_for("a.devices.example"), BV_OK);
        assert_int_equal(ask_for("evil.example.org"), BV_E_REFUSED);
    }
}

static void
test_names_of_the_issuer(void **state)
{
    (void)open_narrow((struct limits){.ca_dns = "devices.example"});
    check_names();
}

static void
test_names_of_the_root(void **state)
{
    (void)open_narrow((struct limits){.root_dns = "devices.example"});
    check_names();
}

/* Those of another CA are not asked about, nor is this one when it is free. */
static void
test_no_constraints(void **state)
{
    (void)open_narrow((struct limits){.root_dns = NULL});
    fixture_reopen(&f);
    assert_int_equal(ask_for("evil.example.org"), BV_OK);
}

/* The certificate of a CA is replaced, its key stays: what holds is in the new
 * one, and in those above it. */
static void
test_constraints_come_with_a_reload(void **state)
{
    static struct core_ca cas[2];
    static struct core_config config;
    static uint8_t der[2][2048];
    struct sink root = SINK_ARRAY(der[0]), ca = SINK_ARRAY(der[1]);
    bv_auto(key) struct key *root_key = fixture_key();
    struct key *key = open_narrow((struct limits){.root_dns = NULL});
    fixture_reopen(&f);
    assert_int_equal(ask_for("evil.example.org"), BV_OK);
    (void)make_ca("root", "devices.example", PROFILE_EKU_NONE, root_key,
                  SPAN_EMPTY, root_key, &root);
    config = f.config;
    memcpy(cas, f.cas, sizeof cas);
    cas[1].cert = make_ca("intermediate", NULL, PROFILE_EKU_NONE, key,
                          sink_view(&root), root_key, &ca);
    cas[1].chain[0] = sink_view(&root);
    config.cas = cas;
    assert_int_equal(core_reconfigure(f.core, &config), BV_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ask_for("a.devices.example"), BV_OK);
        assert_int_equal(ask_for("evil.example.org"), BV_E_REFUSED);
    }
    assert_int_equal(core_reconfigure(f.core, &f.config), BV_OK);
    assert_int_equal(ask_for("evil.example.org"), BV_OK);
}

/* RFC 5280 leaves it open; OpenSSL takes an issuer's usages for a bound. */
static void
test_usages_of_the_issuer(void **state)
{
    char problem[300] = "", secret[64];
    uint8_t der[2048];
    bv_auto(key) struct key *key = fixture_key();
    (void)open_narrow((struct limits){.eku = PROFILE_EKU_SERVER_AUTH});
    assert_int_equal(core_config_check(&f.config, problem, sizeof problem),
                     BV_E_BAD_CONFIG); /* gateways are clients, too */
    assert_non_null(strstr(problem, "gateway"));
    strcpy(f.labels[3].profile, "device"); /* nobody asks for it now */
    assert_int_equal(core_config_check(&f.config, problem, sizeof problem),
                     BV_OK);
    fixture_reopen(&f);
    (void)fixture_admin(&f, "{\"verb\":\"token.create\",\"args\":{\"device\":"
                            "\"g\",\"profile\":\"gateway\",\"uses\":1,"
                            "\"expires\":3600}}");
    const char *at = strstr(f.json, "\"secret\":\"");
    assert_non_null(at);
    (void)sscanf(at, "\"secret\":\"%63[^\"]", secret);
    struct core_request r = with_secret(key, "g", secret);
    expect(BV_E_UNAVAILABLE, &r);
    assert_non_null(strstr(f.reply.detail, "extended key usages"));
    (void)enrolled(key, "d1", der, sizeof der); /* below the other CA */
    fixture_profile(&f, "gateway")->num_eku = 1;
    r = with_secret(key, "g", secret);
    expect(BV_E_BAD_KEY, &r); /* d1's key, but no more a matter of usages */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_names_of_the_issuer),  T(test_names_of_the_root),
        T(test_no_constraints),       T(test_constraints_come_with_a_reload),
        T(test_usages_of_the_issuer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
