/** The best table, with a clock around packing and products for the threads that ask for one. */
#include <threads.h>
#include <time.h>

#include "net/base/clock.h"
#include "runtime/kernels/internal.h"

const unsigned tf_product_width[TF_PRODUCT_WIDTHS] = {32, 40, 48, 52, 56, 64};
_Thread_local tf_meter tf_thread_meter;

static const tf_kernels *best;
static tf_kernels metered;

static double processor_clock(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static tf_packed *pack(const uint64_t *b, const uint64_t *b2, size_t k, size_t n, size_t row_stride,
                       size_t column_stride, unsigned bits) {
    if (!tf_thread_meter.on) return best->pack(b, b2, k, n, row_stride, column_stride, bits);
    double start = tf_clock();
    tf_packed *packed = best->pack(b, b2, k, n, row_stride, column_stride, bits);
    tf_thread_meter.packing += tf_clock() - start;
    return packed;
}

static void pack_bytes(const uint64_t *x, size_t n, unsigned bytes, uint8_t *out) {
    if (!tf_thread_meter.on) return best->pack_bytes(x, n, bytes, out);
    double start = tf_clock();
    best->pack_bytes(x, n, bytes, out);
    tf_thread_meter.packing += tf_clock() - start;
}

static void unpack_bytes(const uint8_t *in, size_t n, unsigned bytes, uint64_t *x) {
    if (!tf_thread_meter.on) return best->unpack_bytes(in, n, bytes, x);
    double start = tf_clock();
    best->unpack_bytes(in, n, bytes, x);
    tf_thread_meter.packing += tf_clock() - start;
}

static void matmul_columns(size_t m, const uint64_t *a, const uint64_t *a2, size_t lda, const tf_packed *b, size_t from,
                           size_t to, uint64_t *c, size_t ldc, void *scratch) {
    if (!tf_thread_meter.on) return best->matmul_columns(m, a, a2, lda, b, from, to, c, ldc, scratch);
    tf_product_meter *meter = &tf_thread_meter.product;
    int width = 0;
    while (tf_product_width[width] < b->bits) width++;
    double start = processor_clock();
    best->matmul_columns(m, a, a2, lda, b, from, to, c, ldc, scratch);
    meter->seconds += processor_clock() - start;
    meter->multiplications[width] += (uint64_t)m * b->k * (to - from);
}

static void matmul(size_t m, const uint64_t *a, const uint64_t *a2, size_t lda, const tf_packed *b, uint64_t *c,
                   size_t ldc, void *scratch) {
    matmul_columns(m, a, a2, lda, b, 0, b->n, c, ldc, scratch);
}

static void make(void) {
    best = tf_kernels_best();
    metered = *best;
    metered.pack = pack;
    metered.pack_bytes = pack_bytes;
    metered.unpack_bytes = unpack_bytes;
    metered.matmul = matmul;
    metered.matmul_columns = matmul_columns;
}

const tf_kernels *tf_kernels_get(void) {
    static once_flag once = ONCE_FLAG_INIT;
    call_once(&once, make);
    return &metered;
}
