/*
 * CLIENT TRACKING: Redis tracks, on a connection of the session's own. What was asked for is kept
 * in session->tracking, as one request in which REDIRECT names a session: the connection it means
 * has another number at Redis, and after a failover yet another. The options are checked here, in
 * Redis' order and words, so that only what Redis will accept is kept.
 */
#include "router/session_client.h"

#include <string.h>

#include "base/text.h"
#include "router/session_pubsub.h"

enum {
    TRACKING_PREFIXES_MAX = 256, /* each is compared with each, and all are asked for again */
};

enum tracking_flags {
    TRACKING_BCAST = 1 << 0,
    TRACKING_OPTIN = 1 << 1,
    TRACKING_OPTOUT = 1 << 2,
    TRACKING_NOLOOP = 1 << 3,
};

static const struct tracking_flag_row {
    const char *name;
    unsigned flag;
} flag_rows[] = {
    {"BCAST", TRACKING_BCAST},
    {"OPTIN", TRACKING_OPTIN},
    {"OPTOUT", TRACKING_OPTOUT},
    {"NOLOOP", TRACKING_NOLOOP},
};

/* What a request asks for. The text is the request's. */
struct tracking {
    bool is_on;
    unsigned flags;
    int64_t redirect; /* a session's id; 0 is none */
    size_t prefixes_count;
    struct resp_text prefixes[TRACKING_PREFIXES_MAX];
};

/* ---- reading ---- */

static bool tracking_redirect(struct session *session, const struct resp_text *value,
                              struct tracking *t)
{
    int64_t id;

    if (t->redirect != 0) {
        session_error(session, "ERR A client can only redirect to a single other client");
        return false;
    }
    if (!session_client_integer(session, value, &id)) {
        return false;
    }
    if (id <= 0 || session_by_id(session->worker, (uint64_t)id) == NULL) {
        session_error(session, "ERR The client ID you want redirect to does not exist");
        return false;
    }
    t->redirect = id;
    return true;
}

static bool tracking_prefix(struct session *session, const struct resp_text *value,
                            struct tracking *t)
{
    if (t->prefixes_count == TRACKING_PREFIXES_MAX) {
        session_error(session, "ERR holdfast: too many prefixes: at most %d",
                      TRACKING_PREFIXES_MAX);
        return false;
    }
    t->prefixes[t->prefixes_count++] = *value;
    return true;
}

/* One option, with its value when it has one. False: the client was told what is wrong. */
static bool tracking_option(struct session *session, const struct request *request,
                            struct resp_args *args, const struct resp_text *word,
                            struct tracking *t)
{
    struct resp_text value;

    if (session_client_word_is(word, "redirect") &&
        resp_args_next(args, request->bytes, request->len, &value)) {
        return tracking_redirect(session, &value, t);
    }
    if (session_client_word_is(word, "prefix") &&
        resp_args_next(args, request->bytes, request->len, &value)) {
        return tracking_prefix(session, &value, t);
    }
    for (size_t i = 0; i < COUNT_OF(flag_rows); i++) {
        if (session_client_word_is(word, flag_rows[i].name)) {
            t->flags |= flag_rows[i].flag;
            return true;
        }
    }
    (void)session_client_syntax(session);
    return false;
}

static bool tracking_read(struct session *session, const struct request *request,
                          struct tracking *t)
{
    struct resp_args args = session_client_args(request);
    struct resp_text how = {.bytes = ""};
    struct resp_text word;

    *t = (struct tracking){0};
    (void)resp_args_next(&args, request->bytes, request->len, &how); /* the arity was checked */
    while (resp_args_next(&args, request->bytes, request->len, &word)) {
        if (!tracking_option(session, request, &args, &word, t)) {
            return false;
        }
    }
    t->is_on = session_client_word_is(&how, "on");
    if (!t->is_on && !session_client_word_is(&how, "off")) {
        (void)session_client_syntax(session);
        return false;
    }
    return true;
}

