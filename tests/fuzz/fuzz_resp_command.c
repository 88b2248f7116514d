/*
 * Any bytes as commands: read at once and in pieces of the size that the first byte tells, the
 * commands must be the same.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "resp/resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads all that can be read and adds what it was to *seen. */
static enum resp_status read_all(struct resp_command_reader *reader, struct buf *in,
                                 struct buf *seen)
{
    struct resp_command command;
    enum resp_status status;

    while ((status = resp_command_read(reader, in, &resp_limits_default, &command)) == RESP_READY) {
        ASSERT(command.argc > 0);
        buf_printf(seen, "%zu:", command.argc);
        for (size_t i = 0; i < command.argc; i++) {
            ASSERT(command.argv[i].bytes[command.argv[i].len] == '\0');
            resp_write_bulk(seen, command.argv[i].bytes, command.argv[i].len);
        }
    }
    if (status == RESP_BAD) {
        buf_append_text(seen, resp_command_error(reader));
    }
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct resp_command_reader whole = {0};
    struct resp_command_reader pieces = {0};
    struct buf in[2] = {{0}, {0}};
    struct buf seen[2] = {{0}, {0}};

    if (size == 0) {
        return 0;
    }
    size_t piece = (size_t)data[0] % 16 + 1;
    buf_append(&in[0], data + 1, size - 1);
    enum resp_status status = read_all(&whole, &in[0], &seen[0]);
    for (size_t at = 1; at < size; at += piece) {
        buf_append(&in[1], data + at, size - at < piece ? size - at : piece);
        if (read_all(&pieces, &in[1], &seen[1]) == RESP_BAD) {
            break;
        }
    }
    ASSERT(seen[0].len == seen[1].len || status == RESP_BAD);
    for (size_t i = 0; i < seen[0].len && i < seen[1].len && status != RESP_BAD; i++) {
        ASSERT(buf_data(&seen[0])[i] == buf_data(&seen[1])[i]);
    }
    resp_command_finish(&whole);
    resp_command_finish(&pieces);
    for (int i = 0; i < 2; i++) {
        buf_finish(&in[i]);
        buf_finish(&seen[i]);
    }
    return 0;
}
