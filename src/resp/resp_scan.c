/*
 * Where frames end. A header that is complete in the piece is read in place; one that is cut goes
 * byte by byte into scan->word. Both meet in the same functions, so that the pieces cannot matter.
 *
 * Requests follow Redis 7.0 networking.c in what is accepted, in when it is refused and in the
 * words. A relay may not be more lenient: what it takes goes to a connection that many share, and
 * Redis closes that one. Two differences, both where Redis goes by the size of its reads: a line
 * above the limit is refused also when its end comes in the same read, and a '\0' in a line does
 * not hide the line's end.
 *
 * Replies may nest without a stack: an array is one element less and count more to come. Only an
 * attribute is no element itself, so it takes none away.
 */
#include "resp/resp_scan.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"

enum resp_scan_state {
    SCAN_START,    /* between two frames */
    SCAN_HEAD,     /* at the first byte of an element */
    SCAN_WORD,     /* in a header, behind its type */
    SCAN_WORD_END, /* behind the header's '\r' */
    SCAN_BULK,     /* in a bulk or its line end */
    SCAN_BLANK,    /* in an inline request that has no word yet */
    SCAN_INLINE,   /* in an inline request that has one */
    SCAN_NOTHING,  /* in one that ended at a '\0' before any word */
    SCAN_TEXT,     /* in a reply's line of text, behind its type */
    SCAN_TEXT_END, /* behind its '\r' */
    SCAN_BAD,
};

enum {
    SCAN_SHORT_DIGITS =
        9,                /* in a header read in place: all that fit without looking for overflow */
    SCAN_VERBATIM_MIN = 4 /* "txt:" */
};

struct resp_piece {
    const char *bytes;
    size_t len;
    size_t at;
};

static enum resp_status resp_scan_bad(struct resp_scan *scan, const char *what)
{
    scan->state = SCAN_BAD;
    (void)snprintf(scan->error, sizeof(scan->error), "Protocol error: %s", what); /* it fits */
    return RESP_BAD;
}

static void resp_scan_begin(struct resp_scan *scan, uint8_t type)
{
    scan->argc = 0;
    scan->largest_bulk = 0;
    scan->seen_bytes = 0;
    scan->type = type;
    scan->elements_left = 1;
    scan->line_bytes = 0;
}

/* The length of a complete "?123\r\n" of the plainest form, 0 when it is not that. */
static inline size_t resp_scan_short_head(const char *at, size_t len, uint64_t *number)
{
    size_t end = len < SCAN_SHORT_DIGITS + 1 ? len : SCAN_SHORT_DIGITS + 1;
    uint64_t sum = 0;
    size_t i = 1;

    for (; i < end && at[i] >= '0' && at[i] <= '9'; i++) {
        sum = sum * 10 + (uint64_t)(at[i] - '0');
    }
    if (i == 1 || (at[1] == '0' && i > 2) || len - i < 2 || at[i] != '\r' || at[i + 1] != '\n') {
        return 0;
    }
    *number = sum;
    return i + 2;
}

/* Takes the first byte of a header that is not read in place. */
static void resp_scan_open_word(struct resp_scan *scan, struct resp_piece *p)
{
    scan->inner_type = (uint8_t)p->bytes[p->at];
    scan->line_bytes = 1;
    scan->state = SCAN_WORD;
    p->at++;
}

/* Reads on in a header up to and with its '\r', but not beyond max bytes of line. */
static void resp_scan_word(struct resp_scan *scan, struct resp_piece *p, uint64_t max)
{
    const char *from = p->bytes + p->at;
    size_t rest = p->len - p->at;
    uint64_t have = scan->line_bytes - 1;

    if (scan->line_bytes > max) {
        return; /* too long already: a limit may have become smaller meanwhile */
    }
    if (rest > max + 1 - scan->line_bytes) {
        rest = (size_t)(max + 1 - scan->line_bytes);
    }
    const char *end = memchr(from, '\r', rest);
    size_t len = end == NULL ? rest : (size_t)(end - from);
    if (have < RESP_SCAN_WORD_MAX) {
        uint64_t room = RESP_SCAN_WORD_MAX - have;
        memcpy(scan->word + have, from, len < room ? len : (size_t)room);
    }
    scan->line_bytes += len;
    p->at += len;
    if (end != NULL) {
        p->at++;
        scan->state = SCAN_WORD_END;
    }
}

