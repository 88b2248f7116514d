#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

void *memory_zeroed(size_t size)
{
    void *memory = calloc(1, size);

    if (memory == NULL) {
        assert_fail(__FILE__, __LINE__, __func__, "out of memory");
    }
    return memory;
}

char *memory_text(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = memory_zeroed(size);

    memcpy(copy, text, size);
    return copy;
}