/* What session->tracking holds: written by tracking_write(), and so nothing in it is wrong. */
static void tracking_recall(const struct session *session, struct tracking *t)
{
    const struct request kept = {.bytes = buf_data(&session->tracking),
                                 .len = session->tracking.len};
    struct resp_args args = session_client_args(&kept);
    struct resp_text word;

    *t = (struct tracking){0};
    t->is_on = resp_args_next(&args, kept.bytes, kept.len, &word); /* ON */
    while (resp_args_next(&args, kept.bytes, kept.len, &word)) {
        struct resp_text value = {.bytes = "", .len = 0};
        if (session_client_word_is(&word, "redirect")) {
            (void)resp_args_next(&args, kept.bytes, kept.len, &value); /* it is there */
            (void)text_to_i64(value.bytes, value.len, &t->redirect);
        } else if (session_client_word_is(&word, "prefix")) {
            (void)resp_args_next(&args, kept.bytes, kept.len, &value); /* it is there */
            t->prefixes[t->prefixes_count++] = value;
        } else {
            for (size_t i = 0; i < COUNT_OF(flag_rows); i++) {
                t->flags |=
                    session_client_word_is(&word, flag_rows[i].name) ? flag_rows[i].flag : 0;
            }
        }
    }
}

/* ---- writing ---- */

/* As a request. redirect is what its reader understands: a session's id, or Redis'. */
static void tracking_write(const struct tracking *t, int64_t redirect, struct buf *out)
{
    size_t flags = 0;

    for (size_t i = 0; i < COUNT_OF(flag_rows); i++) {
        flags += (t->flags & flag_rows[i].flag) != 0;
    }
    resp_write_array(out, 3 + (redirect == 0 ? 0U : 2U) + flags + 2 * t->prefixes_count);
    resp_write_text(out, "CLIENT");
    resp_write_text(out, "TRACKING");
    resp_write_text(out, "ON");
    if (redirect != 0) {
        resp_write_text(out, "REDIRECT");
        resp_write_bulkf(out, "%lld", (long long)redirect);
    }
    for (size_t i = 0; i < COUNT_OF(flag_rows); i++) {
        if ((t->flags & flag_rows[i].flag) != 0) {
            resp_write_text(out, flag_rows[i].name);
        }
    }
    for (size_t i = 0; i < t->prefixes_count; i++) {
        resp_write_text(out, "PREFIX");
        resp_write_bulk(out, t->prefixes[i].bytes, t->prefixes[i].len);
    }
}

/* ---- checking ---- */

static bool prefixes_overlap(const struct resp_text *a, const struct resp_text *b)
{
    size_t shorter = a->len < b->len ? a->len : b->len;

    return memcmp(a->bytes, b->bytes, shorter) == 0;
}

static void tracking_say_overlap(struct session *session, const struct resp_text *prefix,
                                 const char *what, const struct resp_text *other)
{
    session_error(session,
                  "ERR Prefix '%.*s' overlaps with %s prefix '%.*s'. Prefixes for a single client "
                  "must not overlap.",
                  session_client_shown(prefix), prefix->bytes, what, session_client_shown(other),
                  other->bytes);
}

static bool tracking_prefixes_fit(struct session *session, const struct tracking *t,
                                  const struct tracking *had)
{
    const struct resp_text all = {.bytes = "", .len = 0};
    bool had_all = (had->flags & TRACKING_BCAST) != 0 && had->prefixes_count == 0;

    for (size_t i = 0; i < t->prefixes_count; i++) {
        if (had_all) {
            tracking_say_overlap(session, &t->prefixes[i], "an existing", &all);
            return false;
        }
        for (size_t j = 0; j < had->prefixes_count; j++) {
            if (prefixes_overlap(&t->prefixes[i], &had->prefixes[j])) {
                tracking_say_overlap(session, &t->prefixes[i], "an existing", &had->prefixes[j]);
                return false;
            }
        }
        for (size_t j = i + 1; j < t->prefixes_count; j++) {
            if (prefixes_overlap(&t->prefixes[i], &t->prefixes[j])) {
                tracking_say_overlap(session, &t->prefixes[i], "another provided", &t->prefixes[j]);
                return false;
            }
        }
    }
    return true;
}