/* ---- requests ---- */

static uint64_t resp_scan_line_max(const struct resp_scan_limits *limits)
{
    return limits->inline_bytes_max == 0 ? RESP_INLINE_BYTES_MAX : limits->inline_bytes_max;
}

/* Redis' string2ll(): as text_to_i64(), but nothing is written in two ways. */
static bool resp_scan_number(const struct resp_scan *scan, int64_t *value)
{
    uint64_t len = scan->line_bytes - 1;
    const char *digits = scan->word[0] == '-' ? scan->word + 1 : scan->word;

    if (len > RESP_SCAN_WORD_MAX || (digits[0] == '0' && len > 1)) {
        return false;
    }
    return text_to_i64(scan->word, (size_t)len, value);
}

static enum resp_status resp_scan_request_done(struct resp_scan *scan)
{
    scan->state = SCAN_START;
    return RESP_READY;
}

static enum resp_status resp_scan_count(struct resp_scan *scan, int64_t count,
                                        const struct resp_scan_limits *limits)
{
    if (count > INT_MAX) {
        return resp_scan_bad(scan, "invalid multibulk length");
    }
    if (count > 0 && (uint64_t)count > limits->args_max) {
        return resp_scan_bad(scan, limits->is_stranger ? "unauthenticated multibulk length"
                                                       : "invalid multibulk length");
    }
    if (count <= 0) {
        return resp_scan_request_done(scan);
    }
    scan->argc = (uint64_t)count;
    scan->elements_left = (uint64_t)count;
    scan->state = SCAN_HEAD;
    return RESP_MORE;
}

static enum resp_status resp_scan_length(struct resp_scan *scan, int64_t len,
                                         const struct resp_scan_limits *limits)
{
    uint64_t most = limits->is_stranger && limits->bulk_bytes_max < RESP_SCAN_BULK_MAX
                        ? RESP_SCAN_BULK_MAX
                        : limits->bulk_bytes_max;

    if (len < 0 || (uint64_t)len > most) {
        return resp_scan_bad(scan, "invalid bulk length");
    }
    if ((uint64_t)len > limits->bulk_bytes_max) {
        return resp_scan_bad(scan, "unauthenticated bulk length");
    }
    if ((uint64_t)len > scan->largest_bulk) {
        scan->largest_bulk = (uint64_t)len;
    }
    scan->bulk_left = (uint64_t)len + 2;
    scan->state = SCAN_BULK;
    return RESP_MORE;
}

static enum resp_status resp_scan_no_dollar(struct resp_scan *scan)
{
    char what[] = "expected '$', got '?'";
    char got = (char)scan->inner_type;

    if (got == '\r' || got == '\n') {
        got = ' ';
    }
    if (got != '\0') {
        what[sizeof(what) - 3] = got;
    }
    return resp_scan_bad(scan, what);
}

/* The header came in pieces, or is of an odd form; now it is complete. */
static enum resp_status resp_scan_request_head(struct resp_scan *scan,
                                               const struct resp_scan_limits *limits)
{
    int64_t number;

    if (scan->argc > 0 && scan->inner_type != '$') {
        return resp_scan_no_dollar(scan);
    }
    if (!resp_scan_number(scan, &number)) {
        return resp_scan_bad(scan,
                             scan->argc > 0 ? "invalid bulk length" : "invalid multibulk length");
    }
    return scan->argc > 0 ? resp_scan_length(scan, number, limits)
                          : resp_scan_count(scan, number, limits);
}

static enum resp_status resp_scan_request_word(struct resp_scan *scan, struct resp_piece *p,
                                               const struct resp_scan_limits *limits)
{
    resp_scan_word(scan, p, resp_scan_line_max(limits));
    if (scan->state == SCAN_WORD && scan->line_bytes > resp_scan_line_max(limits)) {
        return resp_scan_bad(scan, scan->argc > 0 ? "too big bulk count string"
                                                  : "too big mbulk count string");
    }
    return RESP_MORE;
}

