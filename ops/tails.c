#include "ops/tails.h"

#include <math.h>

#include "runtime/program/step.h"

/** How many low bits a comparison may drop that need only be right where x is farther than `blur` from a number. */
static unsigned low_of(const tf_type *type, double blur) {
    int low = type->frac + 1 + (int)floor(log2(blur));
    return low > 0 ? (unsigned)low : 0;
}

/** [x < T] and [x < -T], T so far within the window that the lowest segment, which is lost, does not matter, nor do
 * `blur` to either side of T; in one exchange less if `soon`. */
static tf_value tails(tf_program *p, tf_value x, tf_window window, double blur, bool soon) {
    if (p->status) return -1;
    unsigned low = low_of(tf_type_of(p, x), blur);
    double tail = window.end * (1 - ldexp(2, -window.log)) - blur;
    return tf_below(p, x, 2, (double[]){tail, -tail}, low, soon);
}

static tf_value spline(tf_program *p, tf_value x, tf_function *f, tf_window window, double bound) {
    return tf_spline(p, tf_assume_selected(p, x, window.end), f, window, (tf_result){p->frac, bound, false});
}

/*
 * [x >= T](x - y) + [x >= -T] y: from T on both terms count and y, of the wrong segment, cancels. Whichever the segment
 * is, y is little larger than the window. So it is made in three bytes and lifted, which takes no more rounds than a
 * comparison in two steps; where a round less is worth it, the comparison is made in one and y in the ring of x; and
 * where another one is, all of it in the ring that a linear layer wants, to which x is lifted while it is compared.
 */
tf_value tf_spline_ramp(tf_program *p, tf_value x, tf_function *f, tf_window window, double blur) {
    enum { NARROW = 5, FLAT = 4, ONE_GROUP = 14, SMALL = 64 }; /* bytes that either saves; bits of a comparison */
    enum { WIDER = 30 };                                       /* bytes of 32 to 48 bits; less than a lift saves */
    if (p->status) return -1;
    double whole = tf_default_bound(p);
    if (tf_type_of(p, x)->frac > p->frac) x = tf_trunc(p, x, p->frac);
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, x);
    const double count = (double)tf_shape_count(type.shape);
    bool grouped = tf_compared_bits(&type, type.bound + window.end, low_of(&type, blur)).width > ONE_GROUP;
    bool soon = tf_rounds_are_worth(p, 1, count * (NARROW + (grouped ? FLAT : 0)));
    bool wide = soon && tf_rounds_are_worth(p, 1, count * WIDER);
    const double room = wide ? ldexp(whole, p->frac) : whole;
    const unsigned ring = tf_width(p->frac, room);
    if (!soon) tf_begin_beside(p); /* in one exchange less it would wait for y's lift */
    tf_value below = tails(p, x, window, blur, soon && grouped);
    if (!soon) tf_end_beside(p);
    tf_value y = spline(p, x, f, window, soon ? room : fmin(whole, SMALL));
    x = wide ? tf_lift(p, x, ring) : x;
    y = tf_assume(p, tf_lift(p, y, ring), whole);
    tf_term terms[2] = {{tf_bit_plane(p, below, 0), x, true}, {tf_bit_plane(p, below, 1), y, true}};
    return tf_assume(p, tf_select_either(p, terms, room), whole);
}

/* above + [x < T](y - above) - [x < -T](y - below) */
tf_value tf_spline_step(tf_program *p, tf_value x, tf_function *f, tf_window window, double blur, double below,
                        double above) {
    if (p->status) return -1;
    tf_value is_below = tails(p, x, window, blur, false);
    tf_value y = spline(p, x, f, window, 2);
    tf_value upper = tf_add_const_within(p, y, -above, 2);
    tf_value lower = tf_scale_int(p, tf_add_const_within(p, y, -below, 2), -1);
    tf_term terms[2] = {{tf_bit_plane(p, is_below, 0), upper, false}, {tf_bit_plane(p, is_below, 1), lower, false}};
    return tf_add_const_within(p, tf_assume(p, tf_select(p, 2, terms), 2), above, 2);
}
