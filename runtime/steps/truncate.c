/*
 * Truncation. Narrow: from Z_2^l into Z_2^(l-d) the wrap of c + v is a multiple of 2^(l-d) and vanishes, so both sides
 * shift what they hold and S splits its part between its components: one message, S to R, (l-d) bits.
 * Wide: within Z_2^64 for |z| < 2^61. After adding 2^62 the sum is below 2^63, so it wraps exactly when msb(c) or
 * msb(v); the product of the two complements is computed mod 2^d, one more exchange of d bits each way.
 *
 * What the receivers learn. R gets v>>d less a stream of k_s, and (wide) a bit less a stream of k_s: uniform to R, who
 * does not hold k_s. L and R swap parts of a product, each less a stream shared with S alone: uniform to the other.
 */
#include <math.h>

#include "runtime/steps/steps.h"
#include "runtime/steps/truncation.h"

enum { RHO = TF_PURPOSE_TRUNCATION, NU, MU };

static const uint64_t OFFSET = UINT64_C(1) << 62;

tf_truncation tf_truncation_into(unsigned bits, unsigned shift, bool wide, unsigned most) {
    if (wide) return (tf_truncation){64, shift, shift > 0};
    unsigned before = tf_bytes_of(bits + shift) * 8 - (bits + shift), after = tf_bytes_of(bits) * 8 - bits;
    unsigned room = before < after ? before : after;
    if (most && bits + shift + room > most) room = most > bits + shift ? most - bits - shift : 0;
    return (tf_truncation){bits + shift + room, shift, false};
}

unsigned tf_truncation_ring(unsigned width) {
    return width < 64 ? 64 : width + 1;
}

unsigned tf_truncation_dealt(tf_truncation t) {
    return t.wide ? 8 + tf_bytes_of(t.shift) : tf_bytes_of(t.bits - t.shift);
}

unsigned tf_truncation_swapped(tf_truncation t) {
    return t.wide ? tf_bytes_of(t.shift) : 0;
}

/** S's components of v without `shift` low bits: a stream, and the rest, which R gets. */
static inline __attribute__((always_inline)) void split(unsigned size, const uint64_t *restrict v,
                                                        const void *restrict rho, unsigned shift, size_t count,
                                                        uint64_t *restrict x, uint64_t *restrict y,
                                                        void *restrict sent) {
    for (size_t i = 0; i < count; i++) {
        x[i] = tf_number_get(rho, size, i);
        y[i] = (v[i] >> shift) - x[i];
        tf_number_put(sent, size, i, y[i]);
    }
}

/** Narrow: what wraps is lost with the upper bits. */
TF_MULTIVERSION static void solo_narrow(tf_call *call, tf_truncation t, size_t at, size_t count, const uint64_t *v) {
    const unsigned bytes = tf_bytes_of(t.bits - t.shift);
    const int own = call->part.own;
    uint64_t rho[TF_BLOCK], room[TF_BLOCK];
    uint8_t *message = call->message + (at - call->part.span.begin) * bytes;
    tf_number_stream(call, own, RHO, bytes, at, count, rho);
    TF_WITH_NUMBER_SIZE(tf_number_size(bytes), split, v, rho, t.shift, count, call->out.c[own] + at,
                        call->out.c[1 - own] + at, tf_number_place(message, bytes, room))
    tf_number_sent(call, message, count, bytes, room);
}

TF_MULTIVERSION static void solo_wide(tf_call *call, tf_truncation t, size_t at, size_t count, const uint64_t *v) {
    const tf_kernels *kernels = call->party->kernels;
    const int own = call->part.own;
    uint64_t *x = call->out.c[own] + at, *y = call->out.c[1 - own] + at;
    const size_t from = at - call->part.span.begin, whole = tf_span_count(call->part.span);
    tf_element_stream(call, own, RHO, at, count, x);
    for (size_t i = 0; i < count; i++) y[i] = (v[i] >> t.shift) - x[i];
    /* of nu and mu only the low d bits count, whatever whole bytes carry */
    const unsigned bytes = tf_bytes_of(t.shift), high = 64 - t.shift;
    uint64_t nu[TF_BLOCK], mu[TF_BLOCK];
    kernels->pack_bytes(y, count, 8, call->message + from * 8);
    tf_element_stream(call, own, NU, at, count, nu);
    for (size_t i = 0; i < count; i++) nu[i] = 1 - (v[i] >> 63) - nu[i];
    kernels->pack_bytes(nu, count, bytes, call->message + whole * 8 + from * bytes);
    tf_element_stream(call, own, MU, at, count, mu); /* what L and R will hold of the correction: S knows it ahead */
    for (size_t i = 0; i < count; i++) x[i] += mu[i] << high;
    tf_element_stream(call, 1 - own, MU, at, count, mu);
    for (size_t i = 0; i < count; i++) y[i] += mu[i] << high;
}

