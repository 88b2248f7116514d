# bash completion for holdfast(1)
_holdfast()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}

    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W 'demo sentinel --help --version' -- "$word")
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
                compgen -W '--every --for --down-after --monitors --plain --json --help' -- "$word")
            ;;
        esac
        ;;
    sentinel)
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        compopt -o filenames
        [[ $word == -* ]] && mapfile -t COMPREPLY < <(compgen -W '--state-file' -- "$word")
        ;;
    esac
}
complete -F _holdfast holdfast
