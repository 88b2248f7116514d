#include "relay_site.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/text.h"

enum { TX_MAX = 64, BLOCKED_TEXT_MAX = 64 };

/* One connection, as a server sees it. */
struct site_conn {
    struct site_conn *next;
    struct server *server;
    struct conn *conn;
    struct resp_command_reader reader;
    struct buf in;
    struct buf out;
    enum resp_version version;
    int database;
    int64_t id;
    bool is_tx;
    bool is_tx_wrong;
    bool tx_writes;
    struct buf tx; /* its requests */
    size_t tx_count;
    bool is_watching[SITE_COUNTERS];
    int64_t watched[SITE_COUNTERS]; /* what was there */
    bool channels[SITE_CLIENTS][SITE_CHANNELS];
    msec_t blocked_until_ms; /* 0: not */
    char blocked_on[BLOCKED_TEXT_MAX];
    bool is_gone;
};

struct call {
    struct site_conn *c;
    const struct resp_command *cmd;
    struct buf *out;
};

static bool word_is(const struct resp_text *text, const char *word)
{
    return text->len == strlen(word) && strncasecmp(text->bytes, word, text->len) == 0;
}

/* ---- keys ---- */

static struct site_client *key_client(const struct call *call, int *client)
{
    struct site_conn *c = call->c;
    const char *key = call->cmd->argv[1].bytes;
    int who = -1;
    int seq = 0;
    int database = -1;
    bool has_seq = key[0] == 't';
    int found = has_seq ? sscanf(key + 1, ":%d:%d:%d", &who, &seq, &database)
                        : sscanf(key + 1, ":%d:%d", &who, &database);

    if (found != (has_seq ? 3 : 2) || who < 0 || who >= SITE_CLIENTS) {
        site_fault("a key nobody asks for: %s", key);
    }
    if (database != c->database) {
        site_fault("%s is asked in database %d", key, c->database);
    }
    *client = who;
    return &c->server->site->clients[who];
}

static int64_t arg_number(const struct call *call, size_t i)
{
    int64_t number = 0;

    if (i >= call->cmd->argc ||
        !text_to_i64(call->cmd->argv[i].bytes, call->cmd->argv[i].len, &number)) {
        site_fault("%s: argument %zu is no number", call->cmd->argv[0].bytes, i);
    }
    return number;
}

static int shared_number(const char *key)
{
    int number = key[2] - '0';

    if (number < 0 || number >= SITE_COUNTERS || key[3] != '\0') {
        site_fault("a counter nobody asks for: %s", key);
    }
    return number;
}

/* ---- commands ---- */

static void do_get(struct call *call)
{
    const struct resp_text *key = &call->cmd->argv[1];
    int client;

    if (key->bytes[0] == 'w') {
        int64_t value = call->c->server->site->shared[shared_number(key->bytes)];
        resp_write_bulkf(call->out, "%lld", (long long)value);
        return;
    }
    const struct site_client *who = key_client(call, &client);
    if (key->bytes[0] == 't') {
        resp_write_bulk(call->out, key->bytes, key->len);
    } else if (who->value == 0) {
        resp_write_null(call->out, call->c->version);
    } else {
        resp_write_bulkf(call->out, "%lld", (long long)who->value);
    }
}

static void do_hgetall(struct call *call)
{
    int client;

    (void)key_client(call, &client);
    resp_write_map(call->out, call->c->version, 1);
    resp_write_bulk(call->out, call->cmd->argv[1].bytes, call->cmd->argv[1].len);
    resp_write_text(call->out, "1");
}

static void do_getrange(struct call *call)
{
    const struct resp_text *key = &call->cmd->argv[1];
    size_t len = (size_t)arg_number(call, 3);
    char *value = memory_zeroed(len);
    int client;

    (void)key_client(call, &client);
    memset(value, '.', len);
    memcpy(value, key->bytes, key->len < len ? key->len : len);
    resp_write_bulk(call->out, value, len);
    free(value);
}

