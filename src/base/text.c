#include "base/text.h"

#include <string.h>
#include <strings.h>

#include "base/assert.h"

bool text_to_u64(const char *text, size_t len, uint64_t *value)
{
    uint64_t sum = 0;

    if (len == 0) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (sum > (UINT64_MAX - digit) / 10) {
            return false;
        }
        sum = sum * 10 + digit;
    }
    *value = sum;
    return true;
}

bool text_to_i64(const char *text, size_t len, int64_t *value)
{
    bool negative = len > 0 && text[0] == '-';
    uint64_t size = 0;

    if (!text_to_u64(text + negative, len - negative, &size)) {
        return false;
    }
    if (size > (uint64_t)INT64_MAX + negative) {
        return false;
    }
    *value = negative ? (int64_t)(0 - size) : (int64_t)size;
    return true;
}

bool text_copy(char *field, size_t size, const char *text)
{
    size_t len = strlen(text);

    if (len >= size) {
        return false;
    }
    memcpy(field, text, len + 1);
    return true;
}

void text_cut(char *field, size_t size, const char *text)
{
    ASSERT(size > 0);
    size_t len = strnlen(text, size - 1);
    memcpy(field, text, len);
    field[len] = '\0';
}

bool text_same(const char *a, const char *b)
{
    return strcasecmp(a, b) == 0;
}

/* Matches one character against the class at pattern[0] == '[';
 * *used is the length of the class. */
static bool text_class(const char *pattern, size_t len, unsigned char c, size_t *used)
{
    size_t i = 1;
    bool negate = i < len && pattern[i] == '^';
    bool found = false;

    i += negate;
    while (i < len && pattern[i] != ']') {
        if (pattern[i] == '\\' && i + 1 < len) {
            i++;
        }
        unsigned char from = (unsigned char)pattern[i];
        unsigned char to = from;
        if (i + 2 < len && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
            to = (unsigned char)pattern[i + 2];
            i += 2;
        }
        if (from > to) {
            unsigned char swap = from;
            from = to;
            to = swap;
        }
        found = found || (c >= from && c <= to);
        i++;
    }
    *used = i < len ? i + 1 : len;
    return found != negate;
}

/* One pattern element against one character; *used is the length of the element. */
static bool text_one(const char *pattern, size_t len, char c, size_t *used)
{
    *used = 1;
    switch (pattern[0]) {
    case '?':
        return true;
    case '[':
        return text_class(pattern, len, (unsigned char)c, used);
    case '\\':
        if (len > 1) {
            *used = 2;
            return pattern[1] == c;
        }
        return c == '\\';
    default:
        return pattern[0] == c;
    }
}

bool text_glob(const char *pattern, size_t pattern_len, const char *text, size_t len)
{
    size_t p = 0;
    size_t t = 0;
    size_t star = SIZE_MAX; /* after the last '*' seen; only that one need ever be tried again */
    size_t mark = 0;

    while (t < len) {
        size_t used = 0;
        if (p < pattern_len && pattern[p] == '*') {
            star = ++p;
            mark = t;
        } else if (p < pattern_len && text_one(pattern + p, pattern_len - p, text[t], &used)) {
            p += used;
            t++;
        } else if (star != SIZE_MAX) {
            p = star;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern_len && pattern[p] == '*') {
        p++;
    }
    return p == pattern_len;
}

bool text_is_hex(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';
        bool letter = text[i] >= 'a' && text[i] <= 'f';
        if (!digit && !letter) {
            return false;
        }
    }
    return text[len] == '\0';
}

bool text_is_run_id(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] <= ' ' || text[i] > '~' || text[i] == ',') {
            return false;
        }
    }
    return len > 1 || (len == 1 && text[0] != '*' && text[0] != '-');
}

/* By the row method. */
size_t text_distance(const char *a, const char *b)
{
    size_t row[TEXT_DISTANCE_MAX + 1];
    size_t a_len = strlen(a);
    size_t b_len = strlen(b);

    if (a_len > TEXT_DISTANCE_MAX || b_len > TEXT_DISTANCE_MAX) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= b_len; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
        }
    }
    return row[b_len];
}
