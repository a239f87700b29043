/**
 * Sums of a table's rows by buckets: the table is read once, in order, and each row added to those of its buckets that
 * bits select, a party's own uniform ones; or put into all of them, under masks. Of the latter a bucket gets one row or
 * none, so that its bytes are put together by OR, as they lie in the table.
 */
#include <string.h>

#include "net/base/secret.h"
#include "runtime/kernels/multiversion.h"
#include "runtime/kernels/unit_vector.h"
#include "runtime/steps/lookup/lookup.h"

enum {
    BLOCK = 64,                   /* rows: as many as a word of a bit vector has bits */
    AHEAD = 8,                    /* rows that are fetched before they are read */
    LINE = 64,                    /* bytes that are fetched at once */
    MOST_COLUMNS = 1024,          /* that are added up together, */
    LEAST_COLUMNS = 32,           /* and as many bytes as all buckets' sums of them may have: they stay in the */
    BYTES_OF_SUMS = 600 * 1 << 10 /* level-2 cache */
};

/** What all rows go through: the buckets, and the hash by which they are found. */
typedef struct hashing {
    const tf_buckets *buckets;
    const tf_prf *hash;
} hashing;

/** What bit vectors select of component j. */
typedef struct selection {
    hashing own;
    int j;
    const uint64_t *q;
    size_t pitch;
} selection;

/** What buckets want of the sum of both components. */
typedef struct wish {
    hashing own;
    const int32_t *want;
} wish;

/** To which sums a row is added, and under which masks. */
typedef struct targets {
    size_t count;
    uint32_t *sum; /* numbers */
    uint64_t *mask;
} targets;

/** A worker's room: a block's hash words, group by group, a row, and its targets. */
typedef struct scratch {
    size_t bytes;
    uint64_t *word, *row;
    targets to;
} scratch;

/** One of the bodies below: columns of a block of rows from `at` on. */
typedef tf_status add_block(const tf_reading *r, const void *what, size_t at, tf_span columns, const scratch *room,
                            void *sum);

tf_status tf_hash_rows(const tf_prf *hash, size_t group, size_t at, size_t count, uint64_t *word) {
    if (!tf_prf_words(hash, group, 0, at, word, count)) return tf_fail(TF_INTERNAL, "AES-128-CTR failed");
    return TF_OK;
}

static bool make_room(size_t groups, scratch *room) {
    const size_t most = groups * TF_CHOICES, hashes = groups * BLOCK;
    room->bytes = (MOST_COLUMNS + hashes + 2 * most) * sizeof(uint64_t);
    room->row = tf_secret_alloc(room->bytes);
    if (!room->row) return false;
    room->word = room->row + MOST_COLUMNS;
    room->to = (targets){.mask = room->word + hashes, .sum = (uint32_t *)(room->word + hashes + most)};
    return true;
}

/** Calls `add` for all rows, for so many columns at a time that `bytes` of each for all sums stay in the cache. */
static tf_status for_blocks(const tf_reading *r, const hashing *h, size_t bytes, add_block *add, const void *what,
                            void *sum) {
    const size_t fits = BYTES_OF_SUMS / (r->sums * bytes) / LEAST_COLUMNS * LEAST_COLUMNS;
    const size_t width = fits < LEAST_COLUMNS ? LEAST_COLUMNS : fits < MOST_COLUMNS ? fits : MOST_COLUMNS;
    scratch room;
    if (!make_room(h->buckets->groups, &room)) return tf_fail(TF_NOMEM, "no memory for a lookup");
    tf_status status = TF_OK;
    for (size_t k = 0; k < r->columns && !status; k += width) {
        const tf_span columns = {k, k + width < r->columns ? k + width : r->columns};
        for (size_t at = r->rows.begin; at < r->rows.end && !status; at += BLOCK) {
            for (size_t g = 0; g < h->buckets->groups && !status; g++)
                status = tf_hash_rows(h->hash, g, at, BLOCK, room.word + g * BLOCK);
            if (!status) status = add(r, what, at, columns, &room, sum);
        }
    }
    tf_secret_free(room.row, room.bytes);
    return status;
}

static size_t rows_of_block(const tf_reading *r, size_t at) {
    return r->rows.end - at < BLOCK ? r->rows.end - at : BLOCK;
}

static size_t sum_of(const hashing *h, const scratch *room, size_t group, size_t j, size_t row) {
    return group * h->buckets->count + tf_bucket_of(room->word[group * BLOCK + row], j, h->buckets->quarter);
}

/** Has bytes fetched, of a row that comes later: it lies too far from this one for a processor to foresee. */
static void fetch(const uint8_t *data, size_t bytes) {
    for (size_t i = 0; i < bytes; i += LINE) __builtin_prefetch(data + i, 0, 2);
}

/* What is selected ------------------------------------------------------------------------------------------------- */

TF_MULTIVERSION static void add_row(const uint64_t *row, size_t width, const targets *to, size_t columns,
                                    uint64_t *sum) {
    for (size_t t = 0; t < to->count; t++) {
        uint64_t *s = sum + to->sum[t] * columns;
        for (size_t k = 0; k < width; k++) s[k] += row[k];
    }
}