static void do_set(struct call *call)
{
    struct site *site = call->c->server->site;
    const char *key = call->cmd->argv[1].bytes;
    int client;

    if (key[0] == 'w') {
        int number = shared_number(key);
        int64_t value = arg_number(call, 2);
        if (value != site->shared[number] + 1) {
            site_fault("%s is set to %lld and is %lld: the WATCH did not help", key,
                       (long long)value, (long long)site->shared[number]);
        }
        site->shared[number] = value;
    } else {
        struct site_client *who = key_client(call, &client);
        if (key[0] == 's') {
            who->value = arg_number(call, 2);
            if (who->outcome[who->value] == OUTCOME_NOTHING) {
                site_fault("client %d: SET %lld is done after it was told that it was not", client,
                           (long long)who->value);
            }
        }
    }
    resp_write_simple(call->out, "OK");
}

static void do_push(struct call *call)
{
    int client;
    struct site_client *who = key_client(call, &client);
    uint32_t seq = (uint32_t)arg_number(call, 2);

    if (who->pushed[seq]++ > 0) {
        site_fault("client %d: RPUSH %u is done twice", client, seq);
    }
    if (who->outcome[seq] == OUTCOME_NOTHING) {
        site_fault("client %d: RPUSH %u is done after it was told that it was not", client, seq);
    }
    if (seq < who->pushed_last && who->outcome[seq] != OUTCOME_UNKNOWN) {
        site_fault("client %d: RPUSH %u is done after %u", client, seq, who->pushed_last);
    }
    who->pushed_last = seq > who->pushed_last ? seq : who->pushed_last;
    resp_write_integer(call->out, ++who->pushed_count);
}

static void do_incr(struct call *call)
{
    int client;
    struct site_client *who = key_client(call, &client);

    resp_write_integer(call->out, ++who->counter);
}

static void do_unlink(struct call *call)
{
    for (size_t i = 1; i < call->cmd->argc; i++) {
        if (!call->c->server->site->is_cache) {
            site_fault("%s is deleted", call->cmd->argv[i].bytes);
        }
    }
    resp_write_integer(call->out, 0); /* the data stays: what is checked is that it is asked */
}

static void do_flushdb(struct call *call)
{
    if (!call->c->server->site->is_cache) {
        site_fault("a database is flushed");
    }
    resp_write_simple(call->out, "OK");
}

static void do_blpop(struct call *call)
{
    struct site_conn *c = call->c;
    struct site *site = c->server->site;
    int client;

    (void)key_client(call, &client);
    if (c->is_tx || prng_below(&site->prng, 4) == 0) {
        resp_write_null_array(call->out, c->version);
        return;
    }
    c->blocked_until_ms = site->now_ms + arg_number(call, 2) * 1000;
    (void)snprintf(c->blocked_on, sizeof(c->blocked_on), "%s", call->cmd->argv[1].bytes);
}

static void do_info(struct call *call)
{
    resp_write_bulkf(call->out, "# Server\r\nrole:%s\r\n",
                     call->c->server->is_master ? "master" : "slave");
}

static void do_wait(struct call *call)
{
    resp_write_integer(call->out, 2);
}

/* ---- the connection ---- */

static void do_hello(struct call *call)
{
    struct site_conn *c = call->c;

    if (call->cmd->argc > 1) {
        c->version = (enum resp_version)arg_number(call, 1);
    }
    resp_write_map(call->out, c->version, 4);
    resp_write_text(call->out, "server");
    resp_write_text(call->out, "redis");
    resp_write_text(call->out, "proto");
    resp_write_integer(call->out, c->version);
    resp_write_text(call->out, "id");
    resp_write_integer(call->out, c->id);
    resp_write_text(call->out, "role");
    resp_write_text(call->out, c->server->is_master ? "master" : "replica");
}

static void do_select(struct call *call)
{
    int64_t database = arg_number(call, 1);

    if (database < 0 || database >= SITE_DATABASES) {
        resp_write_error(call->out, "ERR DB index is out of range");
        return;
    }
    call->c->database = (int)database;
    resp_write_simple(call->out, "OK");
}

