/*
 * Each row of a matrix less a number C that is not far above its largest element, in rounds that do not depend on the
 * row's length. For a softmax: what is subtracted there may be any number near the maximum, if results keep as many
 * more fractional bits.
 *
 * A row is taken relative to the mean of a few of its elements, r, which the largest is not below; r is made locally,
 * each component by itself. Then x - r is cut into buckets of 4 units as a spline's x is into segments, c = ch 2^k +
 * cl, v = vh 2^k + vl, the carry left out: bucket i = ch + vh mod 2^log is the true one or the one below. S sends R its
 * half of the unit vector of vh (L's is a stream of k_s); L and R turn theirs by ch and have XOR shares of [i = j].
 *
 * Whether any element of a row has i >= j is an OR over the row. L and R take the parities of 40 public sets of
 * columns, locally: the XOR of the elements' bits over a set, and over j and all buckets above. If some element has i
 * >= j, all of these are zero for one in 2^40 sets of such elements at most (tf_parity_sets). So J, the number of j
 * from 0 to 23 for which not all are zero, j = 0 being where r is, is one more than the highest bucket, and C = r + 4
 * (J + 1) is above all elements, by 8 units at most.
 *
 * "All zero" is an AND of 40 shared bits, in groups at three levels, one exchange each, as in compare_tree.h: S deals
 * the products of masks. At the last level it deals them as numbers mod 2^log, so that L and R hold an additive sharing
 * of J, and reshare it.
 *
 * Where rows are few, S deals keys of equalities in the place of products (rows/keys.h): 40 bits are all zero where
 * what was opened of them is the complement of their masks, of which L and R find shares alone, as numbers. They
 * reshare J in the second exchange. Keys have a body that both receive, so what else goes to R is hidden from L by a
 * stream of k_(s+1).
 *
 * What the receivers learn. R gets the unit vectors and products XOR streams of k_s, and numbers less such streams,
 * none of which it holds. L and R swap bits under streams that the other does not hold (L: k_s, R: k_(s+1)), each used
 * for one wire only, and parts of J less streams shared with S alone. The keys' body is uniform to one who does not
 * know the other's roots: R does not hold k_s, nor L k_(s+1). All uniform to their receivers; which columns are
 * in which set is public. tests/reference/ceiling.py is the executable reference.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "net/base/secret.h"
#include "runtime/graph/graph.h"
#include "runtime/kernels/unit_vector.h"
#include "runtime/steps/local.h"
#include "runtime/steps/parities.h"
#include "runtime/steps/powers.h"
#include "runtime/steps/rows/columns.h"
#include "runtime/steps/rows/keys.h"

enum { VECTOR = 1, PRODUCT, NUMBER, OPEN, MU, HIDDEN }; /* purposes */
enum { SEGMENT = 2 };                                   /* bits of a bucket before the point */

/* Sizes ----------------------------------------------------------------------------------------------------------- */

/* What is made of a row's bits lies side by side with that of the next row, in words of pairs (parities.h). Streams
 * begin at even words; FEW pairs are worked on at a time. */
enum { OPEN_PITCH = TF_AND_WIRES + 1, PRODUCT_PITCH = TF_AND_PRODUCTS + 1, MOST_NUMBERS = 7 * TF_AND_NUMBERS, FEW = 8 };

static size_t columns_of(const tf_program *program, const tf_step_node *node) {
    return tf_shape_last(tf_type_of(program, node->input[0])->shape);
}

static size_t words_of(const tf_step_node *node) {
    return (size_t)1 << (tf_args(tf_ceiling_args, node)->log - 6);
}

/** Bits of a number of buckets: they are counted as the vectors turn. */
static unsigned number_bits(const tf_step_node *node) {
    return (unsigned)tf_args(tf_ceiling_args, node)->log;
}

static size_t numbers_of(const tf_step_node *node) {
    return number_bits(node) * TF_AND_NUMBERS;
}

static bool is_keyed(const tf_step_node *node) {
    return tf_args(tf_ceiling_args, node)->keyed;
}

/** The exchange in which J is reshared. */
static int last_of(const tf_step_node *node) {
    return is_keyed(node) ? 1 : TF_AND_LEVELS;
}

static size_t pairs_of(size_t rows) {
    return (rows + 1) / 2;
}

