#include "models/tokenize/tokenizer.h"

#include <stdarg.h>
#include <sys/stat.h>

#include "models/tokenize/read/read.h"
#include "tests/support/scratch.h"

TestSuite(tokenizer, .init = scratch_make, .fini = scratch_remove);

enum { PAD, UNK, CLS, SEP, MASK, HELLO, HE, LLO, L, O, COMMA, SIGMA, IDEOGRAPH, A, AA };

/* The ids are the places of the tokens, above. */
static const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\nhe\n##llo\n##l\n##o\n,\nσσ\n日\na\n##a\n";

static tf_tokenizer *open_text(const char *text, const char *config) {
    scratch_text("vocab.txt", text);
    if (config) scratch_text("tokenizer_config.json", config);
    tf_tokenizer *t;
    works(tf_tokenizer_open(scratch, &t));
    return t;
}

/* tokenizer.json with the vocabulary above; NULL for what is as usual. */
static const char *write_json(const char *normalizer, const char *model, const char *added, const char *processor) {
    char text[8192];
    snprintf(text, sizeof text,
             "{\"normalizer\": %s, \"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}, \"model\": {\"type\": "
             "\"WordPiece\", "
             "%s}, \"added_tokens\": [%s], \"post_processor\": %s, \"truncation\": {\"max_length\": 3}, "
             "\"padding\": {\"strategy\": {\"Fixed\": 128}}}",
             normalizer ? normalizer : "{\"type\": \"BertNormalizer\", \"lowercase\": true, \"strip_accents\": null}",
             model ? model
                   : "\"vocab\": {\"[PAD]\": 0, \"[UNK]\": 1, \"[CLS]\": 2, \"[SEP]\": 3, \"[MASK]\": 4, \"hello\": 5, "
                     "\"he\": 6, \"##llo\": 7, \"##l\": 8, \"##o\": 9, \",\": 10, \"σσ\": 11, \"日\": 12, \"a\": 13, "
                     "\"##a\": 14}",
             added ? added : "",
             processor ? processor
                       : "{\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\", 3], \"cls\": [\"[CLS]\", 2]}");
    return scratch_text("tokenizer.json", text);
}

static tf_tokenizer *open_json(const char *normalizer, const char *model, const char *added, const char *processor) {
    write_json(normalizer, model, added, processor);
    tf_tokenizer *t;
    works(tf_tokenizer_open(scratch, &t));
    return t;
}

/* Asserts the ids of a text between [CLS] and [SEP]; -1 ends the list. */
static void expect(const tf_tokenizer *t, const char *text, ...) {
    int32_t *ids, *types;
    size_t count, i = 1;
    works(tf_tokenize(t, text, strlen(text), NULL, 0, 0, false, &ids, &types, &count));
    va_list args;
    va_start(args, text);
    for (int id; (id = va_arg(args, int)) >= 0; i++)
        cr_assert(i + 1 < count && ids[i] == id, "\"%s\": token %zu is %d, not %d", text, i, i < count ? ids[i] : -1,
                  id);
    va_end(args);
    cr_assert(count == i + 1 && ids[0] == CLS && ids[i] == SEP, "\"%s\": %zu tokens", text, count);
    for (i = 0; i < count; i++) cr_assert_eq(types[i], 0);
    free(ids), free(types);
}

Test(tokenizer, words_and_pieces) {
    tf_tokenizer *t = open_text(vocabulary, NULL);
    cr_assert_eq(tf_tokenizer_vocabulary(t), 15);
    expect(t, "", -1);
    expect(t, " \t\r\n", -1);
    expect(t, "hello", HELLO, -1);
    expect(t, "Hello,HELLO", HELLO, COMMA, HELLO, -1);
    expect(t, "hell", HE, L, L, -1);
    expect(t, "hellol", HELLO, L, -1);
    expect(t, "helo hex", HE, L, O, UNK, -1); /* one unknown piece, and the word is unknown */
    expect(t, "llo ## #", UNK, UNK, UNK, UNK, -1);
    expect(t, ",,", COMMA, COMMA, -1);
    expect(t, "hé", HE, -1);
    expect(t,
           "h\xcc\x81"
           "e\xcc\x81llo",
           HELLO, -1);                                                  /* combining accents */
    expect(t, "ΣΣ ΣΣ. ΣΣ,Α", SIGMA, SIGMA, UNK, SIGMA, COMMA, UNK, -1); /* no final sigma */
    expect(t, "σς", UNK, -1);
    expect(t, "a日a日日", A, IDEOGRAPH, A, IDEOGRAPH, IDEOGRAPH, -1);
    expect(t, "he\xe2\x80\x8bllo", HELLO, -1);               /* zero width space */
    expect(t, "he\xc2\xadllo", HELLO, -1);                   /* soft hyphen */
    expect(t, "he\xef\xbf\xbdllo\x01\x7f", HELLO, -1);       /* replacement character, controls */
    expect(t, "he\xc2\xa0he\xe3\x80\x80he", HE, HE, HE, -1); /* no-break and ideographic space */
    tf_tokenizer_close(t);
    tf_tokenizer_close(NULL);
}

