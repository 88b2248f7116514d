/*
 * sentinel.conf from text to structure. Lines are gathered first, with what they include; then they
 * are parsed in three passes, so that directives may come in any order: what is said of the process
 * and of this monitor, then which masters and users there are, then what is said of each master.
 * All mistakes are noted.
 */
#include "config/config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "config/config_room.h"

enum { CONFIG_PARSE_LINES_MAX = 1000 * 1000 /* ten times what a thousand masters need */ };

struct config_lines {
    struct config_line *items;
    enum config_pass *passes; /* when each is parsed */
    size_t count;
    struct buf *texts; /* of includes: the lines point into them */
    char **files;      /* names of includes */
    size_t texts_count;
};

static void config_parse_lines_finish(struct config_lines *lines)
{
    for (size_t i = 0; i < lines->texts_count; i++) {
        if (lines->texts[i].bytes != NULL) {
            explicit_bzero(lines->texts[i].bytes, lines->texts[i].capacity);
        }
        buf_finish(&lines->texts[i]);
        free(lines->files[i]);
    }
    free(lines->items);
    free(lines->passes);
    free(lines->texts);
    free(lines->files);
}

/* ---- gathering ---- */

struct config_gatherer {
    const struct config_source *source;
    struct config_lines *lines;
    struct config_parser *parser;
};

static void config_parse_gather(struct config_gatherer *g, const char *text, size_t len,
                                struct config_line line, int depth);

static void config_parse_include(struct config_gatherer *g, const struct config_line *line,
                                 int depth)
{
    struct config_parser *p = g->parser;
    struct config_lines *lines = g->lines;
    struct buf text = {0};
    struct err why;

    if (!words_split(&p->words, line->text, line->len) || p->words.count != 2) {
        (void)config_notes_error(p, "include takes <path>"); /* noted */
        return;
    }
    if (depth == CONF_INCLUDE_DEPTH_MAX) {
        (void)config_notes_error(p, "include: files include each other %d deep", depth); /* noted */
        return;
    }
    if (g->source->include == NULL) {
        (void)config_notes_error(p, "include: files cannot be included here"); /* noted */
        return;
    }
    if (!g->source->include(g->source->context, words_at(&p->words, 1), &text, &why)) {
        (void)config_notes_error(p, "include %s: %s", words_at(&p->words, 1), why.text); /* noted */
        buf_finish(&text);
        return;
    }
    lines->texts = conf_set_grow(lines->texts, lines->texts_count, sizeof(*lines->texts));
    lines->files = conf_set_grow(lines->files, lines->texts_count, sizeof(char *));
    char *file = conf_set_copy(words_at(&p->words, 1));
    lines->texts[lines->texts_count] = text;
    lines->files[lines->texts_count++] = file;
    config_parse_gather(g, buf_data(&text), text.len,
                        (struct config_line){.file = file, .origin = CONFIG_FROM_INCLUDE},
                        depth + 1);
}

static bool config_parse_is_include(const struct config_line *line)
{
    static const char name[] = "include";
    size_t len = sizeof(name) - 1;

    return line->len > len && strncasecmp(line->text, name, len) == 0 &&
           (line->text[len] == ' ' || line->text[len] == '\t');
}

static void config_parse_gather(struct config_gatherer *g, const char *text, size_t len,
                                struct config_line line, int depth)
{
    struct config_lines *lines = g->lines;
    const char *at = text;

    while (config_line_next(&at, text + len, &line)) {
        if (config_line_is_blank(&line)) {
            continue;
        }
        g->parser->line = &line;
        g->parser->order = lines->count;
        if (lines->count == CONFIG_PARSE_LINES_MAX) {
            (void)config_notes_error(g->parser, "there are too many lines"); /* noted */
            break;
        }
        if (config_parse_is_include(&line)) {
            config_parse_include(g, &line, depth);
            continue;
        }
        lines->items = conf_set_grow(lines->items, lines->count, sizeof(*lines->items));
        lines->passes = conf_set_grow(lines->passes, lines->count, sizeof(*lines->passes));
        lines->passes[lines->count] = CONFIG_PASS_GLOBAL;
        lines->items[lines->count++] = line;
    }
    g->parser->line = NULL;
}

/* ---- one line ---- */

