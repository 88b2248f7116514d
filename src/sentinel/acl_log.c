#include "sentinel/acl_inside.h"

#include <stdlib.h>
#include <string.h>

/* ACL LOG: who was refused what. Newest first, equal ones of a minute counted as one, as Redis
 * does. */

struct acl_log_entry {
    TAILQ_ENTRY(acl_log_entry) link;
    enum acl_verdict verdict;
    uint64_t count;
    msec_t at; /* of the last of them */
    struct acl_log_text {
        char *bytes;
        size_t len;
    } username, object, client_info;
};

void acl_log_init(struct acl_log *log, size_t max)
{
    TAILQ_INIT(&log->entries);
    log->count = 0;
    log->max = max;
}

static void acl_log_destroy_entry(struct acl_log_entry *entry)
{
    free(entry->username.bytes);
    free(entry->object.bytes);
    free(entry->client_info.bytes);
    free(entry);
}

void acl_log_trim(struct acl_log *log, size_t max)
{
    while (log->count > max) {
        struct acl_log_entry *oldest = TAILQ_LAST(&log->entries, acl_log_list);
        TAILQ_REMOVE(&log->entries, oldest, link);
        log->count--;
        acl_log_destroy_entry(oldest);
    }
}

void acl_log_finish(struct acl_log *log)
{
    acl_log_trim(log, 0);
}

void acl_log_reset(struct acl *acl)
{
    acl_log_trim(&acl->log, 0);
}

/* Cut to what a person reads: a stranger chose it. */
static void acl_log_set(struct acl_log_text *to, const char *bytes, size_t len)
{
    size_t keep = len < ACL_LOG_OBJECT_BYTES_MAX ? len : ACL_LOG_OBJECT_BYTES_MAX;
    char *copy = malloc(keep + 1);
    ASSERT(copy != NULL);
    memcpy(copy, bytes, keep);
    copy[keep] = '\0';
    free(to->bytes);
    *to = (struct acl_log_text){copy, keep};
}

static bool acl_log_same(const struct acl_log_text *a, const struct acl_log_text *b)
{
    return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

static struct acl_log_entry *acl_log_find(struct acl_log *log, msec_t now,
                                          const struct acl_log_entry *like)
{
    struct acl_log_entry *entry;
    int looked = 0;

    TAILQ_FOREACH(entry, &log->entries, link)
    {
        if (looked++ == ACL_LOG_SEARCH) {
            break;
        }
        if (entry->verdict == like->verdict && now - entry->at <= ACL_LOG_MERGE_MS &&
            acl_log_same(&entry->username, &like->username) &&
            acl_log_same(&entry->object, &like->object)) {
            return entry;
        }
    }
    return NULL;
}

void acl_log_add(struct acl *acl, msec_t now, const struct acl_refusal *refusal)
{
    struct acl_log *log = &acl->log;
    struct acl_log_entry *entry = calloc(1, sizeof *entry);

    ASSERT(entry != NULL);
    ASSERT(refusal->verdict != ACL_ALLOWED);
    entry->verdict = refusal->verdict;
    entry->count = 1;
    entry->at = now;
    acl_log_set(&entry->username, refusal->username, refusal->username_len);
    acl_log_set(&entry->object, refusal->object, refusal->object_len);
    acl_log_set(&entry->client_info, refusal->client_info, strlen(refusal->client_info));

    struct acl_log_entry *same = acl_log_find(log, now, entry);
    if (same != NULL) {
        entry->count += same->count;
        TAILQ_REMOVE(&log->entries, same, link);
        log->count--;
        acl_log_destroy_entry(same);
    }
    TAILQ_INSERT_HEAD(&log->entries, entry, link);
    log->count++;
    acl_log_trim(log, log->max);
}

static const char *acl_log_reason(enum acl_verdict verdict)
{
    switch (verdict) {
    case ACL_ALLOWED:
        break;
    case ACL_DENIED_AUTH:
        return "auth";
    case ACL_DENIED_COMMAND:
        return "command";
    case ACL_DENIED_CHANNEL:
        return "channel";
    }
    UNREACHABLE("only refusals are logged");
}

void acl_log_write(const struct acl *acl, msec_t now, size_t count, enum resp_version version,
                   struct buf *out)
{
    const struct acl_log_entry *entry;
    size_t left = count < acl->log.count ? count : acl->log.count;

    resp_write_array(out, left);
    TAILQ_FOREACH(entry, &acl->log.entries, link)
    {
        if (left-- == 0) {
            break;
        }
        resp_write_map(out, version, 7);
        resp_write_text(out, "count");
        resp_write_integer(out, (int64_t)entry->count);
        resp_write_text(out, "reason");
        resp_write_text(out, acl_log_reason(entry->verdict));
        resp_write_text(out, "context");
        resp_write_text(out, "toplevel");
        resp_write_text(out, "object");
        resp_write_bulk(out, entry->object.bytes, entry->object.len);
        resp_write_text(out, "username");
        resp_write_bulk(out, entry->username.bytes, entry->username.len);
        resp_write_text(out, "age-seconds");
        resp_write_double(out, version, (double)(now - entry->at) / 1000.0);
        resp_write_text(out, "client-info");
        resp_write_bulk(out, entry->client_info.bytes, entry->client_info.len);
    }
}
