/* One fixture for a file of tests, and what most of them ask with it. */
#ifndef BV_TESTS_CORE_ASKING_H
#define BV_TESTS_CORE_ASKING_H

#include "fixture.h"

static struct fixture f;
static uint8_t csr_buf[8192];

static inline int
setup(void **state)
{
    fixture_open(&f);
    return 0;
}

static inline int
teardown(void **state)
{
    fixture_close(&f);
    return 0;
}

#define expect(err, r) fixture_expect(&f, err, r, __LINE__)
#define T(name)        cmocka_unit_test_setup_teardown(name, setup, teardown)

/* with_secret: an enrolment by claim code; with_own: with a certificate of
 * ours. The CSR is in csr_buf. */
static inline struct core_request
with_secret(struct key *key, const char *cn, const char *secret)
{
    struct core_request r = fixture_request(
        CORE_ENROLL,
        fixture_csr(key, cn, SPAN_EMPTY, SPAN_EMPTY, csr_buf, sizeof csr_buf));
    r.secret = span_str(secret);
    return r;
}

static inline struct core_request
with_own(enum core_op op, struct key *key, const char *cn, struct span peer)
{
    struct core_request r =
        fixture_request(op, fixture_csr(key, cn, SPAN_EMPTY, SPAN_EMPTY,
                                        csr_buf, sizeof csr_buf));
    r.trust = CORE_TRUST_OWN;
    r.peer_cert = peer;
    return r;
}

/* enrolled: a first certificate, copied to buf. */
static inline struct span
enrolled(struct key *key, const char *cn, uint8_t *buf, size_t cap)
{
    char secret[64];
    fixture_token(&f, cn, NULL, 1, secret);
    struct core_request r = with_secret(key, cn, secret);
    expect(BV_OK, &r);
    assert_true(f.reply.cert.len <= cap);
    memcpy(buf, f.reply.cert.data, f.reply.cert.len);
    return span_of(buf, f.reply.cert.len);
}

#endif
