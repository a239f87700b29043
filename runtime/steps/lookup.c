/*
 * A small public table at a secret index: y = T[x], x = c + v in [0, 2^k). S shares the table rotated by its part v;
 * L and R read entry c, which both know, and reshare.
 *
 * What the receivers learn. R gets 2^k entries less streams of k_s that it does not hold; L and R swap their entries
 * less streams shared with S alone. All uniform to their receivers.
 */
#include <math.h>

#include "net/base/secret.h"
#include "runtime/kernels/unit_vector.h"
#include "runtime/steps/local.h"
#include "runtime/steps/steps.h"

enum { ENTRY = 1, MU };

/** 2^k entries, which are the data. */
typedef struct lookup_args {
    int64_t k;
} lookup_args;

static void lookup_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    size_t n = tf_shape_count(node->type.shape);
    unsigned bytes = tf_bytes_of(node->type.bits);
    traffic->dealt_at = 0;
    traffic->exchanges = 1;
    tf_traffic_deal(traffic, n, (uint64_t)bytes << tf_args(lookup_args, node)->k);
    tf_traffic_swap(traffic, 0, n, bytes);
}

static tf_status lookup_solo(tf_call *call) {
    size_t entries = (size_t)1 << tf_args(lookup_args, call->node)->k;
    unsigned bytes = tf_bytes_of(call->node->type.bits);
    const size_t room = entries * sizeof(uint64_t);
    uint64_t *entry = tf_secret_alloc(room), *table = tf_secret_alloc(room);
    if (!entry || !table) {
        tf_secret_free(entry, room), tf_secret_free(table, room);
        return tf_fail(TF_NOMEM, "no memory for a table of %zu entries", entries);
    }
    for (size_t i = call->part.span.begin; i < call->part.span.end; i++) {
        uint64_t v = (call->in[0].c[0][i] + call->in[0].c[1][i]) & (entries - 1);
        for (size_t j = 0; j < entries; j++) table[j] = (uint64_t)call->node->data[j];
        for (unsigned b = 0; b < tf_args(lookup_args, call->node)->k;
             b++) { /* rotate by v, bit by bit: no index depends on v */
            uint64_t take = -(v >> b & 1), keep = ~take;
            size_t by = (size_t)1 << b;
            uint64_t wrapped[by];
            for (size_t j = 0; j < by; j++) wrapped[j] = table[j];
            for (size_t j = 0; j + by < entries; j++) table[j] = (table[j] & keep) | (table[j + by] & take);
            for (size_t j = 0; j < by; j++)
                table[entries - by + j] = (table[entries - by + j] & keep) | (wrapped[j] & take);
        }
        tf_stream(call->party, call->part.own, call->index, ENTRY, i * entries, entry, entries);
        for (size_t j = 0; j < entries; j++) entry[j] = table[j] - entry[j];
        call->party->kernels->pack_bytes(entry, entries, bytes,
                                         call->message + (i - call->part.span.begin) * entries * bytes);
    }
    tf_secret_free(entry, room), tf_secret_free(table, room);
    tf_for_blocks(call, at, count) tf_reshare_solo(call, (tf_reshare){MU, 0}, at, count);
    return TF_OK;
}

static tf_status lookup_pair(tf_call *call, int phase) {
    size_t entries = (size_t)1 << tf_args(lookup_args, call->node)->k;
    unsigned bytes = tf_bytes_of(call->node->type.bits);
    uint64_t *entry = tf_secret_alloc(entries * sizeof *entry);
    if (!entry) return tf_fail(TF_NOMEM, "no memory for a table of %zu entries", entries);
    int own = call->part.own;
    tf_for_blocks(call, at, count) {
        if (phase == 1) {
            tf_reshare_receive(call, at, count);
            continue;
        }
        uint64_t part[TF_BLOCK];
        for (size_t i = 0; i < count; i++) {
            uint64_t c = call->in[0].c[1 - own][at + i] & (entries - 1), sum = 0;
            if (call->part.role == TF_LEFT)
                tf_stream(call->party, own, call->index, ENTRY, (at + i) * entries, entry, entries);
            else
                call->party->kernels->unpack_bytes(call->dealt + (at + i - call->part.span.begin) * entries * bytes,
                                                   entries, bytes, entry);
            for (size_t j = 0; j < entries; j++) /* all entries are looked at, whatever c is */
                sum += entry[j] & tf_equal_mask(c, j);
            part[i] = sum;
        }
        tf_reshare_send(call, (tf_reshare){MU, 0}, at, count, part);
    }
    tf_secret_free(entry, entries * sizeof *entry);
    return TF_OK;
}

