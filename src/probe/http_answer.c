#include "probe/http_answer.h"

#include <string.h>

#include "base/text.h"

static const char http_token_marks[] = "!#$%&'*+-.^_`|~";

void http_answer_init(struct http_answer *a, bool is_head, size_t body_max)
{
    *a = (struct http_answer){.part = HTTP_PART_HEAD, .is_head = is_head, .body_max = body_max};
}

void http_answer_finish(struct http_answer *a)
{
    buf_finish(&a->body);
}

static bool http_break(struct http_answer *a, const char *why)
{
    a->part = HTTP_PART_BROKEN;
    return err_set(&a->err, "%s", why);
}

/* ---- lines ---- */

/* The next whole line of in, without its end, whose length goes to *size. NULL when there is none
 * yet, or it is too long: the answer is broken then. */
static const char *http_line(struct http_answer *a, const struct buf *in, size_t max, size_t *len,
                             size_t *size)
{
    const char *bytes = buf_data(in);
    size_t look = in->len < max ? in->len : max;
    const char *end = memchr(bytes, '\n', look);

    if (end == NULL) {
        if (in->len >= max) {
            (void)http_break(a, "a line or a head that is too long"); /* the part says it */
        }
        return NULL;
    }
    *size = (size_t)(end - bytes) + 1;
    *len = *size - 1;
    if (*len > 0 && bytes[*len - 1] == '\r') {
        (*len)--;
    }
    if (memchr(bytes, '\0', *len) != NULL || memchr(bytes, '\r', *len) != NULL) {
        (void)http_break(a, "a line with a zero byte or a lone CR");
        return NULL;
    }
    return bytes;
}

static bool http_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool http_is_token(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char lower = (char)(text[i] | 0x20);
        if (!(lower >= 'a' && lower <= 'z') && !http_is_digit(text[i]) &&
            strchr(http_token_marks, text[i]) == NULL) {
            return false;
        }
    }
    return len > 0;
}

/* "HTTP/1.1 200 OK", the reason may be missing. */
static bool http_status_line(struct http_answer *a, const char *line, size_t len)
{
    if (len < 12 || memcmp(line, "HTTP/1.", 7) != 0 || (line[7] != '0' && line[7] != '1') ||
        line[8] != ' ' || !http_is_digit(line[9]) || !http_is_digit(line[10]) ||
        !http_is_digit(line[11]) || (len > 12 && line[12] != ' ')) {
        return http_break(a, "no HTTP: the answer does not begin with HTTP/1.1 and a status");
    }
    a->status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
    if (a->status < 100 || a->status > 599) {
        return http_break(a, "a status below 100 or above 599");
    }
    return true;
}

static bool http_name_is(const char *name, size_t len, const char *wanted)
{
    return len == strlen(wanted) && strncasecmp(name, wanted, len) == 0;
}

static bool http_length(struct http_answer *a, const char *value, size_t len)
{
    uint64_t length = 0;

    if (!text_to_u64(value, len, &length)) {
        return http_break(a, "a Content-Length that is no number");
    }
    if (a->has_length && a->left != length) {
        return http_break(a, "two Content-Length that differ");
    }
    a->has_length = true;
    a->left = length;
    return true;
}

static bool http_field(struct http_answer *a, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);

    if (++a->fields > HTTP_FIELDS_MAX) {
        return http_break(a, "too many header fields");
    }
    if (colon == NULL || !http_is_token(line, (size_t)(colon - line))) {
        return http_break(a, "a header line that is none");
    }
    size_t name_len = (size_t)(colon - line);
    const char *value = colon + 1;
    const char *end = line + len;
    while (value < end && (*value == ' ' || *value == '\t')) {
        value++;
    }
    while (end > value && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    size_t value_len = (size_t)(end - value);
    if (http_name_is(line, name_len, "Content-Length")) {
        return http_length(a, value, value_len);
    }
    if (http_name_is(line, name_len, "Transfer-Encoding")) {
        if (a->is_chunked || !http_name_is(value, value_len, "chunked")) {
            return http_break(a, "a Transfer-Encoding other than chunked");
        }
        a->is_chunked = true;
    }
    return true;
}

/* ---- parts ---- */

/* The head is read: what follows? */
static bool http_body_begin(struct http_answer *a)
{
    if (a->status < 200 && a->status != 101) { /* 100 Continue, 103: the answer is still to come */
        http_answer_init(a, a->is_head, a->body_max);
    } else if (a->is_chunked && a->has_length) {
        return http_break(a, "both a Content-Length and a Transfer-Encoding");
    } else if (a->is_head || a->status < 200 || a->status == 204 || a->status == 304) {
        a->part = HTTP_PART_DONE;
    } else if (a->is_chunked) {
        a->part = HTTP_PART_CHUNK_SIZE;
    } else if (a->has_length) {
        a->part = a->left > 0 ? HTTP_PART_LENGTH : HTTP_PART_DONE;
    } else {
        a->part = HTTP_PART_UNTIL_END;
    }
    return true;
}

