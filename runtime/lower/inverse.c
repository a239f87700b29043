/*
 * 1/a and 1/sqrt(a), once per row, in the rounds of a comparison and one more: a is compared with public thresholds,
 * all at once, and the bits select a parabola in a (tf_pieces). Where a is so large that the coefficient of its square
 * would have too few bits, the parabola is one in a at fewer fractional bits, which are still enough for their place.
 */
#include <math.h>

#include "runtime/lower/compose.h"
#include "runtime/program/step.h"

enum { MOST_PIECES = 512 };
enum {
    CURVE_BITS = 4, /* significant bits of the square's coefficient, at least, while there is another scale */
    VALUE_BITS = 17 /* and of the value where a scale begins: its rounding is off by 2^-17 of it at most */
};

/** Pieces of equal ratio between low and high, so many that each is within `error` of x^exponent: the parabola through
 * the Chebyshev points of an interval of ratio 1 + h is off by |f'''| h^3 / 192. */
static int count_of(double exponent, double low, double high, double error) {
    double third = fabs(exponent * (exponent - 1) * (exponent - 2)), ratio = cbrt(192 * error / third);
    int count = (int)ceil(log(high / low) / log1p(ratio));
    return count < 2 ? 2 : count;
}

/** The value at the scales that its pieces want, in a result with so many fractional bits before what is dropped. */
static tf_pieces_of scales_of(tf_program *p, tf_value a, const tf_power *f, int frac) {
    tf_pieces_of of = {.scales = 1, .x = {a}};
    if (p->status) return of;
    int point = tf_type_of(p, a)->frac;
    for (size_t j = 0; j < f->count && of.scales < TF_PIECE_SCALES; j++) {
        double low = f->end[j], half = f->scale * f->exponent * (f->exponent - 1) / 2 * pow(low, f->exponent - 2);
        int fewer = VALUE_BITS - (int)floor(log2(low));
        if (ldexp(half, frac - 2 * point) >= ldexp(1, CURVE_BITS) || fewer >= point) continue;
        of.first[of.scales] = j;
        of.x[of.scales++] = tf_trunc(p, a, point = fewer);
    }
    return of;
}

/** scale a^exponent for low <= a <= high, to `error` relative and three units. */
static tf_value power(tf_program *p, tf_value a, double low, double high, const tf_power *of, double error, int frac) {
    enum { PART = 6 };
    if (p->status) return -1;
    int count = low > 0 && high >= low ? count_of(of->exponent, low, high, error) : 0, bottom;
    if (count < 2 || count > MOST_PIECES)
        return tf_program_fail(p, tf_fail(TF_RANGE, "an inverse of %g to %g; the range is too large", low, high));
    double end[MOST_PIECES + 1];
    for (int j = 0; j <= count; j++) end[j] = low * pow(high / low, (double)j / count);
    /* low bits that move a threshold by a 64th of an interval at most are not compared */
    frexp(ldexp(end[1] - end[0], tf_type_of(p, a)->frac), &bottom);
    tf_value bits = tf_thresholds(p, a, (size_t)count - 1, end + 1, bottom > PART ? (unsigned)(bottom - PART) : 0);
    tf_power f = {of->scale, of->exponent, end, (size_t)count};
    /* below `low` the first parabola goes on, up to three times its value at low */
    tf_result result = {frac, 4 * of->scale * pow(low, of->exponent), false};
    tf_pieces_of scales = scales_of(p, a, &f, frac + 64 - (int)tf_width(frac, result.bound));
    return tf_pieces(p, bits, &scales, &f, result);
}

tf_value tf_reciprocal(tf_program *p, tf_value a, double low, double high, int frac) {
    return power(p, a, low, high, &(tf_power){.scale = 1, .exponent = -1}, 8e-6, frac);
}

tf_value tf_reciprocal_near(tf_program *p, tf_value a, double low, double high, int frac) {
    return power(p, a, low, high, &(tf_power){.scale = 1, .exponent = -1}, TF_NEAR_ERROR, frac);
}

tf_value tf_rsqrt(tf_program *p, tf_value a, double low, double high, double scale, int frac) {
    return power(p, a, low, high, &(tf_power){.scale = scale, .exponent = -0.5}, 1.2e-5, frac);
}
