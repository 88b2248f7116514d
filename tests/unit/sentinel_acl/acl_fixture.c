#include "acl_fixture.h"

#include <stdlib.h>
#include <string.h>

static void acl_fixture_on_change(void *arg, struct acl_user *user, enum acl_change change)
{
    struct acl_fixture *f = arg;

    assert_int_equal(acl_user_is_gone(user), change == ACL_USER_GONE);
    f->changed += change == ACL_USER_CHANGED;
    f->replaced += change == ACL_USER_REPLACED;
    f->gone += change == ACL_USER_GONE;
}

int acl_fixture_setup(void **state)
{
    struct acl_fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    struct acl_options options = {
        .log_max = ACL_LOG_DEFAULT, .on_change = acl_fixture_on_change, .arg = f};
    f->acl = acl_create(&options);
    *state = f;
    return 0;
}

int acl_fixture_teardown(void **state)
{
    struct acl_fixture *f = *state;
    acl_destroy(f->acl);
    free(f);
    return 0;
}

static size_t acl_fixture_split(struct words *words, const char *line, struct resp_text *texts,
                                size_t max)
{
    assert_true(words_split(words, line, strlen(line)));
    assert_true(words->count <= max);
    for (size_t i = 0; i < words->count; i++) {
        texts[i] = (struct resp_text){words_at(words, i), words_len(words, i)};
    }
    return words->count;
}

bool acl_fixture_set(struct acl_fixture *f, const char *name, const char *rules)
{
    struct words words = {0};
    struct resp_text texts[32];
    size_t count = acl_fixture_split(&words, rules, texts, 32);

    f->err.text[0] = '\0';
    bool is_right = acl_set_user(f->acl, name, strlen(name), count, texts, &f->err);
    words_finish(&words);
    return is_right;
}

const char *acl_fixture_line(struct acl_fixture *f, const char *name)
{
    static char line[4096];
    struct buf text = {0};
    const struct acl_user *user = acl_find(f->acl, name, strlen(name));

    assert_non_null(user);
    acl_user_print(user, &text);
    assert_true(text.len < sizeof line);
    memcpy(line, buf_data(&text), text.len + 1);
    buf_finish(&text);
    return line;
}

enum acl_verdict acl_fixture_check(struct acl_fixture *f, const char *name, const char *line)
{
    struct words words = {0};
    struct resp_text texts[32];
    struct buf full = {0};
    size_t bad_arg = 0;
    size_t count = acl_fixture_split(&words, line, texts, 32);
    const struct acl_user *user = acl_find(f->acl, name, strlen(name));

    assert_non_null(user);
    int command = ACL_COMMAND_NONE;
    if (count > 1) {
        buf_printf(&full, "%s|%s", texts[0].bytes, texts[1].bytes);
        command = acl_command_find(buf_data(&full), full.len);
        buf_finish(&full);
    }
    if (command == ACL_COMMAND_NONE) {
        command = acl_command_find(texts[0].bytes, texts[0].len);
    }
    enum acl_verdict verdict = acl_check(user, command, count, texts, &bad_arg);
    assert_int_equal(bad_arg != 0, verdict == ACL_DENIED_CHANNEL);
    words_finish(&words);
    return verdict;
}
