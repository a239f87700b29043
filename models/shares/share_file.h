/**
 * Files that hold one party's shares: of a model's weights, of texts, or of results. The format is described in
 * models/SHARES.md. Files are hostile: every length, offset and number is checked before use.
 */
#ifndef TF_SHARE_FILE_H
#define TF_SHARE_FILE_H

#include <jansson.h>
#include <stdbool.h>

#include "net/base/digest.h"
#include "runtime/graph/graph.h"
#include "runtime/party/prf.h"

/** The version of a file without panels, which earlier programs read too, and of one with. */
enum { TF_SHARE_VERSION = 2, TF_SHARE_PACKED_VERSION = 3, TF_SHARE_NAME = 96, TF_SHARE_CHECKSUM = 16 };

/** A tensor of a share file. */
typedef struct tf_share_entry {
    char name[TF_SHARE_NAME];
    tf_shape shape;
    int frac;
    unsigned bits;    /**< of the ring; an element takes (bits + 7) / 8 bytes */
    bool is_packed;   /**< the data are the panels of this party's operand of products with it, mod 2^(bits + 1) */
    uint32_t number;  /**< in the order of the file: the address of its streams */
    bool has_data;    /**< otherwise all that this party has of it comes from seeds */
    uint64_t offset;  /**< of the data in the file, a multiple of 64 */
    tf_digest digest; /**< of the data */
    tf_digest stored; /**< with panels, of the data of the component that is stored where there are none */
    unsigned char checksum[TF_SHARE_CHECKSUM]; /**< of panels: against accidents, at the speed of memory */
    bool checked;
} tf_share_entry;

typedef struct tf_share_file {
    char *path;
    int party;
    tf_digest id;  /**< drawn when the sharing was made, the same in its three files */
    json_t *facts; /**< what else the index says */
    tf_share_entry *entry;
    size_t entries;
    tf_prf *prf[3];          /**< by component: the streams that the file's seeds make; NULL where it has none */
    const uint8_t *map;      /**< of the tensors; NULL where there are none */
    uint64_t map_start, end; /**< where the map begins in the file, and where the tensors end */
    size_t size;             /**< of the whole file */
    bool packed;             /**< by its version it may have panels */
} tf_share_file;

/**
 * Maps a share file of this kind ("weights", "texts", "results") and checks its index. Fails with TF_IO when others
 * than its owner may read it, TF_FORMAT when it is damaged or of another version, TF_MISMATCH when it is another
 * party's (`party` -1: any) or another kind's. One thread at a time uses it.
 *
 * The tensors stay mapped until it is closed: whoever replaces it meanwhile must do so by a rename.
 */
TF_CHECKED tf_status tf_share_open(const char *path, const char *kind, int party, tf_share_file **file);
/** Wipes the keys. NULL is allowed. */
void tf_share_close(tf_share_file *file);

/** The entry's data after comparing their digest, once; TF_FORMAT when they are damaged or missing. */
TF_CHECKED tf_status tf_share_data(tf_share_file *file, tf_share_entry *entry, const uint8_t **data);
/** The panels of an entry after comparing their checksum, likewise; TF_PANEL_SLACK bytes behind them can be read. */
TF_CHECKED tf_status tf_share_panels(tf_share_file *file, tf_share_entry *entry, const uint8_t **panels);
/** The entry of this name, or TF_FORMAT. */
TF_CHECKED tf_status tf_share_find(tf_share_file *file, const char *name, tf_share_entry **entry);

typedef struct tf_share_writer tf_share_writer;

/**
 * Begins the file at `path`, which appears there when it is finished, readable by its owner alone. `seed` has a key for
 * each component that comes from one, or NULL.
 */
TF_CHECKED tf_status tf_share_create(const char *path, const char *kind, int party, const tf_digest *id,
                                     const unsigned char *const seed[3], tf_share_writer **writer);
/** Adds an entry; with `has_data` its data must follow, by as many calls of tf_share_write as it takes. */
TF_CHECKED tf_status tf_share_add(tf_share_writer *writer, const char *name, tf_shape shape, int frac, unsigned bits,
                                  bool has_data);
TF_CHECKED tf_status tf_share_write(tf_share_writer *writer, const void *data, size_t size);
/** Adds an entry with the panels of a party's operand, and the digest of its stored component. */
TF_CHECKED tf_status tf_share_add_panels(tf_share_writer *writer, const char *name, tf_shape shape, int frac,
                                         unsigned bits, const tf_digest *stored, const uint8_t *panels);
/** Adds a fact to the index; takes over the reference. */
TF_CHECKED tf_status tf_share_fact(tf_share_writer *writer, const char *name, json_t *value);
/** Writes the index and puts the file into its place. */
TF_CHECKED tf_status tf_share_finish(tf_share_writer *writer);
/** Frees the writer; what is not finished disappears. NULL is allowed. */
void tf_share_abandon(tf_share_writer *writer);

#endif
