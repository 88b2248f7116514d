#ifndef RESP_RESP_H
#define RESP_RESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/words.h"

/*
 * RESP2 and RESP3: commands as a server reads them, replies as a client reads them, and the writing
 * of both. Pure: bytes in, structures out. Both readers go over each byte once, however small the
 * pieces are in which it comes, and own the memory of what they return.
 */

enum {
    RESP_INLINE_BYTES_MAX = 64 * 1024,         /* Redis' PROTO_INLINE_MAX_SIZE: one line of text */
    RESP_COMMAND_ARGS_MAX = 1024 * 1024,       /* Redis' historic limit of a multibulk */
    RESP_COMMAND_BULK_BYTES_MAX = 1024 * 1024, /* no Sentinel command has a longer argument */
    RESP_STRANGER_ARGS_MAX = 10,               /* Redis' limits before AUTH: a stranger */
    RESP_STRANGER_BULK_BYTES_MAX = 16 * 1024,  /* must not make us hold much */
    RESP_ERROR_TEXT_MAX = 80,                  /* the longest protocol error */
    RESP_REPLY_DEPTH_MAX = 16, /* COMMAND DOCS nests 8 deep; nothing we ask does more */
};

enum resp_status {
    RESP_MORE,  /* not complete yet: read more bytes */
    RESP_READY, /* one command or reply */
    RESP_BAD,   /* the peer does not speak RESP: answer with the error text, then close */
};

/* len bytes, any of them may be '\0', and one '\0' behind them. Never owned. */
struct resp_text {
    const char *bytes;
    size_t len;
};

/* ---- commands, for a server ---- */

struct resp_limits {
    size_t args_max;
    size_t bulk_bytes_max;
    size_t inline_bytes_max;
    bool is_stranger; /* the error then says "unauthenticated ...", as Redis does */
};

extern const struct resp_limits resp_limits_default;
extern const struct resp_limits resp_limits_stranger; /* until the client is authenticated */

struct resp_command {
    size_t argc; /* never 0 */
    const struct resp_text *argv;
};

/* The fields belong to resp_command.c. */
struct resp_command_reader {
    struct resp_arg {
        size_t at;
        size_t len;
    } * args;
    struct resp_text *argv;
    size_t args_capacity;
    size_t args_have;
    size_t args_want;   /* 0: between two commands */
    size_t bulk_len;    /* of the argument whose bytes are awaited */
    size_t at;          /* bytes of the input that are understood */
    size_t looked;      /* bytes of the input in which no end of line was found */
    size_t drop;        /* bytes of the command returned last, taken on the next call */
    struct words words; /* an inline command */
    bool in_bulk;
    bool is_bad;
    char error[RESP_ERROR_TEXT_MAX];
};

/* A zeroed reader is ready for use. Accepts NULL. */
void resp_command_finish(struct resp_command_reader *r);

/* Forgets what was begun, for a connection that starts anew with an empty input. */
void resp_command_reset(struct resp_command_reader *r);

/*
 * Takes the next command from the front of *in: multibulk or inline, as Redis reads them (empty
 * ones are skipped). The text points into *in or into the reader: it lives until the next call with
 * this reader or the next change of *in, whichever is first. The bytes of a command returned are
 * taken from *in by the next call, so the caller loops until it gets RESP_MORE. Nobody else may
 * take from *in while the reader uses it. RESP_BAD is final; resp_command_error() says why
 * ("Protocol error: invalid bulk length"). *command is written on RESP_READY only.
 */
enum resp_status resp_command_read(struct resp_command_reader *r, struct buf *in,
                                   const struct resp_limits *limits, struct resp_command *command);
const char *resp_command_error(const struct resp_command_reader *r);

/* ---- replies, for a client ---- */

enum resp_type {
    RESP_SIMPLE,     /* text */
    RESP_ERROR,      /* text, without the '-'; RESP3's bulk error too */
    RESP_INTEGER,    /* integer */
    RESP_BULK,       /* text */
    RESP_NULL,       /* RESP2's null bulk and null array too */
    RESP_DOUBLE,     /* real */
    RESP_BOOL,       /* integer 0 or 1 */
    RESP_BIG_NUMBER, /* text */
    RESP_VERBATIM,   /* text, without its format */
    RESP_ARRAY,      /* items */
    RESP_SET,        /* items */
    RESP_MAP,        /* items: key, value, key, value ... (count is even) */
    RESP_PUSH,       /* items: out of band, belongs to no command */
};

struct resp_value {
    enum resp_type type;
    int64_t integer;
    double real;
    struct resp_text text;          /* "" for a type without text */
    const struct resp_value *items; /* NULL when count is 0 */
    size_t count;
};

