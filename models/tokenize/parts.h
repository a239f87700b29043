/** Part of models/tokenize: what a tokenizer consists of, between the readers of its files and its algorithms. */
#ifndef TF_TOKENIZE_PARTS_H
#define TF_TOKENIZE_PARTS_H

#include "models/tokenize/added.h"
#include "models/tokenize/bpe.h"
#include "models/tokenize/decode.h"
#include "models/tokenize/tokenizer.h"
#include "models/tokenize/unigram.h"
#include "models/tokenize/wordpiece.h"

/** What a text is put into: its own tokens, those of a second text, and special ones. */
typedef struct tf_template_item {
    enum { TF_ITEM_FIRST, TF_ITEM_SECOND, TF_ITEM_SPECIAL } kind;
    int32_t id; /**< of a special one */
    int32_t type;
} tf_template_item;

typedef struct tf_template {
    tf_template_item *item;
    size_t count, capacity, specials;
} tf_template;

TF_CHECKED tf_status tf_template_add(tf_template *out, tf_template_item item);

struct tf_tokenizer {
    tf_text_steps normalizer, splitter;
    enum { TF_MODEL_WORDPIECE, TF_MODEL_BPE, TF_MODEL_UNIGRAM } model;
    tf_vocabulary vocabulary;
    tf_wordpiece wordpiece;
    tf_bpe bpe;
    tf_unigram unigram;
    tf_added added;
    tf_template single, pair;
    bool trim_offsets, trim_prefix; /**< the white space at the ends of byte-level tokens is not counted as theirs */
    tf_decode_steps decoder;
    size_t ids;     /**< the largest id of a token, added ones included, plus one */
    size_t longest; /**< "model_max_length"; 0 for none */
    bool cut_left;  /**< "truncation_side": long texts should lose their beginnings, which is refused */
};

#endif
