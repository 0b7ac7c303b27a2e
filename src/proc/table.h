/* The process table: who runs, as whom, behind which wall, talking to whom.
 * Data a person can read; the parent (prog/brevetd) acts on it, nothing else
 * decides about processes. Also what a descriptor in MSG_LISTEN is for. */
#ifndef BV_PROC_TABLE_H
#define BV_PROC_TABLE_H

#include "base/limits.h"
#include "base/sink.h"
#include "base/span.h"
#include "proc/channel.h"

/* Most doors an installation runs; one per CPU is the useful maximum. */
#define PROC_DOORS_MAX 16
#define PROC_ROWS_MAX  (2 + PROC_DOORS_MAX)

#define PROC_MASK(role) (1u << (role))

struct proc_row {
    enum proc_role role;
    const char *name; /* in the log and for --role */
    const char *user; /* the system user it drops to */
    bool many;        /* as many as the configuration says */
    unsigned peers;   /* PROC_MASK of roles it has a channel to */
    unsigned data_mb; /* most memory it may map for data, in MiB */
    unsigned files;   /* most descriptors */
};

/* table_row returns the row of a role; NULL for PARENT, CONTROL, ANY. */
const struct proc_row *table_row(enum proc_role role);
/* table_rows: all rows, in the order they are started. */
const struct proc_row *table_rows(size_t *ret_num);
/* table_role_of_name reads "core", "signer" or "door"; NOT_FOUND. */
enum bv_err table_role_of_name(struct span name,
                               enum proc_role *ret_role) BV_CHECKED;
/* table_role_name: "parent", "core" …; static storage. */
const char *table_role_name(enum proc_role role);

/* What a descriptor in MSG_LISTEN is. Body: u8 purpose, bytes name. */
enum proc_listen {
    PROC_LISTEN_HTTPS = 1,  /* listening socket; name: the address as text */
    PROC_LISTEN_HTTP,       /* the same without TLS (status only) */
    PROC_LISTEN_CONTROL,    /* core: listening Unix socket of brevet(1) */
    PROC_LISTEN_STATUS_MAP, /* read-only file; doors and signer */
    PROC_LISTEN_CRL,        /* read-only file of a CRL; name: CA name */
    PROC_LISTEN_PULSE,      /* all: see pulse.h */
};

void table_listen_encode(struct sink *out, enum proc_listen purpose,
                         struct span name);
/* table_listen_decode: BAD_MESSAGE for an unknown purpose. */
enum bv_err table_listen_decode(struct span in, enum proc_listen *ret_purpose,
                                struct span *ret_name) BV_CHECKED;

/* Body of MSG_PEER: u8 role, u8 index (which door). */
void table_peer_encode(struct sink *out, enum proc_role role, unsigned index);
enum bv_err table_peer_decode(struct span in, enum proc_role *ret_role,
                              unsigned *ret_index) BV_CHECKED;

#endif
