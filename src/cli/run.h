#ifndef CLI_RUN_H
#define CLI_RUN_H

/*
 * `holdfast run SITE.yaml [--node NAME]`: what the file says of this node. argv[0] is "run".
 * Returns the exit status: 0 when it ended as told, 1 when it could not start, 2 when the call or
 * the file is wrong.
 */
int run_main(int argc, char **argv);

#endif
