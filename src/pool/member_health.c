#include "pool/member_health.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/text.h"

_Static_assert(HEALTH_FLAP_DEFAULT <= HEALTH_FLAP_MAX, "the default must be within the bound");

struct health_rules health_rules_reported(void)
{
    return (struct health_rules){
        .rise = 1, .fall = 1, .timeout_fall = 2, .flap_max = HEALTH_FLAP_DEFAULT};
}

struct health_rules health_rules_observed(void)
{
    return (struct health_rules){
        .rise = 2, .fall = 3, .timeout_fall = 3, .flap_max = HEALTH_FLAP_DEFAULT};
}

void member_health_set_rules(struct member_health *h, const struct health_rules *rules)
{
    struct health_rules usual = health_rules_reported();

    ASSERT(rules->rise <= HEALTH_COUNT_MAX && rules->fall <= HEALTH_COUNT_MAX &&
           rules->timeout_fall <= HEALTH_COUNT_MAX && rules->flap_max <= HEALTH_FLAP_MAX);
    ASSERT(rules->slow_start_ms >= 0 && rules->slow_start_ms <= HEALTH_SLOW_START_MAX_MS);
    h->rules = *rules;
    h->rules.rise = rules->rise > 0 ? rules->rise : usual.rise;
    h->rules.fall = rules->fall > 0 ? rules->fall : usual.fall;
    h->rules.timeout_fall = rules->timeout_fall > 0 ? rules->timeout_fall : usual.timeout_fall;
    h->rules.flap_max = rules->flap_max > 0 ? rules->flap_max : usual.flap_max;
}

void member_health_init(struct member_health *h, const struct health_rules *rules)
{
    *h = (struct member_health){.warm_from_ms = MSEC_NEVER};
    text_cut(h->reason, sizeof(h->reason), "not probed yet");
    member_health_set_rules(h, rules);
}

/* ---- counting ---- */

static uint32_t health_more(uint32_t count)
{
    return count < UINT32_MAX ? count + 1 : count;
}

static void health_count(struct member_health *h, const struct evidence *evidence)
{
    bool is_ready = evidence->verdict == VERDICT_READY;
    bool is_serving = verdict_serves(evidence->verdict);
    bool is_late = !is_serving && evidence->is_timeout;

    h->in_row = evidence->verdict == h->last.verdict ? health_more(h->in_row) : 1;
    h->last = *evidence;
    h->ready = is_ready ? health_more(h->ready) : 0;
    h->serving = is_serving ? health_more(h->serving) : 0;
    if (is_ready) {
        h->lesser = 0;
    } else if (!is_late) {
        h->lesser = health_more(h->lesser);
    }
    if (is_serving) {
        h->failing = 0;
        h->late = 0;
    } else if (is_late) {
        h->late = health_more(h->late);
    } else {
        h->failing = health_more(h->failing);
    }
}

static bool health_is_down(const struct member_health *h)
{
    const struct health_rules *rules = &h->rules;
    uint32_t either = rules->fall > rules->timeout_fall ? rules->fall : rules->timeout_fall;

    return h->failing >= rules->fall || h->late >= rules->timeout_fall ||
           (uint64_t)h->failing + h->late >= either;
}

/* What the counts say, before damping. */
static enum verdict health_counted(const struct member_health *h)
{
    const struct health_rules *rules = &h->rules;
    enum verdict last = h->last.verdict;

    if (h->counted == VERDICT_UNKNOWN) {
        return last;
    }
    if (verdict_serves(h->counted)) {
        if (health_is_down(h)) {
            return last;
        }
        if (h->counted == VERDICT_READY) {
            return h->lesser >= rules->fall ? VERDICT_AVOID : VERDICT_READY;
        }
        return h->ready >= rules->rise ? VERDICT_READY : VERDICT_AVOID;
    }
    if (h->ready >= rules->rise) {
        return VERDICT_READY;
    }
    if (h->serving >= rules->rise) {
        return VERDICT_AVOID;
    }
    if (!verdict_serves(last)) {
        /* From one way of not serving to the other: nothing hangs on it but the line in the log. */
        uint32_t needed = h->last.is_timeout ? rules->timeout_fall : rules->fall;
        return h->in_row >= needed ? last : h->counted;
    }
    return h->counted;
}

