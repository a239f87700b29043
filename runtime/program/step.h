/**
 * What a protocol step is, for those who write steps. PROTOCOLS.md describes each one's messages.
 *
 * Most steps work in the 2+1 view. The elements of a tensor are cut into three thirds; in third s the solo party S is
 * P_s, and x = c + v with c = x_(s+2) known to both others, v = x_s + x_(s+1) known to S. One of the others is R, to
 * whom S sends, the other is L, who derives the same from the key it shares with S. Each third is cut into two parts
 * that differ in this alone: in the first R is P_(s+1), in the second P_(s-1), so that all links carry the same. S only
 * ever sends, and only to R, or the same to both. A step's work falls into the solo phase: this party's two parts as S.
 * It needs what S knows of the inputs, and makes one message for each R; pair phases 0..exchanges: the four parts where
 * it is L or R. After each phase but the last L and R swap messages. Because what S holds of a result never depends on
 * what L and R swap, solo phases run ahead along chains of steps. A step never sends by itself and never waits: the
 * executor calls it part by part and gives it buffers.
 */
#ifndef TF_STEP_H
#define TF_STEP_H

#include "net/base/ahead.h"
#include "runtime/kernels/multiversion.h"
#include "runtime/party/parts.h"
#include "runtime/party/party.h"
#include "runtime/program/program.h"
#include "runtime/program/weights.h"

enum { TF_MAX_EXCHANGES = 6 };

/** Bytes on each directed link. */
typedef uint64_t tf_traffic_matrix[TF_PARTIES][TF_PARTIES];

/** What a step sends, as a function of its public parameters alone. */
typedef struct tf_traffic {
    tf_cut cut; /**< the program's */
    int exchanges;
    int dealt_at;             /**< the pair phase in which R consumes S's message: 0 or 1; -1: none */
    uint64_t dealt[TF_PARTS]; /**< bytes of the solo phase's messages, S to R */
    bool both;                /**< L receives the same */
    uint64_t swapped[TF_MAX_EXCHANGES][TF_PARTS]; /**< bytes that L and R send each other */
    tf_traffic_matrix whole[TF_MAX_EXCHANGES];    /**< instead, for steps that do not work in parts */
} tf_traffic;

/** This party's part of a value. */
typedef struct tf_view {
    uint64_t *c[2];          /**< components id and id + 1; upper bits past the ring width are meaningless */
    uint64_t *bit;           /**< for split bits: rho in the own third, delta elsewhere; bit i % 64 of word i / 64 */
    const tf_packed *packed; /**< for packed parameters: the party's operand of the product */
    const tf_source *source; /**< for tables, which are read in rows */
    const tf_source *later;  /**< for packed parameters that the executor packs each time they are used */
} tf_view;

/** Elements [at, at + count) of component j of a value, wherever they are kept. */
TF_CHECKED tf_status tf_view_read(const tf_kernels *kernels, const tf_view *view, int j, size_t at, size_t count,
                                  uint64_t *out);

/** One call of a phase. */
typedef struct tf_call {
    tf_party *party;
    const tf_program *program;
    const tf_step_node *node;
    uint32_t index; /**< of the node: part of stream addresses */
    tf_view in[TF_STEP_INPUTS], out;
    uint64_t *state;  /**< kept between the phases of this node */
    void *scratch;    /**< this worker's, for any matmul of the kernels; what stays there is wiped after the run */
    tf_part part;     /**< what to work on; of local steps, the span alone */
    uint8_t *message; /**< to be filled whole, with the part's declared length: to R by S, else to the other side */
    const uint8_t *received;   /**< what the other side sent after the previous pair phase, of the part */
    const uint8_t *dealt;      /**< S's message to this party as R, or L, of the part, in pair phase dealt_at */
    uint8_t *send[TF_PARTIES]; /**< the same for steps that do not work in parts */
    const uint8_t *receive[TF_PARTIES]; /**< and what they received */
    struct tf_slots *slots;             /**< the caller's tensors, for inputs and outputs */
    const struct tf_copies *copies;     /**< hashes of what two parties hold alike, of every node that is complete */
    int worker, workers;                /**< which of how many threads this call is, each with its tf_party */
} tf_call;

