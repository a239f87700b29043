/* GPT-2 and LLaMA in floating point, against continuations known from float64, and what their configs may say. */
#include <math.h>

#include "models/family.h"
#include "tests/support/golden.h"
#include "tests/support/scratch.h"

TestSuite(decoders, .init = scratch_make, .fini = scratch_remove);

/* One pass over `rows` tokens of each text, appended to the state; the logits, which the caller frees. */
static float *pass(const golden *g, tf_plain_state *state, size_t texts, size_t rows, const size_t *padding,
                   size_t length, size_t capacity, const int32_t *ids) {
    tf_decoding d;
    tf_graph graph;
    tf_array out;
    works(tf_decoding_make(&g->config, texts, rows, capacity, &d));
    tf_decoding_set(&g->config, &d, padding, length);
    tf_batch batch = {.texts = texts, .length = rows, .ids = ids, .decoding = &d};
    works(tf_model_build(&g->config, &g->approx, &batch, g->weights, false, &graph));
    works(tf_graph_plain_with(&graph, state, &out, NULL, NULL));
    cr_assert_eq(tf_shape_count(out.shape), texts * g->config.vocabulary);
    tf_graph_free(&graph);
    tf_decoding_free(&d);
    return out.data;
}

static size_t best_of(const golden *g, const float *logits) {
    size_t best = 0;
    for (size_t i = 1; i < g->config.vocabulary; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

static void check_case(const golden *g, size_t number) {
    size_t length, steps, none = 0;
    int32_t *ids = golden_ids(g, number, "prompt_ids", &length), *greedy = golden_ids(g, number, "greedy_ids", &steps);
    tf_plain_state state = {0};
    float *logits = pass(g, &state, 1, length, &none, 0, length, ids);
    double error = golden_error(g, number, logits);
    cr_assert_leq(error, 1e-3, "%s, case %zu: logits are off by %g", g->name, number, error);
    for (size_t step = 0;; step++) {
        size_t best = best_of(g, logits), at = length + step;
        free(logits);
        cr_assert_eq((int32_t)best, greedy[step], "%s, case %zu: token %zu is %zu, not %d", g->name, number, step, best,
                     greedy[step]);
        if (step + 1 == steps) break;
        logits = pass(g, &state, 1, 1, &none, at, (at + 32) / 32 * 32, &greedy[step]);
    }
    tf_plain_state_free(&state);
    free(ids);
    free(greedy);
}

Test(decoders, continue_as_known_with_a_cache, .timeout = 300) {
    int found = 0;
    golden g;
    for (int i = 0; i < GOLDEN_MODELS; i++) {
        if (!golden_open(&golden_models[i], &g)) continue;
        found++;
        for (size_t k = 0; k < json_array_size(g.cases); k++) check_case(&g, k);
        golden_close(&g);
    }
    if (!found) cr_skip_test("no decoders to compare with (set TREFOIL_SHARED; experiments/setup.sh stories)");
}

/* Prompts of different lengths in one batch, padded in front; then one more token, with a cache and without. */
Test(decoders, batches_and_caches_change_nothing, .timeout = 300) {
    int found = 0;
    golden g;
    for (int i = 0; i < 2; i++) {
        if (!golden_open(&golden_models[i], &g)) continue;
        found++;
        enum { TEXTS = 3 };
        size_t lengths[TEXTS], padding[TEXTS], longest = 0, vocabulary = g.config.vocabulary, none = 0;
        int32_t *ids[TEXTS], next[TEXTS];
        for (size_t k = 0; k < TEXTS; k++) {
            ids[k] = golden_ids(&g, k, "prompt_ids", &lengths[k]);
            if (lengths[k] > longest) longest = lengths[k];
        }
        int32_t *all = calloc(TEXTS * longest, sizeof *all);
        for (size_t k = 0; k < TEXTS; k++) {
            padding[k] = longest - lengths[k];
            memcpy(all + k * longest + padding[k], ids[k], lengths[k] * sizeof *all);
        }
        tf_plain_state state = {0};
        float *first = pass(&g, &state, TEXTS, longest, padding, 0, longest, all);
        for (size_t k = 0; k < TEXTS; k++) next[k] = (int32_t)best_of(&g, first + k * vocabulary);
        float *second = pass(&g, &state, TEXTS, 1, padding, longest, longest + 9, next);
        for (size_t k = 0; k < TEXTS; k++) {
            tf_plain_state single = {0};
            ids[k][lengths[k]] = next[k]; /* there is room for one more */
            float *uncached = pass(&g, &single, 1, lengths[k] + 1, &none, 0, lengths[k] + 1, ids[k]);
            for (size_t j = 0; j < vocabulary; j++)
                cr_assert_float_eq(second[k * vocabulary + j], uncached[j], 1e-4f,
                                   "%s, text %zu, logit %zu: %g, not %g", g.name, k, j,
                                   (double)second[k * vocabulary + j], (double)uncached[j]);
            double error = golden_error(&g, k, first + k * vocabulary);
            cr_assert_leq(error, 1e-3, "%s, text %zu of a batch: logits are off by %g", g.name, k, error);
            free(uncached);
            free(ids[k]);
            tf_plain_state_free(&single);
        }
        free(first);
        free(second);
        free(all);
        tf_plain_state_free(&state);
        golden_close(&g);
    }
    if (!found) cr_skip_test("no decoders to compare with (set TREFOIL_SHARED)");
}

/* Speeds as Hugging Face computes them. */
Test(decoders, rotary_scalings) {
    static const double llama3[] = {
        1, 0.193922745, 0.0376060309, 0.00729266474, 0.000524846161, 3.4281022e-05, 6.64786987e-06, 1.28917317e-06};
    static const double yarn[] = {1, 0.316227766, 0.1, 0.025693506, 0.00625, 0.00138349648, 0.00025, 7.90569415e-05};
    tf_config c = {.head_dim = 16,
                   .rope_theta = 500000,
                   .rope_scaling = "llama3",
                   .rope_factor = 8,
                   .rope_low_freq_factor = 1,
                   .rope_high_freq_factor = 4,
                   .rope_original_positions = 8192};
    double speed[8];
    cr_assert_eq(tf_rotary_speeds(&c, speed), 1);
    for (int i = 0; i < 8; i++) cr_assert_float_eq(speed[i] / llama3[i], 1, 1e-7, "llama3, %d: %g", i, speed[i]);
    c = (tf_config){.head_dim = 16,
                    .rope_theta = 10000,
                    .rope_scaling = "yarn",
                    .rope_factor = 4,
                    .rope_beta_fast = 32,
                    .rope_beta_slow = 1,
                    .rope_original_positions = 2048};
    cr_assert_float_eq(tf_rotary_speeds(&c, speed), 1.138629436, 1e-8);
    for (int i = 0; i < 8; i++) cr_assert_float_eq(speed[i] / yarn[i], 1, 1e-7, "yarn, %d: %g", i, speed[i]);
    strcpy(c.rope_scaling, "linear");
    cr_assert_eq(tf_rotary_speeds(&c, speed), 1);
    cr_assert_float_eq(speed[2], 0.1 / 4, 1e-12);
}

/* Which keys a token looks at. */
Test(decoders, masks) {
    tf_config c = {.hidden = 4, .heads = 1, .positions = 8};
    tf_decoding d;
    static const float causal[] = {1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0};   /* of a text padded by two */
    static const float windowed[] = {1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0}; /* of one with a window of two */
    works(tf_decoding_make(&c, 1, 3, 5, &d));
    tf_decoding_set(&c, &d, &(size_t){2}, 0);
    cr_assert_arr_eq(d.mask, causal, sizeof causal);
    cr_assert_arr_eq(d.last_mask, causal + 10, 5 * sizeof *causal);
    cr_assert_arr_eq(d.positions, ((int32_t[]){0, 0, 0}), 3 * sizeof(int32_t));
    cr_assert_arr_eq(d.counted, ((float[]){0, 0, 1}), 3 * sizeof(float)); /* padding does not count */
    c.window = 2;
    tf_decoding_set(&c, &d, &(size_t){0}, 0);
    cr_assert_arr_eq(d.mask, windowed, sizeof windowed);
    tf_decoding_set(&c, &d, &(size_t){1}, 2);
    cr_assert_arr_eq(d.positions, ((int32_t[]){1, 2, 3}), 3 * sizeof(int32_t));
    /* of a prompt of six two rows are left, of which one is padding where the text has one token; then two more */
    static const float evicted[] = {1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1};
    static const float padded[] = {1, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 0, 1, 1, 1};
    c.window = 0;
    d.kept = 2, d.evicted = 4;
    tf_decoding_set(&c, &d, &(size_t){0}, 2);
    cr_assert_arr_eq(d.mask, evicted, sizeof evicted);
    cr_assert_arr_eq(d.positions, ((int32_t[]){6, 7, 8}), 3 * sizeof(int32_t));
    tf_decoding_set(&c, &d, &(size_t){5}, 2);
    cr_assert_arr_eq(d.mask, padded, sizeof padded);
    cr_assert_arr_eq(d.positions, ((int32_t[]){1, 2, 3}), 3 * sizeof(int32_t));
    tf_decoding_free(&d);
    fails(tf_decoding_make(&c, 1, 3, 9, &d), TF_INVALID, "a context of 9 tokens is asked for; the model has 8");
    fails(tf_decoding_make(&c, 1, 3, 2, &d), TF_INVALID, "do not fit a context of 2");
}

static const char llama_config[] =
    "{\"model_type\":\"%s\",\"hidden_act\":\"silu\",\"architectures\":[\"%s\"],\"hidden_size\":48,"
    "\"intermediate_size\":128,\"num_attention_heads\":6,\"num_hidden_layers\":2,\"max_position_embeddings\":256,"
    "\"vocab_size\":320%s%s}";

static tf_status read_llama(const char *type, const char *architecture, const char *more, tf_config *config) {
    char text[1024];
    snprintf(text, sizeof text, llama_config, type, architecture, *more ? "," : "", more);
    scratch_text("config.json", text);
    return tf_config_read(scratch, config);
}

Test(decoders, configs_of_the_llama_kind) {
    tf_config c;
    works(read_llama("llama", "LlamaForCausalLM", "\"num_key_value_heads\":2,\"rope_theta\":5e5", &c));
    cr_assert_eq(c.family, &tf_llama_family);
    cr_assert_eq(c.head, TF_HEAD_CAUSAL);
    cr_assert_eq(c.kv_heads, 2);
    cr_assert_eq(c.rope_theta, 5e5);
    tf_config_free(&c);
    works(read_llama("mistral", "MistralForCausalLM", "\"sliding_window\":4096", &c));
    cr_assert_eq(c.window, 4096);
    tf_config_free(&c);
    works(read_llama("qwen2", "Qwen2ForCausalLM", "", &c));
    cr_assert(c.attention_bias);
    tf_config_free(&c);
    works(read_llama("qwen3", "Qwen3ForCausalLM", "\"head_dim\":32", &c));
    cr_assert_eq(tf_head_dim(&c), 32);
    tf_config_free(&c);
    works(read_llama("llama", "LlamaForCausalLM",
                     "\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8.0,\"low_freq_factor\":1.0,"
                     "\"high_freq_factor\":4.0,\"original_max_position_embeddings\":128}",
                     &c));
    cr_assert_str_eq(c.rope_scaling, "llama3");
    cr_assert_eq(c.rope_original_positions, 128);
    tf_config_free(&c);
}

Test(decoders, configs_that_cannot_be_run_are_refused_by_key) {
    static const struct {
        const char *type, *architecture, *more, *message;
    } wrong[] = {
        {"llama", "LlamaForCausalLM", "\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2.0}",
         "\"rope_scaling\" is of type \"dynamic\""},
        {"llama", "LlamaForCausalLM", "\"num_key_value_heads\":4", "\"num_key_value_heads\" 4"},
        {"llama", "LlamaForCausalLM", "\"head_dim\":7", "heads of 7 elements cannot be rotated"},
        {"llama", "LlamaForCausalLM", "\"pretraining_tp\":2", "\"pretraining_tp\""},
        {"llama", "LlamaForSequenceClassification", "", "\"architectures\" names"},
        {"qwen2", "Qwen2ForCausalLM", "\"use_sliding_window\":true", "\"use_sliding_window\""},
        {"qwen3", "Qwen3ForCausalLM", "\"attention_bias\":true", "\"attention_bias\""},
    };
    tf_config c;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        fails(read_llama(wrong[i].type, wrong[i].architecture, wrong[i].more, &c), TF_FORMAT, wrong[i].message);
    scratch_text("config.json", "{\"model_type\":\"gpt2\",\"activation_function\":\"tanh\",\"n_embd\":8}");
    fails(tf_config_read(scratch, &c), TF_FORMAT, "\"activation_function\" is \"tanh\"");
    scratch_text("config.json", "{\"model_type\":\"gpt2\",\"n_embd\":8,\"n_head\":2,\"n_layer\":1,\"n_positions\":16,"
                                "\"vocab_size\":10,\"scale_attn_by_inverse_layer_idx\":true}");
    fails(tf_config_read(scratch, &c), TF_FORMAT, "\"scale_attn_by_inverse_layer_idx\"");
}
