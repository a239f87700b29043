/**
 * A program: protocol steps on shared tensors, in topological order, one result per step. Ops append to it with the
 * functions of this header; plan.h schedules it and adds up its cost; execute.h runs it.
 *
 * Every tensor knows its shape, ring width, scale and range. All functions that append return the new value; after a
 * first failure they return -1 and do nothing, so that an op reads like its formula. tf_program_status tells.
 */
#ifndef TF_PROGRAM_H
#define TF_PROGRAM_H

#include <stdbool.h>

#include "runtime/graph/registry.h"
#include "runtime/graph/shape.h"

TF_PUBLIC_BEGIN

typedef enum tf_class {
    TF_SHARE, /**< replicated shares of ring elements */
    TF_BIT,   /**< split bits: delta known to L and R, rho known to the solo party; the bit is delta ^ rho */
    TF_LEAF   /**< a leaf of the graph, not yet brought into the program: see tf_weight, tf_constant */
} tf_class;

/** The type of a value. The integer held is real * 2^frac, and |real| <= bound, but < bound where that is a power of
 * two. Shares are mod 2^bits; split bits have that many bits for each element, one plane each. */
typedef struct tf_type {
    tf_shape shape;
    tf_class kind;
    unsigned bits;
    int frac;
    double bound;
    int zero; /**< the component that is publicly zero, as in what a party put in; -1 if none */
} tf_type;

enum { TF_STEP_INPUTS = 36, TF_STEP_ARGS = 32 };

struct tf_step;
struct tf_node;

typedef struct tf_step_node {
    const struct tf_step *step;
    tf_type type;
    int inputs;
    tf_value input[TF_STEP_INPUTS];
    int64_t arg[TF_STEP_ARGS]; /**< the step's public parameters, see tf_args; part of the digest */
    int64_t *data;             /**< public integers of the step, owned by the program; part of the digest */
    size_t data_count;
    const struct tf_node *leaf; /**< for leaves and parameters */
    int op;                     /**< the node of the graph that this step belongs to, -1 if none */
    tf_value lifted;            /**< the widest lift of this value so far, or -1 */
    tf_value row, factor;       /**< of values that readers may make themselves (tf_scale_rows): their factors; or -1 */
    bool loose; /**< may leave its range where it is multiplied by zero; see tf_assume_selected, tf_let_through */
} tf_step_node;

/** A secret weight that the program needs, in a given encoding. */
typedef struct tf_param {
    const struct tf_node *leaf;
    tf_value value;
    bool packed; /**< only ever the right operand of products with x W^T: kept packed for the kernel, nothing else */
    bool table;  /**< only ever read in rows: kept in few bytes */
    bool fixed;  /**< in this ring in all programs of a session */
} tf_param;

/** State of the session that a program reads, and appends to if its step has an input. */
typedef struct tf_held {
    const struct tf_node *leaf; /**< which names it */
    tf_value value;
} tf_held;

typedef struct tf_program {
    const struct tf_graph *graph; /**< what it was lowered from, which must outlive it; NULL for other programs */
    tf_value *result;             /**< of each node of the graph; NULL for other programs */
    tf_step_node *node;
    int nodes;
    size_t capacity;
    tf_param *param;
    int params;
    size_t param_capacity;
    tf_held *held;
    int helds;
    struct tf_fit *fit; /**< what fitted numbers were computed from, of the first node of each (tf_append_fit) */
    int fits;
    int frac; /**< fractional bits of activations */
    int model_owner, data_owner;
    int op;         /**< given to the nodes that follow */
    int guard;      /**< the slot in which the data owner learns whether a guarded row exceeded its bound; 0: none */
    int copies;     /**< the comparison of copies, which outputs wait for; 0: none */
    int selections; /**< the check of what an owner outside dealt, which outputs wait for; 0: none */
    tf_cut cut;     /**< small tensors in one third, or thirds of rows, so that S runs ahead whatever becomes of them */
    double round_bytes; /**< bytes that a round less is worth, where a value can be had in more ways than one */
    int beside;         /**< how often tf_begin_beside was called without tf_end_beside */
    tf_status status;
    char error[512];
} tf_program;

/** Of programs that are not told: bytes count for more than rounds, as they do for parties in one place. */
enum { TF_ROUND_BYTES = 200000 };

