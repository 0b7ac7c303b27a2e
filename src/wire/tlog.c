/* Notes, checkpoints and verifier keys. Paths and proofs: tlog_proof.c. */
#include "wire/tlog.h"

#include "base/mem.h"
#include "wire/base64.h"

#define DASH     "\xe2\x80\x94 " /* U+2014 and a space */
#define DASH_LEN 4

/* One line without its LF; NOT_FOUND when nothing is left. */
static enum bv_err
take_line(struct span *in, struct span *ret_line)
{
    const uint8_t *end = in->len == 0 ? NULL : memchr(in->data, '\n', in->len);

    if (in->len == 0)
        return BV_E_NOT_FOUND;
    if (end == NULL)
        return BV_E_BAD_MESSAGE;
    BV_TRY(span_take(in, (size_t)(end - in->data), ret_line));
    struct span lf;
    return span_take(in, 1, &lf);
}

static enum bv_err
decode_exact(struct span text, uint8_t *ret_bytes, size_t cap, size_t *ret_len)
{
    struct sink out = sink_of(ret_bytes, cap);

    /* canonical: what encodes to another text was not this text */
    enum bv_err err = base64_decode(text, &out);
    if (err != BV_OK)
        return err == BV_E_NO_SPACE ? BV_E_TOO_LARGE : err;
    if (text.len != (out.len + 2) / 3 * 4)
        return BV_E_BAD_MESSAGE;
    *ret_len = out.len;
    return BV_OK;
}

enum bv_err
tlog_hash_decode(struct span text, uint8_t ret_hash[TLOG_HASH])
{
    uint8_t hash[TLOG_HASH + 4];
    size_t len;

    BV_TRY(decode_exact(text, hash, sizeof(hash), &len));
    if (len != TLOG_HASH)
        return BV_E_BAD_MESSAGE;
    memcpy(ret_hash, hash, TLOG_HASH);
    return BV_OK;
}

enum bv_err
tlog_decimal_decode(struct span text, uint64_t *ret_n)
{
    uint64_t n = 0;

    if (text.len == 0 || text.len > 19 ||
        (text.data[0] == '0' && text.len != 1))
        return BV_E_BAD_MESSAGE;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return BV_E_BAD_MESSAGE;
        n = n * 10 + (uint64_t)(text.data[i] - '0');
    }
    if (n > INT64_MAX)
        return BV_E_BAD_MESSAGE;
    *ret_n = n;
    return BV_OK;
}

/* Octets after the first of one UTF-8 character; -1: not one. Overlong forms
 * and surrogates are refused by the least second octet. */
static int
utf8_tail(uint8_t first, uint8_t second)
{
    if (first < 0x80)
        return 0;
    if (first >= 0xc2 && first <= 0xdf)
        return 1;
    if (first >= 0xe0 && first <= 0xef) {
        bool overlong = first == 0xe0 && second < 0xa0;
        bool surrogate = first == 0xed && second > 0x9f;
        return overlong || surrogate ? -1 : 2;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        bool overlong = first == 0xf0 && second < 0x90;
        bool beyond = first == 0xf4 && second > 0x8f;
        return overlong || beyond ? -1 : 3;
    }
    return -1;
}

static bool
is_utf8_text(struct span text)
{
    size_t i = 0;

    while (i < text.len) {
        uint8_t c = text.data[i];
        if (c < 0x20 && c != '\n')
            return false;
        int tail = utf8_tail(c, i + 1 < text.len ? text.data[i + 1] : 0);
        if (tail < 0 || text.len - i - 1 < (size_t)tail)
            return false;
        for (i++; tail > 0; tail--, i++)
            if ((text.data[i] & 0xc0) != 0x80)
                return false;
    }
    return true;
}

