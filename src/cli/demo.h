#ifndef CLI_DEMO_H
#define CLI_DEMO_H

/*
 * `holdfast demo`: one master, two replicas, three monitors and a client in a temporary directory
 * on free loopback ports; the master is killed every few seconds and what that costs the client is
 * told. argv[0] is "demo". Returns the exit status: 1 when a failover did not come.
 */
int demo_main(int argc, char **argv);

#endif
