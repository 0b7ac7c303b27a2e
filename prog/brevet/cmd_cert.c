/* brevet cert, key, ca, crl, profile */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "command.h"

#define PAGE                                                                   \
    {"limit", NULL, COMMAND_NUMBER, "N", "rows at most (1..1000)"},            \
    {                                                                          \
        "after", NULL, COMMAND_NUMBER, "KEY", "go on after this row"           \
    }
#define WHICH                                                                  \
    {"device", NULL, COMMAND_TEXT, "NAME", "every certificate of a device"},   \
    {                                                                          \
        "key", NULL, COMMAND_TEXT, "HEX",                                      \
            "every certificate of a key (SHA-256"                              \
            " of its SubjectPublicKeyInfo)"                                    \
    }
#define END                                                                    \
    {                                                                          \
        NULL, NULL, 0, NULL, NULL                                              \
    }

static const struct command_option list_options[] = {
    {"device", NULL, COMMAND_TEXT, "NAME", "of this device"},
    {"status", NULL, COMMAND_TEXT, "any|good|revoked", "of this status"},
    {"expiring", "expires_before", COMMAND_WITHIN, "30d", "within this time"},
    PAGE,
    END,
};
static const struct command_option revoke_options[] = {
    WHICH,
    {"reason", NULL, COMMAND_TEXT, "REASON",
     "RFC 5280's name: keyCompromise, superseded, cessationOfOperation …"},
    END,
};
static const struct command_option which_options[] = {WHICH, END};
static const struct command_option block_options[] = {
    {"why", NULL, COMMAND_TEXT, "TEXT", "noted beside it"},
    END,
};
static const struct command_option issue_options[] = {
    {"profile", NULL, COMMAND_TEXT, "NAME", "what it shall look like"},
    {"csr", NULL, COMMAND_FILE, "FILE", "the request, PEM"},
    {"device", NULL, COMMAND_TEXT, "NAME", "its device, if not its CN"},
    {"out", NULL, COMMAND_TEXT, "FILE", "write the certificate there"},
    END,
};

static int
write_out(const char *path, const char *pem, const char *serial)
{
    bv_auto_close int fd =
        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    size_t len = strlen(pem);

    if (fd >= 0 && write(fd, pem, len) == (ssize_t)len)
        return COMMAND_OK;
    (void)fprintf(stderr,
                  "brevet: %s: %s; the certificate is issued, and brevet cert "
                  "show %s prints it\n",
                  path, strerror(errno), serial != NULL ? serial : "SERIAL");
    return COMMAND_FAILED;
}

static int
issue(const struct command_call *call)
{
    const char *out = command_text(call, "out");
    json_t *result = NULL;
    int code = command_ask(call, &result);

    if (code != COMMAND_OK)
        return code;
    const char *pem = json_string_value(json_object_get(result, "pem"));
    if (call->as_json)
        (void)json_dumpf(result, stdout, JSON_INDENT(2));
    else if (out == NULL && pem != NULL)
        (void)fputs(pem, stdout);
    if (out != NULL && pem != NULL)
        code = write_out(out, pem,
                         json_string_value(json_object_get(result, "serial")));
    json_decref(result);
    return code;
}

#define SERIAL .positional = {"SERIAL", "serial", COMMAND_TEXT, NULL, NULL}
#define NAME   .positional = {"NAME", "name", COMMAND_TEXT, NULL, NULL}

static int
crl_publish_run(const struct command_call *call)
{
    (void)json_object_set_new(call->args, "wait", json_true());
    return command_control(call);
}

const struct command cmd_cert[] = {
    {.group = "cert",
     .action = "list",
     .summary = "list certificates",
     .verb = "cert.list",
     .example = "brevet cert list --status revoked\n"
                "brevet cert list --expiring 30d --json\n",
     .options = list_options,
     .columns = "seq serial device profile not_after status reason"},
    {.group = "cert",
     .action = "show",
     .summary = "show one certificate",
     .verb = "cert.show",
     .example = "brevet cert show 42a1…\n",
     SERIAL},
    {.group = "cert",
     .action = "revoke",
     .summary = "revoke for good",
     .verb = "cert.revoke",
     .needs = "serial|device|key",
     .example = "brevet cert revoke 42a1… --reason keyCompromise\n"
                "brevet cert revoke --device pump-7\n",
     .options = revoke_options,
     .positional_optional = true,
     SERIAL},
    {.group = "cert",
     .action = "hold",
     .summary = "suspend; release undoes it",
     .verb = "cert.hold",
     .needs = "serial|device|key",
     .example = "brevet cert hold --device pump-7\n",
     .options = which_options,
     .positional_optional = true,
     SERIAL},
    {.group = "cert",
     .action = "release",
     .summary = "end a hold",
     .verb = "cert.release",
     .needs = "serial|device|key",
     .example = "brevet cert release --device pump-7\n",
     .options = which_options,
     .positional_optional = true,
     SERIAL},
    {.group = "cert",
     .action = "issue",
     .summary = "issue from a request in a file",
     .verb = "cert.issue",
     .needs = "profile csr",
     .run = issue,
     .example = "brevet cert issue --profile server --csr b.csr --out b.crt\n",
     .options = issue_options},
    {.group = "key",
     .action = "block",
     .summary = "refuse a public key from now on",
     .verb = "key.block",
     .example = "brevet key block 9f86d0… --why \"leaked\"\n",
     .options = block_options,
     .positional = {"HEX", "key", COMMAND_TEXT, NULL, NULL}},
    {.group = "ca",
     .action = "list",
     .summary = "list the CAs",
     .verb = "ca.list",
     .example = "brevet ca list\n",
     .columns = "id name subject key not_after crl_number crl_next_update"},
    {.group = "ca",
     .action = "show",
     .summary = "show one CA with its certificate",
     .verb = "ca.show",
     .example = "brevet ca show issuing\n",
     NAME},
    {.group = "crl",
     .action = "publish",
     .summary = "publish CRLs now, and wait until they are what clients get",
     .verb = "crl.publish",
     .run = crl_publish_run,
     .columns = "ca crl_number crl_next_update served",
     .example = "brevet crl publish\n",
     .positional_optional = true,
     NAME},
    {.group = "profile",
     .action = "list",
     .summary = "list the profiles",
     .verb = "profile.list",
     .example = "brevet profile list\n",
     .columns = "name ca lifetime renew_percent is_ca approval server_keygen"},
    {.group = "profile",
     .action = "show",
     .summary = "show one profile",
     .verb = "profile.show",
     .example = "brevet profile show device\n",
     NAME},
    {.group = NULL},
};
