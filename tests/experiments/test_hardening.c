/* What a process that holds secrets lets others see, and how the memory of its shares is kept. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "experiments/app/parties/hardening.h"
#include "net/base/secret.h"

#if !defined(__SANITIZE_ADDRESS__)

static size_t locked_kib(void) {
    char line[256];
    size_t kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    cr_assert(file);
    while (fgets(line, sizeof line, file)) (void)sscanf(line, "VmLck: %zu", &kib);
    fclose(file);
    return kib;
}

Test(hardening, closes_the_process) {
    unsetenv("TREFOIL_DEBUG");
    unsetenv("OMPI_MCA_btl_vader_single_copy_mechanism");
    cr_assert_eq(prctl(PR_GET_DUMPABLE), 1);
    cr_assert(harden_process());
    struct rlimit core;
    cr_assert_eq(prctl(PR_GET_DUMPABLE), 0);
    cr_assert_eq(getrlimit(RLIMIT_CORE, &core), 0);
    cr_assert(core.rlim_cur == 0 && core.rlim_max == 0);
    cr_assert_str_eq(getenv("OMPI_MCA_btl_vader_single_copy_mechanism"), "none");
}

Test(hardening, is_left_to_debuggers) {
    setenv("TREFOIL_DEBUG", "1", 1);
    cr_assert(!harden_process());
    cr_assert_eq(prctl(PR_GET_DUMPABLE), 1);
}

Test(hardening, keeps_what_the_environment_says_of_open_mpi) {
    setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "emulated", 1);
    cr_assert(harden_process());
    cr_assert_str_eq(getenv("OMPI_MCA_btl_vader_single_copy_mechanism"), "emulated");
}

Test(hardening, locks_the_memory_of_shares) {
    enum { SIZE = 3 * 4096 - 8, KIB = 12 };
    void *unlocked = tf_secret_alloc(SIZE);
    size_t before = locked_kib();
    cr_assert(unlocked);
    tf_secret_lock(true);
    void *data = tf_secret_alloc(SIZE);
    cr_assert(data);
    size_t during = locked_kib();
    tf_secret_free(data, SIZE);
    cr_assert_eq(locked_kib(), during, "small pieces stay mapped, and locked, to be used again");
    tf_secret_lock(true); /* gives them back */
    cr_assert_eq(locked_kib(), before);
    tf_secret_free(unlocked, SIZE);
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
    if (limit.rlim_cur >= 1 << 16)
        cr_assert_eq(during, before + KIB);
    else
        cr_log_info("RLIMIT_MEMLOCK is too small: nothing can be locked here");
}

Test(hardening, without_a_limit_is_no_error) {
    cr_assert_eq(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){0, 0}), 0);
    cr_assert(harden_process());
    void *data = tf_secret_alloc(1 << 20);
    cr_assert(data);
    memset(data, 1, 1 << 20);
    tf_secret_free(data, 1 << 20);
}

#else

Test(hardening, is_left_to_sanitizers) {
    cr_assert(!harden_process());
    cr_assert_eq(prctl(PR_GET_DUMPABLE), 1);
}

#endif
