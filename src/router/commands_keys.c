#include "router/commands.h"

#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "router/commands_inside.h"

/* The arguments of a request, and which of them are keys. */

bool command_begin(struct command_walk *walk, const char *request, size_t len)
{
    *walk = (struct command_walk){.request = request, .len = len};
    if (!resp_args_next(&walk->args, request, len, &walk->text)) {
        return false;
    }
    walk->count = (size_t)walk->args.left + 1;
    return true;
}

bool command_next(struct command_walk *walk)
{
    if (!resp_args_next(&walk->args, walk->request, walk->len, &walk->text)) {
        return false;
    }
    walk->at++;
    return true;
}

bool command_is_last(const struct command_walk *walk)
{
    return walk->at + 1 == walk->count;
}

bool command_go(struct command_walk *walk, size_t at)
{
    while (walk->at < at) {
        if (!command_next(walk)) {
            return false;
        }
    }
    return true;
}

bool command_word_is(const struct command_walk *walk, const char *word)
{
    size_t len = strlen(word);

    if (walk->text.len != len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = walk->text.bytes[i];
        if ((c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c) != word[i]) {
            return false;
        }
    }
    return true;
}

bool command_word_is_any(const struct command_walk *walk, const char *const words[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (command_word_is(walk, words[i])) {
            return true;
        }
    }
    return false;
}

/* Steps over the arguments that belong to the word the walk is at. */
static bool keys_skip(struct command_walk *walk, size_t arguments)
{
    return command_go(walk, walk->at + arguments);
}

bool command_go_streams(struct command_walk *walk, bool *blocks)
{
    *blocks = false;
    while (command_next(walk)) {
        bool is_block = command_word_is(walk, "BLOCK");
        if (command_word_is(walk, "STREAMS")) {
            return true;
        }
        *blocks = *blocks || is_block;
        if (command_word_is(walk, "GROUP") && !keys_skip(walk, 2)) {
            return false; /* the names of a group and a consumer may be any of these words */
        }
        if ((is_block || command_word_is(walk, "COUNT")) && !keys_skip(walk, 1)) {
            return false;
        }
    }
    return false;
}

bool command_find_store(const struct command *command, const char *request, size_t len,
                        struct resp_text *key, bool *is_whole)
{
    struct command_walk walk;
    bool is_found = false;
    bool is_sort = command->layout == COMMAND_LAYOUT_SORT;

    /* GEORADIUSBYMEMBER's options begin at 5, GEORADIUS' at 6, behind the unit. */
    *is_whole = false;
    if (!command_begin(&walk, request, len) || !command_go(&walk, is_sort ? 1 : 4)) {
        return false;
    }
    while (!command_is_last(&walk)) {
        if (!command_next(&walk)) {
            return is_found;
        }
        bool is_store =
            command_word_is(&walk, "STORE") || (!is_sort && command_word_is(&walk, "STOREDIST"));
        size_t arguments = is_store ? 1 : 0;
        if (is_sort && (command_word_is(&walk, "GET") || command_word_is(&walk, "BY"))) {
            arguments = 1;
        } else if (is_sort && command_word_is(&walk, "LIMIT")) {
            arguments = 2;
        }
        if (walk.at + arguments >= walk.count) {
            break; /* a syntax error */
        }
        if (!keys_skip(&walk, arguments)) {
            return is_found;
        }
        if (is_store) {
            *key = walk.text;
            is_found = true;
        }
    }
    *is_whole = true;
    return is_found;
}

struct keys_sink {
    command_on_key *on_key;
    void *ctx;
    size_t count;
};

static void keys_tell(struct keys_sink *sink, struct resp_text key)
{
    sink->on_key(sink->ctx, key.bytes, key.len);
    sink->count++;
}

/* Keys first ... last, last at most the last argument. */
static void keys_range(struct command_walk *walk, size_t first, size_t last, size_t step,
                       struct keys_sink *sink)
{
    for (size_t at = first; at <= last && command_go(walk, at); at += step) {
        keys_tell(sink, walk->text);
    }
}

static size_t keys_last(const struct command *command, const struct command_walk *walk)
{
    if (command->last_key >= 0) {
        return (size_t)command->last_key;
    }
    size_t from_end = (size_t)-command->last_key;
    return walk->count > from_end ? walk->count - from_end : 0;
}

static void keys_counted(const struct command *command, struct command_walk *walk,
                         struct keys_sink *sink)
{
    size_t at = (size_t)command->numkeys_at;
    size_t step = (size_t)command->key_step;
    uint64_t count;

