#include "experiments/app/data/batches.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/app/data/packing.h"
#include "experiments/app/data/padding.h"
#include "experiments/app/log/log.h"

tf_status text_encode(const text_list *texts, size_t i, const tf_tokenizer *tokenizer, size_t positions, bool truncate,
                      encoded_text *out) {
    const text_item *t = &texts->item[i];
    tf_encode_request request = {.first = t->first,
                                 .second = t->second,
                                 .first_length = t->first_length,
                                 .second_length = t->second_length,
                                 .limit = positions,
                                 .truncate = truncate};
    tf_encoding encoding;
    tf_status status = tf_tokenizer_encode(tokenizer, &request, &encoding);
    *out = (encoded_text){
        .text = i, .length = encoding.count, .ids = encoding.ids, .types = encoding.types, .place = encoding.place};
    char place[4200];
    return status == TF_OK ? TF_OK : tf_fail_in(status, "%s", text_place(texts, i, place, sizeof place));
}

void encoded_text_free(encoded_text *text) {
    free(text->ids);
    free(text->types);
    free(text->place);
    *text = (encoded_text){.text = text->text};
}

/* Whether a text has only the tokens that are put around every text. */
static bool is_empty(const encoded_text *text) {
    for (size_t i = 0; i < text->length; i++)
        if (text->place[i].text >= 0) return false;
    return true;
}

tf_status batches_limit(const tf_config *config, const tf_tokenizer *tokenizer, const batch_settings *settings,
                        size_t *limit, bool *cut) {
    size_t longest = tf_tokenizer_longest(tokenizer);
    *limit = tf_model_longest(config);
    if (longest && longest < *limit) *limit = longest;
    *cut = settings->truncate || settings->longest || *limit < config->positions;
    if (settings->longest > config->positions)
        return tf_fail(TF_INVALID, "--max-length %zu: the model has %zu positions", settings->longest,
                       config->positions);
    if (settings->longest) *limit = settings->longest;
    return TF_OK;
}

/* An empty text has no tokens from here on. */
static tf_status mark_empty(text_list *texts, size_t i, empty_texts empty, encoded_text *text) {
    char place[4200];
    if (empty == EMPTY_FAILS)
        return tf_fail(TF_INVALID, "%s: the text is empty", text_place(texts, i, place, sizeof place));
    encoded_text_free(text);
    texts->item[i].empty = true;
    return TF_OK;
}

/* Takes the marked texts from the list, and their tokens. */
static void leave_out(text_list *texts, encoded_text *item) {
    size_t kept = 0;
    char place[4200];
    for (size_t i = 0; i < texts->count; i++) {
        if (texts->item[i].empty) {
            text_place(texts, i, place, sizeof place);
            log_line(LOG_WARNING, "%s: the text is empty and left out", place);
            text_item_free(&texts->item[i]);
            continue;
        }
        texts->item[kept] = texts->item[i];
        item[kept] = item[i];
        item[kept].text = kept;
        kept++;
    }
    for (size_t i = kept; i < texts->count; i++) item[i] = (encoded_text){.text = i}; /* what it had has moved */
    texts->count = kept;
}

/* Encodes all texts; *full are not empty. What hides lengths also limits them. */
static tf_status encode_all(text_list *texts, const tf_tokenizer *tokenizer, const tf_config *config,
                            const batch_settings *settings, encoded_text *item, size_t *full, padding *p) {
    size_t limit;
    bool cut;
    *full = 0;
    TF_TRY(batches_limit(config, tokenizer, settings, &limit, &cut));
    TF_TRY(padding_read(settings->pad_to, limit, p));
    limit = p->longest;
    if (p->fixed) cut = settings->truncate;
    for (size_t i = 0; i < texts->count; i++) {
        TF_TRY(text_encode(texts, i, tokenizer, limit, cut, &item[i]));
        item[i].padded = padded_length(p, item[i].length);
        if (is_empty(&item[i]))
            TF_TRY(mark_empty(texts, i, settings->empty, &item[i]));
        else
            ++*full;
    }
    char place[4200];
    if (!*full) return tf_fail(TF_INVALID, "%s: the text is empty", text_place(texts, 0, place, sizeof place));
    if (settings->empty == EMPTY_LEFT_OUT) leave_out(texts, item);
    return TF_OK;
}

