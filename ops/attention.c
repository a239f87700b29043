/**
 * Attention of all heads in one op, so that the private form may divide the context vectors rather than the
 * probabilities: they are fewer, and the reciprocals then run beside the product.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/common.h"
#include "ops/softmax.h"
#include "runtime/graph/plain_matmul.h"

/* Sizes of one attention. Query heads share the heads of k and v in groups of `group`. */
typedef struct sizes {
    size_t texts, queries, keys; /* keys: those looked at, the first of `capacity` */
    size_t heads, group, depth;
    size_t width, kv_width, capacity;
    size_t mask_rows; /* of a text: 1, or one a query; 0 without mask */
    int mask, table;  /* which inputs they are; 0: there is none */
    int counted;      /* likewise; then a text's output is queries x width, and how much each key was attended to */
} sizes;

/* Distances are counted one by one up to 8, then in half octaves up to 128, before and after a token by themselves:
 * Raffel et al. 2020 (T5), 2.1, as MPNet has it. */
enum { DISTANCES = 32 };

/* Which row of the table has the bias of a key so far after its query. */
static size_t row_of_distance(long after) {
    size_t distance = (size_t)labs(after), row = distance;
    if (distance >= 8) {
        row = 8;
        while (row < 15 && distance * distance >= (size_t)64 << (row - 7)) row++;
    }
    return after > 0 ? DISTANCES / 2 + row : row;
}

/* q: texts x queries x (heads depth); k, v: texts x capacity x (heads/group depth); mask, 1 for keys that count and 0
 * for others: texts x keys, or texts x queries x keys, which may look at the first keys alone. A mask that is no leaf
 * but shares is secret, and texts x keys. With attribute relative the last input is a table, DISTANCES x heads, whose
 * rows are added to the scores of their distances. With attribute tells the last input is texts x queries: by how much
 * each query counts where it is told how much keys were attended to. */
static tf_status read_sizes(const tf_node *node, const tf_shape *shape, sizes *s) {
    TF_TRY(tf_expect_rank("q", shape[0], 3));
    TF_TRY(tf_expect_rank("k", shape[1], 3));
    *s = (sizes){.texts = shape[0].dim[0], .queries = shape[0].dim[1], .width = shape[0].dim[2]};
    s->capacity = s->keys = shape[1].dim[1];
    s->kv_width = shape[1].dim[2];
    TF_TRY(tf_attr_size(node, "heads", &s->heads));
    if (s->width % s->heads)
        return tf_fail(TF_INVALID, "a width of %zu cannot be divided among %zu heads", s->width, s->heads);
    s->depth = s->width / s->heads;
    size_t kv_heads = (size_t)tf_attr_get(node, "kv_heads", (double)s->heads);
    if (kv_heads < 1 || s->heads % kv_heads)
        return tf_fail(TF_INVALID, "%zu heads cannot share %zu heads of keys and values", s->heads, kv_heads);
    s->group = s->heads / kv_heads;
    TF_TRY(tf_expect_shape("k", shape[1], tf_dims(s->texts, s->capacity, kv_heads * s->depth)));
    TF_TRY(tf_expect_shape("v", shape[2], shape[1]));
    int last = node->inputs - 1;
    if (tf_attr_get(node, "relative", 0) != 0) {
        s->table = last--;
        TF_TRY(tf_expect_shape("the table of distances", shape[s->table], tf_dims(DISTANCES, s->heads)));
        if (s->queries != s->keys)
            return tf_fail(TF_INVALID, "%zu queries of %zu keys have no distances", s->queries, s->keys);
    }
    if (tf_attr_get(node, "tells", 0) != 0) s->counted = last--;
    if (last > 3) return tf_fail(TF_INVALID, "a fifth input, without attribute relative or tells");
    if (last < 3 && s->counted) return tf_fail(TF_INVALID, "attribute tells needs a mask");
    if (last < 3) return last == 2 ? TF_OK : tf_fail(TF_INVALID, "q, k or v is missing");
    s->mask = 3;
    tf_shape mask = shape[3];
    if (mask.rank == 3 && mask.dim[2] <= s->capacity) s->keys = mask.dim[2];
    s->mask_rows = mask.rank == 3 ? s->queries : 1;
    TF_TRY(tf_expect_shape("the mask", mask,
                           mask.rank == 3 ? tf_dims(s->texts, s->queries, s->keys) : tf_dims(s->texts, s->keys)));
    return s->counted ? tf_expect_shape("what queries count", shape[s->counted], tf_dims(s->texts, s->queries)) : TF_OK;
}

