/* One file, replaced whole. Blocking; runs on the helper thread, or before the loop does. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/store.h"

enum { STORE_READ_BYTES = 64 * 1024 };

/* Where the file is and where its successor is made: the same name each time, so that what a crash
 * leaves behind is used again and not collected. */
struct store_place {
    char file[PATH_MAX];
    char directory[PATH_MAX];
    char temp[PATH_MAX];
};

static bool store_find_place(const char *path, struct store_place *at, struct err *err)
{
    const char *slash;
    int len;

    if (realpath(path, at->file) == NULL) {
        if (errno != ENOENT) {
            return err_set(err, "%s: %s", path, strerror(errno));
        }
        len = snprintf(at->file, sizeof(at->file), "%s", path);
        if (len < 0 || (size_t)len >= sizeof(at->file)) {
            return err_set(err, "%s: the path is too long", path);
        }
    }
    slash = strrchr(at->file, '/');
    size_t directory_len = slash != NULL ? (size_t)(slash - at->file) + 1 : 0;
    memcpy(at->directory, at->file, directory_len);
    at->directory[directory_len] = '\0';
    len = snprintf(at->temp, sizeof(at->temp), "%s.%s.holdfast-new", at->directory,
                   at->file + directory_len);
    if (len < 0 || (size_t)len >= sizeof(at->temp)) {
        return err_set(err, "%s: the path is too long", path);
    }
    if (directory_len == 0) {
        memcpy(at->directory, ".", 2);
    }
    return true;
}

static bool store_write_all(int fd, const char *image, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, image, len);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            errno = written == 0 ? ENOSPC : errno;
            return false;
        }
        image += written;
        len -= (size_t)written;
    }
    return true;
}

/* The successor looks like the old file to other programs. */
static bool store_copy_mode(int fd, const char *file)
{
    struct stat old;
    struct stat new;

    if (stat(file, &old) != 0) {
        return fchmod(fd, STORE_MODE) == 0;
    }
    if (fstat(fd, &new) == 0 && (old.st_uid != new.st_uid || old.st_gid != new.st_gid)) {
        if (fchown(fd, old.st_uid, old.st_gid) != 0) {
            /* only root may give files away: as with Redis the file is then ours */
            errno = 0;
        }
    }
    return fchmod(fd, old.st_mode & 07777) == 0;
}

static bool store_make_temp(const struct store_place *at, const char *image, size_t len,
                            struct err *err)
{
    (void)unlink(at->temp); /* of a crash; there may be none */
    int fd = open(at->temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_set(err, "%s: cannot be made: %s", at->temp, strerror(errno));
    }
    bool is_done =
        store_copy_mode(fd, at->file) && store_write_all(fd, image, len) && fsync(fd) == 0;
    int why = errno;
    if (close(fd) != 0 && is_done) {
        is_done = false;
        why = errno;
    }
    if (!is_done) {
        (void)unlink(at->temp); /* what matters is in the error already */
        return err_set(err, "%s: cannot be written: %s", at->temp, strerror(why));
    }
    return true;
}

static bool store_sync_directory(const struct store_place *at, struct err *err)
{
    int fd = open(at->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        return err_set(err, "%s: %s", at->directory, strerror(errno));
    }
    bool is_done = fsync(fd) == 0 || errno == EINVAL; /* EINVAL: a file system without */
    int why = errno;
    (void)close(fd); /* nothing was written to it */
    return is_done || err_set(err, "%s: cannot be synced: %s", at->directory, strerror(why));
}

static bool store_write_in_place(const struct store_place *at, const char *image, size_t len,
                                 struct err *err)
{
    int fd = open(at->file, O_WRONLY | O_CLOEXEC);

    if (fd < 0) {
        return err_set(err, "%s: cannot be opened: %s", at->file, strerror(errno));
    }
    bool is_done =
        store_write_all(fd, image, len) && ftruncate(fd, (off_t)len) == 0 && fsync(fd) == 0;
    int why = errno;
    if (close(fd) != 0 && is_done) {
        is_done = false;
        why = errno;
    }
    return is_done || err_set(err, "%s: cannot be written in place: %s", at->file, strerror(why));
}

bool store_write(const char *path, const char *image, size_t len, bool *in_place, struct err *err)
{
    struct store_place at;

    if (!store_find_place(path, &at, err) || !store_make_temp(&at, image, len, err)) {
        return false;
    }
    if (rename(at.temp, at.file) != 0) {
        int why = errno;
        (void)unlink(at.temp); /* what matters is in the error already */
        if (why != EBUSY) {
            return err_set(err, "%s: cannot be replaced: %s", at.file, strerror(why));
        }
        if (!store_write_in_place(&at, image, len, err)) {
            return false;
        }
        if (in_place != NULL) {
            *in_place = true;
        }
        return true;
    }
    if (in_place != NULL) {
        *in_place = false;
    }
    return store_sync_directory(&at, err);
}

static bool store_read_all(int fd, struct buf *text)
{
    for (;;) {
        ssize_t got = read(fd, buf_reserve(text, STORE_READ_BYTES), STORE_READ_BYTES);
        if (got == 0) {
            return true;
        }
        if (got > 0) {
            buf_grew(text, (size_t)got);
        } else if (errno != EINTR) {
            return false;
        }
        if (text->len > STORE_READ_MAX_BYTES) {
            errno = EFBIG;
            return false;
        }
    }
}

bool store_read(const char *path, struct buf *text, bool *exists, struct err *err)
{
    struct buf read_text = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT) {
        *exists = false;
        return true;
    }
    bool is_done = fd >= 0 && store_read_all(fd, &read_text);
    int why = errno;
    if (fd >= 0) {
        (void)close(fd); /* nothing was written to it */
    }
    if (is_done) {
        buf_append(text, buf_data(&read_text), read_text.len);
        *exists = true;
    }
    buf_finish(&read_text);
    return is_done || err_set(err, "%s: cannot be read: %s", path, strerror(why));
}
