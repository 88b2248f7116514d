#include "failover/core.h"

/*
 * This process was not running for a while: a paused machine, a stopped process, a suspended
 * laptop. Silence in that time is ours, not theirs: every timer starts again from now. Sentinel
 * measures by the wall clock and then refuses to act for 30 s (TILT); our clock is monotonic, so a
 * short TILT is enough in which the answers that wait in the sockets are read before anything is
 * decided.
 */

static msec_t tilt_shift(const struct failover *f, msec_t at, msec_t late_ms)
{
    if (at == 0) {
        return 0;
    }
    return at + late_ms < f->now ? at + late_ms : f->now;
}

/* What peers thought before the pause says nothing about now; they are asked again. */
static void tilt_forget_opinions(struct failover *f)
{
    for (uint32_t n = 0; n < f->masters_count; n++) {
        struct master *m = f->order[n];
        for (uint32_t p = 0; p < m->peers_count; p++) {
            m->peers[p]->master_down = false;
            m->peers[p]->ask_waiting = false;
        }
    }
}

void tilt_notice(struct failover *f, msec_t late_ms)
{
    for (uint32_t n = 0; n < f->channels_max; n++) {
        struct channel *c = &f->channels[n];
        if (c->id != 0) {
            c->valid_at = tilt_shift(f, c->valid_at, late_ms);
            c->silent_since = tilt_shift(f, c->silent_since, late_ms);
            c->refused_since = tilt_shift(f, c->refused_since, late_ms);
            c->waiting_since = tilt_shift(f, c->waiting_since, late_ms);
            agenda_sooner(f, &c->turn, f->now);
        }
    }
    for (uint32_t n = 0; n < f->masters_count; n++) {
        struct master *m = f->order[n];
        m->rebooted_at = tilt_shift(f, m->rebooted_at, late_ms);
        m->phase_since = tilt_shift(f, m->phase_since, late_ms);
        m->started_at = tilt_shift(f, m->started_at, late_ms);
        m->self->role_since = tilt_shift(f, m->self->role_since, late_ms);
        master_wake(f, m);
    }
    if (late_ms <= f->tuning.tilt_trigger) {
        return;
    }
    tilt_forget_opinions(f);
    if (!f->tilt) {
        f->tilt = true;
        f->tilt_total++;
        note_plain(f, 0, NOTE_TILT, NULL, "#tilt mode entered");
    }
    f->tilt_since = f->now;
    action_log(f, NOTE_WARNING, "this process did not run for %lld ms -> every timer starts again",
               (long long)late_ms);
}

void tilt_turn(struct failover *f)
{
    if (f->tilt && f->now - f->tilt_since >= f->tuning.tilt_period) {
        f->tilt = false;
        note_plain(f, 0, NOTE_TILT_END, NULL, "#tilt mode exited");
        for (uint32_t n = 0; n < f->masters_count; n++) {
            /* Our own opinion first: the one of before the pause must not make an ODOWN now. */
            judge_instance(f, f->order[n]->self);
            master_wake(f, f->order[n]);
        }
    }
}
