#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "sim/chaos.h"
#include "sim/model_monitor.h"
#include "sim/model_redis.h"
#include "sim/story.h"

const char *story_peek(const struct story_line *line)
{
    return line->at < line->words->count ? words_at(line->words, line->at) : "";
}

const char *story_word(struct story_line *line)
{
    const char *word = story_peek(line);

    line->at += line->at < line->words->count;
    return word;
}

bool story_time(const char *word, msec_t *ms)
{
    size_t digits = strspn(word, "0123456789");
    const char *unit = word + digits;
    uint64_t number = 0;

    if (!text_to_u64(word, digits, &number)) {
        return false;
    }
    if (strcmp(unit, "ms") == 0) {
        *ms = (msec_t)number;
    } else if (strcmp(unit, "s") == 0) {
        *ms = (msec_t)number * 1000;
    } else if (strcmp(unit, "m") == 0) {
        *ms = (msec_t)number * 60000;
    } else {
        return false;
    }
    return true;
}

bool story_place(const struct world *w, const char *name, struct world_place *place)
{
    uint64_t number = 0;
    bool is_redis = strncmp(name, "redis-", 6) == 0;
    bool is_monitor = strncmp(name, "monitor-", 8) == 0;
    const char *digits = name + (is_redis ? 6 : is_monitor ? 8 : 0);
    uint16_t count = is_redis ? w->servers_count : w->monitors_count;

    if ((!is_redis && !is_monitor) || !text_to_u64(digits, strlen(digits), &number) ||
        number == 0 || number > count) {
        return false;
    }
    *place = (struct world_place){is_redis ? PLACE_REDIS : PLACE_MONITOR, (uint16_t)(number - 1)};
    return true;
}

/* ---------------------------------------------------------------- one server or monitor */

/* The words that may follow; "" when none does. */
static bool verb_kill(struct world *w, struct world_place p, const char *arg)
{
    (void)arg;
    if (p.kind == PLACE_REDIS) {
        redis_kill(w, p.index);
    } else {
        monitor_crash(w, p.index, strcmp(arg, "losing") == 0, false);
    }
    return true;
}

static bool verb_poweroff(struct world *w, struct world_place p, const char *arg)
{
    (void)arg;
    if (p.kind == PLACE_REDIS) {
        redis_power_off(w, p.index);
    } else {
        monitor_crash(w, p.index, true, true);
    }
    return true;
}

static bool verb_start(struct world *w, struct world_place p, const char *arg)
{
    enum redis_restart how = strcmp(arg, "empty") == 0 ? RESTART_EMPTY
                             : strcmp(arg, "old") == 0 ? RESTART_OLD
                                                       : RESTART_SAVED;
    msec_t loading_ms = 0;

    (void)story_time(arg, &loading_ms); /* or how long it loads */
    if (p.kind == PLACE_REDIS) {
        redis_start(w, p.index, how, loading_ms);
    } else {
        monitor_boot(w, p.index);
    }
    return true;
}

static bool verb_pause(struct world *w, struct world_place p, const char *arg)
{
    (void)arg;
    if (p.kind == PLACE_REDIS) {
        redis_pause(w, p.index, true);
    } else {
        monitor_pause(w, p.index, true);
    }
    return true;
}

static bool verb_resume(struct world *w, struct world_place p, const char *arg)
{
    (void)arg;
    if (p.kind == PLACE_REDIS) {
        redis_pause(w, p.index, false);
    } else {
        monitor_pause(w, p.index, false);
    }
    return true;
}

static bool verb_isolate(struct world *w, struct world_place p, const char *arg)
{
    uint16_t host = net_host_of(w, p);

    (void)arg;
    for (uint16_t other = 0; other < w->net->hosts; other++) {
        if (other != host) {
            net_cut(w, host, other, true);
            net_cut(w, other, host, true);
        }
    }
    return true;
}

static bool verb_disk(struct world *w, struct world_place p, const char *arg)
{
    msec_t slow_ms = 0;
    bool is_slow = story_time(arg, &slow_ms);

    if (p.kind != PLACE_MONITOR ||
        (!is_slow && strcmp(arg, "full") != 0 && strcmp(arg, "ok") != 0)) {
        return false;
    }
    monitor_disk(w, p.index,
                 is_slow                    ? DISK_SLOW
                 : strcmp(arg, "full") == 0 ? DISK_FULL
                                            : DISK_OK,
                 slow_ms);
    return true;
}

static bool verb_jump(struct world *w, struct world_place p, const char *arg)
{
    msec_t by_ms = 0;

    if (p.kind != PLACE_MONITOR || !story_time(arg, &by_ms)) {
        return false;
    }
    monitor_jump(w, p.index, by_ms);
    return true;
}

static bool verb_slow(struct world *w, struct world_place p, const char *arg)
{
    return story_time(arg, &w->net->slow_ms[net_host_of(w, p)]);
}

