#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_room.h"

void config_notes_finish(struct config_notes *notes)
{
    if (notes == NULL) {
        return;
    }
    for (size_t i = 0; i < notes->count; i++) {
        free(notes->items[i].text);
    }
    free(notes->items);
    *notes = (struct config_notes){0};
}

PRINTF_LIKE(3, 0)
static void config_notes_add(struct config_parser *p, enum config_note_kind kind,
                             const char *format, va_list args)
{
    char text[ERR_TEXT_MAX];
    struct buf where = {0};

    if (kind == CONFIG_ERROR) {
        p->notes->errors_count++;
    }
    if (p->notes->count >= (kind == CONFIG_ERROR ? CONF_NOTES_MAX : CONF_NOTES_MAX / 2)) {
        return; /* warnings leave room for errors */
    }
    (void)vsnprintf(text, sizeof(text), format, args); /* cut when too long */
    if (p->line == NULL) {
        buf_append_text(&where, text);
    } else if (p->line->origin == CONFIG_FROM_COMMAND_LINE) {
        buf_printf(&where, "command line: %s", text);
    } else if (p->line->file != NULL) {
        buf_printf(&where, "%s: line %d: %s", p->line->file, p->line->number, text);
    } else {
        buf_printf(&where, "line %d: %s", p->line->number, text);
    }
    p->notes->items = conf_set_grow(p->notes->items, p->notes->count, sizeof(*p->notes->items));
    p->notes->items[p->notes->count++] = (struct config_note){
        .kind = kind,
        .line = p->line == NULL ? 0 : p->line->number,
        .order = p->order,
        .text = conf_set_copy(buf_data(&where)),
    };
    buf_finish(&where);
}

bool config_notes_error(struct config_parser *p, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    config_notes_add(p, CONFIG_ERROR, format, args);
    va_end(args);
    return false;
}

void config_notes_warn(struct config_parser *p, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    config_notes_add(p, CONFIG_WARNING, format, args);
    va_end(args);
}

/* By insertion: stable, and there are at most CONF_NOTES_MAX. */
void config_notes_sort(struct config_notes *notes)
{
    for (size_t i = 1; i < notes->count; i++) {
        struct config_note note = notes->items[i];
        size_t at = i;
        while (at > 0 && notes->items[at - 1].order > note.order) {
            notes->items[at] = notes->items[at - 1];
            at--;
        }
        notes->items[at] = note;
    }
}
