/* One Redis that is asked what it is: its ROLE, and how far it is where replicas serve. */
#include "router/finder_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "loop/log.h"

static void server_tell(struct finder_server *server, enum choice_role role)
{
    struct finder *finder = server->finder;

    if (server->is_chosen) {
        master_choice_role(&finder->choice, &server->at, role, loop_now(finder->loop));
    }
    finder_wake(finder);
}

/* Refused and closed are what failovers are made of: only what an operator must mend is told. */
static void server_complain(struct finder_server *server, const char *what,
                            const struct resp_value *error)
{
    char text[ADDR_TEXT_MAX];
    const char *refusal = server->link.refusal;

    if (!server->was_complained) {
        server->was_complained = true;
        log_warning("%s: redis %s: %s: %s%s%s%s", server->finder->conf->master,
                    addr_text(&server->at, text), what, resp_text(error),
                    refusal[0] != '\0' ? " (AUTH: " : "", refusal, refusal[0] != '\0' ? ")" : "");
    }
}

static void server_take_role(struct finder_server *server, const struct resp_value *value)
{
    const struct resp_value *role = resp_item(value, 0);

    if (resp_text_is(role, "master")) {
        server->was_complained = false;
        server_tell(server, CHOICE_ROLE_MASTER);
    } else if (resp_text_is(role, "slave") || resp_text_is(role, "replica")) {
        server->was_complained = false;
        server_tell(server, CHOICE_ROLE_REPLICA);
    } else {
        if (resp_is(value, RESP_ERROR)) {
            server_complain(server, "ROLE", value);
        }
        server_tell(server, CHOICE_ROLE_NONE);
    }
}

/* ---- INFO ---- */

static bool info_field(const char *line, size_t len, const char *name, const char **value,
                       size_t *value_len)
{
    size_t name_len = strlen(name);

    if (len <= name_len || line[name_len] != ':' || memcmp(line, name, name_len) != 0) {
        return false;
    }
    *value = line + name_len + 1;
    *value_len = len - name_len - 1;
    return true;
}

struct info_found {
    int64_t master_offset;
    int64_t replica_offset;
    int64_t last_io_s;
    int64_t down_s;
};

static void info_line(struct finder_server *s, struct info_found *found, const char *line,
                      size_t len)
{
    const char *value = NULL;
    size_t value_len = 0;

    if (info_field(line, len, "role", &value, &value_len)) {
        s->says_replica = value_len == 5 && memcmp(value, "slave", 5) == 0;
    } else if (info_field(line, len, "master_link_status", &value, &value_len)) {
        s->is_linked = value_len == 2 && memcmp(value, "up", 2) == 0;
    } else if (info_field(line, len, "master_replid", &value, &value_len)) {
        if (value_len < sizeof(s->replid)) {
            memcpy(s->replid, value, value_len);
            s->replid[value_len] = '\0';
        }
    } else if (info_field(line, len, "master_repl_offset", &value, &value_len)) {
        (void)text_to_i64(value, value_len, &found->master_offset); /* else it stays unknown */
    } else if (info_field(line, len, "slave_repl_offset", &value, &value_len)) {
        (void)text_to_i64(value, value_len, &found->replica_offset);
    } else if (info_field(line, len, "master_last_io_seconds_ago", &value, &value_len)) {
        (void)text_to_i64(value, value_len, &found->last_io_s);
    } else if (info_field(line, len, "master_link_down_since_seconds", &value, &value_len)) {
        (void)text_to_i64(value, value_len, &found->down_s);
    }
}

bool finder_server_read_info(struct finder_server *s, const struct resp_text *text)
{
    struct info_found found = {-1, -1, -1, -1};
    const char *at = text->bytes;
    const char *end = text->bytes + text->len;

    s->says_replica = false;
    s->is_linked = false;
    s->replid[0] = '\0';
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = newline != NULL ? newline : end;
        size_t len = (size_t)(line_end - at);
        info_line(s, &found, at, len > 0 && line_end[-1] == '\r' ? len - 1 : len);
        at = line_end + 1;
    }
    s->offset = s->says_replica ? found.replica_offset : found.master_offset;
    s->silence_s = s->is_linked ? found.last_io_s : found.down_s;
    return s->offset >= 0;
}

