#include "pool/member_writer.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"

void writer_choice_init(struct writer_choice *c, const struct writer_rules *rules, msec_t now)
{
    ASSERT(rules->start_wait_ms >= 0 && rules->drain_ms >= 0);
    *c = (struct writer_choice){
        .rules = *rules,
        .started_ms = now,
        .agreed = MEMBER_NONE,
        .wanted = MEMBER_NONE,
        .writer = MEMBER_NONE,
        .previous = MEMBER_NONE,
        .why = rules->may_pick_alone ? WRITER_WHY_START : WRITER_WHY_UNAGREED,
    };
    if (rules->start_wait_ms == 0) {
        c->rules.start_wait_ms = WRITER_START_WAIT_MS;
    }
}

/* ---- what was heard ---- */

bool writer_choice_told(struct writer_choice *c, uint64_t term, int member, bool is_planned)
{
    ASSERT(member >= MEMBER_NONE && member < MEMBERS_MAX);
    if (term == 0 || term < c->term) {
        return false;
    }
    if (term == c->term) {
        bool is_lower = member != MEMBER_NONE && (c->agreed == MEMBER_NONE || member < c->agreed);
        if (!is_lower) {
            return false;
        }
        is_planned = false; /* of two words at least one is wrong: nothing finishes on it */
    }
    c->term = term;
    c->agreed = member;
    c->is_planned = is_planned;
    c->wanted = MEMBER_NONE;
    if (!is_planned) {
        /* What was left before in peace may not finish either: two members would be written to. */
        memset(c->finish_ms, 0, sizeof(c->finish_ms));
    }
    return true;
}

static bool writer_is_alone(const struct writer_choice *c)
{
    return c->term == 0 && c->rules.may_pick_alone;
}

/* ---- who is the best ---- */

static bool writer_is_before(const struct choice_member *members, size_t a, size_t b)
{
    if (members[a].priority != members[b].priority) {
        return members[a].priority < members[b].priority;
    }
    return a < b;
}

static bool writer_may_be(const struct choice_member *member)
{
    return !member->is_drained && member->priority != MEMBER_PRIORITY_NEVER;
}

/* The first in rank that has the verdict. */
static int writer_first(const struct choice_member *members, size_t count, enum verdict verdict)
{
    int first = MEMBER_NONE;

    for (size_t i = 0; i < count; i++) {
        if (writer_may_be(&members[i]) && members[i].verdict == verdict &&
            (first == MEMBER_NONE || writer_is_before(members, i, (size_t)first))) {
            first = (int)i;
        }
    }
    return first;
}

static int writer_best(const struct choice_member *members, size_t count)
{
    int ready = writer_first(members, count, VERDICT_READY);

    return ready != MEMBER_NONE ? ready : writer_first(members, count, VERDICT_AVOID);
}

/* Could one that was not probed yet turn out to be the best? A first pick that does not wait for it
 * would hang on whose answer came first, and two routers would differ. */
static bool writer_must_wait(const struct writer_choice *c, const struct choice_member *members,
                             size_t count, msec_t now)
{
    int unknown = writer_first(members, count, VERDICT_UNKNOWN);
    int ready = writer_first(members, count, VERDICT_READY);

    return c->writer == MEMBER_NONE && c->previous == MEMBER_NONE &&
           now - c->started_ms < c->rules.start_wait_ms && unknown != MEMBER_NONE &&
           (ready == MEMBER_NONE || writer_is_before(members, (size_t)unknown, (size_t)ready));
}

static bool writer_is_index(int i, size_t count)
{
    return i >= 0 && (size_t)i < count;
}

/* May it stay where it is? UNKNOWN is a writer whose probe was set up anew. */
static bool writer_may_stay(const struct writer_choice *c, const struct choice_member *members,
                            size_t count, int i)
{
    return writer_is_index(i, count) &&
           (choice_is_usable(&members[i]) ||
            (c->writer == i && members[i].verdict == VERDICT_UNKNOWN && !members[i].is_drained));
}

/* Is another one better, so much that the writer, who can serve, is left? */
static bool writer_is_outdone(const struct choice_member *members, size_t count, int writer)
{
    return members[writer].verdict == VERDICT_AVOID &&
           writer_first(members, count, VERDICT_READY) != MEMBER_NONE;
}

/* ---- a switchover ---- */

bool writer_choice_may_switch(const struct writer_choice *c, const struct choice_member *members,
                              size_t count, size_t to, struct err *why)
{
    ASSERT(to < count && count <= MEMBERS_MAX);
    const struct choice_member *member = &members[to];

    if (member->is_drained) {
        return err_set(why, "%s is drained: undrain it first", member->name);
    }
    if (!verdict_serves(member->verdict)) {
        return err_set(why, "%s cannot be the writer now, it is %s: %s", member->name,
                       verdict_text(member->verdict), member->reason);
    }
    if (c->writer == (int)to) {
        return err_set(why, "%s is the writer already", member->name);
    }
    if (writer_is_outdone(members, count, (int)to)) {
        return err_set(why, "%s serves, but others are ready and it is not (%s): wait until it is",
                       member->name, member->reason);
    }
    return true;
}

