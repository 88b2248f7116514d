#include "link/hello_wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum {
    HELLO_IP,
    HELLO_PORT,
    HELLO_RUN_ID,
    HELLO_CURRENT_EPOCH,
    HELLO_MASTER_NAME,
    HELLO_MASTER_IP,
    HELLO_MASTER_PORT,
    HELLO_CONFIG_EPOCH,
    HELLO_FIELDS,
};

/* Cuts copy at its commas. */
static bool hello_split(char *copy, char *fields[HELLO_FIELDS])
{
    size_t count = 0;

    for (char *at = copy; at != NULL; count++) {
        char *comma = strchr(at, ',');
        if (count == HELLO_FIELDS) {
            return false;
        }
        fields[count] = at;
        if (comma != NULL) {
            *comma++ = '\0';
        }
        at = comma;
    }
    return count == HELLO_FIELDS;
}

static bool hello_addr(const char *host, const char *port, struct addr *addr)
{
    uint64_t number = 0;

    return text_to_u64(port, strlen(port), &number) && number > 0 && number <= UINT16_MAX &&
           addr_set(addr, host, (uint16_t)number);
}

static bool hello_epoch(const char *text, uint64_t *epoch)
{
    return text_to_u64(text, strlen(text), epoch) && *epoch <= EPOCH_MAX;
}

static bool hello_run_id(const char *text, char run_id[RUN_ID_MAX])
{
    return text_is_run_id(text, strlen(text)) && text_copy(run_id, RUN_ID_MAX, text);
}

bool hello_wire_decode(const char *text, size_t len, struct hello *hello)
{
    char copy[HELLO_TEXT_MAX];
    char *fields[HELLO_FIELDS];
    struct hello made = {0};

    if (len >= sizeof(copy) || memchr(text, '\0', len) != NULL) {
        return false;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (!hello_split(copy, fields) || fields[HELLO_MASTER_NAME][0] == '\0') {
        return false;
    }
    if (!hello_addr(fields[HELLO_IP], fields[HELLO_PORT], &made.addr) ||
        !hello_run_id(fields[HELLO_RUN_ID], made.run_id) ||
        !hello_epoch(fields[HELLO_CURRENT_EPOCH], &made.current_epoch) ||
        !text_copy(made.master_name, sizeof(made.master_name), fields[HELLO_MASTER_NAME]) ||
        !hello_addr(fields[HELLO_MASTER_IP], fields[HELLO_MASTER_PORT], &made.master_addr) ||
        !hello_epoch(fields[HELLO_CONFIG_EPOCH], &made.config_epoch)) {
        return false;
    }
    *hello = made;
    return true;
}

size_t hello_wire_encode(const struct hello *hello, bool want_names, char text[HELLO_TEXT_MAX])
{
    int len = snprintf(text, HELLO_TEXT_MAX, "%s,%u,%s,%" PRIu64 ",%s,%s,%u,%" PRIu64,
                       addr_host(&hello->addr, want_names), (unsigned)hello->addr.port,
                       hello->run_id, hello->current_epoch, hello->master_name,
                       addr_host(&hello->master_addr, want_names),
                       (unsigned)hello->master_addr.port, hello->config_epoch);

    return len > 0 && len < HELLO_TEXT_MAX ? (size_t)len : 0;
}
