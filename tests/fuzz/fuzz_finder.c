/* What monitors publish and what servers say of themselves: byte 0 chooses the channel. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "router/finder_inside.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct finder_server server;
    struct finder_event event;
    size_t channels = 0;

    if (size < 1) {
        return 0;
    }
    while (finder_event_channels[channels] != NULL) {
        channels++;
    }
    char *copy = malloc(size); /* exact, with the end that a text has */
    ASSERT(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    copy[size - 1] = '\0';
    struct resp_text text = {.bytes = copy, .len = size - 1};
    finder_event_read(finder_event_channels[data[0] % channels], &text, "mymaster", &event);
    if (event.type == FINDER_EVENT_SELECTED) {
        ASSERT(addr_is_set(&event.of) && addr_is_set(&event.replica));
    }
    memset(&server, 0, sizeof(server));
    (void)finder_server_read_info(&server, &text);
    ASSERT(memchr(server.replid, '\0', sizeof(server.replid)) != NULL);
    free(copy);
    return 0;
}
