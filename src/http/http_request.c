#include "http/http_request.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

struct slice {
    const char *at;
    size_t len;
};

struct request_head {
    struct http_request *request;
    bool is_old; /* HTTP/1.0 */
    bool has_body;
    bool is_close;
    bool is_keep_alive;
};

/* ---- lines and words ---- */

/* The length of the head with the empty line that ends it; 0 while that did not come. */
static size_t request_head_len(const char *bytes, size_t len)
{
    const char *line = bytes;
    const char *end = bytes + len;

    while (line < end) {
        const char *feed = memchr(line, '\n', (size_t)(end - line));
        if (feed == NULL) {
            return 0;
        }
        if (feed == line || (feed == line + 1 && line[0] == '\r')) {
            return (size_t)(feed + 1 - bytes);
        }
        line = feed + 1;
    }
    return 0;
}

/* Cuts the first line off *rest, which has one. */
static struct slice request_next_line(struct slice *rest)
{
    const char *feed = memchr(rest->at, '\n', rest->len);
    struct slice line = {.at = rest->at, .len = (size_t)(feed - rest->at)};

    rest->len -= line.len + 1;
    rest->at = feed + 1;
    if (line.len > 0 && line.at[line.len - 1] == '\r') {
        line.len--;
    }
    return line;
}

static bool slice_is(struct slice s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.at, text, s.len) == 0;
}

static bool slice_is_word(struct slice s, const char *word)
{
    return s.len == strlen(word) && strncasecmp(s.at, word, s.len) == 0;
}

static struct slice slice_trim(struct slice s)
{
    while (s.len > 0 && (s.at[0] == ' ' || s.at[0] == '\t')) {
        s.at++;
        s.len--;
    }
    while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

/* Cuts *rest at the first `at`; what is before it comes back. All of it when there is none. */
static struct slice slice_cut(struct slice *rest, char at)
{
    const char *found = rest->len == 0 ? NULL : memchr(rest->at, at, rest->len);
    struct slice head = *rest;

    if (found == NULL) {
        *rest = (struct slice){.at = rest->at + rest->len};
        return head;
    }
    head.len = (size_t)(found - rest->at);
    rest->at = found + 1;
    rest->len -= head.len + 1;
    return head;
}

/* ---- the request line ---- */

static enum http_method request_method(struct slice word)
{
    if (slice_is(word, "GET")) {
        return HTTP_GET;
    }
    if (slice_is(word, "HEAD")) {
        return HTTP_HEAD;
    }
    return slice_is(word, "OPTIONS") ? HTTP_OPTIONS : HTTP_OTHER;
}

static int request_hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* A byte of a path, decoded; -1 when it may not stand there. */
static int request_path_byte(struct slice *rest)
{
    int byte = (unsigned char)rest->at[0];
    size_t used = 1;

    if (byte == '%') {
        int high = rest->len < 3 ? -1 : request_hex(rest->at[1]);
        int low = rest->len < 3 ? -1 : request_hex(rest->at[2]);
        byte = high < 0 || low < 0 ? -1 : high * 16 + low;
        used = 3;
    }
    if (byte <= 0x20 || byte >= 0x7f) {
        return -1;
    }
    rest->at += used;
    rest->len -= used;
    return byte;
}

static enum http_parse request_path(struct http_request *request, struct slice path)
{
    size_t len = 0;

    if (path.len == 0 || (path.at[0] != '/' && !slice_is(path, "*"))) {
        return HTTP_PARSE_BAD;
    }
    while (path.len > 0) {
        int byte = request_path_byte(&path);
        if (byte < 0) {
            return HTTP_PARSE_BAD;
        }
        if (len == sizeof(request->path) - 1) {
            return HTTP_PARSE_LONG_PATH;
        }
        request->path[len++] = (char)byte;
    }
    request->path[len] = '\0';
    return HTTP_PARSE_DONE;
}

/* "/path?query", or with "http://host" before it, as proxies write it. */
static enum http_parse request_target(struct http_request *request, struct slice target)
{
    if (target.len > 7 && strncasecmp(target.at, "http://", 7) == 0) {
        const char *slash = memchr(target.at + 7, '/', target.len - 7);
        if (slash == NULL) {
            return HTTP_PARSE_BAD;
        }
        target.len -= (size_t)(slash - target.at);
        target.at = slash;
    }
    struct slice path = slice_cut(&target, '?');
    if (target.len >= sizeof(request->query)) {
        return HTTP_PARSE_LONG_PATH;
    }
    for (size_t i = 0; i < target.len; i++) {
        if (target.at[i] <= 0x20 || target.at[i] == 0x7f) {
            return HTTP_PARSE_BAD;
        }
    }
    memcpy(request->query, target.at, target.len);
    request->query[target.len] = '\0';
    return request_path(request, path);
}

static enum http_parse request_line(struct request_head *head, struct slice line)
{
    struct slice method = slice_cut(&line, ' ');
    struct slice target = slice_cut(&line, ' ');

