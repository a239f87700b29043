#include "net/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

tf_status tf_file_open(const char *path, int *descriptor, size_t *size) {
    /* O_NONBLOCK: opening a FIFO for reading would otherwise wait for a writer. */
    int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) return tf_fail(TF_IO, "%s: cannot be opened: %s", path, strerror(errno));
    struct stat info;
    if (fstat(file, &info)) {
        int error = errno;
        close(file);
        return tf_fail(TF_IO, "%s: cannot be read: %s", path, strerror(error));
    }
    if (!S_ISREG(info.st_mode)) {
        close(file);
        return tf_fail(TF_IO, "%s: is %s, not a regular file", path, S_ISDIR(info.st_mode) ? "a directory" : "special");
    }
    *descriptor = file;
    *size = (size_t)info.st_size;
    return TF_OK;
}

tf_status tf_file_read(const char *path, size_t limit, char **data, size_t *size) {
    int file;
    size_t expected, have = 0;
    TF_TRY(tf_file_open(path, &file, &expected));
    if (expected > limit) {
        close(file);
        return tf_fail(TF_FORMAT, "%s: %zu bytes are more than the %zu allowed", path, expected, limit);
    }
    char *buffer = malloc(expected + 1);
    ssize_t got = buffer ? 1 : 0;
    while (got > 0 && have < expected) {
        got = read(file, buffer + have, expected - have);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0)
            have += (size_t)got;
    }
    int error = errno;
    close(file);
    if (!buffer) return tf_fail(TF_NOMEM, "%s: no memory for %zu bytes", path, expected);
    if (got < 0) {
        free(buffer);
        return tf_fail(TF_IO, "%s: cannot be read: %s", path, strerror(error));
    }
    buffer[have] = '\0';
    *data = buffer;
    *size = have;
    return TF_OK;
}

bool tf_printable(const char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f) return false;
    return true;
}

tf_status tf_json_parse(const char *where, const char *data, size_t size, json_t **object) {
    json_error_t error;
    json_t *root = json_loadb(data, size, JSON_REJECT_DUPLICATES, &error);
    if (!root) {
        for (char *c = error.text; *c; c++) /* it may quote the file */
            if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
        return tf_fail(TF_FORMAT, "%s: not valid JSON at line %d, column %d: %s", where, error.line, error.column,
                       error.text);
    }
    if (!json_is_object(root)) {
        json_decref(root);
        return tf_fail(TF_FORMAT, "%s: not a JSON object", where);
    }
    *object = root;
    return TF_OK;
}

tf_status tf_json_read(const char *path, size_t limit, json_t **object) {
    char *data;
    size_t size;
    TF_TRY(tf_file_read(path, limit, &data, &size));
    tf_status status = tf_json_parse(path, data, size, object);
    free(data);
    return status;
}

tf_status tf_path_join(const char *directory, const char *name, char *path, size_t size) {
    int length = snprintf(path, size, "%s/%s", directory, name);
    if (length < 0 || (size_t)length >= size) return tf_fail(TF_INVALID, "%.100s...: the path is too long", directory);
    return TF_OK;
}
