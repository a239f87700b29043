/* tokenizer_config.json beside tokenizer.json, and what stands where in a text. */
#include "models/tokenize/tokenizer.h"
#include "tests/support/scratch.h"

TestSuite(tokenizer_config, .init = scratch_make, .fini = scratch_remove);

enum { UNK, A, B, BOS, EOS, ACCENT, IDEOGRAPH, UPPER, NEXT };

#define VOCABULARY                                                                                                     \
    "\"vocab\": {\"<unk>\": 0, \"a\": 1, \"b\": 2, \"<s>\": 3, \"</s>\": 4, \"é\": 5, \"日\": 6, \"A\": 7}"
#define WORDS "\"model\": {\"type\": \"WordPiece\", \"unk_token\": \"<unk>\", " VOCABULARY "}"

static tf_tokenizer *open_with(const char *json, const char *config) {
    scratch_text("tokenizer.json", json);
    remove(scratch_path("tokenizer_config.json"));
    if (config) scratch_text("tokenizer_config.json", config);
    tf_tokenizer *t;
    works(tf_tokenizer_open(scratch, &t));
    return t;
}

/* Asserts the ids of a text, or of a text and itself, and closes the tokenizer. */
static void expect(tf_tokenizer *t, const char *text, bool pair, const int32_t *ids, size_t count) {
    const tf_encode_request request = {
        .first = text, .first_length = strlen(text), .second = pair ? text : NULL, .second_length = strlen(text)};
    tf_encoding e;
    works(tf_tokenizer_encode(t, &request, &e));
    cr_assert_eq(e.count, count, "\"%s\": %zu ids", text, e.count);
    cr_assert_arr_eq(e.ids, ids, count * sizeof *ids);
    tf_encoding_free(&e);
    tf_tokenizer_close(t);
}

#define IDS(...) (const int32_t[]){__VA_ARGS__}, sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t)

Test(tokenizer_config, bert) {
    const char *json = "{" WORDS ", \"normalizer\": {\"type\": \"BertNormalizer\", \"lowercase\": false, "
                       "\"strip_accents\": null, \"handle_chinese_chars\": true}, \"pre_tokenizer\": {\"type\": "
                       "\"BertPreTokenizer\"}}";
    expect(open_with(json, NULL), "A é b日", false, IDS(UPPER, ACCENT, B, IDEOGRAPH));
    expect(open_with(json, "{\"do_lower_case\": true}"), "A é", false, IDS(A, UNK)); /* e without its accent */
    expect(open_with(json, "{\"do_lower_case\": true, \"strip_accents\": false}"), "A é", false, IDS(A, ACCENT));
    expect(open_with(json, "{\"tokenize_chinese_chars\": false}"), "b日", false, IDS(UNK));
    /* The class has defaults of its own, which win over the file. */
    expect(open_with(json, "{\"tokenizer_class\": \"BertTokenizer\"}"), "A é", false, IDS(A, UNK));
    expect(open_with(json, "{\"tokenizer_class\": \"BertTokenizerFast\", \"do_lower_case\": false}"), "A é", false,
           IDS(UPPER, ACCENT));
    /* Another class does not look at these keys. */
    expect(open_with(json, "{\"tokenizer_class\": \"PreTrainedTokenizerFast\", \"do_lower_case\": true}"), "A", false,
           IDS(UPPER));
    tf_tokenizer *t;
    scratch_text("tokenizer_config.json", "{\"do_lower_case\": 1}");
    fails(tf_tokenizer_open(scratch, &t), TF_FORMAT, "tokenizer_config.json: \"do_lower_case\" is neither");
}

Test(tokenizer_config, mpnet_without_tokenizer_json) {
    static const char *const configs[] = {"{\"tokenizer_class\": \"MPNetTokenizer\"}",
                                          "{\"tokenizer_class\": \"MPNetTokenizerFast\", \"cls_token\": \"<s>\"}"};
    scratch_text("vocab.txt", "<s>\n<pad>\n</s>\n[UNK]\na\n##b\n<mask>\n");
    for (int i = 0; i < 2; i++) {
        tf_tokenizer *single, *pair;
        scratch_text("tokenizer_config.json", configs[i]);
        works(tf_tokenizer_open(scratch, &single));
        works(tf_tokenizer_open(scratch, &pair));
        expect(single, "Ab c <mask>", false, IDS(0, 4, 5, 3, 6, 2));
        expect(pair, "a", true, IDS(0, 4, 2, 2, 4, 2));
    }
}

