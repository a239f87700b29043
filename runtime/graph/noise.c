#include "runtime/graph/noise.h"

#include <math.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdint.h>

tf_status tf_gumbel(size_t count, float *out) {
    enum { BLOCK = 1024 };
    uint64_t random[BLOCK];
    for (size_t at = 0; at < count; at += BLOCK) {
        size_t n = count - at < BLOCK ? count - at : BLOCK;
        if (RAND_bytes((unsigned char *)random, (int)(n * sizeof *random)) != 1)
            return tf_fail(TF_INTERNAL, "no random numbers for noise");
        for (size_t i = 0; i < n; i++) out[at + i] = (float)-log(-log(((double)(random[i] >> 11) + 0.5) * 0x1p-53));
    }
    OPENSSL_cleanse(random, sizeof random);
    return TF_OK;
}
