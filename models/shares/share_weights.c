#include "models/shares/share_weights.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/base/secret.h"
#include "runtime/session/session.h"

enum { STORED = 2, MASK = 1, ROOT = 2 }; /* the component that is stored; purposes of streams */

/** The high word of the stream addresses of a tensor. Seeds belong to one sharing alone. */
static uint64_t address_of(uint32_t number) {
    return number;
}

/* Roots: of a component's tensors in order, after what its holders alone know: a piece of its key's stream at an
 * address that no tensor has, or the salt of the one that is stored. */

static tf_status root_begin(tf_hash *root, tf_prf *prf, const tf_digest *salt, int component) {
    enum { WORDS = sizeof(tf_digest) / sizeof(uint64_t) };
    uint64_t known[WORDS];
    if (component == STORED)
        memcpy(known, salt, sizeof known);
    else if (!tf_prf_words(prf, UINT64_MAX, ROOT, 0, known, WORDS))
        return tf_fail(TF_INTERNAL, "AES-128-CTR failed");
    tf_hash_begin(root);
    tf_hash_add_text(root, "component of a model");
    tf_hash_add(root, &component, sizeof component);
    tf_hash_add(root, known, sizeof known);
    OPENSSL_cleanse(known, sizeof known);
    return TF_OK;
}

/** `data`: the digest of what is stored; NULL of a component that comes from a seed. */
static void root_add(tf_hash *root, const char *name, tf_shape shape, int frac, unsigned bits, const tf_digest *data) {
    uint64_t facts[3 + TF_MAX_RANK] = {(uint64_t)shape.rank, (uint64_t)frac, bits};
    for (int i = 0; i < shape.rank; i++) facts[3 + i] = shape.dim[i];
    tf_hash_add_text(root, name);
    tf_hash_add(root, facts, sizeof facts);
    if (data) tf_hash_add(root, data, sizeof *data);
}

tf_digest tf_share_model_root(const tf_share_roots *roots) {
    return tf_digest_of(roots, sizeof *roots);
}

/* Writing ---------------------------------------------------------------------------------------------------------- */

typedef struct splitter {
    tf_share_writer *file[TF_PARTIES];
    tf_prf *prf[2];
    tf_hash root[TF_PARTIES]; /* by component */
    uint32_t tensors;
} splitter;

/** A party's two components of a tensor, of which `stored` is the one that comes from no seed. */
static tf_source source_of(int party, tf_prf *const prf[], const uint8_t *stored, uint32_t number, const tf_type *type,
                           bool mapped) {
    tf_source source = {.count = tf_shape_count(type->shape), .bytes = tf_bytes_of(type->bits), .mapped = mapped};
    for (int k = 0; k < 2; k++) {
        int j = tf_component_of(party, k);
        source.part[k] = j == STORED ? (tf_source_part){.data = stored}
                                     : (tf_source_part){.prf = prf[j], .address = address_of(number), .purpose = MASK};
    }
    return source;
}

/** Makes the stored component, and hands it out block by block: to `whole`, or else into the files. */
static tf_status split_blocks(splitter *s, const tf_type *type, const float *data, uint8_t *whole, tf_digest *digest) {
    size_t elements = tf_shape_count(type->shape);
    unsigned bytes = tf_bytes_of(type->bits);
    const tf_kernels *kernels = tf_kernels_get();
    tf_hash stored;
    tf_hash_begin(&stored);
    tf_for_blocks_of(at, count, ((tf_span){0, elements})) {
        uint64_t x[TF_BLOCK], mask[TF_BLOCK];
        uint8_t packed[TF_BLOCK * 8];
        TF_TRY(tf_encode(type, data + at, count, x));
        for (int j = 0; j < 2; j++) {
            if (!tf_prf_words(s->prf[j], address_of(s->tensors), MASK, at, mask, count))
                return tf_fail(TF_INTERNAL, "AES-128-CTR failed");
            for (size_t i = 0; i < count; i++) x[i] -= mask[i];
        }
        for (size_t i = 0; i < count; i++) x[i] &= tf_mask(type->bits);
        kernels->pack_bytes(x, count, bytes, packed);
        tf_hash_add(&stored, packed, count * bytes);
        if (whole) memcpy(whole + at * bytes, packed, count * bytes);
        for (int p = 1; p < TF_PARTIES && !whole; p++) TF_TRY(tf_share_write(s->file[p], packed, count * bytes));
    }
    return tf_hash_end(&stored, digest);
}

