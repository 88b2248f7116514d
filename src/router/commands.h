#ifndef ROUTER_COMMANDS_H
#define ROUTER_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "resp/resp_scan.h"

/*
 * Every command of Redis, as the relay must treat it. One table (commands.def), in which a test
 * finds each command and subcommand that a running server knows.
 *
 * Where a function takes a request, it is one as resp_args walks it: a multibulk (an inline request
 * is to be written as one first) of which the first len bytes are there. What is decided by an
 * argument that is not there yet is decided on the safe side. All may be called by any thread at
 * any time.
 */

enum command_class {
    COMMAND_STATELESS,   /* may share a connection with the requests of other clients */
    COMMAND_LOCAL,       /* the relay answers: AUTH, HELLO, SELECT, PING, ECHO, CLIENT ..., RESET */
    COMMAND_TRANSACTION, /* MULTI, EXEC, DISCARD, WATCH, UNWATCH */
    COMMAND_PUBSUB,      /* SUBSCRIBE and its kin */
    COMMAND_BLOCKING,    /* may wait in the server: a connection of its own until it is answered;
                            command_is_blocking() looks at the arguments too */
    COMMAND_PINNING,     /* changes its connection for good: MONITOR, SCRIPT DEBUG */
    COMMAND_ADMINISTRATIVE, /* stateless, but must pass others that run: SCRIPT KILL, DEBUG,
                               SHUTDOWN */
    COMMAND_REFUSED,        /* PSYNC, REPLICAOF ...: the row says why */
};
enum { COMMAND_CLASS_COUNT = COMMAND_REFUSED + 1 };

enum command_flags {
    COMMAND_WRITES = 1 << 0,     /* or may write: a script, an unknown command; and what must not be
                                    lost with the old master or be asked again at the next one:
                                    PUBLISH, CONFIG SET, SHUTDOWN, WAIT.
                                    command_is_write() looks at the arguments too */
    COMMAND_IDEMPOTENT = 1 << 1, /* a write that may be done twice; command_is_idempotent() looks at
                                    the arguments too */
    COMMAND_SLOW = 1 << 2,       /* may rightly run for long: KEYS, SORT, scripts, FLUSHALL */
    COMMAND_KEYS_UNKNOWN = 1 << 3, /* what it writes cannot be named: EVAL, FLUSHALL, SWAPDB */
    COMMAND_DENIED_ON_REPLICAS = 1 << 4, /* refused on a read-only address: writes, and what is
                                            about the master only */
    COMMAND_WRITES_FIRST = 1 << 5,       /* only its first key is written: SUNIONSTORE */
    COMMAND_WRITES_LAST = 1 << 6,        /* only its last key is written: COPY, SORT ... STORE */
    COMMAND_CONTAINER = 1 << 7, /* its second argument names a subcommand, with a row of its own */
};