static bool config_parse_option(struct config_parser *p, int row)
{
    bool is_file = p->line->origin == CONFIG_FROM_FILE;
    int *line = &p->conf->option_lines[row];
    struct err why;

    if (!config_option_set(&p->conf->options, row, &p->words, &why)) {
        return config_notes_error(p, "%s: %s", words_at(&p->words, 0), why.text);
    }
    if (is_file && *line != 0) {
        config_notes_warn(p, "%s: written again, line %d is not used", words_at(&p->words, 0),
                          *line);
    }
    *line = is_file ? p->line->number : 0;
    return true;
}

static bool config_parse_scalar(struct config_parser *p)
{
    const char *name = words_at(&p->words, 0);
    int row = config_option_find(name);

    if (row >= 0) {
        return config_parse_option(p, row);
    }
    if (config_ignored_has(name)) {
        config_notes_warn(p, "%s: means nothing to a Sentinel", name);
        return true;
    }
    return config_notes_error(p, "%s: no such directive; correct or remove it", name);
}

static bool config_parse_stanza(struct config_parser *p, enum config_pass now,
                                enum config_pass *pass)
{
    if (p->words.count < 2) {
        return config_notes_error(p, "sentinel takes a directive, like \"sentinel monitor\"");
    }
    const struct config_stanza *stanza = config_stanza_find(words_at(&p->words, 1));
    if (stanza == NULL) {
        return config_notes_error(p, "sentinel %s: no such directive; correct or remove it",
                                  words_at(&p->words, 1));
    }
    *pass = stanza->pass;
    return stanza->pass == now ? config_stanza_parse(p, stanza) : true;
}

static bool config_parse_split(struct config_parser *p)
{
    if (memchr(p->line->text, '\0', p->line->len) != NULL) {
        return config_notes_error(p, "there is a zero byte in this line");
    }
    if (!words_split(&p->words, p->line->text, p->line->len)) {
        return config_notes_error(p, "a quote is not closed, or text follows its end");
    }
    for (size_t i = 0; i < p->words.count; i++) {
        if (memchr(words_at(&p->words, i), '\0', words_len(&p->words, i)) != NULL) {
            return config_notes_error(p, "there is a zero byte in an argument");
        }
    }
    if (p->words.count == 0) {
        return config_notes_error(p, "there are only blanks of an unusual kind in this line");
    }
    if (words_len(&p->words, 0) == 0) {
        return config_notes_error(p, "the name of the directive is empty");
    }
    return true;
}

/* What comes of a line shows in the notes. */
static void config_parse_line(struct config_parser *p, enum config_pass now, enum config_pass *pass)
{
    if (!config_parse_split(p)) {
        return;
    }
    switch (config_directive_find(words_at(&p->words, 0))) {
    case CONFIG_DIRECTIVE_NONE:
        (void)config_parse_scalar(p); /* noted, as below */
        break;
    case CONFIG_DIRECTIVE_BIND:
        (void)config_directive_bind(p);
        break;
    case CONFIG_DIRECTIVE_USER:
        *pass = CONFIG_PASS_NAMES;
        if (now == *pass) {
            (void)config_directive_user(p);
        }
        break;
    case CONFIG_DIRECTIVE_RENAME_COMMAND:
        (void)config_directive_rename_command(p);
        break;
    case CONFIG_DIRECTIVE_OUTPUT_LIMIT:
        (void)config_directive_output_limit(p);
        break;
    case CONFIG_DIRECTIVE_INCLUDE:
        (void)config_notes_error(p, "include takes <path>");
        break;
    case CONFIG_DIRECTIVE_SENTINEL:
        (void)config_parse_stanza(p, now, pass);
        break;
    }
}

/* ---- all lines ---- */

static void config_parse_pass(struct config_parser *p, struct config_lines *lines,
                              enum config_pass pass, enum config_origin origin)
{
    for (size_t i = 0; i < lines->count; i++) {
        if (lines->passes[i] == pass && lines->items[i].origin == origin) {
            p->line = &lines->items[i];
            p->order = i;
            config_parse_line(p, pass, &lines->passes[i]);
        }
    }
    p->line = NULL;
}

