/* The BERT builder on files: written by the tests themselves, and real models where they are at hand. */
#include <stdio.h>
#include <unistd.h>

#include "models/model.h"
#include "tests/support/plain.h"

static tf_config config = {.hidden = 8,
                           .layers = 1,
                           .heads = 2,
                           .intermediate = 12,
                           .vocabulary = 10,
                           .positions = 6,
                           .types = 2,
                           .layer_norm_eps = 1e-12,
                           .labels = 3};
static size_t lengths[] = {4, 3};
static int32_t ids[] = {1, 2, 3, 4, 5, 6, 7, 0};
static const tf_batch batch = {2, 4, lengths, ids, NULL, .pairs = false};

static tf_approx exact(void) {
    tf_approx approx;
    cr_assert_eq(tf_ops_register(), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_approx_parse("exact", &approx), TF_OK, "%s", tf_error());
    return approx;
}

enum { MAX_TENSORS = 64 };

/* Writes random tensors for every weight of the model, except one; returns the file opened. Those of the encoder get
 * the prefix that Hugging Face's classifiers have. */
static tf_safetensors *write_model(const char *left_out, const char *large) {
    static tf_tensor_source tensor[MAX_TENSORS];
    static char name[MAX_TENSORS][128];
    tf_approx approx = exact();
    tf_graph graph;
    size_t count = 0;
    cr_assert_eq(tf_model_build(&config, &approx, &batch, NULL, true, &graph), TF_OK, "%s", tf_error());
    for (int i = 0; i < graph.nodes; i++) {
        const tf_node *node = &graph.node[i];
        bool weight = node->leaf == TF_LEAF_WEIGHT || node->leaf == TF_LEAF_PUBLIC_WEIGHT;
        if (!weight || !strcmp(node->name, left_out)) continue;
        tf_array value = random_array(node->shape, -1, 1, count + 1);
        if (!strcmp(node->name, large)) value.data[0] = -20000;
        bool bare = !strncmp(node->name, "classifier", 10);
        snprintf(name[count], sizeof name[count], "%s%s", bare ? "" : "bert.", node->name);
        tensor[count] = (tf_tensor_source){.name = name[count], .shape = node->shape, .data = value.data};
        count++;
    }
    tf_graph_free(&graph);

    char path[] = "/tmp/trefoil_test_bert_XXXXXX";
    tf_safetensors *file;
    int handle = mkstemp(path);
    cr_assert_geq(handle, 0);
    close(handle);
    cr_assert_eq(tf_safetensors_write(path, tensor, count), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_safetensors_open(path, &file), TF_OK, "%s", tf_error());
    unlink(path);
    for (size_t i = 0; i < count; i++) free((void *)tensor[i].data);
    return file;
}

Test(bert_files, weights_come_from_the_file) {
    tf_safetensors *file = write_model("", "");
    tf_approx approx = exact();
    tf_graph graph;
    tf_array y;
    cr_assert_eq(tf_model_build(&config, &approx, &batch, file, true, &graph), TF_OK, "%s", tf_error());
    size_t seed = 0;
    for (int i = 0; i < graph.nodes; i++) {
        if (graph.node[i].leaf != TF_LEAF_WEIGHT && graph.node[i].leaf != TF_LEAF_PUBLIC_WEIGHT) continue;
        tf_array value = random_array(graph.node[i].shape, -1, 1, ++seed);
        cr_assert_eq(memcmp(graph.node[i].data, value.data, tf_shape_count(value.shape) * sizeof(float)), 0, "%s",
                     graph.node[i].name);
        free(value.data);
    }
    cr_assert_eq(tf_graph_plain(&graph, &y, NULL, NULL), TF_OK, "%s", tf_error());
    cr_assert(tf_shape_equal(y.shape, tf_dims(2, 3)));
    free(y.data);
    tf_graph_free(&graph);
    tf_safetensors_close(file);
}

static void check_refused_file(const char *left_out, const char *large, tf_status status, const char *tensor) {
    tf_safetensors *file = write_model(left_out, large);
    tf_approx approx = exact();
    tf_graph graph;
    cr_assert_eq(tf_model_build(&config, &approx, &batch, file, false, &graph), status, "%s", tf_error());
    cr_assert(strstr(tf_error(), tensor) != NULL, "%s", tf_error());
    cr_assert_eq(graph.nodes, 0);
    tf_safetensors_close(file);
}

Test(bert_files, missing_tensors_are_named) {
    check_refused_file("encoder.layer.0.output.dense.bias", "", TF_FORMAT, "encoder.layer.0.output.dense.bias");
    check_refused_file("classifier.weight", "", TF_FORMAT, "classifier.weight");
}

Test(bert_files, weights_too_large_for_the_ring_are_named) {
    check_refused_file("", "pooler.dense.weight", TF_RANGE, "pooler.dense.weight");
}

