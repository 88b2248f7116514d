#include "relay_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { CLIENT_BULK_MAX = 4 << 20 };

static const struct resp_reply_limits limits = {.depth_max = 8,
                                                .elements_max = 1000,
                                                .bulk_bytes_max = CLIENT_BULK_MAX,
                                                .total_bytes_max = 2 * CLIENT_BULK_MAX};

static uint64_t below(struct client *c, uint64_t bound)
{
    return prng_below(&c->site->prng, bound);
}

static struct site_client *known(const struct client *c)
{
    return &c->site->clients[c->number];
}

/* ---- answers ---- */

static const struct expect *head(const struct client *c)
{
    return &c->expects[c->first];
}

_Noreturn static void wrong(const struct client *c, const struct expect *e,
                            const struct resp_value *v)
{
    site_fault("client %d: an answer to ask %d (seq %u) is of type %d: \"%.200s\" %lld (%zu items)",
               c->number, (int)e->ask, e->seq, (int)v->type, resp_text(v), (long long)v->integer,
               v->count);
}

enum failing { FAILING_NOT, FAILING_NOTHING, FAILING_UNKNOWN, FAILING_OTHER };

static enum failing failing_of(const struct resp_value *v)
{
    const char *text = resp_text(v);

    if (!resp_is(v, RESP_ERROR)) {
        return FAILING_NOT;
    }
    if (strstr(text, "nothing was executed") != NULL || strstr(text, "not executed") != NULL) {
        return FAILING_NOTHING;
    }
    return strstr(text, "is not known") != NULL ? FAILING_UNKNOWN : FAILING_OTHER;
}

static void on_outcome(struct client *c, uint32_t seq, enum outcome outcome, bool is_push)
{
    struct site_client *k = known(c);

    k->outcome[seq] = (uint8_t)outcome;
    if (is_push && outcome == OUTCOME_DONE && k->pushed[seq] != 1) {
        site_fault("client %d: RPUSH %u is answered, and done %u times", c->number, seq,
                   k->pushed[seq]);
    }
    if (is_push && outcome == OUTCOME_NOTHING && k->pushed[seq] != 0) {
        site_fault("client %d: RPUSH %u is done, and the answer says that it was not", c->number,
                   seq);
    }
}

static void on_write(struct client *c, const struct expect *e, const struct resp_value *v)
{
    bool is_push = e->ask == ASK_PUSH;
    bool is_null = e->ask == ASK_BIG_SET && resp_is(v, RESP_NULL); /* options may yet have come */
    bool is_miss = c->may_miss && (is_null || (resp_is(v, RESP_INTEGER) && v->integer == 0));

    switch (failing_of(v)) {
    case FAILING_NOTHING:
        on_outcome(c, e->seq, OUTCOME_NOTHING, is_push);
        return;
    case FAILING_UNKNOWN:
        on_outcome(c, e->seq, OUTCOME_UNKNOWN, is_push);
        return;
    case FAILING_OTHER:
        wrong(c, e, v);
    case FAILING_NOT:
        break;
    }
    if (is_miss) {
        on_outcome(c, e->seq, OUTCOME_NOTHING, is_push);
    } else if (e->ask == ASK_SET || e->ask == ASK_BIG_SET) {
        if (!resp_text_is(v, "OK")) {
            wrong(c, e, v);
        }
        on_outcome(c, e->seq, c->may_miss ? OUTCOME_UNKNOWN : OUTCOME_DONE, false);
        c->set_done = e->ask == ASK_SET ? e->seq : c->set_done;
    } else if (!resp_is(v, RESP_INTEGER) || v->integer < 1) {
        wrong(c, e, v);
    } else if (is_push) {
        on_outcome(c, e->seq, OUTCOME_DONE, true);
    } else {
        if (v->integer <= c->counter_last) {
            site_fault("client %d: INCR answers %lld after %lld", c->number, (long long)v->integer,
                       (long long)c->counter_last);
        }
        c->counter_last = v->integer;
    }
}

