/** Which table: the widest instruction set that the CPU has and the environment does not rule out. */
#include <stdlib.h>
#include <string.h>
#include <threads.h>
#include <time.h>

#include "runtime/kernels/internal.h"

static const tf_kernels *chosen;
static once_flag once = ONCE_FLAG_INIT;

const tf_kernels *tf_kernels_named(const char *name) {
    __builtin_cpu_init();
    const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
    const int avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                       __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    if (!strcmp(name, "c")) return &tf_kernels_c;
    if (!strcmp(name, "avx2")) return avx2 ? &tf_kernels_avx2 : NULL;
    if (!strcmp(name, "avx512")) return avx512 ? &tf_kernels_avx512 : NULL;
    return NULL;
}

static void choose(void) {
    const char *asked = getenv("TREFOIL_KERNELS");
    const char *names[] = {asked ? asked : "avx512", "avx512", "avx2", "c"};
    for (size_t i = 0; !chosen; i++) chosen = tf_kernels_named(names[i]);
}

const tf_kernels *tf_kernels_get(void) {
    call_once(&once, choose);
    return chosen;
}
