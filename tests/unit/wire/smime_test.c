#include "wire/smime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "wire/der.h"
#include "wire/oid.h"

/* list: what a client would write; NULL ends it. */
static struct smime_caps
caps_of(const struct span *const *list)
{
    static uint8_t buf[512];
    struct sink out = SINK_ARRAY(buf);
    struct smime_caps caps;
    size_t all = der_open(&out, DER_SEQUENCE);
    for (; *list != NULL; list++) {
        size_t one = der_open(&out, DER_SEQUENCE);
        der_put_oid(&out, **list);
        der_close(&out, one);
    }
    der_close(&out, all);
    assert_int_equal(smime_caps_parse(sink_view(&out), &caps), BV_OK);
    return caps;
}

static void
test_choice(void **state)
{
    static const struct {
        const struct span *list[6];
        unsigned agreement, transport;
    } rows[] = {
        {{NULL}, 0, 0},
        {{&oid_ed25519, NULL}, 0, 0},
        {{&oid_aes256_cbc, NULL}, 256, 256},
        {{&oid_aes128_cbc, NULL}, 128, 128},
        {{&oid_aes128_cbc, &oid_aes256_cbc, NULL}, 256, 256},
        {{&oid_aes128_wrap, NULL}, 128, 0},
        {{&oid_aes256_wrap, &oid_aes128_wrap, NULL}, 256, 0},
        {{&oid_aes128_cbc, &oid_aes128_wrap, NULL}, 128, 128},
        {{&oid_aes256_cbc, &oid_aes128_cbc, &oid_aes128_wrap, NULL}, 128, 256},
        {{&oid_aes256_cbc, &oid_aes128_wrap, NULL}, 0, 256},
        {{&oid_rsaes_oaep, NULL}, 0, 256},
        {{&oid_rsaes_oaep, &oid_aes128_cbc, NULL}, 128, 128},
        {{&oid_rsa, &oid_aes256_cbc, NULL}, 256, 0},
        {{&oid_rsa, &oid_rsaes_oaep, &oid_aes256_cbc, NULL}, 256, 256},
        {{&oid_aes256_gcm, NULL}, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct smime_caps caps = caps_of(rows[i].list);
        assert_int_equal(smime_caps_choose(&caps, false), rows[i].agreement);
        assert_int_equal(smime_caps_choose(&caps, true), rows[i].transport);
    }
}

static void
test_malformed(void **state)
{
    const struct span bad[] = {
        SPAN_LIT(""),
        SPAN_LIT("\x31\x00"),
        SPAN_LIT("\x30\x00\x00"),
        SPAN_LIT("\x30\x02\x30\x00"),
        SPAN_LIT("\x30\x04\x30\x02\x05\x00"),
        SPAN_LIT("\x30\x03\x30\x05\x06"),
    };
    struct smime_caps caps;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_not_equal(smime_caps_parse(bad[i], &caps), BV_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
