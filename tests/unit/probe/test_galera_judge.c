/* Every row of what is known of a Galera node, and the order in which they count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/assert.h"
#include "probe/galera_judge.h"

static const char OURS[] = "0b9a4a5e-e5c5-11f1-87f7-56a6ea8d3ac7";

/* A node that is well, by the words of the server. */
static void synced(struct galera_status *s)
{
    static const char *const values[][2] = {
        {"wsrep_on", "ON"},
        {"wsrep_ready", "ON"},
        {"wsrep_connected", "ON"},
        {"wsrep_cluster_status", "Primary"},
        {"wsrep_cluster_size", "3"},
        {"wsrep_cluster_state_uuid", OURS},
        {"wsrep_local_state", "4"},
        {"wsrep_local_state_comment", "Synced"},
        {"wsrep_reject_queries", "NONE"},
        {"wsrep_desync", "OFF"},
        {"read_only", "0"},
    };

    galera_status_init(s);
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        assert_true(galera_status_take(s, values[i][0], values[i][1]));
    }
}

struct row {
    const char *values[6][2]; /* what differs from a node that is well */
    struct galera_rules rules;
    enum verdict verdict;
    bool can_read;
    const char *reason; /* a part of it */
};

/* clang-format off */
static const struct row rows[] = {
    {{{0}}, {0}, VERDICT_READY, true, "Synced (wsrep_local_state 4), cluster of 3"},
    {{{0}}, {.cluster_uuid = "0b9a4a5e-e5c5-11f1-87f7-56a6ea8d3ac7"}, VERDICT_READY, true,
     "Synced"},

    /* cut off: n3 of galera.md, 6 s after the cut, and the one that is left of three */
    {{{"wsrep_local_state", "0"}, {"wsrep_local_state_comment", "Initialized"},
      {"wsrep_cluster_status", "non-Primary"}, {"wsrep_ready", "OFF"}, {"wsrep_cluster_size", "1"}},
     {0}, VERDICT_NOT_READY, false,
     "non-Primary component (wsrep_cluster_status non-Primary, wsrep_local_state 0)"},
    {{{"wsrep_cluster_status", "non-Primary"}}, {0}, VERDICT_NOT_READY, false, "non-Primary"},
    {{{"wsrep_cluster_status", "Disconnected"}, {"wsrep_connected", "OFF"}}, {0},
     VERDICT_NOT_READY, false, "not in a Primary component (wsrep_cluster_status Disconnected"},
    {{{"wsrep_cluster_status", ""}}, {0}, VERDICT_NOT_READY, false, "not given"},
    {{{"wsrep_connected", "OFF"}}, {0}, VERDICT_NOT_READY, false, "wsrep_connected is OFF"},

    /* heal: 0, 1 Joining, 3 Joined, 4 */
    {{{"wsrep_local_state", "1"}, {"wsrep_local_state_comment", "Joining"}}, {0},
     VERDICT_NOT_READY, false, "Joining (wsrep_local_state 1)"},
    {{{"wsrep_local_state", "1"},
      {"wsrep_local_state_comment", "Joining: receiving State Transfer"}, {"wsrep_ready", "OFF"}},
     {0}, VERDICT_NOT_READY, false, "Joining: receiving State Transfer (wsrep_local_state 1)"},
    {{{"wsrep_local_state", "3"}, {"wsrep_local_state_comment", "Joined"}}, {0},
     VERDICT_NOT_READY, false, "Joined (wsrep_local_state 3)"},
    {{{"wsrep_local_state", "5"}, {"wsrep_local_state_comment", "Inconsistent"}}, {0},
     VERDICT_NOT_READY, false, "Inconsistent (wsrep_local_state 5)"},
    {{{"wsrep_ready", "OFF"}}, {0}, VERDICT_NOT_READY, false, "wsrep_ready is OFF"},

    /* a donor: wsrep_ready stays ON */
    {{{"wsrep_local_state", "2"}, {"wsrep_local_state_comment", "Donor/Desynced"}}, {0},
     VERDICT_AVOID, true, "Donor/Desynced (wsrep_local_state 2)"},
    {{{"wsrep_local_state", "2"}, {"wsrep_local_state_comment", "Donor/Desynced"}},
     {.donor = GALERA_DONOR_NOT_READY}, VERDICT_NOT_READY, false, "Donor/Desynced"},
    {{{"wsrep_local_state", "2"}, {"wsrep_local_state_comment", "Donor/Desynced"}},
     {.donor = GALERA_DONOR_READY}, VERDICT_READY, true, "Donor/Desynced (wsrep_local_state 2)"},
    {{{"wsrep_local_state", "2"}, {"wsrep_local_state_comment", "Donor/Desynced"},
      {"wsrep_ready", "OFF"}}, {.donor = GALERA_DONOR_READY}, VERDICT_NOT_READY, false, "1047"},
    {{{"wsrep_local_state", "2"}, {"wsrep_local_state_comment", "Donor/Desynced"},
      {"wsrep_sst_donor_rejects_queries", "1"}}, {.donor = GALERA_DONOR_READY}, VERDICT_NOT_READY,
     false, "wsrep_sst_donor_rejects_queries is ON"},
    {{{"wsrep_sst_donor_rejects_queries", "ON"}}, {0}, VERDICT_READY, true, "Synced"},
    {{{"wsrep_local_state", "2"}, {"wsrep_local_state_comment", "Donor/Desynced"},
      {"wsrep_desync", "1"}}, {0}, VERDICT_AVOID, true, "wsrep_desync is ON"},
    {{{"wsrep_desync", "ON"}}, {0}, VERDICT_AVOID, true, "wsrep_desync is ON"}, /* on its way */
    {{{"wsrep_desync", "ON"}}, {.donor = GALERA_DONOR_READY}, VERDICT_READY, true, "Synced"},

    /* read-only */
    {{{"read_only", "1"}}, {0}, VERDICT_NOT_READY, true, "read_only is ON"},
    {{{"read_only", "NO_LOCK_NO_ADMIN"}}, {0}, VERDICT_NOT_READY, true, "read_only is ON"},
    {{{"super_read_only", "1"}}, {0}, VERDICT_NOT_READY, true, "super_read_only is ON"},
    {{{"innodb_read_only", "1"}}, {0}, VERDICT_NOT_READY, true, "innodb_read_only is ON"},
    {{{"offline_mode", "1"}}, {0}, VERDICT_NOT_READY, false, "offline_mode is ON"},
    {{{"read_only", "1"}, {"wsrep_local_state", "2"}}, {.donor = GALERA_DONOR_NOT_READY},
     VERDICT_NOT_READY, false, "read_only is ON"},
    {{{"read_only", "1"}, {"wsrep_cluster_status", "non-Primary"}}, {0}, VERDICT_NOT_READY, false,
     "non-Primary"},

    /* rejected, maintained */
    {{{"wsrep_reject_queries", "ALL"}}, {0}, VERDICT_NOT_READY, false,
     "wsrep_reject_queries is ALL"},
    {{{"wsrep_reject_queries", "ALL_KILL"}}, {0}, VERDICT_NOT_READY, false, "ALL_KILL"},
    {{{"pxc_maint_mode", "DISABLED"}}, {0}, VERDICT_READY, true, "Synced"},
    {{{"pxc_maint_mode", "MAINTENANCE"}}, {0}, VERDICT_NOT_READY, false,
     "pxc_maint_mode is MAINTENANCE"},
    {{{"pxc_maint_mode", "SHUTDOWN"}}, {0}, VERDICT_NOT_READY, false, "SHUTDOWN"},

    /* behind */
    {{{"wsrep_local_recv_queue", "100"}}, {.recv_queue_max = 100}, VERDICT_READY, true, "Synced"},
    {{{"wsrep_local_recv_queue", "101"}}, {.recv_queue_max = 100}, VERDICT_AVOID, true,
     "101 write sets wait to be applied, above 100"},
    {{{"wsrep_local_recv_queue", "100000"}}, {0}, VERDICT_READY, true, "Synced"},

    /* the wrong place */
    {{{0}}, {.cluster_uuid = "11111111-e5c5-11f1-87f7-56a6ea8d3ac7"}, VERDICT_NOT_READY, false,
     "belongs to another cluster (wsrep_cluster_state_uuid 0b9a4a5e-e5c5-11f1-87f7-56a6ea8d3ac7, "
     "the others have 11111111-e5c5-11f1-87f7-56a6ea8d3ac7)"},
    {{{"wsrep_on", "OFF"}}, {0}, VERDICT_NOT_READY, false, "wsrep is off"},
};
/* clang-format on */

