/* One request while it is decided: what handle.c gathers step by step, for the
 * files that take one step each. Inside this room only. */
#ifndef BV_CORE_WORK_H
#define BV_CORE_WORK_H

#include "core/authorize.h"
#include "wire/csr.h"

struct work {
    struct core *core;
    const struct core_request *r;
    struct job *job;
    int64_t now;
    const struct profile *profile;
    struct issuer *issuer;
    struct identity id;
    struct csr csr;
    struct store_device device;
    bool exists;
    /* renewal: what is replaced */
    struct cert old;
    uint64_t old_seq;
    uint8_t old_buf[LIMIT_CERT];
    struct span spki;
    uint8_t spki_buf[LIMIT_SPKI], subject_buf[LIMIT_NAME], san_buf[4096];
    struct sink subject, san;
};

/* work_say puts the sentence of a refusal into the reply; returns err. */
enum bv_err work_say(struct work *w, enum bv_err err,
                     const char *sentence) BV_CHECKED;

#endif
