/*
 * docs/failover.md out of the failover's table of phases. With --write FILE it writes the file,
 * with --check FILE it fails when the file is not what it would write.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "failover/failover.h"

enum { PHASES_MAX = 64 /* phases, counted generously */ };

static void phase_docs_rows(struct buf *out)
{
    struct phase_edge_view edge;

    for (uint32_t i = 0; failover_phase_edge_at(i, &edge); i++) {
        buf_printf(out, "| %s | %s | %s |\n", edge.from, edge.to, edge.why);
    }
}

/* Mermaid knows no '-' in the name of a state: each gets a number, and its name as a label. */
static size_t phase_docs_number(const char *names[PHASES_MAX], size_t *count, const char *name)
{
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }
    ASSERT(*count < PHASES_MAX);
    names[*count] = name;
    return (*count)++;
}

/* A label of Mermaid ends at the next ':' or ';'. */
static void phase_docs_label(struct buf *out, const char *why)
{
    for (const char *at = why; *at != '\0'; at++) {
        buf_append(out, *at == ':' || *at == ';' ? "," : at, 1);
    }
    buf_append_text(out, "\n");
}

static void phase_docs_diagram(struct buf *out)
{
    const char *names[PHASES_MAX];
    size_t count = 0;
    struct phase_edge_view edge;

    buf_append_text(out, "```mermaid\nstateDiagram-v2\n");
    for (uint32_t i = 0; failover_phase_edge_at(i, &edge); i++) {
        (void)phase_docs_number(names, &count, edge.from); /* in the order of the table */
        (void)phase_docs_number(names, &count, edge.to);
    }
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "    state \"%s\" as p%zu\n", names[i], i);
    }
    buf_append_text(out, "    [*] --> p0\n");
    for (uint32_t i = 0; failover_phase_edge_at(i, &edge); i++) {
        size_t from = phase_docs_number(names, &count, edge.from);
        size_t to = phase_docs_number(names, &count, edge.to);
        buf_printf(out, "    p%zu --> p%zu: ", from, to);
        phase_docs_label(out, edge.why);
    }
    buf_append_text(out, "```\n");
}

static void phase_docs_page(struct buf *out)
{
    buf_append_text(out, "# The phases of a failover\n\n"
                         "This page is printed from the table in `src/failover/phase.c` by "
                         "`tests/tidy/phase_docs`;\n"
                         "a test compares the two. After a change of the table: "
                         "`build/tests/tidy/phase_docs --write "
                         "docs/failover.md`.\n\n"
                         "Every master a monitor watches is in one of these phases. A phase "
                         "changes only along a row "
                         "of\nthe table, and the log line of the change carries the reason that "
                         "stands in the row.\n\n");
    phase_docs_diagram(out);
    buf_append_text(out, "\n| from | to | because |\n|---|---|---|\n");
    phase_docs_rows(out);
}

static bool phase_docs_write(const char *path, const struct buf *page)
{
    FILE *file = fopen(path, "we");

    if (file == NULL) {
        (void)fprintf(stderr, "%s: %s\n", path, strerror(errno)); /* nowhere else to tell it */
        return false;
    }
    bool wrote = fwrite(buf_data(page), 1, page->len, file) == page->len;
    return fclose(file) == 0 && wrote;
}

static bool phase_docs_check(const char *path, const struct buf *page)
{
    struct buf held = {0};
    FILE *file = fopen(path, "re");

    if (file != NULL) {
        size_t len = 0;
        do {
            len = fread(buf_reserve(&held, BUFSIZ), 1, BUFSIZ, file);
            buf_grew(&held, len);
        } while (len > 0);
        (void)fclose(file); /* only read */
    }
    bool same = held.len == page->len && memcmp(buf_data(&held), buf_data(page), held.len) == 0;
    buf_finish(&held);
    if (!same) {
        (void)fprintf(stderr, "%s is not what the table says: phase_docs --write it\n", path);
    }
    return same;
}

int main(int argc, char **argv)
{
    struct buf page = {0};
    bool is_fine = true;

    phase_docs_page(&page);
    if (argc == 3 && strcmp(argv[1], "--write") == 0) {
        is_fine = phase_docs_write(argv[2], &page);
    } else if (argc == 3 && strcmp(argv[1], "--check") == 0) {
        is_fine = phase_docs_check(argv[2], &page);
    } else {
        (void)fwrite(buf_data(&page), 1, page.len, stdout); /* for a person to read */
    }
    buf_finish(&page);
    return is_fine ? 0 : 1;
}
