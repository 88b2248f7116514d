#include "sim/scenario.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/words.h"
#include "sim/story.h"
#include "sim/world.h"

enum {
    SCENARIO_LINE_MAX = 512,
    SCENARIO_LINES_MAX = 256,
    SCENARIO_SEEDS = 20, /* a story must hold whatever the luck with delays and races */
    SCENARIO_DEFAULT_REPLICAS = 2,
};

struct scenario {
    const char *path;
    char *lines[SCENARIO_LINES_MAX];
    size_t lines_count;
    uint64_t seeds;
    struct world_config config;
    struct world *world;
    uint32_t notes_from; /* since the last thing that was made to happen */
};

/* ---------------------------------------------------------------- the first line */

static bool scenario_number(struct scenario *s, const char *key, uint64_t value)
{
    struct world_config *c = &s->config;

    if (strcmp(key, "monitors") == 0 && value > 0 && value < 64) {
        c->monitors = (uint16_t)value;
    } else if (strcmp(key, "masters") == 0 && value > 0 && value < 512) {
        c->groups = (uint16_t)value;
    } else if (strcmp(key, "replicas") == 0 && value < 15) {
        c->replicas = (uint16_t)value;
    } else if (strcmp(key, "quorum") == 0 && value < 64) {
        c->quorum = (uint32_t)value;
    } else if (strcmp(key, "parallel-syncs") == 0 && value < 64) {
        c->parallel_syncs = (uint32_t)value;
    } else if (strcmp(key, "seed") == 0) {
        c->seed = value;
    } else if (strcmp(key, "seeds") == 0) {
        s->seeds = value;
    } else {
        return false;
    }
    return true;
}

static bool scenario_time(struct scenario *s, const char *key, msec_t value)
{
    struct world_config *c = &s->config;
    static const char *const keys[] = {
        "down-after", "failover-timeout", "refused-after", "reboot-after",
        "delay",      "jitter",           "disk",          "write-every"};
    msec_t *const fields[] = {
        &c->down_after_ms, &c->failover_timeout_ms, &c->refused_after_ms, &c->reboot_down_after_ms,
        &c->delay_ms,      &c->jitter_ms,           &c->disk_ms,          &c->write_every_ms};

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        if (strcmp(keys[i], key) == 0) {
            *fields[i] = value;
            return true;
        }
    }
    return false;
}

static bool scenario_world(struct scenario *s, struct story_line *line, struct err *err)
{
    int mutation = s->config.mutation;

    s->config = (struct world_config){.monitors = 3,
                                      .mutation = mutation,
                                      .groups = 1,
                                      .replicas = SCENARIO_DEFAULT_REPLICAS,
                                      .quorum = 2,
                                      .parallel_syncs = 1,
                                      .down_after_ms = 1000,
                                      .failover_timeout_ms = 10000,
                                      .delay_ms = 1,
                                      .jitter_ms = 1,
                                      .disk_ms = 3,
                                      .write_every_ms = 50,
                                      .seed = 1};
    if (strcmp(story_word(line), "world") != 0) {
        return err_set(err, "the first line is: world key=value ...");
    }
    while (line->at < line->words->count) {
        char key[WORLD_NAME_MAX];
        const char *word = story_word(line);
        const char *value = strchr(word, '=');
        uint64_t number = 0;
        msec_t ms = 0;

        (void)snprintf(key, sizeof(key), "%.*s", value == NULL ? 0 : (int)(value - word), word);
        bool ok = value != NULL && ((text_to_u64(value + 1, strlen(value + 1), &number) &&
                                     scenario_number(s, key, number)) ||
                                    (story_time(value + 1, &ms) && scenario_time(s, key, ms)));
        if (!ok) {
            return err_set(err, "world: what is '%s'?", word);
        }
    }
    return true;
}

/* ---------------------------------------------------------------- the lines that wait */

/* until COND within TIME | never COND within TIME | expect COND */
static bool scenario_wait(struct scenario *s, const char *kind, struct story_line *line,
                          struct err *err)
{
    struct world *w = s->world;
    struct story_condition condition;
    msec_t within = 0;
    bool is_expect = strcmp(kind, "expect") == 0;
    bool is_never = strcmp(kind, "never") == 0;

    if (!story_condition(w, line, &condition, err)) {
        return false;
    }
    if (!is_expect &&
        (strcmp(story_word(line), "within") != 0 || !story_time(story_word(line), &within))) {
        return err_set(err, "%s ... within TIME", kind);
    }
    msec_t until = w->now + within;
    uint32_t from = is_never ? w->notes_count : s->notes_from;

