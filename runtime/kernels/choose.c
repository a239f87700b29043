/** Which table: the widest instruction set that the CPU has and the environment does not rule out. */
#include <cpuid.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <threads.h>
#include <unistd.h>

#include "runtime/kernels/internal.h"

static const tf_kernels *chosen;
static once_flag once = ONCE_FLAG_INIT;

/** Tiles are 8 KiB more for the kernel to save, so Linux (5.16 and later) wants to be asked, once for all threads. */
static int amx_allowed(void) {
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18, AMX_TILE = 1 << 24, AMX_INT8 = 1 << 25 };
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & AMX_TILE) && (d & AMX_INT8) &&
           __builtin_cpu_supports("avx512vbmi") &&
           syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

const tf_kernels *tf_kernels_named(const char *name) {
    __builtin_cpu_init();
    const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
    const int avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                       __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    if (!strcmp(name, "c")) return &tf_kernels_c;
    if (!strcmp(name, "avx2")) return avx2 ? &tf_kernels_avx2 : NULL;
    if (!strcmp(name, "avx512")) return avx512 ? &tf_kernels_avx512 : NULL;
    if (!strcmp(name, "amx")) return avx512 && amx_allowed() ? &tf_kernels_amx : NULL;
    return NULL;
}

static void choose(void) {
    const char *asked = getenv("TREFOIL_KERNELS");
    const char *names[] = {asked ? asked : "amx", "amx", "avx512", "avx2", "c"};
    for (size_t i = 0; !chosen; i++) chosen = tf_kernels_named(names[i]);
}

const tf_kernels *tf_kernels_best(void) {
    call_once(&once, choose);
    return chosen;
}
