#include <stdlib.h>
#include <string.h>

#include "runtime/kernels/internal.h"

#include "net/base/clock.h"

/** At most half a block deep, so that rows and panel share the level-1 cache (AMX streams them from the second level);
    rows are a multiple of every register tile. */
double tf_kernels_multiply_peak(const tf_kernels *kernels, unsigned bits) {
    enum { ROWS = 48, PANEL_BYTES = 24 << 10 };
    tf_packed *probe = kernels->pack((const uint64_t[]){0}, NULL, 1, 1, 1, 1, bits);
    if (!probe) return 0;
    const tf_gemm *gemm = probe->gemm;
    tf_packed_free(probe);
    const size_t n = gemm ? gemm->columns : 16;
    size_t k = gemm ? gemm->depth / 2 : 64;
    while (gemm && k * n * gemm->word > PANEL_BYTES) k /= 2;
    const size_t elements = (k + 2) * (n + ROWS) + ROWS * n; /* of 8 bytes, whatever a packed one takes */
    uint64_t *b = aligned_alloc(64, (elements * sizeof *b + 63) & ~(size_t)63);
    if (!b) return 0;
    uint64_t *a = b + (k + 2) * n, *c = a + (k + 2) * ROWS;
    for (size_t i = 0; i < elements; i++) b[i] = i * 0x9e3779b97f4a7c15;
    tf_packed *packed = gemm ? NULL : kernels->pack(b, NULL, k, n, n, 1, bits);
    double best = 0;
    for (double start = tf_clock(), end = start; (gemm || packed) && end < start + 0.05;) {
        enum { CALLS = 50 };
        const double before = end;
        for (int i = 0; i < CALLS; i++) {
            if (gemm)
                gemm->multiply(ROWS, k, n, a, b, c, n, NULL);
            else
                kernels->matmul(ROWS, a, NULL, k, packed, c, n, NULL);
        }
        end = tf_clock();
        const double rate = (double)(ROWS * k * n) * CALLS / (end - before);
        if (rate > best) best = rate;
    }
    tf_packed_free(packed);
    free(b);
    return best;
}
