#include "experiments/app/data/directory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "experiments/app/data/tokenizer_files.h"
#include "net/base/file.h"
#include "net/base/new_file.h"

tf_status directory_make(const char *directory, const char *source, unsigned mode) {
    struct stat from, to;
    if (mkdir(directory, mode) != 0 && errno != EEXIST) return tf_fail(TF_IO, "%s: %s", directory, strerror(errno));
    if (stat(directory, &to) != 0) return tf_fail(TF_IO, "%s: %s", directory, strerror(errno));
    if (!S_ISDIR(to.st_mode)) return tf_fail(TF_IO, "%s: not a directory", directory);
    if (source && stat(source, &from) == 0 && from.st_dev == to.st_dev && from.st_ino == to.st_ino)
        return tf_fail(TF_INVALID, "%s: --out is the --model directory itself", directory);
    return TF_OK;
}

tf_status directory_write_json(const char *path, json_t *object) {
    char *text = json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    json_decref(object);
    if (!text) return tf_fail(TF_NOMEM, "out of memory");
    tf_status status = tf_file_write(path, 0666, text, strlen(text));
    free(text);
    return status;
}

tf_status directory_mirror(const char *from, const char *to, const char *name) {
    char source[DIRECTORY_PATH], target[DIRECTORY_PATH];
    if (from) TF_TRY(tf_path_join(from, name, source, sizeof source));
    TF_TRY(tf_path_join(to, name, target, sizeof target));
    if (!from || access(source, F_OK) != 0)
        return unlink(target) == 0 || errno == ENOENT ? TF_OK : tf_fail(TF_IO, "%s: %s", target, strerror(errno));
    char *data;
    size_t size;
    TF_TRY(tf_file_read(source, DIRECTORY_LARGEST_TEXT, &data, &size));
    tf_status status = tf_file_write(target, 0666, data, size);
    free(data);
    return status;
}

tf_status directory_mirror_tokenizer(const char *from, const char *to) {
    for (int i = 0; i < TOKENIZER_FILES; i++) TF_TRY(directory_mirror(from, to, tokenizer_file[i]));
    return TF_OK;
}

tf_status directory_of_party(const char *directory, int party, char *path, size_t size) {
    char name[16];
    struct stat info;
    snprintf(name, sizeof name, "party%d", party);
    TF_TRY(tf_path_join(directory, name, path, size));
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) return TF_OK;
    int length = snprintf(path, size, "%s", directory);
    return length >= 0 && (size_t)length < size ? TF_OK
                                                : tf_fail(TF_INVALID, "%.100s...: the path is too long", directory);
}
