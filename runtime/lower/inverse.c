/*
 * 1/a and 1/sqrt(a), once per row. Comparisons with public thresholds, a fifth of an octave apart, select a seed; it
 * leaves a residual r of at most 0.074, and a cubic in r corrects it. Every seed serves: r is computed from the very
 * seed that is used, so neither the thresholds nor the rounding in it matter.
 *
 * Few elements, so what counts is rounds. Each product truncates into a narrower ring and a lift back costs a round;
 * products are given room, up to 64 bits, so that what follows needs none.
 */
#include <math.h>

#include "runtime/lower/compose.h"
#include "runtime/program/step.h"

enum { FINE = 22, SECOND = 20, MAX_SEEDS = 256 }; /* fractional bits of residuals, and of what they correct with */
enum { MOST_LINES = 512 };
enum { SEED_BITS = 9 };             /* significant bits of a seed, at least */
#define SEED_STEP 1.148698354997035 /* 2^(1/5), between thresholds */

/** a * b with `frac` fractional bits, within `bound`, in a ring of `bits` if 64 bits are enough for that. */
static tf_value roomy(tf_program *p, tf_value a, tf_value b, int frac, double bound, unsigned bits) {
    if (p->status) return -1;
    int shift = tf_type_of(p, a)->frac + tf_type_of(p, b)->frac - frac;
    if (shift > 0 && bits + (unsigned)shift > 64) bits = 64 - (unsigned)shift;
    if (bits < tf_width(frac, bound)) return tf_mul(p, a, b, (tf_result){frac, bound, false});
    return tf_assume(p, tf_mul(p, a, b, (tf_result){frac, ldexp(1, (int)bits - 2 - frac), false}), bound);
}

/** Constant between two thresholds: nearly 1/a, and its square root, exactly, where that is wanted. */
typedef struct seeds {
    tf_value inverse, root;
    int fine; /* fractional bits of the residual: as many as the product with the seed has room for */
} seeds;

/** `value` rounded to `frac` fractional bits. */
static double rounded(double value, int frac) {
    return ldexp(nearbyint(ldexp(value, frac)), -frac);
}

/** A sum of steps that takes the value y[i] between thresholds i - 1 and i; in the widest ring, for what follows. */
static tf_value staircase(tf_program *p, tf_value bits, int count, const double *y, int frac) {
    double step[MAX_SEEDS];
    for (int i = 0; i + 1 < count; i++) step[i] = y[i] - y[i + 1];
    return tf_staircase(p, bits, step, y[count - 1], frac, y[0], 64);
}

/** Low bits that move `low` by 1/256 at most are not compared, or by 1/32 for a root, whose residual is
 *  half as large. */
static seeds seed_of(tf_program *p, tf_value a, double low, double high, bool root) {
    enum { COEFFICIENT = 5 }; /* bits of c in 1 + c r, where there is a root */
    seeds s = {-1, -1, FINE};
    if (p->status) return s;
    int point = tf_type_of(p, a)->frac, count = (int)ceil(log(high / low) / log(SEED_STEP)), bottom,
        finest = root ? 5 : 8;
    if (count < 2) count = 2;
    if (!(low > 0) || count > MAX_SEEDS) {
        tf_program_fail(p, tf_fail(TF_RANGE, "an inverse of %g to %g; the range is too large", low, high));
        return s;
    }
    double threshold[MAX_SEEDS], inverse[MAX_SEEDS], square_root[MAX_SEEDS];
    frexp(ldexp(low, point), &bottom);
    int root_frac = SEED_BITS + (int)ceil(log2(high) / 2),
        frac = root ? 2 * root_frac : SEED_BITS + 1 + (int)ceil(log2(high));
    for (int i = 0; i < count; i++) {
        double begin = low * pow(SEED_STEP, i), middle = 2 / (begin * (1 + SEED_STEP));
        square_root[i] = rounded(sqrt(middle), root_frac);
        inverse[i] = root ? square_root[i] * square_root[i] : rounded(middle, frac);
        threshold[i] = begin * SEED_STEP;
    }
    tf_value bits =
        tf_thresholds(p, a, (size_t)count - 1, threshold, bottom > finest ? (unsigned)(bottom - finest) : 0);
    s.inverse = staircase(p, bits, count, inverse, frac);
    int room = 60 - (int)ceil(log2(root ? square_root[0] : inverse[0])) - (root ? root_frac + COEFFICIENT : frac);
    if (room < s.fine) s.fine = room;
    if (root) s.root = staircase(p, bits, count, square_root, root_frac);
    return s;
}

