#include "router/commands.h"

#include "base/assert.h"

/* The table as text, for people, for scripts and for the test that it is complete. */

static const char *const class_texts[COMMAND_CLASS_COUNT] = {
    [COMMAND_STATELESS] = "stateless",     [COMMAND_LOCAL] = "local",
    [COMMAND_TRANSACTION] = "transaction", [COMMAND_PUBSUB] = "pubsub",
    [COMMAND_BLOCKING] = "blocking",       [COMMAND_PINNING] = "pinning",
    [COMMAND_REFUSED] = "refused",         [COMMAND_ADMINISTRATIVE] = "administrative",
};

static const char *const miss_texts[COMMAND_MISS_COUNT] = {
    [COMMAND_MISS_ERROR] = "error",
    [COMMAND_MISS_NULL] = "null",
    [COMMAND_MISS_NULL_ARRAY] = "null-array",
    [COMMAND_MISS_OK] = "ok",
    [COMMAND_MISS_ZERO] = "zero",
    [COMMAND_MISS_MINUS_ONE] = "minus-one",
    [COMMAND_MISS_MINUS_TWO] = "minus-two",
    [COMMAND_MISS_DOUBLE] = "double",
    [COMMAND_MISS_ZERO_TEXT] = "zero-text",
    [COMMAND_MISS_EMPTY_TEXT] = "empty-text",
    [COMMAND_MISS_NONE] = "none",
    [COMMAND_MISS_EMPTY] = "empty",
    [COMMAND_MISS_EMPTY_SET] = "empty-set",
    [COMMAND_MISS_MAP] = "map",
    [COMMAND_MISS_CURSOR] = "cursor",
    [COMMAND_MISS_INFO] = "info",
    [COMMAND_MISS_NULLS] = "nulls",
    [COMMAND_MISS_NULL_FIELDS] = "null-fields",
    [COMMAND_MISS_NULL_POINTS] = "null-points",
    [COMMAND_MISS_ZERO_FIELDS] = "zero-fields",
    [COMMAND_MISS_NULL_COUNTED] = "null-counted",
    [COMMAND_MISS_MINUS_TWO_COUNTED] = "minus-two-counted",
    [COMMAND_MISS_SET] = "set",
    [COMMAND_MISS_ZADD] = "zadd",
    [COMMAND_MISS_POP] = "pop",
    [COMMAND_MISS_PICK] = "pick",
    [COMMAND_MISS_PICK_SET] = "pick-set",
    [COMMAND_MISS_POSITIONS] = "positions",
    [COMMAND_MISS_STORED] = "stored",
};

static const char *const layout_texts[COMMAND_LAYOUT_COUNT] = {
    [COMMAND_LAYOUT_RANGE] = "range",     [COMMAND_LAYOUT_NUMKEYS] = "numkeys",
    [COMMAND_LAYOUT_STREAMS] = "streams", [COMMAND_LAYOUT_SORT] = "sort",
    [COMMAND_LAYOUT_GEO] = "geo",         [COMMAND_LAYOUT_MIGRATE] = "migrate",
};

static const char *const twice_texts[COMMAND_TWICE_COUNT] = {
    [COMMAND_TWICE_NEVER] = "never",     [COMMAND_TWICE_ALWAYS] = "always",
    [COMMAND_TWICE_SET] = "set",         [COMMAND_TWICE_SCORES] = "scores",
    [COMMAND_TWICE_BARE] = "bare",       [COMMAND_TWICE_FIELDS] = "fields",
    [COMMAND_TWICE_TRIM] = "trim",       [COMMAND_TWICE_LREM] = "lrem",
    [COMMAND_TWICE_REPLACE] = "replace", [COMMAND_TWICE_STORE] = "store",
};

static const char *const reads_texts[COMMAND_READS_COUNT] = {
    [COMMAND_READS_NEVER] = "never",   [COMMAND_READS_STORELESS] = "storeless",
    [COMMAND_READS_BITS] = "bits",     [COMMAND_READS_BARE] = "bare",
    [COMMAND_READS_FIELDS] = "fields",
};

static const struct {
    unsigned flag;
    const char *text;
} flag_texts[] = {
    {COMMAND_WRITES, "writes"},
    {COMMAND_IDEMPOTENT, "idempotent"},
    {COMMAND_SLOW, "slow"},
    {COMMAND_KEYS_UNKNOWN, "keys-unknown"},
    {COMMAND_DENIED_ON_REPLICAS, "denied-on-replicas"},
    {COMMAND_WRITES_FIRST, "writes-first"},
    {COMMAND_WRITES_LAST, "writes-last"},
    {COMMAND_CONTAINER, "container"},
};
enum { FLAG_TEXTS = sizeof(flag_texts) / sizeof(flag_texts[0]) };

const char *command_class_text(enum command_class class)
{
    ASSERT((size_t) class < COUNT_OF(class_texts));
    return class_texts[class];
}

/* The flags of a row, each with what stands before the first and before all others. */
static bool print_flags(struct buf *out, const struct command *c, const char *between,
                        const char *quote)
{
    bool is_first = true;

    for (size_t i = 0; i < FLAG_TEXTS; i++) {
        if ((c->flags & flag_texts[i].flag) != 0) {
            buf_printf(out, "%s%s%s%s", is_first ? "" : between, quote, flag_texts[i].text, quote);
            is_first = false;
        }
    }
    return !is_first;
}

void commands_print(struct buf *out)
{
    for (size_t i = 0; i < command_count(); i++) {
        const struct command *c = command_at(i);

        buf_printf(out, "%s\t%s\t", c->name, command_class_text(c->class));
        if (!print_flags(out, c, ",", "")) {
            buf_append_text(out, "-");
        }
        buf_printf(out, "\t%d\t%d\t%d\t%s\t", c->first_key, c->last_key, c->key_step,
                   miss_texts[c->miss]);
        buf_printf(out, "%s\t%d\t%s\t%s\t%s\n", layout_texts[c->layout], c->numkeys_at,
                   twice_texts[c->twice], reads_texts[c->reads], c->why == NULL ? "-" : c->why);
    }
}

void commands_print_json(struct buf *out)
{
    buf_append_text(out, "[");
    for (size_t i = 0; i < command_count(); i++) {
        const struct command *c = command_at(i);

        /* No text of the table holds what JSON wants escaped; the test reads it. */
        buf_printf(out, "%s\n{\"name\": \"%s\", \"class\": \"%s\", \"flags\": [", i == 0 ? "" : ",",
                   c->name, command_class_text(c->class));
        (void)print_flags(out, c, ", ", "\""); /* none is an empty array */
        buf_printf(out, "], \"first_key\": %d, \"last_key\": %d, \"key_step\": %d, ", c->first_key,
                   c->last_key, c->key_step);
        buf_printf(out, "\"miss\": \"%s\", \"layout\": \"%s\", \"numkeys_at\": %d, ",
                   miss_texts[c->miss], layout_texts[c->layout], c->numkeys_at);
        buf_printf(out, "\"twice\": \"%s\", \"reads\": \"%s\", \"why\": ", twice_texts[c->twice],
                   reads_texts[c->reads]);
        if (c->why == NULL) {
            buf_append_text(out, "null}");
        } else {
            buf_printf(out, "\"%s\"}", c->why);
        }
    }
    buf_append_text(out, "\n]\n");
}
