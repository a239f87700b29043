/** Lists of texts. */
#ifndef TF_APP_TEXT_LIST_H
#define TF_APP_TEXT_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "net/base/status.h"

/** A text, or a pair of texts. Strings are owned; they may hold zero bytes. */
typedef struct text_item {
    char *first, *second; /**< second NULL where there is no pair */
    size_t first_length, second_length;
    char
        *label; /**< NULL where none was given; several (tags of words, true answers, a set of labels) as a JSON list */
    size_t *word_end, words; /**< where each word of the first text ends, in bytes, where it came as words; a space is
                                  between two */
    size_t line;             /**< in the file, for messages; 0 from the command line */
    size_t question, given;  /**< a choice: of which question, from 1 on, and the bytes of its prompt; see choices.h */
    bool empty;              /**< no token but special ones: it has no result; see batches_make */
} text_item;

typedef struct text_list {
    text_item *item;
    size_t count;
    const char *file; /**< NULL from the command line */
    bool in_array;    /**< `line` counts the items of a JSON array */
} text_list;

/** Appends an item without texts, which the caller fills, and returns it in *added. */
TF_CHECKED tf_status texts_add(text_list *texts, size_t line, text_item **added);

/** Copies bytes, with a zero behind them. */
TF_CHECKED tf_status text_duplicate(const char *bytes, size_t length, char **copy);

void texts_free(text_list *texts);
void text_item_free(text_item *item);

/** Names a text in a message: "FILE line 7" or "text 7". */
const char *text_place(const text_list *texts, size_t i, char *buffer, size_t size);

#endif
