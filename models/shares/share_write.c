#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "models/shares/share_file.h"
#include "models/shares/share_header.h"
#include "net/base/hex.h"
#include "net/base/new_file.h"
#include "net/base/secret.h"

struct tf_share_writer {
    tf_new_file file;
    tf_share_header *header;
    uint64_t offset;
    json_t *index, *entries;
    json_t *open;     /* the entry whose data are being written; borrowed */
    uint64_t missing; /* bytes of its data that are still to come */
    tf_hash hash;     /* of those data */
};

static void begin_header(tf_share_header *header, int party, const unsigned char *const seed[3]) {
    memset(header, 0, sizeof *header);
    memcpy(header->magic, TF_SHARE_MAGIC, sizeof header->magic);
    header->version = htole32(TF_SHARE_VERSION);
    header->party = htole32((uint32_t)party);
    for (int j = 0; j < 3; j++) {
        header->has_seed[j] = seed[j] != NULL;
        if (seed[j]) memcpy(header->seed[j], seed[j], sizeof header->seed[j]);
    }
}

tf_status tf_share_index_digest(const tf_share_header *header, const void *index, size_t size, tf_digest *digest) {
    tf_hash hash;
    size_t after = offsetof(tf_share_header, seed);
    tf_hash_begin(&hash);
    tf_hash_add(&hash, header, offsetof(tf_share_header, digest));
    tf_hash_add(&hash, (const char *)header + after, sizeof *header - after);
    tf_hash_add(&hash, index, size);
    return tf_hash_end(&hash, digest);
}

tf_status tf_share_create(const char *path, const char *kind, int party, const tf_digest *id,
                          const unsigned char *const seed[3], tf_share_writer **out) {
    tf_share_writer *w = calloc(1, sizeof *w);
    if (!w) return tf_fail(TF_NOMEM, "%s: no memory", path);
    char text[TF_DIGEST_TEXT];
    *w = (tf_share_writer){.file.file = -1, .offset = TF_SHARE_DATA};
    w->header = tf_secret_alloc(sizeof *w->header);
    w->entries = json_array();
    w->index = json_pack("{s:s, s:s, s:O}", "kind", kind, "id", tf_digest_text(id, text), "entries", w->entries);
    tf_status status = tf_new_file_open(path, 0600, &w->file);
    if (!status && (!w->header || !w->index)) status = tf_fail(TF_NOMEM, "%s: no memory", path);
    if (!status) begin_header(w->header, party, seed);
    if (status)
        tf_share_abandon(w);
    else
        *out = w;
    return status;
}

static tf_status complete(const tf_share_writer *w) {
    return w->missing ? tf_fail(TF_INTERNAL, "%s: a tensor is incomplete", w->file.path) : TF_OK;
}

tf_status tf_share_add(tf_share_writer *w, const char *name, tf_shape shape, int frac, unsigned bits, bool has_data) {
    TF_TRY(complete(w));
    json_t *dims = json_array();
    for (int i = 0; i < shape.rank; i++) json_array_append_new(dims, json_integer((json_int_t)shape.dim[i]));
    json_t *entry = json_pack("{s:s, s:o, s:i, s:i}", "name", name, "shape", dims, "frac", frac, "bits", (int)bits);
    if (!entry || strlen(name) >= TF_SHARE_NAME) {
        json_decref(entry);
        return tf_fail(TF_INVALID, "%s: \"%.100s\" cannot be a tensor's name", w->file.path, name);
    }
    json_array_append_new(w->entries, entry);
    if (!has_data) return TF_OK;
    w->offset = (w->offset + TF_SHARE_ALIGN - 1) / TF_SHARE_ALIGN * TF_SHARE_ALIGN;
    w->open = entry;
    w->missing = (uint64_t)tf_shape_count(shape) * ((bits + 7) / 8);
    tf_hash_begin(&w->hash);
    return json_object_set_new(entry, "offset", json_integer((json_int_t)w->offset))
               ? tf_fail(TF_NOMEM, "%s: no memory", w->file.path)
               : TF_OK;
}

tf_status tf_share_write(tf_share_writer *w, const void *data, size_t size) {
    if (size > w->missing) return tf_fail(TF_INTERNAL, "%s: a tensor is too long", w->file.path);
    TF_TRY(tf_new_file_write(&w->file, data, size, w->offset));
    tf_hash_add(&w->hash, data, size);
    w->offset += size;
    w->missing -= size;
    if (w->missing) return TF_OK;
    char text[TF_DIGEST_TEXT];
    tf_digest digest;
    TF_TRY(tf_hash_end(&w->hash, &digest));
    tf_digest_text(&digest, text);
    return json_object_set_new(w->open, "digest", json_string(text)) ? tf_fail(TF_NOMEM, "%s: no memory", w->file.path)
                                                                     : TF_OK;
}

tf_status tf_share_add_panels(tf_share_writer *w, const char *name, tf_shape shape, int frac, unsigned bits,
                              const tf_digest *stored, const uint8_t *panels) {
    const size_t size = tf_shape_count(shape) * ((bits + 8) / 8);
    char text[TF_DIGEST_TEXT], sum_text[2 * TF_SHARE_CHECKSUM + 1];
    XXH128_canonical_t sum;
    XXH128_canonicalFromHash(&sum, XXH3_128bits(panels, size));
    tf_hex_write(sum.digest, TF_SHARE_CHECKSUM, sum_text);
    TF_TRY(tf_share_add(w, name, shape, frac, bits, true));
    w->missing = size;
    w->header->version = htole32(TF_SHARE_PACKED_VERSION);
    if (json_object_set_new(w->open, "panels", json_string(sum_text)) ||
        json_object_set_new(w->open, "stored", json_string(tf_digest_text(stored, text))))
        return tf_fail(TF_NOMEM, "%s: no memory", w->file.path);
    return tf_share_write(w, panels, size);
}

tf_status tf_share_fact(tf_share_writer *w, const char *name, json_t *value) {
    return json_object_set_new(w->index, name, value) ? tf_fail(TF_NOMEM, "%s: no memory for its index", w->file.path)
                                                      : TF_OK;
}

static tf_status write_index(tf_share_writer *w, const char *text) {
    w->header->index_offset = htole64(w->offset);
    w->header->index_size = htole64(strlen(text));
    TF_TRY(tf_share_index_digest(w->header, text, strlen(text), &w->header->digest));
    TF_TRY(tf_new_file_write(&w->file, text, strlen(text), w->offset));
    TF_TRY(tf_new_file_write(&w->file, w->header, sizeof *w->header, 0));
    return tf_new_file_finish(&w->file);
}

tf_status tf_share_finish(tf_share_writer *w) {
    TF_TRY(complete(w));
    char *text = json_dumps(w->index, JSON_COMPACT);
    if (!text) return tf_fail(TF_NOMEM, "%s: no memory for its index", w->file.path);
    tf_status status = write_index(w, text);
    free(text);
    return status;
}

void tf_share_abandon(tf_share_writer *w) {
    if (!w) return;
    tf_new_file_abandon(&w->file);
    tf_hash_abandon(&w->hash);
    tf_secret_free(w->header, sizeof *w->header);
    json_decref(w->index);
    json_decref(w->entries);
    free(w);
}
