/* brevet status, tls, clock */
#include "command.h"

const struct command cmd_server[] = {
    {.group = "status",
     .summary = "what the server does",
     .verb = "status",
     .example = "brevet status\nbrevet status --json\n"},
    {.group = "tls",
     .action = "renew",
     .summary = "give the server a new TLS certificate now",
     .verb = "tls.renew",
     .example = "brevet tls renew\n"},
    {.group = "clock",
     .action = "trust",
     .summary = "vouch for the present time after the clock jumped",
     .verb = "clock.trust",
     .example = "date && brevet clock trust\n"},
    {.group = NULL},
};
