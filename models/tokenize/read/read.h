/**
 * Part of models/tokenize: readers of tokenizer.json by section. `path` names the file in messages. A key that is not
 * known is refused, as it may change the ids.
 */
#ifndef TF_TOKENIZE_READ_H
#define TF_TOKENIZE_READ_H

#include <jansson.h>

#include "models/tokenize/parts.h"

/** Sequences of steps may hold each other so deep. */
enum { TF_MAX_NESTED_STEPS = 8, TF_MAX_TOKENIZER_FILE = 256 << 20 };

/* Values of JSON objects. A null counts as missing. */
TF_CHECKED tf_status tf_read_flag(const char *path, const json_t *object, const char *key, bool fallback, bool *out);
TF_CHECKED tf_status tf_read_string(const char *path, const json_t *object, const char *key, const char *fallback,
                                    const char **out);
TF_CHECKED tf_status tf_read_id(const char *path, const json_t *value, const char *what, int32_t *id);
/** Refuses an object with other keys than those of the list "key key ...", and what is no object. */
TF_CHECKED tf_status tf_read_keys(const char *path, const json_t *object, const char *section, const char *keys);
/** The "type" of a section's object; TF_FORMAT when it has none. */
TF_CHECKED tf_status tf_read_type(const char *path, const json_t *object, const char *section, const char **type);
/** Refuses a type that is not known. */
TF_CHECKED tf_status tf_refuse_type(const char *path, const char *section, const char *type);

TF_CHECKED tf_status tf_read_normalizer(const char *path, const json_t *from, tf_text_steps *steps);
TF_CHECKED tf_status tf_read_splitter(const char *path, const json_t *from, tf_text_steps *steps);
TF_CHECKED tf_status tf_read_model(const char *path, const json_t *model, tf_tokenizer *t);
TF_CHECKED tf_status tf_read_added(const char *path, const json_t *list, tf_tokenizer *t);
TF_CHECKED tf_status tf_read_processor(const char *path, const json_t *processor, tf_tokenizer *t);
TF_CHECKED tf_status tf_read_decoder(const char *path, const json_t *decoder, tf_decode_steps *steps);

/**
 * The added tokens of a directory without tokenizer.json, as Hugging Face's slow tokenizers keep them: in
 * "added_tokens_decoder" and "additional_special_tokens" of tokenizer_config.json (`config`), in added_tokens.json and
 * in special_tokens_map.json.
 */
TF_CHECKED tf_status tf_read_added_files(const char *directory, const json_t *config, tf_tokenizer *t);

/**
 * Puts the settings of tokenizer_config.json into tokenizer.json's object, as Hugging Face's fast tokenizers do: those
 * of BERT's class set lowercase, strip_accents and handle_chinese_chars of its normaliser, LLaMA's and Gemma's class
 * makes the post-processor of add_bos_token and add_eos_token, and add_prefix_space goes to ByteLevel. Other classes
 * look at none of these.
 */
TF_CHECKED tf_status tf_merge_config(const char *path, const json_t *config, json_t *root);

/**
 * Adds tokens of tokenizer_config.json to those of tokenizer.json: "added_tokens_decoder", whose flags win, and special
 * tokens that the vocabulary has. One that it has not is left out: no text should become an id beyond the model.
 */
TF_CHECKED tf_status tf_merge_added(const char *path, const json_t *config, tf_tokenizer *t);

/** What tokenizer_config.json says of any tokenizer: clean_up_tokenization_spaces, model_max_length. */
TF_CHECKED tf_status tf_read_general(const char *path, const json_t *config, tf_tokenizer *t);

/** A vocabulary of one token a line; the first has id 0. */
TF_CHECKED tf_status tf_read_lines(const char *path, tf_vocabulary *vocabulary);

/** cls A sep, and cls A sep B sep with type 1 from B on (RoBERTa: cls A sep sep B sep, all of type 0). */
TF_CHECKED tf_status tf_make_bert_template(int32_t cls, int32_t sep, bool roberta, tf_tokenizer *t);

/** The steps of BertNormalizer. */
TF_CHECKED tf_status tf_add_bert_normalizer(bool clean, bool ideographs, bool strip_accents, bool lowercase,
                                            tf_text_steps *steps);
/** The steps of BertPreTokenizer. */
TF_CHECKED tf_status tf_add_bert_splitter(tf_text_steps *steps);

#endif
