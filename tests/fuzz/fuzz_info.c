/* INFO from a server that may send anything. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "link/info_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct info_replica replicas[REPLICAS_PER_MASTER_MAX];
    struct info_facts facts;
    char *text = malloc(size + 1); /* exact, so that a read behind the end is seen */

    ASSERT(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    bool is_info = info_wire_decode(text, size, &facts, replicas);
    ASSERT(is_info == (facts.role != ROLE_UNKNOWN));
    ASSERT(facts.replicas_count <= REPLICAS_PER_MASTER_MAX);
    ASSERT(facts.offset >= 0 && facts.keys >= -1 && facts.master_link_down_ms >= 0);
    ASSERT(strlen(facts.run_id) < RUN_ID_MAX && strlen(facts.replid) < RUN_ID_MAX);
    for (uint32_t i = 0; i < facts.replicas_count; i++) {
        ASSERT(addr_is_set(&facts.replicas[i].addr));
    }
    free(text);
    return 0;
}
