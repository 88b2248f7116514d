/* docs/options.md, made of the table. */
#include <string.h>

#include "config/site_room.h"

static const char site_doc_start[] =
    "# The site file\n"
    "\n"
    "Made by `holdfast check --options`; do not edit. `holdfast check SITE.yaml` tells what is "
    "wrong "
    "with a file.\nExamples: [one machine](examples/one-machine.yaml), "
    "[three nodes](examples/three-nodes.yaml),\n"
    "[ten nodes in three zones](examples/ten-nodes-three-zones.yaml).\n"
    "\n"
    "Times are a number with `ms`, `s` or `m`, sizes one with `b`, `kb`, `mb` or `gb`. Where a "
    "list "
    "may stand, one\nvalue alone is a list of one. Secrets stand in files of their own, never "
    "here.\n";

static const char *site_doc_type(const struct site_option *option)
{
    static const char *const types[] = {
        [SITE_VALUE_NAME] = "name",
        [SITE_VALUE_TEXT] = "text",
        [SITE_VALUE_FILE] = "path",
        [SITE_VALUE_HOST] = "host",
        [SITE_VALUE_BOOL] = "yes or no",
        [SITE_VALUE_NUMBER] = "number",
        [SITE_VALUE_TIME] = "time",
        [SITE_VALUE_BYTES] = "size",
        [SITE_VALUE_CHOICE] = "choice",
        [SITE_VALUE_LISTENS] = "addresses",
        [SITE_VALUE_NODES] = "nodes",
        [SITE_VALUE_STATUSES] = "statuses",
        [SITE_VALUE_DATABASES] = "databases",
        [SITE_VALUE_BLOCK] = "keys",
        [SITE_VALUE_MAP] = "map",
    };

    return types[option->kind];
}

static void site_doc_value(const struct site_option *option, struct buf *out)
{
    bool is_ranged = option->kind == SITE_VALUE_NUMBER || option->kind == SITE_VALUE_TIME ||
                     option->kind == SITE_VALUE_BYTES;

    buf_append_text(out, site_doc_type(option));
    if (is_ranged) {
        buf_append_text(out, ", ");
        site_option_write(option, option->min, out);
        buf_append_text(out, " to ");
        site_option_write(option, option->max, out);
    } else if (option->kind == SITE_VALUE_CHOICE) {
        const char *between = ": ";
        for (size_t i = 0; option->names[i] != NULL; i++) {
            if (option->names[i][0] != '\0') {
                buf_printf(out, "%s`%s`", between, option->names[i]);
                between = ", ";
            }
        }
    }
}

static void site_doc_default(const struct site_option *option, struct buf *out)
{
    bool is_number = option->kind == SITE_VALUE_BOOL || option->kind == SITE_VALUE_NUMBER ||
                     option->kind == SITE_VALUE_TIME || option->kind == SITE_VALUE_BYTES ||
                     option->kind == SITE_VALUE_CHOICE;

    if (site_option_is_needed(option)) {
        buf_append_text(out, "needed");
    } else if (is_number) {
        buf_append_text(out, "`");
        site_option_write(option, option->value, out);
        buf_append_text(out, "`");
    } else if (option->text != NULL) {
        buf_printf(out, "`%s`", option->text);
    }
}

static void site_doc_kinds(const struct site_option *option, struct buf *out)
{
    bool is_first = true;

    if (option->kinds == SITE_FOR_ANY) {
        return;
    }
    for (unsigned i = SITE_REDIS; i <= SITE_TCP; i++) {
        if ((option->kinds & 1U << i) != 0) {
            buf_printf(out, "%s%s", is_first ? "" : ", ", site_kind_names[i]);
            is_first = false;
        }
    }
}

static void site_doc_row(const struct site_option *option, struct buf *out)
{
    buf_printf(out, "| `%s` | ", option->key);
    site_doc_kinds(option, out);
    buf_append_text(out, " | ");
    site_doc_value(option, out);
    buf_append_text(out, " | ");
    site_doc_default(option, out);
    buf_printf(out, " | %s |\n", option->doc);
}

void site_doc_write(struct buf *out)
{
    buf_append_text(out, site_doc_start);
    for (size_t place = 0; place < SITE_PLACES; place++) {
        const struct site_place_row *row = site_option_place((enum site_place)place);
        const char *quote = place == SITE_PLACE_TOP ? "" : "`";
        buf_printf(out, "\n## %s%s%s\n\n", quote, row->title, quote);
        buf_printf(out, "%s\n\n| key | only for | value | default | |\n|---|---|---|---|---|\n",
                   row->doc);
        for (size_t i = 0; i < site_option_count(); i++) {
            const struct site_option *option = site_option_at(i);
            if (option->place == place) {
                site_doc_row(option, out);
            }
        }
    }
}
