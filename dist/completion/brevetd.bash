# bash completion for brevetd(8)
_brevetd() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    COMPREPLY=()
    compopt -o filenames 2>/dev/null
    case $prev in
    --dir | -d) COMPREPLY=($(compgen -d -- "$cur")) ;;
    --config | -c) COMPREPLY=($(compgen -f -- "$cur")) ;;
    *) COMPREPLY=($(compgen -W "--dir --config --check --json --foreground --print-config-reference --version --help" -- "$cur")) ;;
    esac
}
complete -F _brevetd brevetd
