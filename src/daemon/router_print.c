#include <stdio.h>
#include <unistd.h>

#include "daemon/daemon.h"
#include "daemon/router_inside.h"
#include "router/commands.h"

void router_print_notes(const struct config_notes *notes, enum config_note_kind kind)
{
    for (size_t i = 0; i < notes->count; i++) {
        if (notes->items[i].kind == kind) {
            (void)fprintf(stderr, "holdfast router: %s%s\n",
                          kind == CONFIG_WARNING ? "warning: " : "",
                          notes->items[i].text); /* closed: nobody reads it */
        }
    }
}

static int router_print(struct buf *text)
{
    bool is_good = fwrite(buf_data(text), 1, text->len, stdout) == text->len && fflush(stdout) == 0;

    buf_finish(text);
    return is_good ? ROUTER_FINE : ROUTER_FAILED;
}

int router_print_help(void)
{
    struct buf text = {0};

    router_options_help(&text);
    return router_print(&text);
}

int router_print_commands(bool is_json)
{
    struct buf text = {0};

    if (is_json) {
        commands_print_json(&text);
    } else {
        commands_print(&text);
    }
    return router_print(&text);
}

static void router_print_warning(const char *text)
{
    (void)fprintf(stderr, "holdfast router: warning: %s\n", text); /* closed: nobody reads it */
}

int router_print_check(const struct router_options *options)
{
    struct router_secret_texts secrets = {0};
    struct buf text = {0};
    struct err err = {{0}};

    router_print_notes(&options->notes, CONFIG_WARNING);
    bool is_good = router_secrets_read(&options->conf, &secrets, router_print_warning, &err) &&
                   router_secrets_check_tls(&options->conf, &err);
    router_secrets_finish(&secrets);
    if (!is_good) {
        (void)fprintf(stderr, "holdfast router: %s\n", err.text); /* closed: nobody reads it */
        return ROUTER_FAILED;
    }
    router_options_describe(options, &text);
    return router_print(&text);
}

bool daemon_router_ask(const char *path, const char *request, struct buf *answer, struct err *err)
{
    int fd = -1;

    if (control_connect(path, &fd, err) != CONTROL_REACHED) {
        return false;
    }
    bool is_good = control_ask(fd, request, answer, NULL, err);
    (void)close(fd); /* all was said */
    return is_good || err_wrap(err, "%s", path);
}
