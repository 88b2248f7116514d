/*
 * CLIENT LIST, INFO and KILL: the clients of the router, of this worker thread. Where clients are
 * known to Redis by their own names (--client-auth pass), each sees and closes those of its own
 * user only: Redis, which knows who may do more, is not asked.
 */
#include "router/session_client.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "router/session_pubsub.h"

enum client_type {
    CLIENT_TYPE_ANY,
    CLIENT_TYPE_NORMAL,
    CLIENT_TYPE_PUBSUB,
    CLIENT_TYPE_NOBODY, /* masters and replicas do not connect to a router */
};

struct filter {
    const struct session *asking;
    struct resp_text addr; /* NULL: any, as with the others */
    struct resp_text local;
    struct resp_text user;
    uint64_t id; /* 0 is any */
    msec_t age_ms;
    enum client_type type;
    bool skips_asking;
};

/* ---- one client's line ---- */

static const char *session_user(const struct session *session)
{
    return session->identity == NULL || session->identity->user == NULL ? "default"
                                                                        : session->identity->user;
}

/* As Redis writes addresses; a unix socket has its path and no port. */
static void session_addr(const struct session *session, bool is_local, struct buf *out)
{
    char text[ADDR_TEXT_MAX];
    struct addr at;

    if (session->endpoint->is_unix) {
        buf_printf(out, "%s:0", session->endpoint->text);
    } else if (is_local ? conn_local_addr(session->conn, &at)
                        : conn_peer_addr(session->conn, &at)) {
        buf_append_text(out, addr_text(&at, text));
    } else {
        buf_append_text(out, "?:0");
    }
}

/* Of a connection of its own, where one session's requests are in order: what was sent last. */
static const char *session_last_command(const struct session *session)
{
    const struct backend *b = session->backend;

    if (b == NULL || b->owner != session || b->count == 0) {
        return NULL;
    }
    return b->ring[(b->head + b->count - 1) & (b->capacity - 1)].command->name;
}

static bool session_is_blocked(const struct session *session)
{
    const struct backend *b = session->backend;

    return b != NULL && b->owner == session && b->count > 0 &&
           b->ring[b->head].command->class == COMMAND_BLOCKING;
}

static void line_flags(const struct session *session, struct buf *out)
{
    const struct {
        bool is_set;
        char letter;
    } flags[] = {
        {(session->pins & PIN_MONITOR) != 0, 'O'},
        {session_subscriptions(session) > 0, 'P'},
        {(session->pins & PIN_MULTI) != 0, 'x'},
        {session_is_blocked(session), 'b'},
        {(session->pins & PIN_TRACKING) != 0, 't'},
        {session_client_is_broadcast(session), 'B'},
        {session->is_closing, 'c'},
        {session->endpoint->is_unix, 'U'},
        {(session_keeps(session) & KEEPS_NO_EVICT) != 0, 'e'},
        {(session_keeps(session) & KEEPS_NO_TOUCH) != 0, 'T'},
    };
    size_t before = out->len;

    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        if (flags[i].is_set) {
            buf_append(out, &flags[i].letter, 1);
        }
    }
    if (out->len == before) {
        buf_append(out, "N", 1);
    }
}

static void line_command(const char *name, struct buf *out)
{
    if (name == NULL) {
        buf_append_text(out, "NULL"); /* Redis' word for none yet */
        return;
    }
    for (; *name != '\0'; name++) {
        bool is_upper = *name >= 'A' && *name <= 'Z';
        buf_printf(out, "%c", is_upper ? *name - 'A' + 'a' : *name);
    }
}

static msec_t session_age_ms(const struct session *session)
{
    return worker_now(session->worker) - session->accepted_at_ms;
}

/* The fields of Redis 7.2 in its order. What belongs to a connection at Redis (buffers of queries
 * and arguments) is 0. */
