#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "port_fixture.h"
#include "sentinel/acl.h"
#include "sentinel/cmd_table.h"

/* COMMAND LIST of redis-sentinel 7.0.15. */
static const char *const redis_commands[] = {
    "acl",
    "acl|cat",
    "acl|deluser",
    "acl|dryrun",
    "acl|genpass",
    "acl|getuser",
    "acl|help",
    "acl|list",
    "acl|load",
    "acl|log",
    "acl|save",
    "acl|setuser",
    "acl|users",
    "acl|whoami",
    "auth",
    "client",
    "client|caching",
    "client|getname",
    "client|getredir",
    "client|help",
    "client|id",
    "client|info",
    "client|kill",
    "client|list",
    "client|no-evict",
    "client|pause",
    "client|reply",
    "client|setname",
    "client|tracking",
    "client|trackinginfo",
    "client|unblock",
    "client|unpause",
    "command",
    "command|count",
    "command|docs",
    "command|getkeys",
    "command|getkeysandflags",
    "command|help",
    "command|info",
    "command|list",
    "hello",
    "info",
    "ping",
    "psubscribe",
    "publish",
    "punsubscribe",
    "role",
    "sentinel",
    "sentinel|ckquorum",
    "sentinel|config",
    "sentinel|debug",
    "sentinel|failover",
    "sentinel|flushconfig",
    "sentinel|get-master-addr-by-name",
    "sentinel|help",
    "sentinel|info-cache",
    "sentinel|is-master-down-by-addr",
    "sentinel|master",
    "sentinel|masters",
    "sentinel|monitor",
    "sentinel|myid",
    "sentinel|pending-scripts",
    "sentinel|remove",
    "sentinel|replicas",
    "sentinel|reset",
    "sentinel|sentinels",
    "sentinel|set",
    "sentinel|simulate-failure",
    "sentinel|slaves",
    "shutdown",
    "subscribe",
    "unsubscribe",
};

static void test_sorted(void **state)
{
    (void)state;
    for (uint32_t i = 1; i < command_table_count(); i++) {
        assert_true(strcmp(command_table_at(i - 1)->name, command_table_at(i)->name) < 0);
    }
    assert_null(command_table_at(command_table_count()));
}

static void test_complete(void **state)
{
    uint32_t shown = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(redis_commands); i++) {
        const struct command_row *row =
            command_table_find(redis_commands[i], strlen(redis_commands[i]));
        assert_non_null(row);
        assert_int_equal(row->flags & COMMAND_HIDDEN, 0);
    }
    for (uint32_t i = 0; i < command_table_count(); i++) {
        shown += (command_table_at(i)->flags & COMMAND_HIDDEN) == 0 ? 1 : 0;
    }
    /* and client|setinfo of 7.2, sentinel|forget of ours */
    assert_int_equal(shown, COUNT_OF(redis_commands) + 2);
}

static void test_rows(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < command_table_count(); i++) {
        const struct command_row *row = command_table_at(i);

        assert_int_equal(command_table_id(row), i);
        assert_ptr_equal(command_table_find(row->name, strlen(row->name)), row);
        assert_true(row->call != NULL || command_table_has_subs(row));
        assert_true(strlen(row->name) < COMMAND_NAME_MAX);
        assert_true(row->summary[0] != '\0' && row->complexity[0] != '\0');
        if (strchr(row->name, '|') != NULL) {
            assert_non_null(command_table_parent(row));
            assert_true(command_table_has_subs(command_table_parent(row)));
        }
    }
}

static void test_find(void **state)
{
    const struct command_row *sentinel = command_table_find("SeNtInEl", 8);

    (void)state;
    assert_non_null(sentinel);
    assert_string_equal(command_table_sub(sentinel, "MASTERS", 7)->name, "sentinel|masters");
    assert_null(command_table_sub(sentinel, "masters\0", 8));
    assert_null(command_table_sub(sentinel, "", 0));
    assert_null(command_table_find("sentine", 7));
    assert_null(command_table_find("", 0));
    assert_null(command_table_find("get", 3));
}

/* Every row has a rule in ACLs: none can be reached around them. */
static void test_acl_knows_all(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < command_table_count(); i++) {
        const char *name = command_table_at(i)->name;
        assert_int_not_equal(acl_command_find(name, strlen(name)), ACL_COMMAND_NONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sorted),        cmocka_unit_test(test_complete),
        cmocka_unit_test(test_rows),          cmocka_unit_test(test_find),
        cmocka_unit_test(test_acl_knows_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
