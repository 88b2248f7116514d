#include "acl_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sentinel/acl_file.h"

/* Users from files and lines; the log of refusals. */

#define NO_CHANGE                                                                                  \
    "WARNING: ACL errors detected, no change to the previously active ACL rules was performed"

static bool load(struct acl_fixture *f, const char *text)
{
    f->err.text[0] = '\0';
    return acl_load_text(f->acl, "u.acl", text, strlen(text), &f->err);
}

static void wrong_files_change_nothing(void **state)
{
    static const struct {
        const char *text;
        const char *error;
    } cases[] = {
        {"user x on +nosuch ~*\nuser y foo\nusr z\nuser\n",
         "u.acl:1: Error in applying operation '+nosuch': Unknown command or category name in ACL. "
         "u.acl:2: Syntax error. u.acl:3 should start with user keyword followed by the username. "
         "u.acl:4 should start with user keyword followed by the username. " NO_CHANGE},
        {"user x on >p +@all\nuser x on\n",
         "WARNING: Duplicate user 'x' found on line 2. " NO_CHANGE},
        {"# comment\n\n   user  x on  \n\tuser y on\n",
         "u.acl:1 should start with user keyword followed by the username. u.acl:3: Syntax "
         "error. " NO_CHANGE},
        {"USER x on\n",
         "u.acl:1 should start with user keyword followed by the username. " NO_CHANGE},
        {"user x (+ping ~x) on\nuser y (+ping\n",
         "u.acl:2: Unmatched parenthesis in selector definition. " NO_CHANGE},
        {"user x #zz\nuser y >a >b <c\n",
         "u.acl:1: The password hash must be exactly 64 characters and contain only lowercase "
         "hexadecimal characters. u.acl:2: The password you are trying to remove from the user "
         "does not exist. " NO_CHANGE},
    };
    struct acl_fixture *f = *state;

    assert_true(acl_fixture_set(f, "old", "on"));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_false(load(f, cases[i].text));
        assert_string_equal(f->err.text, cases[i].error);
    }
    assert_int_equal(acl_users_count(f->acl), 2);
    assert_non_null(acl_find(f->acl, "old", 3));
    assert_int_equal(f->changed, 1); /* when it was made */
    assert_int_equal(f->replaced + f->gone, 0);
}

static void errors_hold_no_password_and_end(void **state)
{
    struct acl_fixture *f = *state;
    struct buf text = {0};

    for (int i = 0; i < 1000; i++) {
        buf_printf(&text, "user u%d (+nosuch >hunter2)\n", i);
    }
    assert_false(load(f, buf_data(&text)));
    assert_null(strstr(f->err.text, "hunter2"));
    assert_non_null(strstr(f->err.text, NO_CHANGE));
    buf_finish(&text);
    assert_false(acl_load_line(f->acl, "u <hunter2", &f->err));
    assert_null(strstr(f->err.text, "hunter2"));
    assert_false(acl_load_line(f->acl, "u \"(+nosuch >hunter2)\"", &f->err));
    assert_null(strstr(f->err.text, "hunter2"));
    assert_false(acl_load_line(f->acl, "u on hunter2", &f->err)); /* its '>' was forgotten */
    assert_string_equal(f->err.text, "user 'u': rule '...': Syntax error");
    assert_false(acl_load_line(f->acl, "u +nosuch", &f->err));
    assert_string_equal(f->err.text,
                        "user 'u': rule '+nosuch': Unknown command or category name in ACL");
}

