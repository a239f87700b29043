#include "experiments/app/service/passes.h"

#include <stdlib.h>
#include <string.h>

/* Logits are farther off than 1/256: tokens are compared that coarsely. */
enum { LOGIT_BITS = 8, DRAW_BITS = 14 };

size_t pass_evicted(const private_job *job, size_t prompt) {
    size_t keep = job->settings->keep;
    return keep && keep < prompt ? prompt - keep : 0;
}

/* The capacity of caches with which a token after `length` rows is decoded: programs are made for few of them. */
static size_t capacity_after(size_t length, size_t most) {
    enum { STEP = 64, SMALLEST = 32 };
    size_t capacity = length < SMALLEST ? SMALLEST : (length / STEP + 1) * STEP;
    return capacity < most ? capacity : most;
}

pass_shape pass_reading(const private_job *job, pass_reveal reveal, size_t texts, size_t prompt, size_t read,
                        size_t piece) {
    size_t evicted = pass_evicted(job, prompt), left = prompt - read;
    bool last = !piece || left <= piece;
    size_t rows = last ? left : piece;
    return (pass_shape){.reveal = last ? reveal : REVEAL_NOTHING,
                        .texts = texts,
                        .rows = rows,
                        .capacity = read + rows,
                        .reads = evicted > 0,
                        .keep = last && evicted ? job->settings->keep : 0};
}

pass_shape pass_decoding(const private_job *job, pass_reveal reveal, size_t texts, size_t prompt, size_t length,
                         size_t proposed, size_t context) {
    size_t evicted = pass_evicted(job, prompt), room = context > length ? context - length - 1 : 0;
    if (proposed > room) proposed = room;
    return (pass_shape){.reveal = reveal,
                        .texts = texts,
                        .rows = 1 + proposed,
                        .capacity = capacity_after(length + proposed - evicted, context - evicted),
                        .kept = evicted ? job->settings->keep : 0,
                        .evicted = evicted,
                        .proposed = proposed};
}

pass_choice pass_choice_of(const run_settings *settings) {
    return (pass_choice){.sampling = &settings->sampling, .penalty = settings->repeat_penalty};
}

bool pass_penalises(pass_reveal reveal, double penalty) {
    return reveal == REVEAL_TOKEN && penalty > 0 && penalty != 1;
}

/* The graph's output, its logits, become those that repetition has made less likely. */
static void penalise(tf_graph *graph, const pass_choice *choice) {
    tf_id logits = graph->output[0].id;
    tf_shape shape = graph->node[logits].shape;
    int bits = choice->sampling->temperature > 0 ? DRAW_BITS : LOGIT_BITS;
    tf_id leaf = tf_graph_leaf(graph, TF_LEAF_TOKENS, "seen.given", tf_dims(shape.dim[0] * shape.dim[1], shape.dim[2]),
                               choice->seen);
    tf_id marks = tf_graph_op(graph, "given", "", "seen", TF_IN(leaf), TF_ATTRS({"frac", 0}, {"bound", 1}));
    graph->output[0].id = tf_graph_op(graph, "repeat_penalty", "", "penalised", TF_IN(logits, marks),
                                      TF_ATTRS({"penalty", choice->penalty}, {"frac", bits}));
}

/* The position of the largest logit. */
static tf_id likeliest(tf_graph *graph, tf_id logits) {
    return tf_graph_op(graph, "argmax", "", "next_token", TF_IN(logits), TF_ATTRS({"frac", LOGIT_BITS}));
}

/* The same with noise: a draw. */
static tf_id draw(tf_graph *graph, tf_id logits, const tf_sampling *s) {
    tf_shape shape = graph->node[logits].shape;
    size_t last = (size_t)shape.rank - 1;
    shape.dim[last] = tf_sampling_candidates(s, shape.dim[last]);
    tf_id noise = tf_graph_leaf(graph, TF_LEAF_NOISE, "noise", shape, NULL);
    return tf_graph_op(graph, "sample", "", "next_token", TF_IN(logits, noise),
                       TF_ATTRS({"temperature", s->temperature}, {"top_k", (double)s->top_k}, {"top_p", s->top_p},
                                {"min_p", s->min_p}));
}

