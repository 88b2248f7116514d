/* What is wrong with a site file: a bounded list, in the end in the order of the lines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "config/config_room.h"
#include "config/site_room.h"

void site_findings_finish(struct site_findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        free(findings->items[i].what);
        free(findings->items[i].remedy);
    }
    free(findings->items);
    *findings = (struct site_findings){0};
}

static void site_findings_add(struct site_findings *findings, enum site_severity severity,
                              struct site_mark at, const char *what)
{
    bool is_error = severity == SITE_ERROR;

    findings->errors_count += is_error ? 1 : 0;
    findings->warnings_count += is_error ? 0 : 1;
    findings->is_last_kept =
        findings->count < (is_error ? SITE_FINDINGS_MAX : SITE_FINDINGS_MAX / 2);
    if (!findings->is_last_kept) {
        findings->more_count++; /* warnings leave room for mistakes */
        return;
    }
    findings->items = conf_set_grow(findings->items, findings->count, sizeof(*findings->items));
    findings->items[findings->count++] = (struct site_finding){
        .at = at,
        .severity = severity,
        .what = memory_text(what),
    };
}

void site_findings_error(struct site_findings *findings, struct site_mark at, const char *format,
                         ...)
{
    char text[ERR_TEXT_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args); /* cut when too long */
    va_end(args);
    site_findings_add(findings, SITE_ERROR, at, text);
}

void site_findings_warn(struct site_findings *findings, struct site_mark at, const char *format,
                        ...)
{
    char text[ERR_TEXT_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args); /* cut when too long */
    va_end(args);
    site_findings_add(findings, SITE_WARNING, at, text);
}

/* The last one, unless it was not kept. */
static struct site_finding *site_findings_last(struct site_findings *findings)
{
    return findings->is_last_kept ? &findings->items[findings->count - 1] : NULL;
}

void site_findings_remedy(struct site_findings *findings, const char *format, ...)
{
    struct site_finding *last = site_findings_last(findings);
    char text[ERR_TEXT_MAX];
    va_list args;

    if (last == NULL || last->remedy != NULL) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args); /* cut when too long */
    va_end(args);
    last->remedy = memory_text(text);
}

void site_findings_hide(struct site_findings *findings)
{
    struct site_finding *last = site_findings_last(findings);

    if (last != NULL) {
        last->is_secret = true;
    }
}

static bool site_findings_is_after(const struct site_finding *a, const struct site_finding *b)
{
    return a->at.line > b->at.line || (a->at.line == b->at.line && a->at.column > b->at.column);
}

/* By insertion: they are few, mostly in order, and those of one place keep theirs. */
void site_findings_sort(struct site_findings *findings)
{
    for (size_t i = 1; i < findings->count; i++) {
        struct site_finding moved = findings->items[i];
        size_t to = i;
        while (to > 0 && site_findings_is_after(&findings->items[to - 1], &moved)) {
            findings->items[to] = findings->items[to - 1];
            to--;
        }
        findings->items[to] = moved;
    }
}
