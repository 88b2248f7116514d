#include "config/router_conf.h"

#include <string.h>

#include "config/router_room.h"

void router_conf_init(struct router_conf *conf)
{
    memset(conf, 0, sizeof(*conf));
    router_option_defaults(conf);
}

void router_listen_text(const struct router_listen *listen, struct buf *out)
{
    char text[ADDR_TEXT_MAX];

    if (addr_is_set(&listen->at)) {
        buf_append_text(out, addr_text(&listen->at, text));
    } else {
        buf_printf(out, "unix:%s", listen->path);
    }
}

bool router_listen_is_local(const struct router_listen *listen)
{
    return !addr_is_set(&listen->at) || strncmp(listen->at.ip, "127.", 4) == 0 ||
           strcmp(listen->at.ip, "::1") == 0;
}
