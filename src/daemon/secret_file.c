#include "daemon/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loop/log.h"

enum { SECRET_MAX_BYTES = 4096 /* tokens of some hundred bytes are the longest seen */ };

static bool secret_file_bytes(const char *path, char *bytes, size_t *len, unsigned *mode,
                              struct err *err)
{
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &about) != 0) {
        (void)err_set(err, "%s: %s", path, strerror(errno)); /* false, always */
        if (fd >= 0) {
            (void)close(fd); /* nothing was written to it */
        }
        return false;
    }
    size_t got = 0;
    ssize_t part = 1;
    while (got < SECRET_MAX_BYTES && part != 0) {
        part = read(fd, bytes + got, SECRET_MAX_BYTES - got);
        if (part > 0) {
            got += (size_t)part;
        } else if (part < 0 && errno != EINTR) {
            (void)err_set(err, "%s: %s", path, strerror(errno)); /* false, always */
            (void)close(fd);                                     /* nothing was written to it */
            return false;
        }
    }
    (void)close(fd); /* nothing was written to it */
    *len = got;
    *mode = about.st_mode;
    return true;
}

bool secret_file_read(const char *path, char **text, void (*warn)(const char *text),
                      struct err *err)
{
    char bytes[SECRET_MAX_BYTES + 1];
    size_t len = 0;
    unsigned mode = 0;

    *text = NULL;
    if (path == NULL || path[0] == '\0') {
        return true;
    }
    if (!secret_file_bytes(path, bytes, &len, &mode, err)) {
        return false;
    }
    bytes[len] = '\0';
    size_t line_len = strcspn(bytes, "\r\n");
    bool is_good = true;
    if (memchr(bytes, '\0', len) != NULL) {
        is_good = err_set(err, "%s: holds a zero byte; write the password as its first line", path);
    } else if (line_len == 0) {
        is_good = err_set(err, "%s: its first line, which is the password, is empty", path);
    } else if (line_len == SECRET_MAX_BYTES) {
        is_good =
            err_set(err, "%s: the password is longer than %d bytes", path, SECRET_MAX_BYTES - 1);
    }
    if (is_good) {
        *text = strndup(bytes, line_len);
        ASSERT(*text != NULL);
    }
    explicit_bzero(bytes, sizeof(bytes));
    if (is_good && (mode & (S_IROTH | S_IWOTH)) != 0) {
        struct err note;
        (void)err_set(&note,
                      "%s holds a password and every user of this machine may %s it: "
                      "chmod 600",
                      path, (mode & S_IWOTH) != 0 ? "change" : "read"); /* a text, no failure */
        warn(note.text);
    }
    return is_good;
}

void secret_file_warn_log(const char *text)
{
    log_warning("%s", text);
}

void secret_file_wipe(char **text)
{
    if (*text != NULL) {
        explicit_bzero(*text, strlen(*text));
        free(*text);
        *text = NULL;
    }
}
