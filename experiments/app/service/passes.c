#include "experiments/app/service/passes.h"

#include <stdlib.h>
#include <string.h>

/* The graph's output becomes the position of its largest value, to 1/256: logits are farther off than that. */
static tf_status reveal_token(tf_graph *graph) {
    enum { LOGIT_BITS = 8 };
    tf_id logits = graph->output[0].id;
    graph->outputs = 0;
    return tf_graph_finish(
        graph, tf_graph_op(graph, "argmax", "", "next_token", TF_IN(logits), TF_ATTRS({"frac", LOGIT_BITS})));
}

/* The same with noise: a draw. */
static tf_status reveal_draw(tf_graph *graph, const tf_sampling *s) {
    tf_id logits = graph->output[0].id;
    tf_shape shape = graph->node[logits].shape;
    size_t last = (size_t)shape.rank - 1;
    shape.dim[last] = tf_sampling_candidates(s, shape.dim[last]);
    graph->outputs = 0;
    tf_id noise = tf_graph_leaf(graph, TF_LEAF_NOISE, "noise", shape, NULL);
    return tf_graph_finish(graph, tf_graph_op(graph, "sample", "", "next_token", TF_IN(logits, noise),
                                              TF_ATTRS({"temperature", s->temperature}, {"top_k", (double)s->top_k},
                                                       {"top_p", s->top_p}, {"min_p", s->min_p})));
}

static tf_status build(const private_job *job, pass_reveal reveal, const tf_sampling *sampling,
                       const tf_safetensors *weights, pass *p) {
    tf_batch batch = {.texts = p->decoding.texts, .length = p->decoding.rows, .ids = p->ids, .decoding = &p->decoding};
    TF_TRY(tf_model_build(job->config, job->approx, &batch, weights, job->settings->public_weights, &p->graph));
    if (reveal == REVEAL_TOKEN)
        TF_TRY(sampling->temperature > 0 ? reveal_draw(&p->graph, sampling) : reveal_token(&p->graph));
    if (reveal == REVEAL_NOTHING) p->graph.output[0].to = TF_KEPT;
    if (job->ranges) tf_ranges_apply(job->ranges, &p->graph);
    p->graph.check_copies = job->settings->check_copies;
    return TF_OK;
}

tf_status pass_make(const private_job *job, pass_reveal reveal, const tf_sampling *sampling, size_t texts, size_t rows,
                    size_t capacity, bool holds_ids, const tf_safetensors *weights, pass *p) {
    *p = (pass){.width = reveal == REVEAL_TOKEN ? 1 : tf_model_width(job->config)};
    tf_graph_init(&p->graph);
    tf_status status = tf_decoding_make(job->config, texts, rows, capacity, &p->decoding);
    if (status == TF_OK && holds_ids) {
        p->ids = calloc(texts * rows, sizeof *p->ids);
        if (!p->ids) status = tf_fail(TF_NOMEM, "no memory for %zu tokens", texts * rows);
    }
    if (status == TF_OK) status = build(job, reveal, sampling, weights, p);
    if (status != TF_OK) pass_free(p);
    return status;
}

void pass_free(pass *p) {
    tf_graph_free(&p->graph);
    tf_decoding_free(&p->decoding);
    free(p->ids);
    *p = (pass){.ids = NULL};
}

void pass_set(const private_job *job, pass *p, const size_t *padding, size_t length, const int32_t *ids,
              size_t stride) {
    size_t rows = p->decoding.rows;
    tf_decoding_set(job->config, &p->decoding, padding, length);
    for (size_t i = 0; p->ids && ids && i < p->decoding.texts; i++)
        memcpy(p->ids + i * rows, ids + i * stride, rows * sizeof *ids);
}

size_t pass_capacity(size_t length, size_t context) {
    enum { STEP = 64, SMALLEST = 32 };
    size_t capacity = length < SMALLEST ? SMALLEST : (length / STEP + 1) * STEP;
    return capacity < context ? capacity : context;
}
