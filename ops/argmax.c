/** Where the largest element of a row stands. */
#include <math.h>
#include <stdlib.h>

#include "ops/common.h"
#include "ops/ops.h"
#include "runtime/graph/example.h"
#include "runtime/program/program.h"

enum { MOST_ENTRIES = 1 << 24 }; /* that floats count exactly */

static tf_status infer(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    if (shape[0].rank < 1) return tf_fail(TF_INVALID, "the input is a scalar");
    if (tf_shape_last(shape[0]) > MOST_ENTRIES)
        return tf_fail(TF_INVALID, "rows of %zu elements; at most %d are supported", tf_shape_last(shape[0]),
                       (int)MOST_ENTRIES);
    double frac = tf_attr_get(node, "frac", 0);
    if (!(frac >= 0 && frac <= 24) || frac != floor(frac))
        return tf_fail(TF_INVALID, "attribute frac is %g, no number of fractional bits from 0 to 24", frac);
    *out = shape[0];
    out->rank--;
    return TF_OK;
}

static tf_status plain(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t rows = tf_shape_rows(in[0].shape), n = tf_shape_last(in[0].shape);
    for (size_t row = 0; row < rows; row++) {
        const float *x = in[0].data + row * n;
        size_t best = 0;
        for (size_t i = 1; i < n; i++)
            if (x[i] > x[best]) best = i;
        out->data[row] = (float)best;
    }
    return TF_OK;
}

/* A tournament of groups. Its state: the elements that are left, texts x count, and where in the row they stood. */
typedef struct tournament {
    tf_value x, position; /* position: -1 before the first round */
    size_t rows, count;
    double n, bound; /* of positions, of elements */
} tournament;

enum { FINAL = 32, WIDE = 16, NARROW = 4 };

/* How many of `count` elements meet at once. All pairs do, so wide groups are for when few are left. */
static size_t group_of(size_t count) {
    if (count <= FINAL) return count;
    if (count <= FINAL * FINAL) return (count + FINAL - 1) / FINAL;
    return count <= WIDE * FINAL * FINAL ? WIDE : NARROW;
}

/** Puts any number of tensors together along the last axis. */
static tf_value join(tf_program *p, size_t count, tf_value *part) {
    while (count > 1 && !p->status) {
        size_t made = 0;
        for (size_t at = 0; at < count; at += TF_STEP_INPUTS) {
            size_t rest = count - at;
            part[made++] = tf_concat(p, (int)(rest < TF_STEP_INPUTS ? rest : TF_STEP_INPUTS), part + at, -1);
        }
        count = made;
    }
    return p->status ? -1 : part[0];
}

/** As many zeros on the last axis as x has there at least. */
static tf_value zeros(tf_program *p, tf_value x, size_t count) {
    return tf_scale_int(p, tf_slice(p, x, -1, 0, count), 0);
}

/** By how many others of its group each of x (..., g) is beaten: by the larger ones, and by equal ones before it. */
static tf_value losses(tf_program *p, tf_value x, size_t g, double bound) {
    enum { RING = 8 };
    tf_value part[FINAL], sum = -1;
    double before[FINAL];
    for (size_t d = 1; d < g; d++) {
        tf_value left = tf_slice(p, x, -1, 0, g - d), right = tf_slice(p, x, -1, d, g - d);
        part[d - 1] = tf_assume(p, tf_add_within(p, left, tf_scale_int(p, right, -1), bound), 2 * bound);
    }
    tf_value beaten = tf_bit_to_share(p, tf_negative(p, join(p, g - 1, part), 0), RING, false);
    for (size_t d = 1, at = 0; d < g && !p->status; at += g - d, d++) {
        tf_value pairs = tf_slice(p, beaten, -1, at, g - d), none = zeros(p, beaten, d);
        tf_value first = tf_concat(p, 2, (tf_value[]){pairs, none}, -1);
        tf_value second = tf_concat(p, 2, (tf_value[]){none, pairs}, -1);
        tf_value both = tf_add_within(p, first, tf_scale_int(p, second, -1), 1);
        sum = sum < 0 ? both : tf_add_within(p, sum, both, FINAL);
    }
    for (size_t i = 0; i < g; i++) before[i] = (double)i; /* each of these beats it unless it is beaten by it */
    return tf_add_public_within(p, sum, tf_dims(g), before, FINAL);
}