/* What is read must have been written, and be no older than what was confirmed. */
static void on_value(struct client *c, const struct expect *e, const struct resp_value *v)
{
    int64_t value = 0;

    if (failing_of(v) == FAILING_NOTHING) {
        return;
    }
    if (resp_is(v, RESP_NULL)) {
        if (c->set_done != 0 && !c->may_miss && !c->may_forget) {
            site_fault("client %d: SET %u was confirmed and is gone", c->number, c->set_done);
        }
        return;
    }
    if (!resp_is(v, RESP_BULK) || !resp_integer(v, &value)) {
        wrong(c, e, v);
    }
    bool is_late = known(c)->outcome[value] == OUTCOME_UNKNOWN ||
                   known(c)->outcome[value] == OUTCOME_OPEN; /* it was asked again, behind that */
    if (value != c->set_done && !is_late) {
        site_fault("client %d: reads %lld (outcome %d) where %u was confirmed", c->number,
                   (long long)value, known(c)->outcome[value], c->set_done);
    }
}

static void on_tag(struct client *c, const struct expect *e, const struct resp_value *v)
{
    const struct resp_value *text = v;
    struct client_key key = client_tag(c, e->seq);
    size_t key_len = strlen(key.text);

    if (failing_of(v) == FAILING_NOTHING ||
        (e->ask == ASK_BLOCK && failing_of(v) == FAILING_UNKNOWN)) {
        return;
    }
    bool is_null = resp_is(v, RESP_NULL) && (c->may_miss || e->ask == ASK_BLOCK);
    bool is_empty = c->may_miss && v->count == 0 && v->text.len == 0;
    if (is_null || (is_empty && !resp_is(v, RESP_ERROR))) {
        return;
    }
    if (e->ask == ASK_MAP) {
        bool is_right = resp_is(v, c->version == RESP_3 ? RESP_MAP : RESP_ARRAY) && v->count == 2;
        text = is_right ? resp_item(v, 0) : NULL;
    } else if (e->ask == ASK_BLOCK) {
        text = resp_is(v, RESP_ARRAY) ? resp_item(v, 0) : NULL;
    }
    size_t want = e->ask == ASK_RANGE ? e->len : key_len;
    if (!resp_is(text, RESP_BULK) || text->text.len != want ||
        memcmp(text->text.bytes, key.text, key_len) != 0) {
        wrong(c, e, v);
    }
}

static void on_exec(struct client *c, const struct expect *e, const struct resp_value *v)
{
    enum outcome outcome = OUTCOME_NOTHING;

    c->stats->execs++;
    bool is_unknown = failing_of(v) == FAILING_UNKNOWN ||
                      (v->count == e->len && failing_of(resp_item(v, 0)) == FAILING_UNKNOWN);
    if (is_unknown) { /* told for each, or for all */
        outcome = OUTCOME_UNKNOWN;
    } else if (resp_is(v, RESP_ARRAY) && v->count == e->len) {
        outcome = OUTCOME_DONE;
    } else if (resp_is(v, RESP_NULL)) {
        c->stats->nulls++;
    } else if (!resp_error_is(v, "EXECABORT") && failing_of(v) != FAILING_NOTHING) {
        wrong(c, e, v);
    }
    for (uint32_t i = 0; i < e->len && e->ask == ASK_EXEC; i++) {
        on_outcome(c, e->seq + i, outcome, true);
    }
}

static void on_discard(struct client *c, const struct expect *e, const struct resp_value *v)
{
    if (!resp_text_is(v, "OK") && failing_of(v) != FAILING_NOTHING) {
        wrong(c, e, v);
    }
    for (uint32_t i = 0; i < e->len; i++) {
        on_outcome(c, e->seq + i, OUTCOME_NOTHING, true);
    }
}

