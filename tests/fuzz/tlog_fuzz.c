/* Transparency-log texts; the first octet chooses the reader. Files of this
 * kind come from witnesses and mirrors. */
#include "fuzz.h"

#include "wire/tlog.h"

static void
note(struct span in)
{
    static struct tlog_signature signature;
    struct tlog_note note;
    struct tlog_checkpoint checkpoint;
    unsigned count = 0;

    if (tlog_note_parse(in, &note) != BV_OK)
        return;
    fuzz_require(note.text.data[note.text.len - 1] == '\n');
    struct span left = note.signatures;
    while (tlog_signature_next(&left, &signature) == BV_OK) {
        fuzz_require(signature.octets_len <= TLOG_SIGNATURE_MAX);
        fuzz_require(tlog_name_check(signature.name) == BV_OK);
        count++;
    }
    fuzz_require(left.len == 0 && count >= 1 && count <= TLOG_SIGNATURES_MAX);
    if (tlog_checkpoint_parse(note.text, &checkpoint) == BV_OK)
        fuzz_require(checkpoint.origin.len > 0);
}

static void
verifier_key(struct span in)
{
    struct tlog_vkey key;
    uint8_t buf[512];
    struct sink out = SINK_ARRAY(buf);

    if (tlog_vkey_parse(in, &key) != BV_OK)
        return;
    tlog_vkey_build(&out, &key);
    fuzz_require(!out.failed);
    fuzz_require(span_eq_nocase(sink_view(&out), in));
}

static void
tile_path(struct span in)
{
    unsigned level, width;
    uint64_t number;
    uint8_t buf[256];
    struct sink out = SINK_ARRAY(buf);

    if (tlog_tile_path_parse(in, &level, &number, &width) != BV_OK)
        return;
    tlog_tile_path(&out, level, number, width);
    fuzz_require(!out.failed && span_eq(sink_view(&out), in));
}

static void
proof(struct span in)
{
    static struct tlog_proof proof;

    if (tlog_proof_parse(in, &proof) != BV_OK)
        return;
    fuzz_require(proof.num <= TLOG_PROOF_MAX);
    uint8_t *copy = malloc(in.len);
    struct sink out = sink_of(copy, in.len);
    tlog_proof_build(&out, &proof);
    fuzz_require(!out.failed && span_eq(sink_view(&out), in));
    free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct span in = span_of(data, len);
    uint8_t which;

    if (span_u8(&in, &which) != BV_OK)
        return 0;
    switch (which % 4) {
    case 0:
        note(in);
        break;
    case 1:
        verifier_key(in);
        break;
    case 2:
        tile_path(in);
        break;
    default:
        proof(in);
        break;
    }
    return 0;
}
