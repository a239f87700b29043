#include "experiments/app/data/decoys.h"

#include <math.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "models/files/json.h"

enum { MOST_BYTES = 1 << 28 };

void decoys_free(decoys *d) {
    free(d->place);
    free(d->value);
    *d = (decoys){0};
}

/* Chance ----------------------------------------------------------------------------------------------------------- */

/* A number below n; each is as likely. */
static tf_status draw(size_t n, size_t *number) {
    uint64_t x, most = UINT64_MAX - UINT64_MAX % n;
    do {
        if (RAND_priv_bytes((unsigned char *)&x, sizeof x) != 1)
            return tf_fail(TF_INTERNAL, "no random numbers for decoys");
    } while (x >= most);
    *number = (size_t)(x % n);
    return TF_OK;
}

/* Puts a random choice of `first` of the numbers in front, in random order (Fisher and Yates). */
static tf_status shuffle(size_t *number, size_t count, size_t first) {
    for (size_t i = 0; i < first; i++) {
        size_t k = 0;
        TF_TRY(draw(count - i, &k));
        size_t chosen = number[i + k];
        number[i + k] = number[i];
        number[i] = chosen;
    }
    return TF_OK;
}

/* The file --------------------------------------------------------------------------------------------------------- */

static tf_status check_origin(const tf_json_source *file, const tf_config *config, const tf_approx *approx) {
    const char *architecture, *approximations;
    char own[TF_DIGEST_TEXT], text[TF_APPROX_TEXT];
    tf_digest digest;
    TF_TRY(tf_json_text(file, "architecture", NULL, &architecture));
    TF_TRY(tf_json_text(file, "approximations", NULL, &approximations));
    TF_TRY(tf_architecture_digest(config, &digest));
    tf_digest_text(&digest, own);
    if (strcmp(architecture, own)) return tf_fail(TF_MISMATCH, "%s: certified for another model", file->path);
    if (strcmp(approximations, tf_approx_text(approx, text)))
        return tf_fail(TF_MISMATCH, "%s: certified with --approx %.60s, where this run uses %s", file->path,
                       approximations, text);
    return TF_OK;
}

static tf_status read_string(const json_t *json, char **text, size_t *length) {
    *length = json_string_length(json);
    return text_duplicate(json_string_value(json), *length, text);
}

/* One certified text; `item` gets the text, `value` the results. */
static tf_status read_item(const tf_json_source *file, size_t index, size_t width, text_item *item, float *value) {
    const json_t *object = json_array_get(json_object_get(file->json, "texts"), index);
    const json_t *first = json_object_get(object, "text"), *second = json_object_get(object, "second");
    const json_t *values = json_object_get(object, "values");
    bool whole = json_is_string(first) && (!second || json_is_string(second)) && json_array_size(values) == width;
    for (size_t k = 0; k < width && whole; k++) whole = json_is_number(json_array_get(values, k));
    if (!whole)
        return tf_fail(TF_FORMAT, "%s: text %zu has no \"text\", or no %zu \"values\"", file->path, index, width);
    *item = (text_item){0};
    TF_TRY(read_string(first, &item->first, &item->first_length));
    if (second) TF_TRY(read_string(second, &item->second, &item->second_length));
    for (size_t k = 0; k < width; k++) value[k] = (float)json_number_value(json_array_get(values, k));
    return TF_OK;
}

/* Which texts are short enough, a random `count` of them in front. */
static tf_status choose(const tf_json_source *file, size_t longest, size_t count, size_t **chosen) {
    const json_t *list = json_object_get(file->json, "texts");
    size_t all = json_array_size(list), fit = 0;
    *chosen = calloc(all + 1, sizeof **chosen);
    if (!*chosen) return tf_fail(TF_NOMEM, "no memory for %zu decoys", all);
    for (size_t i = 0; i < all; i++) {
        const json_t *tokens = json_object_get(json_array_get(list, i), "tokens");
        if (json_is_integer(tokens) && json_integer_value(tokens) > 0 &&
            (uint64_t)json_integer_value(tokens) <= longest)
            (*chosen)[fit++] = i;
    }
    if (fit < count)
        return tf_fail(TF_INVALID, "%s: %zu texts of at most %zu tokens are certified, fewer than --decoys %zu",
                       file->path, fit, longest, count);
    return shuffle(*chosen, fit, count);
}

/* Mixing ----------------------------------------------------------------------------------------------------------- */

