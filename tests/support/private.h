/**
 * One op in floating point and privately: three threads with a session each run what the op lowers to, and the results
 * are compared element by element. Activations are put in as sums of parts of two parties, so that no component of a
 * share is zero; weights are shared by the session; tokens and constants are leaves.
 */
#ifndef TF_TESTS_PRIVATE_H
#define TF_TESTS_PRIVATE_H

#include <math.h>

#include "net/local.h"
#include "runtime/session/session.h"
#include "tests/support/plain.h"

enum { PRIVATE_FRAC = 16, MODEL_OWNER = 0, DATA_OWNER = 1 };

typedef struct private_input {
    tf_leaf leaf; /**< TF_LEAF_NONE: an activation */
    tf_array array;
} private_input;

typedef struct private_op {
    const char *kind, *variant;
    int inputs;
    private_input input[TF_MAX_INPUTS];
    int attrs;
    tf_attr attr[TF_MAX_ATTRS];
    bool calibrated; /**< activations come with their largest magnitude as their range, not with the default */
    /* what comes out; private_free */
    const tf_op *op;
    tf_array plain;
    double *result;
    tf_session_stats stats;
    /* between the threads */
    tf_program program;
    const float *part[TF_PARTIES][2 * TF_MAX_INPUTS]; /**< by slot; NULL where this party puts nothing in */
} private_op;

static inline tf_status private_play(tf_link *link, int id, void *context) {
    private_op *run = context;
    tf_session session;
    tf_session_stats stats;
    double *output[] = {id == DATA_OWNER ? run->result : NULL};
    tf_slots slots = {.input = run->part[id], .output = output};
    TF_TRY(tf_session_open(&session, link));
    tf_status status =
        tf_session_run_program(&session, &run->program, &slots, id == DATA_OWNER ? &run->stats : &stats, NULL);
    tf_session_close(&session);
    return status;
}

/** Two parties' parts of an activation, multiples of the unit so that the sum is rounded as the whole would be. */
static inline tf_value private_activation(private_op *run, int i) {
    const tf_array *x = &run->input[i].array;
    size_t count = tf_shape_count(x->shape);
    float *mine = malloc(count * sizeof *mine), *other = malloc(count * sizeof *other);
    double unit = ldexp(1, -PRIVATE_FRAC), bound = tf_default_bound(&run->program);
    uint64_t seed = 77 + (uint64_t)i;
    for (size_t k = 0; k < count; k++) { /* small parts: floats hold them exactly */
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        mine[k] = (float)((double)((int64_t)(seed >> 46) - (1 << 17)) * unit);
        other[k] = (float)(rint(x->data[k] / unit) * unit - mine[k]);
    }
    run->part[DATA_OWNER][2 * i] = mine;
    run->part[MODEL_OWNER][2 * i + 1] = other;
    tf_value a =
        tf_input(&run->program, DATA_OWNER, x->shape, PRIVATE_FRAC, tf_width(PRIVATE_FRAC, bound), bound, 2 * i);
    tf_value b =
        tf_input(&run->program, MODEL_OWNER, x->shape, PRIVATE_FRAC, tf_width(PRIVATE_FRAC, bound), bound, 2 * i + 1);
    a = tf_add(&run->program, a, b);
    double largest = ldexp(1, -8);
    for (size_t k = 0; k < count; k++) largest = fmax(largest, fabs((double)x->data[k]));
    return run->calibrated ? tf_assume(&run->program, a, largest * TF_ROUNDING_ROOM) : a;
}

