/* Long random stories of one router, and of several that see the same world differently. */
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "member_world.h"
#include "pool/member_writer.h"

enum { DRAIN_MS = 3000, START_MS = 2000, ROUTERS = 3, STORIES = 400 };

struct router {
    struct cast cast; /* as it sees the members */
    struct writer_choice c;
    struct writer_decision d;
};

static uint64_t first_seed(void)
{
    const char *text = getenv("WRITER_SEED");

    return text != NULL ? strtoull(text, NULL, 10) : 1;
}

static void router_begin(struct router *r, const char *verdicts, bool may_pick_alone)
{
    struct writer_rules rules = {
        .may_pick_alone = may_pick_alone, .start_wait_ms = START_MS, .drain_ms = DRAIN_MS};

    *r = (struct router){.d = {.writer = MEMBER_NONE}};
    cast_begin(&r->cast, verdicts);
    writer_choice_init(&r->c, &rules, 0);
}

static void router_judge(struct router *r, msec_t now)
{
    r->d = writer_choice_judge(&r->c, r->cast.members, r->cast.count, now);
}

static void copy_priorities(struct router *to, const struct router *from)
{
    for (size_t i = 0; i < from->cast.count; i++) {
        to->cast.members[i].priority = from->cast.members[i].priority;
    }
}

static void random_priorities(struct router *r, struct prng *chance)
{
    for (size_t i = 0; i < r->cast.count; i++) {
        r->cast.members[i].priority = (uint32_t)prng_below(chance, 4); /* 0 is never */
    }
}

/* ---- the same evidence in another order ---- */

static void shuffle(size_t *order, size_t count, struct prng *chance)
{
    for (size_t i = 0; i < count; i++) {
        order[i] = i;
    }
    for (size_t i = count; i > 1; i--) {
        size_t k = prng_below(chance, i);
        size_t kept = order[i - 1];
        order[i - 1] = order[k];
        order[k] = kept;
    }
}

/* The least number of those of the verdict; the first of equals. */
static int model_best(const struct cast *c)
{
    for (int verdict = VERDICT_READY; verdict <= VERDICT_AVOID; verdict++) {
        for (uint32_t priority = 1; priority < 4; priority++) {
            for (size_t i = 0; i < c->count; i++) {
                const struct choice_member *member = &c->members[i];
                if ((int)member->verdict == verdict && member->priority == priority &&
                    !member->is_drained) {
                    return (int)i;
                }
            }
        }
    }
    return MEMBER_NONE;
}

static void test_the_order_of_first_evidence_does_not_matter(void **state)
{
    uint64_t picked = 0;

    (void)state;
    for (uint64_t seed = first_seed(); seed < first_seed() + 5 * STORIES; seed++) {
        struct prng chance;
        struct router routers[2];
        char verdicts[CAST_MAX];
        size_t order[CAST_MAX];
        prng_init(&chance, seed);
        for (size_t i = 0; i < CAST_MAX; i++) {
            verdicts[i] = "RANUr"[prng_below(&chance, 5)];
        }
        for (size_t k = 0; k < COUNT_OF(routers); k++) {
            router_begin(&routers[k], "????????", true);
            if (k == 0) {
                random_priorities(&routers[k], &chance);
            }
            copy_priorities(&routers[k], &routers[0]);
            shuffle(order, CAST_MAX, &chance);
            for (size_t i = 0; i < CAST_MAX; i++) {
                cast_set(&routers[k].cast, order[i], verdicts[order[i]]);
                router_judge(&routers[k], (msec_t)i * START_MS / (CAST_MAX + 1));
            }
            if (routers[k].d.writer != model_best(&routers[k].cast)) {
                fail_msg("WRITER_SEED=%llu: %c, the model says %c", (unsigned long long)seed,
                         cast_name(routers[k].d.writer), cast_name(model_best(&routers[k].cast)));
            }
        }
        picked += routers[0].d.writer != MEMBER_NONE;
    }
    print_message("%llu picked; replay with WRITER_SEED=%llu\n", (unsigned long long)picked,
                  (unsigned long long)first_seed());
    assert_true(picked > 4 * STORIES);
}

