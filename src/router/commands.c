#include "router/commands.h"

#include <pthread.h>
#include <string.h>

#include "base/assert.h"
#include "router/commands_inside.h"

/* The table itself, and the way from a name to its row. */

/* What the rows are written with. */
enum {
    READ = 0,
    WRITE = COMMAND_WRITES | COMMAND_DENIED_ON_REPLICAS,
    SLOW = COMMAND_SLOW,
    UNNAMED = COMMAND_KEYS_UNKNOWN,
    FIRST = COMMAND_WRITES_FIRST,
    LAST = COMMAND_WRITES_LAST,
    CONTAINER = COMMAND_CONTAINER,
};

#define LAYOUT(kind)            .layout = COMMAND_LAYOUT_##kind
#define NO_KEYS                 LAYOUT(RANGE)
#define KEYS(first, last, step) .first_key = (first), .last_key = (last), .key_step = (step)
#define NUMKEYS(at, step)       LAYOUT(NUMKEYS), .numkeys_at = (at), .key_step = (step)
#define DESTINATION(at)         KEYS(1, 1, 1), LAYOUT(NUMKEYS), .numkeys_at = (at)
#define STREAMS                 LAYOUT(STREAMS)
#define KEYS_UNLESS(when)       KEYS(1, 1, 1), .reads = COMMAND_READS_##when
#define SORTED                  KEYS_UNLESS(STORELESS), LAYOUT(SORT)
#define RADIUS                  KEYS_UNLESS(STORELESS), LAYOUT(GEO)
#define MOVED                   LAYOUT(MIGRATE)