static void a_file_replaces_all_users(void **state)
{
    struct acl_fixture *f = *state;

    assert_true(acl_fixture_set(f, "gone", "on"));
    assert_true(acl_fixture_set(f, "same", "on >x +ping"));
    assert_true(acl_fixture_set(f, "other", "on >x +ping"));
    struct acl_user *same = acl_hold(acl_find(f->acl, "same", 4));
    struct acl_user *gone = acl_hold(acl_find(f->acl, "gone", 4));
    struct acl_user *other = acl_hold(acl_find(f->acl, "other", 5));
    assert_true(
        load(f, "user same on >x +ping\r\nuser other on >x +get\n\n user new on nopass\t\n"));
    assert_int_equal(f->gone, 1);
    assert_int_equal(f->replaced, 1);
    assert_int_equal(f->changed, 3); /* when they were made */
    assert_ptr_equal(acl_find(f->acl, "same", 4), same);
    assert_ptr_equal(acl_find(f->acl, "other", 5), other);
    assert_int_equal(acl_fixture_check(f, "other", "ping"), ACL_DENIED_COMMAND);
    assert_true(acl_user_is_gone(gone));
    assert_int_equal(acl_users_count(f->acl), 4);
    assert_true(acl_is_open(f->acl));
    acl_release(same);
    acl_release(gone);
    acl_release(other);

    struct acl_user *first = acl_default(f->acl);
    assert_true(load(f, "user default on >pp +@all\n"));
    assert_false(acl_is_open(f->acl));
    assert_ptr_equal(acl_default(f->acl), first);
    assert_int_equal(f->changed, 4);
    assert_int_equal(f->replaced, 1);
    assert_int_equal(acl_users_count(f->acl), 1);
    assert_true(load(f, ""));
    assert_string_equal(acl_fixture_line(f, "default"), "user default on nopass ~* &* +@all");
}

static void lines_of_a_configuration_file(void **state)
{
    struct acl_fixture *f = *state;
    struct buf line = {0};

    assert_true(acl_load_line(f->acl, "x on \"~q\\\"\" +ping >pw (~a +get) &c", &f->err));
    assert_int_equal(acl_fixture_check(f, "x", "ping"), ACL_ALLOWED);
    acl_user_print_line(acl_find(f->acl, "x", 1), &line);
    assert_false(acl_load_line(f->acl, buf_data(&line), &f->err));
    assert_string_equal(f->err.text,
                        "Error in user declaration 'x': Duplicate user found. A user can "
                        "only be defined once in config files");
    char before[512];
    (void)snprintf(before, sizeof before, "%s", acl_fixture_line(f, "x"));
    assert_true(acl_delete_user(f->acl, "x", 1));
    assert_true(acl_load_line(f->acl, buf_data(&line), &f->err));
    assert_string_equal(acl_fixture_line(f, "x"), before);
    buf_finish(&line);

    assert_true(acl_load_line(f->acl, "default on >pw +ping", &f->err));
    assert_int_equal(acl_fixture_check(f, "default", "info"), ACL_DENIED_COMMAND);
    assert_false(acl_load_line(f->acl, "y (+ping", &f->err));
    assert_null(acl_find(f->acl, "y", 1));
    assert_false(acl_load_line(f->acl, "\"y z\" on", &f->err));
    assert_false(acl_load_line(f->acl, "\"y", &f->err));
    assert_false(acl_load_line(f->acl, " ", &f->err));
}

static void a_saved_file_is_read_back(void **state)
{
    struct acl_fixture *f = *state;
    char directory[] = "/tmp/acl-test-XXXXXX";
    char path[64];
    char before[512];
    struct stat info;

    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/users.acl", directory);
    assert_false(acl_file_load(f->acl, path, &f->err));
    char missing[200];
    (void)snprintf(missing, sizeof missing,
                   "Error loading ACLs, opening file '%s': No such file or directory", path);
    assert_string_equal(f->err.text, missing);

    assert_true(
        acl_fixture_set(f, "u", "on >x ~k %R~r &c \"~q\\\"\" (+get) +@all -@admin +client|list"));
    assert_true(acl_fixture_set(f, "", "on"));
    (void)snprintf(before, sizeof before, "%s", acl_fixture_line(f, "u"));
    assert_true(acl_file_save(f->acl, path, &f->err));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(chmod(path, 0640), 0);
    assert_true(acl_fixture_set(f, "u", "reset"));
    assert_true(acl_file_load(f->acl, path, &f->err));
    assert_string_equal(acl_fixture_line(f, "u"), before);
    assert_non_null(acl_find(f->acl, "", 0));
    assert_true(acl_file_save(f->acl, path, &f->err));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0); /* nothing else was left in it */
    assert_false(acl_file_save(f->acl, path, &f->err));
}

/* Some file systems cannot sync a directory; a saved file is saved there too, as for Redis. */
static bool is_directory_without_sync;

int fsync(int fd)
{
    struct stat info;

    if (is_directory_without_sync && fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
        errno = EINVAL;
        return -1;
    }
    return fdatasync(fd);
}

