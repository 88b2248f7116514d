/* Clients that wait for a member, the one that waits longest first. */
#include "loop/log.h"
#include "router/tcp_inside.h"

bool tcp_held_add(struct tcp_worker *w, struct tcp_link *l)
{
    struct tcp_link *before = w->held_last;

    ASSERT(l->phase != TCP_PHASE_HELD);
    if (tcp_shared_add(&w->shared->held) > w->plan->held_max) {
        tcp_shared_sub(&w->shared->held);
        return false;
    }
    while (before != NULL && before->since_ms > l->since_ms) { /* one that tried in between */
        before = before->before_held;
    }
    l->before_held = before;
    l->next_held = before == NULL ? w->held_first : before->next_held;
    *(before == NULL ? &w->held_first : &before->next_held) = l;
    *(l->next_held == NULL ? &w->held_last : &l->next_held->before_held) = l;
    l->phase = TCP_PHASE_HELD;
    if (!l->was_held) {
        l->was_held = true;
        TCP_COUNT(&w->counts, held_total, 1);
    }
    if (l->tried != 0 && w->retry_at_ms == MSEC_NEVER) {
        w->retry_at_ms = tcp_worker_now(w) + TCP_RETRY_MS;
    }
    tcp_worker_tick_by(w, tcp_held_next(w));
    return true;
}

void tcp_held_remove(struct tcp_worker *w, struct tcp_link *l)
{
    *(l->before_held == NULL ? &w->held_first : &l->before_held->next_held) = l->next_held;
    *(l->next_held == NULL ? &w->held_last : &l->next_held->before_held) = l->before_held;
    l->next_held = NULL;
    l->before_held = NULL;
    tcp_shared_sub(&w->shared->held);
}

void tcp_held_release(struct tcp_worker *w, bool forgives)
{
    struct tcp_link *next = NULL;

    if (forgives) {
        w->retry_at_ms = MSEC_NEVER;
    }
    for (struct tcp_link *l = w->held_first; l != NULL; l = next) {
        next = l->next_held; /* l may be held again, then before it */
        l->tried = forgives ? 0 : l->tried;
        tcp_link_try(l);
    }
}

void tcp_held_expire(struct tcp_worker *w, msec_t now_ms)
{
    uint64_t expired = 0;

    while (w->held_first != NULL && now_ms - w->held_first->since_ms >= w->plan->hold_ms) {
        expired++;
        tcp_link_reset(w->held_first);
    }
    TCP_COUNT(&w->counts, held_expired, expired);
    if (expired > 0 && tcp_worker_may_tell(w)) {
        log_warning("%s: a client waited %lld ms in vain: no member takes connections",
                    w->plan->name, (long long)w->plan->hold_ms);
    }
}

void tcp_held_forget_gone(struct tcp_worker *w)
{
    struct tcp_link *next = NULL;

    for (struct tcp_link *l = w->held_first; l != NULL; l = next) {
        next = l->next_held;
        if (tcp_link_has_left(l)) {
            tcp_link_close(l);
        }
    }
}

msec_t tcp_held_next(const struct tcp_worker *w)
{
    if (w->held_first == NULL) {
        return MSEC_NEVER;
    }
    msec_t expires_at_ms = w->held_first->since_ms + w->plan->hold_ms;
    return w->retry_at_ms < expires_at_ms ? w->retry_at_ms : expires_at_ms;
}
