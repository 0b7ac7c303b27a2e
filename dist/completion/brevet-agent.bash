# bash completion for brevet-agent(1)
_brevet_agent() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} word
    local options="--config --force --json --wait --verbose --help --version --url --id --name --dir --claim-code-file
        --ca-file --ca-fingerprint --factory-cert --factory-key --key-type --reuse-key --san --install-cert --install-key
        --install-chain --install-ca --install-dir --no-pem --install-owner --install-mode --hook --renew-at --binding"
    COMPREPLY=()
    case $prev in
    --dir | --install-dir)
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -d -- "$cur"))
        return ;;
    --config | -c | --claim-code-file | --ca-file | --factory-cert | --factory-key | \
        --install-cert | --install-key | --install-chain | --install-ca)
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -f -- "$cur"))
        return ;;
    --key-type) COMPREPLY=($(compgen -W "p256 p384 ed25519 rsa2048 rsa3072 rsa4096" -- "$cur")); return ;;
    --binding) COMPREPLY=($(compgen -W "always ask never" -- "$cur")); return ;;
    --install-owner) COMPREPLY=($(compgen -u -- "$cur")); return ;;
    --url | --id | --name | --ca-fingerprint | --san | --install-mode | --hook | --renew-at) return ;;
    esac
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $word in
        enroll | renew | run | status) COMPREPLY=($(compgen -W "$options" -- "$cur")); return ;;
        esac
    done
    COMPREPLY=($(compgen -W "enroll renew run status $options" -- "$cur"))
}
complete -F _brevet_agent brevet-agent
