/*
 * Rotations by public angles. Turning a point (a, b) to (a cos - b sin, b cos + a sin) is linear, so parties do it to
 * whatever additive parts they hold; the fixed-point cosines and sines only add low bits for a truncation to take off.
 * Nothing is sent.
 */
#include "runtime/steps/rotate.h"

#include <math.h>
#include <string.h>

#include "runtime/graph/graph.h"
#include "runtime/steps/local.h"

enum { MOST_DEPTH = 1024 };

tf_status tf_rotation_of(const tf_program *p, tf_value table, size_t rows, size_t width, size_t rotated,
                         tf_rotation *rotation) {
    const tf_node *leaf = tf_leaf_of(p, table);
    if (!leaf || (leaf->leaf != TF_LEAF_PUBLIC && (leaf->leaf != TF_LEAF_CONSTANT || !leaf->data)))
        return tf_fail(TF_INVALID, "a public table of cosines and sines is expected where %s stands",
                       leaf ? leaf->name : "an activation");
    size_t depth = tf_shape_last(leaf->shape);
    *rotation = (tf_rotation){.width = width, .rotated = rotated, .depth = depth, .bits = TF_ROTATION_BITS};
    if (!depth || depth % 2 || depth > MOST_DEPTH || rotated > width || rotated % depth)
        return tf_fail(TF_INVALID, "%zu of %zu columns cannot be rotated as heads of %zu", rotated, width, depth);
    if (tf_shape_count(leaf->shape) != rows * depth)
        return tf_fail(TF_INVALID, "the table %s has %zu rows, where %zu are to be rotated", leaf->name,
                       tf_shape_count(leaf->shape) / depth, rows);
    return TF_OK;
}

tf_value tf_rotation_table(tf_program *p, tf_value v, tf_value table, unsigned bits) {
    if (v < 0) return -1;
    const tf_node *leaf = tf_leaf_of(p, table);
    if (leaf->leaf == TF_LEAF_PUBLIC) {
        p->node[v].leaf = leaf;
        return v;
    }
    size_t n = tf_shape_count(leaf->shape);
    int64_t *data = tf_append_data(p, v, n);
    if (!data) return -1;
    for (size_t i = 0; i < n; i++) data[i] = llrint(ldexp(leaf->data[i], (int)bits));
    return v;
}

tf_status tf_rotation_ready(const tf_call *call) {
    if (call->node->data || tf_call_leaf(call)->data) return TF_OK;
    return tf_fail(TF_INVALID, "party %d was given no data for %s", call->party->id, call->node->leaf->name);
}

TF_MULTIVERSION static void turn(uint64_t *z, const uint64_t *cosine, const uint64_t *sine, size_t half) {
    for (size_t i = 0; i < half; i++) {
        uint64_t a = z[i], b = z[half + i];
        z[i] = a * cosine[i] - b * sine[i];
        z[half + i] = b * cosine[i] + a * sine[i];
    }
}

void tf_rotate_rows(const tf_call *call, const tf_rotation *r, size_t begin, size_t end, uint64_t *z) {
    const int64_t *fixed = call->node->data;
    const float *given = fixed ? NULL : tf_call_leaf(call)->data;
    uint64_t table[MOST_DEPTH];
    for (size_t row = begin; row < end; row++) {
        for (size_t i = 0; i < r->depth; i++)
            table[i] =
                (uint64_t)(fixed ? fixed[row * r->depth + i] : llrint(ldexp(given[row * r->depth + i], (int)r->bits)));
        uint64_t *line = z + row * r->width;
        for (size_t at = 0; at < r->rotated; at += r->depth) turn(line + at, table, table + r->depth / 2, r->depth / 2);
        for (size_t k = r->rotated; k < r->width; k++) line[k] <<= r->bits;
    }
}

/* The step, on shares. */

typedef struct rotate_args {
    int64_t width, rotated, depth, bits;
} rotate_args;

static void rotate(tf_call *call, int j, tf_span span) {
    const rotate_args *args = tf_args(rotate_args, call->node);
    tf_rotation r = {.width = (size_t)args->width,
                     .rotated = (size_t)args->rotated,
                     .depth = (size_t)args->depth,
                     .bits = (unsigned)args->bits};
    memcpy(call->out.c[j] + span.begin, call->in[0].c[j] + span.begin, tf_span_count(span) * sizeof(uint64_t));
    tf_rotate_rows(call, &r, span.begin / r.width, span.end / r.width, call->out.c[j]);
}

static tf_status rotate_local(tf_call *call) {
    TF_TRY(tf_rotation_ready(call));
    return tf_on_rows(call, (size_t)tf_args(rotate_args, call->node)->width, rotate);
}

static const tf_step rotate_step = {.name = "rotate",
                                    .summary = "heads turned by public angles, with as many fractional bits more",
                                    .shares_work = true,
                                    .local = rotate_local};

tf_value tf_rotate(tf_program *p, tf_value a, tf_value table, size_t rotated, tf_result result) {
    if (p->status) return -1;
    tf_status status = tf_check_operand(p, rotate_step.name, a, false);
    if (status) return tf_program_fail(p, status);
    tf_type type = *tf_type_of(p, a);
    size_t width = tf_shape_last(type.shape);
    tf_rotation r;
    status = tf_rotation_of(p, table, tf_shape_count(type.shape) / width, width, rotated, &r);
    if (status) return tf_program_fail(p, status);
    double bound = result.bound > 0 ? result.bound : tf_default_bound(p);
    unsigned need = tf_width(type.frac + (int)r.bits, bound);
    type.bits = tf_type_of(p, a = tf_lift(p, a, need))->bits;
    type.frac += (int)r.bits;
    type.bound = bound;
    type.zero = -1;
    rotate_args args = {
        .width = (int64_t)r.width, .rotated = (int64_t)r.rotated, .depth = (int64_t)r.depth, .bits = (int64_t)r.bits};
    tf_value v = tf_append_args(p, &rotate_step, type, 1, &a, &args, sizeof args);
    return tf_trunc(p, tf_rotation_table(p, v, table, r.bits), result.frac);
}