static void test_the_order_of_words_does_not_matter(void **state)
{
    enum { WORDS = 20 };

    (void)state;
    for (uint64_t seed = first_seed(); seed < first_seed() + STORIES; seed++) {
        struct prng chance;
        uint64_t terms[WORDS];
        int members[WORDS];
        uint64_t newest = 0;
        int agreed = MEMBER_NONE;
        size_t order[WORDS];
        prng_init(&chance, seed);
        for (size_t i = 0; i < WORDS; i++) {
            terms[i] = 1 + prng_below(&chance, 5); /* so that many contradict each other */
            members[i] = (int)prng_below(&chance, CAST_MAX) - 1;
            if (terms[i] > newest || (terms[i] == newest && members[i] != MEMBER_NONE &&
                                      (agreed == MEMBER_NONE || members[i] < agreed))) {
                newest = terms[i];
                agreed = members[i];
            }
        }
        for (size_t k = 0; k < ROUTERS; k++) {
            struct router r;
            router_begin(&r, "RRRRRRRR", k == 0);
            shuffle(order, WORDS, &chance);
            for (size_t i = 0; i < WORDS; i++) {
                (void)writer_choice_told(&r.c, terms[order[i]], members[order[i]],
                                         prng_below(&chance, 2) == 0); /* some are stale */
                router_judge(&r, (msec_t)i);
            }
            if (r.d.writer != agreed) {
                fail_msg("WRITER_SEED=%llu: router %zu has %c, not %c", (unsigned long long)seed, k,
                         cast_name(r.d.writer), cast_name(agreed));
            }
        }
    }
}

/* ---- what must hold after every judgement of one router ---- */

struct witness {
    struct router r;
    msec_t now;
    int wanted;               /* by switchover, since the last judgement */
    msec_t left_ms[CAST_MAX]; /* when each was last the writer */
    uint32_t stayed_set;      /* connections that are open, if the caller obeys */
    uint64_t moves;
    uint64_t proposals;
    uint64_t finishes;
};

static void witness_check_writer(const struct witness *x, int before, uint64_t term_before)
{
    const struct router *r = &x->r;
    int writer = r->d.writer;

    assert_int_equal(r->d.outcome == WRITER_NONE, writer == MEMBER_NONE);
    assert_int_equal(r->d.outcome == WRITER_KEEP, writer != MEMBER_NONE && writer == before);
    if (writer != MEMBER_NONE) {
        const struct choice_member *member = &r->cast.members[writer];
        assert_false(member->is_drained);
        assert_true(verdict_serves(member->verdict) ||
                    (writer == before && member->verdict == VERDICT_UNKNOWN));
    }
    if (r->c.term > 0) {
        assert_true(writer == MEMBER_NONE || writer == r->c.agreed);
    } else if (!r->c.rules.may_pick_alone) {
        assert_int_equal(writer, MEMBER_NONE);
    } else if (before != MEMBER_NONE && writer != before && x->wanted == MEMBER_NONE) {
        const struct choice_member *old = &r->cast.members[before]; /* sticky */
        bool is_outdone = old->verdict == VERDICT_AVOID && writer != MEMBER_NONE &&
                          r->cast.members[writer].verdict == VERDICT_READY;
        assert_true(old->is_drained || is_outdone || old->verdict == VERDICT_NOT_READY ||
                    old->verdict == VERDICT_UNREACHABLE);
    } else if (writer == MEMBER_NONE && x->now >= START_MS) {
        assert_int_equal(model_best(&r->cast), MEMBER_NONE); /* it does not stand by idly */
    }
    assert_true(r->c.term >= term_before);
}

static void witness_check_connections(struct witness *x)
{
    const struct router *r = &x->r;

    for (size_t i = 0; i < CAST_MAX; i++) {
        if ((r->d.stay_set >> i & 1) == 0) {
            continue;
        }
        if (r->d.writer == (int)i) {
            x->left_ms[i] = x->now;
            continue;
        }
        x->finishes++;
        assert_true(verdict_serves(r->cast.members[i].verdict));
        assert_true((x->stayed_set >> i & 1) != 0); /* what was cut is not called back */
        assert_true(x->now - x->left_ms[i] < DRAIN_MS);
    }
    x->stayed_set = r->d.stay_set;
}