/* In the order of the lines: the last one that says something of the process counts. */
static void config_parse_global(struct config_parser *p, struct config_lines *lines)
{
    for (size_t i = 0; i < lines->count; i++) {
        p->line = &lines->items[i];
        p->order = i;
        config_parse_line(p, CONFIG_PASS_GLOBAL, &lines->passes[i]);
    }
    p->line = NULL;
}

/* The main file is what a rewrite keeps the state in: its masters and users are first, and what it
 * says of a master counts more than what an include says. The command line counts most. */
static void config_parse_names(struct config_parser *p, struct config_lines *lines)
{
    config_parse_pass(p, lines, CONFIG_PASS_NAMES, CONFIG_FROM_FILE);
    config_parse_pass(p, lines, CONFIG_PASS_NAMES, CONFIG_FROM_INCLUDE);
    config_parse_pass(p, lines, CONFIG_PASS_NAMES, CONFIG_FROM_COMMAND_LINE);
    config_parse_pass(p, lines, CONFIG_PASS_MASTER, CONFIG_FROM_INCLUDE);
    config_parse_pass(p, lines, CONFIG_PASS_MASTER, CONFIG_FROM_FILE);
    config_parse_pass(p, lines, CONFIG_PASS_MASTER, CONFIG_FROM_COMMAND_LINE);
}

static void config_parse_whole(struct config_parser *p, size_t lines_count)
{
    struct sentinel_conf *conf = p->conf;

    p->order = lines_count;
    if (conf->options.aclfile[0] != '\0' && conf->user_lines.count > 0) {
        (void)config_notes_error(p, "there are user lines and an aclfile; move the users into the "
                                    "file"); /* noted */
    }
    for (size_t i = 0; i < conf->masters_count; i++) {
        const struct conf_master *m = conf->masters[i];
        /* As Sentinel does: an epoch that was seen can never be above the current one. */
        uint64_t seen = m->config_epoch > m->leader_epoch ? m->config_epoch : m->leader_epoch;
        if (seen > conf->current_epoch) {
            conf->current_epoch = seen;
        }
    }
}

static bool config_parse_verdict(const struct config_source *source,
                                 const struct config_notes *notes, struct err *err)
{
    const char *path = source->path == NULL ? "" : source->path;
    const char *colon = source->path == NULL ? "" : ": ";
    const char *first = "";

    if (notes->errors_count == 0) {
        return true;
    }
    for (size_t i = notes->count; i-- > 0;) {
        if (notes->items[i].kind == CONFIG_ERROR) {
            first = notes->items[i].text;
        }
    }
    if (notes->errors_count == 1) {
        return err_set(err, "%s%s%s", path, colon, first);
    }
    return err_set(err, "%s%s%s (and %zu more)", path, colon, first, notes->errors_count - 1);
}

bool config_parse(const struct config_source *source, struct sentinel_conf *conf,
                  struct config_notes *notes, struct err *err)
{
    struct config_notes own = {0};
    struct config_lines lines = {0};
    struct config_parser parser = {.conf = conf, .notes = notes == NULL ? &own : notes};
    struct config_gatherer gatherer = {.source = source, .lines = &lines, .parser = &parser};

    sentinel_conf_init(conf);
    config_parse_gather(&gatherer, source->text, source->len,
                        (struct config_line){.origin = CONFIG_FROM_FILE}, 0);
    if (source->overrides != NULL) {
        config_parse_gather(&gatherer, source->overrides, source->overrides_len,
                            (struct config_line){.origin = CONFIG_FROM_COMMAND_LINE}, 0);
    }
    config_parse_global(&parser, &lines);
    config_parse_names(&parser, &lines);
    config_parse_whole(&parser, lines.count);
    config_notes_sort(parser.notes);

    bool good = config_parse_verdict(source, parser.notes, err);
    if (!good) {
        sentinel_conf_finish(conf);
    }
    words_finish(&parser.words);
    config_parse_lines_finish(&lines);
    config_notes_finish(&own);
    return good;
}

int config_line_of(const struct sentinel_conf *conf, const char *directive)
{
    int row = config_option_find(directive);

    if (row >= 0) {
        return conf->option_lines[row];
    }
    if (text_same(directive, "bind") && conf->bind.count > 0) {
        return conf->bind.items[0].line;
    }
    if (text_same(directive, "user") && conf->user_lines.count > 0) {
        return conf->user_lines.items[0].line;
    }
    return 0;
}
