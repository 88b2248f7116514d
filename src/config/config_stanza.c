/*
 * The "sentinel ..." lines: one row and one function each. The names are those of Redis 6 to 8 and
 * of Valkey, whose "primary" and "replica" spellings are the same stanzas.
 * refused-after-milliseconds is our own.
 */
#include "config/config.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "config/config_room.h"

enum {
    CONFIG_STANZA_ARG = 2,        /* words before the first argument: "sentinel", the name */
    CONFIG_STANZA_MASTER_ARG = 3, /* and the master */
};

static const char *config_stanza_word(const struct config_parser *p, size_t i)
{
    return words_at(&p->words, i);
}

static int config_stanza_line(const struct config_parser *p)
{
    return p->line->origin == CONFIG_FROM_FILE ? p->line->number : 0;
}

static bool config_stanza_number(struct config_parser *p, size_t i, int64_t min, int64_t max,
                                 int64_t *value)
{
    const char *text = config_stanza_word(p, i);
    int64_t number;

    if (!text_to_i64(text, words_len(&p->words, i), &number)) {
        return config_notes_error(p, "sentinel %s: \"%s\" is not a number",
                                  config_stanza_word(p, 1), text);
    }
    if (number < min || number > max) {
        return config_notes_error(p,
                                  "sentinel %s: %s is out of range, write %" PRId64 " to %" PRId64,
                                  config_stanza_word(p, 1), text, min, max);
    }
    *value = number;
    return true;
}

static bool config_stanza_epoch(struct config_parser *p, size_t i, uint64_t *value)
{
    if (!text_to_u64(config_stanza_word(p, i), words_len(&p->words, i), value)) {
        return config_notes_error(p, "sentinel %s: \"%s\" is not an epoch; epochs are 0 and above",
                                  config_stanza_word(p, 1), config_stanza_word(p, i));
    }
    return true;
}

static bool config_stanza_bool(struct config_parser *p, bool *value)
{
    if (!config_option_to_bool(config_stanza_word(p, CONFIG_STANZA_ARG), value)) {
        return config_notes_error(p, "sentinel %s: \"%s\" is neither yes nor no",
                                  config_stanza_word(p, 1),
                                  config_stanza_word(p, CONFIG_STANZA_ARG));
    }
    return true;
}

static bool config_stanza_is_runid(const char *text)
{
    size_t len = strlen(text);

    return len <= CONF_RUNID_LEN && text_is_run_id(text, len);
}

/* Host and port at words i and i + 1. */
static bool config_stanza_addr(struct config_parser *p, size_t i, struct addr *addr)
{
    int64_t port = 0;

    if (!config_stanza_number(p, i + 1, 1, UINT16_MAX, &port)) {
        return false;
    }
    if (!addr_set(addr, config_stanza_word(p, i), (uint16_t)port)) {
        return config_notes_error(p, "sentinel %s: \"%s\" is no address and no host name",
                                  config_stanza_word(p, 1), config_stanza_word(p, i));
    }
    return true;
}

/* ---- of the monitor itself ---- */

static bool config_stanza_myid(struct config_parser *p, struct conf_master *none)
{
    const char *id = config_stanza_word(p, CONFIG_STANZA_ARG);

    (void)none;
    if (strlen(id) != CONF_RUNID_LEN || !config_stanza_is_runid(id)) {
        return config_notes_error(p,
                                  "sentinel myid: \"%s\" is not %d printable characters without a "
                                  "space or comma; remove the line to get a new one",
                                  id, (int)CONF_RUNID_LEN);
    }
    memcpy(p->conf->myid, id, CONF_RUNID_MAX);
    return true;
}

static bool config_stanza_announce_ip(struct config_parser *p, struct conf_master *none)
{
    (void)none;
    conf_set_text(&p->conf->announce_ip, config_stanza_word(p, CONFIG_STANZA_ARG));
    return true;
}

static bool config_stanza_announce_port(struct config_parser *p, struct conf_master *none)
{
    (void)none;
    return config_stanza_number(p, CONFIG_STANZA_ARG, 0, UINT16_MAX, &p->conf->announce_port);
}

static bool config_stanza_resolve_hostnames(struct config_parser *p, struct conf_master *none)
{
    (void)none;
    return config_stanza_bool(p, &p->conf->resolve_hostnames);
}

static bool config_stanza_announce_hostnames(struct config_parser *p, struct conf_master *none)
{
    (void)none;
    return config_stanza_bool(p, &p->conf->announce_hostnames);
}

static bool config_stanza_deny_scripts(struct config_parser *p, struct conf_master *none)
{
    (void)none;
    return config_stanza_bool(p, &p->conf->deny_scripts_reconfig);
}

