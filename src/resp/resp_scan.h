#ifndef RESP_RESP_SCAN_H
#define RESP_RESP_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resp/resp.h"

/*
 * Finds where requests and replies end without building anything: what a relay needs. A scan is fed
 * each byte once, in pieces of any size, holds no memory beside the struct, and skips the bytes of
 * a bulk string without looking at them. Where the pieces end makes no difference to what it says.
 * Pure. Zeroed is ready for the first byte of a frame; after RESP_READY it is ready for the next
 * frame, and until then still tells about the one that ended. One scan reads one direction of one
 * connection: requests or replies, never both.
 */

enum {
    RESP_SCAN_WORD_MAX = 32,               /* longest number with its sign */
    RESP_SCAN_ARGS_MAX = INT32_MAX,        /* Redis' own limit of a request; 10 before AUTH */
    RESP_SCAN_BULK_MAX = 512 * 1024 * 1024 /* Redis' proto-max-bulk-len, unless configured */
};

struct resp_scan_limits {
    uint64_t args_max;         /* of a request; Redis: RESP_SCAN_ARGS_MAX, 10 before AUTH */
    uint64_t bulk_bytes_max;   /* of one argument; Redis: RESP_SCAN_BULK_MAX, 16 KiB before AUTH */
    uint64_t inline_bytes_max; /* of a line, a header's too; 0 is RESP_INLINE_BYTES_MAX */
    bool is_stranger;          /* the error then says "unauthenticated ...", as Redis does */
};

/* What the caller may read is named first; the rest belongs to resp_scan.c. */
struct resp_scan {
    uint64_t argc;         /* of a request, once its header was read; 1 while an inline one runs */
    uint64_t largest_bulk; /* announced in this frame so far */
    uint64_t seen_bytes;   /* of this frame; after RESP_READY its length */
    uint8_t type;          /* of the top level frame: its first byte, behind any attributes;
                              '|' while such an attribute is being read */

    uint8_t state;
    uint8_t inner_type;     /* first byte of the element being read */
    uint64_t elements_left; /* still to come in this frame, however nested */
    uint64_t bulk_left;     /* bytes of a bulk and its line end still to skip */
    uint64_t line_bytes;    /* of the line being read */
    union {
        char word[RESP_SCAN_WORD_MAX]; /* of a header that came in pieces: what follows its type */
        char error[RESP_ERROR_TEXT_MAX]; /* after RESP_BAD: "Protocol error: ..." as Redis words it,
                                            without the code. May hold any byte the client sent
                                            but a line end */
    };
};

/*
 * Reads on in a request (multibulk or inline) and adds to *used what was consumed of the len bytes:
 * RESP_READY when the request ended there, RESP_MORE when all were consumed and it goes on,
 * RESP_BAD, which is final. What Redis skips between requests (an empty line, "*0\r\n", "*-1\r\n")
 * is a request with argc 0. An inline request has type ' ' and argc 1: its words (and whether its
 * quotes are balanced) are for resp_command_read(). The limits may change between two calls; they
 * are looked at when a number is complete. A number with a leading zero is refused, as Redis does,
 * where resp_command_read() takes it.
 */
enum resp_status resp_scan_request(struct resp_scan *scan, const char *bytes, size_t len,
                                   const struct resp_scan_limits *limits, size_t *used);

/*
 * The same for a reply or a push, RESP2 or RESP3. Attributes belong to the reply behind them. There
 * is no limit of length, depth or number of elements: nothing of it is held here. What the two
 * kinds of long numbers (',' and '(') say is not read, only that their characters are those of a
 * number.
 */
enum resp_status resp_scan_reply(struct resp_scan *scan, const char *bytes, size_t len,
                                 size_t *used);

/*
 * Walks over the arguments of a multibulk request of which at least the first len bytes are there.
 * Zeroed, then resp_args_next() until false: the request ended, or the next argument is not
 * complete within len; with more bytes of the same request it can then go on. argument.bytes has no
 * '\0' behind it. False at once for what is no multibulk request.
 */
struct resp_args {
    size_t at;
    uint64_t left;
    bool is_begun;
};
bool resp_args_next(struct resp_args *args, const char *request, size_t len,
                    struct resp_text *argument);

/* True when a reply that begins so is an error whose first word is code ("-READONLY You ..."). The
 * byte behind the word must be there too: ask again when more of a short beginning has come. */
bool resp_reply_is_error(const char *reply, size_t len, const char *code);

#endif
