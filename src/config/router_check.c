/* What no option alone shows: what is missing, and what does not go together. What is wrong is
 * noted in the parse; there is nothing else to do with it here. */
#include <stdio.h>
#include <string.h>

#include "config/router_room.h"

/* The command line's form, wherever it stood: the words are the same. */
static bool router_check_has_any(const struct router_parse *p, const char *const names[])
{
    for (size_t i = 0; names[i] != NULL; i++) {
        if (router_options_has(p, names[i])) {
            return true;
        }
    }
    return false;
}

static void router_check_missing(struct router_parse *p)
{
    const struct router_conf *conf = &p->options->conf;

    if (!router_options_has(p, "master")) {
        (void)router_options_mistake(
            p, "--master is missing: the name that the monitors give it, like --master mymaster");
    }
    if (!router_options_has(p, "sentinels")) {
        (void)router_options_mistake(p, "--sentinels is missing: all of them, like --sentinels "
                                        "10.0.0.1:26379,10.0.0.2:26379,10.0.0.3:26379");
    }
    if (!router_options_has(p, "listen") && !router_options_has(p, "listen-replicas")) {
        (void)router_options_mistake(
            p, "--listen is missing: where clients come, like --listen 127.0.0.1:6379");
    }
    if (conf->master[strcspn(conf->master, " \t")] != '\0') {
        (void)router_options_mistake(p, "--master: \"%s\": a name of a master has no blanks",
                                     conf->master);
    }
}

/* ---- who ---- */

static void router_check_credentials(struct router_parse *p)
{
    static const char *const places[] = {"redis", "sentinel", "client"};
    char user[32];
    char file[32];

    for (size_t i = 0; i < COUNT_OF(places); i++) {
        (void)snprintf(user, sizeof(user), "%s-user", places[i]);          /* always fits */
        (void)snprintf(file, sizeof(file), "%s-password-file", places[i]); /* always fits */
        if (router_options_has(p, user) && !router_options_has(p, file)) {
            (void)router_options_mistake(p, "--%s needs --%s", user, file);
        }
    }
}

static void router_check_clients(struct router_parse *p)
{
    static const char *const of_own[] = {"client-user", "client-password-file", NULL};
    const struct router_conf *conf = &p->options->conf;
    bool is_own = conf->client_auth == ROUTER_AUTH_OWN;

    if (is_own && !router_options_has(p, "client-password-file") &&
        !router_options_has(p, "client-user")) {
        (void)router_options_mistake(p, "--client-auth own needs --client-password-file");
    }
    if (!is_own && router_check_has_any(p, of_own)) {
        (void)router_options_mistake(
            p, "--client-user and --client-password-file need --client-auth own");
    }
}

static void router_check_open_one(struct router_parse *p, const struct router_listen *listens,
                                  size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct buf text = {0};
        if (!router_listen_is_local(&listens[i])) {
            router_listen_text(&listens[i], &text);
            (void)router_options_mistake(
                p,
                "%s can be reached from other machines, and clients give no password there; add "
                "--client-auth own or --client-auth pass, listen on 127.0.0.1, or allow it with "
                "--allow-open",
                buf_data(&text));
            buf_finish(&text);
        }
    }
}

static void router_check_open(struct router_parse *p)
{
    const struct router_conf *conf = &p->options->conf;

    if (conf->client_auth == ROUTER_AUTH_NONE && !p->options->allow_open) {
        router_check_open_one(p, conf->listens, conf->listens_count);
        router_check_open_one(p, conf->replica_listens, conf->replica_listens_count);
    }
}

static void router_check_tls(struct router_parse *p, const char *place,
                             const struct router_tls_conf *tls)
{
    bool has_cert = tls->cert_file[0] != '\0';
    bool has_key = tls->key_file[0] != '\0';

    if (!tls->is_on && (has_cert || has_key || tls->ca_file[0] != '\0' || tls->ca_dir[0] != '\0')) {
        (void)router_options_mistake(p, "--%s-tls-ca and its kin do nothing without --%s-tls",
                                     place, place);
    }
    if (has_cert != has_key) {
        (void)router_options_mistake(p, "--%s-tls-cert and --%s-tls-key need each other", place,
                                     place);
    }
}

/* ---- what does nothing, or not what it seems ---- */

static void router_check_idle_options(struct router_parse *p)
{
    static const char *const of_cache[] = {"cache-window", "cache-max-bytes", NULL};
    static const char *const of_replicas[] = {"replica-max-lag", "replica-max-silence",
                                              "replicas-only", NULL};
    const struct router_conf *conf = &p->options->conf;

    if (!conf->is_cache && router_check_has_any(p, of_cache)) {
        router_options_warn(p, "--cache-window and --cache-max-bytes do nothing without --cache");
    }
    if (conf->replica_listens_count == 0 && router_check_has_any(p, of_replicas)) {
        router_options_warn(p, "the options of replicas do nothing without --listen-replicas");
    }
    if (conf->when_down == ROUTER_DOWN_MISS && !router_options_has(p, "sessions-db")) {
        router_options_warn(p,
                            "--when-down miss is for caches: name the databases that hold sessions "
                            "with --sessions-db, if there are any");
    }
    if (conf->when_down == ROUTER_DOWN_MISS && !conf->is_cache) {
        router_options_warn(p,
                            "--when-down miss without --cache: what is deleted while there is no "
                            "master comes back with it");
    }
    if (p->options->is_json) {
        router_options_warn(p, "--json does nothing without --commands");
    }
}

static void router_check_strangers(struct router_parse *p)
{
    struct router_conf *conf = &p->options->conf;

    if (conf->strangers_max > conf->clients_max) {
        if (router_options_has(p, "strangers")) {
            (void)router_options_mistake(p, "--strangers %u is above --clients %u",
                                         conf->strangers_max, conf->clients_max);
        }
        conf->strangers_max = conf->clients_max;
    }
}

static void router_check_control(struct router_parse *p)
{
    const struct router_conf *conf = &p->options->conf;

    for (size_t i = 0; i < ROUTER_LISTENS_MAX; i++) {
        if (conf->control_path[0] != '\0' &&
            (strcmp(conf->listens[i].path, conf->control_path) == 0 ||
             strcmp(conf->replica_listens[i].path, conf->control_path) == 0)) {
            (void)router_options_mistake(
                p, "--control %s is a socket for clients already; give it a path of its own",
                conf->control_path);
        }
    }
}

void router_check(struct router_parse *p)
{
    const struct router_conf *conf = &p->options->conf;

    p->name = NULL;
    router_check_missing(p);
    router_check_credentials(p);
    router_check_clients(p);
    router_check_open(p);
    router_check_tls(p, "redis", &conf->redis_tls);
    router_check_tls(p, "sentinel", &conf->sentinel_tls);
    router_check_strangers(p);
    router_check_control(p);
    router_check_idle_options(p);
}
