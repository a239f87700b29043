#include "models/shares/share_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "models/shares/share_header.h"
#include "net/base/file.h"
#include "net/base/hex.h"
#include "runtime/session/session.h"

enum { LARGEST_INDEX = 64 << 20, MOST_ENTRIES = 1 << 20 };

static tf_status damaged(const tf_share_file *file, const char *what) {
    return tf_fail(TF_FORMAT, "%s: %s: a damaged share file", file->path, what);
}

static tf_status open_file(tf_share_file *file, int *descriptor) {
    struct stat info;
    TF_TRY(tf_file_open(file->path, descriptor, &file->size));
    tf_status status = TF_OK;
    if (fstat(*descriptor, &info) || info.st_mode & (S_IRWXG | S_IRWXO))
        status = tf_fail(TF_IO, "%s: others may read it, and it holds secrets: chmod 600 it", file->path);
    else if (file->size < sizeof(tf_share_header))
        status = tf_fail(TF_FORMAT, "%s: %zu bytes are too few for a share file", file->path, file->size);
    if (status) close(*descriptor);
    return status;
}

static tf_status read_at(const tf_share_file *file, int descriptor, void *data, size_t size, uint64_t offset) {
    for (size_t have = 0; have < size;) {
        ssize_t got = pread(descriptor, (char *)data + have, size - have, (off_t)(offset + have));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return tf_fail(TF_IO, "%s: cannot be read", file->path);
        have += (size_t)got;
    }
    return TF_OK;
}

/** Maps the tensors, from the page in which the first one begins, and the index: products read past their panels. */
static tf_status map_data(tf_share_file *file, int descriptor) {
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), start = TF_SHARE_DATA / page * page;
    if (file->end == TF_SHARE_DATA) return TF_OK;
    void *map = mmap(NULL, file->size - start, PROT_READ, MAP_PRIVATE, descriptor, (off_t)start);
    if (map == MAP_FAILED) return tf_fail(TF_IO, "%s: cannot be mapped", file->path);
    file->map = map;
    file->map_start = start;
    return TF_OK;
}

static tf_status read_seeds(tf_share_file *file, const tf_share_header *header) {
    for (int j = 0; j < 3; j++) {
        if (header->has_seed[j] > 1) return damaged(file, "a seed");
        if (!header->has_seed[j]) continue;
        file->prf[j] = tf_prf_new(header->seed[j]);
        if (!file->prf[j]) return tf_fail(TF_NOMEM, "no memory for the seeds");
    }
    return TF_OK;
}

static tf_status check_header(tf_share_file *file, const tf_share_header *header) {
    if (memcmp(header->magic, TF_SHARE_MAGIC, sizeof header->magic))
        return tf_fail(TF_FORMAT, "%s: not a share file of trefoil", file->path);
    uint32_t version = le32toh(header->version);
    if (version != TF_SHARE_VERSION && version != TF_SHARE_PACKED_VERSION)
        return tf_fail(TF_FORMAT, "%s: a share file of version %u; this trefoil reads versions %d and %d", file->path,
                       version, TF_SHARE_VERSION, TF_SHARE_PACKED_VERSION);
    file->packed = version == TF_SHARE_PACKED_VERSION;
    uint64_t offset = le64toh(header->index_offset), size = le64toh(header->index_size);
    if (offset < sizeof *header || offset > file->size || size != file->size - offset || size > LARGEST_INDEX)
        return damaged(file, "its length is not what its header says");
    file->end = offset;
    file->party = (int)le32toh(header->party);
    return file->party < 0 || file->party >= TF_PARTIES ? damaged(file, "it names no party") : TF_OK;
}

