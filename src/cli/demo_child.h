#ifndef CLI_DEMO_CHILD_H
#define CLI_DEMO_CHILD_H

/*
 * Every program of the demo is started through this, so that the kernel kills it when the demo
 * dies, in whatever way.
 *
 * argv: "--as-child", the pid of the demo, the file for its output, the program's path and
 * arguments. Becomes that program. Returns an exit status when it cannot.
 */
int demo_child_exec(int argc, char **argv);

#endif
