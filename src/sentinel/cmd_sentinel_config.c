#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "loop/log.h"
#include "sentinel/cmd_calls.h"
#include "sentinel/cmd_sentinel.h"
#include "sentinel/port.h"

/*
 * SENTINEL CONFIG GET <pattern> ... and SET <parameter> <value> ..., as Redis 7.2: several at once,
 * all checked before one is applied. sentinel-pass is shown in clear, as there: whoever may ask
 * this may also read the file.
 */

struct config_row {
    const char *name;
    uint32_t change;
    bool (*check)(const struct resp_text *value);
    void (*set)(struct sentinel_conf *conf, const char *value);
    void (*show)(const struct sentinel_conf *conf, struct buf *out); /* the text, not a reply */
};

/* ---- checks ---- */

static bool check_bool(const struct resp_text *value)
{
    return client_word_is(value, "yes") || client_word_is(value, "no");
}

static bool check_text(const struct resp_text *value)
{
    return strlen(value->bytes) == value->len;
}

static bool check_host(const struct resp_text *value)
{
    struct addr at;

    return value->len == 0 || (check_text(value) && addr_set(&at, value->bytes, 1));
}

static bool check_port(const struct resp_text *value)
{
    int64_t number;

    return text_to_i64(value->bytes, value->len, &number) && number >= 0 && number <= UINT16_MAX;
}

static int loglevel_of(const char *value)
{
    for (int i = 0; conf_loglevel_names[i] != NULL; i++) {
        if (text_same(conf_loglevel_names[i], value)) {
            return i;
        }
    }
    return -1;
}

static bool check_loglevel(const struct resp_text *value)
{
    return check_text(value) && loglevel_of(value->bytes) >= 0;
}

/* ---- rows ---- */

static void set_resolve(struct sentinel_conf *conf, const char *value)
{
    conf->resolve_hostnames = text_same(value, "yes");
}

static void show_resolve(const struct sentinel_conf *conf, struct buf *out)
{
    buf_append_text(out, conf->resolve_hostnames ? "yes" : "no");
}

static void set_announce_names(struct sentinel_conf *conf, const char *value)
{
    conf->announce_hostnames = text_same(value, "yes");
}

static void show_announce_names(const struct sentinel_conf *conf, struct buf *out)
{
    buf_append_text(out, conf->announce_hostnames ? "yes" : "no");
}

static void set_announce_ip(struct sentinel_conf *conf, const char *value)
{
    conf_set_text(&conf->announce_ip, value);
}

static void show_announce_ip(const struct sentinel_conf *conf, struct buf *out)
{
    buf_append_text(out, conf->announce_ip == NULL ? "" : conf->announce_ip);
}

static void set_announce_port(struct sentinel_conf *conf, const char *value)
{
    bool is_number = text_to_i64(value, strlen(value), &conf->announce_port);

    ASSERT(is_number);
}

static void show_announce_port(const struct sentinel_conf *conf, struct buf *out)
{
    buf_printf(out, "%" PRId64, conf->announce_port);
}

static void set_user(struct sentinel_conf *conf, const char *value)
{
    conf_set_text(&conf->sentinel_user, value);
}

static void show_user(const struct sentinel_conf *conf, struct buf *out)
{
    buf_append_text(out, conf->sentinel_user == NULL ? "" : conf->sentinel_user);
}

static void set_pass(struct sentinel_conf *conf, const char *value)
{
    conf_set_secret(&conf->sentinel_pass, value);
}

static void show_pass(const struct sentinel_conf *conf, struct buf *out)
{
    buf_append_text(out, conf->sentinel_pass.text == NULL ? "" : conf->sentinel_pass.text);
}

static void set_loglevel(struct sentinel_conf *conf, const char *value)
{
    conf->options.loglevel = loglevel_of(value);
}

static void show_loglevel(const struct sentinel_conf *conf, struct buf *out)
{
    buf_append_text(out, conf_loglevel_names[conf->options.loglevel]);
}

enum {
    NAMING = SENTINEL_CHANGED_ANNOUNCE,
    PEER_AUTH = SENTINEL_CHANGED_PEER_AUTH,
    LOGLEVEL = SENTINEL_CHANGED_LOGLEVEL,
};

