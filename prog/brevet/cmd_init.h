/* brevet init: see the help text in cmd_init.c. */
#ifndef BREVET_CMD_INIT_H
#define BREVET_CMD_INIT_H

/* cmd_init parses its options and makes an installation; returns the exit
 * status: 0, 1 (it failed and left nothing), 2 (the options are wrong). argv[0]
 * is the command's name. */
int cmd_init(int argc, char **argv);

#endif
