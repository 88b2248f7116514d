#include "sim/checker.h"

#include <stdlib.h>
#include <string.h>

#include "sim/model_redis.h"

enum {
    OPINION_MS = 6000, /* a peer's "down" counts for 5 ask periods; and a delivery */
    FORCED_MS =
        120000, /* an ODOWN or an operator explains an attempt that long: a disk may hold it */
    FRESH_FACTS_MS = 1500, /* a rival we are sure of has spoken since */
    SMALL_WORLD = 8,       /* masters up to which every step is looked at in full */
};

enum record_kind { RECORD_NONE, RECORD_LEADER, RECORD_VOTE, RECORD_CONFIG, RECORD_OVERRIDE };

struct record {
    enum record_kind kind;
    uint16_t monitor;
    uint16_t group;
    uint64_t epoch;
    uint64_t value;
};

struct opinion {
    bool down;
    uint32_t addr;
    msec_t at;
};

struct known_facts {
    struct wire_facts facts;
    msec_t at;
};

/* What one monitor has done about one group, as seen from outside. */
struct watched {
    uint64_t config_epoch;
    uint64_t disk_config_epoch;
    bool is_renewed; /* removed by its operator: what its disk says may begin anew once */
    uint64_t attempt_epoch;
    uint64_t elected_epoch;
    bool elected_now; /* in this step */
    bool promoted_now;
    uint64_t override_epoch; /* the operator's will stands above the vote here */
    bool has_odown;
    msec_t odown_until;
    msec_t forced_at;
    struct opinion *opinions; /* of each monitor */
};

struct checker {
    struct record *records; /* open addressing */
    uint32_t records_count;
    uint32_t records_capacity;
    struct watched *watched; /* [monitor * groups + group] */
    struct opinion *opinions;
    struct known_facts *facts; /* [monitor * servers + server] */
    bool *named_anew;          /* of each group: an operator gave it an address, in epoch 0 */
    uint64_t *epochs;          /* of each monitor, in memory */
    uint64_t *disk_epochs;
    uint64_t *vote_epochs; /* the newest in which a vote of its left */
};

void checker_create(struct world *w)
{
    struct checker *c = calloc(1, sizeof(*c));
    size_t pairs = (size_t)w->monitors_count * w->config.groups;

    ASSERT(c != NULL);
    c->records_capacity = 1024;
    c->records = calloc(c->records_capacity, sizeof(*c->records));
    c->watched = calloc(pairs, sizeof(*c->watched));
    c->opinions = calloc(pairs * w->monitors_count, sizeof(*c->opinions));
    c->facts = calloc((size_t)w->monitors_count * w->servers_count, sizeof(*c->facts));
    c->named_anew = calloc(w->config.groups, sizeof(*c->named_anew));
    c->epochs = calloc(w->monitors_count, sizeof(*c->epochs));
    c->disk_epochs = calloc(w->monitors_count, sizeof(*c->disk_epochs));
    c->vote_epochs = calloc(w->monitors_count, sizeof(*c->vote_epochs));
    ASSERT(c->records != NULL && c->watched != NULL && c->opinions != NULL && c->facts != NULL);
    ASSERT(c->named_anew != NULL && c->epochs != NULL && c->disk_epochs != NULL &&
           c->vote_epochs != NULL);
    for (size_t i = 0; i < pairs; i++) {
        c->watched[i].opinions = &c->opinions[i * w->monitors_count];
        c->watched[i].forced_at = -FORCED_MS;
    }
    w->checker = c;
}

void checker_destroy(struct world *w)
{
    struct checker *c = w->checker;

    if (c != NULL) {
        free(c->records);
        free(c->watched);
        free(c->opinions);
        free(c->facts);
        free(c->named_anew);
        free(c->epochs);
        free(c->disk_epochs);
        free(c->vote_epochs);
        free(c);
    }
    w->checker = NULL;
}

static struct watched *checker_watched(const struct world *w, const struct monitor *m,
                                       uint16_t group)
{
    return &w->checker->watched[(size_t)m->index * w->config.groups + group];
}

