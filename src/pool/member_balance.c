#include "pool/member_balance.h"

#include <string.h>

#include "base/assert.h"
#include "base/prng.h"

void member_balance_init(struct member_balance *b, enum balance_rule rule)
{
    *b = (struct member_balance){.rule = rule};
}

/* In thousandths, so that a slow start moves a weight of 1 too. */
static uint32_t balance_weight(const struct choice_member *member)
{
    ASSERT(member->weight <= MEMBER_WEIGHT_MAX && member->permille <= HEALTH_PERMILLE);
    return member->weight * member->permille;
}

static bool balance_may(const struct choice_member *member)
{
    return choice_is_usable(member) && balance_weight(member) > 0;
}

/* ---- who is in question ---- */

enum balance_tier {
    BALANCE_TIER_READY,
    BALANCE_TIER_READY_LAST,
    BALANCE_TIER_AVOID,
    BALANCE_TIER_AVOID_LAST,
    BALANCE_TIERS,
};

/* The best tier that has members: those that were not tried. */
static uint32_t balance_candidates(const struct choice_member *members, size_t count,
                                   const struct balance_wish *wish)
{
    uint32_t tiers[BALANCE_TIERS] = {0};

    for (size_t i = 0; i < count; i++) {
        uint32_t bit = UINT32_C(1) << i;
        if (!balance_may(&members[i]) || (wish->tried_set & bit) != 0) {
            continue;
        }
        bool is_ready = members[i].verdict == VERDICT_READY;
        bool is_last = wish->last == (int)i;
        tiers[is_ready ? (is_last ? BALANCE_TIER_READY_LAST : BALANCE_TIER_READY)
                       : (is_last ? BALANCE_TIER_AVOID_LAST : BALANCE_TIER_AVOID)] |= bit;
    }
    for (size_t tier = 0; tier < BALANCE_TIERS; tier++) {
        if (tiers[tier] != 0) {
            return tiers[tier];
        }
    }
    return 0;
}

static bool balance_has(uint32_t set, size_t i)
{
    return (set >> i & 1) != 0;
}

/* ---- round robin ---- */

/* Who comes or goes begins a new round: what was owed to one that left would be lost to the others,
 * or be claimed by it long after. */
static void balance_note_members(struct member_balance *b, const struct choice_member *members,
                                 size_t count)
{
    uint32_t usable_set = 0;

    for (size_t i = 0; i < count; i++) {
        usable_set |= balance_may(&members[i]) ? UINT32_C(1) << i : 0;
    }
    if (usable_set != b->usable_set) {
        memset(b->credit, 0, sizeof(b->credit));
        b->usable_set = usable_set;
    }
}

/* Each candidate gains its weight, and who is owed most pays what all gained: all credits together
 * stay nothing, and since the greatest is always paid from, none grows beyond a few rounds. */
static int balance_round_robin(struct member_balance *b, const struct choice_member *members,
                               size_t count, uint32_t set)
{
    int best = MEMBER_NONE;
    int64_t total = 0;

    for (size_t i = 0; i < count; i++) {
        if (!balance_has(set, i)) {
            continue;
        }
        int64_t weight = balance_weight(&members[i]);
        b->credit[i] += weight;
        total += weight;
        if (best == MEMBER_NONE || b->credit[i] > b->credit[best]) {
            best = (int)i;
        }
    }
    b->credit[best] -= total;
    return best;
}

/* ---- least connections ---- */

/* The load of each if it got the connection, as fractions: below 0 when a is the lesser. */
static int balance_compare_load(const struct choice_member *a, const struct choice_member *b)
{
    uint64_t left = ((uint64_t)a->connections + 1) * balance_weight(b);
    uint64_t right = ((uint64_t)b->connections + 1) * balance_weight(a);

    return left < right ? -1 : left > right;
}

static uint32_t balance_least(const struct choice_member *members, size_t count, uint32_t set)
{
    uint32_t least = 0;
    size_t best = 0;

    for (size_t i = 0; i < count; i++) {
        if (!balance_has(set, i)) {
            continue;
        }
        int order = least == 0 ? -1 : balance_compare_load(&members[i], &members[best]);
        if (order < 0) {
            least = 0;
            best = i;
        }
        least |= order <= 0 ? UINT32_C(1) << i : 0;
    }
    return least;
}

/* ---- source ---- */

static uint64_t balance_mix(uint64_t seed)
{
    struct prng p;

    prng_init(&p, seed);
    return prng_next(&p);
}

/* FNV-1a, mixed: its high bits alone are poor. */
static uint64_t balance_hash(const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    }
    return balance_mix(hash);
}

enum {
    BALANCE_LOG_BITS = 20, /* behind the point: weights are kept within a millionth */
    BALANCE_MANTISSA_BITS = 31,
};

/* -log2(draw / 2^64): what an exponential clock of rate 1 shows when it strikes, but for a factor.
 * A binary digit for each squaring. At most 64 * 2^20. */
static uint64_t balance_strike(uint64_t draw)
{
    draw |= 1; /* there is no logarithm of 0 */
    int lead = __builtin_clzll(draw);
    uint64_t mantissa = draw << lead >> (63 - BALANCE_MANTISSA_BITS); /* in [1, 2) */
    uint64_t fraction = 0;

    for (int i = 0; i < BALANCE_LOG_BITS; i++) {
        mantissa = mantissa * mantissa >> BALANCE_MANTISSA_BITS;
        fraction <<= 1;
        if (mantissa >> (BALANCE_MANTISSA_BITS + 1) != 0) {
            mantissa >>= 1;
            fraction |= 1;
        }
    }
    return ((uint64_t)(lead + 1) << BALANCE_LOG_BITS) - fraction;
}

/* The clock of each runs at the speed of its weight: who strikes first wins, which is in proportion
 * to the weights, and does not hang on the others. */
static int balance_source(const struct choice_member *members, size_t count, uint32_t set,
                          const struct balance_wish *wish)
{
    uint64_t source = balance_hash(wish->source, wish->source_len);
    uint64_t best_strike = 0;
    int best = MEMBER_NONE;

    for (size_t i = 0; i < count; i++) {
        if (!balance_has(set, i)) {
            continue;
        }
        uint64_t name = balance_hash(members[i].name, strlen(members[i].name));
        uint64_t strike = balance_strike(balance_mix(source ^ name));
        /* strike / weight < best_strike / best_weight; both sides below 2^45 */
        if (best == MEMBER_NONE ||
            strike * balance_weight(&members[best]) < best_strike * balance_weight(&members[i])) {
            best = (int)i;
            best_strike = strike;
        }
    }
    return best;
}

int member_balance_pick(struct member_balance *b, const struct choice_member *members, size_t count,
                        const struct balance_wish *wish)
{
    ASSERT(count <= MEMBERS_MAX);
    uint32_t set = balance_candidates(members, count, wish);

    if (set == 0) {
        return MEMBER_NONE;
    }
    balance_note_members(b, members, count);
    switch (b->rule) {
    case BALANCE_ROUND_ROBIN:
        return balance_round_robin(b, members, count, set);
    case BALANCE_LEAST_CONNECTIONS:
        return balance_round_robin(b, members, count, balance_least(members, count, set));
    case BALANCE_SOURCE:
        return balance_source(members, count, set, wish);
    }
    UNREACHABLE("a rule of balance");
}