/* Not one by the other: what is passed on to ## would be expanded first, NULL to begin with. */
#define ROW(row_name, row_class, row_flags, row_miss, row_keys, row_twice)                         \
    {.name = (row_name),                                                                           \
     .flags = (row_flags) |                                                                        \
              (COMMAND_TWICE_##row_twice == COMMAND_TWICE_NEVER ? 0 : COMMAND_IDEMPOTENT),         \
     .class = COMMAND_##row_class,                                                                 \
     .miss = COMMAND_MISS_##row_miss,                                                              \
     .twice = COMMAND_TWICE_##row_twice,                                                           \
     row_keys},
#define KNOWN(row_name, row_id, row_class, row_flags, row_miss, row_keys, row_twice)               \
    {.name = (row_name),                                                                           \
     .id = COMMAND_##row_id,                                                                       \
     .flags = (row_flags) |                                                                        \
              (COMMAND_TWICE_##row_twice == COMMAND_TWICE_NEVER ? 0 : COMMAND_IDEMPOTENT),         \
     .class = COMMAND_##row_class,                                                                 \
     .miss = COMMAND_MISS_##row_miss,                                                              \
     .twice = COMMAND_TWICE_##row_twice,                                                           \
     row_keys},
#define REFUSED(row_name, row_why)                                                                 \
    {.name = (row_name), .flags = WRITE, .class = COMMAND_REFUSED, .why = (row_why)},

static const struct command commands[] = {
#include "router/commands.def"
};

/* What no row is for: a module, a later Redis, a typing error. The server judges; here it is taken
 * for the worst that shares a connection. */
static const struct command command_unknown = {
    .name = "",
    .flags = WRITE | SLOW | UNNAMED,
    .class = COMMAND_STATELESS,
};

enum {
    COMMANDS_COUNT = sizeof(commands) / sizeof(commands[0]),
    COMMAND_NAME_WORDS = 4,
    COMMAND_NAME_MAX = COMMAND_NAME_WORDS * 8, /* CLUSTER|COUNT-FAILURE-REPORTS has 29 */
    COMMAND_SLOTS = 2048,                      /* a power of two, a quarter full */
};
_Static_assert(COMMANDS_COUNT * 4 <= COMMAND_SLOTS, "a row is found within a few steps");

/* A name in capitals, in words that are compared at once; this is asked for every request. */
struct command_key {
    uint64_t words[COMMAND_NAME_WORDS];
    uint64_t len; /* a '\0' in the name of a request is not the end of it */
};

static struct command_key command_keys[COMMANDS_COUNT];
static bool command_is_sub[COMMANDS_COUNT];
static uint16_t command_slots[COMMAND_SLOTS]; /* row + 1; 0 is free */
static pthread_once_t command_once = PTHREAD_ONCE_INIT;

/* ASCII's small letters to capitals, in all eight bytes. Bit 7 of a sum tells that a byte (of 7
 * bits) is at least 'a', or beyond 'z'. */
static uint64_t command_capitals(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101U;
    uint64_t low = word & (ones * 0x7f);
    uint64_t from_a = low + ones * (0x80 - 'a');
    uint64_t beyond_z = low + ones * (0x80 - 'z' - 1);
    uint64_t is_small = (from_a & ~beyond_z) & ~word & (ones * 0x80);

    return word ^ (is_small >> 2);
}

/* 1 ... 8 bytes as a word that no other bytes of this length give. Two reads that overlap are
 * quicker than a loop or memcpy() of a length that the compiler does not know. */
static uint64_t command_word(const char *bytes, size_t len)
{
    uint64_t word = 0;
    uint32_t low;
    uint32_t high;

    if (len == 8) {
        memcpy(&word, bytes, 8);
    } else if (len >= 4) {
        memcpy(&low, bytes, 4);
        memcpy(&high, bytes + len - 4, 4);
        word = low | (uint64_t)high << 32;
    } else {
        for (size_t i = 0; i < len; i++) {
            word |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
        }
    }
    return word;
}

static void command_key_set(struct command_key *key, const char *name, size_t len)
{
    *key = (struct command_key){.len = len};
    for (size_t i = 0; len > 0; i++) {
        size_t part = len < 8 ? len : 8;
        key->words[i] = command_capitals(command_word(name, part));
        name += part;
        len -= part;
    }
}

static size_t command_key_slot(const struct command_key *key)
{
    uint64_t hash = key->len;

    for (size_t i = 0; i * 8 < key->len; i++) {
        hash = (hash ^ key->words[i]) * 0x9e3779b97f4a7c15U;
        hash ^= hash >> 29;
    }
    return (hash >> 32) % COMMAND_SLOTS;
}

static bool command_key_same(const struct command_key *a, const struct command_key *b)
{
    uint64_t differences = a->len ^ b->len;

    for (size_t i = 0; i < COMMAND_NAME_WORDS; i++) {
        differences |= a->words[i] ^ b->words[i];
    }
    return differences == 0;
}

/* The row of a key, or COMMANDS_COUNT. *at is the slot where it is, or would be. */
static size_t command_lookup(const struct command_key *key, size_t *at)
{
    *at = command_key_slot(key);
    while (command_slots[*at] != 0) {
        size_t row = command_slots[*at] - 1U;
        if (command_key_same(&command_keys[row], key)) {
            return row;
        }
        *at = (*at + 1) % COMMAND_SLOTS;
    }
    return COMMANDS_COUNT;
}

static void command_fill(void)
{
    for (size_t i = 0; i < COMMANDS_COUNT; i++) {
        size_t len = strlen(commands[i].name);
        size_t at;

        ASSERT(len > 0 && len <= COMMAND_NAME_MAX);
        ASSERT(strpbrk(commands[i].name, "abcdefghijklmnopqrstuvwxyz") == NULL);
        command_key_set(&command_keys[i], commands[i].name, len);
        size_t other = command_lookup(&command_keys[i], &at);
        ASSERT(other == COMMANDS_COUNT); /* no name stands there twice */
        command_slots[at] = (uint16_t)(i + 1);
        command_is_sub[i] = strchr(commands[i].name, '|') != NULL;
    }
}

static const struct command *command_find_sub(const struct command *container, size_t len,
                                              const char *second, size_t second_len)
{
    struct command_key key;
    char text[COMMAND_NAME_MAX];
    size_t at;

    if (second == NULL || len + 1 + second_len > sizeof(text)) {
        return container;
    }
    memcpy(text, container->name, len);
    text[len] = '|';
    memcpy(text + len + 1, second, second_len);
    command_key_set(&key, text, len + 1 + second_len);
    size_t row = command_lookup(&key, &at);
    return row == COMMANDS_COUNT ? container : &commands[row];
}

const struct command *command_find(const char *name, size_t len, const char *second,
                                   size_t second_len)
{
    struct command_key key;
    size_t at;

    (void)pthread_once(&command_once, command_fill); /* fails for a bad argument only */
    if (len == 0 || len > COMMAND_NAME_MAX) {
        return &command_unknown;
    }
    command_key_set(&key, name, len);
    size_t row = command_lookup(&key, &at);
    if (row == COMMANDS_COUNT || command_is_sub[row]) {
        return &command_unknown; /* no server takes "SCRIPT|KILL" for a name */
    }
    const struct command *found = &commands[row];
    if ((found->flags & COMMAND_CONTAINER) != 0) {
        return command_find_sub(found, len, second, second_len);
    }
    return found;
}

size_t command_count(void)
{
    return COMMANDS_COUNT;
}

const struct command *command_at(size_t i)
{
    ASSERT(i < COMMANDS_COUNT);
    return &commands[i];
}
