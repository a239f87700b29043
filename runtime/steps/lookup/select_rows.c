/** Sums of the rows of a table that bit vectors select, where a party's own uniform bits choose what is read; and rows
 *  at indices that must not show, for which all is read. */
#include <string.h>

#include "net/base/secret.h"
#include "runtime/kernels/multiversion.h"
#include "runtime/steps/lookup/lookup.h"
#include "runtime/steps/lookup/select_rows.h"

/** Elements of a token's sum begin a line apart for each `lanes` columns, and the tokens follow one another between. */
static void add_lines(const void *lines, bool narrow, size_t tokens, size_t columns, uint64_t *sum) {
    const size_t lanes = TF_SELECT_LINE / (narrow ? sizeof(uint32_t) : sizeof(uint64_t));
    for (size_t i = 0; i < tokens; i++)
        for (size_t k = 0; k < columns; k++) {
            const size_t at = (k / lanes * tokens + i) * lanes + k % lanes;
            sum[i * columns + k] += narrow ? ((const uint32_t *)lines)[at] : ((const uint64_t *)lines)[at];
        }
}

/** What is to be added up: */
typedef struct choice {
    size_t tokens;
    /* either what bit vectors over these rows select of component j, */
    int j;
    const uint64_t *q;
    size_t pitch;
    /* or the numbers of rows of the whole table, of the sum of both components. */
    const int32_t *token;
} choice;

/** Component j of the table, if it lies there in words of 32 bits; NULL: otherwise. */
static const uint8_t *words32(const tf_reading *r, int j) {
    const tf_source *source = r->table->source;
    return source && source->bytes == sizeof(uint32_t) ? source->part[j].data : NULL;
}

TF_MULTIVERSION static void narrow_words(const uint64_t *x, size_t count, uint32_t *out) {
    for (size_t i = 0; i < count; i++) out[i] = (uint32_t)x[i];
}

/** sum (tokens x columns) += the rows that the bit vectors select. */
static tf_status select_span(const tf_reading *r, const choice *what, uint64_t *sum) {
    const bool narrow = r->bits <= 32;
    const size_t lanes = TF_SELECT_LINE / (narrow ? sizeof(uint32_t) : sizeof(uint64_t)), columns = r->columns;
    const size_t lines = (columns + lanes - 1) / lanes * what->tokens, line_bytes = lines * TF_SELECT_LINE;
    const size_t room = TF_SELECT_ROWS * columns, bytes = line_bytes + (2 * room + what->tokens) * sizeof(uint64_t);
    const uint8_t *there = narrow ? words32(r, what->j) : NULL;
    unsigned char *scratch = tf_secret_alloc(bytes);
    if (!scratch)
        return tf_fail(TF_NOMEM, "no memory for %d rows of a table and %zu sums", TF_SELECT_ROWS, what->tokens);
    uint64_t *c = (uint64_t *)(scratch + line_bytes), *narrowed = c + room, *chosen = narrowed + room;
    memset(scratch, 0, line_bytes);
    tf_status status = TF_OK;
    for (size_t at = r->rows.begin; at < r->rows.end && !status; at += TF_SELECT_ROWS) {
        const size_t count = r->rows.end - at < TF_SELECT_ROWS ? r->rows.end - at : TF_SELECT_ROWS;
        const void *rows = there ? there + at * columns * sizeof(uint32_t) : narrow ? (void *)narrowed : (void *)c;
        if (!there) status = tf_view_read(r->kernels, r->table, what->j, at * columns, count * columns, c);
        if (!there && narrow && !status) narrow_words(c, count * columns, (uint32_t *)narrowed);
        for (size_t i = 0; i < what->tokens; i++)
            chosen[i] = what->q[i * what->pitch + (at - r->rows.begin) / TF_SELECT_ROWS];
        if (!status)
            (narrow ? tf_select_block32 : tf_select_block64)(rows, count, columns, chosen, what->tokens, scratch);
    }
    if (!status) add_lines(scratch, narrow, what->tokens, columns, sum);
    tf_secret_free(scratch, bytes);
    return status;
}

