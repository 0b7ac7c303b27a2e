/* A storage port without an operating system: every record in memory, twice.
 * Replace the two arrays by two flash sectors per record and copy() by erase
 * and program; the order of writes then keeps the promise of bv_storage.set:
 * the old content stays valid until the new one is complete. */
#ifndef EXAMPLE_STORAGE_H
#define EXAMPLE_STORAGE_H

#include "brevet/port.h"

struct storage_copy {
    uint32_t number; /* 0: empty; else the larger of the two counts */
    uint32_t len;
    uint8_t octets[BV_RECORD_MAX];
};

struct storage {
    struct storage_copy copies[BV_RECORD_COUNT][2];
};

/* storage_port sets the three functions of the port. */
void storage_port(struct storage *storage, struct bv_ports *ports);

#endif