/* The hot path: as many arguments as have their header in the piece. */
static enum resp_status resp_scan_arguments(struct resp_scan *scan, struct resp_piece *p,
                                            const struct resp_scan_limits *limits)
{
    while (p->at < p->len) {
        const char *at = p->bytes + p->at;
        uint64_t len;
        size_t head = at[0] == '$' ? resp_scan_short_head(at, p->len - p->at, &len) : 0;

        if (head == 0 || len > limits->bulk_bytes_max || len + 2 > p->len - p->at - head) {
            resp_scan_open_word(scan, p);
            if (scan->inner_type == '\r') { /* a line of nothing: it has no type either */
                scan->state = SCAN_WORD_END;
            }
            return RESP_MORE;
        }
        if (len > scan->largest_bulk) {
            scan->largest_bulk = len;
        }
        p->at += head + (size_t)len + 2;
        if (--scan->elements_left == 0) {
            return resp_scan_request_done(scan);
        }
    }
    return RESP_MORE;
}

static enum resp_status resp_scan_request_start(struct resp_scan *scan, struct resp_piece *p,
                                                const struct resp_scan_limits *limits)
{
    const char *at = p->bytes + p->at;
    uint64_t count;

    if (at[0] != '*') {
        resp_scan_begin(scan, ' ');
        scan->state = SCAN_BLANK;
        return RESP_MORE;
    }
    resp_scan_begin(scan, '*');
    size_t head = resp_scan_short_head(at, p->len - p->at, &count);
    if (head > 0) {
        p->at += head;
        return resp_scan_count(scan, (int64_t)count, limits);
    }
    resp_scan_open_word(scan, p);
    return RESP_MORE;
}

/* Nothing but spaces in front of the first word, or of the line's end. */
static void resp_scan_blank(struct resp_scan *scan, struct resp_piece *p,
                            const struct resp_scan_limits *limits)
{
    while (p->at < p->len && scan->line_bytes <= resp_scan_line_max(limits)) {
        char c = p->bytes[p->at];
        bool is_space = c == ' ' || (c >= '\t' && c <= '\r');
        if (c == '\n' || !is_space) {
            scan->state = c == '\n' || c == '\0' ? SCAN_NOTHING : SCAN_INLINE;
            scan->argc = scan->state == SCAN_INLINE ? 1 : 0;
            return;
        }
        scan->line_bytes++;
        p->at++;
    }
}

static enum resp_status resp_scan_inline(struct resp_scan *scan, struct resp_piece *p,
                                         const struct resp_scan_limits *limits)
{
    if (scan->state == SCAN_BLANK) {
        resp_scan_blank(scan, p, limits);
    }
    if (scan->state != SCAN_BLANK) {
        const char *from = p->bytes + p->at;
        const char *end = memchr(from, '\n', p->len - p->at);
        size_t len = end == NULL ? p->len - p->at : (size_t)(end - from);
        scan->line_bytes += len;
        p->at += len;
        if (end != NULL && scan->line_bytes <= resp_scan_line_max(limits)) {
            p->at++;
            return resp_scan_request_done(scan);
        }
    }
    if (scan->line_bytes > resp_scan_line_max(limits)) {
        return resp_scan_bad(scan, "too big inline request");
    }
    return RESP_MORE;
}

static enum resp_status resp_scan_skip_bulk(struct resp_scan *scan, struct resp_piece *p)
{
    size_t rest = p->len - p->at;

    if (rest < scan->bulk_left) {
        scan->bulk_left -= rest;
        p->at = p->len;
        return RESP_MORE;
    }
    p->at += (size_t)scan->bulk_left;
    scan->bulk_left = 0;
    scan->state = SCAN_HEAD;
    return --scan->elements_left == 0 ? resp_scan_request_done(scan) : RESP_MORE;
}

