/* argmax over rows as long as vocabularies: the first of equal elements, in few rounds. */
#include "tests/support/private.h"

/* Of rows that are random but for some equal largest elements. */
static private_op vocabulary(size_t rows, size_t n, double frac) {
    tf_array x = random_array(tf_dims(rows, n), -30, 30, n);
    for (size_t row = 0; row < rows; row++)
        for (size_t k = row; k < n; k += n / 3 + 1) x.data[row * n + k] = 31;
    return (private_op){.kind = "argmax",
                        .variant = "exact",
                        .inputs = 1,
                        .input = {{TF_LEAF_NONE, x}},
                        .calibrated = true,
                        .attrs = 1,
                        .attr = {{"frac", frac}}};
}

static void check_vocabulary(size_t rows, size_t n, double frac, int rounds, uint64_t bytes) {
    private_op run = vocabulary(rows, n, frac);
    cr_assert_eq(private_run(&run), TF_OK, "%s", tf_error());
    for (size_t row = 0; row < rows; row++) {
        cr_assert_eq(run.result[row], (double)row, "row %zu of %zu: %g", row, n, run.result[row]);
        cr_assert_eq(run.plain.data[row], (float)row);
    }
    uint64_t sent = 0;
    for (int from = 0; from < TF_PARTIES; from++)
        for (int to = 0; to < TF_PARTIES; to++) sent += run.stats.bytes[from][to];
    cr_assert_eq((int)run.stats.rounds, rounds, "%zu: %d rounds", n, (int)run.stats.rounds);
    cr_assert_eq(sent, bytes, "%zu: %llu bytes", n, (unsigned long long)sent);
    private_free(&run);
}

/* Putting the logits in, 8 bytes each, takes a round, and so does opening the result. */
Test(argmax, of_vocabularies) {
    check_vocabulary(2, 300, 16, 15, 169198);
    check_vocabulary(1, 32000, 8, 27, 1592106);
    check_vocabulary(1, 50257, 16, 32, 2648259);
    check_vocabulary(1, 50257, 8, 28, 2666258);
}
