#include "models/tokenize/tokenizer.h"
#include "tests/support/scratch.h"

TestSuite(tokenizer_digest, .init = scratch_make, .fini = scratch_remove);

static tf_digest digest_of_directory(void) {
    tf_tokenizer *t;
    tf_digest digest;
    works(tf_tokenizer_open(scratch, &t));
    works(tf_tokenizer_digest(t, &digest));
    tf_tokenizer_close(t);
    return digest;
}

static tf_digest digest_of(const char *json) {
    scratch_text("tokenizer.json", json);
    return digest_of_directory();
}

/* The text with its first `from` replaced. */
static const char *changed(const char *text, const char *from, const char *to) {
    static char out[4096];
    const char *at = strstr(text, from);
    cr_assert(at, "%s", from);
    snprintf(out, sizeof out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return out;
}

typedef struct change {
    const char *from, *to;
    bool same;
} change;

static void check(const char *json, const change *c, size_t count) {
    const tf_digest plain = digest_of(json);
    tf_digest seen[64];
    size_t others = 0;
    for (size_t i = 0; i < count; i++) {
        const tf_digest got = digest_of(changed(json, c[i].from, c[i].to));
        cr_assert_eq(tf_digest_equal(&got, &plain), c[i].same, "%s to %s", c[i].from, c[i].to);
        for (size_t k = 0; k < others && !c[i].same; k++)
            cr_assert(!tf_digest_equal(&got, &seen[k]), "%s to %s", c[i].from, c[i].to);
        if (!c[i].same) seen[others++] = got;
    }
}

#define AROUND                                                                                                         \
    "\"added_tokens\": [{\"id\": 3, \"content\": \"<x>\", \"special\": true}], \"truncation\": null, "                 \
    "\"normalizer\": {\"type\": \"Lowercase\"}, \"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"Regex\": "    \
    "\"a+\"}, \"behavior\": \"Isolated\"}, \"decoder\": {\"type\": \"Fuse\"}, \"post_processor\": {\"type\": "         \
    "\"RobertaProcessing\", \"cls\": [\"<x>\", 3], \"sep\": [\"<x>\", 3], \"trim_offsets\": true}"

static const change around[] = {
    {"\"Fuse\"", "\"ByteFallback\"", true},
    {"\"truncation\": null", "\"truncation\": {\"max_length\": 3}", true},
    {"\"trim_offsets\": true", "\"trim_offsets\": false", true},
    {"Lowercase", "NFC", false},
    {"a+", "b+", false},
    {"Isolated", "Removed", false},
    {"\"Isolated\"", "\"Isolated\", \"invert\": true", false},
    {"\"special\": true", "\"special\": true, \"lstrip\": true", false},
    {"\"special\": true", "\"special\": true, \"normalized\": true", false},
    {"\"content\": \"<x>\"", "\"content\": \"<y>\"", false},
    {"\"sep\": [\"<x>\", 3]", "\"sep\": [\"<x>\", 2]", false},
};

Test(tokenizer_digest, of_byte_pairs) {
    static const char json[] = "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2, \"ba\": 4}, "
                               "\"merges\": [\"a b\", \"b a\"]}, " AROUND "}";
    static const change own[] = {
        {"\"a\": 0, \"b\": 1", "\"b\": 1, \"a\": 0", true},
        {"\"a b\", \"b a\"", "[\"a\", \"b\"], [\"b\", \"a\"]", true},
        {"\"a b\", \"b a\"", "\"b a\", \"a b\"", false},
        {"\"a b\", \"b a\"", "\"a b\"", false},
        {"\"a\": 0, \"b\": 1", "\"a\": 1, \"b\": 0", false},
        {"\"ba\": 4", "\"ba\": 4, \"c\": 5", false},
        {"\"type\": \"BPE\"", "\"type\": \"BPE\", \"unk_token\": \"a\"", false},
        {"\"type\": \"BPE\"", "\"type\": \"BPE\", \"byte_fallback\": true", false},
        {"\"type\": \"BPE\"", "\"type\": \"BPE\", \"ignore_merges\": true", false},
        {"\"type\": \"BPE\"", "\"type\": \"BPE\", \"end_of_word_suffix\": \"</w>\"", false},
    };
    check(json, own, sizeof own / sizeof *own);
    check(json, around, sizeof around / sizeof *around);
}

Test(tokenizer_digest, of_unigram) {
    static const char json[] = "{\"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"vocab\": [[\"<u>\", 0], [\"a\", "
                               "-1.5], [\"b\", -2]]}, " AROUND "}";
    static const change own[] = {
        {"-1.5", "-15e-1", true},
        {"-1.5", "-1.25", false},
        {"\"unk_id\": 0", "\"unk_id\": 1", false},
        {"[\"a\", -1.5], [\"b\", -2]", "[\"b\", -2], [\"a\", -1.5]", false},
        {"\"unk_id\": 0", "\"unk_id\": 0, \"byte_fallback\": true", false},
    };
    check(json, own, sizeof own / sizeof *own);
    check(json, around, sizeof around / sizeof *around);
}

Test(tokenizer_digest, is_of_the_content_not_the_form) {
    scratch_text("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\n##a\n");
    const tf_digest text = digest_of_directory();
    scratch_text("tokenizer_config.json", "{\"do_lower_case\": false}");
    const tf_digest cased = digest_of_directory();
    cr_assert(!tf_digest_equal(&text, &cased));
    remove(scratch_path("tokenizer_config.json"));
    const tf_digest json = digest_of(
        "{\"model\": {\"vocab\": {\"##a\": 6, \"hello\": 5, \"[MASK]\": 4, \"[SEP]\": 3, \"[CLS]\": 2, \"[UNK]\": 1, "
        "\"[PAD]\": 0}}, \"normalizer\": {\"type\": \"BertNormalizer\"}, \"pre_tokenizer\": {\"type\": "
        "\"BertPreTokenizer\"}, \"post_processor\": {\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\", 3], \"cls\": "
        "[\"[CLS]\", 2]}, \"added_tokens\": [{\"id\": 0, \"content\": \"[PAD]\", \"special\": true}, {\"id\": 1, "
        "\"content\": \"[UNK]\", \"special\": true}, {\"id\": 4, \"content\": \"[MASK]\", \"special\": true}, {\"id\": "
        "2, \"content\": \"[CLS]\", \"special\": true}, {\"id\": 3, \"content\": \"[SEP]\", \"special\": true}]}");
    cr_assert(tf_digest_equal(&text, &json));
}
