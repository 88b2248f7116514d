/*
 * One monitor: a connection on which it is asked, and one on which it tells its events. The second
 * exists only while the first is open.
 */
#include "router/finder_inside.h"

#include <string.h>

#include "base/text.h"
#include "loop/log.h"

enum {
    REPLY_MASTER, /* the questions in their order */
    REPLY_ADDR,
    REPLY_REPLICAS,
    SAID_ANSWER = 0, /* unnamed[] */
    SAID_EVENT = 1,
};

static const uint64_t epoch_max = UINT64_C(1) << 53; /* no Sentinel comes here by counting */

/* ---- well and not well ---- */

/* Once until it is well again. */
static void watch_complain(struct finder_watch *w, const char *what, const char *why)
{
    char text[ADDR_TEXT_MAX];
    struct buf line = {0};

    buf_printf(&line, "%s%s%s", what, what[0] != '\0' ? ": " : "", why);
    text_cut(w->view.last_error, sizeof(w->view.last_error), buf_data(&line));
    buf_finish(&line);
    if (!w->was_complained) {
        w->was_complained = true;
        log_warning("%s: monitor %s: %s", w->finder->conf->master, addr_text(&w->view.addr, text),
                    w->view.last_error);
    }
}

static void watch_is_well(struct finder_watch *w)
{
    char text[ADDR_TEXT_MAX];

    w->view.last_error[0] = '\0';
    if (w->was_complained) {
        w->was_complained = false;
        log_notice("%s: monitor %s answers", w->finder->conf->master,
                   addr_text(&w->view.addr, text));
    }
}

static void watch_unsubscribe(struct finder_watch *w, msec_t now)
{
    finder_link_close(&w->sub);
    w->view.is_subscribed = false;
    w->sub_retry_at_ms = now + FINDER_RETRY_TROUBLED_MS;
}

static void watch_failed(struct finder_watch *w, const char *why)
{
    struct finder *finder = w->finder;
    msec_t now = loop_now(finder->loop);

    finder_link_close(&w->ask);
    watch_unsubscribe(w, now);
    w->view.is_connected = false;
    w->replies_left = 0;
    w->is_again = false;
    w->retry_at_ms = now + (finder->is_troubled ? FINDER_RETRY_TROUBLED_MS : FINDER_RETRY_MS);
    watch_complain(w, "", why);
    finder_wake(finder);
}

/* ---- what it answers ---- */

static void watch_told(struct finder_watch *w, const struct addr *master, uint64_t epoch)
{
    struct finder *finder = w->finder;
    struct addr at = *master;

    w->unnamed[SAID_ANSWER].is_set = false;
    if (addr_is_set(&at) && !finder_name_fill(finder, &at)) {
        w->unnamed[SAID_ANSWER] = (struct finder_said){
            .is_set = true,
            .master = *master,
            .epoch = epoch,
        };
        return;
    }
    master_choice_told(&finder->choice, w->index, &at, epoch, loop_now(finder->loop));
    finder_wake(finder);
}

static void watch_answered(struct finder_watch *w, const struct addr *master)
{
    char text[ADDR_NAME_MAX + 64];
    struct buf line = {0};

    w->view.answered_at_ms = loop_now(w->finder->loop);
    w->view.master = *master;
    w->view.epoch = w->said_epoch;
    if (addr_is_set(master)) {
        watch_is_well(w);
    } else {
        buf_printf(&line, "it knows no master %s", w->finder->conf->master);
        text_cut(text, sizeof(text), buf_data(&line));
        buf_finish(&line);
        watch_complain(w, "", text);
    }
    watch_told(w, master, w->said_epoch);
}

/* SENTINEL MASTER: the epoch and the flags. The address is not taken from here: the monitor that
 * leads a failover shows the old one beside the new epoch until all replicas were moved. */
static void watch_take_master(struct finder_watch *w, const struct resp_value *value)
{
    const char *flags = resp_text(resp_map_get(value, "flags"));
    int64_t epoch = 0;

    w->has_said = false;
    if (resp_is(value, RESP_ERROR)) {
        const char *text = resp_text(value);
        if (strstr(text, "No such master") == NULL) {
            watch_complain(w, w->ask.refusal[0] != '\0' ? w->ask.refusal : "SENTINEL MASTER", text);
            return;
        }
        w->said_epoch = 0;
        w->has_said = true;
        return;
    }
    if (!resp_integer(resp_map_get(value, "config-epoch"), &epoch) || epoch < 0 ||
        (uint64_t)epoch > epoch_max) {
        watch_complain(w, "SENTINEL MASTER", "an answer without an epoch");
        return;
    }
    w->view.master_is_down = strstr(flags, "s_down") != NULL || strstr(flags, "o_down") != NULL;
    w->said_epoch = (uint64_t)epoch;
    w->has_said = true;
}

static bool watch_read_addr(const char *host, const struct resp_value *port, struct addr *addr)
{
    int64_t number = 0;

    return resp_integer(port, &number) && number > 0 && number <= UINT16_MAX &&
           addr_set(addr, host, (uint16_t)number);
}

