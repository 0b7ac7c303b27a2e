#include "proc/table.h"

#include <string.h>

static const struct proc_row rows[] = {
    /* The order is the order of starting: the slowest to be ready first. */
    {.role = PROC_CORE,
     .name = "core",
     .user = "brevet-core",
     .peers = PROC_MASK(PROC_SIGNER) | PROC_MASK(PROC_DOOR),
     .data_mb = 4096,
     .files = 4096},
    {.role = PROC_SIGNER,
     .name = "signer",
     .user = "brevet-signer",
     .peers = PROC_MASK(PROC_CORE) | PROC_MASK(PROC_DOOR),
     .data_mb = 256,
     .files = 64},
    {.role = PROC_DOOR,
     .name = "door",
     .user = "brevet-door",
     .many = true,
     .peers = PROC_MASK(PROC_CORE) | PROC_MASK(PROC_SIGNER),
     .data_mb = 2048,
     .files = LIMIT_CONNECTIONS + 256},
};
#define NUM_ROWS (sizeof(rows) / sizeof(rows[0]))

const struct proc_row *
table_row(enum proc_role role)
{
    for (size_t i = 0; i < NUM_ROWS; i++)
        if (rows[i].role == role)
            return &rows[i];
    return NULL;
}

const struct proc_row *
table_rows(size_t *ret_num)
{
    *ret_num = NUM_ROWS;
    return rows;
}

enum bv_err
table_role_of_name(struct span name, enum proc_role *ret_role)
{
    for (size_t i = 0; i < NUM_ROWS; i++) {
        if (!span_eq_str(name, rows[i].name))
            continue;
        *ret_role = rows[i].role;
        return BV_OK;
    }
    return BV_E_NOT_FOUND;
}

const char *
table_role_name(enum proc_role role)
{
    const struct proc_row *row = table_row(role);
    if (row != NULL)
        return row->name;
    return role == PROC_PARENT ? "parent" : "control";
}

void
table_listen_encode(struct sink *out, enum proc_listen purpose,
                    struct span name)
{
    sink_u8(out, (uint8_t)purpose);
    sink_bytes(out, name);
}

enum bv_err
table_listen_decode(struct span in, enum proc_listen *ret_purpose,
                    struct span *ret_name)
{
    uint8_t purpose;
    struct span name;
    BV_TRY(span_u8(&in, &purpose));
    BV_TRY(span_bytes(&in, &name));
    BV_TRY(span_end(in));
    if (purpose < PROC_LISTEN_HTTPS || purpose > PROC_LISTEN_PULSE)
        return BV_E_BAD_MESSAGE;
    *ret_purpose = (enum proc_listen)purpose;
    *ret_name = name;
    return BV_OK;
}

void
table_peer_encode(struct sink *out, enum proc_role role, unsigned index)
{
    sink_u8(out, (uint8_t)role);
    sink_u8(out, (uint8_t)index);
}

enum bv_err
table_peer_decode(struct span in, enum proc_role *ret_role, unsigned *ret_index)
{
    uint8_t role, index;
    BV_TRY(span_u8(&in, &role));
    BV_TRY(span_u8(&in, &index));
    BV_TRY(span_end(in));
    const struct proc_row *row = table_row((enum proc_role)role);
    if (row == NULL || index >= (row->many ? PROC_DOORS_MAX : 1))
        return BV_E_BAD_MESSAGE;
    *ret_role = row->role;
    *ret_index = index;
    return BV_OK;
}