static void test_every_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct row *row = &rows[i];
        struct galera_status s;
        struct evidence e = {.took_ms = 7};
        bool can_read = !row->can_read;
        synced(&s);
        for (size_t k = 0; k < COUNT_OF(row->values) && row->values[k][0] != NULL; k++) {
            assert_true(galera_status_take(&s, row->values[k][0], row->values[k][1]));
        }
        galera_judge(&s, &row->rules, &e, &can_read);
        if (e.verdict != row->verdict || can_read != row->can_read ||
            strstr(e.reason, row->reason) == NULL) {
            fail_msg("row %zu: verdict %d, can_read %d, %s", i, (int)e.verdict, can_read, e.reason);
        }
        assert_int_equal(e.took_ms, 7);
        assert_int_not_equal(e.verdict, VERDICT_UNKNOWN);
    }
}

static void test_flow_control_above_its_bound_is_avoided(void **state)
{
    struct galera_rules rules = {.paused_max_permille = 250};
    struct galera_status s;
    struct evidence e = {0};
    bool can_read = false;

    (void)state;
    synced(&s);
    s.paused_permille = 250;
    galera_judge(&s, &rules, &e, &can_read);
    assert_int_equal(e.verdict, VERDICT_READY);
    s.paused_permille = 251;
    galera_judge(&s, &rules, &e, &can_read);
    assert_int_equal(e.verdict, VERDICT_AVOID);
    assert_string_equal(e.reason, "flow control paused it for 25.1 % of the time, above 25.0 %");
    assert_true(can_read);
    rules.paused_max_permille = 0;
    galera_judge(&s, &rules, &e, &can_read);
    assert_int_equal(e.verdict, VERDICT_READY);
}

