/* What a person reads: the help, and what --check says. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/router_room.h"

enum { ROUTER_DESCRIBE_COLUMN = 31 /* where the help of an option begins */ };

/* ---- --help ---- */

static void router_describe_argument(const struct router_option *option, struct buf *out)
{
    if (option->kind != ROUTER_OPTION_CHOICE) {
        buf_printf(out, "%s%s", option->argument == NULL ? "" : " ",
                   option->argument == NULL ? "" : option->argument);
        return;
    }
    for (size_t i = 0; option->names[i] != NULL; i++) {
        buf_printf(out, "%s%s", i == 0 ? " " : "|", option->names[i]);
    }
}

static void router_describe_option(const struct router_option *option, struct buf *out)
{
    struct buf head = {0};
    struct buf value = {0};

    buf_printf(&head, "  --%s", option->name);
    router_describe_argument(option, &head);
    if (head.len >= ROUTER_DESCRIBE_COLUMN) {
        buf_printf(out, "%s\n%*s", buf_data(&head), ROUTER_DESCRIBE_COLUMN, "");
    } else {
        buf_printf(out, "%-*s", ROUTER_DESCRIBE_COLUMN, buf_data(&head));
    }
    router_option_write_default(option, &value);
    buf_append_text(out, option->doc);
    if (value.len > 0) {
        buf_printf(out, " (%s)", buf_data(&value));
    }
    buf_append_text(out, "\n");
    buf_finish(&head);
    buf_finish(&value);
}

void router_options_help(struct buf *out)
{
    buf_append_text(
        out, "holdfast router --master NAME --sentinels HOST:PORT,... --listen ADDRESS [options]:\n"
             "one Redis address that never changes; it carries the traffic to the master of now\n");
    for (size_t i = 0; i < router_option_count(); i++) {
        const struct router_option *option = router_option_at(i);
        if (option->kind == ROUTER_OPTION_HEADING) {
            buf_printf(out, "\n%s\n", option->name);
        } else {
            router_describe_option(option, out);
        }
    }
    buf_append_text(
        out, "\nAddresses and lists add up when they stand again; of all else the last counts.\n"
             "A time is a number with ms, s or m; a size one with b, kb, mb or gb.\n"
             "A name alone is yes: --cache; --cache=no takes back what a file says.\n"
             "Manual: holdfast-router(8).\n");
}

/* ---- --check ---- */

static void router_describe_listens(const char *what, const struct router_listen *listens,
                                    size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "%-14s", what);
        router_listen_text(&listens[i], out);
        if (listens[i].mode != 0) {
            buf_printf(out, ", mode %o", listens[i].mode);
        }
        buf_append_text(out, "\n");
    }
}

static void router_describe_monitors(const struct router_conf *conf, struct buf *out)
{
    char text[ADDR_TEXT_MAX];

    buf_printf(out, "%-14s", "monitors");
    for (size_t i = 0; i < conf->monitors_count; i++) {
        buf_printf(out, "%s%s", i == 0 ? "" : ", ", addr_text(&conf->monitors[i], text));
    }
    buf_printf(out, "; %zu must agree%s\n", conf->monitors_count / 2 + 1,
               conf->sentinel_tls.is_on ? "; over TLS" : "");
}

static void router_describe_clients(const struct router_conf *conf, struct buf *out)
{
    static const char *const texts[] = {
        [ROUTER_AUTH_NONE] = "whoever reaches the address",
        [ROUTER_AUTH_OWN] = "with the password of client-password-file",
        [ROUTER_AUTH_PASS] = "with their own user and password at Redis",
    };

    buf_printf(out, "%-14s%s; at most %u, %u of them not authenticated; ", "clients",
               texts[conf->client_auth], conf->clients_max, conf->strangers_max);
    buf_printf(out, "%u thread%s\n", conf->threads, conf->threads == 1 ? "" : "s");
}

static void router_describe_down(const struct router_conf *conf, struct buf *out)
{
    static const char *const texts[] = {
        [ROUTER_DOWN_ERROR] = "an error",
        [ROUTER_DOWN_MISS] = "an empty answer",
        [ROUTER_DOWN_CLOSE] = "the end of the connection",
    };
    bool is_first = true;

    buf_printf(out, "%-14s", "no master");
    router_unit_write_ms(out, (uint64_t)conf->hold_ms);
    buf_append_text(out, " of waiting (in all ");
    router_unit_write_bytes(out, conf->hold_max_bytes);
    buf_printf(out, "), then %s", texts[conf->when_down]);
    for (size_t i = 0; i < ROUTER_DATABASES_MAX && conf->when_down == ROUTER_DOWN_MISS; i++) {
        if (conf->session_databases[i]) {
            buf_printf(out, "%s%zu", is_first ? "; an error in database " : ", ", i);
            is_first = false;
        }
    }
    buf_append_text(out, "\n");
}

static void router_describe_writes(const struct router_conf *conf, struct buf *out)
{
    buf_printf(out, "%-14s%s\n", "lost writes",
               conf->retry_writes == ROUTER_RETRY_NONE
                   ? "an error says that their outcome is unknown"
                   : "those that may be done twice are asked again, others are an error");
    if (conf->is_cache) {
        buf_printf(out, "%-14skeys written in the last ", "cache");
        router_unit_write_ms(out, (uint64_t)conf->cache_window_ms);
        buf_append_text(out, " (at most ");
        router_unit_write_bytes(out, conf->cache_keys_max_bytes);
        buf_append_text(out, " of them) are deleted after an unclean failover\n");
    }
}

static void router_describe_replicas(const struct router_conf *conf, struct buf *out)
{
    if (conf->replica_listens_count > 0) {
        buf_printf(out, "%-14sat most ", "replicas");
        router_unit_write_bytes(out, conf->replica_lag_max_bytes);
        buf_append_text(out, " behind; when there is none: ");
        buf_append_text(out, conf->replicas_may_use_master ? "the master\n" : "an error\n");
    }
}

void router_options_describe(const struct router_options *options, struct buf *out)
{
    const struct router_conf *conf = &options->conf;

    buf_printf(out, "%-14s%s%s%s%s\n", "master", conf->master,
               conf->redis.user[0] == '\0' ? "" : ", as user ", conf->redis.user,
               conf->redis_tls.is_on ? ", over TLS" : "");
    router_describe_monitors(conf, out);
    router_describe_listens("listen", conf->listens, conf->listens_count, out);
    router_describe_listens("for replicas", conf->replica_listens, conf->replica_listens_count,
                            out);
    router_describe_clients(conf, out);
    router_describe_down(conf, out);
    router_describe_writes(conf, out);
    router_describe_replicas(conf, out);
    buf_printf(out, "%-14s%s\n", "control",
               conf->control_path[0] == '\0' ? "none" : conf->control_path);
}
