/** Part of models/chat: Jinja's operators. */
#ifndef TF_CHAT_OPERATE_H
#define TF_CHAT_OPERATE_H

#include "models/chat/value.h"

/** from.name: undefined where there is none; TF_FORMAT when `from` itself is undefined. */
TF_CHECKED tf_status tf_value_member(const tf_value *from, const char *name, size_t length, tf_value *value);
/** from[index] of a list or a dictionary. */
TF_CHECKED tf_status tf_value_at(const tf_value *from, const tf_value *index, tf_value *value);
/** list[first:last:step]; an undefined part is left out. */
TF_CHECKED tf_status tf_value_slices(tf_rendering *r, const tf_value part[3], tf_value *list);
/** a + b, a - b, a * b and a % b of integers, and a + b of texts; *a is the result. */
TF_CHECKED tf_status tf_value_combine(tf_rendering *r, char sign, const tf_value *b, tf_value *a);
/** a == b, != < <= > >= */
TF_CHECKED tf_status tf_value_compare(const tf_value *a, const char *sign, const tf_value *b, bool *holds);

#endif
