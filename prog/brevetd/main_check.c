/* brevetd-check CONFIG DIR [--json]: started by brevetd --check only. */
#include <string.h>

#include "prog/brevetd/examine.h"

int
main(int argc, char **argv)
{
    bool json = argc == 4 && strcmp(argv[3], "--json") == 0;
    return argc == 3 || json ? examine_run(argv[1], argv[2], json) : 2;
}
