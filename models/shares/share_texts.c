#include "models/shares/share_texts.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/shares/share_weights.h"
#include "net/base/secret.h"
#include "runtime/kernels/unit_vector.h"
#include "runtime/program/step.h"

enum { VECTOR = 1, MOST_TEXTS = 1 << 20 }; /* purpose of the streams that are bit vectors */

/* A lookup of the batch: of its token ids, or of its token types. */
typedef struct lookup {
    const char *name;
    const int32_t *id;
    size_t tokens, rows;
} lookup;

static lookup lookup_of(const tf_config *config, const tf_batch *batch, bool types) {
    return (lookup){.name = types ? "types" : "tokens",
                    .id = types ? batch->types : batch->ids,
                    .tokens = batch->texts * batch->length,
                    .rows = types ? config->types : config->vocabulary};
}

static void entry_name(char name[TF_SHARE_NAME], size_t batch, const char *what, const char *part) {
    snprintf(name, TF_SHARE_NAME, "batch %zu %s %s", batch, what, part);
}

/* Writing ---------------------------------------------------------------------------------------------------------- */

/** Of component j of the table, party j gets the vector with the token's bit flipped, party j - 1 the seed. */
typedef struct splitter {
    tf_share_writer *file[TF_PARTIES];
    tf_prf *prf[TF_PARTIES]; /* by component */
    uint32_t entries;
} splitter;

static void clear_padding(uint64_t *vector, size_t rows) {
    if (rows % 64) vector[rows / 64] &= tf_mask(rows % 64);
    for (size_t w = (rows + 63) / 64; w < tf_words(rows); w++) vector[w] = 0;
}

static tf_status split_vectors(splitter *s, const lookup *l, int j, uint64_t *vector, int64_t *sign) {
    for (size_t i = 0; i < l->tokens; i++) {
        size_t words = tf_words(l->rows), t = (size_t)l->id[i];
        if (!tf_prf_words(s->prf[j], s->entries, VECTOR, i * words, vector, words))
            return tf_fail(TF_INTERNAL, "AES-128-CTR failed");
        clear_padding(vector, l->rows);
        sign[3 * i + (size_t)j] = 1 - 2 * (int64_t)tf_flip_bit(vector, words, t);
        TF_TRY(tf_share_write(s->file[j], vector, (l->rows + 7) / 8));
    }
    return TF_OK;
}

static tf_status split_signs(splitter *s, const lookup *l, uint64_t *sign, uint64_t *component[3], const char *name) {
    size_t count = 3 * l->tokens;
    for (int k = 0; k < 2; k++)
        if (count > INT32_MAX / sizeof(uint64_t) ||
            RAND_priv_bytes((unsigned char *)component[k], (int)(count * sizeof(uint64_t))) != 1)
            return tf_fail(TF_INTERNAL, "no random numbers for %zu signs", count);
    for (size_t i = 0; i < count; i++) component[2][i] = sign[i] - component[0][i] - component[1][i];
    for (int p = 0; p < TF_PARTIES; p++) {
        TF_TRY(tf_share_add(s->file[p], name, tf_dims(2, l->tokens, 3), 0, 64, true));
        for (int k = 0; k < 2; k++)
            TF_TRY(tf_share_write(s->file[p], component[tf_component_of(p, k)], count * sizeof(uint64_t)));
    }
    return TF_OK;
}

