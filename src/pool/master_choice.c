#include "pool/master_choice.h"

#include <string.h>

#include "base/assert.h"

void master_choice_init(struct master_choice *c, size_t monitors, msec_t silent_ms,
                        msec_t hold_max_ms)
{
    ASSERT(monitors > 0 && monitors <= CHOICE_MONITORS_MAX);
    *c = (struct master_choice){
        .monitors = monitors,
        .silent_ms = silent_ms,
        .hold_max_ms = hold_max_ms,
    };
}

/* ---- what is known ---- */

static bool choice_is_fresh(const struct master_choice *c, const struct choice_word *word,
                            msec_t now)
{
    return word->is_heard && now - word->at_ms <= c->silent_ms;
}

static struct choice_server *choice_server(struct master_choice *c, const struct addr *addr)
{
    for (size_t i = 0; i < c->servers_count; i++) {
        if (addr_same(&c->servers[i].addr, addr)) {
            return &c->servers[i];
        }
    }
    return NULL;
}

static enum choice_role choice_role_of(struct master_choice *c, const struct addr *addr)
{
    const struct choice_server *server = choice_server(c, addr);

    return server != NULL ? server->role : CHOICE_ROLE_UNKNOWN;
}

static bool choice_has_master(const struct master_choice *c)
{
    return addr_is_set(&c->route.master);
}

static bool choice_is_master(const struct master_choice *c, const struct addr *addr)
{
    return choice_has_master(c) && addr_same(&c->route.master, addr);
}

