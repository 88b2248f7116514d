#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "sim/checker.h"
#include "sim/model_monitor.h"
#include "sim/model_redis.h"
#include "sim/story.h"

static bool condition_note(const struct world *w, struct story_line *line,
                           struct story_condition *c, struct err *err)
{
    const char *name = story_word(line);
    int type = 0;

    while (type < NOTE_COUNT && strcmp(note_name((enum note_type)type), name) != 0) {
        type++;
    }
    if (type == NOTE_COUNT) {
        return err_set(err, "there is no event '%s'", name);
    }
    c->note = (enum note_type)type;
    while (line->at < line->words->count && strcmp(story_peek(line), "within") != 0) {
        const char *word = story_word(line);
        struct world_place place;

        if (strcmp(word, "by") == 0) {
            word = story_word(line);
            c->by_all = strcmp(word, "all") == 0;
            if (!c->by_all && (!story_place(w, word, &place) || place.kind != PLACE_MONITOR)) {
                return err_set(err, "by '%s': no such monitor", word);
            }
            c->by = c->by_all ? WORLD_NOBODY : place.index;
        } else if (c->words_count < COUNT_OF(c->words)) {
            bool is_server = story_place(w, word, &place) && place.kind == PLACE_REDIS;
            text_cut(c->words[c->words_count++], WORLD_NAME_MAX,
                     is_server ? world_addr(w, w->servers[place.index].addr)->ip : word);
        }
    }
    return true;
}

/* master NAME = SERVER [by MONITOR] */
static bool condition_master(const struct world *w, struct story_line *line,
                             struct story_condition *c, struct err *err)
{
    c->group = world_group_named(w, story_word(line));
    if (c->group == WORLD_NOBODY || strcmp(story_word(line), "=") != 0 ||
        !story_place(w, story_word(line), &c->place)) {
        return err_set(err, "write: master NAME = SERVER [by MONITOR]");
    }
    if (strcmp(story_peek(line), "by") == 0) {
        struct world_place by;

        (void)story_word(line);
        if (!story_place(w, story_word(line), &by) || by.kind != PLACE_MONITOR) {
            return err_set(err, "master ... by: no such monitor");
        }
        c->by = by.index;
    }
    return true;
}

/* WHAT WHO [=] VALUE */
static bool condition_of_one(const struct world *w, struct story_line *line,
                             struct story_condition *c, struct err *err)
{
    const char *who = story_word(line);

    if (!story_place(w, who, &c->place)) {
        return err_set(err, "%s: '%s' is not one of this world", c->what, who);
    }
    const char *value = story_word(line);

    if (strcmp(value, "=") == 0 || strcmp(value, ">=") == 0) {
        value = story_word(line);
    }
    text_cut(c->word, sizeof(c->word), value);
    (void)text_to_i64(value, strlen(value), &c->number);
    (void)story_place(w, value, &c->other);
    return true;
}

bool story_condition(const struct world *w, struct story_line *line, struct story_condition *c,
                     struct err *err)
{
    static const char *const of_one[] = {"role", "follows", "reply", "knows",
                                         "down", "keys",    "epoch", "alive"};

    *c = (struct story_condition){.by = WORLD_NOBODY, .other = {PLACE_NOBODY, 0}};
    if (strcmp(story_peek(line), "not") == 0) {
        c->is_not = true;
        (void)story_word(line);
    }
    text_cut(c->what, sizeof(c->what), story_word(line));
    if (strcmp(c->what, "note") == 0) {
        return condition_note(w, line, c, err);
    }
    if (strcmp(c->what, "master") == 0) {
        return condition_master(w, line, c, err);
    }
    if (strcmp(c->what, "settled") == 0) {
        return true;
    }
    if (strcmp(c->what, "syncing") == 0) { /* syncing N: at least so many full resyncs run */
        const char *number = story_word(line);
        return text_to_i64(number, strlen(number), &c->number) ||
               err_set(err, "syncing: how many?");
    }
    for (size_t i = 0; i < COUNT_OF(of_one); i++) {
        if (strcmp(of_one[i], c->what) == 0) {
            return condition_of_one(w, line, c, err);
        }
    }
    return err_set(err, "'%s' is nothing that can be true", c->what);
}

/* ---------------------------------------------------------------- is it true? */

static bool condition_note_fits(const struct story_condition *c, const struct world_note *note)
{
    const char *at = note->text;

    if (note->type != c->note || (c->by != WORLD_NOBODY && note->monitor != c->by)) {
        return false;
    }
    for (size_t i = 0; i < c->words_count; i++) {
        at = strstr(at, c->words[i]);
        if (at == NULL) {
            return false;
        }
        at += strlen(c->words[i]);
    }
    return true;
}