/* ---- damping ---- */

static void health_note_change(struct member_health *h, msec_t now)
{
    h->changes_ms[h->changes % COUNT_OF(h->changes_ms)] = now;
    h->changes++;
}

static bool health_is_flapping(const struct member_health *h, msec_t now)
{
    size_t back = h->rules.flap_max; /* the change this far back makes it more than flap_max */

    return !h->rules.is_undamped && h->changes > back &&
           now - h->changes_ms[(h->changes - 1 - back) % COUNT_OF(h->changes_ms)] <
               HEALTH_FLAP_WINDOW_MS;
}

static void health_explain(struct member_health *h)
{
    if (h->last.verdict != h->counted) {
        return;
    }
    if (h->is_damped) {
        /* It fits: HEALTH_REASON_MAX. */
        (void)snprintf(h->reason, sizeof(h->reason),
                       "up or down more than %u times within a minute: others first for now; %s",
                       h->rules.flap_max, h->last.reason);
    } else {
        text_cut(h->reason, sizeof(h->reason), h->last.reason);
    }
}

bool member_health_told(struct member_health *h, const struct evidence *evidence, msec_t now)
{
    enum verdict before = h->verdict;
    bool was_serving = verdict_serves(h->counted);
    bool is_first = h->counted == VERDICT_UNKNOWN;

    if (evidence->verdict == VERDICT_UNKNOWN) {
        if (is_first) {
            text_cut(h->reason, sizeof(h->reason), evidence->reason);
        }
        return false;
    }
    health_count(h, evidence);
    h->counted = health_counted(h);
    if (!is_first && verdict_serves(h->counted) != was_serving) {
        health_note_change(h, now);
        h->warm_from_ms = now; /* of use when it serves; set anew when it comes up */
    }
    if (h->counted != VERDICT_READY || evidence->verdict == VERDICT_READY) {
        h->is_damped = h->counted == VERDICT_READY && health_is_flapping(h, now);
    } /* else it failed once and has not fallen: no moment to be thought better of */
    h->verdict = h->is_damped ? VERDICT_AVOID : h->counted;
    health_explain(h);
    if (h->verdict == before) {
        return false;
    }
    h->since_ms = now;
    return true;
}

/* ---- beside the verdict ---- */

bool member_health_drain(struct member_health *h, bool is_drained, msec_t now)
{
    if (h->is_drained == is_drained) {
        return false;
    }
    h->is_drained = is_drained;
    h->drained_since_ms = now;
    if (!is_drained && verdict_serves(h->counted)) {
        h->warm_from_ms = now; /* it was worked on, and its caches are likely cold */
    }
    return true;
}

uint32_t member_health_permille(const struct member_health *h, msec_t now)
{
    msec_t whole = h->rules.slow_start_ms;
    msec_t warm = h->warm_from_ms == MSEC_NEVER ? whole : now - h->warm_from_ms;

    if (warm >= whole) {
        return HEALTH_PERMILLE;
    }
    if (warm <= 0) {
        return HEALTH_PERMILLE_FIRST;
    }
    return HEALTH_PERMILLE_FIRST +
           (uint32_t)((HEALTH_PERMILLE - HEALTH_PERMILLE_FIRST) * warm / whole);
}

bool verdict_serves(enum verdict verdict)
{
    return verdict == VERDICT_READY || verdict == VERDICT_AVOID;
}

const char *verdict_text(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_UNKNOWN:
        return "not probed yet";
    case VERDICT_READY:
        return "ready";
    case VERDICT_AVOID:
        return "avoid";
    case VERDICT_NOT_READY:
        return "not ready";
    case VERDICT_UNREACHABLE:
        return "unreachable";
    }
    UNREACHABLE("a verdict");
}
