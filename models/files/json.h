/**
 * JSON files as Python writes them, and reading the keys of an object with errors that name file and key. A null key
 * counts as a missing one.
 */
#ifndef TF_JSON_H
#define TF_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "net/base/status.h"

/**
 * Reads a file that holds a JSON object as Python's json does: NaN is null, Infinity 1e308, and an integer beyond 64
 * bits, such as a model_max_length of 10^30, a real number. A git-lfs pointer in the file's place is told as such. The
 * caller drops the reference to *object.
 */
TF_CHECKED tf_status tf_json_open(const char *path, size_t limit, json_t **object);

/** The same of a file that holds a list. */
TF_CHECKED tf_status tf_json_open_list(const char *path, size_t limit, json_t **list);

/** Whether these are the first bytes of a git-lfs pointer, which stands where a large file was not fetched. */
bool tf_is_lfs_pointer(const char *data, size_t size);

/** Fails and says so. */
tf_status tf_lfs_pointer_found(const char *path);

/** An object and the file that it was read from. */
typedef struct tf_json_source {
    const char *path;
    const json_t *json;
    json_t *seen; /**< an object that gets each key that was looked up; NULL: nobody asks */
} tf_json_source;

/** The value of a key, or NULL. */
const json_t *tf_json_lookup(const tf_json_source *from, const char *key);

/** An integer in least..most. The optional readers leave *out as it is when the key is missing. */
TF_CHECKED tf_status tf_json_size(const tf_json_source *from, const char *key, size_t least, size_t most, size_t *out);
TF_CHECKED tf_status tf_json_optional_size(const tf_json_source *from, const char *key, size_t least, size_t most,
                                           size_t *out);
/** A number above 0 and at most `most`. */
TF_CHECKED tf_status tf_json_optional_real(const tf_json_source *from, const char *key, double most, double *out);
TF_CHECKED tf_status tf_json_optional_flag(const tf_json_source *from, const char *key, bool *out);

/** A printable string, or `fallback` when the key is missing; an error when missing and there is none. */
TF_CHECKED tf_status tf_json_text(const tf_json_source *from, const char *key, const char *fallback, const char **out);

/** Sizes that must be there, by a table. */
typedef struct tf_json_key {
    const char *key;
    size_t most, *out; /**< from 1 on */
} tf_json_key;
TF_CHECKED tf_status tf_json_sizes(const tf_json_source *from, const tf_json_key *key, size_t keys);

/** A key that would make another network of the model, unless it has the value that stands here or is missing. */
typedef struct tf_json_only {
    const char *key, *value; /**< a string's content, or "true", "false" or a number */
} tf_json_only;
TF_CHECKED tf_status tf_json_check_only(const tf_json_source *from, const tf_json_only *only, size_t keys);

/** Fails where the object has a key that nobody has looked up (from->seen); `what` names the object. */
TF_CHECKED tf_status tf_json_check_seen(const tf_json_source *from, const char *what);

#endif
