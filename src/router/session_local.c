/*
 * What the relay answers itself. A client's AUTH, HELLO and SELECT choose its profile; the backends
 * of a profile have shown Redis the same, so the answer is Redis' own.
 */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "router/relay.h"

enum {
    LOCAL_DATABASE_MAX = 1 << 20 /* no server has more; keeps a mistake from opening connections */
};

/* ---- small ones ---- */

static enum verdict local_arity(struct session *s, const char *lower_name)
{
    session_error(s, "ERR wrong number of arguments for '%s' command", lower_name);
    return REQUEST_TAKEN;
}

static enum verdict local_ping(struct session *s, const struct request *r)
{
    struct buf *out = &s->worker->scratch;

    if (r->argc > 2) {
        return local_arity(s, "ping");
    }
    buf_clear(out);
    if (r->argc == 1) {
        resp_write_simple(out, "PONG");
    } else {
        resp_write_bulk(out, r->second.bytes, r->second.len);
    }
    session_writebuf(s, out);
    return REQUEST_TAKEN;
}

static enum verdict local_echo(struct session *s, const struct request *r)
{
    struct buf *out = &s->worker->scratch;

    if (r->argc != 2) {
        return local_arity(s, "echo");
    }
    buf_clear(out);
    resp_write_bulk(out, r->second.bytes, r->second.len);
    session_writebuf(s, out);
    return REQUEST_TAKEN;
}

/* ---- who a client is ---- */

static void session_become(struct session *s, struct identity *identity)
{
    struct worker *w = s->worker;

    if (s->identity == NULL) {
        TOTAL_TAKE(w, strangers, 1);
    }
    identity_put(w, s->identity);
    s->identity = identity;
}

void session_reset(struct session *s)
{
    struct worker *w = s->worker;

    if (s->backend != NULL) {
        session_drop_backend(s);
    }
    session_forget_subscriptions(s);
    buf_finish(&s->tracking);
    free(s->name);
    s->name = NULL;
    s->pins = 0;
    s->version = RESP_2;
    s->database = 0;
    s->reply_mode = REPLY_ON;
    s->is_maint = false;
    s->is_tx_lost = false;
    s->is_watch_lost = false;
    s->tx_select = -1;
    if (w->conf->client_auth == ROUTER_AUTH_NONE) {
        w->own->users++;
        session_become(s, w->own);
    } else if (s->identity != NULL) {
        identity_put(w, s->identity);
        s->identity = NULL;
        TOTAL_ADD(w, strangers, 1);
    }
}

static bool secret_same(const char *secret, const char *given, size_t len)
{
    size_t secret_len = strlen(secret);
    unsigned char differs = secret_len != len;

    for (size_t i = 0; i < len; i++) { /* as long for a wrong one as for the right one */
        differs |= (unsigned char)(given[i] ^ secret[secret_len == 0 ? 0 : i % secret_len]);
    }
    return differs == 0;
}

static bool user_same(const char *user, const struct resp_text *given)
{
    const char *name = user == NULL || user[0] == '\0' ? "default" : user;

    return given->bytes == NULL
               ? strcmp(name, "default") == 0
               : strlen(name) == given->len && memcmp(name, given->bytes, given->len) == 0;
}

/* The answer to AUTH; RESP_MORE: Redis must be asked and the session waits. *error is then, or when
 * it is not NULL, what to say instead of +OK. */
enum auth_outcome { AUTH_RIGHT, AUTH_WRONG, AUTH_NOT_NEEDED, AUTH_WAITS };