static void ceiling_cost(const tf_program *program, const tf_step_node *node, tf_traffic *traffic) {
    size_t n = tf_shape_count(node->type.shape), vector = columns_of(program, node) * words_of(node);
    traffic->dealt_at = 0;
    traffic->exchanges = last_of(node) + 1;
    traffic->both = is_keyed(node);
    for (int k = 0; k < TF_PARTS; k++) {
        uint64_t rows = tf_span_count(tf_part_span(n, program->cut, k)), pairs = pairs_of(rows);
        traffic->dealt[k] = rows * vector * 8;
        traffic->dealt[k] +=
            is_keyed(node) ? rows * TF_ROW_KEY_WORDS * 8 : pairs * (TF_AND_PRODUCTS + numbers_of(node)) * TF_PAIR_BYTES;
        for (int level = 0; level < last_of(node); level++)
            traffic->swapped[level][k] = pairs * tf_and_wires[level] * TF_PAIR_BYTES;
        traffic->swapped[last_of(node)][k] = rows;
    }
}

/** L and R keep of each pair of rows the wires as this side has masked them, and what was dealt; then of each row its
 *  keys. */
enum { KEPT = TF_PARITIES + TF_AND_PRODUCTS + MOST_NUMBERS };

static size_t ceiling_state(const tf_program *program, const tf_step_node *node) {
    size_t rows = tf_shape_count(node->type.shape);
    return KEPT * pairs_of(rows) + (is_keyed(node) ? rows * TF_ROW_KEY_WORDS : 0);
}

static bool ceiling_keeps(const tf_program *program, const tf_step_node *node) {
    return tf_rows_keep_thirds(program, tf_shape_count(node->type.shape), columns_of(program, node), 1);
}

/** Where in S's message a row's keys, or a pair's products, and numbers, are: behind the vectors of all rows. */
static size_t keys_in_message(const tf_call *call, size_t row) {
    size_t rows = tf_span_count(call->part.span);
    return rows * columns_of(call->program, call->node) * words_of(call->node) * 8 + row * TF_ROW_KEY_WORDS * 8;
}

static size_t products_in_message(const tf_call *call, size_t pair) {
    return keys_in_message(call, 0) + pair * TF_AND_PRODUCTS * TF_PAIR_BYTES;
}

static size_t numbers_in_message(const tf_call *call, size_t pair) {
    return products_in_message(call, pairs_of(tf_span_count(call->part.span))) +
           pair * numbers_of(call->node) * TF_PAIR_BYTES;
}

/* S --------------------------------------------------------------------------------------------------------------- */

static void vector_stream(tf_call *call, size_t row, uint64_t *out) {
    size_t words = columns_of(call->program, call->node) * words_of(call->node);
    tf_stream(call->party, call->part.own, call->index, VECTOR, row * tf_even(words), out, words);
}

/** `pitch` words of a stream for each of the pairs [pair, pair + count), which are counted over all rows. */
static void pair_streams(tf_call *call, int which, unsigned purpose, size_t pitch, size_t pair, size_t count,
                         uint64_t *out) {
    tf_stream(call->party, which, call->index, purpose, pair * pitch, out, count * pitch);
}

/** L's shares of what S deals: of products, and of numbers. */
static void dealt_streams(tf_call *call, size_t pair, size_t count, uint64_t *product, uint64_t *number) {
    pair_streams(call, call->part.own, PRODUCT, PRODUCT_PITCH, pair, count, product);
    pair_streams(call, call->part.own, NUMBER, tf_even(numbers_of(call->node)), pair, count, number);
}

/** Words of pairs as messages have them. */
static void pack(const tf_call *call, const uint64_t *word, size_t count, uint8_t *out) {
    call->party->kernels->pack_bytes(word, count, TF_PAIR_BYTES, out);
}

static void unpack(const tf_call *call, const uint8_t *in, size_t count, uint64_t *word) {
    call->party->kernels->unpack_bytes(in, count, TF_PAIR_BYTES, word);
}

/** The masks of pairs, from both of S's keys. */
static void wire_masks(tf_call *call, size_t pair, size_t count, uint64_t *mask) {
    uint64_t other[FEW * OPEN_PITCH];
    pair_streams(call, call->part.own, OPEN, OPEN_PITCH, pair, count, mask);
    pair_streams(call, 1 - call->part.own, OPEN, OPEN_PITCH, pair, count, other);
    for (size_t i = 0; i < count * OPEN_PITCH; i++) mask[i] ^= other[i];
}