    if (!command_go(walk, at) || !text_to_u64(walk->text.bytes, walk->text.len, &count) ||
        count == 0 || count > walk->count) {
        return;
    }
    keys_range(walk, at + 1, at + 1 + ((size_t)count - 1) * step, step, sink);
}

static void keys_streams(struct command_walk *walk, struct keys_sink *sink)
{
    bool blocks;

    if (command_go_streams(walk, &blocks)) {
        keys_range(walk, walk->at + 1, walk->at + (walk->count - walk->at - 1) / 2, 1, sink);
    }
}

/* MIGRATE host port key|"" database timeout [COPY] [REPLACE] [AUTH p] [AUTH2 u p] [KEYS key ...] */
static void keys_migrate(struct command_walk *walk, struct keys_sink *sink)
{
    if (!command_go(walk, 3)) {
        return;
    }
    if (walk->text.len > 0) {
        keys_tell(sink, walk->text);
        return;
    }
    bool is_there = command_go(walk, 5);
    while (is_there && command_next(walk)) {
        if (command_word_is(walk, "KEYS")) {
            keys_range(walk, walk->at + 1, walk->count - 1, 1, sink);
            return;
        }
        size_t arguments = command_word_is(walk, "AUTH")    ? 1
                           : command_word_is(walk, "AUTH2") ? 2
                                                            : 0;
        is_there = keys_skip(walk, arguments);
    }
}

size_t command_each_key(const struct command *command, const char *request, size_t len,
                        command_on_key *on_key, void *ctx)
{
    struct keys_sink sink = {.on_key = on_key, .ctx = ctx};
    struct command_walk walk;
    struct resp_text stored;
    bool is_whole;

    if (!command_begin(&walk, request, len)) {
        return 0;
    }
    if (command->first_key > 0) {
        keys_range(&walk, (size_t)command->first_key, keys_last(command, &walk),
                   (size_t)command->key_step, &sink);
    }
    switch ((enum command_layout)command->layout) {
    case COMMAND_LAYOUT_RANGE:
        break;
    case COMMAND_LAYOUT_NUMKEYS:
        keys_counted(command, &walk, &sink);
        break;
    case COMMAND_LAYOUT_STREAMS:
        keys_streams(&walk, &sink);
        break;
    case COMMAND_LAYOUT_SORT:
    case COMMAND_LAYOUT_GEO:
        if (command_find_store(command, request, len, &stored, &is_whole)) {
            keys_tell(&sink, stored);
        }
        break;
    case COMMAND_LAYOUT_MIGRATE:
        keys_migrate(&walk, &sink);
        break;
    }
    return sink.count;
}

size_t command_each_written_key(const struct command *command, const char *request, size_t len,
                                command_on_key *on_key, void *ctx)
{
    struct keys_sink sink = {.on_key = on_key, .ctx = ctx};
    struct command_walk walk;
    struct resp_text stored;
    bool is_whole;

    if (!command_is_write(command, request, len)) {
        return 0;
    }
    if (command->reads == COMMAND_READS_STORELESS) {
        if (command_find_store(command, request, len, &stored, &is_whole)) {
            keys_tell(&sink, stored);
        }
        return sink.count;
    }
    if ((command->flags & (COMMAND_WRITES_FIRST | COMMAND_WRITES_LAST)) == 0) {
        return command_each_key(command, request, len, on_key, ctx);
    }
    if (command_begin(&walk, request, len)) {
        bool is_first = (command->flags & COMMAND_WRITES_FIRST) != 0;
        size_t at = is_first ? (size_t)command->first_key : keys_last(command, &walk);
        keys_range(&walk, at, at, 1, &sink);
    }
    return sink.count;
}

bool command_names_keys(const struct command *command, const char *request, size_t len)
{
    struct command_walk walk;
    size_t last = SIZE_MAX;

    if ((command->flags & COMMAND_WRITES) == 0) {
        return true;
    }
    if (!command_begin(&walk, request, len)) {
        return false;
    }
    if ((command->flags & COMMAND_KEYS_UNKNOWN) != 0) {
        /* The one whose arguments tell: COPY source destination [DB number] [REPLACE]. */
        if ((command->flags & COMMAND_WRITES_LAST) == 0 || !command_go(&walk, 2)) {
            return false;
        }
        while (command_next(&walk)) {
            if (command_word_is(&walk, "DB")) {
                return false;
            }
        }
        return command_is_last(&walk);
    }
    if ((command->flags & COMMAND_WRITES_FIRST) != 0) {
        last = (size_t)command->first_key;
    } else if (command->layout == COMMAND_LAYOUT_RANGE && command->last_key >= 0) {
        last = (size_t)command->last_key;
    }
    /* The value behind the last key need not be there. */
    return command_go(&walk, last < walk.count ? last : walk.count - 1);
}
