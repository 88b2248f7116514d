#include "config/feed.h"

#include <string.h>

#include "base/text.h"

/* ---- the router ---- */

static bool feed_text(char *to, size_t size, const char *what, const char *from, struct err *err)
{
    if (from == NULL) {
        to[0] = '\0';
        return true;
    }
    if (strlen(from) >= size) {
        return err_set(err, "%s: longer than %zu characters", what, size - 1);
    }
    text_cut(to, size, from);
    return true;
}

static bool feed_listens(const struct site_listens *from, const struct site_node *node,
                         struct router_listen *to, size_t *count, struct err *err)
{
    for (size_t i = 0; i < from->count; i++) {
        if (!site_listen_on(&from->items[i], node, &to[i], err)) {
            return false;
        }
    }
    *count = from->count;
    return true;
}

static bool feed_monitors(const struct site *site, struct router_conf *conf, struct err *err)
{
    for (size_t i = 0; i < site->monitors.nodes.count; i++) {
        const struct site_node *node = site_node(site, site->monitors.nodes.items[i].text);
        if (node == NULL || conf->monitors_count == ROUTER_MONITORS_MAX ||
            !addr_set(&conf->monitors[conf->monitors_count], node->address,
                      (uint16_t)site->monitors.port)) {
            return err_set(err, "monitors: %s", site->monitors.nodes.items[i].text);
        }
        conf->monitors_count++;
    }
    return conf->monitors_count > 0 || err_set(err, "monitors: there is none");
}

static bool feed_tls(const struct site_tls *from, struct router_tls_conf *to, struct err *err)
{
    to->is_on = from->is_on;
    return feed_text(to->ca_file, sizeof(to->ca_file), "ca_file", from->ca_file, err) &&
           feed_text(to->cert_file, sizeof(to->cert_file), "cert_file", from->cert_file, err) &&
           feed_text(to->key_file, sizeof(to->key_file), "key_file", from->key_file, err);
}

static bool feed_credentials(const char *user, const char *password_file,
                             struct router_credentials *to, struct err *err)
{
    return feed_text(to->user, sizeof(to->user), "user", user, err) &&
           feed_text(to->password_file, sizeof(to->password_file), "password_file", password_file,
                     err);
}

static void feed_limits(const struct site *site, const struct site_service *service,
                        struct router_conf *conf)
{
    const struct site_endpoint *e = &service->endpoint;
    const struct site_endpoint *r = &service->read_endpoint;

    conf->hold_ms = e->hold_ms;
    conf->hold_max_bytes = e->hold_max_bytes;
    conf->when_down = e->when_down;
    conf->retry_writes = e->retry_writes;
    memcpy(conf->session_databases, e->sessions_databases, sizeof(conf->session_databases));
    conf->is_cache = service->use == SITE_USE_CACHE;
    conf->cache_window_ms = e->cache_window_ms;
    conf->cache_keys_max_bytes = e->cache_keys_max_bytes;
    conf->info_cache_ms = e->info_cache_ms;
    conf->replica_lag_max_bytes = r->replica_lag_max_bytes;
    conf->replica_silence_max_ms = r->replica_silence_max_ms;
    conf->replicas_may_use_master = !r->replicas_only;
    conf->threads = site->threads;
    conf->clients_max = e->clients_max;
    conf->strangers_max = e->strangers_max;
    conf->request_timeout_ms = e->request_timeout_ms;
    conf->idle_timeout_ms = e->idle_timeout_ms;
    conf->request_max_bytes = e->request_max_bytes;
    conf->drain_ms = e->drain_ms;
}

bool feed_router(const struct site *site, const struct site_service *service,
                 const struct site_node *node, struct router_conf *conf, struct err *err)
{
    const struct site_endpoint *e = &service->endpoint;
    bool is_good;

    router_conf_init(conf);
    is_good =
        feed_text(conf->master, sizeof(conf->master), "name", service->head.name, err) &&
        feed_monitors(site, conf, err) &&
        feed_credentials(service->user, service->password_file, &conf->redis, err) &&
        feed_credentials(site->monitors.user, site->monitors.password_file, &conf->sentinel, err) &&
        feed_credentials(e->client_user, e->client_password_file, &conf->client, err) &&
        feed_tls(&service->tls, &conf->redis_tls, err) &&
        feed_tls(&site->tls, &conf->sentinel_tls, err);
    if (is_good && site_endpoint_is_on(site, service, e, node)) {
        is_good = feed_listens(&e->listen, node, conf->listens, &conf->listens_count, err);
    }
    if (is_good && site_endpoint_is_on(site, service, &service->read_endpoint, node)) {
        is_good = feed_listens(&service->read_endpoint.listen, node, conf->replica_listens,
                               &conf->replica_listens_count, err);
    }
    conf->client_auth = e->client_auth;
    feed_limits(site, service, conf);
    return is_good || err_wrap(err, "service %s", service->head.name);
}

