#include "cli/check_report.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    CHECK_LINE_SHOWN_MAX = 110, /* characters of a line; what is further right is not shown */
};

struct check_line {
    const char *at;
    size_t len;
};

static struct check_line check_report_line(const struct check_file *file, int line)
{
    const char *at = buf_data(&file->text);
    const char *end = at + file->text.len;

    for (int i = 1; i < line && at < end; i++) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        at = line_end == NULL ? end : line_end + 1;
    }
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    size_t len = (size_t)((stop == NULL ? end : stop) - at);
    return (struct check_line){.at = at, .len = len > 0 && at[len - 1] == '\r' ? len - 1 : len};
}

/* A password that stands where it should not is not shown to whoever looks over the shoulder. */
static bool check_report_is_secret(const struct check_line *line)
{
    for (size_t i = 0; i + 4 <= line->len; i++) {
        if (strncasecmp(line->at + i, "pass", 4) == 0 ||
            (i + 6 <= line->len && strncasecmp(line->at + i, "secret", 6) == 0)) {
            return true;
        }
    }
    return false;
}

static bool check_report_starts(char byte)
{
    return ((unsigned char)byte & 0xc0) != 0x80; /* a character of UTF-8 begins here */
}

static void check_report_excerpt(const struct check_file *file, const struct site_finding *finding,
                                 bool has_colour, struct buf *out)
{
    struct check_line line = check_report_line(file, finding->at.line);
    int shown = 0;

    if (finding->at.line < 1 || finding->is_secret || check_report_is_secret(&line) ||
        line.len == 0 || finding->at.column > CHECK_LINE_SHOWN_MAX) {
        return;
    }
    buf_printf(out, "%6d | ", finding->at.line);
    for (size_t i = 0; i < line.len && shown <= CHECK_LINE_SHOWN_MAX; i++) {
        bool is_plain = (unsigned char)line.at[i] >= 0x20 && line.at[i] != 0x7f;
        buf_append(out, is_plain ? &line.at[i] : " ", 1);
        shown += i + 1 < line.len && check_report_starts(line.at[i + 1]) ? 1 : 0;
    }
    buf_printf(out, "\n       | %*s%s^%s\n", finding->at.column - 1, "",
               has_colour ? "\033[1;32m" : "", has_colour ? "\033[0m" : "");
}

static void check_report_one(const struct check_file *file, const struct site_finding *finding,
                             bool has_colour, struct buf *out)
{
    bool is_error = finding->severity == SITE_ERROR;
    const char *colour = is_error ? "\033[1;31m" : "\033[1;35m";

    buf_printf(out, "%s%s:%d:%d:%s %s%s:%s %s\n", has_colour ? "\033[1m" : "", file->name,
               finding->at.line, finding->at.column, has_colour ? "\033[0m" : "",
               has_colour ? colour : "", is_error ? "error" : "warning",
               has_colour ? "\033[0m" : "", finding->what);
    check_report_excerpt(file, finding, has_colour, out);
    if (finding->remedy != NULL) {
        buf_printf(out, "         %s\n", finding->remedy);
    }
}

void check_report_text(const struct check_file *file, const struct site_findings *findings,
                       bool has_colour, struct buf *out)
{
    for (size_t i = 0; i < findings->count; i++) {
        check_report_one(file, &findings->items[i], has_colour, out);
    }
    if (findings->more_count > 0) {
        buf_printf(out, "%s: and %zu more\n", file->name, findings->more_count);
    }
    if (findings->count > 0) {
        buf_printf(out, "%s: %zu error%s, %zu warning%s\n", file->name, findings->errors_count,
                   findings->errors_count == 1 ? "" : "s", findings->warnings_count,
                   findings->warnings_count == 1 ? "" : "s");
    }
}

void check_report_json(const struct check_file *file, const struct site_findings *findings,
                       struct buf *out)
{
    json_t *list = json_array();
    json_t *name = json_string(file->name);

    if (name == NULL) {
        name = json_string("?"); /* a file may be named by bytes that are not UTF-8 */
    }
    for (size_t i = 0; i < findings->count; i++) {
        const struct site_finding *finding = &findings->items[i];
        json_t *item = json_pack("{s:O, s:i, s:i, s:s, s:s, s:s?}", "file", name, "line",
                                 finding->at.line, "column", finding->at.column, "severity",
                                 finding->severity == SITE_ERROR ? "error" : "warning", "what",
                                 finding->what, "remedy", finding->remedy);
        int added = json_array_append_new(list, item);
        ASSERT(added == 0); /* texts are UTF-8: site_parse() refuses others */
    }
    char *text = json_dumps(list, JSON_INDENT(2));
    ASSERT(text != NULL);
    buf_printf(out, "%s\n", text);
    free(text);
    json_decref(name);
    json_decref(list);
}

/* ---- what a right file says ---- */

static void check_report_endpoints(const struct site *site, const struct site_node *node,
                                   struct buf *out)
{
    for (size_t i = 0; i < site->services_count; i++) {
        const struct site_service *service = &site->services[i];
        for (size_t j = 0; j < service->members_count; j++) {
            if (site_member_node(site, &service->members[j]) == node) {
                buf_printf(out, "  member of %s, port %u\n", service->head.name,
                           service->members[j].port);
            }
        }
        if (site_endpoint_is_on(site, service, &service->endpoint, node)) {
            buf_printf(out, "  endpoint of %s\n", service->head.name);
        }
        if (site_endpoint_is_on(site, service, &service->read_endpoint, node)) {
            buf_printf(out, "  read endpoint of %s\n", service->head.name);
        }
    }
}

void check_report_site(const struct check_file *file, const struct site *site,
                       const struct site_node *node, struct buf *out)
{
    const struct site_names *monitors = &site->monitors.nodes;

    buf_printf(out, "%s: site %s: %zu node%s, %zu service%s", file->name, site->name,
               site->nodes_count, site->nodes_count == 1 ? "" : "s", site->services_count,
               site->services_count == 1 ? "" : "s");
    for (size_t i = 0; i < monitors->count; i++) {
        buf_printf(out, "%s%s", i == 0 ? "; monitors " : ", ", monitors->items[i].text);
    }
    buf_append_text(out, "\n");
    if (node != NULL) {
        buf_printf(out, "%s (%s):\n", node->head.name, node->address);
        if (site_names_have(monitors, node->head.name)) {
            buf_append_text(out, "  monitor\n");
        }
        check_report_endpoints(site, node, out);
    }
}
