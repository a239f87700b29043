/* What owners do who are no compute party: share a model, share texts, put results together. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "experiments/app/commands/commands.h"
#include "experiments/app/data/directory.h"
#include "experiments/app/data/head_directory.h"
#include "experiments/app/log/progress.h"
#include "experiments/app/measure/bench.h"
#include "experiments/app/report/outcomes.h"
#include "experiments/app/report/results.h"
#include "models/decoding.h"
#include "net/base/clock.h"
#include "net/base/file.h"
#include "runtime/lower/lower.h"

/** The three parties' directories below --out, and a file in each. */
typedef struct parts {
    char directory[TF_PARTIES][DIRECTORY_PATH], file[TF_PARTIES][DIRECTORY_PATH];
    const char *path[TF_PARTIES];
} parts;

static tf_status make_parts(const command_line *o, const char *name, parts *p) {
    TF_TRY(directory_make(o->out, o->model, 0777));
    for (int i = 0; i < TF_PARTIES; i++) {
        char party[16];
        snprintf(party, sizeof party, "party%d", i);
        TF_TRY(tf_path_join(o->out, party, p->directory[i], DIRECTORY_PATH));
        TF_TRY(directory_make(p->directory[i], NULL, 0700));
        TF_TRY(tf_path_join(p->directory[i], name, p->file[i], DIRECTORY_PATH));
        p->path[i] = p->file[i];
        if (!o->force && access(p->file[i], F_OK) == 0)
            return tf_fail(TF_INVALID, "%s is there already: give another --out, or --force to replace it", p->file[i]);
    }
    return TF_OK;
}

static tf_status print_parts(const command_line *o, const char *what, size_t count, double seconds, const parts *p,
                             const tf_digest *root) {
    size_t size[TF_PARTIES] = {0};
    for (int i = 0; i < TF_PARTIES; i++) {
        int file;
        TF_TRY(tf_file_open(p->file[i], &file, &size[i]));
        close(file);
    }
    report_form form = settings_of_report(o);
    return parts_print(&form, o->out, what, count, size, root, seconds);
}

static tf_status read_root(const parts *p, tf_digest *root) {
    tf_share_file *file;
    tf_share_roots roots;
    TF_TRY(tf_share_open(p->path[0], "weights", 0, &file));
    tf_status status = party_shares_root(file, NULL, &roots, root);
    tf_share_close(file);
    return status;
}

/* share-model ------------------------------------------------------------------------------------------------------ */

/** Any batch, and any pass of a decoder, has the same weights; the smallest one will do. */
static tf_status build(const model_files *model, tf_graph *graph, float **random) {
    size_t length = 1;
    tf_batch batch = {.texts = 1, .length = 1, .lengths = &length};
    tf_decoding decoding = {.texts = 0};
    if (model->config.head == TF_HEAD_CAUSAL) {
        TF_TRY(tf_decoding_make(&model->config, 1, 1, 1, &decoding));
        batch.decoding = &decoding;
    }
    tf_status status = tf_model_build(&model->config, &model->approx, &batch, model->weights, false, graph);
    tf_decoding_free(&decoding);
    if (status != TF_OK || model->weights) return status;
    return bench_random_weights(graph, random);
}

static void show_progress(void *line, size_t elements) {
    progress_step(line, 1, (double)elements);
}

/** Writes the three files, and shows how far it is. */
static tf_status write_weights(const parts *p, const tf_program *program, const tf_digest *architecture, bool packed) {
    progress_line line;
    double elements = 0;
    for (int i = 0; i < program->params; i++)
        elements += (double)tf_shape_count(program->node[program->param[i].value].type.shape);
    progress_begin(&line, "shared", (size_t)program->params, elements);
    tf_status status =
        tf_share_weights_write(p->path, program, architecture, packed, &(tf_share_watch){show_progress, &line});
    progress_end(&line);
    return status;
}

