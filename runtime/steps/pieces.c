/*
 * What the bits of one value's thresholds t_0 <= t_1 <= ..., b_j = [x < t_j] = delta_j ^ rho_j, select: one of public
 * polynomials p_j in x. So a function that is given in pieces takes no product.
 *
 * With b_(-1) = 0 and a last bit of 1, [x lies in piece j] = b_(j-1) ^ b_j = d_j ^ r_j, where L and R know d_j, the
 * XOR of two delta, and S knows r_j. As d_j = r_j in all pieces but the right one, J,
 *     sum_j (d_j - r_j) p_j = s p_J,   s = sum_j d_j - sum_j r_j = 1 or -1,
 * and s is the product of two signs, one a function of sum_j d_j mod 4, the other of sum_j r_j mod 4. So L and R know
 * D(x) = sum_j d_j p_j but for v, S knows R(x) = sum_j r_j p_j but for c, and p_J = s_LR (s_S D(x) - s_S R(x)) is
 * bilinear in what L and R know and what S knows: S deals shares of s_S times the powers of v and the coefficients of R
 * as a polynomial in c, however many pieces there are; L and R multiply by what they know, and reshare once.
 *
 * This takes c and v as integers, and what wraps past the ring of x must be known. As in a lift, 2^(m-2) is added
 * first, and x = c + v - 2^m unless the top bits of c and v are both zero. So there are two v, one for each top bit of
 * c: S deals its elements for both, and L and R take those of the right one.
 *
 * It is computed mod 2^128, so that coefficients of the highest power are whole numbers of enough bits however large x
 * is; of their parts L and R drop 64 bits, and more in the reshare.
 *
 * What the receivers learn. R gets the elements that S deals less streams of k_s that it does not hold. L and R swap
 * their parts of the result less streams shared with S alone. All uniform to their receivers.
 * tests/reference/few_rounds.py is its executable reference.
 */
#include <math.h>
#include <string.h>

#include "runtime/party/wide.h"
#include "runtime/steps/steps.h"

enum { DEAL = 1, MU }; /* purposes */
enum {
    MOST_ELEMENTS = 2 + 4 * TF_PIECE_DEGREE,
    CHUNK = 64 /* rows whose elements stay in the nearest cache, and whose bits are words */
};

/** Bits that the reshare drops, the highest power of x. Data: for each piece its coefficients, that of 1 first, two
 * words each, the lower first. */
typedef struct pieces_args {
    int64_t drop, degree;
} pieces_args;

static size_t degree_of(const tf_step_node *node) {
    return (size_t)tf_args(pieces_args, node)->degree;
}

/* The elements that S deals, each times its sign: 1, and the coefficient in R of the highest power of c; for each top
 * bit of c, the powers of v from the first on, and the coefficients of the lower powers of c. */
enum { ONE, TOP, BY_BIT };

static size_t elements_of(const tf_step_node *node) {
    return BY_BIT + 4 * degree_of(node);
}

static void pieces_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    size_t n = tf_shape_count(node->type.shape);
    traffic->dealt_at = 0;
    traffic->exchanges = 1;
    tf_traffic_deal(traffic, n, elements_of(node) * sizeof(tf_wide));
    tf_traffic_swap(traffic, 0, n, tf_bytes_of(node->type.bits));
}

static tf_reshare reshare_of(const tf_step_node *node) {
    return (tf_reshare){MU, (unsigned)tf_args(pieces_args, node)->drop};
}

/** The part's elements, as they stand in S's message and, all together, in the stream. */
static size_t in_message(const tf_call *call, size_t at) {
    return (at - call->part.span.begin) * elements_of(call->node) * sizeof(tf_wide);
}
static void deal_stream(tf_call *call, size_t at, size_t count, tf_wide *out) {
    size_t words = 2 * elements_of(call->node);
    uint64_t stream[2 * MOST_ELEMENTS * CHUNK];
    tf_stream(call->party, call->part.own, call->index, DEAL, at * words, stream, count * words);
    memcpy(out, stream, count * words * sizeof *stream);
}

/** How many pieces this side's halves of a row's bits select, and what their coefficients add up to. */
typedef struct sums {
    uint64_t count;
    tf_wide of[TF_PIECE_DEGREE + 1];
} sums;

typedef uint64_t lanes __attribute__((vector_size(64))); /* rows side by side */
enum { LANES = sizeof(lanes) / sizeof(uint64_t) };

