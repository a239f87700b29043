#include "models/model.h"

#include <errno.h>
#include <sys/stat.h>

#include "ops/ops.h"
#include "tests/support/scratch.h"

TestSuite(config, .init = scratch_make, .fini = scratch_remove);

static const char *const base[][2] = {
    {"architectures", "[\"BertForSequenceClassification\"]"},
    {"model_type", "\"bert\""},
    {"hidden_act", "\"gelu\""},
    {"hidden_size", "128"},
    {"intermediate_size", "512"},
    {"num_hidden_layers", "2"},
    {"num_attention_heads", "4"},
    {"max_position_embeddings", "64"},
    {"type_vocab_size", "2"},
    {"vocab_size", "1000"},
    {"layer_norm_eps", "1e-7"},
    {"pad_token_id", "5"},
    {"id2label", "{\"0\": \"no\", \"1\": \"yes\", \"2\": \"caf\xc3\xa9\"}"},
};

/* Writes config.json as above, with one key changed, added, or left out (NULL). */
static const char *write_config(const char *key, const char *value) {
    char text[8192] = "{";
    bool found = false;
    for (size_t i = 0; i < sizeof base / sizeof *base; i++) {
        const char *v = base[i][1];
        if (key && !strcmp(key, base[i][0])) found = true, v = value;
        if (!v) continue;
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s\"%s\": %s", text[1] ? ", " : "", base[i][0], v);
    }
    if (key && !found) snprintf(text + strlen(text), sizeof text - strlen(text), ", \"%s\": %s", key, value);
    strcat(text, "}");
    return scratch_text("config.json", text);
}

static void read_config(const char *key, const char *value, tf_config *config) {
    write_config(key, value);
    works(tf_config_read(scratch, config));
}

Test(config, a_classifier) {
    tf_config c;
    read_config("unknown_key", "[1, {}]", &c);
    cr_assert(c.hidden == 128 && c.intermediate == 512 && c.layers == 2 && c.heads == 4 && c.positions == 64 &&
              c.types == 2 && c.vocabulary == 1000 && c.pad_token == 5 && c.layer_norm_eps == 1e-7);
    cr_assert(c.head == TF_HEAD_CLASSIFIER && !c.sentence_head && c.labels == 3 && !*c.approx);
    cr_assert_str_eq(c.label[0], "no");
    cr_assert_str_eq(c.label[2], "caf\xc3\xa9");
    tf_config_free(&c);
    tf_config_free(&c); /* harmless */
}

Test(config, keys_that_may_be_missing) {
    tf_config c;
    read_config("layer_norm_eps", NULL, &c);
    cr_assert_eq(c.layer_norm_eps, 1e-12);
    tf_config_free(&c);
    read_config("pad_token_id", "null", &c);
    cr_assert_eq(c.pad_token, 0);
    tf_config_free(&c);
    read_config("architectures", NULL, &c);
    cr_assert(c.head == TF_HEAD_EMBEDDING && c.labels == 0 && !c.label);
    tf_config_free(&c);
    read_config("architectures", "[\"BertModel\"]", &c);
    cr_assert(c.head == TF_HEAD_EMBEDDING);
    tf_config_free(&c);
    read_config("id2label", NULL, &c);
    cr_assert(c.labels == 2 && !c.label);
    tf_config_free(&c);
    read_config("num_labels", "3", &c);
    cr_assert_eq(c.labels, 3);
    tf_config_free(&c);
    read_config("position_embedding_type", "\"absolute\"", &c);
    tf_config_free(&c);
}

Test(config, what_trefoil_adds) {
    tf_config c;
    read_config("trefoil_head", "\"sentence_linear\"", &c);
    cr_assert(c.sentence_head && c.head == TF_HEAD_CLASSIFIER && c.labels == 3);
    tf_config_free(&c);
    read_config("trefoil_approx", "\"paper,layernorm@1=exact\"", &c);
    cr_assert_str_eq(c.approx, "paper,layernorm@1=exact");
    tf_config_free(&c);
}