/* What a cache without its server answers. */
enum command_miss {
    COMMAND_MISS_ERROR,      /* no empty answer makes sense */
    COMMAND_MISS_NULL,       /* GET */
    COMMAND_MISS_NULL_ARRAY, /* LMPOP, XREAD: null, which RESP2 writes in another way */
    COMMAND_MISS_OK,         /* MSET */
    COMMAND_MISS_ZERO,       /* DEL, EXISTS, INCR */
    COMMAND_MISS_MINUS_ONE,  /* BITPOS */
    COMMAND_MISS_MINUS_TWO,  /* TTL of no key */
    COMMAND_MISS_DOUBLE,     /* ZINCRBY: 0 as a double */
    COMMAND_MISS_ZERO_TEXT,  /* INCRBYFLOAT: "0" */
    COMMAND_MISS_EMPTY_TEXT, /* GETRANGE: "" */
    COMMAND_MISS_NONE,       /* TYPE: +none */
    COMMAND_MISS_EMPTY,      /* LRANGE: no elements */
    COMMAND_MISS_EMPTY_SET,  /* SMEMBERS: the same, a set in RESP3 */
    COMMAND_MISS_MAP,        /* HGETALL: an empty map */
    COMMAND_MISS_CURSOR,     /* SCAN: cursor 0, no elements */
    COMMAND_MISS_INFO,  /* the few fields of INFO that clients look at to see if Redis serves */
    COMMAND_MISS_NULLS, /* MGET: a null for each key */
    COMMAND_MISS_NULL_FIELDS,       /* HMGET: a null for each argument behind the key */
    COMMAND_MISS_NULL_POINTS,       /* GEOPOS: the same, null arrays */
    COMMAND_MISS_ZERO_FIELDS,       /* SMISMEMBER: a zero for each argument behind the key */
    COMMAND_MISS_NULL_COUNTED,      /* HGETEX: a null for each of the n behind FIELDS n */
    COMMAND_MISS_MINUS_TWO_COUNTED, /* HTTL: a -2 for each of the n behind FIELDS n */
    COMMAND_MISS_SET,       /* SET: OK, or null with NX, XX, GET ...: a lock that everybody gets
                               would be worse than one that nobody gets */
    COMMAND_MISS_ZADD,      /* ZADD: zero, or null with INCR */
    COMMAND_MISS_POP,       /* LPOP: null, or a null array with a count */
    COMMAND_MISS_PICK,      /* SRANDMEMBER: null, or no elements with a count */
    COMMAND_MISS_PICK_SET,  /* SPOP: the same, a set in RESP3 */
    COMMAND_MISS_POSITIONS, /* LPOS: null, or no elements with COUNT */
    COMMAND_MISS_STORED,    /* SORT: no elements, or zero with STORE */
};
enum { COMMAND_MISS_COUNT = COMMAND_MISS_STORED + 1 };

/* Commands the relay knows by name; all others are COMMAND_OTHER. */
enum command_id {
    COMMAND_OTHER,
    COMMAND_AUTH,
    COMMAND_HELLO,
    COMMAND_SELECT,
    COMMAND_PING,
    COMMAND_ECHO,
    COMMAND_QUIT,
    COMMAND_RESET,
    COMMAND_CLIENT, /* the container: the subcommand decides in session_client.c */
    COMMAND_MULTI,
    COMMAND_EXEC,
    COMMAND_DISCARD,
    COMMAND_WATCH,
    COMMAND_UNWATCH,
    COMMAND_SUBSCRIBE,
    COMMAND_UNSUBSCRIBE,
    COMMAND_PSUBSCRIBE,
    COMMAND_PUNSUBSCRIBE,
    COMMAND_SSUBSCRIBE,
    COMMAND_SUNSUBSCRIBE,
    COMMAND_MONITOR,
    COMMAND_WAIT,
    COMMAND_INFO,
    COMMAND_SET,
};

/* Where the keys are. Those of first_key ... last_key come first, then: */
enum command_layout {
    COMMAND_LAYOUT_RANGE,   /* no others */
    COMMAND_LAYOUT_NUMKEYS, /* argument numkeys_at says how many follow, key_step apart */
    COMMAND_LAYOUT_STREAMS, /* the first half of what follows STREAMS */
    COMMAND_LAYOUT_SORT,    /* the argument of the last STORE */
    COMMAND_LAYOUT_GEO,     /* the argument of the last STORE or STOREDIST */
    COMMAND_LAYOUT_MIGRATE, /* argument 3, or all that follows KEYS when that is "" */
};
enum { COMMAND_LAYOUT_COUNT = COMMAND_LAYOUT_MIGRATE + 1 };

/* When a write may be done twice. The rule for all of them stands in commands.def. */
enum command_twice {
    COMMAND_TWICE_NEVER,
    COMMAND_TWICE_ALWAYS,
    COMMAND_TWICE_SET,     /* SET: with no option but one for the expiry */
    COMMAND_TWICE_SCORES,  /* ZADD, GEOADD: with no option but CH, GT, LT */
    COMMAND_TWICE_BARE,    /* EXPIRE: with no option, that is three arguments */
    COMMAND_TWICE_FIELDS,  /* HEXPIRE, HSETEX: without a condition in front of FIELDS */
    COMMAND_TWICE_TRIM,    /* LTRIM: when it keeps a number of elements, not when it drops one */
    COMMAND_TWICE_LREM,    /* LREM: when it removes all */
    COMMAND_TWICE_REPLACE, /* COPY, RESTORE: with REPLACE */
    COMMAND_TWICE_STORE,   /* ZUNIONSTORE: when the key it writes is none of those it reads */
};
enum { COMMAND_TWICE_COUNT = COMMAND_TWICE_STORE + 1 };