static void server_take_info(struct finder_server *server, const struct resp_value *value)
{
    server->offset = -1;
    if (resp_is(value, RESP_ERROR)) {
        server_complain(server, "INFO replication", value);
    } else if (finder_server_read_info(server, &value->text)) {
        server->info_at_ms = loop_now(server->finder->loop);
    }
    finder_wake(server->finder);
}

/* ---- the connection ---- */

static void server_ask(struct finder_server *server, msec_t now)
{
    struct buf out = {0};

    server->asked_at_ms = now;
    server->replies_left = 1;
    RESP_COMMAND(&out, "ROLE");
    server->asked_info = server->wants_info;
    if (server->asked_info) {
        server->replies_left++;
        RESP_COMMAND(&out, "INFO", "replication");
    }
    finder_link_send(&server->link, &out);
}

static void server_on_open(void *ctx)
{
    struct finder_server *server = ctx;

    server->was_open = true;
    server_ask(server, loop_now(server->finder->loop));
    finder_wake(server->finder);
}

static bool server_on_reply(void *ctx, const struct resp_value *value)
{
    struct finder_server *server = ctx;

    if (server->replies_left == 0) {
        return false;
    }
    if (server->asked_info && server->replies_left == 1) {
        server_take_info(server, value);
    } else {
        server_take_role(server, value);
    }
    server->replies_left--;
    return true;
}

/* A connection that stood and broke is made anew at once: a promotion closes those of clients. */
static void server_failed(struct finder_server *server)
{
    msec_t now = loop_now(server->finder->loop);
    msec_t wait =
        server->period_ms < FINDER_ASK_TROUBLED_MS ? server->period_ms : FINDER_ASK_TROUBLED_MS;

    server->replies_left = 0;
    server->offset = -1;
    server->retry_at_ms = (server->was_open ? server->tried_at_ms : now) + wait;
    server->was_open = false;
    server_tell(server, CHOICE_ROLE_NONE);
}

static void server_on_end(void *ctx, const char *why)
{
    struct finder_server *server = ctx;
    char text[ADDR_TEXT_MAX];

    log_debug("%s: redis %s: %s", server->finder->conf->master, addr_text(&server->at, text), why);
    if (server->was_open && server->is_chosen) {
        finder_stir(server->finder);
    }
    server_failed(server);
}

static const struct finder_link_calls server_calls = {
    .on_open = server_on_open,
    .on_reply = server_on_reply,
    .on_end = server_on_end,
};

struct finder_server *finder_server_create(struct finder *finder, const struct addr *at)
{
    struct finder_server *server = memory_zeroed(sizeof(*server));

    server->finder = finder;
    server->at = *at;
    server->link.calls = &server_calls;
    server->link.ctx = server;
    server->period_ms = FINDER_ASK_MS;
    server->offset = -1;
    return server;
}

void finder_server_destroy(struct finder_server *server)
{
    if (server != NULL) {
        finder_link_close(&server->link);
        free(server);
    }
}

static void server_connect(struct finder_server *server)
{
    struct finder *finder = server->finder;
    struct err err = {0};

    server->tried_at_ms = loop_now(finder->loop);
    if (!finder_link_open(&server->link, finder->loop, &server->at, &finder->redis, &err)) {
        log_debug("%s: redis %s: %s", finder->conf->master, server->at.ip, err.text);
        server_failed(server);
    }
}

msec_t finder_server_turn(struct finder_server *server, msec_t now)
{
    if (server->link.conn == NULL) {
        if (now >= server->retry_at_ms) {
            server_connect(server);
        }
        return server->link.conn == NULL ? server->retry_at_ms : MSEC_NEVER;
    }
    if (!server->link.is_open) {
        return MSEC_NEVER; /* it opens or ends by itself */
    }
    if (server->replies_left > 0) {
        if (now - server->asked_at_ms < FINDER_ROLE_SILENT_MS) {
            return server->asked_at_ms + FINDER_ROLE_SILENT_MS;
        }
        finder_link_close(&server->link);
        server->was_open = false;
        server_failed(server);
        return server->retry_at_ms;
    }
    if (now >= server->asked_at_ms + server->period_ms) {
        server_ask(server, now);
        return now + FINDER_ROLE_SILENT_MS;
    }
    return server->asked_at_ms + server->period_ms;
}