typedef struct tf_step {
    const char *name, *summary;
    bool alias; /**< the output is the input's memory under another type */
    /** Words from the beginning of the input's split bits to the alias's; NULL: 0. */
    size_t (*alias_offset)(const tf_program *program, const tf_step_node *node);
    bool sink;        /**< its result is no value: it hands its input out */
    bool held;        /**< its result lives in the session's state: slots->held[arg[0]] */
    bool takes_bits;  /**< there are split bits among the inputs */
    bool elementwise; /**< element i of the output depends on element i of the inputs only, which are cut alike */
    /** Of elementwise steps: whether all of input k is read for each third, as of what is repeated. NULL: of none. */
    bool (*reads_whole)(const tf_program *program, const tf_step_node *node, int k);
    /** For steps that are not elementwise: whether a third of the output depends on the same third of the inputs only,
     * so that the solo phase can run ahead all the same. NULL: never. */
    bool (*keeps_thirds)(const tf_program *program, const tf_step_node *node);
    /** How many bytes more a node sends, with those before it that then must, to give its result in a ring of `bits`;
     *  INFINITY where it cannot. With `now` it is changed so; what was computed from it used its low bits, which do not
     *  change. See tf_widen. NULL: never. */
    double (*widen)(tf_program *program, tf_value value, unsigned bits, bool now);
    bool shares_work; /**< several threads may call a phase at the same time, each doing its worker slice
                       *  of the blocks */
    void (*cost)(const tf_program *program, const tf_step_node *node, tf_traffic *traffic); /**< NULL: local */
    size_t (*state)(const tf_program *program, const tf_step_node *node);                   /**< words; NULL: none */
    /* Either these two, which are called for each part, empty ones included: S's own first, the others by number; */
    tf_status (*solo)(tf_call *call);
    tf_status (*pair)(tf_call *call, int phase); /**< phases 0..exchanges */
    /* or, if nothing is sent, this, for a third or for everything, on both components of the span; */
    tf_status (*local)(tf_call *call);
    /* or this, for all elements at once. */
    tf_status (*whole)(tf_call *call, int phase); /**< phases 0..exchanges */
} tf_step;

/**
 * Appends a node with public parameters: `args` is the step's own struct of int64_t fields, of `size` bytes, which lies
 * over the node's arg[] and is read by tf_args.
 */
tf_value tf_append_args(tf_program *program, const tf_step *step, tf_type type, int inputs, const tf_value *input,
                        const void *args, size_t size);
#define tf_args(type, node) ((const type *)(node)->arg)

/** Room for `count` public integers of a node just appended, which the program owns; NULL after a failure. */
int64_t *tf_append_data(tf_program *program, tf_value value, size_t count);

/**
 * The same for numbers that are fitted, which takes long beside the rest of lowering: those of an earlier node that
 * were computed from the same facts (of `size` bytes, without padding) are taken, and *known says so.
 */
int64_t *tf_append_fit(tf_program *program, tf_value value, size_t count, const void *facts, size_t size, bool *known);

bool tf_step_is_parameter(const tf_step_node *node);

/** Whether this is a weight that is kept packed for products. */
bool tf_is_packed_weight(const tf_program *program, tf_value value);

/**
 * The bytes more that it takes to have a value in a ring of `bits` without a lift, from where it comes: less than none
 * where a product of wider operands is cheaper than a lift of its result. INFINITY where that is not possible. With
 * `now` the program is changed so.
 */
double tf_widen(tf_program *program, tf_value value, unsigned bits, bool now);

/** A step's tf_step.widen where each input must have the result's bits, and nothing is sent. */
double tf_widen_inputs(tf_program *program, tf_value value, unsigned bits, bool now);

/** Whether S knows its third of the result as soon as it knows its thirds of the inputs, and what it does itself. */
bool tf_step_keeps_thirds(const tf_program *program, const tf_step_node *node);

/** Whether of input k of such a step S must know all, not its third alone. */
bool tf_step_reads_whole(const tf_program *program, const tf_step_node *node, int k);

/** Whether all elements of its inputs and of its result are in the first third. */
bool tf_step_is_small(const tf_program *program, const tf_step_node *node);

