#include "pool/member_balance.h"

#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "member_world.h"

static const struct balance_wish any_wish = {.last = MEMBER_NONE};

static int pick(struct member_balance *b, const struct cast *c)
{
    return member_balance_pick(b, c->members, c->count, &any_wish);
}

static void expect_picks(struct member_balance *b, const struct cast *c, const char *names)
{
    for (size_t i = 0; names[i] != '\0'; i++) {
        int got = pick(b, c);
        if (got != cast_index(names[i])) {
            fail_msg("%s, pick %zu: %c", names, i + 1, cast_name(got));
        }
    }
}

static void set_weights(struct cast *c, const uint32_t *weights)
{
    for (size_t i = 0; i < c->count; i++) {
        c->members[i].weight = weights[i];
    }
}

/* ---- who may be picked ---- */

static void test_avoid_only_when_nobody_is_ready(void **state)
{
    struct member_balance b;
    struct cast c;

    (void)state;
    for (int rule = BALANCE_ROUND_ROBIN; rule <= BALANCE_SOURCE; rule++) {
        member_balance_init(&b, (enum balance_rule)rule);
        cast_begin(&c, "ARNU?r");
        expect_picks(&b, &c, "bbbb");
        cast_begin(&c, "ArNU?r");
        expect_picks(&b, &c, "aaaa");
        cast_begin(&c, "arNU?r"); /* no panic: nobody is nobody */
        expect_picks(&b, &c, "----");
        cast_begin(&c, "RR");
        c.members[0].weight = 0;
        expect_picks(&b, &c, "bbbb");
        cast_begin(&c, "RA");
        c.members[0].weight = 0;
        expect_picks(&b, &c, "bb");
        c.members[1].weight = 0;
        expect_picks(&b, &c, "-");
        cast_begin(&c, "");
        expect_picks(&b, &c, "-");
    }
}

static void test_the_writer_reads_last(void **state)
{
    struct member_balance b;
    struct cast c;
    struct balance_wish wish = {.last = 0};
    const struct {
        const char *verdicts;
        char name;
    } rows[] = {
        {"RRN", 'b'}, {"RNR", 'c'}, {"RNA", 'a'}, {"AAN", 'b'}, {"ANU", 'a'}, {"rNU", '-'},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        member_balance_init(&b, BALANCE_ROUND_ROBIN);
        cast_begin(&c, rows[i].verdicts);
        for (int k = 0; k < 4; k++) {
            int got = member_balance_pick(&b, c.members, c.count, &wish);
            assert_int_equal(cast_name(got), rows[i].name);
        }
    }
}

static void test_who_was_tried_in_vain_is_passed_over(void **state)
{
    struct member_balance b;
    struct cast c;
    char order[5] = "";

    (void)state;
    for (int rule = BALANCE_ROUND_ROBIN; rule <= BALANCE_SOURCE; rule++) {
        struct balance_wish wish = {.last = MEMBER_NONE};
        member_balance_init(&b, (enum balance_rule)rule);
        cast_begin(&c, "ARRN");
        for (size_t i = 0; i < 4; i++) {
            int got = member_balance_pick(&b, c.members, c.count, &wish);
            order[i] = cast_name(got);
            wish.tried_set |= got != MEMBER_NONE ? UINT32_C(1) << got : 0;
        }
        /* The READY ones, then the one to be avoided, then nobody. */
        assert_true(strcmp(order, "bca-") == 0 || strcmp(order, "cba-") == 0);
    }
}

static void test_the_greatest_set(void **state)
{
    struct choice_member members[MEMBERS_MAX];
    unsigned counts[MEMBERS_MAX] = {0};
    struct member_balance b;

    (void)state;
    for (size_t i = 0; i < MEMBERS_MAX; i++) {
        members[i] = (struct choice_member){.name = "m",
                                            .verdict = VERDICT_READY,
                                            .weight = MEMBER_WEIGHT_MAX,
                                            .permille = HEALTH_PERMILLE,
                                            .connections = UINT32_MAX};
    }
    member_balance_init(&b, BALANCE_LEAST_CONNECTIONS);
    for (size_t i = 0; i < MEMBERS_MAX * 10; i++) {
        counts[member_balance_pick(&b, members, MEMBERS_MAX, &any_wish)]++;
    }
    for (size_t i = 0; i < MEMBERS_MAX; i++) {
        assert_int_equal(counts[i], 10);
    }
}

/* ---- round robin ---- */

static void test_round_robin_is_smooth(void **state)
{
    struct member_balance b;
    struct cast c;

    (void)state;
    member_balance_init(&b, BALANCE_ROUND_ROBIN);
    cast_begin(&c, "RRR");
    expect_picks(&b, &c, "abcabc");
    set_weights(&c, (uint32_t[]){5, 1, 1});
    member_balance_init(&b, BALANCE_ROUND_ROBIN);
    expect_picks(&b, &c, "aabacaaaaba");
    cast_set(&c, 0, 'N');
    expect_picks(&b, &c, "bcbc");
    cast_set(&c, 0, 'R');
    expect_picks(&b, &c, "aabacaa"); /* as if it had never been away */
}

