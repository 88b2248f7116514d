#include "probe/probe.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/text.h"
#include "probe/probe_inside.h"

enum { PROBE_JITTER_MAX_PERCENT = 50 };

/* ---- when ---- */

static msec_t probe_jittered(struct probe *p, msec_t ms)
{
    msec_t span = ms * p->jitter_percent / 100;

    if (span == 0) {
        return ms;
    }
    return ms - span + (msec_t)prng_below(&p->chance, (uint64_t)(2 * span + 1));
}

static void probe_begin(struct probe *p)
{
    ASSERT(!p->is_running);
    p->is_running = true;
    p->began_ms = loop_now(p->loop);
    p->snapshot.can_read = false;
    p->snapshot.has_galera = false;
    p->snapshot.http_status = 0;
    loop_timer_clear(p->begin_timer);
    loop_timer_at(p->late_timer, p->began_ms + p->timeout_ms);
    p->ops->start(p->kind); /* may finish it, and p may be gone */
}

static void probe_on_begin(void *ctx)
{
    probe_begin(ctx);
}

void probe_now(struct probe *p)
{
    if (!p->is_running) {
        loop_timer_at(p->begin_timer, loop_now(p->loop));
    }
}

void probe_early(struct probe *p)
{
    msec_t now = loop_now(p->loop);
    msec_t at = p->early_ms + p->every_ms;

    if (p->is_running || at > now) {
        return; /* the next one has its time already */
    }
    p->early_ms = now;
    loop_timer_at(p->begin_timer, now);
}

void probe_pause(struct probe *p, msec_t max_ms)
{
    p->pause_ms = p->pause_ms == 0 ? p->every_ms : p->pause_ms * 2;
    if (p->pause_ms > max_ms) {
        p->pause_ms = max_ms;
    }
}

void probe_calm(struct probe *p)
{
    p->pause_ms = 0;
}

/* ---- the end of one ---- */

void probe_finish(struct probe *p, const struct evidence *evidence)
{
    msec_t now = loop_now(p->loop);
    msec_t wait = p->pause_ms > p->every_ms ? p->pause_ms : p->every_ms;
    msec_t next = p->began_ms + probe_jittered(p, wait);
    struct evidence told = *evidence;

    ASSERT(p->is_running);
    p->is_running = false;
    loop_timer_clear(p->late_timer);
    loop_timer_at(p->begin_timer, next > now ? next : now);
    told.took_ms = now - p->began_ms;
    p->snapshot.probes++;
    p->on_evidence(p->ctx, &told, &p->snapshot); /* p may be gone */
}

void probe_conclude(struct probe *p, enum verdict verdict, const char *format, ...)
{
    struct evidence evidence = {.verdict = verdict};
    va_list args;

    va_start(args, format);
    (void)vsnprintf(evidence.reason, sizeof(evidence.reason), format, args); /* may be cut */
    va_end(args);
    probe_finish(p, &evidence);
}

static void probe_on_late(void *ctx)
{
    struct probe *p = ctx;
    struct evidence evidence = {.verdict = VERDICT_UNREACHABLE, .is_timeout = true};

    (void)snprintf(evidence.reason, sizeof(evidence.reason), "no answer within %lld ms (%s)",
                   (long long)p->timeout_ms, p->ops->waits_for(p->kind)); /* it fits */
    p->ops->cancel(p->kind);
    probe_finish(p, &evidence);
}

/* ---- beginning and end ---- */

static bool probe_check(const struct probe_plan *plan, struct err *err)
{
    if (plan->address->ip[0] == '\0' || plan->address->port == 0) {
        return err_set(err, "a probe needs a numeric address and a port");
    }
    if (plan->every_ms < 1 || plan->timeout_ms < 1) {
        return err_set(err, "a probe's interval and timeout are at least 1 ms");
    }
    if (plan->jitter_percent < 0 || plan->jitter_percent > PROBE_JITTER_MAX_PERCENT) {
        return err_set(err, "a probe's jitter is between 0 and %d percent",
                       PROBE_JITTER_MAX_PERCENT);
    }
    return true;
}

static const struct probe_ops *probe_ops_of(enum probe_kind kind)
{
    switch (kind) {
    case PROBE_GALERA:
    case PROBE_MYSQL:
        return &probe_sql_ops;
    case PROBE_HTTP:
        return &probe_http_ops;
    case PROBE_TCP:
        return &probe_tcp_ops;
    }
    UNREACHABLE("a kind of no name");
}

struct probe *probe_create(struct loop *loop, const struct probe_plan *plan, probe_call on_evidence,
                           void *ctx, struct err *err)
{
    struct probe *p = memory_zeroed(sizeof(*p));
    uint64_t seed;

    loop_random(&seed, sizeof(seed));
    prng_init(&p->chance, seed);
    p->loop = loop;
    p->ops = probe_ops_of(plan->kind);
    p->address = *plan->address;
    p->every_ms = plan->every_ms;
    p->timeout_ms = plan->timeout_ms;
    p->jitter_percent = plan->jitter_percent;
    p->on_evidence = on_evidence;
    p->ctx = ctx;
    p->early_ms = loop_now(loop) - p->every_ms;
    p->snapshot.kind = plan->kind;
    galera_status_init(&p->snapshot.galera);
    p->begin_timer = loop_timer_create(loop, probe_on_begin, p);
    p->late_timer = loop_timer_create(loop, probe_on_late, p);
    p->kind = probe_check(plan, err) ? p->ops->create(p, plan, err) : NULL;
    if (p->kind == NULL) {
        probe_destroy(p);
        return NULL;
    }
    probe_now(p);
    return p;
}

void probe_destroy(struct probe *p)
{
    if (p == NULL) {
        return;
    }
    if (p->kind != NULL) {
        p->ops->destroy(p->kind);
    }
    loop_timer_destroy(p->begin_timer);
    loop_timer_destroy(p->late_timer);
    free(p);
}
