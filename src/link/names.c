#include "link/names.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

struct name_entry {
    struct names *names;
    uint32_t hash;
    char name[ADDR_NAME_MAX];
    char ip[ADDR_IP_MAX];
    struct loop_name *asking; /* NULL: no question is out */
    msec_t asked_at;          /* 0: never */
    msec_t used_at;
};

struct names {
    struct loop *loop;
    names_answer on_answer;
    void *ctx;
    struct name_entry *entries[NAMES_MAX];
    size_t count;
};

/* FNV-1a over the name in lower case. */
static uint32_t names_hash(const char *name)
{
    uint32_t hash = UINT32_C(2166136261);

    for (; *name != '\0'; name++) {
        unsigned char c = (unsigned char)*name;
        hash ^= c >= 'A' && c <= 'Z' ? (uint32_t)(c - 'A' + 'a') : (uint32_t)c;
        hash *= UINT32_C(16777619);
    }
    return hash;
}

static struct name_entry *names_find(const struct names *names, const char *name)
{
    uint32_t hash = names_hash(name);

    for (size_t i = 0; i < names->count; i++) {
        struct name_entry *entry = names->entries[i];
        if (entry->hash == hash && text_same(entry->name, name)) {
            return entry;
        }
    }
    return NULL;
}

/* The place of the entry that was not used for longest. */
static size_t names_oldest(const struct names *names)
{
    size_t oldest = 0;

    for (size_t i = 1; i < names->count; i++) {
        if (names->entries[i]->used_at < names->entries[oldest]->used_at) {
            oldest = i;
        }
    }
    return oldest;
}

static struct name_entry *names_add(struct names *names, const char *name)
{
    size_t place = names->count;
    struct name_entry *entry;

    if (names->count == NAMES_MAX) {
        place = names_oldest(names);
        entry = names->entries[place];
        loop_resolve_cancel(entry->asking);
    } else {
        entry = memory_zeroed(sizeof(*entry));
        names->count++;
    }
    *entry = (struct name_entry){.names = names, .hash = names_hash(name)};
    text_cut(entry->name, sizeof(entry->name), name);
    names->entries[place] = entry;
    return entry;
}

static void names_on_answer(void *ctx, const char *ip, const char *why)
{
    struct name_entry *entry = ctx;
    struct names *names = entry->names;
    bool is_new = ip != NULL && strcmp(ip, entry->ip) != 0;
    struct name_entry said; /* the callback may make the entry another's */

    entry->asking = NULL;
    if (is_new) {
        text_cut(entry->ip, sizeof(entry->ip), ip);
    }
    said = *entry;
    names->on_answer(names->ctx, said.name, said.ip, is_new, ip == NULL ? why : NULL);
}

struct names *names_create(struct loop *loop, names_answer on_answer, void *ctx)
{
    struct names *names = memory_zeroed(sizeof(*names));

    names->loop = loop;
    names->on_answer = on_answer;
    names->ctx = ctx;
    return names;
}

void names_destroy(struct names *names)
{
    if (names == NULL) {
        return;
    }
    for (size_t i = 0; i < names->count; i++) {
        loop_resolve_cancel(names->entries[i]->asking);
        free(names->entries[i]);
    }
    free(names);
}

const char *names_ip(struct names *names, const char *name)
{
    struct name_entry *entry = names_find(names, name);
    msec_t now = loop_now(names->loop);

    if (entry == NULL) {
        entry = names_add(names, name);
    }
    msec_t wait_ms = entry->ip[0] == '\0' ? NAMES_RETRY_MS : NAMES_FRESH_MS;
    entry->used_at = now;
    if (entry->asking == NULL && (entry->asked_at == 0 || now - entry->asked_at >= wait_ms)) {
        entry->asked_at = now;
        entry->asking = loop_resolve(names->loop, entry->name, names_on_answer, entry);
    }
    return entry->ip;
}

bool names_is_asked(const struct names *names, const char *name)
{
    const struct name_entry *entry = names_find(names, name);

    return entry != NULL && entry->asking != NULL;
}

void names_learn(struct names *names, const char *name, const char *ip)
{
    struct name_entry *entry = names_find(names, name);

    if (ip[0] == '\0') {
        return;
    }
    if (entry == NULL) {
        entry = names_add(names, name);
    }
    if (entry->ip[0] == '\0') {
        text_cut(entry->ip, sizeof(entry->ip), ip);
    }
}