/** c = elements [at, at + count) of the sum of both components. */
static tf_status read_sum(const tf_reading *r, size_t at, size_t count, uint64_t *c, uint64_t *other) {
    const tf_source *source = r->table->source;
    const bool zero[2] = {source && tf_source_is_zero(source, 0), source && tf_source_is_zero(source, 1)};
    TF_TRY(tf_view_read(r->kernels, r->table, zero[0], at, count, c));
    if (zero[0] || zero[1]) return TF_OK;
    TF_TRY(tf_view_read(r->kernels, r->table, 1, at, count, other));
    for (size_t i = 0; i < count; i++) c[i] += other[i];
    return TF_OK;
}

/** sum (tokens x columns) += those of these rows that have a token's number; all are read for every token. */
static tf_status pick_span(const tf_reading *r, const choice *what, uint64_t *sum) {
    const size_t columns = r->columns, block = TF_SELECT_ROWS * columns;
    const unsigned width = tf_bytes_of(r->bits);
    const size_t room = (r->kernels->pick_room(columns, width, what->tokens) + 63) / 64 * 64;
    const size_t bytes = room + 2 * block * sizeof(uint64_t);
    unsigned char *found = tf_secret_alloc(bytes);
    if (!found) return tf_fail(TF_NOMEM, "no memory for %d rows of a table and %zu sums", TF_SELECT_ROWS, what->tokens);
    uint64_t *c = (uint64_t *)(found + room);
    memset(found, 0, room);
    tf_status status = TF_OK;
    for (size_t at = r->rows.begin; at < r->rows.end && !status; at += TF_SELECT_ROWS) {
        const size_t count = r->rows.end - at < TF_SELECT_ROWS ? r->rows.end - at : TF_SELECT_ROWS;
        status = read_sum(r, at * columns, count * columns, c, c + block);
        if (!status) r->kernels->pick_rows(c, count, columns, width, at, what->token, what->tokens, found);
    }
    if (!status) r->kernels->picked_rows(found, columns, width, what->tokens, sum);
    tf_secret_free(found, bytes);
    return status;
}

/* A single token: rows are read where they lie, once --------------------------------------------------------------- */

/** sum += row, of which all bits of a word are taken that `mask` has. */
TF_MULTIVERSION static void add_row(const uint8_t *row, size_t columns, uint32_t mask, uint32_t *sum) {
    for (size_t i = 0; i < columns; i++) {
        uint32_t x;
        memcpy(&x, row + i * sizeof x, sizeof x);
        sum[i] += x & mask;
    }
}

/** sum += the rows of component j that the bit vector selects, or what all rows come to under a mask that only the
 *  token's lets through: no address and no branch depends on a token. */
static tf_status add_rows_in_place(const tf_reading *r, const choice *what, int j, uint64_t *sum) {
    const size_t pitch = r->columns * sizeof(uint32_t);
    const uint8_t *table = words32(r, j);
    uint32_t *own = tf_secret_alloc(pitch);
    if (!own) return tf_fail(TF_NOMEM, "no memory for a row of %zu elements", r->columns);
    memset(own, 0, pitch);
    for (size_t at = r->rows.begin; at < r->rows.end; at++) {
        const size_t k = at - r->rows.begin;
        const uint32_t other = what->token ? (uint32_t)at ^ (uint32_t)*what->token : 0;
        if (what->q && !(what->q[k / 64] >> k % 64 & 1)) continue;
        add_row(table + at * pitch, r->columns, ((other | -other) >> 31) - 1, own);
    }
    for (size_t i = 0; i < r->columns; i++) sum[i] += own[i];
    tf_secret_free(own, pitch);
    return TF_OK;
}

/** Row by row, reading only what is selected. */
static tf_status select_one(const tf_reading *r, const choice *what, uint64_t *sum) {
    if (words32(r, what->j)) return add_rows_in_place(r, what, what->j, sum);
    const size_t columns = r->columns, bytes = columns * sizeof(uint64_t);
    uint64_t *row = tf_secret_alloc(bytes);
    if (!row) return tf_fail(TF_NOMEM, "no memory for a row of %zu elements", columns);
    tf_status status = TF_OK;
    for (size_t at = r->rows.begin; at < r->rows.end && !status; at++) {
        const size_t k = at - r->rows.begin;
        if (!(what->q[k / 64] >> k % 64 & 1)) continue;
        status = tf_view_read(r->kernels, r->table, what->j, at * columns, columns, row);
        for (size_t i = 0; i < columns && !status; i++) sum[i] += row[i];
    }
    tf_secret_free(row, bytes);
    return status;
}

