/* A hello from whoever may publish. What is taken must be written as it came,
 * and be taken again. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "link/hello_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hello hello;
    struct hello again;
    char text[HELLO_TEXT_MAX];
    char *copy = malloc(size == 0 ? 1 : size); /* exact, and without an end */

    ASSERT(copy != NULL);
    memcpy(copy, data, size);
    if (hello_wire_decode(copy, size, &hello)) {
        size_t len = hello_wire_encode(&hello, true, text);
        bool is_taken = len > 0 && hello_wire_decode(text, len, &again);
        ASSERT(is_taken);
        ASSERT(hello.current_epoch == again.current_epoch && hello.current_epoch <= EPOCH_MAX);
        ASSERT(hello.config_epoch == again.config_epoch);
        ASSERT(strcmp(hello.run_id, again.run_id) == 0);
        ASSERT(strcmp(hello.master_name, again.master_name) == 0);
        ASSERT(addr_same(&hello.addr, &again.addr));
        ASSERT(addr_same(&hello.master_addr, &again.master_addr));
    }
    free(copy);
    return 0;
}
