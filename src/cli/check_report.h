#ifndef CLI_CHECK_REPORT_H
#define CLI_CHECK_REPORT_H

#include "base/buf.h"
#include "config/site.h"

/* The file as it was read, for the lines that are shown. */
struct check_file {
    const char *name;
    struct buf text;
};

/* Appends "FILE:LINE:COLUMN: error: ...", the line with a caret, and what to write, for each. */
void check_report_text(const struct check_file *file, const struct site_findings *findings,
                       bool has_colour, struct buf *out);

/* Appends the same as a JSON list of objects. */
void check_report_json(const struct check_file *file, const struct site_findings *findings,
                       struct buf *out);

/* Appends what the site is, in a few lines; node may be NULL. */
void check_report_site(const struct check_file *file, const struct site *site,
                       const struct site_node *node, struct buf *out);

#endif