/* Why it may not be turned on; NULL when it may. */
static const char *tracking_complaint(const struct tracking *t, const struct tracking *had)
{
    const unsigned opt = TRACKING_OPTIN | TRACKING_OPTOUT;
    bool is_bcast = (t->flags & TRACKING_BCAST) != 0;

    if (t->prefixes_count > 0 && !is_bcast) {
        return "PREFIX option requires BCAST mode to be enabled";
    }
    if (had->is_on && is_bcast != ((had->flags & TRACKING_BCAST) != 0)) {
        return "You can't switch BCAST mode on/off before disabling tracking for this client, "
               "and then re-enabling it with a different mode.";
    }
    if (is_bcast && (t->flags & opt) != 0) {
        return "OPTIN and OPTOUT are not compatible with BCAST";
    }
    if ((t->flags & opt) == opt) {
        return "You can't specify both OPTIN mode and OPTOUT mode";
    }
    if (((t->flags & TRACKING_OPTIN) != 0 && (had->flags & TRACKING_OPTOUT) != 0) ||
        ((t->flags & TRACKING_OPTOUT) != 0 && (had->flags & TRACKING_OPTIN) != 0)) {
        return "You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, "
               "and then re-enabling it with a different mode.";
    }
    return NULL;
}

static bool tracking_may_be_on(struct session *session, const struct tracking *t,
                               const struct tracking *had)
{
    const char *complaint = tracking_complaint(t, had);

    if (complaint != NULL) {
        session_error(session, "ERR %s", complaint);
        return false;
    }
    return tracking_prefixes_fit(session, t, had);
}

/* ---- TRACKING ---- */

/* Prefixes add up until tracking is turned off; all else is what was said last. False: too many. */
static bool tracking_add(struct tracking *t, const struct tracking *had)
{
    bool is_bcast = (t->flags & TRACKING_BCAST) != 0;
    bool is_all =
        t->prefixes_count == 0 || ((had->flags & TRACKING_BCAST) != 0 && had->prefixes_count == 0);

    if (!is_bcast || is_all) {
        t->prefixes_count = 0; /* with the prefix of all keys no other makes a difference */
        return true;
    }
    for (size_t i = 0; i < had->prefixes_count; i++) {
        bool is_known = false;
        for (size_t j = 0; j < t->prefixes_count && !is_known; j++) {
            is_known = prefixes_overlap(&had->prefixes[i], &t->prefixes[j]);
        }
        if (is_known) {
            continue; /* it is asked again */
        }
        if (t->prefixes_count == TRACKING_PREFIXES_MAX) {
            return false;
        }
        t->prefixes[t->prefixes_count++] = had->prefixes[i];
    }
    return true;
}

static void tracking_ask_off(struct backend *b)
{
    struct buf off = {0};

    RESP_COMMAND(&off, "CLIENT", "TRACKING", "OFF");
    backend_ask(b, buf_data(&off), off.len, 1);
    buf_finish(&off);
}

/* The number at Redis of the connection the invalidations go to; 0 is its own. False: there is
 * none, for a session has a connection of its own only while it needs one, as by SUBSCRIBE. */
static bool tracking_redirect_at(const struct tracking *t, const struct backend *own, int64_t *id)
{
    if (t->redirect == 0) {
        *id = 0;
        return true;
    }
    const struct session *other = session_by_id(own->worker, (uint64_t)t->redirect);
    const struct backend *b = session_client_backend(other, &own->addr);
    if (b != NULL) {
        *id = b->redis_id;
    }
    return b != NULL;
}

