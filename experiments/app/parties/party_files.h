/** How parties without the model's directory get what is public of it from the model owner. */
#ifndef TF_APP_PARTY_FILES_H
#define TF_APP_PARTY_FILES_H

#include <stdbool.h>

#include "experiments/app/data/model_files.h"
#include "net/link.h"

/** What a party lacks. */
enum { PARTY_NEEDS_NOTHING = 0, PARTY_NEEDS_CONFIG = 1, PARTY_NEEDS_TOKENIZER = 2 };

/**
 * Party `owner`, from `directory`, gives the others what they lack: config.json, generation_config.json, ranges.json
 * (if the settings take it), and to the data owner, if it lacks them, the tokenizer's files. None is a secret of the
 * model owner. Where this party `needs` something, *model is opened with it, by the settings. All three call it
 * together.
 */
TF_CHECKED tf_status party_files(tf_link *link, const model_settings *settings, int owner, const char *directory,
                                 unsigned needs, model_files *model);

#endif