/** Compares the digest of header and index, and parses the index. */
static tf_status read_index(tf_share_file *file, const tf_share_header *header, int descriptor) {
    size_t size = file->size - file->end;
    tf_digest digest;
    char *text = malloc(size + 1);
    tf_status status = text ? read_at(file, descriptor, text, size, file->end)
                            : tf_fail(TF_NOMEM, "%s: no memory for its index", file->path);
    if (!status) status = tf_share_index_digest(header, text, size, &digest);
    if (!status && !tf_digest_equal(&digest, &header->digest))
        status = damaged(file, "its index does not have its digest");
    if (!status) status = tf_json_parse(file->path, text, size, &file->facts);
    free(text);
    return status;
}

static tf_status read_file(tf_share_file *file) {
    int descriptor;
    TF_TRY(open_file(file, &descriptor));
    tf_share_header header;
    tf_status status = read_at(file, descriptor, &header, sizeof header, 0);
    if (!status) status = check_header(file, &header);
    if (!status) status = read_index(file, &header, descriptor);
    if (!status) status = read_seeds(file, &header);
    if (!status) status = map_data(file, descriptor);
    explicit_bzero(&header, sizeof header);
    close(descriptor);
    return status;
}

static tf_status read_shape(const tf_share_file *file, const json_t *json, tf_shape *shape) {
    size_t rank = json_array_size(json);
    if (!json_is_array(json) || rank > TF_MAX_RANK) return damaged(file, "a shape");
    shape->rank = (int)rank;
    for (size_t i = 0; i < rank; i++) {
        json_int_t n = json_integer_value(json_array_get(json, i));
        if (n < 1) return damaged(file, "a shape");
        shape->dim[i] = (size_t)n;
    }
    return tf_shape_check(*shape) ? damaged(file, "a shape") : TF_OK;
}

static uint64_t data_size(const tf_share_entry *entry) {
    return (uint64_t)tf_shape_count(entry->shape) * ((entry->bits + entry->is_packed + 7) / 8);
}

static tf_status read_panels(const tf_share_file *file, const json_t *json, const json_t *checksum,
                             tf_share_entry *entry) {
    const char *text = json_string_value(checksum);
    const char *end = text ? tf_hex_read(text, entry->checksum, sizeof entry->checksum) : NULL;
    if (!file->packed || !end || *end || entry->bits > 63 || entry->shape.rank != 2) return damaged(file, "panels");
    entry->is_packed = true;
    return tf_digest_parse(json_string_value(json_object_get(json, "stored")), &entry->stored)
               ? TF_OK
               : damaged(file, "a digest");
}

static tf_status read_entry(const tf_share_file *file, const json_t *json, tf_share_entry *entry) {
    const char *name = json_string_value(json_object_get(json, "name"));
    json_int_t frac = json_integer_value(json_object_get(json, "frac")),
               bits = json_integer_value(json_object_get(json, "bits"));
    if (!name || !*name || strlen(name) >= sizeof entry->name || !tf_printable(name)) return damaged(file, "a name");
    if (bits < 1 || bits > 64 || frac < 0 || frac > 64) return damaged(file, "a ring");
    strcpy(entry->name, name);
    entry->frac = (int)frac;
    entry->bits = (unsigned)bits;
    TF_TRY(read_shape(file, json_object_get(json, "shape"), &entry->shape));
    const json_t *offset = json_object_get(json, "offset");
    entry->has_data = offset != NULL;
    if (!entry->has_data) return TF_OK;
    json_int_t at = json_integer_value(offset);
    const json_t *checksum = json_object_get(json, "panels");
    if (checksum) TF_TRY(read_panels(file, json, checksum, entry));
    uint64_t size = data_size(entry);
    if (at < TF_SHARE_DATA || at % TF_SHARE_ALIGN || (uint64_t)at > file->end || size > file->end - (uint64_t)at)
        return damaged(file, "the place of a tensor");
    entry->offset = (uint64_t)at;
    return tf_digest_parse(json_string_value(json_object_get(json, "digest")), &entry->digest)
               ? TF_OK
               : damaged(file, "a digest");
}

