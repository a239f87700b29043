/**
 * Attention of all heads in one op, so that the private form may divide the context vectors rather than the
 * probabilities: they are fewer, and the reciprocals then run beside the product.
 */
#include <math.h>
#include <stdlib.h>

#include "ops/common.h"
#include "ops/ops.h"
#include "ops/softmax.h"
#include "runtime/graph/plain_matmul.h"

/* q: texts x queries x width; k, v: texts x keys x width; mask: texts x keys, 1 for keys that count and 0 for others.
 */
static tf_status infer(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    size_t heads;
    TF_TRY(tf_softmax_check(node));
    TF_TRY(tf_expect_rank("q", shape[0], 3));
    TF_TRY(tf_expect_rank("k", shape[1], 3));
    size_t texts = shape[0].dim[0], keys = shape[1].dim[1], width = shape[0].dim[2];
    TF_TRY(tf_expect_shape("k", shape[1], tf_dims(texts, keys, width)));
    TF_TRY(tf_expect_shape("v", shape[2], tf_dims(texts, keys, width)));
    if (node->inputs == 4) TF_TRY(tf_expect_shape("the mask", shape[3], tf_dims(texts, keys)));
    TF_TRY(tf_attr_size(node, "heads", &heads));
    if (width % heads) return tf_fail(TF_INVALID, "a width of %zu cannot be divided among %zu heads", width, heads);
    *out = shape[0];
    return TF_OK;
}

/* One head of one text: out = softmax(q k^T / sqrt(depth)) v, all with row stride `width`. */
static void attend(const tf_softmax *softmax, const tf_node *node, size_t queries, size_t keys, size_t depth,
                   size_t width, const float *q, const float *k, const float *v, const float *mask, double *weight,
                   float *score, float *out) {
    float scale = (float)(1 / sqrt((double)depth));
    tf_plain_matmul(queries, depth, keys, q, width, k, 1, width, score, keys);
    for (size_t i = 0; i < queries * keys; i++) score[i] *= scale;
    for (size_t i = 0; i < queries; i++)
        tf_softmax_row(softmax, node, score + i * keys, mask, keys, weight, score + i * keys);
    tf_plain_matmul(queries, keys, depth, score, keys, v, width, 1, out, width);
}

static tf_status plain(const tf_node *node, const tf_array *in, tf_array *out) {
    const tf_softmax *softmax = tf_softmax_find(node->op->variant);
    size_t texts = in[0].shape.dim[0], queries = in[0].shape.dim[1], keys = in[1].shape.dim[1];
    size_t width = in[0].shape.dim[2], heads, scores;
    TF_TRY(tf_attr_size(node, "heads", &heads));
    size_t depth = width / heads;
    if (__builtin_mul_overflow(queries, keys, &scores)) return tf_fail(TF_RANGE, "too many scores");
    float *score = calloc(scores, sizeof *score);
    double *weight = calloc(keys, sizeof *weight);
    if (score && weight)
        for (size_t text = 0; text < texts; text++)
            for (size_t head = 0; head < heads; head++) {
                size_t at_q = text * queries * width + head * depth, at_k = text * keys * width + head * depth;
                attend(softmax, node, queries, keys, depth, width, in[0].data + at_q, in[1].data + at_k,
                       in[2].data + at_k, node->inputs == 4 ? in[3].data + text * keys : NULL, weight, score,
                       out->data + at_q);
            }
    tf_status status = score && weight ? TF_OK : tf_fail(TF_NOMEM, "no memory for %zu scores", scores);
    free(score);
    free(weight);
    return status;
}

/*
 * Scores are laid out texts x queries x heads x keys, so that a row's inverse sum stands where the merged heads of the
 * context want it: nothing is transposed. The context is divided after the product with v.
 */
static tf_value lower(tf_program *p, const tf_node *node, const tf_value *in) {
    if (p->status) return -1;
    tf_shape q = tf_type_of(p, in[0])->shape, k = tf_type_of(p, in[1])->shape;
    size_t texts = q.dim[0], queries = q.dim[1], width = q.dim[2], keys = k.dim[1];
    size_t heads = (size_t)tf_attr_get(node, "heads", 1), depth = width / heads;
    tf_matmul_layout scores = {.batch = {texts, heads},
                               .m = queries,
                               .k = depth,
                               .n = keys,
                               .a_batch = {queries * width, depth},
                               .a_row = width,
                               .b_batch = {keys * width, depth},
                               .b_row = 1,
                               .b_col = width,
                               .c_batch = {queries * heads * keys, keys},
                               .c_row = heads * keys};
    const tf_softmax *softmax = tf_softmax_find(node->op->variant);
    tf_value mask = node->inputs == 4 ? in[3] : -1;
    int frac = tf_softmax_frac(softmax, p), query_frac = softmax->query;
    double factor = softmax->scale / sqrt((double)depth), largest = tf_softmax_largest(softmax, p, mask, keys);
    if (softmax->mean) query_frac += (int)floor(-log2(largest * factor)); /* smaller queries, smaller scores */
    const int precision = softmax->mean ? 14
                          : query_frac  ? 11
                                        : 47 - 2 * p->frac; /* of the scale: what Z_2^64 has room for */
    tf_value scaled = tf_softmax_scaled(softmax, p, in[0], factor, precision, mask, keys, tf_dims(texts, 1, 1));
    if (query_frac && tf_type_of(p, scaled)->frac > query_frac) scaled = tf_trunc(p, scaled, query_frac);
    tf_value score = tf_matmul(p, scaled, in[1], -1, scores, tf_dims(texts, queries, heads, keys),
                               (tf_result){frac, softmax->limit * largest, false});
    tf_value inverse;
    tf_value weight =
        tf_softmax_lower(softmax, p, node, score, mask, tf_dims(texts, 1, 1, keys), p->frac + 6, &inverse);
    tf_matmul_layout product = {.batch = {texts, heads},
                                .m = queries,
                                .k = keys,
                                .n = depth,
                                .a_batch = {queries * heads * keys, keys},
                                .a_row = heads * keys,
                                .b_batch = {keys * width, depth},
                                .b_row = width,
                                .b_col = 1,
                                .c_batch = {queries * width, depth},
                                .c_row = width};
    tf_value context =
        tf_matmul(p, weight, in[2], -1, product, tf_dims(texts, queries, heads, depth), (tf_result){p->frac, 0, false});
    if (inverse < 0) return tf_reshape(p, context, q);
    inverse = tf_reshape(p, inverse, tf_dims(texts, queries, heads, 1));
    return tf_reshape(p, tf_mul(p, context, inverse, (tf_result){p->frac, 0, false}), q);
}

#define OP(name, formula, from, new_weights, range, error, attention_error, attribute)                                 \
    {.kind = "attention",                                                                                              \
     .variant = #name,                                                                                                 \
     .summary = "per head p v with p_i = " formula ", s = q k^T / sqrt(depth)",                                        \
     .source = from,                                                                                                   \
     .min_inputs = 3,                                                                                                  \
     .max_inputs = 4,                                                                                                  \
     .infer = infer,                                                                                                   \
     .plain = plain,                                                                                                   \
     .lower = lower,                                                                                                   \
     .trained = new_weights,                                                                                           \
     .parameter = attribute,                                                                                           \
     .low = -4,                                                                                                        \
     .high = 4,                                                                                                        \
     .private_error = attention_error},

const tf_op tf_attention_ops[] = {TF_SOFTMAX_VARIANTS(OP){0}};