static void deal_keys(tf_call *call, size_t row, size_t count) {
    uint64_t mask[FEW * OPEN_PITCH];
    wire_masks(call, row / 2, pairs_of(count), mask);
    for (size_t i = 0; i < count; i++)
        tf_row_keys_deal(call, row + i, mask + i / 2 * OPEN_PITCH, i % 2 * TF_BUCKETS,
                         call->message + keys_in_message(call, row + i - call->part.span.begin));
}

static void deal_pairs(tf_call *call, size_t pair, size_t count) {
    size_t from = pair - call->part.span.begin / 2, numbers = numbers_of(call->node);
    uint64_t mask[FEW * OPEN_PITCH], stream[FEW * PRODUCT_PITCH], number[FEW * MOST_NUMBERS + FEW];
    wire_masks(call, pair, count, mask);
    dealt_streams(call, pair, count, stream, number);
    for (size_t i = 0; i < count; i++) {
        uint64_t product[TF_AND_PRODUCTS], *planes = number + i * tf_even(numbers);
        tf_and_deal(mask + i * OPEN_PITCH, product);
        for (int k = 0; k < TF_AND_PRODUCTS; k++) product[k] ^= stream[i * PRODUCT_PITCH + (size_t)k];
        tf_and_deal_numbers(number_bits(call->node), mask + i * OPEN_PITCH + tf_and_first[TF_AND_LEVELS - 1], planes);
        pack(call, product, TF_AND_PRODUCTS, call->message + products_in_message(call, from + i));
        pack(call, planes, numbers, call->message + numbers_in_message(call, from + i));
    }
}

/** Where both receive the keys, R's half of a row's unit vectors is hidden by what S, of `which`, or R shares. */
static void hide(tf_call *call, int which, size_t row, uint8_t *half, size_t words) {
    uint64_t stream[TF_BLOCK];
    for (size_t at = 0; at < words && is_keyed(call->node); at += TF_BLOCK) {
        const size_t count = words - at < TF_BLOCK ? words - at : TF_BLOCK;
        tf_stream(call->party, which, call->index, HIDDEN, row * tf_even(words) + at, stream, count);
        for (size_t i = 0; i < count * 8; i++) half[at * 8 + i] ^= ((const uint8_t *)stream)[i];
    }
}

/** The unit vectors of a row's elements; `unit` is room for them. */
TF_MULTIVERSION static void deal_row(tf_call *call, size_t row, tf_columns *c, uint64_t *unit) {
    const unsigned segment = (unsigned)tf_args(tf_ceiling_args, call->node)->segment;
    const size_t n = c->count, words = words_of(call->node);
    const uint64_t *x = call->in[0].c[0] + row * n, *y = call->in[0].c[1] + row * n, last = 64 * words - 1;
    tf_columns_of_row(call, row, c);
    uint64_t r = tf_row_reference(call, 0, row, c) + tf_row_reference(call, 1, row, c);
    vector_stream(call, row, unit);
    for (size_t i = 0; i < n && words == 1; i++) unit[i] ^= UINT64_C(1) << ((x[i] + y[i] - r) >> segment & last);
    for (size_t i = 0; i < n && words > 1; i++)
        tf_flip_bit(unit + i * words, words, (x[i] + y[i] - r) >> segment & last);
    uint8_t *half = call->message + (row - call->part.span.begin) * n * words * 8;
    memcpy(half, unit, n * words * 8);
    hide(call, 1 - call->part.own, row, half, n * words);
}

/** The rows of this worker: whole runs of FEW pairs of the part. */
static tf_span rows_of_worker(const tf_call *call) {
    tf_span part = call->part.span;
    tf_span few = tf_worker_items(call, (tf_span_count(part) + 2 * FEW - 1) / (2 * FEW));
    size_t begin = part.begin + few.begin * 2 * FEW, end = part.begin + few.end * 2 * FEW;
    return (tf_span){begin, end < part.end ? end : part.end};
}

/** Row `at`'s result of which j is this party's component: r, and what J adds, in units of a bucket. */
static uint64_t in_units(const tf_call *call, int j, size_t row, const tf_columns *c, uint64_t buckets) {
    return tf_row_reference(call, j, row, c) + (buckets << tf_args(tf_ceiling_args, call->node)->segment);
}

