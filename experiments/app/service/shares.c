/* What a party opens of share files. */
#include <string.h>

#include "experiments/app/data/directory.h"
#include "experiments/app/service/private.h"
#include "net/base/file.h"

static tf_status part_path(const char *directory, int party, const char *name, char path[DIRECTORY_PATH]) {
    char part[DIRECTORY_PATH];
    TF_TRY(directory_of_party(directory, party, part, sizeof part));
    return tf_path_join(part, name, path, DIRECTORY_PATH);
}

static tf_status open_all(const cli_options *o, const tf_config *config, int party, party_shares *shares) {
    char path[DIRECTORY_PATH];
    if (o->model_shares) {
        tf_digest architecture;
        TF_TRY(tf_architecture_digest(config, &architecture));
        TF_TRY(part_path(o->model_shares, party, TF_SHARE_WEIGHTS, path));
        TF_TRY(tf_share_weights_open(path, party, &architecture, o->fraction_bits, &shares->weights));
    }
    if (!o->input_shares) return TF_OK;
    TF_TRY(part_path(o->input_shares, party, TF_SHARE_TEXTS, path));
    TF_TRY(tf_share_texts_open(path, party, config, &shares->texts));
    char name[16] = "party0";
    name[5] = (char)('0' + party);
    TF_TRY(directory_make(o->result_shares[0], NULL, 0777));
    TF_TRY(tf_path_join(o->result_shares[0], name, path, sizeof path));
    TF_TRY(directory_make(path, NULL, 0700));
    return tf_path_join(path, TF_SHARE_RESULTS, shares->results, sizeof shares->results);
}

tf_status party_shares_check(const cli_options *o) {
    if (o->stream && !o->model_shares) return tf_fail(TF_INVALID, "--stream needs --model-shares (see --help)");
    if (o->model_shares && o->public_weights)
        return tf_fail(TF_INVALID, "--public-weights: the weights of --model-shares are secret (see --help)");
    if (!o->input_shares != !o->results || o->results > 1)
        return tf_fail(TF_INVALID, "--input-shares needs one --result-shares, and only there (see --help)");
    return TF_OK;
}

tf_status party_shares_open(const cli_options *o, const tf_config *config, int party, party_shares *shares) {
    *shares = (party_shares){.weights = NULL};
    tf_status status = open_all(o, config, party, shares);
    if (status != TF_OK) party_shares_close(shares);
    return status;
}

void party_shares_close(party_shares *shares) {
    tf_share_close(shares->weights);
    tf_share_texts_close(&shares->texts);
    *shares = (party_shares){.weights = NULL};
}