/** Of rows [row, row + LANES), whose bits begin at `bits`, planes apart; `last` is this side's half of the last bit. */
static inline __attribute__((always_inline)) void add_lanes(size_t terms, size_t pieces, const uint64_t *word,
                                                            const uint64_t *bits, size_t plane, size_t row,
                                                            uint64_t last, sums sum[LANES]) {
    const lanes place = (lanes){0, 1, 2, 3, 4, 5, 6, 7} + (row & 63);
    lanes before = {0}, count = {0}, low[TF_PIECE_DEGREE + 1] = {{0}}, high[TF_PIECE_DEGREE + 1] = {{0}};
    for (size_t j = 0; j < pieces; j++) {
        const uint64_t all = j + 1 < pieces ? bits[j * plane] : -last;
        const lanes bit = -(((lanes){0} + all) >> place & 1), here = bit ^ before;
        for (size_t k = 0; k < terms; k++, word += 2) {
            const lanes x = word[0] & here;
            low[k] += x;
            high[k] += (word[1] & here) - (lanes)(low[k] < x); /* a comparison is -1 where it holds: what has wrapped */
        }
        count -= here;
        before = bit;
    }
    for (size_t i = 0; i < LANES; i++) {
        sum[i].count = count[i];
        for (size_t k = 0; k < terms; k++) sum[i].of[k] = (tf_wide)high[k][i] << 64 | low[k][i];
    }
}

/** Of up to CHUNK rows, whole LANES of them, which begin with a word of bits. */
TF_MULTIVERSION static void add_up(const tf_call *call, uint64_t last, size_t row, size_t rows, sums *sum) {
    const tf_step_node *node = call->node;
    const size_t terms = degree_of(node) + 1, pieces = node->data_count / (2 * terms),
                 plane = tf_words(tf_shape_count(node->type.shape));
    const uint64_t *word = (const uint64_t *)node->data, *bits = call->in[0].bit + row / 64;
    for (size_t i = 0; i < rows; i += LANES) {
        if (terms == 2) add_lanes(2, pieces, word, bits, plane, row + i, last, sum + i);
        if (terms == 3) add_lanes(3, pieces, word, bits, plane, row + i, last, sum + i);
        if (terms == 4) add_lanes(4, pieces, word, bits, plane, row + i, last, sum + i);
    }
}

/** 1, or -1 where bit 1 of x is set. The product of these of sum_j d_j and of 1 + sum_j r_j is their difference s. */
static inline tf_wide sign_of(uint64_t x) {
    return (tf_wide)1 - (x & 2);
}

/** The polynomial in y = x - z, given that in x: its coefficient of power k. */
static inline tf_wide shifted(const tf_wide *of, size_t degree, size_t k, tf_wide z) {
    static const unsigned binomial[TF_PIECE_DEGREE + 1][TF_PIECE_DEGREE + 1] = {{1}, {1, 1}, {1, 2, 1}, {1, 3, 3, 1}};
    tf_wide sum = 0;
    for (size_t i = degree + 1; i-- > k;) sum = sum * z + of[i] * binomial[i][k];
    return sum;
}

/** S: what it deals of a row. */
static void fill(const tf_call *call, size_t row, const sums *sum, tf_wide *element) {
    const tf_step_node *node = call->node;
    size_t degree = degree_of(node);
    tf_wide sign = sign_of(sum->count + 1), *next = element + BY_BIT;
    element[ONE] = sign;
    element[TOP] = sign * sum->of[degree];
    unsigned m = tf_type_of(call->program, node->input[1])->bits;
    uint64_t v = (call->in[1].c[0][row] + call->in[1].c[1][row]) & tf_mask(m);
    for (uint64_t bit = 0; bit < 2; bit++) { /* c's top bit */
        tf_wide from = (tf_wide)v - ((tf_wide)(bit | v >> (m - 1)) << m), power = sign;
        for (size_t k = 0; k < degree; k++) *next++ = power *= from;
        for (size_t k = 0; k < degree; k++) *next++ = sign * shifted(sum->of, degree, k, from);
    }
}

static tf_status pieces_solo(tf_call *call) {
    size_t elements = elements_of(call->node);
    tf_for_blocks(call, at, count) {
        for (size_t done = 0; done < count; done += CHUNK) {
            size_t from = at + done, rows = count - done < CHUNK ? count - done : CHUNK;
            tf_wide element[MOST_ELEMENTS * CHUNK], stream[MOST_ELEMENTS * CHUNK];
            sums sum[CHUNK];
            deal_stream(call, from, rows, stream);
            add_up(call, 0, from, rows, sum);
            for (size_t i = 0; i < rows; i++) fill(call, from + i, &sum[i], element + i * elements);
            for (size_t i = 0; i < rows * elements; i++) element[i] -= stream[i];
            memcpy(call->message + in_message(call, from), element, rows * elements * sizeof *element);
        }
        tf_reshare_solo(call, reshare_of(call->node), at, count);
    }
    return TF_OK;
}

