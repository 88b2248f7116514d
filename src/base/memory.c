#include "base/memory.h"

#include <stdlib.h>

#include "base/assert.h"

void *memory_zeroed(size_t size)
{
    void *memory = calloc(1, size);

    if (memory == NULL) {
        assert_fail(__FILE__, __LINE__, __func__, "out of memory");
    }
    return memory;
}
