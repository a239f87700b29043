/**
 * Part of models/chat: the values of Jinja's expressions, and the memory of one rendering. A text knows which of its
 * bytes come from the conversation, however it is cut and joined.
 */
#ifndef TF_CHAT_VALUE_H
#define TF_CHAT_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#include "net/base/status.h"

enum {
    TF_CHAT_KEYS = 24,        /**< of one dictionary */
    TF_CHAT_VARIABLES = 256,  /**< at a time */
    TF_CHAT_DEPTH = 64,       /**< of blocks or parentheses in each other */
    TF_CHAT_STEPS = 10000000, /**< words of expressions and characters looked at: no sensible template needs as many */
    TF_CHAT_BYTES = 64 << 20  /**< of all values of one rendering */
};

typedef enum tf_value_kind {
    TF_VALUE_UNDEFINED,
    TF_VALUE_NONE,
    TF_VALUE_BOOLEAN,
    TF_VALUE_INTEGER,
    TF_VALUE_TEXT,
    TF_VALUE_LIST,
    TF_VALUE_DICTIONARY,
    TF_VALUE_FUNCTION /**< `text` is its name */
} tf_value_kind;

typedef struct tf_value {
    tf_value_kind kind;
    long long number;             /**< of a boolean or an integer */
    size_t count;                 /**< bytes of a text, items of a list */
    const char *text;             /**< UTF-8 */
    const unsigned char *literal; /**< for each byte of a text, whether it comes from a message; NULL: none does */
    const struct tf_value *item;
    struct tf_dictionary *dictionary; /**< what `set` changes in a namespace, all of its holders see */
} tf_value;

typedef struct tf_entry {
    const char *key;
    size_t length;
    tf_value value;
} tf_entry;

typedef struct tf_dictionary {
    size_t count;
    tf_entry entry[TF_CHAT_KEYS];
} tf_dictionary;

/** What one rendering owns. */
typedef struct tf_rendering {
    void **block;
    size_t blocks, capacity, bytes, steps;
    tf_entry variable[TF_CHAT_VARIABLES];
    size_t variables;
    size_t frame; /**< the first variable of the innermost loop: `set` reaches no further out */
} tf_rendering;

TF_CHECKED tf_status tf_rendering_alloc(tf_rendering *r, size_t count, size_t size, void **memory);
void tf_rendering_free(tf_rendering *r);

/** Counts work; TF_INVALID when it is more than TF_CHAT_STEPS. */
TF_CHECKED tf_status tf_rendering_step(tf_rendering *r, size_t work);

/** A text without any byte of a message. It is not copied. */
tf_value tf_value_text(const char *text, size_t length);
tf_value tf_value_integer(long long number);
tf_value tf_value_boolean(bool truth);
/** Bytes first..first+count-1 of a text. */
tf_value tf_value_slice(const tf_value *text, size_t first, size_t count);

bool tf_value_truth(const tf_value *value);
/** What Python calls it, for messages. */
const char *tf_value_name(const tf_value *value);
/** Whether two values are equal, as Python's ==. */
bool tf_value_equal(const tf_value *a, const tf_value *b);

/** A text as it is, and numbers and constants as Python prints them; TF_FORMAT for lists and dictionaries. */
TF_CHECKED tf_status tf_value_print(tf_rendering *r, const tf_value *value, tf_value *text);
/** Two texts in a row. */
TF_CHECKED tf_status tf_value_join(tf_rendering *r, const tf_value *a, const tf_value *b, tf_value *text);
/** `needle in value`: in a text, a list, or the keys of a dictionary. */
TF_CHECKED tf_status tf_value_contains(tf_rendering *r, const tf_value *value, const tf_value *needle, bool *found);

/** The entry of a key, or NULL. */
tf_entry *tf_dictionary_find(tf_dictionary *dictionary, const char *key, size_t length);
/** Adds a key, or gives it another value. */
TF_CHECKED tf_status tf_dictionary_set(tf_dictionary *dictionary, const char *key, size_t length, tf_value value);
/** An empty one. */
TF_CHECKED tf_status tf_dictionary_new(tf_rendering *r, tf_value *value);

/** The variable of a name, the innermost one, or NULL. */
const tf_value *tf_variable_find(const tf_rendering *r, const char *name, size_t length);
/** `set name = value`: changes a variable of this loop, or makes one that ends with the loop's turn. */
TF_CHECKED tf_status tf_variable_set(tf_rendering *r, const char *name, size_t length, tf_value value);

#endif
