/* All short stories there are, and long random ones, against what must hold in each. */
#include <stdlib.h>

#include "base/prng.h"
#include "choice_world.h"

struct witness {
    struct world w;
    bool was_named[4];        /* A to D: by a majority, or a selection, or a newer word, ever */
    enum choice_role said[4]; /* the last that each said of itself */
    msec_t held_since;
};

static size_t witness_index(const struct addr *addr)
{
    return (size_t)(addr->port - 6300 - 'A');
}

static void witness_check(struct witness *x, const struct choice_route *before, bool has_changed)
{
    const struct choice_route *route = &x->w.c.route;
    bool is_usable = route->state != CHOICE_NONE;
    bool is_moved = route->master.port != before->master.port;

    assert_int_equal(has_changed, before->state != route->state || before->why != route->why ||
                                      before->generation != route->generation ||
                                      before->epoch != route->epoch);
    assert_true(!is_moved || has_changed);
    assert_true(route->generation >= before->generation);
    assert_true(route->generation <= before->generation + 1);
    if (is_moved || (is_usable && before->state == CHOICE_NONE)) {
        assert_int_equal(route->generation, before->generation + 1);
        assert_true(is_usable);
        assert_int_equal(x->said[witness_index(&route->master)], CHOICE_ROLE_MASTER);
        assert_true(x->was_named[witness_index(&route->master)]);
    } else {
        assert_int_equal(route->generation, before->generation);
    }
    if (is_usable) {
        assert_true(addr_is_set(&route->master));
        assert_int_not_equal(x->said[witness_index(&route->master)], CHOICE_ROLE_REPLICA);
    }
    if (route->state != CHOICE_HOLD || before->state != CHOICE_HOLD) {
        x->held_since = x->w.now;
    }
    assert_true(x->w.now - x->held_since <= 2 * HOLD_MS); /* a selection, then a deposed master */
    assert_true(x->w.c.servers_count <= CHOICE_SERVERS_MAX);
    assert_true(master_choice_next(&x->w.c, x->w.now) > x->w.now);
    assert_false(judge(&x->w)); /* judged twice is judged once */
}

enum { DEEDS = 3 * 4 * 2 + 4 * 3 + 2 * 4 + 2 + 2 /* words, roles, selections, aborts, time */ };

static void witness_time(struct witness *x, msec_t ms)
{
    msec_t end = x->w.now + ms;
    msec_t next = master_choice_next(&x->w.c, x->w.now);

    x->w.now = next < end ? next : end; /* as the caller's timer does */
}

static void witness_word(struct witness *x, unsigned deed)
{
    struct addr addr = server((char)('A' + deed % 4));

    x->was_named[deed % 4] = true;
    master_choice_told(&x->w.c, deed / 8, &addr, 1 + deed / 4 % 2, x->w.now);
}

static void witness_selection(struct witness *x, unsigned deed)
{
    static const char stories[4][2] = {{'A', 'B'}, {'A', 'C'}, {'B', 'A'}, {'B', 'C'}};
    struct addr of = server(stories[deed % 4][0]);
    struct addr replica = server(stories[deed % 4][1]);

    x->was_named[witness_index(&replica)] = true;
    master_choice_selected(&x->w.c, deed / 4, &of, &replica, x->w.now);
}

static void witness_role(struct witness *x, unsigned deed)
{
    enum choice_role role = (enum choice_role)(CHOICE_ROLE_NONE + deed % 3);
    struct addr addr = server((char)('A' + deed / 3));

    if (is_asked(&x->w, (char)('A' + deed / 3))) {
        x->said[deed / 3] = role;
        master_choice_role(&x->w.c, &addr, role, x->w.now);
    }
}

static void witness_do(struct witness *x, unsigned deed)
{
    struct choice_route before = x->w.c.route;

    if (deed < 24) {
        witness_word(x, deed);
    } else if (deed < 36) {
        witness_role(x, deed - 24);
    } else if (deed < 44) {
        witness_selection(x, deed - 36);
    } else if (deed < 46) {
        master_choice_aborted(&x->w.c, deed - 44);
    } else {
        witness_time(x, deed == 46 ? 10 : HOLD_MS);
    }
    bool has_changed = judge(&x->w);
    witness_check(x, &before, has_changed);
}

static void witness_begin(struct witness *x)
{
    *x = (struct witness){0};
    world_of_a(&x->w);
    x->was_named[0] = true;
    x->said[0] = CHOICE_ROLE_MASTER;
    x->held_since = x->w.now;
}

/* All stories of three deeds after A became the master. */
static void test_all_short_stories(void **state)
{
    struct witness at[4];
    uint64_t stories = 0;

    (void)state;
    witness_begin(&at[0]);
    for (unsigned one = 0; one < DEEDS; one++) {
        at[1] = at[0];
        witness_do(&at[1], one);
        for (unsigned two = 0; two < DEEDS; two++) {
            at[2] = at[1];
            witness_do(&at[2], two);
            for (unsigned three = 0; three < DEEDS; three++) {
                at[3] = at[2];
                witness_do(&at[3], three);
                stories++;
            }
        }
    }
    assert_int_equal(stories, (uint64_t)DEEDS * DEEDS * DEEDS);
}

static void test_long_random_stories(void **state)
{
    const char *text = getenv("CHOICE_SEED");
    uint64_t first = text != NULL ? strtoull(text, NULL, 10) : 1;
    uint64_t moves = 0;

    (void)state;
    for (uint64_t seed = first; seed < first + 500; seed++) {
        struct prng chance;
        struct witness x;
        prng_init(&chance, seed);
        witness_begin(&x);
        for (int i = 0; i < 500; i++) {
            witness_do(&x, (unsigned)prng_below(&chance, DEEDS));
        }
        moves += x.w.c.route.generation;
    }
    print_message("%llu moves; replay with CHOICE_SEED=%llu\n", (unsigned long long)moves,
                  (unsigned long long)first);
    assert_true(moves > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_short_stories),
        cmocka_unit_test(test_long_random_stories),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
