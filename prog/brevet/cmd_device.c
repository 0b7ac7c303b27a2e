/* brevet device, token */
#include "command.h"

#define PAGE                                                                   \
    {"limit", NULL, COMMAND_NUMBER, "N", "rows at most (1..1000)"},            \
    {                                                                          \
        "after", NULL, COMMAND_NUMBER, "KEY", "go on after this row"           \
    }
#define END                                                                    \
    {                                                                          \
        NULL, NULL, 0, NULL, NULL                                              \
    }

static const struct command_option list_options[] = {
    {"group", NULL, COMMAND_TEXT, "NAME", "of this group"}, PAGE, END};
static const struct command_option page_options[] = {PAGE, END};
static const struct command_option request_options[] = {
    {"id", NULL, COMMAND_NUMBER, "N", "the request's number"}, END};
static const struct command_option create_options[] = {
    {"device", NULL, COMMAND_TEXT, "NAME", "a claim code for this device"},
    {"group", NULL, COMMAND_TEXT, "NAME",
     "a token for new devices of a group; with --device, its group"},
    {"profile", NULL, COMMAND_TEXT, "NAME", "what it may obtain"},
    {"uses", NULL, COMMAND_NUMBER, "N", "how often it works (1)"},
    {"expires", NULL, COMMAND_DURATION, "7d", "how long it works"},
    END};

#define NAME   .positional = {"NAME", "name", COMMAND_TEXT, NULL, NULL}
#define DEVICE .positional = {"DEVICE", "device", COMMAND_TEXT, NULL, NULL}

const struct command cmd_device[] = {
    {.group = "device",
     .action = "list",
     .summary = "list devices",
     .verb = "device.list",
     .example = "brevet device list --group pumps\n",
     .options = list_options,
     .columns = "id name group profile created_at last_seen blocked"},
    {.group = "device",
     .action = "show",
     .summary = "show a device and its certificates",
     .verb = "device.show",
     .example = "brevet device show pump-7\n",
     NAME},
    {.group = "device",
     .action = "pending",
     .summary = "list requests that wait for approval",
     .verb = "device.pending",
     .example = "brevet device pending\n",
     .options = page_options,
     .columns = "id device profile peer state created_at"},
    {.group = "device",
     .action = "approve",
     .summary = "approve a waiting request",
     .verb = "device.approve",
     .needs = "device|id",
     .example = "brevet device approve pump-7\n",
     .options = request_options,
     .positional_optional = true,
     DEVICE},
    {.group = "device",
     .action = "deny",
     .summary = "deny a waiting request",
     .verb = "device.deny",
     .needs = "device|id",
     .example = "brevet device deny --id 3\n",
     .options = request_options,
     .positional_optional = true,
     DEVICE},
    {.group = "device",
     .action = "block",
     .summary = "let a device neither enrol nor renew",
     .verb = "device.block",
     .example = "brevet device block pump-7\n",
     NAME},
    {.group = "device",
     .action = "unblock",
     .summary = "end a block",
     .verb = "device.unblock",
     .example = "brevet device unblock pump-7\n",
     NAME},
    {.group = NULL},
};

const struct command cmd_token[] = {
    {.group = "token",
     .action = "create",
     .summary = "make an enrolment token; its secret is shown once",
     .verb = "token.create",
     .needs = "device|group",
     .example = "brevet token create --device pump-7\n"
                "brevet token create --group pumps --uses 100 --expires 7d\n",
     .options = create_options},
    {.group = "token",
     .action = "list",
     .summary = "list tokens",
     .verb = "token.list",
     .example = "brevet token list\n",
     .options = page_options,
     .columns = "id kind device group uses_left expires_at revoked"},
    {.group = "token",
     .action = "revoke",
     .summary = "make a token useless",
     .verb = "token.revoke",
     .example = "brevet token revoke 5\n",
     .positional = {"ID", "id", COMMAND_NUMBER, NULL, NULL}},
    {.group = NULL},
};
