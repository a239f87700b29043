/** Part of models/tokenize: properties of characters in the versions of Unicode that the tokenizers library knows. */
#ifndef TF_UNICODE_TABLES_H
#define TF_UNICODE_TABLES_H

#include <stddef.h>
#include <stdint.h>

typedef struct tf_code_range {
    int32_t first, last;
} tf_code_range;

/** Sorted ranges. */
typedef struct tf_code_table {
    const tf_code_range *range;
    size_t count;
} tf_code_table;

/** Characters whose lower case lies so far from them. */
typedef struct tf_code_shift {
    int32_t first, last, shift;
} tf_code_shift;

typedef struct tf_code_category {
    int32_t first, last;
    char category[3];
} tf_code_category;

extern const tf_code_table tf_marks_8, tf_punctuation_8, tf_others_8, tf_combining_9, tf_undecomposed_9, tf_words_16,
    tf_numbers_17, tf_newer_ideographs;
extern const tf_code_shift *const tf_newer_lowercase;
extern const size_t tf_newer_lowercases;
extern const tf_code_category *const tf_newer_categories;
extern const size_t tf_newer_category_count;

#endif
