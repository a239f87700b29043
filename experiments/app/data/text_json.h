/** Texts as JSON values: a string, a pair of strings, or an object with one or two texts and maybe a label. */
#ifndef TF_APP_TEXT_JSON_H
#define TF_APP_TEXT_JSON_H

#include <jansson.h>

#include "experiments/app/data/text_list.h"

/** Fills an item from a value; `place` names it in messages. `columns` as in text_source. */
TF_CHECKED tf_status text_from_json(const json_t *value, const char *columns, const char *place, text_item *item);

#endif