static bool config_stanza_sentinel_user(struct config_parser *p, struct conf_master *none)
{
    (void)none;
    conf_set_text(&p->conf->sentinel_user, config_stanza_word(p, CONFIG_STANZA_ARG));
    return true;
}

static bool config_stanza_sentinel_pass(struct config_parser *p, struct conf_master *none)
{
    (void)none;
    conf_set_secret(&p->conf->sentinel_pass, config_stanza_word(p, CONFIG_STANZA_ARG));
    return true;
}

/* ---- monitor ---- */

static bool config_stanza_is_name(const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c <= ' ' || c == 0x7f || c == ',') {
            return false; /* these would part the fields of hello messages and events */
        }
    }
    return len > 0;
}

static bool config_stanza_monitor(struct config_parser *p, struct conf_master *none)
{
    const char *name = config_stanza_word(p, 2);
    struct conf_master *master = sentinel_conf_find(p->conf, name);
    struct addr addr = {0};
    int64_t quorum = 0;

    (void)none;
    if (master != NULL && master->line > 0 && p->line->origin != CONFIG_FROM_FILE) {
        /* our own rewrite puts the state of such a master into the main file */
        config_notes_warn(p, "sentinel monitor %s: line %d of the main file is used instead", name,
                          master->line);
        return true;
    }
    if (master != NULL) {
        return config_notes_error(p,
                                  "sentinel monitor: there are two masters \"%s\"%s; rename or "
                                  "remove one",
                                  name, master->line > 0 ? " in this file" : "");
    }
    if (!config_stanza_is_name(name)) {
        return config_notes_error(
            p,
            "sentinel monitor: \"%s\" is no name for a master; write letters, "
            "digits and .-_",
            name);
    }
    if (!config_stanza_addr(p, 3, &addr) ||
        !config_stanza_number(p, 5, 1, CONF_COUNT_MAX, &quorum)) {
        return false;
    }
    if (addr.ip[0] == '\0' && !p->conf->resolve_hostnames) {
        return config_notes_error(p,
                                  "sentinel monitor %s: \"%s\" is not an IP address; write one, or "
                                  "\"sentinel resolve-hostnames yes\"",
                                  name, addr.name);
    }
    master = sentinel_conf_add(p->conf, name);
    master->addr = addr;
    master->quorum = quorum;
    master->line = config_stanza_line(p);
    return true;
}

/* ---- of a master ---- */

static bool config_stanza_down_after(struct config_parser *p, struct conf_master *m)
{
    return config_stanza_number(p, CONFIG_STANZA_MASTER_ARG, 1, CONF_MS_MAX, &m->down_after_ms);
}

static bool config_stanza_refused_after(struct config_parser *p, struct conf_master *m)
{
    return config_stanza_number(p, CONFIG_STANZA_MASTER_ARG, 0, CONF_MS_MAX, &m->refused_after_ms);
}

static bool config_stanza_failover_timeout(struct config_parser *p, struct conf_master *m)
{
    return config_stanza_number(p, CONFIG_STANZA_MASTER_ARG, 1, CONF_MS_MAX,
                                &m->failover_timeout_ms);
}

static bool config_stanza_parallel_syncs(struct config_parser *p, struct conf_master *m)
{
    return config_stanza_number(p, CONFIG_STANZA_MASTER_ARG, 1, CONF_COUNT_MAX, &m->parallel_syncs);
}

static bool config_stanza_reboot(struct config_parser *p, struct conf_master *m)
{
    return config_stanza_number(p, CONFIG_STANZA_MASTER_ARG, 0, CONF_MS_MAX,
                                &m->master_reboot_down_after_ms);
}

static bool config_stanza_notification(struct config_parser *p, struct conf_master *m)
{
    conf_set_text(&m->notification_script, config_stanza_word(p, CONFIG_STANZA_MASTER_ARG));
    m->notification_script_line = config_stanza_line(p);
    return true;
}

static bool config_stanza_reconfig(struct config_parser *p, struct conf_master *m)
{
    conf_set_text(&m->client_reconfig_script, config_stanza_word(p, CONFIG_STANZA_MASTER_ARG));
    m->client_reconfig_script_line = config_stanza_line(p);
    return true;
}

static bool config_stanza_auth_pass(struct config_parser *p, struct conf_master *m)
{
    conf_set_secret(&m->auth_pass, config_stanza_word(p, CONFIG_STANZA_MASTER_ARG));
    return true;
}

static bool config_stanza_auth_user(struct config_parser *p, struct conf_master *m)
{
    conf_set_text(&m->auth_user, config_stanza_word(p, CONFIG_STANZA_MASTER_ARG));
    return true;
}