/* Empty texts come first. Where lengths are hidden, those that are padded alike stay as they were given, for their
 * places are seen. */
static int by_length(const void *left, const void *right) {
    const encoded_text *a = left, *b = right;
    if (a->padded != b->padded) return a->padded < b->padded ? -1 : 1;
    return a->text < b->text ? -1 : a->text > b->text;
}

/* How many of the texts, which are sorted by length, each batch has: rows, room for `count`. */
static tf_status pack(const encoded_text *item, size_t count, const tf_config *config, const batch_settings *settings,
                      const padding *p, size_t *rows, size_t *batches) {
    packing_limits limits = {.most = settings->most, .tokens = settings->tokens};
    if (settings->round_bytes > 0) packing_costs(settings->round_bytes, config->hidden, config->heads, &limits);
    size_t *length = calloc(count, sizeof *length);
    for (size_t i = 0; length && i < count; i++) length[i] = padded_length(p, item[i].length);
    *batches = length ? packing_make(length, count, &limits, rows) : 0;
    free(length);
    return *batches ? TF_OK : tf_fail(TF_NOMEM, "out of memory for %zu texts", count);
}

/* Room for the texts, which are sorted by length. */
static tf_status make_room(const encoded_text *item, size_t count, const padding *p, const size_t *rows,
                           text_batches *out) {
    size_t cells = 0;
    for (size_t b = 0, end = 0; b < out->count; b++) {
        end += rows[b];
        cells += rows[b] * padded_length(p, item[end - 1].length);
    }
    out->texts = count;
    out->batch = calloc(out->count, sizeof *out->batch);
    out->order = calloc(count, sizeof *out->order);
    out->lengths = calloc(count, sizeof *out->lengths);
    out->ids = calloc(cells, sizeof *out->ids);
    out->types = calloc(cells, sizeof *out->types);
    if (p->hidden) out->counted = calloc(cells, sizeof *out->counted);
    if (p->hidden) out->weights = calloc(cells, sizeof *out->weights);
    if (!out->batch || !out->order || !out->lengths || !out->ids || !out->types ||
        (p->hidden && (!out->counted || !out->weights)))
        return tf_fail(TF_NOMEM, "out of memory for %zu texts", count);
    return TF_OK;
}

/* Lays the encoded texts, which are sorted by length, into padded batches. */
static tf_status lay_out(const encoded_text *item, size_t count, bool pairs, const tf_config *config, const padding *p,
                         const size_t *rows, text_batches *out) {
    TF_TRY(make_room(item, count, p, rows, out));
    int32_t *ids = out->ids, *types = out->types;
    for (size_t b = 0, start = 0; b < out->count; start += rows[b++]) {
        size_t at = (size_t)(ids - out->ids), length = padded_length(p, item[start + rows[b] - 1].length);
        out->batch[b] = (tf_batch){.texts = rows[b],
                                   .length = length,
                                   .lengths = out->lengths + start,
                                   .ids = ids,
                                   .types = types,
                                   .pairs = pairs,
                                   .hidden = p->hidden,
                                   .mask = p->hidden ? out->counted + at : NULL,
                                   .weights = p->hidden ? out->weights + at : NULL};
        for (size_t row = 0; row < rows[b]; row++, ids += length, types += length, at += length) {
            const encoded_text *e = &item[start + row];
            out->order[start + row] = e->text;
            out->lengths[start + row] = p->hidden ? length : e->length;
            if (p->hidden) padding_hide(config, e->length, length, out->counted + at, out->weights + at);
            memcpy(ids, e->ids, e->length * sizeof *ids);
            memcpy(types, e->types, e->length * sizeof *types);
            for (size_t i = e->length; i < length; i++) ids[i] = config->pad_token;
        }
    }
    return TF_OK;
}

