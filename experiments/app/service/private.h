/**
 * Private runs as this process takes part in them: as one party under mpirun -n 3, as all three with --local. The
 * parties call private_open and then the same function together.
 */
#ifndef TF_APP_PRIVATE_H
#define TF_APP_PRIVATE_H

#include "experiments/app/data/model_files.h"
#include "experiments/app/report/bench_profile.h"
#include "experiments/app/report/results.h"
#include "models/files/share_texts.h"
#include "models/files/share_weights.h"
#include "runtime/session/range_check.h"
#include "runtime/session/session.h"

typedef struct private_session private_session;

/**
 * Joins the others: through MPI, or threads with --local. Fails with TF_INVALID when neither was asked for, or when
 * mpirun started another number of processes than three. --frac-bits, --model-owner, --data-owner, --public-weights and
 * the options of links.h count from here on.
 */
TF_CHECKED tf_status private_open(const cli_options *options, private_session **session);

/**
 * The same for a job of 3 k processes, which form k groups of three: group t has the ranks 3 t to 3 t + 2. Each group
 * computes on its own; the same party of all groups can share what it knows and wait for its likes.
 */
TF_CHECKED tf_status private_open_groups(const cli_options *options, private_session **session);
void private_group(const private_session *session, int *group, int *groups);

/** Called by one party of all groups together: data of group 0 reach the others; nobody goes on before all are here. */
TF_CHECKED tf_status private_share(private_session *session, void *data, size_t size);
TF_CHECKED tf_status private_meet(private_session *session);

/** Whether this process plays that party. */
bool private_plays(const private_session *session, int party);

/**
 * Leaves. With a status other than TF_OK the other parties are told the current error message and end with it too; the
 * message stays current. NULL is allowed.
 */
void private_close(private_session *session, tf_status status);

/** What a party does with its end of the links. */
typedef tf_status private_function(tf_link *link, void *job);

/** Runs a function as each party that this process plays; the first cause of a failure. */
TF_CHECKED tf_status private_each(private_session *session, private_function *function, void *job);

/** Told to the data owner's process at both ends of each batch; `values` are texts x width. An error ends the run. */
typedef struct batch_watch {
    tf_status (*begin)(void *context, size_t batch);
    tf_status (*end)(void *context, size_t batch, const double *values);
    void *context;
} batch_watch;

/** What a party got from owners outside. */
typedef struct party_shares {
    tf_share_file *weights;  /**< with --model-shares, or NULL */
    tf_share_texts texts;    /**< with --input-shares */
    char results[4096 + 64]; /**< where this party's results are written, with --result-shares */
} party_shares;

/** Checks what options of share files go together. */
TF_CHECKED tf_status party_shares_check(const cli_options *options);

/** Opens what --model-shares and --input-shares name for this party, and makes its directory of --result-shares. */
TF_CHECKED tf_status party_shares_open(const cli_options *options, const tf_config *config, int party,
                                       party_shares *shares);
void party_shares_close(party_shares *shares);

/** What a party brings to a run. */
typedef struct private_job {
    const tf_config *config;
    const tf_approx *approx;
    const tf_safetensors *weights; /**< where this process plays the model owner (or the weights are public), or NULL */
    const cli_batches *batches;    /**< where this process plays the data owner, or NULL */
    const batch_watch *watch;      /**< likewise, to take the results batch by batch; or NULL */
    const tf_ranges *ranges;       /**< calibrated, or NULL; the same on all parties */
    tf_range_check *range_check;   /**< with --check-ranges, or NULL */
    const party_shares *shares;    /**< of each party that this process plays, where owners are outside */
} private_job;

/** The digest of the numbers that the lowering sees; ranges may be NULL. */
tf_digest ranges_digest(const tf_ranges *ranges);

/** What the owner of the model tells about it: the SHA-256 digest of its weights. */
typedef struct model_digest {
    uint8_t byte[32];
} model_digest;

/** Compares settings and tells the model's digest to all, who can recognise a file by it that they have themselves. */
TF_CHECKED tf_status private_identify(private_session *session, const private_job *job, model_digest *digest);

/**
 * Infers all batches. Where this process plays the data owner, `values` (texts x width, in the order of the texts;
 * unless NULL, with a watch) and the whole report are filled; elsewhere `values` is NULL. Without a watch it shows
 * progress on stderr when that is a terminal.
 */
TF_CHECKED tf_status private_infer(private_session *session, const private_job *job, float *values, run_report *report);

/** What to measure: exactly one of link, step, matmul and config. */
typedef struct bench_job {
    bool link;
    size_t link_bytes; /**< of a message, with link; 0 for a default */
    const char *step;
    size_t elements;
    const size_t *matmul;    /**< rows, inner, columns; or NULL */
    const tf_config *config; /**< with random weights and tokens; or NULL */
    const tf_approx *approx;
    size_t texts, length;       /**< of the batch, with config */
    const party_shares *shares; /**< with config: weights from share files; or NULL */
    size_t runs;
    bool profile; /**< with config: say where the time goes */
} bench_job;

/** What the link does between processes or threads as they stand, whatever wraps it. */
typedef struct link_report {
    uint64_t bytes;       /**< of a message */
    double one_way;       /**< bytes a second from party 0 to party 1, nothing else under way */
    double all_ways;      /**< bytes a second that each party sends, and receives, when all send to all */
    double round_seconds; /**< of a round in which all send all a word */
    double cipher;        /**< bytes a second of OpenSSL's AES-128-GCM on one core, for comparison */
} link_report;

typedef struct bench_report {
    link_report link;
    tf_shape shape;          /**< of the output */
    run_report run;          /**< of one run; seconds are medians over the runs */
    double fastest, slowest; /**< of the runs, seconds online */
    profile_report profile;  /**< if asked for; the caller frees its rows */
} bench_report;

/** Gives every weight of a graph random data, all from one sequence that the caller frees: what measurements run on. */
TF_CHECKED tf_status bench_random_weights(tf_graph *graph, float **data);

/** Runs and measures; fills the report where this process plays party 0. */
TF_CHECKED tf_status private_bench(private_session *session, const bench_job *job, bench_report *report);

typedef struct op_cost {
    char name[96];
    const char *kind;
    uint64_t bytes, rounds; /**< rounds as if the op ran alone; ops side by side share rounds */
} op_cost;

typedef struct cost_report {
    uint64_t links[TF_PARTIES][TF_PARTIES], rounds;
    uint64_t memory;        /**< bytes of the largest party at the peak */
    double network_seconds; /**< that messages take on the network of the options, if one is named */
    op_cost *op;
    size_t ops;
} cost_report;

/** The exact forecast for a batch of `texts` texts of `length` tokens; runs nothing. The caller frees report->op. */
TF_CHECKED tf_status private_cost(const cli_options *options, const tf_config *config, const tf_approx *approx,
                                  const tf_ranges *ranges, size_t texts, size_t length, cost_report *report);

#endif
