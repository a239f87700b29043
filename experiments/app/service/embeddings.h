/** Embeddings of texts, computed by the parties that this process plays or in floating point. */
#ifndef TF_APP_EMBEDDINGS_H
#define TF_APP_EMBEDDINGS_H

#include "experiments/app/data/model_files.h"
#include "experiments/app/service/infer.h"

/** What is told about the run beside the model and the texts. */
typedef struct embedding_settings {
    run_settings run;
    batch_settings batches;
    size_t dimensions; /**< only the first ones, for models trained so (Matryoshka); 0: all */
} embedding_settings;

typedef struct embeddings {
    model_files model;
    text_batches batches;
    float *values; /**< at the data owner: texts x width, NaN where a text is empty */
    size_t width;
    run_report run;
} embeddings;

/** Opens the model's public files, and its weights where this process needs them. `session` NULL: in floating point. */
TF_CHECKED tf_status embeddings_open(const model_settings *model, const embedding_settings *settings,
                                     private_session *session, embeddings *out);

/**
 * Computes the embeddings of the texts (NULL where this process does not play the data owner). Cut to fewer dimensions
 * they get the length 1 again where the model's have it.
 */
TF_CHECKED tf_status embeddings_make(const embedding_settings *settings, private_session *session, text_list *texts,
                                     embeddings *out);

void embeddings_free(embeddings *embeddings);

/** The cosine of two vectors; NaN where one has no direction. */
double embeddings_cosine(const float *a, const float *b, size_t width);

#endif
