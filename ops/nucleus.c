#include "ops/nucleus.h"

#include <math.h>

#include "ops/ranking.h"
#include "runtime/lower/compose.h"

enum {
    MOST_PARTS = 4,  /* that the search leaves one of */
    HEIGHT_FRAC = 9, /* fractional bits of what is compared: half a step */
    TOP_P_PRECISION = 16
};

/** How high scores are above the depth, in [0, TF_NUCLEUS_DEPTH]. */
static tf_value height_of(tf_program *p, tf_value below) {
    if (p->status) return -1;
    double bound = tf_type_of(p, below)->bound;
    tf_value height = tf_relu(p, tf_add_const_within(p, below, TF_NUCLEUS_DEPTH, bound));
    return tf_trunc(p, tf_assume(p, height, TF_NUCLEUS_DEPTH), HEIGHT_FRAC);
}

/** Weights e^below, in a ring that has room for twice the sum of n. */
static tf_value weights_of(tf_program *p, tf_value below, double n) {
    tf_value weight = tf_exp_negative(p, below);
    return p->status ? -1 : tf_lift(p, weight, tf_width(tf_type_of(p, weight)->frac, 2 * n));
}

/** -top_p of the sum of the weights (rows, n): (rows). */
static tf_value less_needed(tf_program *p, tf_value weight, double n, double top_p) {
    if (p->status) return -1;
    int frac = tf_type_of(p, weight)->frac;
    tf_value sum = tf_sum_axis(p, weight, -1, n);
    sum = tf_lift(p, sum, tf_width(frac + TOP_P_PRECISION, n));
    sum = tf_scale_int(p, sum, -llrint(ldexp(top_p, TOP_P_PRECISION))); /* 0: the largest alone is enough */
    sum = tf_scale_real(p, sum, ldexp(1, -TOP_P_PRECISION), 1);
    return tf_trunc(p, tf_assume(p, sum, n), frac);
}

/** How many of the thresholds at 1 to parts - 1 steps have enough weight at or above them: (rows, 1), in the ring of
 * the heights. */
static tf_value reached(tf_program *p, tf_value height, tf_value weight, tf_value missing, double step, int parts) {
    if (p->status) return -1;
    unsigned ring = tf_type_of(p, height)->bits;
    tf_type type = *tf_type_of(p, weight);
    double number[MOST_PARTS - 1], n = (double)type.shape.dim[1];
    tf_value sum = -1;
    for (int k = 1; k < parts; k++) number[k - 1] = k * step;
    tf_value under = tf_below(p, height, parts - 1, number, 0, true);
    for (int k = 0; k < parts - 1; k++) {
        tf_value above = tf_bit_to_share(p, tf_bit_plane(p, under, (size_t)k), type.bits, true);
        tf_value mass = tf_dot(p, above, weight, (tf_result){type.frac, n, false});
        tf_value lacks = tf_negative_of(p, tf_assume(p, tf_add_within(p, mass, missing, n), n));
        tf_value enough = tf_bit_to_share(p, lacks, ring, true);
        sum = k ? tf_add_within(p, sum, enough, parts - 1) : enough;
    }
    return tf_reshape(p, sum, tf_dims(type.shape.dim[0], 1));
}

tf_value tf_outside_nucleus(tf_program *p, tf_value below, double top_p) {
    if (p->status) return -1;
    double n = (double)tf_shape_last(tf_type_of(p, below)->shape);
    tf_value height = height_of(p, below), weight = weights_of(p, below, n);
    tf_value missing = less_needed(p, weight, n, top_p);
    if (p->status) return -1;
    int parts = tf_rounds_are_worth(p, 70, 150 * (double)tf_shape_count(tf_type_of(p, below)->shape)) ? MOST_PARTS : 2;
    /* height is above a threshold from which on there is enough */
    for (double step = 1.0 * TF_NUCLEUS_DEPTH / parts; step >= TF_NUCLEUS_STEP; step /= parts) {
        tf_value steps = reached(p, height, weight, missing, step, parts);
        tf_value raise = tf_assume(p, tf_scale_real(p, steps, -step, 1), TF_NUCLEUS_DEPTH);
        height = tf_add_within(p, height, raise, TF_NUCLEUS_DEPTH);
        if (p->status) return -1;
    }
    return tf_negative_of(p, height);
}
