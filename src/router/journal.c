/*
 * Keys stand in blocks, one behind the other, as they came: the oldest is at the front of the first
 * block, new ones go to the end of the last, and a block is given back when its last key has gone.
 * A table with open addressing finds a key that is there already. Such a key only gets its new
 * time; it is carried to the end once, when it has come to the front. So the order is that of time
 * but for keys on their second round, which may stay up to a window too long; journal_drain() looks
 * at each key's own time.
 *
 * A database that is unknown needs no keys from before: they count as old. That is also how room is
 * made after an overflow.
 */
#include "router/journal.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "base/prng.h"

enum {
    JOURNAL_BLOCK_BYTES = 64 * 1024, /* some hundred keys: the allocator is not felt */
    JOURNAL_BLOCK_BYTES_MIN = 1024,
    JOURNAL_BLOCKS_AIM = 16, /* with little memory blocks are smaller, or one would hold it all */
    JOURNAL_SLOTS_FIRST = 64,
    JOURNAL_HEAP_OVERHEAD = 16,    /* what malloc() takes beside what it gives */
    JOURNAL_ADD_FORGETS = 16,      /* keys that may go for one that comes */
    JOURNAL_EXPIRE_FORGETS = 4096, /* below a millisecond */
};

#define JOURNAL_NEVER INT64_MIN

struct journal_entry {
    msec_t put_ms; /* here; grows from front to end */
    msec_t at_ms;  /* written last */
    uint32_t hash;
    uint32_t len;
    uint16_t database;
    char key[];
};

struct journal_block {
    struct journal_block *next;
    size_t size;  /* of bytes */
    size_t start; /* what is in front of it has gone */
    size_t end;
    _Alignas(struct journal_entry) char bytes[];
};

struct journal_slot {
    struct journal_entry *entry;
    uint32_t hash;
};

struct journal {
    msec_t window_ms;
    size_t max_bytes;
    size_t block_bytes;
    size_t bytes;
    struct journal_block *first;
    struct journal_block *last;
    struct journal_slot *slots;
    size_t slots_count; /* a power of two, or 0 */
    size_t keys;
    uint64_t seeds[2];
    msec_t newest_ms; /* when a key was last added */
    bool is_draining;
    msec_t all_unknown_at_ms;
    msec_t unknown_at_ms[JOURNAL_DATABASES_MAX];
};

static void journal_forget_marks(struct journal *journal)
{
    journal->all_unknown_at_ms = JOURNAL_NEVER;
    for (size_t i = 0; i < JOURNAL_DATABASES_MAX; i++) {
        journal->unknown_at_ms[i] = JOURNAL_NEVER;
    }
}

struct journal *journal_create(msec_t window_ms, size_t max_bytes)
{
    struct journal *journal = memory_zeroed(sizeof(*journal));
    struct prng prng;

    journal->window_ms = window_ms;
    journal->max_bytes = max_bytes;
    journal->bytes = sizeof(*journal) + JOURNAL_HEAP_OVERHEAD;
    journal->block_bytes = max_bytes / JOURNAL_BLOCKS_AIM;
    if (journal->block_bytes < JOURNAL_BLOCK_BYTES_MIN) {
        journal->block_bytes = JOURNAL_BLOCK_BYTES_MIN;
    }
    if (journal->block_bytes > JOURNAL_BLOCK_BYTES) {
        journal->block_bytes = JOURNAL_BLOCK_BYTES;
    }
    /* Who writes keys must not know which of them collide. Where we stand in memory he cannot know,
     * and nothing that anyone sees depends on it. */
    prng_init(&prng, (uint64_t)(uintptr_t)journal);
    journal->seeds[0] = prng_next(&prng);
    journal->seeds[1] = prng_next(&prng) | 1;
    journal_forget_marks(journal);
    return journal;
}

/* ---- blocks ---- */

static size_t journal_entry_size(size_t len)
{
    size_t align = _Alignof(struct journal_entry);

    return (offsetof(struct journal_entry, key) + len + align - 1) / align * align;
}

