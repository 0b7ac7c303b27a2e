/* A bundle is a sealed memfd with named blobs: how a role gets the
 * configuration and every file it needs without opening anything itself.
 *
 * Inside: for each blob a u32-counted name and u32-counted octets. A reader
 * maps it read-only and refuses one that is not sealed against change, so the
 * spans it returns stay as they are until bundle_close. */
#ifndef BV_PROC_BUNDLE_H
#define BV_PROC_BUNDLE_H

#include "base/auto.h"
#include "base/span.h"

/* All blobs together; CRLs travel as descriptors, not in here. */
#define BUNDLE_MAX      (16u << 20)
#define BUNDLE_NAME_MAX 255

/* --- writing (the parent) --- */

/* bundle_create makes an empty memfd; the caller closes it. */
enum bv_err bundle_create(int *ret_fd) BV_CHECKED;
/* bundle_add appends a blob. TOO_LARGE past BUNDLE_MAX or BUNDLE_NAME_MAX. */
enum bv_err bundle_add(int fd, const char *name, struct span blob) BV_CHECKED;
/* bundle_seal forbids every further change. */
enum bv_err bundle_seal(int fd) BV_CHECKED;

/* --- reading (a role) --- */

struct bundle {
    uint8_t *map;
    size_t len;
};

/* bundle_open maps fd and closes it in every case. BAD_MESSAGE: not sealed, too
 * large, or not well-formed. */
enum bv_err bundle_open(int fd, struct bundle *ret_bundle) BV_CHECKED;
/* bundle_close unmaps. A zeroed struct is fine. */
void bundle_close(struct bundle *bundle);
/* bundle_find: NOT_FOUND when there is no blob of this name. */
enum bv_err bundle_find(const struct bundle *bundle, const char *name,
                        struct span *ret_blob) BV_CHECKED;
/* bundle_each walks all blobs: start with *at 0; false after the last. */
bool bundle_each(const struct bundle *bundle, size_t *at, struct span *ret_name,
                 struct span *ret_blob);

#endif