Test(tokenizer, zero_bytes_are_dropped) {
    tf_tokenizer *t = open_text(vocabulary, NULL);
    int32_t *ids, *types;
    size_t count;
    works(tf_tokenize(t, "he\0llo", 6, NULL, 0, 0, false, &ids, &types, &count));
    cr_assert(count == 3 && ids[1] == HELLO);
    free(ids), free(types);
    tf_tokenizer_close(t);
}

Test(tokenizer, long_words_are_unknown) {
    tf_tokenizer *t = open_text(vocabulary, NULL);
    char word[3 * 101 + 1] = "";
    for (int i = 0; i < 100; i++) strcat(word, "a");
    int32_t *ids, *types;
    size_t count;
    works(tf_tokenize(t, word, 100, NULL, 0, 0, false, &ids, &types, &count));
    cr_assert(count == 102 && ids[1] == A && ids[2] == AA && ids[100] == AA);
    free(ids), free(types);
    strcat(word, "a");
    expect(t, word, UNK, -1);
    tf_tokenizer_close(t);
    t = open_json("{\"type\": \"BertNormalizer\", \"lowercase\": false}",
                  "\"vocab\": {\"[UNK]\": 1, \"[CLS]\": 2, \"[SEP]\": 3, \"a\": 5, \"##é\": 6}, "
                  "\"max_input_chars_per_word\": 2",
                  NULL, NULL);
    expect(t, "aé aéé", 5, 6, UNK, -1); /* characters are counted, not bytes */
    tf_tokenizer_close(t);
}

Test(tokenizer, special_tokens_in_the_text) {
    tf_tokenizer *t = open_text(vocabulary, NULL);
    expect(t, "[MASK]", MASK, -1);
    expect(t, "hello[SEP]hello [CLS],[PAD][UNK]", HELLO, SEP, HELLO, CLS, COMMA, PAD, UNK, -1);
    expect(t, "[mask] [MASK", UNK, UNK, UNK, UNK, UNK, -1);
    tf_tokenizer_close(t);
}

Test(tokenizer, added_tokens) {
    tf_tokenizer *t = open_json(
        NULL, NULL,
        "{\"id\": 4, \"content\": \"[MASK]\", \"special\": true, \"lstrip\": true},"
        "{\"id\": 20, \"content\": \"<x>\", \"special\": true, \"normalized\": false},"
        "{\"id\": 21, \"content\": \"<x>y\", \"special\": true, \"normalized\": false, \"rstrip\": true},"
        "{\"id\": 22, \"content\": \"Ä b\", \"special\": false, \"normalized\": true},"
        "{\"id\": 23, \"content\": \"word\", \"special\": false, \"normalized\": false, \"single_word\": true},"
        "{\"id\": 24, \"content\": \"\", \"special\": true}",
        NULL);
    cr_assert_eq(tf_tokenizer_vocabulary(t), 24);
    expect(t, "hello \t[MASK]hello", HELLO, MASK, HELLO, -1);
    expect(t, "<x>", 20, -1);
    expect(t, "<x>y <x>hello", 21, 20, HELLO, -1);         /* the longest */
    expect(t, "<X>", UNK, UNK, UNK, -1);                   /* not normalised: letters must agree */
    expect(t, "äb Ä B hello a b", UNK, 22, HELLO, 22, -1); /* normalised: case and accents are off */
    expect(t, "word sword wordy (word)", 23, UNK, UNK, UNK, 23, UNK, -1);
    expect(t, "éword word\xcc\x81", UNK, UNK, -1); /* letters and marks are of the word */
    tf_tokenizer_close(t);
}

