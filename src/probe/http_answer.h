#ifndef PROBE_HTTP_ANSWER_H
#define PROBE_HTTP_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * Reads the answer to one HTTP/1.1 request from a server that may send anything. Strict where
 * leniency hides a broken server (status line, header names, lengths, chunk sizes), bounded in all.
 * Pure: bytes in, a state out.
 *
 * libevent's evhttp client was looked at and left: it wants its own bufferevents, so it would know
 * neither our TLS contexts nor our connections, it follows no rule on lengths that contradict each
 * other, and it is a library more to link.
 */

enum {
    HTTP_HEAD_MAX_BYTES = 16 << 10, /* as nginx and Apache limit the head of a request */
    HTTP_FIELDS_MAX = 128,
    HTTP_CHUNK_LINE_MAX_BYTES = 256, /* a size and perhaps an extension */
};

enum http_part {
    HTTP_PART_HEAD,
    HTTP_PART_LENGTH,    /* a body of so many bytes */
    HTTP_PART_UNTIL_END, /* a body until the connection closes */
    HTTP_PART_CHUNK_SIZE,
    HTTP_PART_CHUNK,
    HTTP_PART_CHUNK_END, /* the line end behind a chunk */
    HTTP_PART_TRAILER,
    HTTP_PART_DONE,
    HTTP_PART_BROKEN, /* err says why */
};

struct http_answer {
    enum http_part part;
    bool is_head;  /* it answers a HEAD: no body follows */
    int status;    /* 0 until the status line was read */
    uint64_t left; /* bytes of the body, or of the chunk */
    bool has_length;
    bool is_chunked;
    size_t fields;
    size_t head_bytes; /* or of the trailer */
    size_t body_max;   /* what is kept of the body */
    struct buf body;   /* its begin */
    bool is_cut;       /* there was more */
    struct err err;
};

void http_answer_init(struct http_answer *a, bool is_head, size_t body_max);
void http_answer_finish(struct http_answer *a);

/* Takes what it can from the front of in, which holds whatever came. True when the answer is
 * complete or broken: the part says which. */
bool http_answer_feed(struct http_answer *a, struct buf *in);

/* The connection ended. True when the answer is complete all the same; else err says what is
 * missing. */
bool http_answer_end(struct http_answer *a);

/* The body holds text, as far as it was kept. An empty text is always there. */
bool http_answer_has(const struct http_answer *a, const char *text);

#endif
