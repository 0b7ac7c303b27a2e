/* What a configuration starts from, and what must hold between its settings.
 * Inside prog/config only. */
#ifndef BREVET_CONFIG_CHECK_H
#define BREVET_CONFIG_CHECK_H

#include "prog/config/config.h"

/* check_defaults fills in every default but those of sections with a title. */
void check_defaults(struct config *config, const char *dir);
/* check_all completes what was left open (which CA, which addresses) and
 * refuses contradictions: BAD_CONFIG and a sentence. */
enum bv_err check_all(struct config *config, const char *name,
                      char *ret_problem, size_t cap) BV_CHECKED;

#endif
