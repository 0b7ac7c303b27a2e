/* Sample files of tests/data for the unit tests: names that begin with "good-"
 * must parse, with "bad-" must not. The environment names the folder. */
#ifndef BV_TESTS_SAMPLES_H
#define BV_TESTS_SAMPLES_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/span.h"

#define SAMPLE_MAX 20000

static inline struct span
sample_read(const char *folder, const char *name, uint8_t memory[SAMPLE_MAX])
{
    const char *data = getenv("DATA");
    char path[512];
    FILE *file;
    size_t len;

    (void)snprintf(path, sizeof(path), "%s/%s/%s",
                   data == NULL ? "tests/data" : data, folder, name);
    file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        abort();
    }
    len = fread(memory, 1, SAMPLE_MAX, file);
    (void)fclose(file);
    return span_of(memory, len);
}

/* Calls fn for every file whose name begins with prefix; returns how many. */
static inline unsigned
sample_each(const char *folder, const char *prefix,
            void (*fn)(const char *name, struct span der))
{
    static uint8_t memory[SAMPLE_MAX];
    const char *data = getenv("DATA");
    char path[512];
    unsigned num = 0;
    struct dirent *entry;
    DIR *dir;

    (void)snprintf(path, sizeof(path), "%s/%s",
                   data == NULL ? "tests/data" : data, folder);
    dir = opendir(path);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
            continue;
        fn(entry->d_name, sample_read(folder, entry->d_name, memory));
        num++;
    }
    if (dir != NULL)
        (void)closedir(dir);
    return num;
}

#endif
