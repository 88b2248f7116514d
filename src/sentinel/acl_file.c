#include "sentinel/acl_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ACL_FILE_READ_BYTES = 64 * 1024 };

static bool acl_file_read(int fd, struct buf *text, struct err *err)
{
    for (;;) {
        ssize_t got = read(fd, buf_reserve(text, ACL_FILE_READ_BYTES), ACL_FILE_READ_BYTES);
        if (got == 0) {
            return true;
        }
        if (got < 0 && errno != EINTR) {
            return err_set(err, "%s", strerror(errno));
        }
        buf_grew(text, got > 0 ? (size_t)got : 0);
        if (text->len > ACL_FILE_BYTES_MAX) {
            return err_set(err, "the file is larger than %d bytes", ACL_FILE_BYTES_MAX);
        }
    }
}

bool acl_file_load(struct acl *acl, const char *path, struct err *err)
{
    struct buf text = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return err_set(err, "Error loading ACLs, opening file '%s': %s", path, strerror(errno));
    }
    bool is_read = acl_file_read(fd, &text, err);
    (void)close(fd); /* only read */
    bool is_right = is_read ? acl_load_text(acl, path, buf_data(&text), text.len, err)
                            : err_wrap(err, "Error loading ACLs, reading file '%s'", path);
    buf_finish(&text);
    return is_right;
}

static bool acl_file_write(int fd, const struct buf *text)
{
    size_t done = 0;

    while (done < text->len) {
        ssize_t put = write(fd, buf_data(text) + done, text->len - done);
        if (put < 0 && errno != EINTR) {
            return false;
        }
        done += put > 0 ? (size_t)put : 0;
    }
    return fsync(fd) == 0;
}

static bool acl_file_sync_directory(const char *path)
{
    char *copy = strdup(path);
    ASSERT(copy != NULL);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_done =
        fd >= 0 && (fsync(fd) == 0 || errno == EINVAL); /* EINVAL: a file system without */

    if (fd >= 0) {
        (void)close(fd); /* only synced */
    }
    free(copy);
    return is_done;
}

/* Writes the text to a new file beside path and puts it in its place. */
static bool acl_file_replace(const char *path, const struct buf *text)
{
    struct buf beside = {0};
    struct stat old;

    buf_printf(&beside, "%s.tmp-XXXXXX", path);
    char *name = strdup(buf_data(&beside));
    ASSERT(name != NULL);
    buf_finish(&beside);
    int fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0) {
        free(name);
        return false;
    }
    bool is_written =
        acl_file_write(fd, text) && (stat(path, &old) != 0 || fchmod(fd, old.st_mode & 07777) == 0);
    is_written = close(fd) == 0 && is_written && rename(name, path) == 0;
    if (!is_written) {
        int why = errno;
        (void)unlink(name); /* what is left of it; the first error is the one that counts */
        errno = why;
    }
    free(name);
    return is_written && acl_file_sync_directory(path);
}

bool acl_file_save(const struct acl *acl, const char *path, struct err *err)
{
    struct buf text = {0};

    acl_print(acl, &text);
    bool is_saved = acl_file_replace(path, &text);
    if (!is_saved) {
        (void)err_set(err, "saving the users to '%s': %s", path, strerror(errno));
    }
    buf_finish(&text);
    return is_saved;
}