/* ---------------------------------------------------------------- the record of what was said */

static struct record *checker_slot(struct checker *c, const struct record *key)
{
    uint64_t hash = ((uint64_t)key->kind << 40) ^ ((uint64_t)key->monitor << 24) ^ key->group;

    hash = (hash ^ (key->epoch * UINT64_C(0x9e3779b97f4a7c15))) * UINT64_C(0xbf58476d1ce4e5b9);
    for (uint32_t i = (uint32_t)(hash >> 33);; i++) {
        struct record *r = &c->records[i & (c->records_capacity - 1)];

        if (r->kind == RECORD_NONE || (r->kind == key->kind && r->monitor == key->monitor &&
                                       r->group == key->group && r->epoch == key->epoch)) {
            return r;
        }
    }
}

static void checker_grow(struct checker *c)
{
    struct record *old = c->records;
    uint32_t count = c->records_capacity;

    c->records_capacity = count * 2;
    c->records = calloc(c->records_capacity, sizeof(*c->records));
    ASSERT(c->records != NULL);
    for (uint32_t i = 0; i < count; i++) {
        if (old[i].kind != RECORD_NONE) {
            *checker_slot(c, &old[i]) = old[i];
        }
    }
    free(old);
}

/* The value that stands for this key: the given one when it is new. */
static uint64_t checker_record(struct checker *c, const struct record *said)
{
    struct record *r = checker_slot(c, said);

    if (r->kind != RECORD_NONE) {
        return r->value;
    }
    *r = *said;
    if (++c->records_count > c->records_capacity / 2) {
        checker_grow(c);
    }
    return said->value;
}

static uint16_t checker_group_at(const struct world *w, uint32_t addr)
{
    struct world_place place = addr == 0 ? (struct world_place){PLACE_NOBODY, 0} : w->places[addr];
    return place.kind == PLACE_REDIS ? w->servers[place.index].group : WORLD_NOBODY;
}

/* ---------------------------------------------------------------- votes */

static void checker_vote(struct world *w, const struct monitor *m, uint16_t group, uint64_t epoch,
                         uint64_t leader)
{
    char name[WORLD_NAME_MAX];
    const struct image_master *saved = image_find(&m->disk, world_group_name(w, group, name));
    struct record said = {RECORD_VOTE, m->index, group, epoch, leader};

    if (checker_record(w->checker, &said) != leader) {
        world_fail(w, "%s changed its vote about %s in epoch %llu", m->name,
                   world_group_name(w, group, name), (unsigned long long)epoch);
    }
    if (m->disk.epoch < epoch || (saved != NULL && saved->state.leader_epoch < epoch)) {
        world_fail(
            w, "%s: its vote about %s in epoch %llu left before it was on disk (disk: epoch %llu)",
            m->name, world_group_name(w, group, name), (unsigned long long)epoch,
            (unsigned long long)m->disk.epoch);
    }
    if (w->checker->vote_epochs[m->index] < epoch) {
        w->checker->vote_epochs[m->index] = epoch;
    }
}

static void checker_reply(struct world *w, const struct monitor *m, const struct action *a)
{
    uint64_t leader = world_run_number(a->reply_ask.leader);

    for (uint32_t i = 0; i < MONITOR_ASKS_MAX && leader != 0; i++) {
        if (m->asks[i].is_used && m->asks[i].token == a->reply_ask.token) {
            uint16_t group = checker_group_at(w, m->asks[i].ask.addr);

            if (group != WORLD_NOBODY) {
                checker_vote(w, m, group, a->reply_ask.leader_epoch, leader);
                STORY(w, m->name, "> its vote in epoch %llu leaves: %s",
                      (unsigned long long)a->reply_ask.leader_epoch, a->reply_ask.leader);
            }
            return;
        }
    }
}

