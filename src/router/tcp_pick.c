/* The target set as the pool wants it, and its answer. */
#include <string.h>

#include "router/tcp_inside.h"

static void tcp_pick_take_member(struct tcp_worker *w, const struct tcp_member *m)
{
    struct choice_member *choice = &w->choices[m->id];
    unsigned whole = (m->weight + HEALTH_PERMILLE - 1) / HEALTH_PERMILLE;

    *choice = (struct choice_member){.name = m->name,
                                     .verdict = !m->may_take   ? VERDICT_NOT_READY
                                                : m->is_backup ? VERDICT_AVOID
                                                               : VERDICT_READY,
                                     .weight = whole,
                                     .permille = whole == 0 ? 0 : m->weight / whole};
    w->last = m->is_last ? (int)m->id : w->last;
}

static enum balance_rule tcp_pick_rule(enum tcp_rule rule)
{
    switch (rule) {
    case TCP_RULE_ROUND_ROBIN:
        return BALANCE_ROUND_ROBIN;
    case TCP_RULE_LEAST:
        return BALANCE_LEAST_CONNECTIONS;
    case TCP_RULE_SOURCE:
        return BALANCE_SOURCE;
    }
    UNREACHABLE("a rule of another kind");
}

/* By id: what round robin owes to each stays its own. */
static bool tcp_pick_is_alike(const struct tcp_target_set *a, const struct tcp_target_set *b)
{
    if (a->rule != b->rule || a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (a->members[i].id != b->members[i].id ||
            strcmp(a->members[i].name, b->members[i].name) != 0) {
            return false;
        }
    }
    return true;
}

void tcp_pick_follow(struct tcp_worker *w, const struct tcp_target_set *set)
{
    if (!tcp_pick_is_alike(&w->set, set)) {
        member_balance_init(&w->balance, tcp_pick_rule(set->rule));
    }
    w->set = *set;
    w->last = MEMBER_NONE;
    for (size_t id = 0; id < TCP_MEMBERS_MAX; id++) {
        w->choices[id] = (struct choice_member){
            .name = "", .verdict = VERDICT_NOT_READY, .permille = HEALTH_PERMILLE};
    }
    for (size_t i = 0; i < w->set.count; i++) {
        tcp_pick_take_member(w, &w->set.members[i]);
    }
}

const struct tcp_member *tcp_pick(struct tcp_worker *w, const struct tcp_link *l)
{
    struct addr client = {0};
    struct balance_wish wish = {.tried_set = l->tried, .last = w->last};

    for (size_t id = 0; id < TCP_MEMBERS_MAX; id++) {
        w->choices[id].connections = __atomic_load_n(&w->shared->open[id], __ATOMIC_RELAXED);
    }
    if (w->set.rule == TCP_RULE_SOURCE && !conn_is_unix(l->client.conn)) {
        (void)conn_peer_addr(l->client.conn, &client); /* "" when it has gone already */
    }
    wish.source = client.ip;
    wish.source_len = strlen(client.ip);
    int id = member_balance_pick(&w->balance, w->choices, TCP_MEMBERS_MAX, &wish);
    return id == MEMBER_NONE ? NULL : tcp_worker_member(w, (unsigned)id);
}
