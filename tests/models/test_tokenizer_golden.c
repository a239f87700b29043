/* The ids that Hugging Face's own library gives. */
#include <jansson.h>
#include <unistd.h>

#include "models/tokenize/tokenizer.h"
#include "tests/support/scratch.h"

TestSuite(tokenizer_golden, .init = scratch_make, .fini = scratch_remove);

/* A readable path, or NULL: an environment variable's value, or a place beside the sources; then `name` in it. */
static const char *find(const char *variable, const char *place, const char *name) {
    static char path[4][4096];
    static int next;
    const char *from = getenv(variable);
    char *to = path[next++ % 4];
    if (from)
        snprintf(to, sizeof path[0], "%s%s", from, name);
    else
        snprintf(to, sizeof path[0], "%s/%s%s", TREFOIL_SOURCE_DIR, place, name);
    return access(to, R_OK) ? NULL : to;
}

static void check_line(const tf_tokenizer *t, json_t *line, size_t number) {
    json_t *text = json_object_get(line, "text"), *ids = json_object_get(line, "ids");
    json_t *first = json_is_array(text) ? json_array_get(text, 0) : text, *second = json_array_get(text, 1);
    int32_t *got, *types;
    size_t count;
    works(tf_tokenize(t, json_string_value(first), json_string_length(first), json_string_value(second),
                      json_string_length(second), 0, false, &got, &types, &count));
    cr_assert_eq(count, json_array_size(ids), "line %zu: %zu ids", number, count);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(got[i], json_integer_value(json_array_get(ids, i)), "line %zu: id %zu is %d", number, i, got[i]);
    free(got), free(types);
}

static void check_golden(const char *model, const char *name) {
    char place[64];
    snprintf(place, sizeof place, "/data/tokenizer_golden/%s.jsonl", name);
    const char *golden = find("TREFOIL_SHARED", "../shared", place);
    if (!model || !golden) cr_skip_test("the %s are not there", golden ? "model's files" : "reference ids");
    tf_tokenizer *t;
    works(tf_tokenizer_open(model, &t));
    FILE *file = fopen(golden, "r");
    char *line = NULL;
    size_t room = 0, lines = 0;
    for (ssize_t length; (length = getline(&line, &room, file)) > 0; lines++) {
        json_t *json = json_loadb(line, (size_t)length, JSON_ALLOW_NUL, NULL);
        cr_assert(json);
        check_line(t, json, lines + 1);
        json_decref(json);
    }
    cr_assert_gt(lines, 100);
    free(line);
    fclose(file);
    tf_tokenizer_close(t);
}

Test(tokenizer_golden, ids_by_tokenizer_json) {
    check_golden(find("TREFOIL_MINILM", ".cache/minilm", ""), "minilm");
}

Test(tokenizer_golden, ids_by_vocab_txt) {
    check_golden(find("TREFOIL_SHARED", "../shared", "/models/bert-tiny-sst2"), "minilm");
}

Test(tokenizer_golden, ids_of_gpt2) {
    check_golden(find("TREFOIL_SHARED", "../shared", "/models/gpt2-tiny-random"), "gpt2");
}

Test(tokenizer_golden, ids_of_llama2) {
    check_golden(find("TREFOIL_SHARED", "../shared", "/models/llama-gqa-tiny-random"), "llama2");
}

Test(tokenizer_golden, ids_of_llama3) {
    check_golden(find("TREFOIL_TOKENIZERS", ".cache/tokenizers", "/llama3"), "llama3");
}

Test(tokenizer_golden, ids_of_qwen3) {
    check_golden(find("TREFOIL_TOKENIZERS", ".cache/tokenizers", "/qwen3"), "qwen3");
}