/* One step; takes at least a byte, or changes the state, unless it ends in something final. */
static enum resp_status resp_scan_request_step(struct resp_scan *scan, struct resp_piece *p,
                                               const struct resp_scan_limits *limits)
{
    switch ((enum resp_scan_state)scan->state) {
    case SCAN_START:
        return resp_scan_request_start(scan, p, limits);
    case SCAN_HEAD:
        return resp_scan_arguments(scan, p, limits);
    case SCAN_WORD:
        return resp_scan_request_word(scan, p, limits);
    case SCAN_WORD_END:
        p->at++; /* Redis does not look at this byte */
        return resp_scan_request_head(scan, limits);
    case SCAN_BULK:
        return resp_scan_skip_bulk(scan, p);
    case SCAN_BLANK:
    case SCAN_INLINE:
    case SCAN_NOTHING:
        return resp_scan_inline(scan, p, limits);
    case SCAN_TEXT:
    case SCAN_TEXT_END:
        break;
    case SCAN_BAD:
        return RESP_BAD;
    }
    UNREACHABLE("a scan of replies was given requests");
}

enum resp_status resp_scan_request(struct resp_scan *scan, const char *bytes, size_t len,
                                   const struct resp_scan_limits *limits, size_t *used)
{
    struct resp_piece p = {.bytes = bytes, .len = len};
    enum resp_status status = scan->state == SCAN_BAD ? RESP_BAD : RESP_MORE;

    while (status == RESP_MORE && p.at < p.len) {
        status = resp_scan_request_step(scan, &p, limits);
    }
    scan->seen_bytes += p.at;
    *used += p.at;
    return status;
}

/* ---- replies ---- */

static const char resp_scan_odd_reply[] = "a reply begins with no known type or has a wrong number";

static enum resp_status resp_scan_reply_left(struct resp_scan *scan)
{
    scan->state = scan->elements_left == 0 ? SCAN_START : SCAN_HEAD;
    return scan->elements_left == 0 ? RESP_READY : RESP_MORE;
}

static enum resp_status resp_scan_element_done(struct resp_scan *scan)
{
    scan->elements_left--;
    return resp_scan_reply_left(scan);
}

/* An aggregate of so many elements takes the place of one of its parent. */
static enum resp_status resp_scan_open(struct resp_scan *scan, uint64_t count)
{
    bool is_pairs = scan->inner_type == '%' || scan->inner_type == '|';

    if (is_pairs && count > INT64_MAX / 2) {
        return resp_scan_bad(scan, resp_scan_odd_reply);
    }
    count *= is_pairs ? 2 : 1;
    scan->elements_left += count - (scan->inner_type == '|' ? 0 : 1);
    if (scan->elements_left > INT64_MAX) {
        return resp_scan_bad(scan, "too many elements in a reply");
    }
    return resp_scan_reply_left(scan);
}

/* The header of scan->inner_type is complete and has this number. */
static enum resp_status resp_scan_reply_number(struct resp_scan *scan, int64_t number)
{
    uint8_t type = scan->inner_type;

    if (type == ':' || (number == -1 && (type == '$' || type == '*'))) {
        return resp_scan_element_done(scan);
    }
    if (number < (type == '=' ? SCAN_VERBATIM_MIN : 0)) {
        return resp_scan_bad(scan, resp_scan_odd_reply);
    }
    if (type != '$' && type != '!' && type != '=') {
        return resp_scan_open(scan, (uint64_t)number);
    }
    if ((uint64_t)number > scan->largest_bulk) {
        scan->largest_bulk = (uint64_t)number;
    }
    scan->bulk_left = (uint64_t)number + 2;
    scan->state = SCAN_BULK;
    return RESP_MORE;
}

static enum resp_status resp_scan_reply_head(struct resp_scan *scan)
{
    size_t len = (size_t)scan->line_bytes - 1;
    int64_t number;

    if (scan->inner_type == '_' && len == 0) {
        return resp_scan_element_done(scan);
    }
    if (scan->inner_type == '#' && len == 1 && (scan->word[0] == 't' || scan->word[0] == 'f')) {
        return resp_scan_element_done(scan);
    }
    if (scan->inner_type == '_' || scan->inner_type == '#' ||
        !text_to_i64(scan->word, len, &number)) {
        return resp_scan_bad(scan, resp_scan_odd_reply);
    }
    return resp_scan_reply_number(scan, number);
}

