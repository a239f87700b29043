/*
 * 1/a and 1/sqrt(a), once per row: in one exchange (tf_curve) where that is worth its bytes, else in one more than a
 * comparison takes: a is compared with public thresholds, all at once, by keys in one exchange (tf_thresholds_soon)
 * where that is worth its bytes or else in two, and the bits select a polynomial in a (tf_pieces).
 */
#include <math.h>

#include "runtime/lower/compose.h"
#include "runtime/program/step.h"

enum { MOST_PIECES = 1024, MOST_AT_ONCE = 600 };

/** scale a^exponent for low <= a <= high, with `frac` fractional bits, in a ring of `ring` bits at least, to `error`
 *  relative; `soon`: its reader waits for nothing else. */
typedef struct inverse {
    double scale, exponent, low, high, error;
    int frac;
    unsigned ring;
    bool soon;
} inverse;

/** The ends of pieces between low and high. */
typedef struct cut {
    int degree, pieces;
    double end[MOST_PIECES + 1];
} cut;

static double bound_of(const inverse *f) {
    return 4 * f->scale * tf_power_at(f->low, f->exponent); /* below `low` the first piece goes on */
}

/** How long a piece may be, as a part of where it begins, to be within the error. The polynomial of degree n through
 * the Chebyshev points of an interval of ratio 1 + h is off by 2 (u/4)^(n+1) of a^exponent times the product of
 * |exponent - k| / (k + 1) for k up to n, u = h / (1 + h/2): the derivative is taken in the middle, and of 1/a that is
 * the best there is. At an end it may be a little more. */
static double length_of(const inverse *f, int degree) {
    const double at_an_end = 1.1;
    double part = 2 * at_an_end;
    for (int k = 0; k <= degree; k++) part *= fabs(f->exponent - k) / (4 * (k + 1));
    double power = f->error / part, u = degree == 1 ? sqrt(power) : degree == 2 ? cbrt(power) : sqrt(sqrt(power));
    return u / (1 - u / 2);
}

/** Whether the highest coefficient of such a piece at x has bits enough, `fine` being the fractional bits of
 *  coefficients and `point` those of x. */
static bool has_bits(const inverse *f, double x, double length, int degree, int fine, int point) {
    double rounding = ldexp(8, -fine), step = length * ldexp(x, point) / 4;
    for (int k = 0; k < degree; k++) rounding *= step;
    return rounding <= f->error * f->scale * tf_power_at(x, f->exponent);
}

static bool cut_range(const inverse *f, int degree, int fine, int point, cut *c) {
    double length[TF_PIECE_DEGREE + 1];
    for (int k = 1; k <= degree; k++) length[k] = length_of(f, k);
    c->degree = degree;
    c->pieces = 0;
    c->end[0] = f->low;
    while (c->pieces < 2 || c->end[c->pieces] < f->high) {
        double x = c->end[c->pieces], longest = 0;
        if (c->pieces == MOST_PIECES) return false;
        for (int k = 1; k <= degree; k++)
            if (length[k] > longest && has_bits(f, x, length[k], k, fine, point)) longest = length[k];
        c->end[++c->pieces] = fmin(x * (1 + longest), f->high);
    }
    return true;
}

/** Puts a cut of lower degree in the place of one of cubics where it takes fewer bytes. */
static void lower_degree(const inverse *f, int fine, int point, cut *best) {
    enum { THRESHOLD = 4, DEGREE = 64 };
    for (int degree = TF_PIECE_DEGREE - 1; degree > 0; degree--) {
        cut c;
        if (!cut_range(f, degree, fine, point, &c)) continue;
        if (THRESHOLD * (c.pieces - best->pieces) < DEGREE * (best->degree - degree)) *best = c;
    }
}

/** Whether a single exchange is worth the bytes of its keys, and hashing: two walks through all bits of x and, for each
 *  piece, through some ten, each of which takes as long as four bytes more. It is two rounds less. */
