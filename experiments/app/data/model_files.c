#include "experiments/app/data/model_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/base/clock.h"
#include "net/base/hex.h"
#include "ops/ops.h"

tf_status register_ops(const cli_options *o) {
    TF_TRY(tf_ops_register());
    for (size_t i = 0; i < o->plugins; i++) TF_TRY(tf_registry_load(o->plugin[i]));
    return TF_OK;
}

static tf_status settle_approx(const cli_options *o, model_files *model) {
    const char *trained_for = model->config.approx;
    tf_status status = tf_approx_parse(o->approx ? o->approx : trained_for[0] ? trained_for : "exact", &model->approx);
    if (status != TF_OK) model_close(model);
    return status;
}

static tf_status open_ranges(model_files *model) {
    char approx[TF_APPROX_TEXT];
    TF_TRY(tf_ranges_read(model->directory, &model->ranges, &model->calibrated));
    if (!model->calibrated || !strcmp(model->ranges.approx, tf_approx_text(&model->approx, approx))) return TF_OK;
    return tf_fail(TF_MISMATCH,
                   "%s/ranges.json is of the approximations %.200s, not %.200s: calibrate again, or give --no-ranges",
                   model->directory, model->ranges.approx, approx);
}

const tf_ranges *model_ranges(const model_files *model) {
    return model->calibrated ? &model->ranges : NULL;
}

void model_warn_untrained(const model_files *model) {
    tf_approx trained;
    char text[TF_APPROX_TEXT];
    const char *trained_for = model->config.approx[0] ? model->config.approx : "exact";
    if (tf_approx_parse(trained_for, &trained) != TF_OK)
        fprintf(stderr, "trefoil: warning: config.json says that the weights were trained for what is not known: %s\n",
                tf_error());
    else if (tf_approx_untrained(&model->approx, &trained, model->config.layers, text))
        fprintf(stderr, "trefoil: warning: the weights were not trained for %s (but for %s)\n", text, trained_for);
}

tf_status model_open_at(const cli_options *o, const char *directory, model_files *model) {
    *model = (model_files){.directory = directory};
    TF_TRY(register_ops(o));
    TF_TRY(tf_config_read(directory, &model->config));
    TF_TRY(settle_approx(o, model));
    tf_status status = o->takes_ranges && !o->no_ranges && !o->plain ? open_ranges(model) : TF_OK;
    if (status != TF_OK) model_close(model);
    return status;
}

tf_status model_open(const cli_options *o, model_files *model) {
    return model_open_at(o, o->model, model);
}

tf_status model_open_named(const cli_options *o, model_files *model) {
    *model = (model_files){0};
    TF_TRY(register_ops(o));
    TF_TRY(tf_config_named(o->arch, &model->config));
    if (o->layers > model->config.layers)
        return tf_fail(TF_INVALID, "--layers %zu: %s has %zu", o->layers, o->arch, model->config.layers);
    if (o->layers) model->config.layers = o->layers;
    return settle_approx(o, model);
}

tf_status model_open_tokenizer(model_files *model) {
    TF_TRY(tf_tokenizer_open(model->directory, &model->tokenizer));
    size_t words = tf_tokenizer_vocabulary(model->tokenizer);
    if (words > model->config.vocabulary)
        return tf_fail(TF_FORMAT, "%s: the tokenizer has %zu words, but config.json's vocab_size is %zu",
                       model->directory, words, model->config.vocabulary);
    return TF_OK;
}

tf_status model_open_weights(model_files *model) {
    TF_TRY(tf_safetensors_open(model->directory, &model->weights));
    if (!model->calibrated) return TF_OK;
    char digest[65];
    TF_TRY(model_digest_text(model, digest));
    if (!strcmp(digest, model->ranges.model)) return TF_OK;
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
    tf_ranges_free(&model->ranges);
    if (model->weights) tf_safetensors_close(model->weights);
    *model = (model_files){0};
}

tf_status plain_batch(const model_files *model, const tf_batch *batch, tf_ranges *seen, tf_array *out) {
    tf_ranges_watch watch = {.ranges = seen};
    tf_graph graph;
    tf_status status = tf_model_build(&model->config, &model->approx, batch, model->weights, false, &graph);
    if (status != TF_OK) return status;
    status = tf_graph_plain(&graph, out, seen ? tf_ranges_watch_node : NULL, &watch);
    tf_graph_free(&graph);
    if (status == TF_OK && watch.status != TF_OK) {
        free(out->data);
        status = watch.status;
    }
    if (status == TF_OK && !tf_shape_equal(out->shape, tf_dims(batch->texts, tf_model_width(&model->config)))) {
        char shape[96];
        free(out->data);
        status = tf_fail(TF_INTERNAL, "the model's output has the shape %s", tf_shape_text(out->shape, shape));
    }
    return status;
}

tf_status plain_run(const model_files *model, const cli_batches *batches, tf_ranges *seen, float *values) {
    size_t width = tf_model_width(&model->config), row = 0;
    for (size_t b = 0; b < batches->count; b++) {
        const tf_batch *batch = &batches->batch[b];
        show_progress("plain model: text", row, batches->texts);
        tf_array out = {0};
        TF_TRY(plain_batch(model, batch, seen, &out));
        for (size_t i = 0; i < batch->texts; i++, row++)
            memcpy(values + batches->order[row] * width, out.data + i * width, width * sizeof *values);
        free(out.data);
    }
    show_progress("plain model: text", row, batches->texts);
    return TF_OK;
}

void show_progress(const char *what, size_t done, size_t total) {
    if (!isatty(STDERR_FILENO)) return;
    if (done < total)
        fprintf(stderr, "\r%s %zu of %zu\033[K", what, done, total);
    else
        fputs("\r\033[K", stderr);
    fflush(stderr);
}
