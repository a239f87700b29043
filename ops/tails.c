#include "ops/tails.h"

#include <math.h>

#include "runtime/program/step.h"

/** [x < T] and [x < -T], T so far within the window that the lowest segment, which is lost, does not matter, nor do
 * 1/64 to either side of T. */
static tf_value tails(tf_program *p, tf_value x, tf_window window) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, x);
    unsigned low = type.frac > 6 ? (unsigned)type.frac - 6 : 0;
    double tail = window.end * (1 - ldexp(2, -window.log)) - 0x1p-5;
    return tf_below(p, x, 2, (double[]){tail, -tail}, low, false);
}

static tf_value spline(tf_program *p, tf_value x, tf_function *f, tf_window window, double bound) {
    return tf_spline(p, tf_assume_selected(p, x, window.end), f, window, (tf_result){p->frac, bound, false});
}

/* x + [x < T](y - x) - [x < -T] y: below -T both terms count and y, of the wrong segment, cancels. */
tf_value tf_spline_ramp(tf_program *p, tf_value x, tf_function *f, tf_window window) {
    if (p->status) return -1;
    double whole = tf_default_bound(p);
    if (tf_type_of(p, x)->frac > p->frac) x = tf_trunc(p, x, p->frac);
    tf_value below = tails(p, x, window);
    tf_value y = spline(p, x, f, window, whole);
    tf_term terms[2] = {{tf_bit_plane(p, below, 0), tf_assume(p, tf_sub(p, y, x), whole), false},
                        {tf_bit_plane(p, below, 1), tf_scale_int(p, y, -1), false}};
    return tf_assume(p, tf_add(p, x, tf_select(p, 2, terms)), whole);
}

/* above + [x < T](y - above) - [x < -T](y - below) */
tf_value tf_spline_step(tf_program *p, tf_value x, tf_function *f, tf_window window, double below, double above) {
    if (p->status) return -1;
    tf_value is_below = tails(p, x, window);
    tf_value y = spline(p, x, f, window, 2);
    tf_value upper = tf_add_const_within(p, y, -above, 2);
    tf_value lower = tf_scale_int(p, tf_add_const_within(p, y, -below, 2), -1);
    tf_term terms[2] = {{tf_bit_plane(p, is_below, 0), upper, false}, {tf_bit_plane(p, is_below, 1), lower, false}};
    return tf_add_const_within(p, tf_assume(p, tf_select(p, 2, terms), 2), above, 2);
}
