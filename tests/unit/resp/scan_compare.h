#ifndef RESP_SCAN_COMPARE_H
#define RESP_SCAN_COMPARE_H

/*
 * Any bytes through the scan in pieces, through the scan whole, and through the reader byte by
 * byte: frames must end at the same places, and refusals be the same. For the unit tests and the
 * fuzzer; what differs aborts.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "resp/resp_scan.h"

enum { COMPARE_FRAMES_MAX = 512 };

struct compare_frame {
    size_t start;
    size_t end;
    size_t argc;
    size_t largest;
    char type;
};

struct compare_trace {
    struct compare_frame frames[COMPARE_FRAMES_MAX];
    size_t count;
    enum resp_status status;
    char error[RESP_ERROR_TEXT_MAX];
    size_t end;        /* of what was read when it ended */
    size_t line_bytes; /* the scan's, then */
    char odd;          /* the type of the header that was refused */
};

/* Lengths of pieces, one after the other and again; 0 is all that is left. */
struct compare_cuts {
    const uint8_t *lengths;
    size_t count;
};

static inline void *compare_copy(const char *bytes, size_t len)
{
    char *copy =
        malloc(len > 0 ? len : 1); /* of exactly that size: a sanitizer sees what is read */

    ASSERT(copy != NULL);
    memcpy(copy, bytes, len);
    return copy;
}

static inline struct compare_trace *compare_trace_create(void)
{
    struct compare_trace *trace = calloc(1, sizeof(*trace));

    ASSERT(trace != NULL);
    return trace;
}

/* ---- the scan ---- */

static inline enum resp_status compare_scan_piece(struct resp_scan *scan, struct compare_trace *t,
                                                  const char *piece, size_t len,
                                                  const struct resp_scan_limits *limits)
{
    enum resp_status status = RESP_READY;

    for (size_t at = 0; at < len && status == RESP_READY && t->count < COMPARE_FRAMES_MAX;) {
        size_t used = 0;
        status = limits == NULL ? resp_scan_reply(scan, piece + at, len - at, &used)
                                : resp_scan_request(scan, piece + at, len - at, limits, &used);
        ASSERT(used <= len - at);
        ASSERT(used > 0 || status == RESP_BAD);
        ASSERT(status != RESP_MORE || used == len - at);
        at += used;
        t->end += used;
        if (status == RESP_READY) {
            size_t length = (size_t)scan->seen_bytes;
            ASSERT(length <= t->end);
            t->frames[t->count++] = (struct compare_frame){.start = t->end - length,
                                                           .end = t->end,
                                                           .argc = (size_t)scan->argc,
                                                           .largest = (size_t)scan->largest_bulk,
                                                           .type = (char)scan->type};
        }
    }
    return status;
}

/* limits NULL: replies. */
static inline struct compare_trace *compare_scan(const char *bytes, size_t len,
                                                 const struct compare_cuts *cuts,
                                                 const struct resp_scan_limits *limits)
{
    struct compare_trace *t = compare_trace_create();
    struct resp_scan scan = {0};
    size_t cut = 0;

    t->status = RESP_MORE;
    for (size_t at = 0; at < len && t->status != RESP_BAD && t->count < COMPARE_FRAMES_MAX;) {
        size_t piece_len = cuts->count == 0 ? 0 : cuts->lengths[cut++ % cuts->count];
        if (piece_len == 0 || piece_len > len - at) {
            piece_len = len - at;
        }
        char *piece = compare_copy(bytes + at, piece_len);
        t->status = compare_scan_piece(&scan, t, piece, piece_len, limits);
        free(piece);
        at += piece_len;
    }
    if (t->status == RESP_BAD) {
        size_t used = 0;
        memcpy(t->error, scan.error, sizeof(t->error));
        ASSERT((limits == NULL ? resp_scan_reply(&scan, "\r\n", 2, &used)
                               : resp_scan_request(&scan, "\r\n", 2, limits, &used)) == RESP_BAD);
        ASSERT(used == 0);
    }
    t->line_bytes = (size_t)scan.line_bytes;
    t->odd = (char)scan.inner_type;
    return t;
}

