/* Times and sizes as people write them: a number and its unit, for a number alone means something
 * else to everybody. */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "config/router_room.h"

struct router_unit {
    const char *name;
    uint64_t size;
};

/* From the largest to the smallest. */
static const struct router_unit time_units[] = {{"m", 60000}, {"s", 1000}, {"ms", 1}};
static const struct router_unit byte_units[] = {
    {"gb", UINT64_C(1) << 30}, {"mb", UINT64_C(1) << 20}, {"kb", UINT64_C(1) << 10}, {"b", 1}};

static bool router_unit_parse(const char *text, const struct router_unit *units, size_t count,
                              uint64_t *value)
{
    size_t digits = strspn(text, "0123456789");
    uint64_t number = 0;

    if (!text_to_u64(text, digits, &number)) {
        return false;
    }
    if (number == 0 && text[digits] == '\0') {
        *value = 0;
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        if (text_same(text + digits, units[i].name)) {
            return !__builtin_mul_overflow(number, units[i].size, value);
        }
    }
    return false;
}

/* In the largest unit that leaves no rest. */
static void router_unit_write(struct buf *out, const struct router_unit *units, size_t count,
                              uint64_t value)
{
    size_t i = 0;

    while (i + 1 < count && value % units[i].size != 0) {
        i++;
    }
    if (value == 0) {
        buf_append_text(out, "0");
    } else {
        buf_printf(out, "%" PRIu64 "%s", value / units[i].size, units[i].name);
    }
}

bool router_unit_to_ms(const char *text, uint64_t *ms)
{
    return router_unit_parse(text, time_units, COUNT_OF(time_units), ms);
}

void router_unit_write_ms(struct buf *out, uint64_t ms)
{
    router_unit_write(out, time_units, COUNT_OF(time_units), ms);
}

bool router_unit_to_bytes(const char *text, uint64_t *bytes)
{
    return router_unit_parse(text, byte_units, COUNT_OF(byte_units), bytes);
}

void router_unit_write_bytes(struct buf *out, uint64_t bytes)
{
    router_unit_write(out, byte_units, COUNT_OF(byte_units), bytes);
}