static bool verb_crash_in(struct world *w, struct world_place p, const char *arg)
{
    uint64_t actions = 0;

    if (p.kind != PLACE_MONITOR || !text_to_u64(arg, strlen(arg), &actions) ||
        actions > UINT16_MAX) {
        return false;
    }
    w->monitors[p.index].crash_in_actions = (uint32_t)actions;
    return true;
}

/* Of a data server only. */
static bool verb_stuck(struct world *w, struct world_place p, const char *arg)
{
    w->servers[p.index].is_stuck = strcmp(arg, "off") != 0;
    return true;
}

static bool verb_busy(struct world *w, struct world_place p, const char *arg)
{
    w->servers[p.index].is_busy = strcmp(arg, "off") != 0;
    return true;
}

static bool verb_priority(struct world *w, struct world_place p, const char *arg)
{
    uint64_t priority = 0;

    if (!text_to_u64(arg, strlen(arg), &priority) || priority > UINT32_MAX) {
        return false;
    }
    w->servers[p.index].priority = (uint32_t)priority;
    return true;
}

static bool verb_write(struct world *w, struct world_place p, const char *arg)
{
    uint64_t keys = 0;
    return text_to_u64(arg, strlen(arg), &keys) && redis_write(w, p.index, (int64_t)keys);
}

static bool verb_save(struct world *w, struct world_place p, const char *arg)
{
    (void)arg;
    redis_save(w, p.index);
    return true;
}

static bool verb_promote(struct world *w, struct world_place p, const char *arg)
{
    (void)arg;
    redis_promote(w, p.index);
    return true;
}

static bool verb_follow(struct world *w, struct world_place p, const char *arg)
{
    struct world_place master;

    if (!story_place(w, arg, &master) || master.kind != PLACE_REDIS) {
        return false;
    }
    redis_replicaof(w, p.index, w->servers[master.index].addr);
    return true;
}

/* To an unused address, or to that of a server which is gone: an address that is used again. */
static bool verb_move(struct world *w, struct world_place p, const char *arg)
{
    struct world_place from;
    uint32_t addr = 0;

    if (story_place(w, arg, &from) && from.kind == PLACE_REDIS) {
        addr = w->servers[from.index].addr;
    } else {
        addr = world_take_addr(w);
    }
    if (p.kind == PLACE_REDIS) {
        redis_move(w, p.index, addr);
    } else {
        monitor_move(w, p.index, addr);
    }
    return true;
}

static const struct verb {
    const char *name;
    bool is_many;  /* each of the names that follow */
    bool is_redis; /* only for a data server */
    bool (*does)(struct world *w, struct world_place p, const char *arg);
} verbs[] = {
    {"kill", true, false, verb_kill},          {"crash", false, false, verb_kill},
    {"poweroff", true, false, verb_poweroff},  {"start", false, false, verb_start},
    {"pause", true, false, verb_pause},        {"resume", true, false, verb_resume},
    {"isolate", true, false, verb_isolate},    {"disk", false, false, verb_disk},
    {"jump", false, false, verb_jump},         {"slow", false, false, verb_slow},
    {"crash-in", false, false, verb_crash_in}, {"stuck", false, true, verb_stuck},
    {"busy", false, true, verb_busy},          {"priority", false, true, verb_priority},
    {"write", false, true, verb_write},        {"save", true, true, verb_save},
    {"promote", true, true, verb_promote},     {"follow", false, true, verb_follow},
    {"move", false, false, verb_move},
};

static bool story_verb(struct world *w, const struct verb *verb, struct story_line *line,
                       struct err *err)
{
    do {
        const char *name = story_word(line);
        struct world_place place;

        if (!story_place(w, name, &place) || (verb->is_redis && place.kind != PLACE_REDIS)) {
            return err_set(err, "%s: '%s' is not one of this world", verb->name, name);
        }
        STORY(w, "story", "%s %s %s", verb->name, name, verb->is_many ? "" : story_peek(line));
        if (!verb->does(w, place, verb->is_many ? "" : story_word(line))) {
            return err_set(err, "%s %s: it cannot be done", verb->name, name);
        }
    } while (verb->is_many && line->at < line->words->count);
    return true;
}

/* ---------------------------------------------------------------- the network */

static bool story_cut(struct world *w, struct story_line *line, bool is_cut, struct err *err)
{
    struct world_place from[64];
    size_t count = 0;
    const char *word = story_word(line);

    while (count < COUNT_OF(from) && story_place(w, word, &from[count])) {
        count++;
        word = story_word(line);
    }
    bool both = strcmp(word, "<->") == 0;

    if (count == 0 || (!both && strcmp(word, "->") != 0)) {
        return err_set(err, "write: cut A... -> B... or cut A... <-> B...");
    }
    while (line->at < line->words->count) {
        struct world_place to;

        word = story_word(line);
        if (!story_place(w, word, &to)) {
            return err_set(err, "cut: '%s' is not one of this world", word);
        }
        for (size_t i = 0; i < count; i++) {
            STORY(w, "story", "%s %s %s", is_cut ? "cut" : "mend", both ? "<->" : "->", word);
            net_cut(w, net_host_of(w, from[i]), net_host_of(w, to), is_cut);
            if (both) {
                net_cut(w, net_host_of(w, to), net_host_of(w, from[i]), is_cut);
            }
        }
    }
    return true;
}