/** Tells that what is appended from now on runs beside something that takes more rounds, so that none of its own is
 *  worth anything, until tf_end_beside is called as often. */
void tf_begin_beside(tf_program *program);
void tf_end_beside(tf_program *program);

/** Bytes that a round less is worth to what is appended now, over all links. */
double tf_round_worth(const tf_program *program);

/** Whether `rounds` rounds less are worth so many bytes more, over all links. */
bool tf_rounds_are_worth(const tf_program *program, double rounds, double bytes);

/** In the place of a party: the model's or the data's owner is none of the three. */
enum { TF_OUTSIDE = -1 };

/** In the place of a receiver: all three. */
enum { TF_EVERYONE = -2 };

void tf_program_init(tf_program *program, int frac, int model_owner, int data_owner);
void tf_program_free(tf_program *program);

/** TF_OK, or the first failure while appending, with its message made current. */
TF_CHECKED tf_status tf_program_status(const tf_program *program);

/** Records a failure (the current error message) and returns -1. */
tf_value tf_program_fail(tf_program *program, tf_status status);

/** The type of a value of the program. */
const tf_type *tf_type_of(const tf_program *program, tf_value value);

/** Appends a node; the steps' own builders below are what ops use. */
tf_value tf_append(tf_program *program, const struct tf_step *step, tf_type type, int inputs, const tf_value *input);

/** The default range of an activation: 2^(30 - frac), so that it lives in 32 bits with room for lifting. */
double tf_default_bound(const tf_program *program);

/** The bits of a ring in which values of this scale and bound can be lifted: |integer| < 2^(width - 2). */
unsigned tf_width(int frac, double bound);

/** @name Leaves and ends @{ */

/** The weight behind a leaf as shares with `frac` fractional bits in a ring of at least `bits`. */
tf_value tf_weight(tf_program *program, tf_value leaf, int frac, unsigned bits);
/** The same, in a ring of just so many bits, whatever its readers want. */
tf_value tf_fixed_weight(tf_program *program, tf_value leaf, int frac, unsigned bits);
/** The same, kept only in the form in which a product x W^T wants it. */
tf_value tf_packed_weight(tf_program *program, tf_value leaf, int frac, unsigned bits);
/** The same, of which only rows are looked up; `fixed`: in a ring of just so many bits, whatever its readers want. */
tf_value tf_table_weight(tf_program *program, tf_value leaf, int frac, unsigned bits, bool fixed);
/** Brings a leaf of the graph into the program. */
tf_value tf_program_leaf(tf_program *program, const struct tf_node *leaf);
/** The graph node behind a leaf value, or NULL if the value is no leaf. */
const struct tf_node *tf_leaf_of(const tf_program *program, tf_value value);
/** `owner` puts in a tensor of integers (given at execution by slot). 8 * bits bytes an element, 1 round. */
tf_value tf_input(tf_program *program, int owner, tf_shape shape, int frac, unsigned bits, double bound, int slot);
/** The same of a leaf of integers (TF_LEAF_TOKENS), in units of 2^-frac: |integer| <= bound 2^frac, else TF_RANGE. */
tf_value tf_input_leaf(tf_program *program, int owner, tf_value leaf, int frac, double bound);
/** The party that deals noise: the model owner, who could change the outcome by other weights too and so gains nothing,
 *  unless it is the data owner or outside; then another party, and never the data owner, who learns what is drawn. */
int tf_noise_dealer(const tf_program *program);
/** The noise behind a leaf (TF_LEAF_NOISE): Gumbel numbers that the dealer draws anew at each run, which nobody else
 *  learns, and of which the dealer learns no more. bits/8 B an element, 1 round. */
tf_value tf_noise(tf_program *program, tf_value leaf, int frac, unsigned bits);
/** Opens a value to party `to` (or to all: TF_EVERYONE; nobody outside can receive); the result is delivered by slot.
 *  Costs one component, and a 16-byte digest from the other holder; 1 round. The receiver learns the value, nobody else
 *  anything. */
