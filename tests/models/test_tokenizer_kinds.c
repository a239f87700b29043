/* Unigram with SentencePiece's precompiled table, and byte-level byte pairs: ids, places and decoded texts that the
 * Rust library gives for the two files of tests/fuzz/corpus/tokenizer. */
#include "models/tokenize/expression.h"
#include "models/tokenize/tokenizer.h"
#include "models/tokenize/unicode.h"
#include "tests/support/scratch.h"

TestSuite(tokenizer_kinds, .init = scratch_make, .fini = scratch_remove);

/* Opens a file of the corpus with its first `from` replaced. */
static tf_status open_corpus(const char *name, const char *from, const char *to, tf_tokenizer **t) {
    static char text[1 << 14], changed[1 << 15];
    char path[4096];
    snprintf(path, sizeof path, "%s/tests/fuzz/corpus/tokenizer/%s", TREFOIL_SOURCE_DIR, name);
    FILE *file = fopen(path, "r");
    cr_assert(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    const char *at = strstr(text, from);
    cr_assert(at, "%s is not in %s", from, name);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    scratch_text("tokenizer.json", changed);
    return tf_tokenizer_open(scratch, t);
}

typedef struct golden {
    const char *text;
    size_t count;
    int32_t ids[16];
    size_t place[16][2]; /* those put around are at 0 */
    const char *decoded; /* without special tokens */
} golden;

/* Decodes one id after the other: what comes is whole characters, and together the text. */
static void check_stream(const tf_tokenizer *t, const golden *g) {
    char all[256] = "";
    const char *part;
    size_t length, offset;
    tf_decoder *d;
    works(tf_decoder_open(t, true, &d));
    for (size_t i = 0; i <= g->count; i++) {
        works(i < g->count ? tf_decoder_push(d, g->ids[i], &part, &length) : tf_decoder_finish(d, &part, &length));
        cr_assert(tf_utf8_valid(part, length, &offset), "\"%s\": a part of a character", g->text);
        strncat(all, part, length);
        cr_assert(!strncmp(all, g->decoded, strlen(all)), "\"%s\": \"%s\" is not the start", g->text, all);
    }
    cr_assert_str_eq(all, g->decoded);
    tf_decoder_close(d);
}

static void check(const tf_tokenizer *t, const golden *g) {
    const tf_encode_request request = {.first = g->text, .first_length = strlen(g->text)};
    tf_encoding e;
    char *text;
    size_t length;
    works(tf_tokenizer_encode(t, &request, &e));
    cr_assert_eq(e.count, g->count, "\"%s\": %zu ids", g->text, e.count);
    for (size_t i = 0; i < e.count; i++) {
        cr_assert_eq(e.ids[i], g->ids[i], "\"%s\": id %zu is %d", g->text, i, e.ids[i]);
        cr_assert(e.place[i].text < 0 || (e.place[i].start == g->place[i][0] && e.place[i].end == g->place[i][1]),
                  "\"%s\": token %zu at %zu to %zu", g->text, i, e.place[i].start, e.place[i].end);
    }
    tf_encoding_free(&e);
    works(tf_tokenizer_decode(t, g->ids, g->count, true, &text, &length));
    cr_assert_str_eq(text, g->decoded);
    free(text);
    check_stream(t, g);
}

Test(tokenizer_kinds, unigram_with_byte_fallback) {
    static const golden cases[] = {
        {"hello", 3, {0, 5, 2}, {{0, 0}, {0, 5}, {0, 0}}, "hello"},
        {"hellolo lo", 6, {0, 5, 7, 4, 7, 2}, {{0, 0}, {0, 5}, {5, 7}, {8, 9}, {8, 10}, {0, 0}}, "hellolo lo"},
        {"hello \xef\xac\x81ne",
         6,
         {0, 5, 4, 10, 13, 2},
         {{0, 0}, {0, 5}, {6, 9}, {6, 9}, {9, 11}, {0, 0}},
         "hello fine"},
        {"\xe2\x84\xab\xe2\x91\xa0\xe3\x80\x80he",
         6,
         {0, 4, 16, 14, 6, 2},
         {{0, 0}, {0, 3}, {0, 3}, {3, 6}, {9, 11}, {0, 0}},
         "\xc3\x85"
         "1 he"},
        {"e\xcc\x81h", 5, {0, 4, 15, 18, 2}, {{0, 0}, {0, 1}, {0, 1}, {3, 4}, {0, 0}}, "\xc3\xa9h"},
        {"\xe2\x80\x8bhello\xe2\x80\x8b", 3, {0, 5, 2}, {{0, 0}, {0, 7}, {0, 0}}, "hello"},
        {"\xe2\x98\x83\xe2\x98\x83 he\xe2\x98\x83lo",
         14,
         {0, 4, 22, 23, 24, 22, 23, 24, 6, 22, 23, 24, 7, 2},
         {{0, 0},
          {0, 3},
          {0, 6},
          {0, 6},
          {0, 6},
          {0, 6},
          {0, 6},
          {0, 6},
          {7, 9},
          {9, 12},
          {9, 12},
          {9, 12},
          {12, 14},
          {0, 0}},
         "\xe2\x98\x83\xe2\x98\x83 he\xe2\x98\x83lo"},
        {"  hello\t lo  ", 5, {0, 5, 4, 7, 2}, {{0, 0}, {2, 7}, {9, 10}, {9, 11}, {0, 0}}, "hello lo"},
        {"\xe3\x8d\xbf\xe3\x8d\xbf",
         7,
         {0, 4, 19, 20, 19, 20, 2},
         {{0, 0}, {0, 3}, {0, 3}, {0, 3}, {3, 6}, {3, 6}, {0, 0}},
         "\xe6\xa0\xaa\xe5\xbc\x8f\xe6\xa0\xaa\xe5\xbc\x8f"},
        {"<s>hello</s>", 5, {0, 0, 5, 2, 2}, {{0, 0}, {0, 3}, {3, 8}, {8, 12}, {0, 0}}, "hello"},
        {"", 2, {0, 2}, {{0, 0}, {0, 0}}, ""},
    };
    tf_tokenizer *t;
    works(open_corpus("unigram.json", "{", "{", &t));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check(t, &cases[i]);
    tf_tokenizer_close(t);
}

Test(tokenizer_kinds, unigram_without) {
    static const golden cases[] = {
        {"hellolo lo", 6, {0, 5, 7, 4, 7, 2}, {{0, 0}, {0, 5}, {5, 7}, {8, 9}, {8, 10}, {0, 0}}, "hellolo lo"},
        {"\xe2\x98\x83\xe2\x98\x83 he\xe2\x98\x83lo",
         7,
         {0, 4, 3, 6, 3, 7, 2},
         {{0, 0}, {0, 3}, {0, 6}, {7, 9}, {9, 12}, {12, 14}, {0, 0}},
         " helo"},
        {"  hello\t lo  ", 5, {0, 5, 4, 7, 2}, {{0, 0}, {2, 7}, {9, 10}, {9, 11}, {0, 0}}, "hello lo"},
    };
    tf_tokenizer *t;
    works(open_corpus("unigram.json", "\"byte_fallback\": true", "\"byte_fallback\": false", &t));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check(t, &cases[i]);
    tf_tokenizer_close(t);
    works(open_corpus("unigram.json", "\"unk_id\": 3", "\"unk_id\": null", &t));
    int32_t *ids, *types;
    size_t count;
    fails(tf_tokenize(t, "hexe", 4, NULL, 0, 0, false, &ids, &types, &count), TF_INVALID,
          "characters that the tokenizer does not know");
    tf_tokenizer_close(t);
}

Test(tokenizer_kinds, byte_pairs) {
    static const golden cases[] = {
        {"hello he", 4, {29, 13, 2, 27}, {{0, 4}, {4, 5}, {6, 6}, {6, 8}}, "hello he"},
        {"he's it'S", 6, {27, 3, 14, 2, 15, 3}, {{0, 2}, {2, 3}, {3, 4}, {5, 5}, {5, 6}, {7, 8}}, "he's t'"},
        {" hello  a\n\n b",
         8,
         {33, 2, 2, 8, 1, 1, 2, 9},
         {{1, 6}, {7, 7}, {8, 8}, {8, 9}, {9, 10}, {10, 11}, {12, 12}, {12, 13}},
         " hello  a\n\n b"},
        {"\xc3\xa9\xe6\x97\xa5\xf0\x9f\x99\x82",
         7,
         {23, 22, 25, 18, 21, 31, 32},
         {{0, 2}, {0, 2}, {2, 5}, {2, 5}, {2, 5}, {5, 9}, {5, 9}},
         "\xc3\xa9\xe6\x97\xa5\xf0\x9f\x99\x82"},
        {"e\xcc\x81", 2, {23, 22}, {{0, 1}, {0, 1}}, "\xc3\xa9"},
        {"<|end|>  hello<|end|>", 4, {0, 29, 13, 0}, {{0, 7}, {9, 13}, {13, 14}, {14, 21}}, "hello"},
        {"121 1", 5, {4, 5, 4, 2, 4}, {{0, 1}, {1, 2}, {2, 3}, {4, 4}, {4, 5}}, "121 1"},
        {"Hello W!", 6, {6, 10, 28, 13, 2, 7}, {{0, 1}, {1, 2}, {2, 4}, {4, 5}, {6, 6}, {6, 7}}, "Hello W"},
        {"", 0, {0}, {{0, 0}}, ""},
    };
    tf_tokenizer *t;
    works(open_corpus("bytes.json", "{", "{", &t));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check(t, &cases[i]);
    tf_tokenizer_close(t);
}

/* What never becomes a character is U+FFFD, as soon as that is certain. */
Test(tokenizer_kinds, broken_characters_while_streaming) {
    enum { FIRST = 31, SECOND = 32, LETTER = 9, NONE = 99 }; /* F0 9F, 99 82: together U+1F642 */
    static const struct {
        int32_t ids[3];
        const char *part[4];
    } cases[] = {
        {{FIRST, SECOND, LETTER}, {"", "\xf0\x9f\x99\x82", "b", ""}},
        {{FIRST, LETTER, NONE},
         {"",
          "\xef\xbf\xbd"
          "b",
          "", ""}},
        {{SECOND, FIRST, FIRST}, {"\xef\xbf\xbd\xef\xbf\xbd", "", "\xef\xbf\xbd", "\xef\xbf\xbd"}},
        {{0, NONE, -1}, {"", "", "", ""}}, /* a special token, and what is no token at all */
    };
    tf_tokenizer *t;
    works(open_corpus("bytes.json", "{", "{", &t));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tf_decoder *d;
        const char *part;
        size_t length;
        works(tf_decoder_open(t, true, &d));
        for (size_t k = 0; k < 4; k++) {
            works(k < 3 ? tf_decoder_push(d, cases[i].ids[k], &part, &length) : tf_decoder_finish(d, &part, &length));
            cr_assert(length == strlen(cases[i].part[k]) && !memcmp(part, cases[i].part[k], length),
                      "case %zu, id %zu: \"%.*s\"", i, k, (int)length, part);
        }
        tf_decoder_close(d);
    }
    tf_tokenizer_close(t);
}

