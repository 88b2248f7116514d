#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sentinel/instance_map.h"

/* The keys, in order, as clients that read by position expect them. */
static void expect_keys(const struct instance_map *map, enum resp_version version,
                        const char *const *keys, size_t count)
{
    struct resp_reply_reader reader = {0};
    const struct resp_value *value;
    struct buf out = {0};

    instance_map_write(&out, version, map);
    assert_int_equal(resp_reply_read(&reader, &out, &resp_reply_limits_default, &value),
                     RESP_READY);
    assert_true(resp_is(value, version == RESP_3 ? RESP_MAP : RESP_ARRAY));
    assert_int_equal(value->count, 2 * count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(resp_text(resp_item(value, 2 * i)), keys[i]);
        assert_true(resp_is(resp_item(value, 2 * i + 1), RESP_BULK));
    }
    resp_reply_finish(&reader);
    buf_finish(&out);
}

/* The value of a key, copied. */
static void value_of(const struct instance_map *map, const char *key, char text[256])
{
    struct resp_reply_reader reader = {0};
    const struct resp_value *value;
    struct buf out = {0};

    instance_map_write(&out, RESP_2, map);
    assert_int_equal(resp_reply_read(&reader, &out, &resp_reply_limits_default, &value),
                     RESP_READY);
    const struct resp_value *found = resp_map_get(value, key);
    assert_non_null(found);
    assert_true(strlen(resp_text(found)) < 256);
    memcpy(text, resp_text(found), strlen(resp_text(found)) + 1);
    resp_reply_finish(&reader);
    buf_finish(&out);
}

static const struct master_config config = {
    .quorum = 2, .parallel_syncs = 1, .down_after_ms = 5000, .failover_timeout_ms = 60000};

static void test_master(void **state)
{
    static const char *const keys[] = {"name",
                                       "ip",
                                       "port",
                                       "runid",
                                       "flags",
                                       "link-pending-commands",
                                       "link-refcount",
                                       "last-ping-sent",
                                       "last-ok-ping-reply",
                                       "last-ping-reply",
                                       "down-after-milliseconds",
                                       "info-refresh",
                                       "role-reported",
                                       "role-reported-time",
                                       "config-epoch",
                                       "num-slaves",
                                       "num-other-sentinels",
                                       "quorum",
                                       "failover-timeout",
                                       "parallel-syncs"};
    struct instance_view v = {.kind = KIND_MASTER, .last_ok_reply = 900, .role = ROLE_MASTER};
    struct instance_map map = {.view = &v, .name = "mymaster", .config = &config, .now = 1000};
    char text[256];

    (void)state;
    assert_true(addr_set(&v.addr, "10.0.0.1", 6379));
    expect_keys(&map, RESP_2, keys, COUNT_OF(keys));
    expect_keys(&map, RESP_3, keys, COUNT_OF(keys));
    value_of(&map, "last-ok-ping-reply", text);
    assert_string_equal(text, "100");
    value_of(&map, "last-ping-sent", text);
    assert_string_equal(text, "0");
}

static void test_master_in_failover(void **state)
{
    static const char *const all[] = {"name",
                                      "ip",
                                      "port",
                                      "runid",
                                      "flags",
                                      "link-pending-commands",
                                      "link-refcount",
                                      "failover-state",
                                      "last-ping-sent",
                                      "last-ok-ping-reply",
                                      "last-ping-reply",
                                      "s-down-time",
                                      "o-down-time",
                                      "down-after-milliseconds",
                                      "info-refresh",
                                      "role-reported",
                                      "role-reported-time",
                                      "config-epoch",
                                      "num-slaves",
                                      "num-other-sentinels",
                                      "quorum",
                                      "failover-timeout",
                                      "parallel-syncs",
                                      "notification-script",
                                      "client-reconfig-script"};
    struct instance_view v = {.kind = KIND_MASTER,
                              .role = ROLE_MASTER,
                              .s_down = true,
                              .o_down = true,
                              .in_failover = true,
                              .force_failover = true,
                              .s_down_since = 400,
                              .failover_state = "wait_start"};
    struct instance_map map = {.view = &v,
                               .name = "mymaster",
                               .config = &config,
                               .now = 1000,
                               .notification_script = "/n",
                               .client_reconfig_script = "/c"};
    char text[256];

    (void)state;
    assert_true(addr_set(&v.addr, "10.0.0.1", 6379));
    expect_keys(&map, RESP_2, all, COUNT_OF(all));
    value_of(&map, "flags", text);
    assert_string_equal(text, "s_down,o_down,master,failover_in_progress,force_failover");
    value_of(&map, "s-down-time", text);
    assert_string_equal(text, "600");
}

