/** Questions with several answers to choose from, of which a model that generates text says how likely each is. */
#ifndef TF_APP_CHOICES_H
#define TF_APP_CHOICES_H

#include <jansson.h>

#include "experiments/app/data/text_list.h"

/** Whether a JSON value is a question: {"prompt": "...", "choices": ["...", ...], "label": ...}. */
bool is_question(const json_t *value);

/**
 * Appends a text for each choice: the prompt with the choice behind it, and a space between them unless one of the two
 * has one there. `label`, the number of the right choice or its text, becomes that number. Fails with `line`'s place.
 */
TF_CHECKED tf_status question_read(const json_t *value, size_t line, text_list *texts);

/** How many texts from `first` on are choices of the same question. */
size_t question_choices(const text_list *texts, size_t first);

#endif