/* The Unicode spaces that are not ASCII (White_Space), in UTF-8. */
static bool
has_wide_space(struct span name)
{
    static const char *const space[] = {
        "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\xa8",
        "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80",
    };

    for (size_t i = 0; i < name.len; i++) {
        struct span rest = span_of(name.data + i, name.len - i);
        for (size_t j = 0; j < sizeof(space) / sizeof(space[0]); j++) {
            struct span s = span_str(space[j]);
            if (rest.len >= s.len && memcmp(rest.data, s.data, s.len) == 0)
                return true;
        }
        /* U+2000 .. U+200A */
        if (rest.len >= 3 && rest.data[0] == 0xe2 && rest.data[1] == 0x80 &&
            rest.data[2] >= 0x80 && rest.data[2] <= 0x8a)
            return true;
    }
    return false;
}

enum bv_err
tlog_name_check(struct span name)
{
    if (name.len == 0 || name.len > TLOG_KEY_NAME_MAX || !is_utf8_text(name))
        return BV_E_BAD_NAME;
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];
        if (c <= ' ' || c == '+' || c == 0x7f)
            return BV_E_BAD_NAME;
    }
    return has_wide_space(name) ? BV_E_BAD_NAME : BV_OK;
}

enum bv_err
tlog_signature_next(struct span *signatures, struct tlog_signature *ret_sig)
{
    struct span line, dash, blob;
    uint8_t octets[4 + TLOG_SIGNATURE_MAX];
    size_t len;

    BV_TRY(take_line(signatures, &line));
    BV_TRY(span_take(&line, DASH_LEN, &dash));
    const uint8_t *space = memchr(line.data, ' ', line.len);
    if (memcmp(dash.data, DASH, DASH_LEN) != 0 || space == NULL)
        return BV_E_BAD_MESSAGE;
    BV_TRY(span_take(&line, (size_t)(space - line.data), &ret_sig->name));
    if (tlog_name_check(ret_sig->name) != BV_OK)
        return BV_E_BAD_MESSAGE;
    BV_TRY(decode_exact(span_of(line.data + 1, line.len - 1), octets,
                        sizeof(octets), &len));
    if (len < 5)
        return BV_E_BAD_MESSAGE;
    blob = span_of(octets, len);
    BV_TRY(span_u32(&blob, &ret_sig->key_id));
    memcpy(ret_sig->octets, blob.data, blob.len);
    ret_sig->octets_len = blob.len;
    return BV_OK;
}

/* Where the last empty line begins: the text ends there. */
static size_t
last_empty_line(struct span note)
{
    for (size_t i = note.len; i >= 2; i--)
        if (note.data[i - 1] == '\n' && note.data[i - 2] == '\n')
            return i - 1;
    return 0;
}

enum bv_err
tlog_note_parse(struct span note, struct tlog_note *ret_note)
{
    struct tlog_note parts;
    struct tlog_signature sig;
    unsigned num = 0;
    enum bv_err err;

    if (note.len > TLOG_NOTE_MAX)
        return BV_E_TOO_LARGE;
    size_t text_len = last_empty_line(note);
    if (text_len == 0 || !is_utf8_text(note))
        return BV_E_BAD_MESSAGE;
    parts.text = span_of(note.data, text_len);
    parts.signatures =
        span_of(note.data + text_len + 1, note.len - text_len - 1);
    struct span rest = parts.signatures;
    while ((err = tlog_signature_next(&rest, &sig)) == BV_OK)
        if (++num > TLOG_SIGNATURES_MAX)
            return BV_E_TOO_MANY;
    if (err != BV_E_NOT_FOUND)
        return err;
    if (num == 0)
        return BV_E_BAD_MESSAGE;
    *ret_note = parts;
    return BV_OK;
}

void
tlog_note_build(struct sink *out, struct span text, const char *name,
                uint32_t key_id, struct span signature)
{
    uint8_t buf[4 + TLOG_SIGNATURE_MAX];
    struct sink blob = SINK_ARRAY(buf);

    sink_u32(&blob, key_id);
    sink_put(&blob, signature);
    out->failed |= blob.failed;
    sink_put(out, text);
    sink_str(out, "\n" DASH);
    sink_str(out, name);
    sink_u8(out, ' ');
    base64_encode(out, sink_view(&blob));
    sink_u8(out, '\n');
}

