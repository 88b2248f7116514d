#ifndef CLI_CLI_H
#define CLI_CLI_H

/*
 * What a person types: the words after `holdfast` choose one row of commands.def. Called by a name
 * that holds redis-sentinel or valkey-sentinel, or with Redis' own form `FILE --sentinel`, it is
 * the sentinel command.
 */

enum cli_exit {
    CLI_FINE = 0,
    CLI_FAILED = 1, /* a finding or a failure */
    CLI_USAGE = 2,  /* the call or the file is wrong */
};

/* The absolute path of this program; "" when the kernel does not tell. */
const char *cli_executable(void);

/* argv as main() gets it. Returns the exit status of the process. */
int cli_main(int argc, char **argv);

#endif
