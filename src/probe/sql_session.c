#include "probe/sql_session.h"

#include <errmsg.h>
#include <fcntl.h>
#include <mysql.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "loop/loop_watch.h"

enum {
    /* A call that is told that its time is over ends at once, or after a word of farewell. */
    SQL_FAREWELL_ROUNDS_MAX = 16,
};

/* The call of the library that is under way. */
enum sql_call {
    SQL_CALL_NONE, /* not logged in yet, or idle */
    SQL_CALL_CONNECT,
    SQL_CALL_QUERY,
    SQL_CALL_ROW,
    SQL_CALL_NEXT_RESULT,
};

struct sql_session {
    MYSQL mysql;
    const struct sql_login *login;
    const struct sql_handlers *h;
    void *ctx;
    struct loop_waiter *waiter;
    enum sql_call call;
    bool is_open;
    const char *text; /* of the query */
    size_t len;
    MYSQL_RES *result;
    size_t result_index;
    size_t rows;

    /* The thread that carries a login over TLS; see sql_helper_start(). */
    bool is_helped;
    pthread_t helper;
    int helper_fd; /* an eventfd that it writes to at its end; -1 while there is none */
    int helped_fd; /* the socket, by a number of ours: the library may close its own */
    int happened;  /* what it goes on with, */
    int status;    /* and what came of it */

    /* What the library writes when a call ends. */
    MYSQL *connected;
    MYSQL_ROW row;
    int failed;
};

/* ---- one call of the library ---- */

/* What it waits for, or 0 when it ended. */
static int sql_call_start(struct sql_session *s)
{
    const struct sql_login *login = s->login;

    switch (s->call) {
    case SQL_CALL_CONNECT:
        return mysql_real_connect_start(&s->connected, &s->mysql, login->address.ip, login->user,
                                        login->password, NULL, login->address.port, NULL,
                                        CLIENT_MULTI_STATEMENTS);
    case SQL_CALL_QUERY:
        return mysql_real_query_start(&s->failed, &s->mysql, s->text, (unsigned long)s->len);
    case SQL_CALL_ROW:
        return mysql_fetch_row_start(&s->row, s->result);
    case SQL_CALL_NEXT_RESULT:
        return mysql_next_result_start(&s->failed, &s->mysql);
    case SQL_CALL_NONE:
        break;
    }
    UNREACHABLE("no call to start");
}

static int sql_call_go_on(struct sql_session *s, int ready)
{
    switch (s->call) {
    case SQL_CALL_CONNECT:
        return mysql_real_connect_cont(&s->connected, &s->mysql, ready);
    case SQL_CALL_QUERY:
        return mysql_real_query_cont(&s->failed, &s->mysql, ready);
    case SQL_CALL_ROW:
        return mysql_fetch_row_cont(&s->row, s->result, ready);
    case SQL_CALL_NEXT_RESULT:
        return mysql_next_result_cont(&s->failed, &s->mysql, ready);
    case SQL_CALL_NONE:
        break;
    }
    UNREACHABLE("no call to go on with");
}

/* ---- what follows from a call that ended ---- */

static void sql_session_fail(struct sql_session *s)
{
    s->call = SQL_CALL_NONE;
    s->h->on_fail(s->ctx, mysql_errno(&s->mysql), mysql_error(&s->mysql));
}

static void sql_session_refuse(struct sql_session *s, const char *text)
{
    s->call = SQL_CALL_NONE;
    s->h->on_fail(s->ctx, CR_MALFORMED_PACKET, text);
}

static void sql_session_rest(struct sql_session *s)
{
    s->call = SQL_CALL_NONE;
    loop_watch_set(s->waiter, mysql_get_socket(&s->mysql), LOOP_WATCH_READ);
}

/* A statement was answered. False when the session is done or gone. */
static bool sql_on_result(struct sql_session *s)
{
    if (s->failed != 0) {
        sql_session_fail(s);
        return false;
    }
    s->result = mysql_use_result(&s->mysql);
    if (s->result == NULL) {
        sql_session_refuse(s, "an answer without rows");
        return false;
    }
    s->call = SQL_CALL_ROW;
    return true;
}

static bool sql_on_row(struct sql_session *s)
{
    if (s->row != NULL) {
        if (++s->rows > SQL_ROWS_MAX) {
            sql_session_refuse(s, "more rows than were asked for");
            return false;
        }
        s->h->on_row(s->ctx, s->result_index, mysql_num_fields(s->result), s->row);
        return true;
    }
    if (mysql_errno(&s->mysql) != 0) {
        sql_session_fail(s);
        return false;
    }
    mysql_free_result(s->result); /* read to its end: nothing is waited for */
    s->result = NULL;
    if (mysql_more_results(&s->mysql)) {
        s->result_index++;
        s->call = SQL_CALL_NEXT_RESULT;
        return true;
    }
    sql_session_rest(s);
    s->h->on_done(s->ctx);
    return false;
}