tf_value tf_output(tf_program *program, tf_value x, int to, int slot);
/** Hands the components of a value to the caller, by slot: shares that outlive the run. Local. */
tf_value tf_keep(tf_program *program, tf_value x, int slot);
/**
 * The state that a held leaf names, in a ring of at least `bits` (0: as it comes), after the rows of x were appended to
 * it; x = -1: as it is. Its memory is the session's: nothing is copied but the new rows. Local.
 */
tf_value tf_hold(tf_program *program, const struct tf_node *leaf, tf_value x, unsigned bits);
/** Compares what is public and given at each run: public leaves of the graph, lengths of state. 32 B on each link, in
 *  the first round. */
tf_value tf_compare_public(tf_program *program);
/** Compares all that two parties hold alike once these values are there, at most TF_STEP_INPUTS, and before what is
 *  opened or kept from then on. 8 B a step on each link, 1 round. TF_MISMATCH names the first step that differs. */
void tf_compare_copies(tf_program *program, int count, const tf_value *before);
/** Rows of a shared table (V x H leaf) at indices that only `owner` knows, 20 B per element of 32 bits + V bits a row,
 * 3 rounds, and lifted to 48 bits in the same for 10 B more; of 16 tokens and more for V / 2 B a group of up to 128 and
 * 12 B per element, 8 B per column for each bucket and 4 B a token for each; or that an owner outside (TF_OUTSIDE)
 * shared, 36 B per element, 2 rounds. */
tf_value tf_embed(tf_program *program, tf_value table, const struct tf_node *tokens, int owner);

/**
 * Checks what an owner outside dealt for all lookups so far, before what is opened or kept from then on: each token's
 * vectors select one row, the same of all three components of the table, and its signs fit; else TF_MISMATCH at every
 * party, but for a probability of 2^-62. 32 B a token and 120 B; 3 rounds, beside others. Nobody learns anything from
 * it where the owner is honest.
 */
void tf_check_selections(tf_program *program);

/** @} @name Local: no communication @{ */

tf_value tf_add(tf_program *program, tf_value a, tf_value b); /**< with broadcasting; scales are aligned */
tf_value tf_sub(tf_program *program, tf_value a, tf_value b);
tf_value tf_add_const(tf_program *program, tf_value a, double c);
/** The same where the caller knows a bound of the result, so that its ring need not grow with the terms. */
tf_value tf_add_within(tf_program *program, tf_value a, tf_value b, double bound);
tf_value tf_add_const_within(tf_program *program, tf_value a, double c, double bound);
tf_value tf_add_public_within(tf_program *program, tf_value a, tf_shape shape, const double *c, double bound);
/** a * factor for an integer factor; the bound grows with it. */
tf_value tf_scale_int(tf_program *program, tf_value a, int64_t factor);
/** a * c for a public real c, to relative precision 2^-precision, by a local product: frac grows, tf_trunc brings it
 *  back; a product does so without extra cost. Powers of two cost nothing. */
tf_value tf_scale_real(tf_program *program, tf_value a, double c, int precision);
/** Fractional bits of what x is multiplied with: as many more or fewer as x has fewer or more than activations, so that
 *  the ring of the product is the same; those of activations where it has far more. */
int tf_factor_frac(const tf_program *program, tf_value x);
/** a + c and a * c for public tensors that broadcast to a's shape; for the product, c has `frac` fractional bits. */
tf_value tf_add_public(tf_program *program, tf_value a, tf_shape shape, const double *c);
tf_value tf_mul_public(tf_program *program, tf_value a, tf_shape shape, const double *c, int frac);
/** The same with a constant or public leaf of the graph, its data read with `shape`; those of public leaves are put in
 *  when the program runs. */
tf_value tf_add_leaf(tf_program *program, tf_value a, tf_value leaf, tf_shape shape);
/** a + factor leaf + offset, where the caller knows a bound of the result; 0: none. */
tf_value tf_add_leaf_within(tf_program *program, tf_value a, tf_value leaf, tf_shape shape, double factor,
                            double offset, double bound);
tf_value tf_mul_leaf(tf_program *program, tf_value a, tf_value leaf, tf_shape shape, int frac);
tf_value tf_sum_axis(tf_program *program, tf_value a, int axis, double bound); /**< the axis disappears */
/**
 * A sketch of each row of a: its entries, each under a fixed public sign, added up in at most TF_SKETCH sums (rows x
 * sums). In the mean over signs the squares of the sums add up to the squared norm of the row, and their own deviation
 * is sqrt(2 / TF_SKETCH) of that at most. The sums must be within a quarter of a's ring.
 */
