/** Logits of tokens that are in the text already are made less likely. */
#include <math.h>

#include "ops/common.h"
#include "ops/ops.h"
#include "runtime/graph/example.h"
#include "runtime/program/program.h"

/* logits: ... x vocabulary; seen, 1 for tokens that are in the row's text and 0 for others: as many rows. */
static tf_status infer(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    double penalty = tf_attr_get(node, "penalty", 0);
    if (!(penalty >= 0.01 && penalty <= 100))
        return tf_fail(TF_INVALID, "attribute penalty is %g; it must be from 0.01 to 100", penalty);
    if (shape[0].rank < 1 || tf_shape_last(shape[0]) != tf_shape_last(shape[1]) ||
        tf_shape_count(shape[0]) != tf_shape_count(shape[1]))
        return tf_fail(TF_INVALID, "logits and what is seen have other numbers of elements");
    *out = shape[0];
    return TF_OK;
}

static tf_status plain(const tf_node *node, const tf_array *in, tf_array *out) {
    float penalty = (float)tf_attr_get(node, "penalty", 1);
    for (size_t i = 0; i < tf_shape_count(out->shape); i++) {
        float x = in[0].data[i];
        out->data[i] = x + in[1].data[i] * ((x > 0 ? x / penalty : x * penalty) - x);
    }
    return TF_OK;
}

/* x + seen ((p - 1) x + (1/p - p) max(x, 0)). Near zero, where the comparison may err, both sides agree nearly. */
static tf_value lower(tf_program *p, const tf_node *node, const tf_value *in) {
    enum { PRECISION = 12 };
    if (p->status) return -1;
    double penalty = tf_attr_get(node, "penalty", 1);
    tf_value x = in[0];
    int frac = (int)tf_attr_get(node, "frac", tf_type_of(p, x)->frac);
    if (frac < tf_type_of(p, x)->frac) x = tf_trunc(p, x, frac);
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, x);
    double room = fmax(penalty, 1 / penalty), factor[2] = {penalty - 1, 1 / penalty - penalty};
    tf_value positive = tf_select(p, 1, &(tf_term){tf_negative(p, x, tf_default_low(&type)), x, true});
    tf_value part[2] = {x, tf_assume(p, positive, type.bound)}, sum = -1;
    for (int i = 0; i < 2 && !p->status; i++) {
        double c[1] = {factor[i]};
        part[i] = tf_lift(p, part[i], tf_width(type.frac + PRECISION, 2 * room * type.bound));
        part[i] = tf_mul_public(p, part[i], tf_dims(1), c, PRECISION);
    }
    sum = tf_add_within(p, part[0], part[1], room * type.bound);
    tf_value seen = tf_reshape(p, in[1], type.shape);
    tf_value change = tf_mul(p, sum, seen, (tf_result){type.frac, room * type.bound, false});
    return tf_add_within(p, x, change, room * type.bound);
}

static const tf_example example = {
    .input = {{TF_LEAF_NONE, "bnw", TF_FILL_ROWS, 0, 0}, {TF_LEAF_NONE, "bnw", TF_FILL_MASK, 0, 0}},
    .attr = {{"penalty", 1.25, 0}}};

const tf_op tf_repetition_ops[] = {
    {.kind = "repeat_penalty",
     .variant = "",
     .summary = "logits, of tokens that the second input marks divided by attribute penalty, negative ones multiplied; "
                "rounded to attribute frac fractional bits",
     .source = "Keskar et al. 2019 (CTRL), 4.1; negative logits as in llama.cpp",
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer,
     .plain = plain,
     .lower = lower,
     .low = -64,
     .high = 64,
     .private_error = 1.5e-2,
     .example = &example},
    {0},
};
