/*
 * 1/a and 1/sqrt(a), once per row, in the rounds of a comparison and one more: a is compared with public thresholds,
 * all at once, and the bits select a parabola in a (tf_pieces), or a line, of which there are more and whose slopes
 * have bits enough in a wider ring as well. Where a is so large that the coefficient of its highest power would have
 * too few bits, the piece is one in a at fewer fractional bits, which are still enough for their place.
 */
#include <math.h>

#include "runtime/lower/compose.h"
#include "runtime/program/step.h"

enum { MOST_PIECES = 1024 };

/** scale a^exponent for low <= a <= high, with `frac` fractional bits, for a reader that wants a ring of `ring` bits
 * (0: any); by lines and by parabolas to error[1] and error[2] relative. */
typedef struct inverse {
    double scale, exponent, low, high, error[3];
    int frac;
    unsigned ring;
} inverse;

/** Pieces of equal ratio between low and high, so many that each is within the error: the line and the parabola through
 *  the Chebyshev points of an interval of ratio 1 + h are off by h^2 / 16 times the second, h^3 / 192 times the third
 *  derivative. */
static int count_of(const inverse *f, int degree) {
    double e = f->exponent, second = fabs(e * (e - 1)),
           ratio = degree > 1 ? cbrt(192 * f->error[2] / (second * fabs(e - 2))) : sqrt(16 * f->error[1] / second);
    if (!(f->low > 0 && f->high >= f->low)) return 0;
    int count = (int)ceil(log(f->high / f->low) / log1p(ratio));
    return count < 2 ? 2 : count;
}

/** The value at the scales that its pieces want, in a result with so many fractional bits before what is dropped. Where
 * a scale begins the value has so many bits that its rounding is worth half the error. */
static tf_pieces_of scales_of(tf_program *p, tf_value a, const tf_power *f, int degree, int frac, double error) {
    static const int coefficient_bits[] = {0, 9, 4}; /* at least, while there is another scale */
    const int value_bits = 1 + (int)ceil(-log2(error / fabs(f->exponent)));
    tf_pieces_of of = {.degree = degree, .scales = 1, .x = {a}};
    if (p->status) return of;
    int point = tf_type_of(p, a)->frac;
    for (size_t j = 0; j < f->count && of.scales < TF_PIECE_SCALES; j++) {
        double low = f->end[j], e = f->exponent,
               c = fabs(f->scale * e * (degree > 1 ? (e - 1) / 2 : 1)) * pow(low, e - degree);
        int fewer = value_bits - (int)floor(log2(low));
        if (ldexp(c, frac - degree * point) >= ldexp(1, coefficient_bits[degree]) || fewer >= point) continue;
        of.first[of.scales] = j;
        of.x[of.scales++] = tf_trunc(p, a, point = fewer);
    }
    return of;
}

static tf_value pieces(tf_program *p, tf_value a, const inverse *f, int degree) {
    enum { PART = 6 };
    int count = count_of(f, degree), bottom;
    if (p->status) return -1;
    if (count < 2 || count > MOST_PIECES)
        return tf_program_fail(p, tf_fail(TF_RANGE, "an inverse of %g to %g; the range is too large", f->low, f->high));
    double end[MOST_PIECES + 1];
    for (int j = 0; j <= count; j++) end[j] = f->low * pow(f->high / f->low, (double)j / count);
    /* low bits that move a threshold by a 64th of an interval at most are not compared */
    frexp(ldexp(end[1] - end[0], tf_type_of(p, a)->frac), &bottom);
    tf_value bits = tf_thresholds(p, a, (size_t)count - 1, end + 1, bottom > PART ? (unsigned)(bottom - PART) : 0);
    tf_power power = {f->scale, f->exponent, end, (size_t)count};
    /* below `low` the first piece goes on, up to three times its value at low */
    tf_result result = {f->frac, 4 * f->scale * pow(f->low, f->exponent), false};
    unsigned width = tf_width(f->frac, result.bound), ring = degree == 1 && f->ring > width ? f->ring : width;
    tf_pieces_of of = scales_of(p, a, &power, degree, f->frac + 64 - (int)ring, f->error[degree]);
    return tf_pieces(p, bits, &of, &power, result, ring);
}

/** Parabolas, or lines where a lift less is worth their bytes. */
static tf_value power(tf_program *p, tf_value a, const inverse *f) {
    enum { THRESHOLD = 4 }; /* bytes */
    if (p->status) return -1;
    int lines = f->ring ? count_of(f, 1) : 0;
    double more = THRESHOLD * (double)(lines - count_of(f, 2));
    bool worth = f->ring < 64 && lines > 0 && lines <= MOST_PIECES &&
                 tf_rounds_are_worth(p, 1, more * (double)tf_shape_count(tf_type_of(p, a)->shape));
    return pieces(p, a, f, worth ? 1 : 2);
}

tf_value tf_reciprocal(tf_program *p, tf_value a, double low, double high, int frac) {
    return power(p, a, &(inverse){1, -1, low, high, {0, 0, 8e-6}, frac, 0});
}

tf_value tf_reciprocal_near(tf_program *p, tf_value a, double low, double high, int frac, unsigned ring) {
    return power(p, a, &(inverse){1, -1, low, high, {0, TF_NEAR_ERROR, TF_NEAR_ERROR}, frac, ring});
}

tf_value tf_rsqrt(tf_program *p, tf_value a, double low, double high, double scale, int frac, unsigned ring) {
    return power(p, a, &(inverse){scale, -0.5, low, high, {0, 2e-5, 1.2e-5}, frac, ring});
}
