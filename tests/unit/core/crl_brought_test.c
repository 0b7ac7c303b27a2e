/* The CRL of a root whose key is elsewhere, and what may go wrong on its way
 * in. */
#include "fixture.h"

#include <stdio.h>

#include "wire/crl.h"
#include "wire/pem.h"

static struct fixture f;
static struct core_config with;
static struct core_ca cas[2];
static struct key *root_key;
static uint8_t root_buf[2048];

static int
setup(void **state)
{
    fixture_open(&f);
    root_key = fixture_key();
    with = f.config;
    cas[0] = f.cas[0];
    strcpy(cas[1].name, "root");
    cas[1].cert = fixture_ca("root", "Our root", root_key, SPAN_EMPTY, root_key,
                             root_buf, sizeof root_buf);
    cas[1].offline = true;
    (void)snprintf(cas[1].crl_path, sizeof cas[1].crl_path, "%s/root.crl",
                   f.dir);
    with.cas = cas;
    with.num_cas = 2;
    assert_int_equal(core_reconfigure(f.core, &with), BV_OK);
    return 0;
}

static int
teardown(void **state)
{
    assert_int_equal(core_reconfigure(f.core, &f.config), BV_OK);
    key_free(root_key);
    fixture_close(&f);
    return 0;
}

/* from_json copies the text of a field, with line ends for "\\n". */
static void
from_json(const char *field, char *ret, size_t cap)
{
    const char *at = strstr(f.json, field);
    assert_non_null(at);
    for (at += strlen(field); *at != '"'; at++) {
        bool end = at[0] == '\\' && at[1] == 'n';
        assert_true(cap-- > 1);
        *ret++ = end ? '\n' : *at;
        at += end;
    }
    *ret = '\0';
}

/* request asks for what is to be signed and tells its number. */
static unsigned
request(struct sink *ret_tbs)
{
    static char pem[8192];
    struct span text, der;
    (void)fixture_admin(
        &f, "{\"verb\":\"crl.request\",\"args\":{\"name\":\"root\"}}");
    from_json("\"request\":\"", pem, sizeof pem);
    text = span_str(pem);
    assert_int_equal(pem_find(&text, PEM_CRL_REQUEST, ret_tbs, &der), BV_OK);
    /* the number is the last octet of the last extension */
    return ret_tbs->data[ret_tbs->len - 1];
}

/* sign_crl is done where the key is: the verb that brings the CRL back. */
static const char *
sign_crl(struct span tbs)
{
    static char verb[16384];
    uint8_t sig_buf[LIMIT_SIGNATURE], der_buf[4096], pem_buf[8192];
    struct sink sig = SINK_ARRAY(sig_buf), der = SINK_ARRAY(der_buf),
                pem = SINK_ARRAY(pem_buf);
    enum alg_sig alg = alg_sig_of_key(key_alg(root_key));
    assert_int_equal(key_sign(root_key, tbs, &sig), BV_OK);
    crl_put_outer(&der, tbs.len, alg, sig.len);
    sink_put(&der, tbs);
    crl_put_signature(&der, alg, sink_view(&sig));
    pem_encode(&pem, PEM_CRL, sink_view(&der));
    assert_false(pem.failed);
    int at = sprintf(verb, "{\"verb\":\"crl.install\",\"args\":{\"crl\":\"");
    for (size_t i = 0; i < pem.len; i++)
        at += sprintf(verb + at, pem_buf[i] == '\n' ? "\\n" : "%c", pem_buf[i]);
    strcpy(verb + at, "\"}}");
    return verb;
}

static enum bv_err
no_room(void *ctx, const struct store_crl *row)
{
    return BV_E_DISK_FULL;
}

/* The file is there, its record is not: clients may have it, so no other CRL
 * gets its number, and the same one may be brought again. */
static void
test_published_and_not_recorded(void **state)
{
    uint8_t one_buf[4096], two_buf[4096];
    struct sink one = SINK_ARRAY(one_buf), two = SINK_ARRAY(two_buf);
    assert_int_equal(request(&one), 1);
    const char *install = sign_crl(sink_view(&one));
    f.faulty.crl_put = no_room;
    assert_non_null(strstr(fixture_admin(&f, install), "DISK_FULL"));
    f.faulty.crl_put = f.store.crl_put;
    assert_int_equal(fixture_shell(&f, "test -s %s/root.crl"), 0);
    assert_int_equal(request(&two), 2);
    assert_non_null(strstr(fixture_admin(&f, install), "\"crl_number\":1"));
    assert_non_null(strstr(fixture_admin(&f, install), "CONFLICT"));
    assert_non_null(strstr(fixture_admin(&f, sign_crl(sink_view(&two))),
                           "\"crl_number\":2"));
}

/* Another CRL with the number of one that was not recorded is another CRL. */
static void
test_another_one_of_that_number(void **state)
{
    uint8_t one_buf[4096], two_buf[4096];
    struct sink one = SINK_ARRAY(one_buf), two = SINK_ARRAY(two_buf);
    assert_int_equal(request(&one), 1);
    fixture_time++;
    assert_int_equal(request(&two), 1);
    f.faulty.crl_put = no_room;
    assert_non_null(
        strstr(fixture_admin(&f, sign_crl(sink_view(&one))), "DISK_FULL"));
    f.faulty.crl_put = f.store.crl_put;
    assert_non_null(
        strstr(fixture_admin(&f, sign_crl(sink_view(&two))), "CONFLICT"));
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_published_and_not_recorded),
        T(test_another_one_of_that_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
