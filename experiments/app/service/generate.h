/**
 * Generation: prompts are continued token by token. All prompts of a batch are read in one pass (prefill), then each
 * pass adds a token to every text (decoding); keys and values of what was read stay shared in between. Public are the
 * number of prompts, their lengths in tokens, and how many tokens are generated; the tokens are the data owner's alone.
 *
 * To one prompt the data owner may propose the next tokens (Leviathan et al. 2023): a pass reads them all, and brings
 * those that are what would have been chosen without proposals, up to the first other one, and one token more. Tokens
 * have the distribution that they have without, as each row's are chosen by noise of its own: what is proposed only
 * decides how many rows count. How many tokens a pass brought becomes public.
 */
#ifndef TF_APP_GENERATE_H
#define TF_APP_GENERATE_H

#include "experiments/app/report/generation_report.h"
#include "experiments/app/service/draft.h"
#include "experiments/app/service/party_infer.h"
#include "experiments/app/service/passes.h"
#include "experiments/app/service/private.h"

/** Prompts that are continued together. */
typedef struct prompt_batch {
    size_t first; /**< the number of its first text, counted through all batches */
    size_t texts, longest;
    const size_t *lengths; /**< tokens of each prompt, 1..longest */
    const int32_t *ids;    /**< texts x longest, each prompt at the end of its row */
} prompt_batch;

/** The data owner's side. `begin` is told of each batch. `step` is told after each of its passes; `values` are texts x
 *  width. It fills `next`, a token for each text, and says whether to go on. An error ends the run. */
typedef struct generate_watch {
    void (*begin)(void *context, const prompt_batch *batch);
    tf_status (*step)(void *context, const double *values, int32_t *next, bool *go_on);
    void *context;
    size_t unseen; /**< the most tokens of a text, whose number is shown as progress; 0: they are seen as they come */
} generate_watch;

/** What generation brings beside a private job, of which texts are not looked at. */
typedef struct generate_job {
    const private_job *job;
    pass_reveal reveal;
    size_t context;              /**< the most tokens of a text, prompt included */
    size_t piece;                /**< tokens of a prompt that are read in one pass; 0: all */
    const prompt_batch *batch;   /**< where this process plays the data owner, or NULL */
    size_t batches;              /**< 0: no request */
    const generate_watch *watch; /**< likewise */
    draft *draft;                /**< where this process plays the data owner: of its proposals, or NULL */
    size_t proposed; /**< likewise: at once, to a batch of one prompt; others get none. It tells the others */
    const tf_sampling *sampling; /**< where this process plays the data owner: how tokens are drawn that alone are
                                      revealed, which it tells the others with each batch; NULL: by the settings */
} generate_job;

/** Checks that prompts and so many tokens fit into the context, and that ids are below the vocabulary's size. */
TF_CHECKED tf_status generate_check(const tf_config *config, const prompt_batch *prompts, size_t tokens,
                                    size_t context);

/** In floating point, in this process. */
TF_CHECKED tf_status generate_plain(const generate_job *job, generate_report *report);

/** Compares what must be the same in all requests, beside party_agree. */
TF_CHECKED tf_status party_agree_generation(tf_session *session, const generate_job *job);

/**
 * One party's side of one request, in a session that has agreed: the data owner's batches, one after the other. The
 * other arguments are those of party_answer. The report is filled everywhere, up to a failure.
 */
TF_CHECKED tf_status party_continue(tf_session *session, const generate_job *job, double open_seconds,
                                    const party_counters *before, bool may_rest, generate_report *report, bool *asked);

/** A session with one request. */
TF_CHECKED tf_status party_generate(tf_link *link, const generate_job *job, generate_report *report);

/** The parties that this process plays; see private.h. */
TF_CHECKED tf_status private_generate(private_session *session, const generate_job *job, generate_report *report);

#endif
