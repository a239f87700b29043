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

/**
 * Rounds to nearest, ties to even, as rint does, by the addition to 1.5 * 2^52; for low and high within 2^51 of zero.
 * What is no number or out of range has other bits than theirs, so that integers tell it, all elements alike.
 */
TF_MULTIVERSION static bool encode_small(double scale, double low, double high, const float *in, size_t count,
                                         uint64_t *out) {
    const double shift = 0x1.8p52, from = ceil(low) + shift, to = floor(high) + shift;
    uint64_t outside = 0, base, least, most;
    memcpy(&base, &shift, sizeof base);
    memcpy(&least, &from, sizeof least);
    memcpy(&most, &to, sizeof most);
    for (size_t i = 0; i < count; i++) {
        double moved = (double)in[i] * scale + shift;
        uint64_t bits;
        memcpy(&bits, &moved, sizeof bits);
        out[i] = bits - base;
        outside |= (bits - least) | (most - bits);
    }
    return !(outside >> 63);
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

tf_operand tf_operand_of(int party, const tf_type *type) {
    const unsigned bits = type->zero < 0 ? type->bits + 1 : type->bits, width = tf_width(type->frac, type->bound);
    const bool owns = type->zero >= 0 && party == tf_next(type->zero);
    if (!owns || width > type->bits || tf_bytes_of(width) >= tf_bytes_of(bits))
        return (tf_operand){bits, tf_bytes_of(bits), 0};
    return (tf_operand){bits, tf_bytes_of(width), UINT64_C(1) << (8 * tf_bytes_of(width) - 1)};
}

uint64_t tf_operand_bytes(int party, const tf_type *type) {
    return (uint64_t)tf_shape_count(type->shape) * tf_operand_of(party, type).bytes + TF_PANEL_SLACK;
}

tf_status tf_operand_over(int party, const tf_kernels *kernels, const uint8_t *panels, const tf_type *type,
                          tf_packed **packed) {
    const tf_operand operand = tf_operand_of(party, type);
    const size_t out = type->shape.dim[0], in = type->shape.dim[1];
    *packed = kernels->over_panels(panels, in, out, operand.bits, operand.bytes);
    return *packed ? TF_OK : tf_fail(TF_NOMEM, "no memory for an operand of %zu x %zu", out, in);
}

typedef struct panel_work {
    const tf_kernels *kernels;
    const tf_source *source;
    const uint64_t *factor;
    size_t in, out;
    unsigned bits;
    tf_operand operand;
    uint8_t *panels;
} panel_work;

/** A block of one panel: lines [from, from + lines) of columns [first, first + width). */
static tf_status make_lines(const panel_work *w, size_t first, size_t width, size_t from, size_t lines) {
    uint64_t words[TF_BLOCK];
    for (size_t j = 0; j < width; j++) {
        uint64_t x[TF_BLOCK / TF_PANEL], y[TF_BLOCK / TF_PANEL];
        const size_t at = (first + j) * w->in + from;
        TF_TRY(tf_source_read(w->kernels, w->source, 0, at, lines, x));
        TF_TRY(tf_source_read(w->kernels, w->source, 1, at, lines, y));
        tf_combine(w->factor, w->bits, x, y, lines, x);
        for (size_t i = 0; i < lines; i++) words[i * width + j] = x[i] + w->operand.offset;
    }
    const size_t at = first * w->in + from * width, bytes = w->operand.bytes;
    w->kernels->pack_bytes(words, lines * width, w->operand.bytes, w->panels + at * bytes);
    return TF_OK;
}

static tf_status make_panels(void *context, size_t begin, size_t end) {
    enum { LINES = TF_BLOCK / TF_PANEL };
    const panel_work *w = context;
    for (size_t first = begin * TF_PANEL; first < end * TF_PANEL && first < w->out; first += TF_PANEL) {
        const size_t width = w->out - first < TF_PANEL ? w->out - first : TF_PANEL;
        for (size_t from = 0; from < w->in; from += LINES)
            TF_TRY(make_lines(w, first, width, from, w->in - from < LINES ? w->in - from : LINES));
    }
    return TF_OK;
}

tf_status tf_source_panels(int party, const tf_kernels *kernels, tf_workers *workers, const tf_source *source,
                           const tf_type *type, uint8_t *panels) {
    static const uint64_t sum[2] = {1, 1};
    const tf_combination own = tf_combination_of(party);
    panel_work work = {.kernels = kernels,
                       .source = source,
                       .factor = type->zero < 0 ? own.right : sum,
                       .in = type->shape.dim[1],
                       .out = type->shape.dim[0],
                       .bits = type->bits,
                       .operand = tf_operand_of(party, type),
                       .panels = panels};
    TF_TRY(tf_workers_split(workers, (work.out + TF_PANEL - 1) / TF_PANEL, make_panels, &work));
    tf_source_release(source);
    return TF_OK;
}

/** Lines of a panel from the rows that its columns are. */
static inline void order_lines(const float *w, size_t in, size_t width, size_t lines, float *out) {
    for (size_t i = 0; i < lines; i++)
        for (size_t j = 0; j < width; j++) *out++ = w[j * in + i];
}

void tf_panel_order(const float *w, tf_shape shape, size_t at, size_t count, float *out) {
    const size_t in = shape.dim[1];
    while (count) {
        const size_t first = at / (TF_PANEL * in) * TF_PANEL, left = shape.dim[0] - first;
        const size_t width = left < TF_PANEL ? left : TF_PANEL, line = (at - first * in) / width;
        const size_t column = (at - first * in) % width, whole = count / width;
        const float *from = w + first * in + line;
        size_t lines = in - line < whole ? in - line : whole;
        if (column || !lines) { /* part of a line */
            *out++ = from[column * in];
            at++, count--;
            continue;
        }
        if (width == TF_PANEL)
            order_lines(from, in, TF_PANEL, lines, out);
        else
            order_lines(from, in, width, lines, out);
        at += lines * width, out += lines * width, count -= lines * width;
    }
}