Test(tokenizer, options_of_the_normalizer) {
    static const struct {
        bool option[4]; /* clean_text, ideographs, strip_accents, lowercase */
        const char *in, *out;
    } cases[] = {
        {{true, true, true, true}, "Ab\tÇ日\xe2\x80\x8b", "ab c 日 "},
        {{true, true, false, true}, "ÉI\xcc\x87 \xc4\xb0", "éi\xcc\x87 i\xcc\x87"},
        {{true, true, true, false}, "É\xc3\x85", "EA"},
        {{true, false, true, true}, "A日", "a日"},
        {{false, true, true, true}, "A\tB\x01", "a\tb\x01"},
        {{true, true, true, true}, "\xf0\xa0\x80\x80\xef\xa4\x80", " \xf0\xa0\x80\x80  豈 "}, /* U+20000; U+F900 */
        {{true, true, true, true},
         "\xf0\xab\xa0\xa0",
         "\xf0\xab\xa0\xa0"}, /* U+2B820: the library's block starts later */
        {{true, true, true, true}, "\xf0\xab\xa4\xa0", " \xf0\xab\xa4\xa0 "},     /* U+2B920 */
        {{true, true, true, true}, "각", "\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8"}, /* Hangul to Jamo */
        /* Marks that take space stay, in canonical order: U+302E (class 224) after U+1D165 (216). */
        {{true, true, true, true}, "a\xe3\x80\xae\xf0\x9d\x85\xa5\xcc\x81", "a\xf0\x9d\x85\xa5\xe3\x80\xae"},
        /* but not across a letter. */
        {{true, true, true, true},
         "\xe3\x80\xae"
         "b\xf0\x9d\x85\xa5",
         "\xe3\x80\xae"
         "b\xf0\x9d\x85\xa5"},
        {{true, true, true, true}, "\xe1\xba\x9e\xc7\x85\xe2\x84\xaa", "ßǆk"}, /* long s, dz with caron, kelvin */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tf_text_steps steps = {0};
        tf_text_pieces text;
        const bool *o = cases[i].option;
        works(tf_add_bert_normalizer(o[0], o[1], o[2], o[3], &steps));
        works(tf_pieces_of(cases[i].in, strlen(cases[i].in), &text));
        works(tf_steps_run(&steps, &text));
        cr_assert(text.text.length == strlen(cases[i].out) && !memcmp(text.text.bytes, cases[i].out, text.text.length),
                  "case %zu: \"%.*s\"", i, (int)text.text.length, text.text.bytes);
        tf_pieces_free(&text);
        tf_steps_free(&steps);
    }
}

Test(tokenizer, options_beside_vocab_txt) {
    tf_tokenizer *t = open_text(vocabulary, "{\"do_lower_case\": false}");
    expect(t, "hello Hello hé", HELLO, UNK, UNK, -1);
    tf_tokenizer_close(t);
    t = open_text(vocabulary, "{\"do_lower_case\": false, \"strip_accents\": true, \"tokenize_chinese_chars\": false}");
    expect(t, "hé 日日", HE, UNK, -1);
    tf_tokenizer_close(t);
    t = open_text("<unk>\n<s>\n</s>\nhe\r\nhe\n\nx",
                  "{\"unk_token\": \"<unk>\", \"cls_token\": {\"content\": \"<s>\"}, \"sep_token\": \"</s>\"}");
    int32_t *ids, *types;
    size_t count;
    works(tf_tokenize(t, "he x </s> y", 11, NULL, 0, 0, false, &ids, &types, &count));
    cr_assert(count == 6 && ids[0] == 1 && ids[1] == 4 && ids[2] == 6 && ids[3] == 2 && ids[4] == 0 && ids[5] == 2);
    free(ids), free(types);
    tf_tokenizer_close(t);
}

Test(tokenizer, added_tokens_beside_vocab_txt) {
    scratch_text("added_tokens.json", "{\"[E11]\": 15, \"[E12]\": 16}");
    scratch_text("special_tokens_map.json",
                 "{\"additional_special_tokens\": [\"<x>\", {\"content\": \"<y>\", \"lstrip\": true}]}");
    tf_tokenizer *t =
        open_text(vocabulary, "{\"added_tokens_decoder\": {\"17\": {\"content\": \"<z>\", \"special\": true}}, "
                              "\"additional_special_tokens\": [\"<w>\"]}");
    cr_assert_eq(tf_tokenizer_vocabulary(t), 21);
    expect(t, "[E11]hello[E12] <z> <w>", 15, HELLO, 16, 17, 18, -1);
    expect(t, "[e11] <x> <y><Z>", 15, 19, 20, UNK, UNK, UNK, -1); /* normalised ones are found in any case */
    tf_tokenizer_close(t);
    scratch_text("added_tokens.json", "{\"hello\": 15}");
    fails(tf_tokenizer_open(scratch, &t), TF_FORMAT, "hello has another id than in the vocabulary");
    scratch_text("added_tokens.json", "{\"x\": \"15\"}");
    fails(tf_tokenizer_open(scratch, &t), TF_FORMAT, "added_tokens.json: the id of an added token");
}

