#ifndef CLI_CHECK_H
#define CLI_CHECK_H

/*
 * `holdfast check SITE.yaml [--strict] [--json] [--node NAME]`: tells every mistake of a site file,
 * with its line and what to write instead. Starts and connects nothing. argv[0] is "check". Returns
 * the exit status: 0 right, 1 with --strict and a warning, 2 the file or the call is wrong.
 */
int check_main(int argc, char **argv);

#endif