/* Sends what is asked for now, and keeps the sum of all that was. */
static enum verdict tracking_turn_on(struct session *session, const struct request *request,
                                     const struct tracking *asked, const struct tracking *sum)
{
    struct backend *own = session_own_backend(session);
    struct buf bytes = {0};
    int64_t redirect;

    if (own == NULL) {
        return session_send_own(session, request, PIN_TRACKING, 0); /* which waits for one */
    }
    if (!tracking_redirect_at(asked, own, &redirect)) {
        session_error(session, "ERR The client ID you want redirect to does not exist");
        session_leave_backend(session);
        return REQUEST_TAKEN;
    }
    bool is_again = request->is_redo && session->tracking.len > 0;
    tracking_write(is_again ? sum : asked, redirect, &bytes);
    struct request ours = *request;
    ours.bytes = buf_data(&bytes);
    ours.len = bytes.len;
    if (is_again) { /* session_restore() may have asked for it already: a prefix may not come twice
                     */
        tracking_ask_off(own);
    }
    enum verdict verdict = session_send_own(session, &ours, PIN_TRACKING, 0);
    buf_finish(&bytes);
    if (verdict == REQUEST_TAKEN && session->in_flight > 0) { /* sent, and not answered by us */
        struct buf kept = {0};
        tracking_write(sum, sum->redirect, &kept); /* whose text may be in the old one */
        buf_finish(&session->tracking);
        session->tracking = kept;
        if (sum->redirect != 0) {
            session_keep(session_by_id(session->worker, (uint64_t)sum->redirect),
                         KEEPS_REDIRECT_TARGET, true);
        }
    }
    return verdict;
}

static enum verdict tracking_turn_off(struct session *session, const struct request *request)
{
    if ((session->pins & PIN_TRACKING) == 0) {
        return session_send_shared(session, request); /* as it is there */
    }
    enum verdict verdict = session_send_own(session, request, 0, 0);
    if (verdict == REQUEST_TAKEN && session->in_flight > 0) { /* sent, and not answered by us */
        session->pins &= (uint16_t)~PIN_TRACKING;
        buf_finish(&session->tracking);
    }
    return verdict;
}

enum verdict session_client_tracking(struct session *session, const struct request *request)
{
    static const struct tracking nothing = {0};
    struct tracking asked;
    struct tracking had;

    if (!tracking_read(session, request, &asked)) {
        return REQUEST_TAKEN;
    }
    if (!asked.is_on) {
        return tracking_turn_off(session, request);
    }
    tracking_recall(session, &had);
    /* Asked again: what is kept may be this very request. */
    if (!tracking_may_be_on(session, &asked, request->is_redo ? &nothing : &had)) {
        return REQUEST_TAKEN;
    }
    struct tracking sum = asked;
    if (!tracking_add(&sum, &had) ||
        session->tracking.len + request->len > RELAY_REQUEST_MAX_BYTES) {
        session_error(session, "ERR holdfast: too many prefixes: at most %d",
                      TRACKING_PREFIXES_MAX);
        return REQUEST_TAKEN;
    }
    return tracking_turn_on(session, request, &asked, &sum);
}

/* ---- what is said about it ---- */

int64_t session_client_redirect(const struct session *session)
{
    struct tracking t;

    if (session->tracking.len == 0) {
        return -1;
    }
    tracking_recall(session, &t);
    return t.redirect;
}

bool session_client_is_broadcast(const struct session *session)
{
    struct tracking t;

    if (session->tracking.len == 0) {
        return false;
    }
    tracking_recall(session, &t);
    return (t.flags & TRACKING_BCAST) != 0;
}

static enum verdict tracking_send(struct session *session, const struct request *request)
{
    return (session->pins & PIN_TRACKING) != 0 ? session_send_own(session, request, 0, 0)
                                               : session_send_shared(session, request);
}

enum verdict session_client_caching(struct session *session, const struct request *request)
{
    return tracking_send(session, request);
}

enum verdict session_client_getredir(struct session *session, const struct request *request)
{
    (void)request;
    return session_client_number(session, session_client_redirect(session));
}

/* Redis answers, but for a redirection: its number means nothing to a client of the router. */
enum verdict session_client_trackinginfo(struct session *session, const struct request *request)
{
    struct buf *out = &session->worker->scratch;
    static const char *const names[] = {"bcast", "optin", "optout", "noloop"};
    struct tracking t;
    size_t flags = 1;