/** L or R: its part of a row's result, from its shares of what S deals. */
static tf_wide part_of(const tf_call *call, size_t row, const sums *sum, const tf_wide *element) {
    const tf_step_node *node = call->node;
    size_t degree = degree_of(node);
    unsigned m = tf_type_of(call->program, node->input[1])->bits;
    uint64_t up = call->in[1].c[1 - call->part.own][row] + (UINT64_C(1) << (m - 2)), top = up >> (m - 1) & 1;
    tf_wide c = (tf_wide)(up & tf_mask(m)) - ((tf_wide)1 << (m - 2)), take = -(tf_wide)top, power = 1;
    tf_wide chosen[2 * TF_PIECE_DEGREE];
    for (size_t k = 0; k < 2 * degree; k++) {
        tf_wide zero = element[BY_BIT + k], one = element[BY_BIT + 2 * degree + k];
        chosen[k] = zero ^ ((zero ^ one) & take);
    }
    tf_wide part = shifted(sum->of, degree, 0, c) * element[ONE];
    for (size_t k = 0; k < degree; k++) {
        part += shifted(sum->of, degree, k + 1, c) * chosen[k] - power * chosen[degree + k];
        power *= c;
    }
    return sign_of(sum->count) * (part - power * element[TOP]);
}

static tf_status pieces_pair(tf_call *call, int phase) {
    size_t elements = elements_of(call->node);
    /* the floors of both parts are a unit too low together, but for parts without lower bits */
    tf_wide centre = call->part.role == TF_LEFT ? ~UINT64_C(0) : 0;
    tf_for_blocks(call, at, count) {
        if (phase == 1) {
            tf_reshare_receive(call, at, count);
            continue;
        }
        uint64_t part[TF_BLOCK];
        for (size_t done = 0; done < count; done += CHUNK) {
            size_t from = at + done, rows = count - done < CHUNK ? count - done : CHUNK;
            tf_wide element[MOST_ELEMENTS * CHUNK];
            if (call->part.role == TF_LEFT)
                deal_stream(call, from, rows, element);
            else
                memcpy(element, call->dealt + in_message(call, from), rows * elements * sizeof *element);
            sums sum[CHUNK];
            add_up(call, 1, from, rows, sum);
            for (size_t i = 0; i < rows; i++)
                part[done + i] = (uint64_t)((part_of(call, from + i, &sum[i], element + i * elements) + centre) >> 64);
        }
        tf_reshare_send(call, reshare_of(call->node), at, count, part);
    }
    return TF_OK;
}

static const tf_step pieces_step = {.name = "pieces",
                                    .summary = "a function of one value, as polynomials between thresholds",
                                    .takes_bits = true,
                                    .elementwise = true,
                                    .shares_work = true,
                                    .cost = pieces_cost,
                                    .solo = pieces_solo,
                                    .pair = pieces_pair};

/** Writes a coefficient, a whole number below 2^127. */
static void put(int64_t *data, double value) {
    __extension__ typedef __int128 whole;
    tf_wide_put((tf_wide)(whole)nearbyint(value), (uint64_t *)data);
}

/** A polynomial through points (u, y), whose y are divided differences: that of all points, of all but the first, .. */
typedef struct fit {
    size_t degree;
    double u[TF_PIECE_DEGREE + 1], y[TF_PIECE_DEGREE + 1];
} fit;

static void place(fit *a, size_t degree, double low, double high) {
    a->degree = degree;
    for (size_t i = 0; i <= degree; i++) /* Chebyshev points */
        a->u[i] = (low + high) / 2 + (high - low) / 2 * cos(M_PI * ((double)i + 0.5) / (double)(degree + 1));
}

static void divide(fit *a) {
    for (size_t order = 1; order <= a->degree; order++)
        for (size_t i = 0; i + order <= a->degree; i++) a->y[i] = (a->y[i] - a->y[i + 1]) / (a->u[i] - a->u[i + order]);
}

static double fit_at(const fit *a, double u) {
    double sum = 0;
    for (size_t i = 0; i <= a->degree; i++) sum = sum * (u - a->u[i]) + a->y[i];
    return sum;
}