void checker_answer(struct world *w, const struct monitor *m, uint16_t from,
                    const struct wire_answer *answer)
{
    uint16_t group = checker_group_at(w, answer->ask.addr);

    char name[WORLD_NAME_MAX];
    const struct master *master =
        group == WORLD_NOBODY ? NULL
                              : failover_master_named(m->core, world_group_name(w, group, name));
    struct instance_view view;

    if (master == NULL) {
        return;
    }
    failover_view_master(m->core, master, &view);
    if (world_addr_id(w, &view.addr) == answer->ask.addr) { /* else about a former master */
        checker_watched(w, m, group)->opinions[from] =
            (struct opinion){.down = answer->down, .addr = answer->ask.addr, .at = w->now};
    }
}

/* ---------------------------------------------------------------- quorum and majority */

static void checker_odown(struct world *w, const struct monitor *m, uint16_t group,
                          const char *name)
{
    const struct master *master = failover_master_named(m->core, name);
    struct watched *watched = checker_watched(w, m, group);
    struct instance_view view;
    struct master_state state;
    uint32_t agree = 0;

    watched->has_odown = true;
    if (master == NULL) {
        return;
    }
    failover_view_master(m->core, master, &view);
    failover_export(master, &state);
    uint32_t addr = world_addr_id(w, &view.addr);

    agree = view.s_down;
    for (uint16_t i = 0; i < w->monitors_count; i++) {
        const struct opinion *o = &watched->opinions[i];
        agree += i != m->index && o->down && o->addr == addr && w->now - o->at <= OPINION_MS;
    }
    if (agree < state.config.quorum) {
        world_fail(w, "%s says +odown %s with %u of the %u it needs", m->name, name, agree,
                   state.config.quorum);
    }
}

static void checker_elected(struct world *w, const struct monitor *m, uint16_t group)
{
    struct watched *watched = checker_watched(w, m, group);
    char space[WORLD_NAME_MAX];
    const char *name = world_group_name(w, group, space);
    const struct master *master = failover_master_named(m->core, name);
    struct instance_view view;
    struct master_state state;
    uint32_t votes = 0;

    if (master == NULL || watched->override_epoch == watched->attempt_epoch) {
        return;
    }
    failover_view_master(m->core, master, &view);
    failover_export(master, &state);
    for (uint16_t i = 0; i < w->monitors_count; i++) {
        struct record key = {RECORD_VOTE, i, group, watched->attempt_epoch, 0};
        const struct record *vote = checker_slot(w->checker, &key);
        votes += vote->kind == RECORD_VOTE && vote->value == m->run;
    }
    uint32_t majority = (view.peers + 1) / 2 + 1;

    if (votes < majority || votes < state.config.quorum) {
        world_fail(
            w, "%s leads the failover of %s in epoch %llu with %u votes of %u monitors (quorum %u)",
            m->name, name, (unsigned long long)watched->attempt_epoch, votes, view.peers + 1,
            state.config.quorum);
    }
    struct record said = {RECORD_LEADER, 0, group, watched->attempt_epoch, m->index + 1U};

    if (checker_record(w->checker, &said) != m->index + 1U) {
        world_fail(w, "two leaders for %s in epoch %llu, %s is the second", name,
                   (unsigned long long)watched->attempt_epoch, m->name);
    }
}

/* ---------------------------------------------------------------- the choice */

void checker_facts(struct world *w, const struct monitor *m, uint32_t addr,
                   const struct wire_facts *facts)
{
    struct world_place place = w->places[addr];

    if (place.kind == PLACE_REDIS) {
        struct known_facts *k =
            &w->checker->facts[(size_t)m->index * w->servers_count + place.index];

        k->facts = *facts;
        k->at = w->now;
    }
}

static const struct known_facts *checker_facts_of(const struct world *w, const struct monitor *m,
                                                  const struct addr *addr)
{
    struct world_place place = w->places[world_addr_id(w, addr)];

    return place.kind == PLACE_REDIS
               ? &w->checker->facts[(size_t)m->index * w->servers_count + place.index]
               : NULL;
}

static bool checker_is_rival(const struct world *w, const struct instance_view *v,
                             const struct known_facts *k, const struct known_facts *chosen)
{
    bool is_there = !v->s_down && !v->o_down && !v->disconnected && v->priority > 0 && v->announced;
    bool is_sure = k != NULL && w->now - k->at <= FRESH_FACTS_MS && k->facts.role == ROLE_REPLICA &&
                   !k->facts.is_loading && !k->facts.is_syncing &&
                   k->facts.link_down_ms < w->config.down_after_ms;

    return is_there && is_sure && k->facts.replid == chosen->facts.replid &&
           k->facts.master == chosen->facts.master;
}