static bool config_stanza_rename_command(struct config_parser *p, struct conf_master *m)
{
    const char *from = config_stanza_word(p, CONFIG_STANZA_MASTER_ARG);
    const char *to = config_stanza_word(p, CONFIG_STANZA_MASTER_ARG + 1);

    if (from[0] == '\0' || to[0] == '\0') {
        return config_notes_error(p,
                                  "sentinel rename-command: a command that the servers do not have "
                                  "cannot be sent; write its new name");
    }
    conf_renames_set(&m->renames, from, to);
    return true;
}

/* Of two lines the higher epoch counts: an epoch never goes back. */
static bool config_stanza_raise_epoch(struct config_parser *p, size_t i, uint64_t *epoch)
{
    uint64_t read = 0;

    if (!config_stanza_epoch(p, i, &read)) {
        return false;
    }
    *epoch = read > *epoch ? read : *epoch;
    return true;
}

static bool config_stanza_current_epoch(struct config_parser *p, struct conf_master *none)
{
    (void)none;
    return config_stanza_raise_epoch(p, CONFIG_STANZA_ARG, &p->conf->current_epoch);
}

static bool config_stanza_config_epoch(struct config_parser *p, struct conf_master *m)
{
    return config_stanza_raise_epoch(p, CONFIG_STANZA_MASTER_ARG, &m->config_epoch);
}

static bool config_stanza_leader_epoch(struct config_parser *p, struct conf_master *m)
{
    return config_stanza_raise_epoch(p, CONFIG_STANZA_MASTER_ARG, &m->leader_epoch);
}

/* State lines that cannot be used any more cost a warning, not the start: hello and INFO bring them
 * back. Real Sentinel refuses to start on them. */
static bool config_stanza_is_usable(struct config_parser *p, const struct addr *addr)
{
    if (addr->ip[0] == '\0' && !p->conf->resolve_hostnames) {
        config_notes_warn(
            p,
            "sentinel %s: \"%s\" is a host name and resolve-hostnames is no; the line "
            "is not used",
            config_stanza_word(p, 1), addr->name);
        return false;
    }
    return true;
}

static bool config_stanza_known_replica(struct config_parser *p, struct conf_master *m)
{
    struct addr addr = {0};

    if (!config_stanza_addr(p, CONFIG_STANZA_MASTER_ARG, &addr)) {
        return false;
    }
    if (!config_stanza_is_usable(p, &addr)) {
        return true;
    }
    for (size_t i = 0; i < m->replicas_count; i++) {
        if (addr_same(&m->replicas[i], &addr)) {
            config_notes_warn(p,
                              "sentinel known-replica: this one is known already; the line is not "
                              "used");
            return true;
        }
    }
    conf_master_add_replica(m, &addr);
    return true;
}

static bool config_stanza_known_sentinel(struct config_parser *p, struct conf_master *m)
{
    struct addr addr = {0};

    if (!config_stanza_addr(p, CONFIG_STANZA_MASTER_ARG, &addr)) {
        return false;
    }
    if (p->words.count < CONFIG_STANZA_MASTER_ARG + 3) {
        config_notes_warn(p, "sentinel known-sentinel: without a run id the line is not used");
        return true;
    }
    const char *runid = config_stanza_word(p, CONFIG_STANZA_MASTER_ARG + 2);
    if (!config_stanza_is_runid(runid)) {
        config_notes_warn(p, "sentinel known-sentinel: \"%s\" is no run id; the line is not used",
                          runid);
        return true;
    }
    if (!config_stanza_is_usable(p, &addr)) {
        return true;
    }
    for (size_t i = 0; i < m->sentinels_count; i++) {
        if (strcmp(m->sentinels[i].runid, runid) == 0 || addr_same(&m->sentinels[i].addr, &addr)) {
            config_notes_warn(p,
                              "sentinel known-sentinel: this run id or address is known already; "
                              "the line is not used");
            return true;
        }
    }
    conf_master_add_sentinel(m, &addr, runid);
    return true;
}

/* ---- the table ---- */

