#include "models/decoder.h"

#include <stdio.h>
#include <string.h>

#include "models/fold.h"

static bool inert(const tf_builder *b) {
    return b->graph->status != TF_OK;
}

/* Products of several layers --------------------------------------------------------------------------------------- */

enum { PARTS = 3 };

typedef struct joined {
    const float *part[PARTS];
    size_t count[PARTS];
    int parts;
} joined;

static void join(const void *context, float *out) {
    const joined *j = context;
    for (int i = 0; i < j->parts; i++) {
        memcpy(out, j->part[i], j->count[i] * sizeof *out);
        out += j->count[i];
    }
}

/* `norm`: what is folded in, which may differ between two graphs of one file. */
static tf_status join_parts(const tf_builder *b, const char *name, const char *norm, const joined *parts,
                            const float **data) {
    char key[320];
    size_t count = 0;
    for (int i = 0; i < parts->parts; i++) count += parts->count[i];
    snprintf(key, sizeof key, "%s%s, joined after %s", b->graph->scope, name, norm);
    return tf_safetensors_derive(b->tensors.file, key, count, TF_WEIGHT_LIMIT, join, parts, data);
}

/* The data of all parts, folded where the builder folds. */
static tf_status fused_data(const tf_builder *b, tf_activations x, const tf_fused *f, const char *weight,
                            const char *bias, const float **w, const float **v) {
    joined weights = {.parts = 0}, biases = {.parts = 0};
    if (!b->tensors.file) return TF_OK;
    for (int i = 0; i < PARTS && f->part[i]; i++) {
        char full[sizeof b->graph->scope + 64];
        tf_fold fold = {.name = full,
                        .norm = x.norm,
                        .in = f->in,
                        .out = f->out[i],
                        .biased = f->biased,
                        .shifted = x.shifted && *x.norm};
        snprintf(full, sizeof full, "%s%s", b->graph->scope, f->part[i]);
        TF_TRY(tf_fold_linear(&b->tensors, TF_WEIGHT_LIMIT, &fold));
        weights.part[weights.parts] = fold.weight, weights.count[weights.parts++] = f->in * f->out[i];
        biases.part[biases.parts] = fold.bias, biases.count[biases.parts++] = f->out[i];
    }
    TF_TRY(join_parts(b, weight, x.norm, &weights, w));
    return biases.part[0] ? join_parts(b, bias, x.norm, &biases, v) : TF_OK;
}

tf_id tf_decoder_fused(tf_builder *b, tf_activations x, const tf_fused *f, tf_id angles, size_t rotated) {
    tf_leaf leaf = b->public_weights ? TF_LEAF_PUBLIC_WEIGHT : TF_LEAF_WEIGHT;
    char weight[80], bias[80];
    const float *w = NULL, *v = NULL;
    size_t out = 0;
    int inputs = 0;
    tf_id in[4];
    if (inert(b)) return -1;
    for (int i = 0; i < PARTS && f->part[i]; i++) out += f->out[i];
    snprintf(weight, sizeof weight, "%s.weight", f->name);
    snprintf(bias, sizeof bias, "%s.bias", f->name);
    tf_status status = fused_data(b, x, f, weight, bias, &w, &v);
    if (status != TF_OK) return tf_graph_fail(b->graph, status);
    in[inputs++] = x.n;
    in[inputs++] = tf_graph_leaf(b->graph, leaf, weight, tf_dims(out, f->in), w);
    if (angles >= 0) in[inputs++] = angles;
    if (f->biased || (x.shifted && *x.norm)) in[inputs++] = tf_graph_leaf(b->graph, leaf, bias, tf_dims(out), v);
    if (angles < 0) return tf_graph_op(b->graph, "linear", "", f->name, inputs, in, TF_NO_ATTRS);
    return tf_graph_op(b->graph, "rotary_linear", "", f->name, inputs, in, TF_ATTRS({"rotated", (double)rotated}));
}

/* Parts of layers -------------------------------------------------------------------------------------------------- */

tf_activations tf_decoder_rms_norm(tf_builder *b, tf_id x, tf_norm norm) {
    tf_attr eps = {"eps", b->config->layer_norm_eps};
    tf_activations out = {.n = -1};
    if (b->fold) {
        snprintf(out.norm, sizeof out.norm, "%s%s", b->graph->scope, norm.name);
        out.n = tf_block_approximated(b, "rmsnorm", norm.place, norm.layer, norm.name, TF_IN(x), 1, &eps);
        return out;
    }
    char gamma[80];
    snprintf(gamma, sizeof gamma, "%s.weight", norm.name);
    tf_id g = tf_block_weight(b, gamma, tf_dims(b->config->hidden));
    out.n = tf_block_approximated(b, "rmsnorm", norm.place, norm.layer, norm.name, TF_IN(x, g), 1, &eps);
    return out;
}

tf_id tf_decoder_columns(tf_builder *b, const char *name, tf_id x, size_t first, size_t count) {
    return tf_graph_op(b->graph, "columns", "", name, TF_IN(x),
                       TF_ATTRS({"first", (double)first}, {"count", (double)count}));
}

