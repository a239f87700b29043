/** Sums of the rows of a table that bit vectors select. A party's own uniform bits choose what is read. */
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

tf_status tf_select_rows(const tf_kernels *kernels, const tf_view *table, int j, size_t rows, size_t columns,
                         unsigned bits, const uint64_t *q, size_t tokens, uint64_t *sum) {
    const bool narrow = bits <= 32;
    const size_t lanes = TF_SELECT_LINE / (narrow ? sizeof(uint32_t) : sizeof(uint64_t)), words = tf_words(rows);
    const size_t lines = (columns + lanes - 1) / lanes * tokens, line_bytes = lines * TF_SELECT_LINE;
    const size_t bytes = line_bytes + (TF_SELECT_ROWS * columns + tokens) * sizeof(uint64_t);
    unsigned char *scratch = tf_secret_alloc(bytes);
    if (!scratch) return tf_fail(TF_NOMEM, "no memory for %d rows of a table and %zu sums", TF_SELECT_ROWS, tokens);
    uint64_t *c = (uint64_t *)(scratch + line_bytes), *chosen = c + TF_SELECT_ROWS * columns;
    memset(scratch, 0, line_bytes);
    tf_status status = TF_OK;
    for (size_t r = 0; r < rows && !status; r += TF_SELECT_ROWS) {
        const size_t count = rows - r < TF_SELECT_ROWS ? rows - r : TF_SELECT_ROWS;
        status = tf_view_read(kernels, table, j, r * columns, count * columns, c);
        if (status) break;
        for (size_t i = 0; i < tokens; i++) chosen[i] = q[i * words + r / TF_SELECT_ROWS];
        (narrow ? tf_select_block32 : tf_select_block64)(c, count, columns, chosen, tokens, scratch);
    }
    if (!status) add_lines(scratch, narrow, tokens, columns, sum);
    if (table->source) tf_source_release(table->source);
    tf_secret_free(scratch, bytes);
    return status;
}
