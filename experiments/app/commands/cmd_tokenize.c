#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "experiments/app/commands/commands.h"
#include "experiments/app/data/texts.h"
#include "experiments/app/report/results.h"

static tf_status print_ids(FILE *out, const tf_tokenizer *tokenizer, const cli_texts *texts, size_t i, size_t limit) {
    const cli_text *t = &texts->item[i];
    int32_t *ids = NULL, *types = NULL;
    size_t count = 0;
    tf_status status = tf_tokenize(tokenizer, t->first, t->first_length, t->second, t->second_length, limit, limit > 0,
                                   &ids, &types, &count);
    if (status != TF_OK) {
        char place[4200];
        return tf_fail_in(status, "%s", text_place(texts, i, place, sizeof place));
    }
    fputc('[', out);
    for (size_t k = 0; k < count; k++) fprintf(out, "%s%" PRId32, k ? ", " : "", ids[k]);
    fputs("]\n", out);
    free(ids);
    free(types);
    return TF_OK;
}

/* All lines or, on an error, none. */
static tf_status print_all(const tf_tokenizer *tokenizer, const cli_texts *texts, size_t limit) {
    char *lines = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&lines, &size);
    if (!out) return tf_fail(TF_NOMEM, "out of memory");
    tf_status status = TF_OK;
    for (size_t i = 0; i < texts->count && status == TF_OK; i++) status = print_ids(out, tokenizer, texts, i, limit);
    if (fclose(out) != 0 && status == TF_OK) status = tf_fail(TF_NOMEM, "out of memory");
    if (status == TF_OK) {
        fwrite(lines, 1, size, stdout);
        status = finish_output();
    }
    free(lines);
    return status;
}

static tf_status run(const cli_options *o) {
    size_t limit = 0;
    if (o->truncate) {
        tf_config config;
        TF_TRY(tf_config_read(o->model, &config));
        limit = config.positions;
        tf_config_free(&config);
    }
    tf_tokenizer *tokenizer;
    cli_texts texts;
    TF_TRY(tf_tokenizer_open(o->model, &tokenizer));
    tf_status status = texts_read(o, &texts);
    if (status == TF_OK) {
        status = print_all(tokenizer, &texts, limit);
        texts_free(&texts);
    }
    tf_tokenizer_close(tokenizer);
    return status;
}

const cli_command command_tokenize = {
    .name = "tokenize",
    .summary = "print the token ids of texts",
    .description = "Prints the WordPiece ids of each text as a line of JSON, special tokens included.",
    .accepts = (const char[]){OPTION_MODEL, OPTION_TEXT, OPTION_INPUT, OPTION_LIMIT, OPTION_TRUNCATE, 0},
    .requires = (const char[]){OPTION_MODEL, 0},
    .run = run,
};