/* Brings the texts back into the order of the list, and says where their values stand. */
static void sort_back(const encoded_text *item, size_t count, text_batches *out) {
    size_t row = 0;
    for (size_t i = 0; i < count; i++) out->text[item[i].text] = item[i];
    for (size_t i = 0; i < count; i++) {
        encoded_text *text = &out->text[i];
        text->rows = out->row == ROW_TEXT ? 1 : out->row == ROW_TOKEN ? text->length : 0;
        for (size_t k = 0; k < text->length && out->row == ROW_MASK; k++) text->rows += text->ids[k] == out->mask;
        text->first = row;
        row += text->rows;
    }
}

/* What has a row of values, by the model's head, which may need pairs or a token for masks. */
static tf_status find_rows(const text_list *texts, const tf_tokenizer *tokenizer, const tf_config *config,
                           text_batches *out) {
    char place[4200];
    out->row = !tf_model_output(config).per_token ? ROW_TEXT : config->head == TF_HEAD_MASKED ? ROW_MASK : ROW_TOKEN;
    for (size_t i = 0; i < texts->count && config->head == TF_HEAD_SPAN; i++)
        if (!texts->item[i].second)
            return tf_fail(TF_INVALID, "%s: this model takes pairs: a question, and the context that may answer it",
                           text_place(texts, i, place, sizeof place));
    if (out->row != ROW_MASK) return TF_OK;
    out->mask = tf_tokenizer_find(tokenizer, "[MASK]");
    if (out->mask < 0) out->mask = tf_tokenizer_find(tokenizer, "<mask>");
    return out->mask < 0 ? tf_fail(TF_INVALID, "the tokenizer has neither [MASK] nor <mask>") : TF_OK;
}

/* Says which tokens are masked, in each batch as many a text as the text with most of them has, and one at least. */
static tf_status pick_masks(text_batches *out) {
    size_t cells = 0, row = 0;
    for (int fill = 0; fill < 2; fill++) {
        size_t at = 0;
        row = 0;
        for (size_t b = 0; b < out->count; b++) {
            tf_batch *batch = &out->batch[b];
            for (size_t i = 0; i < batch->texts && !fill; i++) {
                size_t masks = out->text[out->order[row + i]].rows;
                if (!i || masks > batch->picks) batch->picks = masks > 1 ? masks : 1;
            }
            for (size_t i = 0; i < batch->texts && fill; i++) {
                const encoded_text *text = &out->text[out->order[row + i]];
                int32_t *pick = out->picks + at + i * batch->picks * batch->length;
                for (size_t k = 0; k < text->length; k++)
                    if (text->ids[k] == out->mask) pick[k] = 1, pick += batch->length;
            }
            if (fill) batch->pick = out->picks + at;
            row += batch->texts;
            at += batch->texts * batch->picks * batch->length;
        }
        cells = at;
        if (!fill) out->picks = calloc(cells + 1, sizeof *out->picks);
        if (!out->picks) return tf_fail(TF_NOMEM, "out of memory for the masks of %zu texts", out->texts);
    }
    return TF_OK;
}

