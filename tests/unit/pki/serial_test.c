#include "pki/serial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pki/random.h"

static const uint8_t key[16] = "0123456789abcdef";

static void
comes_back(void **state)
{
    bv_auto(serial) struct serial *serial = NULL;
    uint8_t octets[SERIAL_LEN];
    uint64_t seqs[] = {0, 1, 2, 1u << 20, UINT64_MAX};

    assert_int_equal(serial_new(key, &serial), BV_OK);
    for (size_t i = 0; i < sizeof seqs / sizeof *seqs; i++) {
        uint64_t seq = 99;
        serial_make(serial, seqs[i], random_u64(), octets);
        assert_int_equal(octets[0], 0x42);
        assert_int_equal(serial_open(serial, SPAN_ARRAY(octets), &seq), BV_OK);
        assert_true(seq == seqs[i]);
    }
}

/* FIPS 197 C.1: the construction is plain AES-128 over seq || random. */
static void
known_answer(void **state)
{
    bv_auto(serial) struct serial *serial = NULL;
    static const uint8_t k[16] = {0, 1, 2,  3,  4,  5,  6,  7,
                                  8, 9, 10, 11, 12, 13, 14, 15};
    static const uint8_t want[17] = {0x42, 0x69, 0xc4, 0xe0, 0xd8, 0x6a,
                                     0x7b, 0x04, 0x30, 0xd8, 0xcd, 0xb7,
                                     0x80, 0x70, 0xb4, 0xc5, 0x5a};
    uint8_t octets[SERIAL_LEN];

    assert_int_equal(serial_new(k, &serial), BV_OK);
    serial_make(serial, UINT64_C(0x0011223344556677),
                UINT64_C(0x8899aabbccddeeff), octets);
    assert_memory_equal(octets, want, SERIAL_LEN);
}

static int
by_octets(const void *a, const void *b)
{
    return memcmp(a, b, SERIAL_LEN);
}

/* Even with the same random part no two sequence numbers share a serial. */
static void
never_twice(void **state)
{
    enum { N = 20000 };
    bv_auto(serial) struct serial *serial = NULL;
    bv_auto_free uint8_t(*all)[SERIAL_LEN] = calloc(N, SERIAL_LEN);

    assert_non_null(all);
    assert_int_equal(serial_new(key, &serial), BV_OK);
    for (uint64_t i = 0; i < N; i++)
        serial_make(serial, i, 5, all[i]);
    qsort(all, N, SERIAL_LEN, by_octets);
    for (size_t i = 1; i < N; i++)
        assert_true(memcmp(all[i - 1], all[i], SERIAL_LEN) < 0);
}

static void
strangers(void **state)
{
    bv_auto(serial) struct serial *serial = NULL;
    uint8_t octets[SERIAL_LEN + 1] = {0x42};
    uint64_t seq = 77;

    assert_int_equal(serial_new(key, &serial), BV_OK);
    assert_int_equal(serial_open(serial, span_of(octets, 16), &seq),
                     BV_E_NOT_FOUND);
    assert_int_equal(serial_open(serial, span_of(octets, 18), &seq),
                     BV_E_NOT_FOUND);
    assert_int_equal(serial_open(serial, SPAN_EMPTY, &seq), BV_E_NOT_FOUND);
    octets[0] = 0x43;
    assert_int_equal(serial_open(serial, span_of(octets, 17), &seq),
                     BV_E_NOT_FOUND);
    assert_int_equal(seq, 77);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back),
        cmocka_unit_test(known_answer),
        cmocka_unit_test(never_twice),
        cmocka_unit_test(strangers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
