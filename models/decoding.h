/**
 * What a pass of a decoder is given besides tokens, all of it public: which keys each token may look at, and where in
 * its text it stands. Texts of a batch end together: shorter prompts have padding in front, so that the last row is
 * every text's last token and all caches have the same length.
 */
#ifndef TF_DECODING_H
#define TF_DECODING_H

#include "models/config.h"

typedef struct tf_decoding {
    size_t texts, rows; /**< rows: tokens of a text in this pass */
    bool every_row;     /**< the head is applied to each row, not to the last alone */
    size_t capacity;    /**< of the caches, which hold these rows too after the pass */
    float *mask;        /**< texts x rows x capacity: 1 for keys that a token looks at, 0 for others */
    bool reads;         /**< these rows are of prompts that will be evicted: they have caches of their own */
    size_t keep;        /**< the pass ends such prompts: of their rows so many are left to what follows; 0: none does */
    size_t kept, evicted; /**< of a prompt that was evicted so many rows were left, the others are gone */
    float *counted;       /**< texts x rows: 1 for the last TF_COUNTED tokens of a text, whose attention decides what is
                               kept, else 0 */
    float *last_counted;  /**< texts x 1: ones, for the last row alone */
    bool no_head;         /**< what the head would be applied to comes out: only the caches are wanted */
    float *last_mask;     /**< texts x 1 x capacity: the last row's */
    float *angles;        /**< texts x rows x head_dim: depth/2 cosines and as many sines; NULL for learned positions */
    int32_t *positions;   /**< texts x rows, from 0 */
} tf_decoding;

/** What the names of the caches end with that hold the rows of prompts until these are evicted. */
#define TF_OF_PROMPT "_of_prompt"

enum {
    TF_ANGLE_BOUND = 2, /**< largest magnitude in `angles`: YaRN lets them exceed 1 */
    TF_MAX_HEAD_DIM = 1024,
    TF_COUNTED = 16
};

/** Makes room for passes of this shape. Fails with TF_INVALID where the capacity exceeds the model's positions. Free
 *  with tf_decoding_free, also after a failure. */
TF_CHECKED tf_status tf_decoding_make(const tf_config *config, size_t texts, size_t rows, size_t capacity,
                                      tf_decoding *decoding);
void tf_decoding_free(tf_decoding *decoding);

/**
 * Fills everything for the rows that come after `length` rows in the caches; text t begins after padding[t] rows. A row
 * of padding looks at itself alone, and no other row looks at it. Of a prompt that was evicted, real rows come first
 * among those left.
 */
void tf_decoding_set(const tf_config *config, tf_decoding *decoding, const size_t *padding, size_t length);

/** The rotation's speeds, radians a token, of the config's RoPE and its scaling: head_dim / 2 of them. Returns the
 *  factor of all cosines and sines (1 but for YaRN). */
double tf_rotary_speeds(const tf_config *config, double *speed);

/** The width of a head. */
size_t tf_head_dim(const tf_config *config);

#endif
