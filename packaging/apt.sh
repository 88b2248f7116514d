# shellcheck shell=bash
# Sourced by ./demo and ./check: installs Debian and Ubuntu packages, and says which and why before.

# Fills `wanted` from lines "package ... : why" on standard input, without what is there already.
# A package of the form a|b is whichever of them apt knows; with ?c it is not wanted when there is a
# command c, from wherever.
apt_plan()
{
    wanted=()
    local names why name choice
    while IFS=: read -r names why; do
        for name in $names; do
            if [ "$name" != "${name%\?*}" ] && command -v "${name#*\?}" >/dev/null; then
                continue
            fi
            name=${name%\?*}
            for choice in ${name//|/ }; do
                if dpkg-query -W -f '${Status}' "$choice" 2>/dev/null | grep -q 'ok installed'; then
                    name=
                    break
                fi
            done
            if [ -n "$name" ]; then
                wanted+=("$name")
                printf '  %-28s%s\n' "$name" "$why"
            fi
        done
    done
}

apt_choose()
{
    local choice
    for choice in ${1//|/ }; do
        if apt-cache show "$choice" >/dev/null 2>&1; then
            echo "$choice"
            return
        fi
    done
    echo "${1%%|*}"
}

# Installs what the table on standard input names. Fails when that is not possible.
apt_install()
{
    local had_redis=yes as_root=() name names=()
    command -v apt-get >/dev/null || { echo "no apt-get here: install the packages by hand" >&2; return 1; }
    echo "packages to install:"
    apt_plan
    if [ ${#wanted[@]} -eq 0 ]; then
        echo "  none, all are there"
        return 0
    fi
    command -v redis-server >/dev/null || had_redis=no
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || { echo "not root, and no sudo" >&2; return 1; }
        as_root=(sudo)
    fi
    "${as_root[@]}" apt-get update -qq || return 1
    for name in "${wanted[@]}"; do
        names+=("$(apt_choose "$name")")
    done
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
        --no-install-recommends "${names[@]}" >/dev/null || return 1
    # The package starts a server on 6379; nobody asked for that one.
    if [ "$had_redis" = no ] && [ -d /run/systemd/system ]; then
        "${as_root[@]}" systemctl disable --quiet --now redis-server redis-sentinel 2>/dev/null || true
    fi
}
