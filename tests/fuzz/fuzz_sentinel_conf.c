/*
 * Any text as sentinel.conf. What parses must be the same after it was rewritten and parsed again,
 * and a rewritten file must stay as it is. Two structures are the same when both print the same on
 * empty ground.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && memcmp(buf_data(a), buf_data(b), a->len) == 0;
}

static bool parse(const char *text, size_t len, struct sentinel_conf *conf, struct err *err)
{
    struct config_source source = {.text = text, .len = len};
    struct config_notes notes = {0};
    bool good = config_parse(&source, conf, &notes, err);

    ASSERT(good == (notes.errors_count == 0));
    ASSERT(notes.count <= CONF_NOTES_MAX);
    config_notes_finish(&notes);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sentinel_conf first;
    struct sentinel_conf second;
    struct buf rewritten = {0};
    struct buf again = {0};
    struct buf dumps[2] = {{0}, {0}};
    struct err err;

    if (!parse((const char *)data, size, &first, &err)) {
        return 0;
    }
    config_rewrite((const char *)data, size, &first, &rewritten);
    bool parsed = parse(buf_data(&rewritten), rewritten.len, &second, &err);
    ASSERT(parsed);
    config_rewrite(buf_data(&rewritten), rewritten.len, &second, &again);
    ASSERT(same(&rewritten, &again));
    config_rewrite("", 0, &first, &dumps[0]);
    config_rewrite("", 0, &second, &dumps[1]);
    ASSERT(same(&dumps[0], &dumps[1]));
    sentinel_conf_finish(&first);
    sentinel_conf_finish(&second);
    buf_finish(&rewritten);
    buf_finish(&again);
    buf_finish(&dumps[0]);
    buf_finish(&dumps[1]);
    return 0;
}
