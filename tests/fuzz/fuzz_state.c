/* A state file as it is, and the same bytes as a body with a right checksum, which the lines are
 * behind. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is read is written the same, however it was quoted before. */
static void check(const char *text, size_t len)
{
    struct state_image image = {0};
    struct state_image back = {0};
    struct buf first = {0};
    struct buf second = {0};
    struct err err;

    if (state_wire_decode(text, len, &image, &err)) {
        state_wire_encode(&image, &first);
        bool is_taken = state_wire_decode(buf_data(&first), first.len, &back, &err);
        ASSERT(is_taken);
        state_wire_encode(&back, &second);
        ASSERT(strcmp(buf_data(&first), buf_data(&second)) == 0);
    } else {
        ASSERT(strlen(err.text) > 0);
        ASSERT(image.masters == NULL);
    }
    state_wire_finish(&image);
    state_wire_finish(&back);
    buf_finish(&first);
    buf_finish(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf body = {0};
    struct buf sealed = {0};
    char *text = malloc(size == 0 ? 1 : size); /* exact */

    ASSERT(text != NULL);
    memcpy(text, data, size);
    check(text, size);
    buf_append(&body, data, size);
    state_wire_seal(&body, &sealed);
    check(buf_data(&sealed), sealed.len);
    buf_finish(&body);
    buf_finish(&sealed);
    free(text);
    return 0;
}