/* Its own user of Redis: proved by a connection that greets with it. */
static enum auth_outcome auth_pass_through(struct session *s, const struct resp_text *user,
                                           const struct resp_text *password, const char **error)
{
    struct worker *w = s->worker;
    bool has_zero = memchr(password->bytes, '\0', password->len) != NULL ||
                    (user->bytes != NULL && memchr(user->bytes, '\0', user->len) != NULL);
    if (has_zero) { /* cannot be kept, and its beginning is another */
        return AUTH_WRONG;
    }
    char *user_copy = user->bytes == NULL ? NULL : strndup(user->bytes, user->len);
    char *password_copy = strndup(password->bytes, password->len);
    struct identity *i = identity_get(w, user_copy, password_copy);
    struct profile *p = profile_get(w, s->endpoint->target, i, s->version, 0);
    enum auth_outcome outcome = AUTH_WAITS;
    msec_t now_ms = worker_now(w);

    explicit_bzero(password_copy, password->len);
    free(password_copy);
    free(user_copy);
    if (i->proved_at_ms != 0 && now_ms - i->proved_at_ms < RELAY_AUTH_TRUST_MS) {
        outcome = AUTH_RIGHT;
    } else if (p != NULL && p->refusal != NULL && now_ms - p->refused_at_ms < RELAY_REFUSAL_MS) {
        *error = p->refusal;
        outcome = AUTH_WRONG;
    } else if (p != NULL && p->prover == NULL && worker_can_serve(w, s->endpoint->target)) {
        p->prover = backend_open(p, NULL); /* greets; then idles for whoever needs one */
    }
    profile_put(p);
    if (outcome == AUTH_RIGHT) {
        session_become(s, i);
    } else {
        identity_put(w, i);
    }
    return outcome;
}

static enum auth_outcome session_authenticate(struct session *s, const struct resp_text *user,
                                              const struct resp_text *password, const char **error)
{
    struct worker *w = s->worker;
    const struct router_conf *conf = w->conf;
    bool is_own = conf->client_auth == ROUTER_AUTH_OWN;
    const char *secret = is_own ? w->secrets.client_password : w->secrets.redis_password;
    const char *name = is_own ? conf->client.user : conf->redis.user;

    *error = "WRONGPASS invalid username-password pair or user is disabled.";
    if (conf->client_auth == ROUTER_AUTH_PASS) {
        return auth_pass_through(s, user, password, error);
    }
    if (secret == NULL && !user_same(NULL, user)) {
        return AUTH_WRONG;
    }
    if (secret == NULL) {
        *error = "ERR AUTH <password> called without any password configured for the default user. "
                 "Are you sure your configuration is correct?";
        return AUTH_NOT_NEEDED;
    }
    if (!user_same(name, user) || !secret_same(secret, password->bytes, password->len)) {
        return AUTH_WRONG;
    }
    if (s->identity == NULL) {
        w->own->users++;
        session_become(s, w->own);
    }
    return AUTH_RIGHT;
}

/* Pinned connections keep the user and the version they have. */
static bool local_is_pinned(struct session *s, const char *name)
{
    if (s->pins != 0) {
        COUNT_ADD(s->worker, errors_refused, 1);
        session_error(s,
                      "ERR holdfast: %s is not carried while WATCH, a subscription, tracking or "
                      "MONITOR is open",
                      name);
    }
    return s->pins != 0;
}

/* Waits for Redis' word about a password, within the hold. */
static enum verdict local_wait_for_redis(struct session *s, const struct request *r)
{
    return session_hold(s, r);
}

static enum verdict local_auth(struct session *s, const struct request *r)
{
    struct resp_args args = {0};
    struct resp_text words[3] = {{0}};
    const char *error = NULL;

    if (r->argc < 2) {
        return local_arity(s, "auth");
    }
    if (r->argc > 3) {
        session_error(s, "ERR syntax error");
        return REQUEST_TAKEN;
    }
    if (local_is_pinned(s, "AUTH")) {
        return REQUEST_TAKEN;
    }
    for (size_t i = 0; i < r->argc; i++) {
        (void)resp_args_next(&args, r->bytes, r->len, &words[i]);
    }
    struct resp_text none = {0};
    enum auth_outcome outcome =
        session_authenticate(s, r->argc == 3 ? &words[1] : &none, &words[r->argc - 1], &error);
    if (outcome == AUTH_WAITS) {
        return local_wait_for_redis(s, r);
    }
    if (outcome == AUTH_NOT_NEEDED &&
        r->argc == 3) { /* Redis: any password of a user without one */
        outcome = AUTH_RIGHT;
    }
    session_unhold(s);
    if (outcome == AUTH_RIGHT) {
        session_write(s, "+OK\r\n", 5);
    } else {
        session_error(s, "%s", error);
    }
    return REQUEST_TAKEN;
}

/* ---- HELLO ---- */

struct hello {
    int64_t version; /* 0: as it is */
    struct resp_text user;
    struct resp_text password;
    struct resp_text name;
    bool has_auth;
    bool has_name;
};

