#include "router/commands.h"

#include <string.h>

#include "base/text.h"
#include "router/commands_inside.h"

/* The answers of a cache that has nothing. */

/* What WordPress' plugin (is there a version?), ioredis (loading) and Predis (role) look for. The
 * version is one that all clients of today know what to do with. */
static const char info_text[] = "# Server\r\n"
                                "redis_version:7.0.15\r\n"
                                "redis_mode:standalone\r\n"
                                "\r\n# Persistence\r\n"
                                "loading:0\r\n"
                                "\r\n# Replication\r\n"
                                "role:master\r\n";

/* How a row of the table below becomes an answer. */
enum miss_shape {
    MISS_NOTHING,
    MISS_INFO,
    MISS_PLAIN,         /* the first text */
    MISS_EACH_ARGUMENT, /* an array: the text for each argument behind the name */
    MISS_EACH_FIELD,    /* the same behind the key */
    MISS_EACH_COUNTED,  /* the text for each of the n behind FIELDS n */
    /* The second text when this is so, else the first: */
    MISS_WITH_COUNT,         /* there is more than the key */
    MISS_WITH_COUNT_WORD,    /* there is COUNT */
    MISS_WITH_STORE,         /* SORT has STORE */
    MISS_WITH_INCREMENT,     /* ZADD has INCR */
    MISS_WITH_SET_CONDITION, /* SET has an option beside the expiry */
};

/* As RESP2 and as RESP3 write it. */
struct miss_text {
    const char *two;
    const char *three;
};

#define TEXT(text)                                                                                 \
    {                                                                                              \
        (text), (text)                                                                             \
    }
#define TEXT_NULL                                                                                  \
    {                                                                                              \
        "$-1\r\n", "_\r\n"                                                                         \
    }
#define TEXT_NULL_ARRAY                                                                            \
    {                                                                                              \
        "*-1\r\n", "_\r\n"                                                                         \
    }
#define TEXT_EMPTY TEXT("*0\r\n")
#define TEXT_EMPTY_SET                                                                             \
    {                                                                                              \
        "*0\r\n", "~0\r\n"                                                                         \
    }
#define TEXT_ZERO TEXT(":0\r\n")
#define TEXT_OK   TEXT("+OK\r\n")

static const struct miss_row {
    enum miss_shape shape;
    struct miss_text first;
    struct miss_text second;
} miss_rows[COMMAND_MISS_COUNT] = {
    [COMMAND_MISS_ERROR] = {MISS_NOTHING, TEXT(""), TEXT("")},
    [COMMAND_MISS_NULL] = {MISS_PLAIN, TEXT_NULL, TEXT("")},
    [COMMAND_MISS_NULL_ARRAY] = {MISS_PLAIN, TEXT_NULL_ARRAY, TEXT("")},
    [COMMAND_MISS_OK] = {MISS_PLAIN, TEXT_OK, TEXT("")},
    [COMMAND_MISS_ZERO] = {MISS_PLAIN, TEXT_ZERO, TEXT("")},
    [COMMAND_MISS_MINUS_ONE] = {MISS_PLAIN, TEXT(":-1\r\n"), TEXT("")},
    [COMMAND_MISS_MINUS_TWO] = {MISS_PLAIN, TEXT(":-2\r\n"), TEXT("")},
    [COMMAND_MISS_DOUBLE] = {MISS_PLAIN, {"$1\r\n0\r\n", ",0\r\n"}, TEXT("")},
    [COMMAND_MISS_ZERO_TEXT] = {MISS_PLAIN, TEXT("$1\r\n0\r\n"), TEXT("")},
    [COMMAND_MISS_EMPTY_TEXT] = {MISS_PLAIN, TEXT("$0\r\n\r\n"), TEXT("")},
    [COMMAND_MISS_NONE] = {MISS_PLAIN, TEXT("+none\r\n"), TEXT("")},
    [COMMAND_MISS_EMPTY] = {MISS_PLAIN, TEXT_EMPTY, TEXT("")},
    [COMMAND_MISS_EMPTY_SET] = {MISS_PLAIN, TEXT_EMPTY_SET, TEXT("")},
    [COMMAND_MISS_MAP] = {MISS_PLAIN, {"*0\r\n", "%0\r\n"}, TEXT("")},
    [COMMAND_MISS_CURSOR] = {MISS_PLAIN, TEXT("*2\r\n$1\r\n0\r\n*0\r\n"), TEXT("")},
    [COMMAND_MISS_INFO] = {MISS_INFO, TEXT(""), TEXT("")},
    [COMMAND_MISS_NULLS] = {MISS_EACH_ARGUMENT, TEXT_NULL, TEXT("")},
    [COMMAND_MISS_NULL_FIELDS] = {MISS_EACH_FIELD, TEXT_NULL, TEXT("")},
    [COMMAND_MISS_NULL_POINTS] = {MISS_EACH_FIELD, TEXT_NULL_ARRAY, TEXT("")},
    [COMMAND_MISS_ZERO_FIELDS] = {MISS_EACH_FIELD, TEXT_ZERO, TEXT("")},
    [COMMAND_MISS_NULL_COUNTED] = {MISS_EACH_COUNTED, TEXT_NULL, TEXT("")},
    [COMMAND_MISS_MINUS_TWO_COUNTED] = {MISS_EACH_COUNTED, TEXT(":-2\r\n"), TEXT("")},
    [COMMAND_MISS_SET] = {MISS_WITH_SET_CONDITION, TEXT_OK, TEXT_NULL},
    [COMMAND_MISS_ZADD] = {MISS_WITH_INCREMENT, TEXT_ZERO, TEXT_NULL},
    [COMMAND_MISS_POP] = {MISS_WITH_COUNT, TEXT_NULL, TEXT_NULL_ARRAY},
    [COMMAND_MISS_PICK] = {MISS_WITH_COUNT, TEXT_NULL, TEXT_EMPTY},
    [COMMAND_MISS_PICK_SET] = {MISS_WITH_COUNT, TEXT_NULL, TEXT_EMPTY_SET},
    [COMMAND_MISS_POSITIONS] = {MISS_WITH_COUNT_WORD, TEXT_NULL, TEXT_EMPTY},
    [COMMAND_MISS_STORED] = {MISS_WITH_STORE, TEXT_EMPTY, TEXT_ZERO},
};