/* Of a text. */
static size_t outputs(const sizes *s) {
    return s->queries * s->width + (s->counted ? s->keys : 0);
}

tf_status tf_attention_infer(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    sizes s;
    TF_TRY(tf_softmax_check(node));
    TF_TRY(read_sizes(node, shape, &s));
    *out = s.counted ? tf_dims(s.texts, outputs(&s)) : shape[0];
    return TF_OK;
}

/* One head of one text: out = softmax(q k^T / sqrt(depth) + bias) v; `table` is the head's column, or NULL. `score` is
 * left with the probabilities. */
static void attend(const tf_node *node, const sizes *s, const float *q, const float *k, const float *v,
                   const float *mask, const float *table, double *weight, float *score, float *out) {
    float scale = (float)(1 / sqrt((double)s->depth));
    size_t keys = s->keys;
    tf_plain_matmul(s->queries, s->depth, keys, q, s->width, k, 1, s->kv_width, score, keys);
    for (size_t i = 0; i < s->queries * keys; i++) score[i] *= scale;
    for (size_t i = 0; table && i < s->queries * keys; i++)
        score[i] += table[row_of_distance((long)(i % keys) - (long)(i / keys)) * s->heads];
    for (size_t i = 0; i < s->queries; i++)
        tf_softmax_row(node, score + i * keys, s->mask_rows > 1 ? mask + i * keys : mask, keys, weight,
                       score + i * keys);
    tf_plain_matmul(s->queries, keys, s->depth, score, keys, v, s->kv_width, 1, out, s->width);
}

/* Adds up a head's probabilities, each query's by what it counts. */
static void tell(const sizes *s, const float *probability, const float *counted, float *told) {
    for (size_t i = 0; i < s->queries; i++)
        for (size_t j = 0; j < s->keys; j++) told[j] += counted[i] * probability[i * s->keys + j];
}

tf_status tf_attention_plain(const tf_node *node, const tf_array *in, tf_array *out) {
    sizes s;
    size_t scores;
    tf_shape shape[5] = {[4] = {0}};
    for (int i = 0; i < node->inputs; i++) shape[i] = in[i].shape;
    TF_TRY(read_sizes(node, shape, &s));
    if (__builtin_mul_overflow(s.queries, s.keys, &scores)) return tf_fail(TF_RANGE, "too many scores");
    float *score = calloc(scores, sizeof *score);
    double *weight = calloc(s.keys, sizeof *weight);
    memset(out->data, 0, tf_shape_count(out->shape) * sizeof *out->data);
    if (score && weight)
        for (size_t text = 0; text < s.texts; text++)
            for (size_t head = 0; head < s.heads; head++) {
                size_t at_q = text * s.queries * s.width + head * s.depth;
                float *to = out->data + text * outputs(&s);
                size_t at_k = text * s.capacity * s.kv_width + head / s.group * s.depth;
                const float *mask = s.mask ? in[3].data + text * s.mask_rows * s.keys : NULL;
                const float *table = s.table ? in[s.table].data + head : NULL;
                attend(node, &s, in[0].data + at_q, in[1].data + at_k, in[2].data + at_k, mask, table, weight, score,
                       to + head * s.depth);
                if (s.counted) tell(&s, score, in[s.counted].data + text * s.queries, to + s.queries * s.width);
            }
    tf_status status = score && weight ? TF_OK : tf_fail(TF_NOMEM, "no memory for %zu scores", scores);
    free(score);
    free(weight);
    return status;
}

