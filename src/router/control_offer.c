#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "router/control_inside.h"

/* The new side of a take-over: which of the descriptors of the old process are addresses of ours.
 */

struct offer_match {
    struct control_offer *offer;
    const char *address;
    const char *kind;
    int fd; /* -1 when it has found its place */
};

static bool control_offer_is_listening(int fd)
{
    int is_listening = 0;
    socklen_t len = sizeof(is_listening);

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &len) == 0 && is_listening;
}

static void control_offer_match(void *ctx, size_t i, const char *address, const char *kind)
{
    struct offer_match *match = ctx;
    struct control_offer *offer = match->offer;

    if (match->fd >= 0 && offer->sockets.fds[i] < 0 && strcmp(match->address, address) == 0 &&
        strcmp(match->kind, kind) == 0) {
        offer->sockets.fds[i] = match->fd;
        offer->sockets_had++;
        match->fd = -1;
    }
}

static bool control_offer_names_path(const struct router_conf *conf, const char *path)
{
    for (size_t i = 0; i < conf->listens_count; i++) {
        if (strcmp(conf->listens[i].path, path) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < conf->replica_listens_count; i++) {
        if (strcmp(conf->replica_listens[i].path, path) == 0) {
            return true;
        }
    }
    return false;
}

/* A path that conf has for something else is bound anew, and is no longer the old process's. */
static void control_offer_elsewhere(const struct router_conf *conf, struct control_offer *offer,
                                    const char *address)
{
    static const char prefix[] = "unix:";
    size_t used = strlen(offer->elsewhere);
    const char *path = address + strlen(prefix);

    if (strncmp(address, prefix, strlen(prefix)) == 0 &&
        offer->left_paths_count < COUNT_OF(offer->left_paths) &&
        !control_offer_names_path(conf, path)) {
        text_cut(offer->left_paths[offer->left_paths_count++], ROUTER_UNIX_PATH_MAX, path);
    }

    (void)snprintf(offer->elsewhere + used, sizeof(offer->elsewhere) - used, "%s%s",
                   used == 0 ? "" : ", ", address); /* cut when too long */
}

static void control_offer_place(const struct router_conf *conf, struct control_offer *offer,
                                const json_t *name, int fd)
{
    const char *address = json_string_value(json_object_get(name, "address"));
    const char *kind = json_string_value(json_object_get(name, "kind"));
    struct offer_match match = {.offer = offer, .address = address, .kind = kind, .fd = fd};

    if (address != NULL && kind != NULL && control_offer_is_listening(fd)) {
        control_each_listen(conf, control_offer_match, &match);
    }
    if (match.fd >= 0) {
        control_offer_elsewhere(conf, offer, address == NULL ? "?" : address);
        (void)close(match.fd); /* the old process has it still */
    }
}

static bool control_offer_read(const struct router_conf *conf, const struct buf *answer,
                               const struct router_sockets *got, struct control_offer *offer,
                               struct err *err)
{
    json_error_t why;
    json_t *whole = json_loadb(buf_data(answer), answer->len, 0, &why);
    const json_t *names = json_object_get(whole, "sockets");
    const char *master = json_string_value(json_object_get(whole, "master"));
    const char *error = json_string_value(json_object_get(whole, "error"));
    bool is_good = true;

    if (error != NULL) {
        is_good = err_set(err, "it says: %s", error);
    } else if (!json_is_array(names) || json_array_size(names) != got->count || master == NULL) {
        is_good = err_set(err, "its answer is not that of a router");
    }
    for (size_t i = 0; i < got->count; i++) {
        if (is_good) {
            control_offer_place(conf, offer, json_array_get(names, i), got->fds[i]);
        } else {
            (void)close(got->fds[i]); /* nobody knows what it is */
        }
    }
    if (is_good) {
        text_cut(offer->master, sizeof(offer->master), master);
        offer->pid = (long)json_integer_value(json_object_get(whole, "pid"));
    }
    json_decref(whole);
    return is_good;
}

bool control_ask_offer(int fd, const struct router_conf *conf, struct control_offer *offer,
                       struct err *err)
{
    struct control_offer made = {.sockets.count =
                                     conf->listens_count + conf->replica_listens_count};
    struct router_sockets got = {.count = 0};
    struct buf answer = {0};

    for (size_t i = 0; i < made.sockets.count; i++) {
        made.sockets.fds[i] = -1;
    }
    bool is_good = control_ask(fd, "sockets", &answer, &got, err);
    if (is_good) {
        is_good = control_offer_read(conf, &answer, &got, &made, err);
    } else {
        for (size_t i = 0; i < got.count; i++) {
            (void)close(got.fds[i]); /* the line that names them did not come */
        }
    }
    if (is_good) {
        *offer = made;
    }
    buf_finish(&answer);
    return is_good;
}

void control_offer_close(struct control_offer *offer)
{
    for (size_t i = 0; i < offer->sockets.count; i++) {
        if (offer->sockets.fds[i] >= 0) {
            (void)close(offer->sockets.fds[i]); /* the old process has it still */
        }
        offer->sockets.fds[i] = -1;
    }
    offer->sockets_had = 0;
}
