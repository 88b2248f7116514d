#include "config/router_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/words.h"
#include "config/config_room.h"
#include "config/router_room.h"

/* ---- notes ---- */

static void router_options_note(struct router_parse *p, enum config_note_kind kind,
                                const char *text)
{
    struct config_notes *notes = &p->options->notes;
    struct buf whole = {0};

    if (kind == CONFIG_ERROR) {
        notes->errors_count++;
    }
    if (notes->count >= (kind == CONFIG_ERROR ? CONF_NOTES_MAX : CONF_NOTES_MAX / 2)) {
        return; /* warnings leave room for mistakes */
    }
    if (p->file != NULL) {
        buf_printf(&whole, "%s:%d: ", p->file, p->line);
    }
    if (p->name != NULL) {
        buf_printf(&whole, "%s%s: ", p->file == NULL ? "--" : "", p->name);
    }
    buf_append_text(&whole, text);
    notes->items = conf_set_grow(notes->items, notes->count, sizeof(*notes->items));
    notes->items[notes->count++] = (struct config_note){
        .kind = kind,
        .line = p->file == NULL ? 0 : p->line,
        .order = notes->count,
        .text = conf_set_copy(buf_data(&whole)),
    };
    buf_finish(&whole);
}

bool router_options_mistake(struct router_parse *p, const char *format, ...)
{
    char text[ERR_TEXT_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args); /* cut when too long */
    va_end(args);
    router_options_note(p, CONFIG_ERROR, text);
    return false;
}

void router_options_warn(struct router_parse *p, const char *format, ...)
{
    char text[ERR_TEXT_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args); /* cut when too long */
    va_end(args);
    router_options_note(p, CONFIG_WARNING, text);
}

bool router_options_has(const struct router_parse *p, const char *name)
{
    int row = router_option_find(name);

    ASSERT(row >= 0);
    return p->given[row] != ROUTER_GIVEN_NOT;
}

/* What was typed may be a secret that belongs into a file: only the name is repeated. */
static void router_options_unknown(struct router_parse *p, const char *typed)
{
    const char *nearest = router_option_nearest(typed);
    const char *dashes = p->file == NULL ? "--" : "";

    p->name = NULL;
    if (nearest != NULL) {
        (void)router_options_mistake(p, "there is no option %s%s; did you mean %s%s?", dashes,
                                     typed, dashes, nearest); /* noted */
    } else {
        (void)router_options_mistake(p,
                                     "there is no option %s%s; holdfast router --help lists them",
                                     dashes, typed); /* noted */
    }
}

/* ---- one option ---- */

static void router_options_take(struct router_parse *p, size_t row, const char *value)
{
    const struct router_option *option = router_option_at(row);

    /* The command line wins over files, also where lines of one origin add up. */
    if (p->file == NULL && p->given[row] == ROUTER_GIVEN_IN_FILE) {
        router_special_clear(p, option);
    }
    p->given[row] = p->file == NULL ? ROUTER_GIVEN_ON_LINE : ROUTER_GIVEN_IN_FILE;
    (void)router_option_set(p, option, value); /* what is wrong was noted */
}

/* ---- a file ---- */

static void router_options_file_words(struct router_parse *p, const struct words *words)
{
    const char *name = words_at(words, 0);
    size_t count = words->count;

    for (size_t i = 1; i < count; i++) {
        if (words_at(words, i)[0] == '#') {
            count = i;
        }
    }
    p->name = NULL;
    if (strncmp(name, "--", 2) == 0) {
        (void)router_options_mistake(p, "write %s without the dashes", name); /* noted */
        return;
    }
    int row = router_option_find(name);
    if (row < 0) {
        router_options_unknown(p, name);
        return;
    }
    const struct router_option *option = router_option_at((size_t)row);
    p->name = name;
    if (!router_option_is_for_files(option)) {
        (void)router_options_mistake(p, "stands on the command line only"); /* noted */
    } else if (p->lines[row] != 0 && !router_special_is_list(option)) {
        (void)router_options_mistake(p, "stands in line %d already", p->lines[row]); /* noted */
    } else if (count > 2) {
        (void)router_options_mistake(
            p, "takes one value, not %zu; lists have no blanks, other texts go into quotes",
            count - 1); /* noted */
    } else if (count < 2 && router_option_has_value(option)) {
        (void)router_options_mistake(p, "has no value"); /* noted */
    } else {
        p->lines[row] = p->line;
        router_options_take(p, (size_t)row, count < 2 ? NULL : words_at(words, 1));
    }
}

