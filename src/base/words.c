#include "base/words.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum { WORDS_FIRST = 8 /* most commands and directives are shorter */ };

struct words_cursor {
    const char *at;
    const char *end;
};

static bool words_is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int words_hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

static char words_escape(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return c;
    }
}

static void words_put(struct buf *text, char c)
{
    buf_append(text, &c, 1);
}

/* Behind a backslash inside "...": appends what it stands for. */
static void words_take_escape(struct buf *text, struct words_cursor *c)
{
    if (c->end - c->at >= 3 && c->at[0] == 'x' && words_hex(c->at[1]) >= 0 &&
        words_hex(c->at[2]) >= 0) {
        words_put(text, (char)(words_hex(c->at[1]) * 16 + words_hex(c->at[2])));
        c->at += 3;
        return;
    }
    words_put(text, words_escape(*c->at));
    c->at++;
}

/* Behind an opening quote: up to and with the closing one. */
static bool words_take_quoted(struct buf *text, struct words_cursor *c, char quote)
{
    while (c->at < c->end) {
        char byte = *c->at++;
        if (byte == quote) {
            return c->at == c->end || words_is_space(*c->at);
        }
        if (byte == '\\' && c->at < c->end && (quote == '"' || *c->at == '\'')) {
            if (quote == '"') {
                words_take_escape(text, c);
            } else {
                words_put(text, *c->at++);
            }
        } else {
            words_put(text, byte);
        }
    }
    return false;
}

static void words_add(struct words *w, size_t at)
{
    if (w->count == w->capacity) {
        size_t capacity = w->capacity == 0 ? WORDS_FIRST : w->capacity * 2;
        struct words_span *spans = realloc(w->spans, capacity * sizeof(*spans));
        if (spans == NULL) {
            assert_fail(__FILE__, __LINE__, __func__, "out of memory");
        }
        w->spans = spans;
        w->capacity = capacity;
    }
    w->spans[w->count++] = (struct words_span){.at = at, .len = w->text.len - at};
    words_put(&w->text, '\0');
}

static bool words_take_word(struct words *w, struct words_cursor *c)
{
    size_t at = w->text.len;

    while (c->at < c->end && strchr(" \n\r\t", *c->at) == NULL) {
        char byte = *c->at++;
        if (byte == '"' || byte == '\'') {
            if (!words_take_quoted(&w->text, c, byte)) {
                return false;
            }
            break;
        }
        words_put(&w->text, byte);
    }
    words_add(w, at);
    return true;
}

bool words_split(struct words *w, const char *line, size_t len)
{
    const char *zero = len > 0 ? memchr(line, '\0', len) : NULL;
    struct words_cursor c = {.at = line, .end = zero != NULL ? zero : line + len};

    w->count = 0;
    buf_clear(&w->text);
    for (;;) {
        while (c.at < c.end && words_is_space(*c.at)) {
            c.at++;
        }
        if (c.at == c.end) {
            return true;
        }
        if (!words_take_word(w, &c)) {
            w->count = 0;
            return false;
        }
    }
}

void words_finish(struct words *w)
{
    if (w != NULL) {
        buf_finish(&w->text);
        free(w->spans);
        *w = (struct words){0};
    }
}

const char *words_at(const struct words *w, size_t i)
{
    ASSERT(i < w->count);
    return buf_data(&w->text) + w->spans[i].at;
}

size_t words_len(const struct words *w, size_t i)
{
    ASSERT(i < w->count);
    return w->spans[i].len;
}

static bool words_is_plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\'' || c == '\\') {
            return false;
        }
    }
    return len > 0 && text[0] != '#';
}

void words_quote(struct buf *out, const char *text, size_t len)
{
    if (words_is_plain(text, len)) {
        buf_append(out, text, len);
        return;
    }
    words_put(out, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            words_put(out, '\\');
            words_put(out, text[i]);
        } else if (c < ' ' || c >= 0x7f) {
            buf_printf(out, "\\x%02x", (unsigned)c);
        } else {
            words_put(out, text[i]);
        }
    }
    words_put(out, '"');
}
