/* The commands of `brevet ca` and what they share. Each is offline: it works on
 * files and keys, and notes what it did in the ledger. */
#ifndef BREVET_CA_ACTS_H
#define BREVET_CA_ACTS_H

#include "prog/brevet/command.h"
#include "prog/brevet/ledger.h"

/* An act says what went wrong in files->problem; REFUSED and NOT_FOUND end the
 * program with 3. */
typedef enum bv_err ca_act_fn(struct ca_files *files,
                              const struct command_call *call);

ca_act_fn ca_sign;        /* a CSR, another root's certificate, a CRL request */
ca_act_fn ca_renew;       /* a new certificate for the same key */
ca_act_fn ca_crl;         /* request, sign, publish */
ca_act_fn ca_crl_install; /* one that was signed elsewhere */
ca_act_fn ca_ocsp;        /* the responder of a CA whose key is elsewhere */
ca_act_fn ca_export_root; /* the key leaves */

/* ca_act_text: an argument that is there and not empty, or the fallback. */
const char *ca_act_text(const struct command_call *call, const char *key,
                        const char *fallback);
/* ca_act_put writes PEM to a file, or to standard output (path NULL). */
enum bv_err ca_act_put(struct ca_files *files, const char *path,
                       const char *label, struct span der) BV_CHECKED;
/* ca_act_next: what is to be done now, with a daemon or without. */
const char *ca_act_next(const struct ledger *ledger);

#endif