static void a_directory_without_sync_is_no_error(void **state)
{
    struct acl_fixture *f = *state;
    char directory[] = "/tmp/acl-test-XXXXXX";
    char path[64];

    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/users.acl", directory);
    is_directory_without_sync = true;
    bool is_saved = acl_file_save(f->acl, path, &f->err);
    is_directory_without_sync = false;
    assert_true(is_saved);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
}

/* ---- the log ---- */

static void refuse(struct acl_fixture *f, msec_t now, const char *object)
{
    struct acl_refusal refusal = {
        .verdict = ACL_DENIED_COMMAND,
        .username = "u",
        .username_len = 1,
        .object = object,
        .object_len = strlen(object),
        .client_info = "id=1",
    };
    acl_log_add(f->acl, now, &refusal);
}

static const struct resp_value *read_log(struct acl_fixture *f, struct resp_reply_reader *reader,
                                         struct buf *reply, msec_t now, size_t count)
{
    const struct resp_value *value = NULL;

    resp_reply_reset(reader);
    buf_clear(reply);
    acl_log_write(f->acl, now, count, RESP_2, reply);
    assert_int_equal(resp_reply_read(reader, reply, &resp_reply_limits_default, &value),
                     RESP_READY);
    return value;
}

static void refusals_of_a_minute_are_one(void **state)
{
    struct acl_fixture *f = *state;
    struct resp_reply_reader reader = {0};
    struct buf reply = {0};
    int64_t count = 0;

    refuse(f, 1000, "info");
    refuse(f, 2000, "ping");
    refuse(f, 1000 + ACL_LOG_MERGE_MS, "info");
    const struct resp_value *log = read_log(f, &reader, &reply, 63500, 10);
    assert_int_equal(log->count, 2);
    const struct resp_value *first = resp_item(log, 0);
    assert_true(resp_integer(resp_map_get(first, "count"), &count));
    assert_int_equal(count, 2);
    assert_true(resp_text_is(resp_map_get(first, "object"), "info"));
    assert_true(resp_text_is(resp_map_get(first, "reason"), "command"));
    assert_true(resp_text_is(resp_map_get(first, "context"), "toplevel"));
    assert_true(resp_text_is(resp_map_get(first, "username"), "u"));
    assert_true(resp_text_is(resp_map_get(first, "age-seconds"), "2.5"));
    assert_true(resp_text_is(resp_map_get(first, "client-info"), "id=1"));

    refuse(f, 61001 + ACL_LOG_MERGE_MS, "info");
    log = read_log(f, &reader, &reply, 200000, 10);
    assert_int_equal(log->count, 3);
    log = read_log(f, &reader, &reply, 200000, 1);
    assert_int_equal(log->count, 1);
    acl_log_reset(f->acl);
    log = read_log(f, &reader, &reply, 200000, 10);
    assert_int_equal(log->count, 0);
    resp_reply_finish(&reader);
    buf_finish(&reply);
}

static void the_log_is_bounded(void **state)
{
    struct acl_fixture *f = *state;
    struct resp_reply_reader reader = {0};
    struct buf reply = {0};
    char object[4096];

    for (int i = 0; i < 200; i++) {
        (void)snprintf(object, sizeof object, "%04d%04000d", i, 0);
        refuse(f, 1000 + i, object);
    }
    const struct resp_value *log = read_log(f, &reader, &reply, 2000, SIZE_MAX);
    assert_int_equal(log->count, ACL_LOG_DEFAULT);
    const struct resp_text *text = &resp_map_get(resp_item(log, 0), "object")->text;
    assert_int_equal(text->len, ACL_LOG_OBJECT_BYTES_MAX);
    assert_memory_equal(text->bytes, "0199", 4);
    struct acl_options no_log = {.log_max = 0};
    struct acl_fixture silent = {.acl = acl_create(&no_log)};
    refuse(&silent, 3000, "x");
    assert_int_equal(read_log(&silent, &reader, &reply, 4000, SIZE_MAX)->count, 0);
    acl_destroy(silent.acl);
    resp_reply_finish(&reader);
    buf_finish(&reply);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, acl_fixture_setup, acl_fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(wrong_files_change_nothing),   TEST(errors_hold_no_password_and_end),
        TEST(a_file_replaces_all_users),    TEST(lines_of_a_configuration_file),
        TEST(a_saved_file_is_read_back),    TEST(a_directory_without_sync_is_no_error),
        TEST(refusals_of_a_minute_are_one), TEST(the_log_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
