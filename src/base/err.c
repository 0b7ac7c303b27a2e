#include "base/err.h"

static const struct {
    const char *name;
    enum bv_fault fault;
    const char *text;
} errs[] = {
    [BV_OK] = {"OK", BV_FAULT_NONE, "no error"},
#define BV_E(name, fault, text) [BV_E_##name] = {#name, BV_FAULT_##fault, text},
#include "base/err.def"
#undef BV_E
};

const char *
err_name(enum bv_err err)
{
    return (unsigned)err < BV_E_COUNT_ ? errs[err].name : "UNKNOWN";
}

const char *
err_text(enum bv_err err)
{
    return (unsigned)err < BV_E_COUNT_ ? errs[err].text : "unknown error";
}

enum bv_fault
err_fault(enum bv_err err)
{
    return (unsigned)err < BV_E_COUNT_ ? errs[err].fault : BV_FAULT_BUG;
}