/** The positions of the winners that `winner` marks, one of each group. */
static tf_value positions(tf_program *p, const tournament *t, tf_value winner, size_t groups, size_t g) {
    if (t->position >= 0) {
        tf_value position = tf_reshape(p, t->position, tf_dims(t->rows, groups, g));
        return tf_dot(p, winner, position, (tf_result){0, t->n, false});
    }
    double inside[FINAL], *begin = malloc(groups * sizeof *begin);
    if (!begin) return tf_program_fail(p, tf_fail(TF_NOMEM, "no memory for %zu positions", groups));
    for (size_t i = 0; i < g; i++) inside[i] = (double)i;
    for (size_t i = 0; i < groups; i++) begin[i] = (double)(i * g);
    tf_value position = tf_sum_axis(p, tf_mul_public(p, winner, tf_dims(g), inside, 0), -1, (double)g);
    position = tf_add_public_within(p, position, tf_dims(groups), begin, t->n);
    free(begin);
    return position;
}

/** Leaves the winner of each group: 8 rounds. Of a group one element is beaten by none: a table tells which. */
static void play(tf_program *p, tournament *t) {
    size_t g = group_of(t->count), groups = (t->count + g - 1) / g, missing = groups * g - t->count;
    int frac = tf_type_of(p, t->x)->frac;
    unsigned log = 1, ring = tf_width(frac, 2 * t->bound);
    if (missing) { /* what fills the last group up is no larger than any, and stands last */
        tf_value least = tf_add_const_within(p, zeros(p, t->x, missing), -t->bound, t->bound), end = t->position;
        t->x = tf_concat(p, 2, (tf_value[]){t->x, least}, -1);
        if (end >= 0) t->position = tf_concat(p, 2, (tf_value[]){end, zeros(p, end, missing)}, -1);
    }
    t->x = tf_reshape(p, t->x, tf_dims(t->rows, groups, g));
    while ((size_t)1 << log < g) log++;
    if (ring < tf_width(0, t->n)) ring = tf_width(0, t->n);
    double table[FINAL] = {1};
    tf_value winner = tf_lookup(p, losses(p, t->x, g, t->bound), log, table, 0, ldexp(1, (int)ring - 2));
    winner = tf_assume(p, winner, 1);
    t->position = positions(p, t, winner, groups, g);
    /* with room for differences, so that the next round lifts nothing */
    t->x = tf_assume(p, tf_dot(p, winner, t->x, (tf_result){frac, 2 * t->bound, false}), t->bound);
    t->count = groups;
}

static tf_value lower(tf_program *p, const tf_node *node, const tf_value *in) {
    if (p->status) return -1;
    tf_shape shape = tf_type_of(p, in[0])->shape;
    tournament t = {.x = in[0], .position = -1, .rows = tf_shape_rows(shape), .count = tf_shape_last(shape)};
    t.n = (double)t.count;
    t.bound = tf_type_of(p, in[0])->bound;
    t.x = tf_reshape(p, t.x, tf_dims(t.rows, t.count));
    int frac = (int)tf_attr_get(node, "frac", tf_type_of(p, t.x)->frac);
    if (frac < tf_type_of(p, t.x)->frac) t.x = tf_trunc(p, t.x, frac);
    if (t.count == 1) return tf_reshape(p, tf_scale_int(p, t.x, 0), node->shape);
    while (t.count > 1 && !p->status) play(p, &t);
    return tf_reshape(p, t.position, node->shape);
}

static const tf_example example = {.input = {{TF_LEAF_NONE, "bnw", TF_FILL_ROWS, 0, 0}}};

const tf_op tf_argmax_ops[] = {
    {.kind = "argmax",
     .variant = "exact",
     .summary = "the position of the largest element of the last dimension, rounded to attribute frac fractional bits; "
                "of equal ones the first",
     .source = "a tournament of groups in which all pairs meet at once",
     .min_inputs = 1,
     .max_inputs = 1,
     .infer = infer,
     .plain = plain,
     .lower = lower,
     .low = -256,
     .high = 256,
     .private_error = 0.5}, /* of a whole number: none */
    {0, .example = &example},
};