/*
 * The library's socket is a blocking one again after a login over TLS, and its reads would then
 * stand still with a server that hangs (CONC-594).
 */
static void sql_session_keep_moving(struct sql_session *s)
{
    int fd = mysql_get_socket(&s->mysql);
    int flags = fcntl(fd, F_GETFL);

    (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK); /* a socket takes it */
}

static void sql_on_connected(struct sql_session *s)
{
    if (s->connected == NULL) {
        sql_session_fail(s);
    } else if (s->login->has_tls && mysql_get_ssl_cipher(&s->mysql) == NULL) {
        /* SSL_ENFORCE asks for TLS, but goes on without when the server offers none. */
        s->call = SQL_CALL_NONE;
        s->h->on_fail(s->ctx, CR_SSL_CONNECTION_ERROR, "the server offers no TLS");
    } else {
        s->is_open = true;
        sql_session_keep_moving(s);
        sql_session_rest(s);
        s->h->on_open(s->ctx);
    }
}

/* True when s->call is the next one to start. */
static bool sql_call_ended(struct sql_session *s)
{
    switch (s->call) {
    case SQL_CALL_CONNECT:
        sql_on_connected(s);
        return false;
    case SQL_CALL_QUERY:
    case SQL_CALL_NEXT_RESULT:
        return sql_on_result(s);
    case SQL_CALL_ROW:
        return sql_on_row(s);
    case SQL_CALL_NONE:
        break;
    }
    UNREACHABLE("no call that could end");
}

static void sql_session_pump(struct sql_session *s, int status)
{
    unsigned wants = 0;

    while (status == 0) {
        if (!sql_call_ended(s)) {
            return; /* s may be gone */
        }
        status = sql_call_start(s);
    }
    wants |= (status & MYSQL_WAIT_READ) != 0 ? LOOP_WATCH_READ : 0;
    wants |= (status & MYSQL_WAIT_WRITE) != 0 ? LOOP_WATCH_WRITE : 0;
    ASSERT(wants != 0); /* no timeout was asked for */
    loop_watch_set(s->waiter, mysql_get_socket(&s->mysql), wants);
}

/* ---- a login over TLS ---- */

static void *sql_helper_run(void *ctx)
{
    struct sql_session *s = ctx;
    uint64_t one = 1;

    s->status = mysql_real_connect_cont(&s->connected, &s->mysql, s->happened);
    ssize_t written = write(s->helper_fd, &one, sizeof(one));
    ASSERT(written == sizeof(one)); /* an eventfd takes one */
    return NULL;
}

static void sql_helper_close(struct sql_session *s)
{
    if (s->helper_fd >= 0) {
        (void)close(s->helper_fd); /* what it said is known */
    }
    if (s->helped_fd >= 0) {
        (void)close(s->helped_fd); /* the library closes the socket */
    }
    s->helper_fd = -1;
    s->helped_fd = -1;
}

/*
 * The library's non-blocking calls do block while they shake hands over TLS (it polls without a
 * limit), and in the login behind it. So this one call goes on in a thread. Nobody else touches the
 * session meanwhile; sql_helper_stop() shuts the socket down, which ends every wait of the library.
 * False when there is no thread to be had.
 */
static bool sql_helper_start(struct sql_session *s, int happened)
{
    sigset_t all;
    sigset_t before;

    ASSERT(!s->is_helped);
    s->helper_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->helped_fd = fcntl(mysql_get_socket(&s->mysql), F_DUPFD_CLOEXEC, 0);
    if (s->helper_fd < 0 || s->helped_fd < 0) {
        sql_helper_close(s);
        return false;
    }
    s->happened = happened;
    (void)sigfillset(&all);                          /* cannot fail */
    (void)pthread_sigmask(SIG_BLOCK, &all, &before); /* signals are the loop's */
    s->is_helped = pthread_create(&s->helper, NULL, sql_helper_run, s) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL); /* as it was */
    if (!s->is_helped) {
        sql_helper_close(s);
        return false;
    }
    loop_watch_set(s->waiter, s->helper_fd, LOOP_WATCH_READ);
    return true;
}

static void sql_helper_join(struct sql_session *s)
{
    int failed = pthread_join(s->helper, NULL);

    ASSERT(failed == 0);
    sql_helper_close(s);
    s->is_helped = false;
}

static void sql_helper_stop(struct sql_session *s)
{
    (void)shutdown(s->helped_fd, SHUT_RDWR); /* it may be gone by itself */
    sql_helper_join(s);
    s->call = s->status != 0 ? s->call : SQL_CALL_NONE;
}