static tf_status pick_one(const tf_reading *r, const choice *what, uint64_t *sum) {
    const tf_source *source = r->table->source;
    bool there = source != NULL;
    for (int j = 0; j < 2; j++) there = there && (words32(r, j) || tf_source_is_zero(source, j));
    if (!there) return pick_span(r, what, sum);
    for (int j = 0; j < 2; j++)
        if (!tf_source_is_zero(source, j)) TF_TRY(add_rows_in_place(r, what, j, sum));
    return TF_OK;
}

static tf_status add_rows(const tf_reading *r, const void *context, uint64_t *sum) {
    const choice *what = context;
    if (what->token) return what->tokens == 1 ? pick_one(r, what, sum) : pick_span(r, what, sum);
    return what->tokens == 1 ? select_one(r, what, sum) : select_span(r, what, sum);
}

tf_status tf_sum_rows(tf_call *call, size_t sums, tf_add_rows *add, const void *what, tf_status failed, uint64_t *sum) {
    const tf_type *type = &call->program->node[call->node->input[0]].type; /* whose rows may come lifted */
    const size_t columns = type->shape.dim[1], n = sums * columns, bytes = n * sizeof *sum;
    const tf_reading r = {.kernels = call->party->kernels,
                          .table = &call->in[0],
                          .rows = tf_selected_rows(call, type->shape.dim[0]),
                          .columns = columns,
                          .sums = sums,
                          .bits = type->bits};
    tf_status status = failed;
    uint64_t *part = call->workers > 1 ? tf_secret_alloc(bytes) : sum;
    if (!part) status = tf_fail(TF_NOMEM, "no memory for %zu sums of rows", sums);
    if (!status && part != sum) memset(part, 0, bytes);
    if (!status && r.rows.begin < r.rows.end) status = add(&r, what, part);
    tf_meet(call);
    for (int k = 0; k < call->workers && call->workers > 1; k++) {
        for (size_t i = 0; i < n && k == call->worker && !status; i++) sum[i] += part[i];
        tf_meet(call);
    }
    if (part && part != sum) tf_secret_free(part, bytes);
    if (call->in[0].source && call->worker == 0) tf_source_release(call->in[0].source);
    return status;
}

static tf_status add_all(tf_call *call, choice what, uint64_t *sum) {
    const tf_status status =
        what.q || what.token ? TF_OK : tf_fail(TF_NOMEM, "no memory for what selects %zu rows", what.tokens);
    return tf_sum_rows(call, what.tokens, add_rows, &what, status, sum);
}

tf_span tf_selected_rows(const tf_call *call, size_t rows) {
    const size_t unit = 2 * TF_SELECT_ROWS;
    tf_span blocks = tf_worker_items(call, (rows + unit - 1) / unit);
    return (tf_span){blocks.begin * unit, blocks.end * unit < rows ? blocks.end * unit : rows};
}

tf_status tf_select_rows(tf_call *call, int j, const uint64_t *q, size_t pitch, size_t vectors, uint64_t *sum) {
    return add_all(call, (choice){.j = j, .q = q, .pitch = pitch, .tokens = vectors}, sum);
}

tf_status tf_pick_rows(tf_call *call, const int32_t *token, size_t tokens, uint64_t *sum) {
    return add_all(call, (choice){.token = token, .tokens = tokens}, sum);
}

uint64_t *tf_own_vectors(tf_call *call, int which, unsigned purpose, const uint8_t *message, size_t rows,
                         size_t vectors, size_t *pitch, size_t *room) {
    const tf_span own = tf_selected_rows(call, rows);
    const size_t count = tf_span_count(own), first = own.begin / 64, words = tf_words(rows), bytes = (rows + 7) / 8;
    *pitch = tf_words(count);
    *room = (vectors * *pitch + 1) * sizeof(uint64_t);
    uint64_t *q = tf_secret_alloc(*room);
    if (q) memset(q, 0, *room);
    for (size_t i = 0; q && count && i < vectors; i++) {
        uint64_t *to = q + i * *pitch;
        if (which >= 0)
            tf_stream(call->party, which, call->index, purpose, i * words + first, to, *pitch);
        else
            memcpy(to, message + i * bytes + first * 8, (count + 7) / 8);
        if (count % 64) to[count / 64] &= tf_mask(count % 64);
    }
    return q;
}
