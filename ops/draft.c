/** Which proposed tokens agree with those that were chosen: what a pass over proposals may tell. */
#include "ops/draft.h"

#include <math.h>

#include "ops/common.h"
#include "ops/ops.h"
#include "runtime/graph/example.h"
#include "runtime/program/program.h"

enum { MOST_ROWS = 1 + TF_MOST_PROPOSED };

/* chosen, given: texts x rows, whole numbers from 0 on. Row i of `given` is what row i read; rows from 1 on are
 * proposals for what the row before chooses. */
static tf_status infer(const tf_node *node, const tf_shape *shape, tf_shape *out) {
    TF_TRY(tf_expect_rank("what was chosen", shape[0], 2));
    TF_TRY(tf_expect_shape("what was given", shape[1], shape[0]));
    if (shape[0].dim[1] < 2 || shape[0].dim[1] > MOST_ROWS)
        return tf_fail(TF_INVALID, "%zu tokens are proposed; 1 to %d are possible", shape[0].dim[1] - 1,
                       (int)TF_MOST_PROPOSED);
    *out = shape[0];
    return TF_OK;
}

static tf_status plain(const tf_node *node, const tf_array *in, tf_array *out) {
    size_t texts = in[0].shape.dim[0], rows = in[0].shape.dim[1];
    for (size_t text = 0; text < texts; text++) {
        const float *chosen = in[0].data + text * rows, *given = in[1].data + text * rows;
        bool right = true;
        for (size_t i = 0; i < rows; i++) {
            right = right && (i == 0 || given[i] == chosen[i - 1]);
            out->data[text * rows + i] = right ? chosen[i] + 1 : 0;
        }
    }
    return TF_OK;
}

/** How many of the proposals up to each one (texts x n) are wrong: [a != b] is [a < b] + [b < a]. */
static tf_value wrong_so_far(tf_program *p, tf_value chosen, tf_value proposed, double bound) {
    enum { RING = 8 };
    if (p->status) return -1;
    size_t texts = tf_type_of(p, chosen)->shape.dim[0], n = tf_type_of(p, chosen)->shape.dim[1];
    double earlier[TF_MOST_PROPOSED * TF_MOST_PROPOSED] = {0};
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) earlier[i * n + j] = 1;
    tf_value above = tf_add_within(p, chosen, tf_scale_int(p, proposed, -1), bound);
    tf_value both = tf_concat(p, 2, (tf_value[]){above, tf_scale_int(p, above, -1)}, -1);
    tf_value less = tf_bit_to_share(p, tf_negative_soon(p, both, 0), RING, false);
    tf_value wrong = tf_add_within(p, tf_slice(p, less, -1, 0, n), tf_slice(p, less, -1, n, n), 1);
    tf_value all = tf_expand(p, tf_reshape(p, wrong, tf_dims(texts, 1, n)), tf_dims(texts, n, n));
    return tf_sum_axis(p, tf_mul_public(p, all, tf_dims(n, n), earlier, 0), -1, (double)n);
}

static tf_value lower(tf_program *p, const tf_node *node, const tf_value *in) {
    double none[2 * TF_MOST_PROPOSED] = {1}; /* wrong ones so far: then the next token may be told */
    unsigned log = 1;
    if (p->status) return -1;
    size_t n = node->shape.dim[1] - 1;
    int frac = tf_type_of(p, in[0])->frac;
    double bound = fmax(tf_type_of(p, in[0])->bound, tf_type_of(p, in[1])->bound);
    while ((size_t)1 << log <= n) log++;
    tf_value wrong = wrong_so_far(p, tf_slice(p, in[0], 1, 0, n), tf_slice(p, in[1], 1, 1, n), bound);
    tf_value open = tf_assume(p, tf_lookup(p, wrong, log, none, 0, ldexp(bound + 1, frac)), 1);
    tf_value told = tf_add_const_within(p, in[0], 1, bound + 1), first = tf_slice(p, told, 1, 0, 1);
    told = tf_mul(p, tf_slice(p, told, 1, 1, n), open, (tf_result){frac, bound + 1, false});
    return tf_concat(p, 2, (tf_value[]){first, told}, 1);
}

static const tf_example example = {
    .input = {{TF_LEAF_NONE, "b5", TF_FILL_MASK, 0, 0}, {TF_LEAF_NONE, "b5", TF_FILL_MASK, 0, 0}}};

const tf_op tf_draft_ops[] = {
    {.kind = "accepted",
     .variant = "",
     .summary = "of tokens that were chosen at each row, those up to the first that the second input's next row does "
                "not agree with, plus 1; 0 beyond",
     .source = "Leviathan et al. 2023, of one likeliest or drawn token a row",
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer,
     .plain = plain,
     .lower = lower,
     .low = 0,
     .high = 1,
     .private_error = 1e-6,
     .example = &example},
    {0},
};
