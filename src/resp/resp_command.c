/*
 * Commands as a server reads them. Follows Redis 7.0 networking.c (processInlineBuffer,
 * processMultibulkBuffer) in what is accepted and in the words of each error. Like Redis it does
 * not look at the two bytes behind an argument. It does not execute, authenticate or limit the sum
 * of a command: that is the query buffer of the caller.
 */
#include "resp/resp.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"

enum {
    RESP_COMMAND_FIRST_ARGS = 8 /* the table grows with what has come, never with what was told */
};

const struct resp_limits resp_limits_default = {
    .args_max = RESP_COMMAND_ARGS_MAX,
    .bulk_bytes_max = RESP_COMMAND_BULK_BYTES_MAX,
    .inline_bytes_max = RESP_INLINE_BYTES_MAX,
};

const struct resp_limits resp_limits_stranger = {
    .args_max = RESP_STRANGER_ARGS_MAX,
    .bulk_bytes_max = RESP_STRANGER_BULK_BYTES_MAX,
    .inline_bytes_max = RESP_INLINE_BYTES_MAX,
    .is_stranger = true,
};

/* One step of the reader: what it has done for the loop in resp_command_read(). */
enum resp_step {
    RESP_STEP_MORE,
    RESP_STEP_AGAIN,
    RESP_STEP_READY,
    RESP_STEP_BAD,
};

static enum resp_step resp_command_bad(struct resp_command_reader *r, const char *what)
{
    r->is_bad = true;
    (void)snprintf(r->error, sizeof(r->error), "Protocol error: %s", what); /* fits: constants */
    return RESP_STEP_BAD;
}

void resp_command_finish(struct resp_command_reader *r)
{
    if (r != NULL) {
        free(r->args);
        free(r->argv);
        words_finish(&r->words);
        *r = (struct resp_command_reader){0};
    }
}

void resp_command_reset(struct resp_command_reader *r)
{
    *r = (struct resp_command_reader){
        .args = r->args,
        .argv = r->argv,
        .args_capacity = r->args_capacity,
        .words = r->words,
    };
}

const char *resp_command_error(const struct resp_command_reader *r)
{
    return r->error;
}

static void resp_command_room(struct resp_command_reader *r, size_t args)
{
    size_t capacity = r->args_capacity == 0 ? RESP_COMMAND_FIRST_ARGS : r->args_capacity;

    if (args <= r->args_capacity) {
        return;
    }
    while (capacity < args) {
        capacity *= 2;
    }
    struct resp_arg *spans = realloc(r->args, capacity * sizeof(*spans));
    if (spans != NULL) {
        r->args = spans;
    }
    struct resp_text *argv = realloc(r->argv, capacity * sizeof(*argv));
    if (argv != NULL) {
        r->argv = argv;
    }
    if (spans == NULL || argv == NULL) {
        assert_fail(__FILE__, __LINE__, __func__, "out of memory");
    }
    r->args_capacity = capacity;
}

/* The end of the line that starts at r->at, NULL while it has not come. Never looks at a byte
 * twice. */
static const char *resp_command_line_end(struct resp_command_reader *r, const struct buf *in,
                                         char end)
{
    const char *bytes = buf_data(in);
    size_t from = r->looked > r->at ? r->looked : r->at;
    const char *found = from < in->len ? memchr(bytes + from, end, in->len - from) : NULL;

    r->looked = found == NULL ? in->len : (size_t)(found - bytes);
    return found;
}

/* A "*12\r\n" or "$5\r\n" at r->at: its number. RESP_STEP_AGAIN when *value was read. */
static enum resp_step resp_command_number(struct resp_command_reader *r, const struct buf *in,
                                          const struct resp_limits *limits, const char *too_big,
                                          int64_t *value)
{
    const char *line = buf_data(in) + r->at;
    const char *end = resp_command_line_end(r, in, '\r');

    if (end == NULL) {
        return in->len - r->at > limits->inline_bytes_max ? resp_command_bad(r, too_big)
                                                          : RESP_STEP_MORE;
    }
    size_t line_len = (size_t)(end - line);
    if (in->len - r->at < line_len + 2) {
        return RESP_STEP_MORE;
    }
    if (!text_to_i64(line + 1, line_len - 1, value)) {
        *value = INT64_MIN; /* no count and no length: the caller names the mistake */
    }
    return RESP_STEP_AGAIN;
}

static void resp_command_skip_line(struct resp_command_reader *r, const struct buf *in)
{
    const char *end = memchr(buf_data(in) + r->at, '\r', in->len - r->at);
    ASSERT(end != NULL);
    r->at = (size_t)(end - buf_data(in)) + 2;
}

static enum resp_step resp_command_skip(struct resp_command_reader *r, struct buf *in, size_t len)
{
    buf_take(in, len);
    r->at = 0;
    r->looked = 0;
    return RESP_STEP_AGAIN;
}

