/* The published CRLs, as the status door knows them: measured when they appear,
 * then served from their descriptors. */
#ifndef BV_FRONT_STATUS_FILES_H
#define BV_FRONT_STATUS_FILES_H

#include <sys/stat.h>
#include <time.h>

#include "base/auto.h"
#include "front/fresh.h"
#include "front/status/status.h"

struct file_crl {
    char name[LIMIT_SHORT_NAME];
    int fd; /* borrowed; -1: there is none, or it cannot be read */
    uint64_t length;
    int64_t this_update, next_update;
    char tag[FRESH_TAG_MAX];
    /* which file this is, to know it again */
    dev_t device;
    ino_t inode;
    struct timespec changed;
};

struct files {
    struct file_crl *crls;
    size_t num_crls;
};

/* files_new looks at the two ends of every CRL of the settings once; what old
 * (may be NULL) knows of an unchanged file is taken from there. The entity tag
 * is made of the signature. NO_MEMORY. */
enum bv_err files_new(const struct front_status_settings *settings,
                      const struct files *old,
                      struct files **ret_files) BV_CHECKED;
void files_free(struct files *files);
BV_AUTO_DEFINE(files, struct files, files_free)
/* files_find: NULL when there is no such CRL. */
const struct file_crl *files_find(const struct files *files, struct span name);

#endif