/** Writes each party's operand of products. */
static tf_status split_packed(splitter *s, const char *name, const tf_type *type, const float *data,
                              tf_digest *digest) {
    const size_t size = tf_shape_count(type->shape) * tf_bytes_of(type->bits);
    const uint64_t panels_size = tf_operand_bytes(-1, type);
    uint8_t *stored = tf_secret_alloc(size), *panels = tf_secret_alloc(panels_size);
    tf_status status =
        stored && panels ? split_blocks(s, type, data, stored, digest) : tf_fail(TF_NOMEM, "no memory for its operand");
    for (int p = 0; p < TF_PARTIES && !status; p++) {
        tf_source source = source_of(p, s->prf, stored, s->tensors, type, false);
        status = tf_source_panels(p, tf_kernels_get(), NULL, &source, type, panels);
        if (!status)
            status = tf_share_add_panels(s->file[p], name, type->shape, type->frac, type->bits, digest, panels);
    }
    tf_secret_free(stored, size);
    tf_secret_free(panels, panels_size);
    return status;
}

static tf_status split(splitter *s, const tf_program *program, const tf_param *param, bool packed) {
    const tf_type *type = &program->node[param->value].type;
    tf_digest digest;
    if (!param->leaf->data) return tf_fail(TF_INVALID, "there are no data of it");
    if (packed) {
        TF_TRY(split_packed(s, param->leaf->name, type, param->leaf->data, &digest));
    } else {
        for (int p = 0; p < TF_PARTIES; p++) /* party p holds components p and p + 1 */
            TF_TRY(tf_share_add(s->file[p], param->leaf->name, type->shape, type->frac, type->bits, p > 0));
        TF_TRY(split_blocks(s, type, param->leaf->data, NULL, &digest));
    }
    for (int j = 0; j < TF_PARTIES; j++)
        root_add(&s->root[j], param->leaf->name, type->shape, type->frac, type->bits, j == STORED ? &digest : NULL);
    s->tensors++;
    return TF_OK;
}

/**
 * Whether another parameter has the same weight with the same scale and is to be written in place of this one: in the
 * widest ring, or, of operands where these are packed, in the same one.
 */
static bool covered(const tf_program *program, int i, bool packed) {
    const tf_param *own = &program->param[i];
    const tf_type *type = &program->node[own->value].type;
    for (int k = 0; k < program->params; k++) {
        const tf_param *other = &program->param[k];
        const tf_type *its = &program->node[other->value].type;
        bool wider = its->bits > type->bits && !(packed && own->packed);
        if (k == i || other->leaf != own->leaf || its->frac != type->frac) continue;
        if (packed && other->packed != own->packed) continue;
        if (wider || (its->bits == type->bits && k < i)) return true;
    }
    return false;
}

static tf_status write_all(splitter *s, const tf_program *program, const tf_digest *architecture, bool packed,
                           const tf_share_watch *watch) {
    char text[TF_DIGEST_TEXT], root[TF_PARTIES][TF_DIGEST_TEXT], salt_text[TF_DIGEST_TEXT];
    tf_digest salt;
    TF_TRY(tf_digest_random(&salt));
    tf_digest_text(&salt, salt_text);
    tf_digest_text(architecture, text);
    for (int j = 0; j < TF_PARTIES; j++) TF_TRY(root_begin(&s->root[j], j == STORED ? NULL : s->prf[j], &salt, j));
    for (int i = 0; i < program->params; i++) {
        if (covered(program, i, packed)) continue;
        const tf_param *param = &program->param[i];
        tf_status status = split(s, program, param, packed && param->packed);
        if (status) return tf_fail_in(status, "weight %s", program->param[i].leaf->name);
        if (watch) watch->wrote(watch->context, tf_shape_count(program->node[program->param[i].value].type.shape));
    }
    for (int j = 0; j < TF_PARTIES; j++) {
        tf_digest digest;
        TF_TRY(tf_hash_end(&s->root[j], &digest));
        tf_digest_text(&digest, root[j]);
    }
    for (int p = 0; p < TF_PARTIES; p++) {
        TF_TRY(tf_share_fact(s->file[p], "roots", json_pack("[s,s,s]", root[0], root[1], root[2])));
        if (p == STORED || tf_next(p) == STORED) TF_TRY(tf_share_fact(s->file[p], "salt", json_string(salt_text)));
        TF_TRY(tf_share_fact(s->file[p], "architecture", json_string(text)));
        TF_TRY(tf_share_fact(s->file[p], "fraction_bits", json_integer(program->frac)));
    }
    for (int p = 0; p < TF_PARTIES; p++) TF_TRY(tf_share_finish(s->file[p]));
    return TF_OK;
}

