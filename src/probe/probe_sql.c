/* Kinds galera and mysql: a connection that is kept, and one query a poll. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/memory.h"
#include "base/text.h"
#include "probe/probe_inside.h"
#include "probe/sql_error.h"
#include "probe/sql_session.h"

enum {
    SQL_VARIABLES_MAX = 16, /* above the rows of discover_text */
    SQL_NAME_MAX = 64,      /* of a variable, as MariaDB */
    SQL_PAUSE_SPAN_MS =
        1000, /* flow control is measured over at least so long: it comes in bursts */
};

/* Which variables there are differs between MariaDB, MySQL and Percona, and to name one that is not
 * there fails a SELECT: it is asked once a connection. SELECT @@x is many times cheaper than SHOW
 * VARIABLES, so that is what is polled. */
static const char discover_text[] =
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only','super_read_only',"
    "'innodb_read_only','offline_mode','pxc_maint_mode','wsrep_on','wsrep_desync',"
    "'wsrep_reject_queries','wsrep_sst_donor_rejects_queries')";

static const char galera_text[] =
    "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_cluster_conf_id','wsrep_cluster_size',"
    "'wsrep_cluster_state_uuid','wsrep_cluster_status','wsrep_connected',"
    "'wsrep_flow_control_paused_ns','wsrep_last_committed','wsrep_local_index',"
    "'wsrep_local_recv_queue','wsrep_local_send_queue','wsrep_local_state',"
    "'wsrep_local_state_comment','wsrep_ready');";

struct probe_sql_kind {
    struct probe *p;
    bool is_galera;
    struct sql_login login;
    struct galera_rules rules;
    struct sql_session *session; /* NULL: not connected */
    bool is_fresh;               /* the session was made by the probe under way */
    bool is_known;               /* variables are those of the session's server */
    char variables[SQL_VARIABLES_MAX][SQL_NAME_MAX];
    size_t variables_count;
    struct buf poll_text;
    struct galera_status status;

    msec_t paused_at_ms; /* the begin of the span that is measured */
    int64_t paused_ns;
    int64_t paused_permille; /* of the span before, and of this one so far */
};

/* ---- the queries ---- */

static void probe_sql_write_poll(struct probe_sql_kind *k)
{
    buf_clear(&k->poll_text);
    if (k->is_galera) {
        buf_append_text(&k->poll_text, galera_text);
    }
    buf_append_text(&k->poll_text, "SELECT 1");
    for (size_t i = 0; i < k->variables_count; i++) {
        buf_printf(&k->poll_text, ",@@global.%s", k->variables[i]);
    }
}

/* The name is put into a query: only what a variable may be called is taken. */
static void probe_sql_note_variable(struct probe_sql_kind *k, const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz_ABCDEFGHIJKLMNOPQRSTUVWXYZ";

    if (k->variables_count < SQL_VARIABLES_MAX && name[0] != '\0' &&
        name[strspn(name, letters)] == '\0' &&
        text_copy(k->variables[k->variables_count], SQL_NAME_MAX, name)) {
        k->variables_count++;
    }
}

static void probe_sql_ask(struct probe_sql_kind *k)
{
    galera_status_init(&k->status);
    if (!k->is_known) {
        k->variables_count = 0;
        sql_session_query(k->session, discover_text, sizeof(discover_text) - 1);
    } else {
        sql_session_query(k->session, buf_data(&k->poll_text), k->poll_text.len);
    }
}

/* ---- what the server says ---- */

static void probe_sql_drop(struct probe_sql_kind *k)
{
    sql_session_close(k->session);
    k->session = NULL;
    k->is_known = false;
}

static void probe_sql_on_open(void *ctx)
{
    struct probe_sql_kind *k = ctx;

    k->p->snapshot.connects++;
    text_cut(k->p->snapshot.server_version, sizeof(k->p->snapshot.server_version),
             sql_session_server(k->session));
    probe_calm(k->p);
    probe_sql_ask(k);
}