static uint64_t choice_newer(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* The newest epoch of which more is known than the word of one monitor, or on which we acted. */
static uint64_t choice_known_epoch(const struct master_choice *c)
{
    uint64_t known = c->has_agreed ? c->agreed_epoch : 0;

    if (c->is_early) {
        known = choice_newer(known, c->base_epoch);
    }
    return choice_newer(known, c->route.epoch);
}

static size_t choice_votes(const struct master_choice *c, const struct addr *addr,
                           uint64_t at_least, msec_t now)
{
    size_t votes = 0;

    for (size_t i = 0; i < c->monitors; i++) {
        const struct choice_word *word = &c->words[i];
        votes += choice_is_fresh(c, word, now) && addr_is_set(&word->master) &&
                 addr_same(&word->master, addr) && word->epoch >= at_least;
    }
    return votes;
}

/* Two addresses cannot both have a majority. Monitors learn of an epoch one after the other: the
 * majority's is the newest that a majority has reached, so that one alone cannot raise it. */
static void choice_count(struct master_choice *c, msec_t now)
{
    size_t majority = c->monitors / 2 + 1;

    c->answering = 0;
    c->has_agreed = false;
    for (size_t i = 0; i < c->monitors; i++) {
        const struct choice_word *word = &c->words[i];
        if (!choice_is_fresh(c, word, now)) {
            continue;
        }
        c->answering++;
        if (!addr_is_set(&word->master) ||
            choice_votes(c, &word->master, word->epoch, now) < majority) {
            continue;
        }
        if (!c->has_agreed || word->epoch > c->agreed_epoch) {
            c->has_agreed = true;
            c->agreed = word->master;
            c->agreed_epoch = word->epoch;
        }
    }
}

/* The newest word that goes beyond what is known; NULL when there is none. Before there was any
 * majority nothing is known that it could go beyond. */
static const struct choice_word *choice_claim(const struct master_choice *c, msec_t now)
{
    const struct choice_word *claim = NULL;
    uint64_t known = choice_known_epoch(c);

    if (!choice_has_master(c) && !c->has_agreed) {
        return NULL;
    }
    for (size_t i = 0; i < c->monitors; i++) {
        const struct choice_word *word = &c->words[i];
        if (choice_is_fresh(c, word, now) && addr_is_set(&word->master) && word->epoch > known &&
            !choice_is_master(c, &word->master)) {
            known = word->epoch;
            claim = word;
        }
    }
    return claim;
}

/* ---- masters of before ---- */

static void choice_forget_former(struct master_choice *c, const struct addr *addr)
{
    for (size_t i = 0; i < CHOICE_FORMER_MAX; i++) {
        if (addr_is_set(&c->former[i]) && addr_same(&c->former[i], addr)) {
            c->former[i] = (struct addr){0};
        }
    }
}

static void choice_add_former(struct master_choice *c, const struct addr *addr)
{
    choice_forget_former(c, addr);
    c->former[c->former_next] = *addr;
    c->former_next = (c->former_next + 1) % CHOICE_FORMER_MAX;
}

static bool choice_is_former(const struct master_choice *c, const struct addr *addr)
{
    for (size_t i = 0; i < CHOICE_FORMER_MAX; i++) {
        if (addr_is_set(&c->former[i]) && addr_same(&c->former[i], addr)) {
            return true;
        }
    }
    return false;
}

/* ---- what was heard ---- */

void master_choice_told(struct master_choice *c, size_t monitor, const struct addr *master,
                        uint64_t epoch, msec_t now)
{
    ASSERT(monitor < c->monitors);
    c->words[monitor] = (struct choice_word){
        .master = *master,
        .epoch = epoch,
        .at_ms = now,
        .is_heard = true,
    };
}

static struct choice_selected *choice_selected_slot(struct master_choice *c,
                                                    const struct addr *replica)
{
    struct choice_selected *slot = &c->selected[0];

    for (size_t i = 0; i < CHOICE_SELECTED_MAX; i++) {
        struct choice_selected *one = &c->selected[i];
        if (addr_is_set(&one->of) && addr_same(&one->replica, replica)) {
            return one;
        }
        if (addr_is_set(&slot->of) && (!addr_is_set(&one->of) || one->at_ms < slot->at_ms)) {
            slot = one;
        }
    }
    return slot;
}

/* A selection for another master than ours is that of a monitor that lives in the past, or lies. */
void master_choice_selected(struct master_choice *c, size_t monitor, const struct addr *of,
                            const struct addr *replica, msec_t now)
{
    ASSERT(monitor < c->monitors);
    bool is_ours = choice_is_master(c, of) || (c->has_agreed && addr_same(&c->agreed, of));

    if (!is_ours || choice_is_master(c, replica) || addr_same(of, replica)) {
        return;
    }
    struct choice_selected *slot = choice_selected_slot(c, replica);
    bool is_known = addr_is_set(&slot->of) && addr_same(&slot->replica, replica);
    if (!is_known) {
        *slot = (struct choice_selected){.at_ms = now};
    }
    slot->replica = *replica;
    slot->of = *of;
    slot->monitor = monitor;
    slot->base_epoch = choice_known_epoch(c);
    if (now >= c->pause_until_ms[monitor] && !is_known) {
        slot->is_holding = true;
        c->hold_until_ms = c->hold_until_ms != 0 ? c->hold_until_ms : now + c->hold_max_ms;
    }
}

void master_choice_aborted(struct master_choice *c, size_t monitor)
{
    ASSERT(monitor < c->monitors);
    for (size_t i = 0; i < CHOICE_SELECTED_MAX; i++) {
        if (c->selected[i].monitor == monitor) {
            c->selected[i] = (struct choice_selected){0};
        }
    }
    if (c->is_early && c->early_by == monitor) {
        c->is_given_up = true;
    }
}

void master_choice_role(struct master_choice *c, const struct addr *addr, enum choice_role role,
                        msec_t now)
{
    struct choice_server *server = choice_server(c, addr);

    if (server == NULL) {
        return;
    }
    if (role == CHOICE_ROLE_NONE && server->role != CHOICE_ROLE_NONE) {
        server->silent_since_ms = now;
    }
    server->role = role;
    if (role == CHOICE_ROLE_REPLICA) {
        choice_forget_former(c, addr);
    }
}

/* ---- selections ---- */

static bool choice_is_outdated(const struct master_choice *c, const struct choice_selected *s,
                               msec_t now)
{
    if (now - s->at_ms >= CHOICE_SELECTED_MS) {
        return true;
    }
    if (!c->has_agreed || addr_same(&c->agreed, &s->of) || addr_same(&c->agreed, &s->replica)) {
        return false;
    }
    return c->agreed_epoch > s->base_epoch || !choice_is_master(c, &s->of);
}

static void choice_drop_outdated(struct master_choice *c, msec_t now)
{
    for (size_t i = 0; i < CHOICE_SELECTED_MAX; i++) {
        struct choice_selected *s = &c->selected[i];
        if (addr_is_set(&s->of) && choice_is_outdated(c, s, now)) {
            *s = (struct choice_selected){0};
        }
    }
}

static bool choice_is_holding(const struct master_choice *c)
{
    for (size_t i = 0; i < CHOICE_SELECTED_MAX; i++) {
        if (c->selected[i].is_holding) {
            return true;
        }
    }
    return false;
}

/* The selection stays: its server may still become a master. But nobody waits for it any more, and
 * the same monitor cannot stop the writes again and again. */
static void choice_end_hold(struct master_choice *c, msec_t now)
{
    for (size_t i = 0; i < CHOICE_SELECTED_MAX; i++) {
        struct choice_selected *s = &c->selected[i];
        if (s->is_holding) {
            s->is_holding = false;
            c->pause_until_ms[s->monitor] = now + CHOICE_HOLD_PAUSE_MS;
        }
    }
    c->hold_until_ms = 0;
}

/* The newest selection that came true. */
static const struct choice_selected *choice_promoted(struct master_choice *c)
{
    const struct choice_selected *found = NULL;

    for (size_t i = 0; i < CHOICE_SELECTED_MAX; i++) {
        const struct choice_selected *s = &c->selected[i];
        if (addr_is_set(&s->of) && !choice_is_former(c, &s->replica) &&
            choice_role_of(c, &s->replica) == CHOICE_ROLE_MASTER &&
            (found == NULL || s->at_ms > found->at_ms)) {
            found = s;
        }
    }
    return found;
}

/* ---- the majority against the master ---- */

/* True when an early master is no good, and what the majority knew before holds again. */
static bool choice_early_failed(struct master_choice *c, msec_t now)
{
    const struct choice_server *server = choice_server(c, &c->route.master);

    if (server == NULL) {
        return false;
    }
    bool is_given_up = c->is_given_up || now - c->route.since_ms >= CHOICE_SELECTED_MS;
    return server->role == CHOICE_ROLE_REPLICA ||
           (is_given_up && server->role == CHOICE_ROLE_NONE &&
            now - server->silent_since_ms >= c->hold_max_ms);
}

/* True when the majority names another master than ours and must be followed. */
static bool choice_majority_differs(struct master_choice *c, msec_t now)
{
    bool is_newer = false;

    if (!c->has_agreed || !choice_has_master(c) || choice_is_master(c, &c->agreed)) {
        c->rewound_at_ms = 0;
        return false;
    }
    if (c->is_early) {
        return c->agreed_epoch > c->base_epoch || choice_early_failed(c, now);
    }
    is_newer = c->agreed_epoch >= c->route.epoch;
    if (is_newer || choice_role_of(c, &c->route.master) == CHOICE_ROLE_REPLICA) {
        return true;
    }
    if (c->rewound_at_ms == 0) { /* SENTINEL REMOVE and MONITOR begin again with epoch 0 */
        c->rewound_at_ms = now;
    }
    return now - c->rewound_at_ms >= CHOICE_REWIND_MS;
}

/* A master that a majority has replaced stays replaced when the majority falls silent. */
static void choice_note_deposed(struct master_choice *c, msec_t now)
{
    bool differs = choice_majority_differs(c, now);

    if (differs) {
        c->deposed_at_ms = c->is_deposed ? c->deposed_at_ms : now;
        c->is_deposed = true;
        c->successor = c->agreed;
        c->successor_epoch = c->agreed_epoch;
    } else if (c->has_agreed) {
        c->is_deposed = false;
    }
}

static bool choice_is_contradicted(const struct master_choice *c, msec_t now)
{
    for (size_t i = 0; i < c->monitors; i++) {
        const struct choice_word *word = &c->words[i];
        if (choice_is_fresh(c, word, now) && addr_is_set(&word->master) &&
            !choice_is_master(c, &word->master)) {
            return true;
        }
    }
    return false;
}

/* ---- the route ---- */

static void choice_set(struct master_choice *c, enum choice_state state, enum choice_why why,
                       msec_t now)
{
    if (state != CHOICE_NONE && c->route.state == CHOICE_NONE) {
        c->route.generation++;
    }
    c->route.state = state;
    c->route.why = why;
    c->route.since_ms = now;
}

static void choice_take(struct master_choice *c, const struct addr *master, enum choice_why why,
                        uint64_t epoch, msec_t now)
{
    struct addr to = *master; /* it may stand in what is cleared below */
    uint64_t known = choice_known_epoch(c);

    if (c->has_agreed && addr_same(&c->agreed, &to)) { /* there is nothing early about it */
        why = CHOICE_WHY_MAJORITY;
        epoch = c->agreed_epoch;
    }

    if (choice_has_master(c) && choice_role_of(c, &c->route.master) != CHOICE_ROLE_REPLICA) {
        choice_add_former(c, &c->route.master);
    }
    c->route.generation += c->route.state != CHOICE_NONE; /* else choice_set() does */
    c->route.master = to;
    c->route.epoch = epoch;
    c->is_early = why != CHOICE_WHY_MAJORITY;
    c->is_given_up = false;
    c->base_epoch = known;
    c->is_deposed = false;
    c->rewound_at_ms = 0;
    for (size_t i = 0; i < CHOICE_SELECTED_MAX; i++) {
        if (!addr_is_set(&c->selected[i].of) || !addr_same(&c->selected[i].of, &to)) {
            c->selected[i] = (struct choice_selected){0};
        }
    }
    choice_set(c, choice_is_holding(c) ? CHOICE_HOLD : CHOICE_OPEN, why, now);
}

/* True when another server became the master. What is newest is looked at first. */
static bool choice_take_another(struct master_choice *c, msec_t now)
{
    const struct choice_selected *promoted = choice_promoted(c);
    const struct choice_word *claim = choice_claim(c, now);

    if (promoted != NULL) {
        c->early_by = promoted->monitor;
        choice_take(c, &promoted->replica, CHOICE_WHY_SELECTED, 0, now);
        return true;
    }
    if (claim != NULL && !choice_is_former(c, &claim->master) &&
        choice_role_of(c, &claim->master) == CHOICE_ROLE_MASTER) {
        c->early_by = (size_t)(claim - c->words);
        choice_take(c, &claim->master, CHOICE_WHY_NEWER, claim->epoch, now);
        return true;
    }
    if (c->is_deposed && choice_role_of(c, &c->successor) == CHOICE_ROLE_MASTER) {
        choice_take(c, &c->successor, CHOICE_WHY_MAJORITY, c->successor_epoch, now);
        return true;
    }
    if (!choice_has_master(c) && c->has_agreed &&
        choice_role_of(c, &c->agreed) == CHOICE_ROLE_MASTER) {
        choice_take(c, &c->agreed, CHOICE_WHY_MAJORITY, c->agreed_epoch, now);
        return true;
    }
    return false;
}

/* The majority names our master: it is early no more, or its epoch grew. */
static void choice_confirm(struct master_choice *c, msec_t now)
{
    if (!c->has_agreed || !choice_is_master(c, &c->agreed)) {
        return;
    }
    if (c->is_early) {
        c->is_early = false;
        if (c->route.state == CHOICE_OPEN) {
            c->route.why = CHOICE_WHY_CONFIRMED;
            c->route.since_ms = now;
        }
    }
    c->route.epoch = c->agreed_epoch;
}

/* The master stays: may it be used, and written to? */
static void choice_judge_master(struct master_choice *c, msec_t now)
{
    enum choice_state state = c->route.state;
    enum choice_role role = choice_role_of(c, &c->route.master);

    if (role == CHOICE_ROLE_REPLICA) {
        if (state != CHOICE_NONE) {
            choice_set(c, CHOICE_NONE, CHOICE_WHY_REPLICA, now);
        }
    } else if (c->is_deposed) {
        bool is_late = now - c->deposed_at_ms >= c->hold_max_ms;
        if (is_late && state != CHOICE_NONE) {
            choice_set(c, CHOICE_NONE, CHOICE_WHY_DEPOSED, now);
        } else if (state == CHOICE_OPEN) {
            choice_set(c, CHOICE_HOLD, CHOICE_WHY_DEPOSED, now);
        }
    } else if (state == CHOICE_NONE) {
        if (role == CHOICE_ROLE_MASTER && !(choice_is_contradicted(c, now) && !c->has_agreed)) {
            choice_set(c, choice_is_holding(c) ? CHOICE_HOLD : CHOICE_OPEN, CHOICE_WHY_AGAIN, now);
        }
    } else if (choice_is_holding(c)) {
        if (state == CHOICE_OPEN) {
            choice_set(c, CHOICE_HOLD, CHOICE_WHY_FAILOVER, now);
        }
    } else if (state == CHOICE_HOLD) {
        choice_set(c, CHOICE_OPEN, CHOICE_WHY_ABORTED, now);
    }
}

/* ---- whom to ask ---- */

static void choice_ask(struct choice_server servers[CHOICE_SERVERS_MAX], size_t *count,
                       const struct addr *addr, bool is_urgent)
{
    for (size_t i = 0; i < *count; i++) {
        if (addr_same(&servers[i].addr, addr)) {
            servers[i].is_urgent |= is_urgent;
            return;
        }
    }
    ASSERT(*count < CHOICE_SERVERS_MAX);
    servers[(*count)++] = (struct choice_server){.addr = *addr, .is_urgent = is_urgent};
}

/* Roles are kept for those that stay on the list: what a server said long ago proves nothing. */
static void choice_list_servers(struct master_choice *c, msec_t now)
{
    struct choice_server servers[CHOICE_SERVERS_MAX];
    const struct choice_word *claim = choice_claim(c, now);
    const struct addr *named = c->is_deposed ? &c->successor : &c->agreed;
    size_t count = 0;

    if (choice_has_master(c)) {
        choice_ask(servers, &count, &c->route.master, c->route.state == CHOICE_NONE);
    }
    if (c->is_deposed || (c->has_agreed && !choice_has_master(c))) {
        choice_ask(servers, &count, named, true);
    }
    if (claim != NULL) {
        choice_ask(servers, &count, &claim->master, true);
    }
    for (size_t i = 0; i < CHOICE_SELECTED_MAX; i++) {
        const struct choice_selected *s = &c->selected[i];
        if (addr_is_set(&s->of)) {
            choice_ask(servers, &count, &s->replica, s->is_holding);
        }
    }
    for (size_t i = 0; i < count; i++) {
        const struct choice_server *old = choice_server(c, &servers[i].addr);
        if (old != NULL) {
            servers[i].role = old->role;
            servers[i].silent_since_ms = old->silent_since_ms;
        }
    }
    memcpy(c->servers, servers, count * sizeof(servers[0]));
    c->servers_count = count;
}

/* ---- the judgement ---- */

bool master_choice_judge(struct master_choice *c, msec_t now)
{
    struct choice_route before = c->route;

    choice_count(c, now);
    choice_drop_outdated(c, now);
    choice_confirm(c, now);
    choice_note_deposed(c, now);
    if (!choice_take_another(c, now) && choice_has_master(c)) {
        if (c->hold_until_ms != 0 && now >= c->hold_until_ms) {
            choice_end_hold(c, now);
            choice_judge_master(c, now);
            if (c->route.why == CHOICE_WHY_ABORTED && c->route.since_ms == now) {
                c->route.why = CHOICE_WHY_LATE;
            }
        } else {
            choice_judge_master(c, now);
        }
    }
    if (!choice_is_holding(c)) {
        c->hold_until_ms = 0;
    }
    choice_list_servers(c, now);
    return before.state != c->route.state || before.why != c->route.why ||
           before.generation != c->route.generation || before.epoch != c->route.epoch;
}

static void choice_earliest(msec_t *earliest, msec_t at, msec_t now)
{
    if (at > now && at < *earliest) {
        *earliest = at;
    }
}

msec_t master_choice_next(const struct master_choice *c, msec_t now)
{
    msec_t next = MSEC_NEVER;

    for (size_t i = 0; i < c->monitors; i++) {
        if (c->words[i].is_heard) {
            choice_earliest(&next, c->words[i].at_ms + c->silent_ms + 1, now);
        }
    }
    for (size_t i = 0; i < CHOICE_SELECTED_MAX; i++) {
        if (addr_is_set(&c->selected[i].of)) {
            choice_earliest(&next, c->selected[i].at_ms + CHOICE_SELECTED_MS, now);
        }
    }
    choice_earliest(&next, c->hold_until_ms, now);
    if (c->is_deposed) {
        choice_earliest(&next, c->deposed_at_ms + c->hold_max_ms, now);
    }
    if (c->rewound_at_ms != 0) {
        choice_earliest(&next, c->rewound_at_ms + CHOICE_REWIND_MS, now);
    }
    if (c->is_early) {
        choice_earliest(&next, c->route.since_ms + CHOICE_SELECTED_MS, now);
        for (size_t i = 0; i < c->servers_count; i++) {
            choice_earliest(&next, c->servers[i].silent_since_ms + c->hold_max_ms, now);
        }
    }
    return next;
}

const char *choice_why_text(enum choice_why why)
{
    switch (why) {
    case CHOICE_WHY_START:
        return "nothing is known yet";
    case CHOICE_WHY_MAJORITY:
        return "a majority of the monitors names it, and it says that it is a master";
    case CHOICE_WHY_SELECTED:
        return "it was selected, and says that it is a master now";
    case CHOICE_WHY_NEWER:
        return "a monitor names it with a newer epoch, and it says that it is a master";
    case CHOICE_WHY_CONFIRMED:
        return "a majority of the monitors names it now";
    case CHOICE_WHY_FAILOVER:
        return "a failover has begun";
    case CHOICE_WHY_ABORTED:
        return "the failover was given up";
    case CHOICE_WHY_LATE:
        return "nothing came of the failover in time";
    case CHOICE_WHY_DEPOSED:
        return "a majority of the monitors names another, which is no master yet";
    case CHOICE_WHY_REPLICA:
        return "it says that it is a replica";
    case CHOICE_WHY_AGAIN:
        return "it says that it is a master again";
    }
    UNREACHABLE("a reason of no name");
}