static void checker_selected(struct world *w, const struct monitor *m, const struct note *note)
{
    const struct master *master = failover_master_named(m->core, note->name);
    const struct known_facts *chosen = checker_facts_of(w, m, &note->addr);
    struct instance_view view;

    if (master == NULL || chosen == NULL || chosen->at == 0) {
        return;
    }
    for (uint32_t i = 0; failover_view_replica(m->core, master, i, &view); i++) {
        const struct known_facts *k = checker_facts_of(w, m, &view.addr);

        if (k == chosen || !checker_is_rival(w, &view, k, chosen)) {
            continue;
        }
        bool is_better = k->facts.priority != chosen->facts.priority
                             ? k->facts.priority < chosen->facts.priority
                             : k->facts.offset > chosen->facts.offset;

        if (is_better) {
            world_fail(
                w,
                "%s chose %s (priority %u, offset %lld) though %s has priority %u and offset %lld",
                m->name, world_addr_name(w, world_addr_id(w, &note->addr)), chosen->facts.priority,
                (long long)chosen->facts.offset, world_addr_name(w, world_addr_id(w, &view.addr)),
                k->facts.priority, (long long)k->facts.offset);
        }
    }
}

/* ---------------------------------------------------------------- one action */

static void checker_note(struct world *w, const struct monitor *m, const struct note *note)
{
    uint16_t group = world_group_named(w, note->name);
    unsigned long long epoch = 0;
    char run[RUN_ID_MAX];

    if (note->type == NOTE_VOTE && sscanf(note->extra, "%40s %llu", run, &epoch) == 2 &&
        world_run_number(run) == m->run) {
        for (uint16_t g = 0; g < w->config.groups; g++) { /* the attempt that was just announced */
            struct watched *watched = checker_watched(w, m, g);
            watched->attempt_epoch =
                watched->attempt_epoch == UINT64_MAX ? epoch : watched->attempt_epoch;
        }
    }
    if (group == WORLD_NOBODY) {
        return;
    }
    struct watched *watched = checker_watched(w, m, group);

    if (note->type == NOTE_ODOWN) {
        checker_odown(w, m, group, note->name);
    } else if (note->type == NOTE_ODOWN_END) {
        watched->has_odown = false;
        watched->odown_until = w->now;
    } else if (note->type == NOTE_TRY_FAILOVER) {
        w->stats.elections++;
        watched->attempt_epoch = UINT64_MAX;
        if (!watched->has_odown && w->now - watched->odown_until > FORCED_MS &&
            w->now - watched->forced_at > FORCED_MS) {
            world_fail(w, "%s: +try-failover %s without +odown and without an operator", m->name,
                       note->name);
        }
    } else if (note->type == NOTE_ELECTED) {
        watched->elected_now = true;
    } else if (note->type == NOTE_SELECTED) {
        checker_selected(w, m, note);
    } else if (note->type == NOTE_PROMOTED) {
        w->stats.failovers++;
        if (w->is_quiet) {
            world_fail(w, "%s: %s failed over though everything is healed and had settled", m->name,
                       note->name);
        }
    }
}

/* Whose replica is at the other end of the link: the group the core thinks of. */
static uint16_t checker_link_group(const struct world *w, const struct monitor *m, uint32_t link)
{
    for (uint32_t i = 0; i < failover_masters(m->core); i++) {
        const struct master *master = failover_master_at(m->core, i);
        struct instance_view view;
        struct master_state state;

        failover_export(master, &state);
        for (uint32_t n = 0; failover_view_replica(m->core, master, n, &view); n++) {
            if (view.link == link) {
                return world_group_named(w, state.name);
            }
        }
    }
    return WORLD_NOBODY;
}