tf_status tf_share_weights_write(const char *const path[TF_PARTIES], const tf_program *program,
                                 const tf_digest *architecture, bool packed, const tf_share_watch *watch) {
    splitter s = {.tensors = 0};
    unsigned char key[2][TF_KEY_BYTES];
    tf_digest id;
    tf_status status = tf_digest_random(&id);
    for (int j = 0; j < 2 && !status; j++) {
        if (RAND_priv_bytes(key[j], TF_KEY_BYTES) != 1) status = tf_fail(TF_INTERNAL, "no random numbers for a seed");
        if (!status && !(s.prf[j] = tf_prf_new(key[j]))) status = tf_fail(TF_NOMEM, "no memory for the seeds");
    }
    for (int p = 0; p < TF_PARTIES && !status; p++) {
        const unsigned char *seed[3] = {NULL, NULL, NULL};
        for (int k = 0; k < 2; k++)
            if (tf_component_of(p, k) != STORED) seed[tf_component_of(p, k)] = key[tf_component_of(p, k)];
        status = tf_share_create(path[p], "weights", p, &id, seed, &s.file[p]);
    }
    if (!status) status = write_all(&s, program, architecture, packed, watch);
    for (int p = 0; p < TF_PARTIES; p++) tf_share_abandon(s.file[p]);
    for (int j = 0; j < TF_PARTIES; j++) tf_hash_abandon(&s.root[j]);
    for (int j = 0; j < 2; j++) tf_prf_free(s.prf[j]);
    OPENSSL_cleanse(key, sizeof key);
    return status;
}

/* Reading ---------------------------------------------------------------------------------------------------------- */

static tf_status check_facts(const tf_share_file *file, const tf_digest *architecture, int frac) {
    char text[TF_DIGEST_TEXT];
    tf_digest_text(architecture, text);
    const char *found = json_string_value(json_object_get(file->facts, "architecture"));
    json_int_t bits = json_integer_value(json_object_get(file->facts, "fraction_bits"));
    if (!found || strcmp(found, text))
        return tf_fail(TF_MISMATCH, "%s: the shares of another model: config.json does not belong to them", file->path);
    if (bits != frac)
        return tf_fail(TF_MISMATCH, "%s: shared with %d fractional bits, where %d are asked for", file->path, (int)bits,
                       frac);
    for (int k = 0; k < 2; k++)
        if (tf_component_of(file->party, k) != STORED && !file->prf[tf_component_of(file->party, k)])
            return tf_fail(TF_FORMAT, "%s: a seed is missing: a damaged share file", file->path);
    return TF_OK;
}

tf_status tf_share_weights_roots(const tf_share_file *file, tf_share_roots *roots) {
    const json_t *list = json_object_get(file->facts, "roots");
    for (size_t j = 0; j < TF_PARTIES; j++)
        if (!tf_digest_parse(json_string_value(json_array_get(list, j)), &roots->component[j]))
            return tf_fail(TF_FORMAT, "%s: holds no roots: share the model again", file->path);
    for (int k = 0; k < 2; k++) {
        int j = tf_component_of(file->party, k);
        tf_hash root;
        tf_digest own, salt;
        bool known = j == STORED ? tf_digest_parse(json_string_value(json_object_get(file->facts, "salt")), &salt)
                                 : file->prf[j] != NULL;
        if (!known) return tf_fail(TF_FORMAT, "%s: a seed or salt is missing: a damaged share file", file->path);
        TF_TRY(root_begin(&root, file->prf[j], &salt, j));
        for (size_t i = 0; i < file->entries; i++) {
            const tf_share_entry *e = &file->entry[i];
            root_add(&root, e->name, e->shape, e->frac, e->bits,
                     j == STORED ? (e->is_packed ? &e->stored : &e->digest) : NULL);
        }
        TF_TRY(tf_hash_end(&root, &own));
        if (!tf_digest_equal(&own, &roots->component[j]))
            return tf_fail(TF_MISMATCH, "%s: component %d is not that of the model whose roots it tells", file->path,
                           j);
    }
    return TF_OK;
}

/** Turns panels less those of the seeds' components into the stored component, row by row; false where something of it
 *  lies beyond its ring, or beyond nothing where this party has none. */
static bool take_apart(const tf_share_entry *e, const uint8_t *panels, const uint8_t *seeds, bool stores,
                       uint8_t *stored) {
    const size_t out = e->shape.dim[0], in = e->shape.dim[1];
    const unsigned bits = tf_operand_of(-1, &(tf_type){.bits = e->bits, .zero = -1}).bits, from = tf_bytes_of(bits),
                   to = tf_bytes_of(e->bits);
    uint64_t beyond = 0;
    for (size_t r = 0; r < out; r++) {
        const size_t first = r / TF_PANEL * TF_PANEL, width = out - first < TF_PANEL ? out - first : TF_PANEL;
        for (size_t i = 0; i < in; i++) {
            uint64_t x = 0, y = 0;
            const size_t at = (first * in + i * width + r - first) * from;
            memcpy(&x, panels + at, from);
            memcpy(&y, seeds + at, from);
            x = (x - y) & tf_mask(bits);
            beyond |= x & ~(stores ? tf_mask(e->bits) : 0);
            memcpy(stored + (r * in + i) * to, &x, to);
        }
    }
    return !beyond;
}