static tf_status make_places(decoys *d) {
    size_t all = d->own + d->count;
    d->place = calloc(all, sizeof *d->place);
    d->value = calloc(d->count * d->width, sizeof *d->value);
    if (!d->place || !d->value) return tf_fail(TF_NOMEM, "no memory for %zu decoys", d->count);
    for (size_t i = 0; i < all; i++) d->place[i] = i;
    return shuffle(d->place, all, all);
}

static tf_status mix(const tf_json_source *file, const size_t *chosen, text_list *texts, decoys *d) {
    text_item *item = calloc(d->own + d->count, sizeof *item);
    if (!item) return tf_fail(TF_NOMEM, "no memory for %zu texts", d->own + d->count);
    tf_status status = TF_OK;
    for (size_t k = 0; k < d->count && status == TF_OK; k++)
        status = read_item(file, chosen[k], d->width, &item[d->place[d->own + k]], d->value + k * d->width);
    for (size_t k = 0; k < d->count && status != TF_OK; k++) text_item_free(&item[d->place[d->own + k]]);
    if (status != TF_OK) {
        free(item);
        return status;
    }
    for (size_t i = 0; i < d->own; i++) item[d->place[i]] = texts->item[i];
    free(texts->item);
    texts->item = item;
    texts->count = d->own + d->count;
    return TF_OK;
}

tf_status decoys_mix(const decoy_settings *settings, const tf_config *config, const tf_approx *approx, size_t longest,
                     text_list *texts, decoys *out) {
    json_t *json;
    size_t *chosen = NULL;
    *out = (decoys){.count = settings->count,
                    .own = texts->count,
                    .width = tf_model_width(config),
                    .tolerance = settings->tolerance};
    if (tf_model_output(config).per_token)
        return tf_fail(TF_INVALID, "--decoys is for models that give one result for a text");
    TF_TRY(tf_json_open(settings->file, MOST_BYTES, &json));
    const tf_json_source file = {.path = settings->file, .json = json};
    tf_status status = check_origin(&file, config, approx);
    if (status == TF_OK) status = choose(&file, longest, settings->count, &chosen);
    if (status == TF_OK) status = make_places(out);
    if (status == TF_OK) status = mix(&file, chosen, texts, out);
    free(chosen);
    json_decref(json);
    if (status != TF_OK) decoys_free(out);
    return status;
}

/* Results ---------------------------------------------------------------------------------------------------------- */

static tf_status compare(decoys *d, const text_batches *batches, float *values) {
    size_t wrong = 0;
    d->off = 0;
    for (size_t k = 0; k < d->count; k++) {
        const float *row = batches_row(batches, d->place[d->own + k], 0, d->width, values);
        double worst = 0;
        for (size_t i = 0; i < d->width; i++) {
            double off = fabs((double)row[i] - (double)d->value[k * d->width + i]);
            if (!(off <= worst)) worst = off; /* which what is no number is, too */
        }
        wrong += !(worst <= d->tolerance);
        if (!(worst <= d->off)) d->off = worst;
    }
    if (!wrong) return TF_OK;
    return tf_fail(TF_MISMATCH,
                   "%zu of %zu decoys are off from what was certified by up to %.3g, where --tolerance is %g: somebody "
                   "tampers with results, or the model is another one; no result is shown",
                   wrong, d->count, d->off, d->tolerance);
}

tf_status decoys_take_out(decoys *d, text_list *texts, text_batches *batches, float *values) {
    if (!d->count) return TF_OK;
    TF_TRY(compare(d, batches, values));
    text_item *item = calloc(d->own + 1, sizeof *item);
    encoded_text *text = calloc(d->own + 1, sizeof *text);
    float *own = calloc(d->own * d->width + 1, sizeof *own);
    tf_status status = item && text && own ? TF_OK : tf_fail(TF_NOMEM, "no memory for %zu texts", d->own);
    for (size_t i = 0; i < d->own && status == TF_OK; i++) {
        const float *row = batches_row(batches, d->place[i], 0, d->width, values);
        memcpy(own + i * d->width, row, d->width * sizeof *own);
        item[i] = texts->item[d->place[i]];
        text[i] = batches->text[d->place[i]];
        text[i].text = text[i].first = i;
    }
    if (status != TF_OK) {
        free(item);
        free(text);
        free(own);
        return status;
    }
    for (size_t k = 0; k < d->count; k++) {
        text_item_free(&texts->item[d->place[d->own + k]]);
        encoded_text_free(&batches->text[d->place[d->own + k]]);
    }
    memcpy(values, own, d->own * d->width * sizeof *values);
    free(own);
    free(texts->item);
    free(batches->text);
    texts->item = item;
    batches->text = text;
    texts->count = batches->listed = d->own;
    return TF_OK;
}
