/* Errors: one type, one vocabulary (err.def), one macro with hidden flow.
 *
 * Every function that can fail returns enum bv_err and writes its results only
 * on BV_OK. Freestanding: no errno, no globals, safe from any thread. */
#ifndef BV_BASE_ERR_H
#define BV_BASE_ERR_H

enum bv_err {
    BV_OK = 0,
#define BV_E(name, fault, text) BV_E_##name,
#include "base/err.def"
#undef BV_E
    BV_E_COUNT_
};

enum bv_fault { BV_FAULT_NONE, BV_FAULT_PEER, BV_FAULT_SELF, BV_FAULT_BUG };

#define BV_CHECKED __attribute__((warn_unused_result))

/* Return from the calling function with the error of expr, if it has one.
 * Safe because resources clean themselves (see base/auto.h). */
#define BV_TRY(expr)                                                           \
    do {                                                                       \
        enum bv_err try_err_ = (expr);                                         \
        if (try_err_ != BV_OK)                                                 \
            return try_err_;                                                   \
    } while (0)

/* err_name returns the short name ("BAD_MESSAGE", "OK"); static storage. */
const char *err_name(enum bv_err err);

/* err_text returns the sentence for people; static storage, no final stop. */
const char *err_text(enum bv_err err);

/* err_fault says whose fault an error is. */
enum bv_fault err_fault(enum bv_err err);

#endif
