#include "runtime/steps/rows/columns.h"

#include <stdlib.h>

#include "runtime/graph/graph.h"

void tf_columns_free(tf_columns *c) {
    free(c->counts);
    free(c->member);
}

tf_status tf_columns_make(const tf_call *call, bool sets, tf_columns *c) {
    const tf_node *leaf = call->node->leaf;
    size_t n = tf_shape_last(tf_type_of(call->program, call->node->input[0])->shape);
    if (leaf && !tf_call_leaf(call)->data)
        return tf_fail(TF_INVALID, "party %d was given no data for %s", call->party->id, leaf->name);
    *c = (tf_columns){.count = n, .counts = malloc(n * sizeof *c->counts)};
    if (sets) c->member = malloc(n * sizeof *c->member);
    if (!c->counts || (sets && !c->member)) {
        tf_columns_free(c);
        return tf_fail(TF_NOMEM, "no memory for the sets of %zu columns", n);
    }
    if (sets) tf_parity_sets(n, c->member);
    return TF_OK;
}

void tf_columns_of_row(const tf_call *call, size_t row, tf_columns *c) {
    const tf_step_node *node = call->node;
    const tf_ceiling_args *args = tf_args(tf_ceiling_args, node);
    tf_shape shape = tf_type_of(call->program, node->input[0])->shape;
    size_t position = tf_odometer_at(shape, args->stride, row * c->count).position, chosen = 0;
    if (c->known && c->position == position) return;
    const float *leaf = node->leaf ? tf_call_leaf(call)->data : NULL;
    for (size_t i = 0; i < c->count; i++) {
        size_t at = position + i * (size_t)args->stride[shape.rank - 1];
        bool counts = !args->masked || (leaf ? leaf[at] != 0 : node->data[at] != 0);
        c->counts[i] = -(uint64_t)counts;
        chosen += counts;
    }
    for (size_t k = 0; k < TF_SAMPLES; k++) {
        size_t left = args->first ? 0 : k * chosen / TF_SAMPLES, i = 0;
        while (chosen && (!c->counts[i] || left)) left -= c->counts[i++] & 1;
        c->sample[k] = i;
    }
    c->position = position;
    c->known = true;
}

uint64_t tf_row_reference(const tf_call *call, int j, size_t row, const tf_columns *c) {
    const tf_ceiling_args *args = tf_args(tf_ceiling_args, call->node);
    const uint64_t *x = call->in[0].c[j] + row * c->count;
    uint64_t sum = 0;
    for (size_t k = 0; k < TF_SAMPLES; k++) sum += x[c->sample[k]];
    return (sum & tf_mask((unsigned)(args->segment + args->log) + TF_SAMPLES_LOG)) >> TF_SAMPLES_LOG;
}

tf_value tf_columns_mask(tf_program *p, tf_value v, const struct tf_node *leaf) {
    if (!leaf || v < 0) return v;
    if (leaf->leaf == TF_LEAF_PUBLIC) {
        p->node[v].leaf = leaf;
        return v;
    }
    size_t count = tf_shape_count(leaf->shape);
    int64_t *data = tf_append_data(p, v, count);
    for (size_t i = 0; i < count && data; i++) data[i] = leaf->data[i] != 0;
    return data ? v : -1;
}
