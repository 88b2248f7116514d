#ifndef CLI_STATUS_H
#define CLI_STATUS_H

/*
 * `holdfast status [--json|--metrics] [--control PATH]`: asks routers on this machine how they are.
 * Without --control all that have their socket in the usual place. argv[0] is "status". Returns the
 * exit status: 0 fine, 1 when a router does not answer or has no master, 2 when the call is wrong.
 */
int status_main(int argc, char **argv);

#endif
