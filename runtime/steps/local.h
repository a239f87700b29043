/** What local steps share: every party works on the components it holds. */
#ifndef TF_STEPS_LOCAL_H
#define TF_STEPS_LOCAL_H

#include "runtime/steps/steps.h"

/** Calls `work` with this worker's slice of the call's rows, of so many elements, for both components. */
static inline tf_status tf_on_rows(tf_call *call, size_t row, void (*work)(tf_call *, int component, tf_span)) {
    size_t begin = call->part.span.begin;
    tf_span rows = tf_worker_items(call, tf_span_count(call->part.span) / row);
    for (int j = 0; j < 2; j++) work(call, j, (tf_span){begin + rows.begin * row, begin + rows.end * row});
    return TF_OK;
}

/** Public constants are added to component 0 alone: whether c[j] of this party is that component. */
static inline bool tf_takes_constant(const tf_call *call, int j) {
    return tf_component_of(call->party->id, j) == 0;
}

/** Whether steps that turn each of `rows` rows of `in` elements into one of `out` elements keep the thirds: these end
 *  between the same rows before and after. */
bool tf_rows_keep_thirds(const tf_program *program, size_t rows, size_t in, size_t out);

/** How a tensor is repeated to fill another: element i of the other is element i / each % count of it. */
typedef struct tf_repeated {
    size_t each, count;
} tf_repeated;

/** Whether `from`, broadcast to `to`, repeats only each of its elements and the whole of it. */
bool tf_repeats(tf_shape from, tf_shape to, tf_repeated *repeated);

/** An operand of an elementwise step of this shape: as it is where it can be read as it is repeated, else made real. */
tf_value tf_repeatable(tf_program *program, tf_value a, tf_shape shape);

/** Elements [at, at + count) of component j of input k, which may be repeated: where they lie, or in `room`. */
const uint64_t *tf_repeated_block(const tf_call *call, int k, int j, size_t at, size_t count, uint64_t room[TF_BLOCK]);

/** For tf_step.reads_whole: whether thirds of input k, which may be repeated, are not thirds of the result. */
bool tf_repeated_whole(const tf_program *program, const tf_step_node *node, int k);

/** Walks the elements of a shape in order, tracking a position in another tensor by strides (0 repeats). */
typedef struct tf_odometer {
    int rank;
    size_t dim[TF_MAX_RANK], stride[TF_MAX_RANK], at[TF_MAX_RANK], position;
} tf_odometer;

static inline tf_odometer tf_odometer_at(tf_shape shape, const int64_t *stride, size_t index) {
    tf_odometer o = {.rank = shape.rank};
    for (int i = shape.rank; i-- > 0;) {
        o.dim[i] = shape.dim[i];
        o.stride[i] = (size_t)stride[i];
        o.at[i] = index % shape.dim[i];
        index /= shape.dim[i];
        o.position += o.at[i] * o.stride[i];
    }
    return o;
}

static inline void tf_odometer_step(tf_odometer *o) {
    for (int i = o->rank; i-- > 0;) {
        o->position += o->stride[i];
        if (++o->at[i] < o->dim[i]) return;
        o->position -= o->dim[i] * o->stride[i];
        o->at[i] = 0;
    }
}

/** A sum of activations is an activation: it keeps the default range unless it is known to be smaller. */
static inline double tf_summed_bound(const tf_program *program, double bound, double a, double b) {
    double limit = tf_default_bound(program);
    if (a > limit || b > limit) return bound;
    return bound < limit ? bound : limit;
}

/** Strides with which `from` is read to fill `to`; false if it does not broadcast to it. */
static inline bool tf_broadcast_strides(tf_shape from, tf_shape to, int64_t *stride) {
    size_t step = 1;
    if (from.rank > to.rank) return false;
    for (int i = to.rank; i-- > 0;) {
        int k = i - (to.rank - from.rank);
        size_t dim = k < 0 ? 1 : from.dim[k];
        if (dim != 1 && dim != to.dim[i]) return false;
        stride[i] = dim == 1 ? 0 : (int64_t)step;
        step *= dim;
    }
    return true;
}

#endif
