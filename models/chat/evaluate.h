/** Part of models/chat: Jinja's expressions, read and evaluated in one go. */
#ifndef TF_CHAT_EVALUATE_H
#define TF_CHAT_EVALUATE_H

#include "models/chat/methods.h"

typedef struct tf_word {
    enum { TF_WORD_END, TF_WORD_NAME, TF_WORD_TEXT, TF_WORD_INTEGER, TF_WORD_SIGN } kind;
    const char *text; /**< as it is written; a text without its quotes */
    size_t length;
} tf_word;

/** A tag's words from left to right. */
typedef struct tf_reader {
    tf_rendering *rendering;
    const char *at, *end;
    tf_word word; /**< the one that comes next */
    bool live;    /**< false: the words are read, and nothing is evaluated */
    int depth;
} tf_reader;

/** Begins to read a slice of the template. Texts and names of it are not copied. */
TF_CHECKED tf_status tf_reader_start(tf_rendering *r, const char *text, size_t length, tf_reader *reader);
TF_CHECKED tf_status tf_reader_next(tf_reader *reader);
/** Whether the next word is this name or sign. */
bool tf_reader_sees(const tf_reader *reader, const char *word);
/** Goes past this word, or fails. */
TF_CHECKED tf_status tf_reader_expect(tf_reader *reader, const char *word);
/** Goes past a name. */
TF_CHECKED tf_status tf_reader_name(tf_reader *reader, tf_word *name);
/** Fails unless all is read. */
TF_CHECKED tf_status tf_reader_finish(const tf_reader *reader);

/**
 * Evaluates an expression as Jinja 3 does (jinja2/parser.py for what binds how closely), with `a if b else c` where
 * `conditional`.
 */
TF_CHECKED tf_status tf_evaluate(tf_reader *reader, bool conditional, tf_value *value);

#endif
