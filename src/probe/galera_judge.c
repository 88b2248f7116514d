#include "probe/galera_judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"

/* ---- values ---- */

enum value_type { VALUE_FLAG, VALUE_NUMBER, VALUE_TEXT };

struct value_row {
    const char *name;
    enum value_type type;
    size_t offset;
    size_t size; /* of a text */
};

#define FLAG(name, field)                                                                          \
    {                                                                                              \
        name, VALUE_FLAG, offsetof(struct galera_status, field), 0                                 \
    }
#define NUMBER(name, field)                                                                        \
    {                                                                                              \
        name, VALUE_NUMBER, offsetof(struct galera_status, field), 0                               \
    }
#define TEXT(name, field)                                                                          \
    {                                                                                              \
        name, VALUE_TEXT, offsetof(struct galera_status, field),                                   \
            sizeof(((struct galera_status *)NULL)->field)                                          \
    }

/* clang-format off */
static const struct value_row value_rows[] = {
    FLAG("innodb_read_only", is_innodb_read_only),
    FLAG("offline_mode", is_offline),
    TEXT("pxc_maint_mode", maint_mode),
    FLAG("read_only", is_read_only),
    FLAG("super_read_only", is_super_read_only),
    NUMBER("wsrep_cluster_conf_id", conf_id),
    NUMBER("wsrep_cluster_size", cluster_size),
    TEXT("wsrep_cluster_state_uuid", cluster_uuid),
    TEXT("wsrep_cluster_status", cluster_status),
    FLAG("wsrep_connected", is_connected),
    FLAG("wsrep_desync", is_desync),
    NUMBER("wsrep_flow_control_paused_ns", paused_ns),
    NUMBER("wsrep_last_committed", last_committed),
    NUMBER("wsrep_local_index", local_index),
    NUMBER("wsrep_local_recv_queue", recv_queue),
    NUMBER("wsrep_local_send_queue", send_queue),
    NUMBER("wsrep_local_state", local_state),
    TEXT("wsrep_local_state_comment", state_comment),
    FLAG("wsrep_on", has_wsrep),
    FLAG("wsrep_ready", is_ready),
    TEXT("wsrep_reject_queries", reject_queries),
    FLAG("wsrep_sst_donor_rejects_queries", rejects_as_donor),
};
/* clang-format on */

void galera_status_init(struct galera_status *s)
{
    *s = (struct galera_status){.local_state = GALERA_STATE_UNKNOWN, .local_index = -1};
}

static bool galera_is_off(const char *value)
{
    return text_same(value, "OFF") || text_same(value, "0") || text_same(value, "NO") ||
           value[0] == '\0';
}

bool galera_status_take(struct galera_status *s, const char *name, const char *value)
{
    for (size_t i = 0; i < COUNT_OF(value_rows); i++) {
        const struct value_row *row = &value_rows[i];
        void *field = (char *)s + row->offset;
        if (!text_same(row->name, name)) {
            continue;
        }
        switch (row->type) {
        case VALUE_FLAG:
            *(bool *)field = !galera_is_off(value);
            break;
        case VALUE_NUMBER:
            (void)text_to_i64(value, strlen(value), field); /* keeps what it was */
            break;
        case VALUE_TEXT:
            text_cut(field, row->size, value);
            break;
        }
        return true;
    }
    return false;
}

/* ---- the judgement ---- */

static void galera_say(struct evidence *e, enum verdict verdict, const char *format, ...)
    PRINTF_LIKE(3, 4);

static void galera_say(struct evidence *e, enum verdict verdict, const char *format, ...)
{
    va_list args;

    e->verdict = verdict;
    va_start(args, format);
    (void)vsnprintf(e->reason, sizeof(e->reason), format, args); /* a reason may be cut */
    va_end(args);
}

static const char *galera_word(const char *word, const char *otherwise)
{
    return word[0] != '\0' ? word : otherwise;
}

/* Is it a member of the right group at all? */
static bool galera_judge_group(const struct galera_status *s, const struct galera_rules *rules,
                               struct evidence *e)
{
    if (!s->has_wsrep) {
        galera_say(e, VERDICT_NOT_READY,
                   "wsrep is off, this is no Galera node: set wsrep_on=ON and wsrep_provider, or "
                   "make the service kind mysql");
    } else if (!text_same(s->cluster_status, "Primary")) {
        galera_say(e, VERDICT_NOT_READY,
                   "%s component (wsrep_cluster_status %s, wsrep_local_state %lld)",
                   text_same(s->cluster_status, "non-Primary") ? "non-Primary" : "not in a Primary",
                   galera_word(s->cluster_status, "not given"), (long long)s->local_state);
    } else if (!s->is_connected) {
        galera_say(e, VERDICT_NOT_READY, "not connected to its group (wsrep_connected is OFF)");
    } else if (rules->cluster_uuid[0] != '\0' && !text_same(rules->cluster_uuid, s->cluster_uuid)) {
        galera_say(e, VERDICT_NOT_READY,
                   "belongs to another cluster (wsrep_cluster_state_uuid %s, the others have %s)",
                   galera_word(s->cluster_uuid, "not given"), rules->cluster_uuid);
    } else {
        return true;
    }
    return false;
}