static const tf_step lookup_step = {.name = "lookup",
                                    .summary = "a small public table at a secret index",
                                    .elementwise = true,
                                    .cost = lookup_cost,
                                    .solo = lookup_solo,
                                    .pair = lookup_pair};

tf_value tf_lookup(tf_program *p, tf_value a, unsigned k, const double *table, int frac, double bound) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, a);
    if (k < 1 || k > 16 || k > type.bits) return tf_program_fail(p, tf_fail(TF_INVALID, "a table of 2^%u entries", k));
    type.frac = frac;
    type.bound = bound;
    type.bits = tf_width(frac, bound);
    type.zero = -1;
    lookup_args args = {.k = k};
    tf_value v = tf_append_args(p, &lookup_step, type, 1, &a, &args, sizeof args);
    int64_t *data = tf_append_data(p, v, (size_t)1 << k);
    if (!data) return -1;
    for (size_t j = 0; j < (size_t)1 << k; j++) data[j] = llrint(ldexp(table[j], frac));
    return v;
}

/* Rows of a small table by the distance of two places, as biases of attention want them ------------------------ */

/** The table is rows x heads, the result length x heads x length. */
typedef struct relative_args {
    int64_t length, heads;
} relative_args;

static void relative(tf_call *call, int j, tf_span span) {
    const relative_args *args = tf_args(relative_args, call->node);
    const int64_t *row = call->node->data;
    size_t length = (size_t)args->length, heads = (size_t)args->heads;
    const uint64_t *table = call->in[0].c[j];
    uint64_t *out = call->out.c[j];
    for (size_t i = span.begin; i < span.end; i += length) { /* keys of one query and head */
        size_t query = i / length / heads, head = i / length % heads;
        for (size_t key = 0; key < length; key++)
            out[i + key] = table[(size_t)row[key + length - 1 - query] * heads + head];
    }
}

static tf_status relative_local(tf_call *call) {
    return tf_on_rows(call, (size_t)tf_args(relative_args, call->node)->length, relative);
}

static const tf_step relative_step = {
    .name = "relative", .summary = "rows by public distances", .shares_work = true, .local = relative_local};

tf_value tf_relative(tf_program *p, tf_value table, size_t length, const size_t *row) {
    if (p->status) return -1;
    tf_type type = *tf_type_of(p, table);
    size_t count;
    if (type.shape.rank != 2 || !length || __builtin_mul_overflow(length, length, &count) ||
        __builtin_mul_overflow(count, type.shape.dim[1], &count) || count > SIZE_MAX / 64)
        return tf_program_fail(p, tf_fail(TF_INVALID, "a table of rank %d cannot be read by distances within %zu",
                                          type.shape.rank, length));
    for (size_t i = 0; i < 2 * length - 1; i++)
        if (row[i] >= type.shape.dim[0])
            return tf_program_fail(p, tf_fail(TF_INVALID, "row %zu of a table of %zu", row[i], type.shape.dim[0]));
    relative_args args = {.length = (int64_t)length, .heads = (int64_t)type.shape.dim[1]};
    type.shape = tf_dims(length, type.shape.dim[1], length);
    type.zero = -1;
    tf_value out = tf_append_args(p, &relative_step, type, 1, &table, &args, sizeof args);
    int64_t *data = tf_append_data(p, out, 2 * length - 1);
    for (size_t i = 0; data && i < 2 * length - 1; i++) data[i] = (int64_t)row[i];
    return out;
}
