/* brevet status, backup, clock */
#include "command.h"

const struct command cmd_server[] = {
    {.group = "status",
     .summary = "what the server does",
     .verb = "status",
     .example = "brevet status\nbrevet status --json\n"},
    {.group = "backup",
     .summary = "copy the live database to a new file",
     .verb = "backup",
     .example = "brevet backup /backup/brevet-2026-11-21.db\n",
     .positional = {"FILE", "path", COMMAND_PATH, NULL, NULL}},
    {.group = "clock",
     .action = "trust",
     .summary = "vouch for the present time after the clock jumped",
     .verb = "clock.trust",
     .example = "date && brevet clock trust\n"},
    {.group = NULL},
};