/* Would it answer queries? A donor may. */
static bool galera_judge_state(const struct galera_status *s, struct evidence *e)
{
    const char *comment = galera_word(s->state_comment, "not synced");

    if (s->local_state != GALERA_STATE_SYNCED && s->local_state != GALERA_STATE_DONOR) {
        galera_say(e, VERDICT_NOT_READY, "%s (wsrep_local_state %lld)", comment,
                   (long long)s->local_state);
    } else if (!s->is_ready) {
        galera_say(e, VERDICT_NOT_READY, "wsrep_ready is OFF: it answers queries with error 1047");
    } else if (s->maint_mode[0] != '\0' && !text_same(s->maint_mode, "DISABLED")) {
        galera_say(e, VERDICT_NOT_READY, "in maintenance (pxc_maint_mode is %s)", s->maint_mode);
    } else if (s->reject_queries[0] != '\0' && !text_same(s->reject_queries, "NONE")) {
        galera_say(e, VERDICT_NOT_READY, "it rejects queries (wsrep_reject_queries is %s)",
                   s->reject_queries);
    } else if (s->local_state == GALERA_STATE_DONOR && s->rejects_as_donor && !s->is_desync) {
        galera_say(e, VERDICT_NOT_READY,
                   "%s, and it rejects queries meanwhile (wsrep_sst_donor_rejects_queries is ON)",
                   comment);
    } else {
        return true;
    }
    return false;
}

/* Does it take writes? */
static bool galera_judge_writable(const struct galera_status *s, struct evidence *e)
{
    if (s->is_offline) {
        galera_say(e, VERDICT_NOT_READY, "offline_mode is ON");
    } else if (s->is_innodb_read_only) {
        galera_say(e, VERDICT_NOT_READY, "innodb_read_only is ON");
    } else if (s->is_super_read_only) {
        galera_say(e, VERDICT_NOT_READY, "super_read_only is ON");
    } else if (s->is_read_only) {
        galera_say(e, VERDICT_NOT_READY, "read_only is ON");
    } else {
        return true;
    }
    return false;
}

/* In the group, but behind it? Says nothing when it is not. */
static void galera_judge_pace(const struct galera_status *s, const struct galera_rules *rules,
                              struct evidence *e)
{
    bool is_apart = s->local_state == GALERA_STATE_DONOR || s->is_desync;

    if (is_apart && rules->donor != GALERA_DONOR_READY) {
        galera_say(e, rules->donor == GALERA_DONOR_AVOID ? VERDICT_AVOID : VERDICT_NOT_READY,
                   "%s (wsrep_local_state %lld%s)", galera_word(s->state_comment, "desynced"),
                   (long long)s->local_state, s->is_desync ? ", wsrep_desync is ON" : "");
    } else if (rules->recv_queue_max > 0 && s->recv_queue > rules->recv_queue_max) {
        galera_say(e, VERDICT_AVOID, "%lld write sets wait to be applied, above %lld",
                   (long long)s->recv_queue, (long long)rules->recv_queue_max);
    } else if (rules->paused_max_permille > 0 && s->paused_permille > rules->paused_max_permille) {
        galera_say(e, VERDICT_AVOID,
                   "flow control paused it for %lld.%lld %% of the time, above %lld.%lld %%",
                   (long long)s->paused_permille / 10, (long long)s->paused_permille % 10,
                   (long long)rules->paused_max_permille / 10,
                   (long long)rules->paused_max_permille % 10);
    }
}

void galera_judge(const struct galera_status *s, const struct galera_rules *rules,
                  struct evidence *evidence, bool *can_read)
{
    *can_read = false;
    if (!galera_judge_group(s, rules, evidence) || !galera_judge_state(s, evidence)) {
        return;
    }
    struct evidence pace = {.verdict = VERDICT_READY};
    galera_judge_pace(s, rules, &pace);
    *can_read = !s->is_offline && pace.verdict != VERDICT_NOT_READY;
    if (!galera_judge_writable(s, evidence)) {
        return;
    }
    if (pace.verdict != VERDICT_READY) {
        galera_say(evidence, pace.verdict, "%s", pace.reason);
        return;
    }
    galera_say(evidence, VERDICT_READY, "%s (wsrep_local_state %lld), cluster of %lld",
               galera_word(s->state_comment, "Synced"), (long long)s->local_state,
               (long long)s->cluster_size);
}

void galera_judge_plain(const struct galera_status *s, struct evidence *evidence, bool *can_read)
{
    bool is_writable = galera_judge_writable(s, evidence);

    *can_read = !s->is_offline;
    if (is_writable) {
        galera_say(evidence, VERDICT_READY, "it answers queries and takes writes");
    }
}
