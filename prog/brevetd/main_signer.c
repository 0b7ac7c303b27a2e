/* brevetd-signer: started by brevetd only, as the signer or to try the keys. */
#include <stdio.h>
#include <string.h>

#include "prog/brevetd/role.h"
#include "prog/brevetd/usable.h"

static int
try_keys(void)
{
    struct bundle bundle;
    char problem[FILES_PROBLEM_MAX] = "";
    enum bv_err err = bundle_open(SPAWN_FD, &bundle);
    if (err == BV_OK) {
        err = usable_keys(&bundle, problem);
        bundle_close(&bundle);
    }
    if (err == BV_OK)
        return 0;
    (void)fprintf(stderr, "brevetd: %s\n",
                  problem[0] != '\0' ? problem : err_text(err));
    return 1;
}

int
main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], USABLE_OPTION) == 0)
        return try_keys();
    return role_main(argc, argv, PROC_SIGNER, role_signer_run);
}