static void on_connection(struct client *c, const struct expect *e, const struct resp_value *v)
{
    bool is_ok = resp_text_is(v, "OK") && !resp_is(v, RESP_ERROR);

    if (e->ask == ASK_HELLO) {
        is_ok = resp_is(v, e->number == RESP_3 ? RESP_MAP : RESP_ARRAY);
        c->version = is_ok ? (enum resp_version)e->number : c->version;
    } else if (e->ask == ASK_RESET) {
        is_ok = resp_text_is(v, "RESET");
        c->version = RESP_2;
        c->database = 0;
        c->watch_step = 0;
        memset(c->subscribed, 0, sizeof(c->subscribed));
    } else if (e->ask == ASK_SELECT && is_ok) {
        c->database = e->number;
    } else if (e->ask == ASK_WATCH && is_ok) {
        c->watch_step = 1;
    }
    bool may_be_late = e->ask == ASK_WATCH || e->ask == ASK_HELLO || e->ask == ASK_SELECT;
    if (!is_ok && !(may_be_late && failing_of(v) == FAILING_NOTHING)) {
        wrong(c, e, v);
    }
}

static void on_counter(struct client *c, const struct expect *e, const struct resp_value *v)
{
    if (failing_of(v) == FAILING_NOTHING || (c->may_miss && resp_is(v, RESP_NULL))) {
        return; /* asked again */
    }
    if (!resp_is(v, RESP_BULK) || !resp_integer(v, &c->watch_value)) {
        wrong(c, e, v);
    }
    c->watch_step = 2;
}

static void on_simple(struct client *c, const struct expect *e, const struct resp_value *v)
{
    bool is_right = false;

    if (e->ask == ASK_PING) { /* subscribed in RESP2: an array */
        const struct resp_value *text = resp_is(v, RESP_ARRAY) ? resp_item(v, 1) : v;
        is_right = resp_text_is(text, client_tag(c, e->seq).text);
    } else if (e->ask == ASK_PONG) {
        is_right = resp_text_is(v, "PONG") || resp_is(v, RESP_ARRAY);
    } else if (e->ask == ASK_INFO) {
        is_right = strstr(resp_text(v), "role:") != NULL;
    } else if (e->ask == ASK_WRONG) {
        is_right =
            strstr(resp_text(v), "unknown command") != NULL || failing_of(v) == FAILING_UNKNOWN;
    } else if (e->ask == ASK_WAIT) {
        is_right = resp_is(v, RESP_INTEGER) || failing_of(v) == FAILING_UNKNOWN;
    } else if (e->ask == ASK_MULTI || e->ask == ASK_QUIT || e->ask == ASK_OK) {
        is_right = resp_text_is(v, "OK");
    } else {
        is_right = resp_text_is(v, "QUEUED");
    }
    bool may_be_down = e->ask == ASK_INFO || e->ask == ASK_WRONG || e->ask == ASK_WAIT ||
                       e->ask == ASK_PING || e->ask == ASK_PONG || e->ask == ASK_QUEUED;
    if (!is_right && !(may_be_down && failing_of(v) == FAILING_NOTHING)) {
        wrong(c, e, v);
    }
}

static void on_subscribed(struct client *c, const struct expect *e, const struct resp_value *v)
{
    char name[16];
    bool is_on = e->ask == ASK_SUBSCRIBE;

    (void)snprintf(name, sizeof(name), "c:%d:%d", c->number, e->number);
    if (failing_of(v) == FAILING_NOTHING) { /* for all of the request */
        while (c->count > 0 && head(c)->ask == e->ask && head(c)->len > 1) {
            c->first = (c->first + 1) % CLIENT_EXPECTS_MAX;
            c->count--;
        }
        c->is_unsure = c->is_unsure || !is_on; /* what it has left is for nobody to say */
        return;
    }
    if (!resp_text_is(resp_item(v, 0), is_on ? "subscribe" : "unsubscribe") ||
        !resp_text_is(resp_item(v, 1), name)) {
        wrong(c, e, v);
    }
    c->subscribed[e->number] = is_on;
}