static tf_status split(splitter *s, size_t batch, const lookup *l) {
    char name[TF_SHARE_NAME];
    size_t count = 3 * l->tokens, words = tf_words(l->rows);
    for (size_t i = 0; i < l->tokens; i++)
        if (l->id[i] < 0 || (size_t)l->id[i] >= l->rows)
            return tf_fail(TF_INVALID, "an id of a text is not below %zu", l->rows);
    const size_t room = (4 * count + words) * sizeof(uint64_t);
    uint64_t *memory = tf_secret_alloc(room);
    if (!memory) return tf_fail(TF_NOMEM, "no memory for %zu tokens", l->tokens);
    uint64_t *component[3] = {memory + count, memory + 2 * count, memory + 3 * count};
    tf_status status = TF_OK;
    entry_name(name, batch, l->name, "vectors");
    for (int p = 0; p < TF_PARTIES && !status; p++)
        status = tf_share_add(s->file[p], name, tf_dims(l->tokens, (l->rows + 7) / 8), 0, 8, true);
    for (int j = 0; j < TF_PARTIES && !status; j++)
        status = split_vectors(s, l, j, memory + 4 * count, (int64_t *)memory);
    entry_name(name, batch, l->name, "signs");
    if (!status) status = split_signs(s, l, memory, component, name);
    s->entries += 2;
    tf_secret_free(memory, room);
    return status;
}

static json_t *batch_fact(const tf_batch *batch) {
    json_t *lengths = json_array();
    for (size_t i = 0; i < batch->texts; i++)
        json_array_append_new(lengths, json_integer((json_int_t)batch->lengths[i]));
    return json_pack("{s:I, s:b, s:o}", "length", (json_int_t)batch->length, "pairs", (int)batch->pairs, "lengths",
                     lengths);
}

static json_t *order_fact(const size_t *order, size_t texts) {
    json_t *list = json_array();
    for (size_t i = 0; i < texts; i++) json_array_append_new(list, json_integer((json_int_t)order[i]));
    return list;
}

static tf_status write_all(splitter *s, const tf_config *config, const tf_batch *batch, size_t batches,
                           const size_t *order, size_t listed) {
    char text[TF_DIGEST_TEXT];
    tf_digest architecture;
    size_t texts = 0;
    TF_TRY(tf_architecture_digest(config, &architecture));
    tf_digest_text(&architecture, text);
    for (size_t b = 0; b < batches; b++) {
        texts += batch[b].texts;
        for (int types = 0; types <= batch[b].pairs; types++) {
            lookup l = lookup_of(config, &batch[b], types);
            TF_TRY(split(s, b, &l));
        }
    }
    for (int p = 0; p < TF_PARTIES; p++) {
        json_t *list = json_array();
        for (size_t b = 0; b < batches; b++) json_array_append_new(list, batch_fact(&batch[b]));
        TF_TRY(tf_share_fact(s->file[p], "batches", list));
        TF_TRY(tf_share_fact(s->file[p], "order", order_fact(order, texts)));
        TF_TRY(tf_share_fact(s->file[p], "listed", json_integer((json_int_t)listed)));
        TF_TRY(tf_share_fact(s->file[p], "architecture", json_string(text)));
    }
    for (int p = 0; p < TF_PARTIES; p++) TF_TRY(tf_share_finish(s->file[p]));
    return TF_OK;
}

tf_status tf_share_texts_write(const char *const path[TF_PARTIES], const tf_config *config, const tf_batch *batch,
                               size_t batches, const size_t *order, size_t listed) {
    splitter s = {.entries = 0};
    unsigned char key[TF_PARTIES][TF_KEY_BYTES];
    tf_digest id;
    tf_status status = tf_digest_random(&id);
    if (!status && RAND_priv_bytes(key[0], sizeof key) != 1)
        status = tf_fail(TF_INTERNAL, "no random numbers for the seeds");
    for (int p = 0; p < TF_PARTIES && !status; p++) {
        const unsigned char *seed[3] = {NULL, NULL, NULL};
        seed[tf_next(p)] = key[tf_next(p)];
        s.prf[p] = tf_prf_new(key[p]);
        status = s.prf[p] ? tf_share_create(path[p], "texts", p, &id, seed, &s.file[p])
                          : tf_fail(TF_NOMEM, "no memory for the seeds");
    }
    if (!status) status = write_all(&s, config, batch, batches, order, listed);
    for (int p = 0; p < TF_PARTIES; p++) {
        tf_share_abandon(s.file[p]);
        tf_prf_free(s.prf[p]);
    }
    OPENSSL_cleanse(key, sizeof key);
    return status;
}

