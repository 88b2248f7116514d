#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "sentinel/cmd_calls.h"
#include "sentinel/port.h"
#include "sentinel/pubsub.h"

/*
 * INFO: the sections and fields of a Sentinel of Redis 7.0, in its order. Fields about what a
 * Sentinel never has (keys, replication, modules, I/O threads) are there and 0, because exporters
 * and dashboards expect the line.
 */

enum { MS_PER_DAY = 24 * 60 * 60 * 1000 };

/* ---- server ---- */

static const char *supervised_name(const struct sentinel_conf *conf)
{
    return conf_supervised_names[conf->options.supervised];
}

static void info_server(const struct sentinel *port, struct buf *out)
{
    const struct sentinel_conf *conf = port_conf(port);
    msec_t now = loop_now(port->loop);
    struct utsname os;

    if (uname(&os) != 0) {
        memset(&os, 0, sizeof(os));
    }
    buf_printf(out,
               "# Server\r\nredis_version:%s\r\nredis_git_sha1:00000000\r\nredis_git_dirty:0\r\n"
               "redis_build_id:0\r\nredis_mode:sentinel\r\nos:%s %s %s\r\narch_bits:%zu\r\n",
               SENTINEL_REDIS_VERSION, os.sysname, os.release, os.machine, sizeof(void *) * 8);
    buf_printf(out,
               "monotonic_clock:POSIX clock_gettime\r\nmultiplexing_api:epoll\r\n"
               "atomicvar_api:c11-builtin\r\ngcc_version:%d.%d.%d\r\n",
               __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
    buf_printf(out, "process_id:%ld\r\nprocess_supervised:%s\r\nrun_id:%s\r\ntcp_port:%u\r\n",
               (long)getpid(), supervised_name(conf), failover_run_id(port_core(port)),
               (unsigned)(port->tcp_port != 0 ? port->tcp_port : port->tls_port));
    buf_printf(out,
               "server_time_usec:%" PRId64 "\r\nuptime_in_seconds:%" PRId64
               "\r\nuptime_in_days:%" PRId64 "\r\n",
               loop_unix_ms() * 1000, (now - port->started_at) / 1000,
               (now - port->started_at) / MS_PER_DAY);
    buf_printf(out, "hz:%" PRId64 "\r\nconfigured_hz:%" PRId64 "\r\nlru_clock:%" PRId64 "\r\n",
               conf->options.hz, conf->options.hz, loop_unix_ms() / 1000 & 0xffffff);
    buf_printf(out,
               "executable:%s\r\nconfig_file:%s\r\nio_threads_active:0\r\n"
               "server_name:holdfast\r\nholdfast_version:%s\r\n",
               port->executable, port->config_file, HOLDFAST_VERSION);
}

/* ---- clients ---- */

static void info_clients(const struct sentinel *port, struct buf *out)
{
    size_t output_peak = 0;

    for (const struct client *c = port->first; c != NULL; c = c->next) {
        size_t pending = conn_pending_bytes(c->conn);
        output_peak = pending > output_peak ? pending : output_peak;
    }
    buf_printf(out,
               "# Clients\r\nconnected_clients:%" PRIu32 "\r\ncluster_connections:0\r\n"
               "maxclients:%" PRId64 "\r\nclient_recent_max_input_buffer:%" PRIu64 "\r\n"
               "client_recent_max_output_buffer:%zu\r\nblocked_clients:%" PRIu32 "\r\n"
               "tracking_clients:%" PRIu32 "\r\nclients_in_timeout_table:0\r\n",
               port->clients, port_conf(port)->options.maxclients, port->query_peak_bytes,
               output_peak, port->waiting, port->tracking);
}

/* ---- cpu ---- */

static void cpu_line(struct buf *out, const char *name, const struct timeval *time)
{
    buf_printf(out, "used_cpu_%s:%ld.%06ld\r\n", name, (long)time->tv_sec, (long)time->tv_usec);
}

static void info_cpu(const struct sentinel *port, struct buf *out)
{
    struct rusage self = {0};
    struct rusage children = {0};
    struct rusage thread = {0};

    (void)port;
    (void)getrusage(RUSAGE_SELF, &self); /* zeroes when the kernel will not tell */
    (void)getrusage(RUSAGE_CHILDREN, &children);
    (void)getrusage(RUSAGE_THREAD, &thread);
    buf_append_text(out, "# CPU\r\n");
    cpu_line(out, "sys", &self.ru_stime);
    cpu_line(out, "user", &self.ru_utime);
    cpu_line(out, "sys_children", &children.ru_stime);
    cpu_line(out, "user_children", &children.ru_utime);
    cpu_line(out, "sys_main_thread", &thread.ru_stime);
    cpu_line(out, "user_main_thread", &thread.ru_utime);
}

/* ---- stats ---- */

static void zero_lines(struct buf *out, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "%s:0\r\n", names[i]);
    }
}

static void info_traffic(const struct sentinel *port, struct buf *out)
{
    const struct sentinel_counters *n = &port->counters;

    buf_printf(out,
               "# Stats\r\ntotal_connections_received:%" PRIu64
               "\r\ntotal_commands_processed:%" PRIu64 "\r\ninstantaneous_ops_per_sec:%.0f\r\n",
               n->connections_total, n->commands_total, port->commands_per_s);
    buf_printf(out,
               "total_net_input_bytes:%" PRIu64 "\r\ntotal_net_output_bytes:%" PRIu64 "\r\n"
               "total_net_repl_input_bytes:0\r\ntotal_net_repl_output_bytes:0\r\n",
               n->input_bytes_total, n->output_bytes_total);
    buf_printf(out,
               "instantaneous_input_kbps:%.2f\r\ninstantaneous_output_kbps:%.2f\r\n"
               "instantaneous_input_repl_kbps:0.00\r\ninstantaneous_output_repl_kbps:0.00\r\n"
               "rejected_connections:%" PRIu64 "\r\n",
               port->input_bytes_per_s / 1024, port->output_bytes_per_s / 1024,
               n->connections_rejected);
}

