/** Gumbel noise: the largest of x_i + g_i stands at i with probability e^(x_i) / sum of e^(x_j) (Gumbel 1954; Yellott
 *  1977), which is a draw from softmax(x) without a division. */
#ifndef TF_NOISE_H
#define TF_NOISE_H

#include <stddef.h>

#include "net/base/status.h"

/** Largest magnitude: -log(-log u) for u = 2^-54, 3 2^-54, ..., 1 - 2^-54 lies between -3.7 and 37.5. */
#define TF_GUMBEL_BOUND 38.0

/** Draws `count` numbers from OpenSSL's random numbers, of 53 bits each, anew at each call. */
TF_CHECKED tf_status tf_gumbel(size_t count, float *out);

#endif