/* Reading ---------------------------------------------------------------------------------------------------------- */

/** What a party's selection is kept in. */
typedef struct held {
    tf_selection selection;
    uint64_t *memory;
    size_t words;
} held;

typedef struct contents {
    tf_share_file *file;
    held *held; /* two for each batch: ids and types */
    size_t *lengths;
} contents;

void tf_share_texts_close(tf_share_texts *texts) {
    contents *c = texts->private;
    if (!c) return;
    for (size_t i = 0; c->held && i < 2 * texts->batches; i++)
        tf_secret_free(c->held[i].memory, c->held[i].words * sizeof *c->held[i].memory);
    tf_share_close(c->file);
    free(c->held);
    free(c->lengths);
    free(c);
    free(texts->batch);
    free(texts->order);
    *texts = (tf_share_texts){.texts = 0};
}

static tf_status damaged(const tf_share_file *file, const char *what) {
    return tf_fail(TF_FORMAT, "%s: %s: a damaged share file", file->path, what);
}

static tf_status read_lookup(tf_share_file *file, size_t batch, const lookup *l, held *out) {
    char name[TF_SHARE_NAME];
    tf_share_entry *vectors, *signs;
    const uint8_t *vector, *sign;
    size_t words = tf_words(l->rows), row = (l->rows + 7) / 8, count = 3 * l->tokens;
    entry_name(name, batch, l->name, "vectors");
    TF_TRY(tf_share_find(file, name, &vectors));
    entry_name(name, batch, l->name, "signs");
    TF_TRY(tf_share_find(file, name, &signs));
    if (!tf_shape_equal(vectors->shape, tf_dims(l->tokens, row)) || vectors->bits != 8 ||
        !tf_shape_equal(signs->shape, tf_dims(2, l->tokens, 3)) || signs->bits != 64)
        return damaged(file, "the size of a text");
    TF_TRY(tf_share_data(file, vectors, &vector));
    TF_TRY(tf_share_data(file, signs, &sign));
    out->words = 2 * (l->tokens * words + count);
    out->memory = tf_secret_alloc(out->words * sizeof *out->memory);
    if (!out->memory) return tf_fail(TF_NOMEM, "no memory for %zu tokens", l->tokens);
    memset(out->memory, 0, out->words * sizeof *out->memory);
    uint64_t *own = out->memory, *other = own + l->tokens * words, *shares = other + l->tokens * words;
    int other_component = tf_next(file->party);
    for (size_t i = 0; i < l->tokens; i++) {
        memcpy(own + i * words, vector + i * row, row);
        if (!tf_prf_words(file->prf[other_component], vectors->number, VECTOR, i * words, other + i * words, words))
            return tf_fail(TF_INTERNAL, "AES-128-CTR failed");
        clear_padding(own + i * words, l->rows);
        clear_padding(other + i * words, l->rows);
    }
    memcpy(shares, sign, 2 * count * sizeof *shares);
    out->selection =
        (tf_selection){.vector = {own, other}, .sign = {shares, shares + count}, .tokens = l->tokens, .rows = l->rows};
    return TF_OK;
}

static tf_status read_size(const tf_share_file *file, const json_t *json, size_t low, size_t high, size_t *out) {
    json_int_t value = json_is_integer(json) ? json_integer_value(json) : -1;
    if (value < 0 || (uint64_t)value < low || (uint64_t)value > high) return damaged(file, "a length");
    *out = (size_t)value;
    return TF_OK;
}

static tf_status read_order(const tf_share_file *file, const json_t *list, size_t texts, size_t listed, size_t *order) {
    if (json_array_size(list) != texts) return damaged(file, "the order of its texts");
    bool *seen = calloc(listed + 1, sizeof *seen);
    if (!seen) return tf_fail(TF_NOMEM, "no memory for %zu texts", texts);
    tf_status status = TF_OK;
    for (size_t i = 0; i < texts && !status; i++) {
        status = read_size(file, json_array_get(list, i), 0, listed - 1, &order[i]);
        if (!status && seen[order[i]]) status = damaged(file, "the order of its texts");
        if (!status) seen[order[i]] = true;
    }
    free(seen);
    return status;
}

