/* How many connections each address holds. An IPv6 client counts by its /64:
 * whoever has one address of it has them all. */
#ifndef BV_NET_ADDRESS_H
#define BV_NET_ADDRESS_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

#define ADDRESS_TEXT_MAX 48

struct address {
    uint64_t high, low; /* ::ffff:a.b.c.d for IPv4; low is 0 for IPv6 */
};

/* address_of also writes the text, without port; IPv4-mapped as IPv4. What is
 * not IP (a Unix socket) is 0 and "local". */
struct address address_of(const struct sockaddr_storage *from,
                          char text[ADDRESS_TEXT_MAX]);

struct address_table;

enum bv_err address_table_new(struct address_table **ret_table) BV_CHECKED;
void address_table_free(struct address_table *table);
/* address_table_add: RATE_LIMITED when this address has max already. */
enum bv_err address_table_add(struct address_table *table,
                              struct address address, size_t max) BV_CHECKED;
void address_table_drop(struct address_table *table, struct address address);

#endif
