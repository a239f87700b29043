#include "experiments/cli/op_cost.h"

#include <stdio.h>
#include <string.h>

#include "runtime/graph.h"
#include "runtime/plan.h"

enum { FRACTION_BITS = 16, MODEL_OWNER = 0, DATA_OWNER = 1, MOST_INPUTS = 4 };

typedef struct sample_input {
    tf_leaf leaf; /* TF_LEAF_NONE: an activation */
    tf_shape shape;
} sample_input;

/* Sizes of BERT-tiny, for 4 texts of 128 tokens. */
enum { TEXTS = 4, TOKENS = 128, HIDDEN = 128, VOCABULARY = 30522 };
static const float zeros[TEXTS * TOKENS * HIDDEN];
static const sample_input activation = {TF_LEAF_NONE, {3, {TEXTS, TOKENS, HIDDEN}}},
                          constant = {TF_LEAF_CONSTANT, {3, {TEXTS, TOKENS, HIDDEN}}},
                          per_token = {TF_LEAF_CONSTANT, {2, {TEXTS, TOKENS}}},
                          ids = {TF_LEAF_TOKENS, {2, {TEXTS, TOKENS}}},
                          table = {TF_LEAF_WEIGHT, {2, {VOCABULARY, HIDDEN}}},
                          matrix = {TF_LEAF_WEIGHT, {2, {HIDDEN, HIDDEN}}}, vector = {TF_LEAF_WEIGHT, {1, {HIDDEN}}};

typedef struct op_sample {
    const char *kind;
    const sample_input *input[MOST_INPUTS];
} op_sample;

/* What the kinds take that are not made of activations alone. */
static const op_sample samples[] = {
    {"embedding", {&ids, &table}},
    {"rows", {&table}},
    {"linear", {&activation, &matrix, &vector}},
    {"layernorm", {&activation, &vector, &vector}},
    {"affine", {&activation, &vector, &vector}},
    {"mask", {&activation, &constant}},
    {"mean_pool", {&activation, &per_token}},
};
static const op_sample activations = {"", {&activation, &activation, &activation, &activation}};

/* An op reads the attributes that it knows. */
static const tf_attr attributes[] = {{"eps", 1e-12}, {"heads", 2}, {"count", TOKENS}, {"factor", 0.3}};
enum { ATTRIBUTES = sizeof attributes / sizeof attributes[0] };

static const op_sample *sample_of(const tf_op *op) {
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++)
        if (!strcmp(op->kind, samples[i].kind)) return &samples[i];
    return &activations;
}

/* Appends the inputs and the op; the leaves must outlive the program. */
static tf_status append(tf_program *program, const tf_op *op, const op_sample *sample, tf_node *node, tf_node *leaf) {
    tf_shape shape[MOST_INPUTS];
    tf_value value[MOST_INPUTS];
    double bound = tf_default_bound(program);
    for (int i = 0; i < op->min_inputs; i++) shape[i] = sample->input[i]->shape;
    TF_TRY(op->infer(node, shape, &node->shape));
    for (int i = 0; i < op->min_inputs; i++) {
        leaf[i] = (tf_node){.leaf = sample->input[i]->leaf, .shape = shape[i]};
        if (leaf[i].leaf == TF_LEAF_CONSTANT) leaf[i].data = zeros; /* public, so that the program holds them */
        snprintf(leaf[i].name, sizeof leaf[i].name, "input%d", i);
        value[i] = leaf[i].leaf == TF_LEAF_NONE ? tf_input(program, DATA_OWNER, shape[i], FRACTION_BITS,
                                                           tf_width(FRACTION_BITS, bound), bound, i)
                                                : tf_program_leaf(program, &leaf[i]);
    }
    program->op = 0; /* tells the op's steps from the inputs' */
    (void)op->lower(program, node, value);
    return tf_program_status(program);
}

static tf_status plan_and_count(const tf_program *program, const tf_node *node, bool activations_put_in,
                                op_price *price) {
    tf_plan plan;
    uint64_t bytes = 0;
    TF_TRY(tf_plan_make(program, &plan));
    for (int i = 0; i < program->nodes; i++)
        if (program->node[i].op == 0) bytes += tf_plan_node_bytes(&plan, i);
    price->bytes = (double)bytes / (double)tf_shape_count(node->shape);
    price->rounds = plan.rounds - activations_put_in; /* that took a round */
    tf_plan_free(&plan);
    return TF_OK;
}

tf_status op_price_find(const tf_op *op, op_price *price) {
    const op_sample *sample = sample_of(op);
    tf_node node = {.name = "op", .op = op, .inputs = op->min_inputs, .attrs = ATTRIBUTES}, leaf[MOST_INPUTS];
    if (!op->lower || op->min_inputs > MOST_INPUTS)
        return tf_fail(TF_INVALID, "%s has no private form of at most %d inputs", op->kind, MOST_INPUTS);
    memcpy(node.attr, attributes, sizeof attributes);
    bool activations_put_in = false;
    for (int i = 0; i < op->min_inputs; i++) activations_put_in |= sample->input[i]->leaf == TF_LEAF_NONE;
    tf_program program;
    tf_program_init(&program, FRACTION_BITS, MODEL_OWNER, DATA_OWNER);
    tf_status status = append(&program, op, sample, &node, leaf);
    if (status == TF_OK) status = plan_and_count(&program, &node, activations_put_in, price);
    tf_program_free(&program);
    return status;
}
