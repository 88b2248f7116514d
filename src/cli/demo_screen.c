#include "cli/demo_screen.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/demo_report.h"

enum {
    SCREEN_ROWS = 24, /* when the terminal does not say */
    SCREEN_COLUMNS = 80,
    SCREEN_FIXED_ROWS = 16, /* all but the log */
};

#define SCREEN_ENTER "\x1b[?1049h\x1b[?25l"
#define SCREEN_LEAVE "\x1b[?25h\x1b[?1049l"

static void demo_screen_write(const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t wrote = write(STDOUT_FILENO, bytes, len);
        if (wrote < 0 && errno != EINTR) {
            return; /* the terminal is gone; SIGHUP tells us */
        }
        bytes += wrote < 0 ? 0 : wrote;
        len -= wrote < 0 ? 0 : (size_t)wrote;
    }
}

/* Keys come one by one and unseen; Ctrl-C stays a signal; Ctrl-Z is off, for it would leave the
 * servers running under a screen that stands still. */
static bool demo_screen_take_keys(struct demo_screen *screen)
{
    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &screen->saved) != 0) {
        return false;
    }
    struct termios raw = screen->saved;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    raw.c_cc[VSUSP] = _POSIX_VDISABLE;
    return tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

bool demo_screen_open(struct demo_screen *screen)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    if (!isatty(STDOUT_FILENO) || term == NULL || strcmp(term, "dumb") == 0) {
        return false;
    }
    screen->has_colour = no_color == NULL || no_color[0] == '\0';
    screen->has_keys = demo_screen_take_keys(screen);
    screen->is_on = true;
    demo_screen_write(SCREEN_ENTER, strlen(SCREEN_ENTER));
    return true;
}

void demo_screen_close(struct demo_screen *screen)
{
    if (screen == NULL || !screen->is_on) {
        return;
    }
    demo_screen_write(SCREEN_LEAVE, strlen(SCREEN_LEAVE));
    if (screen->has_keys) {
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &screen->saved); /* nothing to do when it fails */
    }
    screen->is_on = false;
}

void demo_screen_say(struct demo_screen *screen, const char *line)
{
    text_cut(screen->log[screen->logged % DEMO_SCREEN_LINES], DEMO_SCREEN_LINE_MAX, line);
    screen->logged++;
}

static const char *demo_screen_colour(const struct demo_screen *screen, const char *sequence)
{
    return screen->has_colour ? sequence : "";
}

/* Ends a line: cut at the terminal's edge is done by the terminal,
 * wrapping is off while we draw. */
static void demo_screen_end_line(struct buf *out)
{
    buf_append_text(out, "\x1b[K\r\n");
}

static void demo_screen_node(struct buf *out, const struct demo_screen *screen,
                             const struct demo_screen_view *view, size_t i)
{
    const struct demo_process *p = demo_site_redis(view->site, i);
    const struct demo_node_view *node = demo_watch_node(view->watch, i);
    const char *state = "answers";
    const char *colour = "\x1b[0m";
    char addr[ADDR_TEXT_MAX];

    if (p->child == NULL) {
        state = "dead";
        colour = "\x1b[31m";
    } else if (p->is_paused) {
        state = "paused";
        colour = "\x1b[33m";
    } else if (!node->answers) {
        state = "silent";
        colour = "\x1b[33m";
    } else if (node->is_master) {
        colour = "\x1b[1;32m";
    }
    buf_printf(out, "  %s%-10s %-16s %-8s", demo_screen_colour(screen, colour), p->name,
               addr_text(&p->at, addr), state);
    if (p->child != NULL && node->answers) {
        buf_printf(out, " %-8s offset %-10" PRId64, node->is_master ? "master" : "replica",
                   node->offset);
        if (node->is_master) {
            buf_printf(out, " %" PRId64 " replicas", node->replicas);
        } else {
            buf_printf(out, " of %s%s", addr_text(&node->master, addr),
                       node->link_is_up ? "" : " (link down)");
        }
    }
    buf_append_text(out, demo_screen_colour(screen, "\x1b[0m"));
    demo_screen_end_line(out);
}

static void demo_screen_monitor(struct buf *out, const struct demo_screen_view *view, size_t i)
{
    const struct demo_process *p = demo_site_monitor(view->site, i);
    const struct demo_monitor_view *monitor = demo_watch_monitor(view->watch, i);
    char addr[ADDR_TEXT_MAX];

    buf_printf(out, "  %-10s %-16s ", p->name, addr_text(&p->at, addr));
    if (!monitor->answers) {
        buf_append_text(out, p->child == NULL ? "dead" : "silent");
    } else {
        buf_printf(out,
                   "master %-16s %s, epoch %" PRId64 ", %" PRId64 " replicas, %" PRId64
                   " other monitors",
                   addr_text(&monitor->master, addr),
                   strcmp(monitor->flags, "master") == 0 ? "well" : monitor->flags,
                   monitor->config_epoch, monitor->replicas, monitor->peers);
    }
    demo_screen_end_line(out);
}

