/*
 * Any bytes as requests or as replies, cut where the first bytes say: the scan and the readers must
 * see the same frames and refuse the same, and where the cuts are must make no difference.
 *
 * Byte 0 says what they are; the low half of byte 1 how many lengths of pieces follow it.
 */
#include <stddef.h>
#include <stdint.h>

#include "scan_compare.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CUTS_MAX = 16 };

static const struct resp_limits kinds[] = {
    {.args_max = RESP_COMMAND_ARGS_MAX,
     .bulk_bytes_max = 1024 * 1024,
     .inline_bytes_max = 64 * 1024},
    {.args_max = RESP_STRANGER_ARGS_MAX,
     .bulk_bytes_max = RESP_STRANGER_BULK_BYTES_MAX,
     .inline_bytes_max = 64 * 1024,
     .is_stranger = true},
    {.args_max = 3, .bulk_bytes_max = 100, .inline_bytes_max = 20},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    size_t kind = data[0] % (2 * COUNT_OF(kinds)); /* half of them are replies */
    struct compare_cuts cuts = {.lengths = data + 2, .count = data[1] % CUTS_MAX};
    if (cuts.count > size - 2) {
        return 0;
    }
    size_t head = 2 + cuts.count;
    const char *bytes = (const char *)data + head;
    if (kind < COUNT_OF(kinds)) {
        (void)compare_requests(bytes, size - head, &cuts, &kinds[kind]);
    } else {
        (void)compare_replies(bytes, size - head, &cuts); /* it aborts on what differs */
    }
    return 0;
}
