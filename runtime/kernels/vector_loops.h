/**
 * The element-wise kernels as plain C loops. vector_c.c, vector_avx2.c and vector_avx512.c include this file, and the
 * compiler vectorises it for each instruction set. The including file defines TABLE, the name of the table.
 */
#include "runtime/kernels/internal.h"

/** A loop whose iterations are independent even where an output is an input, so that no test for overlap is needed. */
#define INDEPENDENT(i, n) _Pragma("GCC ivdep") for (size_t i = 0; i < (n); i++)
#define LOOP(name, ...)   static void name(__VA_ARGS__)

LOOP(add, uint64_t *y, const uint64_t *a, const uint64_t *b, size_t n) {
    INDEPENDENT(i, n) y[i] = a[i] + b[i];
}

LOOP(sub, uint64_t *y, const uint64_t *a, const uint64_t *b, size_t n) {
    INDEPENDENT(i, n) y[i] = a[i] - b[i];
}

LOOP(neg, uint64_t *y, const uint64_t *a, size_t n) {
    INDEPENDENT(i, n) y[i] = -a[i];
}

LOOP(multiply, uint64_t *y, const uint64_t *a, const uint64_t *b, size_t n) {
    INDEPENDENT(i, n) y[i] = a[i] * b[i];
}

LOOP(scale_add, uint64_t *y, uint64_t scale, const uint64_t *x, size_t n) {
    INDEPENDENT(i, n) y[i] += scale * x[i];
}

const tf_vector_kernels TABLE = {
#define TF_VECTOR_KERNEL(name, ...) .name = name,
#include "runtime/kernels/vector_list.h"
#undef TF_VECTOR_KERNEL
};
