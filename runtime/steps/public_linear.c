/* Products with a public matrix (an open model): every party multiplies the components it holds; nothing is sent. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/graph/graph.h"
#include "runtime/steps/steps.h"

/** Sizes, and fractional bits of the weight. Data: the bias; leaf: the weight. */
typedef struct public_linear_args {
    int64_t rows, in, out, frac;
} public_linear_args;

static tf_status public_linear_whole(tf_call *call, int phase) {
    const tf_step_node *node = call->node;
    const tf_kernels *kernels = call->party->kernels;
    const public_linear_args *args = tf_args(public_linear_args, node);
    size_t rows = (size_t)args->rows, in = (size_t)args->in, out = (size_t)args->out;
    const float *data = tf_call_leaf(call)->data;
    if (!data)
        return tf_fail(TF_INVALID, "party %d does not hold the public weight %s", call->party->id, node->leaf->name);
    uint64_t *weight = malloc(in * out * sizeof *weight);
    const size_t room = kernels->matmul_scratch(rows, in);
    void *scratch = aligned_alloc(64, room);
    tf_packed *packed = NULL;
    if (weight) {
        for (size_t i = 0; i < in * out; i++) weight[i] = (uint64_t)llrint(ldexp(data[i], (int)args->frac));
        packed = kernels->pack(weight, NULL, in, out, 1, in, node->type.bits);
    }
    if (scratch && packed) {
        for (int j = 0; j < 2; j++) {
            uint64_t *c = call->out.c[j];
            memset(c, 0, rows * out * sizeof *c);
            kernels->matmul(rows, call->in[0].c[j], NULL, in, packed, c, out, scratch);
            if (node->data && tf_component_of(call->party->id, j) == 0)
                for (size_t i = 0; i < rows * out; i++) c[i] += (uint64_t)node->data[i % out];
        }
    }
    tf_status status = scratch && packed ? TF_OK : tf_fail(TF_NOMEM, "no memory for the weight %s", node->leaf->name);
    tf_packed_free(packed);
    free(weight);
    if (scratch) explicit_bzero(scratch, room);
    free(scratch);
    return status;
}

static const tf_step public_linear_step = {
    .name = "public_linear", .summary = "product with a public matrix", .whole = public_linear_whole};

int tf_linear_frac(const tf_program *p, tf_value x) {
    int more = tf_type_of(p, x)->frac - p->frac;
    return more > 0 && more < p->frac / 2 ? p->frac - more : p->frac;
}

tf_value tf_public_linear(tf_program *p, tf_value x, const tf_node *weight, const tf_node *bias, tf_result result) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, x);
    size_t in = weight->shape.dim[1], out = weight->shape.dim[0], rows = tf_shape_count(type.shape) / in;
    int weight_frac = tf_linear_frac(p, x), frac = type.frac + weight_frac;
    double bound = result.bound > 0 ? result.bound : tf_default_bound(p);
    x = tf_lift(p, x, tf_width(frac, bound));
    type = *tf_type_of(p, x);
    type.frac = frac;
    type.bound = bound;
    type.zero = -1;
    type.shape.dim[type.shape.rank - 1] = out;
    public_linear_args args = {.rows = (int64_t)rows, .in = (int64_t)in, .out = (int64_t)out, .frac = weight_frac};
    tf_value v = tf_append_args(p, &public_linear_step, type, 1, &x, &args, sizeof args);
    if (v < 0) return -1;
    p->node[v].leaf = weight;
    if (bias && bias->data) {
        int64_t *data = tf_append_data(p, v, out);
        if (!data) return -1;
        for (size_t i = 0; i < out; i++) data[i] = llrint(ldexp(bias->data[i], frac));
    }
    return tf_trunc(p, v, result.frac);
}
