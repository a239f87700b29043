/** How a decoder's authors would have tokens chosen: generation_config.json. */
#ifndef TF_GENERATION_H
#define TF_GENERATION_H

#include "models/config.h"
#include "models/files/json.h"

#define TF_GENERATION_FILE "generation_config.json"

/**
 * Reads DIR/generation_config.json or, where there is none, the same keys of config.json (`from`) into
 * config->generation: which tokens begin and end a text, and what sampling the authors propose.
 */
TF_CHECKED tf_status tf_generation_read(const char *directory, const tf_json_source *from, tf_config *config);

#endif
