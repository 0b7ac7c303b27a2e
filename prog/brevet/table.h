/* Answers for people: tables and fields, times in UTC. */
#ifndef BV_PROG_BREVET_TABLE_H
#define BV_PROG_BREVET_TABLE_H

#include <jansson.h>

/* table_listing prints an array of objects; columns names keys, separated by
 * spaces. Colours and truncation only on a terminal. */
void table_listing(const json_t *rows, const char *columns);
/* table_fields prints an object, a line for each key; texts of several lines
 * (PEM) come last, as they are. */
void table_fields(const json_t *object);

#endif
