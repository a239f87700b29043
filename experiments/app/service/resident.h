/**
 * A party with all it holds, from its model's files to the shares of the weights, which answers one request after
 * another over one connection after another. Where requests come from and where answers go is its owner's desk.
 */
#ifndef TF_APP_RESIDENT_H
#define TF_APP_RESIDENT_H

#include "experiments/app/data/directory.h"
#include "experiments/app/service/generation.h"
#include "experiments/app/service/party_infer.h"

typedef struct resident_settings {
    int party; /**< which one this is */
    run_settings run;
    model_settings model; /**< without a directory, what is public of it comes from the model owner */
    share_settings parts; /**< of owners who are none of the three */
    const generation_settings *generation;
    int parties_here;       /**< how many of the three compute on this host */
    const char *ready_file; /**< that is there while requests can be answered; or NULL */
    bool rests; /**< at the data owner: it may take any time between requests; otherwise silence is a fault */
} resident_settings;

/** What the data owner asks: texts of a model that reads them, or prompts of one that continues them. */
typedef struct resident_request {
    const text_batches *batches;
    float *values; /**< of the batches, to be filled */
    const prompt_batch *prompts;
    size_t prompt_batches;
    const generate_watch *watch; /**< of the prompts */
    const tf_sampling *sampling; /**< likewise; NULL: as the settings say */
    draft *draft;                /**< proposes tokens where there is one prompt, as many as the settings say; or NULL */
} resident_request;

/** What came of a request. */
typedef struct resident_answer {
    tf_status status; /**< a failure's message is current, and stays so whatever the desk does */
    double seconds;   /**< since it was asked; of the first one since the connection was begun */
    size_t shared;    /**< texts of share files, whose results were written to such; 0: it was a desk's request */
    run_report run;
    generate_report generated; /**< in place of `run`, of prompts */
} resident_answer;

/** The data owner's desk; that of party 0 is told of texts from share files. Called on the thread of the party. */
typedef struct resident_desk {
    /** Waits for a request and fills it; left as it is, all is asked and the connection ends in peace. `link` may be
     *  asked meanwhile whether the others are there. */
    tf_status (*next)(void *context, tf_link *link, resident_request *request);
    tf_status (*answered)(void *context, const resident_answer *answer);
    void *context;
} resident_desk;

typedef struct resident {
    const resident_settings *settings;
    const resident_desk *desk;
    bool model_owner, data_owner;
    unsigned needs;                 /**< of the model owner's public files, on every connection */
    char directory[DIRECTORY_PATH]; /**< of the model, or of this party's part of it; empty where it has none */
    model_files model;
    party_shares shares[TF_PARTIES]; /**< this party's own, where owners are outside */
    tf_provider provider;            /**< of weights from there */
    tf_session session;              /**< with the shared weights, kept from connection to connection */
    bool warned;
} resident;

/** Opens the party's own files, so that what is wrong with them is found before the others are called. Settings and
 * desk must outlive it. Close it also after a failure. */
TF_CHECKED tf_status resident_open(const resident_settings *settings, const resident_desk *desk, resident *resident);
void resident_close(resident *resident);

/** Whether its model generates text, as far as its files are open. */
bool resident_generates(const resident *resident);

/** Fails with TF_INVALID where this host lacks the memory that a request needs, and says what would do. */
TF_CHECKED tf_status resident_fits(const resident *resident, const resident_request *request);

/**
 * Answers requests over a link, begun at `start` (by tf_clock), until there are no more. The link stays the caller's,
 * and of a failure the others are not told here. The three call it together.
 */
TF_CHECKED tf_status resident_answer_all(resident *resident, tf_link *link, double start);

/** The same over the connection that the settings describe, which is opened and closed; the others are told of a
 * failure. *fatal: no other connection would mend it. */
TF_CHECKED tf_status resident_connect(resident *resident, const link_settings *links, bool *fatal);

#endif