/* Where pieces end must make no difference at all. */
static inline void compare_same(const struct compare_trace *a, const struct compare_trace *b)
{
    ASSERT(a->count == b->count);
    for (size_t i = 0; i < a->count; i++) {
        ASSERT(a->frames[i].start == b->frames[i].start && a->frames[i].end == b->frames[i].end);
        ASSERT(a->frames[i].argc == b->frames[i].argc && a->frames[i].type == b->frames[i].type);
        ASSERT(a->frames[i].largest == b->frames[i].largest);
    }
    ASSERT((a->status == RESP_BAD) == (b->status == RESP_BAD));
    ASSERT(strcmp(a->error, b->error) == 0);
}

/* ---- requests ---- */

/* The arguments of a frame, also of one that is cut somewhere, are those of the reader. */
static inline void compare_args(const char *frame, size_t len, const struct resp_limits *limits)
{
    struct resp_command_reader reader = {0};
    struct resp_command command;
    struct buf in = {0};
    size_t cut = len * 7 / 11;
    char *copies[] = {compare_copy(frame, cut), compare_copy(frame, len)};
    struct resp_args args = {0};
    struct resp_text argument;
    size_t count = 0;

    buf_append(&in, frame, len);
    ASSERT(resp_command_read(&reader, &in, limits, &command) == RESP_READY);
    for (size_t i = 0; i < 2; i++) { /* with more bytes it goes on */
        while (resp_args_next(&args, copies[i], i == 0 ? cut : len, &argument)) {
            ASSERT(count < command.argc);
            ASSERT(argument.len == command.argv[count].len);
            ASSERT(memcmp(argument.bytes, command.argv[count].bytes, argument.len) == 0);
            count++;
        }
    }
    ASSERT(count == command.argc);
    free(copies[0]);
    free(copies[1]);
    resp_command_finish(&reader);
    buf_finish(&in);
}

static inline struct compare_trace *compare_read_requests(const char *bytes, size_t len,
                                                          const struct resp_limits *limits)
{
    struct compare_trace *t = compare_trace_create();
    struct resp_command_reader reader = {0};
    struct resp_command command;
    struct buf in = {0};

    t->status = RESP_MORE;
    while (t->end < len && t->status != RESP_BAD && t->count < COMPARE_FRAMES_MAX) {
        buf_append(&in, bytes + t->end++, 1);
        t->status = resp_command_read(&reader, &in, limits, &command);
        if (t->status == RESP_READY) {
            struct compare_frame *f = &t->frames[t->count++];
            *f = (struct compare_frame){.start = t->end - reader.drop, .end = t->end};
            f->type = bytes[f->start] == '*' ? '*' : ' ';
            f->argc = f->type == '*' ? command.argc : 1;
            for (size_t i = 0; i < command.argc && f->type == '*'; i++) {
                f->largest = command.argv[i].len > f->largest ? command.argv[i].len : f->largest;
            }
        }
    }
    if (t->status == RESP_BAD) {
        memcpy(t->error, resp_command_error(&reader), sizeof(t->error));
    }
    resp_command_finish(&reader);
    buf_finish(&in);
    return t;
}

/* The header that ends in front of bytes[end] has a number that Redis would write otherwise; the
 * reader takes it. */
static inline bool compare_is_odd_number(const char *bytes, size_t end)
{
    size_t at = end - 2;
    size_t last = at;

    while (at > 0 && bytes[at - 1] >= '0' && bytes[at - 1] <= '9') {
        at--;
    }
    return bytes[at] == '0' && (last - at > 1 || (at > 0 && bytes[at - 1] == '-'));
}

/* The least of all numbers is none to the reader; Redis takes it for a count below 0. */
static inline bool compare_is_least_number(const char *bytes, size_t end)
{
    static const char least[] = "*-9223372036854775808";
    size_t len = sizeof(least) - 1;

    return end >= len + 2 && memcmp(bytes + end - 2 - len, least, len) == 0;
}

