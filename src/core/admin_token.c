/* token.create, token.list, token.revoke. */
#include <stdio.h>
#include <string.h>

#include "core/admin.h"
#include "core/authorize.h"
#include "core/batch.h"
#include "core/names.h"
#include "pki/random.h"

#define SECRET_LEN   20           /* 160 bits */
#define SECRET_TEXT  (32 + 7 + 1) /* 32 digits in groups of 4 */
#define LIFE_DEFAULT (INT64_C(7) * 86400)
#define LIFE_MAX     (INT64_C(366) * 86400)
#define USES_MAX     1000000

/* Crockford's base32: no I, L, O, U. */
static void
make_secret(char text[SECRET_TEXT])
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    uint8_t raw[SECRET_LEN];
    uint64_t bits = 0;
    unsigned have = 0;
    size_t at = 0, done = 0;
    random_bytes(raw, sizeof raw);
    for (size_t i = 0; i < sizeof raw; i++) {
        bits = bits << 8 | raw[i];
        have += 8;
        while (have >= 5) {
            have -= 5;
            text[at++] = digits[bits >> have & 31];
            if (++done % 4 == 0 && done < 32)
                text[at++] = '-';
        }
    }
    text[at] = '\0';
    explicit_bzero(raw, sizeof raw);
}

/* Without a kind, a group that names no device says it. */
static enum bv_err
read_kind(struct admin_call *call, struct store_token *row)
{
    const char *kind = admin_text(call, "kind");
    if (kind == NULL && admin_text(call, "device") == NULL &&
        admin_text(call, "group") != NULL)
        kind = "group";
    if (kind != NULL && strcmp(kind, "group") == 0) {
        row->kind = STORE_TOKEN_GROUP;
        return admin_name(call, "group", row->group, sizeof row->group);
    }
    if (kind != NULL && strcmp(kind, "device") != 0)
        return admin_problem(call, BV_E_BAD_MESSAGE,
                             "\"kind\" is \"device\" or \"group\"");
    row->kind = STORE_TOKEN_DEVICE;
    if (admin_text(call, "device") == NULL)
        return admin_problem(call, BV_E_BAD_MESSAGE,
                             "say for whom: a device or a group");
    if (admin_text(call, "group") != NULL)
        BV_TRY(admin_name(call, "group", row->group, sizeof row->group));
    BV_TRY(admin_name(call, "device", row->device, sizeof row->device));
    if (!names_is_id(span_str(row->device)))
        return admin_problem(call, BV_E_BAD_NAME,
                             "a device's name is of printable ASCII, without a "
                             "space at its ends");
    return BV_OK;
}

/* expires: seconds from now. */
static enum bv_err
read_bounds(struct admin_call *call, struct store_token *row)
{
    int64_t life = admin_int(call, "expires", LIFE_DEFAULT);
    row->uses_left = admin_int(call, "uses", 1);
    if (row->uses_left < 1 || row->uses_left > USES_MAX)
        return admin_problem(call, BV_E_BAD_MESSAGE,
                             "\"uses\" is not within 1 .. 1000000");
    if (life < 1 || life > LIFE_MAX)
        return admin_problem(call, BV_E_BAD_MESSAGE,
                             "\"expires\" is not within 1 s .. 366 d");
    row->created_at = core_now(call->core);
    row->expires_at = row->created_at + life;
    return BV_OK;
}

static enum bv_err
read_profile(struct admin_call *call, struct store_token *row)
{
    if (admin_text(call, "profile") == NULL)
        return BV_OK;
    BV_TRY(admin_name(call, "profile", row->profile, sizeof row->profile));
    return core_profile(call->core, row->profile) != NULL
               ? BV_OK
               : admin_problem(call, BV_E_NOT_FOUND,
                               "there is no such profile");
}