/** Runs the op both ways; the caller frees with private_free. */
static inline tf_status private_run(private_op *run) {
    tf_graph graph;
    tf_id id[TF_MAX_INPUTS];
    tf_value value[TF_MAX_INPUTS];
    int32_t *tokens = NULL;
    TF_TRY(tf_ops_register());
    tf_graph_init(&graph);
    tf_program_init(&run->program, PRIVATE_FRAC, MODEL_OWNER, DATA_OWNER);
    for (int i = 0; i < run->inputs; i++) {
        const private_input *in = &run->input[i];
        tf_leaf leaf = in->leaf == TF_LEAF_NONE ? TF_LEAF_WEIGHT : in->leaf;
        const void *data = in->array.data;
        char name[16];
        if (leaf == TF_LEAF_TOKENS) {
            tokens = malloc(tf_shape_count(in->array.shape) * sizeof *tokens);
            for (size_t k = 0; k < tf_shape_count(in->array.shape); k++) tokens[k] = (int32_t)in->array.data[k];
            data = tokens;
        }
        snprintf(name, sizeof name, "input%d", i);
        id[i] = tf_graph_leaf(&graph, leaf, name, in->array.shape, data);
    }
    tf_id out = tf_graph_op(&graph, run->kind, run->variant, "y", run->inputs, id, run->attrs, run->attr);
    tf_status status = tf_graph_finish(&graph, out);
    if (!status) status = tf_graph_plain(&graph, &run->plain, NULL, NULL);
    if (!status) {
        run->op = graph.node[out].op;
        for (int i = 0; i < run->inputs; i++)
            value[i] = run->input[i].leaf == TF_LEAF_NONE ? private_activation(run, i)
                                                          : tf_program_leaf(&run->program, &graph.node[id[i]]);
        tf_output(&run->program, run->op->lower(&run->program, &graph.node[out], value), DATA_OWNER, 0);
        status = tf_program_status(&run->program);
    }
    if (!status) {
        run->result = malloc(tf_shape_count(run->plain.shape) * sizeof *run->result);
        status = tf_run_local(private_play, run, NULL);
    }
    tf_program_free(&run->program);
    tf_graph_free(&graph);
    free(tokens);
    return status;
}

static inline void private_free(private_op *run) {
    for (int i = 0; i < TF_PARTIES; i++)
        for (int k = 0; k < 2 * TF_MAX_INPUTS; k++) free((void *)run->part[i][k]);
    free(run->plain.data);
    free(run->result);
    for (int i = 0; i < run->inputs; i++) free(run->input[i].array.data);
}

/** Where |private - plain| is largest, and how large; NaN counts as infinite. */
static inline double private_worst(const private_op *run, size_t *where) {
    double worst = -1;
    for (size_t i = 0; i < tf_shape_count(run->plain.shape); i++) {
        double error = fabs(run->result[i] - run->plain.data[i]);
        if (!(error <= worst)) worst = error == error ? error : INFINITY, *where = i;
    }
    return worst;
}

/** Runs the op on inputs that it frees and asserts that the private result is within `bound` of floating point; returns
 *  the largest difference. `what` tells the case. */
static inline double check_private(private_op run, double bound, const char *what) {
    size_t at = 0;
    char shape[96];
    tf_status status = private_run(&run);
    cr_assert_eq(status, TF_OK, "%s %s (%s): %s", run.kind, run.variant, what, tf_error());
    double worst = private_worst(&run, &at);
    tf_shape_text(run.plain.shape, shape);
    cr_log_info("%s %s, %s, %s: %.3g off at most, %.1f B an element, %d rounds", run.kind, run.variant, what, shape,
                worst, 0.0, (int)run.stats.rounds);
    cr_assert(worst <= bound,
              "%s %s (%s, %s): element %zu is %.9g privately, %.9g in floating point: %.3g apart, not %.3g", run.kind,
              run.variant, what, shape, at, run.result[at], (double)run.plain.data[at], worst, bound);
    private_free(&run);
    return worst;
}

/** The bound that the op declares. */
static inline double declared(const char *kind, const char *variant) {
    cr_assert_eq(tf_ops_register(), TF_OK);
    return tf_registry_find(kind, variant)->private_error;
}

/** low..high in even steps. */
static inline tf_array grid_array(tf_shape shape, double low, double high) {
    size_t count = tf_shape_count(shape);
    tf_array a = {shape, malloc(count * sizeof(float))};
    for (size_t i = 0; i < count; i++)
        a.data[i] = (float)(low + (high - low) * (double)i / (count > 1 ? (double)(count - 1) : 1));
    return a;
}

#endif