static inline bool compare_is_same_error(const char *scan, const char *reader,
                                         const struct resp_limits *limits)
{
    static const char expected[] = "Protocol error: expected '$', got '";

    if (limits->is_stranger && strcmp(reader, "Protocol error: unauthenticated bulk length") == 0 &&
        strcmp(scan, "Protocol error: invalid bulk length") == 0) {
        return true; /* above what anyone may send: the scan says so, as Redis does */
    }
    if (strncmp(scan, expected, sizeof(expected) - 1) == 0 &&
        strncmp(reader, expected, sizeof(expected) - 1) == 0) {
        char got = scan[sizeof(expected) - 1];
        char said = reader[sizeof(expected) - 1];
        return got == said || (said == '?' && (got <= ' ' || got > '~'));
    }
    return strcmp(scan, reader) == 0;
}

/* Returns how many frames were compared. */
static inline size_t compare_requests(const char *bytes, size_t len,
                                      const struct compare_cuts *cuts,
                                      const struct resp_limits *limits)
{
    const struct resp_scan_limits scan_limits = {.args_max = limits->args_max,
                                                 .bulk_bytes_max = limits->bulk_bytes_max,
                                                 .inline_bytes_max = limits->inline_bytes_max,
                                                 .is_stranger = limits->is_stranger};
    const struct compare_cuts whole = {0};
    struct compare_trace *read = compare_read_requests(bytes, len, limits);
    struct compare_trace *scan = compare_scan(bytes, len, cuts, &scan_limits);
    struct compare_trace *at_once = compare_scan(bytes, len, &whole, &scan_limits);
    size_t count = 0;

    compare_same(scan, at_once);
    for (size_t i = 0; i < scan->count && count < read->count; i++) {
        const struct compare_frame *s = &scan->frames[i];
        const struct compare_frame *r = &read->frames[count];
        if (s->argc == 0) {
            ASSERT(s->end <= r->start); /* what Redis skips is no frame to the reader */
            continue;
        }
        ASSERT(s->start == r->start && s->end == r->end);
        ASSERT(s->type == r->type && s->argc == r->argc && s->largest == r->largest);
        if (s->type == '*') {
            compare_args(bytes + s->start, s->end - s->start, limits);
        }
        count++;
    }
    if (scan->count == COMPARE_FRAMES_MAX || read->count == COMPARE_FRAMES_MAX) {
        /* the rest was not looked at */
    } else if (scan->status == RESP_BAD && strstr(scan->error, "invalid") != NULL &&
               compare_is_odd_number(bytes, scan->end)) {
        ASSERT(count <= read->count);
    } else if (read->status == RESP_BAD && compare_is_least_number(bytes, read->end)) {
        ASSERT(count == read->count);
    } else if (read->status == RESP_BAD && strstr(read->error, "unbalanced quotes") != NULL) {
        ASSERT(count == read->count); /* the scan does not read words, and went on */
        ASSERT(bytes[read->end - 1] == '\n');
    } else {
        ASSERT(count == read->count);
        ASSERT((scan->status == RESP_BAD) == (read->status == RESP_BAD));
        ASSERT(compare_is_same_error(scan->error, read->error, limits));
    }
    free(read);
    free(scan);
    free(at_once);
    return count;
}

/* ---- replies ---- */

static inline bool compare_is_type(char type, enum resp_type read)
{
    static const char *const types[] = {
        [RESP_SIMPLE] = "+",   [RESP_ERROR] = "-!", [RESP_INTEGER] = ":", [RESP_BULK] = "$",
        [RESP_NULL] = "_$*",   [RESP_DOUBLE] = ",", [RESP_BOOL] = "#",    [RESP_BIG_NUMBER] = "(",
        [RESP_VERBATIM] = "=", [RESP_ARRAY] = "*",  [RESP_SET] = "~",     [RESP_MAP] = "%",
        [RESP_PUSH] = ">",
    };

    return type != '\0' && strchr(types[read], type) != NULL;
}

