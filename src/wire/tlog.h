/* Texts of transparency logs as C2SP writes them: signed notes, checkpoints,
 * verifier keys, tile paths, proofs in a file. Text and bytes only: hashes and
 * signatures are computed elsewhere (pki/note.h). Freestanding.
 *
 * A note is text ending in LF, an empty line, and signature lines
 *     — name base64(u32 key id || signature)
 * A checkpoint is a note whose text is origin LF size LF base64(root) LF. */
#ifndef BV_WIRE_TLOG_H
#define BV_WIRE_TLOG_H

#include "base/sink.h"
#include "base/span.h"

#define TLOG_HASH           32
#define TLOG_TILE           256   /* hashes in a full tile */
#define TLOG_ED25519        0x01  /* signature type of plain Ed25519 */
#define TLOG_SIGNATURE_MAX  5000  /* octets of one signature, with its key id */
#define TLOG_SIGNATURES_MAX 64    /* lines in one note; readers must take 16 */
#define TLOG_NOTE_MAX       65536 /* octets of one note */
#define TLOG_PROOF_MAX      63    /* hashes in a proof */
#define TLOG_KEY_NAME_MAX   255   /* octets of a key name */

struct tlog_note {
    struct span text;       /* what is signed, with its final LF */
    struct span signatures; /* the lines after the empty one */
};

struct tlog_signature {
    struct span name;
    uint32_t key_id;
    uint8_t octets[TLOG_SIGNATURE_MAX]; /* after the key id */
    size_t octets_len;
};

struct tlog_checkpoint {
    struct span origin;
    uint64_t size;
    uint8_t root[TLOG_HASH];
};

struct tlog_vkey {
    char name[TLOG_KEY_NAME_MAX + 1];
    uint32_t id;
    uint8_t key[32]; /* Ed25519, RFC 8032 */
};

/* tlog_note_parse takes a note apart and checks its form whole: UTF-8, no
 * control characters but LF, well-formed signature lines (1..MAX), final LF.
 * BAD_MESSAGE, TOO_LARGE, TOO_MANY. */
enum bv_err tlog_note_parse(struct span note,
                            struct tlog_note *ret_note) BV_CHECKED;
/* tlog_signature_next takes one line off *signatures; NOT_FOUND at the end. */
enum bv_err tlog_signature_next(struct span *signatures,
                                struct tlog_signature *ret_sig) BV_CHECKED;
/* tlog_note_build writes a note of one signature. text ends in LF. */
void tlog_note_build(struct sink *out, struct span text, const char *name,
                     uint32_t key_id, struct span signature);

/* tlog_name_check: BAD_NAME unless s can name a key: 1..255 octets of UTF-8
 * without space, plus sign or control character. */
enum bv_err tlog_name_check(struct span name) BV_CHECKED;

/* tlog_hash_decode reads base64 of 32 octets; tlog_decimal_decode a number
 * below 2^63 without leading zeroes. BAD_MESSAGE. */
enum bv_err tlog_hash_decode(struct span text,
                             uint8_t ret_hash[TLOG_HASH]) BV_CHECKED;
enum bv_err tlog_decimal_decode(struct span text, uint64_t *ret_n) BV_CHECKED;

/* tlog_checkpoint_build writes the text of a checkpoint (not yet signed). */
void tlog_checkpoint_build(struct sink *out, const char *origin, uint64_t size,
                           const uint8_t root[TLOG_HASH]);
/* tlog_checkpoint_parse reads a note's text; extension lines are accepted. */
enum bv_err tlog_checkpoint_parse(struct span text,
                                  struct tlog_checkpoint *ret) BV_CHECKED;

/* tlog_key_id_input writes what is hashed for a key id (its first four octets,
 * big-endian): name LF type key. */
void tlog_key_id_input(struct sink *out, const char *name,
                       const uint8_t key[32]);
/* tlog_vkey_build writes "name+hexid+base64(type || key)", no LF. */
void tlog_vkey_build(struct sink *out, const struct tlog_vkey *vkey);
/* tlog_vkey_parse does not check the id against the key: pki/note.h does.
 * UNSUPPORTED for other types than Ed25519. */
enum bv_err tlog_vkey_parse(struct span text,
                            struct tlog_vkey *ret_vkey) BV_CHECKED;

/* tlog_tile_path writes "tile/L/x001/x234/067" with ".p/W" when width is not
 * 256; level TLOG_ENTRIES gives "tile/entries/...". */
#define TLOG_ENTRIES 255
void tlog_tile_path(struct sink *out, unsigned level, uint64_t number,
                    unsigned width);
/* tlog_tile_path_parse: the reverse, exact; BAD_MESSAGE otherwise. */
enum bv_err tlog_tile_path_parse(struct span path, unsigned *ret_level,
                                 uint64_t *ret_number,
                                 unsigned *ret_width) BV_CHECKED;

/* A proof in a file (tlog-proof): index, inclusion proof, checkpoint. */
struct tlog_proof {
    uint64_t index;
    unsigned num;
    uint8_t hash[TLOG_PROOF_MAX][TLOG_HASH];
    struct span extra;      /* base64 text of opaque data, "" for none */
    struct span checkpoint; /* the signed note, verbatim */
};
void tlog_proof_build(struct sink *out, const struct tlog_proof *proof);
/* tlog_proof_parse: on error what *ret_proof holds means nothing. */
enum bv_err tlog_proof_parse(struct span text,
                             struct tlog_proof *ret_proof) BV_CHECKED;

#endif