static struct journal_entry *journal_front(const struct journal *journal)
{
    return (struct journal_entry *)(void *)(journal->first->bytes + journal->first->start);
}

static void journal_free_first(struct journal *journal)
{
    struct journal_block *block = journal->first;

    journal->first = block->next;
    if (journal->first == NULL) {
        journal->last = NULL;
    }
    journal->bytes -= sizeof(*block) + block->size + JOURNAL_HEAP_OVERHEAD;
    free(block);
}

static void journal_pop_front(struct journal *journal)
{
    struct journal_block *block = journal->first;

    block->start += journal_entry_size(journal_front(journal)->len);
    if (block->start < block->end) {
        return;
    }
    if (block->next == NULL && block->size == journal->block_bytes) {
        block->start = 0; /* the last one is kept: with few keys it comes and goes all the time */
        block->end = 0;
        return;
    }
    journal_free_first(journal);
}

/* The block that is kept empty goes when it is too small for what comes. */
static void journal_drop_kept(struct journal *journal, size_t len)
{
    if (journal->keys == 0 && journal->first != NULL &&
        journal->first->size < journal_entry_size(len)) {
        journal_free_first(journal);
    }
}

/* Room for an entry at the end; NULL when there is none within max_bytes. */
static struct journal_entry *journal_push(struct journal *journal, size_t len)
{
    struct journal_block *last = journal->last;
    size_t size = journal_entry_size(len);

    if (last == NULL || last->size - last->end < size) {
        size_t block_size = size > journal->block_bytes ? size : journal->block_bytes;
        size_t cost = sizeof(*last) + block_size + JOURNAL_HEAP_OVERHEAD;
        if (journal->bytes > journal->max_bytes || cost > journal->max_bytes - journal->bytes) {
            return NULL;
        }
        struct journal_block *block = memory_zeroed(sizeof(*block) + block_size);
        block->size = block_size;
        journal->bytes += cost;
        if (last == NULL) {
            journal->first = block;
        } else {
            last->next = block;
        }
        journal->last = block;
        last = block;
    }
    struct journal_entry *entry = (struct journal_entry *)(void *)(last->bytes + last->end);
    last->end += size;
    return entry;
}

/* ---- the table ---- */

static uint64_t journal_mix(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint32_t journal_hash(const struct journal *journal, int database, const char *key,
                             size_t len)
{
    uint64_t hash = journal_mix(journal->seeds[0] ^ (uint64_t)database, journal->seeds[1] ^ len);
    uint64_t word;

    for (; len >= sizeof(word); len -= sizeof(word)) {
        memcpy(&word, key, sizeof(word));
        hash = journal_mix(hash ^ word, journal->seeds[1]);
        key += sizeof(word);
    }
    word = 0;
    memcpy(&word, key, len);
    hash = journal_mix(hash ^ word ^ journal->seeds[0], journal->seeds[1]);
    return (uint32_t)(hash ^ (hash >> 32));
}

static void journal_slot_in(struct journal *journal, struct journal_entry *entry)
{
    size_t mask = journal->slots_count - 1;
    size_t at = entry->hash & mask;

    while (journal->slots[at].entry != NULL) {
        at = (at + 1) & mask;
    }
    journal->slots[at] = (struct journal_slot){.entry = entry, .hash = entry->hash};
}

/* Room for one more, at three quarters full. False when max_bytes does not allow it. */
static bool journal_table_room(struct journal *journal)
{
    size_t count = journal->slots_count * 2;

    if ((journal->keys + 1) * 4 <= journal->slots_count * 3) {
        return true;
    }
    if (count < JOURNAL_SLOTS_FIRST) {
        count = JOURNAL_SLOTS_FIRST;
    }
    size_t cost = count * sizeof(*journal->slots) + JOURNAL_HEAP_OVERHEAD;
    if (journal->bytes > journal->max_bytes || cost > journal->max_bytes - journal->bytes) {
        return false;
    }
    struct journal_slot *old = journal->slots;
    size_t old_count = journal->slots_count;
    journal->slots = memory_zeroed(count * sizeof(*journal->slots));
    journal->slots_count = count;
    journal->bytes += cost;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].entry != NULL) {
            journal_slot_in(journal, old[i].entry);
        }
    }
    if (old != NULL) {
        journal->bytes -= old_count * sizeof(*old) + JOURNAL_HEAP_OVERHEAD;
        free(old);
    }
    return true;
}