static void watch_take_addr(struct finder_watch *w, const struct resp_value *value)
{
    struct addr master = {0};

    if (!w->has_said) {
        return;
    }
    if (resp_is(value, RESP_NULL) || /* it knows no such master */
        watch_read_addr(resp_text(resp_item(value, 0)), resp_item(value, 1), &master)) {
        watch_answered(w, &master);
    } else {
        watch_complain(w, "SENTINEL GET-MASTER-ADDR-BY-NAME", "an answer without an address");
    }
}

static void watch_take_replicas(struct finder_watch *w, const struct resp_value *value)
{
    w->said_replicas_count = 0;
    for (size_t i = 0; i < value->count && w->said_replicas_count < ROUTE_REPLICAS_MAX; i++) {
        const struct resp_value *one = resp_item(value, i);
        const char *flags = resp_text(resp_map_get(one, "flags"));
        struct addr addr;
        bool is_well = strstr(flags, "down") == NULL && strstr(flags, "disconnected") == NULL;
        if (is_well &&
            watch_read_addr(resp_text(resp_map_get(one, "ip")), resp_map_get(one, "port"), &addr) &&
            finder_name_fill(w->finder, &addr)) {
            w->said_replicas[w->said_replicas_count++] = addr;
        }
    }
    finder_wake(w->finder);
}

/* ---- asking ---- */