/* A model without "type", as bert-base-uncased's own file has it, and normalisers that come to BERT's. */
Test(tokenizer_config, ordinary_forms_of_one_tokenizer) {
    static const char *const normalizers[] = {
        "{\"type\": \"BertNormalizer\", \"clean_text\": true, \"handle_chinese_chars\": true, \"strip_accents\": null, "
        "\"lowercase\": true}",
        "{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"BertNormalizer\", \"lowercase\": true}]}",
        "{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFD\"}, {\"type\": \"Lowercase\"}, {\"type\": "
        "\"StripAccents\"}]}",
        "{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFKD\"}, {\"type\": \"StripAccents\"}, {\"type\": "
        "\"Lowercase\"}]}"};
    static const char *const processors[] = {
        "{\"type\": \"BertProcessing\", \"cls\": [\"[CLS]\", 0], \"sep\": [\"[SEP]\", 1]}",
        "{\"type\": \"Sequence\", \"processors\": [{\"type\": \"BertProcessing\", \"cls\": [\"[CLS]\", 0], \"sep\": "
        "[\"[SEP]\", 1]}]}",
        "{\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"[CLS]\", \"type_id\": 0}}, "
        "{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}, {\"SpecialToken\": {\"id\": \"[SEP]\", \"type_id\": 0}}], "
        "\"pair\": [{\"SpecialToken\": {\"id\": \"[CLS]\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", "
        "\"type_id\": 0}}, {\"SpecialToken\": {\"id\": \"[SEP]\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"B\", "
        "\"type_id\": 1}}, {\"SpecialToken\": {\"id\": \"[SEP]\", \"type_id\": 1}}], \"special_tokens\": {\"[CLS]\": "
        "{\"id\": \"[CLS]\", \"ids\": [0], \"tokens\": [\"[CLS]\"]}, \"[SEP]\": {\"id\": \"[SEP]\", \"ids\": [1], "
        "\"tokens\": [\"[SEP]\"]}}}"};
    for (size_t n = 0; n < 4; n++)
        for (size_t p = 0; p < 3; p++) {
            char json[4096];
            snprintf(
                json, sizeof json,
                "{\"normalizer\": %s, \"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}, \"post_processor\": %s, "
                "\"model\": {\"unk_token\": \"[UNK]\", \"vocab\": {\"[CLS]\": 0, \"[SEP]\": 1, \"[UNK]\": 2, "
                "\"cafe\": 3, \"##s\": 4, \"!\": 5}}}",
                normalizers[n], processors[p]);
            expect(open_with(json, NULL), "Cafés! Zoë", false, IDS(0, 3, 4, 5, 2, 1));
            expect(open_with(json, NULL), "CAFE\xcc\x81", true, IDS(0, 3, 1, 3, 1));
        }
}

/* Long texts are cut at their ends, unless the tokenizer says otherwise. */
Test(tokenizer_config, the_side_that_is_cut) {
    const char *json = "{\"truncation\": {\"direction\": \"Left\", \"max_length\": 2}, " WORDS
                       ", \"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}}",
               *plain = "{" WORDS ", \"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}}";
    const tf_encode_request request = {.first = "a b a", .first_length = 5, .limit = 2, .truncate = true};
    static const struct {
        bool left;
        const char *config;
    } cases[] = {{true, NULL}, {false, "{\"truncation_side\": \"left\"}"}};
    tf_encoding e;
    for (int i = 0; i < 2; i++) {
        tf_tokenizer *t = open_with(cases[i].left ? json : plain, cases[i].config);
        fails(tf_tokenizer_encode(t, &request, &e), TF_INVALID, "\"truncation_side\" is \"left\"");
        tf_tokenizer_close(t);
    }
    tf_tokenizer *t = open_with(json, "{\"truncation_side\": \"right\"}");
    works(tf_tokenizer_encode(t, &request, &e));
    cr_assert_eq(e.count, 2);
    tf_encoding_free(&e);
    tf_tokenizer_close(t);
}

Test(tokenizer_config, llama) {
    const char *json =
        "{\"model\": {\"type\": \"BPE\", \"merges\": [], " VOCABULARY "}, \"added_tokens\": [{\"id\": 3, "
        "\"content\": \"<s>\", \"special\": true}]}";
    expect(open_with(json, NULL), "ab", false, IDS(A, B));
    expect(open_with(json, "{\"tokenizer_class\": \"LlamaTokenizer\"}"), "ab", false, IDS(BOS, A, B));
    expect(open_with(json, "{\"tokenizer_class\": \"LlamaTokenizerFast\", \"add_eos_token\": true}"), "a", true,
           IDS(BOS, A, EOS, BOS, A, EOS));
    expect(open_with(json, "{\"tokenizer_class\": \"LlamaTokenizer\", \"add_bos_token\": false}"), "ab", false,
           IDS(A, B));
    expect(open_with(json, "{\"tokenizer_class\": \"LlamaTokenizer\", \"bos_token\": {\"content\": \"b\"}}"), "a",
           false, IDS(B, A));
    expect(open_with(json, "{\"tokenizer_class\": \"Qwen2Tokenizer\", \"add_bos_token\": true}"), "a", false, IDS(A));
    tf_tokenizer *t;
    scratch_text("tokenizer_config.json", "{\"tokenizer_class\": \"LlamaTokenizer\", \"bos_token\": \"<bos>\"}");
    fails(tf_tokenizer_open(scratch, &t), TF_FORMAT, "the vocabulary has no \"bos_token\"");
}

