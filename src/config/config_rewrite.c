/*
 * The file as it must be after a change of state, on the ground of what it is. Every line that may
 * be ours to change is filed under a key ("port", "sentinel known-replica mymaster"); then every
 * line that must be there takes the place of the next one under its key, or goes to the end; what
 * is left over goes. One walk over the file and one over the configuration, whatever their size:
 * this runs at each vote.
 */
#include "config/config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_room.h"

enum { CONFIG_REWRITE_SLOTS_MIN = 64 };

enum config_fate {
    CONFIG_KEEP,    /* as it stands */
    CONFIG_DROP,    /* ours, and no longer wanted */
    CONFIG_REPLACE, /* by text_at, text_len of texts */
    CONFIG_BROKEN,  /* cannot be read: a comment from now on, or the file would not load */
};

struct config_old {
    const char *text; /* the line as it stands, without its '\n' */
    size_t len;
    enum config_fate fate;
    size_t new_at;
    size_t new_len;
    size_t key_at;
    size_t key_len;
    size_t next; /* line + 1 with the same key, 0 at the end */
};

struct config_slot {
    size_t first; /* line + 1, 0 when the slot is free */
    size_t last;
    size_t unused; /* the next line to take, line + 1, 0 when none is left */
};

struct config_rewriter {
    const struct sentinel_conf *conf;
    struct config_old *olds;
    size_t olds_count;
    struct buf keys;
    struct config_slot *slots;
    size_t slots_count;
    struct buf news;     /* lines that replace others */
    struct buf appended; /* lines that go to the end */
    struct buf line;     /* scratch: the line that is being made */
    struct words old_words;
    struct words new_words;
    bool is_signed; /* the signature stands in the file already */
};

/* ---- keys ---- */

/* Directives are ASCII: the locale has no say. */
static char config_rewrite_lower(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return (char)(c - 'A' + 'a');
    }
    return c;
}

static void config_rewrite_add_lower(struct buf *key, const char *text)
{
    size_t len = strlen(text);
    char *to = buf_reserve(key, len);

    for (size_t i = 0; i < len; i++) {
        to[i] = config_rewrite_lower(text[i]);
    }
    buf_grew(key, len);
}

/* The key of a sentinel line. The '\n' parts words, which may hold blanks. */
static void config_rewrite_stanza_key(struct buf *key, const struct config_stanza *stanza,
                                      const char *master)
{
    buf_append_text(key, "sentinel\n");
    buf_append_text(key, stanza->canonical);
    if (stanza->pass != CONFIG_PASS_GLOBAL) {
        buf_append_text(key, "\n");
        buf_append_text(key, master);
    }
}

/* Appends the key of a split line. False when the line is not ours to change. */
static bool config_rewrite_key(struct buf *key, const struct words *words)
{
    const char *name = words_at(words, 0);
    enum conf_client_class class_;

    switch (config_directive_find(name)) {
    case CONFIG_DIRECTIVE_NONE:
        if (config_option_find(name) < 0) {
            return false;
        }
        config_rewrite_add_lower(key, name);
        return true;
    case CONFIG_DIRECTIVE_BIND:
    case CONFIG_DIRECTIVE_USER:
        config_rewrite_add_lower(key, name);
        return true;
    case CONFIG_DIRECTIVE_OUTPUT_LIMIT:
        if (words->count < 2 || !config_directive_client_class(words_at(words, 1), &class_)) {
            return false;
        }
        buf_printf(key, "client-output-buffer-limit\n%s", config_client_class_names[class_]);
        return true;
    case CONFIG_DIRECTIVE_SENTINEL: {
        const struct config_stanza *stanza =
            words->count < 3 ? NULL : config_stanza_find(words_at(words, 1));
        if (stanza == NULL) {
            return false;
        }
        config_rewrite_stanza_key(key, stanza, words_at(words, 2));
        return true;
    }
    case CONFIG_DIRECTIVE_RENAME_COMMAND:
    case CONFIG_DIRECTIVE_INCLUDE:
        return false; /* nothing changes them while we run */
    }
    UNREACHABLE("a directive of no name");
}

