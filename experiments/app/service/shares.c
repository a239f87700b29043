#include "experiments/app/service/shares.h"

#include "experiments/app/data/directory.h"
#include "net/base/file.h"

static tf_status part_path(const char *directory, int party, const char *name, char path[DIRECTORY_PATH]) {
    char part[DIRECTORY_PATH];
    TF_TRY(directory_of_party(directory, party, part, sizeof part));
    return tf_path_join(part, name, path, DIRECTORY_PATH);
}

static tf_status open_all(const share_settings *s, int fraction_bits, const tf_config *config, int party,
                          party_shares *shares) {
    char path[DIRECTORY_PATH];
    if (s->model) {
        tf_digest architecture;
        TF_TRY(tf_architecture_digest(config, &architecture));
        TF_TRY(part_path(s->model, party, TF_SHARE_WEIGHTS, path));
        TF_TRY(tf_share_weights_open(path, party, &architecture, fraction_bits, &shares->weights));
    }
    if (!s->input) return TF_OK;
    TF_TRY(part_path(s->input, party, TF_SHARE_TEXTS, path));
    TF_TRY(tf_share_texts_open(path, party, config, &shares->texts));
    char name[16] = "party0";
    name[5] = (char)('0' + party);
    TF_TRY(directory_make(s->results, NULL, 0777));
    TF_TRY(tf_path_join(s->results, name, path, sizeof path));
    TF_TRY(directory_make(path, NULL, 0700));
    return tf_path_join(path, TF_SHARE_RESULTS, shares->results, sizeof shares->results);
}

tf_status party_shares_open(const share_settings *settings, int fraction_bits, const tf_config *config, int party,
                            party_shares *shares) {
    *shares = (party_shares){.weights = NULL};
    tf_status status = open_all(settings, fraction_bits, config, party, shares);
    if (status != TF_OK) party_shares_close(shares);
    return status;
}

void party_shares_close(party_shares *shares) {
    tf_share_close(shares->weights);
    tf_share_texts_close(&shares->texts);
    *shares = (party_shares){.weights = NULL};
}
