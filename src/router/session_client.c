/*
 * CLIENT. What is about the client is answered here, for the client is the router's and not Redis';
 * what Redis must do is sent on. LIST, INFO and KILL are in session_client_list.c, tracking in
 * session_client_tracking.c.
 */
#include "router/session_client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/text.h"
#include "router/session_pubsub.h"

/* ---- words ---- */

struct resp_args session_client_args(const struct request *request)
{
    struct resp_args args = {0};
    struct resp_text word;

    for (int i = 0; i < 2; i++) { /* CLIENT, and which */
        (void)resp_args_next(&args, request->bytes, request->len, &word);
    }
    return args;
}

struct resp_text session_client_arg(const struct request *request)
{
    struct resp_args args = session_client_args(request);
    struct resp_text word = {.bytes = ""};

    (void)resp_args_next(&args, request->bytes, request->len, &word); /* else it stays "" */
    return word;
}

bool session_client_word_is(const struct resp_text *word, const char *text)
{
    return strlen(text) == word->len && strncasecmp(word->bytes, text, word->len) == 0;
}

int session_client_shown(const struct resp_text *word)
{
    return word->len < CLIENT_WORD_SHOWN_MAX ? (int)word->len : CLIENT_WORD_SHOWN_MAX;
}

bool session_client_integer(struct session *session, const struct resp_text *word, int64_t *value)
{
    if (text_to_i64(word->bytes, word->len, value)) {
        return true;
    }
    session_error(session, "ERR value is not an integer or out of range");
    return false;
}

/* ---- answers ---- */

enum verdict session_client_ok(struct session *session)
{
    session_write(session, "+OK\r\n", 5);
    return REQUEST_TAKEN;
}

enum verdict session_client_number(struct session *session, int64_t value)
{
    struct buf *out = &session->worker->scratch;

    buf_clear(out);
    resp_write_integer(out, value);
    session_writebuf(session, out);
    return REQUEST_TAKEN;
}

enum verdict session_client_syntax(struct session *session)
{
    session_error(session, "ERR syntax error");
    return REQUEST_TAKEN;
}

/* Redis' words where the number of arguments is wrong beyond what its table of commands can tell.
 */
static enum verdict client_bad_count(struct session *session, const struct request *request)
{
    session_error(
        session, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try CLIENT HELP.",
        session_client_shown(&request->second), request->second.bytes);
    return REQUEST_TAKEN;
}

static enum verdict client_unknown(struct session *session, const struct request *request)
{
    session_error(session, "ERR unknown subcommand '%.*s'. Try CLIENT HELP.",
                  session_client_shown(&request->second), request->second.bytes);
    return REQUEST_TAKEN;
}

/* ---- who a client is ---- */

static enum verdict client_id(struct session *session, const struct request *request)
{
    (void)request;
    return session_client_number(session, (int64_t)session->id);
}

static enum verdict client_getname(struct session *session, const struct request *request)
{
    struct buf *out = &session->worker->scratch;

    (void)request;
    buf_clear(out);
    if (session->name == NULL) {
        resp_write_null(out, session->version);
    } else {
        resp_write_text(out, session->name);
    }
    session_writebuf(session, out);
    return REQUEST_TAKEN;
}

static bool client_is_printable(const struct resp_text *word)
{
    for (size_t i = 0; i < word->len; i++) {
        if (word->bytes[i] < '!' || word->bytes[i] > '~') {
            return false;
        }
    }
    return true;
}

/* An empty one takes the name away. False: it is too long, and the client was told. */
static bool client_keep_word(struct session *session, char **field, const struct resp_text *word)
{
    if (word->len > CLIENT_NAME_MAX_BYTES) {
        session_error(session, "ERR holdfast: a name may have %d bytes", CLIENT_NAME_MAX_BYTES);
        return false;
    }
    free(*field);
    *field = NULL;
    if (word->len > 0) {
        *field = memory_zeroed(word->len + 1);
        memcpy(*field, word->bytes, word->len);
    }
    return true;
}

static enum verdict client_setname(struct session *session, const struct request *request)
{
    struct resp_text name = session_client_arg(request);

    if (!client_is_printable(&name)) {
        session_error(session,
                      "ERR Client names cannot contain spaces, newlines or special characters.");
    } else if (client_keep_word(session, &session->name, &name)) {
        return session_client_ok(session);
    }
    return REQUEST_TAKEN;
}

