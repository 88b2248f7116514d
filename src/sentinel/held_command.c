#include <stdlib.h>

#include "base/memory.h"
#include "sentinel/port.h"

void held_command_take(struct held_command *held, const struct resp_command *command)
{
    ASSERT(held->argc == 0);
    ASSERT(command->argc > 0); /* resp.h: never 0 */
    for (size_t i = 0; i < command->argc; i++) {
        buf_append(&held->bytes, command->argv[i].bytes, command->argv[i].len);
        buf_append(&held->bytes, "", 1);
    }
    held->argv = memory_zeroed(command->argc * sizeof(*held->argv));
    held->argc = command->argc;
    const char *at = buf_data(&held->bytes);
    for (size_t i = 0; i < command->argc; i++) {
        held->argv[i] = (struct resp_text){.bytes = at, .len = command->argv[i].len};
        at += command->argv[i].len + 1;
    }
}

void held_command_finish(struct held_command *held)
{
    buf_finish(&held->bytes);
    free(held->argv);
    *held = (struct held_command){0};
}
