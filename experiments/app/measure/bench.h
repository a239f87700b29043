/** Measures a protocol step, a matrix product, a model, or the link. */
#ifndef TF_APP_BENCH_H
#define TF_APP_BENCH_H

#include "experiments/app/report/bench_report.h"
#include "experiments/app/service/job.h"
#include "experiments/app/service/private.h"

/** What to measure: exactly one of link, step, op, matmul and config. */
typedef struct bench_job {
    const run_settings *settings;
    bool link;
    size_t link_bytes; /**< of a message, with link; 0 for a default */
    const char *step;
    size_t elements;
    const tf_op *op;         /**< on inputs that the data owner puts in */
    tf_shape op_shape;       /**< of these, the width last; rank 0 for BERT-tiny's */
    const size_t *matmul;    /**< rows, inner, columns; or NULL */
    const tf_config *config; /**< of a model, on random tokens; or NULL */
    const tf_approx *approx;
    const tf_safetensors *weights; /**< the model's, where this process plays their owner; NULL: random ones */
    const tf_ranges *ranges;       /**< the model's, or NULL */
    size_t texts, length;          /**< of the batch, with config; of a decoder one prompt */
    size_t tokens;   /**< of a decoder: so many after the prompt's first, in place of the prompt; 0: the prompt */
    size_t proposed; /**< of these, so many are proposed in each pass, all of them rightly */
    const party_shares *shares; /**< with config: weights from share files; or NULL */
    size_t runs;
    int parties_here; /**< how many of the three compute on this host */
    bool profile;     /**< with config: say where the time goes */
} bench_job;

/** Gives every weight of a graph random data, all from one sequence that the caller frees: what measurements run on. */
TF_CHECKED tf_status bench_random_weights(tf_graph *graph, float **data);

/** Runs and measures, called by all parties together; fills the report where this process plays party 0. */
TF_CHECKED tf_status private_bench(private_session *session, const bench_job *job, bench_report *report);

#endif