void tf_truncation_solo(tf_call *call, tf_truncation t, size_t at, size_t count, const uint64_t *v) {
    (t.wide ? solo_wide : solo_narrow)(call, t, at, count, v);
}

const void *tf_truncation_share(tf_call *call, tf_truncation t, size_t at, size_t count, uint64_t room[TF_BLOCK]) {
    const unsigned bytes = tf_bytes_of(t.bits - t.shift);
    if (call->part.role == TF_RIGHT)
        return tf_number_read(call, call->dealt + (at - call->part.span.begin) * bytes, count, bytes, room);
    tf_number_stream(call, call->part.own, RHO, bytes, at, count, room);
    return room;
}

static inline __attribute__((always_inline)) void pair_components(unsigned size, const uint64_t *restrict c,
                                                                  const void *restrict share, unsigned shift,
                                                                  size_t count, uint64_t *restrict mine,
                                                                  uint64_t *restrict common) {
    const uint64_t half = shift > 0; /* the mean of the two floors' error is one unit */
    for (size_t i = 0; i < count; i++) {
        mine[i] = tf_number_get(share, size, i);
        common[i] = (c[i] >> shift) + half;
    }
}

TF_MULTIVERSION static void pair_narrow(tf_call *call, tf_truncation t, size_t at, size_t count, const uint64_t *c) {
    const int own = call->part.own;
    uint64_t room[TF_BLOCK];
    tf_fetch_words(c);
    const void *share = tf_truncation_share(call, t, at, count, room);
    TF_WITH_NUMBER_SIZE(tf_number_size(tf_bytes_of(t.bits - t.shift)), pair_components, c, share, t.shift, count,
                        call->out.c[own] + at, call->out.c[1 - own] + at)
}

TF_MULTIVERSION static void pair_wide(tf_call *call, tf_truncation t, size_t at, size_t count, const uint64_t *c) {
    const tf_kernels *kernels = call->party->kernels;
    const int own = call->part.own;
    uint64_t *mine = call->out.c[own] + at, *common = call->out.c[1 - own] + at;
    const size_t from = at - call->part.span.begin, whole = tf_span_count(call->part.span);
    const unsigned bytes = tf_bytes_of(t.shift);
    uint64_t *kept = call->state + at, nu[TF_BLOCK], mu[TF_BLOCK];
    if (call->part.role == TF_LEFT) {
        tf_element_stream(call, own, RHO, at, count, mine);
        tf_element_stream(call, own, NU, at, count, nu);
    } else {
        kernels->unpack_bytes(call->dealt + from * 8, count, 8, mine);
        kernels->unpack_bytes(call->dealt + whole * 8 + from * bytes, count, bytes, nu);
    }
    tf_element_stream(call, own, MU, at, count, mu);
    for (size_t i = 0; i < count; i++) {
        uint64_t sum = c[i] + OFFSET;
        common[i] = sum;
        kept[i] = (1 - (sum >> 63)) * nu[i] - mu[i];
        mine[i] += mu[i] << (64 - t.shift);
    }
    kernels->pack_bytes(kept, count, bytes, call->message + from * bytes);
}

void tf_truncation_pair(tf_call *call, tf_truncation t, size_t at, size_t count, const uint64_t *c) {
    (t.wide ? pair_wide : pair_narrow)(call, t, at, count, c);
}

