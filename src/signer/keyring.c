#include "signer/keyring.h"

#include <stdlib.h>
#include <string.h>

#include "pki/digest.h"
#include "proc/pulse.h"

static enum bv_err
copy(struct span in, struct span *ret_copy)
{
    uint8_t *data;

    *ret_copy = SPAN_EMPTY;
    if (in.len == 0)
        return BV_OK;
    data = malloc(in.len);
    if (data == NULL)
        return BV_E_NO_MEMORY;
    memcpy(data, in.data, in.len);
    *ret_copy = span_of(data, in.len);
    return BV_OK;
}

static void
wipe(struct span *bytes)
{
    union {
        const uint8_t *in;
        void *out;
    } own = {bytes->data}; /* a copy of ours: not const at heart */
    if (own.out != NULL)
        explicit_bzero(own.out, bytes->len);
    free(own.out);
    *bytes = SPAN_EMPTY;
}

void
keyring_free(struct keyring *ring)
{
    if (ring == NULL)
        return;
    for (unsigned i = 0; i < ring->count; i++) {
        wipe(&ring->entries[i].pem);
        for (int j = SIGNER_OCSP; j < SIGNER_SERVICES; j++)
            wipe(&ring->entries[i].files[j].pem);
        key_free(ring->entries[i].key);
    }
    wipe(&ring->passphrase);
    free(ring);
}

static enum bv_err
add(struct keyring *ring, const struct signer_server_key *key)
{
    struct span name = span_str(key->name);
    struct keyring_entry *entry;

    if (ring->count == SIGNER_SERVER_KEYS || name.len == 0 ||
        memchr(name.data, '/', name.len) != NULL ||
        keyring_find(ring, name) != NULL)
        return BV_E_BAD_CONFIG;
    entry = &ring->entries[ring->count++];
    if (span_copy_str(name, entry->name, sizeof entry->name) != BV_OK)
        return BV_E_BAD_CONFIG;
    BV_TRY(copy(key->pem, &entry->pem));
    BV_TRY(copy(key->ocsp_pem, &entry->files[SIGNER_OCSP].pem));
    BV_TRY(copy(key->scep_pem, &entry->files[SIGNER_SCEP].pem));
    for (int i = SIGNER_OCSP; i < SIGNER_SERVICES; i++)
        entry->files[i].tried = entry->files[i].pem.len == 0;
    entry->tried = entry->pem.len == 0; /* kept elsewhere: an offline root */
    entry->err = entry->tried ? BV_E_WRONG_KEY : BV_OK;
    return BV_OK;
}

enum bv_err
keyring_new(const struct signer_server_config *config,
            struct keyring **ret_ring)
{
    bv_auto(keyring) struct keyring *ring = calloc(1, sizeof *ring);

    if (ring == NULL)
        return BV_E_NO_MEMORY;
    BV_TRY(copy(config->passphrase, &ring->passphrase));
    for (unsigned i = 0; i < config->num_keys; i++)
        BV_TRY(add(ring, &config->keys[i]));
    *ret_ring = BV_STEAL(ring);
    return BV_OK;
}

struct keyring_entry *
keyring_find(struct keyring *ring, struct span name)
{
    for (unsigned i = 0; i < ring->count; i++)
        if (span_eq_str(name, ring->entries[i].name))
            return &ring->entries[i];
    return NULL;
}

static enum bv_err
open_key(struct keyring *ring, struct keyring_entry *entry)
{
    uint8_t buf[LIMIT_SPKI];
    struct sink spki = SINK_ARRAY(buf);

    BV_TRY(key_open(entry->pem, ring->passphrase, &entry->key));
    BV_TRY(key_spki(entry->key, &spki));
    digest_sha256(sink_view(&spki), entry->key_hash);
    return BV_OK;
}

void
keyring_mean(struct keyring *ring, const char *name, const uint8_t key_hash[32])
{
    struct keyring_entry *entry = keyring_find(ring, span_str(name));
    if (entry == NULL)
        return;
    entry->has_meant = true;
    memcpy(entry->meant, key_hash, sizeof entry->meant);
}

bool
keyring_is_meant(const struct keyring_entry *entry)
{
    return !entry->has_meant ||
           memcmp(entry->meant, entry->key_hash, sizeof entry->meant) == 0;
}

enum bv_err
keyring_open(struct keyring *ring, struct keyring_entry *entry)
{
    if (!entry->tried) {
        entry->tried = true;
        enum pulse_work before = pulse_set(PULSE_KEY);
        entry->err = open_key(ring, entry);
        (void)pulse_set(before);
    }
    return entry->err;
}

static void
adopt_file(struct keyring_file *to, const struct keyring_file *old, bool away)
{
    to->unsaved = old->unsaved;
    to->brought = away && to->pem.len > 0 && !span_eq(old->pem, to->pem);
}

void
keyring_adopt(struct keyring *ring, struct keyring *from)
{
    bool same = span_eq_secret(ring->passphrase, from->passphrase);
    for (unsigned i = 0; i < ring->count; i++) {
        struct keyring_entry *to = &ring->entries[i];
        struct keyring_entry *old = keyring_find(from, span_str(to->name));
        if (old != NULL && old->has_meant)
            keyring_mean(ring, to->name, old->meant);
        for (int j = SIGNER_OCSP; j < SIGNER_SERVICES && old != NULL; j++)
            adopt_file(&to->files[j], &old->files[j], to->pem.len == 0);
        if (!same || old == NULL || !span_eq(old->pem, to->pem) ||
            to->key != NULL)
            continue;
        to->tried = old->tried;
        to->err = old->err;
        to->key = BV_STEAL(old->key);
        memcpy(to->key_hash, old->key_hash, sizeof to->key_hash);
    }
}
