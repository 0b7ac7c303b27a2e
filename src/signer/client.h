/* Core's half of the channel to the signer: a struct signer whose jobs travel
 * as messages. Never blocks: jobs queue in the channel until
 * signer_client_flush, answers come with signer_client_step.
 *
 *     poll(signer_client_fd(&s)) -> signer_client_step(&s) -> done callbacks
 *     ... decide, s.sign(...) many times ... -> signer_client_flush(&s)
 *
 * When the signer dies, step (or flush) calls back every outstanding job with
 * UNAVAILABLE and returns CLOSED; sign() then answers UNAVAILABLE at once until
 * signer_client_attach brings the new channel. */
#ifndef BV_SIGNER_CLIENT_H
#define BV_SIGNER_CLIENT_H

#include "proc/channel.h"
#include "signer/signer.h"

/* signer_client_new fills a signer that has no channel yet. close frees it
 * (outstanding jobs are not called back then). */
enum bv_err signer_client_new(signer_done_fn *done, void *user,
                              struct signer *ret_signer) BV_CHECKED;
/* signer_client_attach takes over a channel (self PROC_CORE, peer PROC_SIGNER)
 * in place of the old one, whose jobs fail with UNAVAILABLE, and repeats the
 * last serial_key on it. */
enum bv_err signer_client_attach(struct signer *signer,
                                 struct channel *channel) BV_CHECKED;
/* signer_client_fd: what to poll; -1 without a channel. */
int signer_client_fd(const struct signer *signer);
/* signer_client_has_output: poll for writing as well. */
bool signer_client_has_output(const struct signer *signer);
/* signer_client_step reads what has come and calls back. CLOSED when the
 * signer is gone; BAD_MESSAGE when it broke the protocol (this process then
 * has to end, as with any channel). */
enum bv_err signer_client_step(struct signer *signer) BV_CHECKED;
/* signer_client_flush writes what is queued; CLOSED as above. */
enum bv_err signer_client_flush(struct signer *signer) BV_CHECKED;
/* signer_client_outstanding: jobs submitted and not yet called back. */
size_t signer_client_outstanding(const struct signer *signer);

#endif
