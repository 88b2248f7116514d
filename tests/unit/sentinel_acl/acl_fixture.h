#ifndef TESTS_ACL_FIXTURE_H
#define TESTS_ACL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/words.h"
#include "sentinel/acl.h"

/* An acl that counts what it tells of its users; rules are given as one line. */
struct acl_fixture {
    struct acl *acl;
    struct err err;
    int changed;
    int replaced;
    int gone;
};

int acl_fixture_setup(void **state);
int acl_fixture_teardown(void **state);

/* ACL SETUSER with the words of a line, by the rules of a configuration file. */
bool acl_fixture_set(struct acl_fixture *f, const char *name, const char *rules);

/* "user <name> <rules>" as ACL LIST has it. The text lives until the next call. */
const char *acl_fixture_line(struct acl_fixture *f, const char *name);

/* May the user run these words? */
enum acl_verdict acl_fixture_check(struct acl_fixture *f, const char *name, const char *words);

#endif
