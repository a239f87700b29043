/** What the parties bring to a private run. */
#ifndef TF_APP_JOB_H
#define TF_APP_JOB_H

#include "experiments/app/data/batches.h"
#include "experiments/app/log/progress.h"
#include "experiments/app/report/run_report.h"
#include "experiments/app/service/shares.h"
#include "models/ranges.h"
#include "ops/sample.h"
#include "runtime/session/range_check.h"

/** What the parties must agree on, and how a party computes. */
typedef struct run_settings {
    int fraction_bits;           /**< of fixed-point numbers */
    int model_owner, data_owner; /**< TF_OUTSIDE: none of the parties */
    bool public_weights;         /**< those of linear layers */
    bool check_copies;           /**< what two parties hold alike is compared before a result opens */
    tf_network network;          /**< that is planned for (--network); rate 0: not told */
    double round_bytes;          /**< bytes that a round less is worth on it; 0: not told */
    bool measures;               /**< the parties measure their network; not told: where they are on several hosts */
    bool stream;                 /**< weights are read from their share file each time they are used */
    int threads;                 /**< of each party */
    size_t keep;                 /**< rows of a prompt that stay in a decoder's caches, of each layer; 0: all */
    double repeat_penalty;       /**< on tokens that are in the text, where tokens alone are revealed; 0 or 1: none */
    tf_sampling sampling;        /**< how tokens are drawn that alone are revealed; temperature 0: the likeliest */
} run_settings;

/** Told to the data owner's process at both ends of each batch; `values` are texts x width, and `run` what it took and
 *  moved. An error ends the run. */
typedef struct batch_watch {
    tf_status (*begin)(void *context, size_t batch);
    tf_status (*end)(void *context, size_t batch, const double *values, const run_report *run);
    void *context;
} batch_watch;

/** What a party brings to a run. */
typedef struct private_job {
    const run_settings *settings;
    const tf_config *config;
    const tf_approx *approx;
    const tf_safetensors *weights; /**< where this process plays the model owner (or the weights are public), or NULL */
    const text_batches *batches;   /**< where this process plays the data owner, or NULL */
    const batch_watch *watch;      /**< likewise, to take the results batch by batch; or NULL */
    const tf_ranges *ranges;       /**< calibrated, or NULL; the same on all parties */
    progress_line *line;           /**< of a command that shows how far it is, or NULL: each request shows its own */
    tf_range_check *range_check;   /**< with --check-ranges, or NULL */
    const char *directory;         /**< where this process plays the model owner: of the model, with its tokenizer */
    tf_digest offered_tokenizer; /**< likewise, if it is known already: of its tokenizer; zero: made when it is told */
    tf_digest pinned_tokenizer;  /**< where it plays the data owner: of the one it holds to; zero: any */
    bool scores;                 /**< a decoder gives the logits after each token, see likelihood.h */
    const party_shares *shares;  /**< of each party that this process plays, where owners are outside */
} private_job;

/** What the owner of the model tells the data owner about it: the SHA-256 digest of its weights. */
typedef struct model_digest {
    uint8_t byte[32];
} model_digest;

#endif