/* The entry says for whom: a number alone means nothing to who reads it. */
static enum bv_err
note_token(struct admin_call *call, enum audit_action action,
           const struct store_token *row, int64_t id)
{
    bool group = row->kind == STORE_TOKEN_GROUP;
    char number[24], whom[LIMIT_DEVICE_NAME + 16];
    (void)snprintf(number, sizeof number, "%lld", (long long)id);
    (void)snprintf(whom, sizeof whom, "%s %s", group ? "group" : "device",
                   group ? row->group : row->device);
    const struct audit_event event = {
        .action = action,
        .actor = AUDIT_ACTOR_OPERATOR,
        .auth = AUDIT_AUTH_LOCAL,
        .object = AUDIT_OBJECT_TOKEN,
        .outcome = AUDIT_OK,
        .actor_id = span_str(call->actor),
        .object_id = span_str(number),
        .detail = span_str(whom),
    };
    return batch_audit(call->core, &event);
}

static enum bv_err
put_token(struct admin_call *call, struct store_token *row, int64_t *ret_id)
{
    BV_TRY(batch_begin(call->core));
    BV_TRY(call->core->store->token_put(call->core->store->ctx, row, ret_id));
    return note_token(call, AUDIT_TOKEN_CREATE, row, *ret_id);
}

static enum bv_err
token_create(struct admin_call *call)
{
    struct store_token row = {0};
    char secret[SECRET_TEXT];
    uint8_t hash[32];
    int64_t id;
    BV_TRY(read_kind(call, &row));
    BV_TRY(read_bounds(call, &row));
    BV_TRY(read_profile(call, &row));
    (void)snprintf(row.created_by, sizeof row.created_by, "%.63s", call->actor);
    make_secret(secret);
    authorize_hash(span_str(secret), hash);
    row.hash = SPAN_ARRAY(hash);
    enum bv_err err = put_token(call, &row, &id);
    if (err == BV_OK)
        call->result =
            json_pack("{s:I, s:s, s:I, s:I}", "id", (json_int_t)id, "secret",
                      secret, "uses", (json_int_t)row.uses_left, "expires_at",
                      (json_int_t)row.expires_at);
    explicit_bzero(secret, sizeof secret);
    return err;
}

static enum bv_err
add_token(void *user, const struct store_token *row)
{
    bool group = row->kind == STORE_TOKEN_GROUP;
    admin_page_add(
        user, row->id,
        json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:b}", "id",
                  (json_int_t)row->id, "kind", group ? "group" : "device",
                  "device", row->device, "group", row->group, "profile",
                  row->profile, "uses_left", (json_int_t)row->uses_left,
                  "expires_at", (json_int_t)row->expires_at, "created_at",
                  (json_int_t)row->created_at, "created_by", row->created_by,
                  "revoked", (int)row->revoked));
    return BV_OK;
}

static enum bv_err
token_list(struct admin_call *call)
{
    const struct store *store = call->core->store;
    struct admin_page page = admin_page_start(call);
    enum bv_err err =
        store->token_list(store->ctx, page.last, page.limit, add_token, &page);
    if (err != BV_OK) {
        json_decref(page.rows);
        return err;
    }
    return admin_page_end(&page);
}

struct token_copy {
    struct store_token row;
    uint8_t hash[32];
};

static enum bv_err
copy_token(void *user, const struct store_token *row)
{
    struct token_copy *copy = user;
    copy->row = *row;
    if (row->hash.len != 32)
        return BV_E_CORRUPT;
    memcpy(copy->hash, row->hash.data, 32);
    copy->row.hash = SPAN_ARRAY(copy->hash);
    return BV_OK;
}

static enum bv_err
token_revoke(struct admin_call *call)
{
    struct token_copy copy;
    const struct store *store = call->core->store;
    int64_t id = admin_int(call, "id", 0);
    enum bv_err err = store->token_get(store->ctx, id, copy_token, &copy);
    if (err == BV_E_NOT_FOUND)
        return admin_problem(call, err, "there is no such token");
    BV_TRY(err);
    copy.row.revoked = true;
    BV_TRY(batch_begin(call->core));
    BV_TRY(store->token_put(store->ctx, &copy.row, &id));
    return note_token(call, AUDIT_TOKEN_REVOKE, &copy.row, id);
}

const struct admin_verb admin_token_verbs[] = {
    {"token.create", CORE_ROLE_OPERATE, token_create},
    {"token.list", CORE_ROLE_READ, token_list},
    {"token.revoke", CORE_ROLE_OPERATE, token_revoke},
    {NULL, CORE_ROLE_ADMIN, NULL},
};