static void session_line(const struct session *session, const char *command, struct buf *out)
{
    size_t pending = conn_pending_bytes(session->conn);
    int fd = conn_fd(session->conn);

    buf_printf(out, "id=%" PRIu64 " addr=", session->id);
    session_addr(session, false, out);
    buf_append_text(out, " laddr=");
    session_addr(session, true, out);
    buf_printf(out, " fd=%d name=%s age=%" PRId64 " idle=%" PRId64 " flags=", fd,
               session->name == NULL ? "" : session->name, session_age_ms(session) / 1000,
               (worker_now(session->worker) - session->active_at_ms) / 1000);
    line_flags(session, out);
    buf_printf(out, " db=%d sub=%zu psub=%zu ssub=%zu multi=%d", session->database,
               session_subscribed(session, SUBSCRIPTION_CHANNEL),
               session_subscribed(session, SUBSCRIPTION_PATTERN),
               session_subscribed(session, SUBSCRIPTION_SHARD),
               (session->pins & PIN_MULTI) != 0 ? 0 : -1);
    buf_printf(out,
               " qbuf=%zu qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=%d omem=%zu",
               session->scanned, pending > 0, pending);
    buf_printf(out, " tot-mem=%zu events=%s cmd=",
               sizeof(*session) + session->redo.capacity + session->tracking.capacity + pending,
               pending > 0 ? "rw" : "r");
    line_command(command, out);
    buf_printf(out, " user=%s redir=%" PRId64 " resp=%d lib-name=%s lib-ver=%s\n",
               session_user(session), session_client_redirect(session), (int)session->version,
               session->lib_name == NULL ? "" : session->lib_name,
               session->lib_ver == NULL ? "" : session->lib_ver);
}

void session_client_line(const struct session *session, struct buf *out)
{
    session_line(session, session_last_command(session), out);
}

/* ---- the filter ---- */

static bool type_of_word(struct session *session, const struct resp_text *word,
                         enum client_type *type)
{
    if (session_client_word_is(word, "normal")) {
        *type = CLIENT_TYPE_NORMAL;
    } else if (session_client_word_is(word, "pubsub")) {
        *type = CLIENT_TYPE_PUBSUB;
    } else if (session_client_word_is(word, "master") || session_client_word_is(word, "replica") ||
               session_client_word_is(word, "slave")) {
        *type = CLIENT_TYPE_NOBODY;
    } else {
        session_error(session, "ERR Unknown client type '%.*s'", session_client_shown(word),
                      word->bytes);
        return false;
    }
    return true;
}

static bool text_is(const struct resp_text *text, const char *other)
{
    return text->len == strlen(other) && memcmp(text->bytes, other, text->len) == 0;
}

static bool may_see(const struct session *asking, const struct session *other)
{
    return asking->worker->conf->client_auth != ROUTER_AUTH_PASS ||
           (other->identity != NULL && strcmp(session_user(asking), session_user(other)) == 0);
}

static bool is_of_type(const struct session *session, enum client_type type)
{
    bool is_pubsub = session_subscriptions(session) > 0;

    switch (type) {
    case CLIENT_TYPE_ANY:
        return true;
    case CLIENT_TYPE_NORMAL:
        return !is_pubsub;
    case CLIENT_TYPE_PUBSUB:
        return is_pubsub;
    case CLIENT_TYPE_NOBODY:
        return false;
    }
    UNREACHABLE("not a type of client");
}

static bool is_at(const struct session *session, bool is_local, const struct resp_text *text)
{
    struct buf at = {0};

    session_addr(session, is_local, &at);
    bool is_same = text_is(text, buf_data(&at));
    buf_finish(&at);
    return is_same;
}

static bool filter_matches(const struct filter *f, const struct session *session)
{
    return !session->is_gone && may_see(f->asking, session) &&
           !(f->skips_asking && session == f->asking) && (f->id == 0 || f->id == session->id) &&
           is_of_type(session, f->type) && session_age_ms(session) >= f->age_ms &&
           (f->user.bytes == NULL || text_is(&f->user, session_user(session))) &&
           (f->addr.bytes == NULL || is_at(session, false, &f->addr)) &&
           (f->local.bytes == NULL || is_at(session, true, &f->local));
}

