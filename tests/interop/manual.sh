#!/bin/bash
# Manual pages, guides and completions against what the programs themselves
# say: every command and option is described, nothing else is, pages render
# without a warning, commands in guides exist, words are completed.
. "$(dirname "$0")/lib.sh"
need python3

python3 -B tests/interop/lib/manual.py "$PWD" "$build" || failures=$((failures + 1))

# complete PROGRAM-FILE FUNCTION WORDS...: what is offered for the last word
complete_words() {
    local file=$1 function=$2
    shift 2
    bash --norc -c 'shopt -s extglob; . "$1"; function=$2; shift 2
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
        "$function" 2>/dev/null; echo "${COMPREPLY[*]}"' _ "$file" "$function" "$@"
}
brevet_words() { complete_words "$build/dist/brevet" _brevet brevet "$@"; }
agent_words() { complete_words dist/completion/brevet-agent.bash _brevet_agent brevet-agent "$@"; }

equal "bash: brevet to" "token" "$(brevet_words to)"
equal "bash: brevet token" "create list revoke" "$(brevet_words token '')"
equal "bash: brevet --dir X token c" "create" "$(brevet_words --dir X token c)"
equal "bash: brevet token create --us" "--uses" "$(brevet_words token create --us)"
equal "bash: brevet cert revoke --reason key" "keyCompromise" "$(brevet_words cert revoke --reason key)"
equal "bash: brevet cert list --status r" "revoked" "$(brevet_words cert list --status r)"
mkdir "$work/folder" && touch "$work/file.csr"
equal "bash: a file" "$work/file.csr" "$(brevet_words cert issue --csr "$work/fi")"
equal "bash: a folder" "$work/folder" "$(brevet_words --dir "$work/fo")"
equal "bash: brevetd --ch" "--check" "$(complete_words dist/completion/brevetd.bash _brevetd brevetd --ch)"
equal "bash: brevet-agent en" "enroll" "$(agent_words en)"
equal "bash: brevet-agent enroll --key-type ed" "ed25519" "$(agent_words enroll --key-type ed)"
for program in brevetd brevet-agent; do
    options=$("$build/prog/$program/$program" --help | grep -oE -- '--[a-z][a-z-]*[a-z]' | sort -u)
    for file in "$program.bash" "_$program"; do
        equal "$file offers every option" "$options" \
            "$(grep -oE -- '--[a-z][a-z-]*[a-z]' "dist/completion/$file" | sort -u)"
    done
done
if command -v zsh >/dev/null; then
    for file in "$build/dist/_brevet" dist/completion/_brevetd dist/completion/_brevet-agent; do
        check "zsh reads $(basename "$file")" zsh -n "$file"
    done
    refuse "zsh: an option without a word about it" grep -q '\[\]' "$build/dist/_brevet"
    # each pair: what is typed, and what TAB makes of it
    pairs=("brevet toke" "brevet token"
        "brevet --dir X toke" "brevet --dir X token"
        "brevet --json --dir X token cr" "brevet --json --dir X token create"
        "brevet --dir X token create --us" "brevet --dir X token create --uses"
        "brevet --js" "brevet --json"
        "brevet cert revoke --reason keyC" "brevet cert revoke --reason keyCompromise"
        "brevet cert issue --csr $work/fi" "brevet cert issue --csr $work/file.csr"
        "brevet --dir $work/fo" "brevet --dir $work/folder/")
    typed=() wanted=()
    for ((i = 0; i < ${#pairs[@]}; i += 2)); do typed+=("${pairs[i]}") && wanted+=("${pairs[i + 1]}"); done
    mapfile -t got < <(timeout 60 python3 -B tests/interop/lib/zsh_tab.py "$build/dist" "${typed[@]}")
    for i in "${!typed[@]}"; do equal "zsh: ${typed[i]}" "${wanted[i]}" "${got[i]:-}"; done
fi
if command -v fish >/dev/null; then
    fish_words() { HOME=$work fish --no-config -c 'source $argv[1]; complete -C $argv[2]' "$build/dist/brevet.fish" "$1" | cut -f1 | paste -sd' '; }
    equal "fish: brevet to" "token" "$(fish_words "brevet to")"
    equal "fish: brevet token" "create list revoke" "$(fish_words "brevet token ")"
    equal "fish: brevet --dir X token c" "create" "$(fish_words "brevet --dir X token c")"
    equal "fish: brevet --json token c" "create" "$(fish_words "brevet --json token c")"
    equal "fish: brevet token create --us" "--uses" "$(fish_words "brevet token create --us")"
    equal "fish: brevet cert revoke --reason key" "keyCompromise" "$(fish_words "brevet cert revoke --reason key")"
    equal "fish: a file" "$work/file.csr" "$(fish_words "brevet cert issue --csr $work/fi")"
    equal "fish: a folder" "$work/folder/" "$(fish_words "brevet --dir $work/fo")"
fi
finish
