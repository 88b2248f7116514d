#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "store/store.h"

#define RUN_ID "0123456789012345678901234567890123456789"

static void fill(struct state_image *image)
{
    memcpy(image->run_id, RUN_ID, sizeof(RUN_ID));
    image->current_epoch = 12;
    image->masters_count = 2;
    image->masters = calloc(2, sizeof(*image->masters));
    assert_non_null(image->masters);
    struct state_master *m = image->masters;
    memcpy(m->state.name, "my master #1", 13);
    assert_true(addr_set(&m->state.addr, "db1.example", 6379));
    memcpy(m->state.addr.ip, "10.0.0.1", 9);
    m->state.config = (struct master_config){2, 1, 5000, 60000, 100, 0};
    m->state.config_epoch = 11;
    m->state.leader_epoch = 12;
    memcpy(m->state.leader, RUN_ID, sizeof(RUN_ID));
    m->replicas_count = 3;
    m->replicas = calloc(3, sizeof(*m->replicas));
    assert_true(addr_set(&m->replicas[0], "::1", 6380));
    assert_true(addr_set(&m->replicas[1], "db2", 6380));
    assert_true(addr_set(&m->replicas[2], "10.0.0.3", 6380));
    m->peers_count = 1;
    m->peers = calloc(1, sizeof(*m->peers));
    assert_true(addr_set(&m->peers[0].addr, "10.0.0.9", 26379));
    memcpy(m->peers[0].run_id, RUN_ID, sizeof(RUN_ID));
    memcpy(image->masters[1].state.name, "other", 6);
    assert_true(addr_set(&image->masters[1].state.addr, "10.0.1.1", 1));
}

static void test_round_trip(void **state)
{
    struct state_image image = {0};
    struct state_image back = {0};
    struct buf text = {0};
    struct buf again = {0};
    struct err err = {0};

    (void)state;
    fill(&image);
    state_wire_encode(&image, &text);
    if (!state_wire_decode(buf_data(&text), text.len, &back, &err)) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(back.run_id, RUN_ID);
    assert_int_equal(back.current_epoch, 12);
    assert_int_equal(back.masters_count, 2);
    const struct state_master *m = back.masters;
    assert_string_equal(m->state.name, "my master #1");
    assert_string_equal(m->state.addr.name, "db1.example");
    assert_string_equal(m->state.addr.ip, "10.0.0.1");
    assert_int_equal(m->state.config.quorum, 2);
    assert_int_equal(m->state.config.refused_after_ms, 100);
    assert_int_equal(m->state.leader_epoch, 12);
    assert_string_equal(m->state.leader, RUN_ID);
    assert_int_equal(m->replicas_count, 3);
    assert_string_equal(m->replicas[0].ip, "::1");
    assert_string_equal(m->replicas[1].name, "db2");
    assert_string_equal(m->replicas[1].ip, "");
    assert_int_equal(m->peers_count, 1);
    assert_string_equal(m->peers[0].run_id, RUN_ID);
    assert_string_equal(back.masters[1].state.leader, "");
    state_wire_encode(&back, &again);
    assert_string_equal(buf_data(&text), buf_data(&again));
    state_wire_finish(&image);
    state_wire_finish(&back);
    buf_finish(&text);
    buf_finish(&again);
}

/* An operator may write his own myid, of any 40 characters. */
static void test_run_ids_of_any_kind(void **state)
{
    static const char *const ids[] = {"", "abcde", "node-7_Frankfurt.0000000000000000000000",
                                      "\"quoted'\\#"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        struct state_peer peer = {.addr = {.ip = "10.0.0.9", .port = 1}};
        struct state_master master = {.peers = &peer, .peers_count = 1};
        struct state_image image = {.masters = &master, .masters_count = 1};
        struct state_image back = {0};
        struct buf text = {0};
        struct err err = {0};
        memcpy(master.state.name, "m", 2);
        assert_true(addr_set(&master.state.addr, "10.0.0.1", 6379));
        memcpy(image.run_id, ids[i], strlen(ids[i]));
        memcpy(peer.run_id, ids[i], strlen(ids[i]));
        memcpy(master.state.leader, ids[i], strlen(ids[i]));
        state_wire_encode(&image, &text);
        if (!state_wire_decode(buf_data(&text), text.len, &back, &err)) {
            fail_msg("%s", err.text);
        }
        assert_string_equal(back.run_id, ids[i]);
        assert_string_equal(back.masters[0].state.leader, ids[i]);
        assert_string_equal(back.masters[0].peers[0].run_id, ids[i]);
        state_wire_finish(&back);
        buf_finish(&text);
    }
}

