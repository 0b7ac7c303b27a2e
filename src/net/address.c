#include "net/address.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define NUM_BUCKETS 4096

struct entry {
    struct entry *next;
    struct address address;
    size_t count;
};

struct address_table {
    uint64_t seed; /* so that nobody can aim at one bucket */
    struct entry *buckets[NUM_BUCKETS];
};

static struct address
of_ipv6(const struct in6_addr *from, char *text)
{
    struct address address = {0};
    uint64_t words[2];
    memcpy(words, from, sizeof(words));
    address.high = words[0];
    (void)inet_ntop(AF_INET6, from, text, ADDRESS_TEXT_MAX);
    if (IN6_IS_ADDR_V4MAPPED(from)) {
        address.low = words[1];
        (void)inet_ntop(AF_INET, from->s6_addr + 12, text, ADDRESS_TEXT_MAX);
    }
    return address;
}

struct address
address_of(const struct sockaddr_storage *from, char text[ADDRESS_TEXT_MAX])
{
    struct in6_addr mapped = {0};
    if (from->ss_family == AF_INET6)
        return of_ipv6(&((const struct sockaddr_in6 *)from)->sin6_addr, text);
    if (from->ss_family == AF_INET) {
        mapped.s6_addr[10] = mapped.s6_addr[11] = 0xff;
        memcpy(mapped.s6_addr + 12,
               &((const struct sockaddr_in *)from)->sin_addr, 4);
        return of_ipv6(&mapped, text);
    }
    memcpy(text, "local", sizeof("local"));
    return (struct address){0};
}

enum bv_err
address_table_new(struct address_table **ret_table)
{
    struct address_table *table = calloc(1, sizeof(*table));
    if (table == NULL)
        return BV_E_NO_MEMORY;
    if (getrandom(&table->seed, sizeof(table->seed), 0) !=
        sizeof(table->seed)) {
        free(table);
        return BV_E_IO;
    }
    *ret_table = table;
    return BV_OK;
}

void
address_table_free(struct address_table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < NUM_BUCKETS; i++) {
        while (table->buckets[i] != NULL) {
            struct entry *entry = table->buckets[i];
            table->buckets[i] = entry->next;
            free(entry);
        }
    }
    free(table);
}

static uint64_t
mix(uint64_t x)
{
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

/* find returns where the pointer to the entry stands, or would. */
static struct entry **
find(struct address_table *table, struct address address)
{
    uint64_t hash = mix(mix(address.high ^ table->seed) ^ address.low);
    struct entry **at = &table->buckets[hash % NUM_BUCKETS];
    while (*at != NULL && ((*at)->address.high != address.high ||
                           (*at)->address.low != address.low))
        at = &(*at)->next;
    return at;
}

enum bv_err
address_table_add(struct address_table *table, struct address address,
                  size_t max)
{
    struct entry **at = find(table, address);
    if (max == 0 || (*at != NULL && (*at)->count >= max))
        return BV_E_RATE_LIMITED;
    if (*at == NULL) {
        *at = calloc(1, sizeof(**at));
        if (*at == NULL)
            return BV_E_NO_MEMORY;
        (*at)->address = address;
    }
    (*at)->count++;
    return BV_OK;
}

void
address_table_drop(struct address_table *table, struct address address)
{
    struct entry **at = find(table, address);
    struct entry *entry = *at;
    if (entry == NULL || --entry->count > 0)
        return;
    *at = entry->next;
    free(entry);
}