static bool is_worth(const tf_program *p, const tf_type *type, int pieces) {
    enum { LEVEL = 2 * 80, WALKS = 2, LEVELS = 10, STEP = 4 };
    const double comparing = 4 * ldexp(1, (int)type->bits / 4 - 3) + 4 * pieces + 224;
    const double more = type->bits * (LEVEL + WALKS * STEP) + pieces * LEVELS * STEP - comparing;
    return pieces <= MOST_AT_ONCE && type->bits < 64 && tf_width(type->frac, type->bound) <= type->bits &&
           tf_rounds_are_worth(p, 2, more * (double)tf_shape_count(type->shape));
}

/** Whether a comparison in one exchange is worth its keys, less what unit vectors and ANDs would have taken, and
 *  hashing: of each threshold through some ten bits, each of which takes as long as two bytes more. */
static bool keys_are_worth(const tf_program *p, const tf_type *type, int pieces, double low) {
    enum { LEVEL = 2 * 16, LEAF = 6, LEVELS = 10, STEP = 2, THRESHOLD = 4 };
    const double bits = ceil(log2(ldexp(type->bound, type->frac))) + 1 - low;
    const double more = LEVEL * (bits - LEAF) - 4 * ldexp(1, (int)bits / 4 - 3) + pieces * (LEVELS * STEP - THRESHOLD);
    return pieces <= MOST_AT_ONCE && tf_rounds_are_worth(p, 1, more * (double)tf_shape_count(type->shape));
}

static tf_value power(tf_program *p, tf_value a, const inverse *f) {
    if (p->status) return -1;
    tf_result result = {f->frac, bound_of(f), false};
    unsigned width = tf_width(f->frac, result.bound), ring = f->ring > width ? f->ring : width;
    const int point = tf_type_of(p, a)->frac;
    const int fine = f->frac + TF_PIECE_RING - (int)ring;
    cut c;
    if (!(f->low > 0 && f->high >= f->low) || !cut_range(f, TF_PIECE_DEGREE, fine, point, &c))
        return tf_program_fail(p, tf_fail(TF_RANGE, "an inverse of %g to %g; the range is too large", f->low, f->high));
    if (is_worth(p, tf_type_of(p, a), c.pieces))
        return tf_curve(p, a, &(tf_power){f->scale, f->exponent, c.end, (size_t)c.pieces}, result, ring);
    lower_degree(f, fine, point, &c);
    size_t count = (size_t)c.pieces;
    const unsigned low = tf_spare_bits(c.end[1] - c.end[0], point);
    const bool soon = f->soon && keys_are_worth(p, tf_type_of(p, a), c.pieces, low);
    tf_value bits = (soon ? tf_thresholds_soon : tf_thresholds)(p, a, count - 1, c.end + 1, low);
    return tf_pieces(p, bits, a, c.degree, &(tf_power){f->scale, f->exponent, c.end, count}, result, ring);
}

int tf_inverse_exchanges(const tf_program *p, tf_value value) {
    const tf_step_node *node = &p->node[value];
    if (node->inputs < 2) return 1;
    const tf_step_node *bits = &p->node[node->input[0]];
    tf_traffic traffic = {.cut = p->cut};
    bits->step->cost(p, bits, &traffic);
    return traffic.exchanges + 1;
}

tf_value tf_reciprocal(tf_program *p, tf_value a, double low, double high, int frac) {
    return power(p, a, &(inverse){1, -1, low, high, 8e-6, frac, 0, true});
}

tf_value tf_reciprocal_near(tf_program *p, tf_value a, double low, double high, int frac, unsigned ring, bool soon) {
    return power(p, a, &(inverse){1, -1, low, high, TF_NEAR_ERROR, frac, ring, soon});
}

tf_value tf_rsqrt(tf_program *p, tf_value a, double low, double high, double scale, int frac, unsigned ring) {
    return power(p, a, &(inverse){scale, -0.5, low, high, 1.2e-5, frac, ring, true});
}