static void on_answer(struct client *c, const struct expect *e, const struct resp_value *v)
{
    switch (e->ask) {
    case ASK_TAG:
    case ASK_MAP:
    case ASK_RANGE:
    case ASK_BLOCK:
        on_tag(c, e, v);
        break;
    case ASK_VALUE:
        on_value(c, e, v);
        break;
    case ASK_SET:
    case ASK_BIG_SET:
    case ASK_PUSH:
    case ASK_INCR:
        on_write(c, e, v);
        break;
    case ASK_EXEC:
    case ASK_EXEC_COUNTER:
        on_exec(c, e, v);
        break;
    case ASK_DISCARD:
        on_discard(c, e, v);
        break;
    case ASK_SELECT:
    case ASK_HELLO:
    case ASK_RESET:
    case ASK_WATCH:
        on_connection(c, e, v);
        break;
    case ASK_COUNTER:
        on_counter(c, e, v);
        break;
    case ASK_SUBSCRIBE:
    case ASK_UNSUBSCRIBE:
        on_subscribed(c, e, v);
        break;
    case ASK_PING:
    case ASK_PONG:
    case ASK_INFO:
    case ASK_WRONG:
    case ASK_WAIT:
    case ASK_OK:
    case ASK_MULTI:
    case ASK_QUEUED:
    case ASK_QUIT:
        on_simple(c, e, v);
        break;
    }
}

/* A message of a channel of its own. */
static bool client_took_message(struct client *c, const struct resp_value *v)
{
    int client = -1;
    int channel = -1;

    if (!resp_text_is(resp_item(v, 0), "message")) {
        return false;
    }
    if (sscanf(resp_text(resp_item(v, 2)), "m:%d:%d", &client, &channel) != 2 ||
        client != c->number || channel < 0 || channel >= SITE_CHANNELS) {
        site_fault("client %d: a message of another: %s", c->number, resp_text(resp_item(v, 2)));
    }
    c->heard[channel] = true;
    c->stats->messages++;
    return true;
}

static void client_took(struct client *c, const struct resp_value *v, msec_t now_ms)
{
    static const char *const bounces[] = {"READONLY",   "LOADING",  "MASTERDOWN",
                                          "NOREPLICAS", "TRYAGAIN", "UNBLOCKED"};

    for (size_t i = 0; i < COUNT_OF(bounces); i++) {
        if (resp_error_is(v, bounces[i])) {
            site_fault("client %d sees %s", c->number, resp_text(v));
        }
    }
    if (c->site->is_verbose) {
        (void)printf("%lld: client %d gets type %d \"%.60s\" %lld to ask %d seq %u\n",
                     (long long)now_ms - 1000000, c->number, (int)v->type, resp_text(v),
                     (long long)v->integer, c->count > 0 ? (int)head(c)->ask : -1,
                     c->count > 0 ? head(c)->seq : 0);
    }
    if (client_took_message(c, v)) {
        return;
    }
    if (c->count == 0) {
        site_fault("client %d: an answer to nothing: type %d %.100s", c->number, (int)v->type,
                   resp_text(v));
    }
    const struct expect e = *head(c);
    c->first = (c->first + 1) % CLIENT_EXPECTS_MAX;
    c->count--;
    c->stats->answered++;
    c->stats->errors_nothing += failing_of(v) == FAILING_NOTHING;
    c->stats->errors_unknown += failing_of(v) == FAILING_UNKNOWN;
    bool blocks = c->asked_block_ms != 0 && e.asked_at_ms >= c->asked_block_ms;
    if (!c->was_slow && !c->was_long && !blocks && now_ms - e.asked_at_ms > c->stats->longest_ms) {
        c->stats->longest_ms = now_ms - e.asked_at_ms;
    }
    on_answer(c, &e, v);
}

/* ---- coming and going ---- */

static void client_forget(struct client *c)
{
    for (size_t i = 0; i < c->count; i++) { /* what was not answered: nobody knows */
        const struct expect *e = &c->expects[(c->first + i) % CLIENT_EXPECTS_MAX];
        bool is_exec = e->ask == ASK_EXEC || e->ask == ASK_DISCARD;
        for (uint32_t j = 0; is_exec && j < e->len; j++) {
            known(c)->outcome[e->seq + j] = OUTCOME_UNKNOWN;
        }
        if (e->seq != 0 && !is_exec) {
            known(c)->outcome[e->seq] = OUTCOME_UNKNOWN;
        }
    }
    c->count = 0;
    fake_leave(c->conn);
    c->conn = NULL;
    buf_clear(&c->to_send);
    buf_clear(&c->in);
    resp_reply_reset(&c->reader);
}