static tf_status ceiling_solo(tf_call *call) {
    tf_span rows = rows_of_worker(call);
    tf_columns c;
    size_t room = columns_of(call->program, call->node) * words_of(call->node) * 8;
    uint64_t *unit = tf_secret_alloc(room);
    if (!unit) return tf_fail(TF_NOMEM, "no memory for a row of unit vectors");
    tf_status status = tf_columns_make(call, false, &c);
    for (size_t row = rows.begin; row < rows.end && status == TF_OK; row += 2 * FEW) {
        size_t count = rows.end - row < 2 * FEW ? rows.end - row : 2 * FEW;
        uint64_t mu[2][2 * FEW];
        for (int j = 0; j < 2; j++) tf_element_stream(call, j, MU, row, count, mu[j]);
        for (size_t i = 0; i < count; i++) {
            deal_row(call, row + i, &c, unit);
            for (int j = 0; j < 2; j++) call->out.c[j][row + i] = in_units(call, j, row + i, &c, mu[j][i]);
        }
        if (is_keyed(call->node))
            deal_keys(call, row, count);
        else
            deal_pairs(call, row / 2, pairs_of(count));
    }
    if (status == TF_OK) tf_columns_free(&c);
    tf_secret_free(unit, room);
    return status;
}

/* L and R --------------------------------------------------------------------------------------------------------- */

/** This side's shares of [i = j] for the highest buckets, a word for each element of a row. */
TF_MULTIVERSION static void turned(tf_call *call, size_t row, tf_columns *c, uint64_t *unit, uint64_t *bucket) {
    const unsigned segment = (unsigned)tf_args(tf_ceiling_args, call->node)->segment;
    const size_t n = c->count, words = words_of(call->node), common = (size_t)(1 - call->part.own);
    const uint64_t *x = call->in[0].c[common] + row * n, *counts = c->counts, last = 64 * words - 1;
    tf_columns_of_row(call, row, c);
    /* r lies where the highest buckets begin */
    uint64_t from = tf_row_reference(call, (int)common, row, c) + ((uint64_t)TF_BUCKETS << segment);
    if (call->part.role == TF_LEFT) {
        vector_stream(call, row, unit);
    } else {
        memcpy(unit, call->dealt + (row - call->part.span.begin) * n * words * 8, n * words * 8);
        hide(call, call->part.own, row, (uint8_t *)unit, n * words);
    }
    for (size_t i = 0; i < n && words == 1; i++)
        bucket[i] = tf_top_bits(unit + i, 1, TF_BUCKETS, (x[i] - from) >> segment & last) & counts[i];
    for (size_t i = 0; i < n && words > 1; i++)
        bucket[i] = tf_top_bits(unit + i * words, words, TF_BUCKETS, (x[i] - from) >> segment & last) & counts[i];
}

/** The state of a pair, and the keys of a row. */
static uint64_t *kept(const tf_call *call, size_t pair) {
    return call->state + pair * KEPT;
}
static uint64_t *keys_kept(const tf_call *call, size_t row) {
    return kept(call, pairs_of(tf_shape_count(call->node->type.shape))) + row * TF_ROW_KEY_WORDS;
}

static void take_dealt(tf_call *call, size_t pair, size_t count) {
    size_t from = pair - call->part.span.begin / 2, numbers = numbers_of(call->node);
    uint64_t product[FEW * PRODUCT_PITCH], number[FEW * MOST_NUMBERS + FEW];
    if (call->part.role == TF_LEFT) dealt_streams(call, pair, count, product, number);
    for (size_t i = 0; i < count; i++) {
        uint64_t *to = kept(call, pair + i) + TF_PARITIES;
        if (call->part.role == TF_LEFT) {
            memcpy(to, product + i * PRODUCT_PITCH, TF_AND_PRODUCTS * 8);
            memcpy(to + TF_AND_PRODUCTS, number + i * tf_even(numbers), numbers * 8);
        } else {
            unpack(call, call->dealt + products_in_message(call, from + i), TF_AND_PRODUCTS, to);
            unpack(call, call->dealt + numbers_in_message(call, from + i), numbers, to + TF_AND_PRODUCTS);
        }
    }
}

/** Masks a pair's wires of a level, keeps them so and sends them. */
static void send_wires(tf_call *call, int level, size_t pair, const uint64_t *wire, const uint64_t *mask) {
    uint64_t *mine = kept(call, pair);
    for (size_t k = 0; k < tf_and_wires[level]; k++) mine[k] = wire[k] ^ mask[tf_and_first[level] + k];
    size_t from = pair - call->part.span.begin / 2;
    pack(call, mine, tf_and_wires[level], call->message + from * tf_and_wires[level] * TF_PAIR_BYTES);
}

