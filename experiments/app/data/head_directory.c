#include "experiments/app/data/head_directory.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "experiments/app/data/directory.h"
#include "models/generation.h"
#include "models/sentence.h"
#include "net/base/file.h"

static bool begins(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* A former head goes, and so do the position ids 0, 1, 2..., which some files hold as integers. */
static bool is_kept(const char *name) {
    return !begins(name, "classifier.") && !strstr(name, "embeddings.position_ids");
}

static tf_status collect(const tf_safetensors *weights, tf_tensor_source *tensor, size_t *tensors) {
    for (size_t i = 0; i < tf_safetensors_count(weights); i++) {
        const char *name = tf_safetensors_name(weights, i);
        if (is_kept(name)) TF_TRY(tf_safetensors_source(weights, name, &tensor[(*tensors)++]));
    }
    return TF_OK;
}

static tf_status write_weights(const char *path, const tf_safetensors *weights, const linear_head *head) {
    size_t tensors = 0;
    tf_tensor_source *tensor = calloc(tf_safetensors_count(weights) + 2, sizeof *tensor);
    if (!tensor) return tf_fail(TF_NOMEM, "out of memory");
    tf_status status = collect(weights, tensor, &tensors);
    tensor[tensors++] = (tf_tensor_source){
        .name = "classifier.weight", .shape = tf_dims(head->labels, head->hidden), .data = head->weight};
    tensor[tensors++] =
        (tf_tensor_source){.name = "classifier.bias", .shape = tf_dims(head->labels), .data = head->bias};
    if (status == TF_OK) status = tf_safetensors_write(path, tensor, tensors);
    free(tensor);
    return status;
}

static tf_status write_config(const char *path, const char *source, const linear_head *head, const char *approx,
                              const tf_config *model) {
    json_t *config;
    TF_TRY(tf_json_read(source, DIRECTORY_LARGEST_TEXT, &config));
    json_t *names = json_object();
    for (size_t i = 0; i < head->labels; i++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", i);
        json_object_set_new(names, number, json_string(head->label[i]));
    }
    json_object_set_new(config, "architectures", json_pack("[s]", tf_model_architecture(model, TF_HEAD_CLASSIFIER)));
    json_object_set_new(config, "trefoil_head", json_string("sentence_linear"));
    json_object_set_new(config, "trefoil_pooling", json_string(tf_pooling_name(model->pooling)));
    json_object_set_new(config, "trefoil_normalise", json_boolean(!model->unnormalised));
    json_object_set_new(config, "id2label", names);
    json_object_del(config, "label2id"); /* of a former head */
    json_object_del(config, "num_labels");
    if (approx) json_object_set_new(config, "trefoil_approx", json_string(approx));
    return directory_write_json(path, config);
}

tf_status head_directory_write(const char *directory, const model_files *model, const linear_head *head,
                               const char *approx) {
    char config[DIRECTORY_PATH], source[DIRECTORY_PATH], weights[DIRECTORY_PATH];
    if (model->config.sentence_width)
        return tf_fail(TF_INVALID, "%s: a head after the dense layer of 2_Dense is not supported", model->directory);
    TF_TRY(directory_make(directory, model->directory, 0777));
    TF_TRY(tf_path_join(directory, "config.json", config, sizeof config));
    TF_TRY(tf_path_join(model->directory, "config.json", source, sizeof source));
    TF_TRY(tf_path_join(directory, "model.safetensors", weights, sizeof weights));
    if (unlink(config) != 0 && errno != ENOENT) return tf_fail(TF_IO, "%s: %s", config, strerror(errno));
    TF_TRY(write_weights(weights, model->weights, head));
    TF_TRY(directory_mirror_tokenizer(model->directory, directory));
    return write_config(config, source, head, approx, &model->config);
}

tf_status model_copy_public(const model_files *model, const char *given, const char *directory) {
    char source[DIRECTORY_PATH], target[DIRECTORY_PATH];
    const char *approx = given ? given : model->config.approx[0] ? model->config.approx : "exact";
    json_t *config;
    if (strlen(approx) >= sizeof model->config.approx) return tf_fail(TF_INVALID, "--approx is too long to be kept");
    TF_TRY(tf_path_join(model->directory, "config.json", source, sizeof source));
    TF_TRY(tf_path_join(directory, "config.json", target, sizeof target));
    TF_TRY(tf_json_read(source, DIRECTORY_LARGEST_TEXT, &config));
    json_object_set_new(config, "trefoil_approx", json_string(approx));
    tf_status status = directory_write_json(target, config);
    if (status == TF_OK)
        status = directory_mirror(model->calibrated ? model->directory : NULL, directory, TF_RANGES_FILE);
    if (status == TF_OK) status = directory_mirror(model->directory, directory, TF_GENERATION_FILE);
    if (status == TF_OK) status = directory_mirror(model->directory, directory, "chat_template.jinja");
    return status == TF_OK ? directory_mirror_tokenizer(model->directory, directory) : status;
}
