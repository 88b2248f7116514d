#include "resp/resp.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

/* By hand: a list of a hundred masters has ten thousand of these. */
static void resp_write_head(struct buf *out, char type, int64_t number)
{
    char text[24]; /* type, sign, 19 digits, line end */
    size_t at = sizeof(text);
    uint64_t size = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

    text[--at] = '\n';
    text[--at] = '\r';
    do {
        text[--at] = (char)('0' + size % 10);
        size /= 10;
    } while (size > 0);
    if (number < 0) {
        text[--at] = '-';
    }
    text[--at] = type;
    buf_append(out, text + at, sizeof(text) - at);
}

/* Ends a line whose text begins at `start`. A line end inside it would let a text forge replies. */
static void resp_write_line_end(struct buf *out, size_t start)
{
    char *bytes = out->bytes + out->start;

    for (size_t i = start; i < out->len; i++) {
        if (bytes[i] == '\r' || bytes[i] == '\n') {
            bytes[i] = ' ';
        }
    }
    buf_append(out, "\r\n", 2);
}

void resp_write_simple(struct buf *out, const char *text)
{
    buf_append(out, "+", 1);
    size_t start = out->len;
    buf_append_text(out, text);
    resp_write_line_end(out, start);
}

PRINTF_LIKE(2, 0)
static void resp_write_vprintf(struct buf *out, const char *format, va_list args)
{
    va_list again;

    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    ASSERT(len >= 0);
    (void)vsnprintf(buf_reserve(out, (size_t)len), (size_t)len + 1, format, args); /* it fits */
    buf_grew(out, (size_t)len);
}

void resp_write_error(struct buf *out, const char *format, ...)
{
    va_list args;

    buf_append(out, "-", 1);
    size_t start = out->len;
    va_start(args, format);
    resp_write_vprintf(out, format, args);
    va_end(args);
    resp_write_line_end(out, start);
}

void resp_write_integer(struct buf *out, int64_t value)
{
    resp_write_head(out, ':', value);
}

void resp_write_bulk(struct buf *out, const void *bytes, size_t len)
{
    resp_write_head(out, '$', (int64_t)len);
    buf_append(out, bytes, len);
    buf_append(out, "\r\n", 2);
}

void resp_write_text(struct buf *out, const char *text)
{
    resp_write_bulk(out, text, strlen(text));
}

void resp_write_bulkf(struct buf *out, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    ASSERT(len >= 0);
    resp_write_head(out, '$', len);
    va_start(args, format);
    resp_write_vprintf(out, format, args);
    va_end(args);
    buf_append(out, "\r\n", 2);
}

void resp_write_null(struct buf *out, enum resp_version version)
{
    buf_append_text(out, version == RESP_3 ? "_\r\n" : "$-1\r\n");
}

void resp_write_null_array(struct buf *out, enum resp_version version)
{
    buf_append_text(out, version == RESP_3 ? "_\r\n" : "*-1\r\n");
}

void resp_write_array(struct buf *out, size_t items)
{
    resp_write_head(out, '*', (int64_t)items);
}

void resp_write_map(struct buf *out, enum resp_version version, size_t pairs)
{
    if (version == RESP_3) {
        resp_write_head(out, '%', (int64_t)pairs);
    } else {
        resp_write_head(out, '*', (int64_t)pairs * 2);
    }
}

void resp_write_set(struct buf *out, enum resp_version version, size_t items)
{
    resp_write_head(out, version == RESP_3 ? '~' : '*', (int64_t)items);
}

void resp_write_push(struct buf *out, enum resp_version version, size_t items)
{
    resp_write_head(out, version == RESP_3 ? '>' : '*', (int64_t)items);
}

void resp_write_double(struct buf *out, enum resp_version version, double value)
{
    char text[32];

    if (isnan(value)) {
        (void)snprintf(text, sizeof(text), "nan"); /* it fits */
    } else if (isinf(value)) {
        (void)snprintf(text, sizeof(text), "%s", value > 0 ? "inf" : "-inf"); /* it fits */
    } else {
        (void)snprintf(text, sizeof(text), "%.17g", value); /* 24 characters at most */
    }
    if (version == RESP_3) {
        buf_printf(out, ",%s\r\n", text);
    } else {
        resp_write_text(out, text);
    }
}

void resp_write_bool(struct buf *out, enum resp_version version, bool value)
{
    if (version == RESP_3) {
        buf_append_text(out, value ? "#t\r\n" : "#f\r\n");
    } else {
        resp_write_integer(out, value ? 1 : 0);
    }
}

void resp_write_verbatim(struct buf *out, enum resp_version version, const char *format,
                         const char *bytes, size_t len)
{
    ASSERT(strlen(format) == 3);
    if (version == RESP_2) {
        resp_write_bulk(out, bytes, len);
        return;
    }
    resp_write_head(out, '=', (int64_t)len + 4);
    buf_printf(out, "%s:", format);
    buf_append(out, bytes, len);
    buf_append(out, "\r\n", 2);
}

void resp_write_command(struct buf *out, size_t argc, const char *const argv[])
{
    ASSERT(argc > 0);
    resp_write_array(out, argc);
    for (size_t i = 0; i < argc; i++) {
        resp_write_text(out, argv[i]);
    }
}