/* ---- the monitor ---- */

/* A word in quotes, as sentinel.conf has them. */
static bool feed_word(struct buf *out, const char *what, const char *word, struct err *err)
{
    buf_append_text(out, " \"");
    for (const char *at = word; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ') {
            return err_set(err, "%s: a control character cannot stand in it", what);
        }
        if (*at == '"' || *at == '\\') {
            buf_append_text(out, "\\");
        }
        buf_append(out, at, 1);
    }
    buf_append_text(out, "\"");
    return true;
}

static bool feed_secret(struct buf *out, const char *directive, const char *master,
                        const char *word, struct err *err)
{
    if (word == NULL) {
        return true;
    }
    buf_printf(out, "sentinel %s%s%s", directive, master == NULL ? "" : " ",
               master == NULL ? "" : master);
    bool is_good = feed_word(out, directive, word, err);
    buf_append_text(out, "\n");
    return is_good;
}

static bool feed_master(const struct site *site, const struct site_service *service,
                        const char *password, struct buf *out, struct err *err)
{
    const struct site_member *first = &service->members[0];
    const char *name = service->head.name;

    buf_printf(out, "sentinel monitor %s %s %u %u\n", name, site_member_host(site, first),
               first->port, site_quorum(site, service));
    buf_printf(out, "sentinel down-after-milliseconds %s %lld\n", name,
               (long long)service->down_after_ms);
    buf_printf(out, "sentinel refused-after-milliseconds %s %lld\n", name,
               (long long)service->refused_after_ms);
    buf_printf(out, "sentinel failover-timeout %s %lld\n", name,
               (long long)service->failover_timeout_ms);
    buf_printf(out, "sentinel parallel-syncs %s %u\n", name, service->parallel_syncs);
    return feed_secret(out, "auth-user", name, password == NULL ? NULL : service->user, err) &&
           feed_secret(out, "auth-pass", name, password, err);
}

static bool feed_monitor_tls(const struct site_tls *tls, struct buf *out, struct err *err)
{
    const struct {
        const char *directive;
        const char *file;
    } files[] = {{"tls-ca-cert-file", tls->ca_file},
                 {"tls-cert-file", tls->cert_file},
                 {"tls-key-file", tls->key_file}};
    bool is_good = true;

    for (size_t i = 0; i < COUNT_OF(files) && is_good; i++) {
        if (files[i].file != NULL) {
            buf_append_text(out, files[i].directive);
            is_good = feed_word(out, files[i].directive, files[i].file, err);
            buf_append_text(out, "\n");
        }
    }
    return is_good;
}

bool feed_monitor(const struct site *site, const struct site_node *node,
                  const struct feed_passwords *passwords, struct buf *out, struct err *err)
{
    bool is_local = strcmp(node->address, "127.0.0.1") == 0;
    bool is_good = true;

    if (site->tls.is_on) {
        buf_printf(out, "port 0\ntls-port %u\ntls-replication yes\ntls-auth-clients optional\n",
                   site->monitors.port);
        is_good = feed_monitor_tls(&site->tls, out, err);
    } else {
        buf_printf(out, "port %u\n", site->monitors.port);
    }
    /* who may reach the port is said by its address: the nodes' own network, and a password */
    buf_printf(out, "bind %s%s\nprotected-mode no\nsentinel announce-ip %s\n", node->address,
               is_local ? "" : " 127.0.0.1", node->address);
    if (is_good && passwords->of_monitors != NULL) {
        buf_append_text(out, "requirepass");
        is_good = feed_word(out, "requirepass", passwords->of_monitors, err);
        buf_append_text(out, "\n");
        is_good = is_good && feed_secret(out, "sentinel-pass", NULL, passwords->of_monitors, err) &&
                  feed_secret(out, "sentinel-user", NULL, site->monitors.user, err);
    }
    for (size_t i = 0; i < site->services_count && is_good; i++) {
        const struct site_service *service = &site->services[i];
        if (service->kind == SITE_REDIS) {
            is_good = feed_master(site, service, passwords->of_service[i], out, err) ||
                      err_wrap(err, "service %s", service->head.name);
        }
    }
    return is_good;
}
