/* Who a device says it is and which names it may carry. Pure functions over
 * spans; no database. */
#ifndef BV_CORE_NAMES_H
#define BV_CORE_NAMES_H

#include "core/profile.h"
#include "wire/csr.h"
#include "wire/san.h"

/* names_is_id: 1..64 printable octets of ASCII, no space at either end: what
 * any profile takes at most. */
bool names_is_id(struct span id);
/* names_check_id: BAD_NAME unless the text is an id as the profile wants it:
 * names_is_id, and of the profile's form. */
enum bv_err names_check_id(const struct profile *profile,
                           struct span id) BV_CHECKED;

/* names_of_subject copies the id a subject name carries: its CN, else its
 * serialNumber. prefer_serial turns the order round (IDevIDs). "" when there
 * is neither; BAD_NAME when it is too long or there are two. */
enum bv_err names_of_subject(struct span subject, bool prefer_serial,
                             char ret_id[LIMIT_DEVICE_NAME + 1]) BV_CHECKED;

/* names_subject writes the subject the profile gives this id. */
enum bv_err names_subject(const struct profile *profile, const char *id,
                          struct sink *out) BV_CHECKED;

/* names_san writes the SAN: what the profile derives from the id, then what
 * the requester asked for, each name checked against the profile's kinds and
 * patterns. Nothing is written when there is none. REFUSED for a name that is
 * not allowed (put as text into ret_problem), BAD_NAME for a malformed one,
 * TOO_LARGE when out has no room for them all. */
enum bv_err names_san(const struct profile *profile, const char *id,
                      struct span requested, struct sink *out,
                      char *ret_problem, size_t cap) BV_CHECKED;

/* names_ids_of_san: the ids of the devices that a SAN would stand for, none to
 * two: a dNSName as it is, of the URNs a profile derives (san_id_urn) what
 * follows; an EUI-64 may be a widened EUI-48 (RFC 9039 4.1). Those that no id
 * can be are left out. */
#define NAMES_IDS_MAX 2
unsigned names_ids_of_san(const struct san_name *name,
                          char ret_ids[NAMES_IDS_MAX][LIMIT_DEVICE_NAME + 1]);

/* names_glob matches without case folding; '*' is any run of characters, in a
 * host name (dns true) any run without a dot. */
bool names_glob(const char *pattern, struct span text, bool dns);

#endif