tf_status batches_make(text_list *texts, const tf_tokenizer *tokenizer, const tf_config *config,
                       const batch_settings *settings, text_batches *out) {
    *out = (text_batches){.listed = texts->count, .text = calloc(texts->count, sizeof *out->text)};
    encoded_text *item = calloc(texts->count, sizeof *item);
    size_t full = 0, *rows = calloc(texts->count, sizeof *rows);
    padding p = {.hidden = false};
    tf_status status =
        item && rows && out->text ? TF_OK : tf_fail(TF_NOMEM, "out of memory for %zu texts", texts->count);
    if (status == TF_OK) status = encode_all(texts, tokenizer, config, settings, item, &full, &p);
    if (status == TF_OK) status = find_rows(texts, tokenizer, config, out);
    bool pairs = false;
    for (size_t i = 0; i < texts->count; i++) pairs |= texts->item[i].second != NULL;
    if (status == TF_OK && pairs && !tf_model_takes_pairs(config))
        status = tf_fail(TF_INVALID, "this model knows one token type only and takes no pairs of texts");
    pairs = pairs && config->types > 1; /* others tell the second text by its separators alone */
    if (status == TF_OK) {
        out->listed = texts->count;
        qsort(item, texts->count, sizeof *item, by_length);
        const encoded_text *first = item + texts->count - full;
        status = pack(first, full, config, settings, &p, rows, &out->count);
        if (status == TF_OK) status = lay_out(first, full, pairs, config, &p, rows, out);
    }
    if (status == TF_OK) sort_back(item, texts->count, out);
    if (status == TF_OK && out->row == ROW_MASK) status = pick_masks(out);
    for (size_t i = 0; item && i < out->listed && status != TF_OK; i++) encoded_text_free(&item[i]);
    free(item);
    free(rows);
    if (status != TF_OK) batches_free(out);
    return status;
}

/* Keeps a batch's unfinished rows, in place; their order and lengths move to `to`. */
static tf_batch keep_rows(text_batches *batches, const tf_batch *old, const bool *finished, size_t from, size_t to) {
    tf_batch kept = *old;
    kept.texts = 0;
    kept.lengths = batches->lengths + to;
    for (size_t row = 0; row < old->texts; row++) {
        size_t text = batches->order[from + row], at = kept.texts * old->length, length = old->length;
        if (finished[text]) continue;
        batches->order[to + kept.texts] = text;
        batches->lengths[to + kept.texts] = batches->lengths[from + row];
        memmove((int32_t *)old->ids + at, old->ids + row * length, length * sizeof *old->ids);
        memmove((int32_t *)old->types + at, old->types + row * length, length * sizeof *old->types);
        kept.texts++;
    }
    return kept;
}

void batches_keep(text_batches *batches, const bool *finished, size_t group, size_t groups) {
    size_t from = 0, to = 0, seen = 0, count = 0;
    for (size_t b = 0; b < batches->count; b++) {
        size_t rows = batches->batch[b].texts;
        tf_batch kept = keep_rows(batches, &batches->batch[b], finished, from, to);
        from += rows;
        if (!kept.texts || seen++ % groups != group) continue;
        to += kept.texts;
        batches->batch[count++] = kept;
    }
    batches->count = count;
    batches->texts = to;
}

size_t batches_values(const text_batches *batches, const tf_config *config) {
    const encoded_text *last = &batches->text[batches->listed - 1];
    return (last->first + last->rows) * tf_model_width(config);
}

tf_status batches_allocate(const text_batches *batches, const tf_config *config, float **values) {
    *values = calloc(batches_values(batches, config) + 1, sizeof **values);
    return *values ? TF_OK : tf_fail(TF_NOMEM, "out of memory for the results of %zu texts", batches->listed);
}

float *batches_row(const text_batches *batches, size_t text, size_t row, size_t width, float *values) {
    const encoded_text *t = &batches->text[text];
    return row < t->rows ? values + (t->first + row) * width : NULL;
}

double batches_work(const text_batches *batches) {
    double work = 0;
    for (size_t b = 0; b < batches->count; b++)
        work += (double)batches->batch[b].texts * (double)batches->batch[b].length;
    return work;
}

void batches_free(text_batches *batches) {
    for (size_t i = 0; batches->text && i < batches->listed; i++) encoded_text_free(&batches->text[i]);
    free(batches->text);
    free(batches->batch);
    free(batches->order);
    free(batches->lengths);
    free(batches->ids);
    free(batches->types);
    free(batches->counted);
    free(batches->picks);
    free(batches->weights);
    *batches = (text_batches){0};
}
