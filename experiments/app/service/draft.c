#include "experiments/app/service/draft.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "experiments/app/data/texts.h"
#include "experiments/app/service/passes.h"
#include "net/base/secret.h"

struct draft {
    size_t vocabulary; /* of the model that is proposed to */
    int32_t *known;    /* tokens of other texts, each ended by -1; NULL where there are none */
    size_t known_count;
    /* of a model that proposes; the directory is NULL where none does */
    model_files model;
    run_settings settings;
    pass pass;
    tf_plain_state state;
    int32_t *read; /* the tokens whose keys and values are in the state */
    size_t count;
};

static tf_status check_tokenizer(const model_files *own, const model_files *proposed_to) {
    tf_digest digest[2];
    TF_TRY(tf_tokenizer_digest(own->tokenizer, &digest[0]));
    TF_TRY(tf_tokenizer_digest(proposed_to->tokenizer, &digest[1]));
    if (tf_digest_equal(&digest[0], &digest[1])) return TF_OK;
    return tf_fail(TF_MISMATCH, "--draft: the model in %s has another tokenizer than the model that generates",
                   own->directory);
}

static tf_status open_model(draft *d, const char *directory, const model_files *proposed_to) {
    model_settings settings = {.directory = directory};
    TF_TRY(model_open(&settings, &d->model));
    if (d->model.config.head != TF_HEAD_CAUSAL)
        return tf_fail(TF_INVALID, "--draft: %s holds a model that generates no text", directory);
    TF_TRY(model_open_tokenizer(&d->model));
    TF_TRY(check_tokenizer(&d->model, proposed_to));
    TF_TRY(model_open_weights(&d->model));
    d->read = calloc(d->model.config.positions, sizeof *d->read);
    return d->read ? TF_OK : tf_fail(TF_NOMEM, "no memory for %zu tokens", d->model.config.positions);
}

static tf_status add_text(draft *d, const text_item *text, const tf_tokenizer *tokenizer) {
    tf_encode_request request = {.first = text->first, .first_length = text->first_length, .bare = true};
    tf_encoding encoding;
    TF_TRY(tf_tokenizer_encode(tokenizer, &request, &encoding));
    int32_t *grown = reallocarray(d->known, d->known_count + encoding.count + 1, sizeof *grown);
    if (grown) {
        d->known = grown;
        memcpy(grown + d->known_count, encoding.ids, encoding.count * sizeof *grown);
        d->known_count += encoding.count;
        grown[d->known_count++] = -1;
    }
    tf_encoding_free(&encoding);
    return grown ? TF_OK : tf_fail(TF_NOMEM, "no memory for the texts of --draft");
}

static tf_status open_texts(draft *d, const char *path, const model_files *model) {
    text_source source = {.path = path};
    text_list texts;
    TF_TRY(texts_read(&source, &texts));
    tf_status status = TF_OK;
    for (size_t i = 0; status == TF_OK && i < texts.count; i++) status = add_text(d, &texts.item[i], model->tokenizer);
    texts_free(&texts);
    return status;
}

static tf_status open_source(draft *d, const char *from, const model_files *model) {
    struct stat file;
    if (!strcmp(from, DRAFT_NGRAM)) return TF_OK;
    bool is_directory = !stat(from, &file) && S_ISDIR(file.st_mode);
    return is_directory ? open_model(d, from, model) : open_texts(d, from, model);
}

tf_status draft_open(const char *from, const model_files *model, draft **out) {
    draft *d = calloc(1, sizeof *d);
    if (!d) return tf_fail(TF_NOMEM, "out of memory");
    d->vocabulary = model->config.vocabulary;
    tf_status status = open_source(d, from, model);
    if (status == TF_OK)
        *out = d;
    else
        draft_close(d);
    return status;
}

void draft_close(draft *d) {
    if (!d) return;
    if (d->read) explicit_bzero(d->read, d->model.config.positions * sizeof *d->read);
    free(d->read);
    if (d->known) explicit_bzero(d->known, d->known_count * sizeof *d->known);
    free(d->known);
    pass_free(&d->pass);
    tf_plain_state_free(&d->state);
    model_close(&d->model);
    free(d);
}

