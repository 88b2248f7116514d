#ifndef BASE_WORDS_H
#define BASE_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/*
 * A line as words, by the rules of Redis' inline commands and of redis.conf: words are parted by
 * white space; "..." knows \n \r \t \b \a \xHH and \ before any other byte; '...' knows \' only; a
 * quote that closes must be followed by white space or the end. Zeroed is empty.
 */
struct words {
    struct buf text; /* all words, each with a '\0' behind it */
    struct words_span {
        size_t at;
        size_t len;
    } * spans;
    size_t count;
    size_t capacity;
};

void words_finish(struct words *w);

/* Replaces what w holds. A '\0' ends the line. False on unbalanced quotes; w is then empty. */
bool words_split(struct words *w, const char *line, size_t len);

/* Word i, which must exist: words_len() bytes and a '\0'. Lives until the next split. */
const char *words_at(const struct words *w, size_t i);
size_t words_len(const struct words *w, size_t i);

/* Appends text so that words_split() gives it back as one word: quoted only when it must be. */
void words_quote(struct buf *out, const char *text, size_t len);

#endif
