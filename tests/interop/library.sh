#!/bin/bash
# What lib.sh promises the other scripts: a test that has nothing to look at
# does not hold, and a child that is ended while it still has the script's traps
# leaves the script's folder alone.
. "$(dirname "$0")/lib.sh"
born_with_traps() { (trap cleanup EXIT && trap 'exit 130' TERM && kill -TERM "$BASHPID"); }
born_with_traps
equal "the child ended by the script's trap" 130 $?
check "and the work folder is there" [ -d "$work" ]

# fails WHAT COMMAND...: this test does not hold, and says so
fails() {
    local text=$1 line
    shift
    line=$(failures=0 && "$@")
    [[ $line == "not ok - x"* ]]
    ok $? "$text" "$line"
}
echo text >"$work/text"
fails "a program that is not there refuses nothing" refuse x "$work/none"
fails "nor one that is killed" refuse x sh -c 'kill -9 $$'
fails "nor one that succeeds" refuse x true
fails "grep refuses nothing without a file" refuse x grep -q text "$work/none"
fails "nor without a pattern" refuse x grep -q "" "$work/text"
fails "nor cmp" refuse x cmp -s "$work/text" "$work/none"
fails "nor test with an empty word" refuse x test "" = a
fails "grep finds nothing without a pattern" check x grep -q "" "$work/text"
fails "nothing is not equal to nothing" equal x "" ""
fails "something is not nothing" none x a
refuse "and a refusal is one" grep -q word "$work/text"
none "and nothing is nothing" ""
equal "and equal is equal" a a
check "and found is found" grep -q text "$work/text"
finish
