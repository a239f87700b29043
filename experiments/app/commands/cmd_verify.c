/* Which shared model a party has, and whether its part of it is whole. */
#include "experiments/app/commands/commands.h"
#include "experiments/app/data/directory.h"
#include "experiments/app/data/tokenizer_files.h"
#include "experiments/app/log/progress.h"
#include "experiments/app/report/outcomes.h"
#include "net/base/file.h"

/** Reads all weights, and shows how far it is. */
static tf_status read_all(tf_share_file *file) {
    progress_line line;
    tf_status status = TF_OK;
    double elements = 0;
    for (size_t i = 0; i < file->entries; i++) elements += (double)tf_shape_count(file->entry[i].shape);
    progress_begin(&line, "verified", file->entries, elements);
    for (size_t i = 0; status == TF_OK && i < file->entries; i++) {
        status = tf_share_weights_check(file, &file->entry[i]);
        progress_step(&line, 1, (double)tf_shape_count(file->entry[i].shape));
    }
    progress_end(&line);
    return status;
}

static tf_status verify(const command_line *o, const char *directory, tf_share_file *file) {
    report_form form = settings_of_report(o);
    tf_share_roots roots;
    tf_digest model, tokenizer;
    TF_TRY(party_shares_root(file, o->model_root, &roots, &model));
    TF_TRY(tokenizer_directory_digest(directory, &tokenizer));
    TF_TRY(read_all(file));
    return verified_print(&form, directory, file->party, &model, roots.component, &tokenizer);
}

static tf_status run(const command_line *o) {
    char path[DIRECTORY_PATH];
    tf_share_file *file;
    TF_TRY(tf_path_join(o->model_shares, TF_SHARE_WEIGHTS, path, sizeof path));
    TF_TRY(tf_share_open(path, "weights", -1, &file));
    tf_status status = verify(o, o->model_shares, file);
    tf_share_close(file);
    return status;
}

const trefoil_command command_verify = {
    .name = "verify",
    .summary = "tell which shared model a party has",
    .description = "Reads a party's part of a shared model whole, compares it with the roots that its owner published, "
                   "and prints them, the root of the model, which --model-root of a party takes, and the digest of the "
                   "tokenizer, which --tokenizer-digest takes.",
    .example = {"trefoil verify --model-shares SHARES/party1",
                "trefoil verify --model-shares SHARES/party1 --model-root HEX"},
    .accepts =
        (const char[]){
            OPTION_QUIET,
            OPTION_MODEL_SHARES,
            OPTION_MODEL_ROOT,
            0,
        },
    .requires = (const char[]){OPTION_MODEL_SHARES, 0},
    .secrets = true,
    .run = run,
};
