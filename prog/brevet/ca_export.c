/* brevet ca export-root: the key leaves this machine. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "prog/brevet/ca_acts.h"

static enum bv_err
seal_out(struct ca_files *files, const struct command_call *call,
         const struct key *key)
{
    uint8_t buf[KEY_PEM_MAX];
    char secret[INSTALL_SECRET_MAX];
    struct sink text = SINK_ARRAY(buf);
    bv_auto(key) struct key *again = NULL;
    const char *out = ca_act_text(call, "out", "");
    if (out[0] == '\0')
        return ca_files_bad(files, BV_E_REFUSED, "--out is missing");
    if (access(out, F_OK) == 0)
        return ca_files_bad(files, BV_E_CONFLICT, "%s exists already", out);
    BV_TRY(ca_files_secret_new(files, command_text(call, "passphrase-file"),
                               "Passphrase for the exported key: ", secret));
    enum bv_err err = key_seal(key, span_str(secret), &text);
    /* The only copy is about to be removed: it opens, or nothing happens. */
    if (err == BV_OK)
        err = key_open(sink_view(&text), span_str(secret), &again);
    explicit_bzero(secret, sizeof(secret));
    if (err != BV_OK || !key_match(key, again))
        return ca_files_bad(files, err == BV_OK ? BV_E_CRYPTO : err,
                            "the key could not be sealed: %s", err_text(err));
    return ca_files_write(files, out, 0600, sink_view(&text));
}

/* key = "none" goes in after the section's opening line. */
static enum bv_err
set_offline(struct ca_files *files, const char *name)
{
    static uint8_t in[CONFIG_TEXT_MAX + 1], out_buf[CONFIG_TEXT_MAX + 64];
    struct sink out = SINK_ARRAY(out_buf);
    char opening[LIMIT_SHORT_NAME + 16];
    struct config *config = NULL;
    struct span text = SPAN_EMPTY;
    BV_TRY(ca_files_read(files, files->conf, in, sizeof(in), &text));
    (void)snprintf(opening, sizeof(opening), "\nca \"%s\" {\n", name);
    const uint8_t *at = memmem(text.data, text.len, opening, strlen(opening));
    if (at == NULL)
        return ca_files_bad(files, BV_E_BAD_CONFIG,
                            "set key = \"none\" in the section ca \"%s\" of %s "
                            "yourself, reload the server, and remove its key",
                            name, files->conf);
    size_t head = (size_t)(at - text.data) + strlen(opening);
    sink_put(&out, span_of(text.data, head));
    sink_str(&out, "    key = \"none\"\n");
    sink_put(&out, span_of(text.data + head, text.len - head));
    BV_TRY(config_parse(sink_view(&out), files->conf, files->dir, &config,
                        files->problem, sizeof(files->problem)));
    config_free(config);
    return ca_files_write(files, files->conf, 0644, sink_view(&out));
}

const char *
ca_act_next(const struct ledger *ledger)
{
    return ledger_has_daemon(ledger) ? "Next: reload the server (SIGHUP)"
                                     : "Next: start the server";
}

/* A file's octets outlive its name: on flash, on copy-on-write file systems
 * and in backups nothing that can be done here changes that. */
static void
tell(const char *out, const struct ledger *ledger)
{
    (void)printf(
        "Exported to %s, and removed here.\n"
        "Its passphrase and this file are all there is: keep two copies of "
        "each, apart.\n"
        "Removing a file does not erase its octets: on an SSD, a memory card, "
        "in a\nsnapshot or a backup the sealed key may be found again. What "
        "opens it there is\ntoday's passphrase: do brevet passphrase change, "
        "and destroy the old one too.\nA root that must never have been here "
        "is "
        "made elsewhere (init --external-root).\n%s\n",
        out, ca_act_next(ledger));
}

/* The responder's key stays: until its certificate ends it says which CAs of
 * this root are revoked. */
enum bv_err
ca_export_root(struct ca_files *files, const struct command_call *call)
{
    const char *name = ca_act_text(call, "name", "root");
    char path[CONFIG_PATH_MAX];
    bv_auto(key) struct key *key = NULL;
    bv_auto(ledger) struct ledger *ledger = NULL;
    size_t ca;
    BV_TRY(ca_files_find(files, name, &ca));
    BV_TRY(ca_files_key(files, ca, &key));
    BV_TRY(ledger_open(files, &ledger));
    BV_TRY(seal_out(files, call, key));
    BV_TRY(ledger_note(ledger, "ca.export", name, SPAN_EMPTY,
                       "its key leaves this machine"));
    BV_TRY(set_offline(files, name));
    BV_TRY(config_path(files->config,
                       files->config->ca_files[ca].key + strlen("file:"),
                       path));
    if (unlink(path) < 0)
        return ca_files_bad(files, BV_E_IO, "%s could not be removed", path);
    tell(ca_act_text(call, "out", ""), ledger);
    return BV_OK;
}