Test(config, activations) {
    static const char *const known[] = {"gelu", "relu", "silu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu"};
    tf_config c;
    char value[64];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        snprintf(value, sizeof value, "\"%s\"", known[i]);
        read_config("hidden_act", value, &c);
        cr_assert_str_eq(c.activation, known[i]);
        tf_config_free(&c);
    }
}

Test(config, another_activation_only_with_its_approximation) {
    tf_config c;
    write_config("hidden_act", "\"quad\"");
    fails(tf_config_read(scratch, &c), TF_FORMAT, "\"hidden_act\" is \"quad\"");
    write_config("hidden_act", "\"quad\", \"trefoil_approx\": \"gelu=quad\"");
    works(tf_config_read(scratch, &c));
    tf_config_free(&c);
    write_config("hidden_act", "\"quad\", \"trefoil_approx\": \"softmax=relu\"");
    fails(tf_config_read(scratch, &c), TF_FORMAT, "\"hidden_act\" is \"quad\"");
    write_config("hidden_act", "\"exact\", \"trefoil_approx\": \"\"");
    fails(tf_config_read(scratch, &c), TF_FORMAT, "\"hidden_act\" is \"exact\"");
    write_config("hidden_act", "\"\"");
    fails(tf_config_read(scratch, &c), TF_FORMAT, "\"hidden_act\" is \"\"");
}

