/* The signer role: CA keys, the log key, OCSP responder and SCEP RA behind
 * channels to core and the doors. No loop of its own: the program polls its
 * channel to the parent (fds[0], not known here) together with ours.
 *
 *     signer_server_new(&config, &server);
 *     on PEER:  signer_server_core(server, fd) / _door(server, index, fd)
 *     loop:
 *         n = signer_server_pollfds(server, fds + 1, MAX - 1);
 *         poll(fds, n + 1, signer_server_busy(server) ? 0 : -1);
 *         BV_TRY(signer_server_step(server, fds + 1, n));   // error: exit
 *
 * A step reads every ready channel, answers everything that came, writes
 * everything out; then it opens one more sealed key (scrypt: about 45 ms each),
 * CA keys in the order given, then log, then those of services. When none is
 * left and there was nothing to answer, it seals a service's new key to have it
 * saved. A SIGN for a key that is still sealed opens it at once, so peers need
 * not wait for all of them. A key that cannot be opened answers WRONG_KEY.
 *
 * Does not log: signer_server_next_event says what happened. */
#ifndef BV_SIGNER_SERVER_H
#define BV_SIGNER_SERVER_H

#include <poll.h>

#include "proc/statusmap.h"
#include "signer/ra.h"
#include "signer/responder.h"

/* At most this many channels: core and 64 doors. */
#define SIGNER_SERVER_CHANNELS 65
/* CAs and other keys one signer holds. */
#define SIGNER_SERVER_KEYS 64

struct signer_server_key {
    const char *name;     /* "<ca name>" or "log" */
    struct span pem;      /* the sealed key file; empty: not on this machine
                           * (offline root), SIGN answers WRONG_KEY */
    struct span cert_pem; /* the CA's certificate file, the CA's own first;
                           * empty for "log" */
    struct span ocsp_pem; /* ocsp-NAME.pem; empty when there is none yet */
    struct span scep_pem; /* scep-NAME.pem, likewise */
};

/* Takes the text of a CA's new ocsp-NAME.pem or scep-NAME.pem, keys sealed, to
 * be written by somebody who may touch files. Called from signer_server_step.
 */
typedef enum bv_err signer_save_fn(void *user, enum signer_service service,
                                   const char *ca, struct span text);

struct signer_server_config {
    const struct signer_server_key *keys;
    unsigned num_keys;
    struct span passphrase;
    signer_save_fn *save; /* NULL: new keys of services are not kept */
    void *save_user;
    struct responder_options ocsp;
    unsigned ra_bits; /* of new RA keys; see ra_new */
};

struct signer_server;
/* signer_server_new copies what it needs of the configuration (the caller
 * wipes its own memory). BAD_CONFIG for a name twice, a certificate that does
 * not parse, too many keys. */
enum bv_err signer_server_new(const struct signer_server_config *config,
                              struct signer_server **ret_server) BV_CHECKED;
void signer_server_free(struct signer_server *server);
BV_AUTO_DEFINE(signer_server, struct signer_server, signer_server_free)

/* signer_server_reload takes a new configuration between two steps; channels,
 * map and open keys whose file did not change stay. On failure nothing has
 * changed. */
enum bv_err
signer_server_reload(struct signer_server *server,
                     const struct signer_server_config *config) BV_CHECKED;

/* Descriptors are taken over, also on failure; a second core, or a door with
 * the same index, replaces the first. */
enum bv_err signer_server_core(struct signer_server *server, int fd) BV_CHECKED;
enum bv_err signer_server_door(struct signer_server *server, unsigned index,
                               int fd) BV_CHECKED;
/* signer_server_map takes a descriptor of the status map, open for reading.
 * A map that is not written yet is tried again at every step. */
enum bv_err signer_server_map(struct signer_server *server, int fd) BV_CHECKED;

/* signer_server_pollfds fills in what to wait for and returns how many. */
unsigned signer_server_pollfds(const struct signer_server *server,
                               struct pollfd *fds, unsigned cap);
/* signer_server_busy: there is work without waiting (sealed keys, messages that
 * the last step left: it takes a share of each channel's). */
bool signer_server_busy(const struct signer_server *server);
/* signer_server_sealed: there are keys that have not been tried yet. */
bool signer_server_sealed(const struct signer_server *server);
/* signer_server_step does what is ready. A channel that closed is let go, and
 * so is a door that broke the protocol. An error means the process must end:
 * core broke it. */
enum bv_err signer_server_step(struct signer_server *server,
                               const struct pollfd *fds,
                               unsigned num_fds) BV_CHECKED;

enum signer_event_kind {
    SIGNER_EVENT_OPENED,        /* name: a key is ready; err OK or why not */
    SIGNER_EVENT_SERVICE_READY, /* name, service: the CA's key is in use */
    SIGNER_EVENT_SERVICE_SAVED, /* name, service: its file handed over; err */
    SIGNER_EVENT_DOOR_CUT, /* door: it broke the protocol (err), its channel
                            * is closed */
};
struct signer_event {
    enum signer_event_kind kind;
    enum signer_service service;
    char name[LIMIT_SHORT_NAME];
    unsigned door;
    enum bv_err err;
};
/* signer_server_next_event takes one event for the log; false: none. At most
 * the last 64 are kept. */
bool signer_server_next_event(struct signer_server *server,
                              struct signer_event *ret_event);

#endif