Test(tokenizer_kinds, hostile_files) {
    static const struct {
        const char *file, *from, *to, *part;
    } cases[] = {
        {"unigram.json", "\"precompiled_charsmap\": \"AA", "\"precompiled_charsmap\": \"//", "precompiled_charsmap"},
        {"unigram.json", "\"precompiled_charsmap\": \"", "\"precompiled_charsmap\": \"!", "precompiled_charsmap"},
        {"unigram.json", "\"<pad>\", 0]", "\"<pad>\", null]", "piece 1 of \"vocab\""},
        {"unigram.json", "[\"<pad>\", 0]", "[\"\", 0]", "piece 1 of \"vocab\""},
        {"unigram.json", "[\"<pad>\", 0]", "[\"<s>\", 0]", "is there twice"},
        {"unigram.json", "\"unk_id\": 3", "\"unk_id\": 3000", "\"unk_id\" is not in the vocabulary"},
        {"unigram.json", "\" {2,}\"", "\"(a\"", "\"pattern\" of \"normalizer\": the expression is not valid"},
        {"unigram.json", "\" {2,}\"", "\"\\\\b\"", "the expression has \\b, whose meaning here is not known"},
        {"unigram.json", "\" {2,}\"", "\"[a[b]]\"", "a class within a class"},
        {"unigram.json", "\" {2,}\"", "\"(?<name>a)\"", "whose meaning here is not known"},
        {"unigram.json", "\" {2,}\"", "\"\\\\p{Greek}\"", "\\p{Greek}, whose meaning here is not known"},
        {"bytes.json", "[\"h\", \"e\"]", "[\"h\"]", "merge 0 is not a pair"},
        {"bytes.json", "[\"h\", \"e\"]", "[\"h\", \"x\"]", "a token of merge 0 is not in the vocabulary"},
        {"bytes.json", "\"dropout\": null", "\"dropout\": 0.1", "makes the tokens random"},
        {"bytes.json", "\"Isolated\"", "\"Elsewhere\"", "\"behavior\" of \"pre_tokenizer\""},
        {"bytes.json", "\"decoder\": {\"type\": \"ByteLevel\"", "\"decoder\": {\"type\": \"Bytes\"",
         "\"decoder\" has the key"},
        {"bytes.json", "\"type\": \"NFC\"", "\"type\": \"Sequence\", \"normalizers\": 1",
         "\"normalizers\" is not a list"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tf_tokenizer *t;
        tf_status status = open_corpus(cases[i].file, cases[i].from, cases[i].to, &t);
        cr_assert_eq(status, TF_FORMAT, "case %zu", i);
        cr_assert(strstr(tf_error(), cases[i].part), "case %zu: %s", i, tf_error());
    }
}

/* Nested steps have an end, and an expression that would search for ever fails in time. */
Test(tokenizer_kinds, hostile_depth_and_search) {
    static char deep[8192], text[64];
    tf_tokenizer *t;
    int32_t *ids, *types;
    size_t count;
    strcpy(deep, "\"normalizer\": ");
    for (int i = 0; i < 20; i++) strcat(deep, "{\"type\": \"Sequence\", \"normalizers\": [");
    strcat(deep, "{\"type\": \"NFC\"}");
    for (int i = 0; i < 20; i++) strcat(deep, "]}");
    fails(open_corpus("bytes.json", "\"normalizer\": {\"type\": \"NFC\"}", deep, &t), TF_FORMAT, "nested too deeply");
    works(open_corpus("bytes.json", "(?i:'s|'t)|", "(a+)+$|", &t));
    memset(text, 'a', 40);
    text[40] = 'b';
    fails(tf_tokenize(t, text, 41, NULL, 0, 0, false, &ids, &types, &count), TF_INVALID, "expression");
    tf_tokenizer_close(t);
}

/* ---- Expressions, in Oniguruma's meaning ---- */

Test(tokenizer_kinds, expressions) {
    static const struct {
        const char *pattern, *text;
        int start, end; /* -1: none is found */
    } cases[] = {
        {"\\s",
         "a\xe1\xa0\x8e"
         "b",
         -1, 0},                    /* U+180E is no space */
        {"\\s", "a\xc2\x85", 1, 3}, /* U+0085 is */
        {"[^\\s]",
         "\xe3\x80\x80"
         "b",
         3, 4},
        {"\\d+",
         "x\xd9\xa1"
         "2",
         1, 4},                  /* Arabic digits too */
        {"\\h+", "xyzBe", 3, 5}, /* hexadecimal, in Ruby */
        {"[\\h]", "z \tF", 3, 4},
        {"^b", "a\nb", 2, 3}, /* of every line */
        {"a$", "a\nb", 0, 1},
        {".+", "ab\ncd", 0, 2},
        {"(?i:'S)", "it's", 2, 4},
        {"\\s+(?!\\S)", "a   b", 1, 3},
        {"\\p{Han}", "a\xe6\x97\xa5", 1, 4},
        {"\\P{L}", "ab1", 2, 3},
        {"[\\p{L}\\p{N}]+",
         "-\xc3\xa9"
         "1-",
         1, 4},
        {"a{2,}", "abaa", 2, 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tf_expression *e;
        size_t start, end;
        bool found;
        works(tf_expression_compile(cases[i].pattern, &e));
        works(tf_expression_find(e, cases[i].text, strlen(cases[i].text), 0, &start, &end, &found));
        cr_assert_eq(found, cases[i].start >= 0, "case %zu", i);
        cr_assert(!found || (start == (size_t)cases[i].start && end == (size_t)cases[i].end), "case %zu: %zu to %zu", i,
                  start, end);
        tf_expression_free(e);
    }
}

/* ---- Post-processors ---- */

static tf_status open_processor(const char *processor, tf_tokenizer **t) {
    char text[2048];
    snprintf(text, sizeof text,
             "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"<unk>\": 0, \"a\": 1, \"b\": 2, \"<s>\": 3, \"</s>\": 4}, "
             "\"merges\": []}, \"post_processor\": %s}",
             processor);
    scratch_text("tokenizer.json", text);
    return tf_tokenizer_open(scratch, t);
}

#define AROUND     "\"sep\": [\"</s>\", 4], \"cls\": [\"<s>\", 3]"
#define BYTE_LEVEL "{\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": false}"
#define TEMPLATE                                                                                                       \
    "{\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"S\", \"type_id\": 2}}, "            \
    "{\"Sequence\": {\"id\": \"A\", \"type_id\": 1}}], \"pair\": [{\"Sequence\": {\"id\": \"B\", \"type_id\": 1}}, "   \
    "{\"SpecialToken\": {\"id\": \"E\", \"type_id\": 3}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}], "          \
    "\"special_tokens\": {\"S\": {\"ids\": [3]}, \"E\": {\"ids\": [4]}}}"

/* "ab", and "ab" with "ba". */
Test(tokenizer_kinds, post_processors) {
    static const struct {
        const char *processor;
        size_t count, pair_count;
        int32_t ids[4], types[4], pair_ids[8], pair_types[8];
    } cases[] = {
        {"null", 2, 4, {1, 2}, {0, 0}, {1, 2, 2, 1}, {0, 0, 1, 1}},
        {BYTE_LEVEL, 2, 4, {1, 2}, {0, 0}, {1, 2, 2, 1}, {0, 0, 1, 1}},
        {"{\"type\": \"BertProcessing\", " AROUND "}",
         4,
         7,
         {3, 1, 2, 4},
         {0},
         {3, 1, 2, 4, 2, 1, 4},
         {0, 0, 0, 0, 1, 1, 1}},
        {"{\"type\": \"RobertaProcessing\", \"trim_offsets\": false, " AROUND "}",
         4,
         8,
         {3, 1, 2, 4},
         {0},
         {3, 1, 2, 4, 4, 2, 1, 4},
         {0}},
        {TEMPLATE, 3, 5, {3, 1, 2}, {2, 1, 1}, {2, 1, 4, 1, 2}, {1, 1, 3, 0, 0}},
        {"{\"type\": \"Sequence\", \"processors\": [" BYTE_LEVEL ", " TEMPLATE "]}",
         3,
         5,
         {3, 1, 2},
         {2, 1, 1},
         {2, 1, 4, 1, 2},
         {1, 1, 3, 0, 0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tf_tokenizer *t;
        works(open_processor(cases[i].processor, &t));
        for (int pair = 0; pair < 2; pair++) {
            int32_t *ids, *types;
            size_t count, wanted = pair ? cases[i].pair_count : cases[i].count;
            works(tf_tokenize(t, "ab", 2, pair ? "ba" : NULL, pair ? 2 : 0, 0, false, &ids, &types, &count));
            cr_assert_eq(count, wanted, "case %zu: %zu ids", i, count);
            cr_assert_arr_eq(ids, pair ? cases[i].pair_ids : cases[i].ids, count * sizeof *ids);
            cr_assert_arr_eq(types, pair ? cases[i].pair_types : cases[i].types, count * sizeof *types);
            free(ids), free(types);
        }
        tf_tokenizer_close(t);
    }
    tf_tokenizer *t;
    fails(open_processor("{\"type\": \"Sequence\", \"processors\": [" TEMPLATE ", " TEMPLATE "]}", &t), TF_FORMAT,
          "puts special tokens around a text twice");
}
