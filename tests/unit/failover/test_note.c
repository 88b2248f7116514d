#include "core_fixture.h"

static void test_payloads_have_the_form_that_tools_parse(void **state)
{
    char text[NOTE_PAYLOAD_MAX];
    struct note note = {.type = NOTE_ODOWN, .has_instance = true, .name = "shop", .addr = at(6379)};

    (void)state;
    memcpy(note.extra, "#quorum 2/2", 12);
    assert_string_equal(note_payload(&note, false, text), "master shop 127.0.0.1 6379 #quorum 2/2");
    note = (struct note){.type = NOTE_REPLICA,
                         .has_instance = true,
                         .kind = KIND_REPLICA,
                         .name = "shop",
                         .addr = at(6380),
                         .master_addr = at(6379)};
    assert_string_equal(note_payload(&note, false, text),
                        "slave 127.0.0.1:6380 127.0.0.1 6380 @ shop 127.0.0.1 6379");
    note.kind = KIND_PEER;
    memcpy(note.run_id, PEER_A, RUN_ID_MAX);
    assert_string_equal(note_payload(&note, false, text),
                        "sentinel " PEER_A " 127.0.0.1 6380 @ shop 127.0.0.1 6379");
    note = (struct note){
        .type = NOTE_SWITCH, .name = "shop", .addr = at(6379), .master_addr = at(6380)};
    assert_string_equal(note_payload(&note, false, text), "shop 127.0.0.1 6379 127.0.0.1 6380");
    note = (struct note){.type = NOTE_TILT, .name = "shop", .extra = "#tilt mode entered"};
    assert_string_equal(note_payload(&note, false, text), "#tilt mode entered");
}

static void test_names_are_shown_when_they_are_announced(void **state)
{
    char text[NOTE_PAYLOAD_MAX];
    struct note note = {.type = NOTE_SDOWN, .has_instance = true, .name = "shop", .addr = at(6379)};

    (void)state;
    memcpy(note.addr.name, "db1", 4);
    assert_string_equal(note_payload(&note, false, text), "master shop 127.0.0.1 6379");
    assert_string_equal(note_payload(&note, true, text), "master shop db1 6379");
    note = (struct note){.type = NOTE_REPLICA,
                         .has_instance = true,
                         .kind = KIND_REPLICA,
                         .name = "shop",
                         .addr = at(6380),
                         .master_addr = at(6379)};
    memcpy(note.addr.name, "db2", 4);
    memcpy(note.master_addr.name, "db1", 4);
    assert_string_equal(note_payload(&note, true, text), "slave db2:6380 db2 6380 @ shop db1 6379");
    note.type = NOTE_SWITCH;
    assert_string_equal(note_payload(&note, false, text), "shop 127.0.0.1 6380 127.0.0.1 6379");
    assert_string_equal(note_payload(&note, true, text), "shop db2 6380 db1 6379");
}

