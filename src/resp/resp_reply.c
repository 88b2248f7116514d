/*
 * Replies as a client reads them, RESP2 and RESP3, in two passes: the first walks over the headers
 * as the bytes come and stops at the last byte of the reply; the second, over complete and checked
 * bytes, lays the tree into one array. RESP3's streamed strings and aggregates are refused: no
 * Redis sends them.
 */
#include "resp/resp.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"

enum {
    RESP_REPLY_FIRST_VALUES = 64,
    RESP_REPLY_DOUBLE_MAX = 64,      /* a double has at most 25 characters; some printers pad */
    RESP_REPLY_VERBATIM_HEAD = 4,    /* "txt:" */
    RESP_REPLY_ELEMENTS = 64 * 1024, /* thousand replicas of thirty fields, twice */
};

const struct resp_reply_limits resp_reply_limits_default = {
    .depth_max = RESP_REPLY_DEPTH_MAX,
    .elements_max = RESP_REPLY_ELEMENTS,
    .bulk_bytes_max = (size_t)4 * 1024 * 1024,   /* an INFO of hundreds of replicas is 100 KB */
    .total_bytes_max = (size_t)16 * 1024 * 1024, /* SENTINEL MASTERS of thousands */
};

enum resp_shape { RESP_SHAPE_LINE, RESP_SHAPE_BULK, RESP_SHAPE_ITEMS, RESP_SHAPE_ATTRIBUTE };

struct resp_head {
    enum resp_shape shape;
    struct resp_value value; /* type, and the whole value of a line */
    size_t len;              /* bytes of a bulk, elements of items (a pair is two) */
};

void resp_reply_finish(struct resp_reply_reader *r)
{
    if (r != NULL) {
        free(r->values);
        *r = (struct resp_reply_reader){0};
    }
}

void resp_reply_reset(struct resp_reply_reader *r)
{
    *r = (struct resp_reply_reader){.values = r->values, .values_capacity = r->values_capacity};
}

const char *resp_reply_error(const struct resp_reply_reader *r)
{
    return r->error;
}

static enum resp_status resp_reply_bad(struct resp_reply_reader *r, const char *what)
{
    r->is_bad = true;
    (void)snprintf(r->error, sizeof(r->error), "Protocol error: %s", what); /* fits: constants */
    return RESP_BAD;
}

/* ---- one header line ---- */

