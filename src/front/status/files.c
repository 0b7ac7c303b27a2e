#include "front/status/files.h"

#include <string.h>
#include <sys/mman.h>

#include "pki/digest.h"
#include "wire/crl.h"

static enum bv_err
describe(struct span der, struct file_crl *crl)
{
    uint8_t hash[DIGEST_SHA256_LEN];
    struct crl parsed;

    BV_TRY(crl_parse(der, &parsed));
    /* which depends on every octet that is signed: 50 MB need not be read */
    digest_sha256(parsed.signature, hash);
    fresh_tag(SPAN_ARRAY(hash), false, crl->tag);
    crl->this_update = parsed.this_update;
    crl->next_update = parsed.next_update;
    crl->length = der.len;
    return BV_OK;
}

/* The file is mapped for the look and let go again: a list of 50 MB costs this
 * process no memory while it serves it. */
static enum bv_err
look(int fd, size_t len, struct file_crl *crl)
{
    void *map = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
    enum bv_err err;

    if (map == MAP_FAILED)
        return BV_E_IO;
    err = describe(span_of(map, len), crl);
    (void)munmap(map, len);
    return err;
}

static bool
is_same_file(const struct file_crl *crl, const struct stat *st)
{
    return crl->fd >= 0 && crl->device == st->st_dev &&
           crl->inode == st->st_ino && crl->length == (uint64_t)st->st_size &&
           crl->changed.tv_sec == st->st_mtim.tv_sec &&
           crl->changed.tv_nsec == st->st_mtim.tv_nsec;
}

/* learn fills crl, or leaves its fd at -1. */
static void
learn(const struct front_status_crl *from, const struct file_crl *known,
      struct file_crl *crl)
{
    struct stat st;

    crl->fd = -1;
    if (from->fd < 0 || fstat(from->fd, &st) != 0 || st.st_size <= 0)
        return;
    if (known != NULL && is_same_file(known, &st))
        *crl = *known;
    else if (look(from->fd, (size_t)st.st_size, crl) != BV_OK)
        return;
    crl->fd = from->fd;
    crl->device = st.st_dev;
    crl->inode = st.st_ino;
    crl->changed = st.st_mtim;
}

enum bv_err
files_new(const struct front_status_settings *settings, const struct files *old,
          struct files **ret_files)
{
    bv_auto(files) struct files *files = calloc(1, sizeof(*files));

    if (files == NULL)
        return BV_E_NO_MEMORY;
    files->crls = calloc(settings->num_crls + 1, sizeof(*files->crls));
    if (files->crls == NULL)
        return BV_E_NO_MEMORY;
    for (size_t i = 0; i < settings->num_crls; i++) {
        struct file_crl *crl = &files->crls[files->num_crls++];
        struct span name = span_str(settings->crls[i].name);

        learn(&settings->crls[i], old != NULL ? files_find(old, name) : NULL,
              crl);
        BV_TRY(span_copy_str(name, crl->name, sizeof(crl->name)));
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
