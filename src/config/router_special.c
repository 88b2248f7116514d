/* Options whose value is more than one word: addresses, lists, files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/config_room.h"
#include "config/router_room.h"

enum {
    ROUTER_SENTINEL_PORT = 26379, /* when none is written, as every client assumes */
    ROUTER_PORT_MAX = 65535,
};

/* ---- addresses ---- */

/* "10.0.0.1:6379", "[::1]:6379", "db1:6379", and without a port when there is a default. A numeric
 * IPv6 address without brackets has no port. */
static bool router_special_address(const char *text, uint16_t default_port, struct addr *at)
{
    char host[ADDR_NAME_MAX];
    const char *colon = strrchr(text, ':');
    const char *from = text;
    uint64_t port = default_port;

    if (addr_is_numeric(text)) {
        colon = NULL;
    } else if (text[0] == '[') {
        const char *bracket = strchr(text, ']');
        if (bracket == NULL || (bracket[1] != '\0' && bracket[1] != ':')) {
            return false;
        }
        from = text + 1;
        colon = bracket[1] == ':' ? bracket + 1 : NULL;
    }
    size_t len = colon == NULL ? strlen(from) : (size_t)(colon - from);
    if (from != text) {
        len = strcspn(from, "]");
    }
    if (colon != NULL && !text_to_u64(colon + 1, strlen(colon + 1), &port)) {
        return false;
    }
    if (len >= sizeof(host) || port == 0 || port > ROUTER_PORT_MAX) {
        return false;
    }
    memcpy(host, from, len);
    host[len] = '\0';
    return (from == text || strchr(host, ':') != NULL) && addr_set(at, host, (uint16_t)port);
}

/* Calls for each piece of "a,b,c". Blanks around are not part of it. */
static bool router_special_each(struct router_parse *p, const char *list,
                                bool (*on_piece)(struct router_parse *p, const char *piece))
{
    bool is_good = true;

    for (const char *at = list; at != NULL;) {
        const char *comma = strchr(at, ',');
        at += strspn(at, " ");
        size_t len = comma == NULL ? strlen(at) : (size_t)(comma > at ? comma - at : 0);
        while (len > 0 && at[len - 1] == ' ') {
            len--;
        }
        char *piece = strndup(at, len);
        if (piece == NULL) {
            assert_fail(__FILE__, __LINE__, __func__, "out of memory");
        }
        is_good = on_piece(p, piece) && is_good;
        free(piece);
        at = comma == NULL ? NULL : comma + 1;
    }
    return is_good;
}

static bool router_special_sentinel(struct router_parse *p, const char *text)
{
    struct router_conf *conf = &p->options->conf;
    struct addr at = {0};

    if (!router_special_address(text, ROUTER_SENTINEL_PORT, &at)) {
        return router_options_mistake(
            p, "\"%s\" is no address; write HOST:PORT, like 10.0.0.1:26379", text);
    }
    for (size_t i = 0; i < conf->monitors_count; i++) {
        if (addr_same(&conf->monitors[i], &at)) {
            return router_options_mistake(p, "%s is named twice; each monitor has one voice", text);
        }
    }
    if (conf->monitors_count == ROUTER_MONITORS_MAX) {
        return router_options_mistake(p, "more than %d monitors", ROUTER_MONITORS_MAX);
    }
    conf->monitors[conf->monitors_count++] = at;
    return true;
}

bool router_special_sentinels(struct router_parse *p, const char *value)
{
    return router_special_each(p, value, router_special_sentinel);
}

/* ---- where to listen ---- */

static bool router_special_mode(struct router_parse *p, const char *text, unsigned *mode)
{
    size_t len = strlen(text);
    unsigned made = 0;

    if (len < 3 || len > 4 || strspn(text, "01234567") != len || (len == 4 && text[0] != '0')) {
        return router_options_mistake(p, "mode=%s: write three octal digits, like mode=660", text);
    }
    for (size_t i = 0; i < len; i++) {
        made = made * 8 + (unsigned)(text[i] - '0');
    }
    *mode = made;
    return true;
}

static bool router_special_path(struct router_parse *p, const char *path, char *field)
{
    if (path[0] != '/') {
        return router_options_mistake(p, "\"%s\" is no absolute path", path);
    }
    if (!text_copy(field, ROUTER_UNIX_PATH_MAX, path)) {
        return router_options_mistake(p, "%s is too long for a unix socket: at most %d bytes", path,
                                      ROUTER_UNIX_PATH_MAX - 1);
    }
    return true;
}

static bool router_special_unix(struct router_parse *p, const char *text,
                                struct router_listen *listen)
{
    static const char mode_word[] = ",mode=";
    const char *mode = strstr(text, mode_word);
    size_t len = mode == NULL ? strlen(text) : (size_t)(mode - text);
    char *path = strndup(text, len);