static void checker_move(struct world *w, const struct monitor *m, const struct action *a)
{
    uint32_t slot = a->link < m->links_count ? m->links[a->link] : 0;
    uint32_t there = slot == 0 ? 0 : w->net->connections[slot - 1].addr;
    uint16_t group = checker_link_group(w, m, a->link);
    uint16_t true_group = checker_group_at(w, there);

    if (group != WORLD_NOBODY && true_group != WORLD_NOBODY && true_group != group) {
        char name[WORLD_NAME_MAX];

        world_fail(w, "%s takes %s, which belongs to another group, for a replica of %s", m->name,
                   world_addr_name(w, there), world_group_name(w, group, name));
    }
    if (a->type == ACTION_SEND_PROMOTE && group != WORLD_NOBODY) {
        checker_watched(w, m, group)->promoted_now = true;
    }
}

static void checker_hello(struct world *w, const struct monitor *m, const struct action *a)
{
    uint16_t group = world_group_named(w, a->hello.master_name);
    uint32_t addr = world_addr_id(w, &a->hello.master_addr);

    if (group == WORLD_NOBODY || (a->hello.config_epoch == 0 && w->checker->named_anew[group])) {
        return;
    }
    struct record override = {RECORD_OVERRIDE, 0, group, a->hello.config_epoch, 0};

    if (checker_slot(w->checker, &override)->kind == RECORD_OVERRIDE) {
        return;
    }
    struct record said = {RECORD_CONFIG, 0, group, a->hello.config_epoch, addr};
    uint64_t first = checker_record(w->checker, &said);

    if (first != addr) {
        world_fail(w, "two masters of %s in configuration epoch %llu: %s and, says %s, %s",
                   a->hello.master_name, (unsigned long long)a->hello.config_epoch,
                   world_addr_name(w, (uint32_t)first), m->name, world_addr_name(w, addr));
    }
}

void checker_action(struct world *w, const struct monitor *m, const struct action *a)
{
    switch (a->type) {
    case ACTION_NOTE:
        checker_note(w, m, &a->note);
        break;
    case ACTION_REPLY_ASK:
        checker_reply(w, m, a);
        break;
    case ACTION_SEND_ASK: {
        uint64_t run = world_run_number(a->send_ask.run_id);
        uint16_t group = checker_group_at(w, world_addr_id(w, &a->send_ask.addr));
        if (run != 0 && group != WORLD_NOBODY) {
            checker_vote(w, m, group, a->send_ask.epoch, run);
        }
        break;
    }
    case ACTION_SEND_PROMOTE:
    case ACTION_SEND_REPLICAOF:
        checker_move(w, m, a);
        break;
    case ACTION_SEND_HELLO:
        checker_hello(w, m, a);
        break;
    case ACTION_LOG:
        for (uint16_t g = 0; g < w->config.groups && strstr(a->log.text, "override") != NULL; g++) {
            char name[WORLD_NAME_MAX];
            if (strstr(a->log.text, world_group_name(w, g, name)) != NULL) {
                struct watched *watched = checker_watched(w, m, g);
                struct record override = {RECORD_OVERRIDE, 0, g, watched->attempt_epoch, 1};

                watched->override_epoch = watched->attempt_epoch;
                (void)checker_record(w->checker, &override);
            }
        }
        break;
    case ACTION_PERSIST:
    case ACTION_LINK_OPEN:
    case ACTION_LINK_CLOSE:
    case ACTION_SEND_PING:
    case ACTION_SEND_INFO:
    case ACTION_SEND_SCRIPT_KILL:
    case ACTION_SEND_COORDINATED:
    case ACTION_REPLY_COMMAND:
    case ACTION_RECONFIGURED:
    case ACTION_CRASH:
        break;
    }
}

void checker_command(struct world *w, const struct monitor *m, const struct command *command)
{
    uint16_t group = world_group_named(w, command->name);

    if (group == WORLD_NOBODY) {
        return;
    }
    struct watched *watched = checker_watched(w, m, group);

    if (command->type == COMMAND_FAILOVER) {
        watched->forced_at = w->now;
    } else if (command->type == COMMAND_REMOVE) { /* the name begins anew */
        watched->config_epoch = 0;
        watched->is_renewed = true;
        w->checker->named_anew[group] = true;
    }
}