/* ---- LIST, INFO ---- */

static enum verdict write_lines(struct session *session, struct buf *lines)
{
    struct buf *out = &session->worker->scratch;

    buf_clear(out);
    resp_write_verbatim(out, session->version, "txt", buf_data(lines), lines->len);
    session_writebuf(session, out);
    buf_finish(lines);
    return REQUEST_TAKEN;
}

enum verdict session_client_info(struct session *session, const struct request *request)
{
    struct buf line = {0};

    (void)request;
    session_line(session, "client|info", &line);
    return write_lines(session, &line);
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t left = (*(const struct session *const *)a)->id;
    uint64_t right = (*(const struct session *const *)b)->id;

    return left < right ? -1 : left > right;
}

enum { SESSION_POINTER_BYTES = sizeof(void *) /* the arrays below are of pointers */ };

/* Those the asking client may see, oldest first as Redis lists them; to be freed. */
static const struct session **list_sessions(const struct filter *f, size_t *count)
{
    const struct worker *worker = f->asking->worker;
    const struct session **all =
        memory_zeroed((worker->sessions_count + 1) * SESSION_POINTER_BYTES);

    *count = 0;
    for (const struct session *s = worker->sessions; s != NULL; s = s->next) {
        if (filter_matches(f, s)) {
            ASSERT(*count < worker->sessions_count);
            all[(*count)++] = s;
        }
    }
    qsort(all, *count, SESSION_POINTER_BYTES, compare_ids);
    return all;
}

static void list_one(const struct session *asking, const struct session *other, struct buf *lines)
{
    session_line(other, other == asking ? "client|list" : session_last_command(other), lines);
}

static const struct session *list_find(const struct session **all, size_t count, int64_t id)
{
    const struct session wanted = {.id = (uint64_t)id};
    const struct session *key = &wanted;
    const struct session **found =
        id <= 0 ? NULL : bsearch(&key, all, count, SESSION_POINTER_BYTES, compare_ids);

    return found == NULL ? NULL : *found;
}

/* In the order asked for, and one that is named twice twice. */
static enum verdict list_ids(struct session *session, const struct request *request,
                             struct resp_args args)
{
    struct filter everybody = {.asking = session};
    struct resp_args again = args;
    struct resp_text word;
    struct buf lines = {0};
    size_t count;
    int64_t id = 0;

    while (resp_args_next(&again, request->bytes, request->len, &word)) {
        if (!text_to_i64(word.bytes, word.len, &id)) {
            session_error(session, "ERR Invalid client ID");
            return REQUEST_TAKEN;
        }
    }
    const struct session **all = list_sessions(&everybody, &count);
    while (resp_args_next(&args, request->bytes, request->len, &word)) {
        (void)text_to_i64(word.bytes, word.len, &id); /* it was one before */
        const struct session *other = list_find(all, count, id);
        if (other != NULL) {
            list_one(session, other, &lines);
        }
    }
    free(all);
    return write_lines(session, &lines);
}

enum verdict session_client_list(struct session *session, const struct request *request)
{
    struct resp_args args = session_client_args(request);
    struct filter f = {.asking = session};
    struct resp_text word;
    struct buf lines = {0};
    size_t count;

    if (resp_args_next(&args, request->bytes, request->len, &word)) {
        if (request->argc > 3 && session_client_word_is(&word, "id")) {
            return list_ids(session, request, args);
        }
        if (request->argc != 4 || !session_client_word_is(&word, "type")) {
            return session_client_syntax(session);
        }
        (void)resp_args_next(&args, request->bytes, request->len, &word); /* the fourth */
        if (!type_of_word(session, &word, &f.type)) {
            return REQUEST_TAKEN;
        }
    }
    const struct session **all = list_sessions(&f, &count);
    for (size_t i = 0; i < count; i++) {
        list_one(session, all[i], &lines);
    }
    free(all);
    return write_lines(session, &lines);
}

