/* Runs a fuzz target over files and over every file of folders, each input in
 * memory of exactly its size. Fails when an argument cannot be read, or when
 * nothing at all was replayed. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

#define INPUT_MAX (1 << 22)

static unsigned num_replayed;

static int
replay_file(const char *path, size_t len)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(len > 0 ? len : 1);
    int result = -1;

    if (file != NULL && data != NULL && fread(data, 1, len, file) == len) {
        (void)LLVMFuzzerTestOneInput(data, len);
        num_replayed++;
        result = 0;
    } else {
        perror(path);
    }
    free(data);
    if (file != NULL)
        (void)fclose(file);
    return result;
}

static int replay_folder(const char *path);

static int
replay(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        perror(path);
        return -1;
    }
    if (S_ISDIR(st.st_mode))
        return replay_folder(path);
    return st.st_size > INPUT_MAX ? 0 : replay_file(path, (size_t)st.st_size);
}

static int
replay_folder(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    int result = 0;

    if (dir == NULL) {
        perror(path);
        return -1;
    }
    while ((entry = readdir(dir)) != NULL) {
        char child[4096];

        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
        if (replay(child) != 0)
            result = -1;
    }
    (void)closedir(dir);
    return result;
}

int
main(int argc, char **argv)
{
    int result = 0;

    for (int i = 1; i < argc; i++) {
        if (replay(argv[i]) != 0)
            result = 1;
    }
    printf("%u inputs replayed\n", num_replayed);
    return num_replayed == 0 ? 1 : result;
}
