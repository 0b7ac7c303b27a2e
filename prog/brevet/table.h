/* Answers for people: tables and fields, times in UTC. */
#ifndef BV_PROG_BREVET_TABLE_H
#define BV_PROG_BREVET_TABLE_H

#include <jansson.h>
#include <stdio.h>

/* table_put prints a text of one line that others may have chosen (a device's
 * name, a server's words): what a terminal would act upon, or show in another
 * order, becomes \\xNN. table_put_lines leaves line ends alone. */
void table_put(FILE *to, const char *text);
void table_put_lines(FILE *to, const char *text);

/* table_listing prints an array of objects; columns names keys, separated by
 * spaces. Colours and truncation only on a terminal. */
void table_listing(const json_t *rows, const char *columns);
/* table_fields prints an object, a line for each key; texts of several lines
 * (PEM, notes) come last. */
void table_fields(const json_t *object);

#endif
