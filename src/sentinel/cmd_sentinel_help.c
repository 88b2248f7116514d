#include "base/assert.h"
#include "sentinel/client.h"
#include "sentinel/cmd_calls.h"

/* SENTINEL HELP: the subcommands, each with a line or two. */

static const char *const lines[] = {
    "CKQUORUM <master-name>",
    "    Tell whether quorum and majority can be reached for a failover of the master.",
    "CONFIG GET <pattern> [<pattern> ...]",
    "    Show global settings of this Sentinel.",
    "CONFIG SET <param> <value> [<param> <value> ...]",
    "    Change global settings, all of them or none.",
    "DEBUG [<timer> <milliseconds> ...]",
    "    Show the timers, or change some.",
    "FAILOVER <master-name> [COORDINATED]",
    "    Fail over now, without asking the other Sentinels. COORDINATED pauses the",
    "    master until the replica has caught up.",
    "FLUSHCONFIG",
    "    Write configuration and state to disk.",
    "FORGET <master-name> (<runid>|<ip> <port>)",
    "    Drop one replica or Sentinel that is gone for good.",
    "GET-MASTER-ADDR-BY-NAME <master-name>",
    "    Show ip and port of the master.",
    "INFO-CACHE <master-name> [<master-name> ...]",
    "    Show the INFO last received from masters and their replicas.",
    "IS-MASTER-DOWN-BY-ADDR <ip> <port> <current-epoch> <runid>",
    "    Tell whether the master at this address is down from here; with a run id,",
    "    ask for a vote.",
    "MASTER <master-name>",
    "    Show the state of the master.",
    "MASTERS",
    "    Show the state of every master.",
    "MONITOR <name> <ip> <port> <quorum>",
    "    Begin to watch a master.",
    "MYID",
    "    Show the run id of this Sentinel.",
    "PENDING-SCRIPTS",
    "    Show the scripts that run or wait.",
    "REMOVE <master-name>",
    "    Stop watching a master.",
    "REPLICAS <master-name>",
    "    Show the replicas of the master.",
    "RESET <pattern>",
    "    Forget replicas and Sentinels of the masters that match, and find them again.",
    "SENTINELS <master-name>",
    "    Show the other Sentinels of the master.",
    "SET <master-name> <option> <value> [<option> <value> ...]",
    "    Change settings of the master, all of them or none.",
    "SIMULATE-FAILURE [CRASH-AFTER-ELECTION] [CRASH-AFTER-PROMOTION] [HELP]",
    "    End this process at a moment of the next failover.",
};

void cmd_sentinel_help(struct client *c, const struct resp_command *command)
{
    (void)command;
    client_help(c, "SENTINEL", lines, COUNT_OF(lines));
}
