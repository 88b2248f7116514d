#include "daemon/daemon_inside.h"

#include <stddef.h>

#include "base/text.h"
#include "loop/log.h"

/* The operator's settings, put into the form each room wants. */

_Static_assert(sizeof(struct link_rename) == sizeof(struct conf_rename) &&
                   offsetof(struct link_rename, from) == offsetof(struct conf_rename, from) &&
                   offsetof(struct link_rename, to) == offsetof(struct conf_rename, to),
               "a rename is the same two texts in both rooms");

void settings_of_master(const struct sentinel_conf *conf, const char *master,
                        struct link_settings *settings)
{
    const struct conf_master *m = sentinel_conf_find(conf, master);

    *settings = (struct link_settings){0};
    if (m != NULL) {
        settings->user = m->auth_user;
        settings->pass = m->auth_pass.text;
        settings->renames = (const struct link_rename *)(const void *)m->renames.items;
        settings->renames_count = m->renames.count;
    }
}

/* Sentinel sends its own requirepass to the others when it was given no sentinel-pass. */
void settings_of_peer(const struct sentinel_conf *conf, struct link_settings *settings)
{
    *settings = (struct link_settings){0};
    if (conf->sentinel_pass.text != NULL) {
        settings->user = conf->sentinel_user;
        settings->pass = conf->sentinel_pass.text;
    } else {
        settings->pass = conf->options.requirepass.text;
    }
}

void settings_links(struct daemon *d, struct links_settings *settings)
{
    const struct conf_options *options = &d->conf.options;
    bool tls = options->tls_replication;
    bool has_tls_port = sentinel_tls_port(d->port) != 0;
    int64_t own_port =
        tls && has_tls_port ? sentinel_tls_port(d->port) : sentinel_tcp_port(d->port);
    int64_t port = d->conf.announce_port != 0 ? d->conf.announce_port : own_port;

    *settings = (struct links_settings){
        .run_id = d->conf.myid,
        .announce_host = d->conf.announce_ip,
        .announce_port = (uint16_t)port,
        .tls = tls ? d->tls_client : NULL,
        .bind_source = options->bind_source_addr,
        .announce_hostnames = d->conf.announce_hostnames,
        .resolve_hostnames = d->conf.resolve_hostnames,
        .on_event = observe_link_event,
        .on_info_text = observe_info_text,
        .ctx = d,
    };
}

void settings_tls(const struct sentinel_conf *conf, struct tls_settings *settings)
{
    static const enum tls_auth_clients auth[] = {
        [CONF_AUTH_CLIENTS_NO] = TLS_AUTH_CLIENTS_NO,
        [CONF_AUTH_CLIENTS_YES] = TLS_AUTH_CLIENTS_YES,
        [CONF_AUTH_CLIENTS_OPTIONAL] = TLS_AUTH_CLIENTS_OPTIONAL,
    };
    const struct conf_options *o = &conf->options;

    *settings = (struct tls_settings){
        .cert_file = o->tls_cert_file,
        .key_file = o->tls_key_file,
        .key_pass = o->tls_key_file_pass.text,
        .client_cert_file = o->tls_client_cert_file,
        .client_key_file = o->tls_client_key_file,
        .client_key_pass = o->tls_client_key_file_pass.text,
        .dh_params_file = o->tls_dh_params_file,
        .ca_file = o->tls_ca_cert_file,
        .ca_dir = o->tls_ca_cert_dir,
        .auth_clients = auth[o->tls_auth_clients],
        .protocols = o->tls_protocols,
        .ciphers = o->tls_ciphers,
        .ciphersuites = o->tls_ciphersuites,
        .prefer_server_ciphers = o->tls_prefer_server_ciphers,
        .no_session_caching = !o->tls_session_caching,
        .session_cache_size = o->tls_session_cache_size,
        .session_cache_timeout_s = o->tls_session_cache_timeout_s,
    };
}

static enum log_level settings_level(const struct sentinel_conf *conf)
{
    static const enum log_level levels[] = {
        [CONF_LOGLEVEL_DEBUG] = LOG_LEVEL_DEBUG,     [CONF_LOGLEVEL_VERBOSE] = LOG_LEVEL_INFO,
        [CONF_LOGLEVEL_NOTICE] = LOG_LEVEL_NOTICE,   [CONF_LOGLEVEL_WARNING] = LOG_LEVEL_WARNING,
        [CONF_LOGLEVEL_NOTHING] = LOG_LEVEL_NOTHING,
    };
    return levels[conf->options.loglevel];
}

bool settings_log(const struct sentinel_conf *conf, struct err *err)
{
    const struct conf_options *o = &conf->options;
    bool no_file = o->logfile == NULL || o->logfile[0] == '\0';
    struct log_settings settings = {
        .level = settings_level(conf),
        .file = o->logfile,
        .is_quiet = o->daemonize && no_file,
        .use_syslog = o->syslog_enabled,
        .syslog_ident = o->syslog_ident,
        .syslog_facility = conf_facility_names[o->syslog_facility],
    };
    return log_open(&settings, err);
}

void settings_log_level(const struct sentinel_conf *conf)
{
    log_set_level(settings_level(conf));
}

void settings_master_state(const struct conf_master *master, struct master_state *state)
{
    *state = (struct master_state){
        .addr = master->addr,
        .config_epoch = master->config_epoch,
        .leader_epoch = master->leader_epoch,
        .config =
            {
                .quorum = (uint32_t)master->quorum,
                .parallel_syncs = (uint32_t)master->parallel_syncs,
                .down_after_ms = master->down_after_ms,
                .failover_timeout_ms = master->failover_timeout_ms,
                .refused_after_ms = master->refused_after_ms,
                .reboot_down_after_ms = master->master_reboot_down_after_ms,
            },
    };
    text_cut(state->name, sizeof(state->name), master->name);
    text_cut(state->leader, sizeof(state->leader), master->leader);
}
