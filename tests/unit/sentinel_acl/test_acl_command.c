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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_command_of_the_port_is_known)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
