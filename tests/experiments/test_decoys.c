/* Where decoys stand is chance alone, also among rows that are padded; taken out again, the texts are as they were. */
#include <math.h>

#include "experiments/app/data/decoys.h"
#include "ops/ops.h"
#include "tests/support/scratch.h"

enum { OWN = 3, DECOYS = 2, ALL = OWN + DECOYS, RUNS = 4000 };

static tf_config config = {.vocabulary = 9, .positions = 16, .labels = 2, .hidden = 2, .head = TF_HEAD_CLASSIFIER};
static tf_approx approx;
static tf_tokenizer *tokenizer;

static void write_file(void) {
    char json[1024], architecture[TF_DIGEST_TEXT], text[TF_APPROX_TEXT];
    tf_digest digest;
    works(tf_architecture_digest(&config, &digest));
    tf_digest_text(&digest, architecture);
    snprintf(json, sizeof json,
             "{\"architecture\": \"%s\", \"approximations\": \"%s\", \"texts\": ["
             "{\"text\": \"a a a a a a a\", \"tokens\": 9, \"values\": [1, 2]},"
             "{\"text\": \"a a a a a a ,\", \"tokens\": 9, \"values\": [3, 4]},"
             "{\"text\": \"a a a a a a a a a\", \"tokens\": 11, \"values\": [5, 6]}]}",
             architecture, tf_approx_text(&approx, text));
    scratch_text("certified.json", json);
}

static void setup(void) {
    scratch_make();
    works(tf_ops_register());
    works(tf_approx_parse("exact", &approx));
    scratch_text("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##a\n##b\n,\n");
    works(tf_tokenizer_open(scratch, &tokenizer));
    write_file();
}

static void finish(void) {
    tf_tokenizer_close(tokenizer);
    scratch_remove();
}

TestSuite(decoys, .init = setup, .fini = finish);

static text_list own_texts(void) {
    text_list texts = {0};
    for (int i = 0; i < OWN; i++) {
        text_item *item;
        works(texts_add(&texts, (size_t)i, &item));
        works(text_duplicate(i == 1 ? "" : "a", i != 1, &item->first)); /* the second is empty */
        item->first_length = i != 1;
    }
    return texts;
}

static decoys mix(text_list *texts, size_t longest) {
    char path[128];
    decoys mixed;
    strcpy(path, scratch_path("certified.json"));
    const decoy_settings settings = {.count = DECOYS, .file = path, .tolerance = 0.5};
    works(decoys_mix(&settings, &config, &approx, longest, texts, &mixed));
    return mixed;
}

static text_batches pad(text_list *texts) {
    text_batches batches;
    const batch_settings settings = {.most = 2, .pad_to = "12", .empty = EMPTY_MARKED};
    works(batches_make(texts, tokenizer, &config, &settings, &batches));
    return batches;
}

/* Of the rows that others see, each is a decoy as often as any other, however long decoys and texts are. */
Test(decoys, stand_anywhere) {
    size_t at[ALL - 1] = {0};
    for (int run = 0; run < RUNS; run++) {
        text_list texts = own_texts();
        decoys mixed = mix(&texts, 10);
        text_batches batches = pad(&texts);
        cr_assert_eq(batches.texts, ALL - 1, "the empty text has a row");
        for (size_t row = 0; row < batches.texts; row++)
            for (size_t k = 0; k < DECOYS; k++) at[row] += batches.order[row] == mixed.place[OWN + k];
        batches_free(&batches);
        decoys_free(&mixed);
        texts_free(&texts);
    }
    double expected = RUNS * (double)DECOYS / (ALL - 1);
    for (size_t row = 0; row < ALL - 1; row++)
        cr_assert_float_eq((double)at[row], expected, 6 * sqrt(expected / 2), "row %zu: %zu", row, at[row]);
}

Test(decoys, leave_the_texts_as_they_were) {
    for (int wrong = -1; wrong < 3; wrong++) {
        text_list texts = own_texts();
        decoys mixed = mix(&texts, 10);
        text_batches batches = pad(&texts);
        float *values;
        works(batches_allocate(&batches, &config, &values));
        for (size_t i = 0; i < OWN; i++) values[2 * mixed.place[i]] = 10 + (float)i;
        for (size_t k = 0; k < DECOYS; k++)
            for (size_t i = 0; i < 2; i++)
                values[2 * mixed.place[OWN + k] + i] = mixed.value[2 * k + i] + (k ? 0.25f : 0);
        float *bad = &values[2 * mixed.place[OWN + 1] + 1];
        if (wrong >= 0) *bad = wrong == 0 ? *bad + 0.5f : wrong == 1 ? NAN : -*bad;
        if (wrong >= 0) {
            fails(decoys_take_out(&mixed, &texts, &batches, values), TF_MISMATCH, "1 of 2 decoys are off");
        } else {
            works(decoys_take_out(&mixed, &texts, &batches, values));
            cr_assert_eq(mixed.off, 0.25);
            cr_assert(texts.count == OWN && batches.listed == OWN && batches_values(&batches, &config) == 2 * OWN);
            for (size_t i = 0; i < OWN; i++) {
                cr_assert_eq(*batches_row(&batches, i, 0, 2, values), 10 + (float)i);
                cr_assert_eq(texts.item[i].line, i);
                cr_assert_eq(texts.item[i].empty, i == 1);
            }
        }
        free(values);
        batches_free(&batches);
        decoys_free(&mixed);
        texts_free(&texts);
    }
}

/* Those that are too long are not drawn; where too few are left, it is said. */
Test(decoys, are_short_enough) {
    char path[128];
    strcpy(path, scratch_path("certified.json"));
    decoy_settings settings = {.count = 3, .file = path};
    text_list texts = own_texts();
    decoys mixed;
    fails(decoys_mix(&settings, &config, &approx, 10, &texts, &mixed), TF_INVALID, "2 texts of at most 10 tokens");
    works(decoys_mix(&settings, &config, &approx, 11, &texts, &mixed));
    cr_assert_eq(texts.count, OWN + 3);
    decoys_free(&mixed);
    texts_free(&texts);
}