static void watch_send(struct finder_watch *w, msec_t now)
{
    const char *name = w->finder->conf->master;
    struct buf out = {0};

    w->is_again = false;
    w->asked_at_ms = now;
    w->replies = 2;
    RESP_COMMAND(&out, "SENTINEL", "MASTER", name);
    RESP_COMMAND(&out, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", name);
    if (finder_wants_replicas(w->finder)) {
        w->replies++;
        RESP_COMMAND(&out, "SENTINEL", "REPLICAS", name);
    }
    w->replies_left = w->replies;
    finder_link_send(&w->ask, &out);
}

static void ask_on_open(void *ctx)
{
    struct finder_watch *w = ctx;

    w->view.is_connected = true;
    watch_send(w, loop_now(w->finder->loop));
    w->sub_retry_at_ms = 0;
    finder_wake(w->finder);
}

static bool ask_on_reply(void *ctx, const struct resp_value *value)
{
    struct finder_watch *w = ctx;

    if (w->replies_left == 0) {
        return false;
    }
    unsigned which = w->replies - w->replies_left;
    w->replies_left--;
    if (which == REPLY_MASTER) {
        watch_take_master(w, value);
    } else if (which == REPLY_ADDR) {
        watch_take_addr(w, value);
    } else {
        watch_take_replicas(w, value);
    }
    finder_wake(w->finder);
    return true;
}

static void ask_on_end(void *ctx, const char *why)
{
    watch_failed(ctx, why);
}

static const struct finder_link_calls ask_calls = {
    .on_open = ask_on_open,
    .on_reply = ask_on_reply,
    .on_end = ask_on_end,
};

void finder_watch_ask(struct finder_watch *w)
{
    w->is_again = true;
}

/* ---- listening ---- */

static void watch_event(struct finder_watch *w, const struct finder_event *event)
{
    struct finder *finder = w->finder;
    struct addr of = event->of;
    struct addr replica = event->replica;

    switch (event->type) {
    case FINDER_EVENT_OTHER:
        return;
    case FINDER_EVENT_STIR:
        break;
    case FINDER_EVENT_ABORTED:
        master_choice_aborted(&finder->choice, w->index);
        break;
    case FINDER_EVENT_SELECTED:
        if (finder_name_fill(finder, &of) && finder_name_fill(finder, &replica)) {
            master_choice_selected(&finder->choice, w->index, &of, &replica,
                                   loop_now(finder->loop));
            finder_ask_server(finder, &replica);
        } else {
            w->unnamed[SAID_EVENT] = (struct finder_said){
                .is_set = true,
                .master = event->of,
                .replica = event->replica,
            };
        }
        break;
    }
    finder_stir(finder);
}

static void sub_on_open(void *ctx)
{
    struct finder_watch *w = ctx;
    struct buf out = {0};
    size_t count = 0;

    while (finder_event_channels[count] != NULL) {
        count++;
    }
    resp_write_array(&out, count + 1);
    resp_write_text(&out, "SUBSCRIBE");
    for (size_t i = 0; i < count; i++) {
        resp_write_text(&out, finder_event_channels[i]);
    }
    finder_link_send(&w->sub, &out);
    w->sub_heard_at_ms = loop_now(w->finder->loop);
    w->sub_pinged_at_ms = w->sub_heard_at_ms;
}

/* What was published while nobody listened is caught up with by asking. */
static bool sub_on_reply(void *ctx, const struct resp_value *value)
{
    struct finder_watch *w = ctx;
    const struct resp_value *kind = resp_item(value, 0);
    struct finder_event event;

    w->sub_heard_at_ms = loop_now(w->finder->loop);
    if (resp_is(value, RESP_ERROR)) {
        watch_complain(w, "SUBSCRIBE", resp_text(value));
    } else if (resp_text_is(kind, "subscribe") && !w->view.is_subscribed) {
        w->view.is_subscribed = true;
        finder_watch_ask(w);
        finder_wake(w->finder);
    } else if (resp_text_is(kind, "message") && resp_is(resp_item(value, 2), RESP_BULK)) {
        finder_event_read(resp_text(resp_item(value, 1)), &resp_item(value, 2)->text,
                          w->finder->conf->master, &event);
        watch_event(w, &event);
    }
    return true;
}

static void sub_on_end(void *ctx, const char *why)
{
    struct finder_watch *w = ctx;

    log_debug("%s: monitor %s: subscription ended: %s", w->finder->conf->master, w->view.addr.ip,
              why);
    watch_unsubscribe(w, loop_now(w->finder->loop));
    finder_wake(w->finder);
}

static const struct finder_link_calls sub_calls = {
    .on_open = sub_on_open,
    .on_reply = sub_on_reply,
    .on_end = sub_on_end,
};

/* ---- its life ---- */

void finder_watch_init(struct finder_watch *w, struct finder *finder, size_t index)
{
    *w = (struct finder_watch){.finder = finder, .index = index};
    w->view.addr = finder->conf->monitors[index];
    w->ask.calls = &ask_calls;
    w->ask.ctx = w;
    w->sub.calls = &sub_calls;
    w->sub.ctx = w;
}

void finder_watch_close(struct finder_watch *w)
{
    finder_link_close(&w->ask);
    finder_link_close(&w->sub);
}

void finder_watch_named(struct finder_watch *w)
{
    struct finder_said *answer = &w->unnamed[SAID_ANSWER];
    struct finder_said *said = &w->unnamed[SAID_EVENT];

    if (answer->is_set) {
        struct addr master = answer->master;
        watch_told(w, &master, answer->epoch);
    }
    if (said->is_set) {
        struct finder_event event = {
            .type = FINDER_EVENT_SELECTED,
            .of = said->master,
            .replica = said->replica,
        };
        said->is_set = false;
        watch_event(w, &event);
    }
    if (w->ask.conn == NULL) {
        w->retry_at_ms = 0;
    }
    finder_wake(w->finder);
}

/* The name is looked up for every attempt, at most every FINDER_NAME_FRESH_MS. */
static void watch_connect(struct finder_watch *w, msec_t now)
{
    struct finder *finder = w->finder;
    struct addr at = w->view.addr;
    struct err err = {0};

    if (!finder_name_fill(finder, &at)) {
        w->retry_at_ms = now + FINDER_RETRY_MS;
        if (now - finder->started_at_ms >= FINDER_CONNECT_MS) {
            watch_complain(w, "", "its name has no address");
        }
        return;
    }
    if (!finder_link_open(&w->ask, finder->loop, &at, &finder->sentinel, &err)) {
        watch_failed(w, err.text);
        return;
    }
    w->at = at;
}

static msec_t watch_turn_ask(struct finder_watch *w, msec_t now)
{
    msec_t due = w->asked_at_ms + finder_ask_period(w->finder);

    if (w->replies_left > 0) {
        if (now - w->asked_at_ms < FINDER_SILENT_MS) {
            return w->asked_at_ms + FINDER_SILENT_MS;
        }
        watch_failed(w, "silent");
        return w->retry_at_ms;
    }
    if (now >= due || w->is_again) {
        watch_send(w, now);
        return now + FINDER_SILENT_MS;
    }
    return due;
}

static msec_t watch_turn_sub(struct finder_watch *w, msec_t now)
{
    struct err err = {0};

    if (w->sub.conn == NULL) {
        if (now < w->sub_retry_at_ms) {
            return w->sub_retry_at_ms;
        }
        if (!finder_link_open(&w->sub, w->finder->loop, &w->at, &w->finder->sentinel, &err)) {
            watch_unsubscribe(w, now);
            return w->sub_retry_at_ms;
        }
        return MSEC_NEVER;
    }
    if (!w->sub.is_open) {
        return MSEC_NEVER;
    }
    if (now - w->sub_heard_at_ms >= FINDER_SILENT_MS) {
        watch_unsubscribe(w, now);
        return w->sub_retry_at_ms;
    }
    if (now - w->sub_pinged_at_ms >= FINDER_ASK_MS) {
        struct buf out = {0};
        w->sub_pinged_at_ms = now;
        RESP_COMMAND(&out, "PING");
        finder_link_send(&w->sub, &out);
    }
    return w->sub_pinged_at_ms + FINDER_ASK_MS;
}

msec_t finder_watch_turn(struct finder_watch *w, msec_t now)
{
    if (w->ask.conn == NULL) {
        if (now >= w->retry_at_ms) {
            watch_connect(w, now);
        }
        return w->ask.conn == NULL ? w->retry_at_ms : MSEC_NEVER;
    }
    if (!w->ask.is_open) {
        return MSEC_NEVER;
    }
    msec_t ask_at = watch_turn_ask(w, now);
    if (!w->ask.is_open) {
        return ask_at;
    }
    msec_t sub_at = watch_turn_sub(w, now);
    return ask_at < sub_at ? ask_at : sub_at;
}
