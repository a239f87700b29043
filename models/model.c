#include "models/model.h"

#include <stdio.h>
#include <string.h>

#include "models/decoding.h"
#include "models/family.h"

static tf_status check_config(const tf_config *c) {
    if (!c->hidden || !c->layers || !c->heads || !c->intermediate || !c->vocabulary || !c->positions)
        return tf_fail(TF_INVALID, "a size of the model is zero");
    if (c->layers > 1024) return tf_fail(TF_INVALID, "%zu layers; at most 1024 are supported", c->layers);
    if (!c->head_dim && c->hidden % c->heads)
        return tf_fail(TF_INVALID, "a hidden size of %zu cannot be divided among %zu heads", c->hidden, c->heads);
    if ((c->head == TF_HEAD_CLASSIFIER || c->sentence_head) && !c->labels)
        return tf_fail(TF_INVALID, "a classifier without labels");
    return TF_OK;
}

static tf_status check_ids(const char *what, const int32_t *ids, size_t count, size_t limit) {
    for (size_t i = 0; ids && i < count; i++) /* only the owner of the ids has them */
        if (ids[i] < 0 || (size_t)ids[i] >= limit)
            return tf_fail(TF_INVALID, "a %s is not below %zu: model and tokenizer do not fit together", what, limit);
    return TF_OK;
}

/* A decoder's pass. */
static tf_status check_pass(const tf_config *config, const tf_batch *batch) {
    const tf_decoding *d = batch->decoding;
    if (!d) return tf_fail(TF_INVALID, "a model that generates text has no embeddings of texts: see trefoil generate");
    if (batch->texts != d->texts || batch->length != d->rows)
        return tf_fail(TF_INVALID, "%zu texts with %zu tokens where %zu with %zu are expected", batch->texts,
                       batch->length, d->texts, d->rows);
    return check_ids("token id", batch->ids, d->texts * d->rows, config->vocabulary);
}

static tf_status check_batch(const tf_config *config, const tf_batch *batch) {
    size_t count;
    if (config->head == TF_HEAD_CAUSAL) return check_pass(config, batch);
    if (!batch->texts || !batch->length || !batch->lengths) return tf_fail(TF_INVALID, "the batch is empty");
    if (batch->length > config->positions)
        return tf_fail(TF_INVALID, "a text has %zu tokens; the model has %zu positions", batch->length,
                       config->positions);
    if (__builtin_mul_overflow(batch->texts, batch->length, &count)) return tf_fail(TF_INVALID, "too many texts");
    for (size_t i = 0; i < batch->texts; i++)
        if (batch->lengths[i] < 1 || batch->lengths[i] > batch->length)
            return tf_fail(TF_INVALID, "text %zu has %zu tokens in a batch of length %zu", i, batch->lengths[i],
                           batch->length);
    if (batch->hidden && tf_batch_is_padded(batch))
        return tf_fail(TF_INVALID, "a batch of hidden lengths tells a length");
    if (batch->picks > batch->length)
        return tf_fail(TF_INVALID, "%zu tokens to look at in texts of %zu", batch->picks, batch->length);
    bool typed = batch->pairs && config->types > 1;
    if (typed && batch->ids && !batch->types) return tf_fail(TF_INVALID, "a batch of pairs has no token types");
    TF_TRY(check_ids("token id", batch->ids, count, config->vocabulary));
    return typed ? check_ids("token type", batch->types, count, config->types) : TF_OK;
}

tf_status tf_model_build(const tf_config *config, const tf_approx *approx, const tf_batch *batch,
                         const tf_safetensors *weights, bool public_weights, tf_graph *graph) {
    tf_config own = *config;
    own.family = tf_family_of(config);
    tf_graph_init(graph);
    TF_TRY(check_config(&own));
    if (weights && config->head_guessed && config->head == TF_HEAD_EMBEDDING &&
        tf_safetensors_has(weights, "classifier.weight"))
        return tf_fail(TF_FORMAT,
                       "config.json: \"architectures\" is missing, but the weights hold \"classifier.weight\": "
                       "name the architecture, such as \"BertForSequenceClassification\"");
    TF_TRY(check_batch(&own, batch));
    tf_builder b = {.config = &own,
                    .approx = approx,
                    .batch = batch,
                    .tensors = {weights, &own},
                    .public_weights = public_weights,
                    .fold = !public_weights || batch->decoding,
                    .graph = graph,
                    .key_mask = -1};
    if (!batch->decoding && (batch->hidden || tf_batch_is_padded(batch)))
        b.key_mask = tf_block_key_mask(&b, "key_mask");
    tf_status status = tf_graph_finish(graph, own.family->build(&b));
    if (status != TF_OK) tf_graph_free(graph);
    return status;
}

size_t tf_model_longest(const tf_config *config) {
    bool shorter = config->longest_text && config->longest_text < config->positions;
    return shorter ? config->longest_text : config->positions;
}

const char *tf_model_architecture(const tf_config *config, tf_head head) {
    const struct tf_family_head *of = tf_family_of(config)->heads;
    while (of->architecture && of->head != head) of++;
    return of->architecture;
}

bool tf_model_takes_pairs(const tf_config *config) {
    return config->types != 1 || tf_family_of(config)->untyped_pairs;
}

tf_output_form tf_model_output(const tf_config *config) {
    switch (config->head) {
    case TF_HEAD_CLASSIFIER: return (tf_output_form){.labelled = true, .width = config->labels};
    case TF_HEAD_TOKENS: return (tf_output_form){.per_token = true, .labelled = true, .width = config->labels};
    case TF_HEAD_SPAN: return (tf_output_form){.per_token = true, .width = 2};
    case TF_HEAD_MASKED:
        return (tf_output_form){.per_token = true, .width = config->best_only ? 1 : config->vocabulary};
    case TF_HEAD_CAUSAL: return (tf_output_form){.per_token = true, .width = config->vocabulary};
    case TF_HEAD_EMBEDDING: break;
    }
    return (tf_output_form){.width = config->sentence_width ? config->sentence_width : config->hidden};
}

size_t tf_model_rows(const tf_config *config, const tf_batch *batch) {
    if (!tf_model_output(config).per_token) return 1;
    return config->head == TF_HEAD_MASKED && batch->picks ? batch->picks : batch->length;
}

size_t tf_model_width(const tf_config *config) {
    return tf_model_output(config).width;
}

const char *tf_model_label(const tf_config *config, size_t i, char *buffer, size_t size) {
    if (config->label && config->label[i]) return config->label[i];
    snprintf(buffer, size, "LABEL_%zu", i);
    return buffer;
}

size_t tf_model_find_label(const tf_config *config, const char *given) {
    char name[32], number[32];
    size_t i = 0;
    for (; i < config->labels; i++) {
        snprintf(number, sizeof number, "%zu", i);
        if (!strcmp(given, tf_model_label(config, i, name, sizeof name)) || !strcmp(given, number)) break;
    }
    return i;
}