/*
 * Scores are laid out texts x queries x heads x keys, so that a row's inverse sum stands where the merged heads of the
 * context want it: nothing is transposed. The context is divided after the product with v. Both products take one query
 * head at a time, or with a single query the heads of a group as rows, so that a head of k or v is read once for all.
 */
static tf_matmul_layout rows_by_head(const sizes *s, size_t row, size_t depth) {
    if (s->queries == 1)
        return (tf_matmul_layout){.batch = {s->texts, s->heads / s->group},
                                  .m = s->group,
                                  .a_batch = {s->heads * row, s->group * row},
                                  .a_row = row,
                                  .b_batch = {s->capacity * s->kv_width, s->depth},
                                  .c_batch = {s->heads * depth, s->group * depth},
                                  .c_row = depth};
    return (tf_matmul_layout){.batch = {s->texts, s->heads / s->group, s->group},
                              .m = s->queries,
                              .a_batch = {s->queries * s->heads * row, s->group * row, row},
                              .a_row = s->heads * row,
                              .b_batch = {s->capacity * s->kv_width, s->depth, 0},
                              .c_batch = {s->queries * s->heads * depth, s->group * depth, depth},
                              .c_row = s->heads * depth};
}

static tf_value lower_scores(tf_program *p, const sizes *s, tf_value q, tf_value k, tf_result result) {
    tf_matmul_layout layout = rows_by_head(s, s->depth, s->keys);
    layout.k = s->depth;
    layout.n = s->keys;
    layout.b_row = 1;
    layout.b_col = s->kv_width;
    return tf_matmul(p, q, k, -1, layout, tf_dims(s->texts, s->queries, s->heads, s->keys), result);
}

static tf_value lower_context(tf_program *p, const sizes *s, tf_value weight, tf_value v, tf_result result) {
    tf_matmul_layout layout = rows_by_head(s, s->keys, s->depth);
    layout.k = s->keys;
    layout.n = s->depth;
    layout.b_row = s->kv_width;
    layout.b_col = 1;
    return tf_matmul(p, weight, v, -1, layout, tf_dims(s->texts, s->queries, s->heads, s->depth), result);
}

/* A secret mask costs what the variant makes it cost: keys times zero (a product for each element of k), and scores
 * lowered, which is local. */
static tf_value secret_keys(tf_program *p, const sizes *s, const tf_softmax *softmax, tf_value k, tf_value mask) {
    if (p->status || mask < 0) return k;
    if (softmax->padding <= 0 && !softmax->masks_keys)
        return tf_program_fail(p, tf_fail(TF_INVALID, "this variant of attention takes no secret mask"));
    if (!softmax->masks_keys) return k;
    const tf_type *type = tf_type_of(p, k);
    return tf_mul(p, k, tf_reshape(p, mask, tf_dims(s->texts, s->keys, 1)),
                  (tf_result){type->frac, type->bound, false});
}

static tf_value secret_scores(tf_program *p, const sizes *s, const tf_softmax *softmax, tf_value score, tf_value mask) {
    if (p->status || mask < 0 || softmax->padding <= 0) return score;
    tf_value low = tf_scale_int(p, tf_add_const_within(p, mask, -1, 1), (int64_t)softmax->padding);
    return tf_add_within(p, score, tf_reshape(p, low, tf_dims(s->texts, 1, 1, s->keys)), softmax->limit);
}