/** Fails unless the value exists and holds shares; split bits pass too if `bits`. `step` is for the message. */
TF_CHECKED tf_status tf_check_operand(const tf_program *program, const char *step, tf_value value, bool bits);

/** Elements of a block: what fits the first-level cache a few times over. Steps work block by block. */
enum { TF_BLOCK = 2048 };

/** The worker slice of `items` things in a row: those that this call's worker works on. */
static inline tf_span tf_worker_items(const tf_call *call, size_t items) {
    size_t workers = (size_t)call->workers, k = (size_t)call->worker;
    if (workers < 2) return (tf_span){0, items};
    return (tf_span){items * k / workers, items * (k + 1) / workers};
}

/** The worker slice of a span: whole blocks, counted from the span's begin. */
static inline tf_span tf_worker_slice(const tf_call *call, tf_span span) {
    tf_span blocks = tf_worker_items(call, (tf_span_count(span) + TF_BLOCK - 1) / TF_BLOCK);
    size_t begin = span.begin + blocks.begin * TF_BLOCK, end = span.begin + blocks.end * TF_BLOCK;
    return (tf_span){begin, end < span.end ? end : span.end};
}

/** Runs what follows with consecutive blocks [at, at + count) of the span. */
#define tf_for_blocks_of(at, count, span)                                                                              \
    for (size_t at = (span).begin, end_of_##at = (span).end, count;                                                    \
         at < end_of_##at && (count = end_of_##at - at < TF_BLOCK ? end_of_##at - at : TF_BLOCK, 1); at += TF_BLOCK)

/** The same with this worker's slice of the part; `at - part.span.begin` is where a block's data are in messages. */
#define tf_for_blocks(call, at, count) tf_for_blocks_of(at, count, tf_worker_slice(call, (call)->part.span))

static inline size_t tf_even(size_t words) {
    return words + (words & 1);
}
/** Words of a bit plane of n elements, even so that streams start at a cipher block. */
static inline size_t tf_words(size_t n) {
    return tf_even((n + 63) / 64);
}
static inline unsigned tf_bytes_of(unsigned bits) {
    return (bits + 7) / 8;
}
static inline uint64_t tf_mask(unsigned bits) {
    return bits >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << bits) - 1;
}

/** Asks for the words of the block after the one that begins here and is about to be read. */
static inline void tf_fetch_words(const uint64_t *block) {
    tf_fetch_ahead(block, TF_BLOCK * sizeof *block);
}

/** Waits until all workers of this call have come here. */
static inline void tf_meet(const tf_call *call) {
    if (call->workers > 1) tf_workers_meet(call->party->workers);
}

/** Adds so many bytes an element from S to R, or each way between L and R in an exchange. */
void tf_traffic_deal(tf_traffic *traffic, size_t n, uint64_t bytes_per_element);
void tf_traffic_swap(tf_traffic *traffic, int exchange, size_t n, uint64_t bytes_per_element);

/** The stream of block [at, at + count): one word per element. */
static inline void tf_element_stream(tf_call *call, int which, unsigned purpose, size_t at, size_t count,
                                     uint64_t *out) {
    tf_stream(call->party, which, call->index, purpose, at, out, count);
}

/** State of the session as a program sees it. */
typedef struct tf_held_view {
    tf_view view;  /**< the whole state, with the program's capacity */
    size_t length; /**< rows along its axis that are there */
} tf_held_view;

/** What the caller hands in and takes out by slot. */
typedef struct tf_slots {
    const float *const *input;    /**< reals, only read where this party is the owner */
    double **output;              /**< reals, only written where this party is a receiver */
    const tf_view *kept;          /**< room for the components of kept values */
    const struct tf_graph *graph; /**< the leaves' data of this run, node by node like the program's graph; NULL: as the
                                       program's leaves have them */
    const tf_held_view *held;     /**< for each of program->held */
} tf_slots;

/** A leaf of the program, and that of the call's own node, with the data of this run. */
const struct tf_node *tf_leaf_now(const tf_call *call, const struct tf_node *leaf);
const struct tf_node *tf_call_leaf(const tf_call *call);

#endif