static void witness_check_proposal(struct witness *x)
{
    const struct router *r = &x->r;

    if (r->d.proposal == MEMBER_NONE) {
        return;
    }
    x->proposals++;
    assert_false(r->c.rules.may_pick_alone && r->c.term == 0);
    assert_int_equal(r->d.proposal, model_best(&r->cast));
    assert_int_not_equal(r->d.proposal, r->d.writer);
    if (r->d.writer != MEMBER_NONE) {
        assert_int_equal(r->cast.members[r->d.writer].verdict, VERDICT_AVOID);
        assert_int_equal(r->cast.members[r->d.proposal].verdict, VERDICT_READY);
    }
}

/* Judged again, now or at any time before the next one that is named, nothing changes. */
static void witness_check_time(const struct witness *x)
{
    msec_t next = writer_choice_next(&x->r.c, x->now);
    struct router again = x->r;

    assert_true(next > x->now);
    router_judge(&again, x->now);
    assert_int_equal(again.d.writer, x->r.d.writer);
    assert_int_equal(again.d.proposal, x->r.d.proposal);
    assert_int_not_equal(again.d.outcome, WRITER_MOVED);
    router_judge(&again, next == MSEC_NEVER ? x->now + 3600000 : next - 1);
    assert_int_equal(again.d.writer, x->r.d.writer);
    assert_int_equal(again.d.proposal, x->r.d.proposal);
    assert_int_equal(again.d.stay_set, x->r.d.stay_set);
}

static void witness_judge(struct witness *x, uint64_t term_before)
{
    int before = x->r.c.writer;
    struct buf out = {0};

    router_judge(&x->r, x->now);
    witness_check_writer(x, before, term_before);
    witness_check_connections(x);
    witness_check_proposal(x);
    witness_check_time(x);
    x->moves += x->r.d.outcome == WRITER_MOVED;
    x->wanted = MEMBER_NONE;
    writer_choice_explain(&x->r.c, x->r.cast.members, x->r.cast.count, &out);
    assert_true(out.len > 0);
    buf_finish(&out);
}

static void witness_do(struct witness *x, struct prng *chance, bool may_hear)
{
    struct writer_choice *c = &x->r.c;
    uint64_t term = c->term;
    size_t i = prng_below(chance, x->r.cast.count);
    uint64_t deed = prng_below(chance, 20);

    if (deed == 0 && may_hear) {
        (void)writer_choice_told(c, prng_below(chance, c->term + 3), (int)i - 1,
                                 prng_below(chance, 2) == 0); /* often a stale one */
    } else if (deed == 1 && c->term == 0 && c->rules.may_pick_alone &&
               writer_choice_may_switch(c, x->r.cast.members, x->r.cast.count, i, NULL)) {
        writer_choice_switch(c, i);
        x->wanted = (int)i;
    } else if (deed < 8) {
        x->now += (msec_t)prng_below(chance, 1500);
    } else {
        cast_set(&x->r.cast, i, "RRRRAANU?ra"[prng_below(chance, 11)]);
    }
    witness_judge(x, term);
}

static void test_long_stories_of_one_router(void **state)
{
    uint64_t moves = 0;
    uint64_t proposals = 0;
    uint64_t finishes = 0;

    (void)state;
    for (uint64_t seed = first_seed(); seed < first_seed() + STORIES; seed++) {
        struct prng chance;
        struct witness x = {.wanted = MEMBER_NONE};
        prng_init(&chance, seed);
        router_begin(&x.r, "????", seed % 2 == 0);
        random_priorities(&x.r, &chance);
        for (int i = 0; i < 500; i++) {
            witness_do(&x, &chance, seed % 4 != 0);
        }
        moves += x.moves;
        proposals += x.proposals;
        finishes += x.finishes;
    }
    print_message("%llu moves, %llu proposals, %llu finishing; replay with WRITER_SEED=%llu\n",
                  (unsigned long long)moves, (unsigned long long)proposals,
                  (unsigned long long)finishes, (unsigned long long)first_seed());
    assert_true(moves > 10 * STORIES && proposals > 10 * STORIES && finishes > 10 * STORIES);
}

/* ---- several routers, and monitors that grant the first proposal for each term ---- */

struct site {
    struct router routers[ROUTERS];
    struct cast truth;
    uint64_t term; /* what the monitors agreed on */
    int agreed;
    bool is_planned;
    msec_t now;
};

