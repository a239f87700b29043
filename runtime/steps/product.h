/** What products of elements and of matrices share: how three additive parts become a truncated sharing. */
#ifndef TF_STEPS_PRODUCT_H
#define TF_STEPS_PRODUCT_H

#include "runtime/steps/steps.h"
#include "runtime/steps/truncation.h"

/** Public parameters of all kinds of products; each uses what it needs. */
typedef struct tf_product_args {
    tf_truncation_args truncation;
    int64_t doubled;        /**< the parts add up to twice the product, see PROTOCOLS.md */
    int64_t turned;         /**< low bits that a rotation adds, and each party drops of its masked part */
    int64_t rotated, depth; /**< columns that are rotated, and of a head; see rotate.h */
    int64_t inner;          /**< terms of each sum of a dot product; 0: products of elements */
    int64_t coarser;        /**< bits by which what is added to products of elements is coarser than they */
    tf_matmul_layout layout;
} tf_product_args;
_Static_assert(sizeof(size_t) == sizeof(int64_t), "a layout is read as it lies among the parameters");

static inline tf_truncation tf_product_truncation(const tf_step_node *node) {
    return tf_truncation_read(&tf_args(tf_product_args, node)->truncation);
}

/** The width of the ring in which the parts are products of the operands. */
static inline unsigned tf_product_ring(const tf_step_node *node) {
    return (unsigned)(tf_args(tf_product_args, node)->truncation.bits + tf_args(tf_product_args, node)->turned);
}

void tf_product_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic);
size_t tf_product_state(const tf_program *program, const tf_step_node *node);

/** Whether all positions of a strided array of these lengths, innermost with stride `inner`, are below `count`. */
bool tf_positions_inside(size_t count, const size_t batch[], const size_t batch_stride[], size_t rows, size_t row,
                         size_t columns, size_t inner);

/** A product's tf_step.widen: its operands take as many bits more. */
double tf_product_widen(tf_program *program, tf_value value, unsigned bits, bool now);

/** S: its part of the products is in out.c[0]. */
void tf_product_solo(tf_call *call);

/** L or R: before phase 0 its part of the products is in out.c[0]. */
void tf_product_pair(tf_call *call, int phase);

/** The cross products that a party makes at one position of a third; see the head of the file, with t = s. */
typedef enum tf_crossing { FOUR, NEXT, BEFORE } tf_crossing;

static inline tf_crossing tf_crossing_of(const tf_call *call, int third) {
    int id = call->party->id;
    return id == third ? FOUR : id == tf_next(third) ? NEXT : BEFORE;
}

/** A component of each operand. */
typedef struct tf_factors {
    const uint64_t *x0, *x1, *y0, *y1;
} tf_factors;

/** The sum of this party's parts of `count` products. */
uint64_t tf_dot_factors(tf_crossing cross, tf_factors f, size_t count);

/** z += this party's parts of the products of one number with `count` of y. */
void tf_add_multiples(tf_crossing cross, tf_factors f, size_t count, uint64_t *z);

/** The result's type and the truncation, from the operands' scales; lifts are the caller's. */
tf_type tf_product_type(const tf_program *program, tf_shape shape, int frac, tf_result result,
                        tf_truncation *truncation);

#endif
