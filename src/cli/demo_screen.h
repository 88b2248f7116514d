#ifndef CLI_DEMO_SCREEN_H
#define CLI_DEMO_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <termios.h>

#include "base/buf.h"
#include "cli/demo_site.h"
#include "cli/demo_watch.h"

/*
 * The live picture on a terminal: plain ANSI sequences on the alternate screen, drawn a few times a
 * second. Colour unless NO_COLOR is set.
 */
enum {
    DEMO_SCREEN_LINES = 12,     /* of the log at its foot */
    DEMO_SCREEN_LINE_MAX = 240, /* longer ones are cut */
};

struct demo_screen {
    bool is_on;
    bool has_keys; /* standard input is a terminal in raw mode: saved is what it was */
    bool has_colour;
    struct termios saved;
    char log[DEMO_SCREEN_LINES][DEMO_SCREEN_LINE_MAX];
    size_t logged; /* lines ever */
};

/* What is drawn besides what site and watch hold. */
struct demo_screen_view {
    struct demo_site *site;
    struct demo_watch *watch;
    const char *headline;
    const char *address; /* where the client writes */
    uint64_t requests_per_s;
    uint64_t errors_per_s;
    uint64_t requests;
    uint64_t errors;
};

/* Takes the terminal. False when standard output is none. *screen is zeroed. */
bool demo_screen_open(struct demo_screen *screen);
void demo_screen_close(struct demo_screen *screen); /* gives it back as it was */
void demo_screen_say(struct demo_screen *screen, const char *line);
void demo_screen_draw(const struct demo_screen *screen, const struct demo_screen_view *view);

#endif