static enum resp_step resp_command_multibulk(struct resp_command_reader *r, struct buf *in,
                                             const struct resp_limits *limits)
{
    int64_t count;
    enum resp_step step = resp_command_number(r, in, limits, "too big mbulk count string", &count);

    if (step != RESP_STEP_AGAIN) {
        return step;
    }
    if (count == INT64_MIN || count > INT_MAX) {
        return resp_command_bad(r, "invalid multibulk length");
    }
    if (count > 0 && (uint64_t)count > limits->args_max) {
        return resp_command_bad(r, limits->is_stranger ? "unauthenticated multibulk length"
                                                       : "invalid multibulk length");
    }
    resp_command_skip_line(r, in);
    if (count <= 0) {
        return resp_command_skip(r, in, r->at);
    }
    r->args_want = (size_t)count;
    return RESP_STEP_AGAIN;
}

static enum resp_step resp_command_bulk_header(struct resp_command_reader *r, struct buf *in,
                                               const struct resp_limits *limits)
{
    int64_t len;
    enum resp_step step = resp_command_number(r, in, limits, "too big bulk count string", &len);

    if (step != RESP_STEP_AGAIN) {
        return step;
    }
    char kind = buf_data(in)[r->at];
    if (kind != '$') {
        char what[] = "expected '$', got '?'";
        if (kind >= ' ' && kind <= '~') {
            what[sizeof(what) - 3] = kind;
        }
        return resp_command_bad(r, what);
    }
    if (len < 0 || (!limits->is_stranger && (uint64_t)len > limits->bulk_bytes_max)) {
        return resp_command_bad(r, "invalid bulk length");
    }
    if ((uint64_t)len > limits->bulk_bytes_max) {
        return resp_command_bad(r, "unauthenticated bulk length");
    }
    resp_command_skip_line(r, in);
    r->bulk_len = (size_t)len;
    r->in_bulk = true;
    return RESP_STEP_AGAIN;
}

static enum resp_step resp_command_bulk(struct resp_command_reader *r, const struct buf *in)
{
    if (in->len < r->at || in->len - r->at < r->bulk_len + 2) {
        return RESP_STEP_MORE;
    }
    resp_command_room(r, r->args_have + 1);
    r->args[r->args_have++] = (struct resp_arg){.at = r->at, .len = r->bulk_len};
    r->at += r->bulk_len + 2;
    r->in_bulk = false;
    return r->args_have == r->args_want ? RESP_STEP_READY : RESP_STEP_AGAIN;
}

static enum resp_step resp_command_inline(struct resp_command_reader *r, struct buf *in,
                                          const struct resp_limits *limits)
{
    const char *end = resp_command_line_end(r, in, '\n');

    if (end == NULL) {
        return in->len > limits->inline_bytes_max ? resp_command_bad(r, "too big inline request")
                                                  : RESP_STEP_MORE;
    }
    size_t line_len = (size_t)(end - buf_data(in));
    if (line_len > limits->inline_bytes_max) {
        return resp_command_bad(r, "too big inline request");
    }
    if (!words_split(&r->words, buf_data(in), line_len)) {
        return resp_command_bad(r, "unbalanced quotes in request");
    }
    if (r->words.count == 0) {
        return resp_command_skip(r, in, line_len + 1);
    }
    resp_command_room(r, r->words.count);
    for (size_t i = 0; i < r->words.count; i++) {
        r->argv[i] = (struct resp_text){words_at(&r->words, i), words_len(&r->words, i)};
    }
    r->args_have = r->words.count;
    r->at = line_len + 1;
    return RESP_STEP_READY;
}

static enum resp_step resp_command_step(struct resp_command_reader *r, struct buf *in,
                                        const struct resp_limits *limits)
{
    if (r->in_bulk) {
        return resp_command_bulk(r, in);
    }
    if (r->at >= in->len) {
        return RESP_STEP_MORE;
    }
    if (r->args_want > 0) {
        return resp_command_bulk_header(r, in, limits);
    }
    if (buf_data(in)[0] == '*') {
        return resp_command_multibulk(r, in, limits);
    }
    return resp_command_inline(r, in, limits);
}

enum resp_status resp_command_read(struct resp_command_reader *r, struct buf *in,
                                   const struct resp_limits *limits, struct resp_command *command)
{
    enum resp_step step = RESP_STEP_AGAIN;

    if (r->is_bad) {
        return RESP_BAD;
    }
    if (r->drop > 0) {
        buf_take(in, r->drop);
        resp_command_reset(r);
    }
    while (step == RESP_STEP_AGAIN) {
        step = resp_command_step(r, in, limits);
    }
    if (step != RESP_STEP_READY) {
        return step == RESP_STEP_MORE ? RESP_MORE : RESP_BAD;
    }
    if (r->args_want > 0) {
        char *bytes = in->bytes + in->start;
        for (size_t i = 0; i < r->args_have; i++) {
            /* the '\r' behind the argument gives its place to a '\0' */
            bytes[r->args[i].at + r->args[i].len] = '\0';
            r->argv[i] = (struct resp_text){bytes + r->args[i].at, r->args[i].len};
        }
    }
    r->drop = r->at;
    *command = (struct resp_command){.argc = r->args_have, .argv = r->argv};
    return RESP_READY;
}
