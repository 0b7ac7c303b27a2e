#include "proc/bundle.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sink.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

enum bv_err
bundle_create(int *ret_fd)
{
    int fd = memfd_create("brevet-bundle", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return BV_E_IO;
    *ret_fd = fd;
    return BV_OK;
}

static enum bv_err
write_all(int fd, struct span bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.data, bytes.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return errno == ENOSPC ? BV_E_NO_MEMORY : BV_E_IO;
        bytes.data += n;
        bytes.len -= (size_t)n;
    }
    return BV_OK;
}

enum bv_err
bundle_add(int fd, const char *name, struct span blob)
{
    struct span label = span_str(name);
    off_t used = lseek(fd, 0, SEEK_END);
    if (used < 0)
        return BV_E_IO;
    if (label.len > BUNDLE_NAME_MAX || blob.len > BUNDLE_MAX ||
        (size_t)used + label.len + blob.len + 8 > BUNDLE_MAX)
        return BV_E_TOO_LARGE;
    uint8_t head[4 + BUNDLE_NAME_MAX + 4];
    struct sink out = SINK_ARRAY(head);
    sink_bytes(&out, label);
    sink_u32(&out, (uint32_t)blob.len);
    BV_TRY(write_all(fd, sink_view(&out)));
    return write_all(fd, blob);
}

enum bv_err
bundle_seal(int fd)
{
    return fcntl(fd, F_ADD_SEALS, SEALS) < 0 ? BV_E_IO : BV_OK;
}

static enum bv_err
map_sealed(int fd, struct bundle *ret)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0 ||
        st.st_size < 0 || (size_t)st.st_size > BUNDLE_MAX)
        return BV_E_BAD_MESSAGE;
    struct bundle bundle = {NULL, (size_t)st.st_size};
    if (bundle.len > 0) {
        void *map = mmap(NULL, bundle.len, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map == MAP_FAILED)
            return BV_E_NO_MEMORY;
        bundle.map = map;
    }
    *ret = bundle;
    return BV_OK;
}

static enum bv_err
take_blob(struct span *in, struct span *ret_name, struct span *ret_blob)
{
    BV_TRY(span_bytes(in, ret_name));
    return span_bytes(in, ret_blob);
}

static enum bv_err
check_form(const struct bundle *bundle)
{
    struct span in = span_of(bundle->map, bundle->len);
    while (in.len > 0) {
        struct span name, blob;
        BV_TRY(take_blob(&in, &name, &blob));
    }
    return BV_OK;
}

enum bv_err
bundle_open(int fd, struct bundle *ret_bundle)
{
    bv_auto_close int owned = fd;
    struct bundle bundle;
    BV_TRY(map_sealed(owned, &bundle));
    enum bv_err err = check_form(&bundle);
    if (err != BV_OK) {
        bundle_close(&bundle);
        return err;
    }
    *ret_bundle = bundle;
    return BV_OK;
}

void
bundle_close(struct bundle *bundle)
{
    if (bundle->map != NULL)
        (void)munmap(bundle->map, bundle->len);
    *bundle = (struct bundle){0};
}

bool
bundle_each(const struct bundle *bundle, size_t *at, struct span *ret_name,
            struct span *ret_blob)
{
    if (*at >= bundle->len)
        return false;
    struct span in = span_of(bundle->map + *at, bundle->len - *at);
    enum bv_err err = take_blob(&in, ret_name, ret_blob);
    assert(err == BV_OK); /* bundle_open walked it */
    *at = bundle->len - in.len;
    return err == BV_OK;
}

enum bv_err
bundle_find(const struct bundle *bundle, const char *name,
            struct span *ret_blob)
{
    size_t at = 0;
    struct span label, blob;
    while (bundle_each(bundle, &at, &label, &blob)) {
        if (!span_eq_str(label, name))
            continue;
        *ret_blob = blob;
        return BV_OK;
    }
    return BV_E_NOT_FOUND;
}
