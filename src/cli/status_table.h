#ifndef CLI_STATUS_TABLE_H
#define CLI_STATUS_TABLE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"

/* Appends what a router's "status" says, for a person. What is missing in it, as in the answer of
 * another version, is shown as zero. */
void status_table(const json_t *status, bool has_colour, struct buf *out);

/* There is a master, so requests are answered. */
bool status_table_is_fine(const json_t *status);

#endif
