/* The schema scripts, compiled in (schema/NNNN.sql, written into C by
 * schema/embed.py): step n brings a file from version n to version n + 1. */
#ifndef BV_STORE_SQLITE_SCHEMA_H
#define BV_STORE_SQLITE_SCHEMA_H

extern const char *const sqlite_schema_steps[];
extern const unsigned sqlite_schema_version; /* the number of steps */

#endif