static bool resp_reply_double(const char *text, size_t len, double *value)
{
    char copy[RESP_REPLY_DOUBLE_MAX];
    char *end;

    if (len == 0 || len >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (text_same(copy, "inf") || text_same(copy, "+inf") || text_same(copy, "-inf")) {
        *value = copy[0] == '-' ? -HUGE_VAL : HUGE_VAL;
        return true;
    }
    if (text_same(copy, "nan") || text_same(copy, "-nan")) {
        *value = (double)NAN;
        return true;
    }
    if (strspn(copy, "0123456789+-.eE") != len) {
        return false; /* strtod() would take spaces, hexadecimal and "infinity" too */
    }
    *value = strtod(copy, &end);
    return *end == '\0';
}

static bool resp_reply_is_big_number(const char *text, size_t len)
{
    size_t at = len > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;

    if (at == len) {
        return false;
    }
    while (at < len && text[at] >= '0' && text[at] <= '9') {
        at++;
    }
    return at == len;
}

/* A length that follows '$', '*' and so on; -1 is the null of RESP2 where it is allowed. */
static bool resp_reply_length(struct resp_head *h, const char *text, size_t len, bool null_allowed)
{
    int64_t length;

    if (!text_to_i64(text, len, &length) || length < -1 || (length == -1 && !null_allowed)) {
        return false;
    }
    if (length == -1) {
        h->shape = RESP_SHAPE_LINE;
        h->value.type = RESP_NULL;
        return true;
    }
    h->len = (size_t)length;
    return true;
}

static bool resp_reply_items(struct resp_head *h, enum resp_type type, const char *text, size_t len)
{
    h->shape = RESP_SHAPE_ITEMS;
    h->value.type = type;
    return resp_reply_length(h, text, len, type == RESP_ARRAY);
}

static bool resp_reply_pairs(struct resp_head *h, enum resp_shape shape, const char *text,
                             size_t len)
{
    h->shape = shape;
    h->value.type = RESP_MAP;
    if (!resp_reply_length(h, text, len, false) || h->len > SIZE_MAX / 4) {
        return false;
    }
    h->len *= 2;
    return true;
}

static bool resp_reply_bulk(struct resp_head *h, enum resp_type type, const char *text, size_t len)
{
    h->shape = RESP_SHAPE_BULK;
    h->value.type = type;
    if (!resp_reply_length(h, text, len, type == RESP_BULK)) {
        return false;
    }
    return type != RESP_VERBATIM || h->len >= RESP_REPLY_VERBATIM_HEAD;
}

/* The line without its end: type byte, then text. */
static bool resp_reply_head(struct resp_head *h, const char *line, size_t line_len)
{
    const char *text = line + 1;
    size_t len = line_len - 1;

    *h = (struct resp_head){.shape = RESP_SHAPE_LINE, .value.text = {"", 0}};
    switch (line[0]) {
    case '+':
    case '-':
        h->value.type = line[0] == '+' ? RESP_SIMPLE : RESP_ERROR;
        h->value.text = (struct resp_text){text, len};
        return true;
    case ':':
        h->value.type = RESP_INTEGER;
        return text_to_i64(text, len, &h->value.integer);
    case '_':
        h->value.type = RESP_NULL;
        return len == 0;
    case '#':
        h->value.type = RESP_BOOL;
        h->value.integer = len == 1 && text[0] == 't' ? 1 : 0;
        return len == 1 && (text[0] == 't' || text[0] == 'f');
    case ',':
        h->value.type = RESP_DOUBLE;
        return resp_reply_double(text, len, &h->value.real);
    case '(':
        h->value.type = RESP_BIG_NUMBER;
        h->value.text = (struct resp_text){text, len};
        return resp_reply_is_big_number(text, len);
    case '$':
        return resp_reply_bulk(h, RESP_BULK, text, len);
    case '!':
        return resp_reply_bulk(h, RESP_ERROR, text, len);
    case '=':
        return resp_reply_bulk(h, RESP_VERBATIM, text, len);
    case '*':
        return resp_reply_items(h, RESP_ARRAY, text, len);
    case '~':
        return resp_reply_items(h, RESP_SET, text, len);
    case '>':
        return resp_reply_items(h, RESP_PUSH, text, len);
    case '%':
        return resp_reply_pairs(h, RESP_SHAPE_ITEMS, text, len);
    case '|':
        return resp_reply_pairs(h, RESP_SHAPE_ATTRIBUTE, text, len);
    default:
        return false;
    }
}

/* ---- first pass: where the reply ends ---- */

static bool resp_reply_is_done(const struct resp_reply_reader *r)
{
    return r->depth == 0 && r->open[0] == 0;
}

/* An element is complete: so may be what it stands in. An attribute is no element of its parent. */
static void resp_reply_element_done(struct resp_reply_reader *r)
{
    ASSERT(r->open[r->depth] > 0);
    r->open[r->depth]--;
    while (r->depth > 0 && r->open[r->depth] == 0) {
        bool counts = !r->is_attribute[r->depth];
        r->depth--;
        if (!counts) {
            return;
        }
        ASSERT(r->open[r->depth] > 0);
        r->open[r->depth]--;
    }
}

static enum resp_status resp_reply_open(struct resp_reply_reader *r, const struct resp_head *h,
                                        const struct resp_reply_limits *limits)
{
    bool is_attribute = h->shape == RESP_SHAPE_ATTRIBUTE;

    if (h->len > limits->elements_max - r->elements) {
        return resp_reply_bad(r, "too many elements in a reply");
    }
    if (h->len == 0) {
        if (!is_attribute) {
            resp_reply_element_done(r);
        }
        return RESP_READY;
    }
    if (r->depth >= limits->depth_max || r->depth >= RESP_REPLY_DEPTH_MAX) {
        return resp_reply_bad(r, "a reply is nested too deeply");
    }
    r->depth++;
    r->open[r->depth] = h->len;
    r->is_attribute[r->depth] = is_attribute;
    return RESP_READY;
}

static enum resp_status resp_reply_begin_bulk(struct resp_reply_reader *r, size_t len,
                                              const struct resp_reply_limits *limits)
{
    if (len > limits->bulk_bytes_max) {
        return resp_reply_bad(r, "a bulk of a reply is too long");
    }
    r->bulk_len = len;
    r->in_bulk = true;
    return RESP_READY;
}

/* Walks over the header line at r->at. RESP_READY: go on. */
static enum resp_status resp_reply_walk_head(struct resp_reply_reader *r, const struct buf *in,
                                             const struct resp_reply_limits *limits)
{
    const char *bytes = buf_data(in);
    size_t from = r->looked > r->at ? r->looked : r->at;
    const char *end = from < in->len ? memchr(bytes + from, '\r', in->len - from) : NULL;
    struct resp_head h;

    r->looked = end == NULL ? in->len : (size_t)(end - bytes);
    if (r->looked - r->at > RESP_INLINE_BYTES_MAX) {
        return resp_reply_bad(r, "a line of a reply is too long");
    }
    if (end == NULL || r->looked + 1 >= in->len) {
        return RESP_MORE;
    }
    if (end[1] != '\n' || r->looked == r->at ||
        !resp_reply_head(&h, bytes + r->at, r->looked - r->at)) {
        return resp_reply_bad(r, "a reply begins with no known type or has a wrong number");
    }
    if (r->elements == limits->elements_max) {
        return resp_reply_bad(r, "too many elements in a reply");
    }
    r->elements++;
    r->at = r->looked + 2;
    switch (h.shape) {
    case RESP_SHAPE_LINE:
        resp_reply_element_done(r);
        return RESP_READY;
    case RESP_SHAPE_BULK:
        return resp_reply_begin_bulk(r, h.len, limits);
    case RESP_SHAPE_ITEMS:
    case RESP_SHAPE_ATTRIBUTE:
        return resp_reply_open(r, &h, limits);
    }
    UNREACHABLE("a shape of no name");
}

static enum resp_status resp_reply_walk_bulk(struct resp_reply_reader *r, const struct buf *in)
{
    size_t end = r->at + r->bulk_len;

    if (in->len < end + 2) {
        return RESP_MORE;
    }
    if (memcmp(buf_data(in) + end, "\r\n", 2) != 0) {
        return resp_reply_bad(r, "a bulk of a reply does not end where it said");
    }
    r->at = end + 2;
    r->in_bulk = false;
    resp_reply_element_done(r);
    return RESP_READY;
}

/* ---- second pass: the tree ---- */

struct resp_builder {
    struct resp_value *values;
    size_t values_used;
    char *bytes;
    size_t at;
    size_t end; /* the reply ends here */
};

/* Takes one header; the byte behind a text of the line becomes '\0'. */
static void resp_reply_build_head(struct resp_builder *b, struct resp_head *h)
{
    char *line = b->bytes + b->at;
    char *end = memchr(line, '\r', b->end - b->at);

    ASSERT(end != NULL);
    bool known = resp_reply_head(h, line, (size_t)(end - line));
    ASSERT(known);
    b->at += (size_t)(end - line) + 2;
    if (h->shape == RESP_SHAPE_LINE) {
        *end = '\0';
    }
}

static void resp_reply_build_bulk(struct resp_builder *b, struct resp_head *h)
{
    size_t head = h->value.type == RESP_VERBATIM ? RESP_REPLY_VERBATIM_HEAD : 0;

    h->value.text = (struct resp_text){b->bytes + b->at + head, h->len - head};
    b->bytes[b->at + h->len] = '\0';
    b->at += h->len + 2;
}

/* Recursion ends: the first pass has held the depth below RESP_REPLY_DEPTH_MAX. */
static void resp_reply_build(struct resp_builder *b, struct resp_value *into)
{
    struct resp_head h;
    struct resp_value ignored;

    resp_reply_build_head(b, &h);
    while (h.shape == RESP_SHAPE_ATTRIBUTE) {
        for (size_t i = 0; i < h.len; i++) {
            resp_reply_build(b, &ignored);
        }
        resp_reply_build_head(b, &h);
    }
    if (h.shape == RESP_SHAPE_BULK) {
        resp_reply_build_bulk(b, &h);
    }
    if (h.shape == RESP_SHAPE_ITEMS && h.len > 0) {
        struct resp_value *items = b->values + b->values_used;
        b->values_used += h.len;
        for (size_t i = 0; i < h.len; i++) {
            resp_reply_build(b, &items[i]);
        }
        h.value.items = items;
        h.value.count = h.len;
    }
    *into = h.value;
}

static void resp_reply_room(struct resp_reply_reader *r)
{
    size_t capacity = r->values_capacity == 0 ? RESP_REPLY_FIRST_VALUES : r->values_capacity;

    if (r->elements <= r->values_capacity) {
        return;
    }
    while (capacity < r->elements) {
        capacity *= 2;
    }
    free(r->values); /* nothing of the last reply is worth a copy */
    r->values = malloc(capacity * sizeof(*r->values));
    if (r->values == NULL) {
        assert_fail(__FILE__, __LINE__, __func__, "out of memory");
    }
    r->values_capacity = capacity;
}

/* ---- the reader ---- */

static enum resp_status resp_reply_walk(struct resp_reply_reader *r, const struct buf *in,
                                        const struct resp_reply_limits *limits)
{
    if (r->at == 0) {
        r->open[0] = 1;
    }
    while (!resp_reply_is_done(r)) {
        enum resp_status status =
            r->in_bulk ? resp_reply_walk_bulk(r, in) : resp_reply_walk_head(r, in, limits);
        size_t known = r->at + (r->in_bulk ? r->bulk_len : 0);
        if (status != RESP_BAD && known > limits->total_bytes_max) {
            return resp_reply_bad(r, "a reply is too long");
        }
        if (status != RESP_READY) {
            return status;
        }
    }
    return RESP_READY;
}

enum resp_status resp_reply_read(struct resp_reply_reader *r, struct buf *in,
                                 const struct resp_reply_limits *limits,
                                 const struct resp_value **value)
{
    if (r->is_bad) {
        return RESP_BAD;
    }
    if (r->drop > 0) {
        buf_take(in, r->drop);
        resp_reply_reset(r);
    }
    enum resp_status status = resp_reply_walk(r, in, limits);
    if (status != RESP_READY) {
        return status;
    }
    resp_reply_room(r);
    struct resp_builder b = {
        .values = r->values,
        .values_used = 1,
        .bytes = in->bytes + in->start,
        .end = r->at,
    };
    resp_reply_build(&b, &r->values[0]);
    ASSERT(b.at == r->at);
    ASSERT(b.values_used <= r->elements);
    r->drop = r->at;
    *value = &r->values[0];
    return RESP_READY;
}
