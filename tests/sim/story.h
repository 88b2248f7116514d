#ifndef SIM_STORY_H
#define SIM_STORY_H

/* What a line of a scenario file can say: things that happen, and things that can be true. */

#include "base/err.h"
#include "base/words.h"
#include "sim/world.h"

/* One line as words; at: the first that is not read yet. */
struct story_line {
    const struct words *words;
    size_t at;
};

/* The next word, "" at the end. */
const char *story_word(struct story_line *line);
const char *story_peek(const struct story_line *line);

bool story_time(const char *word, msec_t *ms); /* 200ms 5s 2m */

/* "redis-3" or "monitor-2". */
bool story_place(const struct world *w, const char *name, struct world_place *place);

/* Makes it happen. False: the line is wrong. */
bool story_happen(struct world *w, struct story_line *line, struct err *err);

struct story_condition {
    bool is_not;
    char what[16];
    enum note_type note;
    char words[8][WORLD_NAME_MAX]; /* that must stand in a note's payload, in this order */
    size_t words_count;
    bool by_all;
    uint16_t by; /* a monitor, or WORLD_NOBODY: any */
    struct world_place place;
    struct world_place other;
    uint16_t group;
    int64_t number;
    char word[WORLD_NAME_MAX];
};

/* Reads up to the word "within" or the end. */
bool story_condition(const struct world *w, struct story_line *line, struct story_condition *c,
                     struct err *err);

/* notes_from: only notes from that one on count. */
bool story_is_true(const struct world *w, const struct story_condition *c, uint32_t notes_from);

#endif