static tf_status share_model(const command_line *o, model_files *model, double start) {
    parts *p = calloc(1, sizeof *p);
    tf_graph graph;
    tf_program program = {0};
    tf_digest architecture, root;
    float *random = NULL;
    tf_graph_init(&graph);
    tf_status status = p ? make_parts(o, TF_SHARE_WEIGHTS, p) : tf_fail(TF_NOMEM, "out of memory");
    if (status == TF_OK) status = tf_architecture_digest(&model->config, &architecture);
    if (status == TF_OK) status = build(model, &graph, &random);
    if (status == TF_OK) status = tf_lower(&graph, o->fraction_bits, TF_OUTSIDE, 0, &program, NULL);
    size_t weights = (size_t)program.params;
    if (status == TF_OK) {
        status = write_weights(p, &program, &architecture, o->packed);
        tf_program_free(&program);
    }
    for (int i = 0; i < TF_PARTIES && status == TF_OK && model->directory; i++)
        status = model_copy_public(model, o->approx, p->directory[i]);
    if (status == TF_OK) status = read_root(p, &root);
    if (status == TF_OK) status = print_parts(o, "weights", weights, tf_clock() - start, p, &root);
    tf_graph_free(&graph);
    free(random);
    free(p);
    return status;
}

static tf_status run_share_model(const command_line *o) {
    double start = tf_clock();
    model_files model;
    model_settings settings = settings_of_model(o);
    TF_TRY(model_open(&settings, &model));
    tf_status status = o->arch ? TF_OK : model_open_weights(&model);
    if (status == TF_OK) status = share_model(o, &model, start);
    model_close(&model);
    return status;
}

static tf_status check_share_model(const command_line *o) {
    if (!o->model == !o->arch) return tf_fail(TF_INVALID, "share-model needs either --model or --arch (see --help)");
    return TF_OK;
}

const trefoil_command command_share_model = {
    .name = "share-model",
    .summary = "split a model into share files for three parties",
    .description = "Splits a model into three directories, party0 to party2, none of which tells anything about the "
                   "weights: for a model owner who is no compute party. config.json, ranges.json and the tokenizer are "
                   "public and copied into each. With --arch, random weights for measurements.",
    .example = {"trefoil share-model --model DIR --out SHARES", "trefoil share-model --arch bert-base --out SHARES"},
    .accepts =
        (const char[]){
            OPTION_QUIET,
            OPTION_FILL_MASK,
            OPTION_MODEL,
            OPTION_ARCH,
            OPTION_LAYERS,
            OPTION_PACKED,
            OPTION_OUT,
            OPTION_FORCE,
            OPTION_APPROX,
            OPTION_FRACTION_BITS,
            OPTION_NO_RANGES,
            OPTION_PLUGIN,
            0,
        },
    .requires = (const char[]){OPTION_OUT, 0},
    .check = check_share_model,
    .secrets = true,
    .run = run_share_model,
};

/* share-input ------------------------------------------------------------------------------------------------------ */

static tf_status share_input(const command_line *o, model_files *model, double start) {
    text_source source = settings_of_texts(o);
    text_list texts = {0};
    text_batches batches = {0};
    batch_settings cut = settings_of_batches(o, EMPTY_MARKED);
    parts *p = calloc(1, sizeof *p);
    tf_status status = p ? model_open_tokenizer(model) : tf_fail(TF_NOMEM, "out of memory");
    if (status == TF_OK) status = texts_read(&source, &texts);
    if (status == TF_OK) status = batches_make(&texts, model->tokenizer, &model->config, &cut, &batches);
    if (status == TF_OK) status = make_parts(o, TF_SHARE_TEXTS, p);
    if (status == TF_OK)
        status =
            tf_share_texts_write(p->path, &model->config, batches.batch, batches.count, batches.order, batches.listed);
    if (status == TF_OK) status = print_parts(o, "texts", texts.count, tf_clock() - start, p, NULL);
    batches_free(&batches);
    texts_free(&texts);
    free(p);
    return status;
}