static enum resp_status resp_scan_reply_word(struct resp_scan *scan, struct resp_piece *p)
{
    resp_scan_word(scan, p, RESP_SCAN_WORD_MAX + 1);
    if (scan->state == SCAN_WORD && scan->line_bytes > RESP_SCAN_WORD_MAX + 1) {
        return resp_scan_bad(scan, resp_scan_odd_reply);
    }
    return RESP_MORE;
}

/* The state that reads on behind this type; SCAN_BAD for one that is not known. */
static enum resp_scan_state resp_scan_reply_state(uint8_t type)
{
    switch (type) {
    case '+':
    case '-':
    case ',':
    case '(':
        return SCAN_TEXT;
    case ':':
    case '_':
    case '#':
    case '$':
    case '!':
    case '=':
    case '*':
    case '~':
    case '>':
    case '%':
    case '|':
        return SCAN_WORD;
    default:
        return SCAN_BAD;
    }
}

static enum resp_status resp_scan_reply_element(struct resp_scan *scan, struct resp_piece *p)
{
    const char *at = p->bytes + p->at;
    uint8_t type = (uint8_t)at[0];
    uint64_t number;

    /* one left at the top level, and nothing but attributes so far: this is what the frame is */
    if (scan->elements_left == 1 && (scan->type == 0 || scan->type == '|')) {
        scan->type = type;
    }
    enum resp_scan_state state = resp_scan_reply_state(type);
    if (state == SCAN_BAD) {
        return resp_scan_bad(scan, resp_scan_odd_reply);
    }
    size_t head = state == SCAN_WORD && type != '_' && type != '#'
                      ? resp_scan_short_head(at, p->len - p->at, &number)
                      : 0;
    if (head > 0) {
        scan->inner_type = type;
        p->at += head;
        return resp_scan_reply_number(scan, (int64_t)number);
    }
    resp_scan_open_word(scan, p);
    scan->state = (uint8_t)state;
    return RESP_MORE;
}

/* Only characters that a number of this type can have. */
static bool resp_scan_is_number_text(uint8_t type, const char *text, size_t len)
{
    static const char big[] = "0123456789-+";
    static const char real[] = "0123456789-+.eEinfaINFA";
    const char *known = type == '(' ? big : real;
    size_t known_len = type == '(' ? sizeof(big) - 1 : sizeof(real) - 1;

    for (size_t i = 0; i < len; i++) {
        if (memchr(known, text[i], known_len) == NULL) {
            return false;
        }
    }
    return true;
}

static enum resp_status resp_scan_text(struct resp_scan *scan, struct resp_piece *p)
{
    const char *from = p->bytes + p->at;
    const char *end = memchr(from, '\r', p->len - p->at);
    size_t len = end == NULL ? p->len - p->at : (size_t)(end - from);
    bool is_number = scan->inner_type == ',' || scan->inner_type == '(';

    scan->line_bytes += len;
    p->at += len;
    if (is_number && !resp_scan_is_number_text(scan->inner_type, from, len)) {
        return resp_scan_bad(scan, resp_scan_odd_reply);
    }
    if (end != NULL) {
        if (is_number && scan->line_bytes == 1) {
            return resp_scan_bad(scan, resp_scan_odd_reply);
        }
        p->at++;
        scan->state = SCAN_TEXT_END;
    }
    return RESP_MORE;
}

/* Skips the bytes of a bulk, then looks at its line end: here a stream that is out of step shows.
 */