/* From texts ------------------------------------------------------------------------------------------------------- */

/* How many tokens before `at` in `from` are those before the text's end. */
static size_t agreement(const int32_t *from, size_t at, const int32_t *text, size_t length) {
    enum { ENOUGH = 8 };
    size_t n = 0;
    while (n < at && n < length && n < ENOUGH && from[at - 1 - n] == text[length - 1 - n]) n++;
    return n;
}

/* What followed the last place before which most tokens agree, in the text itself or else in others; of a repetition
 * its continuation. */
static void propose_ngram(const draft *d, const int32_t *text, size_t length, size_t count, int32_t *out) {
    size_t best = 0, left = 1;
    const int32_t *found = text + length - 1;
    for (size_t at = length - 1; at > 0; at--) {
        size_t n = agreement(text, at, text, length);
        if (n > best) best = n, found = text + at, left = length - at;
    }
    for (size_t at = d->known_count; at > 1; at--) {
        size_t n = agreement(d->known, at - 1, text, length);
        if (n > best) best = n, found = d->known + at - 1, left = d->known_count - at + 1;
    }
    for (size_t i = 0; i < count; i++) out[i] = i < left ? found[i] : out[i - left];
}

/* From a model ----------------------------------------------------------------------------------------------------- */

static bool can_read(const draft *d, const int32_t *text, size_t length, size_t count) {
    if (!d->read || length + count > d->model.config.positions) return false;
    for (size_t i = 0; i < length; i++)
        if ((size_t)text[i] >= d->model.config.vocabulary) return false;
    return true;
}

/* Reads what comes after the first d->count tokens and tells the likeliest next one. */
static tf_status read_on(draft *d, const int32_t *text, size_t length, int32_t *next) {
    private_job job = {.settings = &d->settings, .config = &d->model.config, .approx = &d->model.approx};
    pass_shape shape = pass_decoding(&job, REVEAL_TOKEN, 1, 0, length - 1, 0, d->model.config.positions);
    tf_sampling likeliest = {.temperature = 0};
    pass_choice choice = {.sampling = &likeliest};
    tf_array out;
    size_t none[1] = {0};
    shape.rows = length - d->count;
    if (d->pass.shape.rows != shape.rows || d->pass.shape.capacity != shape.capacity) {
        pass_free(&d->pass);
        TF_TRY(pass_make(&job, &shape, &choice, true, d->model.weights, &d->pass));
    }
    pass_set(&job, &d->pass, none, d->count, text + d->count, shape.rows);
    TF_TRY(tf_graph_plain_with(&d->pass.graph, &d->state, &out, NULL, NULL));
    *next = (int32_t)lrintf(out.data[0]);
    free(out.data);
    memcpy(d->read + d->count, text + d->count, shape.rows * sizeof *text);
    d->count = length;
    return TF_OK;
}

static tf_status propose_by_model(draft *d, const int32_t *text, size_t length, size_t count, int32_t *out) {
    size_t same = 0;
    while (same < d->count && same + 1 < length && d->read[same] == text[same]) same++;
    tf_plain_truncate(&d->state, same);
    d->count = same;
    TF_TRY(read_on(d, text, length, &out[0]));
    for (size_t i = 1; i < count; i++) {
        d->read[length + i - 1] = out[i - 1];
        TF_TRY(read_on(d, d->read, length + i, &out[i]));
    }
    return TF_OK;
}

tf_status draft_propose(draft *d, const int32_t *text, size_t length, size_t count, int32_t *out) {
    if (can_read(d, text, length, count))
        TF_TRY(propose_by_model(d, text, length, count, out));
    else
        propose_ngram(d, text, length, count, out);
    for (size_t i = 0; i < count; i++)
        if (out[i] < 0 || (size_t)out[i] >= d->vocabulary) out[i] = 0;
    return TF_OK;
}
