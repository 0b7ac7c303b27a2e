#include "core/work.h"

#include <stdio.h>

enum bv_err
work_say(struct work *w, enum bv_err err, const char *sentence)
{
    (void)snprintf(w->job->reply.detail, sizeof w->job->reply.detail, "%s",
                   sentence);
    return err;
}
