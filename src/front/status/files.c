#include "front/status/files.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "pki/digest.h"
#include "wire/crl.h"

static enum bv_err
describe(struct span der, struct file_crl *crl)
{
    uint8_t hash[DIGEST_SHA256_LEN];
    struct crl parsed;

    BV_TRY(crl_parse(der, &parsed));
    digest_sha256(der, hash);
    fresh_tag(SPAN_ARRAY(hash), false, crl->tag);
    crl->this_update = parsed.this_update;
    crl->next_update = parsed.next_update;
    crl->length = der.len;
    return BV_OK;
}

/* The file is mapped for the look and let go again: a list of 50 MB costs this
 * process no memory while it serves it. */
static enum bv_err
look(int fd, struct file_crl *crl)
{
    struct stat st;
    void *map;
    enum bv_err err;

    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size <= 0)
        return BV_E_NOT_FOUND;
    map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return BV_E_IO;
    (void)madvise(map, (size_t)st.st_size, MADV_SEQUENTIAL);
    err = describe(span_of(map, (size_t)st.st_size), crl);
    (void)munmap(map, (size_t)st.st_size);
    return err;
}

enum bv_err
files_new(const struct front_status_settings *settings,
          struct files **ret_files)
{
    bv_auto(files) struct files *files = calloc(1, sizeof(*files));

    if (files == NULL)
        return BV_E_NO_MEMORY;
    files->crls = calloc(settings->num_crls + 1, sizeof(*files->crls));
    if (files->crls == NULL)
        return BV_E_NO_MEMORY;
    for (size_t i = 0; i < settings->num_crls; i++) {
        struct file_crl *crl = &files->crls[files->num_crls];
        const struct front_status_crl *from = &settings->crls[i];

        BV_TRY(
            span_copy_str(span_str(from->name), crl->name, sizeof(crl->name)));
        crl->fd = look(from->fd, crl) == BV_OK ? from->fd : -1;
        files->num_crls++;
    }
    *ret_files = BV_STEAL(files);
    return BV_OK;
}

void
files_free(struct files *files)
{
    free(files->crls);
    free(files);
}

const struct file_crl *
files_find(const struct files *files, struct span name)
{
    for (size_t i = 0; i < files->num_crls; i++)
        if (span_eq_str(name, files->crls[i].name))
            return &files->crls[i];
    return NULL;
}
