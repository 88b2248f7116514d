#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/words.h"
#include "sentinel/acl.h"

/*
 * The bytes as an aclfile, as lines of a configuration file and as words of ACL SETUSER. What was
 * accepted must come back the same after it was printed and read again.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_print_again(const struct acl *acl)
{
    struct acl_options options = {.log_max = 1};
    struct acl *again = acl_create(&options);
    struct acl *lines = acl_create(&options);
    struct buf first = {0};
    struct buf second = {0};
    struct err err;

    acl_print(acl, &first);
    ASSERT(acl_load_text(again, "again", buf_data(&first), first.len, &err));
    acl_print(again, &second);
    ASSERT(first.len == second.len && memcmp(buf_data(&first), buf_data(&second), first.len) == 0);
    for (size_t i = 0; i < acl_users_count(acl); i++) {
        struct buf line = {0};
        acl_user_print_line(acl_user_at(acl, i), &line);
        ASSERT(acl_load_line(lines, buf_data(&line), &err));
        buf_finish(&line);
    }
    buf_clear(&second);
    acl_print(lines, &second);
    ASSERT(first.len == second.len && memcmp(buf_data(&first), buf_data(&second), first.len) == 0);
    buf_finish(&first);
    buf_finish(&second);
    acl_destroy(again);
    acl_destroy(lines);
}

static void fuzz_set_user(struct acl *acl, const char *text, size_t size)
{
    struct words words = {0};
    struct err err;
    size_t bad_arg;

    if (words_split(&words, text, size) && words.count > 0) {
        struct resp_text *rules = calloc(words.count, sizeof *rules);
        ASSERT(rules != NULL);
        for (size_t i = 0; i < words.count; i++) {
            rules[i] = (struct resp_text){words_at(&words, i), words_len(&words, i)};
        }
        (void)acl_set_user(acl, "u", 1, words.count, rules, &err); /* most are wrong */
        (void)acl_set_user(acl, rules[0].bytes, rules[0].len, words.count - 1, rules + 1, &err);
        for (size_t i = 0; i < acl_users_count(acl); i++) {
            int command = acl_command_find(rules[0].bytes, rules[0].len);
            (void)acl_check(acl_user_at(acl, i), command, words.count, rules, &bad_arg);
        }
        free(rules);
    }
    words_finish(&words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct acl_options options = {.log_max = 1};
    struct acl *acl = acl_create(&options);
    struct err err;
    char *text = malloc(size + 1);

    ASSERT(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    if (acl_load_text(acl, "fuzz", text, size, &err)) {
        fuzz_print_again(acl);
    }
    if (acl_load_line(acl, text, &err)) {
        fuzz_print_again(acl);
    }
    fuzz_set_user(acl, text, size);
    fuzz_print_again(acl);
    free(text);
    acl_destroy(acl);
    return 0;
}
