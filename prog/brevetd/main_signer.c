/* brevetd-signer: started by brevetd only. */
#include "prog/brevetd/role.h"

int
main(int argc, char **argv)
{
    return role_main(argc, argv, PROC_SIGNER, role_signer_run);
}
