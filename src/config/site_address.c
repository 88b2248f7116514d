/* Where to listen, as text. */
#include <string.h>

#include "base/text.h"
#include "config/site_room.h"

#define SITE_ADDRESS_UNIX "unix:"
#define SITE_ADDRESS_OWN  "node"

static bool site_address_unix(const char *path, struct site_listen *listen)
{
    return path[0] == '/' && text_copy(listen->to.path, sizeof(listen->to.path), path);
}

bool site_address_listen(const char *text, struct site_listen *listen)
{
    struct site_listen made = {.at = listen->at};
    char host[ADDR_IP_MAX];
    const char *colon = strrchr(text, ':');
    const char *from = text;
    uint64_t port = 0;

    if (strncmp(text, SITE_ADDRESS_UNIX, strlen(SITE_ADDRESS_UNIX)) == 0) {
        bool is_good = site_address_unix(text + strlen(SITE_ADDRESS_UNIX), &made);
        *listen = is_good ? made : *listen;
        return is_good;
    }
    if (colon == NULL || !text_to_u64(colon + 1, strlen(colon + 1), &port) || port == 0 ||
        port > UINT16_MAX) {
        return false;
    }
    size_t len = (size_t)(colon - text);
    bool has_brackets = len > 2 && text[0] == '[' && colon[-1] == ']';
    if (has_brackets) {
        from = text + 1;
        len -= 2;
    }
    if (len >= sizeof(host)) {
        return false;
    }
    memcpy(host, from, len);
    host[len] = '\0';
    if (strcmp(host, SITE_ADDRESS_OWN) == 0) {
        made.is_own_address = true;
        made.to.at.port = (uint16_t)port;
    } else if (!addr_is_numeric(host) || (strchr(host, ':') != NULL) != has_brackets ||
               !addr_set(&made.to.at, host, (uint16_t)port)) {
        return false;
    }
    *listen = made;
    return true;
}

bool site_address_is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 ||
           text_same(host, "localhost");
}

bool site_address_is_wildcard(const char *host)
{
    return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

void site_address_write(const struct site_listen *listen, struct buf *out)
{
    char text[ADDR_TEXT_MAX];

    if (listen->to.path[0] != '\0') {
        buf_printf(out, SITE_ADDRESS_UNIX "%s", listen->to.path);
    } else if (listen->is_own_address) {
        buf_printf(out, SITE_ADDRESS_OWN ":%u", (unsigned)listen->to.at.port);
    } else {
        buf_append_text(out, addr_text(&listen->to.at, text));
    }
}