static tf_status read_batch(tf_share_texts *texts, contents *c, const json_t *json, size_t b, const tf_config *config) {
    const json_t *lengths = json_object_get(json, "lengths");
    tf_batch *batch = &texts->batch[b];
    *batch = (tf_batch){.texts = json_array_size(lengths),
                        .lengths = c->lengths + texts->texts,
                        .pairs = json_is_true(json_object_get(json, "pairs"))};
    TF_TRY(read_size(c->file, json_object_get(json, "length"), 1, config->positions, &batch->length));
    for (size_t i = 0; i < batch->texts; i++)
        TF_TRY(read_size(c->file, json_array_get(lengths, i), 1, batch->length, &c->lengths[texts->texts + i]));
    texts->texts += batch->texts;
    for (int types = 0; types <= batch->pairs; types++) {
        lookup l = lookup_of(config, batch, types);
        TF_TRY(read_lookup(c->file, b, &l, &c->held[2 * b + (size_t)types]));
    }
    batch->shared_ids = &c->held[2 * b].selection;
    if (batch->pairs) batch->shared_types = &c->held[2 * b + 1].selection;
    return TF_OK;
}

static tf_status read_all(tf_share_texts *texts, contents *c, const tf_config *config) {
    const json_t *list = json_object_get(c->file->facts, "batches");
    char text[TF_DIGEST_TEXT];
    tf_digest architecture;
    TF_TRY(tf_architecture_digest(config, &architecture));
    tf_digest_text(&architecture, text);
    const char *found = json_string_value(json_object_get(c->file->facts, "architecture"));
    if (!found || strcmp(found, text))
        return tf_fail(TF_MISMATCH, "%s: texts that were shared for another model", c->file->path);
    if (!c->file->prf[tf_next(c->file->party)]) return damaged(c->file, "a seed is missing");
    size_t total = 0, batches = json_array_size(list);
    for (size_t b = 0; b < batches; b++) {
        size_t count = json_array_size(json_object_get(json_array_get(list, b), "lengths"));
        if (count < 1 || count > MOST_TEXTS || (total += count) > MOST_TEXTS) return damaged(c->file, "a batch");
    }
    if (!batches) return damaged(c->file, "it holds no texts");
    texts->id = c->file->id;
    texts->batches = batches;
    texts->batch = calloc(batches, sizeof *texts->batch);
    texts->order = calloc(total, sizeof *texts->order);
    c->held = calloc(2 * batches, sizeof *c->held);
    c->lengths = calloc(total, sizeof *c->lengths);
    if (!texts->batch || !texts->order || !c->held || !c->lengths)
        return tf_fail(TF_NOMEM, "%s: no memory for %zu texts", c->file->path, total);
    for (size_t b = 0; b < batches; b++) TF_TRY(read_batch(texts, c, json_array_get(list, b), b, config));
    TF_TRY(read_size(c->file, json_object_get(c->file->facts, "listed"), total, MOST_TEXTS, &texts->listed));
    return read_order(c->file, json_object_get(c->file->facts, "order"), total, texts->listed, texts->order);
}

tf_status tf_share_texts_open(const char *path, int party, const tf_config *config, tf_share_texts *texts) {
    *texts = (tf_share_texts){.texts = 0};
    contents *c = calloc(1, sizeof *c);
    if (!c) return tf_fail(TF_NOMEM, "%s: no memory", path);
    tf_status status = tf_share_open(path, "texts", party, &c->file);
    if (status) {
        free(c);
        return status;
    }
    texts->private = c;
    status = read_all(texts, c, config);
    if (status) tf_share_texts_close(texts);
    return status;
}