/* Two that know the same term never write to two members. */
static void site_check(const struct site *s, uint64_t seed)
{
    for (size_t i = 0; i < ROUTERS; i++) {
        for (size_t k = 0; k < i; k++) {
            const struct router *a = &s->routers[i];
            const struct router *b = &s->routers[k];
            if (a->c.term == b->c.term && a->d.writer != b->d.writer &&
                a->d.writer != MEMBER_NONE && b->d.writer != MEMBER_NONE) {
                fail_msg("WRITER_SEED=%llu: two writers in term %llu", (unsigned long long)seed,
                         (unsigned long long)a->c.term);
            }
        }
    }
}

static void site_judge(struct site *s, size_t i, bool is_heard)
{
    struct router *r = &s->routers[i];

    router_judge(r, s->now);
    if (is_heard && r->d.proposal != MEMBER_NONE && r->c.term == s->term) {
        s->term++; /* who asks with an old term is told the new one instead */
        s->agreed = r->d.proposal;
        s->is_planned = r->d.is_proposal_planned;
    }
}

static void site_tell(struct site *s, size_t i)
{
    if (s->term > 0) {
        (void)writer_choice_told(&s->routers[i].c, s->term, s->agreed, s->is_planned);
    }
}

static void site_do(struct site *s, struct prng *chance)
{
    size_t i = prng_below(chance, ROUTERS);
    size_t member = prng_below(chance, s->truth.count);

    switch (prng_below(chance, 4)) {
    case 0: /* the world changes */
        cast_set(&s->truth, member, "RRRRANU"[prng_below(chance, 7)]);
        return;
    case 1: /* a router sees it, or the network lies to it */
        s->routers[i].cast.members[member] = s->truth.members[member];
        if (prng_below(chance, 5) == 0) {
            cast_set(&s->routers[i].cast, member, 'U');
        }
        break;
    case 2: /* a router hears the monitors */
        site_tell(s, i);
        break;
    default:
        s->now += (msec_t)prng_below(chance, 300);
        break;
    }
    site_judge(s, i, prng_below(chance, 2) == 0);
}

/* The network is whole: everyone sees what is, and hears. All end with one writer, soon. */
static void site_heal(struct site *s, uint64_t seed)
{
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < ROUTERS; i++) {
            s->routers[i].cast = s->truth;
            site_tell(s, i);
            s->now += 10;
            site_judge(s, i, true);
        }
    }
    for (size_t i = 0; i < ROUTERS; i++) {
        bool is_served = model_best(&s->truth) != MEMBER_NONE;
        if (s->routers[i].d.writer != s->routers[0].d.writer ||
            (s->routers[i].d.writer != MEMBER_NONE) != is_served) {
            fail_msg("WRITER_SEED=%llu: router %zu ends with %c, router 0 with %c",
                     (unsigned long long)seed, i, cast_name(s->routers[i].d.writer),
                     cast_name(s->routers[0].d.writer));
        }
    }
}

static void test_routers_of_one_site(void **state)
{
    uint64_t terms = 0;

    (void)state;
    for (uint64_t seed = first_seed(); seed < first_seed() + STORIES; seed++) {
        struct prng chance;
        struct site s = {.agreed = MEMBER_NONE};
        prng_init(&chance, seed);
        for (size_t i = 0; i < ROUTERS; i++) {
            router_begin(&s.routers[i], "????", false);
        }
        cast_begin(&s.truth, "RRRR");
        for (size_t i = 0; i < s.truth.count; i++) {
            s.truth.members[i].priority = 1; /* as model_best() looks for */
        }
        for (int i = 0; i < 300; i++) {
            site_do(&s, &chance);
            site_check(&s, seed);
        }
        s.now += START_MS;
        site_heal(&s, seed);
        terms += s.term;
    }
    print_message("%llu terms; replay with WRITER_SEED=%llu\n", (unsigned long long)terms,
                  (unsigned long long)first_seed());
    assert_true(terms > 5 * STORIES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_order_of_first_evidence_does_not_matter),
        cmocka_unit_test(test_the_order_of_words_does_not_matter),
        cmocka_unit_test(test_long_stories_of_one_router),
        cmocka_unit_test(test_routers_of_one_site),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
