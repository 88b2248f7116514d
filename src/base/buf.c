#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BUF_FIRST_BYTES = 256,
    BUF_KEEP_BYTES = 4096, /* an emptied buffer larger than this gives its memory back */
};

void buf_finish(struct buf *b)
{
    if (b != NULL) {
        if (b->capacity > 0) {
            free(b->bytes);
        }
        *b = (struct buf){0};
    }
}

const char *buf_data(const struct buf *b)
{
    return b->bytes == NULL ? "" : b->bytes + b->start;
}

char *buf_reserve(struct buf *b, size_t len)
{
    size_t need = b->len + len + 1;

    ASSERT(need > len);
    /* only when it moves less than it gains: a long queue would else be moved for every append */
    if (b->capacity > 0 && b->start > b->len && b->start + need > b->capacity) {
        memmove(b->bytes, b->bytes + b->start, b->len);
        b->start = 0;
    }
    if (b->start + need > b->capacity) {
        size_t capacity = b->capacity == 0 ? BUF_FIRST_BYTES : b->capacity;
        while (capacity < b->start + need) {
            capacity *= 2;
        }
        char *bytes = realloc(b->capacity == 0 ? NULL : b->bytes, capacity);
        if (bytes == NULL) {
            assert_fail(__FILE__, __LINE__, __func__, "out of memory");
        }
        if (b->capacity == 0 && b->len > 0) { /* borrowed */
            memcpy(bytes, b->bytes + b->start, b->len);
        }
        if (b->capacity == 0) {
            b->start = 0;
        }
        b->bytes = bytes;
        b->capacity = capacity;
    }
    return b->bytes + b->start + b->len;
}

void buf_grew(struct buf *b, size_t len)
{
    ASSERT(b->start + b->len + len < b->capacity);
    b->len += len;
    b->bytes[b->start + b->len] = '\0';
}

void buf_append(struct buf *b, const void *bytes, size_t len)
{
    if (len == 0) {
        return;
    }
    memcpy(buf_reserve(b, len), bytes, len);
    buf_grew(b, len);
}

void buf_append_text(struct buf *b, const char *text)
{
    buf_append(b, text, strlen(text));
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_list again;

    ASSERT(format != NULL);
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    ASSERT(len >= 0);
    (void)vsnprintf(buf_reserve(b, (size_t)len), (size_t)len + 1, format, again); /* it fits */
    va_end(again);
    buf_grew(b, (size_t)len);
}

void buf_borrow(struct buf *b, char *bytes, size_t len)
{
    ASSERT(b->capacity == 0);
    ASSERT(bytes[len] == '\0');
    *b = (struct buf){.bytes = bytes, .len = len};
}

void buf_take(struct buf *b, size_t len)
{
    ASSERT(len <= b->len);
    b->start += len;
    b->len -= len;
    if (b->len == 0) {
        buf_clear(b);
    }
}

void buf_drop(struct buf *b, size_t len)
{
    ASSERT(len <= b->len);
    b->start += len;
    b->len -= len;
    if (b->len == 0) {
        b->start = 0;
    }
}

void buf_clear(struct buf *b)
{
    if (b->capacity > BUF_KEEP_BYTES) {
        buf_finish(b);
        return;
    }
    b->start = 0;
    b->len = 0;
    if (b->bytes != NULL) {
        b->bytes[0] = '\0';
    }
}