static void test_round_robin_keeps_the_weights(void **state)
{
    enum { PICKS = 10000 };
    const uint32_t weights[CAST_MAX] = {1, 2, 3, 50, 100, 7, 256, 10};
    struct member_balance b;
    struct cast c;
    unsigned counts[CAST_MAX] = {0};
    uint64_t total = 0;

    (void)state;
    cast_begin(&c, "RRRRRRRR");
    set_weights(&c, weights);
    c.members[4].permille = 370; /* it starts slowly */
    member_balance_init(&b, BALANCE_ROUND_ROBIN);
    for (size_t i = 0; i < PICKS; i++) {
        counts[pick(&b, &c)]++;
    }
    for (size_t i = 0; i < c.count; i++) {
        total += (uint64_t)weights[i] * c.members[i].permille;
    }
    for (size_t i = 0; i < c.count; i++) {
        double share = (double)weights[i] * c.members[i].permille / (double)total;
        assert_true(counts[i] + 2 >= share * PICKS); /* no more than a pick or two off: 0.02 % */
        assert_true(counts[i] <= share * PICKS + 2);
    }
}

static void test_a_flapping_member_owes_nothing_and_claims_nothing(void **state)
{
    enum { PICKS = 20000 };
    struct prng chance;
    struct member_balance b;
    struct cast c;
    unsigned counts[3] = {0};

    (void)state;
    prng_init(&chance, 7);
    cast_begin(&c, "RRR");
    member_balance_init(&b, BALANCE_ROUND_ROBIN);
    for (int i = 0; i < PICKS; i++) {
        if (prng_below(&chance, 20) == 0) {
            cast_set(&c, 2, c.members[2].verdict == VERDICT_READY ? 'U' : 'R');
        }
        counts[pick(&b, &c)]++;
        for (size_t k = 0; k < c.count; k++) {
            assert_true(llabs(b.credit[k]) <= 3 * (int64_t)HEALTH_PERMILLE);
        }
    }
    cast_set(&c, 2, 'R');
    memset(counts, 0, sizeof(counts));
    for (int i = 0; i < 30; i++) {
        counts[pick(&b, &c)]++;
    }
    for (size_t k = 0; k < c.count; k++) {
        assert_in_range(counts[k], 9, 11);
    }
}

/* ---- least connections ---- */

static void test_least_connections(void **state)
{
    struct member_balance b;
    struct cast c;

    (void)state;
    member_balance_init(&b, BALANCE_LEAST_CONNECTIONS);
    cast_begin(&c, "RRR");
    c.members[0].connections = 3;
    c.members[1].connections = 1;
    c.members[2].connections = 2;
    expect_picks(&b, &c, "bbb");
    c.members[1].connections = 2;
    expect_picks(&b, &c, "bcbc"); /* equals take turns */
    set_weights(&c, (uint32_t[]){10, 1, 1});
    expect_picks(&b, &c, "aaa"); /* 4/10 is less than 3/1 */
    c.members[0].permille = 100; /* it came up just now, and is not given all that comes */
    c.members[0].connections = 5;
    expect_picks(&b, &c, "bcbc");
}

static void test_least_connections_keeps_the_weights(void **state)
{
    const uint32_t weights[] = {1, 2, 3, 10, 4};
    enum { OPEN = 2000, PICKS = 10000 };
    struct prng chance;
    struct member_balance b;
    struct cast c;
    int open[OPEN];

    (void)state;
    prng_init(&chance, 11);
    member_balance_init(&b, BALANCE_LEAST_CONNECTIONS);
    cast_begin(&c, "RRRRR");
    set_weights(&c, weights);
    for (int i = 0; i < OPEN + PICKS; i++) {
        size_t slot = i < OPEN ? (size_t)i : prng_below(&chance, OPEN);
        if (i >= OPEN) {
            c.members[open[slot]].connections--;
        }
        open[slot] = pick(&b, &c);
        c.members[open[slot]].connections++;
    }
    for (size_t i = 0; i < c.count; i++) {
        assert_in_range(c.members[i].connections, weights[i] * OPEN / 20 - 2,
                        weights[i] * OPEN / 20 + 2);
    }
}

/* ---- source ---- */

static int pick_source(const struct cast *c, uint32_t client)
{
    struct member_balance b;
    struct balance_wish wish = {
        .source = &client, .source_len = sizeof(client), .last = MEMBER_NONE};

    member_balance_init(&b, BALANCE_SOURCE);
    return member_balance_pick(&b, c->members, c->count, &wish);
}

