/* The commit record: the one thing whose atomic replacement decides which
 * identity and which trust set count. Freestanding. */
#ifndef BV_DEVICE_RECORD_H
#define BV_DEVICE_RECORD_H

#include "base/sink.h"
#include "base/span.h"
#include "brevet/port.h"

#define RECORD_LEN 40

struct record {
    enum bv_slot active; /* A, B or NONE */
    int trust;           /* 0: TRUST_A, 1: TRUST_B, -1: none yet */
    bool key_made;       /* the inactive slot holds the key of an attempt
                          * under way: the next one goes on with it */
    uint32_t generation; /* promotions */
    uint32_t attempts;   /* since the last success, this one included */
    uint32_t pause;      /* seconds after this attempt */
    int64_t due;         /* wall time of the next attempt; 0 unknown */
    uint8_t why;         /* enum bv_why of the last failure */
};

void record_encode(struct sink *out, const struct record *record);
/* record_decode: CORRUPT when magic, length, check sum or a field is wrong. */
enum bv_err record_decode(struct span in, struct record *ret_record) BV_CHECKED;

#endif
