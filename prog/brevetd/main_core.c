/* brevetd-core: started by brevetd only. */
#include "prog/brevetd/role.h"

int
main(int argc, char **argv)
{
    return role_main(argc, argv, PROC_CORE, role_core_run);
}
