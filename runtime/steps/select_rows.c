/** Sums of the rows of a table that bit vectors select, where a party's own uniform bits choose what is read; and rows
 *  at indices that must not show, for which all is read. */
#include <openssl/evp.h>
#include <string.h>

#include "net/base/secret.h"
#include "runtime/steps/select_rows.h"
#include "runtime/steps/steps.h"

/** Elements of a token's sum begin a line apart for each `lanes` columns, and the tokens follow one another between. */
static void add_lines(const void *lines, bool narrow, size_t tokens, size_t columns, uint64_t *sum) {
    const size_t lanes = TF_SELECT_LINE / (narrow ? sizeof(uint32_t) : sizeof(uint64_t));
    for (size_t i = 0; i < tokens; i++)
        for (size_t k = 0; k < columns; k++) {
            const size_t at = (k / lanes * tokens + i) * lanes + k % lanes;
            sum[i * columns + k] += narrow ? ((const uint32_t *)lines)[at] : ((const uint64_t *)lines)[at];
        }
}

/** This worker's rows alone. */
static tf_status select_span(const tf_kernels *kernels, const tf_view *table, int j, tf_span rows, size_t columns,
                             unsigned bits, const uint64_t *q, size_t pitch, size_t tokens, uint64_t *sum) {
    const bool narrow = bits <= 32;
    const size_t lanes = TF_SELECT_LINE / (narrow ? sizeof(uint32_t) : sizeof(uint64_t));
    const size_t lines = (columns + lanes - 1) / lanes * tokens, line_bytes = lines * TF_SELECT_LINE;
    const size_t bytes = line_bytes + (TF_SELECT_ROWS * columns + tokens) * sizeof(uint64_t);
    unsigned char *scratch = tf_secret_alloc(bytes);
    if (!scratch) return tf_fail(TF_NOMEM, "no memory for %d rows of a table and %zu sums", TF_SELECT_ROWS, tokens);
    uint64_t *c = (uint64_t *)(scratch + line_bytes), *chosen = c + TF_SELECT_ROWS * columns;
    memset(scratch, 0, line_bytes);
    tf_status status = TF_OK;
    for (size_t r = rows.begin; r < rows.end && !status; r += TF_SELECT_ROWS) {
        const size_t count = rows.end - r < TF_SELECT_ROWS ? rows.end - r : TF_SELECT_ROWS;
        status = tf_view_read(kernels, table, j, r * columns, count * columns, c);
        if (status) break;
        for (size_t i = 0; i < tokens; i++) chosen[i] = q[i * pitch + (r - rows.begin) / TF_SELECT_ROWS];
        (narrow ? tf_select_block32 : tf_select_block64)(c, count, columns, chosen, tokens, scratch);
    }
    if (!status) add_lines(scratch, narrow, tokens, columns, sum);
    tf_secret_free(scratch, bytes);
    return status;
}

/** The same with a cipher of this worker's own, where the component is a stream. */
static tf_status select_own(const tf_call *call, int j, tf_span rows, size_t columns, const uint64_t *q, size_t pitch,
                            size_t tokens, uint64_t *sum) {
    const tf_kernels *kernels = call->party->kernels;
    const unsigned bits = call->node->type.bits;
    const tf_view *table = &call->in[0];
    if (call->workers < 2 || !table->source || !table->source->part[j].prf)
        return select_span(kernels, table, j, rows, columns, bits, q, pitch, tokens, sum);
    tf_source source = *table->source;
    tf_view own = {.source = &source};
    tf_status status = TF_OK;
    source.part[j].prf = EVP_CIPHER_CTX_new();
    if (!source.part[j].prf || EVP_CIPHER_CTX_copy(source.part[j].prf, table->source->part[j].prf) != 1)
        status = tf_fail(TF_NOMEM, "no memory for the key of a table");
    if (!status) status = select_span(kernels, &own, j, rows, columns, bits, q, pitch, tokens, sum);
    EVP_CIPHER_CTX_free(source.part[j].prf);
    return status;
}

tf_span tf_selected_rows(const tf_call *call, size_t rows) {
    const size_t unit = 2 * TF_SELECT_ROWS;
    tf_span blocks = tf_worker_items(call, (rows + unit - 1) / unit);
    return (tf_span){blocks.begin * unit, blocks.end * unit < rows ? blocks.end * unit : rows};
}

tf_status tf_select_rows(tf_call *call, int j, const uint64_t *q, size_t pitch, size_t tokens, uint64_t *sum) {
    const tf_shape table = call->program->node[call->node->input[0]].type.shape;
    const size_t columns = table.dim[1], n = tokens * columns, bytes = n * sizeof *sum;
    const tf_span rows = tf_selected_rows(call, table.dim[0]);
    tf_status status = q ? TF_OK : tf_fail(TF_NOMEM, "no memory for the bit vectors of %zu tokens", tokens);
    uint64_t *part = call->workers > 1 ? tf_secret_alloc(bytes) : sum;
    if (!part) status = tf_fail(TF_NOMEM, "no memory for %zu sums of rows", tokens);
    if (!status && part != sum) memset(part, 0, bytes);
    if (!status && rows.begin < rows.end) status = select_own(call, j, rows, columns, q, pitch, tokens, part);
    tf_meet(call);
    for (int k = 0; k < call->workers && call->workers > 1; k++) {
        for (size_t i = 0; i < n && k == call->worker && !status; i++) sum[i] += part[i];
        tf_meet(call);
    }
    if (part && part != sum) tf_secret_free(part, bytes);
    if (call->in[0].source && call->worker == 0) tf_source_release(call->in[0].source);
    return status;
}

tf_status tf_pick_rows(const tf_kernels *kernels, const tf_view *table, size_t rows, size_t columns, unsigned bits,
                       const int32_t *token, size_t tokens, uint64_t *out) {
    const bool narrow = bits <= 32;
    const size_t word = narrow ? sizeof(uint32_t) : sizeof(uint64_t), block = TF_SELECT_ROWS * columns;
    const size_t sum_bytes = (tokens * columns * word + 63) / 64 * 64, bytes = sum_bytes + 2 * block * sizeof(uint64_t);
    unsigned char *scratch = tf_secret_alloc(bytes);
    if (!scratch) return tf_fail(TF_NOMEM, "no memory for %d rows of a table and %zu sums", TF_SELECT_ROWS, tokens);
    uint64_t *c = (uint64_t *)(scratch + sum_bytes), *other = c + block;
    memset(scratch, 0, sum_bytes);
    tf_status status = TF_OK;
    for (size_t r = 0; r < rows && !status; r += TF_SELECT_ROWS) {
        const size_t count = rows - r < TF_SELECT_ROWS ? rows - r : TF_SELECT_ROWS;
        status = tf_view_read(kernels, table, 0, r * columns, count * columns, c);
        if (!status) status = tf_view_read(kernels, table, 1, r * columns, count * columns, other);
        if (status) break;
        for (size_t i = 0; i < count * columns; i++) c[i] += other[i];
        (narrow ? tf_pick_block32 : tf_pick_block64)(c, count, columns, r, token, tokens, scratch);
    }
    for (size_t i = 0; i < tokens * columns && !status; i++)
        out[i] = narrow ? ((const uint32_t *)scratch)[i] : ((const uint64_t *)scratch)[i];
    if (table->source) tf_source_release(table->source);
    tf_secret_free(scratch, bytes);
    return status;
}