static const struct resp_reply_limits compare_reply_limits = {
    .depth_max = RESP_REPLY_DEPTH_MAX,
    .elements_max = 64 * 1024,
    .bulk_bytes_max = 1024 * 1024,
    .total_bytes_max = 4 * 1024 * 1024,
};

static inline struct compare_trace *compare_read_replies(const char *bytes, size_t len)
{
    struct compare_trace *t = compare_trace_create();
    struct resp_reply_reader reader = {0};
    const struct resp_value *value;
    struct buf in = {0};

    t->status = RESP_MORE;
    while (t->end < len && t->status != RESP_BAD && t->count < COMPARE_FRAMES_MAX) {
        buf_append(&in, bytes + t->end++, 1);
        t->status = resp_reply_read(&reader, &in, &compare_reply_limits, &value);
        if (t->status == RESP_READY) {
            t->frames[t->count++] = (struct compare_frame){
                .start = t->end - reader.drop, .end = t->end, .argc = (size_t)value->type};
        }
    }
    if (t->status != RESP_BAD) {
        /* of a header that cannot become right the reader only hears at the end of the line */
        buf_append(&in, "\r\n", 2);
        enum resp_status status = resp_reply_read(&reader, &in, &compare_reply_limits, &value);
        t->line_bytes = status == RESP_BAD; /* it would have been refused */
    }
    memcpy(t->error, resp_reply_error(&reader), sizeof(t->error));
    t->odd = reader.at < in.len ? buf_data(&in)[reader.at] : '\0';
    resp_reply_finish(&reader);
    buf_finish(&in);
    return t;
}

/* What the reader refuses and the scan lets pass: it has no limits, and does not read long
 * numbers. */
static inline bool compare_is_beyond(const struct compare_trace *read)
{
    return strstr(read->error, "too many") != NULL || strstr(read->error, "too long") != NULL ||
           strstr(read->error, "too deeply") != NULL || read->odd == ',' || read->odd == '(';
}

static inline size_t compare_replies(const char *bytes, size_t len, const struct compare_cuts *cuts)
{
    const struct compare_cuts whole = {0};
    struct compare_trace *read = compare_read_replies(bytes, len);
    struct compare_trace *scan = compare_scan(bytes, len, cuts, NULL);
    struct compare_trace *at_once = compare_scan(bytes, len, &whole, NULL);

    compare_same(scan, at_once);
    size_t count = read->count < scan->count ? read->count : scan->count;
    for (size_t i = 0; i < count; i++) {
        const struct compare_frame *s = &scan->frames[i];
        const struct compare_frame *r = &read->frames[i];
        ASSERT(s->start == r->start && s->end == r->end);
        ASSERT(compare_is_type(s->type, (enum resp_type)r->argc));
        ASSERT(bytes[s->start] == '|' || bytes[s->start] == s->type);
    }
    bool sees_zero =
        scan->status == RESP_BAD && scan->odd == ',' && memchr(bytes, '\0', len) != NULL;
    if (scan->count == COMPARE_FRAMES_MAX || read->count == COMPARE_FRAMES_MAX) {
        /* the rest was not looked at */
    } else if (sees_zero && read->status == RESP_BAD && compare_is_beyond(read)) {
        /* each refuses what the other lets pass: either may be the first */
    } else if (read->status == RESP_BAD && compare_is_beyond(read)) {
        ASSERT(scan->count >= read->count);
    } else if (scan->status == RESP_BAD && scan->line_bytes > RESP_SCAN_WORD_MAX &&
               strchr("+-,(", scan->odd) == NULL) {
        ASSERT(scan->count <= read->count); /* a number with more zeros than any has digits */
    } else if (sees_zero) {
        ASSERT(scan->count <= read->count); /* the reader does not see what is behind a '\0' */
    } else {
        ASSERT(scan->count == read->count);
        ASSERT(read->status != RESP_BAD || scan->status == RESP_BAD);
        ASSERT(scan->status != RESP_BAD || read->status == RESP_BAD || read->line_bytes == 1);
    }
    free(read);
    free(scan);
    free(at_once);
    return count;
}

#endif
