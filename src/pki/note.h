/* Signed notes (C2SP signed-note) with Ed25519: key ids and verification. The
 * text forms are wire/tlog.h; signing is the signer's. */
#ifndef BV_PKI_NOTE_H
#define BV_PKI_NOTE_H

#include "wire/tlog.h"

/* note_vkey_of fills a verifier key from its name and raw public key, the id
 * computed. BAD_NAME when the name cannot be a key name. */
enum bv_err note_vkey_of(const char *name, const uint8_t key[32],
                         struct tlog_vkey *ret_vkey) BV_CHECKED;
/* note_vkey_parse reads a vkey text and checks that id and key agree. */
enum bv_err note_vkey_parse(struct span text,
                            struct tlog_vkey *ret_vkey) BV_CHECKED;
/* note_open verifies a note: a signature line of this key (name and id) must
 * be there and hold; lines of other keys are ignored; one bad line of this key
 * spoils the note. *ret_text is the signed text. BAD_MESSAGE, BAD_SIGNATURE
 * (also when the key did not sign). */
enum bv_err note_open(struct span note, const struct tlog_vkey *vkey,
                      struct span *ret_text) BV_CHECKED;
/* note_check_signature: does this raw signature of the key fit the text? */
enum bv_err note_check_signature(const uint8_t key[32], struct span text,
                                 struct span signature) BV_CHECKED;

#endif
