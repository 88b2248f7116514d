#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "link/info_wire.h"

static struct info_facts facts;
static struct info_replica replicas[REPLICAS_PER_MASTER_MAX];

static bool decode(const char *text)
{
    return info_wire_decode(text, strlen(text), &facts, replicas);
}

static void test_master(void **state)
{
    (void)state;
    assert_true(decode("# Server\r\nredis_version:7.0.15\r\n"
                       "run_id:0123456789012345678901234567890123456789\r\nuptime_in_seconds:77\r\n"
                       "# Persistence\r\nloading:0\r\n# Replication\r\nrole:master\r\n"
                       "connected_slaves:2\r\n"
                       "slave0:ip=10.0.0.2,port=6379,state=online,offset=42,lag=0\r\n"
                       "slave1:ip=db3.example,port=6380,state=wait_bgsave,offset=0,lag=0,type=x\r\n"
                       "master_replid:67f8e4f5f3b04f409790e511db38981d3634be21\r\n"
                       "master_replid2:77f8e4f5f3b04f409790e511db38981d3634be21\r\n"
                       "master_repl_offset:100\r\nsecond_repl_offset:57\r\n"
                       "# Keyspace\r\ndb0:keys=3,expires=0,avg_ttl=0\r\ndb9:keys=4,expires=1\r\n"));
    assert_int_equal(facts.role, ROLE_MASTER);
    assert_string_equal(facts.run_id, "0123456789012345678901234567890123456789");
    assert_int_equal(facts.uptime_s, 77);
    assert_false(facts.loading);
    assert_int_equal(facts.connected_replicas, 2);
    assert_int_equal(facts.replicas_count, 2);
    assert_string_equal(facts.replicas[0].addr.ip, "10.0.0.2");
    assert_int_equal(facts.replicas[0].offset, 42);
    assert_string_equal(facts.replicas[1].addr.name, "db3.example");
    assert_string_equal(facts.replicas[1].addr.ip, "");
    assert_int_equal(facts.replicas[1].addr.port, 6380);
    assert_string_equal(facts.replid, "67f8e4f5f3b04f409790e511db38981d3634be21");
    assert_string_equal(facts.replid2, "77f8e4f5f3b04f409790e511db38981d3634be21");
    assert_int_equal(facts.offset, 100);
    assert_int_equal(facts.second_offset, 57);
    assert_int_equal(facts.keys, 7);
}

static void test_replica(void **state)
{
    (void)state;
    assert_true(decode("role:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6379\r\n"
                       "master_link_status:down\r\nmaster_sync_in_progress:1\r\n"
                       "slave_repl_offset:90\r\nmaster_link_down_since_seconds:12\r\n"
                       "slave_priority:0\r\nreplica_announced:0\r\nmaster_repl_offset:100\r\n"
                       "slave0:ip=10.0.0.9,port=6379,state=online,offset=42,lag=0\r\n"));
    assert_int_equal(facts.role, ROLE_REPLICA);
    assert_string_equal(facts.master_addr.ip, "10.0.0.1");
    assert_int_equal(facts.master_addr.port, 6379);
    assert_false(facts.master_link_up);
    assert_int_equal(facts.master_link_down_ms, 12000);
    assert_true(facts.sync_in_progress);
    assert_int_equal(facts.offset, 90);
    assert_int_equal(facts.priority, 0);
    assert_false(facts.announced);
    assert_int_equal(facts.replicas_count, 0); /* its own replicas are not the master's */
}

static void test_what_is_absent(void **state)
{
    (void)state;
    assert_true(decode("role:slave\nmaster_link_down_since_seconds:-1\n"));
    assert_int_equal(facts.master_link_down_ms, 0);
    assert_int_equal(facts.priority, 100);
    assert_true(facts.announced);
    assert_int_equal(facts.keys, -1);
    assert_int_equal(facts.uptime_s, -1);
    assert_int_equal(facts.second_offset, -1);
    assert_string_equal(facts.run_id, "");
    assert_int_equal(facts.master_addr.port, 0);
    assert_true(decode("role:master\n# Keyspace\n"));
    assert_int_equal(facts.keys, 0);
    assert_true(decode("role:master\nmaster_replid2:0000000000000000000000000000000000000000\n"));
    assert_string_equal(facts.replid2, "");
}

static void test_old_replica_lines(void **state)
{
    (void)state;
    assert_true(decode("role:master\nslave0:127.0.0.1,6380,online\nslave1:::1,6381,online\n"));
    assert_int_equal(facts.replicas_count, 2);
    assert_string_equal(facts.replicas[0].addr.ip, "127.0.0.1");
    assert_string_equal(facts.replicas[1].addr.ip, "::1");
    assert_int_equal(facts.replicas[1].addr.port, 6381);
}

static void test_what_is_wrong_is_passed_over(void **state)
{
    (void)state;
    assert_false(decode(""));
    assert_false(decode("role:sentinel\n"));
    assert_false(decode("-NOAUTH\n"));
    assert_true(decode("role:master\nrun_id:abc,def\nmaster_repl_offset:-5\nloading:yes\n"
                       "slave0:ip=10.0.0.2,port=0,state=online\nslave1:ip=,port=1\n"
                       "slave2:ip=a b,port=6379\nslave3:ip=10.0.0.2,port=65536\nslave4:\n"
                       "slavex:ip=1.2.3.4,port=5\ndb0:keys=x\nuptime_in_seconds:1e9\n"
                       "master_replid:0123456789012345678901234567890123456789a\n"));
    assert_string_equal(facts.run_id, "");
    assert_string_equal(facts.replid, "");
    assert_int_equal(facts.offset, 0);
    assert_int_equal(facts.replicas_count, 0);
    assert_int_equal(facts.uptime_s, -1);
    assert_int_equal(facts.keys, 0);
}

static void test_replicas_are_bounded(void **state)
{
    struct buf text = {0};

    (void)state;
    buf_append_text(&text, "role:master\r\n");
    for (int i = 0; i < REPLICAS_PER_MASTER_MAX + 10; i++) {
        buf_printf(&text, "slave%d:ip=10.0.0.2,port=%d,state=online,offset=1,lag=0\r\n", i, i + 1);
    }
    assert_true(decode(buf_data(&text)));
    assert_int_equal(facts.replicas_count, REPLICAS_PER_MASTER_MAX);
    buf_finish(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_master),
        cmocka_unit_test(test_replica),
        cmocka_unit_test(test_what_is_absent),
        cmocka_unit_test(test_old_replica_lines),
        cmocka_unit_test(test_what_is_wrong_is_passed_over),
        cmocka_unit_test(test_replicas_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
