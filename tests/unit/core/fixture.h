/* A whole core for tests: a real database in a temporary directory, a soft
 * signer, a root and an issuing CA, the built-in profiles. */
#ifndef BV_TESTS_CORE_FIXTURE_H
#define BV_TESTS_CORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/core.h"
#include "pki/key.h"

#define FIXTURE_NOW INT64_C(1795000000) /* 2026-11-18 */

struct fixture {
    char dir[64];
    char path[128];
    struct store store, faulty; /* faulty: what core sees */
    struct signer signer;
    struct core *core;
    struct core_config config;
    struct profile profiles[8];
    struct core_ca cas[2];
    struct core_label labels[8];
    struct core_manufacturer manufacturers[1];
    uint8_t root_der[2048], ca_der[2048], maker_der[2048];
    struct span root, ca, maker;
    struct key *maker_key;
    uint8_t log_key[32];
    /* answers */
    struct core_reply reply;
    unsigned num_replies;
    uint8_t cert_buf[4096], key_buf[20000];
    char json[300000];
    int files_changed;
    const char *between; /* run by fixture_reopen while all is closed */
    /* faults: the n-th call of the store fails (0: none) */
    unsigned fail_at, calls;
    enum bv_err fail_with;
};

extern int64_t fixture_time;

void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);
/* fixture_reopen: as after kill -9: nothing is said goodbye to. */
void fixture_reopen(struct fixture *f);
struct profile *fixture_profile(struct fixture *f, const char *name);

/* fixture_csr writes a CSR; NULL cn: empty subject. san, challenge may be
 * empty. Returns a view of buf. */
struct span fixture_csr(struct key *key, const char *cn, struct span san,
                        struct span challenge, uint8_t *buf, size_t cap);
struct key *fixture_key(void);
/* fixture_ca makes a CA certificate in buf; issuer empty: of itself. */
struct span fixture_ca(const char *profile, const char *cn, struct key *key,
                       struct span issuer, struct key *issuer_key, uint8_t *buf,
                       size_t cap);

/* fixture_run submits and drives until the answer is there. */
enum bv_err fixture_run(struct fixture *f, const struct core_request *request);
/* fixture_expect does it and fails the test of this line when the end is
 * another. */
void fixture_expect(struct fixture *f, enum bv_err want,
                    const struct core_request *request, int line);
/* fixture_settle lets signer and commits come to rest, and ticks. */
void fixture_settle(struct fixture *f);
void fixture_tick(struct fixture *f);
/* fixture_admin runs a verb as administrator and returns the JSON text. */
const char *fixture_admin(struct fixture *f, const char *request);
/* fixture_token makes a token: device, or group when device is NULL. */
void fixture_token(struct fixture *f, const char *device, const char *group,
                   int uses, char secret[64]);
struct core_request fixture_request(enum core_op op, struct span csr);
/* fixture_shell runs a command; %s becomes the directory. Its exit status. */
int fixture_shell(const struct fixture *f, const char *command);
void fixture_write(const struct fixture *f, const char *name, struct span der,
                   const char *label);

#endif