static enum verdict client_setinfo(struct session *session, const struct request *request)
{
    struct resp_args args = session_client_args(request);
    struct resp_text what = {.bytes = ""};
    struct resp_text value = {.bytes = ""};

    (void)resp_args_next(&args, request->bytes, request->len, &what); /* the arity was checked */
    (void)resp_args_next(&args, request->bytes, request->len, &value);
    bool is_name = session_client_word_is(&what, "lib-name");
    if (!is_name && !session_client_word_is(&what, "lib-ver")) {
        session_error(session, "ERR Unrecognized option '%.*s'", session_client_shown(&what),
                      what.bytes);
    } else if (!client_is_printable(&value)) {
        session_error(session, "ERR %s cannot contain spaces, newlines or special characters.",
                      is_name ? "lib-name" : "lib-ver");
    } else if (client_keep_word(session, is_name ? &session->lib_name : &session->lib_ver,
                                &value)) {
        return session_client_ok(session);
    }
    return REQUEST_TAKEN;
}

/* ---- how it is answered ---- */

static enum verdict client_reply(struct session *session, const struct request *request)
{
    struct resp_text mode = session_client_arg(request);

    if (session_client_word_is(&mode, "on")) {
        session->reply_mode = REPLY_ON;
        return session_client_ok(session);
    }
    if (session_client_word_is(&mode, "off")) {
        session->reply_mode = REPLY_OFF;
    } else if (!session_client_word_is(&mode, "skip")) {
        return session_client_syntax(session);
    } else if (session->reply_mode != REPLY_OFF) {
        session->reply_mode = REPLY_SKIP_NEXT;
    }
    return REQUEST_TAKEN;
}

/* A Redis that knows no notifications says that it does not know the word, and clients go on
 * without. They are pushes, which RESP2 has not. */
static enum verdict client_maint(struct session *session, const struct request *request)
{
    struct resp_args args = session_client_args(request);
    struct resp_text word = {.bytes = ""};

    if (session->version != RESP_3) {
        return client_unknown(session, request);
    }
    (void)resp_args_next(&args, request->bytes, request->len, &word); /* the arity was checked */
    bool is_on = session_client_word_is(&word, "on");
    if (!is_on && !session_client_word_is(&word, "off")) {
        return session_client_syntax(session);
    }
    while (resp_args_next(&args, request->bytes, request->len, &word)) {
        /* The only option. Its value says how a new address is to be written; ours stays the same.
         */
        if (!session_client_word_is(&word, "moving-endpoint-type") ||
            !resp_args_next(&args, request->bytes, request->len, &word)) {
            return session_client_syntax(session);
        }
    }
    session->is_maint = is_on;
    session->is_maint_told = false;
    return session_client_ok(session);
}

bool session_client_is_mid_reply(const struct session *session)
{
    const struct backend *b = session->backend;

    return b != NULL && b->is_mid_reply &&
           (b->owner == session || (b->count > 0 && b->ring[b->head].session == session));
}

static bool client_may_be_told(const struct session *session)
{
    return session->is_maint && session->version == RESP_3 && !session->is_gone &&
           !session_client_is_mid_reply(session);
}

void session_tell_failing_over(struct session *session)
{
    struct buf line = {0};
    msec_t hold_ms = session->worker->conf->hold_ms;

    if (!client_may_be_told(session) || session->is_maint_told) {
        return;
    }
    session->is_maint_told = true;
    resp_write_push(&line, RESP_3, 3);
    resp_write_text(&line, "FAILING_OVER");
    resp_write_integer(&line, (int64_t)session->worker->route.generation);
    resp_write_integer(&line, (hold_ms + 999) / 1000); /* whole seconds; answered within the hold */
    session_writebuf(session, &line);
    buf_finish(&line);
}

void session_tell_failed_over(struct session *session)
{
    struct buf line = {0};

    if (!session->is_maint_told || !client_may_be_told(session)) {
        return;
    }
    session->is_maint_told = false;
    resp_write_push(&line, RESP_3, 2);
    resp_write_text(&line, "FAILED_OVER");
    resp_write_integer(&line, (int64_t)session->worker->route.generation);
    session_writebuf(session, &line);
    buf_finish(&line);
}