static const struct config_stanza stanzas[] = {
    {"monitor", "monitor", CONFIG_PASS_NAMES, 4, 4, "<name> <host> <port> <quorum>",
     config_stanza_monitor},
    {"myid", "myid", CONFIG_PASS_GLOBAL, 1, 1, "<40 characters>", config_stanza_myid},
    {"current-epoch", "current-epoch", CONFIG_PASS_GLOBAL, 1, 1, "<epoch>",
     config_stanza_current_epoch},
    {"announce-ip", "announce-ip", CONFIG_PASS_GLOBAL, 1, 1, "<address>",
     config_stanza_announce_ip},
    {"announce-port", "announce-port", CONFIG_PASS_GLOBAL, 1, 1, "<port>",
     config_stanza_announce_port},
    {"resolve-hostnames", "resolve-hostnames", CONFIG_PASS_GLOBAL, 1, 1, "yes or no",
     config_stanza_resolve_hostnames},
    {"announce-hostnames", "announce-hostnames", CONFIG_PASS_GLOBAL, 1, 1, "yes or no",
     config_stanza_announce_hostnames},
    {"deny-scripts-reconfig", "deny-scripts-reconfig", CONFIG_PASS_GLOBAL, 1, 1, "yes or no",
     config_stanza_deny_scripts},
    {"sentinel-user", "sentinel-user", CONFIG_PASS_GLOBAL, 1, 1, "<user>",
     config_stanza_sentinel_user},
    {"sentinel-pass", "sentinel-pass", CONFIG_PASS_GLOBAL, 1, 1, "<password>",
     config_stanza_sentinel_pass},
    {"down-after-milliseconds", "down-after-milliseconds", CONFIG_PASS_MASTER, 2, 2,
     "<name> <milliseconds>", config_stanza_down_after},
    {"refused-after-milliseconds", "refused-after-milliseconds", CONFIG_PASS_MASTER, 2, 2,
     "<name> <milliseconds>", config_stanza_refused_after},
    {"failover-timeout", "failover-timeout", CONFIG_PASS_MASTER, 2, 2, "<name> <milliseconds>",
     config_stanza_failover_timeout},
    {"parallel-syncs", "parallel-syncs", CONFIG_PASS_MASTER, 2, 2, "<name> <replicas>",
     config_stanza_parallel_syncs},
    {"master-reboot-down-after-period", "master-reboot-down-after-period", CONFIG_PASS_MASTER, 2, 2,
     "<name> <milliseconds>", config_stanza_reboot},
    {"primary-reboot-down-after-period", "master-reboot-down-after-period", CONFIG_PASS_MASTER, 2,
     2, "<name> <milliseconds>", config_stanza_reboot},
    {"notification-script", "notification-script", CONFIG_PASS_MASTER, 2, 2, "<name> <path>",
     config_stanza_notification},
    {"client-reconfig-script", "client-reconfig-script", CONFIG_PASS_MASTER, 2, 2, "<name> <path>",
     config_stanza_reconfig},
    {"auth-pass", "auth-pass", CONFIG_PASS_MASTER, 2, 2, "<name> <password>",
     config_stanza_auth_pass},
    {"auth-user", "auth-user", CONFIG_PASS_MASTER, 2, 2, "<name> <user>", config_stanza_auth_user},
    {"rename-command", "rename-command", CONFIG_PASS_MASTER, 3, 3, "<name> <command> <new-name>",
     config_stanza_rename_command},
    {"config-epoch", "config-epoch", CONFIG_PASS_MASTER, 2, 2, "<name> <epoch>",
     config_stanza_config_epoch},
    {"leader-epoch", "leader-epoch", CONFIG_PASS_MASTER, 2, 2, "<name> <epoch>",
     config_stanza_leader_epoch},
    {"known-replica", "known-replica", CONFIG_PASS_MASTER, 3, 3, "<name> <host> <port>",
     config_stanza_known_replica},
    {"known-slave", "known-replica", CONFIG_PASS_MASTER, 3, 3, "<name> <host> <port>",
     config_stanza_known_replica},
    {"known-sentinel", "known-sentinel", CONFIG_PASS_MASTER, 3, 4, "<name> <host> <port> <runid>",
     config_stanza_known_sentinel},
};

const struct config_stanza *config_stanza_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(stanzas); i++) {
        if (text_same(stanzas[i].name, name)) {
            return &stanzas[i];
        }
    }
    return NULL;
}

bool config_stanza_parse(struct config_parser *p, const struct config_stanza *stanza)
{
    size_t args = p->words.count - CONFIG_STANZA_ARG;
    struct conf_master *master = NULL;

    if (args < stanza->args_min || args > stanza->args_max) {
        return config_notes_error(p, "sentinel %s takes %s", stanza->name, stanza->usage);
    }
    if (stanza->pass == CONFIG_PASS_MASTER) {
        master = sentinel_conf_find(p->conf, config_stanza_word(p, CONFIG_STANZA_ARG));
        if (master == NULL) {
            return config_notes_error(
                p,
                "sentinel %s: there is no master \"%s\"; write its \"sentinel "
                "monitor\" line or remove this one",
                stanza->name, config_stanza_word(p, CONFIG_STANZA_ARG));
        }
    }
    return stanza->parse(p, master);
}
