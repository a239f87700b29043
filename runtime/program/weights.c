#include "runtime/program/weights.h"

#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/program/step.h"

/* Reading ---------------------------------------------------------------------------------------------------------- */

static bool read_stream(const tf_source_part *part, size_t at, size_t count, uint64_t *out) {
    bool good = true;
    if (at % 2 && count) { /* streams are read from whole blocks of the cipher on */
        uint64_t pair[2];
        good = tf_prf_words(part->prf, part->address, part->purpose, at - 1, pair, 2);
        *out++ = pair[1];
        at++, count--;
    }
    return good && tf_prf_words(part->prf, part->address, part->purpose, at, out, count);
}

tf_status tf_source_read(const tf_kernels *kernels, const tf_source *source, int j, size_t at, size_t count,
                         uint64_t *out) {
    const tf_source_part *part = &source->part[j];
    if (at > source->count || count > source->count - at)
        return tf_fail(TF_INTERNAL, "elements past the end of a weight were asked for");
    if (part->data)
        kernels->unpack_bytes(part->data + at * source->bytes, count, source->bytes, out);
    else if (!part->prf)
        memset(out, 0, count * sizeof *out);
    else if (!read_stream(part, at, count, out))
        return tf_fail(TF_INTERNAL, "AES-128-CTR failed");
    return TF_OK;
}

tf_status tf_view_read(const tf_kernels *kernels, const tf_view *view, int j, size_t at, size_t count, uint64_t *out) {
    if (view->source) return tf_source_read(kernels, view->source, j, at, count, out);
    memcpy(out, view->c[j] + at, count * sizeof *out);
    return TF_OK;
}

void tf_source_release(const tf_source *source) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), length = source->count * source->bytes;
    for (int j = 0; j < 2 && source->mapped; j++) {
        if (!source->part[j].data) continue;
        uintptr_t begin = (uintptr_t)source->part[j].data, end = begin + length, first = begin / page * page;
        madvise((void *)first, end - first, MADV_DONTNEED); /* a page that is shared is read again */
        uintptr_t next = end / page * page;
        madvise((void *)next, length, MADV_WILLNEED); /* fails harmlessly past the end of the file */
    }
}

/* Fixed-point numbers ---------------------------------------------------------------------------------------------- */

/** Rounds to nearest, ties to even, as rint does, by the addition to 1.5 * 2^52; for |x| < 2^51. */
TF_MULTIVERSION static bool encode_small(double scale, double low, double high, const float *in, size_t count,
                                         uint64_t *out) {
    const double shift = 0x1.8p52;
    uint64_t bad = 0, base;
    memcpy(&base, &shift, sizeof base);
    for (size_t i = 0; i < count; i++) {
        double x = (double)in[i] * scale, moved = x + shift, rounded = moved - shift;
        uint64_t bits;
        memcpy(&bits, &moved, sizeof bits);
        out[i] = bits - base;
        bad |= (uint64_t) !(rounded >= low && rounded <= high);
    }
    return !bad;
}

static bool encode_any(double scale, double low, double high, const float *in, size_t count, uint64_t *out) {
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        double x = rint((double)in[i] * scale);
        bool fits = x >= low && x <= high;
        out[i] = fits ? (uint64_t)(int64_t)x : 0;
        good &= fits;
    }
    return good;
}

tf_status tf_encode(const tf_type *type, const float *in, size_t count, uint64_t *out) {
    double scale = ldexp(1, type->frac), limit = ldexp(type->bound, type->frac);
    unsigned width = tf_width(type->frac, type->bound);
    double end = ldexp(1, width < 65 ? (int)width - 2 : 63); /* what tf_lift and tf_negative rely on */
    double high = limit < end ? limit : nextafter(end, 0);
    if (high >= 1 && high < 0x1p52) high = floor(high);
    if (!(limit < 0x1p50 ? encode_small : encode_any)(scale, -limit, high, in, count, out))
        return tf_fail(TF_RANGE,
                       "a value put in is not a number or too large: at %d fractional bits its range ends at %g",
                       type->frac, type->bound);
    return TF_OK;
}

/* Products --------------------------------------------------------------------------------------------------------- */

tf_combination tf_combination_of(int party) {
    switch (party) {
    case 0: return (tf_combination){{2, -UINT64_C(2)}, {-UINT64_C(1), 1}};
    case 1: return (tf_combination){{2, 1}, {2, 1}};
    default: return (tf_combination){{1, 2}, {1, 2}};
    }
}

TF_MULTIVERSION void tf_combine(const uint64_t factor[2], unsigned bits, const uint64_t *x, const uint64_t *y,
                                size_t count, uint64_t *out) {
    uint64_t mask = tf_mask(bits), a = factor[0], b = factor[1];
    for (size_t i = 0; i < count; i++) out[i] = a * (x[i] & mask) + b * (y[i] & mask);
}

tf_status tf_pack_weight(const tf_party *party, const uint64_t *w, tf_shape shape, unsigned bits, tf_packed **packed) {
    size_t out = shape.dim[0], in = shape.dim[1];
    *packed = party->kernels->pack(w, NULL, in, out, 1, in, bits);
    return *packed ? TF_OK : tf_fail(TF_NOMEM, "no memory to pack a weight of %zu x %zu", out, in);
}

tf_status tf_source_pack(tf_party *party, const tf_source *source, tf_shape shape, unsigned bits, int zero,
                         tf_packed **packed) {
    static const uint64_t sum[2] = {1, 1};
    tf_combination own = tf_combination_of(party->id);
    size_t count = tf_shape_count(shape);
    TF_TRY(tf_buffer_reserve(&party->scratch, count * sizeof(uint64_t)));
    uint64_t *w = party->scratch.data;
    tf_for_blocks_of(at, n, ((tf_span){0, count})) {
        uint64_t x[TF_BLOCK], y[TF_BLOCK];
        TF_TRY(tf_source_read(party->kernels, source, 0, at, n, x));
        TF_TRY(tf_source_read(party->kernels, source, 1, at, n, y));
        tf_combine(zero < 0 ? own.right : sum, bits, x, y, n, w + at);
    }
    tf_source_release(source);
    return tf_pack_weight(party, w, shape, zero < 0 ? bits + 1 : bits, packed);
}