/* True when the text is the word, in any case. */
static bool arg_is(const struct resp_text *arg, const char *word)
{
    return arg->len == strlen(word) && strncasecmp(arg->bytes, word, arg->len) == 0;
}

/* False: the error was said. In Redis' order. */
static bool hello_read(struct session *s, const struct request *r, struct hello *hello)
{
    struct resp_args args = {0};
    struct resp_text arg;

    *hello = (struct hello){0};
    (void)resp_args_next(&args, r->bytes, r->len, &arg);
    if (r->argc > 1) {
        (void)resp_args_next(&args, r->bytes, r->len, &arg);
        if (!text_to_i64(arg.bytes, arg.len, &hello->version)) {
            session_error(s, "ERR Protocol version is not an integer or out of range");
            return false;
        }
        if (hello->version < 2 || hello->version > 3) {
            session_error(s, "NOPROTO unsupported protocol version");
            return false;
        }
    }
    for (size_t i = 2; i < r->argc; i++) {
        size_t more = r->argc - 1 - i;
        (void)resp_args_next(&args, r->bytes, r->len, &arg);
        if (arg_is(&arg, "AUTH") && more >= 2) {
            hello->has_auth = resp_args_next(&args, r->bytes, r->len, &hello->user) &&
                              resp_args_next(&args, r->bytes, r->len, &hello->password);
            i += 2;
        } else if (arg_is(&arg, "SETNAME") && more >= 1) {
            hello->has_name = resp_args_next(&args, r->bytes, r->len, &hello->name);
            i += 1;
        } else {
            session_error(s, "ERR Syntax error in HELLO option '%.*s'",
                          (int)(arg.len < 128 ? arg.len : 128), arg.bytes);
            return false;
        }
    }
    return true;
}

/* Redis' own answer as a backend got it, with our id in place of that one's. */
static bool hello_write(struct session *s, struct profile *p)
{
    struct worker *w = s->worker;
    const struct resp_value *hello = NULL;
    struct buf copy = {0};
    struct buf *out = &w->scratch;

    buf_append(&copy, buf_data(&p->hello), p->hello.len);
    resp_reply_reset(&w->reply_reader);
    bool is_fine =
        p->hello.len > 0 &&
        resp_reply_read(&w->reply_reader, &copy, &resp_reply_limits_default, &hello) == RESP_READY;
    buf_clear(out);
    if (is_fine) {
        size_t pairs =
            resp_is(hello, RESP_MAP) || resp_is(hello, RESP_ARRAY) ? hello->count / 2 : 0;
        resp_write_map(out, s->version, pairs);
        for (size_t i = 0; i < pairs; i++) {
            const struct resp_value *key = resp_item(hello, 2 * i);
            const struct resp_value *value = resp_item(hello, 2 * i + 1);
            resp_write_text(out, resp_text(key));
            if (resp_text_is(key, "id")) {
                resp_write_integer(out, (int64_t)s->id);
            } else if (resp_is(value, RESP_INTEGER)) {
                resp_write_integer(out, value->integer);
            } else if (resp_is(value, RESP_BULK) || resp_is(value, RESP_SIMPLE)) {
                resp_write_text(out, resp_text(value));
            } else {
                resp_write_array(out, 0); /* modules: theirs are not for us to name */
            }
        }
    }
    buf_finish(&copy);
    return is_fine;
}

static bool name_is_fine(const struct resp_text *name)
{
    for (size_t i = 0; i < name->len; i++) {
        if (name->bytes[i] < '!' || name->bytes[i] > '~') {
            return false;
        }
    }
    return true;
}

static bool hello_apply(struct session *s, const struct hello *hello, enum verdict *verdict,
                        const struct request *r)
{
    const char *error = NULL;
    struct resp_text user = hello->user;

    *verdict = REQUEST_TAKEN;
    if (hello->has_auth) {
        enum auth_outcome outcome = session_authenticate(s, &user, &hello->password, &error);
        if (outcome == AUTH_WAITS) {
            *verdict = local_wait_for_redis(s, r);
            return false;
        }
        if (outcome == AUTH_WRONG) {
            session_unhold(s);
            session_error(s, "%s", error);
            return false;
        }
    }
    if (s->identity == NULL) {
        session_error(s, "NOAUTH HELLO must be called with the client already authenticated, "
                         "otherwise the HELLO <proto> AUTH <user> <pass> option can be used to "
                         "authenticate the client and select the RESP protocol version at the same "
                         "time");
        return false;
    }
    if (hello->has_name && !name_is_fine(&hello->name)) {
        session_error(s, "ERR Client names cannot contain spaces, newlines or special characters.");
        return false;
    }
    return true;
}