static void test_a_source_goes_to_one_member(void **state)
{
    struct cast c;
    struct cast turned;

    (void)state;
    cast_begin(&c, "RRRRR");
    turned = c;
    turned.members[0] = c.members[4]; /* another order of the file is no other site */
    turned.members[4] = c.members[0];
    for (uint32_t client = 0; client < 1000; client++) {
        int got = pick_source(&c, client);
        assert_int_equal(got, pick_source(&c, client));
        assert_string_equal(turned.members[pick_source(&turned, client)].name, c.members[got].name);
    }
}

static void expect_sources(const struct cast *c, const char *names)
{
    struct member_balance b;

    member_balance_init(&b, BALANCE_SOURCE);
    for (unsigned i = 0; names[i] != '\0'; i++) {
        char ip[] = {'1', '0', '.', '0', '.', '0', '.', (char)('0' + i)};
        struct balance_wish wish = {.source = ip, .source_len = sizeof(ip), .last = MEMBER_NONE};
        int got = member_balance_pick(&b, c->members, c->count, &wish);
        if (cast_name(got) != names[i]) {
            fail_msg("10.0.0.%u went to %c, not to %c", i, cast_name(got), names[i]);
        }
    }
}

/* As a second program, by floating point, has it. Another version of holdfast, or another compiler,
 * must not scatter the clients. */
static void test_the_hash_is_the_same_on_every_node(void **state)
{
    struct cast c;

    (void)state;
    cast_begin(&c, "RRRRR");
    expect_sources(&c, "eadcdbebcb");
    set_weights(&c, (uint32_t[]){1, 2, 3, 10, 4});
    expect_sources(&c, "eadcddebcb");
}

static void test_the_hash_keeps_the_weights(void **state)
{
    enum { CLIENTS = 400000 };
    const uint32_t weights[] = {1, 2, 3, 10, 4};
    struct cast c;
    unsigned counts[5] = {0};

    (void)state;
    cast_begin(&c, "RRRRR");
    set_weights(&c, weights);
    for (uint32_t client = 0; client < CLIENTS; client++) {
        counts[pick_source(&c, client)]++;
    }
    for (size_t i = 0; i < c.count; i++) {
        double share = (double)weights[i] * CLIENTS / 20;
        if (counts[i] < share * 0.98 || counts[i] > share * 1.02) { /* three sigma of the least */
            fail_msg("%zu: %u, not %.0f", i, counts[i], share);
        }
    }
}

/* Whatever changes at member i, a client moves only from it or to it. */
static void expect_few_moves(const struct cast *before, const struct cast *after, size_t i,
                             bool may_lose, bool may_gain)
{
    for (uint32_t client = 0; client < 2000; client++) {
        int was = pick_source(before, client);
        int is = pick_source(after, client);
        if (was == is) {
            continue;
        }
        if (!((may_lose && was == (int)i) || (may_gain && is == (int)i))) {
            fail_msg("client %u moved from %c to %c when %c changed", client, cast_name(was),
                     cast_name(is), cast_name((int)i));
        }
    }
}

static void test_the_hash_moves_only_what_it_must(void **state)
{
    const char *text = getenv("BALANCE_SEED");
    uint64_t first = text != NULL ? strtoull(text, NULL, 10) : 1;

    (void)state;
    print_message("replay with BALANCE_SEED=%llu\n", (unsigned long long)first);
    for (uint64_t seed = first; seed < first + 20; seed++) {
        struct prng chance;
        struct cast c;
        struct cast other;
        prng_init(&chance, seed);
        cast_begin(&c, "RRRRRRRR");
        c.count = 2 + prng_below(&chance, CAST_MAX - 1);
        for (size_t i = 0; i < c.count; i++) {
            c.members[i].weight = 1 + (uint32_t)prng_below(&chance, 20);
        }
        size_t i = prng_below(&chance, c.count);
        other = c;
        cast_set(&other, i, "NUAr"[prng_below(&chance, 4)]);
        expect_few_moves(&c, &other, i, true, false);
        expect_few_moves(&other, &c, i, false, true);
        other = c;
        other.members[i].permille = 100 + (uint32_t)prng_below(&chance, 900);
        expect_few_moves(&c, &other, i, true, false);
        other.members[i].permille = 1000;
        other.members[i].weight += 5;
        expect_few_moves(&c, &other, i, false, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_avoid_only_when_nobody_is_ready),
        cmocka_unit_test(test_the_writer_reads_last),
        cmocka_unit_test(test_who_was_tried_in_vain_is_passed_over),
        cmocka_unit_test(test_the_greatest_set),
        cmocka_unit_test(test_round_robin_is_smooth),
        cmocka_unit_test(test_round_robin_keeps_the_weights),
        cmocka_unit_test(test_a_flapping_member_owes_nothing_and_claims_nothing),
        cmocka_unit_test(test_least_connections),
        cmocka_unit_test(test_least_connections_keeps_the_weights),
        cmocka_unit_test(test_a_source_goes_to_one_member),
        cmocka_unit_test(test_the_hash_is_the_same_on_every_node),
        cmocka_unit_test(test_the_hash_keeps_the_weights),
        cmocka_unit_test(test_the_hash_moves_only_what_it_must),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
