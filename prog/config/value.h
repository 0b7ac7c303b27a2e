/* One key's words into its place in an object. Inside prog/config only. */
#ifndef BREVET_CONFIG_VALUE_H
#define BREVET_CONFIG_VALUE_H

#include "prog/config/schema.h"

/* value_put checks and stores num words. BAD_CONFIG and what was wrong (without
 * place and key name) in ret_problem. */
enum bv_err value_put(const struct schema_key *key, void *object,
                      const char *const *words, unsigned num, char *ret_problem,
                      size_t cap) BV_CHECKED;
/* value_name_is_ok: letters, digits, '-', '_', '.'; not at the front: '-.'. */
bool value_name_is_ok(const char *name);

#endif