Test(bert_files, tensors_of_another_shape_are_named) {
    tf_safetensors *file = write_model("", "");
    tf_approx approx = exact();
    tf_graph graph;
    config.intermediate = 16;
    cr_assert_eq(tf_model_build(&config, &approx, &batch, file, false, &graph), TF_FORMAT, "%s", tf_error());
    cr_assert(strstr(tf_error(), "intermediate.dense.weight") != NULL, "%s", tf_error());
    tf_safetensors_close(file);
}

/* A model and its tokenizer under the shared directory. */
typedef struct model {
    tf_config config;
    tf_approx approx;
    tf_safetensors *weights;
    tf_tokenizer *tokenizer;
} model;

static const char *shared(const char *path) {
    static char full[1024];
    const char *root = getenv("TREFOIL_SHARED");
    snprintf(full, sizeof full, "%s/%s", root ? root : TREFOIL_SOURCE_DIR "/../shared", path);
    return full;
}

static model open_model(const char *path) {
    model m = {.approx = exact()};
    if (access(shared(path), R_OK)) cr_skip_test("%s is not at hand", shared(path));
    cr_assert_eq(tf_config_read(shared(path), &m.config), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_safetensors_open(shared(path), &m.weights), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_tokenizer_open(shared(path), &m.tokenizer), TF_OK, "%s", tf_error());
    return m;
}

static void close_model(model *m) {
    tf_tokenizer_close(m->tokenizer);
    tf_safetensors_close(m->weights);
    tf_config_free(&m->config);
}

/* Runs texts as one batch; the caller frees the result's data. */
static tf_array run(const model *m, char *const *text, size_t texts) {
    int32_t *id[64], *type, *padded;
    size_t count[64], length = 0;
    for (size_t i = 0; i < texts; i++) {
        cr_assert_eq(tf_tokenize(m->tokenizer, text[i], strlen(text[i]), NULL, 0, m->config.positions, false, &id[i],
                                 &type, &count[i]),
                     TF_OK, "%s", tf_error());
        free(type);
        if (count[i] > length) length = count[i];
    }
    padded = calloc(texts * length, sizeof *padded);
    for (size_t i = 0; i < texts; i++) {
        memcpy(padded + i * length, id[i], count[i] * sizeof **id);
        free(id[i]);
    }
    tf_batch whole = {texts, length, count, padded, NULL, .pairs = false};
    tf_graph graph;
    tf_array y;
    cr_assert_eq(tf_model_build(&m->config, &m->approx, &whole, m->weights, false, &graph), TF_OK, "%s", tf_error());
    cr_assert_eq(tf_graph_plain(&graph, &y, NULL, NULL), TF_OK, "%s", tf_error());
    tf_graph_free(&graph);
    free(padded);
    return y;
}

/* Reads sentences and labels of a tab-separated file with a header line. */
static size_t read_sentences(const char *path, char **sentence, int *label, size_t limit) {
    size_t n = 0, size = 0;
    char *line = NULL;
    FILE *file = fopen(shared(path), "r");
    if (!file) cr_skip_test("%s is not at hand", shared(path));
    while (n < limit && getline(&line, &size, file) > 0) {
        char *tab = strchr(line, '\t');
        if (!tab || (tab[1] != '0' && tab[1] != '1')) continue; /* the header */
        *tab = '\0';
        sentence[n] = strdup(line);
        label[n++] = tab[1] - '0';
    }
    free(line);
    fclose(file);
    return n;
}

Test(bert_files, accuracy_on_sst2) {
    static char *sentence[1000];
    static int label[1000];
    size_t n = read_sentences("data/sst2/dev.tsv", sentence, label, 1000), right = 0;
    model m = open_model("models/bert-tiny-sst2");
    cr_assert_eq(n, 872);
    for (size_t i = 0; i < n; i++) {
        tf_array y = run(&m, &sentence[i], 1);
        right += (y.data[1] > y.data[0]) == label[i];
        free(y.data);
        free(sentence[i]);
    }
    close_model(&m);
    cr_log_info("%zu of %zu right", right, n);
    cr_assert_eq(right, 708, "%zu of %zu right, not 81.2%%", right, n);
}

Test(bert_files, padding_changes_nothing) {
    static char *sentence[40];
    static int label[40];
    size_t n = read_sentences("data/sst2/dev.tsv", sentence, label, 40);
    model m = open_model("models/bert-tiny-sst2");
    cr_assert_eq(n, 40);
    tf_array all = run(&m, sentence, n);
    for (size_t i = 0; i < n; i++) {
        tf_array one = run(&m, &sentence[i], 1);
        for (size_t l = 0; l < 2; l++) cr_assert_float_eq(all.data[2 * i + l], one.data[l], 1e-5);
        free(one.data);
        free(sentence[i]);
    }
    free(all.data);
    close_model(&m);
}