/* The checksum of "123456789" in every list of CRCs. */
static void test_checksum_is_crc32c(void **state)
{
    struct buf body = {0};
    struct buf out = {0};

    (void)state;
    buf_append_text(&body, "123456789");
    state_wire_seal(&body, &out);
    assert_string_equal(buf_data(&out), "holdfast-state 1 e3069283 9\n123456789");
    buf_finish(&body);
    buf_finish(&out);
}

static void expect_error(const char *text, size_t len, const char *what)
{
    struct state_image image = {0};
    struct err err = {0};

    assert_false(state_wire_decode(text, len, &image, &err));
    if (strstr(err.text, what) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err.text, what);
    }
    assert_int_equal(image.masters_count, 0);
}

static void test_every_damage_is_seen(void **state)
{
    struct state_image image = {0};
    struct buf text = {0};

    (void)state;
    fill(&image);
    state_wire_encode(&image, &text);
    char *copy = malloc(text.len + 1);
    assert_non_null(copy);
    for (size_t i = 0; i < text.len; i++) {
        struct state_image back = {0};
        struct err err = {0};
        memcpy(copy, buf_data(&text), text.len + 1);
        assert_false(state_wire_decode(copy, i, &back, &err)); /* cut */
        copy[i] = (char)(copy[i] ^ 1);
        /* one bit; a blank of the header may become another blank */
        if (state_wire_decode(copy, text.len, &back, &err)) {
            fail_msg("damage at %zu was not seen", i);
        }
    }
    free(copy);
    state_wire_finish(&image);
    buf_finish(&text);
}

static void expect_line_error(const char *lines, const char *what)
{
    struct buf body = {0};
    struct buf out = {0};

    buf_append_text(&body, lines);
    state_wire_seal(&body, &out);
    expect_error(buf_data(&out), out.len, what);
    buf_finish(&body);
    buf_finish(&out);
}

#define HEAD   "myid a\ncurrent-epoch 1\n"
#define MASTER "master m 10.0.0.1 6379 2 1 5000 60000 0 0 1 1 -\n"

static void test_errors_are_precise(void **state)
{
    (void)state;
    expect_error("", 0, "line 1: this is no state file of holdfast; put back a copy");
    expect_error("port 26379\n", 11, "no state file");
    expect_error("holdfast-state 2 00000000 0\n", 28, "version that this holdfast does not know");
    expect_line_error("", "myid or current-epoch is missing");
    expect_line_error(HEAD "master m", "line 4: does not end");
    expect_line_error(HEAD "\n", "line 4: empty");
    expect_line_error(HEAD "hello\n", "line 4: known word: \"hello\" is none");
    expect_line_error(HEAD "replica 1.2.3.4 5\n", "line 4: no master line stands before it");
    expect_line_error(HEAD "master m 10.0.0.1\n", "line 4: 3 words where \"master\" has 13");
    expect_line_error(HEAD MASTER "replica a/b 5\n", "line 5: host: \"a/b\" is none");
    expect_line_error(HEAD MASTER "replica a=b 5\n", "line 5: host");
    expect_line_error(HEAD MASTER "replica 1.2.3.4=1.2.3.4 5\n", "line 5: host");
    expect_line_error(HEAD MASTER "peer 1.2.3.4 65536 -\n", "line 5: port: \"65536\" is none");
    expect_line_error(HEAD MASTER "peer 1.2.3.4 5 " RUN_ID "0\n", "line 5: run id");
    expect_line_error(HEAD MASTER "peer 1.2.3.4 5 \"\"\n", "line 5: run id");
    expect_line_error(HEAD MASTER "peer 1.2.3.4 5 \"a\\x00b\"\n", "line 5: run id");
    expect_line_error(HEAD MASTER "peer 1.2.3.4 5 a,b\n", "line 5: run id");
    expect_line_error("myid a\ncurrent-epoch 9007199254740993\n", "line 3: epoch");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),         cmocka_unit_test(test_run_ids_of_any_kind),
        cmocka_unit_test(test_checksum_is_crc32c), cmocka_unit_test(test_every_damage_is_seen),
        cmocka_unit_test(test_errors_are_precise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
