#ifndef CONFIG_FEED_H
#define CONFIG_FEED_H

#include "base/assert.h"
#include "base/buf.h"
#include "base/err.h"
#include "config/router_conf.h"
#include "config/site.h"

/*
 * The Redis services of a site, as what runs them is told: a monitor reads the language of
 * sentinel.conf, a router its struct. Pure.
 */

/* The endpoints of a service of kind redis on that node. False and *err when they do not fit. */
bool feed_router(const struct site *site, const struct site_service *service,
                 const struct site_node *node, struct router_conf *conf,
                 struct err *err) MUST_CHECK;

/* The texts of the password files, by the index of the service; NULL is none. */
struct feed_passwords {
    const char *of_service[SITE_SERVICES_MAX];
    const char *of_monitors;
};

/*
 * Appends the sentinel.conf of the monitor on that node: all services of kind redis. The first
 * member in the file is the first master; from then on the monitor's state is newer. False and *err
 * when a secret or a name cannot stand in such a file.
 */
bool feed_monitor(const struct site *site, const struct site_node *node,
                  const struct feed_passwords *passwords, struct buf *out,
                  struct err *err) MUST_CHECK;

#endif