static void test_a_server_that_says_nothing_is_not_ready(void **state)
{
    struct galera_rules rules = {0};
    struct galera_status s;
    struct evidence e = {0};
    bool can_read = true;

    (void)state;
    galera_status_init(&s);
    galera_judge(&s, &rules, &e, &can_read);
    assert_int_equal(e.verdict, VERDICT_NOT_READY);
    assert_false(can_read);
}

static void test_a_plain_server(void **state)
{
    struct galera_status s;
    struct evidence e = {0};
    bool can_read = false;

    (void)state;
    galera_status_init(&s);
    galera_judge_plain(&s, &e, &can_read);
    assert_int_equal(e.verdict, VERDICT_READY);
    assert_true(can_read);
    assert_true(galera_status_take(&s, "READ_ONLY", "on"));
    galera_judge_plain(&s, &e, &can_read);
    assert_int_equal(e.verdict, VERDICT_NOT_READY);
    assert_string_equal(e.reason, "read_only is ON");
    assert_true(can_read);
}

static void test_values_that_are_none_change_nothing(void **state)
{
    struct galera_status s;
    char longest[500];

    (void)state;
    synced(&s);
    assert_false(galera_status_take(&s, "wsrep_unheard_of", "1"));
    assert_true(galera_status_take(&s, "wsrep_cluster_size", "many"));
    assert_true(galera_status_take(&s, "wsrep_cluster_conf_id", "18446744073709551615"));
    assert_int_equal(s.cluster_size, 3);
    assert_int_equal(s.conf_id, 0);
    memset(longest, 'x', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    assert_true(galera_status_take(&s, "wsrep_local_state_comment", longest));
    assert_int_equal(strlen(s.state_comment), sizeof(s.state_comment) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row),
        cmocka_unit_test(test_flow_control_above_its_bound_is_avoided),
        cmocka_unit_test(test_a_server_that_says_nothing_is_not_ready),
        cmocka_unit_test(test_a_plain_server),
        cmocka_unit_test(test_values_that_are_none_change_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