/* What was chosen at each row, as far as the rows that it follows are what was chosen before. */
static tf_id accepted(tf_graph *graph, tf_id chosen, size_t vocabulary) {
    tf_id read = 0;
    while (graph->node[read].leaf != TF_LEAF_TOKENS || strcmp(graph->node[read].name, "tokens") != 0) read++;
    tf_id given = tf_graph_op(graph, "given", "", "read_tokens", TF_IN(read),
                              TF_ATTRS({"frac", 0}, {"bound", (double)vocabulary}));
    return tf_graph_op(graph, "accepted", "", "accepted", TF_IN(chosen, given), TF_NO_ATTRS);
}

/* The graph's output, its logits, becomes the token of each row that is chosen by them. */
static tf_status reveal_tokens(tf_graph *graph, const tf_sampling *s, size_t proposed) {
    tf_id out = graph->output[0].id;
    if (out < 0) return tf_graph_finish(graph, out);
    size_t vocabulary = tf_shape_last(graph->node[out].shape);
    graph->outputs = 0;
    out = s->temperature > 0 ? draw(graph, out, s) : likeliest(graph, out);
    return tf_graph_finish(graph, proposed ? accepted(graph, out, vocabulary) : out);
}

static tf_status build(const private_job *job, const pass_choice *choice, const tf_safetensors *weights, pass *p) {
    tf_batch batch = {.texts = p->decoding.texts, .length = p->decoding.rows, .ids = p->ids, .decoding = &p->decoding};
    TF_TRY(tf_model_build(job->config, job->approx, &batch, weights, job->settings->public_weights, &p->graph));
    const tf_sampling *sampling = choice->sampling;
    if (pass_penalises(p->shape.reveal, choice->penalty)) penalise(&p->graph, choice);
    if (p->shape.reveal == REVEAL_TOKEN) TF_TRY(reveal_tokens(&p->graph, sampling, p->shape.proposed));
    if (p->shape.reveal == REVEAL_NOTHING) p->graph.output[0].to = TF_KEPT;
    if (job->ranges) tf_ranges_apply(job->ranges, &p->graph);
    p->graph.check_copies = job->settings->check_copies;
    p->graph.round_bytes = job->settings->round_bytes;
    return TF_OK;
}

/* What would be looked at no more from some token on is not what the last tokens of a prompt looked at most. */
static tf_status check_window(const private_job *job, const pass_shape *shape) {
    size_t window = job->config->window;
    if (!shape->keep || !window || window >= job->config->positions) return TF_OK;
    return tf_fail(TF_INVALID, "--keep: tokens of this model look at the %zu before them alone", window);
}

tf_status pass_make(const private_job *job, const pass_shape *shape, const pass_choice *choice, bool holds_ids,
                    const tf_safetensors *weights, pass *p) {
    size_t widths[] = {[REVEAL_TOKEN] = 1 + shape->proposed,
                       [REVEAL_LOGITS] = tf_model_width(job->config),
                       [REVEAL_NOTHING] = job->config->hidden};
    *p = (pass){.shape = *shape, .width = widths[shape->reveal]};
    tf_graph_init(&p->graph);
    TF_TRY(check_window(job, shape));
    tf_status status = tf_decoding_make(job->config, shape->texts, shape->rows, shape->capacity, &p->decoding);
    p->decoding.reads = shape->reads, p->decoding.keep = shape->keep;
    p->decoding.kept = shape->kept, p->decoding.evicted = shape->evicted;
    p->decoding.no_head = shape->reveal == REVEAL_NOTHING;
    p->decoding.every_row = shape->proposed > 0;
    if (status == TF_OK && holds_ids) {
        p->ids = calloc(shape->texts * shape->rows, sizeof *p->ids);
        if (!p->ids) status = tf_fail(TF_NOMEM, "no memory for %zu tokens", shape->texts * shape->rows);
    }
    if (status == TF_OK) status = build(job, choice, weights, p);
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
    tf_decoding_set(job->config, &p->decoding, padding, length - p->decoding.evicted);
    for (size_t i = 0; p->ids && ids && i < p->decoding.texts; i++)
        memcpy(p->ids + i * rows, ids + i * stride, rows * sizeof *ids);
}