/* ---------------------------------------------------------------- operators */

static bool story_setting(struct master_config *config, const char *word)
{
    const char *value = strchr(word, '=');
    size_t len = value == NULL ? 0 : (size_t)(value - word);
    uint64_t number = 0;
    msec_t ms = 0;

    if (value == NULL) {
        return false;
    }
    value++;
    bool is_number = text_to_u64(value, strlen(value), &number) && number <= UINT32_MAX;
    bool is_time = story_time(value, &ms);

    if (strncmp(word, "quorum", len) == 0 && is_number) {
        config->quorum = (uint32_t)number;
    } else if (strncmp(word, "parallel-syncs", len) == 0 && is_number) {
        config->parallel_syncs = (uint32_t)number;
    } else if (strncmp(word, "down-after", len) == 0 && is_time) {
        config->down_after_ms = ms;
    } else if (strncmp(word, "failover-timeout", len) == 0 && is_time) {
        config->failover_timeout_ms = ms;
    } else if (strncmp(word, "refused-after", len) == 0 && is_time) {
        config->refused_after_ms = ms;
    } else {
        return false;
    }
    return true;
}

static bool story_command_type(const char *word, struct command *command)
{
    static const struct {
        const char *word;
        enum command_type type;
    } types[] = {{"failover", COMMAND_FAILOVER}, {"reset", COMMAND_RESET},
                 {"forget", COMMAND_FORGET},     {"remove", COMMAND_REMOVE},
                 {"monitor", COMMAND_MONITOR},   {"set", COMMAND_SET},
                 {"flush", COMMAND_FLUSH}};

    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (strcmp(types[i].word, word) == 0) {
            command->type = types[i].type;
            return true;
        }
    }
    if (strcmp(word, "crash-after-election") == 0 || strcmp(word, "crash-after-promotion") == 0) {
        command->type = COMMAND_SIMULATE;
        command->simulate = strcmp(word, "crash-after-election") == 0
                                ? SIMULATE_CRASH_AFTER_ELECTION
                                : SIMULATE_CRASH_AFTER_PROMOTION;
        return true;
    }
    return false;
}

static bool story_operator(struct world *w, struct story_line *line, struct err *err)
{
    struct command command = {.config = {.quorum = w->config.quorum,
                                         .parallel_syncs = w->config.parallel_syncs,
                                         .down_after_ms = w->config.down_after_ms,
                                         .failover_timeout_ms = w->config.failover_timeout_ms,
                                         .refused_after_ms = w->config.refused_after_ms}};
    struct world_place monitor;
    struct world_place place;
    const char *who = story_word(line);
    const char *what = story_word(line);

    if (!story_place(w, who, &monitor) || monitor.kind != PLACE_MONITOR ||
        !story_command_type(what, &command)) {
        return err_set(err, "operator: '%s %s' is not a monitor and a command", who, what);
    }
    text_cut(command.name, sizeof(command.name), story_word(line));
    while (line->at < line->words->count) {
        const char *word = story_word(line);

        if (strcmp(word, "coordinated") == 0) {
            command.coordinated = true;
        } else if (story_place(w, word, &place) && place.kind == PLACE_REDIS) {
            command.addr = *world_addr(w, w->servers[place.index].addr);
        } else if (story_place(w, word, &place)) {
            world_run_text(w->monitors[place.index].run, command.run_id);
        } else if (!story_setting(&command.config, word)) {
            return err_set(err, "operator: what is '%s'?", word);
        }
    }
    monitor_command(w, monitor.index, &command);
    return true;
}

bool story_happen(struct world *w, struct story_line *line, struct err *err)
{
    const char *word = story_word(line);

    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        if (strcmp(verbs[i].name, word) == 0) {
            return story_verb(w, &verbs[i], line, err);
        }
    }
    if (strcmp(word, "cut") == 0 || strcmp(word, "mend") == 0) {
        return story_cut(w, line, strcmp(word, "cut") == 0, err);
    }
    if (strcmp(word, "kill-masters") == 0) {
        for (uint16_t i = 0; i < w->servers_count; i++) {
            if (w->servers[i].role == ROLE_MASTER) {
                redis_kill(w, i);
            }
        }
        return true;
    }
    if (strcmp(word, "operator") == 0) {
        return story_operator(w, line, err);
    }
    if (strcmp(word, "heal") == 0) {
        if (strcmp(story_word(line), "all") == 0) {
            chaos_heal(w);
        } else {
            STORY(w, "story", "every cut heals");
            net_heal(w);
        }
        return true;
    }
    return err_set(err, "'%s' is nothing that can happen", word);
}
