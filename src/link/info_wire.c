/*
 * One pass over the lines, one row a field. The text is the server's and not trusted: a value is
 * taken only when all of it is what it should be.
 */
#include "link/info_wire.h"

#include <string.h>

#include "base/assert.h"
#include "base/text.h"

enum { PRIORITY_DEFAULT = 100 /* of a server older than the field */ };

struct info_reader {
    struct info_facts *facts;
    struct info_replica *replicas;
    int64_t replica_offset; /* slave_repl_offset, -1 when absent */
    char master_host[ADDR_NAME_MAX];
    uint16_t master_port;
};

struct info_value {
    const char *text;
    size_t len;
};

static bool info_is(struct info_value v, const char *word)
{
    return v.len == strlen(word) && memcmp(v.text, word, v.len) == 0;
}

static int64_t info_number(struct info_value v, int64_t otherwise)
{
    int64_t number = otherwise;

    if (v.len > 0) {                               /* a part that was absent has no text at all */
        (void)text_to_i64(v.text, v.len, &number); /* stays as it was when it is none */
    }
    return number;
}

static uint32_t info_u32(struct info_value v, uint32_t otherwise)
{
    int64_t number = info_number(v, otherwise);

    return number >= 0 && number <= UINT32_MAX ? (uint32_t)number : otherwise;
}

static bool info_port(struct info_value v, uint16_t *port)
{
    int64_t number = info_number(v, 0);

    if (number <= 0 || number > UINT16_MAX) {
        return false;
    }
    *port = (uint16_t)number;
    return true;
}

static bool info_copy(struct info_value v, char *field, size_t size)
{
    if (v.len == 0 || v.len >= size || memchr(v.text, '\0', v.len) != NULL) {
        return false;
    }
    memcpy(field, v.text, v.len);
    field[v.len] = '\0';
    return true;
}

static bool info_addr(struct info_value host, struct info_value port, struct addr *addr)
{
    char name[ADDR_NAME_MAX];
    uint16_t number = 0;

    return info_copy(host, name, sizeof(name)) && info_port(port, &number) &&
           addr_set(addr, name, number);
}

/* Ids stand in sentinel.conf, hellos and events: nothing but letters and digits may. */
static void info_id(struct info_value v, char field[RUN_ID_MAX])
{
    for (size_t i = 0; i < v.len; i++) {
        char c = v.text[i];
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_plain) {
            return;
        }
    }
    (void)info_copy(v, field, RUN_ID_MAX); /* too long: as if absent */
}

/* ---- the fields ---- */

static void info_run_id(struct info_reader *r, struct info_value v)
{
    info_id(v, r->facts->run_id);
}

static void info_uptime(struct info_reader *r, struct info_value v)
{
    r->facts->uptime_s = info_number(v, -1);
}

static void info_loading(struct info_reader *r, struct info_value v)
{
    r->facts->loading = info_is(v, "1");
}

static void info_role(struct info_reader *r, struct info_value v)
{
    if (info_is(v, "master")) {
        r->facts->role = ROLE_MASTER;
    } else if (info_is(v, "slave") || info_is(v, "replica")) {
        r->facts->role = ROLE_REPLICA;
    }
}

static void info_replid(struct info_reader *r, struct info_value v)
{
    info_id(v, r->facts->replid);
}

/* Forty zeros say that there is none. */
static void info_replid2(struct info_reader *r, struct info_value v)
{
    info_id(v, r->facts->replid2);
    if (strspn(r->facts->replid2, "0") == strlen(r->facts->replid2)) {
        r->facts->replid2[0] = '\0';
    }
}

static void info_second_offset(struct info_reader *r, struct info_value v)
{
    r->facts->second_offset = info_number(v, -1);
}

static void info_offset(struct info_reader *r, struct info_value v)
{
    int64_t offset = info_number(v, 0);

    r->facts->offset = offset > 0 ? offset : 0;
}

static void info_replica_offset(struct info_reader *r, struct info_value v)
{
    r->replica_offset = info_number(v, -1);
}

static void info_connected(struct info_reader *r, struct info_value v)
{
    r->facts->connected_replicas = info_u32(v, 0);
}

static void info_master_host(struct info_reader *r, struct info_value v)
{
    (void)info_copy(v, r->master_host, sizeof(r->master_host)); /* too long: as if absent */
}

static void info_master_port(struct info_reader *r, struct info_value v)
{
    (void)info_port(v, &r->master_port); /* stays 0: unknown */
}

static void info_link_status(struct info_reader *r, struct info_value v)
{
    r->facts->master_link_up = info_is(v, "up");
}

/* -1 on a replica that was never in sync since it started. */
static void info_link_down_s(struct info_reader *r, struct info_value v)
{
    int64_t down_s = info_number(v, 0);

    if (down_s > 0 && down_s < INT64_MAX / 1000) {
        r->facts->master_link_down_ms = down_s * 1000;
    }
}

static void info_sync(struct info_reader *r, struct info_value v)
{
    r->facts->sync_in_progress = info_is(v, "1");
}

static void info_priority(struct info_reader *r, struct info_value v)
{
    r->facts->priority = info_u32(v, PRIORITY_DEFAULT);
}

static void info_announced(struct info_reader *r, struct info_value v)
{
    r->facts->announced = !info_is(v, "0");
}