void router_options_file(struct router_parse *p, const char *path, const struct buf *text)
{
    struct router_parse outer = *p;
    struct words words = {0};
    struct config_line line = {0};
    const char *at = buf_data(text);
    const char *end = at + text->len;

    p->file = path;
    memset(p->lines, 0, router_option_count() * sizeof(*p->lines));
    while (config_line_next(&at, end, &line)) {
        p->line = line.number;
        p->name = NULL;
        if (config_line_is_blank(&line)) {
            continue;
        }
        if (!words_split(&words, line.text, line.len) || words.count == 0) {
            (void)router_options_mistake(p, "a quote is not closed"); /* noted */
            continue;
        }
        router_options_file_words(p, &words);
    }
    words_finish(&words);
    *p = outer;
}

/* ---- the command line ---- */

static bool router_options_is_option(const char *word)
{
    return strncmp(word, "--", 2) == 0;
}

/* The option at argv[i], which begins with dashes; returns where the next one stands. */
static int router_options_word(struct router_parse *p, int i, bool wants_files)
{
    const struct router_options_source *source = p->source;
    const char *word = source->argv[i] + 2;
    const char *equals = strchr(word, '=');
    const char *next = i + 1 < source->argc ? source->argv[i + 1] : NULL;
    bool has_next = next != NULL && !router_options_is_option(next);
    char *name = strndup(word, equals == NULL ? strlen(word) : (size_t)(equals - word));

    if (name == NULL) {
        assert_fail(__FILE__, __LINE__, __func__, "out of memory");
    }
    int row = router_option_find(name);
    const struct router_option *option = row < 0 ? NULL : router_option_at((size_t)row);
    bool is_file = option != NULL && option->parse == router_special_config;
    bool takes_next =
        equals == NULL && has_next && (option == NULL || router_option_has_value(option));
    const char *value = equals != NULL ? equals + 1 : takes_next ? next : NULL;

    p->name = name;
    if (is_file != wants_files) {
        /* its turn is, or was, another one */
    } else if (option == NULL) {
        router_options_unknown(p, name);
    } else if (value == NULL && router_option_has_value(option)) {
        (void)router_options_mistake(p, "needs a value"); /* noted */
    } else {
        router_options_take(p, (size_t)row, value);
    }
    p->name = NULL;
    free(name);
    return takes_next ? i + 2 : i + 1;
}

static void router_options_words(struct router_parse *p, bool wants_files)
{
    int i = 1;

    while (i < p->source->argc) {
        const char *word = p->source->argv[i];
        if (router_options_is_option(word)) {
            i = router_options_word(p, i, wants_files);
            continue;
        }
        if (strcmp(word, "-h") == 0) {
            p->options->wants_help = true;
        } else if (!wants_files) {
            const char *nearest = router_option_nearest(word);
            (void)router_options_mistake(
                p, "\"%s\" is no option%s%s%s", word, nearest == NULL ? "" : "; did you mean --",
                nearest == NULL ? "" : nearest,
                nearest == NULL ? "; holdfast router --help lists them" : "?"); /* noted */
        }
        i++;
    }
}

bool router_options_parse(const struct router_options_source *source,
                          struct router_options *options)
{
    size_t rows = router_option_count();
    struct router_parse p = {.options = options, .source = source};

    p.given = memory_zeroed(rows * sizeof(*p.given));
    p.lines = memory_zeroed(rows * sizeof(*p.lines));
    router_conf_init(&options->conf);
    router_options_words(&p, true); /* files first: the command line wins */
    router_options_words(&p, false);
    if (options->wants_help || options->is_commands) {
        config_notes_finish(&options->notes);
    } else {
        router_check(&p);
    }
    free(p.given);
    free(p.lines);
    return options->notes.errors_count == 0;
}

void router_options_finish(struct router_options *options)
{
    if (options != NULL) {
        config_notes_finish(&options->notes);
    }
}