/* False: more bytes are needed, or it is broken. */
static bool http_take_head(struct http_answer *a, struct buf *in)
{
    size_t len = 0;
    size_t size = 0;
    const char *line = http_line(a, in, HTTP_HEAD_MAX_BYTES - a->head_bytes, &len, &size);
    bool is_fine = true;

    if (line == NULL) {
        return false;
    }
    bool is_last = len == 0 && a->status != 0;
    if (is_last) {
        is_fine = http_body_begin(a); /* which may begin a new head: nothing of the old counts */
    } else if (a->status == 0) {
        is_fine = http_status_line(a, line, len);
    } else {
        is_fine = http_field(a, line, len);
    }
    a->head_bytes += size;
    buf_take(in, size);
    return is_fine;
}

static void http_keep(struct http_answer *a, struct buf *in, size_t len)
{
    size_t room = a->body_max - a->body.len;

    buf_append(&a->body, buf_data(in), len < room ? len : room);
    a->is_cut |= len > room;
    buf_take(in, len);
}

static bool http_take_body(struct http_answer *a, struct buf *in)
{
    size_t len = in->len;

    if (a->part != HTTP_PART_UNTIL_END && len > a->left) {
        len = (size_t)a->left;
    }
    if (len == 0) {
        return false;
    }
    http_keep(a, in, len);
    if (a->part != HTTP_PART_UNTIL_END) {
        a->left -= len;
        if (a->left == 0) {
            a->part = a->part == HTTP_PART_LENGTH ? HTTP_PART_DONE : HTTP_PART_CHUNK_END;
        }
    }
    return true;
}

static bool http_chunk_size(struct http_answer *a, const char *line, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    size_t i = 0;
    uint64_t size = 0;

    for (; i < len; i++) {
        const char *digit =
            line[i] != '\0'
                ? strchr(digits, line[i] >= 'A' && line[i] <= 'F' ? line[i] | 0x20 : line[i])
                : NULL;
        if (digit == NULL) {
            break;
        }
        if (i >= 15) { /* 60 bits: more than there is */
            return http_break(a, "a chunk that is too large");
        }
        size = size * 16 + (uint64_t)(digit - digits);
    }
    if (i == 0 || (i < len && line[i] != ';' && line[i] != ' ' && line[i] != '\t')) {
        return http_break(a, "a chunk whose size is no number");
    }
    a->left = size;
    a->head_bytes = 0;
    a->part = size > 0 ? HTTP_PART_CHUNK : HTTP_PART_TRAILER;
    return true;
}

static bool http_take_chunk_line(struct http_answer *a, struct buf *in)
{
    size_t len = 0;
    size_t size = 0;
    size_t max = HTTP_CHUNK_LINE_MAX_BYTES;
    bool is_fine = true;

    if (a->part == HTTP_PART_TRAILER) {
        max = HTTP_HEAD_MAX_BYTES - a->head_bytes;
    }
    const char *line = http_line(a, in, max, &len, &size);
    if (line == NULL) {
        return false;
    }
    if (a->part == HTTP_PART_CHUNK_SIZE) {
        is_fine = http_chunk_size(a, line, len);
    } else if (a->part == HTTP_PART_CHUNK_END) {
        a->part = HTTP_PART_CHUNK_SIZE;
        is_fine = len == 0 || http_break(a, "a chunk that is longer than its size");
    } else if (len == 0) {
        a->part = HTTP_PART_DONE;
    } else {
        a->head_bytes += size;
    }
    buf_take(in, size);
    return is_fine;
}

bool http_answer_feed(struct http_answer *a, struct buf *in)
{
    bool goes_on = true;

    while (goes_on) {
        switch (a->part) {
        case HTTP_PART_HEAD:
            goes_on = http_take_head(a, in);
            break;
        case HTTP_PART_LENGTH:
        case HTTP_PART_UNTIL_END:
        case HTTP_PART_CHUNK:
            goes_on = http_take_body(a, in);
            break;
        case HTTP_PART_CHUNK_SIZE:
        case HTTP_PART_CHUNK_END:
        case HTTP_PART_TRAILER:
            goes_on = http_take_chunk_line(a, in);
            break;
        case HTTP_PART_DONE:
        case HTTP_PART_BROKEN:
            return true;
        }
    }
    return a->part == HTTP_PART_DONE || a->part == HTTP_PART_BROKEN;
}

bool http_answer_end(struct http_answer *a)
{
    if (a->part == HTTP_PART_UNTIL_END) {
        a->part = HTTP_PART_DONE;
    }
    if (a->part == HTTP_PART_DONE || a->part == HTTP_PART_BROKEN) {
        return a->part == HTTP_PART_DONE;
    }
    return http_break(a, a->part != HTTP_PART_HEAD ? "closed in the middle of the body"
                         : a->status != 0          ? "closed in the middle of the head"
                                                   : "closed before the answer");
}

bool http_answer_has(const struct http_answer *a, const char *text)
{
    return text[0] == '\0' || memmem(buf_data(&a->body), a->body.len, text, strlen(text)) != NULL;
}