static struct journal_entry *journal_find(const struct journal *journal, uint32_t hash,
                                          int database, const void *key, size_t len)
{
    size_t mask = journal->slots_count - 1;

    if (journal->slots_count == 0) {
        return NULL;
    }
    for (size_t at = hash & mask; journal->slots[at].entry != NULL; at = (at + 1) & mask) {
        struct journal_entry *entry = journal->slots[at].entry;
        if (journal->slots[at].hash == hash && entry->len == len && entry->database == database &&
            memcmp(entry->key, key, len) == 0) {
            return entry;
        }
    }
    return NULL;
}

static size_t journal_slot_of(const struct journal *journal, const struct journal_entry *entry)
{
    size_t mask = journal->slots_count - 1;
    size_t at = entry->hash & mask;

    while (journal->slots[at].entry != entry) {
        ASSERT(journal->slots[at].entry != NULL);
        at = (at + 1) & mask;
    }
    return at;
}

/* Those behind the hole move up, so that no search ends at it too early. */
static void journal_slot_out(struct journal *journal, const struct journal_entry *entry)
{
    size_t mask = journal->slots_count - 1;
    size_t hole = journal_slot_of(journal, entry);

    for (size_t at = (hole + 1) & mask; journal->slots[at].entry != NULL; at = (at + 1) & mask) {
        size_t home = journal->slots[at].hash & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            journal->slots[hole] = journal->slots[at];
            hole = at;
        }
    }
    journal->slots[hole].entry = NULL;
}

/* ---- forgetting ---- */

/* All keys; what is unknown stays unknown. */
static void journal_clear(struct journal *journal)
{
    while (journal->first != NULL) {
        journal_free_first(journal);
    }
    if (journal->slots != NULL) {
        journal->bytes -= journal->slots_count * sizeof(*journal->slots) + JOURNAL_HEAP_OVERHEAD;
        free(journal->slots);
        journal->slots = NULL;
        journal->slots_count = 0;
    }
    journal->keys = 0;
}

void journal_destroy(struct journal *journal)
{
    if (journal != NULL) {
        journal_clear(journal);
        free(journal);
    }
}

static bool journal_is_within(const struct journal *journal, msec_t at_ms, msec_t now_ms)
{
    return at_ms != JOURNAL_NEVER && now_ms - at_ms <= journal->window_ms;
}

/* Too old, or of a database that is to be flushed for something later. (Once all are unknown, all
 * that was there goes before anything new comes: journal_forget().) */
static bool journal_is_stale(const struct journal *journal, const struct journal_entry *entry,
                             msec_t now_ms)
{
    return !journal_is_within(journal, entry->at_ms, now_ms) ||
           entry->at_ms <= journal->unknown_at_ms[entry->database];
}

static bool journal_carry_to_end(struct journal *journal, struct journal_entry *entry,
                                 msec_t now_ms)
{
    size_t slot = journal_slot_of(journal, entry);
    struct journal_entry *copy = journal_push(journal, entry->len);

    if (copy == NULL) {
        return false;
    }
    memcpy(copy, entry, offsetof(struct journal_entry, key) + entry->len);
    copy->put_ms = now_ms;
    journal->slots[slot].entry = copy;
    journal_pop_front(journal);
    return true;
}

/* Looks at no more than most keys, from the front up to the first that stays there. */
static void journal_forget(struct journal *journal, msec_t now_ms, size_t most)
{
    if (journal->keys > 0 && (!journal_is_within(journal, journal->newest_ms, now_ms) ||
                              journal->newest_ms <= journal->all_unknown_at_ms)) {
        journal_clear(journal);
    }
    for (size_t i = 0; i < most && journal->keys > 0; i++) {
        struct journal_entry *entry = journal_front(journal);
        bool is_stale = journal_is_stale(journal, entry, now_ms);
        if (!is_stale && journal_is_within(journal, entry->put_ms, now_ms)) {
            return;
        }
        if (!is_stale && journal_carry_to_end(journal, entry, now_ms)) {
            continue;
        }
        if (!is_stale) { /* no room to carry it: nothing behind it could ever go */
            journal_unknown(journal, entry->database, now_ms);
        }
        journal_slot_out(journal, entry);
        journal_pop_front(journal);
        journal->keys--;
    }
}