static void info_stats(const struct sentinel *port, struct buf *out)
{
    static const char *const keys_before[] = {"sync_full", "sync_partial_ok", "sync_partial_err",
                                              "expired_keys"};
    static const char *const keys_between[] = {"expired_time_cap_reached_count",
                                               "expire_cycle_cpu_milliseconds",
                                               "evicted_keys",
                                               "evicted_clients",
                                               "total_eviction_exceeded_time",
                                               "current_eviction_exceeded_time",
                                               "keyspace_hits",
                                               "keyspace_misses"};
    static const char *const keys_behind[] = {
        "pubsubshard_channels",     "latest_fork_usec",           "total_forks",
        "migrate_cached_sockets",   "slave_expires_tracked_keys", "active_defrag_hits",
        "active_defrag_misses",     "active_defrag_key_hits",     "active_defrag_key_misses",
        "total_active_defrag_time", "current_active_defrag_time", "tracking_total_keys",
        "tracking_total_items",     "tracking_total_prefixes",    "unexpected_error_replies"};

    info_traffic(port, out);
    zero_lines(out, keys_before, COUNT_OF(keys_before));
    buf_append_text(out, "expired_stale_perc:0.00\r\n");
    zero_lines(out, keys_between, COUNT_OF(keys_between));
    buf_printf(out, "pubsub_channels:%zu\r\npubsub_patterns:%zu\r\n", pubsub_channels(port),
               pubsub_patterns(port));
    zero_lines(out, keys_behind, COUNT_OF(keys_behind));
    buf_printf(out,
               "total_error_replies:%" PRIu64 "\r\ndump_payload_sanitizations:0\r\n"
               "total_reads_processed:%" PRIu64 "\r\ntotal_writes_processed:%" PRIu64 "\r\n"
               "io_threaded_reads_processed:0\r\nio_threaded_writes_processed:0\r\n"
               "reply_buffer_shrinks:0\r\nreply_buffer_expands:0\r\n",
               port->counters.error_replies_total, port->reads_total, port->writes_total);
}

/* ---- sentinel ---- */

static void info_master(const struct sentinel *port, uint32_t index, struct buf *out)
{
    const struct failover *core = port_core(port);
    const struct master *m = failover_master_at(core, index);
    struct master_state state;
    struct instance_view view;
    char address[ADDR_TEXT_MAX];

    failover_export(m, &state);
    failover_view_master(core, m, &view);
    if (!port_conf(port)->announce_hostnames && view.addr.ip[0] != '\0') {
        view.addr.name[0] = '\0';
    }
    buf_printf(out,
               "master%" PRIu32 ":name=%s,status=%s,address=%s,slaves=%" PRIu32
               ",sentinels=%" PRIu32 "\r\n",
               index, state.name,
               view.o_down   ? "odown"
               : view.s_down ? "sdown"
                             : "ok",
               addr_text(&view.addr, address), view.replicas, view.peers + 1);
}

static void info_sentinel(const struct sentinel *port, struct buf *out)
{
    const struct failover *core = port_core(port);
    struct sentinel_script_counts scripts = {0};
    msec_t since = 0;
    bool in_tilt = failover_in_tilt(core, &since);
    msec_t tilt_s = in_tilt ? (loop_now(port->loop) - since) / 1000 : -1;

    port->ops->script_counts(port->ctx, &scripts);
    buf_printf(out,
               "# Sentinel\r\nsentinel_masters:%" PRIu32 "\r\nsentinel_tilt:%d\r\n"
               "sentinel_tilt_since_seconds:%" PRId64 "\r\n",
               failover_masters(core), in_tilt ? 1 : 0, tilt_s);
    buf_printf(
        out,
        "sentinel_running_scripts:%" PRIu32 "\r\nsentinel_scripts_queue_length:%" PRIu32
        "\r\nsentinel_simulate_failure_flags:%" PRIu32 "\r\nsentinel_total_tilt:%" PRIu32 "\r\n",
        scripts.running, scripts.queued, failover_simulate_flags(core), failover_tilt_total(core));
    for (uint32_t i = 0; i < failover_masters(core); i++) {
        info_master(port, i, out);
    }
}

/* ---- sections ---- */

/* In the order in which they are shown, whatever order is asked for. */
static const struct {
    const char *name;
    void (*write)(const struct sentinel *port, struct buf *out);
} sections[] = {
    {"server", info_server}, {"clients", info_clients},   {"stats", info_stats},
    {"cpu", info_cpu},       {"sentinel", info_sentinel},
};

static bool is_asked_for(const struct resp_command *command, const char *section)
{
    if (command->argc == 1) {
        return true;
    }
    for (size_t i = 1; i < command->argc; i++) {
        if (client_word_is(&command->argv[i], section) ||
            client_word_is(&command->argv[i], "default") ||
            client_word_is(&command->argv[i], "all") ||
            client_word_is(&command->argv[i], "everything")) {
            return true;
        }
    }
    return false;
}

void cmd_info(struct client *c, const struct resp_command *command)
{
    struct buf text = {0};

    for (size_t i = 0; i < COUNT_OF(sections); i++) {
        if (is_asked_for(command, sections[i].name)) {
            buf_append_text(&text, text.len == 0 ? "" : "\r\n");
            sections[i].write(c->port, &text);
        }
    }
    resp_write_bulk(&c->out, buf_data(&text), text.len); /* plain in RESP3 too, unlike a server's */
    buf_finish(&text);
}
