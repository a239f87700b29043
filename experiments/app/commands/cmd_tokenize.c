#include <stdlib.h>

#include "experiments/app/commands/commands.h"
#include "experiments/app/report/outcomes.h"

/* All lines or, on an error, none. */
static tf_status print_all(const command_line *o, const tf_tokenizer *tokenizer, const text_list *texts, size_t limit,
                           bool cut) {
    encoded_text *row = calloc(texts->count, sizeof *row);
    tf_status status = row ? TF_OK : tf_fail(TF_NOMEM, "out of memory");
    for (size_t i = 0; i < texts->count && status == TF_OK; i++)
        status = text_encode(texts, i, tokenizer, limit, cut, &row[i]);
    if (status == TF_OK) status = tokens_print(row, texts->count, o->json ? tokenizer : NULL);
    for (size_t i = 0; row && i < texts->count; i++) encoded_text_free(&row[i]);
    free(row);
    return status;
}

static tf_status run_with(const command_line *o, const tf_tokenizer *tokenizer) {
    size_t limit = 0;
    text_source source = settings_of_texts(o);
    bool cut = false;
    text_list texts;
    if (o->truncate || o->max_length) {
        tf_config config;
        batch_settings settings = settings_of_batches(o, EMPTY_MARKED);
        TF_TRY(tf_config_read(o->model, &config));
        tf_status status = batches_limit(&config, tokenizer, &settings, &limit, &cut);
        tf_config_free(&config);
        TF_TRY(status);
    }
    TF_TRY(texts_read(&source, &texts));
    tf_status status = print_all(o, tokenizer, &texts, limit, cut);
    texts_free(&texts);
    return status;
}

static tf_status run(const command_line *o) {
    tf_tokenizer *tokenizer;
    TF_TRY(tf_tokenizer_open(o->model, &tokenizer));
    tf_status status = run_with(o, tokenizer);
    tf_tokenizer_close(tokenizer);
    return status;
}

const trefoil_command command_tokenize = {
    .name = "tokenize",
    .summary = "print the token ids of texts",
    .description = "Prints the token ids of each text as a line of JSON, special tokens included; with --json an "
                   "object that also has the tokens and where they stand in the text, in bytes.",
    .example = {"trefoil tokenize --model DIR --text \"a good film\"",
                "trefoil tokenize --model DIR --input texts.jsonl --truncate"},
    .accepts =
        (const char[]){
            OPTION_MODEL,
            OPTION_TEXT,
            OPTION_INPUT,
            OPTION_LIMIT,
            OPTION_TRUNCATE,
            OPTION_MAX_LENGTH,
            OPTION_FORMAT,
            OPTION_COLUMNS,
            0,
        },
    .requires = (const char[]){OPTION_MODEL, 0},
    .run = run,
};