static void probe_sql_on_row(void *ctx, size_t result, size_t columns, char *const values[])
{
    struct probe_sql_kind *k = ctx;
    size_t last = k->is_galera ? 1 : 0; /* the SELECT */

    if (!k->is_known) {
        if (columns == 2 && values[0] != NULL) {
            probe_sql_note_variable(k, values[0]);
        }
    } else if (result < last) {
        if (columns == 2 && values[0] != NULL && values[1] != NULL) {
            (void)galera_status_take(&k->status, values[0], values[1]); /* only asked for some */
        }
    } else {
        for (size_t i = 0; i + 1 < columns && i < k->variables_count; i++) {
            if (values[i + 1] != NULL) {
                (void)galera_status_take(&k->status, k->variables[i], values[i + 1]);
            }
        }
    }
}

/* The counter grows since the server's start; what counts is how much of the last second it is. */
static void probe_sql_measure_pauses(struct probe_sql_kind *k)
{
    msec_t now = loop_now(k->p->loop);
    msec_t span_ms = now - k->paused_at_ms;
    int64_t grown_ns = k->status.paused_ns - k->paused_ns;

    if (k->paused_at_ms == 0 || grown_ns < 0) { /* the first, or FLUSH STATUS, or a new server */
        k->paused_permille = 0;
    } else if (span_ms < SQL_PAUSE_SPAN_MS) {
        k->status.paused_permille = k->paused_permille;
        return;
    } else {
        k->paused_permille = grown_ns / 1000 / span_ms; /* ns a ms, in thousandths */
    }
    k->paused_at_ms = now;
    k->paused_ns = k->status.paused_ns;
    k->status.paused_permille = k->paused_permille < 1000 ? k->paused_permille : 1000;
}

static void probe_sql_on_done(void *ctx)
{
    struct probe_sql_kind *k = ctx;
    struct probe_snapshot *snapshot = &k->p->snapshot;
    struct evidence evidence = {0};

    if (!k->is_known) {
        k->is_known = true;
        probe_sql_write_poll(k);
        probe_sql_ask(k);
        return;
    }
    probe_sql_measure_pauses(k);
    snapshot->galera = k->status;
    snapshot->has_galera = true;
    if (k->is_galera) {
        galera_judge(&k->status, &k->rules, &evidence, &snapshot->can_read);
    } else {
        galera_judge_plain(&k->status, &evidence, &snapshot->can_read);
    }
    probe_finish(k->p, &evidence);
}

static void probe_sql_connect(struct probe_sql_kind *k);

static void probe_sql_on_fail(void *ctx, unsigned code, const char *text)
{
    struct probe_sql_kind *k = ctx;
    bool is_open = sql_session_server(k->session)[0] != '\0';
    struct sql_error error = {
        .code = code, .text = text, .user = k->login.user, .is_connecting = !is_open};
    struct evidence evidence = {0};

    sql_error_judge(&error, &evidence); /* text goes with the session */
    bool is_lost = sql_error_is_lost(&error) && !k->is_fresh;
    bool is_refusal = sql_error_is_refusal(&error);
    probe_sql_drop(k);
    if (is_lost) {
        probe_sql_connect(k); /* it may have been restarted since the last poll */
        return;
    }
    probe_pause(k->p, is_refusal ? PROBE_RETRY_REFUSED_MAX_MS : PROBE_RETRY_SILENT_MAX_MS);
    probe_finish(k->p, &evidence);
}

static void probe_sql_on_lost(void *ctx)
{
    struct probe_sql_kind *k = ctx;

    probe_sql_drop(k);
    probe_early(k->p);
}

static const struct sql_handlers probe_sql_handlers = {
    .on_open = probe_sql_on_open,
    .on_row = probe_sql_on_row,
    .on_done = probe_sql_on_done,
    .on_fail = probe_sql_on_fail,
    .on_lost = probe_sql_on_lost,
};

/* ---- the life of a probe ---- */