static void open_parities(tf_call *call, size_t row, size_t count, tf_columns *c, uint64_t *room) {
    uint64_t mask[FEW * OPEN_PITCH], wire[TF_PARITIES], both = call->part.role == TF_LEFT ? ~UINT64_C(0) : 0;
    uint64_t *unit = room, *bucket = unit + c->count * words_of(call->node), *next = bucket + c->count;
    pair_streams(call, call->part.own, OPEN, OPEN_PITCH, row / 2, pairs_of(count), mask);
    if (is_keyed(call->node))
        memcpy(keys_kept(call, row), call->dealt + keys_in_message(call, row - call->part.span.begin),
               count * TF_ROW_KEY_WORDS * 8);
    else
        take_dealt(call, row / 2, pairs_of(count));
    for (size_t i = 0; i < count; i += 2) {
        turned(call, row + i, c, unit, bucket);
        if (i + 1 < count) {
            turned(call, row + i + 1, c, unit, next);
            for (size_t k = 0; k < c->count; k++) bucket[k] |= next[k] << TF_BUCKETS;
        }
        tf_parities(c->count, c->member, bucket, both, wire);
        send_wires(call, 0, (row + i) / 2, wire, mask + i / 2 * OPEN_PITCH);
    }
}

/** What was opened of a pair's wires at a level. */
static void take_opened(const tf_call *call, int level, size_t pair, uint64_t *opened) {
    size_t from = pair - call->part.span.begin / 2;
    const uint64_t *mine = kept(call, pair);
    unpack(call, call->received + from * tf_and_wires[level] * TF_PAIR_BYTES, tf_and_wires[level], opened);
    for (size_t k = 0; k < tf_and_wires[level]; k++) opened[k] ^= mine[k];
}

/** Combines what was opened at level phase - 1, and opens what comes of it. */
static void open_groups(tf_call *call, int phase, size_t row, size_t count) {
    int level = phase - 1;
    uint64_t mask[FEW * OPEN_PITCH], both = call->part.role == TF_LEFT ? ~UINT64_C(0) : 0;
    pair_streams(call, call->part.own, OPEN, OPEN_PITCH, row / 2, pairs_of(count), mask);
    for (size_t i = 0; i < pairs_of(count); i++) {
        uint64_t opened[TF_PARITIES], wire[TF_PARITIES], *m = mask + i * OPEN_PITCH;
        take_opened(call, level, row / 2 + i, opened);
        tf_and_groups(level, opened, m + tf_and_first[level], kept(call, row / 2 + i) + TF_PARITIES, both, wire);
        send_wires(call, phase, row / 2 + i, wire, m);
    }
}

/** This side's parts of the J of a pair of rows, the second of which need not be there. */
static void count_buckets(tf_call *call, size_t row, size_t rows, uint8_t part[2]) {
    uint64_t opened[TF_PARITIES], both = call->part.role == TF_LEFT ? ~UINT64_C(0) : 0;
    take_opened(call, last_of(call->node) - 1, row / 2, opened);
    if (!is_keyed(call->node))
        tf_and_count(number_bits(call->node), opened, kept(call, row / 2) + TF_PARITIES + TF_AND_PRODUCTS, both, part);
    for (size_t r = 0; r < rows && is_keyed(call->node); r++)
        part[r] = (uint8_t)((TF_BUCKETS & both) - tf_row_keys_count(call, row + r, opened, (unsigned)r * TF_BUCKETS,
                                                                    keys_kept(call, row + r)));
}

/** Sends this side's parts of J + 1, less a stream. */
static void send_counts(tf_call *call, size_t row, size_t count, tf_columns *c) {
    int own = call->part.own;
    uint64_t mu[2 * FEW], both = call->part.role == TF_LEFT ? ~UINT64_C(0) : 0;
    uint8_t part[2];
    tf_element_stream(call, own, MU, row, count, mu);
    for (size_t i = 0; i < count; i++) {
        if (i % 2 == 0) count_buckets(call, row + i, count - i < 2 ? 1 : 2, part);
        uint8_t less = (uint8_t)(part[i % 2] + (both & 1) - mu[i]);
        tf_columns_of_row(call, row + i, c);
        call->message[row - call->part.span.begin + i] = less;
        call->out.c[own][row + i] = in_units(call, own, row + i, c, mu[i]);
        call->out.c[1 - own][row + i] = in_units(call, 1 - own, row + i, c, less);
    }
}