static enum verdict local_hello(struct session *s, const struct request *r)
{
    enum verdict verdict = REQUEST_TAKEN;
    enum resp_version before = s->version;
    struct hello hello;

    if (!hello_read(s, r, &hello) || !hello_apply(s, &hello, &verdict, r)) {
        return verdict;
    }
    if (s->pins != 0 && hello.version != 0 && hello.version != (int64_t)s->version) {
        (void)local_is_pinned(s, "HELLO");
        return REQUEST_TAKEN;
    }
    s->version = hello.version == 0 ? s->version : (enum resp_version)hello.version;
    struct profile *p = session_profile(s);
    if (p == NULL || !hello_write(s, p)) {
        if (p != NULL) {
            (void)profile_shared(p);
            if (p->refusal != NULL) {
                session_unhold(s);
                session_error(s, "%s", p->refusal);
                s->version = before;
                return REQUEST_TAKEN;
            }
        }
        s->version = before;
        return session_hold(s, r);
    }
    if (hello.has_name) {
        free(s->name);
        s->name = hello.name.len == 0 ? NULL : strndup(hello.name.bytes, hello.name.len);
    }
    session_unhold(s);
    session_writebuf(s, &s->worker->scratch);
    return REQUEST_TAKEN;
}

/* ---- SELECT ---- */

static enum verdict local_select(struct session *s, const struct request *r)
{
    struct worker *w = s->worker;
    int before = s->database;
    int64_t database = 0;

    bool is_number = r->argc == 2 && text_to_i64(r->second.bytes, r->second.len, &database);
    if (!is_number || database < 0 || database > LOCAL_DATABASE_MAX) {
        return session_send_shared(s, r); /* wrong whatever is selected: Redis says how */
    }
    if (database < w->databases_known || database == 0) {
        s->database = (int)database;
        session_write(s, "+OK\r\n", 5);
        return REQUEST_TAKEN;
    }
    s->database = (int)database;
    struct profile *p = session_profile(s);
    struct backend *b =
        p == NULL || !worker_can_serve(w, s->endpoint->target) ? NULL : profile_shared(p);
    if (b != NULL) {
        session_unhold(s);
        session_write(s, "+OK\r\n", 5);
        return REQUEST_TAKEN;
    }
    s->database = before;
    if (p != NULL && p->refusal != NULL) {
        session_error(s, "%s", p->refusal);
        session_unhold(s);
        return REQUEST_TAKEN;
    }
    return session_hold(s, r);
}

/* ---- the end ---- */

static enum verdict local_quit(struct session *s, const struct request *r)
{
    (void)r;
    session_write(s, "+OK\r\n", 5);
    session_close_after_flush(s);
    return REQUEST_WAITS;
}

static enum verdict local_reset(struct session *s, const struct request *r)
{
    bool skips = s->reply_mode == REPLY_SKIP_NOW;

    (void)r;
    session_reset(s);
    if (!skips) { /* REPLY OFF ends here, SKIP counts for this too */
        session_write(s, "+RESET\r\n", 8);
    }
    return REQUEST_TAKEN;
}

static const struct {
    enum command_id id;
    enum verdict (*answer)(struct session *s, const struct request *r);
} locals[] = {
    {COMMAND_PING, local_ping}, {COMMAND_ECHO, local_echo},   {COMMAND_SELECT, local_select},
    {COMMAND_AUTH, local_auth}, {COMMAND_HELLO, local_hello}, {COMMAND_CLIENT, session_client},
    {COMMAND_QUIT, local_quit}, {COMMAND_RESET, local_reset},
};

enum verdict session_local(struct session *s, const struct request *r)
{
    ASSERT(s->in_flight == 0);
    COUNT_ADD(s->worker, requests_local, 1);
    for (size_t i = 0; i < COUNT_OF(locals); i++) {
        if (locals[i].id == r->command->id) {
            return locals[i].answer(s, r);
        }
    }
    UNREACHABLE("a local command without an answer");
}
