#include "core_fixture.h"

/* The table is data: what a person reads in docs/failover.md is what the door allows. */

static bool leads(const char *from, const char *to, int depth)
{
    struct phase_edge_view edge;

    if (strcmp(from, to) == 0) {
        return true;
    }
    for (uint32_t n = 0; depth > 0 && failover_phase_edge_at(n, &edge); n++) {
        if (strcmp(edge.from, from) == 0 && leads(edge.to, to, depth - 1)) {
            return true;
        }
    }
    return false;
}

static bool is_edge(const char *from, const char *to)
{
    struct phase_edge_view edge;

    for (uint32_t n = 0; failover_phase_edge_at(n, &edge); n++) {
        if (strcmp(edge.from, from) == 0 && strcmp(edge.to, to) == 0) {
            return true;
        }
    }
    return false;
}

/* All ten phases, as a failover that succeeds passes them: the table may not forget one. */
static void test_every_phase_stands_on_the_way_of_a_failover(void **state)
{
    static const char *const way[] = {"idle",        "wait-elected", "revoke",         "detach",
                                      "select",      "promote",      "wait-promotion", "accept",
                                      "reconfigure", "update-config"};
    const size_t count = sizeof(way) / sizeof(way[0]);

    (void)state;
    for (size_t n = 0; n < count; n++) {
        assert_true(is_edge(way[n], way[(n + 1) % count]));
    }
}

static void test_every_phase_is_reached_and_left(void **state)
{
    struct phase_edge_view edge;
    uint32_t count = 0;

    (void)state;
    for (; failover_phase_edge_at(count, &edge); count++) {
        assert_true(leads("idle", edge.from, 9));
        assert_true(leads(edge.to, "idle", 9));
    }
    assert_true(count > 10);
}

static void test_every_edge_has_its_reason_and_stands_once(void **state)
{
    struct phase_edge_view edge;
    struct phase_edge_view other;

    (void)state;
    for (uint32_t n = 0; failover_phase_edge_at(n, &edge); n++) {
        assert_true(strlen(edge.why) > 10);
        for (uint32_t k = 0; k < n && failover_phase_edge_at(k, &other); k++) {
            assert_false(strcmp(edge.from, other.from) == 0 && strcmp(edge.to, other.to) == 0);
        }
    }
    assert_false(failover_phase_edge_at(1000, &edge));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_phase_stands_on_the_way_of_a_failover),
        cmocka_unit_test(test_every_phase_is_reached_and_left),
        cmocka_unit_test(test_every_edge_has_its_reason_and_stands_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