static void do_role(struct call *call)
{
    resp_write_array(call->out, 3);
    resp_write_text(call->out, call->c->server->is_master ? "master" : "slave");
    resp_write_integer(call->out, 7);
    resp_write_array(call->out, 0);
}

static void do_ping(struct call *call)
{
    if (call->cmd->argc > 1) {
        resp_write_bulk(call->out, call->cmd->argv[1].bytes, call->cmd->argv[1].len);
    } else {
        resp_write_simple(call->out, "PONG");
    }
}

static void do_ok(struct call *call)
{
    resp_write_simple(call->out, "OK");
}

/* ---- pub/sub ---- */

static size_t conn_channels(const struct site_conn *c)
{
    size_t count = 0;

    for (int i = 0; i < SITE_CLIENTS; i++) {
        for (int j = 0; j < SITE_CHANNELS; j++) {
            count += c->channels[i][j];
        }
    }
    return count;
}

static void confirm(struct call *call, const char *what, const char *channel)
{
    resp_write_push(call->out, call->c->version, 3);
    resp_write_text(call->out, what);
    if (channel == NULL) {
        resp_write_null(call->out, call->c->version);
    } else {
        resp_write_text(call->out, channel);
    }
    resp_write_integer(call->out, (int64_t)conn_channels(call->c));
}

static bool *channel_of(struct site_conn *c, const char *name)
{
    int client = -1;
    int number = -1;

    if (sscanf(name, "c:%d:%d", &client, &number) != 2 || client < 0 || client >= SITE_CLIENTS ||
        number < 0 || number >= SITE_CHANNELS) {
        site_fault("a channel nobody asks for: %s", name);
    }
    return &c->channels[client][number];
}

static void do_subscribe(struct call *call)
{
    for (size_t i = 1; i < call->cmd->argc; i++) {
        *channel_of(call->c, call->cmd->argv[i].bytes) = true;
        confirm(call, "subscribe", call->cmd->argv[i].bytes);
    }
}

static void do_unsubscribe(struct call *call)
{
    char name[BLOCKED_TEXT_MAX];
    size_t count = conn_channels(call->c);

    for (size_t i = 1; i < call->cmd->argc; i++) {
        *channel_of(call->c, call->cmd->argv[i].bytes) = false;
        confirm(call, "unsubscribe", call->cmd->argv[i].bytes);
    }
    for (int i = 0; i < SITE_CLIENTS && call->cmd->argc == 1; i++) {
        for (int j = 0; j < SITE_CHANNELS; j++) {
            if (call->c->channels[i][j]) {
                call->c->channels[i][j] = false;
                (void)snprintf(name, sizeof(name), "c:%d:%d", i, j);
                confirm(call, "unsubscribe", name);
            }
        }
    }
    if (call->cmd->argc == 1 && count == 0) {
        confirm(call, "unsubscribe", NULL);
    }
}

/* ---- transactions ---- */

static void tx_end(struct site_conn *c)
{
    c->is_tx = false;
    c->is_tx_wrong = false;
    c->tx_writes = false;
    buf_clear(&c->tx);
    c->tx_count = 0;
    memset(c->is_watching, 0, sizeof(c->is_watching));
}

static void do_multi(struct call *call)
{
    if (call->c->is_tx) {
        resp_write_error(call->out, "ERR MULTI calls can not be nested");
        return;
    }
    call->c->is_tx = true;
    resp_write_simple(call->out, "OK");
}

static void do_discard(struct call *call)
{
    if (!call->c->is_tx) {
        resp_write_error(call->out, "ERR DISCARD without MULTI");
        return;
    }
    tx_end(call->c);
    resp_write_simple(call->out, "OK");
}

static void do_watch(struct call *call)
{
    int number = shared_number(call->cmd->argv[1].bytes);

    call->c->is_watching[number] = true;
    call->c->watched[number] = call->c->server->site->shared[number];
    resp_write_simple(call->out, "OK");
}

static void do_unwatch(struct call *call)
{
    memset(call->c->is_watching, 0, sizeof(call->c->is_watching));
    resp_write_simple(call->out, "OK");
}

static void do_exec(struct call *call);