static tf_status read_facts(tf_share_file *file, const char *kind, int party) {
    const char *found = json_string_value(json_object_get(file->facts, "kind"));
    if (!found || strcmp(found, kind))
        return tf_fail(TF_MISMATCH, "%s: a share file of %.16s, where %s are expected", file->path,
                       found && tf_printable(found) ? found : "something else", kind);
    if (party >= 0 && file->party != party)
        return tf_fail(TF_MISMATCH, "%s: the shares of party %d, where those of party %d are expected", file->path,
                       file->party, party);
    if (!tf_digest_parse(json_string_value(json_object_get(file->facts, "id")), &file->id))
        return damaged(file, "its id");
    const json_t *list = json_object_get(file->facts, "entries");
    size_t entries = json_array_size(list);
    if (!json_is_array(list) || entries > MOST_ENTRIES) return damaged(file, "its list of tensors");
    file->entry = calloc(entries + 1, sizeof *file->entry);
    if (!file->entry) return tf_fail(TF_NOMEM, "%s: no memory for %zu tensors", file->path, entries);
    for (size_t i = 0; i < entries; i++) {
        file->entry[i].number = (uint32_t)i;
        TF_TRY(read_entry(file, json_array_get(list, i), &file->entry[i]));
    }
    file->entries = entries;
    return TF_OK;
}

tf_status tf_share_open(const char *path, const char *kind, int party, tf_share_file **out) {
    tf_share_file *file = calloc(1, sizeof *file);
    if (file) file->path = strdup(path);
    tf_status status = file && file->path ? read_file(file) : tf_fail(TF_NOMEM, "%s: no memory", path);
    if (!status) status = read_facts(file, kind, party);
    if (status)
        tf_share_close(file);
    else
        *out = file;
    return status;
}

void tf_share_close(tf_share_file *file) {
    if (!file) return;
    for (int j = 0; j < 3; j++) tf_prf_free(file->prf[j]);
    if (file->map) munmap((void *)file->map, file->size - file->map_start);
    json_decref(file->facts);
    free(file->entry);
    free(file->path);
    free(file);
}

static tf_status find_data(const tf_share_file *file, const tf_share_entry *entry, const uint8_t **data) {
    if (!entry->has_data)
        return tf_fail(TF_FORMAT, "%s: tensor \"%s\" has no data: a damaged share file", file->path, entry->name);
    *data = file->map + (entry->offset - file->map_start);
    return TF_OK;
}

static tf_status checked(const tf_share_file *file, tf_share_entry *entry, bool equal) {
    entry->checked = equal;
    return equal ? TF_OK
                 : tf_fail(TF_FORMAT, "%s: tensor \"%s\" does not have its digest: a damaged share file", file->path,
                           entry->name);
}

tf_status tf_share_data(tf_share_file *file, tf_share_entry *entry, const uint8_t **data) {
    TF_TRY(find_data(file, entry, data));
    if (entry->checked) return TF_OK;
    tf_digest digest = tf_digest_of(*data, data_size(entry));
    return checked(file, entry, tf_digest_equal(&digest, &entry->digest));
}

tf_status tf_share_panels(tf_share_file *file, tf_share_entry *entry, const uint8_t **panels) {
    TF_TRY(find_data(file, entry, panels));
    if (entry->checked) return TF_OK;
    XXH128_canonical_t sum;
    XXH128_canonicalFromHash(&sum, XXH3_128bits(*panels, data_size(entry)));
    return checked(file, entry, !memcmp(sum.digest, entry->checksum, sizeof entry->checksum));
}

tf_status tf_share_find(tf_share_file *file, const char *name, tf_share_entry **entry) {
    for (size_t i = 0; i < file->entries; i++)
        if (!strcmp(file->entry[i].name, name)) return *entry = &file->entry[i], TF_OK;
    return tf_fail(TF_FORMAT, "%s: no tensor is named \"%s\"", file->path, name);
}
