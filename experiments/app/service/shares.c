#include "experiments/app/service/shares.h"

#include "experiments/app/data/directory.h"
#include "net/base/file.h"

static tf_status part_path(const char *directory, int party, const char *name, char path[DIRECTORY_PATH]) {
    char part[DIRECTORY_PATH];
    TF_TRY(directory_of_party(directory, party, part, sizeof part));
    return tf_path_join(part, name, path, DIRECTORY_PATH);
}

tf_status party_shares_root(const tf_share_file *file, const char *wanted, tf_share_roots *roots, tf_digest *root) {
    tf_digest digest;
    char text[TF_DIGEST_TEXT];
    TF_TRY(tf_share_weights_roots(file, roots));
    *root = tf_share_model_root(roots);
    if (!wanted) return TF_OK;
    if (!tf_digest_parse(wanted, &digest))
        return tf_fail(TF_INVALID, "--model-root %.80s: 64 hexadecimal digits are expected", wanted);
    if (tf_digest_equal(&digest, root)) return TF_OK;
    return tf_fail(TF_MISMATCH, "%s: its root is %s, not that of --model-root: it is another model", file->path,
                   tf_digest_text(root, text));
}

static tf_status open_all(const share_settings *s, int fraction_bits, const tf_config *config, int party,
                          party_shares *shares) {
    char path[DIRECTORY_PATH];
    if (s->model) {
        tf_digest architecture;
        TF_TRY(tf_architecture_digest(config, &architecture));
        TF_TRY(part_path(s->model, party, TF_SHARE_WEIGHTS, path));
        TF_TRY(tf_share_weights_open(path, party, &architecture, fraction_bits, &shares->weights));
        tf_share_roots roots;
        TF_TRY(party_shares_root(shares->weights, s->root, &roots, &shares->root));
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

void party_shares_lend(const party_shares *shares, bool stream, tf_provider *provider, tf_session *session) {
    if (!shares->weights) return;
    *provider = tf_share_weights_provider(shares->weights);
    session->store.provider = provider;
    session->store.stream = stream;
}

void party_shares_close(party_shares *shares) {
    tf_share_close(shares->weights);
    tf_share_texts_close(&shares->texts);
    *shares = (party_shares){.weights = NULL};
}