enum { IS_WRITE = 1, IS_LOADING_OK = 2, IS_TX = 4, IS_PUBSUB = 8, IS_OURS = 16 };

static const struct {
    const char *name;
    void (*run)(struct call *call);
    unsigned flags;
} commands[] = {
    {"GET", do_get, 0},
    {"HGETALL", do_hgetall, 0},
    {"GETRANGE", do_getrange, 0},
    {"SET", do_set, IS_WRITE},
    {"RPUSH", do_push, IS_WRITE},
    {"INCR", do_incr, IS_WRITE},
    {"UNLINK", do_unlink, IS_WRITE | IS_OURS},
    {"FLUSHDB", do_flushdb, IS_WRITE | IS_OURS},
    {"BLPOP", do_blpop, IS_WRITE},
    {"INFO", do_info, IS_LOADING_OK},
    {"WAIT", do_wait, 0},
    {"HELLO", do_hello, IS_LOADING_OK},
    {"SELECT", do_select, IS_LOADING_OK},
    {"ROLE", do_role, IS_LOADING_OK},
    {"PING", do_ping, IS_PUBSUB},
    {"CLIENT", do_ok, IS_LOADING_OK},
    {"SUBSCRIBE", do_subscribe, IS_LOADING_OK | IS_PUBSUB},
    {"UNSUBSCRIBE", do_unsubscribe, IS_LOADING_OK | IS_PUBSUB},
    {"MULTI", do_multi, IS_LOADING_OK | IS_TX},
    {"EXEC", do_exec, IS_LOADING_OK | IS_TX},
    {"DISCARD", do_discard, IS_LOADING_OK | IS_TX},
    {"WATCH", do_watch, IS_LOADING_OK | IS_TX},
    {"UNWATCH", do_unwatch, IS_LOADING_OK},
};

static size_t command_number(const struct resp_text *name)
{
    size_t i = 0;

    while (i < COUNT_OF(commands) && !word_is(name, commands[i].name)) {
        i++;
    }
    return i;
}

/* A write where it is lost: the relay must not have been here any more. */
static void run(struct call *call, size_t number)
{
    struct server *s = call->c->server;

    if ((commands[number].flags & (IS_WRITE | IS_OURS)) == IS_WRITE &&
        s != &s->site->servers[s->site->truth]) {
        site_fault("%s %s reaches a master that was replaced", commands[number].name,
                   call->cmd->argc > 1 ? call->cmd->argv[1].bytes : "");
    }
    commands[number].run(call);
}

static void do_exec(struct call *call)
{
    struct site_conn *c = call->c;
    struct resp_command_reader reader = {0};
    struct resp_command cmd;
    bool is_dirty = false;

    if (!c->is_tx) {
        resp_write_error(call->out, "ERR EXEC without MULTI");
        return;
    }
    for (int i = 0; i < SITE_COUNTERS; i++) {
        is_dirty = is_dirty || (c->is_watching[i] && c->watched[i] != c->server->site->shared[i]);
    }
    if (c->is_tx_wrong || (c->tx_writes && !c->server->is_master)) {
        resp_write_error(call->out, "EXECABORT Transaction discarded because of previous errors.");
    } else if (is_dirty) {
        resp_write_null_array(call->out, c->version);
    } else {
        resp_write_array(call->out, c->tx_count);
        while (resp_command_read(&reader, &c->tx, &resp_limits_default, &cmd) == RESP_READY) {
            struct call one = {.c = c, .cmd = &cmd, .out = call->out};
            run(&one, command_number(&cmd.argv[0]));
        }
        resp_command_finish(&reader);
    }
    tx_end(c);
}

/* Why a server does not do it; NULL: it does. */
static const char *refusal(const struct site_conn *c, unsigned flags)
{
    const struct server *s = c->server;

    if (s->is_loading && (flags & IS_LOADING_OK) == 0) {
        return "LOADING Redis is loading the dataset in memory";
    }
    if ((flags & IS_WRITE) != 0 && !s->is_master) {
        return "READONLY You can't write against a read only replica.";
    }
    if ((flags & IS_WRITE) != 0 && s->has_no_replicas) {
        return "NOREPLICAS Not enough good replicas to write.";
    }
    if (c->version == RESP_2 && conn_channels(c) > 0 && (flags & IS_PUBSUB) == 0) {
        return "ERR Can't execute this command: only (P|S)SUBSCRIBE / PING / QUIT are allowed in "
               "this context";
    }
    return NULL;
}