static void test_replica(void **state)
{
    static const char *const keys[] = {"name",
                                       "ip",
                                       "port",
                                       "runid",
                                       "flags",
                                       "link-pending-commands",
                                       "link-refcount",
                                       "last-ping-sent",
                                       "last-ok-ping-reply",
                                       "last-ping-reply",
                                       "down-after-milliseconds",
                                       "info-refresh",
                                       "role-reported",
                                       "role-reported-time",
                                       "master-link-down-time",
                                       "master-link-status",
                                       "master-host",
                                       "master-port",
                                       "slave-priority",
                                       "slave-repl-offset",
                                       "replica-announced"};
    struct instance_view v = {.kind = KIND_REPLICA,
                              .role = ROLE_REPLICA,
                              .priority = 100,
                              .disconnected = true,
                              .reconf_done = true};
    struct instance_map map = {.view = &v, .name = "mymaster", .config = &config, .now = 1000};
    char text[256];

    (void)state;
    assert_true(addr_set(&v.addr, "::1", 6380));
    expect_keys(&map, RESP_2, keys, COUNT_OF(keys));
    value_of(&map, "name", text);
    assert_string_equal(text, "[::1]:6380");
    value_of(&map, "master-host", text);
    assert_string_equal(text, "?");
    value_of(&map, "flags", text);
    assert_string_equal(text, "slave,disconnected,reconf_done");
}

static void test_host_names(void **state)
{
    struct instance_view v = {.kind = KIND_REPLICA};
    struct instance_map map = {.view = &v, .name = "mymaster", .config = &config};
    char text[256];

    (void)state;
    assert_true(addr_set(&v.addr, "db2.example", 6380));
    memcpy(v.addr.ip, "10.0.0.2", sizeof("10.0.0.2"));
    value_of(&map, "name", text);
    assert_string_equal(text, "10.0.0.2:6380");
    map.want_names = true;
    value_of(&map, "name", text);
    assert_string_equal(text, "db2.example:6380");
    value_of(&map, "ip", text);
    assert_string_equal(text, "db2.example");
}

static void test_peer(void **state)
{
    static const char *const keys[] = {"name",
                                       "ip",
                                       "port",
                                       "runid",
                                       "flags",
                                       "link-pending-commands",
                                       "link-refcount",
                                       "last-ping-sent",
                                       "last-ok-ping-reply",
                                       "last-ping-reply",
                                       "down-after-milliseconds",
                                       "last-hello-message",
                                       "voted-leader",
                                       "voted-leader-epoch"};
    struct instance_view v = {.kind = KIND_PEER, .run_id = "abc", .master_down = true};
    struct instance_map map = {.view = &v, .name = "mymaster", .config = &config, .now = 1000};
    char text[256];

    (void)state;
    expect_keys(&map, RESP_2, keys, COUNT_OF(keys));
    value_of(&map, "name", text);
    assert_string_equal(text, "abc");
    value_of(&map, "voted-leader", text);
    assert_string_equal(text, "?");
    value_of(&map, "flags", text);
    assert_string_equal(text, "sentinel,master_down");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_master),  cmocka_unit_test(test_master_in_failover),
        cmocka_unit_test(test_replica), cmocka_unit_test(test_host_names),
        cmocka_unit_test(test_peer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