static void sql_session_on_ready(void *ctx, unsigned ready)
{
    struct sql_session *s = ctx;
    int happened = 0;

    loop_watch_clear(s->waiter); /* the library may close its descriptor */
    if (s->is_helped) {
        sql_helper_join(s);
        sql_session_pump(s, s->status);
        return;
    }
    if (s->call == SQL_CALL_NONE) {
        s->h->on_lost(s->ctx);
        return;
    }
    happened |= (ready & LOOP_WATCH_READ) != 0 ? MYSQL_WAIT_READ : 0;
    happened |= (ready & LOOP_WATCH_WRITE) != 0 ? MYSQL_WAIT_WRITE : 0;
    if (s->call == SQL_CALL_CONNECT && s->login->has_tls) {
        if (!sql_helper_start(s, happened)) {
            s->h->on_fail(s->ctx, CR_OUT_OF_MEMORY, "no thread for a login over TLS");
        }
        return;
    }
    sql_session_pump(s, sql_call_go_on(s, happened));
}

/* ---- what a user calls ---- */

void sql_session_connect(struct sql_session *s)
{
    ASSERT(!s->is_open && s->call == SQL_CALL_NONE);
    s->call = SQL_CALL_CONNECT;
    sql_session_pump(s, sql_call_start(s));
}

void sql_session_query(struct sql_session *s, const char *text, size_t len)
{
    ASSERT(s->is_open && s->call == SQL_CALL_NONE);
    loop_watch_clear(s->waiter);
    s->text = text;
    s->len = len;
    s->rows = 0;
    s->result_index = 0;
    s->call = SQL_CALL_QUERY;
    sql_session_pump(s, sql_call_start(s));
}

const char *sql_session_server(const struct sql_session *s)
{
    const char *version = s->is_open ? s->mysql.server_version : NULL;

    return version != NULL ? version : "";
}

const char *sql_session_waits_for(const struct sql_session *s)
{
    return s->is_open ? "connected, waiting for the answer to the query"
                      : "waiting for the connection and the login";
}

/* ---- beginning and end ---- */

static bool sql_session_set_up(struct sql_session *s)
{
    const struct sql_login *login = s->login;
    MYSQL *m = &s->mysql;
    unsigned protocol = MYSQL_PROTOCOL_TCP;
    unsigned long packet_max = SQL_ANSWER_PACKET_MAX;
    unsigned no_local_infile = 0; /* a server could ask for our files */
    my_bool yes = 1;
    my_bool checks_name = login->checks_name ? 1 : 0;
    bool failed = mysql_options(m, MYSQL_OPT_NONBLOCK, NULL) != 0;

    failed |= mysql_options(m, MYSQL_OPT_PROTOCOL, &protocol) != 0;
    failed |= mysql_options(m, MYSQL_OPT_LOCAL_INFILE, &no_local_infile) != 0;
    failed |= mysql_options(m, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet_max) != 0;
    failed |= mysql_options(m, MYSQL_SET_CHARSET_NAME, "utf8mb4") != 0;
    /* Never the one that gives the password away as it is. */
    failed |= mysql_options(m, MARIADB_OPT_RESTRICTED_AUTH,
                            "mysql_native_password,client_ed25519,caching_sha2_password") != 0;
    if (login->has_tls) {
        failed |= mysql_ssl_set(m, login->tls_key_file, login->tls_cert_file, login->tls_ca_file,
                                NULL, NULL) != 0;
        failed |= mysql_options(m, MYSQL_OPT_SSL_ENFORCE, &yes) != 0;
        failed |= mysql_options(m, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &checks_name) != 0;
    }
    return !failed;
}

struct sql_session *sql_session_open(struct loop *loop, const struct sql_login *login,
                                     const struct sql_handlers *h, void *ctx)
{
    struct sql_session *s = memory_zeroed(sizeof(*s));

    s->login = login;
    s->h = h;
    s->ctx = ctx;
    s->helper_fd = -1;
    s->helped_fd = -1;
    s->waiter = loop_watch_create(loop, sql_session_on_ready, s);
    if (mysql_init(&s->mysql) == NULL || !sql_session_set_up(s)) {
        sql_session_close(s);
        return NULL;
    }
    return s;
}

/* The library's coroutine owns memory of its own: it is told that its time is over and comes to its
 * end, instead of being dropped. */
static void sql_call_abort(struct sql_session *s)
{
    int fd = mysql_get_socket(&s->mysql);
    int status = 1;

    if (fd >= 0) {
        (void)shutdown(fd, SHUT_RDWR); /* not connected yet is as good */
    }
    for (int i = 0; i < SQL_FAREWELL_ROUNDS_MAX && status != 0; i++) {
        status = sql_call_go_on(s, MYSQL_WAIT_TIMEOUT);
    }
}

void sql_session_close(struct sql_session *s)
{
    if (s == NULL) {
        return;
    }
    loop_watch_destroy(s->waiter);
    if (s->is_helped) {
        sql_helper_stop(s);
    }
    if (s->call != SQL_CALL_NONE) {
        sql_call_abort(s);
    }
    if (s->result != NULL) {
        mysql_free_result(s->result); /* of a closed connection: nothing is read */
    }
    mysql_close(&s->mysql);
    free(s);
}
