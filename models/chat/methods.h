/** Part of models/chat: the filters, tests, methods and functions of Jinja that chat templates use. */
#ifndef TF_CHAT_METHODS_H
#define TF_CHAT_METHODS_H

#include "models/chat/value.h"

enum { TF_CHAT_ARGUMENTS = 16 };

/** Arguments of a call: those without a name come first. */
typedef struct tf_arguments {
    tf_entry entry[TF_CHAT_ARGUMENTS]; /**< a NULL key for those without a name */
    size_t count;
} tf_arguments;

/* Each refuses with TF_FORMAT what it does not know, by name. `name` has `length` bytes. */

/** value | name */
TF_CHECKED tf_status tf_value_filter(tf_rendering *r, const char *name, size_t length, const tf_arguments *arguments,
                                     tf_value *value);
/** value is name */
TF_CHECKED tf_status tf_value_test(const char *name, size_t length, const tf_value *value, bool *holds);
/** value.name(arguments) */
TF_CHECKED tf_status tf_value_method(tf_rendering *r, const char *name, size_t length, const tf_arguments *arguments,
                                     tf_value *value);
/** value(arguments). raise_exception fails with TF_INVALID and the template's message. */
TF_CHECKED tf_status tf_value_call(tf_rendering *r, const tf_arguments *arguments, tf_value *value);

#endif