static bool miss_write(const struct miss_text *text, enum resp_version version, struct buf *out)
{
    buf_append_text(out, version == RESP_3 ? text->three : text->two);
    return true;
}

static bool miss_many(size_t count, const struct miss_text *each, enum resp_version version,
                      struct buf *out)
{
    resp_write_array(out, count);
    for (size_t i = 0; i < count; i++) {
        (void)miss_write(each, version, out); /* always true */
    }
    return true;
}

/* HTTL key FIELDS n field ...: false when the n fields are not what is left. */
static bool miss_counted(struct command_walk *walk, const struct miss_text *each,
                         enum resp_version version, struct buf *out)
{
    uint64_t count;

    if (!command_go(walk, 1)) {
        return false;
    }
    do {
        if (!command_next(walk)) {
            return false;
        }
    } while (!command_word_is(walk, "FIELDS"));
    if (!command_next(walk) || !text_to_u64(walk->text.bytes, walk->text.len, &count) ||
        count == 0 || count > walk->count - walk->at - 1) {
        return false;
    }
    return miss_many(count, each, version, out);
}

/* LPOS key element [RANK n] [COUNT n] [MAXLEN n] */
static bool miss_has_count_word(struct command_walk *walk)
{
    if (!command_go(walk, 2)) {
        return false;
    }
    while (command_next(walk)) {
        if (command_word_is(walk, "COUNT")) {
            return true;
        }
    }
    return false;
}

/* ZADD's INCR stands among the options, not among the members. */
static bool miss_has_increment(struct command_walk *walk)
{
    static const char *const options[] = {"NX", "XX", "GT", "LT", "CH"};

    if (!command_go(walk, 1)) {
        return false;
    }
    while (command_next(walk)) {
        if (!command_word_is_any(walk, options, COUNT_OF(options))) {
            return command_word_is(walk, "INCR");
        }
    }
    return false;
}

static bool miss_is_second(const struct command *command, enum miss_shape shape,
                           struct command_walk *walk)
{
    struct resp_text key;
    bool is_whole;

    switch (shape) {
    case MISS_NOTHING:
    case MISS_INFO:
    case MISS_PLAIN:
    case MISS_EACH_ARGUMENT:
    case MISS_EACH_FIELD:
    case MISS_EACH_COUNTED:
        return false;
    case MISS_WITH_COUNT:
        return walk->count > 2;
    case MISS_WITH_COUNT_WORD:
        return miss_has_count_word(walk);
    case MISS_WITH_STORE:
        return command_find_store(command, walk->request, walk->len, &key, &is_whole);
    case MISS_WITH_INCREMENT:
        return miss_has_increment(walk);
    case MISS_WITH_SET_CONDITION:
        return !command_is_idempotent(command, walk->request, walk->len);
    }
    return false;
}

bool command_write_miss(const struct command *command, const char *request, size_t len,
                        enum resp_version version, struct buf *out)
{
    const struct miss_row *row = &miss_rows[command->miss];
    struct command_walk walk;

    if (row->shape == MISS_NOTHING || command_is_blocking(command, request, len) ||
        !command_begin(&walk, request, len)) {
        return false;
    }
    switch (row->shape) {
    case MISS_NOTHING:
        return false;
    case MISS_INFO:
        resp_write_verbatim(out, version, "txt", info_text, sizeof(info_text) - 1);
        return true;
    case MISS_EACH_ARGUMENT:
        return miss_many(walk.count - 1, &row->first, version, out);
    case MISS_EACH_FIELD:
        return miss_many(walk.count > 2 ? walk.count - 2 : 0, &row->first, version, out);
    case MISS_EACH_COUNTED:
        return miss_counted(&walk, &row->first, version, out);
    case MISS_PLAIN:
    case MISS_WITH_COUNT:
    case MISS_WITH_COUNT_WORD:
    case MISS_WITH_STORE:
    case MISS_WITH_INCREMENT:
    case MISS_WITH_SET_CONDITION:
        break;
    }
    bool is_second = miss_is_second(command, row->shape, &walk);
    return miss_write(is_second ? &row->second : &row->first, version, out);
}