TF_MULTIVERSION void tf_truncation_finish(tf_call *call, tf_truncation t, size_t at, size_t count) {
    unsigned bytes = tf_bytes_of(t.shift), high = 64 - t.shift;
    uint64_t *common = call->out.c[1 - call->part.own] + at, *kept = call->state + at, other[TF_BLOCK];
    const uint8_t *message = call->received + (at - call->part.span.begin) * bytes;
    call->party->kernels->unpack_bytes(message, count, bytes, other);
    uint64_t constant = 1 - (UINT64_C(1) << high) - (OFFSET >> t.shift);
    for (size_t i = 0; i < count; i++) common[i] = (common[i] >> t.shift) + ((kept[i] + other[i]) << high) + constant;
}

/* The step, of a replicated value */

static tf_truncation truncation_of(const tf_step_node *node) {
    return tf_truncation_read(tf_args(tf_truncation_args, node));
}

static void truncate_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    tf_truncation t = truncation_of(node);
    size_t n = tf_shape_count(node->type.shape);
    traffic->dealt_at = 0;
    tf_traffic_deal(traffic, n, tf_truncation_dealt(t));
    if (t.wide) traffic->exchanges = 1, tf_traffic_swap(traffic, 0, n, tf_truncation_swapped(t));
}

static size_t truncate_state(const tf_program *program, const tf_step_node *node) {
    return truncation_of(node).wide ? tf_shape_count(node->type.shape) : 0;
}

TF_MULTIVERSION static tf_status truncate_solo(tf_call *call) {
    tf_for_blocks(call, at, count) {
        uint64_t v[TF_BLOCK];
        for (int j = 0; j < 2; j++) tf_fetch_words(call->in[0].c[j] + at);
        for (size_t i = 0; i < count; i++) v[i] = call->in[0].c[0][at + i] + call->in[0].c[1][at + i];
        tf_truncation_solo(call, truncation_of(call->node), at, count, v);
    }
    return TF_OK;
}

static tf_status truncate_pair(tf_call *call, int phase) {
    tf_truncation t = truncation_of(call->node);
    tf_for_blocks(call, at, count) {
        if (phase == 0)
            tf_truncation_pair(call, t, at, count, call->in[0].c[1 - call->part.own] + at);
        else
            tf_truncation_finish(call, t, at, count);
    }
    return TF_OK;
}

static double truncate_widen(tf_program *p, tf_value value, unsigned bits, bool now) {
    const tf_truncation t = truncation_of(&p->node[value]);
    if (t.wide) return INFINITY;
    double more =
        (tf_bytes_of(bits) - (double)tf_bytes_of(t.bits - t.shift)) * (double)tf_shape_count(p->node[value].type.shape);
    more += tf_widen(p, p->node[value].input[0], bits + t.shift, now);
    if (now) ((tf_truncation_args *)p->node[value].arg)->bits = bits + t.shift;
    return more;
}

static const tf_step truncate_step = {.name = "truncate",
                                      .summary =
                                          "rounding to fewer fractional bits, into a narrower ring or within Z_2^64",
                                      .elementwise = true,
                                      .widen = truncate_widen,
                                      .cost = truncate_cost,
                                      .state = truncate_state,
                                      .shares_work = true,
                                      .solo = truncate_solo,
                                      .pair = truncate_pair};

static tf_value truncate(tf_program *p, tf_value a, int frac, bool wide) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, a);
    int shift = type.frac - frac;
    if (shift == 0) return a;
    if (shift < 0 || shift > 62) return tf_program_fail(p, tf_fail(TF_INVALID, "a truncation by %d bits", shift));
    tf_truncation t = tf_truncation_into(tf_width(frac, type.bound), (unsigned)shift, wide, type.bits);
    if (type.bits < t.bits) a = tf_lift(p, a, t.bits);
    type.bits = wide ? tf_truncation_ring(tf_width(type.frac, type.bound)) : t.bits - t.shift;
    type.frac = frac;
    type.zero = -1;
    t.wide = wide;
    tf_truncation_args args = tf_truncation_write(t);
    return tf_append_args(p, &truncate_step, type, 1, &a, &args, sizeof args);
}

tf_value tf_trunc(tf_program *p, tf_value a, int frac) {
    return truncate(p, a, frac, false);
}
tf_value tf_trunc_wide(tf_program *p, tf_value a, int frac) {
    return truncate(p, a, frac, true);
}