static void probe_sql_connect(struct probe_sql_kind *k)
{
    k->is_fresh = true;
    k->session = sql_session_open(k->p->loop, &k->login, &probe_sql_handlers, k);
    if (k->session == NULL) {
        probe_conclude(k->p, VERDICT_UNKNOWN, "the MariaDB client library refuses its options");
        return;
    }
    sql_session_connect(k->session);
}

static void probe_sql_start(void *kind)
{
    struct probe_sql_kind *k = kind;

    k->is_fresh = false;
    if (k->session == NULL) {
        probe_sql_connect(k);
    } else {
        probe_sql_ask(k);
    }
}

static void probe_sql_cancel(void *kind)
{
    struct probe_sql_kind *k = kind;

    probe_sql_drop(k);
    probe_pause(k->p, PROBE_RETRY_SILENT_MAX_MS);
}

static const char *probe_sql_waits_for(const void *kind)
{
    const struct probe_sql_kind *k = kind;

    return sql_session_waits_for(k->session);
}

/* ---- beginning and end ---- */

static char *probe_sql_copy(const char *text)
{
    return text != NULL ? memory_text(text) : NULL;
}

static bool probe_sql_check(const struct probe_sql *plan, struct err *err)
{
    if (plan->user == NULL || plan->user[0] == '\0' || strlen(plan->user) > PROBE_TEXT_MAX) {
        return err_set(err, "a database probe needs the user that it logs in as");
    }
    if (!plan->has_tls && (plan->tls_ca_file != NULL || plan->tls_cert_file != NULL)) {
        return err_set(err, "a database probe has TLS files, but TLS is off: turn tls on");
    }
    if ((plan->tls_cert_file == NULL) != (plan->tls_key_file == NULL)) {
        return err_set(err, "a certificate needs its key, and a key its certificate");
    }
    if (plan->checks_name && plan->tls_ca_file == NULL) {
        return err_set(err, "to check the certificate's name, give the authority that signed it");
    }
    return true;
}

static void *probe_sql_create(struct probe *p, const struct probe_plan *plan, struct err *err)
{
    if (!probe_sql_check(&plan->sql, err)) {
        return NULL;
    }
    struct probe_sql_kind *k = memory_zeroed(sizeof(*k));
    k->p = p;
    k->is_galera = plan->kind == PROBE_GALERA;
    k->rules = plan->sql.rules;
    k->login = (struct sql_login){
        .address = *plan->address,
        .user = probe_sql_copy(plan->sql.user),
        .password = probe_sql_copy(plan->sql.password),
        .has_tls = plan->sql.has_tls,
        .tls_ca_file = probe_sql_copy(plan->sql.tls_ca_file),
        .tls_cert_file = probe_sql_copy(plan->sql.tls_cert_file),
        .tls_key_file = probe_sql_copy(plan->sql.tls_key_file),
        .checks_name = plan->sql.checks_name,
    };
    return k;
}

static void probe_sql_destroy(void *kind)
{
    struct probe_sql_kind *k = kind;

    sql_session_close(k->session);
    if (k->login.password != NULL) {
        explicit_bzero(k->login.password, strlen(k->login.password));
    }
    free(k->login.user);
    free(k->login.password);
    free(k->login.tls_ca_file);
    free(k->login.tls_cert_file);
    free(k->login.tls_key_file);
    buf_finish(&k->poll_text);
    free(k);
}

void probe_set_cluster(struct probe *p, const char *uuid)
{
    if (p->ops == &probe_sql_ops) {
        struct probe_sql_kind *k = p->kind;
        text_cut(k->rules.cluster_uuid, sizeof(k->rules.cluster_uuid), uuid);
    }
}

const struct probe_ops probe_sql_ops = {
    .create = probe_sql_create,
    .destroy = probe_sql_destroy,
    .start = probe_sql_start,
    .cancel = probe_sql_cancel,
    .waits_for = probe_sql_waits_for,
};
