/* What each error says of the member, and what an operator is told to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/assert.h"
#include "probe/sql_error.h"

struct row {
    unsigned code;
    const char *text;
    bool is_connecting;
    enum verdict verdict;
    const char *reason;
    bool is_lost;
    bool is_refusal;
};

/* clang-format off */
static const struct row rows[] = {
    {1045, "Access denied for user 'holdfast'@'10.0.0.1' (using password: YES)", true,
     VERDICT_NOT_READY, "GRANT USAGE ON *.* TO 'holdfast'@'HOST' IDENTIFIED BY", false, true},
    {1130, "Host '10.0.0.1' is not allowed to connect", true, VERDICT_NOT_READY, "GRANT USAGE",
     false, true},
    {1129, "Host '10.0.0.1' is blocked", true, VERDICT_NOT_READY, "FLUSH HOSTS", false, true},
    {1524, "Plugin 'x' is not loaded", true, VERDICT_NOT_READY, "ALTER USER 'holdfast'", false,
     true},
    {3159, "Connections using insecure transport are prohibited", true, VERDICT_NOT_READY,
     "give the probe tls", false, true},
    {1040, "Too many connections", true, VERDICT_AVOID, "raise max_connections", false, true},
    {1226, "User has exceeded", true, VERDICT_AVOID, "(error 1226)", false, true},
    {1047, "WSREP has not yet prepared node for application use", false, VERDICT_NOT_READY, "1047",
     false, false},
    {1053, "Server shutdown in progress", false, VERDICT_NOT_READY, "shutting down", false, false},
    {1064, "You have an error in your SQL syntax", false, VERDICT_NOT_READY,
     "the query failed: You have an error in your SQL syntax (error 1064)", false, false},
    {2002, "Can't connect to server on '127.0.0.1' (111)", true, VERDICT_UNREACHABLE,
     "connection refused", false, false},
    {2003, "Can't connect to MySQL server on '10.0.0.1' (113)", true, VERDICT_UNREACHABLE,
     "no connection: No route to host", false, false},
    {2003, "Can't connect (99999999999999999999)", true, VERDICT_UNREACHABLE, "lost", false, false},
    {2003, "odd )(", true, VERDICT_UNREACHABLE, "lost", false, false},
    {2006, "Server has gone away", false, VERDICT_UNREACHABLE, "lost", true, false},
    {2013, "Lost connection to server during query", false, VERDICT_UNREACHABLE, "lost", true,
     false},
    {2013, "Lost connection at 'handshake'", true, VERDICT_UNREACHABLE, "lost", false, false},
    {2026, "TLS/SSL error: certificate verify failed", true, VERDICT_NOT_READY,
     "certificate not trusted: ", false, false},
    {2026, "the server offers no TLS", true, VERDICT_NOT_READY, "TLS failed: ", false, false},
    {2027, "more rows than were asked for", false, VERDICT_NOT_READY, "the query failed", false,
     false},
};
/* clang-format on */

static void test_every_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct row *row = &rows[i];
        struct sql_error error = {row->code, row->text, "holdfast", row->is_connecting};
        struct evidence e = {0};
        sql_error_judge(&error, &e);
        if (e.verdict != row->verdict || strstr(e.reason, row->reason) == NULL) {
            fail_msg("row %zu: verdict %d, %s", i, (int)e.verdict, e.reason);
        }
        assert_int_equal(sql_error_is_lost(&error), row->is_lost);
        assert_int_equal(sql_error_is_refusal(&error), row->is_refusal);
    }
}

static void test_a_text_of_any_length_is_cut(void **state)
{
    char text[5000];
    struct sql_error error = {1045, text, "holdfast", true};
    struct evidence e = {0};

    (void)state;
    memset(text, '%', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    sql_error_judge(&error, &e);
    assert_int_equal(strlen(e.reason), sizeof(e.reason) - 1);
    assert_int_equal(e.verdict, VERDICT_NOT_READY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_error),
        cmocka_unit_test(test_a_text_of_any_length_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