static tf_status select_block(const tf_reading *r, const void *what, size_t at, tf_span columns, const scratch *room,
                              void *sums) {
    const selection *s = what;
    const tf_source *source = r->table->source;
    const size_t width = tf_span_count(columns), block = (at - r->rows.begin) / BLOCK;
    targets to = room->to;
    for (size_t i = 0; i < rows_of_block(r, at); i++) {
        const size_t from = (at + i) * r->columns + columns.begin;
        to.count = 0;
        for (size_t g = 0; g < s->own.buckets->groups; g++)
            for (size_t j = 0; j < TF_CHOICES; j++) {
                if (!(s->q[(g * TF_CHOICES + j) * s->pitch + block] >> i & 1)) continue;
                to.sum[to.count++] = (uint32_t)sum_of(&s->own, room, g, j, i);
            }
        if (source && source->part[s->j].data)
            fetch(source->part[s->j].data + (from + AHEAD * r->columns) * source->bytes, width * source->bytes);
        TF_TRY(tf_view_read(r->kernels, r->table, s->j, from, width, room->row));
        add_row(room->row, width, &to, r->columns, (uint64_t *)sums + columns.begin);
    }
    return TF_OK;
}

static tf_status select_rows(const tf_reading *r, const void *what, uint64_t *sum) {
    return for_blocks(r, &((const selection *)what)->own, sizeof *sum, select_block, what, sum);
}

tf_status tf_select_to_buckets(tf_call *call, const tf_buckets *buckets, const tf_prf *hash, int j, const uint64_t *q,
                               size_t pitch, uint64_t *sum) {
    const selection what = {.own = {buckets, hash}, .j = j, .q = q, .pitch = pitch};
    const tf_status status = q && hash ? TF_OK : tf_fail(TF_NOMEM, "no memory for what selects rows");
    return tf_sum_rows(call, buckets->groups * buckets->count, select_rows, &what, status, sum);
}

/* What is wanted --------------------------------------------------------------------------------------------------- */

/** A component of the table, and where its rows are put together: `pitch` bytes for each bucket. */
typedef struct picking {
    const wish *wish;
    int j;
    const uint8_t *data; /* where it lies in `bytes` an element; NULL: it is read in words */
    size_t bytes, pitch;
} picking;

typedef uint64_t unaligned __attribute__((aligned(1), may_alias));

TF_MULTIVERSION static void put_row(const uint8_t *row, size_t bytes, const targets *to, size_t pitch, uint8_t *sum) {
    const unaligned *from = (const unaligned *)row;
    const size_t words = bytes / sizeof *from;
    for (size_t t = 0; t < to->count; t++) {
        uint8_t *s = sum + to->sum[t] * pitch;
        unaligned *wide = (unaligned *)s;
        const uint64_t mask = to->mask[t];
        for (size_t k = 0; k < words; k++) wide[k] |= from[k] & mask;
        for (size_t k = words * sizeof *from; k < bytes; k++) s[k] |= (uint8_t)(row[k] & mask);
    }
}

static tf_status pick_block(const tf_reading *r, const void *what, size_t at, tf_span columns, const scratch *room,
                            void *sums) {
    const picking *p = what;
    const hashing *own = &p->wish->own;
    const size_t width = tf_span_count(columns);
    targets to = room->to;
    to.count = own->buckets->groups * TF_CHOICES;
    for (size_t i = 0; i < rows_of_block(r, at); i++) {
        const size_t from = (at + i) * r->columns + columns.begin;
        const uint8_t *row = p->data ? p->data + from * p->bytes : (const uint8_t *)room->row;
        for (size_t g = 0; g < own->buckets->groups; g++)
            for (size_t j = 0; j < TF_CHOICES; j++) {
                const size_t t = g * TF_CHOICES + j, sum = sum_of(own, room, g, j, i);
                to.sum[t] = (uint32_t)sum;
                to.mask[t] = tf_equal_mask((uint64_t)(int64_t)p->wish->want[sum], at + i);
            }
        if (p->data)
            fetch(row + AHEAD * r->columns * p->bytes, width * p->bytes);
        else
            TF_TRY(tf_view_read(r->kernels, r->table, p->j, from, width, room->row));
        put_row(row, width * p->bytes, &to, p->pitch, (uint8_t *)sums + columns.begin * p->bytes);
    }
    return TF_OK;
}

static tf_status pick_component(const tf_reading *r, const wish *w, int j, uint64_t *sum) {
    const tf_source *source = r->table->source;
    if (source && tf_source_is_zero(source, j)) return TF_OK;
    picking p = {.wish = w, .j = j, .bytes = sizeof(uint64_t)};
    if (source && source->part[j].data) p.data = source->part[j].data, p.bytes = source->bytes;
    p.pitch = (r->columns * p.bytes + LINE - 1) / LINE * LINE;
    const size_t bytes = r->sums * p.pitch + r->columns * sizeof *sum;
    uint8_t *put = tf_secret_alloc(bytes);
    if (!put) return tf_fail(TF_NOMEM, "no memory for %zu rows", r->sums);
    uint64_t *words = (uint64_t *)(put + r->sums * p.pitch);
    memset(put, 0, bytes);
    tf_status status = for_blocks(r, &w->own, p.bytes, pick_block, &p, put);
    for (size_t b = 0; b < r->sums && !status; b++) {
        r->kernels->unpack_bytes(put + b * p.pitch, r->columns, (unsigned)p.bytes, words);
        for (size_t k = 0; k < r->columns; k++) sum[b * r->columns + k] += words[k];
    }
    tf_secret_free(put, bytes);
    return status;
}

static tf_status pick_rows(const tf_reading *r, const void *what, uint64_t *sum) {
    TF_TRY(pick_component(r, what, 0, sum));
    return pick_component(r, what, 1, sum);
}

tf_status tf_pick_to_buckets(tf_call *call, const tf_buckets *buckets, const tf_prf *hash, const int32_t *want,
                             uint64_t *sum) {
    const wish what = {.own = {buckets, hash}, .want = want};
    const tf_status status = hash ? TF_OK : tf_fail(TF_NOMEM, "no memory for hashes of rows");
    return tf_sum_rows(call, buckets->groups * buckets->count, pick_rows, &what, status, sum);
}
