#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "models/files/share_file.h"
#include "models/files/share_header.h"
#include "net/base/file.h"

struct tf_share_writer {
    char *path, *temporary; /* the second one is NULL once it has its name */
    int file, party;
    uint64_t offset;
    json_t *index, *entries;
    json_t *open;     /* the entry whose data are being written; borrowed */
    uint64_t missing; /* bytes of its data that are still to come */
    XXH3_state_t *state;
};

static tf_digest canonical(XXH128_hash_t hash) {
    tf_digest digest;
    XXH128_canonical_t bytes;
    XXH128_canonicalFromHash(&bytes, hash);
    memcpy(digest.byte, bytes.digest, sizeof digest.byte);
    return digest;
}

tf_digest tf_share_index_digest(const tf_share_header *header, const void *index, size_t size) {
    XXH64_hash_t seed = XXH3_64bits(header, offsetof(tf_share_header, digest));
    return canonical(XXH3_128bits_withSeed(index, size, seed));
}

tf_status tf_digest_random(tf_digest *digest) {
    return RAND_bytes(digest->byte, sizeof digest->byte) == 1 ? TF_OK : tf_fail(TF_INTERNAL, "no random numbers");
}

static tf_status write_at(tf_share_writer *w, const void *data, size_t size, uint64_t offset) {
    const char *next = data;
    while (size) {
        ssize_t done = pwrite(w->file, next, size, (off_t)offset);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return tf_fail(TF_IO, "%s: cannot be written: %s", w->path, strerror(errno));
        next += done, size -= (size_t)done, offset += (uint64_t)done;
    }
    return TF_OK;
}

static json_t *seeds_json(const unsigned char *const seed[3]) {
    json_t *object = json_object();
    for (int j = 0; j < 3 && object; j++) {
        tf_digest key;
        char text[33], component[2] = {(char)('0' + j), '\0'};
        if (!seed[j]) continue;
        _Static_assert(sizeof key.byte == TF_KEY_BYTES, "a key is written as a digest is");
        memcpy(key.byte, seed[j], sizeof key.byte);
        tf_digest_text(&key, text);
        json_object_set_new(object, component, json_string(text));
    }
    return object;
}

tf_status tf_share_create(const char *path, const char *kind, int party, const tf_digest *id,
                          const unsigned char *const seed[3], tf_share_writer **out) {
    tf_share_writer *w = calloc(1, sizeof *w);
    if (!w) return tf_fail(TF_NOMEM, "%s: no memory", path);
    char text[33];
    tf_digest_text(id, text);
    *w = (tf_share_writer){.file = -1, .party = party, .offset = sizeof(tf_share_header), .path = strdup(path)};
    w->state = XXH3_createState();
    w->entries = json_array();
    w->index =
        json_pack("{s:s, s:s, s:o, s:O}", "kind", kind, "id", text, "seeds", seeds_json(seed), "entries", w->entries);
    tf_status status = TF_OK;
    size_t room = strlen(path) + 32;
    w->temporary = malloc(room);
    if (!w->path || !w->state || !w->index || !w->temporary) status = tf_fail(TF_NOMEM, "%s: no memory", path);
    if (!status) {
        snprintf(w->temporary, room, "%s.%ld.tmp", path, (long)getpid());
        w->file = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (w->file < 0) status = tf_fail(TF_IO, "%s: cannot be written: %s", path, strerror(errno));
    }
    if (status)
        tf_share_abandon(w);
    else
        *out = w;
    return status;
}

static tf_status complete(const tf_share_writer *w) {
    return w->missing ? tf_fail(TF_INTERNAL, "%s: a tensor is incomplete", w->path) : TF_OK;
}

tf_status tf_share_add(tf_share_writer *w, const char *name, tf_shape shape, int frac, unsigned bits, bool has_data) {
    TF_TRY(complete(w));
    json_t *dims = json_array();
    for (int i = 0; i < shape.rank; i++) json_array_append_new(dims, json_integer((json_int_t)shape.dim[i]));
    json_t *entry = json_pack("{s:s, s:o, s:i, s:i}", "name", name, "shape", dims, "frac", frac, "bits", (int)bits);
    if (!entry || strlen(name) >= TF_SHARE_NAME) {
        json_decref(entry);
        return tf_fail(TF_INVALID, "%s: \"%.100s\" cannot be a tensor's name", w->path, name);
    }
    json_array_append_new(w->entries, entry);
    if (!has_data) return TF_OK;
    w->offset = (w->offset + TF_SHARE_ALIGN - 1) / TF_SHARE_ALIGN * TF_SHARE_ALIGN;
    w->open = entry;
    w->missing = (uint64_t)tf_shape_count(shape) * ((bits + 7) / 8);
    XXH3_128bits_reset(w->state);
    return json_object_set_new(entry, "offset", json_integer((json_int_t)w->offset))
               ? tf_fail(TF_NOMEM, "%s: no memory", w->path)
               : TF_OK;
}

tf_status tf_share_write(tf_share_writer *w, const void *data, size_t size) {
    if (size > w->missing) return tf_fail(TF_INTERNAL, "%s: a tensor is too long", w->path);
    TF_TRY(write_at(w, data, size, w->offset));
    XXH3_128bits_update(w->state, data, size);
    w->offset += size;
    w->missing -= size;
    if (w->missing) return TF_OK;
    char text[33];
    tf_digest digest = canonical(XXH3_128bits_digest(w->state));
    tf_digest_text(&digest, text);
    return json_object_set_new(w->open, "digest", json_string(text)) ? tf_fail(TF_NOMEM, "%s: no memory", w->path)
                                                                     : TF_OK;
}

tf_status tf_share_fact(tf_share_writer *w, const char *name, json_t *value) {
    return json_object_set_new(w->index, name, value) ? tf_fail(TF_NOMEM, "%s: no memory for its index", w->path)
                                                      : TF_OK;
}

static tf_status write_index(tf_share_writer *w, const char *text) {
    tf_share_header header = {.version = htole32(TF_SHARE_VERSION),
                              .party = htole32((uint32_t)w->party),
                              .index_offset = htole64(w->offset),
                              .index_size = htole64(strlen(text))};
    memcpy(header.magic, TF_SHARE_MAGIC, sizeof header.magic);
    header.digest = tf_share_index_digest(&header, text, strlen(text));
    TF_TRY(write_at(w, text, strlen(text), w->offset));
    TF_TRY(write_at(w, &header, sizeof header, 0));
    /* or a crash after the rename could leave a file without its data */
    bool good = !fsync(w->file) && !rename(w->temporary, w->path);
    if (!good) return tf_fail(TF_IO, "%s: cannot be written: %s", w->path, strerror(errno));
    free(w->temporary);
    w->temporary = NULL;
    return TF_OK;
}

tf_status tf_share_finish(tf_share_writer *w) {
    TF_TRY(complete(w));
    char *text = json_dumps(w->index, JSON_COMPACT);
    if (!text) return tf_fail(TF_NOMEM, "%s: no memory for its index", w->path);
    tf_status status = write_index(w, text);
    explicit_bzero(text, strlen(text));
    free(text);
    return status;
}

void tf_share_abandon(tf_share_writer *w) {
    if (!w) return;
    if (w->file >= 0) close(w->file);
    if (w->temporary && w->file >= 0) unlink(w->temporary);
    json_decref(w->index);
    json_decref(w->entries);
    XXH3_freeState(w->state);
    free(w->temporary);
    free(w->path);
    free(w);
}
