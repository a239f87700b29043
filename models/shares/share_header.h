/** The first 4096 bytes of a share file, little-endian; see models/SHARES.md. */
#ifndef TF_SHARE_HEADER_H
#define TF_SHARE_HEADER_H

#include <endian.h>

#include "net/base/digest.h"
#include "runtime/party/prf.h"

#define TF_SHARE_MAGIC "TFSHARES"
enum { TF_SHARE_ALIGN = 64, TF_SHARE_DATA = 4096 };

/** Seeds stand here and nowhere else: it is read, used and wiped, where tensors stay mapped. */
typedef struct tf_share_header {
    char magic[8];
    uint32_t version, party;
    uint64_t index_offset, index_size; /**< the index is the end of the file */
    tf_digest digest;                  /**< of the rest of the header, and of the index */
    uint8_t seed[3][TF_KEY_BYTES];     /**< by component; zeros where `has_seed` is 0 */
    uint8_t has_seed[8];               /**< by component, 0 or 1; the rest is zero */
    uint8_t zero[TF_SHARE_DATA - 120];
} tf_share_header;
_Static_assert(sizeof(tf_share_header) == TF_SHARE_DATA, "tensors follow on a page of their own");

/** Makes the digest of a header and the index. */
TF_CHECKED tf_status tf_share_index_digest(const tf_share_header *header, const void *index, size_t size,
                                           tf_digest *digest);

#endif
