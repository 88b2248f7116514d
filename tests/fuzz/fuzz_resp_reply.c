/* Any bytes as replies, whole and in pieces: the same trees, every part of which can be walked
 * over. */
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "resp/resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct resp_reply_limits limits = {
    .depth_max = RESP_REPLY_DEPTH_MAX,
    .elements_max = 4096,
    .bulk_bytes_max = 4096,
    .total_bytes_max = 64 * 1024,
};

static void walk(const struct resp_value *v, struct buf *seen)
{
    int64_t number = 0;

    ASSERT(resp_text(v)[v->text.len] == '\0');
    ASSERT((v->items == NULL) == (v->count == 0));
    (void)resp_integer(v, &number); /* any answer is good */
    buf_printf(seen, "%d %lld %zu ", (int)v->type, (long long)number, v->count);
    buf_append(seen, v->text.bytes, v->text.len);
    for (size_t i = 0; i < v->count; i++) {
        walk(resp_item(v, i), seen);
    }
    (void)resp_map_get(v, "flags"); /* any answer is good */
}

static enum resp_status read_all(struct resp_reply_reader *reader, struct buf *in, struct buf *seen)
{
    const struct resp_value *value;
    enum resp_status status;

    while ((status = resp_reply_read(reader, in, &limits, &value)) == RESP_READY) {
        walk(value, seen);
    }
    if (status == RESP_BAD) {
        buf_append_text(seen, resp_reply_error(reader));
    }
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct resp_reply_reader whole = {0};
    struct resp_reply_reader pieces = {0};
    struct buf in[2] = {{0}, {0}};
    struct buf seen[2] = {{0}, {0}};

    if (size == 0) {
        return 0;
    }
    size_t piece = (size_t)data[0] % 16 + 1;
    buf_append(&in[0], data + 1, size - 1);
    enum resp_status status = read_all(&whole, &in[0], &seen[0]);
    for (size_t at = 1; at < size; at += piece) {
        buf_append(&in[1], data + at, size - at < piece ? size - at : piece);
        if (read_all(&pieces, &in[1], &seen[1]) == RESP_BAD) {
            break;
        }
    }
    ASSERT(seen[0].len == seen[1].len || status == RESP_BAD);
    for (size_t i = 0; i < seen[0].len && i < seen[1].len && status != RESP_BAD; i++) {
        ASSERT(buf_data(&seen[0])[i] == buf_data(&seen[1])[i]);
    }
    resp_reply_finish(&whole);
    resp_reply_finish(&pieces);
    for (int i = 0; i < 2; i++) {
        buf_finish(&in[i]);
        buf_finish(&seen[i]);
    }
    return 0;
}
