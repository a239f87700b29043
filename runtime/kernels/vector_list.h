/**
 * The element-wise kernels. To add one:
 *   1. declare it here, as TF_VECTOR_KERNEL(name, parameters);
 *   2. write it as a plain C loop in runtime/kernels/vector_loops.h, as LOOP(name, parameters) { ... }.
 * It is then compiled for every instruction set and called as kernels->vector->name(...). Without the second step it
 * does not compile. Arithmetic is mod 2^64. An output may be one of the inputs, element for element; otherwise nothing
 * overlaps. (No include guard: this file is included once for each use of the list.)
 */

/** y = a + b */
TF_VECTOR_KERNEL(add, uint64_t *y, const uint64_t *a, const uint64_t *b, size_t n)
/** y = a - b */
TF_VECTOR_KERNEL(sub, uint64_t *y, const uint64_t *a, const uint64_t *b, size_t n)
/** y = -a */
TF_VECTOR_KERNEL(neg, uint64_t *y, const uint64_t *a, size_t n)
/** y = a * b */
TF_VECTOR_KERNEL(multiply, uint64_t *y, const uint64_t *a, const uint64_t *b, size_t n)
/** y += scale * x */
TF_VECTOR_KERNEL(scale_add, uint64_t *y, uint64_t scale, const uint64_t *x, size_t n)
