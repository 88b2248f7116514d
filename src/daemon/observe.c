#include "daemon/daemon_inside.h"

#include "loop/log.h"

/*
 * A fact becomes an event, the event goes through the core, what comes out is performed. No room
 * calls back from inside a call of ours, so the core is never entered twice.
 */

static void observe_step(struct daemon *d, const struct event *event)
{
    ASSERT(!d->performing);
    failover_step(d->core, event, &d->actions);
    d->performing = true;
    perform_actions(d);
    d->performing = false;
}

/* What the steps of this turn led to goes out together. */
static void observe_settle(struct daemon *d)
{
    links_flush(d->links);
    persist_flush(d);
    loop_timer_at(d->timer, failover_deadline(d->core));
}

void observe_event(struct daemon *d, const struct event *event)
{
    if (d->ending) {
        return;
    }
    observe_step(d, event);
    observe_settle(d);
}

void observe_tick(void *ctx)
{
    struct daemon *d = ctx;
    struct event event = {.type = EVENT_TICK, .now = loop_now(d->loop)};

    for (int n = 0; n < TICKS_AT_ONCE_MAX && !d->ending; n++) {
        observe_step(d, &event);
        if (failover_deadline(d->core) > event.now) {
            break;
        }
    }
    observe_settle(d);
}

void observe_link_event(void *ctx, const struct event *event)
{
    observe_event(ctx, event);
}

void observe_info_text(void *ctx, uint32_t link, const char *text, size_t len)
{
    struct daemon *d = ctx;
    struct info_copy *copy = &d->info[link & (INFO_SLOTS - 1)];

    copy->link = link;
    copy->at = loop_now(d->loop);
    buf_clear(&copy->text);
    buf_append(&copy->text, text, len);
}

void observe_saved(void *ctx, uint64_t seq, bool ok, const char *why)
{
    struct daemon *d = ctx;
    struct event event = {.type = EVENT_PERSISTED, .now = loop_now(d->loop)};

    if (!ok && !d->disk_failing) {
        log_err("the state cannot be saved: %s; no vote is given and no failover is led until it "
                "can",
                why);
    } else if (ok && d->disk_failing) {
        log_notice("the state is saved again");
    }
    d->disk_failing = !ok;
    event.persisted.seq = seq;
    event.persisted.ok = ok;
    observe_event(d, &event);
}
