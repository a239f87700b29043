/** BERT (Devlin et al. 2019): LayerNorms after the residual sums; a classifier on a pooled first token. */
#include <string.h>

#include "models/encoder.h"
#include "models/family.h"

static tf_status read_bert(const tf_json_source *from, tf_config *c) {
    const tf_json_key sizes[] = {
        {"hidden_size", 16384, &c->hidden},       {"num_hidden_layers", 128, &c->layers},
        {"num_attention_heads", 1024, &c->heads}, {"intermediate_size", 65536, &c->intermediate},
        {"vocab_size", 1 << 20, &c->vocabulary},  {"max_position_embeddings", 65536, &c->positions},
        {"type_vocab_size", 1024, &c->types},
    };
    const tf_json_only only[] = {{"position_embedding_type", "absolute"}, {"is_decoder", "false"}};
    TF_TRY(tf_json_check_only(from, only, sizeof only / sizeof *only));
    TF_TRY(tf_json_sizes(from, sizes, sizeof sizes / sizeof *sizes));
    if (c->hidden % c->heads)
        return tf_fail(TF_FORMAT, "%s: \"hidden_size\" %zu is not a multiple of \"num_attention_heads\" %zu",
                       from->path, c->hidden, c->heads);
    size_t pad = 0;
    TF_TRY(tf_json_optional_size(from, "pad_token_id", 0, c->vocabulary - 1, &pad));
    c->pad_token = (int32_t)pad;
    c->layer_norm_eps = 1e-12; /* as Hugging Face: files of 2019 lack it */
    return tf_json_optional_real(from, "layer_norm_eps", 0.1, &c->layer_norm_eps);
}

static tf_id head(tf_builder *b, tf_stream x) {
    size_t hidden = b->config->hidden;
    tf_dense classifier = {.name = "classifier", .in = hidden, .out = b->config->labels};
    tf_graph_scope(b->graph, "%s", "");
    if (b->config->sentence_head || b->config->head == TF_HEAD_EMBEDDING) {
        tf_id sentence = tf_sentence_embedding(b, tf_block_value_of(b, x, false));
        return b->config->sentence_head ? tf_block_dense(b, tf_block_values(sentence), classifier) : sentence;
    }
    x.n = tf_graph_op(b->graph, "first_token", "", "pooler.first_token", TF_IN(x.n), TF_NO_ATTRS);
    tf_id pooled = tf_block_dense(b, x, (tf_dense){.name = "pooler.dense", .in = hidden, .out = hidden});
    pooled = tf_graph_op(b->graph, "tanh", "", "pooler.tanh", TF_IN(pooled), TF_NO_ATTRS);
    return tf_block_dense(b, tf_block_values(pooled), classifier);
}

static tf_id build(tf_builder *b) {
    return head(b, tf_encoder_layers(b, tf_encoder_embeddings(b)));
}

const tf_family tf_bert_family = {
    .name = "bert",
    .model_types = (const char *const[]){"bert", NULL},
    .prefixes = (const char *const[]){"bert.", NULL},
    .read = read_bert,
    .heads = (const struct tf_family_head[]){{"BertForSequenceClassification", TF_HEAD_CLASSIFIER},
                                             {"BertModel", TF_HEAD_EMBEDDING},
                                             {NULL, 0}},
    .build = build,
};
