/* A sink collects bytes into memory of fixed size that the caller owns. The
 * first write that does not fit makes the sink fail for good: later writes do
 * nothing, and sink_done returns NO_SPACE. So a writer is a plain list of
 * calls with one check at its end. Freestanding; integers are big-endian. */
#ifndef BV_BASE_SINK_H
#define BV_BASE_SINK_H

#include "base/span.h"

struct sink {
    uint8_t *data;
    size_t cap;
    size_t len;
    bool failed;
};

static inline struct sink
sink_of(void *data, size_t cap)
{
    return (struct sink){(uint8_t *)data, cap, 0, false};
}
#define SINK_ARRAY(a) sink_of((a), sizeof(a))

void sink_put(struct sink *out, struct span bytes);
void sink_str(struct sink *out, const char *s); /* without the NUL */
void sink_u8(struct sink *out, uint8_t n);
void sink_u16(struct sink *out, uint16_t n);
void sink_u32(struct sink *out, uint32_t n);
void sink_u64(struct sink *out, uint64_t n);
/* sink_bytes writes a u32 length and the octets; span_bytes reads it. */
void sink_bytes(struct sink *out, struct span field);
/* sink_dec writes an unsigned decimal; sink_hex lower-case hex. */
void sink_dec(struct sink *out, uint64_t n);
void sink_hex(struct sink *out, struct span bytes);

/* sink_view returns what was written so far; it points into the sink. */
struct span sink_view(const struct sink *out);

/* sink_done: NO_SPACE when any write did not fit, else BV_OK and the view. */
enum bv_err sink_done(const struct sink *out,
                      struct span *ret_bytes) BV_CHECKED;

#endif