/* clang-format off */
static const struct info_row {
    const char *name;
    size_t len;
    void (*take)(struct info_reader *r, struct info_value v);
} info_rows[] = {
#define ROW(name, take) { name, sizeof(name) - 1, take }
    ROW("run_id",                         info_run_id),
    ROW("uptime_in_seconds",              info_uptime),
    ROW("loading",                        info_loading),
    ROW("role",                           info_role),
    ROW("connected_slaves",               info_connected),
    ROW("master_host",                    info_master_host),
    ROW("master_port",                    info_master_port),
    ROW("master_link_status",             info_link_status),
    ROW("master_link_down_since_seconds", info_link_down_s),
    ROW("master_sync_in_progress",        info_sync),
    ROW("slave_repl_offset",              info_replica_offset),
    ROW("slave_priority",                 info_priority),
    ROW("replica_announced",              info_announced),
    ROW("master_replid",                  info_replid),
    ROW("master_replid2",                 info_replid2),
    ROW("master_repl_offset",             info_offset),
    ROW("second_repl_offset",             info_second_offset),
#undef ROW
};
/* clang-format on */

/* ---- lines with a number in their name ---- */

/* Takes what stands before the next comma. */
static struct info_value info_part(struct info_value *rest)
{
    const char *comma = rest->len > 0 ? memchr(rest->text, ',', rest->len) : NULL;
    struct info_value part = *rest;

    if (comma == NULL) {
        rest->text += rest->len;
        rest->len = 0;
        return part;
    }
    part.len = (size_t)(comma - part.text);
    rest->text += part.len + 1;
    rest->len -= part.len + 1;
    return part;
}

/* True, and *v is what follows, when it begins with the prefix. */
static bool info_after(struct info_value *v, const char *prefix)
{
    size_t len = strlen(prefix);

    if (v->len < len || memcmp(v->text, prefix, len) != 0) {
        return false;
    }
    v->text += len;
    v->len -= len;
    return true;
}

/* "ip=10.0.0.2,port=6379,state=online,offset=42,lag=0", before Redis 2.8 "10.0.0.2,6379,online". */
static void info_replica(struct info_reader *r, struct info_value v)
{
    struct info_replica replica = {0};
    struct info_value host = {0};
    struct info_value port = {0};
    bool is_old = memmem(v.text, v.len, "ip=", 3) == NULL;

    if (r->facts->replicas_count == REPLICAS_PER_MASTER_MAX) {
        return;
    }
    if (is_old) {
        host = info_part(&v);
        port = info_part(&v);
    }
    while (!is_old && v.len > 0) {
        struct info_value part = info_part(&v);
        if (info_after(&part, "ip=")) {
            host = part;
        } else if (info_after(&part, "port=")) {
            port = part;
        } else if (info_after(&part, "offset=")) {
            int64_t offset = info_number(part, 0);
            replica.offset = offset > 0 ? (uint64_t)offset : 0;
        }
    }
    if (info_addr(host, port, &replica.addr)) {
        r->replicas[r->facts->replicas_count++] = replica;
    }
}

/* db0:keys=12,expires=0,avg_ttl=0 */
static void info_database(struct info_reader *r, struct info_value v)
{
    while (v.len > 0) {
        struct info_value part = info_part(&v);
        if (info_after(&part, "keys=")) {
            int64_t keys = info_number(part, 0);
            int64_t before = r->facts->keys > 0 ? r->facts->keys : 0;
            r->facts->keys = keys > 0 && keys <= INT64_MAX - before ? before + keys : before;
        }
    }
}

static bool info_is_numbered(struct info_value name, const char *prefix)
{
    return info_after(&name, prefix) && name.len > 0 && name.text[0] >= '0' && name.text[0] <= '9';
}

/* ---- the text ---- */

static void info_line(struct info_reader *r, struct info_value line)
{
    const char *colon = memchr(line.text, ':', line.len);

    if (colon == NULL) {
        if (info_is(line, "# Keyspace") && r->facts->keys < 0) {
            r->facts->keys = 0;
        }
        return;
    }
    struct info_value name = {line.text, (size_t)(colon - line.text)};
    struct info_value v = {colon + 1, line.len - name.len - 1};
    for (size_t i = 0; i < COUNT_OF(info_rows); i++) {
        if (info_rows[i].len == name.len && memcmp(info_rows[i].name, name.text, name.len) == 0) {
            info_rows[i].take(r, v);
            return;
        }
    }
    if (info_is_numbered(name, "slave")) {
        info_replica(r, v);
    } else if (info_is_numbered(name, "db")) {
        info_database(r, v);
    }
}

static void info_settle(struct info_reader *r)
{
    struct info_facts *facts = r->facts;

    if (facts->role == ROLE_REPLICA) {
        if (r->replica_offset >= 0) {
            facts->offset = r->replica_offset;
        }
        if (!addr_set(&facts->master_addr, r->master_host, r->master_port)) {
            facts->master_addr = (struct addr){0};
        }
        if (facts->master_link_up) {
            facts->master_link_down_ms = 0;
        }
        facts->replicas_count = 0; /* those of its own: they are not the master's */
    }
}

bool info_wire_decode(const char *text, size_t len, struct info_facts *facts,
                      struct info_replica replicas[REPLICAS_PER_MASTER_MAX])
{
    struct info_reader reader = {.facts = facts, .replicas = replicas, .replica_offset = -1};
    const char *end = text + len;

    *facts = (struct info_facts){
        .second_offset = -1,
        .keys = -1,
        .uptime_s = -1,
        .priority = PRIORITY_DEFAULT,
        .announced = true,
        .replicas = replicas,
    };
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *line_end = newline != NULL ? newline : end;
        struct info_value line = {text, (size_t)(line_end - text)};
        if (line.len > 0 && line.text[line.len - 1] == '\r') {
            line.len--;
        }
        if (line.len > 0) {
            info_line(&reader, line);
        }
        text = newline != NULL ? newline + 1 : end;
    }
    info_settle(&reader);
    return facts->role != ROLE_UNKNOWN;
}
