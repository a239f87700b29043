/** The first 64 bytes of a share file, little-endian; see models/SHARES.md. */
#ifndef TF_SHARE_HEADER_H
#define TF_SHARE_HEADER_H

#include <endian.h>

#include "runtime/lower/lower.h"

#define TF_SHARE_MAGIC "TFSHARES"
enum { TF_SHARE_ALIGN = 64 };

typedef struct tf_share_header {
    char magic[8];
    uint32_t version, party;
    uint64_t index_offset, index_size; /**< the index is the end of the file */
    tf_digest digest;                  /**< of what stands before, and of the index */
    uint8_t zero[16];
} tf_share_header;
_Static_assert(sizeof(tf_share_header) == TF_SHARE_ALIGN, "the header is one line");

/** The XXH3-128 digest of the header up to its digest, followed by the index. */
tf_digest tf_share_index_digest(const tf_share_header *header, const void *index, size_t size);

#endif