void client_connect(struct client *c, struct loop *loop)
{
    c->conn = fake_client(loop, c);
    c->version = RESP_2;
    c->database = 0;
    c->waits_alone = false;
    c->is_leaving = false;
    c->was_long = false;
    c->was_slow = false;
    c->watch_step = 0;
    c->asked_block_ms = 0;
    c->is_unsure = false;
    memset(c->subscribed, 0, sizeof(c->subscribed));
}

void client_vanish(struct client *c)
{
    if (c->conn == NULL) {
        return;
    }
    if (below(c, 2) == 0) {
        fake_closes(c->conn);
        c->conn->window = SIZE_MAX; /* nobody reads what comes, and it goes */
    } else {
        fake_fails(c->conn, CONN_RESET);
    }
    client_forget(c);
}

static void client_read(struct client *c, msec_t now_ms)
{
    const struct resp_value *v = NULL;
    enum resp_status status;

    buf_append(&c->in, buf_data(&c->conn->got), c->conn->got.len);
    buf_clear(&c->conn->got);
    for (;;) {
        status = resp_reply_read(&c->reader, &c->in, &limits, &v);
        if (status != RESP_READY) {
            break;
        }
        client_took(c, v, now_ms);
    }
    if (status == RESP_BAD) {
        site_fault("client %d: what comes is no RESP: %s", c->number, resp_reply_error(&c->reader));
    }
    c->waits_alone = c->waits_alone && c->count > 0;
    c->asked_block_ms = c->count == 0 ? 0 : c->asked_block_ms;
    if (fake_is_over(c->conn)) {
        bool may_close = c->is_leaving || c->was_long || c->was_slow || c->may_close;
        if (!may_close) {
            site_fault("client %d: is closed, with %zu answers to come", c->number, c->count);
        }
        c->stats->closed++;
        client_forget(c);
    }
}

void client_listen(struct client *c, msec_t now_ms)
{
    if (c->conn == NULL) {
        return;
    }
    size_t len = c->to_send.len;
    if (len > 0) {
        len = below(c, 3) > 0 ? len : 1 + (size_t)below(c, len);
        fake_send(c->conn, buf_data(&c->to_send), len);
        buf_take(&c->to_send, len);
    }
    if (c->conn->window > 0) {
        client_read(c, now_ms);
    }
}

void client_turn(struct client *c, msec_t now_ms)
{
    bool is_free = c->conn != NULL && !c->is_leaving && !c->waits_alone &&
                   c->count < CLIENT_EXPECTS_MAX / 2 && c->seq < SITE_SEQS - 64;

    if (is_free && below(c, 3) == 0) {
        bool is_alone = client_is_subscribed(c);
        uint64_t batch = 1 + (below(c, 3) == 0 ? below(c, 12) : 0);
        while (batch-- > 0 && !c->waits_alone && !c->is_leaving) {
            if (!is_alone) {
                client_ask_something(c, now_ms);
            } else if (c->count == 0 && below(c, 6) == 0) {
                client_ask_subscribe(c, now_ms);
            }
        }
    }
    client_listen(c, now_ms);
}

bool client_is_idle(const struct client *c)
{
    return c->conn == NULL || (c->count == 0 && c->to_send.len == 0);
}

bool client_is_subscribed(const struct client *c)
{
    for (int i = 0; i < SITE_CHANNELS; i++) {
        if (c->subscribed[i]) {
            return true;
        }
    }
    return false;
}

void client_init(struct client *c, int number, struct site *site, struct client_stats *stats)
{
    *c = (struct client){.number = number, .site = site, .stats = stats};
}

void client_finish(struct client *c)
{
    if (c->conn != NULL) {
        client_forget(c);
    }
    buf_finish(&c->to_send);
    buf_finish(&c->in);
    resp_reply_finish(&c->reader);
}