/* ---- what Redis does ---- */

/* It pauses those at Redis, as it would for a client that is connected there. */
static enum verdict client_send_once(struct session *session, const struct request *request)
{
    return session_send_own(session, request, PIN_ONCE, 0);
}

static enum verdict client_flag(struct session *session, const struct request *request,
                                enum session_keeps flag)
{
    const unsigned flags = KEEPS_NO_EVICT | KEEPS_NO_TOUCH;
    struct resp_text word = session_client_arg(request);
    bool is_on = session_client_word_is(&word, "on");

    if (!is_on && !session_client_word_is(&word, "off")) {
        return session_client_syntax(session);
    }
    if (!is_on && (session_keeps(session) & (unsigned)flag) == 0) {
        return session_send_shared(session, request); /* as it is there */
    }
    enum verdict verdict = session_send_own(session, request, is_on ? PIN_FLAGS : 0, 0);
    if (verdict == REQUEST_TAKEN && session->in_flight > 0) { /* sent, and not answered by us */
        session_keep(session, flag, is_on);
        if ((session_keeps(session) & flags) == 0) {
            session->pins &= (uint16_t)~PIN_FLAGS;
        }
    }
    return verdict;
}

static enum verdict client_no_evict(struct session *session, const struct request *request)
{
    return client_flag(session, request, KEEPS_NO_EVICT);
}

static enum verdict client_no_touch(struct session *session, const struct request *request)
{
    return client_flag(session, request, KEEPS_NO_TOUCH);
}

/* ---- UNBLOCK ---- */

const struct backend *session_client_backend(const struct session *other, const struct addr *at)
{
    const struct backend *b = other == NULL ? NULL : other->backend;
    bool is_known = b != NULL && b->owner == other && b->phase == BACKEND_READY && b->redis_id > 0;

    return is_known && backend_is_current(b) && addr_same(&b->addr, at) ? b : NULL;
}

/* The client that waits is known to Redis by another number, that of its own connection there. */
static enum verdict client_unblock_at(struct session *session, const struct request *request,
                                      const struct backend *waiting, const char *reason)
{
    struct buf bytes = {0};
    char id[24]; /* 19 digits */

    (void)snprintf(id, sizeof(id), "%" PRId64, waiting->redis_id); /* it fits */
    RESP_COMMAND(&bytes, "CLIENT", "UNBLOCK", id, reason);
    struct request ours = *request;
    ours.bytes = buf_data(&bytes);
    ours.len = bytes.len;
    ours.argc = 4;
    enum verdict verdict = session_send_shared(session, &ours);
    buf_finish(&bytes);
    return verdict;
}

static enum verdict client_unblock(struct session *session, const struct request *request)
{
    struct resp_args args = session_client_args(request);
    struct resp_text word = {.bytes = ""};
    struct resp_text reason = {.bytes = "TIMEOUT", .len = 7};
    int64_t id;