static tf_status check_panels(const tf_share_file *file, const tf_share_entry *e, const uint8_t *panels, uint8_t *seeds,
                              uint8_t *stored) {
    const tf_type type = {.shape = e->shape, .bits = e->bits, .zero = -1};
    const bool stores = file->party == STORED || tf_next(file->party) == STORED;
    tf_source source = source_of(file->party, file->prf, NULL, e->number, &type, false);
    TF_TRY(tf_source_panels(file->party, tf_kernels_get(), NULL, &source, &type, seeds));
    bool good = take_apart(e, panels, seeds, stores, stored);
    if (good && stores) {
        tf_digest digest = tf_digest_of(stored, tf_shape_count(e->shape) * tf_bytes_of(e->bits));
        good = tf_digest_equal(&digest, &e->stored);
    }
    return good ? TF_OK
                : tf_fail(TF_MISMATCH, "%s: tensor \"%s\" is not that of the model whose roots it tells", file->path,
                          e->name);
}

tf_status tf_share_weights_check(tf_share_file *file, tf_share_entry *e) {
    const uint8_t *data;
    if (!e->has_data) return TF_OK;
    TF_TRY(tf_share_data(file, e, &data));
    if (!e->is_packed) return TF_OK;
    const tf_type type = {.shape = e->shape, .bits = e->bits, .zero = -1};
    const uint64_t size = tf_operand_bytes(-1, &type);
    uint8_t *seeds = tf_secret_alloc(size), *stored = tf_secret_alloc(size);
    tf_status status = seeds && stored ? check_panels(file, e, data, seeds, stored)
                                       : tf_fail(TF_NOMEM, "%s: no memory to check a tensor", file->path);
    tf_secret_free(seeds, size);
    tf_secret_free(stored, size);
    return status;
}

tf_status tf_share_weights_open(const char *path, int party, const tf_digest *architecture, int frac,
                                tf_share_file **file) {
    tf_share_file *opened;
    TF_TRY(tf_share_open(path, "weights", party, &opened));
    tf_status status = check_facts(opened, architecture, frac);
    if (status)
        tf_share_close(opened);
    else
        *file = opened;
    return status;
}

/** A tensor of these numbers in a form that serves: panels in the same ring, or shares in one as wide at least. */
static tf_share_entry *find_entry(tf_share_file *file, const char *name, const tf_type *type, bool panels) {
    for (size_t i = 0; i < file->entries; i++) {
        tf_share_entry *e = &file->entry[i];
        if (e->is_packed == panels && !strcmp(e->name, name) && tf_shape_equal(e->shape, type->shape) &&
            e->frac == type->frac && (panels ? e->bits == type->bits : e->bits >= type->bits))
            return e;
    }
    return NULL;
}

/** Why there is no such tensor, by one of the same name and shape. */
static tf_status missing(const tf_share_file *file, const char *name, const tf_type *type) {
    const tf_share_entry *near = NULL;
    for (size_t i = 0; i < file->entries; i++)
        if (!strcmp(file->entry[i].name, name) && tf_shape_equal(file->entry[i].shape, type->shape))
            near = &file->entry[i];
    if (!near) return tf_fail(TF_MISMATCH, "%s: holds no such weight: the shares of another model", file->path);
    return tf_fail(TF_MISMATCH,
                   "%s: shared with %d fractional bits in a ring of %u bits%s, where %d in %u are needed: share the "
                   "model with the same --approx and --frac-bits%s",
                   file->path, near->frac, near->bits, near->is_packed ? " for products" : "", type->frac, type->bits,
                   near->is_packed ? ", or without --packed" : "");
}

static tf_status find(void *context, const char *name, const tf_type *type, bool packed, tf_source *source) {
    tf_share_file *file = context;
    const uint8_t *stored = NULL;
    tf_share_entry *e = packed ? find_entry(file, name, type, true) : NULL;
    if (e) {
        *source = (tf_source){.count = tf_shape_count(e->shape)};
        return tf_share_panels(file, e, &source->panels);
    }
    e = find_entry(file, name, type, false);
    if (!e) return missing(file, name, type);
    if (file->party == STORED || tf_next(file->party) == STORED) TF_TRY(tf_share_data(file, e, &stored));
    const tf_type own = {.shape = e->shape, .bits = e->bits};
    *source = source_of(file->party, file->prf, stored, e->number, &own, e->has_data);
    return TF_OK;
}

tf_provider tf_share_weights_provider(tf_share_file *file) {
    return (tf_provider){.context = file, .find = find};
}
