#include "probe/sql_error.h"

#include <errmsg.h>
#include <mysqld_error.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/text.h"

/* Names that are not the same in the headers of all versions. */
enum {
    SQL_ERROR_WSREP_NOT_READY = 1047,
    SQL_ERROR_NOT_HASHED = 1524, /* the account wants a plugin that is not there */
    SQL_ERROR_TLS_WANTED = 3159, /* require_secure_transport */
    SQL_ERROR_OFFLINE = 3032,    /* offline_mode of MySQL */
    SQL_ERROR_TLS = 2026,
    SQL_ERROR_PLUGIN = 2059,
};

static void sql_error_say(struct evidence *e, enum verdict verdict, const char *format, ...)
    PRINTF_LIKE(3, 4);

static void sql_error_say(struct evidence *e, enum verdict verdict, const char *format, ...)
{
    va_list args;

    e->verdict = verdict;
    va_start(args, format);
    (void)vsnprintf(e->reason, sizeof(e->reason), format, args); /* a reason may be cut */
    va_end(args);
}

/* The library gives the system's error as "... (111)" or "... system error: 104" at most. */
static int sql_error_errno(const char *text)
{
    const char *open = strrchr(text, '(');
    const char *close = open != NULL ? strchr(open, ')') : NULL;
    int64_t number = 0;

    if (close != NULL && text_to_i64(open + 1, (size_t)(close - open - 1), &number) && number > 0 &&
        number < 4096) {
        return (int)number;
    }
    return 0;
}

static void sql_error_judge_network(const struct sql_error *error, struct evidence *e)
{
    int number = sql_error_errno(error->text);

    if (number == 111) {
        sql_error_say(e, VERDICT_UNREACHABLE, "connection refused");
    } else if (number != 0) {
        sql_error_say(e, VERDICT_UNREACHABLE, "no connection: %s", strerror(number));
    } else {
        sql_error_say(e, VERDICT_UNREACHABLE, "the connection was lost: %s", error->text);
    }
}

static bool sql_error_judge_login(const struct sql_error *error, struct evidence *e)
{
    switch (error->code) {
    case ER_ACCESS_DENIED_ERROR:
    case ER_DBACCESS_DENIED_ERROR:
    case ER_HOST_NOT_PRIVILEGED:
    case ER_ACCESS_DENIED_NO_PASSWORD_ERROR:
        sql_error_say(e, VERDICT_NOT_READY,
                      "%s; mend: GRANT USAGE ON *.* TO '%s'@'HOST' IDENTIFIED BY '(its password)'",
                      error->text, error->user);
        return true;
    case SQL_ERROR_NOT_HASHED:
    case SQL_ERROR_PLUGIN:
        sql_error_say(e, VERDICT_NOT_READY,
                      "%s; mend: ALTER USER '%s'@'HOST' IDENTIFIED VIA mysql_native_password or "
                      "ed25519 USING PASSWORD('...')",
                      error->text, error->user);
        return true;
    case ER_HOST_IS_BLOCKED:
        sql_error_say(e, VERDICT_NOT_READY, "%s; mend: FLUSH HOSTS, and raise max_connect_errors",
                      error->text);
        return true;
    case SQL_ERROR_TLS_WANTED:
        sql_error_say(e, VERDICT_NOT_READY, "%s; mend: give the probe tls", error->text);
        return true;
    case ER_CON_COUNT_ERROR:
    case ER_TOO_MANY_USER_CONNECTIONS:
    case ER_USER_LIMIT_REACHED:
        /* Those who are in go on: as a last resort it is better than nothing. */
        sql_error_say(e, VERDICT_AVOID, "%s (error %u): raise max_connections", error->text,
                      error->code);
        return true;
    }
    return false;
}

void sql_error_judge(const struct sql_error *error, struct evidence *e)
{
    if (sql_error_judge_login(error, e)) {
        return;
    }
    if (error->code == SQL_ERROR_TLS) {
        bool is_certificate = strstr(error->text, "certificate") != NULL;
        sql_error_say(e, VERDICT_NOT_READY, "%s: %s",
                      is_certificate ? "certificate not trusted" : "TLS failed", error->text);
    } else if (error->code == SQL_ERROR_WSREP_NOT_READY) {
        sql_error_say(e, VERDICT_NOT_READY, "it answers queries with error 1047: %s", error->text);
    } else if (error->code == ER_SERVER_SHUTDOWN) {
        sql_error_say(e, VERDICT_NOT_READY, "the server is shutting down");
    } else if (error->code == SQL_ERROR_OFFLINE) {
        sql_error_say(e, VERDICT_NOT_READY, "offline_mode is ON");
    } else if (error->code >= CR_MIN_ERROR && error->code <= CR_MYSQL_LAST_ERROR &&
               error->code != CR_MALFORMED_PACKET && error->code != CR_VERSION_ERROR) {
        sql_error_judge_network(error, e);
    } else {
        sql_error_say(e, VERDICT_NOT_READY, "%s failed: %s (error %u)",
                      error->is_connecting ? "the login" : "the query", error->text, error->code);
    }
}

bool sql_error_is_lost(const struct sql_error *error)
{
    return !error->is_connecting &&
           (error->code == CR_SERVER_GONE_ERROR || error->code == CR_SERVER_LOST);
}

bool sql_error_is_refusal(const struct sql_error *error)
{
    struct evidence ignored;

    return error->is_connecting && sql_error_judge_login(error, &ignored);
}
