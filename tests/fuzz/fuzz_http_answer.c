/* An answer from a server that may send anything, whole and in two pieces. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "probe/http_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_MAX = 64 };

static void answer_read(struct http_answer *a, const uint8_t *data, size_t size, size_t cut)
{
    struct buf in = {0};

    http_answer_init(a, false, BODY_MAX);
    buf_append(&in, data, cut);
    if (!http_answer_feed(a, &in)) {
        buf_append(&in, data + cut, size - cut);
        (void)http_answer_feed(a, &in); /* the part says it */
    }
    (void)http_answer_end(a);
    ASSERT(a->part == HTTP_PART_DONE || a->part == HTTP_PART_BROKEN);
    ASSERT(a->body.len <= BODY_MAX);
    ASSERT((a->part == HTTP_PART_BROKEN) == (a->err.text[0] != '\0'));
    buf_finish(&in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_answer whole;
    struct http_answer pieces;

    answer_read(&whole, data, size, size);
    answer_read(&pieces, data, size, size > 0 ? data[size - 1] % size : 0);
    ASSERT(whole.part == pieces.part && whole.status == pieces.status);
    ASSERT(whole.body.len == pieces.body.len);
    ASSERT(memcmp(buf_data(&whole.body), buf_data(&pieces.body), whole.body.len) == 0);
    http_answer_finish(&whole);
    http_answer_finish(&pieces);
    return 0;
}