/** 1 - a b, small. `centre` evens out the error of what follows. */
static tf_value residual(tf_program *p, tf_value a, tf_value b, double centre, int fine) {
    return tf_add_const_within(p, tf_scale_int(p, roomy(p, a, b, fine, 1.2, 64), -1), 1 + centre, 0.2);
}

/** seed (1 + c r) times `second`, which is near `scale`. */
static tf_value correct(tf_program *p, tf_value seed, tf_value r, double c, tf_value second, double scale,
                        tf_result result) {
    int frac = result.frac + (scale > 1 ? (int)ceil(log2(scale)) : 0);
    tf_value first = tf_add_const_within(p, tf_scale_real(p, r, c, 10), 1, 2);
    first = tf_mul(p, seed, first, (tf_result){frac, result.bound / scale, false});
    return roomy(p, first, second, result.frac, result.bound, 64);
}

tf_value tf_reciprocal(tf_program *p, tf_value a, double low, double high, int frac) {
    /* 1/a = seed / (1 - r), nearly seed (1 + r)(1 + r^2) */
    seeds s = seed_of(p, a, low, high, false);
    tf_value r = residual(p, a, s.inverse, 1.4e-5, s.fine);
    tf_value second = tf_mul(p, r, r, (tf_result){SECOND, 2, false});
    return correct(p, s.inverse, r, 1, tf_add_const_within(p, second, 1, 2), 1, (tf_result){frac, 2 / low, false});
}

tf_value tf_rsqrt(tf_program *p, tf_value a, double low, double high, double scale, int frac) {
    /* 1/sqrt(1 - r) is nearly (1 + 21/32 r)(1 - 5/32 r + 490/1024 r^2) = 1 + r/2 + 0.376 r^2 + 0.314 r^3 */
    seeds s = seed_of(p, a, low, high, true);
    tf_value r = tf_lift(p, residual(p, a, s.inverse, 0, s.fine), 64);
    tf_value second = tf_add_const_within(p, tf_scale_real(p, r, 490.0 / 1024 * scale, 10), -5.0 / 32 * scale, scale);
    int second_frac = SECOND - (int)ceil(log2(scale)); /* relative precision is what counts */
    second = tf_mul(p, r, second, (tf_result){second_frac, 2 * scale, false});
    second = tf_add_const_within(p, second, scale, 2 * scale);
    return correct(p, s.root, r, 21.0 / 32, second, scale, (tf_result){frac, 2.25 * scale / sqrt(low), false});
}

/** How many lines are within TF_LINES_ERROR of 1/a: one on an interval of ratio 1 + h is off by h^2 / 8, and a little
 *  more at its lower end. */
static int lines_between(double low, double high) {
    double width = sqrt(7 * TF_LINES_ERROR);
    int count = (int)ceil(log(high / low) / log1p(width));
    return count < 2 ? 2 : count;
}

/** Lines for 1/a. */
static tf_value lines_of(tf_program *p, tf_value a, double low, double high, int frac) {
    enum { PART = 6 };
    double end[MOST_LINES + 1];
    int count = lines_between(low, high), bottom, point = tf_type_of(p, a)->frac;
    for (int j = 0; j <= count; j++) end[j] = low * pow(high / low, (double)j / count);
    /* low bits that move a threshold by a 64th of an interval at most are not compared */
    frexp(ldexp(end[1] - end[0], point), &bottom);
    unsigned dropped = bottom > PART ? (unsigned)(bottom - PART) : 0;
    tf_value bits = tf_thresholds(p, a, (size_t)count - 1, end + 1, dropped);
    tf_power power = {1, -1, end, (size_t)count};
    /* below `low` the first line goes on, up to twice its value at zero */
    return tf_lines(p, bits, a, &power, (tf_result){frac, 2 / low, false});
}

tf_value tf_reciprocal_near(tf_program *p, tf_value a, double low, double high, int frac) {
    enum { ROUNDS = 4, LINE = 18, SEED = 10 }; /* bytes of a line's threshold, and of a seed's */
    if (p->status) return -1;
    bool lines = low > 0 && high >= low && lines_between(low, high) <= MOST_LINES;
    double more = lines ? LINE * lines_between(low, high) - SEED * ceil(log(high / low) / log(SEED_STEP)) : 0;
    if (lines && tf_rounds_are_worth(p, ROUNDS, more * (double)tf_shape_count(tf_type_of(p, a)->shape)))
        return lines_of(p, a, low, high, frac);
    return tf_reciprocal(p, a, low, high, frac);
}