/* Written down a second time: tools subscribe to these words, and scripts run on the warnings. */
static const struct {
    enum note_type type;
    enum note_level level;
    const char *name;
} vocabulary[] = {
    {NOTE_MONITOR, NOTE_WARNING, "+monitor"},
    {NOTE_MONITOR_END, NOTE_WARNING, "-monitor"},
    {NOTE_RESET_MASTER, NOTE_WARNING, "+reset-master"},
    {NOTE_SDOWN, NOTE_WARNING, "+sdown"},
    {NOTE_SDOWN_END, NOTE_WARNING, "-sdown"},
    {NOTE_ODOWN, NOTE_WARNING, "+odown"},
    {NOTE_ODOWN_END, NOTE_WARNING, "-odown"},
    {NOTE_NEW_EPOCH, NOTE_WARNING, "+new-epoch"},
    {NOTE_TRY_FAILOVER, NOTE_WARNING, "+try-failover"},
    {NOTE_VOTE, NOTE_WARNING, "+vote-for-leader"},
    {NOTE_ELECTED, NOTE_WARNING, "+elected-leader"},
    {NOTE_SELECT, NOTE_WARNING, "+failover-state-select-slave"},
    {NOTE_SELECTED, NOTE_WARNING, "+selected-slave"},
    {NOTE_SEND_PROMOTE, NOTE_NOTICE, "+failover-state-send-slaveof-noone"},
    {NOTE_WAIT_PROMOTION, NOTE_NOTICE, "+failover-state-wait-promotion"},
    {NOTE_PROMOTED, NOTE_WARNING, "+promoted-slave"},
    {NOTE_RECONF, NOTE_WARNING, "+failover-state-reconf-slaves"},
    {NOTE_RECONF_SENT, NOTE_NOTICE, "+slave-reconf-sent"},
    {NOTE_RECONF_INPROG, NOTE_NOTICE, "+slave-reconf-inprog"},
    {NOTE_RECONF_DONE, NOTE_NOTICE, "+slave-reconf-done"},
    {NOTE_RECONF_SENT_BE, NOTE_NOTICE, "+slave-reconf-sent-be"},
    {NOTE_RECONF_TIMEOUT, NOTE_NOTICE, "-slave-reconf-sent-timeout"},
    {NOTE_END_TIMEOUT, NOTE_WARNING, "+failover-end-for-timeout"},
    {NOTE_END, NOTE_WARNING, "+failover-end"},
    {NOTE_SWITCH, NOTE_WARNING, "+switch-master"},
    {NOTE_ABORT_NOT_ELECTED, NOTE_WARNING, "-failover-abort-not-elected"},
    {NOTE_ABORT_NO_GOOD, NOTE_WARNING, "-failover-abort-no-good-slave"},
    {NOTE_ABORT_TIMEOUT, NOTE_WARNING, "-failover-abort-slave-timeout"},
    {NOTE_CONFIG_UPDATE, NOTE_WARNING, "+config-update-from"},
    {NOTE_TILT, NOTE_WARNING, "+tilt"},
    {NOTE_TILT_END, NOTE_WARNING, "-tilt"},
    {NOTE_SET, NOTE_WARNING, "+set"},
    {NOTE_SCRIPT_ERROR, NOTE_WARNING, "-script-error"},
    {NOTE_SCRIPT_TIMEOUT, NOTE_WARNING, "-script-timeout"},
    {NOTE_REPLICA, NOTE_NOTICE, "+slave"},
    {NOTE_PEER, NOTE_NOTICE, "+sentinel"},
    {NOTE_PEER_INVALID, NOTE_NOTICE, "+sentinel-invalid-addr"},
    {NOTE_PEER_SWITCH, NOTE_NOTICE, "+sentinel-address-switch"},
    {NOTE_PEER_UPDATE, NOTE_NOTICE, "+sentinel-address-update"},
    {NOTE_REBOOT, NOTE_NOTICE, "+reboot"},
    {NOTE_CONVERT, NOTE_NOTICE, "+convert-to-slave"},
    {NOTE_FIX_CONFIG, NOTE_NOTICE, "+fix-slave-config"},
    {NOTE_ROLE_CHANGE, NOTE_VERBOSE, "+role-change"},
    {NOTE_ROLE_AGAIN, NOTE_VERBOSE, "-role-change"},
    {NOTE_FORGET, NOTE_NOTICE, "+forget"},
};

static void test_every_note_has_its_name(void **state)
{
    (void)state;
    assert_int_equal(sizeof(vocabulary) / sizeof(vocabulary[0]), NOTE_COUNT);
    for (size_t n = 0; n < NOTE_COUNT; n++) {
        assert_int_equal(vocabulary[n].type, n);
        assert_string_equal(note_name(vocabulary[n].type), vocabulary[n].name);
        assert_int_equal(note_level(vocabulary[n].type), vocabulary[n].level);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_payloads_have_the_form_that_tools_parse),
        cmocka_unit_test(test_names_are_shown_when_they_are_announced),
        cmocka_unit_test(test_every_note_has_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