/* ---- KILL ---- */

static bool kill_id(struct session *session, const struct resp_text *value, struct filter *f)
{
    if (text_to_u64(value->bytes, value->len, &f->id) && f->id > 0) {
        return true;
    }
    session_error(session, "ERR client-id should be greater than 0");
    return false;
}

static bool kill_age(struct session *session, const struct resp_text *value, struct filter *f)
{
    int64_t age_s;

    if (!text_to_i64(value->bytes, value->len, &age_s) || age_s > MSEC_NEVER / 1000) {
        session_error(session, "ERR maxage is not an integer or out of range");
        return false;
    }
    if (age_s <= 0) {
        session_error(session, "ERR maxage should be greater than 0");
        return false;
    }
    f->age_ms = age_s * 1000;
    return true;
}

/* Who no client has been is no user that is known here. */
static bool kill_user(struct session *session, const struct resp_text *value, struct filter *f)
{
    bool is_known = text_is(value, "default");

    for (const struct identity *who = session->worker->identities; who != NULL; who = who->next) {
        is_known = is_known || (who->user != NULL && text_is(value, who->user));
    }
    if (!is_known) {
        session_error(session, "ERR No such user '%.*s'", session_client_shown(value),
                      value->bytes);
        return false;
    }
    f->user = *value;
    return true;
}

static bool kill_option(struct session *session, const struct resp_text *name,
                        const struct resp_text *value, struct filter *f)
{
    if (session_client_word_is(name, "id")) {
        return kill_id(session, value, f);
    }
    if (session_client_word_is(name, "maxage")) {
        return kill_age(session, value, f);
    }
    if (session_client_word_is(name, "type")) {
        return type_of_word(session, value, &f->type);
    }
    if (session_client_word_is(name, "user")) {
        return kill_user(session, value, f);
    }
    if (session_client_word_is(name, "addr")) {
        f->addr = *value;
        return true;
    }
    if (session_client_word_is(name, "laddr")) {
        f->local = *value;
        return true;
    }
    bool is_yes = session_client_word_is(value, "yes");
    if (session_client_word_is(name, "skipme") && (is_yes || session_client_word_is(value, "no"))) {
        f->skips_asking = is_yes;
        return true;
    }
    (void)session_client_syntax(session);
    return false;
}

/* Closes all but the asking one, which still wants its answer; it is in the number. */
static size_t kill_others(const struct session *asking, const struct filter *f, bool *kills_asking)
{
    struct session *next;
    size_t count = 0;

    for (struct session *s = asking->worker->sessions; s != NULL; s = next) {
        next = s->next;
        if (!filter_matches(f, s)) {
            continue;
        }
        count++;
        if (s == asking) {
            *kills_asking = true;
        } else {
            session_close(s);
        }
    }
    return count;
}

enum verdict session_client_kill(struct session *session, const struct request *request)
{
    struct resp_args args = session_client_args(request);
    bool is_old = request->argc == 3;
    struct filter f = {.asking = session, .skips_asking = !is_old};
    struct resp_text name;
    struct resp_text value;
    bool kills_asking = false;

    if (is_old) {
        f.addr = session_client_arg(request);
    } else if (request->argc % 2 != 0) {
        return session_client_syntax(session);
    }
    while (!is_old && resp_args_next(&args, request->bytes, request->len, &name)) {
        if (!resp_args_next(&args, request->bytes, request->len, &value) ||
            !kill_option(session, &name, &value, &f)) {
            return REQUEST_TAKEN;
        }
    }
    size_t count = kill_others(session, &f, &kills_asking);
    if (is_old && count == 0) {
        session_error(session, "ERR No such client");
    } else if (is_old) {
        (void)session_client_ok(session);
    } else {
        (void)session_client_number(session, (int64_t)count);
    }
    if (kills_asking) {
        session_close_after_flush(session);
        return REQUEST_WAITS; /* for nothing: the client is gone */
    }
    return REQUEST_TAKEN;
}
