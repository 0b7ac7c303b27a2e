/* brevetd-door: started by brevetd only. */
#include "prog/brevetd/role.h"

int
main(int argc, char **argv)
{
    return role_main(argc, argv, PROC_DOOR, role_door_run);
}
