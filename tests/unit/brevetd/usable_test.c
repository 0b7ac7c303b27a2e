#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include <time.h>
#include <unistd.h>

#include "prog/brevetd/usable.h"
#include "tests/unit/pki/certs.h"
#include "wire/pem.h"

#define OK(expr) assert_int_equal(expr, BV_OK)

static char problem[FILES_PROBLEM_MAX];

/* check: a CA's certificate, with its own key or another, sealed under "right"
 */
static enum bv_err
check(bool own, const char *passphrase)
{
    static struct test_cert ca;
    uint8_t cert_buf[4096], key_buf[KEY_PEM_MAX];
    struct sink cert = SINK_ARRAY(cert_buf), sealed = SINK_ARRAY(key_buf);
    struct key *other = test_key(ALG_KEY_P256, 0);
    int64_t now = (int64_t)time(NULL);
    struct bundle bundle;
    int fd;
    test_issue(&ca, test_key(ALG_KEY_P256, 0), "CA", TEST_CA, NULL,
               SPAN_LIT("\x01"), now - 1000, now + 100000, NULL);
    pem_encode(&cert, PEM_CERTIFICATE, ca.der);
    OK(key_seal(own ? ca.key : other, SPAN_LIT("right"), &sealed));
    OK(bundle_create(&fd));
    OK(bundle_add(fd, "ca:root", sink_view(&cert)));
    OK(bundle_add(fd, "key:root", sink_view(&sealed)));
    OK(bundle_add(fd, "key:log", sink_view(&sealed)));
    OK(bundle_add(fd, "passphrase", span_str(passphrase)));
    OK(bundle_seal(fd));
    OK(bundle_open(fd, &bundle));
    problem[0] = '\0';
    enum bv_err err = usable_keys(&bundle, problem);
    bundle_close(&bundle);
    key_free(ca.key);
    key_free(other);
    return err;
}

static void
keys_must_open_and_fit(void **state)
{
    OK(check(true, "right"));
    assert_int_equal(check(true, "wrong"), BV_E_BAD_CONFIG);
    assert_non_null(strstr(problem, "\"root\" is not usable"));
    assert_int_equal(check(false, "right"), BV_E_BAD_CONFIG);
    assert_non_null(strstr(problem, "not that of its certificate"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_must_open_and_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