static enum resp_status resp_scan_reply_bulk(struct resp_scan *scan, struct resp_piece *p)
{
    if (scan->bulk_left > 2) {
        uint64_t rest = p->len - p->at;
        uint64_t skip = scan->bulk_left - 2 < rest ? scan->bulk_left - 2 : rest;
        scan->bulk_left -= skip;
        p->at += (size_t)skip;
    }
    while (scan->bulk_left <= 2 && p->at < p->len) {
        if (p->bytes[p->at] != (scan->bulk_left == 2 ? '\r' : '\n')) {
            return resp_scan_bad(scan, "a bulk of a reply does not end where it said");
        }
        p->at++;
        if (--scan->bulk_left == 0) {
            return resp_scan_element_done(scan);
        }
    }
    return RESP_MORE;
}

/* Behind a '\r' the line must end. */
static bool resp_scan_takes_line_feed(struct resp_piece *p)
{
    return p->bytes[p->at++] == '\n';
}

static enum resp_status resp_scan_reply_step(struct resp_scan *scan, struct resp_piece *p)
{
    switch ((enum resp_scan_state)scan->state) {
    case SCAN_START:
        resp_scan_begin(scan, 0);
        scan->state = SCAN_HEAD;
        return RESP_MORE;
    case SCAN_HEAD:
        return resp_scan_reply_element(scan, p);
    case SCAN_WORD:
        return resp_scan_reply_word(scan, p);
    case SCAN_WORD_END:
        return resp_scan_takes_line_feed(p) ? resp_scan_reply_head(scan)
                                            : resp_scan_bad(scan, resp_scan_odd_reply);
    case SCAN_BULK:
        return resp_scan_reply_bulk(scan, p);
    case SCAN_TEXT:
        return resp_scan_text(scan, p);
    case SCAN_TEXT_END:
        return resp_scan_takes_line_feed(p) ? resp_scan_element_done(scan)
                                            : resp_scan_bad(scan, resp_scan_odd_reply);
    case SCAN_BLANK:
    case SCAN_INLINE:
    case SCAN_NOTHING:
        break;
    case SCAN_BAD:
        return RESP_BAD;
    }
    UNREACHABLE("a scan of requests was given replies");
}

enum resp_status resp_scan_reply(struct resp_scan *scan, const char *bytes, size_t len,
                                 size_t *used)
{
    struct resp_piece p = {.bytes = bytes, .len = len};
    enum resp_status status = scan->state == SCAN_BAD ? RESP_BAD : RESP_MORE;

    while (status == RESP_MORE && p.at < p.len) {
        status = resp_scan_reply_step(scan, &p);
    }
    scan->seen_bytes += p.at;
    *used += p.at;
    return status;
}

/* ---- looking into a frame ---- */

/* A header of a request that was scanned: its number, and its length with the line end. 0 when it
 * is not complete. */
static size_t resp_args_head(const char *at, size_t len, uint64_t *number)
{
    size_t head = resp_scan_short_head(at, len, number);

    if (head > 0) {
        return head;
    }
    const char *end = len > 1 ? memchr(at, '\r', len - 1) : NULL;
    if (end == NULL || !text_to_u64(at + 1, (size_t)(end - at) - 1, number)) {
        return 0;
    }
    return (size_t)(end - at) + 2;
}

bool resp_args_next(struct resp_args *args, const char *request, size_t len,
                    struct resp_text *argument)
{
    uint64_t number;

    if (!args->is_begun) {
        size_t head = len > 0 && request[0] == '*' ? resp_args_head(request, len, &number) : 0;
        if (head == 0) {
            return false;
        }
        *args = (struct resp_args){.at = head, .left = number, .is_begun = true};
    }
    if (args->left == 0 || args->at >= len || request[args->at] != '$') {
        return false;
    }
    size_t head = resp_args_head(request + args->at, len - args->at, &number);
    if (head == 0 || number > len - args->at - head) {
        return false;
    }
    *argument = (struct resp_text){request + args->at + head, (size_t)number};
    args->at += head + (size_t)number + 2;
    args->left--;
    return true;
}

bool resp_reply_is_error(const char *reply, size_t len, const char *code)
{
    size_t code_len = strlen(code);

    if (len < code_len + 2 || reply[0] != '-' || memcmp(reply + 1, code, code_len) != 0) {
        return false;
    }
    return reply[code_len + 1] == ' ' || reply[code_len + 1] == '\r';
}
