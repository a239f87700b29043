/** What sentence-transformers keeps beside config.json: how a text's embedding comes of its tokens. */
#ifndef TF_SENTENCE_H
#define TF_SENTENCE_H

#include "models/config.h"

/**
 * Reads modules.json, N_Pooling/config.json, N_Dense/config.json, sentence_bert_config.json and
 * config_sentence_transformers.json where they are there, into `config`. Without them it stays as it is: the mean over
 * the tokens, of length 1, as for MiniLM. Modules and settings that are not understood are refused, by file and key.
 */
TF_CHECKED tf_status tf_sentence_read(const char *directory, tf_config *config);

/** The "pooling_mode" of the config, such as "cls". */
const char *tf_pooling_name(tf_pooling pooling);

/** The pooling of that name; false if there is none. */
bool tf_pooling_find(const char *name, tf_pooling *pooling);

#endif