void
tlog_checkpoint_build(struct sink *out, const char *origin, uint64_t size,
                      const uint8_t root[TLOG_HASH])
{
    sink_str(out, origin);
    sink_u8(out, '\n');
    sink_dec(out, size);
    sink_u8(out, '\n');
    base64_encode(out, span_of(root, TLOG_HASH));
    sink_u8(out, '\n');
}

enum bv_err
tlog_checkpoint_parse(struct span text, struct tlog_checkpoint *ret)
{
    struct tlog_checkpoint cp = {0};
    struct span line;
    enum bv_err err;

    BV_TRY(take_line(&text, &cp.origin));
    if (cp.origin.len == 0)
        return BV_E_BAD_MESSAGE;
    BV_TRY(take_line(&text, &line));
    BV_TRY(tlog_decimal_decode(line, &cp.size));
    BV_TRY(take_line(&text, &line));
    BV_TRY(tlog_hash_decode(line, cp.root));
    while ((err = take_line(&text, &line)) == BV_OK)
        if (line.len == 0)
            return BV_E_BAD_MESSAGE;
    if (err != BV_E_NOT_FOUND)
        return err;
    *ret = cp;
    return BV_OK;
}

void
tlog_key_id_input(struct sink *out, const char *name, const uint8_t key[32])
{
    sink_str(out, name);
    sink_u8(out, '\n');
    sink_u8(out, TLOG_ED25519);
    sink_put(out, span_of(key, 32));
}

void
tlog_vkey_build(struct sink *out, const struct tlog_vkey *vkey)
{
    uint8_t id[4], key[33] = {TLOG_ED25519};
    struct sink id_out = SINK_ARRAY(id);

    sink_u32(&id_out, vkey->id);
    memcpy(key + 1, vkey->key, 32);
    sink_str(out, vkey->name);
    sink_u8(out, '+');
    sink_hex(out, SPAN_ARRAY(id));
    sink_u8(out, '+');
    base64_encode(out, SPAN_ARRAY(key));
}

static enum bv_err
hex32_decode(struct span text, uint32_t *ret_n)
{
    uint32_t n = 0;

    if (text.len != 8)
        return BV_E_BAD_MESSAGE;
    for (size_t i = 0; i < 8; i++) {
        uint8_t c = text.data[i];
        bool digit = c >= '0' && c <= '9';
        if (!digit && (c < 'a' || c > 'f'))
            return BV_E_BAD_MESSAGE;
        n = n << 4 | (uint32_t)(digit ? c - '0' : c - 'a' + 10);
    }
    *ret_n = n;
    return BV_OK;
}

static enum bv_err
take_to_plus(struct span *in, struct span *ret_part)
{
    const uint8_t *plus = in->len == 0 ? NULL : memchr(in->data, '+', in->len);
    struct span sign;

    if (plus == NULL)
        return BV_E_BAD_MESSAGE;
    BV_TRY(span_take(in, (size_t)(plus - in->data), ret_part));
    return span_take(in, 1, &sign);
}

enum bv_err
tlog_vkey_parse(struct span text, struct tlog_vkey *ret_vkey)
{
    struct tlog_vkey vkey = {0};
    struct span name, id;
    uint8_t key[64];
    size_t len;

    BV_TRY(take_to_plus(&text, &name));
    BV_TRY(take_to_plus(&text, &id)); /* base64 may hold plus signs itself */
    if (tlog_name_check(name) != BV_OK)
        return BV_E_BAD_MESSAGE;
    BV_TRY(span_copy_str(name, vkey.name, sizeof(vkey.name)));
    BV_TRY(hex32_decode(id, &vkey.id));
    if (decode_exact(text, key, sizeof(key), &len) != BV_OK || len == 0)
        return BV_E_BAD_MESSAGE;
    if (key[0] != TLOG_ED25519)
        return BV_E_UNSUPPORTED;
    if (len != 33)
        return BV_E_BAD_MESSAGE;
    memcpy(vkey.key, key + 1, 32);
    *ret_vkey = vkey;
    return BV_OK;
}
