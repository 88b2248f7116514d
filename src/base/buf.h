#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/assert.h"

/*
 * A growing run of bytes: appended at the end, taken from the front. Zeroed memory is an empty
 * buffer that owns nothing. Memory running out aborts: there is no useful way on for a monitor.
 */
struct buf {
    char *bytes;     /* never NULL after the first append; always one '\0' past len */
    size_t start;    /* bytes already taken from the front */
    size_t len;      /* bytes held, counted from start */
    size_t capacity; /* of bytes; 0 when they are borrowed */
};

void buf_finish(struct buf *b);
const char *buf_data(const struct buf *b); /* len bytes and a '\0'; "" when empty */
void buf_append(struct buf *b, const void *bytes, size_t len);
void buf_append_text(struct buf *b, const char *text);
void buf_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);

/* Makes room for len more bytes and returns where they go; buf_grew() then says how many came. */
char *buf_reserve(struct buf *b, size_t len);
void buf_grew(struct buf *b, size_t len);

/* Makes *b, which owns nothing, show len bytes that stay the caller's; bytes[len] is '\0' and may
 * be written. They are copied should the buffer grow. */
void buf_borrow(struct buf *b, char *bytes, size_t len);

void buf_take(struct buf *b, size_t len); /* drops len bytes from the front */
void buf_clear(struct buf *b);            /* empties it; gives large memory back */

/* As buf_take(), but an emptied buffer keeps its memory: for one that will be filled again soon. */
void buf_drop(struct buf *b, size_t len);

#endif