    if (method.len == 0 || line.len != 8 || memcmp(line.at, "HTTP/", 5) != 0) {
        return HTTP_PARSE_BAD;
    }
    head->is_old = slice_is(line, "HTTP/1.0");
    if (!head->is_old && !slice_is(line, "HTTP/1.1")) {
        return HTTP_PARSE_NO_VERSION;
    }
    head->request->method = request_method(method);
    return request_target(head->request, target);
}

/* ---- headers ---- */

static void request_connection(struct request_head *head, struct slice value)
{
    while (value.len > 0) {
        struct slice token = slice_trim(slice_cut(&value, ','));
        head->is_close |= slice_is_word(token, "close");
        head->is_keep_alive |= slice_is_word(token, "keep-alive");
    }
}

/* False when it is none. */
static bool request_header(struct request_head *head, struct slice line)
{
    struct slice value = line;
    struct slice name = slice_cut(&value, ':');

    if (name.len == 0 || name.len == line.len || slice_trim(name).len != name.len) {
        return false; /* no colon, or white space before it or before the name */
    }
    value = slice_trim(value);
    if (slice_is_word(name, "connection")) {
        request_connection(head, value);
    } else if (slice_is_word(name, "transfer-encoding")) {
        head->has_body = true;
    } else if (slice_is_word(name, "content-length")) {
        uint64_t bytes = 0;
        if (!text_to_u64(value.at, value.len, &bytes)) {
            return false;
        }
        head->has_body |= bytes > 0;
    }
    return true;
}

static enum http_parse request_headers(struct request_head *head, struct slice rest)
{
    for (;;) {
        struct slice line = request_next_line(&rest);
        if (line.len == 0) {
            break;
        }
        if (!request_header(head, line)) {
            return HTTP_PARSE_BAD;
        }
    }
    head->request->wants_close = head->is_close || (head->is_old && !head->is_keep_alive);
    return head->has_body ? HTTP_PARSE_BODY : HTTP_PARSE_DONE;
}

/* ---- the face ---- */

enum http_parse http_request_parse(const char *bytes, size_t len, struct http_request *request,
                                   size_t *used)
{
    struct http_request found = {0};
    struct request_head head = {.request = &found};
    size_t skipped = 0;

    while (skipped < len && (bytes[skipped] == '\r' || bytes[skipped] == '\n')) {
        skipped++;
    }
    struct slice rest = {.at = bytes + skipped};
    rest.len = request_head_len(rest.at, len - skipped);
    if (rest.len == 0) {
        return len >= HTTP_HEAD_MAX_BYTES ? HTTP_PARSE_LONG_HEAD : HTTP_PARSE_MORE;
    }
    size_t all = skipped + rest.len;
    if (all > HTTP_HEAD_MAX_BYTES) {
        return HTTP_PARSE_LONG_HEAD;
    }
    enum http_parse result = request_line(&head, request_next_line(&rest));
    if (result == HTTP_PARSE_DONE) {
        result = request_headers(&head, rest);
    }
    if (result == HTTP_PARSE_DONE) {
        *request = found;
        *used = all;
    }
    return result;
}

bool http_request_has(const struct http_request *request, const char *word)
{
    struct slice rest = {.at = request->query, .len = strlen(request->query)};

    while (rest.len > 0) {
        struct slice pair = slice_cut(&rest, '&');
        if (slice_is(slice_cut(&pair, '='), word)) {
            return true;
        }
    }
    return false;
}