/* The table is brought to the unit of scores, and to their ring, while it is small. */
static tf_value biased_scores(tf_program *p, const sizes *s, const tf_softmax *softmax, double unit, tf_value score,
                              tf_value table) {
    if (p->status || !s->table) return score;
    if (softmax->mean) return tf_program_fail(p, tf_fail(TF_INVALID, "this variant of attention takes no biases"));
    double bound = softmax->limit;
    const tf_type type = *tf_type_of(p, score);
    size_t *row = calloc(2 * s->keys - 1, sizeof *row);
    if (!row) return tf_program_fail(p, tf_fail(TF_NOMEM, "no memory for %zu distances", s->keys));
    for (size_t i = 0; i < 2 * s->keys - 1; i++) row[i] = row_of_distance((long)i - (long)(s->keys - 1));
    tf_value bias = tf_weight(p, table, p->frac, tf_width(p->frac + 11, tf_default_bound(p)));
    bias = tf_trunc(p, tf_scale_real(p, tf_assume(p, bias, bound * unit), 1 / unit, 11), type.frac);
    bias = tf_relative(p, tf_lift(p, bias, type.bits), s->keys, row);
    free(row);
    return tf_add_within(p, score, bias, bound);
}

/* One over the number of keys of each text that count. */
static tf_value secret_inverse(tf_program *p, const sizes *s, tf_value mask, int frac) {
    tf_value count = tf_sum_axis(p, mask, -1, (double)s->keys);
    return tf_reshape(p, tf_reciprocal(p, count, 1, (double)s->keys, frac), tf_dims(s->texts, 1, 1, 1));
}

/* Probabilities, each query's by what it counts, added up over queries and heads: texts x keys. A product of few
 * results with weights that are lifted already. `inverse`: texts x queries x heads, or 1 where weights are
 * probabilities. */
static tf_value told(tf_program *p, const sizes *s, tf_value weight, tf_value inverse, tf_value counted) {
    enum { FACTOR_FRAC = 14 };
    if (p->status) return -1;
    size_t rows = s->queries * s->heads;
    tf_shape column = tf_dims(s->texts, s->queries, 1, 1);
    if (inverse < 0) {
        tf_value all = tf_mul_leaf(p, weight, counted, column, 0);
        all = tf_sum_axis(p, tf_reshape(p, all, tf_dims(s->texts, rows, s->keys)), 1, tf_default_bound(p));
        return !p->status && tf_type_of(p, all)->frac > p->frac ? tf_trunc(p, all, p->frac) : all;
    }
    inverse = tf_mul_leaf(p, inverse, counted, column, 0);
    if (!p->status && tf_type_of(p, inverse)->frac > FACTOR_FRAC) inverse = tf_trunc(p, inverse, FACTOR_FRAC);
    tf_matmul_layout layout = {.batch = {s->texts},
                               .m = 1,
                               .k = rows,
                               .n = s->keys,
                               .a_batch = {rows},
                               .a_row = rows,
                               .b_batch = {rows * s->keys},
                               .b_row = s->keys,
                               .b_col = 1,
                               .c_batch = {s->keys},
                               .c_row = s->keys};
    return tf_matmul(p, inverse, weight, -1, layout, tf_dims(s->texts, s->keys), (tf_result){p->frac, 0, false});
}

