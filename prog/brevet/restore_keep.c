#include "prog/brevet/restore_keep.h"

#include <stdio.h>
#include <string.h>

#define KEY_COMPROMISE 1
#define HOLD           6

/* --- certificates --- */

struct found {
    int reason;
    int64_t device;
    uint8_t serial[LIMIT_SERIAL], key_hash[32];
    size_t serial_len;
};

static enum bv_err
take_cert(void *user, const struct store_cert *row)
{
    struct found *found = user;
    if (row->serial.len > sizeof(found->serial) ||
        row->key_hash.len != sizeof(found->key_hash))
        return BV_E_CORRUPT;
    found->reason = row->reason;
    found->device = row->device;
    found->serial_len = row->serial.len;
    memcpy(found->serial, row->serial.data, row->serial.len);
    memcpy(found->key_hash, row->key_hash.data, sizeof(found->key_hash));
    return BV_OK;
}

static enum bv_err
copy_device(void *user, const struct store_device *row)
{
    *(struct store_device *)user = *row;
    return BV_OK;
}

static bool
is_severer(int reason, int than)
{
    return than < 0 || (than == HOLD && reason != HOLD);
}

enum bv_err
restore_keep_status(struct restore_keep *keep, uint64_t seq, int reason,
                    int64_t at)
{
    const struct store *s = keep->fresh;
    struct found found;
    struct store_device device = {0};
    uint64_t change;
    enum bv_err err = s->cert_find(s->ctx, seq, take_cert, &found);
    if (err == BV_E_NOT_FOUND)
        return BV_OK; /* the certificate itself is lost */
    BV_TRY(err);
    if (reason < 0 || !is_severer(reason, found.reason))
        return BV_OK;
    BV_TRY(s->cert_status(s->ctx, seq, reason, at, &change));
    if (reason == KEY_COMPROMISE)
        BV_TRY(s->key_block(s->ctx, SPAN_ARRAY(found.key_hash), "keyCompromise",
                            at));
    if (found.device != 0)
        BV_TRY(s->device_get(s->ctx, found.device, copy_device, &device));
    keep->statuses++;
    return keep->note(keep->user,
                      reason == HOLD ? AUDIT_CERT_HOLD : AUDIT_CERT_REVOKE,
                      AUDIT_OBJECT_CERT, device.name,
                      span_of(found.serial, found.serial_len));
}

/* --- one page after the other --- */

struct page {
    struct restore_keep *keep;
    int64_t last;
    unsigned num;
    enum bv_err err; /* of the fresh database: that one counts */
};

static enum bv_err
carried(struct page *page, int64_t key, enum bv_err err)
{
    page->last = key;
    page->num++;
    page->err = err;
    return err;
}

static enum bv_err
carry_cert(void *user, const struct store_cert *row)
{
    struct page *page = user;
    return carried(page, (int64_t)row->seq,
                   restore_keep_status(page->keep, row->seq, row->reason,
                                       row->revoked_at));
}

static enum bv_err
block(struct restore_keep *keep, const char *name)
{
    const struct store *s = keep->fresh;
    struct store_device device;
    int64_t id;
    enum bv_err err = s->device_find(s->ctx, name, copy_device, &device);
    if (err == BV_E_NOT_FOUND || (err == BV_OK && device.blocked))
        return BV_OK;
    BV_TRY(err);
    device.blocked = true;
    BV_TRY(s->device_put(s->ctx, &device, &id));
    keep->devices++;
    return keep->note(keep->user, AUDIT_DEVICE_BLOCK, AUDIT_OBJECT_DEVICE, name,
                      SPAN_EMPTY);
}

static enum bv_err
carry_device(void *user, const struct store_device *row)
{
    struct page *page = user;
    return carried(page, row->id,
                   row->blocked ? block(page->keep, row->name) : BV_OK);
}

struct token {
    struct store_token row;
    uint8_t hash[32];
};

static enum bv_err
copy_token(void *user, const struct store_token *row)
{
    struct token *token = user;
    if (row->hash.len != sizeof(token->hash))
        return BV_E_CORRUPT;
    memcpy(token->hash, row->hash.data, sizeof(token->hash));
    token->row = *row;
    token->row.hash = SPAN_ARRAY(token->hash);
    return BV_OK;
}

static enum bv_err
spend(struct restore_keep *keep, const struct store_token *old)
{
    const struct store *s = keep->fresh;
    struct token token;
    char name[24];
    int64_t id;
    enum bv_err err = s->token_find(s->ctx, old->hash, copy_token, &token);
    if (err == BV_E_NOT_FOUND)
        return BV_OK;
    BV_TRY(err);
    bool revoke = old->revoked && !token.row.revoked;
    if (!revoke && old->uses_left >= token.row.uses_left)
        return BV_OK;
    token.row.revoked |= old->revoked;
    if (old->uses_left < token.row.uses_left)
        token.row.uses_left = old->uses_left;
    BV_TRY(s->token_put(s->ctx, &token.row, &id));
    keep->tokens++;
    (void)snprintf(name, sizeof(name), "%lld", (long long)token.row.id);
    return keep->note(keep->user, revoke ? AUDIT_TOKEN_REVOKE : AUDIT_TOKEN_USE,
                      AUDIT_OBJECT_TOKEN, name, SPAN_EMPTY);
}

static enum bv_err
carry_token(void *user, const struct store_token *row)
{
    struct page *page = user;
    return carried(page, row->id, spend(page->keep, row));
}

static enum bv_err
read_certs(const struct store *old, struct page *page)
{
    const struct store_cert_filter filter = {
        .after = (uint64_t)page->last, .status = -3, .limit = LIMIT_PAGE};
    return old->cert_list(old->ctx, &filter, carry_cert, page);
}

static enum bv_err
read_devices(const struct store *old, struct page *page)
{
    return old->device_list(old->ctx, page->last, NULL, LIMIT_PAGE,
                            carry_device, page);
}

static enum bv_err
read_tokens(const struct store *old, struct page *page)
{
    return old->token_list(old->ctx, page->last, LIMIT_PAGE, carry_token, page);
}

enum bv_err
restore_keep_old(struct restore_keep *keep, const struct store *old)
{
    static enum bv_err (*const reads[])(const struct store *, struct page *) = {
        read_certs, read_devices, read_tokens};
    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
        struct page page = {.keep = keep};
        enum bv_err err;
        do {
            page.num = 0;
            err = reads[i](old, &page);
            BV_TRY(page.err);
        } while (err == BV_OK && page.num == LIMIT_PAGE);
    }
    return BV_OK;
}
