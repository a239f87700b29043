/** Reading the keys of a JSON object that is a file's, with errors that name file and key. A null key is a missing one.
 */
#ifndef TF_CONFIG_READ_H
#define TF_CONFIG_READ_H

#include <jansson.h>

#include "models/config.h"

/** An object and the file that it was read from. */
typedef struct tf_config_source {
    const char *path;
    const json_t *json;
} tf_config_source;

/** The value of a key, or NULL. */
const json_t *tf_config_lookup(const tf_config_source *from, const char *key);

/** An integer in least..most. The optional readers leave *out as it is when the key is missing. */
TF_CHECKED tf_status tf_config_size(const tf_config_source *from, const char *key, size_t least, size_t most,
                                    size_t *out);
TF_CHECKED tf_status tf_config_optional_size(const tf_config_source *from, const char *key, size_t least, size_t most,
                                             size_t *out);
/** A number above 0 and at most `most`. */
TF_CHECKED tf_status tf_config_optional_real(const tf_config_source *from, const char *key, double most, double *out);
TF_CHECKED tf_status tf_config_optional_flag(const tf_config_source *from, const char *key, bool *out);

/** A printable string, or `fallback` when the key is missing; an error when missing and there is none. */
TF_CHECKED tf_status tf_config_text(const tf_config_source *from, const char *key, const char *fallback,
                                    const char **out);

/** Sizes that must be there, by a table. */
typedef struct tf_config_key {
    const char *key;
    size_t most, *out; /**< from 1 on */
} tf_config_key;
TF_CHECKED tf_status tf_config_sizes(const tf_config_source *from, const tf_config_key *key, size_t keys);

/** A key that would make another network of the model, unless it has the value that stands here or is missing. */
typedef struct tf_config_only {
    const char *key, *value; /**< a string's content, or "true", "false" or a number */
} tf_config_only;
TF_CHECKED tf_status tf_config_check_only(const tf_config_source *from, const tf_config_only *only, size_t keys);

#endif
