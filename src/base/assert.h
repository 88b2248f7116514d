#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

/*
 * Asserts that stay on in every build: a monitor that stops is restarted in a second with its votes
 * on disk, one that goes on with a broken state elects two masters. Never assert on input from
 * outside, never with a side effect.
 */
#define ASSERT(expr) ((expr) ? (void)0 : assert_fail(__FILE__, __LINE__, __func__, #expr))

/* Whole-state invariants, too dear for every step: on in the simulator and in debug builds. */
#ifdef HOLDFAST_SLOW_ASSERTS
#define ASSERT_SLOW(expr) ASSERT(expr)
#else
#define ASSERT_SLOW(expr) ((void)sizeof(expr))
#endif

#define UNREACHABLE(why)       assert_fail(__FILE__, __LINE__, __func__, "unreachable: " why)

/* A result that carries safety or an error may not be dropped. */
#define MUST_CHECK             __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define COUNT_OF(array)        (sizeof(array) / sizeof((array)[0]))

/* Prints where and what to standard error, then aborts. */
_Noreturn void assert_fail(const char *file, int line, const char *function, const char *what);

#endif
