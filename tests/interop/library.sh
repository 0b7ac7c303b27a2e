#!/bin/bash
# What lib.sh promises the other scripts: a child that is ended while it still
# has the script's traps leaves the script's folder alone.
. "$(dirname "$0")/lib.sh"
born_with_traps() { (trap cleanup EXIT && trap 'exit 130' TERM && kill -TERM "$BASHPID"); }
born_with_traps
equal "the child ended by the script's trap" 130 $?
check "and the work folder is there" [ -d "$work" ]
finish
