/* Who may do what: a public key is no credential, an operator is no
 * administrator, and what was taken back while the signer worked stays so. */
#include "fixture.h"

#include <stdio.h>

#include "wire/pem.h"

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

#define expect(err, r)                                                         \
    do {                                                                       \
        enum bv_err got_ = fixture_run(&f, r);                                 \
        if (got_ != (err))                                                     \
            fail_msg("%d: got %s (%s), want %s", __LINE__, err_name(got_),     \
                     f.reply.detail, err_name(err));                           \
    } while (0)

static struct core_request
ask(enum core_op op, struct key *key, const char *cn)
{
    return fixture_request(op, fixture_csr(key, cn, SPAN_EMPTY, SPAN_EMPTY,
                                           csr_buf, sizeof csr_buf));
}

/* Everybody who has met a device knows its public key. With server-made keys
 * nothing is signed by it, so it must not open the door to the name. */
static void
test_public_key_is_no_proof(void **state)
{
    char secret[64];
    bv_auto(key) struct key *key = fixture_key();
    fixture_profile(&f, "device")->server_keygen = true;
    fixture_profile(&f, "device")->server_keygen_plain = true;
    fixture_token(&f, NULL, "barn", 9, secret);
    struct core_request r = ask(CORE_ENROLL, key, "d1");
    r.secret = span_str(secret);
    expect(BV_OK, &r);
    r.op = CORE_KEYGEN;
    expect(BV_E_REFUSED, &r);
    r.op = CORE_ENROLL; /* with proof it is the device itself */
    fixture_time += 700;
    expect(BV_OK, &r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_public_key_is_no_proof, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
