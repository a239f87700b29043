/** Part of safetensors.c: where a model's weights lie, in one file or in several that an index names. */
#ifndef TF_SAFETENSORS_INDEX_H
#define TF_SAFETENSORS_INDEX_H

#include <jansson.h>
#include <stdbool.h>

#include "net/base/status.h"

/** `path`, or the weights in it if it is a directory: a file or an index. The caller frees *found. */
TF_CHECKED tf_status tf_find_weights(const char *path, char **found);

/** Whether this is the name of an index. */
bool tf_is_shard_index(const char *path);

/** model.safetensors.index.json. */
typedef struct tf_shard_index {
    json_t *json;
    const json_t *map; /**< "weight_map": the file of each tensor */
    char **path;       /**< the files, each once, in the order of their names */
    size_t shards;
} tf_shard_index;

/** Reads and checks an index; TF_FORMAT with a message of its own for one that maps files to tensors. */
TF_CHECKED tf_status tf_shard_index_read(const char *path, tf_shard_index *index);
void tf_shard_index_free(tf_shard_index *index);

#endif
