#ifndef PROBE_SQL_SESSION_H
#define PROBE_SQL_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/assert.h"
#include "loop/loop.h"

/*
 * One connection to a MariaDB or MySQL server that never blocks: libmariadb's non-blocking calls,
 * each a coroutine that says what it waits for, driven by the loop. One query at a time. There is
 * no deadline in here: who is tired of waiting calls sql_session_close().
 */
struct sql_session;

enum {
    SQL_ROWS_MAX = 256,                /* our queries have some twenty: more is not our server */
    SQL_ANSWER_PACKET_MAX = 256 << 10, /* bytes; the largest row we ask for is below 1 KB */
};

struct sql_login {
    struct addr address; /* with an ip */
    char *user;
    char *password; /* NULL is none */
    bool has_tls;
    char *tls_ca_file;
    char *tls_cert_file;
    char *tls_key_file;
    bool checks_name;
};

/* Each may close the session, as its last deed. */
struct sql_handlers {
    void (*on_open)(void *ctx); /* logged in */

    /* Row of the result'th statement of the query; a value may be NULL. Must not close or query. */
    void (*on_row)(void *ctx, size_t result, size_t columns, char *const values[]);

    void (*on_done)(void *ctx); /* the query's last row was shown */

    /* An error of the server or of the network: code is MariaDB's, text for people. Of a query or
     * of the login; the session must be closed. */
    void (*on_fail)(void *ctx, unsigned code, const char *text);

    /* The server closed, or spoke unasked, while nothing was under way. Must be closed. */
    void (*on_lost)(void *ctx);
};

/* Not connected yet. login must outlive the session. NULL when the library refuses. */
struct sql_session *sql_session_open(struct loop *loop, const struct sql_login *login,
                                     const struct sql_handlers *h, void *ctx) MUST_CHECK;

/* Starts to connect and log in, once. Handlers may be called inside. */
void sql_session_connect(struct sql_session *s);

/* In whatever state, without a handler being called, and without waiting for the server: a login
 * over TLS has a thread of its own, which ends as soon as its socket is shut down. NULL is allowed.
 */
void sql_session_close(struct sql_session *s);

/* One or several statements, parted by ';'. After on_open or on_done only; text must live until
 * on_done. Handlers may be called inside. */
void sql_session_query(struct sql_session *s, const char *text, size_t len);

const char *sql_session_server(const struct sql_session *s); /* its version, once open */

/* "the connection", "the answer": what is waited for. */
const char *sql_session_waits_for(const struct sql_session *s);

#endif
