#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whole-string numbers: no sign but '-', no spaces, nothing left over, in range. *value is written
 * only on success. */
bool text_to_i64(const char *text, size_t len, int64_t *value);
bool text_to_u64(const char *text, size_t len, uint64_t *value);

/* Copies text into a field of size bytes, with its end. False, and nothing written, when it does
 * not fit. */
bool text_copy(char *field, size_t size, const char *text);

/* Copies as much of text as fits: for text that only a person reads. */
void text_cut(char *field, size_t size, const char *text);

bool text_same(const char *a, const char *b); /* ignoring the case of ASCII letters */

/* Redis' glob: * ? [abc] [^a] [a-z] and backslash.
 * Bounded work: no pattern makes it exponential. */
bool text_glob(const char *pattern, size_t pattern_len, const char *text, size_t len);

/* The fewest letters to add, drop or change that make one word the other; SIZE_MAX when one is
 * longer than TEXT_DISTANCE_MAX. To suggest what may have been meant. */
size_t text_distance(const char *a, const char *b);
enum { TEXT_DISTANCE_MAX = 64 /* longer words are no names of ours, nor near one */ };

/* len lower-case hex digits, and nothing after them. */
bool text_is_hex(const char *text, size_t len);

/* What may stand as the run id of a monitor, in files and on the wire: any printable ASCII but a
 * space and a comma, since Redis takes what an operator writes. Neither "*" nor "-", which say that
 * there is none. How long it may be is the caller's matter. */
bool text_is_run_id(const char *text, size_t len);

#endif
