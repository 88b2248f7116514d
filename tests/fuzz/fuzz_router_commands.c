/*
 * Any request, whole and cut, as the command table judges it. The words stand one a line behind two
 * bytes; the first says where the cut is, the second whether the rest is taken as it comes instead.
 * What is decided of a part must be on the safe side of what is decided of the whole.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "router/commands.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORDS_MAX = 64, HEAD_BYTES = 2 };

struct judged {
    const char *request;
    size_t len;
    const struct command *command;
    size_t keys;
    size_t written;
    bool is_write;
    bool is_idempotent;
    bool is_blocking;
    bool names_keys;
};

static void on_key(void *ctx, const char *key, size_t len)
{
    const struct judged *j = ctx;

    ASSERT(key >= j->request && key <= j->request + j->len);
    ASSERT(len <= (size_t)(j->request + j->len - key));
}

/* One answer, and nothing behind it. */
static void check_miss(const struct judged *j, enum resp_version version)
{
    struct buf out = {0};
    struct resp_scan scan = {0};
    size_t used = 0;

    bool has_one = command_write_miss(j->command, j->request, j->len, version, &out);
    ASSERT(has_one == (out.len > 0));
    if (has_one) {
        enum resp_status status = resp_scan_reply(&scan, buf_data(&out), out.len, &used);
        ASSERT(status == RESP_READY);
        ASSERT(used == out.len);
    }
    buf_finish(&out);
}

static void judge(struct judged *j, const char *request, size_t len)
{
    struct resp_args args = {0};
    struct resp_text name = {0};
    struct resp_text second = {0};
    char *copy = malloc(len + 1); /* exact, so that a sanitizer sees who reads behind the end */

    ASSERT(copy != NULL);
    memcpy(copy, request, len);
    *j = (struct judged){.request = copy, .len = len};
    if (resp_args_next(&args, copy, len, &name)) {
        (void)resp_args_next(&args, copy, len, &second);
    }
    j->command =
        command_find(name.bytes == NULL ? "" : name.bytes, name.len, second.bytes, second.len);
    ASSERT(j->command != NULL);
    j->is_write = command_is_write(j->command, copy, len);
    j->is_idempotent = command_is_idempotent(j->command, copy, len);
    j->is_blocking = command_is_blocking(j->command, copy, len);
    j->names_keys = command_names_keys(j->command, copy, len);
    j->keys = command_each_key(j->command, copy, len, on_key, j);
    j->written = command_each_written_key(j->command, copy, len, on_key, j);
    ASSERT(j->written <= j->keys);
    ASSERT(j->is_write || j->is_idempotent);
    ASSERT(j->is_write || j->written == 0);
    check_miss(j, RESP_2);
    check_miss(j, RESP_3);
    free(copy);
}

static void compare(const struct judged *whole, const struct judged *part)
{
    if (part->command != whole->command) {
        return; /* the name, or the subcommand, was not there yet */
    }
    ASSERT(part->is_write || !whole->is_write);
    ASSERT(!part->is_idempotent || whole->is_idempotent);
    ASSERT(part->is_blocking || !whole->is_blocking);
    ASSERT(!part->names_keys || whole->names_keys);
    ASSERT(part->keys <= whole->keys);
}

static void write_request(struct buf *out, const char *words, size_t len)
{
    struct buf bulks = {0};
    size_t count = 0;

    while (len > 0 && count < WORDS_MAX) {
        const char *end = memchr(words, '\n', len);
        size_t word_len = end == NULL ? len : (size_t)(end - words);
        resp_write_bulk(&bulks, words, word_len);
        count++;
        word_len += end != NULL;
        words += word_len;
        len -= word_len;
    }
    buf_printf(out, "*%zu\r\n", count);
    buf_append(out, buf_data(&bulks), bulks.len);
    buf_finish(&bulks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf request = {0};
    struct judged whole;
    struct judged part;

    if (size < HEAD_BYTES) {
        return 0;
    }
    const char *rest = (const char *)data + HEAD_BYTES;
    bool is_raw = data[1] % 4 == 0;
    if (is_raw) {
        buf_append(&request, rest, size - HEAD_BYTES);
    } else {
        write_request(&request, rest, size - HEAD_BYTES);
    }
    judge(&whole, buf_data(&request), request.len);
    judge(&part, buf_data(&request), request.len * data[0] / UINT8_MAX);
    if (!is_raw) {
        compare(&whole, &part);
    }
    buf_finish(&request);
    return 0;
}