/* ---------------------------------------------------------------- the state after a step */

void checker_booted(struct world *w, const struct monitor *m)
{
    struct checker *c = w->checker;
    uint64_t epoch = failover_epoch(m->core);

    if (epoch < c->vote_epochs[m->index]) {
        world_fail(w, "%s starts with epoch %llu though it had voted in %llu", m->name,
                   (unsigned long long)epoch, (unsigned long long)c->vote_epochs[m->index]);
    }
    c->epochs[m->index] = epoch;
    for (uint16_t g = 0; g < w->config.groups; g++) {
        struct watched *watched = checker_watched(w, m, g);
        char name[WORLD_NAME_MAX];
        const struct image_master *saved = image_find(&m->disk, world_group_name(w, g, name));

        watched->config_epoch = saved == NULL ? 0 : saved->state.config_epoch;
        watched->has_odown = false;
        memset(watched->opinions, 0, w->monitors_count * sizeof(*watched->opinions));
    }
}

static void checker_master(struct world *w, const struct monitor *m, uint16_t group)
{
    struct watched *watched = checker_watched(w, m, group);
    char space[WORLD_NAME_MAX];
    const char *name = world_group_name(w, group, space);
    const struct master *master = failover_master_named(m->core, name);
    const struct image_master *saved = image_find(&m->disk, name);
    struct master_state state;

    if (saved != NULL) {
        if (saved->state.config_epoch < watched->disk_config_epoch && watched->is_renewed) {
            watched->is_renewed = false;
        } else if (saved->state.config_epoch < watched->disk_config_epoch) {
            world_fail(w, "%s: the configuration epoch of %s went back on its disk", m->name,
                       saved->state.name);
        }
        watched->disk_config_epoch = saved->state.config_epoch;
    }
    if (master == NULL) {
        return;
    }
    failover_export(master, &state);
    if (state.config_epoch < watched->config_epoch) {
        world_fail(w, "%s: the configuration epoch of %s went back from %llu to %llu", m->name,
                   state.name, (unsigned long long)watched->config_epoch,
                   (unsigned long long)state.config_epoch);
    }
    watched->config_epoch = state.config_epoch;
}

void checker_step(struct world *w, const struct monitor *m, bool saw_change)
{
    struct checker *c = w->checker;
    uint64_t epoch = failover_epoch(m->core);

    if (epoch < c->epochs[m->index]) {
        world_fail(w, "%s: its epoch went back from %llu to %llu", m->name,
                   (unsigned long long)c->epochs[m->index], (unsigned long long)epoch);
    }
    if (m->disk.epoch < c->disk_epochs[m->index]) {
        world_fail(w, "%s: the epoch on its disk went back from %llu to %llu", m->name,
                   (unsigned long long)c->disk_epochs[m->index], (unsigned long long)m->disk.epoch);
    }
    c->epochs[m->index] = epoch;
    c->disk_epochs[m->index] = m->disk.epoch;
    if (!saw_change && w->config.groups > SMALL_WORLD) {
        return;
    }
    for (uint16_t g = 0; g < w->config.groups; g++) {
        struct watched *watched = checker_watched(w, m, g);

        if (saw_change || w->config.groups <= SMALL_WORLD) {
            checker_master(w, m, g);
        }
        if (watched->elected_now || watched->promoted_now) {
            watched->elected_now = false;
            watched->promoted_now = false;
            checker_elected(w, m, g);
        }
    }
}

/* ---------------------------------------------------------------- liveness */

static bool checker_is_known(const struct world *w, uint32_t addr, uint16_t group)
{
    for (uint16_t i = 0; i < w->monitors_count; i++) {
        const struct monitor *m = &w->monitors[i];
        char name[WORLD_NAME_MAX];
        const struct master *master =
            failover_master_named(m->core, world_group_name(w, group, name));
        struct instance_view view;

        for (uint32_t n = 0; master != NULL && failover_view_replica(m->core, master, n, &view);
             n++) {
            if (world_addr_id(w, &view.addr) == addr) {
                return true;
            }
        }
    }
    return false;
}