static tf_status ceiling_pair(tf_call *call, int phase) {
    tf_span rows = rows_of_worker(call);
    if (phase > last_of(call->node)) {
        unsigned segment = (unsigned)tf_args(tf_ceiling_args, call->node)->segment;
        for (size_t row = rows.begin; row < rows.end; row++)
            call->out.c[1 - call->part.own][row] += (uint64_t)call->received[row - call->part.span.begin] << segment;
        return TF_OK;
    }
    tf_columns c;
    size_t n = columns_of(call->program, call->node), bytes = n * (words_of(call->node) + 2) * 8;
    uint64_t *room = tf_secret_alloc(bytes);
    if (!room) return tf_fail(TF_NOMEM, "no memory for a row of unit vectors");
    tf_status status = tf_columns_make(call, phase == 0, &c);
    for (size_t row = rows.begin; row < rows.end && status == TF_OK; row += 2 * FEW) {
        size_t count = rows.end - row < 2 * FEW ? rows.end - row : 2 * FEW;
        if (phase == 0)
            open_parities(call, row, count, &c, room);
        else if (phase < last_of(call->node))
            open_groups(call, phase, row, count);
        else
            send_counts(call, row, count, &c);
    }
    if (status == TF_OK) tf_columns_free(&c);
    tf_secret_free(room, bytes);
    return status;
}

static const tf_step ceiling_step = {.name = "ceiling",
                                     .summary = "a number not far above the largest element of each row",
                                     .keeps_thirds = ceiling_keeps,
                                     .shares_work = true,
                                     .cost = ceiling_cost,
                                     .state = ceiling_state,
                                     .solo = ceiling_solo,
                                     .pair = ceiling_pair};

/** What keys send, and what hashing for them is worth, beyond what the ANDs send. */
static double keys_more(size_t rows, size_t length, tf_powers_range range) {
    enum { HASHING = 5000 };
    return (double)rows * (TF_ROW_KEY_WORDS * 8 * 2 + ldexp((double)length, (int)range - 2) + TF_PARITIES * 6 + 2) +
           (double)rows * HASHING - tf_ceiling_bytes(rows, length, range);
}

double tf_ceiling_bytes(size_t rows, size_t length, tf_powers_range range) {
    return (double)rows * ((double)length * ldexp(1, (int)range - 3) +
                           (TF_AND_PRODUCTS + (int)range * TF_AND_NUMBERS + 2 * TF_AND_WIRES) * TF_PAIR_BYTES / 2 + 2);
}

tf_lowered tf_below_ceiling(tf_program *p, tf_value x, tf_value mask, tf_shape shape, tf_powers_range range,
                            bool first) {
    const tf_lowered failed = {-1, -1};
    if (p->status) return failed;
    tf_type type = *tf_type_of(p, x);
    size_t n = tf_shape_last(type.shape);
    const tf_node *leaf = tf_leaf_of(p, mask);
    const bool keyed = tf_rounds_are_worth(p, 2, keys_more(tf_shape_count(type.shape) / n, n, range));
    tf_ceiling_args args = {
        .segment = SEGMENT + type.frac, .log = range, .first = first, .masked = leaf != NULL, .keyed = keyed};
    if (type.frac < 0 || type.frac > 13 || !type.shape.rank || n > TF_CEILING_COLUMNS)
        tf_program_fail(p, tf_fail(TF_RANGE, "the ceiling of %zu columns of %d fractional bits", n, type.frac));
    else if (leaf && (tf_shape_count(shape) != tf_shape_count(leaf->shape) ||
                      !tf_broadcast_strides(shape, type.shape, args.stride)))
        tf_program_fail(p, tf_fail(TF_INVALID, "a mask does not broadcast to the rows that it is for"));
    if (p->status) return failed;
    unsigned bits = (unsigned)(args.segment + args.log);
    x = tf_lift(p, x,
                first ? bits : bits + TF_SAMPLES_LOG); /* eight times one element, halved thrice, is that element */
    tf_type row = {.shape = type.shape, .kind = TF_SHARE, .bits = bits, .frac = type.frac, .zero = -1};
    row.bound = ldexp(1, (int)bits - type.frac);
    row.shape.dim[row.shape.rank - 1] = 1;
    tf_value ceiling = tf_columns_mask(p, tf_append_args(p, &ceiling_step, row, 1, &x, &args, sizeof args), leaf);
    return p->status ? failed : (tf_lowered){x, ceiling};
}
