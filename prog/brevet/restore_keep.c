#include "prog/brevet/restore_keep.h"

#include <stdio.h>
#include <string.h>

#include "pki/digest.h"

#define KEY_COMPROMISE 1
#define HOLD           6

static enum bv_err
note(const struct restore_keep *keep, enum audit_action action,
     enum audit_object object, const char *name, struct span serial)
{
    const struct audit_event act = {.action = action,
                                    .object = object,
                                    .object_id = span_str(name),
                                    .serial = serial};
    return keep->note(keep->user, &act);
}

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
    return note(keep, reason == HOLD ? AUDIT_CERT_HOLD : AUDIT_CERT_REVOKE,
                AUDIT_OBJECT_CERT, device.name,
                span_of(found.serial, found.serial_len));
}

/* --- one page after the other --- */

struct page {
    struct restore_keep *keep;
    const struct store *old;
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

/* find_device finds it by its name, or makes it. */
static enum bv_err
find_device(const struct restore_keep *keep, const struct store_device *old,
            struct store_device *ret)
{
    const struct store *s = keep->fresh;
    enum bv_err err = s->device_find(s->ctx, old->name, copy_device, ret);
    if (err != BV_E_NOT_FOUND)
        return err;
    *ret = *old;
    ret->id = 0;
    ret->blocked = false;
    return s->device_put(s->ctx, ret, &ret->id);
}

static enum bv_err
ignore_cert(void *user, const struct store_cert *row)
{
    (void)user;
    (void)row;
    return BV_OK;
}

/* Each row of a certificate has an entry that made it. */
static enum bv_err
note_lost(const struct restore_keep *keep, const struct store_cert *row,
          const char *device)
{
    uint8_t hash[DIGEST_SHA256_LEN];
    digest_sha256(row->der, hash);
    const struct audit_event act = {.action = AUDIT_CERT_ISSUE,
                                    .object = AUDIT_OBJECT_CERT,
                                    .object_id = span_str(device),
                                    .serial = row->serial,
                                    .cert_sha256 = SPAN_ARRAY(hash)};
    return keep->note(keep->user, &act);
}

/* The row of a certificate that is lost, as it was before its revocation. What
 * the old database cannot tell about it any more leaves it out. */
static enum bv_err
put_lost(const struct page *page, const struct store_cert *old)
{
    const struct store *s = page->keep->fresh;
    struct store_device was, device = {0};
    struct store_cert row = *old;
    row.issuer = page->keep->issuers[old->issuer];
    row.reason = -1;
    row.revoked_at = 0;
    if (row.issuer == 0)
        return BV_OK;
    if (old->device != 0) {
        if (page->old->device_get(page->old->ctx, old->device, copy_device,
                                  &was) != BV_OK)
            return BV_OK;
        BV_TRY(find_device(page->keep, &was, &device));
    }
    row.device = device.id;
    BV_TRY(s->cert_put(s->ctx, &row));
    return note_lost(page->keep, &row, device.name);
}

static enum bv_err
keep_cert(const struct page *page, const struct store_cert *row)
{
    const struct store *s = page->keep->fresh;
    enum bv_err err = s->cert_find(s->ctx, row->seq, ignore_cert, NULL);
    if (err == BV_E_NOT_FOUND)
        err = put_lost(page, row);
    BV_TRY(err);
    return restore_keep_status(page->keep, row->seq, row->reason,
                               row->revoked_at);
}

static enum bv_err
carry_cert(void *user, const struct store_cert *row)
{
    struct page *page = user;
    return carried(page, (int64_t)row->seq, keep_cert(page, row));
}

static enum bv_err
block(struct restore_keep *keep, const struct store_device *old)
{
    const struct store *s = keep->fresh;
    struct store_device device;
    int64_t id;
    BV_TRY(find_device(keep, old, &device));
    if (device.blocked)
        return BV_OK;
    device.blocked = true;
    BV_TRY(s->device_put(s->ctx, &device, &id));
    keep->devices++;
    return note(keep, AUDIT_DEVICE_BLOCK, AUDIT_OBJECT_DEVICE, device.name,
                SPAN_EMPTY);
}

static enum bv_err
carry_device(void *user, const struct store_device *row)
{
    struct page *page = user;
    return carried(page, row->id,
                   row->blocked ? block(page->keep, row) : BV_OK);
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
    return note(keep, revoke ? AUDIT_TOKEN_REVOKE : AUDIT_TOKEN_USE,
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

/* --- CAs --- */

struct same_key {
    const struct store_issuer *row;
    uint8_t id;
};

static enum bv_err
match_issuer(void *user, const struct store_issuer *row)
{
    struct same_key *same = user;
    if (span_eq(row->key_hash, same->row->key_hash))
        same->id = row->id;
    return BV_OK;
}

/* A CA is its key. One the backup does not know is made; not when its name is
 * another's there. */
static enum bv_err
carry_issuer(void *user, const struct store_issuer *row)
{
    struct page *page = user;
    const struct store *s = page->keep->fresh;
    struct same_key same = {.row = row};
    struct store_issuer made = *row;
    enum bv_err err = s->issuer_each(s->ctx, match_issuer, &same);
    made.id = 0;
    if (err == BV_OK && same.id == 0)
        err = s->issuer_put(s->ctx, &made, &same.id);
    if (err == BV_OK)
        page->keep->issuers[row->id] = same.id;
    return carried(page, row->id, err == BV_E_CONFLICT ? BV_OK : err);
}

/* --- entries of CRLs --- */

enum bv_err
restore_keep_entry(struct restore_keep *keep, uint8_t issuer,
                   const struct store_revoked *row)
{
    const struct store *s = keep->fresh;
    enum bv_err err = s->cert_find(s->ctx, row->seq, ignore_cert, NULL);
    if (err == BV_OK)
        return restore_keep_status(keep, row->seq, row->reason, row->at);
    if (err == BV_E_NOT_FOUND)
        err = s->revoked_put(s->ctx, issuer, row);
    if (err == BV_E_CONFLICT) /* kept before */
        return BV_OK;
    BV_TRY(err);
    keep->entries++;
    return note(keep, row->reason == HOLD ? AUDIT_CERT_HOLD : AUDIT_CERT_REVOKE,
                AUDIT_OBJECT_CERT, "", row->serial);
}

struct entries {
    struct page page;
    uint8_t issuer;
};

static enum bv_err
carry_entry(void *user, const struct store_revoked *row)
{
    struct entries *entries = user;
    return carried(
        &entries->page, (int64_t)row->seq,
        restore_keep_entry(entries->page.keep, entries->issuer, row));
}

/* Those without a certificate, from an earlier restore. */
static enum bv_err
read_entries(struct restore_keep *keep, const struct store *old, uint8_t id)
{
    struct entries entries = {.page = {.keep = keep, .old = old},
                              .issuer = keep->issuers[id]};
    struct store_walk *walk = NULL;
    bool more = true;
    enum bv_err err = old->revoked_open(old->ctx, id, &walk);
    while (err == BV_OK && more)
        err = old->revoked_next(walk, LIMIT_PAGE, carry_entry, &entries, &more);
    old->revoked_close(walk);
    keep->whole &= err == BV_OK;
    return entries.page.err;
}

/* --- blocked keys --- */

static enum bv_err
block_key(struct restore_keep *keep, const struct store_key *row)
{
    const struct store *s = keep->fresh;
    char why[256], name[2 * 32 + 1] = "";
    struct sink hex = sink_of(name, sizeof(name) - 1);
    size_t len = row->why.len < sizeof(why) ? row->why.len : sizeof(why) - 1;
    bool blocked = false;
    if (row->key_hash.len != 32)
        return BV_OK; /* damaged */
    BV_TRY(s->key_blocked(s->ctx, row->key_hash, &blocked));
    if (blocked)
        return BV_OK;
    if (len > 0)
        memcpy(why, row->why.data, len);
    why[len] = '\0';
    sink_hex(&hex, row->key_hash);
    BV_TRY(s->key_block(s->ctx, row->key_hash, why, row->at));
    keep->keys++;
    return note(keep, AUDIT_KEY_BLOCK, AUDIT_OBJECT_KEY, name, SPAN_EMPTY);
}

static enum bv_err
carry_key(void *user, const struct store_key *row)
{
    struct page *page = user;
    return carried(page, 0, block_key(page->keep, row));
}

static enum bv_err
read_keys(struct restore_keep *keep, const struct store *old)
{
    struct page page = {.keep = keep};
    keep->whole &= old->key_each(old->ctx, carry_key, &page) == BV_OK;
    return page.err;
}

/* --- all --- */

static enum bv_err
read_pages(struct restore_keep *keep, const struct store *old)
{
    static enum bv_err (*const reads[])(const struct store *, struct page *) = {
        read_certs, read_devices, read_tokens};
    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
        struct page page = {.keep = keep, .old = old};
        enum bv_err err;
        do {
            page.num = 0;
            err = reads[i](old, &page);
            BV_TRY(page.err);
        } while (err == BV_OK && page.num == LIMIT_PAGE);
        keep->whole &= err == BV_OK;
    }
    return BV_OK;
}

enum bv_err
restore_keep_old(struct restore_keep *keep, const struct store *old)
{
    struct page page = {.keep = keep, .old = old};
    keep->whole = old->issuer_each(old->ctx, carry_issuer, &page) == BV_OK;
    BV_TRY(page.err);
    BV_TRY(read_pages(keep, old));
    BV_TRY(read_keys(keep, old));
    for (unsigned id = 1; id < 256; id++)
        if (keep->issuers[id] != 0)
            BV_TRY(read_entries(keep, old, (uint8_t)id));
    return BV_OK;
}
