/*
 * Directives that Redis 6 to 8 and Valkey 7.2 to 9 accept in any configuration file and that mean
 * nothing to a Sentinel: it has no data, no replicas, no cluster. An operator who shares a file
 * between his servers must be able to start; the parser names each in a warning.
 */
#include "config/config.h"

#include "base/text.h"
#include "config/config_room.h"

static const char *const ignored[] = {
    /* data and persistence */
    "save", "appendonly", "appendfilename", "appenddirname", "appendfsync",
    "auto-aof-rewrite-percentage", "auto-aof-rewrite-min-size", "aof-load-truncated",
    "aof-use-rdb-preamble", "aof-timestamp-enabled", "aof-rewrite-incremental-fsync",
    "aof-disable-auto-gc", "aof-load-corrupt-tail-max-size", "no-appendfsync-on-rewrite",
    "dbfilename", "rdbcompression", "rdbchecksum", "rdb-save-incremental-fsync",
    "rdb-del-sync-files", "rdb-key-save-delay", "rdb-version-check", "sanitize-dump-payload",
    "stop-writes-on-bgsave-error", "databases", "cluster-databases", "key-load-delay",
    "loading-process-events-interval-bytes", "active-expire-effort", "import-mode",
    /* memory */
    "maxmemory", "maxmemory-policy", "maxmemory-samples", "maxmemory-eviction-tenacity",
    "lfu-log-factor", "lfu-decay-time", "maxmemory-clients", "lazyfree-lazy-eviction",
    "lazyfree-lazy-expire", "lazyfree-lazy-server-del", "lazyfree-lazy-user-del",
    "lazyfree-lazy-user-flush", "replica-lazy-flush", "slave-lazy-flush", "activedefrag",
    "active-defrag-ignore-bytes", "active-defrag-threshold-lower", "active-defrag-threshold-upper",
    "active-defrag-cycle-min", "active-defrag-cycle-max", "active-defrag-cycle-us",
    "active-defrag-max-scan-fields", "jemalloc-bg-thread", "dict-resizing", "activerehashing",
    "oom-score-adj", "oom-score-adj-values", "disable-thp",
    /* encodings of values */
    "hash-max-listpack-entries", "hash-max-listpack-value", "hash-max-ziplist-entries",
    "hash-max-ziplist-value", "list-max-listpack-size", "list-max-ziplist-size",
    "list-compress-depth", "list-max-ziplist-entries", "list-max-ziplist-value",
    "set-max-intset-entries", "set-max-listpack-entries", "set-max-listpack-value",
    "zset-max-listpack-entries", "zset-max-listpack-value", "zset-max-ziplist-entries",
    "zset-max-ziplist-value", "hll-sparse-max-bytes", "stream-node-max-bytes",
    "stream-node-max-entries", "hash-seed", "stream-idmp-duration", "stream-idmp-maxsize",
    /* replication */
    "replicaof", "slaveof", "masterauth", "masteruser", "primaryauth", "primaryuser",
    "replica-serve-stale-data", "slave-serve-stale-data", "replica-read-only", "slave-read-only",
    "repl-diskless-sync", "repl-diskless-sync-delay", "repl-diskless-sync-max-replicas",
    "repl-diskless-load", "repl-disable-tcp-nodelay", "repl-backlog-size", "repl-backlog-ttl",
    "repl-timeout", "repl-ping-replica-period", "repl-ping-slave-period", "replica-priority",
    "slave-priority", "replica-announced", "replica-announce-ip", "slave-announce-ip",
    "replica-announce-port", "slave-announce-port", "replica-ignore-maxmemory",
    "slave-ignore-maxmemory", "replica-ignore-disk-write-errors", "propagation-error-behavior",
    "min-replicas-to-write", "min-slaves-to-write", "min-replicas-max-lag", "min-slaves-max-lag",
    "repl-rdb-channel", "dual-channel-replication-enabled", "replica-full-sync-buffer-limit",
    "repl-mptcp",
    /* cluster */
    "cluster-enabled", "cluster-config-file", "cluster-node-timeout", "cluster-port",
    "cluster-replica-validity-factor", "cluster-slave-validity-factor", "cluster-migration-barrier",
    "cluster-allow-replica-migration", "cluster-require-full-coverage",
    "cluster-replica-no-failover", "cluster-slave-no-failover", "cluster-allow-reads-when-down",
    "cluster-allow-pubsubshard-when-down", "cluster-link-sendbuf-limit", "cluster-announce-ip",
    "cluster-announce-client-ipv4", "cluster-announce-client-ipv6", "cluster-announce-port",
    "cluster-announce-tls-port", "cluster-announce-bus-port", "cluster-announce-client-port",
    "cluster-announce-client-tls-port", "cluster-announce-hostname",
    "cluster-announce-human-nodename", "cluster-preferred-endpoint-type", "cluster-ping-interval",
    "cluster-blacklist-ttl", "cluster-slot-stats-enabled", "cluster-compatibility-sample-ratio",
    "cluster-manual-failover-timeout", "cluster-configfile-save-behavior",
    "cluster-slot-migration-log-max-len", "cluster-slot-migration-handoff-max-lag-bytes",
    "cluster-slot-migration-write-pause-timeout", "slot-migration-max-failover-repl-bytes",
    "cluster-message-gossip-perc", "tls-cluster",
    /* commands a Sentinel does not serve */
    "lua-time-limit", "busy-reply-threshold", "lua-replicate-commands", "lua-enable-deprecated-api",
    "lua-insecure-api-current", "enable-debug-command", "enable-module-command",
    "enable-protected-configs", "loadmodule", "notify-keyspace-events", "slowlog-log-slower-than",
    "slowlog-max-len", "commandlog-execution-slower-than", "commandlog-slow-execution-max-len",
    "commandlog-request-larger-than", "commandlog-large-request-max-len",
    "commandlog-reply-larger-than", "commandlog-large-reply-max-len", "latency-monitor-threshold",
    "tracking-table-max-keys", "proto-max-bulk-len", "hide-user-data-from-log",
    "extended-redis-compatibility", "extended-redis-compat", "max-new-connections-per-cycle",
    "max-new-tls-connections-per-cycle", "shutdown-timeout", "shutdown-on-sigint",
    "shutdown-on-sigterm", "availability-zone",
    /* how the process runs */
    "io-threads", "io-threads-do-reads", "events-per-io-thread", "io-threads-always-active",
    "prefetch-batch-max-size", "min-io-threads-avoid-copy-reply",
    "min-string-size-avoid-copy-reply", "min-string-size-avoid-copy-reply-threaded",
    "server-cpulist", "bio-cpulist", "aof-rewrite-cpulist", "bgsave-cpulist", "server_cpulist",
    "bio_cpulist", "aof_rewrite_cpulist", "bgsave_cpulist", "dynamic-hz", "crash-log-enabled",
    "crash-memcheck-enabled", "use-exit-on-panic", "ignore-warnings", "watchdog-period",
    "set-proc-title", "proc-title-template", "locale-collate", "socket-mark-id", "unixsocketgroup",
    "req-res-logfile", "client-default-resp", "mptcp", "rdma-port", "rdma-bind", "rdma-rx-size",
    "rdma-completion-vector", "log-format", "log-timestamp-format", "debug-context",
    "tls-auth-clients-user", "tls-auto-reload-interval", "lookahead", "vm-enabled"};

bool config_ignored_has(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(ignored); i++) {
        if (text_same(ignored[i], name)) {
            return true;
        }
    }
    return false;
}

const char *config_ignored_at(size_t i)
{
    return i < COUNT_OF(ignored) ? ignored[i] : NULL;
}