static void demo_screen_router(struct buf *out, const struct demo_screen *screen,
                               const struct demo_screen_view *view)
{
    const struct demo_process *p = demo_site_router(view->site);
    const struct demo_router_view *router = demo_watch_router(view->watch);
    bool is_open = strcmp(router->state, "open") == 0 && router->held == 0;
    char addr[ADDR_TEXT_MAX];

    if (p == NULL) {
        return;
    }
    buf_printf(out, "  %-10s %-16s ", p->name, addr_text(&p->at, addr));
    if (!router->answers) {
        buf_append_text(out, p->child == NULL ? "dead" : "silent");
    } else {
        buf_printf(out,
                   "master %-16s %s%s, %" PRId64 " of %" PRId64
                   " clients held now%s, longest %" PRId64 " ms, asked again %" PRId64,
                   addr_is_set(&router->master) ? addr_text(&router->master, addr) : "none",
                   demo_screen_colour(screen, is_open ? "" : "\x1b[33m"), router->state,
                   router->held, router->clients, demo_screen_colour(screen, "\x1b[0m"),
                   router->held_longest_ms, router->retried);
        buf_append_text(out, router->has_majority ? "" : "; no majority of monitors");
    }
    demo_screen_end_line(out);
}

static void demo_screen_client(struct buf *out, const struct demo_screen_view *view)
{
    buf_append_text(out, "  client     ");
    demo_report_number(out, view->requests_per_s);
    buf_append_text(out, " requests/s   ");
    demo_report_number(out, view->errors_per_s);
    buf_printf(out, " errors/s   writes to %s   (in all ", view->address);
    demo_report_number(out, view->requests);
    buf_append_text(out, " and ");
    demo_report_number(out, view->errors);
    buf_append_text(out, " failed)");
    demo_screen_end_line(out);
}

static void demo_screen_log(struct buf *out, const struct demo_screen *screen, size_t rows)
{
    size_t count = screen->logged < rows ? screen->logged : rows;

    for (size_t i = screen->logged - count; i < screen->logged; i++) {
        const char *line = screen->log[i % DEMO_SCREEN_LINES];
        bool is_failover = strstr(line, "failover ") != NULL;
        buf_printf(out, "  %s%s%s", is_failover ? demo_screen_colour(screen, "\x1b[1m") : "", line,
                   demo_screen_colour(screen, "\x1b[0m"));
        demo_screen_end_line(out);
    }
}

void demo_screen_draw(const struct demo_screen *screen, const struct demo_screen_view *view)
{
    struct winsize size = {0};
    struct buf out = {0};

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0) {
        size = (struct winsize){.ws_row = SCREEN_ROWS, .ws_col = SCREEN_COLUMNS};
    }
    size_t rows = 1;
    if (size.ws_row > SCREEN_FIXED_ROWS) {
        rows = (size_t)size.ws_row - SCREEN_FIXED_ROWS;
    }
    rows = rows < DEMO_SCREEN_LINES ? rows : DEMO_SCREEN_LINES;
    /* Home, no wrapping: what does not fit is cut by the terminal, so no row moves. */
    buf_append_text(&out, "\x1b[H\x1b[?7l");
    buf_printf(&out, "%sholdfast demo%s   %s", demo_screen_colour(screen, "\x1b[1m"),
               demo_screen_colour(screen, "\x1b[0m"), view->headline);
    demo_screen_end_line(&out);
    demo_screen_end_line(&out);
    for (size_t i = 0; i < DEMO_REDIS; i++) {
        demo_screen_node(&out, screen, view, i);
    }
    demo_screen_end_line(&out);
    for (size_t i = 0; i < DEMO_MONITORS; i++) {
        demo_screen_monitor(&out, view, i);
    }
    demo_screen_end_line(&out);
    demo_screen_router(&out, screen, view);
    demo_screen_client(&out, view);
    demo_screen_end_line(&out);
    demo_screen_log(&out, screen, rows);
    buf_append_text(&out, "\x1b[J");
    buf_printf(&out, "\x1b[%uH%s\x1b[K\x1b[?7h", (unsigned)size.ws_row,
               screen->has_keys ? "k kills the master, p pauses it, q ends" : "Ctrl-C ends");
    demo_screen_write(buf_data(&out), out.len);
    buf_finish(&out);
}