tf_decoder_pass tf_decoder_begin(tf_builder *b) {
    const tf_decoding *d = b->batch->decoding;
    tf_decoder_pass pass = {.angles = -1};
    pass.mask = tf_graph_public(b->graph, "mask", tf_dims(d->texts, d->rows, d->capacity), 1, d->mask);
    pass.last_mask = pass.mask;
    if (d->rows > 1)
        pass.last_mask = tf_graph_public(b->graph, "last_mask", tf_dims(d->texts, 1, d->capacity), 1, d->last_mask);
    if (d->keep) {
        pass.counted = tf_graph_public(b->graph, "counted", tf_dims(d->texts, d->rows), 1, d->counted);
        pass.last_counted = pass.counted;
        if (d->rows > 1)
            pass.last_counted = tf_graph_public(b->graph, "last_counted", tf_dims(d->texts, 1), 1, d->last_counted);
    }
    if (d->angles)
        pass.angles = tf_graph_public(b->graph, "angles", tf_dims(d->texts, d->rows, tf_head_dim(b->config)),
                                      TF_ANGLE_BOUND, d->angles);
    return pass;
}

bool tf_decoder_last_only(const tf_builder *b, int layer) {
    const tf_decoding *d = b->batch->decoding;
    return (size_t)layer + 1 == b->config->layers && d->rows > 1 && !d->every_row;
}

tf_id tf_decoder_last_token(tf_builder *b, const char *name, tf_id x, bool last_only) {
    return last_only ? tf_graph_op(b->graph, "last_token", "", name, TF_IN(x), TF_NO_ATTRS) : x;
}

/* What the rows of a pass attend to, and how much they attended to each key: of a text all rows' outputs, then a number
 * a key. The rows that matter most go to the caches that what follows reads. */
static tf_id evicting_attention(tf_builder *b, const tf_decoder_pass *pass, const char *name, const tf_id *in,
                                bool last, int attrs, const tf_attr *attr, int layer) {
    const tf_decoding *d = b->batch->decoding;
    size_t rows = last ? 1 : d->rows, width = b->config->heads * tf_head_dim(b->config), most = TF_COUNTED;
    tf_id all = tf_block_approximated(b, "attention", "softmax", layer, "attended",
                                      TF_IN(in[0], in[1], in[2], in[3], last ? pass->last_counted : pass->counted),
                                      attrs, attr);
    tf_id y = tf_decoder_columns(b, "attention_rows", all, 0, rows * width);
    tf_id attention = tf_decoder_columns(b, "attention_to_keys", all, rows * width, d->capacity);
    tf_id choice = tf_graph_op(b->graph, "most_attended", "", "kept", TF_IN(attention, pass->last_mask),
                               TF_ATTRS({"count", (double)d->keep}, {"frac", 8},
                                        {"bound", (double)((most < rows ? most : rows) * b->config->heads + 1)}));
    static const char *const picked[] = {"kept_keys", "kept_values"}, *const caches[] = {"keys", "values"};
    for (int i = 0; i < 2; i++)
        tf_graph_append(b->graph, caches[i],
                        tf_graph_op(b->graph, "pick", "", picked[i], TF_IN(choice, in[1 + i]), TF_NO_ATTRS), 1,
                        d->keep);
    return tf_graph_op(b->graph, "split_rows", "", name, TF_IN(y), TF_ATTRS({"rows", (double)rows}));
}

tf_id tf_decoder_attention(tf_builder *b, const tf_decoder_pass *pass, const char *name, tf_heads heads, int layer) {
    const tf_config *c = b->config;
    const tf_decoding *d = b->batch->decoding;
    bool last = tf_decoder_last_only(b, layer);
    tf_id q = tf_decoder_last_token(b, "last_query", heads.query, last);
    tf_id k = tf_graph_append(b->graph, d->reads ? "keys" TF_OF_PROMPT : "keys", heads.key, 1, d->capacity);
    tf_id v = tf_graph_append(b->graph, d->reads ? "values" TF_OF_PROMPT : "values", heads.value, 1, d->capacity);
    tf_id in[] = {q, k, v, last ? pass->last_mask : pass->mask};
    tf_attr attr[] = {
        {"heads", (double)c->heads}, {"kv_heads", (double)(c->kv_heads ? c->kv_heads : c->heads)}, {"tells", 1}};
    if (d->keep) return evicting_attention(b, pass, name, in, last, 3, attr, layer);
    return tf_block_approximated(b, "attention", "softmax", layer, name, 4, in, 2, attr);
}

tf_id tf_decoder_tokens(tf_builder *b, const char *table) {
    tf_id rows = tf_block_weight(b, table, tf_dims(b->config->vocabulary, b->config->hidden));
    tf_id tokens = tf_block_ids(b, "tokens", false);
    return tf_graph_op(b->graph, "embedding", "", "embedded_tokens", TF_IN(tokens, rows), TF_ATTRS({"singly", 1}));
}

tf_id tf_decoder_head(tf_builder *b, tf_activations x, const char *table) {
    if (b->batch->decoding->no_head) return x.n;
    tf_fused head = {.name = "lm_head",
                     .part = {b->config->tie_word_embeddings ? table : "lm_head"},
                     .in = b->config->hidden,
                     .out = {b->config->vocabulary}};
    return tf_decoder_fused(b, x, &head, -1, 0);
}
