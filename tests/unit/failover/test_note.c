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
}

static void test_names_are_shown_when_they_are_announced(void **state)
{
    char text[NOTE_PAYLOAD_MAX];
    struct note note = {.type = NOTE_SDOWN, .has_instance = true, .name = "shop", .addr = at(6379)};

    (void)state;
    memcpy(note.addr.name, "db1", 4);
    assert_string_equal(note_payload(&note, false, text), "master shop 127.0.0.1 6379");
    assert_string_equal(note_payload(&note, true, text), "master shop db1 6379");
}

static void test_every_note_has_its_name(void **state)
{
    (void)state;
    for (int n = 0; n < NOTE_COUNT; n++) {
        const char *name = note_name((enum note_type)n);
        assert_true(name[0] == '+' || name[0] == '-');
    }
    assert_string_equal(note_name(NOTE_SWITCH), "+switch-master");
    assert_int_equal(note_level(NOTE_ROLE_CHANGE), NOTE_VERBOSE);
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
