/** Part of models/tokenize: regular expressions of tokenizer.json, by PCRE2. */
#ifndef TF_TOKENIZE_EXPRESSION_H
#define TF_TOKENIZE_EXPRESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "net/base/status.h"

typedef struct tf_expression tf_expression;

/**
 * Compiles an expression that is written for Oniguruma, in Ruby's syntax, as the tokenizers library does. What the two
 * libraries understand differently is translated (\s, \d, \h, ^, $, Unicode's newer letters) or refused with TF_FORMAT.
 */
TF_CHECKED tf_status tf_expression_compile(const char *pattern, tf_expression **expression);
void tf_expression_free(tf_expression *expression);
/** The expression as it was given. */
const char *tf_expression_pattern(const tf_expression *expression);

/**
 * Finds the first match at or after `from`; *found is false when there is none. TF_INVALID when the search takes more
 * steps than any sensible text needs. Threads may search at the same time.
 */
TF_CHECKED tf_status tf_expression_find(const tf_expression *expression, const char *text, size_t length, size_t from,
                                        size_t *start, size_t *end, bool *found);

#endif
