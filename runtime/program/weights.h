/**
 * Weights as they are kept between runs: in the bytes that their ring needs, as a stream of a key, or publicly zero;
 * read when they are used. And what is made of them: fixed-point numbers, and operands packed for a product.
 */
#ifndef TF_WEIGHTS_H
#define TF_WEIGHTS_H

#include "runtime/party/party.h"
#include "runtime/program/program.h"

/** One component of a weight. */
typedef struct tf_source_part {
    const uint8_t *data; /**< `bytes` an element, little-endian; or NULL */
    tf_prf *prf;         /**< where there are no data: one word an element of this key's stream; or NULL: all zero */
    uint64_t address;    /**< the stream's high word */
    unsigned purpose;
} tf_source_part;

/** This party's two components of a weight. */
typedef struct tf_source {
    tf_source_part part[2];
    size_t count;
    unsigned bytes;        /**< of an element in the data */
    bool mapped;           /**< the data are a mapped file: pages are fetched ahead and given back after use */
    const uint8_t *panels; /**< instead of all this, where a file has this party's operand of products */
} tf_source;

/** Whether component j is publicly zero. */
static inline bool tf_source_is_zero(const tf_source *source, int j) {
    return !source->part[j].data && !source->part[j].prf;
}

/** Elements [at, at + count) of a component; upper bits past the ring's width are meaningless. */
TF_CHECKED tf_status tf_source_read(const tf_kernels *kernels, const tf_source *source, int j, size_t at, size_t count,
                                    uint64_t *out);

/** Gives the pages of mapped data back. What lies behind them in the file, as much again, is fetched ahead. */
void tf_source_release(const tf_source *source);

/**
 * Makes fixed-point numbers of `type` from reals. TF_RANGE when one is not a number or outside the range of the type,
 * or of the ring that its scale and range ask for, on which lifts and comparisons rely.
 */
TF_CHECKED tf_status tf_encode(const tf_type *type, const float *in, size_t count, uint64_t *out);

/**
 * How a party combines its components of the two factors when each party makes one ring product and the three add up
 * to 2xy mod 2^(l+1); see PROTOCOLS.md, "Three products". Components with the factor 1 are reduced mod 2^l first, so
 * that both holders mean the same number.
 */
typedef struct tf_combination {
    uint64_t left[2], right[2];
} tf_combination;

tf_combination tf_combination_of(int party);

/** out = factor[0] x + factor[1] y, after reducing x and y mod 2^bits. */
void tf_combine(const uint64_t factor[2], unsigned bits, const uint64_t *x, const uint64_t *y, size_t count,
                uint64_t *out);

/**
 * A party's operand of products with a weight, as it lies in panels (see kernels.h). The party that put the weight in
 * has the weight itself, a number of tf_width bits, not a component that is uniform in the ring of the product: its
 * elements have as many bytes as the type's scale and bound ask for, whatever the values are.
 */
typedef struct tf_operand {
    unsigned bits;   /**< of the ring of the product */
    unsigned bytes;  /**< of an element */
    uint64_t offset; /**< what has been added to each element, so that none is negative; 0 where bytes hold the ring */
} tf_operand;

/** `party` may be -1, for one that did not put the weight in: nobody's operand takes more. */
tf_operand tf_operand_of(int party, const tf_type *type);

/** Bytes of the panels of such an operand, with what may be read behind them. */
uint64_t tf_operand_bytes(int party, const tf_type *type);

/** The operand that lies in these panels, which stay the caller's. The caller frees *packed. */
TF_CHECKED tf_status tf_operand_over(int party, const tf_kernels *kernels, const uint8_t *panels, const tf_type *type,
                                     tf_packed **packed);

/**
 * Makes the panels of the right operand of x W^T for this party, W (out x in) being of this type, mod 2^bits: the sum
 * of both components where one is publicly zero, and otherwise the combination above, mod 2^(bits+1). All threads of
 * `workers`, which may be NULL, share the work.
 */
TF_CHECKED tf_status tf_source_panels(int party, const tf_kernels *kernels, tf_workers *workers,
                                      const tf_source *source, const tf_type *type, uint8_t *panels);

/** Elements [at, at + count) of a matrix (out x in), counted in the order of its panels. */
void tf_panel_order(const float *w, tf_shape shape, size_t at, size_t count, float *out);

#endif