Test(tokenizer, pairs) {
    tf_tokenizer *t = open_text(vocabulary, NULL);
    int32_t *ids, *types;
    size_t count;
    works(tf_tokenize(t, "hello", 5, "he, a", 5, 7, false, &ids, &types, &count));
    const int32_t want[] = {CLS, HELLO, SEP, HE, COMMA, A, SEP}, want_types[] = {0, 0, 0, 1, 1, 1, 1};
    cr_assert_eq(count, 7);
    cr_assert_arr_eq(ids, want, sizeof want);
    cr_assert_arr_eq(types, want_types, sizeof want_types);
    free(ids), free(types);
    works(tf_tokenize(t, "", 0, "", 0, 0, false, &ids, &types, &count));
    cr_assert(count == 3 && ids[0] == CLS && ids[1] == SEP && ids[2] == SEP && types[2] == 1);
    free(ids), free(types);
    fails(tf_tokenize(t, "a", 1, "b\xff", 2, 0, false, &ids, &types, &count), TF_FORMAT,
          "the second text is not valid UTF-8 at byte 1");
    tf_tokenizer_close(t);
}

Test(tokenizer, too_long) {
    tf_tokenizer *t = open_text(vocabulary, NULL);
    int32_t *ids, *types;
    size_t count;
    fails(tf_tokenize(t, "a a a", 5, NULL, 0, 4, false, &ids, &types, &count), TF_INVALID,
          "5 tokens, and at most 4 are allowed");
    works(tf_tokenize(t, "a , a", 5, NULL, 0, 4, true, &ids, &types, &count));
    cr_assert(count == 4 && ids[1] == A && ids[2] == COMMA && ids[3] == SEP);
    free(ids), free(types);
    works(tf_tokenize(t, "a", 1, NULL, 0, 2, true, &ids, &types, &count));
    cr_assert(count == 2 && ids[1] == SEP);
    free(ids), free(types);
    fails(tf_tokenize(t, "a", 1, NULL, 0, 1, true, &ids, &types, &count), TF_INVALID, "no room for the 2 special");
    fails(tf_tokenize(t, "a", 1, "a", 1, 2, true, &ids, &types, &count), TF_INVALID, "no room for the 3 special");

    static const size_t cases[][5] = {/* tokens of each, limit, tokens kept of each */
                                      {2, 9, 10, 2, 5}, {9, 2, 10, 5, 2}, {9, 9, 10, 3, 4}, {9, 8, 10, 4, 3},
                                      {4, 9, 10, 3, 4}, {9, 4, 9, 3, 3},  {0, 9, 10, 0, 7}, {3, 4, 10, 3, 4}};
    const char *text = "a a a a a a a a a a";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const size_t *c = cases[i];
        works(tf_tokenize(t, text, 2 * c[0], text, 2 * c[1], c[2], true, &ids, &types, &count));
        cr_assert_eq(count, c[3] + c[4] + 3, "case %zu", i);
        cr_assert(ids[c[3] + 1] == SEP && ids[count - 1] == SEP && types[c[3] + 1] == 0 && types[c[3] + 2] == 1);
        free(ids), free(types);
    }
    tf_tokenizer_close(t);
}