/* The one address all monitors name as the group's master; 0 and a sentence when they do not. -1
 * would be nobody watching it: UINT32_MAX. */
static uint32_t checker_agreed(const struct world *w, uint16_t group, char why[WORLD_WHY_MAX])
{
    uint32_t agreed = UINT32_MAX;
    uint64_t config_epoch = 0;
    uint32_t watching = 0;
    char name_space[WORLD_NAME_MAX];
    const char *name = world_group_name(w, group, name_space);

    for (uint16_t i = 0; i < w->monitors_count; i++) {
        const struct monitor *m = &w->monitors[i];
        watching += m->is_alive && failover_master_named(m->core, name) != NULL;
    }
    for (uint16_t i = 0; i < w->monitors_count; i++) {
        const struct monitor *m = &w->monitors[i];
        const struct master *master = failover_master_named(m->core, name);
        struct master_state state;
        struct instance_view view;

        if (master == NULL) {
            continue;
        }
        failover_export(master, &state);
        failover_view_master(m->core, master, &view);
        uint32_t addr = world_addr_id(w, &state.addr);

        if (view.s_down || view.o_down || view.failover_state != NULL ||
            view.peers + 1 < watching) {
            (void)snprintf(why, WORLD_WHY_MAX, "%s: master %s is %s%s%s, %u of %u monitors known",
                           m->name, name, view.s_down ? "s_down " : "",
                           view.o_down ? "o_down " : "",
                           view.failover_state != NULL ? view.failover_state : "idle",
                           view.peers + 1, watching);
            return 0;
        }
        if (agreed != UINT32_MAX && (agreed != addr || config_epoch != state.config_epoch)) {
            (void)snprintf(why, WORLD_WHY_MAX,
                           "%s says the master of %s is %s in epoch %llu, others %s in %llu",
                           m->name, name, world_addr_name(w, addr),
                           (unsigned long long)state.config_epoch, world_addr_name(w, agreed),
                           (unsigned long long)config_epoch);
            return 0;
        }
        agreed = addr;
        config_epoch = state.config_epoch;
    }
    return agreed;
}

static bool checker_group_settled(const struct world *w, uint16_t group, char why[WORLD_WHY_MAX])
{
    uint32_t master = checker_agreed(w, group, why);

    if (master == 0 || master == UINT32_MAX) {
        return master == UINT32_MAX;
    }
    struct world_place place = w->places[master];

    if (place.kind != PLACE_REDIS || !redis_serves(w, place.index) ||
        w->servers[place.index].role != ROLE_MASTER) {
        (void)snprintf(why, WORLD_WHY_MAX, "all name %s, which is no master",
                       world_addr_name(w, master));
        return false;
    }
    for (uint16_t i = 0; i < w->servers_count; i++) {
        const struct redis *r = &w->servers[i];

        if (r->group != group || r->addr == master || !r->is_alive ||
            !checker_is_known(w, r->addr, group)) {
            continue;
        }
        if (r->role != ROLE_REPLICA || r->master_addr != master || r->repl != REPL_ONLINE) {
            (void)snprintf(why, WORLD_WHY_MAX, "%s is %s of %s (link %s), the master is %s",
                           r->name, r->role == ROLE_MASTER ? "a master instead" : "a replica",
                           world_addr_name(w, r->master_addr),
                           r->repl == REPL_ONLINE ? "up" : "down", world_addr_name(w, master));
            return false;
        }
    }
    return true;
}

bool checker_settled(const struct world *w, char why[WORLD_WHY_MAX])
{
    for (uint16_t i = 0; i < w->monitors_count; i++) {
        if (!w->monitors[i].is_alive || w->monitors[i].is_paused) {
            (void)snprintf(why, WORLD_WHY_MAX, "%s does not run", w->monitors[i].name);
            return false;
        }
    }
    for (uint16_t g = 0; g < w->config.groups; g++) {
        if (!checker_group_settled(w, g, why)) {
            return false;
        }
    }
    return true;
}