enum { TF_SKETCH = 16 };
tf_value tf_sketch(tf_program *program, tf_value a);
/** The squared norm of the sketch of a row, in floating point. */
double tf_sketch_square(const float *row, size_t count);
tf_value tf_reshape(tf_program *program, tf_value a, tf_shape shape);
tf_value tf_expand(tf_program *program, tf_value a, tf_shape shape); /**< broadcast, made real */
tf_value tf_slice(tf_program *program, tf_value a, int axis, size_t begin, size_t count);
/** Rows of a small table (rows x heads) by the distance of two places: out[i][h][j] = table[row[j - i + length -
 * 1]][h], for i and j below `length`; `row` has 2 length - 1 entries. */
tf_value tf_relative(tf_program *program, tf_value table, size_t length, const size_t *row);
/** Tensors one after the other along an axis; at most TF_STEP_INPUTS. Scales are aligned, rings too. */
tf_value tf_concat(tf_program *program, int count, const tf_value *part, int axis);
/** Declares that |a| <= bound, which the caller must know; costs nothing. */
tf_value tf_assume(tf_program *program, tf_value a, double bound);
/** The same where it holds only of those elements that a later selection lets through: of others the value, and what is
 *  computed from it, may be anything. */
tf_value tf_assume_selected(tf_program *program, tf_value a, double bound);
/** Declares that elements of `a` may leave its range, for they are zero in `kept`, which is `a` under a mask. */
void tf_let_through(tf_program *program, tf_value a, tf_value kept);

/** @} @name Interactive @{ */

/** Exact widening to a ring of at least `bits`; the identity if a has them. (n - m) / 2 B an element, 1 round. A value
 * is lifted at most once: a later, wider wish widens the lift that is there. */
tf_value tf_lift(tf_program *program, tf_value a, unsigned bits);
/** The bits of the ring to which a value has been lifted so far, or its own. */
unsigned tf_lifted_bits(const tf_program *program, tf_value a);
/** Unbiased rounding to `frac` fractional bits; the ring narrows by as much. bits/8 B an element, one message. */
tf_value tf_trunc(tf_program *program, tf_value a, int frac);
/** The same within Z_2^64, |integer| < 2^61. 14 B an element at 16 bits, 2 rounds. */
tf_value tf_trunc_wide(tf_program *program, tf_value a, int frac);

/** What a product's result is to be. */
typedef struct tf_result {
    int frac;     /**< fractional bits */
    double bound; /**< range of the result; 0: the default */
    bool wide;    /**< stay in Z_2^64 (truncation with wrap correction) */
} tf_result;

/** a * b element by element, with broadcasting, truncated. 12 B an element at 16 bits and default range, 1 round. */
tf_value tf_mul(tf_program *program, tf_value a, tf_value b, tf_result result);
/** The same and `more`, which is broadcast to it and costs nothing where it has the result's scale or a finer one, as
 * far as that of a * b, and the ring; -1: tf_mul. */
tf_value tf_mul_add(tf_program *program, tf_value a, tf_value b, tf_value more, tf_result result);
/**
 * Rows times a number each, the last axis of `factor` being 1, as tf_mul. Linear layers of it take the rows in its
 * place and scale what they make of them, which saves the two rounds of a product and a lift where the factor is not
 * there as soon as the rows are, for TF_LATER_BYTES an element of theirs. It is left out where nothing else reads it.
 */
tf_value tf_scale_rows(tf_program *program, tf_value rows, tf_value factor, tf_result result);
enum { TF_LATER_BYTES = 32, TF_LATER_FRAC = 4 }; /* 27, and computing; fractional bits that results have more before */
/** The factors of such a value, if there are any. */
bool tf_rows_and_factor(const tf_program *program, tf_value value, tf_value *rows, tf_value *factor);
/** Leaves out what tf_scale_rows made and nothing reads. When a program is complete. */
void tf_leave_out(tf_program *program);
/** The sum over the last axis of a * b, truncated once. */
tf_value tf_dot(tf_program *program, tf_value a, tf_value b, tf_result result);

enum { TF_BATCH_AXES = 3 };

