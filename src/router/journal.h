#ifndef ROUTER_JOURNAL_H
#define ROUTER_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/msec.h"

/*
 * The keys written lately, so that a cache can be put right after writes were lost: each is deleted
 * on the new master. One for each worker, no locks. Bounded in time and in bytes; where it cannot
 * know what was written it says so for that database, which is then flushed. Pure.
 */
struct journal;

enum { JOURNAL_DATABASES_MAX = 1024 /* a write to a higher one makes all of them unknown */ };

/* Everything the journal ever holds, its own structures too, stays within max_bytes (12 KiB are the
 * least that holds a key). now_ms of later calls must not go back. */
struct journal *journal_create(msec_t window_ms, size_t max_bytes);
void journal_destroy(struct journal *journal); /* NULL is allowed */

/* A write of this key went to Redis, or was answered without Redis (`miss`). The key is copied; the
 * same key again within the window costs nothing but its new time. When max_bytes is reached the
 * database becomes unknown until the window has passed. */
void journal_add(struct journal *journal, int database, const void *key, size_t len, msec_t now_ms);

/* Something was written that cannot be named: a script, FLUSHALL, SWAPDB, a command not known.
 * database -1 is all of them. */
void journal_unknown(struct journal *journal, int database, msec_t now_ms);

/* Forgets what is older than the window. To be called now and then. One call forgets a bounded
 * number of keys, so that it never takes long; what it leaves is for the next and is not handed
 * out. */
void journal_expire(struct journal *journal, msec_t now_ms);

/*
 * Hands everything out and empties the journal: first each database that must be flushed
 * (on_flush; -1 is all), then each key of the others (on_key; the bytes live during the call), once
 * each. Neither may call into the journal. Returns the number of keys.
 */
size_t journal_drain(struct journal *journal, msec_t now_ms,
                     void (*on_flush)(void *ctx, int database),
                     void (*on_key)(void *ctx, int database, const char *key, size_t len),
                     void *ctx);

size_t journal_keys(const struct journal *journal);  /* held; some may be older than the window */
size_t journal_bytes(const struct journal *journal); /* of memory, all included */

#endif