    for (;;) {
        if (story_is_true(w, &condition, from)) {
            return !is_never || err_set(err, "it became true %lld ms before that time was over",
                                        (long long)(until - w->now));
        }
        if (w->now >= until) {
            return is_never || err_set(err, "it is not so at %lld ms", (long long)w->now);
        }
        world_run(w, w->now + 1);
        if (w->has_failed) {
            return err_set(err, "%s", w->why);
        }
    }
}

static bool scenario_do(struct scenario *s, struct story_line *line, struct err *err)
{
    struct world *w = s->world;
    const char *word = story_peek(line);
    msec_t time = 0;

    if (strcmp(word, "until") == 0 || strcmp(word, "never") == 0 || strcmp(word, "expect") == 0) {
        (void)story_word(line);
        return scenario_wait(s, word, line, err);
    }
    if (strcmp(word, "at") == 0 || strcmp(word, "wait") == 0) {
        bool is_at = strcmp(word, "at") == 0;

        (void)story_word(line);
        if (!story_time(story_word(line), &time) || (is_at && time < w->now)) {
            return err_set(err, "%s: not a time to come", is_at ? "at" : "wait");
        }
        world_run(w, is_at ? time : w->now + time);
        if (w->has_failed) {
            return err_set(err, "%s", w->why);
        }
        if (line->at >= line->words->count) {
            return true;
        }
    }
    s->notes_from = w->notes_count;
    return story_happen(w, line, err);
}

/* ---------------------------------------------------------------- a file, a seed */

static bool scenario_seed(struct scenario *s, uint64_t seed, FILE *story, struct err *err)
{
    struct words words = {.count = 0};
    bool ok = true;
    size_t number = 0;

    for (size_t i = 0; i < s->lines_count && ok; i++) {
        struct story_line line = {.words = &words};

        number = i;
        if (s->lines[i][0] == '\0' || !words_split(&words, s->lines[i], strlen(s->lines[i])) ||
            words.count == 0) {
            continue;
        }
        if (s->world == NULL) {
            ok = scenario_world(s, &line, err);
            if (ok) {
                s->config.seed += seed;
                s->world = world_create(&s->config);
                s->world->wants_notes = true;
                s->world->notes = calloc(WORLD_NOTES_MAX, sizeof(*s->world->notes));
                ASSERT(s->world->notes != NULL);
                world_start(s->world, story, false);
            }
            continue;
        }
        ok = scenario_do(s, &line, err);
    }
    words_finish(&words);
    if (ok && s->world != NULL && s->world->has_failed) {
        ok = err_set(err, "%s", s->world->why);
    }
    world_destroy(s->world);
    s->world = NULL;
    s->notes_from = 0;
    return ok || err_wrap(err, "%s: line %zu (seed %llu): '%s'", s->path, number + 1,
                          (unsigned long long)seed, s->lines[number]);
}

static bool scenario_read(struct scenario *s, struct err *err)
{
    FILE *file = fopen(s->path, "r");
    char text[SCENARIO_LINE_MAX];

    if (file == NULL) {
        return err_set(err, "%s cannot be read", s->path);
    }
    while (s->lines_count < SCENARIO_LINES_MAX && fgets(text, sizeof(text), file) != NULL) {
        text[strcspn(text, "#\n")] = '\0';
        s->lines[s->lines_count] = strdup(text);
        ASSERT(s->lines[s->lines_count] != NULL);
        s->lines_count++;
    }
    (void)fclose(file);
    return s->lines_count > 0 || err_set(err, "%s is empty", s->path);
}

bool scenario_play(const char *path, const struct scenario_options *options, struct err *err)
{
    struct scenario s = {.path = path, .seeds = SCENARIO_SEEDS};
    bool ok = scenario_read(&s, err);

    s.config.mutation = options->mutation;
    for (uint64_t seed = 1; ok && seed <= s.seeds; seed++) {
        ok = scenario_seed(&s, options->seed != 0 ? options->seed : seed, options->story, err);
        if (options->seed != 0) {
            break;
        }
        if (!ok) {
            (void)err_wrap(err, "replay: build/sim --scenario %s --seed %llu --trace\n   ", path,
                           (unsigned long long)seed);
        }
    }
    for (size_t i = 0; i < s.lines_count; i++) {
        free(s.lines[i]);
    }
    return ok;
}