struct resp_reply_limits {
    size_t depth_max; /* at most RESP_REPLY_DEPTH_MAX */
    size_t elements_max;
    size_t bulk_bytes_max;
    size_t total_bytes_max;
};

extern const struct resp_reply_limits resp_reply_limits_default;

/* The fields belong to resp_reply.c. */
struct resp_reply_reader {
    struct resp_value *values; /* the tree of the reply returned last */
    size_t values_capacity;
    size_t elements; /* in the reply that is being read */
    size_t depth;
    size_t open[RESP_REPLY_DEPTH_MAX + 1]; /* elements still to come, by level */
    bool is_attribute[RESP_REPLY_DEPTH_MAX + 1];
    size_t at;
    size_t looked;
    size_t drop;
    size_t bulk_len;
    bool in_bulk;
    bool is_bad;
    char error[RESP_ERROR_TEXT_MAX];
};

/* A zeroed reader is ready for use. Accepts NULL. */
void resp_reply_finish(struct resp_reply_reader *r);
void resp_reply_reset(struct resp_reply_reader *r);

/*
 * Takes the next reply from the front of *in, RESP2 or RESP3. *value is the reader's and its text
 * points into *in: both live until the next call with this reader or the next change of *in. The
 * bytes are taken by the next call, as with commands. Attributes are skipped. RESP_BAD is final.
 */
enum resp_status resp_reply_read(struct resp_reply_reader *r, struct buf *in,
                                 const struct resp_reply_limits *limits,
                                 const struct resp_value **value);
const char *resp_reply_error(const struct resp_reply_reader *r);

/* ---- reading a value: every function accepts NULL, which is a value of no type ---- */

bool resp_is(const struct resp_value *v, enum resp_type type);

/* The text of any type that has one; "" (never NULL) otherwise. */
const char *resp_text(const struct resp_value *v);

/* A simple string, bulk, verbatim or error whose text is exactly this;
 * the case of letters counts. */
bool resp_text_is(const struct resp_value *v, const char *text);

/* True for an error whose first word is this ("LOADING", "NOAUTH"). */
bool resp_error_is(const struct resp_value *v, const char *code);

/* An integer, or a text that is one. *value is written only on success. */
bool resp_integer(const struct resp_value *v, int64_t *value);

/* The i-th item of an array, set, push or map (flat); NULL when there is none. */
const struct resp_value *resp_item(const struct resp_value *v, size_t i);

/* The value of a key in a map, or in an array read as key, value, key, value; NULL when absent. */
const struct resp_value *resp_map_get(const struct resp_value *v, const char *key);

/* ---- writing ---- */

/* What the peer of a connection understands; HELLO changes it. */
enum resp_version { RESP_2 = 2, RESP_3 = 3 };

/* Simple strings and errors are one line: line ends inside become spaces. */
void resp_write_simple(struct buf *out, const char *text);
void resp_write_error(struct buf *out, const char *format, ...) PRINTF_LIKE(2, 3); /* "ERR ..." */
void resp_write_integer(struct buf *out, int64_t value);
void resp_write_bulk(struct buf *out, const void *bytes, size_t len);
void resp_write_text(struct buf *out, const char *text); /* a bulk string */
void resp_write_bulkf(struct buf *out, const char *format, ...) PRINTF_LIKE(2, 3);
void resp_write_null(struct buf *out, enum resp_version version);       /* $-1 or _ */
void resp_write_null_array(struct buf *out, enum resp_version version); /* *-1 or _ */
void resp_write_array(struct buf *out, size_t items);                   /* the header only */
void resp_write_map(struct buf *out, enum resp_version version, size_t pairs);
void resp_write_set(struct buf *out, enum resp_version version, size_t items);
void resp_write_push(struct buf *out, enum resp_version version, size_t items);
void resp_write_double(struct buf *out, enum resp_version version, double value);
void resp_write_bool(struct buf *out, enum resp_version version, bool value);

/* `format` is three letters, "txt" or "mkd". A plain bulk string in RESP2. */
void resp_write_verbatim(struct buf *out, enum resp_version version, const char *format,
                         const char *bytes, size_t len);

/* A command as a client sends it. */
void resp_write_command(struct buf *out, size_t argc, const char *const argv[]);

/* RESP_COMMAND(&out, "CLIENT", "SETNAME", name) */
#define RESP_COMMAND(out, ...)                                                                     \
    resp_write_command((out), sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *),   \
                       (const char *const[]){__VA_ARGS__})

#endif