Test(tokenizer, invalid_utf8) {
    tf_tokenizer *t = open_text(vocabulary, NULL);
    static const struct {
        const char *text;
        size_t length, offset;
    } cases[] = {
        {"\xff", 1, 0},
        {"he\x80", 3, 2},
        {"he\xc3", 3, 2},
        {"\xc0\x80", 2, 0},
        {"a\xe0\x80\x80", 4, 1},
        {"ab\xed\xa0\x80", 5, 2},
        {"\xf0\x80\x80\x80", 4, 0},
        {"\xf4\x90\x80\x80", 4, 0},
        {"\xf8\x88\x80\x80\x80", 5, 0},
        {"日\xe6\x97", 5, 3},
        {"\xf0\x9f\x98", 3, 0},
        {"\xc3\xa9\xc3(", 4, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int32_t *ids, *types;
        size_t count;
        char part[64];
        snprintf(part, sizeof part, "the text is not valid UTF-8 at byte %zu", cases[i].offset);
        fails(tf_tokenize(t, cases[i].text, cases[i].length, NULL, 0, 0, false, &ids, &types, &count), TF_FORMAT, part);
    }
    tf_tokenizer_close(t);
}

/* ---- Files ---- */

Test(tokenizer, template_processing) {
#define SPECIAL(name, type)  "{\"SpecialToken\": {\"id\": \"" name "\", \"type_id\": " type "}}"
#define SEQUENCE(name, type) "{\"Sequence\": {\"id\": \"" name "\", \"type_id\": " type "}}"
#define SINGLE               "[" SPECIAL("C", "0") "," SEQUENCE("A", "0") "," SPECIAL("S", "0") "]"
#define PAIR(b)                                                                                                        \
    "[" SPECIAL("C", "0") "," SEQUENCE("A", "0") "," SPECIAL("S", "0") "," SEQUENCE("B", b) "," SPECIAL("S", b) "]"
#define TEMPLATE(single, pair, ids)                                                                                    \
    "{\"type\": \"TemplateProcessing\", \"single\": " single ", \"pair\": " pair ", \"special_tokens\": "              \
    "{\"C\": {\"ids\": [2]}, \"S\": {\"ids\": " ids "}}}"
    tf_tokenizer *t = open_json(NULL, NULL, NULL, TEMPLATE(SINGLE, PAIR("1"), "[3]"));
    expect(t, "hello", HELLO, -1);
    tf_tokenizer_close(t);
    t = open_json(NULL, NULL, NULL, TEMPLATE(SINGLE, PAIR("0"), "[3, 3]")); /* all of one type, two at the end */
    int32_t *ids, *types;
    size_t count;
    works(tf_tokenize(t, "a", 1, "hello", 5, 0, false, &ids, &types, &count));
    const int32_t want[] = {CLS, A, SEP, SEP, HELLO, SEP, SEP}, zeros[7] = {0};
    cr_assert_eq(count, 7);
    cr_assert_arr_eq(ids, want, sizeof want);
    cr_assert_arr_eq(types, zeros, sizeof zeros);
    free(ids), free(types);
    tf_tokenizer_close(t);
    write_json(NULL, NULL, NULL, TEMPLATE(PAIR("1"), PAIR("1"), "[3]"));
    fails(tf_tokenizer_open(scratch, &t), TF_FORMAT, "template");
    write_json(NULL, NULL, NULL, TEMPLATE(SINGLE, "7", "[3]"));
    fails(tf_tokenizer_open(scratch, &t), TF_FORMAT, "template");
    write_json(NULL, NULL, NULL, TEMPLATE(SINGLE, PAIR("1"), "[]"));
    fails(tf_tokenizer_open(scratch, &t), TF_FORMAT, "no ids");
    write_json(NULL, NULL, NULL, TEMPLATE(SINGLE, PAIR("1"), "[15]"));
    fails(tf_tokenizer_open(scratch, &t), TF_FORMAT, "not in the vocabulary");
    write_json(NULL, NULL, NULL, TEMPLATE(SINGLE, PAIR("1"), "[-1]"));
    fails(tf_tokenizer_open(scratch, &t), TF_FORMAT, "not an integer of 0..");
}

Test(tokenizer, wrong_json) {
    static const struct {
        const char *normalizer, *model, *added, *processor, *part;
    } cases[] = {
        {.normalizer = "{}", .part = "\"normalizer\" is missing"},
        {.normalizer = "{\"type\": \"Soundex\"}", .part = "\"normalizer\" is Soundex"},
        {.normalizer = "{\"type\": \"NFC\", \"form\": 1}", .part = "\"normalizer\" has the key \"form\""},
        {.normalizer = "{\"type\": \"BertNormalizer\", \"lowercase\": 1}", .part = "\"lowercase\" is neither"},
        {.model = "\"type\": \"BPE\"", .part = "duplicate"},
        {.model = "\"unk_token\": \"[UNK]\"", .part = "\"vocab\""},
        {.model = "\"vocab\": []", .part = "\"vocab\""},
        {.model = "\"vocab\": {}", .part = "\"vocab\""},
        {.model = "\"vocab\": {\"[UNK]\": -1}", .part = "not an integer of 0.."},
        {.model = "\"vocab\": {\"[UNK]\": 1048576}", .part = "not an integer of 0.."},
        {.model = "\"vocab\": {\"[UNK]\": \"1\"}", .part = "not an integer of 0.."},
        {.model = "\"vocab\": {\"a\": 1}", .part = "[UNK] is not in the vocabulary"},
        {.model = "\"vocab\": {\"a\": 1}, \"unk_token\": 1", .part = "\"unk_token\" is not a string"},
        {.model = "\"vocab\": {\"a\": 1}, \"unk_token\": \"b\"", .part = "b is not in the vocabulary"},
        {.model = "\"vocab\": {\"[UNK]\": 1}", .part = "\"post_processor\" is not in the vocabulary"},
        {.model = "\"vocab\": {\"[UNK]\": 1}, \"continuing_subword_prefix\": 1", .part = "prefix"},
        {.model = "\"vocab\": {\"[UNK]\": 1}, \"max_input_chars_per_word\": 0", .part = "max_input_chars"},
        {.model = "\"vocab\": {\"[UNK]\": 1}, \"max_input_chars_per_word\": 99999999999", .part = "max_input_chars"},
        {.added = "1", .part = "added token 0 has no \"content\""},
        {.added = "{\"id\": 1}", .part = "added token 0 has no \"content\""},
        {.added = "{\"content\": \"x\"}", .part = "the id of an added token"},
        {.added = "{\"content\": \"x\", \"id\": -4}", .part = "the id of an added token"},
        {.added = "{\"content\": \"[MASK]\", \"id\": 5}", .part = "another id than in the vocabulary"},
        {.added = "{\"content\": \"x\", \"id\": 5, \"lstrip\": 0}", .part = "\"lstrip\" is neither"},
        {.processor = "{}", .part = "\"post_processor\" is missing"},
        {.processor = "{\"type\": \"RobertaProcessing\"}", .part = "the id of \"cls\""},
        {.processor = "{\"type\": \"PairProcessing\"}", .part = "\"post_processor\" is PairProcessing"},
        {.processor = "{\"type\": \"Roberta\\u001b\"}", .part = "\"post_processor\" is missing"},
        {.processor = "{\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\", 3]}", .part = "the id of \"cls\""},
        {.processor = "{\"type\": \"BertProcessing\", \"sep\": [3], \"cls\": [\"\", 2]}", .part = "the id of \"sep\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tf_tokenizer *t;
        const char *path = write_json(cases[i].normalizer, cases[i].model, cases[i].added, cases[i].processor);
        cr_assert_eq(tf_tokenizer_open(scratch, &t), TF_FORMAT, "case %zu", i);
        cr_assert_null(t);
        cr_assert(strstr(tf_error(), cases[i].part), "case %zu: %s lacks %s", i, tf_error(), cases[i].part);
        cr_assert(strstr(tf_error(), path), "%s", tf_error());
    }
}

Test(tokenizer, wrong_files) {
    tf_tokenizer *t;
    fails(tf_tokenizer_open(scratch, &t), TF_IO, "neither tokenizer.json nor vocab.txt");
    scratch_text("vocab.txt", "[UNK]\n[CLS]\n\xff\n");
    fails(tf_tokenizer_open(scratch, &t), TF_FORMAT, "vocab.txt: line 3 is not valid UTF-8");
    scratch_text("vocab.txt", "[UNK]\n[CLS]\n");
    fails(tf_tokenizer_open(scratch, &t), TF_FORMAT, "vocab.txt: token [SEP] is not in the vocabulary");
    scratch_text("vocab.txt", "");
    fails(tf_tokenizer_open(scratch, &t), TF_FORMAT, "token [UNK]");
    scratch_text("vocab.txt", vocabulary);
    scratch_text("tokenizer_config.json", "{\"do_lower_case\": \"yes\"}");
    fails(tf_tokenizer_open(scratch, &t), TF_FORMAT, "tokenizer_config.json: \"do_lower_case\" is neither");
    scratch_text("tokenizer_config.json", "[");
    fails(tf_tokenizer_open(scratch, &t), TF_FORMAT, "tokenizer_config.json: not valid JSON");
    scratch_text("tokenizer.json", ""); /* comes first, even when it is broken */
    fails(tf_tokenizer_open(scratch, &t), TF_FORMAT, "tokenizer.json: not valid JSON");
    remove(scratch_path("tokenizer.json"));
    cr_assert(!mkfifo(scratch_path("tokenizer.json"), 0600));
    fails(tf_tokenizer_open(scratch, &t), TF_IO, "not a regular file");
}