Test(config, wrong_values) {
    static const char *const cases[][3] = {
        {"model_type", NULL, "\"model_type\" is missing"},
        {"model_type", "\"t5\"", "\"model_type\" is \"t5\""},
        {"model_type", "3", "\"model_type\" is not a string"},
        {"model_type", "\"\\u001b[2J\"", "\"model_type\" holds control"},
        {"architectures", "\"BertModel\"", "\"architectures\" is not a list"},
        {"architectures", "[]", "\"architectures\" is not a list"},
        {"architectures", "[7]", "\"architectures\" is not a list"},
        {"architectures", "[\"BertForMultipleChoice\"]", "\"architectures\" names \"BertForMultipleChoice\""},
        {"is_decoder", "true", "\"is_decoder\" is true; only false"},
        {"hidden_act", NULL, "\"hidden_act\" is missing"},
        {"hidden_act", "\"mish\"", "\"hidden_act\" is \"mish\"; supported are \"gelu\""},
        {"hidden_size", NULL, "\"hidden_size\" is missing"},
        {"hidden_size", "null", "\"hidden_size\" is missing"},
        {"hidden_size", "\"128\"", "\"hidden_size\" is not an integer"},
        {"hidden_size", "128.0", "\"hidden_size\" is not an integer"},
        {"hidden_size", "true", "\"hidden_size\" is not an integer"},
        {"hidden_size", "0", "\"hidden_size\" is 0, outside 1..16384"},
        {"hidden_size", "-128", "\"hidden_size\" is -128"},
        {"hidden_size", "16388", "\"hidden_size\" is 16388"},
        {"hidden_size", "9223372036854775807", "\"hidden_size\" is 9223372036854775807"},
        {"hidden_size", "130", "\"hidden_size\" 130 is not a multiple of \"num_attention_heads\" 4"},
        {"num_hidden_layers", "0", "\"num_hidden_layers\" is 0"},
        {"num_hidden_layers", "129", "outside 1..128"},
        {"num_attention_heads", "0", "\"num_attention_heads\" is 0"},
        {"num_attention_heads", NULL, "\"num_attention_heads\" is missing"},
        {"intermediate_size", "-1", "\"intermediate_size\" is -1"},
        {"intermediate_size", "65537", "\"intermediate_size\" is 65537"},
        {"vocab_size", "1048577", "\"vocab_size\" is 1048577"},
        {"vocab_size", NULL, "\"vocab_size\" is missing"},
        {"max_position_embeddings", "65537", "\"max_position_embeddings\" is 65537"},
        {"max_position_embeddings", "[512]", "\"max_position_embeddings\" is not an integer"},
        {"type_vocab_size", "0", "\"type_vocab_size\" is 0"},
        {"layer_norm_eps", "\"tiny\"", "\"layer_norm_eps\" is not a number"},
        {"layer_norm_eps", "0", "\"layer_norm_eps\" is 0"},
        {"layer_norm_eps", "-1e-12", "\"layer_norm_eps\" is -1e-12"},
        {"layer_norm_eps", "1", "\"layer_norm_eps\" is 1"},
        {"pad_token_id", "-1", "\"pad_token_id\" is -1"},
        {"pad_token_id", "1000", "\"pad_token_id\" is 1000, outside 0..999"},
        {"position_embedding_type", "\"relative_key\"", "\"position_embedding_type\" is \"relative_key\""},
        {"id2label", "[\"a\"]", "\"id2label\" is not an object"},
        {"id2label", "{}", "\"id2label\" is not an object of 1"},
        {"id2label", "{\"0\": \"a\", \"2\": \"b\"}", "\"id2label\" has no printable label \"1\""},
        {"id2label", "{\"0\": \"a\", \"1\": 5}", "label \"1\""},
        {"id2label", "{\"0\": \"a\\nb\"}", "label \"0\""},
        {"id2label", "{\"00\": \"a\"}", "label \"0\""},
        {"num_labels", "4", "\"num_labels\" is 4, but \"id2label\" has 3 labels"},
        {"num_labels", "0", "\"num_labels\" is 0"},
        {"trefoil_head", "\"other\"", "\"trefoil_head\" is \"other\""},
        {"trefoil_head", "1", "\"trefoil_head\" is not a string"},
        {"trefoil_approx", "\"gelu\"", "\"trefoil_approx\""},
        {"trefoil_approx", "{}", "\"trefoil_approx\" is not a string"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tf_config c;
        const char *path = write_config(cases[i][0], cases[i][1]);
        cr_assert_eq(tf_config_read(scratch, &c), TF_FORMAT, "%s: %s", cases[i][0], cases[i][1]);
        cr_assert(strstr(tf_error(), cases[i][2]), "%s lacks %s", tf_error(), cases[i][2]);
        cr_assert(strstr(tf_error(), path), "%s", tf_error());
    }
    char approx[5000];
    memset(approx, 'a', sizeof approx);
    approx[0] = approx[4998] = '"', approx[4999] = 0;
    tf_config c;
    write_config("trefoil_approx", approx);
    fails(tf_config_read(scratch, &c), TF_FORMAT, "\"trefoil_approx\" is too long");
}

Test(config, files_that_are_no_config) {
    tf_config c;
    fails(tf_config_read(scratch, &c), TF_IO, "config.json");
    fails(tf_config_read(scratch_path("none"), &c), TF_IO, "none/config.json");
    const char *broken[] = {"", "{", "[]", "3", "{\"a\": 1, \"a\": 2}", "{\"hidden_size\": 1e999}", "{} {}"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        scratch_text("config.json", broken[i]);
        fails(tf_config_read(scratch, &c), TF_FORMAT, "JSON");
    }
    remove(scratch_path("config.json"));
    cr_assert(!mkfifo(scratch_path("config.json"), 0600));
    fails(tf_config_read(scratch, &c), TF_IO, "not a regular file");
}

Test(config, named_architectures) {
    static const struct {
        const char *name;
        size_t layers, hidden, heads, intermediate;
    } cases[] = {{"bert-tiny", 2, 128, 2, 512},    {"bert-mini", 4, 256, 4, 1024},
                 {"bert-small", 4, 512, 8, 2048},  {"bert-medium", 8, 512, 8, 2048},
                 {"bert-base", 12, 768, 12, 3072}, {"bert-large", 24, 1024, 16, 4096}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tf_config c;
        works(tf_config_named(cases[i].name, &c));
        cr_assert(c.layers == cases[i].layers && c.hidden == cases[i].hidden && c.heads == cases[i].heads &&
                  c.intermediate == cases[i].intermediate && c.vocabulary == 30522 && c.positions == 512 &&
                  c.types == 2 && c.head == TF_HEAD_EMBEDDING && c.layer_norm_eps == 1e-12);
        tf_config_free(&c);
    }
    tf_config c;
    fails(tf_config_named("bert-huge", &c), TF_INVALID, "bert-huge");
}

/* ---- What stands beside config.json ---- */

static void check_sentence(const char *file, const char *text, tf_status status, const char *message) {
    tf_config c;
    write_config("architectures", "[\"BertModel\"]");
    scratch_text("modules.json", "[{\"path\": \"\", \"type\": \"sentence_transformers.models.Transformer\"},\n"
                                 "{\"path\": \"1_Pooling\", \"type\": \"sentence_transformers.models.Pooling\"},\n"
                                 "{\"path\": \"2_Normalize\", \"type\": \"sentence_transformers.models.Normalize\"}]");
    cr_assert(!mkdir(scratch_path("1_Pooling"), 0777) || errno == EEXIST);
    scratch_text("1_Pooling/config.json", "{\"word_embedding_dimension\": 128, \"pooling_mode_cls_token\": true}");
    scratch_text("sentence_bert_config.json", "{\"max_seq_length\": 48}");
    scratch_text("config_sentence_transformers.json", "{\"default_prompt_name\": null}");
    if (text)
        scratch_text(file, text);
    else
        remove(scratch_path(file));
    if (status) {
        fails(tf_config_read(scratch, &c), status, message);
        cr_assert(strstr(tf_error(), scratch_path(file)), "%s", tf_error());
        return;
    }
    works(tf_config_read(scratch, &c));
    cr_assert(c.pooling == TF_POOL_FIRST && !c.unnormalised && tf_model_longest(&c) == 48);
    tf_config_free(&c);
}

Test(config, sentence_transformers) {
    check_sentence("none.json", "", TF_OK, NULL);
    check_sentence("modules.json", "{}", TF_FORMAT, "not a JSON list");
    check_sentence("modules.json", "[]", TF_FORMAT, "no Transformer or no Pooling module");
    check_sentence("modules.json", "[{\"path\": \"\", \"type\": \"x.CLIPModel\"}]", TF_FORMAT, "\"x.CLIPModel\"");
    check_sentence("modules.json", "[{\"path\": \"../a\", \"type\": \"x.Pooling\"}]", TF_FORMAT, "\"path\"");
    check_sentence("1_Pooling/config.json", NULL, TF_IO, "is missing");
    check_sentence("1_Pooling/config.json", "{}", TF_FORMAT, "0 pooling modes");
    check_sentence("1_Pooling/config.json", "{\"pooling_mode_cls_token\": true, \"pooling_mode_max_tokens\": true}",
                   TF_FORMAT, "2 pooling modes");
    check_sentence("1_Pooling/config.json", "{\"word_embedding_dimension\": 9, \"pooling_mode_cls_token\": true}",
                   TF_FORMAT, "\"word_embedding_dimension\" is 9");
    check_sentence("1_Pooling/config.json", "{\"pooling_mode\": \"median\"}", TF_FORMAT,
                   "\"pooling_mode\" is \"median\"");
    check_sentence("sentence_bert_config.json", "{\"do_lower_case\": true}", TF_FORMAT, "\"do_lower_case\" is true");
    check_sentence("config_sentence_transformers.json", "{\"default_prompt_name\": \"query\"}", TF_FORMAT,
                   "\"default_prompt_name\"");
}

Test(config, problems) {
    tf_config c;
    read_config("problem_type", "\"multi_label_classification\"", &c);
    cr_assert_eq(c.problem, TF_PROBLEM_MULTI);
    tf_config_free(&c);
    read_config("problem_type", "null", &c);
    cr_assert_eq(c.problem, TF_PROBLEM_SINGLE);
    tf_config_free(&c);
    read_config("id2label", "{\"0\": \"score\"}", &c);
    cr_assert_eq(c.problem, TF_PROBLEM_REGRESSION);
    tf_config_free(&c);
    write_config("problem_type", "\"ranking\"");
    fails(tf_config_read(scratch, &c), TF_FORMAT, "\"problem_type\" is \"ranking\"");
}

Test(config, a_head_that_no_architecture_names) {
    static const float zeros[3 * 128];
    const size_t length = 1;
    const tf_batch batch = {.texts = 1, .length = 1, .lengths = &length};
    tf_safetensors *file;
    tf_approx approx;
    tf_graph graph;
    tf_config c;
    works(tf_ops_register());
    works(tf_approx_parse("exact", &approx));
    read_config("architectures", NULL, &c);
    works(tf_safetensors_write(
        scratch_path("model.safetensors"),
        &(tf_tensor_source){.name = "classifier.weight", .shape = tf_dims(3, 128), .data = zeros}, 1));
    works(tf_safetensors_open(scratch, &file));
    fails(tf_model_build(&c, &approx, &batch, file, false, &graph), TF_FORMAT, "\"architectures\" is missing");
    tf_safetensors_close(file);
    tf_config_free(&c);
}

/* What other networks of these families have in their files is refused where it says something, by its name. */
Test(config, keys_that_matter) {
    static const char *const refused[][2] = {{"quantization_config", "{\"bits\": 4}"},
                                             {"rope_theta", "10000.0"},
                                             {"rope_scaling", "{\"type\": \"linear\", \"factor\": 2}"},
                                             {"alibi", "true"},
                                             {"attention_type", "\"block_sparse\""},
                                             {"embedding_type", "\"hash\""},
                                             {"scale_attn_by_inverse_layer_idx", "true"},
                                             {"attn_logit_softcapping", "50.0"},
                                             {"pruned_heads", "{\"0\": [1]}"},
                                             {"relative_attention", "true"},
                                             {"pos_att_type", "[\"p2c\"]"},
                                             {"attention_window", "[512, 512]"},
                                             {"num_experts", "8"},
                                             {"layer_types", "[\"full_attention\", \"sliding_attention\"]"},
                                             {"use_bias", "false"},
                                             {"position_biased_input", "0"},
                                             {"logits_scaling", "8.0"},
                                             {"pruned_heads", "\"\\u001b[2J\""}};
    static const char *const fine[][2] = {{"quantization_config", "null"},
                                          {"pruned_heads", "{}"},
                                          {"alibi", "false"},
                                          {"attention_type", "\"original_full\""},
                                          {"use_bias", "true"},
                                          {"layer_types", "[\"full_attention\"]"},
                                          {"pos_att_type", "[]"},
                                          {"logits_scaling", "1.0"},
                                          {"hidden_dropout_prob", "0.1"},
                                          {"problem_type", "null"},
                                          {"a_new_key", "null"}};
    tf_config c;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        write_config(refused[i][0], refused[i][1]);
        cr_assert_eq(tf_config_read(scratch, &c), TF_FORMAT, "%s: %s", refused[i][0], refused[i][1]);
        cr_assert(strstr(tf_error(), refused[i][0]) && strstr(tf_error(), "config.json"), "%s", tf_error());
    }
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        read_config(fine[i][0], fine[i][1], &c);
        cr_assert_str_eq(c.unknown, "", "%s", c.unknown);
        tf_config_free(&c);
    }
    write_config("architectures", "[\"BertForMaskedLM\"]");
    works(tf_config_read(scratch, &c));
    tf_config_free(&c);
}

/* All other keys are told of. */
Test(config, keys_that_are_not_known) {
    tf_config c;
    read_config("a_new_key", "7", &c);
    cr_assert_str_eq(c.unknown, "\"a_new_key\"");
    tf_config_free(&c);
    read_config("\\u001b[2J", "7", &c); /* not printed */
    cr_assert_str_eq(c.unknown, "1 more");
    tf_config_free(&c);
    char many[8192] = "0";
    for (int i = 0; i < 100; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), ", \"many_keys_%d\": {}", i);
    read_config("first", many, &c);
    cr_assert(strstr(c.unknown, "\"first\", \"many_keys_0\"") == c.unknown, "%s", c.unknown);
    cr_assert(strstr(c.unknown, " more") && strlen(c.unknown) < sizeof c.unknown, "%s", c.unknown);
    tf_config_free(&c);
}