    if (request->argc > 4) {
        return client_bad_count(session, request);
    }
    (void)resp_args_next(&args, request->bytes, request->len, &word);   /* the arity was checked */
    (void)resp_args_next(&args, request->bytes, request->len, &reason); /* else it stays */
    bool is_error = session_client_word_is(&reason, "error");
    if (!is_error && !session_client_word_is(&reason, "timeout")) {
        session_error(session, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
        return REQUEST_TAKEN;
    }
    if (!session_client_integer(session, &word, &id)) {
        return REQUEST_TAKEN;
    }
    const struct session *other = id <= 0 ? NULL : session_by_id(session->worker, (uint64_t)id);
    if (other == NULL || other->in_flight == 0 || other->backend == NULL) {
        return session_client_number(session, 0);
    }
    struct profile *profile = session_profile(session);
    const struct backend *shared = profile == NULL ? NULL : profile_shared(profile);
    if (shared == NULL) {
        return session_send_shared(session, request); /* which waits for one */
    }
    const struct backend *waiting = session_client_backend(other, &shared->addr);
    if (waiting == NULL) {
        return session_client_number(session, 0);
    }
    return client_unblock_at(session, request, waiting, is_error ? "ERROR" : "TIMEOUT");
}

/* ---- HELP ---- */

static enum verdict client_help(struct session *session, const struct request *request)
{
    static const char *const lines[] = {
        "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CACHING (YES|NO)",
        "    Whether the keys of the next command are tracked.",
        "GETNAME",
        "    The name of this connection.",
        "GETREDIR",
        "    The connection that tracking messages go to.",
        "ID",
        "    The number of this connection to the router.",
        "INFO",
        "    What the router knows about this connection.",
        "KILL <ip:port>",
        "    Close the connection from this address.",
        "KILL <option> <value> [<option> <value> ...]",
        "    Close connections to the router by ID, ADDR, LADDR, TYPE (normal, master, replica,",
        "    pubsub), USER or MAXAGE; SKIPME no includes this one.",
        "LIST [TYPE (normal|master|replica|pubsub)] [ID <id> ...]",
        "    One line for each connection to the router.",
        "MAINT_NOTIFICATIONS (ON|OFF) [moving-endpoint-type <type>]",
        "    Whether this connection (RESP3) is told of a failover.",
        "NO-EVICT (ON|OFF)",
        "    Whether Redis may close this connection for lack of memory.",
        "NO-TOUCH (ON|OFF)",
        "    Whether commands leave the age of keys as it is.",
        "PAUSE <milliseconds> [WRITE|ALL]",
        "    Delay the commands of all clients of Redis.",
        "REPLY (ON|OFF|SKIP)",
        "    Whether this connection wants replies.",
        "SETINFO (LIB-NAME|LIB-VER) <value>",
        "    Tell which library uses this connection.",
        "SETNAME <name>",
        "    Give this connection a name.",
        "TRACKING (ON|OFF) [REDIRECT <id>] [PREFIX <prefix> ...] [BCAST] [OPTIN] [OPTOUT]",
        "         [NOLOOP]",
        "    Turn the tracking of keys on or off.",
        "TRACKINGINFO",
        "    How tracking is set for this connection.",
        "UNBLOCK <id> [TIMEOUT|ERROR]",
        "    Wake a client that waits in a blocking command.",
        "UNPAUSE",
        "    End PAUSE.",
        "HELP",
        "    Print this help.",
    };
    struct buf *out = &session->worker->scratch;

    (void)request;
    buf_clear(out);
    resp_write_array(out, COUNT_OF(lines));
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        resp_write_simple(out, lines[i]);
    }
    session_writebuf(session, out);
    return REQUEST_TAKEN;
}

/* ---- which ---- */

struct client_row {
    const char *name;
    size_t argc; /* CLIENT and the name counted; with is_least at least so many */
    bool is_least;
    enum verdict (*run)(struct session *session, const struct request *request);
};

static const struct client_row rows[] = {
    {"caching", 3, false, session_client_caching},
    {"getname", 2, false, client_getname},
    {"getredir", 2, false, session_client_getredir},
    {"help", 2, false, client_help},
    {"id", 2, false, client_id},
    {"info", 2, false, session_client_info},
    {"kill", 3, true, session_client_kill},
    {"list", 2, true, session_client_list},
    {"maint_notifications", 3, true, client_maint},
    {"no-evict", 3, false, client_no_evict},
    {"no-touch", 3, false, client_no_touch},
    {"pause", 3, true, client_send_once},
    {"reply", 3, false, client_reply},
    {"setinfo", 4, false, client_setinfo},
    {"setname", 3, false, client_setname},
    {"tracking", 3, true, session_client_tracking},
    {"trackinginfo", 2, false, session_client_trackinginfo},
    {"unblock", 3, true, client_unblock},
    {"unpause", 2, false, client_send_once},
};

static const struct client_row *client_row(const struct resp_text *word)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (session_client_word_is(word, rows[i].name)) {
            return &rows[i];
        }
    }
    return NULL;
}

enum verdict session_client(struct session *session, const struct request *request)
{
    if (request->argc < 2 || request->second.bytes == NULL) {
        session_error(session, "ERR wrong number of arguments for 'client' command");
        return REQUEST_TAKEN;
    }
    const struct client_row *row = client_row(&request->second);
    if (row == NULL) {
        return client_unknown(session, request);
    }
    if (row->is_least ? request->argc < row->argc : request->argc != row->argc) {
        session_error(session, "ERR wrong number of arguments for 'client|%s' command", row->name);
        return REQUEST_TAKEN;
    }
    return row->run(session, request);
}
