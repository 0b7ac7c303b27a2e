/* Tile paths and proofs in a file. */
#include "base/mem.h"
#include "wire/base64.h"
#include "wire/tlog.h"

static void
put_group(struct sink *out, unsigned n, bool last)
{
    sink_str(out, last ? "/" : "/x");
    sink_u8(out, (uint8_t)('0' + n / 100));
    sink_u8(out, (uint8_t)('0' + n / 10 % 10));
    sink_u8(out, (uint8_t)('0' + n % 10));
}

void
tlog_tile_path(struct sink *out, unsigned level, uint64_t number,
               unsigned width)
{
    unsigned group[7], num = 0;

    sink_str(out, "tile/");
    if (level == TLOG_ENTRIES)
        sink_str(out, "entries");
    else
        sink_dec(out, level);
    do {
        group[num++] = (unsigned)(number % 1000);
        number /= 1000;
    } while (number != 0);
    while (num-- > 0)
        put_group(out, group[num], num == 0);
    if (width != TLOG_TILE) {
        sink_str(out, ".p/");
        sink_dec(out, width);
    }
}

/* One piece up to the next slash, or all that is left. */
static struct span
take_piece(struct span *in)
{
    const uint8_t *slash = in->len == 0 ? NULL : memchr(in->data, '/', in->len);
    size_t len = slash == NULL ? in->len : (size_t)(slash - in->data);
    struct span piece = span_of(in->data, len);
    size_t skip = slash == NULL ? len : len + 1;

    in->data += skip;
    in->len -= skip;
    return piece;
}

static enum bv_err
decode_group(struct span piece, uint64_t *n)
{
    if (piece.len != 3 || *n > INT64_MAX / 1000 - 1)
        return BV_E_BAD_MESSAGE;
    for (size_t i = 0; i < 3; i++) {
        if (piece.data[i] < '0' || piece.data[i] > '9')
            return BV_E_BAD_MESSAGE;
        *n = *n * 10 + (uint64_t)(piece.data[i] - '0');
    }
    return BV_OK;
}

static enum bv_err
decode_number(struct span *in, uint64_t *ret_n, bool *ret_partial)
{
    uint64_t n = 0;

    for (;;) {
        struct span piece = take_piece(in);
        bool more = piece.len == 4 && piece.data[0] == 'x';
        bool partial = piece.len == 5 && memcmp(piece.data + 3, ".p", 2) == 0;
        if (more)
            piece = span_of(piece.data + 1, 3);
        if (partial)
            piece.len = 3;
        BV_TRY(decode_group(piece, &n));
        if (more && n == 0) /* x000/... : not the shortest form */
            return BV_E_BAD_MESSAGE;
        if (!more) {
            *ret_n = n;
            *ret_partial = partial;
            return BV_OK;
        }
    }
}

enum bv_err
tlog_tile_path_parse(struct span path, unsigned *ret_level,
                     uint64_t *ret_number, unsigned *ret_width)
{
    uint64_t level = TLOG_ENTRIES, number, width = TLOG_TILE;
    bool partial,
        ends_in_slash = path.len > 0 && path.data[path.len - 1] == '/';

    if (ends_in_slash || !span_eq_str(take_piece(&path), "tile"))
        return BV_E_BAD_MESSAGE;
    struct span piece = take_piece(&path);
    if (!span_eq_str(piece, "entries"))
        BV_TRY(tlog_decimal_decode(piece, &level));
    if (level > 63 && level != TLOG_ENTRIES)
        return BV_E_BAD_MESSAGE;
    if (level == TLOG_ENTRIES && !span_eq_str(piece, "entries"))
        return BV_E_BAD_MESSAGE;
    BV_TRY(decode_number(&path, &number, &partial));
    if (partial)
        BV_TRY(tlog_decimal_decode(take_piece(&path), &width));
    if (partial && (width == 0 || width >= TLOG_TILE))
        return BV_E_BAD_MESSAGE;
    if (path.len != 0)
        return BV_E_BAD_MESSAGE;
    *ret_level = (unsigned)level;
    *ret_number = number;
    *ret_width = (unsigned)width;
    return BV_OK;
}

#define PROOF_HEAD "c2sp.org/tlog-proof@v1"

void
tlog_proof_build(struct sink *out, const struct tlog_proof *proof)
{
    sink_str(out, PROOF_HEAD "\n");
    if (proof->extra.len > 0) {
        sink_str(out, "extra ");
        sink_put(out, proof->extra);
        sink_u8(out, '\n');
    }
    sink_str(out, "index ");
    sink_dec(out, proof->index);
    sink_u8(out, '\n');
    for (unsigned i = 0; i < proof->num; i++) {
        base64_encode(out, SPAN_ARRAY(proof->hash[i]));
        sink_u8(out, '\n');
    }
    sink_u8(out, '\n');
    sink_put(out, proof->checkpoint);
}

static enum bv_err
proof_line(struct span *in, struct span *ret_line)
{
    const uint8_t *end = in->len == 0 ? NULL : memchr(in->data, '\n', in->len);
    struct span lf;

    if (end == NULL)
        return BV_E_BAD_MESSAGE;
    BV_TRY(span_take(in, (size_t)(end - in->data), ret_line));
    return span_take(in, 1, &lf);
}

/* The rest of a line that begins with key; false when it does not. */
static bool
after_key(struct span line, const char *key, struct span *ret_value)
{
    struct span k = span_str(key);

    if (line.len < k.len || memcmp(line.data, k.data, k.len) != 0)
        return false;
    *ret_value = span_of(line.data + k.len, line.len - k.len);
    return true;
}

enum bv_err
tlog_proof_parse(struct span text, struct tlog_proof *ret_proof)
{
    struct span line, value;
    struct tlog_proof *p = ret_proof;
    struct tlog_note note;

    *p = (struct tlog_proof){0};
    BV_TRY(proof_line(&text, &line));
    if (!span_eq_str(line, PROOF_HEAD))
        return BV_E_BAD_MESSAGE;
    BV_TRY(proof_line(&text, &line));
    if (after_key(line, "extra ", &p->extra)) {
        if (p->extra.len == 0) /* none is written by leaving the line out */
            return BV_E_BAD_MESSAGE;
        BV_TRY(proof_line(&text, &line));
    }
    if (!after_key(line, "index ", &value))
        return BV_E_BAD_MESSAGE;
    BV_TRY(tlog_decimal_decode(value, &p->index));
    for (;;) {
        BV_TRY(proof_line(&text, &line));
        if (line.len == 0)
            break;
        if (p->num == TLOG_PROOF_MAX)
            return BV_E_TOO_MANY;
        BV_TRY(tlog_hash_decode(line, p->hash[p->num++]));
    }
    p->checkpoint = text;
    return tlog_note_parse(text, &note);
}
