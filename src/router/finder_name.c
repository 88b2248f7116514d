/* Names of servers: a small cache, so that addresses are compared as numbers. */
#include "router/finder_inside.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/text.h"
#include "loop/log.h"

static void name_on_answer(void *ctx, const char *ip, const char *why)
{
    struct finder_name *name = ctx;
    struct finder *finder = name->finder;

    name->asked = NULL;
    name->asked_at_ms = loop_now(finder->loop);
    if (ip == NULL) {
        log_debug("%s: name %s: %s", finder->conf->master, name->name, why);
        finder_wake(finder);
        return;
    }
    if (strcmp(ip, name->ip) != 0) {
        text_cut(name->ip, sizeof(name->ip), ip);
        for (size_t i = 0; i < finder->watches_count; i++) {
            finder_watch_named(&finder->watches[i]);
        }
    }
}

static struct finder_name *name_slot(struct finder *finder)
{
    struct finder_name *oldest = NULL;

    if (finder->names_count < FINDER_NAMES_MAX) {
        struct finder_name *name = memory_zeroed(sizeof(*name));
        finder->names[finder->names_count++] = name;
        return name;
    }
    for (size_t i = 0; i < finder->names_count; i++) {
        struct finder_name *name = finder->names[i];
        if (name->asked == NULL && (oldest == NULL || name->asked_at_ms < oldest->asked_at_ms)) {
            oldest = name;
        }
    }
    return oldest;
}

static struct finder_name *name_of(struct finder *finder, const char *host)
{
    for (size_t i = 0; i < finder->names_count; i++) {
        if (strcasecmp(finder->names[i]->name, host) == 0) {
            return finder->names[i];
        }
    }
    struct finder_name *name = name_slot(finder);
    if (name != NULL) {
        *name = (struct finder_name){.finder = finder};
        text_cut(name->name, sizeof(name->name), host);
    }
    return name;
}

bool finder_name_fill(struct finder *finder, struct addr *addr)
{
    msec_t now = loop_now(finder->loop);

    if (addr->ip[0] == '\0') {
        struct finder_name *name = name_of(finder, addr->name);
        if (name == NULL) {
            return false;
        }
        msec_t wait = name->ip[0] != '\0' ? FINDER_NAME_FRESH_MS : FINDER_NAME_RETRY_MS;
        if (name->asked == NULL && (name->asked_at_ms == 0 || now - name->asked_at_ms >= wait)) {
            name->asked = loop_resolve(finder->loop, name->name, name_on_answer, name);
        }
        if (name->ip[0] == '\0') {
            return false;
        }
        text_cut(addr->ip, sizeof(addr->ip), name->ip);
    }
    addr->name[0] = '\0';
    return true;
}

void finder_name_close(struct finder *finder)
{
    for (size_t i = 0; i < finder->names_count; i++) {
        loop_resolve_cancel(finder->names[i]->asked);
        free(finder->names[i]);
    }
    finder->names_count = 0;
}
