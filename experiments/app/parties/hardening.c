#include "experiments/app/parties/hardening.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "net/base/secret.h"

/* OpenSSL keeps private keys apart from everything else if it is told to, in memory that it locks and wipes. */
enum { KEY_HEAP = 64 << 10, SMALLEST_KEY = 32 };

bool harden_process(void) {
    const char *debug = getenv("TREFOIL_DEBUG");
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    debug = "1";
#endif
    if (debug && !strcmp(debug, "1")) return false;
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 0);
    (void)CRYPTO_secure_malloc_init(KEY_HEAP, SMALLEST_KEY);
    tf_secret_lock(true);
    return true;
}
