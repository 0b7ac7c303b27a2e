#include "core/sequence.h"

#include "core/batch.h"

static uint64_t
left(const struct sequence *s)
{
    return s->end - s->next + s->spare_end - s->spare_next;
}

enum bv_err
sequence_refill(struct core *core)
{
    struct sequence *s = &core->sequence;
    if (s->pending_end != 0 || s->spare_end != s->spare_next ||
        left(s) > SEQUENCE_BLOCK / 2)
        return BV_OK;
    uint64_t first;
    BV_TRY(core->store->sequence_reserve(core->store->ctx, SEQUENCE_BLOCK,
                                         &first));
    s->pending_next = first;
    s->pending_end = first + SEQUENCE_BLOCK;
    return BV_OK;
}

void
sequence_committed(struct sequence *s)
{
    if (s->pending_end == 0)
        return;
    s->spare_next = s->pending_next;
    s->spare_end = s->pending_end;
    sequence_rolled_back(s);
}

void
sequence_rolled_back(struct sequence *s)
{
    s->pending_next = s->pending_end = 0;
}

enum bv_err
sequence_ensure(struct core *core)
{
    if (left(&core->sequence) > 0)
        return BV_OK;
    BV_TRY(batch_begin(core));
    return batch_commit(core); /* refills on the way */
}

enum bv_err
sequence_take(struct core *core, uint64_t *ret_seq)
{
    struct sequence *s = &core->sequence;
    if (s->next == s->end) {
        s->next = s->spare_next;
        s->end = s->spare_end;
        s->spare_next = s->spare_end = 0;
    }
    if (s->next == s->end)
        return BV_E_BUSY;
    *ret_seq = s->next++;
    return BV_OK;
}

uint64_t
sequence_next(const struct sequence *s)
{
    return s->next != s->end ? s->next : s->spare_next;
}