static void conn_queue(struct site_conn *c, const struct resp_command *cmd, unsigned flags)
{
    ASSERT(c->tx_count < TX_MAX);
    buf_printf(&c->tx, "*%zu\r\n", cmd->argc);
    for (size_t i = 0; i < cmd->argc; i++) {
        resp_write_bulk(&c->tx, cmd->argv[i].bytes, cmd->argv[i].len);
    }
    c->tx_count++;
    c->tx_writes = c->tx_writes || (flags & IS_WRITE) != 0;
    resp_write_simple(&c->out, "QUEUED");
}

static void conn_command(struct site_conn *c, const struct resp_command *cmd)
{
    size_t number = command_number(&cmd->argv[0]);

    if (c->server->site->is_verbose) {
        (void)printf(
            "%lld:   server %zu conn %lld: %s %s%s\n", (long long)c->server->site->now_ms - 1000000,
            (size_t)(c->server - c->server->site->servers), (long long)c->id, cmd->argv[0].bytes,
            cmd->argc > 1 ? cmd->argv[1].bytes : "", cmd->argc > 2 ? " ..." : "");
    }
    if (number == COUNT_OF(commands)) {
        c->is_tx_wrong = c->is_tx_wrong || c->is_tx;
        resp_write_error(&c->out, "ERR unknown command '%s'", cmd->argv[0].bytes);
        return;
    }
    const char *why = refusal(c, commands[number].flags);
    if (why != NULL) {
        c->is_tx_wrong = c->is_tx_wrong || c->is_tx;
        resp_write_error(&c->out, "%s", why);
    } else if (c->is_tx && (commands[number].flags & IS_TX) == 0) {
        conn_queue(c, cmd, commands[number].flags);
    } else {
        struct call call = {.c = c, .cmd = cmd, .out = &c->out};
        run(&call, number);
    }
}

/* ---- turns ---- */

static void conn_unblock(struct site_conn *c, msec_t now_ms)
{
    bool is_over = now_ms >= c->blocked_until_ms;

    if (!is_over && prng_below(&c->server->site->prng, 40) > 0) {
        return;
    }
    if (is_over) {
        resp_write_null_array(&c->out, c->version);
    } else {
        resp_write_array(&c->out, 2);
        resp_write_text(&c->out, c->blocked_on);
        resp_write_text(&c->out, "x");
    }
    c->blocked_until_ms = 0;
}

static void conn_serve(struct site_conn *c)
{
    struct site *site = c->server->site;
    uint64_t budget = 1 + prng_below(&site->prng, 40);
    struct resp_command cmd;

    buf_append(&c->in, buf_data(&c->conn->got), c->conn->got.len);
    buf_clear(&c->conn->got);
    if (c->blocked_until_ms != 0) {
        conn_unblock(c, site->now_ms);
    }
    while (budget-- > 0 && c->blocked_until_ms == 0) {
        enum resp_status status = resp_command_read(&c->reader, &c->in, &resp_limits_default, &cmd);
        if (status == RESP_BAD) {
            site_fault("a server is sent what is no request: %s", resp_command_error(&c->reader));
        }
        if (status == RESP_MORE) {
            break;
        }
        conn_command(c, &cmd);
    }
    fake_send(c->conn, buf_data(&c->out), c->out.len);
    buf_clear(&c->out);
}

static void conn_free(struct site_conn *c)
{
    fake_leave(c->conn);
    resp_command_finish(&c->reader);
    buf_finish(&c->in);
    buf_finish(&c->out);
    buf_finish(&c->tx);
    free(c);
}

