#include "router/commands.h"

#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "router/commands_inside.h"

/* What a command is with the arguments that it comes with. */

static bool judge_bits_read(struct command_walk *walk)
{
    while (command_next(walk)) {
        if (command_word_is(walk, "SET") || command_word_is(walk, "INCRBY")) {
            return false;
        }
    }
    return command_is_last(walk);
}

bool command_is_write(const struct command *command, const char *request, size_t len)
{
    struct command_walk walk;
    struct resp_text stored;
    bool is_whole;

    if ((command->flags & COMMAND_WRITES) == 0) {
        return false;
    }
    if (command->reads == COMMAND_READS_NEVER || !command_begin(&walk, request, len)) {
        return true;
    }
    switch ((enum command_reads)command->reads) {
    case COMMAND_READS_NEVER:
        break;
    case COMMAND_READS_STORELESS:
        return command_find_store(command, request, len, &stored, &is_whole) || !is_whole;
    case COMMAND_READS_BITS:
        return !judge_bits_read(&walk);
    case COMMAND_READS_BARE:
        return walk.count != 2;
    case COMMAND_READS_FIELDS:
        return !command_go(&walk, 2) || !command_word_is(&walk, "FIELDS");
    }
    return true;
}

/* SET key value [EX n | PX n | EXAT n | PXAT n | KEEPTTL]; what else there is makes it a condition
 * or asks for the old value, now or in a later Redis. */
static bool judge_set(struct command_walk *walk)
{
    static const char *const expiries[] = {"EX", "PX", "EXAT", "PXAT"};

    if (!command_go(walk, 2)) {
        return false;
    }
    while (command_next(walk)) {
        bool takes_number = command_word_is_any(walk, expiries, COUNT_OF(expiries));
        if (!takes_number && !command_word_is(walk, "KEEPTTL")) {
            return false;
        }
        if (takes_number && !command_next(walk)) {
            return false;
        }
    }
    return command_is_last(walk);
}

/* ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member ...; GEOADD alike. */
static bool judge_scores(struct command_walk *walk)
{
    static const char *const harmless[] = {"CH", "GT", "LT"};
    static const char *const harmful[] = {"NX", "XX", "INCR"};

    if (!command_go(walk, 1)) {
        return false;
    }
    while (command_next(walk)) {
        if (!command_word_is_any(walk, harmless, COUNT_OF(harmless))) {
            return !command_word_is_any(walk, harmful, COUNT_OF(harmful));
        }
    }
    return false;
}

static bool judge_fields(struct command_walk *walk)
{
    static const char *const conditions[] = {"NX", "XX", "GT", "LT", "FNX", "FXX"};

    if (!command_go(walk, 1)) {
        return false;
    }
    while (command_next(walk)) {
        if (command_word_is(walk, "FIELDS")) {
            return true;
        }
        if (command_word_is_any(walk, conditions, COUNT_OF(conditions))) {
            return false;
        }
    }
    return false;
}

/* The number that argument `at`, which is ahead, is. */
static bool judge_number(struct command_walk *walk, size_t at, int64_t *number)
{
    return command_go(walk, at) && text_to_i64(walk->text.bytes, walk->text.len, number);
}

/* LTRIM key 0 99 keeps the first hundred, -100 -1 the last hundred: again and again the same. 1 -1
 * drops one each time. */
static bool judge_trim(struct command_walk *walk)
{
    int64_t start;
    int64_t stop;

    if (!judge_number(walk, 2, &start) || !judge_number(walk, 3, &stop)) {
        return false;
    }
    return start == 0 ? stop >= -1 : start < 0 && stop == -1;
}

static bool judge_lrem(struct command_walk *walk)
{
    int64_t count;

    return judge_number(walk, 2, &count) && count == 0;
}

static bool judge_replace(const struct command *command, struct command_walk *walk)
{
    if (!command_go(walk, (size_t)command->last_key)) {
        return false;
    }
    while (command_next(walk)) {
        if (command_word_is(walk, "REPLACE")) {
            return true;
        }
    }
    return false;
}

struct judge_store {
    const char *written;
    size_t written_len;
    size_t same; /* keys that are the one written, itself included */
};

static void judge_on_written(void *ctx, const char *key, size_t key_len)
{
    struct judge_store *store = ctx;

    store->written = key;
    store->written_len = key_len;
}

static void judge_on_key(void *ctx, const char *key, size_t key_len)
{
    struct judge_store *store = ctx;

    store->same += key_len == store->written_len && memcmp(key, store->written, key_len) == 0;
}

static bool judge_is_whole(struct command_walk *walk)
{
    return command_go(walk, walk->count - 1);
}

static bool judge_store(const struct command *command, const char *request, size_t len)
{
    struct judge_store store = {0};

    if (command_each_written_key(command, request, len, judge_on_written, &store) != 1) {
        return false;
    }
    (void)command_each_key(command, request, len, judge_on_key,
                           &store); /* the count tells nothing */
    return store.same == 1;
}

bool command_is_idempotent(const struct command *command, const char *request, size_t len)
{
    struct command_walk walk;

    if (!command_is_write(command, request, len)) {
        return true;
    }
    if ((command->flags & COMMAND_IDEMPOTENT) == 0 || !command_begin(&walk, request, len)) {
        return false;
    }
    switch ((enum command_twice)command->twice) {
    case COMMAND_TWICE_NEVER:
        return false;
    case COMMAND_TWICE_ALWAYS:
        return true;
    case COMMAND_TWICE_SET:
        return judge_set(&walk);
    case COMMAND_TWICE_SCORES:
        return judge_scores(&walk);
    case COMMAND_TWICE_BARE:
        return walk.count == 3;
    case COMMAND_TWICE_FIELDS:
        return judge_fields(&walk);
    case COMMAND_TWICE_TRIM:
        return judge_trim(&walk);
    case COMMAND_TWICE_LREM:
        return judge_lrem(&walk);
    case COMMAND_TWICE_REPLACE:
        return judge_replace(command, &walk);
    case COMMAND_TWICE_STORE:
        return judge_is_whole(&walk) && judge_store(command, request, len);
    }
    return false;
}

bool command_is_blocking(const struct command *command, const char *request, size_t len)
{
    struct command_walk walk;
    bool blocks;

    if (command->class != COMMAND_BLOCKING || command->layout != COMMAND_LAYOUT_STREAMS) {
        return command->class == COMMAND_BLOCKING;
    }
    if (!command_begin(&walk, request, len)) {
        return true;
    }
    bool has_streams = command_go_streams(&walk, &blocks);
    return blocks || (!has_streams && !command_is_last(&walk));
}
