#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

/* Heap memory, zeroed; free() gives it back. Never NULL: running out aborts, because there is no
 * useful way on for a monitor. */
void *memory_zeroed(size_t size);

/* The same text on the heap. */
char *memory_text(const char *text);

#endif
