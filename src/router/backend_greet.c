/*
 * The first words on a connection, in one write, and what must come back before it carries a
 * request: we are who we say, the database is there, and the server says that it is a master.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop/log.h"
#include "router/relay.h"

enum greeting { GREETING_AUTH, GREETING_HELLO, GREETING_SELECT, GREETING_SETNAME, GREETING_ROLE };

enum { GREETING_NUMBER_MAX = 16 };

static void greet_ask(struct backend *b, enum greeting greeting)
{
    ASSERT(b->greetings_count < RELAY_GREETINGS_MAX);
    b->greetings[b->greetings_count++] = (uint8_t)greeting;
}

void backend_greet(struct backend *b)
{
    const struct profile *p = b->profile;
    const struct identity *who = p->identity;
    struct buf *out = &b->worker->scratch;
    char number[GREETING_NUMBER_MAX];

    buf_clear(out);
    if (who->password != NULL) {
        greet_ask(b, GREETING_AUTH);
        if (who->user != NULL) {
            RESP_COMMAND(out, "AUTH", who->user, who->password);
        } else {
            RESP_COMMAND(out, "AUTH", who->password);
        }
    }
    greet_ask(b, GREETING_HELLO);
    RESP_COMMAND(out, "HELLO", p->version == RESP_3 ? "3" : "2");
    if (p->database > 0) {
        greet_ask(b, GREETING_SELECT);
        (void)snprintf(number, sizeof(number), "%d", p->database); /* fits any int */
        RESP_COMMAND(out, "SELECT", number);
    }
    greet_ask(b, GREETING_SETNAME);
    RESP_COMMAND(out, "CLIENT", "SETNAME", "holdfast-router");
    greet_ask(b, GREETING_ROLE);
    RESP_COMMAND(out, "ROLE");
    conn_write(b->conn, buf_data(out), out->len);
    buf_clear(out);
}

/* What every client with this profile is told until it is tried again. */
static bool greet_refused(struct profile *p, const char *reply, size_t len)
{
    size_t text_len = len >= 3 ? len - 3 : 0; /* without '-' and the line end */

    if (p->refusal == NULL) {
        log_warning("Redis refuses user %s, database %d: %.*s",
                    p->identity->user == NULL ? "default" : p->identity->user, p->database,
                    (int)text_len, reply + 1);
    }
    free(p->refusal);
    p->refusal = strndup(reply + 1, text_len);
    ASSERT(p->refusal != NULL);
    p->refused_at_ms = worker_now(p->worker);
    return false;
}

static bool greet_on_hello(struct backend *b, const struct resp_value *hello, const char *reply,
                           size_t len)
{
    struct profile *p = b->profile;
    int64_t id = 0;

    if (resp_is(hello, RESP_ERROR)) {
        bool is_old_redis = p->version == RESP_2 && resp_error_is(hello, "ERR");
        return is_old_redis || greet_refused(p, reply, len);
    }
    buf_clear(&p->hello);
    buf_append(&p->hello, reply, len);
    if (resp_integer(resp_map_get(hello, "id"), &id)) {
        b->redis_id = id;
    }
    b->is_hello_master = resp_text_is(resp_map_get(hello, "role"), "master");
    return true;
}

static bool greet_on_role(const struct backend *b, const struct resp_value *role, const char **why)
{
    bool is_master = resp_text_is(resp_item(role, 0), "master");
    bool may_be_any = b->profile->target == TARGET_REPLICAS;

    if (resp_is(role, RESP_ERROR) && resp_error_is(role, "NOPERM")) {
        is_master = b->is_hello_master;
    } else if (resp_is(role, RESP_ERROR)) {
        *why = "it does not tell its role";
        return false;
    }
    *why = "it says that it is a replica";
    return is_master || may_be_any;
}

/* A script runs, and only requests that end it are taken: one such waits for this connection.
 * HELLO, which is answered even so, has told the role. */
static bool greet_while_busy(struct backend *b, const struct resp_value *value)
{
    if (!resp_is(value, RESP_ERROR) || !resp_error_is(value, "BUSY") || b->owner == NULL ||
        b->owner->pins != 0 || !b->is_hello_master) {
        return false;
    }
    b->is_busy = true;
    b->is_dirty = true; /* what it did not answer may be undone: the database */
    return true;
}

static bool greet_on_value(struct backend *b, enum greeting greeting,
                           const struct resp_value *value, const char *reply, size_t len,
                           const char **why)
{
    struct worker *w = b->worker;
    bool is_error = resp_is(value, RESP_ERROR);

    switch (greeting) {
    case GREETING_AUTH:
        *why = "the password was refused";
        if (is_error && (resp_error_is(value, "WRONGPASS") || resp_error_is(value, "ERR"))) {
            return greet_refused(b->profile, reply, len);
        }
        b->profile->identity->proved_at_ms = worker_now(w);
        return !is_error;
    case GREETING_HELLO:
        *why = "HELLO was refused";
        return greet_on_hello(b, value, reply, len);
    case GREETING_SELECT:
        *why = "the database was refused";
        if (greet_while_busy(b, value)) {
            return true;
        }
        if (is_error) {
            return greet_refused(b->profile, reply, len);
        }
        if (b->profile->database >= w->databases_known) {
            w->databases_known = b->profile->database + 1;
        }
        return true;
    case GREETING_SETNAME:
        return true; /* only for those who look at CLIENT LIST */
    case GREETING_ROLE:
        return greet_while_busy(b, value) || greet_on_role(b, value, why);
    }
    UNREACHABLE("a greeting nobody sends");
}

bool backend_on_greeting(struct backend *b, const char *reply, size_t len, const char **why)
{
    struct worker *w = b->worker;
    const struct resp_value *value = NULL;
    struct buf copy = {0};

    *why = "it speaks before it is spoken to";
    if (b->greetings_at == b->greetings_count) {
        return false;
    }
    *why = "its greeting cannot be read";
    buf_append(&copy, reply, len);
    resp_reply_reset(&w->reply_reader);
    bool is_fine =
        resp_reply_read(&w->reply_reader, &copy, &resp_reply_limits_default, &value) ==
            RESP_READY &&
        greet_on_value(b, (enum greeting)b->greetings[b->greetings_at], value, reply, len, why);
    buf_finish(&copy);
    if (!is_fine) {
        b->profile->retry_at_ms = worker_now(w) + RELAY_RETRY_MS;
        COUNT_ADD(w, backends_failed, 1);
        return false;
    }
    b->greetings_at++;
    if (b->greetings_at == b->greetings_count) {
        free(b->profile->refusal);
        b->profile->refusal = NULL;
        b->phase = BACKEND_READY;
        worker_on_backend_ready(w, b);
    }
    return true;
}
