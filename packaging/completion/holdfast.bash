# bash completion for holdfast(1)
_holdfast()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}

    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W 'check demo router run sentinel status --help --version' -- "$word")
        return
    fi
    case ${COMP_WORDS[1]} in
    demo)
        case $before in
        --every) mapfile -t COMPREPLY < <(compgen -W '5s 15s 30s' -- "$word") ;;
        --for) mapfile -t COMPREPLY < <(compgen -W '30s 60s 5m' -- "$word") ;;
        --down-after) mapfile -t COMPREPLY < <(compgen -W '1s 5s' -- "$word") ;;
        --monitors) mapfile -t COMPREPLY < <(compgen -W 'holdfast redis-sentinel' -- "$word") ;;
        *)
            mapfile -t COMPREPLY < <(
                compgen -W '--every --for --down-after --monitors --direct --plain --json --help' -- "$word")
            ;;
        esac
        ;;
    router)
        case $before in
        --config | --control | --log-file | --*-file | --*-ca | --*-cert | --*-key | --*-ca-dir)
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            compopt -o filenames
            ;;
        --listen | --listen-replicas)
            mapfile -t COMPREPLY < <(compgen -W '127.0.0.1:6379 unix:/run/' -- "$word") ;;
        --client-auth) mapfile -t COMPREPLY < <(compgen -W 'none own pass' -- "$word") ;;
        --when-down) mapfile -t COMPREPLY < <(compgen -W 'error miss close' -- "$word") ;;
        --retry-writes) mapfile -t COMPREPLY < <(compgen -W 'none idempotent' -- "$word") ;;
        --master | --sentinels | --*-user | --sessions-db | --hold | --*-bytes | --*-window | \
            --info-cache | --replica-max-* | --threads | --clients | --strangers | --*-timeout | --drain) ;;
        *)
            mapfile -t COMPREPLY < <(compgen -W '
                --master --sentinels --listen --listen-replicas --config
                --redis-user --redis-password-file --sentinel-user --sentinel-password-file
                --client-auth --client-user --client-password-file --allow-open
                --redis-tls --redis-tls-ca --redis-tls-ca-dir --redis-tls-cert --redis-tls-key
                --sentinel-tls --sentinel-tls-ca --sentinel-tls-ca-dir --sentinel-tls-cert
                --sentinel-tls-key --hold --hold-max-bytes --when-down --sessions-db --retry-writes
                --cache --cache-window --cache-max-bytes --info-cache --replica-max-lag
                --replica-max-silence --replicas-only --threads --clients --strangers
                --request-timeout --idle-timeout --request-max-bytes --drain --control
                --no-takeover --log-file --verbose --check --commands --json --help' -- "$word")
            ;;
        esac
        ;;
    check)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        compopt -o filenames
        [[ $word == -* ]] &&
            mapfile -t COMPREPLY < <(compgen -W '--strict --json --node --options --help' -- "$word")
        ;;
    run)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        compopt -o filenames
        [[ $word == -* ]] && mapfile -t COMPREPLY < <(compgen -W '--node --help' -- "$word")
        ;;
    status)
        if [ "$before" = --control ]; then
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            compopt -o filenames
        else
            mapfile -t COMPREPLY < <(compgen -W '--control --json --metrics --help' -- "$word")
        fi
        ;;
    sentinel)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        compopt -o filenames
        [[ $word == -* ]] && mapfile -t COMPREPLY < <(compgen -W '--state-file' -- "$word")
        ;;
    esac
}
complete -F _holdfast holdfast
