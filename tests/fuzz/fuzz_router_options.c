/* Any text as the file of --config, and any lines of it as the words of the command line. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/router_options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORDS_MAX = 32 };

struct file {
    const char *text;
    size_t len;
};

static bool read_file(void *ctx, const char *path, struct buf *text, struct err *err)
{
    const struct file *file = ctx;

    (void)path;
    (void)err;
    buf_append(text, file->text, file->len);
    return true;
}

static void parse(const struct router_options_source *source)
{
    static struct router_options options; /* too large for some stacks */
    struct buf out = {0};

    memset(&options, 0, sizeof(options));
    bool is_right = router_options_parse(source, &options);
    if (is_right && !options.wants_help && !options.is_commands) {
        ASSERT(options.conf.monitors_count <= ROUTER_MONITORS_MAX);
        ASSERT(options.conf.listens_count <= ROUTER_LISTENS_MAX);
        ASSERT(options.conf.threads >= 1 && options.conf.threads <= ROUTER_THREADS_MAX);
        ASSERT(options.conf.hold_ms >= 0);
        router_options_describe(&options, &out);
    } else if (!is_right) {
        ASSERT(options.notes.count > 0); /* nothing is refused without a word */
    }
    router_options_finish(&options);
    buf_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char name[] = "router";
    char config[] = "--config";
    char path[] = "router.conf";
    char *words[WORDS_MAX + 1] = {name, config, path};
    struct file file = {.text = (const char *)data, .len = size};
    struct router_options_source source = {
        .argc = 3, .argv = words, .read = read_file, .ctx = &file};

    parse(&source);
    char *copy = malloc(size + 1);
    ASSERT(copy != NULL);
    memcpy(copy, data, size);
    copy[size] = '\0';
    char *at = copy;
    source.argc = 1;
    while (at != NULL && source.argc < WORDS_MAX) {
        char *end = strchr(at, '\n');
        if (end != NULL) {
            *end++ = '\0';
        }
        words[source.argc++] = at;
        at = end;
    }
    words[source.argc] = NULL;
    parse(&source);
    free(copy);
    return 0;
}
