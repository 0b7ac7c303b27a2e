/* Asking for a secret on the terminal. */
#ifndef BREVET_CONFIG_PROMPT_H
#define BREVET_CONFIG_PROMPT_H

#include "base/span.h"

/* prompt_secret writes text to the controlling terminal and reads one line
 * without showing it. UNAVAILABLE without a terminal; BAD_MESSAGE for an empty
 * line or one that does not fit. The caller wipes buf. */
enum bv_err prompt_secret(const char *text, char *buf, size_t cap) BV_CHECKED;

#endif
