#include "models/files/safetensors_index.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "models/files/json.h"
#include "net/base/file.h"

enum { MOST_BYTES = 64 << 20, MOST_SHARDS = 4096, PATH_SIZE = 4096 };

static const char ending[] = ".safetensors", index_ending[] = ".index.json";

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), part = strlen(end);
    return length >= part && !strcmp(text + length - part, end);
}

tf_status tf_find_weights(const char *path, char **found) {
    static const char *const names[] = {"model.safetensors", "model.fp16.safetensors", "model.safetensors.index.json",
                                        "model.fp16.safetensors.index.json"};
    struct stat info;
    char joined[PATH_SIZE];
    if (stat(path, &info)) return tf_fail(TF_IO, "%s: cannot be opened: %s", path, strerror(errno));
    if (S_ISDIR(info.st_mode)) {
        size_t i = 0, count = sizeof names / sizeof *names;
        for (; i < count; i++) {
            TF_TRY(tf_path_join(path, names[i], joined, sizeof joined));
            if (!access(joined, F_OK)) break;
        }
        if (i == count) {
            TF_TRY(tf_path_join(path, "pytorch_model.bin", joined, sizeof joined));
            return tf_fail(TF_IO, "%s: holds neither %s nor %s nor %s%s", path, names[0], names[1], names[2],
                           access(joined, F_OK) ? ""
                                                : "; experiments/convert/pytorch.py makes it of pytorch_model.bin");
        }
        path = joined;
    }
    *found = strdup(path);
    return *found ? TF_OK : tf_fail(TF_NOMEM, "no memory for a path");
}

bool tf_is_shard_index(const char *path) {
    return ends_with(path, index_ending);
}

/* Adds the file of this name, unless it is there. */
static tf_status add_shard(const char *path, const char *name, tf_shard_index *index) {
    char directory[PATH_SIZE], joined[PATH_SIZE];
    snprintf(directory, sizeof directory, "%s", path);
    char *slash = strrchr(directory, '/');
    if (slash) *slash = '\0';
    TF_TRY(tf_path_join(slash ? directory : ".", name, joined, sizeof joined));
    size_t at = 0;
    while (at < index->shards && strcmp(index->path[at], joined) < 0) at++;
    if (at < index->shards && !strcmp(index->path[at], joined)) return TF_OK;
    if (index->shards == MOST_SHARDS) return tf_fail(TF_FORMAT, "%s: more than %d files", path, MOST_SHARDS);
    char *own = strdup(joined);
    if (!own) return tf_fail(TF_NOMEM, "%s: no memory", path);
    memmove(index->path + at + 1, index->path + at, (index->shards - at) * sizeof *index->path);
    index->path[at] = own;
    index->shards++;
    return TF_OK;
}

static tf_status read_map(const char *path, tf_shard_index *index) {
    const char *name;
    json_t *value;
    index->map = json_object_get(index->json, "weight_map");
    if (!json_object_size(index->map))
        return tf_fail(TF_FORMAT, "%s: \"weight_map\" is not an object that names a file for each tensor", path);
    json_object_foreach((json_t *)index->map, name, value) {
        const char *file = json_string_value(value);
        if (ends_with(name, ending) && (!file || !ends_with(file, ending)))
            return tf_fail(TF_FORMAT,
                           "%s: \"weight_map\" is inverted: it maps files to tensors, not each tensor to its file",
                           path);
        if (!file || !tf_printable(file) || strchr(file, '/') || !ends_with(file, ending))
            return tf_fail(TF_FORMAT, "%s: \"weight_map\" gives \"%.100s\" no %s file of the same directory", path,
                           tf_printable(name) ? name : "?", ending);
        TF_TRY(add_shard(path, file, index));
    }
    return TF_OK;
}

tf_status tf_shard_index_read(const char *path, tf_shard_index *index) {
    *index = (tf_shard_index){.path = calloc(MOST_SHARDS, sizeof(char *))};
    if (!index->path) return tf_fail(TF_NOMEM, "%s: no memory", path);
    tf_status status = tf_json_open(path, MOST_BYTES, &index->json);
    if (status == TF_OK) status = read_map(path, index);
    if (status != TF_OK) tf_shard_index_free(index);
    return status;
}

void tf_shard_index_free(tf_shard_index *index) {
    for (size_t i = 0; i < index->shards; i++) free(index->path[i]);
    free(index->path);
    json_decref(index->json);
    *index = (tf_shard_index){0};
}