void site_turn(struct site *site, msec_t now_ms)
{
    site->now_ms = now_ms;
    for (struct site_conn **at = &site->conns; *at != NULL;) {
        struct site_conn *c = *at;
        if (fake_is_over(c->conn)) { /* what it had not done it never will */
            *at = c->next;
            conn_free(c);
            continue;
        }
        bool is_served = !c->is_gone && !c->server->is_hung && prng_below(&site->prng, 4) > 0;
        if (is_served && c->conn->phase == FAKE_OPEN) {
            conn_serve(c);
        }
        at = &c->next;
    }
}

bool site_is_idle(const struct site *site, size_t server)
{
    for (const struct site_conn *c = site->conns; c != NULL; c = c->next) {
        bool is_there = c->server == &site->servers[server] && !c->is_gone;
        if (is_there && (c->in.len > 0 || c->conn->got.len > 0 || c->conn->out.len > 0)) {
            return false;
        }
    }
    return true;
}

/* ---- what happens to them ---- */

static void conn_cut(struct site_conn *c)
{
    if (!c->is_gone) {
        c->is_gone = true;
        fake_fails(c->conn, CONN_RESET);
    }
}

void server_crash(struct server *s)
{
    for (struct site_conn *c = s->site->conns; c != NULL; c = c->next) {
        if (c->server == s) {
            conn_cut(c);
        }
    }
}

void server_drop_some(struct server *s)
{
    uint64_t which = prng_below(&s->site->prng, 4);

    for (struct site_conn *c = s->site->conns; c != NULL; c = c->next) {
        if (c->server == s && !c->is_gone && which-- == 0) {
            conn_cut(c);
            return;
        }
    }
}

void server_set_master(struct server *s, bool is_master)
{
    for (struct site_conn *c = s->site->conns; c != NULL && !is_master; c = c->next) {
        if (c->server == s && c->blocked_until_ms != 0) {
            c->blocked_until_ms = 0;
            resp_write_error(&c->out, "UNBLOCKED force unblock from blocking operation, instance "
                                      "state changed (master -> replica?)");
        }
    }
    s->is_master = is_master;
}

void site_publish(struct site *site, int client, int channel)
{
    for (struct site_conn *c = site->conns; c != NULL; c = c->next) {
        if (c->channels[client][channel] && !c->is_gone && c->conn->phase == FAKE_OPEN) {
            resp_write_push(&c->out, c->version, 3);
            resp_write_text(&c->out, "message");
            resp_write_bulkf(&c->out, "c:%d:%d", client, channel);
            resp_write_bulkf(&c->out, "m:%d:%d", client, channel);
        }
    }
}

void site_on_connect(void *ctx, struct conn *conn)
{
    struct site *site = ctx;
    struct server *s = NULL;

    for (size_t i = 0; i < SITE_SERVERS; i++) {
        if (addr_same(&site->servers[i].addr, &conn->at)) {
            s = &site->servers[i];
        }
    }
    if (s == NULL) {
        site_fault("a connection to nowhere: %s", conn->at.ip);
    }
    struct site_conn *c = memory_zeroed(sizeof(*c));
    *c = (struct site_conn){
        .next = site->conns, .server = s, .conn = conn, .version = RESP_2, .id = ++site->next_id};
    site->conns = c;
    conn->peer = c;
    if (s->is_up) {
        fake_opens(conn); /* a server that hangs still accepts: its kernel does */
    } else {
        c->is_gone = true;
        fake_fails(conn, CONN_REFUSED);
    }
}

void site_init(struct site *site, uint64_t seed)
{
    memset(site, 0, sizeof(*site));
    prng_init(&site->prng, seed);
    for (size_t i = 0; i < SITE_SERVERS; i++) {
        struct server *s = &site->servers[i];
        *s = (struct server){.site = site, .is_up = true, .is_master = i == 0};
        (void)snprintf(s->addr.ip, sizeof(s->addr.ip), "10.0.0.%zu", i + 1);
        s->addr.port = 6379;
    }
}

void site_finish(struct site *site)
{
    while (site->conns != NULL) {
        struct site_conn *c = site->conns;
        site->conns = c->next;
        conn_free(c);
    }
}
