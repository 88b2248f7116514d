#include "acl_fixture.h"

#include <string.h>

#include "sentinel/acl_inside.h"
#include "sentinel/cmd_table.h"

/* The commands the port answers and those the ACL knows say the same of each other. */

static void every_command_of_the_port_is_known(void **state)
{
    (void)state;
    for (uint32_t id = 0; id < command_table_count(); id++) {
        const struct command_row *row = command_table_at(id);
        int command = acl_command_find(row->name, strlen(row->name));
        if (command == ACL_COMMAND_NONE) {
            print_error("no rule can name '%s'\n", row->name);
        }
        assert_int_not_equal(command, ACL_COMMAND_NONE);
        if (acl_command_at(command)->categories != row->categories) {
            print_error("categories of '%s' differ\n", row->name);
        }
        assert_int_equal(acl_command_at(command)->categories, row->categories);
        assert_int_equal(acl_command_at(command)->kind == ACL_KIND_NO_AUTH,
                         (row->flags & COMMAND_NO_AUTH) != 0);
    }
}

/* A rule about one name that leaves the other open would be a hole: a vote is a vote by any name.
 * REPLICAS and SLAVES are two commands in Redis too. */
static void a_hidden_name_of_a_command_is_that_command(void **state)
{
    size_t aliases = 0;

    (void)state;
    for (uint32_t id = 0; id < command_table_count(); id++) {
        const struct command_row *hidden = command_table_at(id);
        for (uint32_t k = 0; k < command_table_count(); k++) {
            const struct command_row *shown = command_table_at(k);
            if (hidden->call == NULL || hidden->call != shown->call ||
                (hidden->flags & COMMAND_HIDDEN) == 0 || (shown->flags & COMMAND_HIDDEN) != 0) {
                continue;
            }
            int command = acl_command_find(hidden->name, strlen(hidden->name));
            assert_int_equal(command, acl_command_find(shown->name, strlen(shown->name)));
            assert_string_equal(acl_command_name(command), shown->name);
            aliases++;
        }
    }
    assert_int_equal(aliases, 4); /* Valkey's */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_of_the_port_is_known),
        cmocka_unit_test(a_hidden_name_of_a_command_is_that_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
