#ifndef LINK_HELLO_WIRE_H
#define LINK_HELLO_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "failover/failover.h"
#include "link/link.h"

/*
 * The hello message:
 * ip,port,runid,current_epoch,master_name,master_ip,master_port,master_config_epoch. Pure.
 */

/* Strict: exactly eight fields, ports from 1 to 65535, epochs up to EPOCH_MAX, a run id by
 * text_is_run_id(). Which address is allowed is not decided here.
 * *hello is written on true only. */
bool hello_wire_decode(const char *text, size_t len, struct hello *hello);

/* Returns the length of text; 0 when it does not fit, which valid fields always do. */
size_t hello_wire_encode(const struct hello *hello, bool want_names, char text[HELLO_TEXT_MAX]);

#endif
