/* Inside the signer's room: the keys a signer server holds, by name, sealed
 * until they are needed. Copies everything it is given. */
#ifndef BV_SIGNER_KEYRING_H
#define BV_SIGNER_KEYRING_H

#include "pki/key.h"
#include "signer/server.h"

/* The file of a service's key (signer.h). */
struct keyring_file {
    struct span pem; /* own copy */
    bool tried;
    bool unsaved; /* a new key is not on disk yet */
    bool brought; /* the CA's key is away and this is another file than before
                   * the reload */
};

struct keyring_entry {
    char name[LIMIT_SHORT_NAME];
    struct span pem; /* own copy */
    struct keyring_file files[SIGNER_SERVICES];
    struct key *key;
    enum bv_err err; /* why key is NULL, once tried */
    bool tried;
    bool has_meant;
    uint8_t meant[32];    /* SHA-256 of the SPKI core makes certificates for */
    uint8_t key_hash[32]; /* of key, once it is open */
};

struct keyring {
    struct keyring_entry entries[SIGNER_SERVER_KEYS];
    unsigned count;
    struct span passphrase;
};

enum bv_err keyring_new(const struct signer_server_config *config,
                        struct keyring **ret_ring) BV_CHECKED;
void keyring_free(struct keyring *ring); /* wipes */
BV_AUTO_DEFINE(keyring, struct keyring, keyring_free)

/* keyring_find: NULL when there is no such name. */
struct keyring_entry *keyring_find(struct keyring *ring, struct span name);
/* keyring_open opens the entry's key if that was not tried before; the result
 * is entry->err. */
enum bv_err keyring_open(struct keyring *ring,
                         struct keyring_entry *entry) BV_CHECKED;
/* keyring_mean notes which key core means by a name; what has no such name is
 * not here. keyring_is_meant: an open key is the one, or none was said. */
void keyring_mean(struct keyring *ring, const char *name,
                  const uint8_t key_hash[32]);
bool keyring_is_meant(const struct keyring_entry *entry);
/* keyring_adopt moves open keys out of another ring where the file and the
 * passphrase are the same. */
void keyring_adopt(struct keyring *ring, struct keyring *from);

#endif
