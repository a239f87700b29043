#include "experiments/app/data/model_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/app/log/log.h"
#include "net/base/hex.h"
#include "ops/ops.h"

tf_status register_ops(const model_settings *s) {
    TF_TRY(tf_ops_register());
    for (size_t i = 0; i < s->plugins; i++) TF_TRY(tf_registry_load(s->plugin[i]));
    return TF_OK;
}

static tf_status settle_approx(const model_settings *s, model_files *model) {
    const char *trained_for = model->config.approx;
    tf_status status = tf_approx_parse(s->approx ? s->approx : trained_for[0] ? trained_for : "exact", &model->approx);
    if (status == TF_OK) status = tf_approx_check_layers(&model->approx, model->config.layers);
    if (status != TF_OK) model_close(model);
    return status;
}

static tf_status open_ranges(model_files *model, bool unguarded) {
    char approx[TF_APPROX_TEXT];
    TF_TRY(
        tf_ranges_read(model->directory, tf_approx_text(&model->approx, approx), &model->ranges, &model->calibrated));
    model->ranges.unguarded = unguarded;
    return TF_OK;
}

const tf_ranges *model_ranges(const model_files *model) {
    return model->calibrated ? &model->ranges : NULL;
}

void model_warn(const model_files *model) {
    tf_approx trained;
    char text[TF_APPROX_TEXT];
    if (!model->calibrated && model->ranges.approx[0])
        log_line(LOG_WARNING,
                 "ranges.json has no ranges for %.200s (but for %.200s): none are taken, and the run is dearer; "
                 "trefoil calibrate --approx makes them",
                 tf_approx_text(&model->approx, text), model->ranges.approx);
    const char *trained_for = model->config.approx[0] ? model->config.approx : "exact";
    if (tf_approx_parse(trained_for, &trained) != TF_OK)
        log_line(LOG_WARNING, "config.json says that the weights were trained for what is not known: %s", tf_error());
    else if (tf_approx_untrained(&model->approx, &trained, model->config.layers, text))
        log_line(LOG_WARNING, "the weights were not trained for %s (but for %s)", text, trained_for);
    if (model->config.unknown[0])
        log_line(LOG_WARNING, "config.json has keys that are not known and taken not to matter: %s",
                 model->config.unknown);
}

static tf_status open_named(const model_settings *s, model_files *model) {
    *model = (model_files){0};
    TF_TRY(tf_config_named(s->architecture, &model->config));
    if (s->layers > model->config.layers)
        return tf_fail(TF_INVALID, "--layers %zu: %s has %zu", s->layers, s->architecture, model->config.layers);
    if (s->layers) model->config.layers = s->layers;
    return settle_approx(s, model);
}

/* A model that was trained to guess masked words serves as the encoder it has, unless that is what it is to do. */
static tf_status settle_head(const model_settings *s, model_files *model) {
    bool guesses = model->config.head == TF_HEAD_MASKED;
    if (s->fills_masks && !guesses)
        return tf_fail(TF_INVALID, "--fill-mask: \"architectures\" of %s/config.json names no model that guesses words",
                       model->directory);
    if (guesses && !s->fills_masks) model->config.head = TF_HEAD_EMBEDDING;
    model->config.best_only = guesses && s->fills_masks && s->best_only;
    return TF_OK;
}

tf_status model_open_at(const model_settings *s, const char *directory, model_files *model) {
    *model = (model_files){
        .directory = directory, .scores = s->scores, .pin = s->pin, .chats = s->chat, .may_chat = s->may_chat};
    TF_TRY(register_ops(s));
    TF_TRY(tf_config_read(directory, &model->config));
    TF_TRY(settle_approx(s, model));
    tf_status status = settle_head(s, model);
    if (status == TF_OK && s->ranges) status = open_ranges(model, s->unguarded);
    if (status != TF_OK) model_close(model);
    return status;
}

tf_status model_open(const model_settings *s, model_files *model) {
    if (!s->architecture) return model_open_at(s, s->directory, model);
    TF_TRY(register_ops(s));
    return open_named(s, model);
}

/* The template of conversations, where one is asked for; where there need not be one, none is no failure. */
static tf_status open_chat(const char *directory, model_files *model) {
    if (!model->chats && !model->may_chat) return TF_OK;
    tf_status status = tf_chat_open(directory, &model->chat);
    return status == TF_INVALID && model->may_chat ? TF_OK : status;
}

tf_status model_open_tokenizer(model_files *model) {
    const tokenizer_pin *pin = &model->pin;
    const char *directory = pin->directory ? pin->directory : model->directory;
    TF_TRY(tf_tokenizer_open(directory, &model->tokenizer));
    TF_TRY(tokenizer_digest(model->tokenizer, directory, &model->told));
    TF_TRY(tokenizer_pin_check(pin, directory, &model->told));
    TF_TRY(open_chat(directory, model));
    size_t words = tf_tokenizer_vocabulary(model->tokenizer);
    if (words > model->config.vocabulary)
        return tf_fail(TF_FORMAT, "%s: the tokenizer has %zu words, but config.json's vocab_size is %zu", directory,
                       words, model->config.vocabulary);
    return TF_OK;
}

tf_digest model_pinned_tokenizer(const model_files *model) {
    return tokenizer_is_pinned(&model->pin) ? model->told : (tf_digest){{0}};
}

tf_digest model_offered_tokenizer(const model_files *model) {
    tf_digest digest;
    return tokenizer_directory_digest(model->directory, &digest) == TF_OK ? digest : (tf_digest){{0}};
}

tf_status model_open_weights(model_files *model) {
    TF_TRY(tf_safetensors_open(model->directory, &model->weights));
    if (!model->calibrated) return TF_OK;
    char digest[65];
    TF_TRY(model_digest_text(model, digest));
    bool match;
    TF_TRY(tf_ranges_match(model->directory, &model->ranges, digest, &match));
    if (match) return TF_OK;
    return tf_fail(TF_MISMATCH, "%s/ranges.json is of other weights than these: calibrate again, or give --no-ranges",
                   model->directory);
}

tf_status model_digest_text(const model_files *model, char text[65]) {
    uint8_t digest[32];
    TF_TRY(tf_safetensors_digest(model->weights, digest));
    tf_hex_write(digest, sizeof digest, text);
    return TF_OK;
}

void model_close(model_files *model) {
    tf_config_free(&model->config);
    if (model->tokenizer) tf_tokenizer_close(model->tokenizer);
    tf_chat_close(model->chat);
    tf_ranges_free(&model->ranges);
    if (model->weights) tf_safetensors_close(model->weights);
    *model = (model_files){0};
}
