#ifndef HTTP_HTTP_REQUEST_H
#define HTTP_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The head of an HTTP/1 request, as far as a server needs it that only answers questions: the
 * request line, and which of the headers change how the connection goes on. Pure.
 */

enum {
    HTTP_HEAD_MAX_BYTES = 8192, /* a browser with cookies sends 2 to 4 KB; Apache's limit is 8190 */
    HTTP_PATH_MAX = 256,        /* our longest path is /healthz/ and a name */
    HTTP_QUERY_MAX = 256,
};

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_OPTIONS,
    HTTP_OTHER, /* a method we do not have */
};

enum http_parse {
    HTTP_PARSE_MORE,       /* the head is not complete */
    HTTP_PARSE_DONE,       /* *request is filled */
    HTTP_PARSE_BAD,        /* 400 */
    HTTP_PARSE_BODY,       /* 413: it has a body */
    HTTP_PARSE_LONG_PATH,  /* 414 */
    HTTP_PARSE_LONG_HEAD,  /* 431 */
    HTTP_PARSE_NO_VERSION, /* 505: neither HTTP/1.0 nor HTTP/1.1 */
};

struct http_request {
    enum http_method method;
    char path[HTTP_PATH_MAX];   /* decoded; begins with '/', or is "*" */
    char query[HTTP_QUERY_MAX]; /* what follows '?', as it came; "" when there is none */
    bool wants_close;           /* no other request follows on this connection */
};

/* Looks at the len bytes that came so far. *used is how many of them are the request, when DONE.
 * Lines may end with LF alone, and empty ones may come before the request, as RFC 9112 allows. */
enum http_parse http_request_parse(const char *bytes, size_t len, struct http_request *request,
                                   size_t *used);

/* Whether the query has this word, alone or with a value: "strict" in "strict", "a=1&strict=1". */
bool http_request_has(const struct http_request *request, const char *word);

#endif
