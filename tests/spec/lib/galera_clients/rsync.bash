# BASH_ENV of a test's mariadbd, so read by its state transfer scripts (mariadbd puts its own
# directory first in the PATH: a program of ours would not be found). The daemon that
# wsrep_sst_rsync starts to receive becomes nobody when root starts it, and cannot write into a
# test's directory.
rsync()
{
    case " $* " in
    *" --daemon "*) exec /usr/bin/rsync "$@" --dparam=uid=0 --dparam=gid=0 ;;
    *) command rsync "$@" ;;
    esac
}
