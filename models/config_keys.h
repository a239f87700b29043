/**
 * Keys of config.json that nothing has looked at. A file may have any: those that only training or a generation's
 * defaults look at are known and left alone, those that would make another network of it are refused, of the rest the
 * user is told.
 */
#ifndef TF_CONFIG_KEYS_H
#define TF_CONFIG_KEYS_H

#include "models/config.h"
#include "models/files/json.h"

/**
 * Looks at the keys that `from` has and its readers have not asked for (from->seen). A null is a missing one. Fails
 * with TF_FORMAT, naming the file and the key, where a value is known to matter or looks as if it did: a quantisation,
 * rotary or relative positions, scales of attention, an unknown "..._type". The names of all others go to
 * config->unknown.
 */
TF_CHECKED tf_status tf_config_check_keys(const tf_json_source *from, tf_config *config);

#endif