void journal_expire(struct journal *journal, msec_t now_ms)
{
    ASSERT(!journal->is_draining);
    journal_forget(journal, now_ms, JOURNAL_EXPIRE_FORGETS);
}

/* ---- remembering ---- */

void journal_unknown(struct journal *journal, int database, msec_t now_ms)
{
    ASSERT(!journal->is_draining);
    if (database < 0 || database >= JOURNAL_DATABASES_MAX) {
        journal->all_unknown_at_ms = now_ms;
    } else {
        journal->unknown_at_ms[database] = now_ms;
    }
}

void journal_add(struct journal *journal, int database, const void *key, size_t len, msec_t now_ms)
{
    ASSERT(!journal->is_draining && database >= 0);
    if (database >= JOURNAL_DATABASES_MAX || len > UINT32_MAX) {
        journal_unknown(journal, database, now_ms);
        return;
    }
    journal_forget(journal, now_ms, JOURNAL_ADD_FORGETS);
    uint32_t hash = journal_hash(journal, database, key, len);
    struct journal_entry *entry = journal_find(journal, hash, database, key, len);
    if (entry != NULL) {
        entry->at_ms = now_ms;
        journal->newest_ms = now_ms;
        return;
    }
    journal_drop_kept(journal, len);
    entry = journal_table_room(journal) ? journal_push(journal, len) : NULL;
    if (entry == NULL) {
        journal_unknown(journal, database, now_ms);
        return;
    }
    *entry = (struct journal_entry){.put_ms = now_ms,
                                    .at_ms = now_ms,
                                    .hash = hash,
                                    .len = (uint32_t)len,
                                    .database = (uint16_t)database};
    memcpy(entry->key, key, len);
    journal_slot_in(journal, entry);
    journal->keys++;
    journal->newest_ms = now_ms;
}

/* ---- handing out ---- */

static size_t journal_hand_out(struct journal *journal, msec_t now_ms,
                               void (*on_key)(void *ctx, int database, const char *key, size_t len),
                               void *ctx)
{
    size_t keys = 0;

    for (const struct journal_block *block = journal->first; block != NULL; block = block->next) {
        for (size_t at = block->start; at < block->end;) {
            const struct journal_entry *entry =
                (const struct journal_entry *)(const void *)(block->bytes + at);
            at += journal_entry_size(entry->len);
            if (!journal_is_stale(journal, entry, now_ms) &&
                !journal_is_within(journal, journal->unknown_at_ms[entry->database], now_ms)) {
                on_key(ctx, entry->database, entry->key, entry->len);
                keys++;
            }
        }
    }
    return keys;
}

size_t journal_drain(struct journal *journal, msec_t now_ms,
                     void (*on_flush)(void *ctx, int database),
                     void (*on_key)(void *ctx, int database, const char *key, size_t len),
                     void *ctx)
{
    size_t keys = 0;

    ASSERT(!journal->is_draining);
    journal->is_draining = true;
    if (journal_is_within(journal, journal->all_unknown_at_ms, now_ms)) {
        on_flush(ctx, -1);
    } else {
        for (int i = 0; i < JOURNAL_DATABASES_MAX; i++) {
            if (journal_is_within(journal, journal->unknown_at_ms[i], now_ms)) {
                on_flush(ctx, i);
            }
        }
        keys = journal_hand_out(journal, now_ms, on_key, ctx);
    }
    journal_clear(journal);
    journal_forget_marks(journal);
    journal->is_draining = false;
    return keys;
}

size_t journal_keys(const struct journal *journal)
{
    return journal->keys;
}

size_t journal_bytes(const struct journal *journal)
{
    return journal->bytes;
}