static uint64_t config_rewrite_hash(const char *key, size_t len)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a: the file is the operator's own */

    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ (unsigned char)key[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

/* The slot of a key, or the free one where it belongs.
 * Twice as many slots as lines: one is free. */
static struct config_slot *config_rewrite_slot(const struct config_rewriter *w, const char *key,
                                               size_t len)
{
    size_t mask = w->slots_count - 1;
    size_t at = (size_t)config_rewrite_hash(key, len) & mask;

    while (w->slots[at].first != 0) {
        const struct config_old *old = &w->olds[w->slots[at].first - 1];
        if (old->key_len == len && memcmp(buf_data(&w->keys) + old->key_at, key, len) == 0) {
            break;
        }
        at = (at + 1) & mask;
    }
    return &w->slots[at];
}

/* ---- the file as it is ---- */

static void *config_rewrite_array(size_t count, size_t size)
{
    void *made = calloc(count, size);

    if (made == NULL) {
        assert_fail(__FILE__, __LINE__, __func__, "out of memory");
    }
    return made;
}

/* Files a line under its key; the keys' buffer may move until all lines are read. */
static void config_rewrite_read_line(struct config_rewriter *w, const struct config_line *line,
                                     struct config_old *old)
{
    if (config_line_is_blank(line)) {
        w->is_signed = w->is_signed || (line->len == sizeof(CONF_REWRITE_SIGNATURE) - 1 &&
                                        memcmp(line->text, CONF_REWRITE_SIGNATURE, line->len) == 0);
        return;
    }
    if (!words_split(&w->old_words, line->text, line->len) || w->old_words.count == 0) {
        old->fate = CONFIG_BROKEN;
        return;
    }
    old->key_at = w->keys.len;
    if (config_rewrite_key(&w->keys, &w->old_words)) {
        old->fate = CONFIG_DROP;
        old->key_len = w->keys.len - old->key_at;
    }
}

static void config_rewrite_read(struct config_rewriter *w, const char *text, size_t len)
{
    const char *end = text + len;
    const char *at = text;
    struct config_line line = {.origin = CONFIG_FROM_FILE};
    size_t count = 0;

    for (const char *c = text; c < end; c++) {
        count += *c == '\n' ? 1 : 0;
    }
    w->olds = config_rewrite_array(count + 1, sizeof(*w->olds));
    w->slots_count = CONFIG_REWRITE_SLOTS_MIN;
    while (w->slots_count < (count + 1) * 2) {
        w->slots_count *= 2;
    }
    w->slots = config_rewrite_array(w->slots_count, sizeof(*w->slots));
    for (const char *from = at; config_line_next(&at, end, &line); from = at) {
        struct config_old *old = &w->olds[w->olds_count++];
        old->text = from;
        old->len = (size_t)(at - from) - (at[-1] == '\n' ? 1 : 0);
        config_rewrite_read_line(w, &line, old);
    }
}

static void config_rewrite_index(struct config_rewriter *w)
{
    for (size_t i = 0; i < w->olds_count; i++) {
        struct config_old *old = &w->olds[i];
        if (old->fate != CONFIG_DROP) {
            continue;
        }
        struct config_slot *slot =
            config_rewrite_slot(w, buf_data(&w->keys) + old->key_at, old->key_len);
        if (slot->first == 0) {
            *slot = (struct config_slot){.first = i + 1, .last = i + 1, .unused = i + 1};
        } else {
            w->olds[slot->last - 1].next = i + 1;
            slot->last = i + 1;
        }
    }
}

/* ---- the lines that must be there ---- */

/* How many words at the front only name the line: they may be spelled in several ways. */
static size_t config_rewrite_name_words(const struct words *words)
{
    return config_directive_find(words_at(words, 0)) == CONFIG_DIRECTIVE_SENTINEL ? 2 : 1;
}

/* The operator's own spelling and spacing stay while they say the same. */
static bool config_rewrite_says_same(struct config_rewriter *w, const struct config_old *old)
{
    struct words *a = &w->old_words;
    struct words *b = &w->new_words;

    if (!words_split(a, old->text, old->len) || !words_split(b, buf_data(&w->line), w->line.len) ||
        a->count != b->count) {
        return false;
    }
    for (size_t i = config_rewrite_name_words(b); i < a->count; i++) {
        if (words_len(a, i) != words_len(b, i) ||
            memcmp(words_at(a, i), words_at(b, i), words_len(a, i)) != 0) {
            return false;
        }
    }
    return true;
}

/* Puts w->line into the place of the next old line of its key, or, when there is none and it must
 * be there, at the end. Empties w->line. */
static void config_rewrite_put(struct config_rewriter *w, bool must)
{
    size_t key_at = w->keys.len;
    bool split = words_split(&w->new_words, buf_data(&w->line), w->line.len);

    ASSERT(split);
    bool is_ours = config_rewrite_key(&w->keys, &w->new_words);
    ASSERT(is_ours);
    struct config_slot *slot =
        config_rewrite_slot(w, buf_data(&w->keys) + key_at, w->keys.len - key_at);
    if (slot->first != 0 && slot->unused != 0) {
        struct config_old *old = &w->olds[slot->unused - 1];
        slot->unused = old->next;
        if (config_rewrite_says_same(w, old)) {
            old->fate = CONFIG_KEEP;
        } else {
            old->fate = CONFIG_REPLACE;
            old->new_at = w->news.len;
            old->new_len = w->line.len;
            buf_append(&w->news, buf_data(&w->line), w->line.len);
        }
    } else if (must) {
        buf_append(&w->appended, buf_data(&w->line), w->line.len);
        buf_append_text(&w->appended, "\n");
    }
    w->keys.len = key_at; /* scratch from here on */
    w->line.len = 0;
}

static void config_rewrite_word(struct config_rewriter *w, const char *word)
{
    buf_append_text(&w->line, " ");
    words_quote(&w->line, word, strlen(word));
}

static void config_rewrite_begin(struct config_rewriter *w, const char *stanza, const char *master)
{
    buf_printf(&w->line, "sentinel %s", stanza);
    if (master != NULL) {
        config_rewrite_word(w, master);
    }
}

/* A text that is not set has no line. */
static void config_rewrite_text(struct config_rewriter *w, const char *stanza, const char *master,
                                const char *text)
{
    if (text != NULL) {
        config_rewrite_begin(w, stanza, master);
        config_rewrite_word(w, text);
        config_rewrite_put(w, true);
    }
}

static void config_rewrite_number(struct config_rewriter *w, const char *stanza, const char *master,
                                  int64_t number, int64_t default_)
{
    config_rewrite_begin(w, stanza, master);
    buf_printf(&w->line, " %" PRId64, number);
    config_rewrite_put(w, number != default_);
}

static void config_rewrite_epoch(struct config_rewriter *w, const char *stanza, const char *master,
                                 uint64_t epoch)
{
    config_rewrite_begin(w, stanza, master);
    buf_printf(&w->line, " %" PRIu64, epoch);
    config_rewrite_put(w, true);
}

static void config_rewrite_bool(struct config_rewriter *w, const char *stanza, bool value,
                                bool default_)
{
    config_rewrite_begin(w, stanza, NULL);
    buf_append_text(&w->line, value ? " yes" : " no");
    config_rewrite_put(w, value != default_);
}

/* A name only while names are resolved: else the file would not load. */
static void config_rewrite_addr(struct config_rewriter *w, const struct addr *addr)
{
    bool want_name = w->conf->announce_hostnames && w->conf->resolve_hostnames;

    config_rewrite_word(w, addr_host(addr, want_name));
    buf_printf(&w->line, " %u", (unsigned)addr->port);
}

/* ---- all of them, in the order in which new ones are appended ---- */

static void config_rewrite_generic(struct config_rewriter *w)
{
    const struct sentinel_conf *conf = w->conf;

    for (size_t i = 0; i < config_options_count(); i++) {
        config_option_write(&conf->options, (int)i, &w->line);
        config_rewrite_put(w, !config_option_is_default(&conf->options, (int)i));
    }
    if (conf->bind.count > 0) {
        buf_append_text(&w->line, "bind");
        for (size_t i = 0; i < conf->bind.count; i++) {
            config_rewrite_word(w, conf->bind.items[i].text);
        }
        config_rewrite_put(w, true);
    }
    for (size_t i = 0; i < conf->user_lines.count; i++) {
        buf_printf(&w->line, "user %s", conf->user_lines.items[i].text);
        config_rewrite_put(w, true);
    }
    for (int i = 0; i < CONF_CLIENT_CLASSES; i++) {
        const struct conf_output_limit *limit = &conf->output_limits[i];
        const struct conf_output_limit *usual = &config_output_limit_defaults[i];
        buf_printf(&w->line, "client-output-buffer-limit %s ", config_client_class_names[i]);
        config_option_write_bytes(&w->line, limit->hard_bytes);
        buf_append_text(&w->line, " ");
        config_option_write_bytes(&w->line, limit->soft_bytes);
        buf_printf(&w->line, " %" PRId64, limit->soft_s);
        config_rewrite_put(w, limit->hard_bytes != usual->hard_bytes ||
                                  limit->soft_bytes != usual->soft_bytes ||
                                  limit->soft_s != usual->soft_s);
    }
}

static void config_rewrite_peers(struct config_rewriter *w, const struct conf_master *m)
{
    for (size_t i = 0; i < m->replicas_count; i++) {
        config_rewrite_begin(w, "known-replica", m->name);
        config_rewrite_addr(w, &m->replicas[i]);
        config_rewrite_put(w, true);
    }
    for (size_t i = 0; i < m->sentinels_count; i++) {
        config_rewrite_begin(w, "known-sentinel", m->name);
        config_rewrite_addr(w, &m->sentinels[i].addr);
        config_rewrite_word(w, m->sentinels[i].runid);
        config_rewrite_put(w, true);
    }
}

static void config_rewrite_master(struct config_rewriter *w, const struct conf_master *m)
{
    config_rewrite_begin(w, "monitor", m->name);
    config_rewrite_addr(w, &m->addr);
    buf_printf(&w->line, " %" PRId64, m->quorum);
    config_rewrite_put(w, true);
    config_rewrite_number(w, "down-after-milliseconds", m->name, m->down_after_ms,
                          CONF_DOWN_AFTER_MS);
    config_rewrite_number(w, "failover-timeout", m->name, m->failover_timeout_ms,
                          CONF_FAILOVER_TIMEOUT_MS);
    config_rewrite_number(w, "parallel-syncs", m->name, m->parallel_syncs, CONF_PARALLEL_SYNCS);
    config_rewrite_text(w, "notification-script", m->name, m->notification_script);
    config_rewrite_text(w, "client-reconfig-script", m->name, m->client_reconfig_script);
    config_rewrite_text(w, "auth-pass", m->name, m->auth_pass.text);
    config_rewrite_text(w, "auth-user", m->name, m->auth_user);
    config_rewrite_number(w, "master-reboot-down-after-period", m->name,
                          m->master_reboot_down_after_ms, 0);
    config_rewrite_number(w, "refused-after-milliseconds", m->name, m->refused_after_ms, 0);
    config_rewrite_epoch(w, "config-epoch", m->name, m->config_epoch);
    config_rewrite_epoch(w, "leader-epoch", m->name, m->leader_epoch);
    for (size_t i = 0; i < m->renames.count; i++) {
        config_rewrite_begin(w, "rename-command", m->name);
        config_rewrite_word(w, m->renames.items[i].from);
        config_rewrite_word(w, m->renames.items[i].to);
        config_rewrite_put(w, true);
    }
    config_rewrite_peers(w, m);
}

static void config_rewrite_sentinel(struct config_rewriter *w)
{
    const struct sentinel_conf *conf = w->conf;

    config_rewrite_text(w, "myid", NULL, conf->myid[0] == '\0' ? NULL : conf->myid);
    config_rewrite_bool(w, "deny-scripts-reconfig", conf->deny_scripts_reconfig, true);
    config_rewrite_bool(w, "resolve-hostnames", conf->resolve_hostnames, false);
    config_rewrite_bool(w, "announce-hostnames", conf->announce_hostnames, false);
    for (size_t i = 0; i < conf->masters_count; i++) {
        config_rewrite_master(w, conf->masters[i]);
    }
    config_rewrite_epoch(w, "current-epoch", NULL, conf->current_epoch);
    config_rewrite_text(w, "announce-ip", NULL, conf->announce_ip);
    config_rewrite_number(w, "announce-port", NULL, conf->announce_port, 0);
    config_rewrite_text(w, "sentinel-user", NULL, conf->sentinel_user);
    config_rewrite_text(w, "sentinel-pass", NULL, conf->sentinel_pass.text);
}

/* ---- the file as it will be ---- */

static void config_rewrite_print(const struct config_rewriter *w, struct buf *out)
{
    for (size_t i = 0; i < w->olds_count; i++) {
        const struct config_old *old = &w->olds[i];
        switch (old->fate) {
        case CONFIG_DROP:
            continue;
        case CONFIG_BROKEN:
            buf_append_text(out, "# ??? ");
            buf_append(out, old->text, old->len);
            break;
        case CONFIG_KEEP:
            buf_append(out, old->text, old->len);
            break;
        case CONFIG_REPLACE:
            buf_append(out, buf_data(&w->news) + old->new_at, old->new_len);
            break;
        }
        buf_append_text(out, "\n");
    }
    if (w->appended.len > 0) {
        buf_append_text(out, w->is_signed ? "" : CONF_REWRITE_SIGNATURE "\n");
        buf_append(out, buf_data(&w->appended), w->appended.len);
    }
}

/* The buffers hold passwords. */
static void config_rewrite_wipe(struct buf *b)
{
    if (b->bytes != NULL) {
        explicit_bzero(b->bytes, b->capacity);
    }
    buf_finish(b);
}

void config_rewrite(const char *original, size_t len, const struct sentinel_conf *conf,
                    struct buf *out)
{
    struct config_rewriter w = {.conf = conf};

    config_rewrite_read(&w, original, len);
    config_rewrite_index(&w);
    config_rewrite_generic(&w);
    config_rewrite_sentinel(&w);
    config_rewrite_print(&w, out);
    free(w.olds);
    free(w.slots);
    buf_finish(&w.keys);
    config_rewrite_wipe(&w.news);
    config_rewrite_wipe(&w.appended);
    config_rewrite_wipe(&w.line);
    words_finish(&w.old_words);
    words_finish(&w.new_words);
}