/* In the order of CONFIG GET *. */
/* clang-format off */
static const struct config_row rows[] = {
    {"resolve-hostnames",   NAMING,    check_bool,     set_resolve,        show_resolve},
    {"announce-hostnames",  NAMING,    check_bool,     set_announce_names, show_announce_names},
    {"announce-ip",         NAMING,    check_host,     set_announce_ip,    show_announce_ip},
    {"announce-port",       NAMING,    check_port,     set_announce_port,  show_announce_port},
    {"sentinel-user",       PEER_AUTH, check_text,     set_user,           show_user},
    {"sentinel-pass",       PEER_AUTH, check_text,     set_pass,           show_pass},
    {"loglevel",            LOGLEVEL,  check_loglevel, set_loglevel,       show_loglevel},
};
/* clang-format on */

/* COUNT_OF(rows) when unknown. */
static size_t row_named(const struct resp_text *name)
{
    size_t i = 0;

    while (i < COUNT_OF(rows) && !client_word_is(name, rows[i].name)) {
        i++;
    }
    return i;
}

/* ---- GET ---- */

static void lower_case(const struct resp_text *word, struct buf *out)
{
    for (size_t i = 0; i < word->len; i++) {
        char byte = word->bytes[i];
        byte = (char)(byte >= 'A' && byte <= 'Z' ? byte - 'A' + 'a' : byte);
        buf_append(out, &byte, 1);
    }
}

static void config_get(struct client *c, const struct resp_command *command)
{
    const struct sentinel_conf *conf = port_conf(c->port);
    bool is_shown[COUNT_OF(rows)] = {false};
    struct buf pairs = {0};
    struct buf text = {0};
    size_t count = 0;

    for (size_t i = 3; i < command->argc; i++) {
        struct buf pattern = {0};

        lower_case(&command->argv[i], &pattern);
        for (size_t row = 0; row < COUNT_OF(rows); row++) {
            if (is_shown[row] || !text_glob(buf_data(&pattern), pattern.len, rows[row].name,
                                            strlen(rows[row].name))) {
                continue;
            }
            is_shown[row] = true;
            count++;
            buf_clear(&text);
            rows[row].show(conf, &text);
            resp_write_text(&pairs, rows[row].name);
            resp_write_bulk(&pairs, buf_data(&text), text.len);
        }
        buf_finish(&pattern);
    }
    resp_write_map(&c->out, c->version, count);
    buf_append(&c->out, buf_data(&pairs), pairs.len);
    buf_finish(&pairs);
    buf_finish(&text);
}

/* ---- SET ---- */

static bool config_check(struct client *c, const struct resp_command *command)
{
    bool is_seen[COUNT_OF(rows)] = {false};

    for (size_t i = 3; i < command->argc; i += 2) {
        const char *name = command->argv[i].bytes;
        size_t row = row_named(&command->argv[i]);

        if (row == COUNT_OF(rows)) {
            resp_write_error(&c->out, "ERR Invalid argument '%.128s' to SENTINEL CONFIG SET", name);
            return false;
        }
        if (is_seen[row]) {
            resp_write_error(&c->out, "ERR Duplicate argument '%.128s' to SENTINEL CONFIG SET",
                             name);
            return false;
        }
        is_seen[row] = true;
        if (i + 1 == command->argc) {
            resp_write_error(&c->out, "ERR Missing argument '%.128s' value", name);
            return false;
        }
        if (!rows[row].check(&command->argv[i + 1])) {
            bool is_secret = rows[row].set == set_pass;
            resp_write_error(&c->out, "ERR Invalid value '%.128s' to SENTINEL CONFIG SET '%.128s'",
                             is_secret ? "******" : command->argv[i + 1].bytes, name);
            return false;
        }
    }
    return true;
}

static void config_set(struct client *c, const struct resp_command *command)
{
    const struct sentinel *port = c->port;
    uint32_t changes = 0;

    if (!config_check(c, command)) {
        return;
    }
    for (size_t i = 3; i < command->argc; i += 2) {
        const struct config_row *row = &rows[row_named(&command->argv[i])];

        row->set(port_conf(port), command->argv[i + 1].bytes);
        changes |= row->change;
        log_notice("sentinel config set %s by %s", row->name, c->peer);
    }
    port->ops->changed(port->ctx, changes, NULL);
    struct event *event = cmd_sentinel_event(c, COMMAND_FLUSH);
    cmd_sentinel_submit(c, event);
    free(event);
}

void cmd_sentinel_config(struct client *c, const struct resp_command *command)
{
    if (client_word_is(&command->argv[2], "get")) {
        config_get(c, command);
    } else if (client_word_is(&command->argv[2], "set")) {
        config_set(c, command);
    } else {
        resp_write_error(&c->out,
                         "ERR Only SENTINEL CONFIG GET <option> / SET <option> <value> are "
                         "supported.");
    }
}