/* When a command with COMMAND_WRITES only reads after all. */
enum command_reads {
    COMMAND_READS_NEVER,
    COMMAND_READS_STORELESS, /* SORT, GEORADIUS: without STORE */
    COMMAND_READS_BITS,      /* BITFIELD: with nothing but GET */
    COMMAND_READS_BARE,      /* GETEX: without an option, that is two arguments */
    COMMAND_READS_FIELDS,    /* HGETEX: FIELDS follows the key */
};
enum { COMMAND_READS_COUNT = COMMAND_READS_FIELDS + 1 };

struct command {
    const char *name;  /* upper case; "SCRIPT|KILL" for a subcommand */
    uint16_t id;       /* enum command_id */
    uint16_t flags;    /* enum command_flags */
    uint8_t class;     /* enum command_class */
    uint8_t miss;      /* enum command_miss */
    uint8_t layout;    /* enum command_layout */
    uint8_t twice;     /* enum command_twice */
    uint8_t reads;     /* enum command_reads */
    int8_t first_key;  /* of the arguments, the name is 0; 0 is none */
    int8_t last_key;   /* -1 is the last argument, -2 the one before */
    int8_t key_step;   /* 0 where there is no key by number */
    int8_t numkeys_at; /* COMMAND_LAYOUT_NUMKEYS; else 0 */
    const char *why;   /* REFUSED: what to do instead; else NULL */
};

/* The row of a request by its name and, for a container, its second argument (which may be not
 * there: NULL, 0). Never NULL: what is not known is a stateless write of unknown keys. Case is
 * ignored. */
const struct command *command_find(const char *name, size_t len, const char *second,
                                   size_t second_len);

/* COMMAND_WRITES, but false for SORT and GEORADIUS without STORE, BITFIELD with nothing but GET,
 * GETEX without an option: they only read. */
bool command_is_write(const struct command *command, const char *request, size_t len);

/* May it be done twice? By its arguments too: not SET with NX, XX or GET, not EXPIRE with NX ...
 * True for all that only reads. */
bool command_is_idempotent(const struct command *command, const char *request, size_t len);

/* Some are blocking only with an argument: XREAD and XREADGROUP with BLOCK. */
bool command_is_blocking(const struct command *command, const char *request, size_t len);

typedef void command_on_key(void *ctx, const char *key, size_t key_len);

/* Calls for each key of a request that is there; numkeys commands (EVAL, ZUNIONSTORE's sources,
 * LMPOP) included where they are known. The bytes are the request's. Returns how many. */
size_t command_each_key(const struct command *command, const char *request, size_t len,
                        command_on_key *on_key, void *ctx);

/* The same for those keys only that the request may change: not the sources of SUNIONSTORE, and
 * none of a request that only reads. */
size_t command_each_written_key(const struct command *command, const char *request, size_t len,
                                command_on_key *on_key, void *ctx);

/* True when command_each_written_key() tells all that this request may change. False with
 * COMMAND_KEYS_UNKNOWN (but for COPY within its database) and while a key may still come. */
bool command_names_keys(const struct command *command, const char *request, size_t len);

/* Writes the empty answer of a cache. False (nothing written) when the command has none. */
bool command_write_miss(const struct command *command, const char *request, size_t len,
                        enum resp_version version, struct buf *out);

/* For the completeness test and `holdfast router --commands`. */
size_t command_count(void);
const struct command *command_at(size_t i);
const char *command_class_text(enum command_class class);

/*
 * The table as text, one row a command, in the order of commands.def. Tab-separated columns: name,
 * class, flags, first_key, last_key, key_step, miss, layout, numkeys_at, twice, reads, why. Flags
 * are words with commas; "-" is none, also for why. As JSON: an array of objects with the same
 * names.
 */
void commands_print(struct buf *out);
void commands_print_json(struct buf *out);

#endif