static tf_status run_share_input(const command_line *o) {
    double start = tf_clock();
    model_files model;
    model_settings settings = settings_of_model(o);
    TF_TRY(model_open(&settings, &model));
    tf_status status = share_input(o, &model, start);
    model_close(&model);
    return status;
}

const trefoil_command command_share_input = {
    .name = "share-input",
    .summary = "split texts into share files for three parties",
    .description =
        "Splits texts into three directories, party0 to party2, each of which tells only how many texts "
        "there are and how many tokens each has: for a data owner who is no compute party. --model needs "
        "config.json and the tokenizer alone, such as one party's part of a shared model. An empty text is told "
        "of too: it gets no result.",
    .example = {"trefoil share-input --model DIR --input texts.txt --out TEXTS",
                "trefoil share-input --model SHARES/party0 --input texts.jsonl --out TEXTS --force"},
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
            OPTION_STRICT,
            OPTION_BATCH,
            OPTION_TOKENIZER,
            OPTION_TOKENIZER_DIGEST,
            OPTION_OUT,
            OPTION_FORCE,
            OPTION_PLUGIN,
            0,
        },
    .requires = (const char[]){OPTION_MODEL, OPTION_OUT, 0},
    .secrets = true,
    .run = run_share_input,
};

/* reveal ----------------------------------------------------------------------------------------------------------- */

/** The files of two parties: of two directories, or of one that has both. */
static tf_status find_results(const command_line *o, char path[2][DIRECTORY_PATH]) {
    size_t found = 0;
    for (size_t i = 0; i < o->results; i++) {
        char part[DIRECTORY_PATH];
        for (int party = -1; party < TF_PARTIES && found < 2; party++) {
            if (party < 0)
                snprintf(part, sizeof part, "%s", o->result_shares[i]);
            else
                TF_TRY(directory_of_party(o->result_shares[i], party, part, sizeof part));
            if (party >= 0 && !strcmp(part, o->result_shares[i])) continue;
            TF_TRY(tf_path_join(part, TF_SHARE_RESULTS, path[found], DIRECTORY_PATH));
            found += access(path[found], F_OK) == 0;
        }
    }
    if (found < 2)
        return tf_fail(TF_INVALID, "%s%s: the %s of two parties are needed", o->result_shares[0],
                       o->results > 1 ? " and others" : "", TF_SHARE_RESULTS);
    return TF_OK;
}

static tf_status run_reveal(const command_line *o) {
    char path[2][DIRECTORY_PATH];
    size_t texts, width;
    float *values;
    model_files model;
    TF_TRY(find_results(o, path));
    model_settings settings = settings_of_model(o);
    report_form form = settings_of_report(o);
    TF_TRY(model_open(&settings, &model));
    tf_status status = tf_share_results_reveal((const char *[]){path[0], path[1]}, &texts, &width, &values);
    if (status == TF_OK) {
        if (width != tf_model_width(&model.config))
            status = tf_fail(TF_MISMATCH, "%s: %zu values a text, where the model of %s has %zu", path[0], width,
                             model.directory, tf_model_width(&model.config));
        else
            status = results_print_values(&(result_report){.form = &form, .model = &model, .values = values}, texts);
        free(values);
    }
    model_close(&model);
    return status;
}

const trefoil_command command_reveal = {
    .name = "reveal",
    .summary = "put the shared results of two parties together",
    .description = "Puts results together that infer --input-shares left with the parties: --result-shares names the "
                   "directories of two of them, or one directory that holds both. --model needs config.json alone.",
    .example = {"trefoil reveal --model DIR --result-shares RESULTS",
                "trefoil reveal --model DIR --result-shares FROM0 --result-shares FROM1 --json"},
    .accepts =
        (const char[]){
            OPTION_MODEL,
            OPTION_RESULT_SHARES,
            OPTION_PLUGIN,
            0,
        },
    .requires = (const char[]){OPTION_MODEL, OPTION_RESULT_SHARES, 0},
    .secrets = true,
    .run = run_reveal,
};
