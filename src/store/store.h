#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/err.h"
#include "failover/failover.h"
#include "loop/loop.h"

/*
 * Replaces one file durably, off the loop's thread. After a crash at any moment the file is the old
 * image or a new one, whole; a save that was reported is on disk.
 */
struct store;

/* Everything up to this seq is on disk (ok), or that is not certain and why says it: then the file
 * is the old image or the new one, and nothing is tried again by itself. Comes from a turn of the
 * loop. */
typedef void (*store_saved)(void *ctx, uint64_t seq, bool ok, const char *why);

enum { STORE_MODE = 0640 /* of a new file: it holds passwords */ };

/* Copies path, which may be relative to the working directory of now: it is made absolute. */
struct store *store_create(struct loop *loop, const char *path, store_saved on_saved,
                           void *ctx) MUST_CHECK;

/* Call it when store_idle(), or after loop_destroy(), which waits for the write that runs. */
void store_destroy(struct store *store);

/* Copies the image. While one is being written the newest waits, and its seq covers the older ones,
 * which are not reported. seq must grow. */
void store_save(struct store *store, uint64_t seq, const char *image, size_t len);

bool store_idle(const struct store *store); /* nothing is being written or waits */

/*
 * The same at once and blocking, for the start and the end of the process. Writes a temporary file
 * beside the old one, with its mode and, when allowed, its owner; fsync, rename, fsync of the
 * directory. A link is followed. When the file cannot be replaced because it is a mount point
 * (EBUSY) it is written in place, which a crash or a full disk can tear: *in_place (may be NULL)
 * then says so.
 */
bool store_write(const char *path, const char *image, size_t len, bool *in_place,
                 struct err *err) MUST_CHECK;

/* Appends the whole file to *text. A file that is not there is no error: *exists is false. */
bool store_read(const char *path, struct buf *text, bool *exists, struct err *err) MUST_CHECK;
enum { STORE_READ_MAX_BYTES = 64 << 20 /* state of 10,000 masters is below 20 MB */ };

/* ---- the state as a file of its own (state_wire.c): pure ----
 *
 * holdfast-state 1 <crc32c, 8 hex digits> <bytes that follow this line>
 * myid <run id>
 * current-epoch <n>
 * master <name> <host> <port> <quorum> <parallel-syncs> <down-after> <failover-timeout>
 * <refused-after> <reboot-down-after> <config-epoch> <leader-epoch> <leader or ->       (one line)
 * replica <host> <port>              of the master above
 * peer <host> <port> <run id or ->   of the master above
 *
 * A host with a known ip is written name=ip.
 */
struct state_peer {
    struct addr addr;
    char run_id[RUN_ID_MAX];
};

struct state_master {
    struct master_state state;
    struct addr *replicas;
    size_t replicas_count;
    struct state_peer *peers;
    size_t peers_count;
};

/* Zeroed is empty. */
struct state_image {
    char run_id[RUN_ID_MAX];
    uint64_t current_epoch;
    struct state_master *masters;
    size_t masters_count;
};

enum { STATE_MASTERS_MAX = 100000 /* a file that says more is not ours */ };

void state_wire_finish(struct state_image *image);

/* Appends the file. */
void state_wire_encode(const struct state_image *image, struct buf *out);

/* The same piece by piece, without an image: begin, then each master followed by its replicas and
 * peers, into one empty *body; seal appends header and body to *out. */
void state_wire_begin(struct buf *body, const char *run_id, uint64_t current_epoch);
void state_wire_master(struct buf *body, const struct master_state *state);
void state_wire_replica(struct buf *body, const struct addr *addr);
void state_wire_peer(struct buf *body, const struct addr *addr, const char *run_id);
void state_wire_seal(const struct buf *body, struct buf *out);

/* Fills an empty *image. False, *image stays empty and *err says the line, what is wrong and what
 * to do, when the file is torn, altered or of another version. */
bool state_wire_decode(const char *text, size_t len, struct state_image *image,
                       struct err *err) MUST_CHECK;

#endif