void writer_choice_switch(struct writer_choice *c, size_t to)
{
    ASSERT(writer_is_alone(c) && to < MEMBERS_MAX);
    c->wanted = (int)to;
}

/* ---- the two ways to a writer ---- */

struct writer_pick {
    int writer;
    enum writer_why why;
};

static struct writer_pick writer_pick_alone(struct writer_choice *c,
                                            const struct choice_member *members, size_t count,
                                            msec_t now)
{
    int wanted = c->wanted;

    c->wanted = MEMBER_NONE;
    if (writer_is_index(wanted, count) && choice_is_usable(&members[wanted]) &&
        !writer_is_outdone(members, count, wanted)) {
        return (struct writer_pick){wanted, WRITER_WHY_SWITCHED};
    }
    if (writer_may_stay(c, members, count, c->writer) &&
        !writer_is_outdone(members, count, c->writer)) {
        return (struct writer_pick){c->writer, c->why};
    }
    if (writer_must_wait(c, members, count, now)) {
        return (struct writer_pick){MEMBER_NONE, WRITER_WHY_START};
    }
    int best = writer_best(members, count);
    if (best == MEMBER_NONE) {
        return (struct writer_pick){MEMBER_NONE, WRITER_WHY_NOBODY};
    }
    return (struct writer_pick){best, members[best].verdict == VERDICT_READY ? WRITER_WHY_BEST
                                                                             : WRITER_WHY_LEFT};
}

static struct writer_pick writer_pick_agreed(const struct writer_choice *c,
                                             const struct choice_member *members, size_t count)
{
    if (c->term == 0) {
        return (struct writer_pick){MEMBER_NONE, WRITER_WHY_UNAGREED};
    }
    if (!writer_is_index(c->agreed, count)) {
        return (struct writer_pick){MEMBER_NONE, WRITER_WHY_UNKNOWN};
    }
    if (!writer_may_stay(c, members, count, c->agreed)) {
        return (struct writer_pick){MEMBER_NONE, WRITER_WHY_UNFIT};
    }
    return (struct writer_pick){c->agreed, WRITER_WHY_AGREED};
}

static void writer_propose(const struct writer_choice *c, const struct choice_member *members,
                           size_t count, msec_t now, struct writer_decision *decision)
{
    int agreed = c->term > 0 ? c->agreed : MEMBER_NONE;
    int best = writer_best(members, count);

    decision->proposal = MEMBER_NONE;
    if (best == MEMBER_NONE ||
        (decision->writer != MEMBER_NONE && !writer_is_outdone(members, count, decision->writer)) ||
        (c->term == 0 && writer_must_wait(c, members, count, now)) ||
        /* told, and not probed yet: not known to be unfit */
        (writer_is_index(agreed, count) && !members[agreed].is_drained &&
         members[agreed].verdict == VERDICT_UNKNOWN &&
         now - c->started_ms < c->rules.start_wait_ms)) {
        return;
    }
    decision->proposal = best;
    decision->is_proposal_planned =
        writer_is_index(agreed, count) && verdict_serves(members[agreed].verdict);
}

/* ---- what becomes of the connections ---- */

/* Left while it served: by a switchover, a drain, or for a better one. The word of the others that
 * it is lost counts more than that we can reach it. */
static bool writer_is_planned(const struct writer_choice *c, int old)
{
    return writer_is_alone(c) || old == c->agreed || c->is_planned;
}

static void writer_leave(struct writer_choice *c, int old, msec_t now)
{
    if (writer_is_planned(c, old)) {
        c->finish_ms[old] = now + c->rules.drain_ms;
    }
}

static uint32_t writer_stay_set(struct writer_choice *c, const struct choice_member *members,
                                size_t count, msec_t now)
{
    uint32_t set = c->writer != MEMBER_NONE ? UINT32_C(1) << c->writer : 0;

    for (size_t i = 0; i < MEMBERS_MAX; i++) {
        bool is_over = i >= count || c->finish_ms[i] <= now || c->writer == (int)i ||
                       !verdict_serves(members[i].verdict);
        if (is_over) {
            c->finish_ms[i] = 0;
        } else {
            set |= UINT32_C(1) << i;
        }
    }
    return set;
}