tf_value tf_attention_lower(tf_program *p, const tf_node *node, const tf_value *in) {
    if (p->status) return -1;
    sizes s;
    tf_shape shape[5] = {[4] = {0}};
    for (int i = 0; i < node->inputs; i++)
        shape[i] = tf_leaf_of(p, in[i]) ? tf_leaf_of(p, in[i])->shape : tf_type_of(p, in[i])->shape;
    tf_status status = read_sizes(node, shape, &s);
    if (status) return tf_program_fail(p, status);
    tf_mask mask = {.leaf = s.mask ? in[3] : -1};
    tf_value secret = -1;
    if (s.mask && !tf_leaf_of(p, mask.leaf)) {
        secret = mask.leaf;
        mask = (tf_mask){.leaf = -1, .hidden = true};
        if (shape[3].rank != 2) return tf_program_fail(p, tf_expect_rank("a secret mask", shape[3], 2));
    }
    if (s.counted && (secret >= 0 || !tf_leaf_of(p, in[s.counted])))
        return tf_program_fail(p, tf_fail(TF_INVALID, "what queries count and their mask are public leaves"));
    const tf_softmax *softmax = tf_softmax_of(node);
    const bool mean = softmax->mean && secret < 0; /* the number of keys is secret, too: divided by it afterwards */
    mask.shape = tf_dims(s.texts, s.mask_rows, 1, s.keys);
    int frac = tf_softmax_frac(softmax, p), query_frac = softmax->query;
    int exponent;
    frexp(sqrt((double)s.depth), &exponent);
    const double root = 1 / sqrt((double)s.depth), factor = softmax->lower_unit ? ldexp(1, 1 - exponent) : root,
                 unit = root / factor, largest = mean ? tf_softmax_largest(softmax, p, mask, s.keys) : 1;
    if (mean) query_frac += (int)floor(-log2(largest * factor));          /* smaller queries, smaller scores */
    const int precision = mean ? 14 : query_frac ? 11 : 47 - 2 * p->frac; /* of the scale: what Z_2^64 has room for */
    tf_value scaled = mean ? tf_softmax_scaled(softmax, p, in[0], factor, precision, mask, s.keys,
                                               tf_dims(s.texts, s.mask_rows ? s.mask_rows : 1, 1))
                           : tf_scale_real(p, in[0], factor, precision);
    if (query_frac && tf_type_of(p, scaled)->frac > query_frac) scaled = tf_trunc(p, scaled, query_frac);
    tf_value inverse, k = secret_keys(p, &s, softmax, in[1], secret);
    tf_value score = lower_scores(p, &s, scaled, k, (tf_result){frac, softmax->limit * largest, false});
    score = biased_scores(p, &s, softmax, unit, score, s.table ? in[s.table] : -1);
    score = secret_scores(p, &s, softmax, score, secret);
    const int inverse_frac = p->frac + TF_INVERSE_MORE;
    const unsigned inverse_ring = tf_width(p->frac, tf_default_bound(p)) + (unsigned)inverse_frac;
    tf_weights weights = tf_softmax_weights(softmax, p, node, score, unit, mask, inverse_frac, inverse_ring, &inverse);
    tf_value weight = weights.value, v = in[2];
    /* programs that read the same state keep it in one ring, however each makes its weights */
    const tf_node *state = p->status ? NULL : p->node[v].leaf;
    if (state && state->leaf == TF_LEAF_HELD && weights.most_frac)
        v = tf_lift(p, v, tf_width(p->frac, tf_default_bound(p)) + (unsigned)weights.most_frac);
    if (softmax->mean && secret >= 0) inverse = secret_inverse(p, &s, secret, inverse_frac);
    /* inverses in three exchanges take as long as contexts whose weights are lifted for the product */
    const bool beside = inverse >= 0 && tf_inverse_exchanges(p, inverse) > 2;
    if (beside) tf_begin_beside(p);
    tf_value context =
        lower_context(p, &s, weight, v, (tf_result){p->frac + weights.guard, tf_default_bound(p), false});
    if (beside) tf_end_beside(p);
    if (inverse >= 0 && !softmax->mean) inverse = tf_reshape(p, inverse, tf_dims(s.texts, s.queries, s.heads, 1));
    tf_value attended = s.counted ? told(p, &s, weight, inverse, in[s.counted]) : -1;
    if (inverse >= 0) context = tf_mul(p, context, inverse, (tf_result){p->frac, 0, false});
    if (!s.counted) return tf_reshape(p, context, shape[0]);
    context = tf_reshape(p, context, tf_dims(s.texts, s.queries * s.width));
    return tf_concat(p, 2, (tf_value[]){context, attended}, 1);
}

const tf_example tf_attention_example = {.input = {{TF_LEAF_NONE, "bnw", TF_FILL_RANDOM, 0, 0},
                                                   {TF_LEAF_NONE, "bnw", TF_FILL_RANDOM, 0, 0},
                                                   {TF_LEAF_NONE, "bnw", TF_FILL_RANDOM, 0, 0},
                                                   {TF_LEAF_CONSTANT, "bn", TF_FILL_MASK, 0, 0}},
                                         .attr = {{"heads", 0, 'h'}}};