Test(tokenizer_config, added_tokens) {
    const char *json = "{\"model\": {\"type\": \"BPE\", \"merges\": [], " VOCABULARY "}}";
    expect(open_with(json, NULL), "a<s>", false, IDS(A)); /* no token of the model makes <s> */
    expect(open_with(json, "{\"eos_token\": \"</s>\", \"pad_token\": \"<pad>\"}"), "a</s><pad>", false, IDS(A, EOS, A));
    expect(open_with(json, "{\"added_tokens_decoder\": {\"3\": {\"content\": \"<s>\", \"lstrip\": true}, \"8\": "
                           "{\"content\": \"<n>\", \"special\": true}}}"),
           "a  <s><n>", false, IDS(A, BOS, NEXT));
    tf_tokenizer *t;
    scratch_text("tokenizer_config.json", "{\"added_tokens_decoder\": {\"9\": {\"content\": \"<n>\"}}}");
    fails(tf_tokenizer_open(scratch, &t), TF_FORMAT, "\"added_tokens_decoder\" has 9");
}

Test(tokenizer_config, any_class) {
    const char *json = "{" WORDS "}";
    tf_tokenizer *t = open_with(json, NULL);
    cr_assert_eq(tf_tokenizer_longest(t), 0);
    tf_tokenizer_close(t);
    t = open_with(json, "{\"model_max_length\": 256}");
    cr_assert_eq(tf_tokenizer_longest(t), 256);
    tf_tokenizer_close(t);
    t = open_with(json, "{\"model_max_length\": 1000000000000000019884624838656}");
    cr_assert_eq(tf_tokenizer_longest(t), 0);
    tf_tokenizer_close(t);
    scratch_text("tokenizer_config.json", "{\"model_max_length\": -1}");
    fails(tf_tokenizer_open(scratch, &t), TF_FORMAT, "\"model_max_length\" is not a positive number");
    json = "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a \": 0, \" .\": 1, \" do not\": 2, \" n\": 3, \"'t\": 4}, "
           "\"merges\": []}, \"decoder\": {\"type\": \"Fuse\"}}";
    const int32_t ids[] = {0, 1, 2, 3, 4};
    for (int clean = 0; clean < 2; clean++) {
        char *text;
        size_t length;
        t = open_with(json, clean ? "{\"clean_up_tokenization_spaces\": true}" : NULL);
        works(tf_tokenizer_decode(t, ids, 5, false, &text, &length));
        cr_assert_str_eq(text, clean ? "a . do notn't" : "a  . do not n't");
        free(text);
        tf_tokenizer_close(t);
    }
}

/* ---- Offsets, as the library gives them (in characters) ---- */

static void expect_places(const tf_tokenizer *t, const char *text, const size_t (*place)[2], size_t count) {
    const tf_encode_request request = {.first = text, .first_length = strlen(text), .bare = true};
    tf_encoding e;
    works(tf_tokenizer_encode(t, &request, &e));
    cr_assert_eq(e.count, count, "\"%s\": %zu tokens", text, e.count);
    for (size_t i = 0; i < count; i++)
        cr_assert(e.place[i].start == place[i][0] && e.place[i].end == place[i][1], "\"%s\": token %zu: %zu to %zu",
                  text, i, e.place[i].start, e.place[i].end);
    tf_encoding_free(&e);
}

#define PLACES(...) (const size_t[][2]){__VA_ARGS__}, sizeof((const size_t[][2]){__VA_ARGS__}) / sizeof(size_t[2])

Test(tokenizer_config, offsets_without_white_space) {
    const char *json =
        "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"Ġ\": 1, \"Ġa\": 2, \"ĠĠ\": 3, \"<m>\": 4, \"ã\": 5, "
        "\"Ģ\": 6}, \"merges\": [\"Ġ a\", \"Ġ Ġ\"]}, \"pre_tokenizer\": {\"type\": \"ByteLevel\", "
        "\"add_prefix_space\": true}, \"added_tokens\": [{\"id\": 4, \"content\": \"<m>\", \"lstrip\": true, "
        "\"rstrip\": true, \"special\": true}], \"post_processor\": {\"type\": \"RobertaProcessing\", \"cls\": [\"a\", "
        "0], \"sep\": [\"a\", 0], \"trim_offsets\": true, \"add_prefix_space\": true}}";
    tf_tokenizer *t = open_with(json, NULL);
    expect_places(t, "a a  a", PLACES({0, 1}, {2, 3}, {4, 4}, {5, 6}));
    expect_places(t, "a <m> a", PLACES({0, 1}, {2, 5}, {7, 7}));     /* " <m> " is the token, <m> its place */
    expect_places(t, "a \t<m>\xe3\x80\x80", PLACES({0, 1}, {3, 6})); /* an ideographic space has three bytes */
    expect_places(t, "\xe3\x80\x80<m>", PLACES({0, 6})); /* one at the start counts as the one that is put there */
    expect_places(t, "\xe3\x80\x80 <m>", PLACES({4, 7}));
    tf_tokenizer_close(t);
}
