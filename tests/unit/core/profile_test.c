#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/profile.h"

static const char *const names[] = {"device",       "client",     "server",
                                    "gateway",      "root",       "ocsp",
                                    "intermediate", "codesigning"};

static void
test_defaults_are_sound(void **state)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct profile p;
        char problem[200] = "";
        assert_int_equal(profile_default(names[i], &p), BV_OK);
        assert_string_equal(p.name, names[i]);
        enum bv_err err = profile_check(&p, problem, sizeof problem);
        assert_string_equal(problem, "");
        assert_int_equal(err, BV_OK);
    }
    struct profile p;
    assert_int_equal(profile_default("nonsense", &p), BV_E_NOT_FOUND);
}

typedef void change_fn(struct profile *p);

static void
no_keys(struct profile *p)
{
    p->key_p256 = p->key_p384 = p->key_p521 = p->key_ed25519 = false;
    p->rsa_min = p->rsa_max = 0;
}
static void
small_rsa(struct profile *p)
{
    p->rsa_min = 1024;
}
static void
cert_sign(struct profile *p)
{
    p->key_usage |= 1u << 5;
}
static void
ca_bit(struct profile *p)
{
    p->is_ca = true;
}
static void
encipher(struct profile *p)
{
    p->key_usage |= 1u << 2;
}
static void
no_life(struct profile *p)
{
    p->lifetime = 0;
}
static void
pathlen(struct profile *p)
{
    p->pathlen = 0;
}
static void
nocheck(struct profile *p)
{
    p->ocsp_nocheck = true;
}
static void
norev(struct profile *p)
{
    p->no_rev_avail = true;
}
static void
country(struct profile *p)
{
    strcpy(p->country, "de");
}
static void
percent(struct profile *p)
{
    p->renew_percent = 100;
}
static void
server_name(struct profile *p)
{
    p->eku[0] = PROFILE_EKU_SERVER_AUTH;
}
static void
urn(struct profile *p)
{
    p->san_id_urn = true;
}
static void
plain(struct profile *p)
{
    p->server_keygen_plain = true;
}
static void
nc(struct profile *p)
{
    p->num_nc_dns = 1;
}
static void
twice(struct profile *p)
{
    p->eku[p->num_eku++] = PROFILE_EKU_CLIENT_AUTH;
}
static void
agree_rsa(struct profile *p)
{
    p->key_ed25519 = false;
    p->key_usage |= 1u << 4;
}
static void
agree_ed25519(struct profile *p)
{
    p->rsa_min = p->rsa_max = 0;
    p->key_usage |= 1u << 4;
}
static void
halves(struct profile *p)
{
    p->key_usage |= 1u << 7;
}
static void
encipher_data(struct profile *p)
{
    p->key_usage |= 1u << 3;
}
static void
unsigned_code(struct profile *p)
{
    p->eku[0] = PROFILE_EKU_CODE_SIGNING;
    p->key_usage = 1u << 1;
}
static void
responder(struct profile *p)
{
    p->eku[0] = PROFILE_EKU_OCSP_SIGNING;
    p->crldp = p->aia_ocsp = false;
    p->ocsp_nocheck = true;
}
static void
checked(struct profile *p)
{
    responder(p);
    p->ocsp_nocheck = false;
}
static void
responder_crl(struct profile *p)
{
    responder(p);
    p->crldp = true;
}
static void
responder_ocsp(struct profile *p)
{
    responder(p);
    p->aia_ocsp = true;
}
static void
responder_more(struct profile *p)
{
    responder(p);
    p->key_usage |= 1u << 1;
}
static void
kept_secret(struct profile *p)
{
    p->binding = PROFILE_BINDING_SECRET;
    p->approval = true;
}
static void
late(struct profile *p)
{
    p->renew_after_expiry = INT64_C(2) * 366 * 86400;
}

static void
idle_pattern(struct profile *p)
{
    p->san_allowed = PROFILE_SAN_IP | PROFILE_SAN_URI;
    strcpy(p->san_patterns[0], "*.example"); /* host names */
    p->num_san_patterns = 1;
}

static void
test_contradictions(void **state)
{
    static change_fn *const changes[] = {
        no_keys,        small_rsa,     cert_sign,     ca_bit,    encipher,
        no_life,        pathlen,       nocheck,       norev,     country,
        server_name,    percent,       urn,           plain,     nc,
        kept_secret,    late,          twice,         agree_rsa, agree_ed25519,
        halves,         encipher_data, unsigned_code, checked,   responder_crl,
        responder_ocsp, responder_more, idle_pattern};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct profile p;
        char problem[200] = "";
        assert_int_equal(profile_default("device", &p), BV_OK);
        changes[i](&p);
        assert_int_equal(profile_check(&p, problem, sizeof problem),
                         BV_E_BAD_CONFIG);
        assert_true(strlen(problem) > 10);
    }
}

/* Beside a contradiction lies what is none. */
static void
agree(struct profile *p)
{
    agree_rsa(p);
    p->rsa_min = p->rsa_max = 0;
}
static void
encipher_rsa(struct profile *p)
{
    p->key_p256 = p->key_p384 = p->key_ed25519 = false;
    p->key_usage |= 1u << 2 | 1u << 3;
}

static void
test_no_contradictions(void **state)
{
    static change_fn *const changes[] = {responder, agree, encipher_rsa};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct profile p;
        char problem[200] = "";
        assert_int_equal(profile_default("device", &p), BV_OK);
        changes[i](&p);
        if (profile_check(&p, problem, sizeof problem) != BV_OK)
            fail_msg("%s", problem);
    }
}

static void
test_subtrees(void **state)
{
    static const struct {
        const char *name;
        bool good;
    } rows[] = {{"devices.example", true},   {"example", true},
                {".devices.example", false}, {"*.devices.example", false},
                {"Devices.example", false},  {"devices.example.", false},
                {"192.0.2.1", false},        {"", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct profile p, q;
        char problem[200] = "";
        assert_int_equal(profile_default("intermediate", &p), BV_OK);
        q = p;
        strcpy(p.nc_dns[p.num_nc_dns++], rows[i].name);
        strcpy(q.nc_not_dns[q.num_nc_not_dns++], rows[i].name);
        enum bv_err want = rows[i].good ? BV_OK : BV_E_BAD_CONFIG;
        assert_int_equal(profile_check(&p, problem, sizeof problem), want);
        assert_int_equal(profile_check(&q, problem, sizeof problem), want);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_sound),
        cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_no_contradictions),
        cmocka_unit_test(test_subtrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