/** Strides of a batched matrix product c[i] = a[i] * b[i], each m x k, k x n, m x n, over up to three axes of the batch
 *  (say text, head of keys and values, query head of that group); in elements. Lengths that are 0 count as 1. A stride
 *  of 0 makes an operand serve a whole axis. */
typedef struct tf_matmul_layout {
    size_t batch[TF_BATCH_AXES], m, k, n;
    size_t a_batch[TF_BATCH_AXES], a_row; /**< columns of a are adjacent */
    size_t b_batch[TF_BATCH_AXES], b_row, b_col;
    size_t c_batch[TF_BATCH_AXES], c_row; /**< columns of c are adjacent; c must be dense as a whole */
} tf_matmul_layout;

/** The product by layout; `shape` is that of the result. bias (n shared entries at frac a + frac b) may be -1. */
tf_value tf_matmul(tf_program *program, tf_value a, tf_value b, tf_value bias, tf_matmul_layout layout, tf_shape shape,
                   tf_result result);
/** x [..., in] times weight^T plus bias, the weight a leaf (out x in), secret or public; bias a leaf or -1. */
tf_value tf_linear(tf_program *program, tf_value x, tf_value weight, tf_value bias, tf_result result);
/** The same plus n * gamma, truncated once, of a secret weight: n is shaped as the result, gamma a leaf of one number a
 *  column. Sends what tf_linear sends. */
tf_value tf_linear_plus(tf_program *program, tf_value x, tf_value weight, tf_value bias, tf_value n, tf_value gamma,
                        tf_result result);

/**
 * The same, then rotated by public angles (rotary positions) before it is truncated: the first `rotated` columns are
 * heads as wide as the table is, in which columns i and i + depth/2 are a point. The table, a constant or public leaf,
 * has depth/2 cosines and then as many sines for each row of x. Sends what tf_linear sends and takes as many rounds; x
 * is lifted by TF_ROTATION_BITS more. The result is within 2^-15 (|a| + |b|) for points (a, b), and two units. With a
 * public weight the rotation is a step of its own (tf_rotate).
 */
tf_value tf_linear_rotated(tf_program *program, tf_value x, tf_value weight, tf_value bias, tf_value table,
                           size_t rotated, tf_result result);
/** Shares rotated likewise: local but for the truncation. */
tf_value tf_rotate(tf_program *program, tf_value a, tf_value table, size_t rotated, tf_result result);

/** [a < 0] as a split bit. With `low` > 0 the `low` least bits are not looked at: the sign of integers within
 *  2^(low-1) of zero may be wrong, no other. 4 rounds, or 3 for 14 bits and fewer. */
tf_value tf_negative(tf_program *program, tf_value a, unsigned low);
/** The same in 3 rounds, for nearly twice the bytes: 22.2 B for 23 bits. For few elements. */
tf_value tf_negative_soon(tf_program *program, tf_value a, unsigned low);
/** [a < number[k]] for up to three public numbers, as that many planes of split bits, as above; in 3 rounds if `soon`.
 *  Two numbers cost two thirds of what two comparisons do. */
tf_value tf_below(tf_program *program, tf_value a, int count, const double *number, unsigned low, bool soon);
/** Plane `plane` of several: that bit of each element. Local, and no copy. */
tf_value tf_bit_plane(tf_program *program, tf_value bits, size_t plane);
/** The bits of a value of this type that a comparison with numbers up to `most` looks at, above the `low` that it does
 *  not (fewer are left out where there are not so many): the sign is bit low + width. */
typedef struct tf_compared {
    unsigned low, width;
} tf_compared;
tf_compared tf_compared_bits(const tf_type *type, double most, unsigned low);
/** The default for `low`: half the fractional bits. */
unsigned tf_default_low(const tf_type *type);
/** One term of a selection: bit * value, or (1 - bit) * value with `negate`. */
typedef struct tf_term {
    tf_value bit, value;
    bool negate;
} tf_term;
/** The sum of up to seven terms, by one reshare. 4 * bits/8 B an element for one term, 1 round. */
tf_value tf_select(tf_program *program, int terms, const tf_term *term);
/** The same where the caller knows a bound of the sum, as of terms of which one counts at most. */
tf_value tf_select_within(tf_program *program, int terms, const tf_term *term, double bound);
/** [bit_0] (value_0 - value_1) + [bit_1] value_1, within `bound`: the first value where both bits are 1, the second
 *  where its own alone is, and zero where neither. As two terms. */