    if (session_client_redirect(session) <= 0) {
        return tracking_send(session, request);
    }
    tracking_recall(session, &t);
    bool is_broken = session_by_id(session->worker, (uint64_t)t.redirect) == NULL;
    for (size_t i = 0; i < COUNT_OF(flag_rows); i++) {
        flags += (t.flags & flag_rows[i].flag) != 0;
    }
    buf_clear(out);
    resp_write_map(out, session->version, 3);
    resp_write_text(out, "flags");
    resp_write_set(out, session->version, flags + is_broken);
    resp_write_text(out, "on");
    for (size_t i = 0; i < COUNT_OF(flag_rows); i++) {
        if ((t.flags & flag_rows[i].flag) != 0) {
            resp_write_text(out, names[i]);
        }
    }
    if (is_broken) {
        resp_write_text(out, "broken_redirect");
    }
    resp_write_text(out, "redirect");
    resp_write_integer(out, t.redirect);
    resp_write_text(out, "prefixes");
    bool is_all = (t.flags & TRACKING_BCAST) != 0 && t.prefixes_count == 0;
    resp_write_array(out, is_all ? 1 : t.prefixes_count);
    if (is_all) {
        resp_write_text(out, "");
    }
    for (size_t i = 0; i < t.prefixes_count; i++) {
        resp_write_bulk(out, t.prefixes[i].bytes, t.prefixes[i].len);
    }
    session_writebuf(session, out);
    return REQUEST_TAKEN;
}

/* ---- after a failover ---- */

/* As Redis tells after FLUSHALL: whatever was read before may have changed unheard. */
static void tracking_tell_all(struct session *session)
{
    static const char channel[] = "__redis__:invalidate";
    struct buf line = {0};

    if (session->version == RESP_3) {
        resp_write_push(&line, RESP_3, 2);
        resp_write_text(&line, "invalidate");
        resp_write_null(&line, RESP_3);
    } else if (session_is_subscribed(session, SUBSCRIPTION_CHANNEL, channel, sizeof(channel) - 1)) {
        resp_write_array(&line, 3);
        resp_write_text(&line, "message");
        resp_write_text(&line, channel);
        resp_write_null(&line, RESP_2);
    }
    session_writebuf(session, &line);
    buf_finish(&line);
}

/* False: those that hear of it have no connection yet, and it is asked for when they have. */
static bool tracking_ask(const struct session *session, struct backend *own)
{
    struct tracking t;
    struct buf bytes = {0};
    int64_t redirect;

    tracking_recall(session, &t);
    if (!tracking_redirect_at(&t, own, &redirect)) {
        return false;
    }
    tracking_write(&t, redirect, &bytes);
    backend_ask(own, buf_data(&bytes), bytes.len, 1);
    buf_finish(&bytes);
    return true;
}

/* Those whose invalidations come to this session asked for it by the number of a connection that is
 * gone. */
static bool tracking_turn_to(const struct session *session, const struct backend *own)
{
    bool is_heard = false;

    for (struct session *s = session->worker->sessions; s != NULL; s = s->next) {
        struct backend *b = s->backend;
        bool is_mine = s != session && s->tracking.len > 0 &&
                       session_client_redirect(s) == (int64_t)session->id;
        if (is_mine && b != NULL && b->owner == s && backend_is_usable(b) &&
            addr_same(&b->addr, &own->addr) && (s->pins & PIN_MULTI) == 0) {
            tracking_ask_off(b); /* it may still be on, and a prefix may not come twice */
            is_heard = tracking_ask(s, b) || is_heard;
        }
    }
    return is_heard;
}

void session_client_track_again(struct session *session, struct backend *backend)
{
    bool is_own = false;

    if ((session->pins & PIN_TRACKING) != 0 && session->tracking.len > 0 &&
        tracking_ask(session, backend)) {
        int64_t redirect = session_client_redirect(session);
        is_own = redirect == 0;
        struct session *other =
            redirect <= 0 ? NULL : session_by_id(session->worker, (uint64_t)redirect);
        if (other != NULL && session_client_is_mid_reply(other)) {
            session_close(other); /* it cannot be told now; one that connects anew has no cache */
        } else if (other != NULL) {
            tracking_tell_all(other);
        }
    }
    bool is_target =
        (session_keeps(session) & KEEPS_REDIRECT_TARGET) != 0 && tracking_turn_to(session, backend);
    if (is_own || is_target) {
        tracking_tell_all(session);
    }
}
