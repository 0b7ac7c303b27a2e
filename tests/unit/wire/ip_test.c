#include "wire/ip.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The C library is the judge of what is good and how it is written. */
static void
test_against_the_c_library(void **state)
{
    static const char *const texts[] = {"0.0.0.0",
                                        "255.255.255.255",
                                        "192.0.2.1",
                                        "::",
                                        "::1",
                                        "1::",
                                        "2001:db8::1",
                                        "2001:db8:0:0:1:0:0:1",
                                        "1:2:3:4:5:6:7:8",
                                        "1::3:4:5:6:7:8",
                                        "::2:3:4:5:6:7:8",
                                        "1:2:3:4:5:6:7::",
                                        "fe80::ABCD",
                                        "1:0:0:2:0:0:0:3",
                                        "0:0:1::",
                                        "256.1.1.1",
                                        "1.2.3",
                                        "1.2.3.4.5",
                                        "01.2.3.4",
                                        "1.2.3.",
                                        "",
                                        ":",
                                        ":::",
                                        "1:::2",
                                        "1::2::3",
                                        "1:2:3:4:5:6:7",
                                        "1:2:3:4:5:6:7:8:9",
                                        "12345::",
                                        "g::",
                                        "1:2:",
                                        "::1:",
                                        ":1::2",
                                        "1.2.3.4 ",
                                        "::1%lo",
                                        "1:2:3:4:5:6:7:8::",
                                        "::1:2:3:4:5:6:7:8",
                                        "1.2..3",
                                        "a.b.c.d"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        uint8_t ours[IP_LEN_MAX], theirs[IP_LEN_MAX], text[50];
        struct sink out = SINK_ARRAY(text);
        int family = strchr(texts[i], ':') != NULL ? AF_INET6 : AF_INET;
        bool good = inet_pton(family, texts[i], theirs) == 1;
        char canonical[INET6_ADDRSTRLEN];
        size_t len = 0;

        if ((ip_parse(span_str(texts[i]), ours, &len) == BV_OK) != good)
            fail_msg("%s", texts[i]);
        if (!good)
            continue;
        assert_int_equal(len, family == AF_INET6 ? 16 : 4);
        assert_memory_equal(ours, theirs, len);
        assert_non_null(
            inet_ntop(family, theirs, canonical, sizeof(canonical)));
        ip_put_text(&out, span_of(ours, len));
        if (!span_eq_str(sink_view(&out), canonical))
            fail_msg("%s is not %.*s", canonical, (int)out.len,
                     (const char *)text);
    }
}

static void
test_other_lengths(void **state)
{
    uint8_t text[20];
    struct sink out = SINK_ARRAY(text);

    ip_put_text(&out, SPAN_LIT("\x01\x02\x03"));
    assert_true(span_eq_str(sink_view(&out), "#010203"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_the_c_library),
        cmocka_unit_test(test_other_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
