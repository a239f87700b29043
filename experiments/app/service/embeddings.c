#include "experiments/app/service/embeddings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/app/service/plain.h"

tf_status embeddings_open(const model_settings *model, const embedding_settings *s, private_session *session,
                          embeddings *e) {
    TF_TRY(model_open(model, &e->model));
    const tf_config *config = &e->model.config;
    if (config->head != TF_HEAD_EMBEDDING || config->sentence_head)
        return tf_fail(TF_INVALID, "%s/config.json: \"architectures\" names a model that gives no embeddings",
                       e->model.directory);
    e->width = tf_model_width(config);
    if (s->dimensions > e->width)
        return tf_fail(TF_INVALID, "--dimensions %zu: embeddings of %s have %zu", s->dimensions, e->model.directory,
                       e->width);
    bool holds_weights = !session || s->run.public_weights || private_plays(session, s->run.model_owner);
    return holds_weights ? model_open_weights(&e->model) : TF_OK;
}

static double length_of(const float *vector, size_t width) {
    double sum = 0;
    for (size_t k = 0; k < width; k++) sum += (double)vector[k] * (double)vector[k];
    return sqrt(sum);
}

double embeddings_cosine(const float *a, const float *b, size_t width) {
    double sum = 0;
    for (size_t k = 0; k < width; k++) sum += (double)a[k] * (double)b[k];
    return sum / (length_of(a, width) * length_of(b, width));
}

/* Marks empty texts and cuts the vectors. */
static void finish(const embedding_settings *s, const text_list *texts, embeddings *e) {
    size_t width = s->dimensions ? s->dimensions : e->width;
    for (size_t i = 0; i < texts->count; i++) {
        float *to = e->values + i * width;
        memmove(to, e->values + i * e->width, width * sizeof *to);
        double length = width < e->width && !e->model.config.unnormalised ? length_of(to, width) : 1;
        for (size_t k = 0; k < width; k++) to[k] = texts->item[i].empty ? NAN : (float)((double)to[k] / length);
    }
    e->width = width;
}

tf_status embeddings_make(const embedding_settings *s, private_session *session, text_list *texts, embeddings *e) {
    if (texts) {
        TF_TRY(model_open_tokenizer(&e->model));
        TF_TRY(batches_make(texts, e->model.tokenizer, &e->model.config, &s->batches, &e->batches));
        TF_TRY(batches_allocate(&e->batches, &e->model.config, &e->values));
    }
    private_job job = {
        .settings = &s->run,
        .config = &e->model.config,
        .approx = &e->model.approx,
        .weights = e->model.weights,
        .batches = texts ? &e->batches : NULL,
        .ranges = model_ranges(&e->model),
        .directory = e->model.directory,
        .pinned_tokenizer = model_pinned_tokenizer(&e->model),
    };
    if (session)
        TF_TRY(private_infer(session, &job, e->values, &e->run));
    else
        TF_TRY(plain_run(&e->model, &e->batches, NULL, e->values));
    if (texts) finish(s, texts, e);
    return TF_OK;
}

void embeddings_free(embeddings *e) {
    free(e->values);
    batches_free(&e->batches);
    model_close(&e->model);
}
