#include "config/config.h"

#include <stdlib.h>
#include <string.h>

#include "config/config_room.h"

enum { SENTINEL_CONF_FIRST_SLOTS = 16 };

void sentinel_conf_init(struct sentinel_conf *conf)
{
    *conf = (struct sentinel_conf){.deny_scripts_reconfig = true};
    config_option_defaults(&conf->options);
    memcpy(conf->output_limits, config_output_limit_defaults, sizeof(conf->output_limits));
    conf->option_lines = calloc(config_options_count(), sizeof(*conf->option_lines));
    if (conf->option_lines == NULL) {
        assert_fail(__FILE__, __LINE__, __func__, "out of memory");
    }
}

void sentinel_conf_finish(struct sentinel_conf *conf)
{
    if (conf == NULL) {
        return;
    }
    for (size_t i = 0; i < conf->masters_count; i++) {
        conf_master_destroy(conf->masters[i]);
    }
    free(conf->masters);
    free(conf->name_slots);
    free(conf->option_lines);
    config_option_finish(&conf->options);
    conf_strings_clear(&conf->bind);
    conf_strings_clear(&conf->user_lines);
    conf_renames_clear(&conf->renames);
    conf_set_text(&conf->announce_ip, NULL);
    conf_set_text(&conf->sentinel_user, NULL);
    conf_set_secret(&conf->sentinel_pass, NULL);
    *conf = (struct sentinel_conf){0};
}

/* ---- masters by name ---- */

static uint64_t sentinel_conf_hash(const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a: the names are the operator's own */

    for (; *name != '\0'; name++) {
        hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    }
    return hash;
}

/* The slot that holds the name, or the free one where it belongs. There is always a free one. */
static uint32_t *sentinel_conf_slot(const struct sentinel_conf *conf, const char *name)
{
    size_t mask = conf->name_slots_count - 1;
    size_t at = (size_t)sentinel_conf_hash(name) & mask;

    while (conf->name_slots[at] != 0 &&
           strcmp(conf->masters[conf->name_slots[at] - 1]->name, name) != 0) {
        at = (at + 1) & mask;
    }
    return &conf->name_slots[at];
}

static void sentinel_conf_index(struct sentinel_conf *conf)
{
    size_t count = SENTINEL_CONF_FIRST_SLOTS;

    while (count < conf->masters_count * 4) {
        count *= 2;
    }
    free(conf->name_slots);
    conf->name_slots = calloc(count, sizeof(*conf->name_slots));
    if (conf->name_slots == NULL) {
        assert_fail(__FILE__, __LINE__, __func__, "out of memory");
    }
    conf->name_slots_count = count;
    for (size_t i = 0; i < conf->masters_count; i++) {
        *sentinel_conf_slot(conf, conf->masters[i]->name) = (uint32_t)i + 1;
    }
}

struct conf_master *sentinel_conf_find(const struct sentinel_conf *conf, const char *name)
{
    if (conf->name_slots_count == 0) {
        return NULL;
    }
    uint32_t slot = *sentinel_conf_slot(conf, name);
    return slot == 0 ? NULL : conf->masters[slot - 1];
}

struct conf_master *sentinel_conf_add(struct sentinel_conf *conf, const char *name)
{
    ASSERT(sentinel_conf_find(conf, name) == NULL);
    struct conf_master *master = conf_master_create(name);
    conf->masters = conf_set_grow(conf->masters, conf->masters_count, sizeof(struct conf_master *));
    conf->masters[conf->masters_count++] = master;
    if (conf->masters_count * 2 > conf->name_slots_count) {
        sentinel_conf_index(conf);
    } else {
        *sentinel_conf_slot(conf, name) = (uint32_t)conf->masters_count;
    }
    return master;
}

void sentinel_conf_remove(struct sentinel_conf *conf, struct conf_master *master)
{
    size_t at = 0;

    while (at < conf->masters_count && conf->masters[at] != master) {
        at++;
    }
    ASSERT(at < conf->masters_count);
    memmove(conf->masters + at, conf->masters + at + 1,
            (conf->masters_count - at - 1) * sizeof(struct conf_master *));
    conf->masters_count--;
    conf_master_destroy(master);
    sentinel_conf_index(conf);
}
