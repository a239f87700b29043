#define _GNU_SOURCE /* O_TMPFILE */
#include "net/base/new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static tf_status failed(const tf_new_file *f, int error) {
    return tf_fail(TF_IO, "%s: cannot be written: %s", f->path, strerror(error));
}

enum { ATTEMPTS = 100 };

/* The directory that a file stands in. */
static bool directory_of(const char *path, char directory[4096]) {
    const char *slash = strrchr(path, '/');
    int length = snprintf(directory, 4096, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    return length >= 0 && length < 4096;
}

static bool name_temporary(tf_new_file *f, int attempt) {
    return snprintf(f->temporary, sizeof f->temporary, "%s.%ld-%d.tmp", f->path, (long)getpid(), attempt) > 0;
}

/* Gives a file without a name its temporary one, from which it can take the place of another. */
static int link_temporary(tf_new_file *f) {
    char own[64];
    snprintf(own, sizeof own, "/proc/self/fd/%d", f->file);
    for (int k = 0; k < ATTEMPTS && name_temporary(f, k); k++) {
        if (!linkat(AT_FDCWD, own, AT_FDCWD, f->temporary, AT_SYMLINK_FOLLOW)) return 0;
        if (errno != EEXIST) break;
    }
    return errno;
}

tf_status tf_new_file_open(const char *path, unsigned mode, tf_new_file *f) {
    char directory[4096];
    *f = (tf_new_file){.file = -1};
    int length = snprintf(f->path, sizeof f->path, "%s", path);
    if (length < 0 || (size_t)length >= sizeof f->path - 32)
        return tf_fail(TF_INVALID, "%.100s...: the path is too long", path);
    if (directory_of(f->path, directory) && !access("/proc/self/fd", X_OK))
        f->file = open(directory, O_WRONLY | O_TMPFILE | O_CLOEXEC, mode);
    if (f->file >= 0) return TF_OK;
    f->named = true; /* not all file systems have files without a name */
    for (int k = 0; k < ATTEMPTS && f->file < 0 && name_temporary(f, k); k++) {
        f->file = open(f->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
        if (f->file < 0 && errno != EEXIST) break;
    }
    return f->file >= 0 ? TF_OK : failed(f, errno);
}

tf_status tf_new_file_write(const tf_new_file *f, const void *data, size_t size, uint64_t offset) {
    const char *next = data;
    while (size) {
        ssize_t done = pwrite(f->file, next, size, (off_t)offset);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return failed(f, errno);
        next += done, size -= (size_t)done, offset += (uint64_t)done;
    }
    return TF_OK;
}

/** The rename itself is only safe once the directory is on the disk. Some file systems cannot, and say EINVAL. */
static int synchronise_directory(const char *path) {
    char directory[4096];
    if (!directory_of(path, directory)) return EINVAL;
    int descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return errno == EACCES ? 0 : errno; /* a directory to write into but not to read */
    int error = fsync(descriptor) && errno != EINVAL ? errno : 0;
    close(descriptor);
    return error;
}

tf_status tf_new_file_finish(tf_new_file *f) {
    int error = fsync(f->file) && errno != EINVAL ? errno : 0;
    int descriptor = f->file;
    if (!error && !f->named) {
        error = link_temporary(f);
        f->named = !error;
    }
    f->file = -1;
    if (close(descriptor) && !error) error = errno;
    if (!error && rename(f->temporary, f->path)) error = errno;
    if (error) {
        if (f->named) unlink(f->temporary);
        return failed(f, error);
    }
    error = synchronise_directory(f->path);
    return error ? failed(f, error) : TF_OK;
}

void tf_new_file_abandon(tf_new_file *f) {
    if (f->file < 0) return;
    close(f->file);
    if (f->named) unlink(f->temporary);
    f->file = -1;
}

tf_status tf_file_write(const char *path, unsigned mode, const void *data, size_t size) {
    tf_new_file f;
    TF_TRY(tf_new_file_open(path, mode, &f));
    tf_status status = tf_new_file_write(&f, data, size, 0);
    if (status == TF_OK) return tf_new_file_finish(&f);
    tf_new_file_abandon(&f);
    return status;
}
