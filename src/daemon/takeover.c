#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/router_inside.h"
#include "loop/log.h"

/*
 * A new process in the place of one that runs, without a connection refused:
 *
 *   old                          new
 *    |<-- sockets ----------------|   it gets the listening descriptors
 *    |                            |   opens its router with them: both accept
 *    |                            |   renames its control socket over the old one
 *    |<-- drain ------------------|   the old one accepts no more, and ends when it is empty
 */

/* What runs there is another router: a fault of the call, or two routers of one name that both took
 * the usual path. */
static bool takeover_is_other(struct router_options *options, bool is_usual_path,
                              struct takeover *takeover, struct err *err)
{
    struct router_conf *conf = &options->conf;
    const struct control_offer *offer = &takeover->offer;

    if (!is_usual_path) {
        return err_set(err,
                       "%s belongs to another router (process %ld, master %s, at %s); give this "
                       "one another --control",
                       conf->control_path, offer->pid, offer->master, offer->elsewhere);
    }
    log_warning("no control socket: %s belongs to another router (process %ld, at %s); --control "
                "gives this one its own",
                conf->control_path, offer->pid, offer->elsewhere);
    conf->control_path[0] = '\0';
    takeover_abandon(takeover);
    return true;
}

static bool takeover_judge(struct router_options *options, bool is_usual_path,
                           struct takeover *takeover, struct err *err)
{
    const struct control_offer *offer = &takeover->offer;
    const struct router_conf *conf = &options->conf;

    if (strcmp(offer->master, conf->master) != 0 || offer->sockets_had == 0) {
        return takeover_is_other(options, is_usual_path, takeover, err);
    }
    if (options->no_takeover) {
        return err_set(err,
                       "this router runs already, as process %ld; end it, or leave --no-takeover "
                       "out to take over from it",
                       offer->pid);
    }
    log_notice("takes over from process %ld: %zu of %zu listening sockets are had from it",
               offer->pid, offer->sockets_had, offer->sockets.count);
    return true;
}

bool takeover_begin(struct router_options *options, bool is_usual_path, struct takeover *takeover,
                    struct err *err)
{
    const char *path = options->conf.control_path;

    *takeover = (struct takeover){.fd = -1};
    if (path[0] == '\0') {
        return true;
    }
    switch (control_connect(path, &takeover->fd, err)) {
    case CONTROL_NOBODY:
        return true;
    case CONTROL_FAILED:
        return err_wrap(err, "control");
    case CONTROL_REACHED:
        break;
    }
    if (!control_ask_offer(takeover->fd, &options->conf, &takeover->offer, err)) {
        takeover_abandon(takeover);
        return err_wrap(err, "control %s: a process holds it, and cannot be taken over from", path);
    }
    if (!takeover_judge(options, is_usual_path, takeover, err)) {
        takeover_abandon(takeover);
        return false;
    }
    return true;
}

const struct router_sockets *takeover_sockets(const struct takeover *takeover)
{
    return takeover_is_open(takeover) ? &takeover->offer.sockets : NULL;
}

void takeover_taken(struct takeover *takeover)
{
    takeover->offer.sockets.count = 0;
}

bool takeover_is_open(const struct takeover *takeover)
{
    return takeover->fd >= 0;
}

/* The socket files are ours now: those of addresses that are given up go, and a mode that was
 * changed is set, which the listening sockets themselves do not carry. */
static void takeover_files(const struct control_offer *offer, const struct router_conf *conf)
{
    for (size_t i = 0; i < offer->left_paths_count; i++) {
        if (unlink(offer->left_paths[i]) != 0 && errno != ENOENT) {
            log_warning("%s, which is no address any more: %s", offer->left_paths[i],
                        strerror(errno));
        }
    }
    for (size_t i = 0; i < conf->listens_count + conf->replica_listens_count; i++) {
        const struct router_listen *listen = i < conf->listens_count
                                                 ? &conf->listens[i]
                                                 : &conf->replica_listens[i - conf->listens_count];
        if (listen->path[0] != '\0' && listen->mode != 0 &&
            chmod(listen->path, listen->mode) != 0) {
            log_warning("%s: its mode cannot be set: %s", listen->path, strerror(errno));
        }
    }
}

void takeover_end(struct takeover *takeover, const struct router_conf *conf)
{
    struct buf answer = {0};
    struct err err = {{0}};

    if (takeover->fd < 0) {
        return;
    }
    if (control_ask(takeover->fd, "drain", &answer, NULL, &err)) {
        log_notice("process %ld drains: this one has its place", takeover->offer.pid);
        takeover_files(&takeover->offer, conf);
    } else {
        log_warning("process %ld, which was to go, does not answer: %s", takeover->offer.pid,
                    err.text);
    }
    buf_finish(&answer);
    (void)close(takeover->fd); /* all was said */
    takeover->fd = -1;
}

void takeover_abandon(struct takeover *takeover)
{
    if (takeover->fd >= 0) {
        control_offer_close(&takeover->offer);
        (void)close(takeover->fd); /* nothing more to say */
        takeover->fd = -1;
    }
}
