#include "brevet/posix.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "device/port/posix/file.h"

struct bv_posix {
    int dir;
    int lock; /* -1: opened for reading only */
};

/* --- the directory --- */

static bool
is_ours_alone(int dir)
{
    struct stat st;
    if (fstat(dir, &st) != 0)
        return false;
    if (st.st_uid == geteuid() && (st.st_mode & 022) == 0)
        return true;
    errno = EPERM;
    return false;
}

static bool
take_lock(struct bv_posix *posix)
{
    posix->lock = openat(posix->dir, "lock",
                         O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    return posix->lock >= 0 && flock(posix->lock, LOCK_EX | LOCK_NB) == 0;
}

static struct bv_posix *
open_dir(const char *dir)
{
    struct bv_posix *posix = malloc(sizeof(*posix));
    if (posix == NULL)
        return NULL;
    posix->lock = -1;
    posix->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (posix->dir >= 0)
        return posix;
    bv_posix_close(posix);
    return NULL;
}

struct bv_posix *
bv_posix_open(const char *dir)
{
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return NULL;
    struct bv_posix *posix = open_dir(dir);
    if (posix == NULL || (is_ours_alone(posix->dir) && take_lock(posix)))
        return posix;
    int kept = errno;
    bv_posix_close(posix);
    errno = kept;
    return NULL;
}

struct bv_posix *
bv_posix_open_reader(const char *dir)
{
    return open_dir(dir);
}

void
bv_posix_close(struct bv_posix *posix)
{
    if (posix == NULL)
        return;
    int kept = errno;
    if (posix->lock >= 0)
        (void)close(posix->lock); /* and with it the lock */
    if (posix->dir >= 0)
        (void)close(posix->dir);
    free(posix);
    errno = kept;
}

int
bv_posix_dirfd(const struct bv_posix *posix)
{
    return posix->dir;
}

/* --- ports --- */

static const char *
name_of(enum bv_record key)
{
    switch (key) {
    case BV_RECORD_STATE:
        return "state";
    case BV_RECORD_CERT_A:
        return "cert-a.der";
    case BV_RECORD_CERT_B:
        return "cert-b.der";
    case BV_RECORD_TRUST_A:
        return "trust-a";
    case BV_RECORD_TRUST_B:
        return "trust-b";
    }
    return "unknown";
}

static enum bv_port
storage_get(void *ctx, enum bv_record key, uint8_t *out, size_t cap,
            size_t *ret_len)
{
    const struct bv_posix *posix = ctx;
    return file_read(posix->dir, name_of(key), out, cap, ret_len);
}

static enum bv_port
storage_set(void *ctx, enum bv_record key, const uint8_t *data, size_t len)
{
    const struct bv_posix *posix = ctx;
    if (posix->lock < 0)
        return BV_PORT_FAILED;
    return file_replace(posix->dir, name_of(key), data, len);
}

static enum bv_port
storage_erase(void *ctx, enum bv_record key)
{
    const struct bv_posix *posix = ctx;
    if (posix->lock < 0)
        return BV_PORT_FAILED;
    return file_erase(posix->dir, name_of(key));
}

static void
clock_read(void *ctx, struct bv_now *ret_now)
{
    struct timespec wall, mono;
    (void)ctx;
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_BOOTTIME, &mono);
    ret_now->wall = wall.tv_sec;
    ret_now->wall_known = true;
    ret_now->mono_ms =
        (uint64_t)mono.tv_sec * 1000 + (uint64_t)mono.tv_nsec / 1000000;
}

static enum bv_port
random_fill(void *ctx, uint8_t *out, size_t len)
{
    (void)ctx;
    while (len > 0) {
        ssize_t n = getrandom(out, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return BV_PORT_FAILED;
        out += n;
        len -= (size_t)n;
    }
    return BV_PORT_OK;
}

void
bv_posix_ports(struct bv_posix *posix, struct bv_ports *ret_ports)
{
    ret_ports->clock = (struct bv_clock){posix, clock_read};
    ret_ports->random = (struct bv_random){posix, random_fill};
    ret_ports->storage =
        (struct bv_storage){posix, storage_get, storage_set, storage_erase};
}