    if (path == NULL) {
        assert_fail(__FILE__, __LINE__, __func__, "out of memory");
    }
    bool is_good = router_special_path(p, path, listen->path);
    free(path);
    return is_good &&
           (mode == NULL || router_special_mode(p, mode + sizeof(mode_word) - 1, &listen->mode));
}

static bool router_special_tcp(struct router_parse *p, const char *text,
                               struct router_listen *listen)
{
    struct addr at = {0};

    if (strspn(text, "0123456789") == strlen(text)) {
        return router_options_mistake(p, "\"%s\" is no address; write 127.0.0.1:%s", text, text);
    }
    if (text[0] == '*' || text[0] == ':') {
        return router_options_mistake(
            p, "\"%s\": write 0.0.0.0:PORT or [::]:PORT for every address", text);
    }
    if (!router_special_address(text, 0, &at)) {
        return router_options_mistake(
            p, "\"%s\" is no address; write 127.0.0.1:6379 or unix:/run/holdfast/redis.sock", text);
    }
    if (at.ip[0] == '\0') {
        return router_options_mistake(
            p, "\"%s\" is a name; write the number of the address, like 127.0.0.1:%u", text,
            (unsigned)at.port);
    }
    listen->at = at;
    return true;
}

static bool router_special_has(const struct router_listen *listens, size_t count,
                               const struct router_listen *listen)
{
    bool is_unix = !addr_is_set(&listen->at);

    for (size_t i = 0; i < count; i++) {
        if (is_unix ? strcmp(listens[i].path, listen->path) == 0
                    : addr_same(&listens[i].at, &listen->at)) {
            return true;
        }
    }
    return false;
}

static bool router_special_add(struct router_parse *p, const char *text,
                               struct router_listen *listens, size_t *count)
{
    const struct router_conf *conf = &p->options->conf;
    struct router_listen listen = {0};
    static const char unix_word[] = "unix:";
    bool is_unix = strncmp(text, unix_word, sizeof(unix_word) - 1) == 0;

    if (is_unix ? !router_special_unix(p, text + sizeof(unix_word) - 1, &listen)
                : !router_special_tcp(p, text, &listen)) {
        return false;
    }
    if (router_special_has(conf->listens, conf->listens_count, &listen) ||
        router_special_has(conf->replica_listens, conf->replica_listens_count, &listen)) {
        return router_options_mistake(p, "%s is listened on already", text);
    }
    if (*count == ROUTER_LISTENS_MAX) {
        return router_options_mistake(p, "more than %d addresses", ROUTER_LISTENS_MAX);
    }
    listens[(*count)++] = listen;
    return true;
}

bool router_special_listen(struct router_parse *p, const char *value)
{
    struct router_conf *conf = &p->options->conf;

    return router_special_add(p, value, conf->listens, &conf->listens_count);
}

bool router_special_listen_replicas(struct router_parse *p, const char *value)
{
    struct router_conf *conf = &p->options->conf;

    return router_special_add(p, value, conf->replica_listens, &conf->replica_listens_count);
}

/* ---- the rest ---- */

bool router_special_config(struct router_parse *p, const char *value)
{
    struct buf text = {0};
    struct err why = {{0}};

    if (p->source->read == NULL || !p->source->read(p->source->ctx, value, &text, &why)) {
        buf_finish(&text);
        return router_options_mistake(p, "%s", why.text[0] == '\0' ? value : why.text);
    }
    router_options_file(p, value, &text);
    buf_finish(&text);
    return true;
}

static bool router_special_session_db(struct router_parse *p, const char *text)
{
    uint64_t number = 0;

    if (!text_to_u64(text, strlen(text), &number) || number >= ROUTER_DATABASES_MAX) {
        return router_options_mistake(p,
                                      "\"%s\" is no database; write numbers from 0 to %d, like 1,2",
                                      text, ROUTER_DATABASES_MAX - 1);
    }
    p->options->conf.session_databases[number] = true;
    return true;
}

bool router_special_sessions_db(struct router_parse *p, const char *value)
{
    return router_special_each(p, value, router_special_session_db);
}

bool router_special_control(struct router_parse *p, const char *value)
{
    struct router_options *options = p->options;

    options->no_control = strcmp(value, "none") == 0;
    if (options->no_control) {
        options->conf.control_path[0] = '\0';
        return true;
    }
    return router_special_path(p, value, options->conf.control_path);
}

bool router_special_is_list(const struct router_option *option)
{
    return option->kind == ROUTER_OPTION_SPECIAL && option->parse != router_special_control;
}

void router_special_clear(struct router_parse *p, const struct router_option *option)
{
    struct router_conf *conf = &p->options->conf;

    if (option->parse == router_special_sentinels) {
        conf->monitors_count = 0;
    } else if (option->parse == router_special_listen) {
        conf->listens_count = 0;
    } else if (option->parse == router_special_listen_replicas) {
        conf->replica_listens_count = 0;
    } else if (option->parse == router_special_sessions_db) {
        memset(conf->session_databases, 0, sizeof(conf->session_databases));
    }
}