struct writer_decision writer_choice_judge(struct writer_choice *c,
                                           const struct choice_member *members, size_t count,
                                           msec_t now)
{
    ASSERT(count <= MEMBERS_MAX);
    bool is_alone = writer_is_alone(c);
    int old = c->writer;
    struct writer_pick pick = is_alone ? writer_pick_alone(c, members, count, now)
                                       : writer_pick_agreed(c, members, count);
    struct writer_decision decision = {.writer = pick.writer, .proposal = MEMBER_NONE};

    c->writer = pick.writer;
    c->why = pick.why;
    if (pick.writer != old && old != MEMBER_NONE) {
        c->previous = old;
        writer_leave(c, old, now);
    }
    if (pick.writer == MEMBER_NONE) {
        decision.outcome = WRITER_NONE;
    } else if (pick.writer == old) {
        decision.outcome = WRITER_KEEP;
    } else {
        decision.outcome = WRITER_MOVED;
        c->generation++;
    }
    decision.stay_set = writer_stay_set(c, members, count, now);
    if (!is_alone) {
        writer_propose(c, members, count, now, &decision);
    }
    return decision;
}

msec_t writer_choice_next(const struct writer_choice *c, msec_t now)
{
    msec_t next = MSEC_NEVER;
    msec_t started = c->started_ms + c->rules.start_wait_ms;

    if (c->writer == MEMBER_NONE && started > now) {
        next = started;
    }
    for (size_t i = 0; i < MEMBERS_MAX; i++) {
        if (c->finish_ms[i] > now && c->finish_ms[i] < next) {
            next = c->finish_ms[i];
        }
    }
    return next;
}

/* ---- a reload ---- */

static int writer_renumbered(int i, const int to[MEMBERS_MAX])
{
    ASSERT(i < MEMBERS_MAX);
    return i == MEMBER_NONE ? MEMBER_NONE : to[i];
}

void writer_choice_renumber(struct writer_choice *c, const int to[MEMBERS_MAX])
{
    msec_t finish_ms[MEMBERS_MAX] = {0};

    for (size_t i = 0; i < MEMBERS_MAX; i++) {
        ASSERT(to[i] >= MEMBER_NONE && to[i] < MEMBERS_MAX);
        if (to[i] != MEMBER_NONE) {
            finish_ms[to[i]] = c->finish_ms[i];
        }
    }
    memcpy(c->finish_ms, finish_ms, sizeof(finish_ms));
    c->agreed = writer_renumbered(c->agreed, to);
    c->wanted = writer_renumbered(c->wanted, to);
    c->writer = writer_renumbered(c->writer, to);
    c->previous = writer_renumbered(c->previous, to);
}

/* ---- in words ---- */

static void writer_explain_member(const struct choice_member *member, struct buf *out)
{
    buf_printf(out, "%s is %s", member->name,
               member->is_drained ? "drained by the operator" : verdict_text(member->verdict));
    if (!member->is_drained && member->verdict != VERDICT_UNKNOWN && member->reason != NULL &&
        member->reason[0] != '\0') {
        buf_printf(out, ": %s", member->reason);
    }
}

static void writer_explain_why(const struct writer_choice *c, const struct choice_member *members,
                               size_t count, struct buf *out)
{
    const char *name = writer_is_index(c->writer, count) ? members[c->writer].name : "nobody";

    switch (c->why) {
    case WRITER_WHY_START:
        buf_append_text(out, "no writer yet: not every member was probed; ");
        choice_explain_none(members, count, out);
        return;
    case WRITER_WHY_NOBODY:
        buf_append_text(out, "no writer: ");
        choice_explain_none(members, count, out);
        return;
    case WRITER_WHY_UNAGREED:
        buf_append_text(out, "no writer: the monitors have not agreed on one yet");
        return;
    case WRITER_WHY_UNFIT:
        buf_append_text(out, "no writer: ");
        if (writer_is_index(c->agreed, count)) {
            writer_explain_member(&members[c->agreed], out);
        }
        buf_printf(out, ", and no other was agreed since term %" PRIu64, c->term);
        return;
    case WRITER_WHY_UNKNOWN:
        buf_printf(out,
                   "no writer: the one agreed in term %" PRIu64 " is not in this node's site "
                   "file: give every node the same file",
                   c->term);
        return;
    case WRITER_WHY_AGREED:
        buf_printf(out, "%s, agreed in term %" PRIu64, name, c->term);
        return;
    case WRITER_WHY_BEST:
        buf_printf(out, "%s, the first by priority of the members that are ready", name);
        return;
    case WRITER_WHY_LEFT:
        buf_printf(out, "%s, since no member is ready", name);
        return;
    case WRITER_WHY_SWITCHED:
        buf_printf(out, "%s, by switchover", name);
        return;
    }
    UNREACHABLE("a reason");
}

void writer_choice_explain(const struct writer_choice *c, const struct choice_member *members,
                           size_t count, struct buf *out)
{
    writer_explain_why(c, members, count, out);
    if (c->writer != MEMBER_NONE && writer_is_index(c->previous, count) &&
        c->previous != c->writer) {
        buf_append_text(out, "; before: ");
        writer_explain_member(&members[c->previous], out);
    }
}