static bool condition_noted(const struct world *w, const struct story_condition *c, uint32_t from)
{
    bool seen[UINT8_MAX] = {false};
    bool any = false;

    for (uint32_t i = from; i < w->notes_count; i++) {
        if (condition_note_fits(c, &w->notes[i])) {
            seen[w->notes[i].monitor] = true;
            any = true;
        }
    }
    for (uint16_t i = 0; c->by_all && i < w->monitors_count; i++) {
        any = any && (seen[i] || !w->monitors[i].is_alive || w->monitors[i].is_paused);
    }
    return any;
}

static bool condition_is_master(const struct world *w, const struct story_condition *c)
{
    uint32_t addr = w->servers[c->place.index].addr;

    for (uint16_t i = 0; i < w->monitors_count; i++) {
        const struct monitor *m = &w->monitors[i];
        bool counts = c->by == WORLD_NOBODY ? m->is_alive : i == c->by;

        if (counts && monitor_master_addr(w, i, c->group) != addr) {
            return false;
        }
    }
    return true;
}

/* Does this monitor list the other, or (down) call it down? */
static bool condition_lists(const struct world *w, const struct story_condition *c,
                            bool must_be_down)
{
    const struct monitor *m = &w->monitors[c->place.index];
    bool is_redis = c->other.kind == PLACE_REDIS;
    uint32_t addr = is_redis ? w->servers[c->other.index].addr : w->monitors[c->other.index].addr;

    for (uint32_t i = 0; m->is_alive && i < failover_masters(m->core); i++) {
        const struct master *master = failover_master_at(m->core, i);
        struct instance_view v;

        failover_view_master(m->core, master, &v);
        if (world_addr_id(w, &v.addr) == addr && (v.s_down || !must_be_down)) {
            return true;
        }
        for (uint32_t n = 0; failover_view_replica(m->core, master, n, &v); n++) {
            if (world_addr_id(w, &v.addr) == addr && (v.s_down || !must_be_down)) {
                return true;
            }
        }
        for (uint32_t n = 0; failover_view_peer(m->core, master, n, &v); n++) {
            if (world_addr_id(w, &v.addr) == addr && (v.s_down || !must_be_down)) {
                return true;
            }
        }
    }
    return false;
}

static bool condition_reply(const struct world *w, const struct story_condition *c)
{
    static const char *const words[] = {"ok",         "no-such-master", "duplicate", "in-progress",
                                        "no-replica", "too-many",       "not-found", "not-saved"};
    const struct monitor *m = &w->monitors[c->place.index];
    return m->has_result && strcmp(words[m->result], c->word) == 0;
}

static int64_t condition_syncing(const struct world *w)
{
    int64_t count = 0;

    for (uint16_t i = 0; i < w->servers_count; i++) {
        const struct redis *r = &w->servers[i];
        count += r->is_alive && r->role == ROLE_REPLICA && r->repl == REPL_SYNC;
    }
    return count;
}

static bool condition_holds(const struct world *w, const struct story_condition *c,
                            uint32_t notes_from)
{
    const struct redis *r = &w->servers[c->place.kind == PLACE_REDIS ? c->place.index : 0];
    const struct monitor *m = &w->monitors[c->place.kind == PLACE_MONITOR ? c->place.index : 0];
    char why[WORLD_WHY_MAX];

    if (strcmp(c->what, "note") == 0) {
        return condition_noted(w, c, notes_from);
    }
    if (strcmp(c->what, "master") == 0) {
        return condition_is_master(w, c);
    }
    if (strcmp(c->what, "settled") == 0) {
        return checker_settled(w, why);
    }
    if (strcmp(c->what, "role") == 0) {
        return r->is_alive && strcmp(c->word, r->role == ROLE_MASTER ? "master" : "replica") == 0;
    }
    if (strcmp(c->what, "follows") == 0) {
        return r->is_alive && r->role == ROLE_REPLICA &&
               r->master_addr == w->servers[c->other.index].addr;
    }
    if (strcmp(c->what, "keys") == 0) {
        return r->data.keys >= c->number;
    }
    if (strcmp(c->what, "syncing") == 0) {
        return condition_syncing(w) >= c->number;
    }
    if (strcmp(c->what, "reply") == 0) {
        return condition_reply(w, c);
    }
    if (strcmp(c->what, "epoch") == 0) {
        return m->is_alive && (int64_t)failover_epoch(m->core) >= c->number;
    }
    if (strcmp(c->what, "alive") == 0) {
        return c->place.kind == PLACE_REDIS ? r->is_alive : m->is_alive;
    }
    return condition_lists(w, c, strcmp(c->what, "down") == 0);
}

bool story_is_true(const struct world *w, const struct story_condition *c, uint32_t notes_from)
{
    return condition_holds(w, c, notes_from) != c->is_not;
}
