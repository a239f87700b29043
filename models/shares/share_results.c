#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/shares/share_texts.h"
#include "net/base/secret.h"
#include "runtime/kernels/kernels.h"

enum { MOST_TEXTS = 1 << 20 };

/* One entry, "results": both components of the party, listed x width each, in the order of the texts, zeros where a
 * text was empty, as the fact "empty" lists them. */

static tf_status write_component(tf_share_writer *file, const tf_share_results *r, int j) {
    unsigned bytes = (r->bits + 7) / 8;
    const size_t room = r->listed * r->width * sizeof(uint64_t);
    uint64_t *row = tf_secret_alloc(room);
    uint8_t *packed = tf_secret_alloc(room);
    tf_status status = row && packed ? TF_OK : tf_fail(TF_NOMEM, "no memory for %zu results", r->listed);
    if (!status) memset(row, 0, room);
    uint64_t mask = r->bits < 64 ? (UINT64_C(1) << r->bits) - 1 : ~UINT64_C(0);
    for (size_t i = 0; i < r->texts && !status; i++)
        for (size_t k = 0; k < r->width; k++)
            row[r->order[i] * r->width + k] = r->component[j][i * r->width + k] & mask;
    if (!status) {
        tf_kernels_get()->pack_bytes(row, r->listed * r->width, bytes, packed);
        status = tf_share_write(file, packed, r->listed * r->width * bytes);
    }
    tf_secret_free(row, room);
    tf_secret_free(packed, room);
    return status;
}

/* The texts that no row is of. */
static json_t *empty_fact(const tf_share_results *r) {
    json_t *list = json_array();
    bool *there = calloc(r->listed + 1, sizeof *there);
    for (size_t i = 0; there && i < r->texts; i++) there[r->order[i]] = true;
    for (size_t i = 0; there && i < r->listed; i++)
        if (!there[i]) json_array_append_new(list, json_integer((json_int_t)i));
    if (!there) json_decref(list);
    free(there);
    return there ? list : NULL;
}

tf_status tf_share_results_write(const char *path, int party, const tf_share_results *r) {
    static const unsigned char *const seed[3] = {NULL, NULL, NULL};
    tf_share_writer *file;
    TF_TRY(tf_share_create(path, "results", party, &r->id, seed, &file));
    tf_status status = tf_share_add(file, "results", tf_dims(2, r->listed, r->width), r->frac, r->bits, true);
    for (int j = 0; j < 2 && !status; j++) status = write_component(file, r, j);
    if (!status) status = tf_share_fact(file, "empty", empty_fact(r));
    if (!status) status = tf_share_finish(file);
    tf_share_abandon(file);
    return status;
}

typedef struct opened {
    tf_share_file *file;
    tf_share_entry *entry;
    const uint8_t *data;
} opened;

static tf_status open_results(const char *path, opened *out) {
    TF_TRY(tf_share_open(path, "results", -1, &out->file));
    TF_TRY(tf_share_find(out->file, "results", &out->entry));
    tf_shape shape = out->entry->shape;
    if (shape.rank != 3 || shape.dim[0] != 2 || shape.dim[1] > MOST_TEXTS)
        return tf_fail(TF_FORMAT, "%s: the size of its results: a damaged share file", path);
    return tf_share_data(out->file, out->entry, &out->data);
}

/* Empty texts have no values. */
static tf_status mark_empty(const tf_share_file *file, size_t texts, size_t width, float *values) {
    const json_t *list = json_object_get(file->facts, "empty");
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_int_t text = json_integer_value(json_array_get(list, i));
        if (text < 0 || text >= (json_int_t)texts)
            return tf_fail(TF_FORMAT, "%s: an empty text is none of its %zu: a damaged share file", file->path, texts);
        for (size_t k = 0; k < width; k++) values[(size_t)text * width + k] = NAN;
    }
    return TF_OK;
}

static tf_status combine(const opened party[2], size_t *texts, size_t *width, float **values) {
    const tf_share_entry *a = party[0].entry, *b = party[1].entry;
    const tf_share_file *first = party[0].file, *second = party[1].file;
    if (first->party == second->party)
        return tf_fail(TF_MISMATCH, "%s and %s: both are party %d's; those of two parties are needed", first->path,
                       second->path, first->party);
    if (memcmp(&first->id, &second->id, sizeof first->id) || a->frac != b->frac || a->bits != b->bits ||
        !tf_shape_equal(a->shape, b->shape) ||
        !json_equal(json_object_get(first->facts, "empty"), json_object_get(second->facts, "empty")))
        return tf_fail(TF_MISMATCH, "%s and %s: results of different runs", first->path, second->path);
    *texts = a->shape.dim[1];
    *width = a->shape.dim[2];
    size_t count = *texts * *width;
    unsigned bytes = (a->bits + 7) / 8;
    const size_t room = 4 * count * sizeof(uint64_t);
    uint64_t *x = tf_secret_alloc(room);
    *values = malloc(count * sizeof **values);
    if (!x || !*values) {
        tf_secret_free(x, room), free(*values);
        return tf_fail(TF_NOMEM, "no memory for %zu results", count);
    }
    tf_kernels_get()->unpack_bytes(party[0].data, 2 * count, bytes, x);
    tf_kernels_get()->unpack_bytes(party[1].data, 2 * count, bytes, x + 2 * count);
    /* party i holds components i and i + 1: one is common to both, and one party has the one that is missing */
    bool after = second->party == tf_next(first->party);
    const uint64_t *common = after ? x + count : x, *same = after ? x + 2 * count : x + 3 * count,
                   *missing = after ? x + 3 * count : x + 2 * count;
    tf_status status = TF_OK;
    if (memcmp(common, same, count * sizeof *common))
        status = tf_fail(TF_MISMATCH, "%s and %s: they hold different shares of one result: the run is void",
                         first->path, second->path);
    for (size_t i = 0; i < count; i++) {
        uint64_t sum = (x[i] + x[count + i] + missing[i]) << (64 - a->bits);
        (*values)[i] = (float)ldexp((double)((int64_t)sum >> (64 - a->bits)), -a->frac);
    }
    tf_secret_free(x, room);
    if (!status) status = mark_empty(first, *texts, *width, *values);
    if (status) free(*values);
    return status;
}

tf_status tf_share_results_reveal(const char *const path[2], size_t *texts, size_t *width, float **values) {
    opened party[2] = {{NULL}};
    tf_status status = TF_OK;
    for (int k = 0; k < 2 && !status; k++) status = open_results(path[k], &party[k]);
    if (!status) status = combine(party, texts, width, values);
    for (int k = 0; k < 2; k++) tf_share_close(party[k].file);
    return status;
}