tf_value tf_select_either(tf_program *program, const tf_term term[2], double bound);
/** A split bit as shares of 0 or 1. 3 * bits/8 B an element, 1 round. */
tf_value tf_bit_to_share(tf_program *program, tf_value bit, unsigned bits, bool negate);
/**
 * [a < t_j] for each of `count` public thresholds, as that many split bits of each element, where 0 <= a <= its bound.
 * As in tf_negative `low` bits are not looked at. Meant for few elements: over w bits an element costs some hundred
 * bytes, a threshold 2. 3 rounds.
 */
tf_value tf_thresholds(tf_program *program, tf_value a, size_t count, const double *threshold, unsigned low);
/** The same in 2 rounds, for ascending thresholds above zero: over w bits an element costs 32 (w - 6) bytes, a
 *  threshold a quarter of one. With `low` > 0 integers within 2^low of a threshold may be taken for the other side of
 *  it, and always those within a 64th of the shorter interval beside it. */
tf_value tf_thresholds_soon(tf_program *program, tf_value a, size_t count, const double *threshold, unsigned low);
/** scale x^exponent on `count` intervals, which end at end[0] <= ... <= end[count]. */
typedef struct tf_power {
    double scale, exponent;
    const double *end;
    size_t count;
} tf_power;
/** x^exponent; those of inverses by operations that every processor rounds alike, so that parties on different ones
 * plan the same program. */
double tf_power_at(double x, double exponent);
/** Low bits of a value with `point` fractional bits that move a threshold by a 64th of this interval at most, and need
 * not be compared. */
unsigned tf_spare_bits(double interval, int point);
enum { TF_PIECE_DEGREE = 3, TF_PIECE_RING = 128 };
/**
 * A polynomial near the power on each interval, of this degree: that of the interval in which x lies, given the bits of
 * thresholds on x at end[1] .. end[count - 1]; below and above the first and the last go on. In a ring of at least
 * `ring` bits. No product: x is multiplied by public coefficients alone, mod 2^TF_PIECE_RING. 32 B, 64 B a degree, and
 * the result twice, however many thresholds; 1 round.
 */
tf_value tf_pieces(tf_program *program, tf_value thresholds, tf_value x, int degree, const tf_power *power,
                   tf_result result, unsigned ring);
/**
 * The same of a itself, at most its bound and not below zero, in one exchange: cubics between end[1] ..
 * end[count - 1], in a ring of at least `ring` bits. As many times 160 B as a has bits, and computing for each
 * threshold: for few elements. 2 rounds, 1 of them S's.
 */
tf_value tf_curve(tf_program *program, tf_value a, const tf_power *power, tf_result result, unsigned ring);
/** 2^(a octaves/16) for -16 < a <= 0 with `frac` fractional bits, 16 to 20 octaves, to 2^(octaves - 30) relative and a
 *  unit. 16 octaves are 2^a. */
tf_value tf_exp2(tf_program *program, tf_value a, int octaves, int frac);
/** Where a spline holds: from -end (a power of two, 64 at most) and one segment up to end, cut into 2^log segments, 128
 * or 256. */
typedef struct tf_window {
    double end;
    int log;
} tf_window;
typedef double tf_function(double);
/**
 * f(a) within a window, as lines over segments: off by f'' h^2/12 at most, h being the length of a segment, and in the
 * mean over shares and over a segment not at all; and by 2^-15 f' for rounding. f' is below 8, and f'' too but for
 * kinks. Outside of the window the line of some other segment. 16 or 32 B, 9 ring elements of 8 bits more than the
 * result, and its truncation: 65 B for 128 segments and a result in 32 bits. 3 rounds.
 */
tf_value tf_spline(tf_program *program, tf_value a, tf_function *f, tf_window window, tf_result result);
/** table[a] for integers a in [0, 2^k): entries are public reals. 2^k entries to one party, 1 round. */
tf_value tf_lookup(tf_program *program, tf_value a, unsigned k, const double *table, int frac, double bound);

/** @} */

TF_PUBLIC_END

#endif
