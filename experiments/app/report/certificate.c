#include "experiments/app/report/certificate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/base/digest.h"
#include "net/base/new_file.h"

/* NULL where there is no memory, or where a text is no UTF-8. */
static json_t *item_json(const text_item *text, size_t tokens, const float *value, size_t width) {
    json_t *values = json_array();
    for (size_t k = 0; k < width; k++) json_array_append_new(values, json_real((double)value[k]));
    json_t *object = json_pack("{s:s%,s:I,s:o}", "text", text->first, text->first_length, "tokens", (json_int_t)tokens,
                               "values", values);
    if (object && text->second) json_object_set_new(object, "second", json_stringn(text->second, text->second_length));
    return object;
}

static json_t *certificate_json(const model_files *model, const text_list *texts, const text_batches *batches,
                                const float *values) {
    char architecture[TF_DIGEST_TEXT], approximations[TF_APPROX_TEXT];
    size_t width = tf_model_width(&model->config);
    tf_digest digest;
    if (tf_architecture_digest(&model->config, &digest) != TF_OK) return NULL;
    tf_digest_text(&digest, architecture);
    json_t *list = json_array();
    for (size_t i = 0; i < texts->count; i++)
        if (json_array_append_new(list, item_json(&texts->item[i], batches->text[i].length, values + i * width, width)))
            return json_decref(list), NULL;
    return json_pack("{s:s,s:s,s:o}", "architecture", architecture, "approximations",
                     tf_approx_text(&model->approx, approximations), "texts", list);
}

tf_status certificate_write(const report_form *form, const char *path, const model_files *model, const text_list *texts,
                            const text_batches *batches, const float *values) {
    json_t *object = certificate_json(model, texts, batches, values);
    char *text = object ? json_dumps(object, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(object);
    if (!text) return tf_fail(TF_NOMEM, "out of memory for %zu texts", texts->count);
    tf_digest digest = tf_digest_of(text, strlen(text));
    tf_status status = tf_file_write(path, 0666, text, strlen(text));
    free(text);
    TF_TRY(status);
    char hex[TF_DIGEST_TEXT];
    tf_digest_text(&digest, hex);
    if (form->json)
        return form_print(form,
                          json_pack("{s:s,s:I,s:s}", "out", path, "texts", (json_int_t)texts->count, "sha256", hex));
    printf("%s: %zu texts certified, for --decoys; its SHA-256, to be published: %s\n", path, texts->count, hex);
    return finish_output();
}