/** What the coefficients above the k-th make of u. */
static double upper_at(const double *coefficient, size_t degree, size_t k, double u) {
    double sum = 0, power = 1;
    for (size_t i = degree; i > k; i--) sum = sum * u + coefficient[i];
    for (size_t i = 0; i <= k; i++) power *= u;
    return sum * power;
}

/** A power of x, as a function of u = 2^point x and with `frac` fractional bits, and the degree of its pieces. */
typedef struct piece_of {
    const tf_power *f;
    int point, frac;
    size_t degree;
} piece_of;

static double power_at(const piece_of *p, double u) {
    return ldexp(p->f->scale * tf_power_at(ldexp(u, -p->point), p->f->exponent), p->frac);
}

/** The middle between the least and the largest of the power less what these coefficients make of u. */
static double middle(const piece_of *p, double low, double high, const double *coefficient) {
    enum { SAMPLES = 16 };
    double least = INFINITY, most = -INFINITY;
    for (int i = 0; i <= SAMPLES; i++) {
        double u = low + (high - low) * i / SAMPLES, y = power_at(p, u) - upper_at(coefficient, p->degree, 0, u);
        least = fmin(least, y);
        most = fmax(most, y);
    }
    return (least + most) / 2;
}

/** Each coefficient makes up for what rounding the ones above it lost. */
static void piece(const piece_of *p, double low, double high, int64_t *data) {
    fit all, left;
    double coefficient[TF_PIECE_DEGREE + 1] = {0};
    low = ldexp(low, p->point);
    high = ldexp(high, p->point);
    place(&all, p->degree, low, high);
    for (size_t i = 0; i <= p->degree; i++) all.y[i] = power_at(p, all.u[i]);
    if (high > low) divide(&all);
    for (size_t k = p->degree; k > 0 && high > low; k--) {
        place(&left, k, low, high);
        for (size_t i = 0; i <= k; i++)
            left.y[i] = fit_at(&all, left.u[i]) - upper_at(coefficient, p->degree, k, left.u[i]);
        divide(&left);
        coefficient[k] = nearbyint(left.y[0]);
    }
    coefficient[0] = nearbyint(middle(p, low, high, coefficient));
    for (size_t k = 0; k <= p->degree; k++) put(data + 2 * k, coefficient[k]);
}

void tf_piece_fit(const tf_power *f, int point, int frac, int degree, double low, double high, int64_t *coefficient) {
    piece(&(piece_of){f, point, frac, (size_t)degree}, low, high, coefficient);
}

tf_value tf_pieces(tf_program *p, tf_value bits, tf_value x, int degree, const tf_power *f, tf_result result,
                   unsigned ring) {
    if (p->status) return -1;
    tf_type planes = *tf_type_of(p, bits);
    size_t count = f->count;
    if (planes.kind != TF_BIT || planes.bits != count - 1 || degree < 1 || degree > TF_PIECE_DEGREE)
        return tf_program_fail(p, tf_fail(TF_INVALID, "the bits of %zu thresholds are expected", count - 1));
    unsigned width = tf_width(result.frac, result.bound);
    int spare = 64 - (int)(ring > width ? ring : width); /* as fine as the widest ring has room for */
    if (spare < 1) return tf_program_fail(p, tf_fail(TF_RANGE, "pieces within %g have no room", result.bound));
    pieces_args args = {.drop = spare, .degree = degree};
    tf_type type = {.shape = planes.shape,
                    .kind = TF_SHARE,
                    .bits = 64 - (unsigned)spare,
                    .frac = result.frac,
                    .bound = result.bound,
                    .zero = -1};
    tf_value v = tf_append_args(p, &pieces_step, type, 2, (tf_value[]){bits, x}, &args, sizeof args);
    piece_of of = {f, tf_type_of(p, x)->frac, result.frac + spare + TF_PIECE_RING - 64, (size_t)degree};
    struct {
        tf_digest ends;
        double scale, exponent;
        int64_t point, frac, degree;
    } facts = {tf_digest_of(f->end, (count + 1) * sizeof *f->end), f->scale, f->exponent, of.point, of.frac, degree};
    size_t words = 2 * (of.degree + 1);
    bool known;
    int64_t *data = tf_append_fit(p, v, words * count, &facts, sizeof facts, &known);
    for (size_t j = 0; data && !known && j < count; j++) piece(&of, f->end[j], f->end[j + 1], data + words * j);
    return v;
}
