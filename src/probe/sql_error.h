#ifndef PROBE_SQL_ERROR_H
#define PROBE_SQL_ERROR_H

#include <stdbool.h>

#include "pool/member_health.h"

/* What an error of a login or of a query says of the member. Pure. */
struct sql_error {
    unsigned code;      /* MariaDB's, of the server (1000-1999, 3000-) or of its library (2000-) */
    const char *text;   /* as the server or the library put it */
    const char *user;   /* whom we log in as */
    bool is_connecting; /* it came before the login was done */
};

/* Fills verdict and reason. Where an operator can mend it, the reason says what to do. */
void sql_error_judge(const struct sql_error *error, struct evidence *evidence);

/* The connection that was kept is gone, which may be an old story: worth one new one at once. */
bool sql_error_is_lost(const struct sql_error *error);

/* A login that was refused leaves a line in the server's log each time. */
bool sql_error_is_refusal(const struct sql_error *error);

#endif
